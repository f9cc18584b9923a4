"""What happens without a dispatcher: plans made unasked, people sent who are nearest, work taken from the pool."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.db import Database
from assets.base.errors import Conflict, Forbidden, Invalid, RuleError
from assets.base.events import Event
from assets.people import Person
from ticketing.dispatch.applying import Change, apply
from ticketing.dispatch.explaining import Candidate, explain
from ticketing.dispatch.loading import PLANNABLE, Loaded, load
from ticketing.dispatch.plan import Checked, check
from ticketing.dispatch.planning import ask_plan, forget_plans, run_next
from ticketing.dispatch.settings import Rules, below, read_rules, rules_above, want_plan
from ticketing.dispatch.tables import DispatchPlan, DispatchSettings
from ticketing.dispatch.urgent import nearest_idle
from ticketing.fitness import visits_meanwhile
from ticketing.models import Visit, WorkOrder
from ticketing.people.skills import HeldSkill, lacking, skills_of
from ticketing.people.tables import Absence
from ticketing.work_orders import LIVE_VISITS, assign, get_work_order

log = logging.getLogger(__name__)

MAX_SENT = 50  # by 'nearest' in one turn
MAX_NEAREST = 3  # who are asked for one order
MAX_UNASKED_S = 40  # of solving: with the turns of the jobs before it, new work has its visit within a minute
AGAIN = timedelta(seconds=60)  # while somebody waits: people become idle without any change that tells of it
MAX_ROUNDS = 20
MAX_POOL = 200
MAX_LOOKED_AT = 5000  # orders that nobody has; the skills that they ask for are compared one by one
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


DISPATCH_FOLLOWS = Consumer("ticketing.dispatch", CHANGES, follow_changes, starts="now")


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
        forget_plans(session, now)
    _ask_unattended(database, now)
    _send_all(database, now)
    for _ in range(MAX_ROUNDS):
        if not run_next(database, datetime.now(UTC)):  # each one takes up to a minute
            return


def _take_wanted(database: Database, mode: str, now: datetime) -> list[Rules]:
    """Take what is due and put it off: who fails, or is killed, tries again then, and stops nobody else meanwhile.

    In a transaction of its own: consumers write to these rows with every change.
    """
    due = select(DispatchSettings).where(DispatchSettings.wanted_at <= now, DispatchSettings.mode == mode)
    with database.as_service() as session:
        rows = session.scalars(
            due.order_by(DispatchSettings.wanted_at).limit(MAX_ROUNDS).with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            row.wanted_at, row.planned_at = now + AGAIN, now
        return [read_rules(row) for row in rows]


def _done(session: Session, rules: Rules, now: datetime) -> None:
    """Forget what was taken, unless something changed since."""
    taken = (DispatchSettings.organisation_id == rules.organisation_id) & (DispatchSettings.wanted_at == now + AGAIN)
    session.execute(
        update(DispatchSettings).where(taken).values(wanted_at=None).execution_options(synchronize_session=False)
    )


def _ask_unattended(database: Database, now: datetime) -> None:
    for rules in _take_wanted(database, "unattended", now):
        try:
            with database.as_service() as session:
                # First: from here on a change waits until the plan is asked for, and asks for another one.
                _done(session, rules, now)
                _ask_one(session, rules, now)
        except Exception:
            log.exception("asking for a plan of %s failed", rules.organisation_id)


def _ask_one(session: Session, rules: Rules, now: datetime) -> None:
    of = (DispatchPlan.organisation_id == rules.organisation_id) & (DispatchPlan.cause == "unattended")
    session.execute(delete(DispatchPlan).where(of, DispatchPlan.created_at < now - KEEP_UNASKED))
    waits = select(DispatchPlan.id).where(of, DispatchPlan.state == "waiting")
    if session.scalar(waits.limit(1)) is None:
        until = now + timedelta(days=rules.horizon_days)
        seconds = min(rules.solve_seconds, MAX_UNASKED_S)
        ask_plan(session, rules, now, until, now, cause="unattended", seconds=seconds, publish_at_once=True)


def _send_all(database: Database, now: datetime) -> None:
    for rules in _take_wanted(database, "nearest", now):
        try:
            with database.as_service() as session:
                if not send_nearest(session, rules, datetime.now(UTC)):
                    _done(session, rules, now)
        except Exception:
            log.exception("sending the nearest of %s failed", rules.organisation_id)


def send_nearest(session: Session, rules: Rules, now: datetime) -> bool:
    """Send whoever is idle and could be there first to each order that nobody has, most pressing first.

    Return whether some order still waits for somebody.
    """
    tried: set[str] = set()
    for _ in range(MAX_SENT):
        loaded = load(session, rules, now, now + timedelta(days=1), now)
        waiting = [
            key
            for key, job in loaded.jobs.items()
            if job.visit_id is None and job.assignee_id is None and key in loaded.problem.visit_by_id
        ]
        checked = check(loaded.problem, loaded.current)
        if not any(_send(session, loaded, checked, key, tried, now) for key in waiting if key not in tried):
            return bool(waiting)
    return True


def _send(session: Session, loaded: Loaded, checked: Checked, key: str, tried: set[str], now: datetime) -> bool:
    """Send somebody to one order; False, and `tried`, when none of the nearest can go: others are served meanwhile."""
    job = loaded.jobs[key]
    for best in nearest_idle(loaded.problem, loaded.current, key, 0, MAX_NEAREST, checked=checked):
        start = loaded.days.moment(best.start)
        end = start + timedelta(seconds=job.seconds)
        change = Change(job.order_id, None, UUID(best.technician), start, end, round(best.cost))
        try:
            with session.begin_nested():
                apply(session, [change], loaded.versions, now)
        except (RuleError, IntegrityError) as error:
            log.info("%s is not sent to %s: %s", best.technician, job.number, error)
            tried.add(key)
        else:
            return True
    return False


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
    order = get_work_order(session, order_id)  # of a team's order only its people are asked: nobody else may go
    loaded = load(
        session, rules, max(start, now), until, now, order_ids=[order_id], waiting=False, team_id=order.team_id
    )
    key = _key_of(loaded, order_id)
    if not key:
        return loaded, []
    best: dict[str, Candidate] = {}
    days = max(Counter(each.technician for each in loaded.problem.shifts).values(), default=1)
    for each in explain(loaded.problem, loaded.current, key, limit * days, loaded.current):
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
        .limit(MAX_LOOKED_AT)
        .execution_options(yield_per=MAX_POOL)
    )
    held = skills_of(session, [person.id])[person.id]
    rows = session.scalars(query)
    found = list(islice((each for each in rows if _able(held, each, now)), MAX_POOL))
    rows.close()
    return found


def _able(held: Sequence[HeldSkill], order: WorkOrder, now: datetime) -> bool:
    try:
        return not lacking(held, order.required_skills, now)
    except Invalid:  # what it asks for cannot be read: it must not hide the others
        return False


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
