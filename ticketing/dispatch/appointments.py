"""Appointments: windows that the plan can keep are offered, one is chosen, moved a few times, and kept by plans."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import Event, append_event
from ticketing.dispatch.applying import Change, apply
from ticketing.dispatch.explaining import Candidate, candidate
from ticketing.dispatch.loading import Loaded, load
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.settings import Rules
from ticketing.dispatch.tables import Appointment, AppointmentOffer
from ticketing.dispatch.timing import settled
from ticketing.models import Visit, WorkOrder
from ticketing.order_states import LIVE_VISITS, OPEN_STATES, WORK_DONE_STATES
from ticketing.work_orders import STATE_EVENTS, get_work_order

MAX_OFFERED = 8
MAX_TRIED = 60  # windows that the referee looks at
MAX_SHIFTS = 12  # of people whose day a window may be in
DAYS = 5
NOTICE = timedelta(hours=2)  # nobody is offered a window that begins sooner
OFFER_LIFE = timedelta(days=14)
LONGEST_WINDOW = timedelta(days=1)


class WindowTaken(Conflict):
    """The plan cannot keep this window any more."""

    code = "window_taken"


class NoWindow(Conflict):
    """The plan has no room for the order in the days that were looked at."""

    code = "no_window"


class MovesUsedUp(Conflict):
    """The customer has moved the appointment as often as they may; params: `limit`."""

    code = "appointment_moves_used_up"


@dataclass(frozen=True, slots=True)
class Window:
    """When work may begin, and who would come for how much."""

    opens: datetime
    closes: datetime
    place: Candidate


def windows_for(
    session: Session, rules: Rules, order: WorkOrder, now: datetime, start: datetime | None = None
) -> list[Window]:
    """Return windows that the plan can keep, the cheapest ones, by time. Raises IllegalMove when the order is done."""
    if order.state not in OPEN_STATES:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="scheduled", legal=[])
    first = max(start or now, now)
    loaded = load(session, rules, first, first + timedelta(days=DAYS), now, order_ids=[order.id], waiting=False)
    key = _key(loaded, order)
    if key is None:
        return []
    found: list[Window] = []
    for opens, closes in _slots(loaded, rules, order, first):
        place = _keeps(loaded, key, opens, closes)
        if place is not None:
            found.append(Window(opens, closes, place))
    cheapest = sorted(found, key=lambda each: each.place.cost)[:MAX_OFFERED]
    return sorted(cheapest, key=lambda each: each.opens)


def _key(loaded: Loaded, order: WorkOrder) -> str | None:
    keys = (key for key, job in loaded.jobs.items() if job.order_id == order.id)
    return next((key for key in keys if key in loaded.problem.visit_by_id), None)


def _slots(loaded: Loaded, rules: Rules, order: WorkOrder, now: datetime) -> list[tuple[datetime, datetime]]:
    """Return windows of the usual length, side by side through everybody's shifts, within the order's own."""
    length, found = timedelta(minutes=rules.window_minutes), set()
    for person in loaded.people.values():
        for span in person.spans:
            at = span.start
            while at + length <= span.end:
                if at >= now + NOTICE and _within(order, at, at + length):
                    found.add((at, at + length))
                at += length
    return sorted(found)[:MAX_TRIED]


def _within(order: WorkOrder, opens: datetime, closes: datetime) -> bool:
    return (order.window_from is None or opens >= order.window_from) and (
        order.window_until is None or closes <= order.window_until
    )


def _keeps(loaded: Loaded, key: str, opens: datetime, closes: datetime) -> Candidate | None:
    """Return who would keep a window, cheapest first, by the referee; None when nobody can."""
    problem = _promising(loaded, key, opens, closes)
    window = problem.visit_by_id[key].windows
    shifts = [each for each in problem.shifts if each.start <= window[0][1] and each.latest > window[0][0]][:MAX_SHIFTS]
    able = [candidate(problem, loaded.current, each.id, key) for each in shifts]
    return min((each for each in able if not each.violations), key=lambda each: each.rank, default=None)


def _promising(loaded: Loaded, key: str, opens: datetime, closes: datetime) -> Problem:
    """Return the problem in which a visit has this window, whatever held it elsewhere before."""
    days = loaded.days
    window = ((max(0, days.seconds(opens)), max(0, days.seconds(closes))),)
    visits = [
        replace(each, windows=window, pinned_to=None, pinned_start=None, started_at=None) if each.id == key else each
        for each in loaded.problem.visits
    ]
    return replace(loaded.problem, visits=visits)


def offer(
    session: Session, rules: Rules, order: WorkOrder, now: datetime, *, start: datetime | None = None, by: Actor | None
) -> AppointmentOffer:
    """Offer windows to whoever gets the link. Raises NoWindow when the plan can keep none."""
    windows = windows_for(session, rules, order, now, start)
    if not windows:
        raise NoWindow("the plan has no free window")
    made = AppointmentOffer(
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        work_order_id=order.id,
        token=secrets.token_urlsafe(24),
        windows=_told(windows),
        offered_at=now,
        expires_at=now + OFFER_LIFE,
        created_by=by.person_id if by else None,
    )
    session.add(made)
    session.flush()
    _log(session, order, made.id, "appointment.offered", now, by, {"windows": len(windows)})
    return made


def refresh(session: Session, rules: Rules, made: AppointmentOffer, order: WorkOrder, now: datetime) -> None:
    """Offer what the plan can keep now."""
    made.windows = _told(windows_for(session, rules, order, now)) if order.state in OPEN_STATES else []
    session.flush()


def _told(windows: Sequence[Window]) -> list[dict[str, Any]]:
    return [{"from": each.opens.isoformat(), "until": each.closes.isoformat()} for each in windows]


def open_offer(session: Session, token: str, now: datetime) -> AppointmentOffer:
    """Return the offer behind a link. Raises NotFound for one that is over, as for one that never was."""
    made = session.scalar(select(AppointmentOffer).where(AppointmentOffer.token == token))
    if made is None or made.expires_at <= now or made.closed_at is not None:
        raise NotFound("no such offer", kind="appointment_offer")
    return made


def booked(session: Session, order_id: UUID) -> Appointment | None:
    """Return an order's appointment."""
    return session.scalar(_booked(order_id))


