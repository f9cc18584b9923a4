"""Planned work becomes a work order when its lead time has come, once; planners release, move and skip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, RuleError
from assets.base.events import append_event
from assets.registry import ENDED, Asset, Site
from maintenance.plans.library import named
from maintenance.plans.reading import zone_of
from maintenance.plans.recurrence import to_local
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset, PlanPackage, RoundStop
from ticketing.models import WorkOrder
from ticketing.order_states import OPEN_STATES, worded
from ticketing.procedures.library import version_in
from ticketing.procedures.models import Procedure
from ticketing.procedures.runs import attach
from ticketing.work_orders import get_work_order, open_work_order, transition

BATCH = 100
MAX_REASON = 1000

# What is overtaken by newer work of the same machine and plan that is due by now.
_OVERTAKEN = text("""
SELECT o.id FROM occurrences o JOIN maintenance_plans p ON p.id = o.plan_id
WHERE o.state IN ('planned', 'released') AND p.when_missed = 'close' AND p.state = 'active'
  AND o.latest_at < :now AND coalesce(o.put_at, o.due_at) < :now AND o.source IN ('calendar', 'meter')
  AND EXISTS (SELECT 1 FROM occurrences n WHERE n.plan_asset_id = o.plan_asset_id AND n.id <> o.id
    AND n.state IN ('planned', 'released', 'done') AND n.source IN ('calendar', 'meter')
    AND coalesce(n.earliest_at, n.due_at) <= :now AND n.due_at > o.due_at
    AND NOT (o.target IS NOT NULL AND n.target IS NOT NULL AND n.target <= o.target))
