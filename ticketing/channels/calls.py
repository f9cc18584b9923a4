"""Telephone calls as a telephone system tells them, in whatever order and however often; missed ones become work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.base.ids import uuid7
from assets.people import Person
from assets.registry import Asset, Customer
from ticketing.cases.cases import OPEN_STATES
from ticketing.cases.tables import Case, ServiceType
from ticketing.cases.words import words
from ticketing.channels.callers import callers_of, only_customer
from ticketing.channels.numbers import MAX_SPELLED, Home, e164
from ticketing.channels.tables import Call, Channel, ChannelDelivery
from ticketing.requests import case_of, open_request
from ticketing.words import one_of

# State -> rank: what is told late fills in its moment and never moves a call back.
STATES = {"ringing": 0, "missed": 1, "answered": 2, "ended": 3}
DIRECTIONS = ("in", "out")
MAX_ID = 200
MAX_URL = 2000
MAX_CALLBACKS = 500  # that wait in one organisation; the calls beyond stand in the log alone
KEEP_DELIVERIES = timedelta(hours=1)  # a signature is good for five minutes
AHEAD = timedelta(minutes=10)  # so far a telephone system's clock may be ahead
BEHIND = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Told:
    """What a telephone system tells of a call."""

    call_id: str
    state: str | None
    at: datetime
    number: str | None = None
    line: str | None = None
    agent: str | None = None
    direction: str = "in"
    recording_url: str | None = None


def home_of(channel: Channel) -> Home:
    """Return where the numbers of a telephone system are at home."""
    return Home(str(channel.settings.get("country", "86")), str(channel.settings.get("area", "")))


def is_new(session: Session, channel: Channel, delivery: str, now: datetime) -> bool:
    """Note a signed message; False when this one was taken already. Needs the service role."""
    statement = insert(ChannelDelivery).values(
        id=uuid7(),
        organisation_id=channel.organisation_id,
        channel_id=channel.id,
        delivery=words("webhook-id", delivery, MAX_ID),
        received_at=now,
    )
    return session.execute(statement.on_conflict_do_nothing().returning(ChannelDelivery.id)).first() is not None


def forget_deliveries(session: Session, now: datetime) -> None:
    """Forget ids whose signatures are too old to be sent again. Needs the service role."""
    session.execute(delete(ChannelDelivery).where(ChannelDelivery.received_at < now - KEEP_DELIVERIES))


def take_call(session: Session, channel: Channel, told: Told, now: datetime, say: Callable[[str], str]) -> Call:
    """Store what was told of a call. A missed one becomes a request to call back; `say` words it, given the number.

    The same told again changes nothing, in any order. Raises Invalid.
    """
    call = _locked(session, channel, told, now)
    before, new = call.state, call.version == 0
    state = one_of("state", told.state, tuple(STATES)) if told.state else call.state
    at = _moment(told.at, now)
    _fill(session, call, told, state, at)
    if STATES[state] > STATES[call.state]:
        call.state = state
    call.told_at = now
    call.version += 1
    channel.heard_at = now
    session.flush()
    if call.state != before or new:
        log_call(session, call, f"call.{call.state}", now, None, first=new)
    if told.recording_url and call.recording_url != told.recording_url:
        call.recording_url = _link(told.recording_url)
        log_call(session, call, "call.recorded", now, None)
    if call.state == "missed" and call.direction == "in" and before != "missed":
        _ask_to_call_back(session, channel, call, now, say)
    session.flush()
    return call


def open_case_of_call(
    session: Session,
    call: Call,
    *,
    text: str,
    now: datetime,
    by: Actor,
    customer: Customer | None,
    asset: Asset | None,
    service_type: ServiceType | None,
    answers: dict[str, Any] | None,
    priority: str | None,
    name: str | None,
) -> Case:
    """Open a case of what a caller says; a second time returns the first one. Raises Invalid, Conflict."""
    session.refresh(call, with_for_update=True)
    present = session.get(Case, call.case_id) if call.case_id else None
    if present is not None and not call.callback:
        return present
    request = open_request(
        session,
        channel="phone",
        text=text,
        contact={"name": name, "phone": call.e164 or call.number},
        now=now,
        asset=asset,
        customer=customer,
        organisation_id=call.organisation_id,
        by=by,
        service_type=service_type,
        answers=answers,
        priority=priority,
    )
    case = case_of(session, request)
    if case is None:
        raise Conflict("the case is not there", what="case")
    link_call(session, call, now, by=by, case=case, customer=customer, asset=asset)
    return case


def link_call(
    session: Session,
    call: Call,
    now: datetime,
    *,
    by: Actor,
    case: Case | None = None,
    customer: Customer | None = None,
    asset: Asset | None = None,
    note: str | None = None,
) -> Call:
    """Say what a call was about; what is left out stays."""
    if case is not None:
        call.case_id, call.callback = case.id, call.callback and call.case_id == case.id
    call.customer_id = customer.id if customer is not None else call.customer_id
    call.asset_id = asset.id if asset is not None else call.asset_id
    if note is not None:
        call.note = words("note", note, 4000, empty=True)
    call.version += 1
    session.flush()
    log_call(session, call, "call.linked", now, by, {"case": case.number} if case is not None else None)
    return call


def log_call(
    session: Session,
    call: Call,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any] | None = None,
    *,
    first: bool = False,
) -> None:
    """Append an event of a call; the number stands beside, where it can be erased."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=call.organisation_id,
        subject_kind="call",
        subject_id=call.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"state": call.state, "direction": call.direction, **(facts or {})},
        personal={"number": call.e164 or call.number} if call.number else None,
        first=first,
    )


