"""How near a visit is, for whoever holds a report's link: the window and the state, never where the technician is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.notify.facts import arrival_window
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_states import LIVE_VISITS, OPEN_STATES

AT_WORK = frozenset({"in_progress", "on_break"})


@dataclass(frozen=True, slots=True)
class Way:
    """`state` is planned, travelling or working; the window is when to expect somebody, if that is known."""

    state: str
    window_from: datetime | None
    window_until: datetime | None


def way_of(session: Session, request: Request) -> Way | None:
    """Return how near the visit for a request is; None while nobody is expected."""
    order = session.get(WorkOrder, request.work_order_id) if request.work_order_id else None
    if order is None or order.state not in OPEN_STATES:
        return None
    live = (
        select(Visit)
        .where(Visit.work_order_id == order.id, Visit.state.in_(LIVE_VISITS))
        .order_by(Visit.planned_start.nulls_last(), Visit.id)
        .limit(20)
    )
    visits = session.scalars(live).all()
    if not visits:
        return None
    visit = min(visits, key=lambda one: (one.state not in AT_WORK, one.state != "travelling"))
    state = "working" if visit.state in AT_WORK else "travelling" if visit.state == "travelling" else "planned"
    window = arrival_window(session, order, visit)
    if window is None and state == "planned":
        return None
    return Way(state, *(window or (None, None)))