ORDER BY o.due_at LIMIT :limit FOR UPDATE OF o SKIP LOCKED
""")


def release_due(session: Session, now: datetime, limit: int = BATCH) -> int:
    """Release what has come due; return how many occurrences were looked at. Other workers take others."""
    missed = close_missed(session, now, limit)
    found = (
        select(Occurrence)
        .join(MaintenancePlan, MaintenancePlan.id == Occurrence.plan_id)
        .join(PlanAsset, PlanAsset.id == Occurrence.plan_asset_id)
        .where(Occurrence.state == "planned", Occurrence.release_at <= now)
        .where(MaintenancePlan.state == "active", PlanAsset.state == "active")
        .order_by(Occurrence.release_at)
        .limit(limit)
        .with_for_update(of=Occurrence, skip_locked=True)
    )
    due = session.scalars(found, execution_options={"populate_existing": True}).all()
    for occurrence in due:
        try:
            with session.begin_nested():
                release(session, occurrence, now)
        except RuleError as error:  # a machine that cannot have work any more must not hold up the others
            close(session, occurrence, "cancelled", now, str(error))
    return missed + len(due)


def close_missed(session: Session, now: datetime, limit: int = BATCH) -> int:
    """Let newer work of a plan take the place of what nobody did; an order that was begun stays."""
    keys = list(session.scalars(_OVERTAKEN, {"now": now, "limit": limit}))
    rows = select(Occurrence).where(Occurrence.id.in_(keys)).order_by(Occurrence.due_at)
    closed = 0
    for row in session.scalars(rows, execution_options={"populate_existing": True}).all():
        order = get_work_order(session, row.work_order_id, lock=True) if row.work_order_id is not None else None
        if order is not None and order.state in ("in_progress", "completed", "documented", "closed"):
            continue
        close(session, row, "missed", now, "overtaken")
        closed += 1
        if order is not None and order.state in OPEN_STATES:
            transition(session, order, "cancelled", now, reason="overtaken by the next one of its plan")
    return closed


def release(session: Session, occurrence: Occurrence, now: datetime, by: Actor | None = None) -> WorkOrder:
    """Open the work order of an occurrence that the caller has locked. Raises IllegalMove when it has one already."""
    if occurrence.state != "planned":
        raise IllegalMove(f"this is {occurrence.state}", state=occurrence.state, to="released", legal=[])
    plan = session.get_one(MaintenancePlan, occurrence.plan_id)
    asset = session.get_one(Asset, occurrence.asset_id)
    if asset.lifecycle in ENDED:
        raise Conflict(f"{asset.name} is {asset.lifecycle}", name=asset.name, code="asset_retired")
    packages = _packages(session, occurrence)
    stops = _stops(session, plan)
    order = open_work_order(
        session,
        asset=asset,
        origin="inspection" if plan.round_id is not None else "plan",
        kind="general" if plan.round_id is not None else "machine",
        title_code="plan",
        title_params=_title(plan, packages),
        priority=plan.priority,
        origin_ref=occurrence.id,
        now=now,
        by=by,
        required_skills=plan.skills,
        duration_minutes=_duration(plan, packages, stops),
        service_type_id=plan.service_type_id,
        team_id=plan.team_id,
        **_window(occurrence),
    )
    lacking = [
        code
        for key, stop_asset in _procedures(plan, packages, stops, asset)
        if (code := _attach(session, order, key, stop_asset, now, by)) is not None
    ]
    occurrence.state, occurrence.work_order_id, occurrence.released_at = "released", order.id, now
    session.flush()
    told = {"work_order_id": str(order.id), "number": order.number}
    log(session, occurrence, "occurrence.released", now, by, told)
    if lacking:
        codes = ", ".join(dict.fromkeys(lacking))
        log(session, occurrence, "occurrence.without_procedure", now, by, told | {"procedures": codes})
    return order


def move(session: Session, occurrence: Occurrence, to: datetime, now: datetime, by: Actor | None, reason: str) -> None:
    """Put planned work elsewhere; making it anew leaves it there. Raises IllegalMove, Invalid."""
    said = worded("reason", reason, MAX_REASON)
    if occurrence.state not in ("planned", "left_out"):
        raise IllegalMove(f"this is {occurrence.state}", state=occurrence.state, to="planned", legal=[])
    if abs((to - now).days) > 5 * 366:
        raise Invalid("that is more than five years away", field="to", value=to.isoformat())
    plan = session.get_one(MaintenancePlan, occurrence.plan_id)
    before = occurrence.put_at or occurrence.due_at
    occurrence.put_at, occurrence.release_at = to, to - timedelta(days=plan.lead_days)
    occurrence.due_on, occurrence.state = to_local(to, site_zone(session, occurrence.asset_id)).date(), "planned"
    occurrence.reason = said
    session.flush()
    told = {"from": before.isoformat() if before else None, "to": to.isoformat(), "reason": said}
    log(session, occurrence, "occurrence.moved", now, by, told)


def put_back(
    session: Session,
    occurrence: Occurrence,
    now: datetime,
    by: Actor | None,
    reason: str,
    put_at: datetime | None = None,
) -> None:
    """Take a move back: to where a planner had put it before, or to the date of the rules. Raises IllegalMove."""
    if put_at is not None:
        move(session, occurrence, put_at, now, by, reason)
        return
    if occurrence.state != "planned":
        raise IllegalMove(f"this is {occurrence.state}", state=occurrence.state, to="planned", legal=[])
    plan = session.get_one(MaintenancePlan, occurrence.plan_id)
    due, before = occurrence.due_at, occurrence.put_at
    occurrence.put_at, occurrence.reason, occurrence.digest = None, None, None
    occurrence.release_at = None if due is None else due - timedelta(days=plan.lead_days)
    zone = site_zone(session, occurrence.asset_id)
    occurrence.due_on = None if due is None else to_local(due, zone).date()
    session.execute(update(PlanAsset).where(PlanAsset.id == occurrence.plan_asset_id).values(dirty=True))
    session.flush()
    told = {"from": before.isoformat() if before else None, "to": due.isoformat() if due else None, "reason": reason}
    log(session, occurrence, "occurrence.moved", now, by, told)


def skip(session: Session, occurrence: Occurrence, now: datetime, by: Actor | None, reason: str) -> None:
    """Leave planned work out, with a reason; the later ones stay where they are. Raises IllegalMove, Invalid."""
    said = worded("reason", reason, MAX_REASON)
    if occurrence.state not in ("planned", "left_out"):
        raise IllegalMove(f"this is {occurrence.state}", state=occurrence.state, to="skipped", legal=[])
    close(session, occurrence, "skipped", now, said, by)


def close(
    session: Session, occurrence: Occurrence, state: str, now: datetime, reason: str, by: Actor | None = None
) -> None:
    """End an occurrence without its work."""
    occurrence.state, occurrence.reason, occurrence.closed_at = state, reason, now
    session.flush()
    log(session, occurrence, f"occurrence.{state}", now, by, {"reason": reason})


def site_zone(session: Session, asset_id: UUID) -> Any:
    """Return the zone of where an asset stands."""
    named = select(Site.time_zone).join(Asset, Asset.site_id == Site.id).where(Asset.id == asset_id)
    return zone_of(session.scalar(named))


def log(
    session: Session, occurrence: Occurrence, kind: str, now: datetime, by: Actor | None, payload: dict[str, Any]
) -> None:
    """Append an event about an occurrence, on its machine's timeline."""
    plan = session.get_one(MaintenancePlan, occurrence.plan_id)
    asset = session.get_one(Asset, occurrence.asset_id)
    facts: dict[str, Any] = {"plan_id": str(plan.id), "code": plan.code, **named(plan), "slot": occurrence.slot}
    facts |= {"due_on": occurrence.due_on.isoformat() if occurrence.due_on else None}
    append_event(
        session,
        kind,
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="occurrence",
        subject_id=occurrence.id,
        asset_id=occurrence.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload=facts | payload,
    )