def _booked(order_id: UUID) -> Select[Appointment]:
    return select(Appointment).where(Appointment.work_order_id == order_id, Appointment.state == "booked")


def book(
    session: Session,
    rules: Rules,
    order_id: UUID,
    opens: datetime,
    closes: datetime,
    now: datetime,
    *,
    chosen_by: str,
    by: Actor | None = None,
) -> Appointment:
    """Promise a window, or move the promise there, and plan the visit so that it is kept.

    Raises WindowTaken when the plan cannot keep it, MovesUsedUp for a customer, IllegalMove once somebody is on
    the way.
    """
    if not now < closes or not timedelta(0) < closes - opens <= LONGEST_WINDOW:
        raise Invalid("a window of at most a day that is not over", field="window_until")
    order = get_work_order(session, order_id, lock=True)
    if order.state not in OPEN_STATES:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="scheduled", legal=[])
    present = booked(session, order.id)
    if present is not None and (present.window_from, present.window_until) == (opens, closes):
        return present
    if present is not None and chosen_by == "customer" and present.moves >= rules.moves_allowed:
        raise MovesUsedUp("moved as often as possible", limit=rules.moves_allowed)
    visit = _plan_for(session, rules, order, opens, closes, now, by)
    if present is None:
        present = Appointment(
            organisation_id=order.organisation_id, executing_organisation_id=order.executing_organisation_id,
            work_order_id=order.id, window_from=opens, window_until=closes, state="booked", chosen_by=chosen_by,
            moves=0, booked_at=now, version=1,
        )  # fmt: skip
        session.add(present)
        kind, before = "appointment.booked", None
    else:
        kind, before = "appointment.moved", present.window_from.isoformat()
        present.window_from, present.window_until, present.chosen_by = opens, closes, chosen_by
        present.moves += chosen_by == "customer"
        present.version += 1
    session.flush()
    visit.appointment_id = present.id
    session.flush()
    facts = {"window_from": opens.isoformat(), "window_until": closes.isoformat(), "chosen_by": chosen_by}
    _log(session, order, present.id, kind, now, by, facts | {"before": before})
    return present


