"""A visit dragged to somebody's hour: what that breaks, what it costs, and which other visits it pushes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.people import Person
from ticketing.dispatch.applying import Change, apply
from ticketing.dispatch.loading import Loaded, load
from ticketing.dispatch.parts import restricted
from ticketing.dispatch.plan import Checked, Plan, Violation, check
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.reading import Job
from ticketing.dispatch.settings import Rules
from ticketing.dispatch.timing import held
from ticketing.models import Visit
from ticketing.order_states import LIVE_VISITS

AROUND = timedelta(hours=24)  # on both sides of the moment: no shift is longer
BOTH = timedelta(days=14)  # the day that a visit leaves is looked at too, when it is not further away than this
PAST = timedelta(hours=1)  # entered afterwards: "he is there already"


class BreaksRules(Conflict):
    """The move breaks rules that nobody accepted; params: `violations`."""

    code = "move_breaks_rules"


@dataclass(frozen=True, slots=True)
class Pushed:
    """Another visit of the same day, which begins at another time than planned."""

    visit_id: UUID
    number: str
    planned_start: datetime
    before: datetime


@dataclass(frozen=True)
class Proposed:
    """What a move comes to. `cost` is the difference in minutes of driving; less than zero is better than before."""

    job: Job
    technician_id: UUID
    planned_start: datetime
    planned_end: datetime
    travel_minutes: int | None
    cost: float
    parts: dict[str, float]
    violations: tuple[Violation, ...]
    pushed: tuple[Pushed, ...]
    changes: tuple[Change, ...]
    versions: dict[str, int]


def propose(
    session: Session,
    rules: Rules,
    order_id: UUID,
    technician: Person,
    start: datetime,
    now: datetime,
    *,
    visit: Visit | None = None,
    end: datetime | None = None,
) -> Proposed:
    """Return what dropping a visit, or an order without one, on somebody's hour comes to; writes nothing.

    Raises IllegalMove for a visit under way, Invalid for the past, NotFound for an order that nobody can plan.
    """
    if visit is not None and visit.state != "scheduled":
        raise IllegalMove("somebody is on the way already", state=visit.state, to="planned", legal=list(LIVE_VISITS))
    if start < now - PAST:
        raise Invalid("this is in the past", field="planned_start")
    loaded = _load(session, rules, order_id, technician, start, now, visit)
    key = str(visit.id) if visit is not None else _fresh_key(loaded, order_id)
    job = loaded.jobs.get(key) or next((each for each in loaded.untouched if each.id == key), None)
    if job is None:
        raise NotFound("nobody can plan this order here", kind="work_order")
    if end is not None:
        job = replace(job, planned_start=start, planned_end=end)
    target = _shift_at(loaded, technician.id, start)
    if target is None or key not in loaded.problem.visit_by_id:
        return _off_hours(loaded, job, technician.id, start, key, known=target is not None)
    return _dropped(loaded, job, technician.id, target, start, key)


def _load(
    session: Session,
    rules: Rules,
    order_id: UUID,
    technician: Person,
    start: datetime,
    now: datetime,
    visit: Visit | None,
) -> Loaded:
    first, last = start - AROUND, start + AROUND
    people = {technician.id}
    if visit is not None and visit.technician_id is not None:
        people.add(visit.technician_id)
        if (
            visit.planned_start is not None
            and visit.planned_end is not None
            and abs(visit.planned_start - start) < BOTH
        ):
            first, last = min(first, visit.planned_start - AROUND), max(last, visit.planned_end + AROUND)
    return load(session, rules, first, last, now, person_ids=people, order_ids=[order_id], waiting=False)


def _fresh_key(loaded: Loaded, order_id: UUID) -> str:
    return next((key for key, job in loaded.jobs.items() if job.order_id == order_id), "")


def _shift_at(loaded: Loaded, person_id: UUID, start: datetime) -> str | None:
    at = loaded.days.seconds(start)
    for shift in loaded.problem.shifts:
        if shift.technician == str(person_id) and shift.start - PAST.total_seconds() <= at < shift.latest:
            return shift.id
    return None


def _dropped(loaded: Loaded, job: Job, person_id: UUID, target: str, start: datetime, key: str) -> Proposed:
    days, current = loaded.days, loaded.current
    source = current.shift_of.get(key)
    shifts = [target] + ([source] if source is not None and source != target else [])
    keys = {visit for shift in shifts for visit in current.routes.get(shift, ())} | {key}
    starts = {each: days.seconds(at) for each in keys if (at := loaded.jobs[each].planned_start) is not None}
    problem = restricted(loaded.problem, shifts, sorted(keys))
    before = check(held(problem, starts), _only(current, shifts), current)
    wanted = max(days.seconds(start), problem.shift_by_id[target].start)
    moved = held(_freed(problem, key, job.seconds), starts | {key: wanted})
    others = [each for each in current.routes.get(target, ()) if each != key]
    route = sorted([*others, key], key=lambda each: (wanted, 1) if each == key else (starts.get(each, 0), 0))
    routes = {shift: tuple(each for each in current.routes.get(shift, ()) if each != key) for shift in shifts}
    after = check(moved, Plan({**routes, target: tuple(route)}), current)
    return _proposed(loaded, job, person_id, target, key, before, after, wanted)


def _only(plan: Plan, shifts: list[str]) -> Plan:
    return Plan({shift: plan.routes.get(shift, ()) for shift in shifts})


def _freed(problem: Problem, key: str, seconds: int) -> Problem:
    """Return the problem in which the visit may go anywhere: whoever drags it knows that it was pinned."""
    visits = [
        replace(each, pinned_to=None, pinned_start=None, started_at=None, seconds=seconds, together=None)
        if each.id == key
        else each
        for each in problem.visits
    ]
    return replace(problem, visits=visits)


def _proposed(
    loaded: Loaded, job: Job, person_id: UUID, target: str, key: str, before: Checked, after: Checked, wanted: int
) -> Proposed:
    days = loaded.days
    # What was wrong before with others is not this move's; what is wrong with the visit itself is told again.
    known = {(each.code, each.shift, each.visit) for each in before.violations if each.visit != key}
    new = tuple(each for each in after.violations if (each.code, each.shift, each.visit) not in known)
    stops = after.stops[target]
    pushed: list[Pushed] = []
    changes: list[Change] = []
    start, travel = days.moment(wanted), 0
    for position, stop in enumerate(stops):
        at, each = days.moment(stop.start), loaded.jobs[stop.visit]
        travel_minutes = round(stop.travel_seconds / 60)
        if stop.visit == key:
            start, travel = at, travel_minutes
            end = at + timedelta(seconds=job.seconds)
            changes.append(Change(job.order_id, job.visit_id, person_id, at, end, travel_minutes, position))
        elif (
            each.planned_start is not None
            and not each.stands(days.now)
            and at > each.planned_start + timedelta(minutes=1)
        ):
            assert each.visit_id is not None
            pushed.append(Pushed(each.visit_id, each.number, at, each.planned_start))
            end = at + timedelta(seconds=each.seconds)
            changes.append(Change(each.order_id, each.visit_id, person_id, at, end, travel_minutes, position))
    parts = {name: round(after.parts[name] - before.parts[name], 1) for name in after.parts}
    return Proposed(
        job, person_id, start, start + timedelta(seconds=job.seconds), travel, round(sum(parts.values()), 1), parts,
        new, tuple(pushed), tuple(changes), loaded.versions,
    )  # fmt: skip


def _off_hours(loaded: Loaded, job: Job, person_id: UUID, start: datetime, key: str, *, known: bool) -> Proposed:
    """Return a move to an hour at which nobody works: possible when somebody accepts it, and never routed."""
    end = start + timedelta(seconds=job.seconds)
    violations = (Violation("shift", "", key, "not_working" if not known else "not_planned"),)
    change = Change(job.order_id, job.visit_id, person_id, start, end)
    return Proposed(job, person_id, start, end, None, 0.0, {}, violations, (), (change,), loaded.versions)


def commit(
    session: Session,
    proposed: Proposed,
    now: datetime,
    *,
    accept: frozenset[str] = frozenset(),
    pinned: bool | None = None,
    by: Actor | None = None,
) -> Visit:
    """Write a move. Raises BreaksRules unless every rule that it breaks is accepted, BoardChanged, VisitOverlap.

    What breaks a rule is pinned: the next plan would put it right again.
    """
    broken = [each for each in proposed.violations if each.code not in accept]
    if broken:
        told = [{"code": each.code, "visit_id": each.visit, "detail": each.detail} for each in broken]
        raise BreaksRules("the move breaks rules", violations=told)
    keep = True if proposed.violations else pinned
    changes = [
        replace(each, pinned=keep) if each.order_id == proposed.job.order_id else each for each in proposed.changes
    ]
    written = apply(session, changes, proposed.versions, now, by=by, explicit=True)
    return next(each for each in written if each.work_order_id == proposed.job.order_id)
