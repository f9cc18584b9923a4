"""What the board shows: who works when, what is planned, what nobody has yet and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, or_, select

from assets.base.access import may
from assets.registry import Asset, Site
from gateway.api.deps import Context
from gateway.api.edits import named_assets
from gateway.api.sla_rows import ClockItem, clocks_of
from gateway.api.technician_rows import SpanItem, span_item
from gateway.api.work_order_shapes import Title
from ticketing.dispatch.explaining import Candidate
from ticketing.dispatch.loading import Loaded
from ticketing.dispatch.plan import Violation, check
from ticketing.dispatch.reasons import Reason, reasons
from ticketing.dispatch.settings import scope_of
from ticketing.dispatch.tables import Appointment
from ticketing.help_requests import calls_of
from ticketing.models import Visit, WorkOrder
from ticketing.people.tables import Absence
from ticketing.technicians import resources
from ticketing.visit_plans import USUAL_MINUTES
from ticketing.work_orders import LIVE_VISITS

MAX_VISITS = 2_000  # on one board; more is no picture any more
UNPLANNED_WITHIN = timedelta(days=14)  # work that nobody planned begins, and ends, soon after somebody took it
MAX_UNASSIGNED = 300
EXPLAIN_S = 1.0  # for saying whose day still has room for what nobody has


class Spot(BaseModel):
    """A point on the map."""

    latitude_deg: float
    longitude_deg: float


class AbsenceBar(BaseModel):
    """Leave on somebody's line of the board; why they are away is their own business."""

    starts_at: datetime
    ends_at: datetime
    state: str


class ResourceRow(BaseModel):
    """A person's line of the board."""

    id: UUID
    name: str
    organisation_id: UUID
    home: Spot | None
    skills: dict[str, int]
    shifts: list[SpanItem]
    absences: list[AbsenceBar]


class WindowShown(BaseModel):
    """When work may begin."""

    from_at: datetime | None
    until_at: datetime | None


class OrderShown(BaseModel):
    """What the board says of an order."""

    work_order_id: UUID
    number: str
    title: Title
    title_text: str | None
    priority: str
    order_version: int
    asset_id: UUID
    asset_name: str
    site_name: str | None
    place: Spot | None
    duration_minutes: int
    required_skills: list[Any]
    window: WindowShown | None
    appointment: WindowShown | None
    due_at: datetime | None
    sla: list[ClockItem] = []
    help_open: int = 0  # calls from the field that nobody has settled
    help_urgent: bool = False


class VisitBar(OrderShown):
    """A visit on the board."""

    id: UUID
    version: int
    technician_id: UUID | None
    state: str
    planned_start: datetime | None
    planned_end: datetime | None
    pinned: bool
    travel_minutes: int | None
    position_in_route: int | None


class Unassigned(OrderShown):
    """An order that nobody is planned for, with the reason."""

    reason_code: str
    reason_detail: str | None = None
    visit_id: UUID | None = None
    visit_version: int | None = None


class Board(BaseModel):
    """The board between two moments; `version` changes with anything on it. `visits_total` may exceed what is shown."""

    from_at: datetime
    until_at: datetime
    version: str
    resources: list[ResourceRow]
    visits: list[VisitBar]
    visits_total: int
    limit: int = MAX_VISITS


class Bench(BaseModel):
    """What nobody is planned for. `total` may exceed what is shown."""

    items: list[Unassigned]
    total: int
    limit: int = MAX_UNASSIGNED


class ViolationItem(BaseModel):
    """One rule that would be broken."""

    code: str
    visit_id: str | None = None
    detail: str | None = None


class CandidateItem(BaseModel):
    """Somebody for an order: when they could begin, what it adds in minutes of driving, and what stands against it."""

    technician_id: UUID
    name: str
    starts_at: datetime
    cost: float
    parts: dict[str, float]
    violations: list[ViolationItem]


def violation_item(each: Violation) -> ViolationItem:
    """Return a violation as it is told."""
    return ViolationItem(code=each.code, visit_id=each.visit or None, detail=each.detail or None)


def candidate_items(loaded: Loaded, found: Sequence[Candidate]) -> list[CandidateItem]:
    """Return candidates with names and moments."""
    return [
        CandidateItem(
            technician_id=UUID(each.technician),
            name=loaded.people[UUID(each.technician)].name,
            starts_at=loaded.days.moment(each.start),
            cost=each.cost,
            parts=each.parts,
            violations=[violation_item(one) for one in each.violations],
        )
        for each in found
    ]


