"""Make occurrences ahead: rows up to the horizon, in batches, each slot once; what exists is updated, not doubled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, text, update
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Invalid
from assets.base.ids import uuid7
from maintenance.plans.due import Planned, Turn, planned
from maintenance.plans.library import log
from maintenance.plans.reading import Seen, load
from maintenance.plans.recurrence import to_instant, to_local
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset

BATCH = 1000  # machines of plans in one transaction
BACK = timedelta(days=45)  # how far back what was not made yet still is, after downtime
METERS_AGAIN = timedelta(hours=6)  # telemetry moves meters without a word
AGAIN = timedelta(days=30)  # the horizon is longer by that much, so that nobody sees it shrink
NOT_DUE = "not_due"

_COLUMNS = (
    "packages jsonb, covered jsonb, source text, state text, due_at timestamptz, due_on date, earliest_at timestamptz,"
    " latest_at timestamptz, low_at timestamptz, high_at timestamptz, target double precision,"
    " release_at timestamptz, reason text"
)
_NAMES = [part.split()[0] for part in _COLUMNS.split(",")]
_SET = ", ".join(f"{name} = excluded.{name}" for name in _NAMES)
# put_at is the planner's; what has been released or closed is nobody's to change here.
_UPSERT = text(f"""
INSERT INTO occurrences AS o (id, organisation_id, plan_id, plan_asset_id, asset_id, slot, {", ".join(_NAMES)})
SELECT id, organisation_id, plan_id, plan_asset_id, asset_id, slot, {", ".join(_NAMES)}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, organisation_id uuid, plan_id uuid, plan_asset_id uuid,
  asset_id uuid, slot text, {_COLUMNS})
ON CONFLICT (plan_asset_id, slot) DO UPDATE SET {_SET}, closed_at = NULL
WHERE o.state IN ('planned', 'left_out') OR (o.state = 'cancelled' AND o.reason = '{NOT_DUE}')
""")


@dataclass
class Made:
    """What a run did, by plan: machines, and how many occurrences were made, changed, cancelled."""

    machines: int = 0
    plans: dict[UUID, Counter[str]] = field(default_factory=dict)

    def add(self, plan_id: UUID, what: str, count: int = 1) -> None:
        """Count."""
        if count:
            self.plans.setdefault(plan_id, Counter())[what] += count

    def total(self, what: str) -> int:
        """Return a sum over all plans."""
        return sum(each[what] for each in self.plans.values())


def make_all(database: Database, now: datetime, *, batches: int = 1000, batch: int = BATCH) -> Made:
    """Make what is to be made, in short transactions, and say so once for each plan."""
    made = Made()
    for _ in range(batches):
        with database.as_service() as session:
            if not make_batch(session, now, made, batch):
                break
    with database.as_service() as session:
        told = select(MaintenancePlan).where(MaintenancePlan.id.in_(list(made.plans)))
        for plan in session.scalars(told).all():
            log(session, plan, "maintenance_plan.scheduled", now, None, dict(made.plans[plan.id]))
    return made


def make_batch(session: Session, now: datetime, made: Made | None = None, limit: int = BATCH) -> int:
    """Make the occurrences of some machines of plans that wait for it; return of how many."""
    made = made if made is not None else Made()
    waiting = (
        select(PlanAsset)
        .where(PlanAsset.state == "active", or_(PlanAsset.dirty, PlanAsset.remake_at <= now))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(waiting, execution_options={"populate_existing": True}).all()
    if rows:
        make(session, load(session, rows), now, made)
    return len(rows)


def make(session: Session, seen: Sequence[Seen], now: datetime, made: Made) -> None:
    """Make the occurrences of machines whose rows the caller has locked."""
    there = _existing(session, [each.row.id for each in seen])
    changes: list[dict[str, Any]] = []
    gone: list[UUID] = []
    for each in seen:
        before = there.get(each.row.id, {})
        wanted = {row["slot"]: row for row in wanted_rows(each, now)}
        for slot, row in wanted.items():
            old = before.get(slot)
            if old is None:
                made.add(each.plan.id, "made")
            elif not _differs(old, row):
                continue
            else:
                made.add(each.plan.id, "changed")
            changes.append(row if old is None else _keeping(old, row, each))
        lost = [old.id for slot, old in before.items() if slot not in wanted and _falls_away(old, each, now)]
        made.add(each.plan.id, "cancelled", len(lost))
        gone += lost
        horizon = timedelta(days=each.plan.horizon_days)
        each.row.made_until, each.row.dirty = now + horizon, False
        each.row.remake_at = now + min(METERS_AGAIN if each.definition.meters else AGAIN, max(horizon / 12, AGAIN / 30))
    made.machines += len(seen)
    session.flush()
    if changes:
        session.execute(_UPSERT, {"rows": json.dumps(changes, default=str)})
    if gone:
        left = update(Occurrence).where(Occurrence.id.in_(gone), Occurrence.state.in_(("planned", "left_out")))
        session.execute(
            left.values(state="cancelled", reason=NOT_DUE, closed_at=now),
            execution_options={"synchronize_session": False},
        )


def wanted_rows(each: Seen, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of one machine of a plan, as they should be."""
    if each.machine is None:
        return []
    plan, row, zone = each.plan, each.row, each.zone
    since = max(row.since, now - BACK)
    look = timedelta(days=plan.near_days)
    until = now + timedelta(days=plan.horizon_days) + min(AGAIN, timedelta(days=plan.horizon_days) / 12)
    try:
        found = planned(
            each.definition.rules(each.machine.start), each.machine, to_local(since - look, zone), to_local(until, zone)
        )
    except Invalid:
        return []
    begins, ends = _days(plan.effectivity)
    after = to_local(since, zone)
    return [
        _row(each, one)
        for one in found
        if one.at is None
        or ((one.at > after or any(turn.reached for turn in one.done)) and begins <= one.at.date() <= ends)
    ]