def _locked(session: Session, channel: Channel, told: Told, now: datetime) -> Call:
    """Return the call's row, locked; made when this is the first that is told of it."""
    external = words("call_id", told.call_id, MAX_ID) or ""
    number = words("from", told.number, MAX_SPELLED, empty=True)
    values = {
        "id": uuid7(),
        "organisation_id": channel.organisation_id,
        "channel_id": channel.id,
        "external_id": external,
        "direction": one_of("direction", told.direction, DIRECTIONS),
        "state": "ringing",
        "number": number,
        "e164": e164(number, home_of(channel)),
        "began_at": now,
        "told_at": now,
        "version": 0,
    }
    session.execute(insert(Call).values(values).on_conflict_do_nothing(index_elements=["channel_id", "external_id"]))
    wanted = select(Call).where(Call.channel_id == channel.id, Call.external_id == external)
    return session.scalars(wanted.with_for_update(), execution_options={"populate_existing": True}).one()


def _fill(session: Session, call: Call, told: Told, state: str, at: datetime) -> None:
    channel = session.get_one(Channel, call.channel_id)
    if call.number is None and told.number:
        call.number = words("from", told.number, MAX_SPELLED, empty=True)
        call.e164 = e164(call.number, home_of(channel))
    call.line = call.line or words("to", told.line, MAX_SPELLED, empty=True)
    call.began_at = min(call.began_at, at)
    if state == "answered":
        call.answered_at = min(call.answered_at or at, at)
        call.agent = call.agent or words("agent", told.agent, MAX_ID, empty=True)
        call.answered_by_id = call.answered_by_id or _agent(session, call)
    if state in ("ended", "missed"):
        call.ended_at = max(call.ended_at or at, at)
    if call.customer_id is None and call.e164 is not None:
        call.customer_id = only_customer(callers_of(session, call.organisation_id, call.e164, home_of(channel)))


def _agent(session: Session, call: Call) -> UUID | None:
    """Return the person whom the telephone system calls by e-mail address or telephone number."""
    if not call.agent:
        return None
    own = Person.organisation_id == call.organisation_id
    same = (func.lower(Person.email) == call.agent.lower()) | (Person.phone == call.agent)
    with service_rights(session):
        found = list(session.scalars(select(Person.id).where(own, same, Person.disabled_at.is_(None)).limit(2)))
    return found[0] if len(found) == 1 else None


def _moment(at: datetime, now: datetime) -> datetime:
    """A telephone system whose clock is far off tells when it told."""
    return at if now - BEHIND <= at <= now + AHEAD else now


def _link(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > MAX_URL or not url.isprintable():
        raise Invalid("a recording's address begins with https:// or http://", field="recording_url")
    return url


def _ask_to_call_back(session: Session, channel: Channel, call: Call, now: datetime, say: Callable[[str], str]) -> None:
    """Open a request to call back, one for each number that waits; a second missed call joins the first one's."""
    if call.case_id is not None or call.e164 is None:
        return
    waiting = Call.callback & Case.state.in_(OPEN_STATES) & (Call.organisation_id == call.organisation_id)
    # Two missed calls of one number at once: the second waits until the first one's case is there.
    session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"{channel.organisation_id}{call.e164}", 0)))
    )
    same = select(Case).join(Call, Call.case_id == Case.id).where(waiting, Call.e164 == call.e164)
    case = session.scalar(same.order_by(Case.id).limit(1))
    if case is None:
        counted = select(func.count(Case.id.distinct())).join(Call, Call.case_id == Case.id).where(waiting)
        if (session.scalar(counted) or 0) >= MAX_CALLBACKS:
            return
        customer = session.get(Customer, call.customer_id) if call.customer_id else None
        request = open_request(
            session,
            channel="phone",
            text=say(call.e164),
            contact={"name": customer.name if customer else None, "phone": call.e164},
            now=now,
            customer=customer,
            organisation_id=channel.organisation_id,
            priority=str(channel.settings.get("callback_priority") or "high"),
        )
        case = case_of(session, request)
    if case is not None:
        call.case_id, call.callback = case.id, True


def has_calls(session: Session, channel: Channel) -> bool:
    """Return whether anything was told by this telephone system."""
    return bool(session.scalar(select(exists().where(Call.channel_id == channel.id))))
