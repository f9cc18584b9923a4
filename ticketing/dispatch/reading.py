"""Turn orders, visits and working people into the problem that solvers and the referee read. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from assets.base.errors import Invalid
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import FAR, MATRIX_PLACES, Lunch, Place, Problem, Shift, Technician, Visit, Weights
from ticketing.dispatch.settings import LATE_PER_HOUR, USUAL_HOURS, WORTH, Rules
from ticketing.dispatch.travel import degrees, travel_seconds
from ticketing.people.skills import check_required
from ticketing.people.working import WorkSpan
from ticketing.technicians import Resource

USUAL_MINUTES = 60
OVERDUE_S = 300  # what is left of work that should be done by now
UNKNOWN_ROAD_S = 1_800  # to and from a machine that nobody has put on the map
OVERTIME_PER_HOUR = 90.0  # minutes of driving; half more than an hour of them
PROMISED = 5_000.0  # more for leaving out what a customer was promised
EXPECTED_PER_HOUR = 10.0  # an hour later than a customer was told, when somebody else comes for who is away
DETOUR = 1.3


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to plan: a living visit, or an order that nobody is planned for."""

    order_id: UUID
    visit_id: UUID | None
    version: int
    number: str
    priority: str
    organisation_id: UUID
    executing_organisation_id: UUID | None
    team_id: UUID | None
    opened_at: datetime
    minutes: int | None
    required_skills: Sequence[object]
    window: tuple[datetime | None, datetime | None]
    due: datetime | None
    place: tuple[float, float] | None
    assignee_id: UUID | None
    technician_id: UUID | None
    state: str | None
    planned_start: datetime | None
    planned_end: datetime | None
    started_at: datetime | None
    pinned: bool
    promised: tuple[datetime, datetime] | None = None
    blocked: bool = False
    absent: bool = False
    foreign: bool = False  # for an organisation that this plan is not of: it only takes its technician's time
    allowed: frozenset[UUID] = frozenset()

    @property
    def id(self) -> str:
        """Return what the problem calls it."""
        return str(self.visit_id or self.order_id)

    @property
    def begun(self) -> bool:
        """Return whether somebody has set out for it."""
        return self.state in ("travelling", "in_progress", "on_break")

    def late(self, now: datetime) -> bool:
        """Return whether its hours run and nobody has set out yet: who was told them still expects somebody then."""
        if self.state != "scheduled" or self.planned_start is None or self.planned_end is None:
            return False
        return self.planned_start <= now < self.planned_end and not self.absent

    def stands(self, now: datetime) -> bool:
        """Return whether its hours are no plan's to change: under way, late, pinned, or somebody else's."""
        return self.begun or self.late(now) or self.foreign or (self.pinned and not self.absent)

    @property
    def seconds(self) -> int:
        """Return how long the work takes."""
        if self.planned_start is not None and self.planned_end is not None:
            return max(60, round((self.planned_end - self.planned_start).total_seconds()))
        return 60 * (self.minutes or USUAL_MINUTES)


@dataclass(frozen=True, slots=True)
class Days:
    """The time that is planned, and now; the problem counts seconds from `start`."""

    start: datetime
    until: datetime
    now: datetime

    def seconds(self, at: datetime) -> int:
        """Return a moment as the problem counts it."""
        return round((at - self.start).total_seconds())

    def moment(self, seconds: int) -> datetime:
        """Return the moment of the problem's seconds, up to whole minutes: durations are whole minutes too."""
        return self.start + timedelta(minutes=math.ceil(seconds / 60))


