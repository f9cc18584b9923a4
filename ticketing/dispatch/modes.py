"""What happens without a dispatcher: plans made unasked, people sent who are nearest, work taken from the pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.db import Database
from assets.base.errors import Conflict, Forbidden, RuleError
from assets.base.events import Event
from assets.people import Person
from ticketing.dispatch.applying import Change, apply
from ticketing.dispatch.explaining import Candidate, explain
from ticketing.dispatch.loading import PLANNABLE, Loaded, load
from ticketing.dispatch.plan import check
from ticketing.dispatch.planning import ask_plan, forget_plans, run_next
from ticketing.dispatch.settings import Rules, below, read_rules, rules_above, want_plan
from ticketing.dispatch.tables import DispatchPlan, DispatchSettings
from ticketing.dispatch.urgent import nearest_idle
from ticketing.fitness import visits_meanwhile
from ticketing.models import Visit, WorkOrder
from ticketing.people.skills import lacking, skills_of
from ticketing.people.tables import Absence
from ticketing.work_orders import LIVE_VISITS, assign, get_work_order

MAX_SENT = 50  # by 'nearest' in one turn
MAX_ROUNDS = 20
MAX_POOL = 200
KEEP_UNASKED = timedelta(days=14)  # plans that nobody asked for

CHANGES = frozenset(
    {
        "work_order.opened",
        "work_order.edited",
        "work_order.state_changed",
        "work_order.reopened",
        "work_order.sent_back",
        "work_order.split",
        "work_order.priority_raised",
        "work_order.unblocked",
        "work_order.cancelled",
        "appointment.booked",
        "appointment.moved",
        "appointment.cancelled",
        "shift.changed",
        "shift.assigned",
        "absence.approved",
        "absence.withdrawn",
        "technician.skill_set",
    }
)


class Taken(Conflict):
    """Somebody else took it first; params: `number`, `by`."""

    code = "pool_taken"


class PoolClosed(Conflict):
    """The organisation's work is given out by the desk."""

    code = "pool_closed"


def follow_changes(session: Session, event: Event, now: datetime) -> None:
    """Let whoever plans unasked plan again; of an approved absence, make a plan without that person."""
    organisations = {event.organisation_id, event.executing_organisation_id} - {None}
    want_plan(session, {each for each in organisations if each is not None}, now)
    if event.kind == "absence.approved":
        _replan_without(session, event, now)


DISPATCH_FOLLOWS = Consumer("ticketing.dispatch", CHANGES, follow_changes)


def _replan_without(session: Session, event: Event, now: datetime) -> None:
    absence = session.get(Absence, event.subject_id)
    if absence is None or absence.state != "approved" or absence.ends_at <= now:
        return
    rules = rules_above(session, absence.organisation_id)
    start = max(now, absence.starts_at)
    if rules.mode == "off" or not visits_meanwhile(session, absence.person_id, start, absence.ends_at):
        return
    waits = select(DispatchPlan.id).where(
        DispatchPlan.absent_person_id == absence.person_id, DispatchPlan.state.in_(("waiting", "running"))
    )
    if session.scalar(waits.limit(1)) is not None:
        return  # told twice
    until = min(max(absence.ends_at, start + timedelta(days=rules.horizon_days)), start + timedelta(days=31))
    ask_plan(
        session, rules, start, until, now, cause="absence", absent_person_id=absence.person_id,
        publish_at_once=rules.mode == "unattended",
    )  # fmt: skip


def plan_waiting(database: Database, now: datetime) -> None:
    """Make the plans that wait, and those that nobody has to ask for."""
    with database.as_service() as session:
        _ask_unattended(session, now)
    _send_all(database, now)
    for _ in range(MAX_ROUNDS):
        if not run_next(database, now):
            return


def _wanted(session: Session, mode: str) -> list[DispatchSettings]:
    query = select(DispatchSettings).where(DispatchSettings.wanted_at.is_not(None), DispatchSettings.mode == mode)
    return list(
        session.scalars(query.order_by(DispatchSettings.wanted_at).limit(MAX_ROUNDS).with_for_update(skip_locked=True))
    )


def _ask_unattended(session: Session, now: datetime) -> None:
    forget_plans(session, now)
    for row in _wanted(session, "unattended"):
        row.wanted_at, row.planned_at = None, now
        rules = read_rules(row)
        old = (DispatchPlan.organisation_id == row.organisation_id) & (DispatchPlan.created_at < now - KEEP_UNASKED)
        session.execute(delete(DispatchPlan).where(old, DispatchPlan.cause == "unattended"))
        waits = select(DispatchPlan.id).where(
            DispatchPlan.organisation_id == row.organisation_id,
            DispatchPlan.cause == "unattended",
            DispatchPlan.state == "waiting",
        )
        if session.scalar(waits.limit(1)) is None:
            until = now + timedelta(days=rules.horizon_days)
            ask_plan(session, rules, now, until, now, cause="unattended", publish_at_once=True)


