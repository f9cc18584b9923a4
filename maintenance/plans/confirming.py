"""What work orders tell of planned work: done, cancelled, not done after all; the next dates follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.meters import total_at
from maintenance.plans.definition import Definition
from maintenance.plans.reading import definitions
from maintenance.plans.recurrence import Rule, first_after, to_local
from maintenance.plans.releasing import close, log, site_zone
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset
from maintenance.plans.triggers import Calendar

ORDER_KINDS = frozenset(
    {
        "work_order.completed",
        "work_order.closed",
        "work_order.cancelled",
        "work_order.sent_back",
        "work_order.reopened",
    }
)
_COUNT = re.compile(r"s:(\d+)")
_NOMINAL = re.compile(r"c:(\d{4}-\d{2}-\d{2})")
_DONE = frozenset({"work_order.completed"})
_BACK = frozenset({"work_order.sent_back", "work_order.reopened"})


def follow_order(session: Session, event: Event, now: datetime) -> None:
    """Take over what became of an occurrence's work order. A second call changes nothing."""
    held = select(Occurrence.plan_asset_id).where(Occurrence.work_order_id == event.subject_id)
    # in the order in which they are locked when occurrences are made
    session.execute(select(PlanAsset.id).where(PlanAsset.id.in_(held)).with_for_update())
    found = select(Occurrence).where(Occurrence.work_order_id == event.subject_id).with_for_update()
    occurrence = session.scalar(found, execution_options={"populate_existing": True})
    if occurrence is None:
        return
    if event.kind in _DONE and occurrence.state in ("released", "missed"):
        confirm(session, occurrence, event.at, now)
    elif event.kind == "work_order.cancelled" and occurrence.state == "released":
        close(session, occurrence, "cancelled", now, str(event.payload.get("reason") or "cancelled"))
    elif event.kind == "work_order.closed" and occurrence.state == "released":
        close(session, occurrence, "cancelled", now, "not_done")  # closed though it could not be completed
    elif event.kind in _BACK and occurrence.state == "done":
        _take_back(session, occurrence, now)


def confirm(session: Session, occurrence: Occurrence, done_at: datetime, now: datetime) -> None:
    """Write down that the work was done, and let the next dates move as the plan says."""
    row = session.scalar(
        select(PlanAsset).where(PlanAsset.id == occurrence.plan_asset_id).with_for_update(),
        execution_options={"populate_existing": True},
    )
    plan = session.get_one(MaintenancePlan, occurrence.plan_id)
    assert row is not None
    definition = definitions(session, [plan])[plan.id]
    zone = site_zone(session, occurrence.asset_id)
    local = to_local(done_at, zone)
    totals = {name: total_at(session, row.asset_id, name, done_at) for name in sorted(definition.meters)}
    known = {name: total for name, total in totals.items() if total is not None}
    before = row.turns
    turns = {code: dict(each) for code, each in before.items()}
    for each in [*occurrence.packages, *occurrence.covered]:
        turns[each["code"]] = _turn(turns.get(each["code"], {}), each, local, known)
    shift = _shift(definition, row, occurrence, local, zone)
    if shift:
        for package in definition.packages:
            if package.trigger.get("kind") == "calendar":
                kept = turns.setdefault(package.code, {})
                kept["shift_days"] = kept.get("shift_days", 0) + shift
    row.turns, row.dirty = turns, True
    occurrence.state, occurrence.done_at, occurrence.closed_at = "done", done_at, now
    occurrence.evidence = {**(occurrence.evidence or {}), "turns_before": before}
    session.flush()
    late = None if occurrence.due_at is None else round((done_at - occurrence.due_at) / timedelta(days=1), 2)
    log(session, occurrence, "occurrence.done", done_at, None, {"shift_days": shift, "late_days": late})


def _turn(past: Mapping[str, Any], each: Mapping[str, Any], local: datetime, totals: Mapping[str, float]) -> Any:
    """A turn that counts by number takes the number of its slot: what was skipped before it is behind."""
    counted = _COUNT.fullmatch(str(each.get("slot", "")))
    done = int(past.get("done", 0)) + 1
    found = dict(past) | {"done": max(done, int(counted[1])) if counted else done, "last_done": local.isoformat()}
    if totals:
        found["last_totals"] = {**past.get("last_totals", {}), **totals}
    if each.get("target") is not None:
        found["last_target"] = each["target"]
    return found


def _shift(definition: Definition, row: PlanAsset, occurrence: Occurrence, local: datetime, zone: ZoneInfo) -> int:
    """By how many days later dates move: the due day against the day on which it was done.

    The due day is where the plan's own seasons and calendar put it: who keeps it is neither late nor early.
    """
    if definition.floating or row.start_on is None:
        return 0
    rules = definition.rules(definition.start(row.start_on))
    triggers = {package.code: package.trigger for package in rules.packages}
    for each in occurrence.packages:
        trigger = triggers.get(each["code"])
        if isinstance(trigger, Calendar) and each.get("at"):
            due = datetime.fromisoformat(each["at"])
            cycle = cycle_days(trigger.rule, definition.start(row.start_on), str(each["slot"]), due)
            owed = due if occurrence.due_at is None else to_local(occurrence.due_at, zone)
            return definition.shift.days(owed.date(), local.date(), cycle)
    return 0


def cycle_days(rule: Rule, start: datetime, slot: str, due: datetime) -> float:
    """Return the days from a turn of a calendar to its next, both where the rule has them, however far they moved."""
    nominal = _NOMINAL.match(slot)
    at = due if nominal is None else datetime.combine(date.fromisoformat(nominal[1]), due.time())
    following = first_after(rule, start, at)
    return (following - at) / timedelta(days=1) if following is not None else 0.0


def _take_back(session: Session, occurrence: Occurrence, now: datetime) -> None:
    """The work was not done after all: it is owed again, and the dates go back to where they were."""
    row = session.scalar(select(PlanAsset).where(PlanAsset.id == occurrence.plan_asset_id).with_for_update())
    later = select(Occurrence.id).where(
        Occurrence.plan_asset_id == occurrence.plan_asset_id,
        Occurrence.state == "done",
        Occurrence.done_at > occurrence.done_at,
    )
    kept = (occurrence.evidence or {}).get("turns_before")
    if row is not None and kept is not None and session.scalar(later.limit(1)) is None:
        row.turns, row.dirty = kept, True
    occurrence.state, occurrence.done_at, occurrence.closed_at = "released", None, None
    session.flush()
    log(session, occurrence, "occurrence.reopened", now, None, {})
