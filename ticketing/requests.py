"""Requests: what somebody asked for, each part of a case, followed by a tracking code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import Event, append_event
from assets.base.ids import new_code
from assets.registry import Asset, Customer
from ticketing.cases.cases import ENDED, get_case, living, move_case, open_case, open_children
from ticketing.cases.forms import check_answers
from ticketing.cases.service_types import version_in_force
from ticketing.cases.tables import Case, CaseChild, ServiceType
from ticketing.models import Request, WorkOrder
from ticketing.numbers import next_number

CHANNELS = ("qr_page", "portal", "phone", "e_mail", "desk", "field")
CONTACT_FIELDS = ("name", "phone", "email")
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "new": ("accepted", "rejected"),
    "accepted": ("done", "new", "rejected"),
    "rejected": (),
    "done": ("accepted", "new"),
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
    channel: str,
    text: str,
    contact: Mapping[str, str | None],
    now: datetime,
    asset: Asset | None = None,
    customer: Customer | None = None,
    organisation_id: UUID | None = None,
    by: Actor | None = None,
    service_type: ServiceType | None = None,
    answers: Mapping[str, Any] | None = None,
    case: Case | None = None,
    priority: str | None = None,
) -> Request:
    """Open a request with a case of its own, or in one that is there; `tracking_code` is the secret in its link.

    It belongs to the owner of the asset, else of the customer's record, else to `organisation_id`; one that came by
    phone or mail may not know its asset yet. Raises Invalid on empty or too long input or answers that do not fit the
    service type's form, Conflict when too many already wait for this asset.
    """
    if channel not in CHANNELS:
        raise Invalid(f"channel is one of {', '.join(CHANNELS)}", field="channel", allowed=list(CHANNELS))
    words = text.strip()
    if not 1 <= len(words) <= MAX_TEXT:
        raise Invalid(f"text has 1 to {MAX_TEXT} characters", field="text", limit=MAX_TEXT)
    owner = asset.organisation_id if asset else customer.organisation_id if customer else organisation_id
    if owner is None:
        raise Invalid("name an asset, a customer or an organisation", field="asset_id")
    if asset is not None:
        _check_flood(session, asset)
    version = version_in_force(session, service_type)
    given = check_answers(version.form, dict(answers or {})) if version and answers is not None else {}
    kept = _contact(contact)
    if case is None:
        case = open_case(
            session,
            organisation_id=owner,
            channel=channel,
            text=words,
            now=now,
            by=by,
            asset=asset,
            customer=customer,
            service_type=service_type,
            contact=kept,
            answers=given if version and answers is not None else None,
            priority=priority,
        )
    case = _fitting(session, case, owner, asset)
    request = Request(
        organisation_id=owner,
        number=next_number(session, "RQ"),
        asset_id=asset.id if asset else None,
        customer_id=customer.id if customer else asset.customer_id if asset else None,
        case_id=case.id,
        first_case_id=case.id,
        service_type_id=service_type.id if service_type else None,
        service_version_id=version.id if version else None,
        answers=given,
        channel=channel,
        text=words,
        contact=kept,
        state="new",
        tracking_code=new_code(TRACKING_LENGTH),
        created_at=now,
        demo=asset.demo if asset else False,
    )
    session.add(request)
    session.flush()
    personal = {"text": words, "contact": request.contact}
    log_request(session, request, "request.opened", now, by, {"channel": channel, "case": case.number}, personal)
    return request


def case_of(session: Session, request: Request) -> Case | None:
    """Return the case that a request is part of, the living one when it was put into another."""
    case = session.get(Case, request.case_id) if request.case_id else None
    return living(session, case) if case is not None else None


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
    said = progress(request.state, order.state if order else None)
    if said == "done" and request.state != "done" and _more_under_way(session, request):
        return "in_progress"  # one of several things is done
    return said


def progress(request_state: str, order_state: str | None) -> str:
    """Return one of received, accepted, scheduled, in_progress, on_hold, done, rejected."""
    if request_state in ("rejected", "done"):
        return request_state
    if request_state == "new" or order_state is None:
        return "received" if request_state == "new" else "accepted"
    return _PROGRESS_OF_ORDER[order_state]


def reject_request(
    session: Session, request: Request, reason: str, now: datetime, *, by: Actor | None = None
) -> Request:
    """Reject a new request with the reason that its sender will read. Rejecting twice changes nothing.

    One that was accepted is rejected with its case alone: work hangs on it.
    """
    if request.state == "rejected":
        return request
    if request.state != "new":
        legal = [to for to in LEGAL_MOVES[request.state] if to != "rejected"]
        text = f"{request.number} is {request.state}: reject its case instead"
        raise IllegalMove(text, state=request.state, to="rejected", legal=legal)
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    request.state, request.decision_reason, request.decided_at = "rejected", words, now
    session.flush()
    log_request(session, request, "request.rejected", now, by, {"reason": words})
    _reject_case(session, request, words, now, by)
    return request


def follow_case(session: Session, case: Case, now: datetime) -> None:
    """Bring a case's requests to where the case is; calling it again changes nothing."""
    wanted = select(Request).where(Request.case_id == case.id).order_by(Request.id).with_for_update()
    for request in session.scalars(wanted, execution_options={"populate_existing": True}):
        order = session.get(WorkOrder, request.work_order_id) if request.work_order_id else None
        facts = {"work_order": order.number} if order else {"case": case.number}
        to = state_in(case.state, request.state, order.state if order else None)
        if to == request.state:
            continue
        before, request.state = request.state, to
        if to == "rejected":
            request.decision_reason, request.decided_at = (case.resolution_note or "—")[:MAX_REASON], now
            facts["reason"] = request.decision_reason
        session.flush()
        log_request(session, request, _event_of(before, to), now, None, facts)