def _send_all(database: Database, now: datetime) -> None:
    with database.as_service() as session:
        wanted = [(row.organisation_id, read_rules(row)) for row in _wanted(session, "nearest")]
        for organisation_id, rules in wanted:
            send_nearest(session, rules, now)
            done = update(DispatchSettings).where(DispatchSettings.organisation_id == organisation_id)
            session.execute(done.values(wanted_at=None, planned_at=now).execution_options(synchronize_session=False))


def send_nearest(session: Session, rules: Rules, now: datetime) -> int:
    """Send whoever is idle and could be there first to each order that nobody has, most pressing first."""
    sent = 0
    for _ in range(MAX_SENT):
        loaded = load(session, rules, now, now + timedelta(days=1), now)
        checked = check(loaded.problem, loaded.current)
        fresh = [
            (key, found[0])
            for key, job in loaded.jobs.items()
            if job.visit_id is None and job.assignee_id is None and key in loaded.problem.visit_by_id
            if (found := nearest_idle(loaded.problem, loaded.current, key, 0, 1, checked=checked))
        ]
        if not fresh:
            return sent
        key, best = fresh[0]
        job, start = loaded.jobs[key], loaded.days.moment(best.start)
        end = start + timedelta(seconds=job.seconds)
        change = Change(job.order_id, None, UUID(best.technician), start, end, round(best.cost))
        try:
            with session.begin_nested():
                apply(session, [change], loaded.versions, now)
        except RuleError:
            return sent  # the next change asks again
        sent += 1
    return sent


def nearest(
    session: Session, rules: Rules, order_id: UUID, now: datetime, limit: int = 5
) -> tuple[Loaded, list[Candidate]]:
    """Return who is at work, idle, and could be at an order first."""
    loaded = load(session, rules, now, now + timedelta(days=1), now, order_ids=[order_id], waiting=False)
    key = _key_of(loaded, order_id)
    return loaded, nearest_idle(loaded.problem, loaded.current, key, 0, limit) if key else []


def candidates(
    session: Session, rules: Rules, order_id: UUID, start: datetime, until: datetime, now: datetime, limit: int = 3
) -> tuple[Loaded, list[Candidate]]:
    """Return the best technicians for an order, each at their best hour; who may not go comes last."""
    loaded = load(session, rules, max(start, now), until, now, order_ids=[order_id], waiting=False)
    key = _key_of(loaded, order_id)
    if not key:
        return loaded, []
    best: dict[str, Candidate] = {}
    for each in explain(loaded.problem, loaded.current, key, len(loaded.problem.shifts), loaded.current):
        best.setdefault(each.technician, each)
    return loaded, list(best.values())[:limit]


def _key_of(loaded: Loaded, order_id: UUID) -> str | None:
    keys = (key for key, job in loaded.jobs.items() if job.order_id == order_id)
    return next((key for key in keys if key in loaded.problem.visit_by_id), None)


def pool(session: Session, person: Person, now: datetime) -> list[WorkOrder]:
    """Return the orders that somebody could take: nobody has them, and they have the skills."""
    owner = below(person.organisation_id)
    live = select(Visit.work_order_id).where(Visit.work_order_id == WorkOrder.id, Visit.state.in_(LIVE_VISITS))
    query = (
        select(WorkOrder)
        .where(
            WorkOrder.state == PLANNABLE[0],
            WorkOrder.assignee_id.is_(None),
            ~live.exists(),
            or_(
                WorkOrder.organisation_id.in_(owner),
                WorkOrder.executing_organisation_id == person.organisation_id,
            ),
        )
        .order_by(WorkOrder.due_at.nulls_last(), WorkOrder.opened_at)
        .limit(MAX_POOL)
    )
    held = skills_of(session, [person.id])[person.id]
    return [each for each in session.scalars(query) if not lacking(held, each.required_skills, now)]


def claim(session: Session, order_id: UUID, person: Person, now: datetime, *, by: Actor) -> WorkOrder:
    """Take an order from the pool; of two who do so at once the first one has it.

    Raises Taken, and Forbidden for somebody without the skills, or while there is no pool.
    """
    order = get_work_order(session, order_id, lock=True)  # the second one waits here, and then reads who was first
    if order.assignee_id == person.id:
        return order
    if order.assignee_id is not None or order.state != PLANNABLE[0]:
        other = session.get(Person, order.assignee_id) if order.assignee_id else None
        raise Taken(f"{order.number} is taken", number=order.number, by=other.name if other else None)
    missing = lacking(skills_of(session, [person.id])[person.id], order.required_skills, now)
    if missing:
        raise Forbidden(f"{order.number} needs {missing[0].skill} {missing[0].level}", action="dispatch.claim")
    return assign(session, order, person, now, by=by)


def names_of(session: Session, keys: Sequence[UUID]) -> dict[UUID, str]:
    """Return people's names."""
    return {key: name for key, name in session.execute(select(Person.id, Person.name).where(Person.id.in_(keys)))}
