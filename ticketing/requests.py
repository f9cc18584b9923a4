"""Requests: opened by customers or the desk, accepted into a work order or rejected, followed by a tracking code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import Event, append_event
from assets.base.ids import new_code
from assets.registry import Asset
from ticketing.models import Request, WorkOrder
from ticketing.work_orders import OPEN_STATES, WORK_DONE_STATES, next_number, open_work_order

CHANNELS = ("qr_page", "portal", "phone", "e_mail", "desk")
CONTACT_FIELDS = ("name", "phone", "email")
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "new": ("accepted", "rejected"),
    "accepted": ("done", "new"),
    "rejected": (),
    "done": (),
}
TRACKING_LENGTH = 24  # 118 bits: nobody guesses a link
MAX_TEXT = 4000
MAX_CONTACT = 200
MAX_WAITING = 20  # per asset: the page needs no sign-in, so a flood must end somewhere
MAX_REASON = 1000

# What the customer reads while the order is in this state; text codes.
_PROGRESS_OF_ORDER = {
    "unscheduled": "accepted",
    "scheduled": "scheduled",
    "in_progress": "in_progress",
    "on_hold": "on_hold",
    "cannot_complete": "accepted",
    "completed": "done",
    "documented": "done",
    "closed": "done",
    "cancelled": "received",
}


def open_request(
    session: Session,
    *,
    asset: Asset,
    channel: str,
    text: str,
    contact: Mapping[str, str | None],
    now: datetime,
    by: Actor | None = None,
) -> Request:
    """Open a request on an asset; `tracking_code` of the result is the secret in the customer's link.

    Raises Invalid on empty or too long input, Conflict when too many already wait for this asset.
    """
    if channel not in CHANNELS:
        raise Invalid(f"channel is one of {', '.join(CHANNELS)}", field="channel", allowed=list(CHANNELS))
    words = text.strip()
    if not 1 <= len(words) <= MAX_TEXT:
        raise Invalid(f"text has 1 to {MAX_TEXT} characters", field="text", limit=MAX_TEXT)
    waiting = select(func.count()).where(Request.asset_id == asset.id, Request.state == "new")
    if (session.scalar(waiting) or 0) >= MAX_WAITING:
        raise Conflict("too many requests wait for this asset already", what="too_many_requests", limit=MAX_WAITING)
    request = Request(
        organisation_id=asset.organisation_id,
        number=next_number(session, "RQ"),
        asset_id=asset.id,
        channel=channel,
        text=words,
        contact=_contact(contact),
        state="new",
        tracking_code=new_code(TRACKING_LENGTH),
        created_at=now,
        demo=asset.demo,
    )
    session.add(request)
    session.flush()
    personal = {"text": words, "contact": request.contact}
    _log(session, request, "request.opened", now, by, {"channel": channel}, personal)
    return request


def get_request(session: Session, request_id: UUID, *, lock: bool = False) -> Request:
    """Return the request, locked when asked. Raises NotFound."""
    request = session.get(Request, request_id, with_for_update=lock or None, populate_existing=lock)
    if request is None:
        raise NotFound("no such request", kind="request")
    return request


def find_by_tracking(session: Session, asset_id: UUID, tracking_code: str) -> Request | None:
    """Return the request that this link follows; None for a wrong code or another asset's."""
    code = tracking_code.strip().upper()
    return session.scalar(select(Request).where(Request.tracking_code == code, Request.asset_id == asset_id))


def follow(session: Session, request: Request) -> str:
    """Return the text code of a request's progress, for whoever holds its link."""
    order = session.get(WorkOrder, request.work_order_id) if request.work_order_id else None
    return progress(request.state, order.state if order else None)


def progress(request_state: str, order_state: str | None) -> str:
    """Return one of received, accepted, scheduled, in_progress, on_hold, done, rejected."""
    if request_state in ("rejected", "done"):
        return request_state
    if request_state == "new" or order_state is None:
        return "received" if request_state == "new" else "accepted"
    return _PROGRESS_OF_ORDER[order_state]


def accept_request(
    session: Session,
    request: Request,
    now: datetime,
    *,
    by: Actor | None = None,
    priority: str = "normal",
    into: WorkOrder | None = None,
) -> WorkOrder:
    """Accept a request: open a work order that keeps its words, or join one already open on the asset.

    Accepting twice returns the first order. Raises IllegalMove, or Conflict when `into` does not fit.
    """
    if request.state == "accepted" and request.work_order_id:
        return session.get_one(WorkOrder, request.work_order_id)
    _check_move(request, "accepted")
    if into is not None and (into.asset_id != request.asset_id or into.state not in OPEN_STATES):
        raise Conflict(f"{into.number} is not an open order of this asset", what="work_order")
    order = into or open_work_order(
        session,
        asset=session.get_one(Asset, request.asset_id),
        origin="request",
        origin_ref=request.id,
        kind="general",
        title_code="customer_request",
        title_params={"number": request.number},
        title_text=request.text.splitlines()[0][:120],
        priority=priority,
        since=request.created_at,
        now=now,
        by=by,
    )
    request.state, request.work_order_id, request.decided_at = "accepted", order.id, now
    session.flush()
    _log(session, request, "request.accepted", now, by, {"work_order": order.number})
    return order


def reject_request(
    session: Session, request: Request, reason: str, now: datetime, *, by: Actor | None = None
) -> Request:
    """Reject a request with the reason that its sender will read. Rejecting twice changes nothing."""
    if request.state == "rejected":
        return request
    _check_move(request, "rejected")
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    request.state, request.decision_reason, request.decided_at = "rejected", words, now
    session.flush()
    _log(session, request, "request.rejected", now, by, {"reason": words})
    return request


def _follow_order(session: Session, event: Event, now: datetime) -> None:
    """Finish the requests of a finished order; give those of a cancelled one back to the desk, so that none is lost.

    A consumer, because a partner's technician who finishes the order may not see the customer's request.
    """
    order = session.get(WorkOrder, event.subject_id)
    if order is None or order.state not in WORK_DONE_STATES:
        return
    state, kind = ("new", "request.returned") if order.state == "cancelled" else ("done", "request.done")
    waiting = select(Request).where(Request.work_order_id == order.id, Request.state == "accepted")
    for request in session.scalars(waiting.order_by(Request.id).with_for_update()):
        request.state = state
        session.flush()
        _log(session, request, kind, now, None, {"work_order": order.number})


REQUESTS_FOLLOW_ORDERS = Consumer(
    "ticketing.requests",
    frozenset({"work_order.completed", "work_order.closed", "work_order.cancelled"}),
    _follow_order,
)


def _check_move(request: Request, to: str) -> None:
    legal = list(LEGAL_MOVES[request.state])
    if to not in legal:
        text = f"{request.number} is {request.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=request.state, to=to, legal=legal)


def _contact(contact: Mapping[str, str | None]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for field in CONTACT_FIELDS:
        value = (contact.get(field) or "").strip()
        if len(value) > MAX_CONTACT:
            raise Invalid(f"{field} has at most {MAX_CONTACT} characters", field=field, limit=MAX_CONTACT)
        if value:
            kept[field] = value
    return kept


def _log(
    session: Session,
    request: Request,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    personal: dict[str, Any] | None = None,
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=request.organisation_id,
        subject_kind="request",
        subject_id=request.id,
        asset_id=request.asset_id,
        actor_kind=by.kind if by else "public",
        actor_id=by.person_id if by else None,
        payload={"number": request.number, **facts},
        personal=personal,
    )