def _days(effectivity: Mapping[str, Any]) -> tuple[date, date]:
    begins, ends = effectivity.get("valid_from"), effectivity.get("valid_until")
    return (
        date.fromisoformat(begins) if begins else date.min,
        date.fromisoformat(ends) if ends else date.max,
    )


def _row(each: Seen, one: Planned) -> dict[str, Any]:
    def instant(local: datetime | None) -> str | None:
        return None if local is None else to_instant(local, each.zone).isoformat()

    first = one.done[0]
    due = None if one.at is None else to_instant(one.at, each.zone)
    return {
        "id": str(uuid7()),
        "organisation_id": str(each.row.organisation_id),
        "plan_id": str(each.row.plan_id),
        "plan_asset_id": str(each.row.id),
        "asset_id": str(each.row.asset_id),
        "slot": one.slot,
        "packages": [_turn(turn) for turn in one.done],
        "covered": [_turn(turn) for turn in one.covered],
        "source": one.source,
        "state": "left_out" if one.left_out else "planned",
        "due_at": None if due is None else due.isoformat(),
        "due_on": None if one.at is None else one.at.date().isoformat(),
        "earliest_at": instant(one.earliest),
        "latest_at": instant(one.latest),
        "low_at": instant(first.low),
        "high_at": instant(first.high),
        "target": first.target,
        "release_at": None if due is None else (due - timedelta(days=each.plan.lead_days)).isoformat(),
        "reason": None,
    }


def _turn(turn: Turn) -> dict[str, Any]:
    found: dict[str, Any] = {"code": turn.package, "slot": turn.slot}
    if turn.at is not None:
        found["at"] = turn.at.isoformat()
    if turn.target is not None:
        found["target"] = turn.target
    return found


_READ = (
    Occurrence.id, Occurrence.plan_asset_id, Occurrence.slot, Occurrence.state, Occurrence.reason, Occurrence.packages,
    Occurrence.covered, Occurrence.due_at, Occurrence.due_on, Occurrence.earliest_at, Occurrence.latest_at,
    Occurrence.high_at, Occurrence.low_at, Occurrence.target, Occurrence.put_at, Occurrence.release_at,
    Occurrence.source,
)  # fmt: skip
_MOMENTS = ("due_at", "earliest_at", "latest_at", "low_at", "high_at")


def _existing(session: Session, keys: Sequence[UUID]) -> dict[UUID, dict[str, Row[Any]]]:
    found: dict[UUID, dict[str, Row[Any]]] = {}
    for row in session.execute(select(*_READ).where(Occurrence.plan_asset_id.in_(keys))):
        found.setdefault(row.plan_asset_id, {})[row.slot] = row
    return found


def _differs(old: Row[Any], row: Mapping[str, Any]) -> bool:
    """Return whether a row is to be written: it is open, or fell away before, and says something else now."""
    if old.state == "cancelled":
        return bool(old.reason == NOT_DUE)
    if old.state not in ("planned", "left_out"):
        return False
    if old.state != row["state"] or old.target != row["target"]:
        return True
    if old.packages != row["packages"] or old.covered != row["covered"]:
        return True
    if any(_moment(row[name]) != getattr(old, name) for name in _MOMENTS):
        return True
    return old.put_at is None and _moment(row["release_at"]) != old.release_at


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def _keeping(old: Row[Any], row: dict[str, Any], each: Seen) -> dict[str, Any]:
    """What a planner put elsewhere stays there."""
    if old.put_at is None:
        return row
    released = old.put_at - timedelta(days=each.plan.lead_days)
    return row | {"due_on": to_local(old.put_at, each.zone).date().isoformat(), "release_at": released.isoformat()}


def _falls_away(old: Row[Any], each: Seen, now: datetime) -> bool:
    """What is planned and comes no more; what is overdue from before the window stays, and so does what was found."""
    if old.state not in ("planned", "left_out") or old.source in ("condition", "by_hand"):
        return False
    since = max(each.row.since, now - BACK)
    return old.due_at is None or bool(old.due_at > since)


def mark_dirty(session: Session, keys: Iterable[UUID]) -> None:
    """Let machines of plans be made anew."""
    ids = list(keys)
    if ids:
        session.execute(update(PlanAsset).where(PlanAsset.id.in_(ids)).values(dirty=True))
