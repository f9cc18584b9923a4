"""The history of unplanned work by week, skill and site, kept from orders; and as series for the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from assets.registry import Site
from maintenance.forecasts.planned import Where
from maintenance.forecasts.tables import DemandHours, DemandParts
from maintenance.forecasts.weeks import WEEK, begins, monday

YEARS = 3
BACK_WEEKS = 12  # what is written into orders later still counts there; once a day all of it is read anew

# The strongest skill of an order takes its hours, so that nothing counts twice. Time: labour that nobody rejected,
# else its visits, else what it was planned to take. Merged orders live on in the one that they went into.
_HOURS = text("""
INSERT INTO demand_hours (id, organisation_id, week, site_id, skill, level, orders, predicted, timed, minutes)
SELECT gen_random_uuid(), organisation_id, week, site_id, skill, level, count(*), count(*) FILTER (WHERE predicted),
       count(minutes), coalesce(sum(minutes), 0)
FROM (
  SELECT w.organisation_id, (date_trunc('week', w.opened_at AT TIME ZONE 'UTC'))::date AS week, w.site_id,
    coalesce(s.skill, 'any') AS skill, coalesce(s.level, 1) AS level,
    EXISTS (SELECT FROM predicted_jobs j WHERE j.work_order_id = w.id) AS predicted,
    coalesce(
      (SELECT nullif(sum(l.minutes), 0) FROM work_order_lines l
       WHERE l.work_order_id = w.id AND l.kind = 'labour' AND l.state <> 'rejected'),
      (SELECT nullif(sum(round(extract(epoch FROM v.finished_at - v.started_at) / 60))::bigint, 0) FROM visits v
       WHERE v.work_order_id = w.id AND v.finished_at > v.started_at
         AND v.finished_at - v.started_at < interval '3 days'),
      w.duration_minutes) AS minutes
  FROM work_orders w
  LEFT JOIN LATERAL (
    SELECT e ->> 'skill' AS skill, coalesce((e ->> 'level')::int, 1) AS level
    FROM jsonb_array_elements(w.required_skills) e ORDER BY 2 DESC LIMIT 1) s ON true
  WHERE w.organisation_id = :organisation AND w.opened_at >= :since AND w.opened_at < :until
    AND w.origin IN ('finding', 'request', 'manual') AND NOT w.replayed AND w.state <> 'cancelled'
    AND w.merged_into_id IS NULL
) o GROUP BY 2, 3, 4, 5, 6
""")
_PARTS = text("""
INSERT INTO demand_parts (id, organisation_id, week, site_id, part_id, quantity)
SELECT gen_random_uuid(), w.organisation_id, (date_trunc('week', u.occurred_at AT TIME ZONE 'UTC'))::date, w.site_id,
       u.part_id, sum(u.quantity - u.returned)
FROM part_usages u JOIN work_orders w ON w.id = u.work_order_id
WHERE w.organisation_id = :organisation AND u.occurred_at >= :since AND u.occurred_at < :until
  AND w.origin IN ('finding', 'request', 'manual') AND NOT w.replayed
GROUP BY 2, 3, 4, 5 HAVING sum(u.quantity - u.returned) > 0
""")


def keep_demand(session: Session, organisation_id: UUID, now: datetime, *, whole: bool) -> None:
    """Bring the history up to the last whole week: the last weeks of it, or all."""
    until = monday(now.date())
    since = until - (timedelta(days=366 * YEARS) if whole else WEEK * BACK_WEEKS)
    first = monday(since)
    for table, statement in (("demand_hours", _HOURS), ("demand_parts", _PARTS)):
        told = {"organisation": organisation_id, "first": first}
        older = "" if whole else " AND week >= :first"
        session.execute(text(f"DELETE FROM {table} WHERE organisation_id = :organisation{older}"), told)
        session.execute(statement, {"organisation": organisation_id, "since": begins(first), "until": begins(until)})


@dataclass
class History:
    """Weekly series up to the last whole week, all from the same first week. Of hours: minutes."""

    first: date | None
    weeks: int
    hours: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    orders: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    parts: dict[UUID, list[float]] = field(default_factory=dict)
    predicted_share: float = 0.0  # of orders that began as a predicted job
    untimed: int = 0  # orders that nobody wrote a time for: they count with the mean of the others
    mean_minutes: float | None = None


def history(session: Session, now: datetime, where: Where, skill: str | None = None) -> History:
    """Return the history of unplanned hours that the reader sees; a team has none, orders come before teams."""
    last = monday(now.date())
    rows = _rows(session, DemandHours, (DemandHours.skill, DemandHours.level), _TOTALS, last, where)
    if skill is not None:
        rows = [row for row in rows if row[1] == skill]
    if not rows:
        return History(None, 0)
    first = min(row[0] for row in rows)
    weeks = (last - first).days // 7
    made = History(first, weeks)
    timed = sum(row[5] for row in rows)
    minutes = float(sum(row[6] for row in rows))
    orders = sum(row[3] for row in rows)
    made.mean_minutes = minutes / timed if timed else None
    made.predicted_share = sum(row[4] for row in rows) / orders
    made.untimed = orders - timed
    groups: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for row in rows:
        groups[(row[1], row[2])].append(row)
    for key, those in groups.items():
        known = sum(row[5] for row in those)
        mean = float(sum(row[6] for row in those)) / known if known else made.mean_minutes or 0.0
        series, counts = [0.0] * weeks, [0] * weeks
        for row in those:
            place = (row[0] - first).days // 7
            series[place] += float(row[6]) + mean * (row[3] - row[5])
            counts[place] += int(row[3])
        made.hours[key], made.orders[key] = series, counts
    return made


_TOTALS = (DemandHours.orders, DemandHours.predicted, DemandHours.timed, DemandHours.minutes)


def part_history(session: Session, now: datetime, where: Where, part_ids: Iterable[UUID] | None = None) -> History:
    """Return what unplanned work used of each item by week."""
    last = monday(now.date())
    rows = _rows(session, DemandParts, (DemandParts.part_id,), (DemandParts.quantity,), last, where)
    if not rows:
        return History(None, 0)
    first = min(row[0] for row in rows)
    made = History(first, (last - first).days // 7)
    wanted = None if part_ids is None else set(part_ids)
    for week, part, quantity in rows:
        if wanted is None or part in wanted:
            made.parts.setdefault(part, [0.0] * made.weeks)[(week - first).days // 7] += float(quantity)
    return made


def _rows(session: Session, table: Any, keys: Any, totals: Any, last: date, where: Where) -> list[Any]:
    sums = [func.sum(each) for each in totals]
    query: Any = select(table.week, *keys, *sums).where(table.week < last)
    if where.organisation_ids is not None:
        query = query.where(table.organisation_id.in_(where.organisation_ids))
    if where.site_id is not None:
        query = query.where(table.site_id == where.site_id)
    if where.region is not None:
        query = query.where(table.site_id.in_(select(Site.id).where(Site.region == where.region)))
    return list(session.execute(query.group_by(table.week, *keys)).all())