def board_of(here: Context, start: datetime, until: datetime, team_id: UUID | None) -> Board:
    """Return the board as the actor sees it."""
    scope = scope_of(here.session, here.actor.organisation_id)
    people = resources(here.session, start, until, team_id=team_id, organisation_ids=scope)
    keys = [each.person_id for each in people]
    away: dict[UUID, list[AbsenceBar]] = {}
    leave = select(Absence).where(
        Absence.person_id.in_(keys),
        Absence.state.in_(("approved", "requested")),
        Absence.starts_at < until,
        Absence.ends_at > start,
    )
    for row in here.session.scalars(leave.order_by(Absence.starts_at)):
        bar = AbsenceBar(starts_at=row.starts_at, ends_at=row.ends_at, state=row.state)
        away.setdefault(row.person_id, []).append(bar)
    unplanned = (
        Visit.planned_start.is_(None)
        & Visit.scheduled_at.between(start - UNPLANNED_WITHIN, until)
        & (func.coalesce(Visit.travelling_at, Visit.started_at) < until)
        & (func.coalesce(Visit.finished_at, here.now) > start)
    )
    condition = Visit.state.in_((*LIVE_VISITS, "completed", "partially_completed", "cannot_complete")) & or_(
        (Visit.planned_start < until) & (Visit.planned_end > start), unplanned
    )
    if team_id is not None:
        condition &= Visit.technician_id.in_(keys)
    total = here.session.scalar(select(func.count()).select_from(Visit).where(condition)) or 0
    rows = here.session.execute(
        select(Visit, WorkOrder)
        .join(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .where(condition)
        .order_by(Visit.planned_start, Visit.id)
        .limit(MAX_VISITS)
    ).all()
    shown = _orders(here, [order for _, order in rows])
    visits = [_bar(visit, shown[order.id], _hours(visit, order, here.now)) for visit, order in rows]
    lines = [
        ResourceRow(
            id=each.person_id,
            name=each.name,
            organisation_id=each.organisation_id,
            home=Spot(latitude_deg=each.home[0], longitude_deg=each.home[1]) if each.home and _may_know(here) else None,
            skills={held.code: held.level for held in each.skills if held.holds(start)},
            shifts=[span_item(span) for span in each.spans],
            absences=away.get(each.person_id, []),
        )
        for each in people
    ]
    return Board(
        from_at=start, until_at=until, version=_version(visits, lines), resources=lines, visits=visits,
        visits_total=total,
    )  # fmt: skip


def _may_know(here: Context) -> bool:
    """Where somebody lives is for who plans."""
    return may(here.actor, "dispatch.plan")


def _version(visits: Sequence[VisitBar], lines: Sequence[ResourceRow]) -> str:
    facts = [
        (str(each.id), each.version, each.order_version, str(each.technician_id), each.help_open, each.help_urgent)
        for each in visits
    ]
    spans = [[str(line.id), [(str(s.start), str(s.end)) for s in line.shifts]] for line in lines]
    return hashlib.sha256(repr((facts, spans)).encode()).hexdigest()[:16]


def _hours(visit: Visit, order: WorkOrder, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when a visit stands on the board: as planned; what somebody began without a plan, when it happens."""
    begun = visit.travelling_at or visit.started_at
    if visit.planned_start is not None or begun is None:
        return visit.planned_start, visit.planned_end
    expected = begun + timedelta(minutes=order.duration_minutes or USUAL_MINUTES)
    return begun, visit.finished_at or max(expected, now)


def _bar(visit: Visit, order: dict[str, Any], hours: tuple[datetime | None, datetime | None]) -> VisitBar:
    return VisitBar(
        **order,
        id=visit.id,
        version=visit.version,
        technician_id=visit.technician_id,
        state=visit.state,
        planned_start=hours[0],
        planned_end=hours[1],
        pinned=visit.pinned,
        travel_minutes=visit.travel_minutes,
        position_in_route=visit.position_in_route,
    )


def _orders(here: Context, orders: Sequence[WorkOrder]) -> dict[UUID, dict[str, Any]]:
    """Return what the board says of orders, with one query for each kind of row."""
    keys = list({order.id for order in orders})
    assets = named_assets(here, (order.asset_id for order in orders))
    wanted = {order.site_id for order in orders if order.site_id}
    sites = {each.id: each for each in here.session.scalars(select(Site).where(Site.id.in_(wanted)))}
    promised = {
        row.work_order_id: WindowShown(from_at=row.window_from, until_at=row.window_until)
        for row in here.session.scalars(
            select(Appointment).where(Appointment.work_order_id.in_(keys), Appointment.state == "booked")
        )
    }
    clocks = clocks_of(here, "work_order", keys)
    calls = calls_of(here.session, keys)
    return {
        order.id: {
            "help_open": calls.get(order.id, (0, False))[0],
            "help_urgent": calls.get(order.id, (0, False))[1],
            "work_order_id": order.id,
            "number": order.number,
            "title": Title(code=order.title_code, params=order.title_params),
            "title_text": order.title_text,
            "priority": order.priority,
            "order_version": order.version,
            "asset_id": order.asset_id,
            "asset_name": assets[order.asset_id].name,
            "site_name": sites[order.site_id].name if order.site_id in sites and order.site_id else None,
            "place": _spot(assets[order.asset_id], sites.get(order.site_id) if order.site_id else None),
            "duration_minutes": order.duration_minutes or 60,
            "required_skills": list(order.required_skills or []),
            "window": WindowShown(from_at=order.window_from, until_at=order.window_until)
            if order.window_from or order.window_until
            else None,
            "appointment": promised.get(order.id),
            "due_at": order.due_at,
            "sla": clocks.get(order.id, []),
        }
        for order in orders
    }


def _spot(asset: Asset, site: Site | None) -> Spot | None:
    for each in (asset, site):
        if each is not None and each.latitude_deg is not None and each.longitude_deg is not None:
            return Spot(latitude_deg=each.latitude_deg, longitude_deg=each.longitude_deg)
    return None


def bench_of(here: Context, loaded: Loaded) -> Bench:
    """Return what nobody is planned for, each with the reason that the referee proves."""
    waiting = [key for key, job in loaded.jobs.items() if loaded.current.shift_of.get(key) is None and not job.begun]
    shown = waiting[:MAX_UNASSIGNED]
    rows = here.session.scalars(select(WorkOrder).where(WorkOrder.id.in_({loaded.jobs[key].order_id for key in shown})))
    orders = {each.id: each for each in rows}
    told = _orders(here, list(orders.values()))
    why = _reasons(loaded, shown)
    items = [
        Unassigned(
            **told[job.order_id],
            reason_code=why[key][0],
            reason_detail=why[key][1] or None,
            visit_id=job.visit_id,
            visit_version=job.version if job.visit_id else None,
        )
        for key in shown
        if (job := loaded.jobs[key]).order_id in told
    ]
    return Bench(items=items, total=len(waiting) + loaded.left_out)


def _reasons(loaded: Loaded, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return why nobody is planned: a rule, or (`not_planned`) that nobody has done it yet though somebody could."""
    checked = check(loaded.problem, loaded.current, loaded.current)
    proved = reasons(loaded.problem, loaded.current, checked, EXPLAIN_S)
    return {key: _reason(loaded, key, proved.get(key)) for key in keys}


def _reason(loaded: Loaded, key: str, proved: Reason | None) -> tuple[str, str]:
    if key in loaded.blocked:
        return "blocked", ""
    if key in loaded.no_place:
        return "no_place", ""
    if key in loaded.unreadable:
        return "no_skill", "required_skills"
    if proved is None:
        return "not_tried", ""
    if proved.code != "too_dear":
        return proved.code, proved.detail
    # It fits somewhere: no plan has weighed it yet.
    return "not_planned", loaded.people[UUID(_nearest(loaded, key, proved.shifts))].name


def _nearest(loaded: Loaded, key: str, shifts: Sequence[str]) -> str:
    """Return the technician of the shift that comes nearest to a visit."""
    problem = loaded.problem
    place = problem.visit_by_id[key].place

    def away(shift_id: str) -> int:
        home = problem.shift_by_id[shift_id].home
        there = [problem.visit_by_id[each].place for each in loaded.current.routes.get(shift_id, ())]
        places = there if home is None else [home, *there]
        return int(problem.between([place], places).min()) if places else 0

    return problem.shift_by_id[min(shifts, key=away)].technician
