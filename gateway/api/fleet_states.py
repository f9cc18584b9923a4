"""The state of every asset that the caller sees, decided by the database: how many are in which, and the gravest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.base.reach import MOST_NARROW
from gateway.api.cards import AWAY, ENDED, ORDER
from gateway.api.deps import Context
from gateway.api.kept_fleets import Counted, KeptFleets

# The same rules as those of a card, in the same order.
_STATES = """
WITH seen AS MATERIALIZED (SELECT unnest(CAST(:organisations AS uuid[])) AS id), trouble AS (
  SELECT asset_id, min(opened_at) AS since FROM (
    SELECT asset_id, opened_at FROM episodes x WHERE closed_at IS NULL AND {rows}
    UNION ALL
    SELECT asset_id, opened_at FROM work_orders x
    WHERE closed_at IS NULL AND state <> ALL (:ended) AND origin NOT IN ('plan', 'inspection') AND {orders}
  ) AS open GROUP BY 1
), watched AS (
  SELECT DISTINCT asset_id FROM predicted_jobs x WHERE state = 'watching' AND {rows}
), mine AS (
  SELECT id, name, coalesce(custom->>'recorded_fleet', '') NOT IN ('', 'false', '0') AS recorded
  FROM assets x WHERE {assets} {those}
), heard AS (
  SELECT b.asset_id, bool_or(t.latest_at >= coalesce(b.valid_from, '-infinity')) AS data,
         bool_and(coalesce(CASE b.channel WHEN '' THEN x.presence ELSE t.presence END, 'unknown') = ANY (:away)) AS away
  FROM mine JOIN asset_bindings b ON b.asset_id = mine.id JOIN devices x ON x.id = b.device_id
  LEFT JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
  WHERE b.valid_to IS NULL AND {rows} {theirs} GROUP BY 1
), states AS MATERIALIZED (
  SELECT a.id, a.name, t.since,
    CASE WHEN t.asset_id IS NOT NULL THEN 'trouble' WHEN w.asset_id IS NOT NULL THEN 'watch' END AS lasting,
    CASE WHEN h.data IS NOT TRUE OR (h.away AND NOT a.recorded) THEN 'no_data'
    WHEN coalesce(s.learning->>'state', 'learning') = 'learning' THEN 'learning' ELSE 'ok' END AS heard
  FROM mine a
  LEFT JOIN trouble t ON t.asset_id = a.id LEFT JOIN watched w ON w.asset_id = a.id
  LEFT JOIN heard h ON h.asset_id = a.id LEFT JOIN scoring_states s ON s.asset_id = a.id
)
SELECT (SELECT jsonb_agg(jsonb_build_array(lasting, heard, n))
        FROM (SELECT lasting, heard, count(*) AS n FROM states GROUP BY 1, 2) c) AS counts,
       ARRAY(SELECT id FROM states ORDER BY array_position(:order, coalesce(lasting, heard)), since, name
             LIMIT :most) AS gravest,
       ARRAY(SELECT id FROM states ORDER BY array_position(:order, heard), name LIMIT :most) AS silent
"""
# A policy has no index, and below one the planner knows no numbers: what is one's own is asked for as the service, by
# the organisations that the policies name. Few of them are a list that finds a customer's assets by an index.
_FEW, _MANY = "= ANY (CAST(:organisations AS uuid[]))", "IN (SELECT id FROM seen)"
# What else is seen (an executor's orders, a customer's address opens it) is little, and the policies say how much.
_REACHED = {
    "assets": "id = ANY ((SELECT forewarn_reached_assets())::uuid[]) AND organisation_id NOT IN (SELECT id FROM seen)",
    "rows": "true",
    "orders": "true",
}
_VISIBLE = text("SELECT forewarn_visible_organisations()")
_ANY_REACHED = text("SELECT cardinality(forewarn_reached_assets()) > 0")


# Only what something lasts for: the rest is kept, see `gateway.api.kept_fleets`.
_LASTING = "AND id = ANY (CAST(:lasting AS uuid[]))"
_OF_LASTING = _STATES.partition("), mine AS (")[0] + ") SELECT asset_id FROM trouble UNION SELECT asset_id FROM watched"


@dataclass(slots=True)
class Fleet:
    """How many assets are in which state, and the gravest; when those that nothing lasts for were counted."""

    counts: Counter[str]
    gravest: list[UUID]
    counted_at: datetime


def fleet_states(here: Context, most: int, kept: KeptFleets) -> Fleet:
    """Return how many of the assets that the caller sees are in which state, and the `most` gravest of them.

    Of a large fleet only what alarms, orders and findings say is asked anew.
    """
    organisations: list[UUID] = here.session.scalar(_VISIBLE) or []
    reached = bool(here.session.scalar(_ANY_REACHED))
    test = _FEW if len(organisations) <= MOST_NARROW else _MANY
    own = {
        "assets": f"organisation_id {test}",
        "rows": f"x.organisation_id {test}",
        "orders": f"(x.organisation_id {test} OR x.executing_organisation_id {test})",
    }
    key = here.actor.organisation_id if organisations and here.actor.bound is None else None

    def count(session: Session) -> Counted:
        return _ask(session, own, organisations, most)

    known = kept.known(key, most, count) if key else None
    with service_rights(here.session):
        if known is None:
            counted = count(here.session)
            fleet = Fleet(counted.states(), counted.gravest, here.now)
            if key:
                kept.keep(key, most, counted)
        else:
            those = {"organisations": organisations, "ended": list(ENDED)}
            ids = list(here.session.scalars(text(_OF_LASTING.format(**own)), those))
            lasting = _ask(here.session, own, organisations, most, ids)
            counts = known.counted.heard() - lasting.heard() + lasting.states()
            others = [each for each in known.counted.silent if each not in set(lasting.gravest)]
            fleet = Fleet(counts, (lasting.gravest + others)[:most], known.at)
    if reached:
        more = _ask(here.session, _REACHED, organisations, most)
        fleet.counts, fleet.gravest = fleet.counts + more.states(), fleet.gravest + more.gravest
    return fleet


def _ask(
    session: Session,
    conditions: dict[str, str],
    organisations: list[UUID],
    most: int,
    lasting: list[UUID] | None = None,
) -> Counted:
    values: dict[str, Any] = {
        "organisations": organisations,
        "ended": list(ENDED),
        "away": list(AWAY),
        "order": list(ORDER),
        "most": most,
        "lasting": lasting,
    }
    those, theirs = ("", "") if lasting is None else (_LASTING, _LASTING.replace("id", "b.asset_id", 1))
    counts, gravest, silent = session.execute(
        text(_STATES.format(**conditions, those=those, theirs=theirs)), values
    ).one()
    return Counted([(lasting, heard, n) for lasting, heard, n in counts or ()], list(gravest), list(silent))