def _plan_for(
    session: Session, rules: Rules, order: WorkOrder, opens: datetime, closes: datetime, now: datetime, by: Actor | None
) -> Visit:
    start = max(now, opens - timedelta(hours=12))
    loaded = load(session, rules, start, closes + timedelta(days=1), now, order_ids=[order.id], waiting=False)
    living = select(Visit).where(Visit.work_order_id == order.id, Visit.state.in_(LIVE_VISITS)).order_by(Visit.id)
    visit = session.scalar(living.limit(1))
    if visit is not None and visit.state != "scheduled":
        raise IllegalMove("somebody is on the way already", state=visit.state, to="planned", legal=[])
    if visit is not None and str(visit.id) not in loaded.jobs:  # planned for another day
        first = min(start, max(now, visit.planned_start or start)) - timedelta(minutes=1)
        last = max(closes + timedelta(days=1), (visit.planned_end or closes) + timedelta(hours=1))
        loaded = load(session, rules, first, last, now, order_ids=[order.id], waiting=False)
    key = _key(loaded, order)
    place = _keeps(loaded, key, opens, closes) if key is not None else None
    if key is None or place is None:
        raise WindowTaken("the plan cannot keep this window any more")
    job, begins = loaded.jobs[key], loaded.days.moment(place.start)
    change = Change(
        order.id, job.visit_id, UUID(place.technician), begins, begins + timedelta(seconds=job.seconds),
        position=place.position, pinned=False if job.visit_id else None,
    )  # fmt: skip
    others = _pushed(loaded, _promising(loaded, key, opens, closes), place, key)
    written = apply(session, [change, *others], loaded.versions, now, by=by, explicit=True)
    return next(each for each in written if each.work_order_id == order.id)


def _pushed(loaded: Loaded, problem: Problem, place: Candidate, key: str) -> list[Change]:
    """Return who comes later on that day because of it: the referee says that their own windows are kept."""
    route = [each for each in loaded.current.routes.get(place.shift, ()) if each != key]
    route.insert(place.position, key)
    starts = {
        each: loaded.days.seconds(at) for each in route if each != key and (at := loaded.jobs[each].planned_start)
    } | {key: place.start}
    drives = settled(problem, Plan({place.shift: tuple(route)}), starts)
    changes = []
    for position, stop in enumerate(drives[place.shift].stops):
        job, at = loaded.jobs[stop.visit], loaded.days.moment(stop.start)
        late = job.planned_start is not None and at > job.planned_start + timedelta(minutes=1)
        if stop.visit != key and late and not job.stands(loaded.days.now):
            end = at + timedelta(seconds=job.seconds)
            road = round(stop.travel_seconds / 60)
            changes.append(Change(job.order_id, job.visit_id, UUID(place.technician), at, end, road, position))
    return changes


def cancel(session: Session, appointment: Appointment, now: datetime, *, by: Actor | None = None) -> Appointment:
    """Take a promise back; the visit stays planned. Twice changes nothing."""
    if appointment.state == "booked":
        appointment.state, appointment.ended_at = "cancelled", now
        appointment.version += 1
        session.flush()
        gone = update(Visit).where(Visit.appointment_id == appointment.id).values(appointment_id=None)
        session.execute(gone.execution_options(synchronize_session="evaluate"))
        order = get_work_order(session, appointment.work_order_id)
        _log(session, order, appointment.id, "appointment.cancelled", now, by, {})
    return appointment


def end_with_order(session: Session, event: Event, now: datetime) -> None:
    """Nobody is expected at a machine whose order is done or cancelled, whatever was promised."""
    order = session.get(WorkOrder, event.subject_id)
    if order is None or order.state not in WORK_DONE_STATES:  # it was opened again meanwhile
        return
    row = session.scalar(_booked(order.id).with_for_update())
    if row is not None:
        row.state, row.ended_at = "ended", now
        row.version += 1
        _log(session, order, row.id, "appointment.ended", now, None, {"order_state": order.state})


APPOINTMENTS_END_WITH_WORK = Consumer("ticketing.appointments", STATE_EVENTS, end_with_order)


def _log(
    session: Session, order: WorkOrder, key: UUID, kind: str, at: datetime, by: Actor | None, facts: dict[str, Any]
) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        subject_kind="appointment",
        subject_id=key,
        asset_id=order.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"number": order.number, "work_order_id": str(order.id), **facts},
    )
