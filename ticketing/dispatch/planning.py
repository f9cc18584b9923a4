"""Plans as rows: asked for, made by a worker, proposed, published or rejected."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import Database
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound, RuleError
from assets.base.events import append_event
from assets.base.queue import enqueue
from ticketing.dispatch.applying import BoardChanged, Change, apply
from ticketing.dispatch.loading import Loaded, load
from ticketing.dispatch.placing import changes, place_all
from ticketing.dispatch.plan import Checked, check
from ticketing.dispatch.problem import ProblemRefused
from ticketing.dispatch.reasons import Reason
from ticketing.dispatch.settings import Rules, rules_of
from ticketing.dispatch.solving import Result, solve
from ticketing.dispatch.tables import DispatchPlan, DispatchSettings, PlanAssignment
from ticketing.dispatch.urgent import insert

log = logging.getLogger(__name__)

TASK = "plan_dispatch"
LONGEST = timedelta(days=31)
MAX_WAITING = 10  # plans of one organisation that wait at once
STUCK = timedelta(minutes=5)  # no plan takes that long: its worker was killed
KEPT = timedelta(days=90)
FAILED_LATELY = timedelta(hours=3)
MAX_DOUBLED = 5  # half an hour between two tries


def ask_plan(
    session: Session,
    rules: Rules,
    start: datetime,
    until: datetime,
    now: datetime,
    *,
    cause: str = "manual",
    seconds: int | None = None,
    urgent_order_id: UUID | None = None,
    absent_person_id: UUID | None = None,
    publish_at_once: bool = False,
    by: Actor | None = None,
) -> DispatchPlan:
    """Ask for a plan of [start, until); a worker makes it. Raises Invalid, and Conflict when too many wait."""
    if not timedelta(0) < until - start <= LONGEST or until <= now:
        raise Invalid(f"at most {LONGEST.days} days that are not over yet", field="until", days=LONGEST.days)
    waiting = select(func.count()).where(
        DispatchPlan.organisation_id == rules.organisation_id, DispatchPlan.state == "waiting"
    )
    if (session.scalar(waiting) or 0) >= MAX_WAITING:
        raise Conflict(f"{MAX_WAITING} plans wait already", limit=MAX_WAITING)
    plan = DispatchPlan(
        organisation_id=rules.organisation_id,
        state="waiting",
        cause=cause,
        from_at=max(start, now),
        until_at=until,
        seconds=seconds or rules.solve_seconds,
        urgent_order_id=urgent_order_id,
        absent_person_id=absent_person_id,
        publish_at_once=publish_at_once,
        created_at=now,
        created_by=by.person_id if by else None,
        tried=[],
        versions={},
        left_out=0,
    )
    session.add(plan)
    session.flush()
    log_plan(session, plan, "dispatch_plan.asked", now, by, {"cause": cause})
    enqueue(session, TASK, queueing_lock=TASK, lock=TASK)
    return plan


def run_next(database: Database, now: datetime) -> bool:
    """Make the plan that waits longest; False when none does. Solving happens outside of any transaction."""
    with database.as_service() as session:
        plan = _take(session, now)
        if plan is None:
            return False
        key = plan.id
    # It is stored as running by now: what goes wrong from here on ends this plan, and no other waits behind it.
    try:
        _make(database, key, now)
    except (ProblemRefused, RuleError) as error:
        _fail_running(database, key, str(error), now)
    except Exception as error:
        log.exception("making plan %s failed", key)
        _fail_running(database, key, f"the planner stopped: {type(error).__name__}", now)
    return True


def _make(database: Database, key: UUID, now: datetime) -> None:
    with database.as_service() as session:
        plan = get_plan(session, key)
        seconds, urgent = float(plan.seconds), plan.urgent_order_id
        rules = rules_of(session, plan.organisation_id)
        loaded = _load_for(session, plan, rules, now)
        plan.versions, plan.input_digest, plan.left_out = dict(loaded.versions), loaded.digest, loaded.left_out
    result = _solved(loaded, seconds, urgent)
    with database.as_service() as session:
        plan = get_plan(session, key, lock=True)
        if plan.state == "running":  # not rejected meanwhile
            _keep(session, plan, loaded, result, now)
            if plan.publish_at_once:
                _publish_at_once(session, plan, rules, now)


def _fail_running(database: Database, key: UUID, error: str, now: datetime) -> None:
    with database.as_service() as session:
        plan = session.get(DispatchPlan, key, with_for_update=True)
        if plan is not None and plan.state == "running":
            _fail(session, plan, error, now)


def _take(session: Session, now: datetime) -> DispatchPlan | None:
    stuck = select(DispatchPlan).where(DispatchPlan.state == "running", DispatchPlan.started_at < now - STUCK)
    for each in session.scalars(stuck.with_for_update(skip_locked=True)):
        _fail(session, each, "the worker stopped", now)
    query = select(DispatchPlan).where(DispatchPlan.state == "waiting").order_by(DispatchPlan.created_at)
    plan = session.scalar(query.limit(1).with_for_update(skip_locked=True))
    if plan is not None:
        plan.state, plan.started_at = "running", now
        session.flush()
    return plan


def _load_for(session: Session, plan: DispatchPlan, rules: Rules, now: datetime) -> Loaded:
    start = max(plan.from_at, now)
    if start >= plan.until_at:
        raise Invalid("its days are over")
    orders = [plan.urgent_order_id] if plan.urgent_order_id else None
    # Only who has to be served elsewhere, or the emergency, is new; other work that waits is no cause to move people.
    return load(
        session, rules, start, plan.until_at, now, order_ids=orders, waiting=plan.cause in ("manual", "unattended")
    )


def _solved(loaded: Loaded, seconds: float, urgent_order_id: UUID | None) -> Result:
    if urgent_order_id is not None:
        key = next((key for key, job in loaded.jobs.items() if job.order_id == urgent_order_id), None)
        if key in loaded.problem.visit_by_id and key is not None:
            return insert(loaded.problem, loaded.current, key, min(seconds, 5.0))
    return solve(loaded.problem, seconds, loaded.current)


def score(checked: Checked) -> dict[str, Any]:
    """Return what is shown of a plan's cost, in minutes of driving."""
    return {
        "cost": round(checked.cost, 1),
        "parts": {name: round(value, 1) for name, value in checked.parts.items()},
        "violations": len(checked.violations),
        "assigned": sum(len(visits) for visits in checked.plan.routes.values()),
        "unassigned": len(checked.unassigned),
    }