@dataclass(frozen=True, slots=True)
class Stock:
    """Parts that orders need, and that people carry."""

    needed: Mapping[UUID, Mapping[str, int]] = field(default_factory=dict)
    carried: Mapping[UUID, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """The problem and the plan in force; and what is no part of it, with why."""

    problem: Problem
    current: Plan
    jobs: dict[str, Job]
    no_place: frozenset[str]
    blocked: frozenset[str]
    unreadable: frozenset[str]
    untouched: tuple[Job, ...]


class _Places:
    """Places of a problem by coordinates; one stands for all that are not on the map."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self._numbers: dict[tuple[float, float] | None, int] = {}

    def number(self, at: tuple[float, float] | None) -> int:
        if at not in self._numbers:
            self._numbers[at] = len(self.places)
            self.places.append(Place(*(at or (0.0, 0.0))))
        return self._numbers[at]

    @property
    def unknown(self) -> int | None:
        return self._numbers.get(None)


def shift_id(span: WorkSpan) -> str:
    """Return the name of somebody's working stretch: the same as long as it begins at the same time."""
    return f"{span.person_id}/{span.start.isoformat()}"


def make_problem(days: Days, jobs: Sequence[Job], people: Sequence[Resource], stock: Stock, rules: Rules) -> Made:
    """Return the problem. Of a running day only what is left of it: who works already leaves from where they are."""
    places = _Places()
    spans = [(each, span) for each in people for span in each.spans if span.overtime_end > days.now]
    by_person: dict[UUID, list[WorkSpan]] = {}
    for each, span in spans:
        by_person.setdefault(each.person_id, []).append(span)
    route: dict[str, list[tuple[tuple[bool, datetime], str]]] = {}
    visits: list[Visit] = []
    kept: dict[str, Job] = {}
    untouched: list[Job] = []
    blocked: set[str] = set()
    unreadable: set[str] = set()
    first = _first_under_way(jobs, by_person, days)
    for job in jobs:
        there, skills = _span_of(job, by_person, days), _skills(job)
        # Who is away is replaced, unless nobody can say by whom.
        away = job.absent and not job.foreign
        if job.planned_start is not None and (skills is None if away else there is None):
            untouched.append(job)
            continue
        if skills is None and there is None:
            unreadable.add(job.id)
            kept[job.id] = job
            continue
        if job.blocked and not job.begun:
            blocked.add(job.id)
            if job.visit_id is None:
                kept[job.id] = job
                continue
        kept[job.id] = job
        stays = job.pinned or job.begun or job.late(days.now) or job.blocked or skills is None
        held = there is not None and (job.foreign or (not job.absent and stays))
        at, known = places.number(job.place), skills or {}
        visits.append(_visit(job, days, at, stock, there if held else None, known, first=job.id in first))
        if there is not None and job.planned_start is not None and not away:
            route.setdefault(shift_id(there), []).append(((job.id not in first, job.planned_start), job.id))
    hours = hours_of_people(jobs)
    shifts = [_shift(each, span, days, places, hours.get(each.person_id, ())) for each, span in spans]
    weights = Weights(**dict(rules.weights))
    problem = Problem(
        places.places, _technicians(people, stock, days), shifts, _together(visits, kept), weights=weights,
        speed_kmh=_speed(people), detour=DETOUR,
    )  # fmt: skip
    problem, no_place = _with_unknown(problem, places.unknown)
    wanted = {each.id for each in problem.visits}
    current = Plan({shift: tuple(key for _, key in sorted(those) if key in wanted) for shift, those in route.items()})
    return Made(problem, current, kept, no_place, frozenset(blocked), frozenset(unreadable), tuple(untouched))


def _span_of(job: Job, spans: Mapping[UUID, Sequence[WorkSpan]], days: Days) -> WorkSpan | None:
    """Return the working stretch in which a visit is planned; of one under way, the one that runs."""
    if job.technician_id is None:
        return None
    for span in spans.get(job.technician_id, ()):
        if job.begun and span.start <= max(days.now, job.planned_start or days.now) < span.overtime_end:
            return span
        if job.late(days.now) and span.start <= days.now < span.overtime_end:  # of a running stretch only the rest
            return span
        if job.planned_start is not None and span.start <= job.planned_start < span.overtime_end:
            return span
    return None


def _skills(job: Job) -> dict[str, int] | None:
    """Return what a job asks for; None when that cannot be read: one order must not stop the plan of all others."""
    try:
        return check_required(job.required_skills)
    except Invalid:
        return None


def _first_under_way(jobs: Sequence[Job], spans: Mapping[UUID, Sequence[WorkSpan]], days: Days) -> set[str]:
    """Return what each person is at, or should be at: of several visits that have begun the one that began last."""
    found: dict[str, tuple[tuple[bool, datetime], str]] = {}
    for job in jobs:
        there = _span_of(job, spans, days)
        if there is None or job.foreign or job.absent or not (job.begun or job.late(days.now)):
            continue
        rank = job.begun, job.started_at or job.planned_start or days.now
        known = found.get(shift_id(there))
        if known is None or rank > known[0]:
            found[shift_id(there)] = rank, job.id
    return {key for _, key in found.values()}


def _visit(
    job: Job, days: Days, place: int, stock: Stock, span: WorkSpan | None, skills: Mapping[str, int], *, first: bool
) -> Visit:
    """Return a job as the problem has it. `first`: what is left of it is the first thing that its technician does."""
    late_at = job.due or job.opened_at + timedelta(hours=USUAL_HOURS.get(job.priority, 72.0))
    late_per_hour = LATE_PER_HOUR.get(job.priority, 2.0)
    if job.absent and job.planned_start is not None:  # the customer expects somebody then, whoever it is
        late_at, late_per_hour = min(late_at, job.planned_start), max(late_per_hour, EXPECTED_PER_HOUR)
    under_way = span is not None and not job.foreign and (job.begun or job.late(days.now))
    begun, seconds = _what_is_left(job, days) if under_way else (None, job.seconds)
    pinned_start = None
    if span is not None and not under_way and job.planned_start is not None:
        pinned_start = max(days.seconds(job.planned_start), days.seconds(days.now))
        if job.foreign and job.planned_end is not None:
            seconds = max(60, days.seconds(job.planned_end) - pinned_start)
    preferred = job.technician_id or job.assignee_id
    return Visit(
        id=job.id,
        place=place,
        seconds=seconds,
        windows=() if job.foreign else _windows(job, days, still_open=under_way),
        skills=dict(skills),
        parts={} if job.begun and under_way else dict(stock.needed.get(job.order_id, {})),
        unserved_cost=WORTH.get(job.priority, WORTH["normal"]) + (PROMISED if job.promised else 0.0),
        due=max(0, days.seconds(late_at)),
        late_per_hour=late_per_hour,
        preferred=str(preferred) if preferred else None,
        allowed=None if job.foreign else frozenset(map(str, job.allowed)),
        pinned_to=shift_id(span) if span is not None else None,
        pinned_start=pinned_start,
        started_at=begun if first and under_way else None,
    )


def _what_is_left(job: Job, days: Days) -> tuple[int, int]:
    """Return from when and for how long a visit under way, or one that is late, takes its technician's time.

    Late work takes as long as it was planned for, from now on. Begun work takes at least until its planned end where
    it began shortly before or within its hours: nobody else's visit may be booked into them.
    """
    now = max(0, days.seconds(days.now))
    if not job.begun:
        return now, job.seconds
    at = job.started_at or max(days.now, job.planned_start or days.now)
    begun = days.seconds(at)
    end = max(begun + job.seconds, now + OVERDUE_S)
    if job.planned_start is not None and job.planned_end is not None and days.seconds(job.planned_start) <= end:
        end = max(end, days.seconds(job.planned_end))
    begun = max(0, begun)
    return begun, max(60, end - begun)


def _windows(job: Job, days: Days, *, still_open: bool = False) -> tuple[tuple[int, int], ...]:
    """Return when work may begin: what the customer was promised, else so that it ends within the order's window.

    `still_open`: nothing, once that is over.
    """
    found = _wanted_windows(job, days)
    return tuple(each for each in found if not still_open or each[1] >= days.seconds(days.now))


def _wanted_windows(job: Job, days: Days) -> tuple[tuple[int, int], ...]:
    if job.promised is not None:
        return ((max(0, days.seconds(job.promised[0])), max(0, days.seconds(job.promised[1]))),)
    opens, closes = job.window
    if opens is None and closes is None:
        return ()
    first = max(0, days.seconds(opens)) if opens is not None else 0
    last = days.seconds(closes) - job.seconds if closes is not None else FAR
    return ((first, max(first, last)),)


def hours_of_people(jobs: Sequence[Job]) -> dict[UUID, list[tuple[datetime, datetime]]]:
    """Return when people have visits, in order."""
    found: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for job in jobs:
        if job.technician_id is not None and job.planned_start is not None and job.planned_end is not None:
            found.setdefault(job.technician_id, []).append((job.planned_start, job.planned_end))
    return {person: sorted(those) for person, those in found.items()}


def _shift(
    person: Resource, span: WorkSpan, days: Days, places: _Places, hours: Sequence[tuple[datetime, datetime]]
) -> Shift:
    """Return a stretch as the problem has it; a visit that reaches into it from before holds up its begin."""
    begins = max([span.start, *(until for start, until in hours if start < span.start < until)])
    now = max(days.seconds(days.now), days.seconds(min(begins, span.overtime_end)))
    start, end = max(days.seconds(span.start), now), max(days.seconds(span.end), now)
    lunch = None
    if span.lunch is not None:
        earliest, latest = max(days.seconds(span.lunch.opens), now), days.seconds(span.lunch.closes)
        if earliest + 60 * span.lunch.minutes <= latest:
            lunch = Lunch(60 * span.lunch.minutes, earliest, latest)
    until = days.seconds(span.overtime_end)
    home = places.number(person.home) if person.home is not None else None
    return Shift(
        shift_id(span), str(person.person_id), max(0, start), max(0, end), home, lunch=lunch,
        overtime_until=until if until > end else None, overtime_per_hour=OVERTIME_PER_HOUR,
    )  # fmt: skip


def _technicians(people: Sequence[Resource], stock: Stock, days: Days) -> list[Technician]:
    """Return people with what they can do for the whole time: a skill that ends in it does not count."""
    priced = [float(each.cost_per_hour) for each in people if each.cost_per_hour]
    mean = sum(priced) / len(priced) if priced else 1.0
    found = []
    for each in people:
        skills: dict[str, int] = {}
        for held in each.skills:
            if held.holds(max(days.now, days.start)) and held.holds(days.until - timedelta(seconds=1)):
                skills[held.code] = max(held.level, skills.get(held.code, 0))
        rate = min(4.0, max(0.25, float(each.cost_per_hour) / mean)) if each.cost_per_hour else 1.0
        found.append(Technician(str(each.person_id), skills, dict(stock.carried.get(each.person_id, {})), rate))
    return found


def _speed(people: Sequence[Resource]) -> float:
    """Return the mean speed: the referee drives everybody alike."""
    return sum(each.speed_kmh for each in people) / len(people) if people else 40.0


def _together(visits: list[Visit], jobs: Mapping[str, Job]) -> list[Visit]:
    """Let several people's visits of one order that are planned for one moment stay together."""
    groups: dict[tuple[UUID, datetime], list[str]] = {}
    for visit in visits:
        job = jobs[visit.id]
        if job.planned_start is not None and not visit.fixed:
            groups.setdefault((job.order_id, job.planned_start), []).append(visit.id)
    group_of = {key: str(order) for (order, _), those in groups.items() if len(those) > 1 for key in those}
    return [replace(each, together=group_of.get(each.id)) if each.id in group_of else each for each in visits]


def _with_unknown(problem: Problem, unknown: int | None) -> tuple[Problem, frozenset[str]]:
    """Give roads to a place that is not on the map; of a problem too large for a matrix, leave it out."""
    if unknown is None:
        return problem, frozenset()
    if len(problem.places) > MATRIX_PLACES:
        gone = frozenset(each.id for each in problem.visits if each.place == unknown and not each.fixed)
        return replace(problem, visits=[each for each in problem.visits if each.id not in gone]), gone
    at = degrees(problem.places)
    matrix = travel_seconds(at, at, problem.speed_kmh, problem.detour)
    matrix[unknown, :] = UNKNOWN_ROAD_S
    matrix[:, unknown] = UNKNOWN_ROAD_S
    matrix[unknown, unknown] = 0
    return replace(problem, matrix=np.ascontiguousarray(matrix)), frozenset()
