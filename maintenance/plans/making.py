"""Make occurrences ahead: rows up to the horizon, in batches, each slot once; what exists is updated, not doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Row, Select, case, select, text, update
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Invalid
from assets.base.ids import uuid7
from assets.imports.bulk_events import Happened, append_events
from maintenance.plans.due import Planned, Turn, planned, without
from maintenance.plans.library import told
from maintenance.plans.reading import Seen, load
from maintenance.plans.recurrence import to_instant, to_local
from maintenance.plans.tables import TOO_MANY, MaintenancePlan, Occurrence, PlanAsset

BATCH = 1000  # machines of plans in one transaction
TOLD = 500  # plans whose events are appended together
BACK = timedelta(days=45)  # how far back what was not made yet still is, after downtime
METERS_AGAIN = timedelta(hours=6)  # telemetry moves meters without a word
AGAIN = timedelta(days=30)  # the horizon is longer by that much, so that nobody sees it shrink
NOT_DUE = "not_due"

_COLUMNS = (
    "packages jsonb, covered jsonb, source text, state text, due_at timestamptz, due_on date, earliest_at timestamptz,"
    " latest_at timestamptz, low_at timestamptz, high_at timestamptz, target double precision,"
    " release_at timestamptz, reason text, digest bigint"
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
WHERE o.state IN ('planned', 'left_out') OR (o.state = 'cancelled' AND o.work_order_id IS NULL)
""")
_MADE = text("""
UPDATE plan_assets SET dirty = false, made_until = m.made_until, remake_at = m.remake_at
FROM unnest(CAST(:keys AS uuid[]), CAST(:until AS timestamptz[]), CAST(:again AS timestamptz[]))
  AS m(id, made_until, remake_at)
WHERE plan_assets.id = m.id
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
    after: UUID | None = None
    for _ in range(batches):
        with database.as_service() as session:
            seen, after = make_batch(session, now, made, batch, after)
        if not seen:
            break
    _tell(database, made, now)
    return made


def _tell(database: Database, made: Made, now: datetime) -> None:
    keys = sorted(made.plans)
    for first in range(0, len(keys), TOLD):
        with database.as_service() as session:
            found = select(MaintenancePlan).where(MaintenancePlan.id.in_(keys[first : first + TOLD]))
            plans = session.scalars(found.order_by(MaintenancePlan.id)).all()
            append_events(
                session,
                [
                    Happened(**told(plan, "maintenance_plan.scheduled", now, None, dict(made.plans[plan.id])))
                    for plan in plans
                ],
                new=False,
            )


def make_batch(
    session: Session, now: datetime, made: Made | None = None, limit: int = BATCH, after: UUID | None = None
) -> tuple[int, UUID | None]:
    """Make the occurrences of some machines of plans that wait for it; return of how many, and where to go on.

    Several workers share the work: what one has locked the others pass over.
    """
    made = made if made is not None else Made()
    changed = select(PlanAsset).where(PlanAsset.state == "active", PlanAsset.dirty).order_by(PlanAsset.id)
    if after is not None:
        changed = changed.where(PlanAsset.id > after)
    rows = _locked(session, changed, limit)
    last = rows[-1].id if len(rows) == limit else after
    if len(rows) < limit:
        nearer = select(PlanAsset).where(
            PlanAsset.state == "active", PlanAsset.remake_at <= now, PlanAsset.dirty.is_(False)
        )
        rows += _locked(session, nearer.order_by(PlanAsset.remake_at), limit - len(rows))
    if rows:
        make(session, load(session, rows), now, made)
    return len(rows), last


def _locked(session: Session, query: Select[PlanAsset], limit: int) -> list[PlanAsset]:
    query = query.limit(limit).with_for_update(skip_locked=True)
    return list(session.scalars(query, execution_options={"populate_existing": True}))


def make(session: Session, seen: Sequence[Seen], now: datetime, made: Made) -> None:
    """Make the occurrences of machines whose rows the caller has locked."""
    there = _existing(session, [each.row.id for each in seen])
    changes: list[dict[str, Any]] = []
    gone: list[UUID] = []
    for each in seen:
        before = there.get(each.row.id, {})
        try:
            wanted = wanted_rows(each, now, _taken(before.values()))
        except Invalid:  # what is there stays: silence must not call off what was planned
            each.row.reason = TOO_MANY
            continue
        if each.row.reason == TOO_MANY:
            each.row.reason = None
        slots = set()
        for row in wanted:
            slots.add(row["slot"])
            old = before.get(row["slot"])
            if old is None:
                made.add(each.plan.id, "made")
            elif not _differs(old, row["digest"]):
                continue
            else:
                made.add(each.plan.id, "changed")
            changes.append(row if old is None else _keeping(old, row, each))
        lost = [old.id for slot, old in before.items() if slot not in slots and _falls_away(old, each, now)]
        made.add(each.plan.id, "cancelled", len(lost))
        gone += lost
    made.machines += len(seen)
    session.flush()
    if changes:
        session.execute(_UPSERT, {"rows": orjson.dumps(changes).decode()})
    if gone:
        left = update(Occurrence).where(Occurrence.id.in_(gone), Occurrence.state.in_(("planned", "left_out")))
        session.execute(
            left.values(state="cancelled", reason=NOT_DUE, closed_at=now),
            execution_options={"synchronize_session": False},
        )
    _write_down(session, seen, now)


def _write_down(session: Session, seen: Sequence[Seen], now: datetime) -> None:
    """Mark machines as made, with when they are again: not all of a large plan on one day."""
    horizons = [timedelta(days=each.plan.horizon_days) for each in seen]
    again = []
    for each, horizon in zip(seen, horizons, strict=True):
        most = min(METERS_AGAIN if each.definition.meters else AGAIN, max(horizon / 12, AGAIN / 30))
        again.append(now + most * (0.5 + each.row.id.int % 1024 / 2048))
    told = {
        "keys": [each.row.id for each in seen],
        "until": [now + horizon for horizon in horizons],
        "again": again,
    }
    session.execute(_MADE, told)
    for each in seen:
        session.expire(each.row, ["dirty", "made_until", "remake_at"])


def wanted_rows(each: Seen, now: datetime, taken: Container[str] = frozenset()) -> list[dict[str, Any]]:
    """Return the rows of one machine of a plan, as they should be, but for turns that other work has taken.

    Raises Invalid for more turns than are made.
    """
    if each.machine is None:
        return []
    plan, row, zone = each.plan, each.row, each.zone
    since = max(row.since, now - BACK)
    look = timedelta(days=plan.near_days)
    until = now + timedelta(days=plan.horizon_days) + min(AGAIN, timedelta(days=plan.horizon_days) / 12)
    found = planned(
        each.definition.rules(each.machine.start), each.machine, to_local(since - look, zone), to_local(until, zone)
    )
    begins, ends = _days(plan.effectivity)
    after = to_local(since, zone)
    return [
        _row(each, one)
        for one in without(found, taken)
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
    zone, lead = each.zone, timedelta(days=each.plan.lead_days)
    first = one.done[0]
    due = None if one.at is None else to_instant(one.at, zone)
    said: dict[str, Any] = {
        "slot": one.slot,
        "packages": [_turn(turn) for turn in one.done],
        "covered": [_turn(turn) for turn in one.covered],
        "source": one.source,
        "state": "left_out" if one.left_out else "planned",
        "due_at": due,
        "due_on": None if one.at is None else one.at.date(),
        "earliest_at": due if one.earliest == one.at else _instant(one.earliest, zone),
        "latest_at": due if one.latest == one.at else _instant(one.latest, zone),
        "low_at": _instant(first.low, zone),
        "high_at": _instant(first.high, zone),
        "target": first.target,
        "release_at": None if due is None else due - lead,
    }
    text = orjson.dumps(said)
    row = each.row
    said["digest"] = int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
    said |= {"id": uuid7(), "organisation_id": row.organisation_id, "plan_id": row.plan_id}
    said |= {"plan_asset_id": row.id, "asset_id": row.asset_id, "reason": None}
    return said


def _instant(local: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if local is None else to_instant(local, zone)


def _turn(turn: Turn) -> dict[str, Any]:
    found: dict[str, Any] = {"code": turn.package, "slot": turn.slot}
    if turn.at is not None:
        found["at"] = turn.at
    if turn.target is not None:
        found["target"] = turn.target
    return found


# What is out, or was closed by people, has its turns: no other work is made for them.
_TAKEN = Occurrence.state.in_(("released", "done", "missed", "skipped")) | (
    (Occurrence.state == "cancelled") & Occurrence.work_order_id.is_not(None)
)
_READ = (
    Occurrence.id, Occurrence.plan_asset_id, Occurrence.slot, Occurrence.state, Occurrence.reason, Occurrence.digest,
    Occurrence.due_at, Occurrence.put_at, Occurrence.source, Occurrence.work_order_id,
    case((_TAKEN, Occurrence.packages)).label("turns"), case((_TAKEN, Occurrence.covered)).label("hidden"),
)  # fmt: skip
# Why something was called off that is to be done after all when the machine comes back.
_REVIVED = frozenset(
    {NOT_DUE, "not_in_service", "too_early", "too_late", "not_of_plan", "not_chosen", "serial", "version",
     "version_unknown", "retired"}
)  # fmt: skip


def _existing(session: Session, keys: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    found: dict[UUID, dict[str, Any]] = {}
    for row in session.execute(select(*_READ).where(Occurrence.plan_asset_id.in_(keys))):
        found.setdefault(row[1], {})[row[2]] = row
    return found


def _taken(rows: Iterable[Any]) -> set[str]:
    """Return the turns of work that is out or closed, done or covered by it."""
    return {f"{turn['code']}@{turn.get('slot')}" for old in rows for turn in (*(old.turns or ()), *(old.hidden or ()))}


def _differs(old: Any, digest: int) -> bool:
    """Return whether a row is to be written: open and other than the rules say now, or called off before."""
    state: str = old[3]
    if state == "cancelled":
        return old.work_order_id is None and old.reason in _REVIVED
    return state in ("planned", "left_out") and old[5] != digest


def _keeping(old: Row[Any], row: dict[str, Any], each: Seen) -> dict[str, Any]:
    """What a planner put elsewhere stays there."""
    if old.put_at is None:
        return row
    released = old.put_at - timedelta(days=each.plan.lead_days)
    return row | {"due_on": to_local(old.put_at, each.zone).date(), "release_at": released, "state": "planned"}


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