def _keep(session: Session, plan: DispatchPlan, loaded: Loaded, result: Result, now: datetime) -> None:
    """Store the plan that was found, and why it leaves out what it leaves out."""
    before = check(loaded.problem, loaded.current, loaded.current)
    placed = place_all(loaded, result.plan)
    for key, job in loaded.jobs.items():
        if job.foreign:
            continue  # whose plan this is need not know
        place = placed.get(key)
        reason = None if place else _reason(loaded, result, key)
        told = {
            "technician_id": str(job.technician_id) if job.technician_id else None,
            "planned_start": job.planned_start.isoformat() if job.planned_start else None,
            "planned_end": job.planned_end.isoformat() if job.planned_end else None,
        }
        session.add(
            PlanAssignment(
                organisation_id=plan.organisation_id,
                plan_id=plan.id,
                work_order_id=job.order_id,
                visit_id=job.visit_id,
                technician_id=place.technician_id if place else None,
                planned_start=place.start if place else None,
                planned_end=place.end if place else None,
                travel_minutes=place.travel_minutes if place else None,
                position_in_route=place.position if place else None,
                changed=changes(loaded, job, place),
                before=told if job.visit_id else None,
                reason_code=reason.code if reason else None,
                reason_detail=(reason.detail or None) if reason else None,
            )
        )
    plan.state, plan.finished_at, plan.solver = "proposed", now, result.solver
    plan.score_before, plan.score_after = score(before), score(result.checked)
    plan.tried = [
        {
            "solver": each.solver,
            "cost": each.cost,
            "violations": each.violations,
            "seconds": each.seconds,
            "note": each.note,
        }
        for each in result.tried
    ]
    session.flush()
    log_plan(session, plan, "dispatch_plan.proposed", now, None, {"cause": plan.cause})


def _reason(loaded: Loaded, result: Result, key: str) -> Reason:
    if key in loaded.blocked:
        return Reason("blocked")
    if key in loaded.no_place:
        return Reason("no_place")
    if key in loaded.unreadable:
        return Reason("no_skill", "required_skills")
    planned = key in result.plan.shift_of  # into hours that are taken
    return result.reasons.get(key) or Reason("capacity" if planned else "not_tried")


def _publish_at_once(session: Session, plan: DispatchPlan, rules: Rules, now: datetime) -> None:
    try:
        with session.begin_nested():
            publish(session, plan, now)
    except RuleError as error:
        session.refresh(plan)
        _fail(session, plan, str(error), now)
        at: Any = func.coalesce(DispatchSettings.wanted_at, now)
        if plan.cause == "unattended":
            at = now + _patience(session, plan, now)
        again = update(DispatchSettings).where(DispatchSettings.organisation_id == rules.organisation_id)
        session.execute(again.values(wanted_at=at).execution_options(synchronize_session=False))


