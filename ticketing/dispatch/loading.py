"""Load what a plan is made from: open orders, living visits, who works when; as a problem that the referee reads."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from assets.people import Organisation
from assets.registry import Asset, Site
from assets.stock.promises import StockReservation
from assets.stock.tables import StockBalance
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.reading import Days, Job, Stock, make_problem
from ticketing.dispatch.settings import Rules, scope_of
from ticketing.dispatch.tables import Appointment
from ticketing.models import Visit, WorkOrder
from ticketing.order_models import WorkOrderBlock
from ticketing.people.tables import Absence
from ticketing.people.teams import team_members
from ticketing.sla_shown import due_moments
from ticketing.technicians import Resource, resources
from ticketing.work_orders import LIVE_VISITS

MAX_HELD = 12_000  # planned visits that a plan knows of; it moves the first MAX_JOBS
MAX_JOBS = 3_000  # of one plan: 10,000 visits of a day are planned in turns, the most pressing ones first
# Not what could not be done: first somebody decides what now.
PLANNABLE = ("unscheduled", "scheduled", "in_progress")
BEGUN = ("travelling", "in_progress", "on_break")
RISING = {"urgent": 0, "high": 1, "normal": 2, "low": 3}


@dataclass(frozen=True)
class Loaded:
    """A problem with what leads back to the rows. `left_out`: how many orders were beyond the limit."""

    days: Days
    problem: Problem
    current: Plan
    jobs: dict[str, Job]
    people: dict[UUID, Resource]
    rules: Rules
    no_place: frozenset[str]
    blocked: frozenset[str]
    left_out: int = 0
    # Visits that the plan must not touch and cannot place: under way or pinned outside of any shift.
    untouched: tuple[Job, ...] = ()
    unreadable: frozenset[str] = frozenset()  # what they ask for is no list of skills

    @property
    def versions(self) -> dict[str, int]:
        """Return the versions of the rows that the problem was made from, by id."""
        found: dict[str, int] = {}
        for job in (*self.jobs.values(), *self.untouched):
            found[str(job.visit_id or job.order_id)] = job.version
        return found

    @property
    def digest(self) -> str:
        """Return a digest of the input: the same rows give the same one."""
        facts = [sorted(self.versions.items()), [self.days.start.isoformat(), self.days.until.isoformat()]]
        facts.append([[s.id, s.start, s.end] for s in self.problem.shifts])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def load(
    session: Session,
    rules: Rules,
    start: datetime,
    until: datetime,
    now: datetime,
    *,
    person_ids: Collection[UUID] | None = None,
    order_ids: Collection[UUID] | None = None,
    waiting: bool = True,
    team_id: UUID | None = None,
) -> Loaded:
    """Return the problem of [start, until) for an organisation and those below it.

    `person_ids`: only these people and their visits; `order_ids`: these orders too, whatever they wait for; `waiting`:
    with all orders that nobody is planned for; `team_id`: a team's people, their visits, and what waits for them or
    for any team.
    """
    scope = scope_of(session, rules.organisation_id)
    sent = resources(session, start, until, person_ids=person_ids, team_id=team_id, organisation_ids=scope)
    people = {each.person_id: each for each in sent}
    person_ids = people if team_id is not None else person_ids
    found = _planned(session, scope, start, until, person_ids, people)
    if waiting or order_ids:
        known = {job.order_id for job in found}
        found += [
            job
            for job in _waiting(session, scope, Days(start, until, now), order_ids, waiting, team_id)
            if job.visit_id or job.order_id not in known
        ]
    fixed = [job for job in found if job.planned_start is not None]
    fresh = sorted((job for job in found if job.planned_start is None), key=_pressing)
    room = max(0, MAX_JOBS - len(fixed))
    jobs = _completed(session, [*fixed[:MAX_JOBS], *fresh[:room]], people, now)
    days = Days(start, until, now)
    stock = _stock(session, jobs, people, rules)
    made = make_problem(days, jobs, list(people.values()), stock, rules)
    return Loaded(
        days, made.problem, made.current, made.jobs, people, rules, made.no_place, made.blocked,
        max(0, len(found) - len(jobs)), (*made.untouched, *fixed[MAX_JOBS:]), made.unreadable,
    )  # fmt: skip


def _pressing(job: Job) -> tuple[int, datetime, str]:
    return RISING.get(job.priority, 9), job.due or job.opened_at, str(job.order_id)


def _job(order: WorkOrder, visit: Visit | None, asset: Asset, site: Site | None) -> Job:
    place = None
    if asset.latitude_deg is not None and asset.longitude_deg is not None:
        place = (asset.latitude_deg, asset.longitude_deg)
    elif site is not None and site.latitude_deg is not None and site.longitude_deg is not None:
        place = (site.latitude_deg, site.longitude_deg)
    return Job(
        order_id=order.id,
        visit_id=visit.id if visit else None,
        version=visit.version if visit else order.version,
        number=order.number,
        priority=order.priority,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        team_id=order.team_id,
        opened_at=order.opened_at,
        minutes=order.duration_minutes,
        required_skills=list(order.required_skills or []),
        window=(order.window_from, order.window_until),
        due=order.due_at,
        place=place,
        assignee_id=order.assignee_id,
        technician_id=visit.technician_id if visit else None,
        state=visit.state if visit else None,
        planned_start=visit.planned_start if visit else None,
        planned_end=visit.planned_end if visit else None,
        started_at=visit.started_at if visit else None,
        pinned=bool(visit and visit.pinned),
    )


def _planned(
    session: Session,
    scope: Collection[UUID],
    start: datetime,
    until: datetime,
    people: Collection[UUID] | None,
    sent: Collection[UUID],
) -> list[Job]:
    """Return living visits with hours in [start, until): of the organisations, and whatever else their people have."""
    query = (
        select(WorkOrder, Visit, Asset, Site)
        .join(Visit, Visit.work_order_id == WorkOrder.id)
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .outerjoin(Site, Site.id == WorkOrder.site_id)
        .where(
            Visit.state.in_(LIVE_VISITS),
            Visit.planned_start < until,
            or_(Visit.planned_end > start, Visit.state.in_(BEGUN)),
            or_(
                Visit.organisation_id.in_(scope),
                Visit.executing_organisation_id.in_(scope),
                Visit.technician_id.in_(sent),
            ),
        )
        .order_by(Visit.planned_start, Visit.id)
        .limit(MAX_HELD)
    )
    if people is not None:
        query = query.where(Visit.technician_id.in_(people))
    mine = set(scope)
    return [
        replace(_job(*row), foreign=not mine & {row.Visit.organisation_id, row.Visit.executing_organisation_id})
        for row in session.execute(query)
    ]


def _waiting(
    session: Session,
    scope: Collection[UUID],
    days: Days,
    order_ids: Collection[UUID] | None,
    all_of_them: bool,
    team_id: UUID | None,
) -> list[Job]:
    """Return orders that nobody is planned for: also those whose visit has no hours, or whose hours passed unused."""
    unplanned, planned = aliased(Visit), aliased(Visit)
    has_hours = exists().where(
        planned.work_order_id == WorkOrder.id,
        planned.state.in_(LIVE_VISITS),
        planned.planned_start.is_not(None),
        or_(planned.planned_end > days.now, planned.state.in_(BEGUN)),
    )
    in_time = and_(
        or_(WorkOrder.window_from.is_(None), WorkOrder.window_from < days.until),
        or_(WorkOrder.window_until.is_(None), WorkOrder.window_until > days.start),
        WorkOrder.state.in_(PLANNABLE),
        or_(WorkOrder.state != "in_progress", unplanned.id.is_not(None)),
    )
    wanted = in_time if order_ids is None else or_(in_time, WorkOrder.id.in_(order_ids))
    if not all_of_them:
        wanted = WorkOrder.id.in_(order_ids or ())
    rank = func.array_position(list(RISING), WorkOrder.priority)
    query = (
        select(WorkOrder, unplanned, Asset, Site)
        .outerjoin(
            unplanned,
            and_(
                unplanned.work_order_id == WorkOrder.id,
                unplanned.state.in_(LIVE_VISITS),
                or_(unplanned.planned_start.is_(None), unplanned.planned_end <= days.now),
            ),
        )
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .outerjoin(Site, Site.id == WorkOrder.site_id)
        .where(
            wanted,
            WorkOrder.closed_at.is_(None),
            ~has_hours,
            or_(WorkOrder.organisation_id.in_(scope), WorkOrder.executing_organisation_id.in_(scope)),
        )
        .order_by(rank, func.coalesce(WorkOrder.due_at, WorkOrder.opened_at), WorkOrder.id)
        .limit(4 * MAX_JOBS)
    )
    if team_id is not None:
        query = query.where(or_(WorkOrder.team_id == team_id, WorkOrder.team_id.is_(None)))
    seen: dict[UUID, Job] = {}
    for row in session.execute(query):
        job = replace(_job(*row), planned_start=None, planned_end=None)
        seen.setdefault(job.visit_id or job.order_id, job)
    return list(seen.values())


def _completed(session: Session, jobs: Sequence[Job], people: Mapping[UUID, Resource], now: datetime) -> list[Job]:
    """Return the jobs with what stands in other tables: service levels, appointments, blocks, who may go."""
    keys = sorted({job.order_id for job in jobs})
    due = due_moments(session, "work_order", keys, "arrival")
    due = due_moments(session, "work_order", [key for key in keys if key not in due], "restoration") | due
    booked = {
        row.work_order_id: (row.window_from, row.window_until)
        for row in session.scalars(
            select(Appointment).where(Appointment.work_order_id.in_(keys), Appointment.state == "booked")
        )
    }
    blocked = set(
        session.scalars(
            select(WorkOrderBlock.blocked_id).where(
                WorkOrderBlock.blocked_id.in_(keys), WorkOrderBlock.cleared_at.is_(None)
            )
        )
    )
    above = _ancestors(session, {job.organisation_id for job in jobs})
    teams = {each: set(team_members(session, each, now)) for each in {job.team_id for job in jobs if job.team_id}}
    away = _absent(session, jobs)
    return [
        replace(
            job,
            due=due.get(job.order_id, job.due),
            promised=booked.get(job.order_id),
            blocked=job.order_id in blocked,
            absent=job.visit_id in away,
            allowed=_allowed(job, people, above, teams),
        )
        for job in jobs
    ]


def _allowed(
    job: Job,
    people: Mapping[UUID, Resource],
    above: Mapping[UUID, Collection[UUID]],
    teams: Mapping[UUID, set[UUID]],
) -> frozenset[UUID]:
    """Return who may be sent: the owner's and the executor's people; of an order that a team has, its members."""
    of = {*above.get(job.organisation_id, ()), job.executing_organisation_id}
    if job.team_id is not None:
        members = teams[job.team_id]
        if job.visit_id is None:  # assigning it makes the partner the executor
            return frozenset(key for key in people if key in members)
        return frozenset(key for key, each in people.items() if key in members and each.organisation_id in of)
    return frozenset(key for key, each in people.items() if each.organisation_id in of)


def _ancestors(session: Session, keys: Collection[UUID]) -> dict[UUID, list[UUID]]:
    rows = session.execute(select(Organisation.id, Organisation.ancestors).where(Organisation.id.in_(keys)))
    return {key: list(above) for key, above in rows}


def _absent(session: Session, jobs: Iterable[Job]) -> set[UUID | None]:
    """Return the visits whose technician has leave then."""
    mine = [job for job in jobs if job.planned_start is not None and job.technician_id is not None]
    if not mine:
        return set()
    query = select(Absence.person_id, Absence.starts_at, Absence.ends_at).where(
        Absence.person_id.in_({job.technician_id for job in mine}),
        Absence.state == "approved",
        Absence.starts_at < max(job.planned_end or job.opened_at for job in mine),
        Absence.ends_at > min(job.planned_start or job.opened_at for job in mine),
    )
    away: dict[UUID | None, list[tuple[datetime, datetime]]] = defaultdict(list)
    for person, begins, ends in session.execute(query):
        away[person].append((begins, ends))
    return {
        job.visit_id
        for job in mine
        for begins, ends in away[job.technician_id]
        if job.planned_start and job.planned_end and begins < job.planned_end and ends > job.planned_start
    }


def _stock(session: Session, jobs: Sequence[Job], people: Mapping[UUID, Resource], rules: Rules) -> Stock:
    """Return what orders have reserved, and what the vans carry of that."""
    vans = {each.van_location_id: key for key, each in people.items() if each.van_location_id is not None}
    left = StockReservation.quantity - StockReservation.fulfilled
    query = (
        select(StockReservation.work_order_id, StockReservation.part_id, func.sum(left))
        .where(
            StockReservation.work_order_id.in_({job.order_id for job in jobs}),
            StockReservation.state == "open",
            left > 0,
        )
        .group_by(StockReservation.work_order_id, StockReservation.part_id)
    )
    if rules.parts == "depot":
        query = query.where(StockReservation.location_id.in_(vans))
    needed: dict[UUID, dict[str, int]] = defaultdict(dict)
    for order, part, quantity in session.execute(query):
        if order is not None:
            needed[order][str(part)] = -int(-quantity // 1)  # half a metre of cable is a metre on the van
    wanted = {UUID(part) for parts in needed.values() for part in parts}
    carried: dict[UUID, dict[str, int]] = defaultdict(dict)
    if wanted and vans:
        rows = session.execute(
            select(StockBalance.location_id, StockBalance.part_id, func.sum(StockBalance.quantity))
            .where(StockBalance.location_id.in_(vans), StockBalance.part_id.in_(wanted))
            .group_by(StockBalance.location_id, StockBalance.part_id)
        )
        for location, part, quantity in rows:
            carried[vans[location]][str(part)] = max(0, int(quantity))
    return Stock(needed, carried)