def _packages(session: Session, occurrence: Occurrence) -> list[PlanPackage]:
    codes = [each["code"] for each in occurrence.packages]
    found = select(PlanPackage).where(PlanPackage.plan_id == occurrence.plan_id, PlanPackage.code.in_(codes))
    return list(session.scalars(found.order_by(PlanPackage.position)))


def _stops(session: Session, plan: MaintenancePlan) -> list[RoundStop]:
    if plan.round_id is None:
        return []
    found = select(RoundStop).join(Asset, Asset.id == RoundStop.asset_id).where(RoundStop.round_id == plan.round_id)
    return list(session.scalars(found.where(Asset.lifecycle.not_in(ENDED)).order_by(RoundStop.position)))


def _title(plan: MaintenancePlan, packages: Sequence[PlanPackage]) -> dict[str, Any]:
    found: dict[str, Any] = {"code": plan.code, "packages": [each.code for each in packages]}
    for language in ("en", "zh"):
        other = "zh" if language == "en" else "en"
        name = plan.name.get(language) or plan.name.get(other) or plan.code
        parts = [each.name.get(language) or each.name.get(other) for each in packages]
        told = " + ".join(part for part in parts if part)
        found[f"name_{language}"] = f"{name}: {told}" if told else name
    return found


def _duration(plan: MaintenancePlan, packages: Sequence[PlanPackage], stops: Sequence[RoundStop]) -> int | None:
    """The packages' own, else the plan's; a round takes what its stops take."""
    if stops and any(stop.minutes for stop in stops):
        return sum(stop.minutes or 0 for stop in stops)
    own = [each.duration_minutes for each in packages if each.duration_minutes]
    return sum(own) if own else plan.duration_minutes


def _window(occurrence: Occurrence) -> dict[str, Any]:
    """When it has to be done: within its tolerance, or around where a planner put it."""
    due = occurrence.put_at or occurrence.due_at
    begins, ends = occurrence.earliest_at, occurrence.latest_at
    if due is not None and occurrence.put_at is not None and occurrence.due_at is not None:
        moved = occurrence.put_at - occurrence.due_at
        begins, ends = (None if each is None else each + moved for each in (begins, ends))
    if begins is not None and ends is not None and begins >= ends:
        begins = ends = None
    return {"due_at": ends or due, "window_from": begins, "window_until": ends}


def _procedures(
    plan: MaintenancePlan, packages: Sequence[PlanPackage], stops: Sequence[RoundStop], asset: Asset
) -> list[tuple[UUID, UUID]]:
    found: list[tuple[UUID | None, UUID]]
    if plan.round_id is not None:
        found = [(stop.procedure_id or plan.procedure_id, stop.asset_id) for stop in stops]
    else:
        own = [each.procedure_id for each in packages if each.procedure_id is not None]
        chosen: list[UUID | None] = [*own] or [plan.procedure_id]
        found = [(key, asset.id) for key in chosen]
    return [(key, on) for key, on in dict.fromkeys(found) if key is not None]


def _attach(
    session: Session, order: WorkOrder, procedure_id: UUID, asset_id: UUID, now: datetime, by: Actor | None
) -> str | None:
    """Attach the version in force; return the code of a procedure that has none: withdrawn, retired, never published.

    The order opens without it, and whoever plans is told: work that is due must not wait for a document.
    """
    procedure = session.get(Procedure, procedure_id)
    version = version_in(session, procedure_id, "published") if procedure is not None else None
    if procedure is None or procedure.retired_at is not None or version is None:
        return procedure.code if procedure is not None else "?"
    attach(
        session,
        procedure,
        version,
        organisation_id=order.organisation_id,
        asset_id=asset_id,
        subject_kind="work_order",
        subject_id=order.id,
        now=now,
        by=by,
        each_asset=order.origin == "inspection",
    )
    return None