def _patience(session: Session, plan: DispatchPlan, now: datetime) -> timedelta:
    """Return how long to wait before the next try: none after one failure, twice as long after each more in a row."""
    same = (DispatchPlan.organisation_id == plan.organisation_id) & (DispatchPlan.cause == plan.cause)
    published = select(func.max(DispatchPlan.decided_at)).where(same, DispatchPlan.state == "published")
    since = max(now - FAILED_LATELY, session.scalar(published) or now - FAILED_LATELY)
    failed = select(func.count()).where(same, DispatchPlan.state == "failed", DispatchPlan.finished_at > since)
    before = (session.scalar(failed) or 1) - 1  # without this one: somebody may just have moved a visit meanwhile
    return timedelta(minutes=2 ** min(before, MAX_DOUBLED)) if before else timedelta(0)


def get_plan(session: Session, plan_id: UUID, *, lock: bool = False) -> DispatchPlan:
    """Return a plan. Raises NotFound."""
    plan = session.get(DispatchPlan, plan_id, with_for_update=lock or None, populate_existing=lock)
    if plan is None:
        raise NotFound("no such plan", kind="dispatch_plan")
    return plan


def publish(session: Session, plan: DispatchPlan, now: datetime, *, by: Actor | None = None) -> int:
    """Turn a proposed plan into visits; return how many changed. Raises IllegalMove, BoardChanged."""
    _decidable(plan, "published", ("proposed",))
    rows = select(PlanAssignment).where(PlanAssignment.plan_id == plan.id, PlanAssignment.changed.is_(True))
    moves = [
        Change(
            order_id=row.work_order_id,
            visit_id=row.visit_id,
            technician_id=row.technician_id,
            start=row.planned_start,
            end=row.planned_end,
            travel_minutes=row.travel_minutes,
            position=row.position_in_route,
            pinned=False if row.visit_id else None,
        )
        for row in session.scalars(rows.order_by(PlanAssignment.planned_start, PlanAssignment.id))
    ]
    if any(each.start is not None and each.start < now - timedelta(minutes=30) for each in moves):
        raise BoardChanged("the plan begins in the past: make a new one", changed=[])
    # What the plan frees because its technician is away was pinned: the plan says so itself.
    apply(session, moves, plan.versions, now, by=by, explicit=plan.cause == "absence")
    plan.state, plan.decided_at, plan.decided_by = "published", now, by.person_id if by else None
    session.flush()
    log_plan(session, plan, "dispatch_plan.published", now, by, {"cause": plan.cause, "changes": len(moves)})
    return len(moves)


def reject(session: Session, plan: DispatchPlan, now: datetime, *, reason: str | None, by: Actor) -> DispatchPlan:
    """Do without a plan. Raises IllegalMove for one that is decided."""
    _decidable(plan, "rejected", ("waiting", "running", "proposed"))
    plan.state, plan.decided_at, plan.decided_by, plan.reason = "rejected", now, by.person_id, reason
    session.flush()
    log_plan(session, plan, "dispatch_plan.rejected", now, by, {"cause": plan.cause})
    return plan


def forget_plans(session: Session, now: datetime) -> None:
    """Forget plans of long ago; what became of them is in the visits' events."""
    session.execute(delete(DispatchPlan).where(DispatchPlan.created_at < now - KEPT))


def _decidable(plan: DispatchPlan, to: str, states: tuple[str, ...]) -> None:
    if plan.state not in states:
        legal = ["published", "rejected"] if plan.state == "proposed" else []
        legal = ["rejected"] if plan.state in ("waiting", "running") else legal
        raise IllegalMove(f"the plan is {plan.state}", state=plan.state, to=to, legal=legal)


def _fail(session: Session, plan: DispatchPlan, error: str, now: datetime) -> None:
    plan.state, plan.error, plan.finished_at = "failed", error[:500], now
    session.flush()
    session.execute(delete(PlanAssignment).where(PlanAssignment.plan_id == plan.id))  # nobody can publish them
    log_plan(session, plan, "dispatch_plan.failed", now, None, {"cause": plan.cause})


def log_plan(
    session: Session, plan: DispatchPlan, kind: str, at: datetime, by: Actor | None, facts: dict[str, Any]
) -> None:
    """Append an event about a plan."""
    append_event(
        session,
        kind,
        at=at,
        organisation_id=plan.organisation_id,
        subject_kind="dispatch_plan",
        subject_id=plan.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload=facts,
    )