def state_in(case_state: str, request_state: str, order_state: str | None) -> str:
    """Return the state of a request in a case of this state, with an order of this one (None: no order)."""
    if request_state == "rejected" or case_state == "merged":
        return request_state
    if case_state in ("closed", "rejected"):
        return "done" if case_state == "closed" else "rejected"
    if order_state == "cancelled" and request_state == "accepted":
        return "new"  # so that none is lost
    if request_state == "done":
        return "accepted" if order_state else "new"
    return request_state


def _follow_case(session: Session, event: Event, now: datetime) -> None:
    case = session.get(Case, event.subject_id)
    if case is not None:
        follow_case(session, case, now)


REQUESTS_FOLLOW_CASES = Consumer(
    "ticketing.cases", frozenset({"case.closed", "case.rejected", "case.reopened"}), _follow_case
)


def check_move(request: Request, to: str) -> None:
    """Raise IllegalMove, which names the legal moves."""
    legal = list(LEGAL_MOVES[request.state])
    if to not in legal:
        text = f"{request.number} is {request.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=request.state, to=to, legal=legal)


def _event_of(before: str, to: str) -> str:
    if before == "done":
        return "request.reopened"
    return {"done": "request.done", "rejected": "request.rejected", "new": "request.returned"}[to]


def _fitting(session: Session, case: Case, owner: UUID, asset: Asset | None) -> Case:
    case = living(session, case)
    if case.organisation_id != owner:
        raise Conflict("this case is somebody else's", what="case_owner")
    if asset is not None and case.asset_id not in (None, asset.id):
        raise Conflict("this case is about another asset", what="case_asset")
    if case.state in ENDED:
        raise IllegalMove(f"{case.number} is {case.state}", state=case.state, to="request", legal=[])
    return case


def _check_flood(session: Session, asset: Asset) -> None:
    waiting = select(func.count()).where(Request.asset_id == asset.id, Request.state == "new")
    if (session.scalar(waiting) or 0) >= MAX_WAITING:
        raise Conflict("too many requests wait for this asset already", what="too_many_requests", limit=MAX_WAITING)


def _more_under_way(session: Session, request: Request) -> bool:
    under_way = exists().where(
        CaseChild.case_id == request.case_id,
        CaseChild.state == "open",
        CaseChild.subject_id.is_distinct_from(request.work_order_id),
    )
    return bool(session.scalar(select(under_way)))


def _reject_case(session: Session, request: Request, reason: str, now: datetime, by: Actor | None) -> None:
    """A case of which nobody wants anything any more is rejected too."""
    if request.case_id is None:
        return
    others = exists().where(Request.case_id == request.case_id, Request.state.in_(("new", "accepted")))
    if session.scalar(select(others)):
        return
    case = get_case(session, request.case_id, lock=True)
    if case.state not in ENDED and not open_children(session, case):
        move_case(session, case, "rejected", now, by=by, reason=reason)


def _contact(contact: Mapping[str, str | None]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for field in CONTACT_FIELDS:
        value = (contact.get(field) or "").strip()
        if len(value) > MAX_CONTACT:
            raise Invalid(f"{field} has at most {MAX_CONTACT} characters", field=field, limit=MAX_CONTACT)
        if value:
            kept[field] = value
    return kept


def log_request(
    session: Session,
    request: Request,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    personal: dict[str, Any] | None = None,
) -> None:
    """Append an event of the request."""
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
