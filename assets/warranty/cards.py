"""Electronic warranty cards: registered from the label or by the desk, confirmed, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, IllegalMove, Invalid, RuleError
from assets.base.events import append_event
from assets.registry import Asset, Customer
from assets.warranty.cover import Cover, cover_at, span_of, terms_named
from assets.warranty.customers import Match, complete, match_or_create
from assets.warranty.identities import normal_email, normal_phone
from assets.warranty.known import card_of, known_of, zone_of
from assets.warranty.periods import EARLIEST, local_day
from assets.warranty.tables import CARD_NUMBERS, WarrantyCard, WarrantyRegistration, WarrantyTerms

LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "issued": ("confirmed", "revoked"),
    "confirmed": ("revoked",),
    "revoked": (),
}
MAX_NAME = 200
MAX_PROOF = 500
MAX_REASON = 1000
PER_ASSET, ASSET_WINDOW = 5, timedelta(days=1)  # a family tries twice; a flood ends here
PER_ADDRESS, ADDRESS_WINDOW = 20, timedelta(hours=1)  # a shop registers what it sold today


class TooManyRegistrations(RuleError):
    """Too many registrations of this machine, or from this address; params: `retry_after_s`."""

    code = "too_many_registrations"


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering led to; the page shows the card, never the person."""

    card: WarrantyCard
    registration: WarrantyRegistration
    match: Match
    cover: list[Cover]


def register(
    session: Session,
    asset: Asset,
    *,
    name: str,
    phone: str | None,
    email: str | None,
    purchased_on: date | None,
    proof: str | None,
    address_hash: str,
    now: datetime,
) -> Registered:
    """Register an asset from its label: find or make the customer, issue the card.

    A machine that has a card keeps it; one that belongs to another customer keeps that one, and the registration waits
    for the desk: whoever finds a label cannot take a machine over. So does one whose contact is new to the customer
    that was found: the record changes when the desk accepts. Raises Invalid, TooManyRegistrations.
    """
    _check_person(name, phone, email, proof)
    # Two at once on one machine: the second finds the card of the first.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 13))"), {"s": str(asset.id)})
    _check_room(session, asset.id, address_hash, now)
    zone, _ = zone_of(session, asset)
    _check_day(purchased_on, local_day(now, zone))
    match = match_or_create(
        session, asset.organisation_id, name=name, phone=phone, email=email, now=now, demo=asset.demo
    )
    card = card_of(session, asset.id)
    first = card is None
    theirs = asset.customer_id in (None, match.customer.id) and match.customer.organisation_id == asset.organisation_id
    if theirs and asset.customer_id is None and (card is None or card.customer_id is None):
        asset.customer_id = match.customer.id
    if card is None:
        card = _issue(session, asset, asset.customer_id, "label", purchased_on, proof, now, None)
    elif card.customer_id is None and theirs:
        card.customer_id = match.customer.id
    # A card that was there keeps its day of purchase: another claim is for the desk to see.
    settled = theirs and not match.adds and (first or purchased_on in (None, card.purchased_on))
    registration = WarrantyRegistration(
        organisation_id=asset.organisation_id,
        asset_id=asset.id,
        card_id=card.id,
        customer_id=match.customer.id,
        name=name.strip(),
        phone=phone or None,
        email=email or None,
        purchased_on=purchased_on,
        proof=(proof or "").strip() or None,
        matched=match.by,
        state="done" if settled else "review",
        address_hash=address_hash,
        created_at=now,
    )
    session.add(registration)
    session.flush()
    _note(session, asset, card, "warranty.registered", now, None, {"channel": "label"})
    return Registered(card, registration, match, cover_at(session, asset, now))


def issue_card(
    session: Session,
    asset: Asset,
    *,
    customer: Customer | None,
    purchased_on: date | None,
    proof: str | None,
    now: datetime,
    by_id: UUID | None,
) -> WarrantyCard:
    """Issue a card at the desk, which has seen what it is issued for. Raises Conflict when there is one."""
    if proof is not None and len(proof) > MAX_PROOF:
        raise Invalid(f"at most {MAX_PROOF} characters", field="proof", limit=MAX_PROOF)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 13))"), {"s": str(asset.id)})
    if (there := card_of(session, asset.id)) is not None:
        raise Conflict(f"the asset has the card {there.number}", card_id=str(there.id), number=there.number)
    zone, _ = zone_of(session, asset)
    _check_day(purchased_on, local_day(now, zone))
    holder = customer.id if customer else asset.customer_id
    return _issue(session, asset, holder, "desk", purchased_on, proof, now, by_id)


def move_card(
    session: Session,
    card: WarrantyCard,
    to: str,
    now: datetime,
    *,
    reason: str | None = None,
    by_id: UUID | None = None,
) -> None:
    """Confirm or revoke a card; revoking needs a reason. Raises IllegalMove, Invalid."""
    legal = list(LEGAL_MOVES[card.state])
    if to not in legal:
        raise IllegalMove(f"{card.number} is {card.state}", state=card.state, to=to, legal=legal)
    words = (reason or "").strip()
    if len(words) > MAX_REASON or (to == "revoked" and not words):
        raise Invalid("say why", field="reason", limit=MAX_REASON)
    card.state = to
    card.version += 1
    session.flush()
    asset = session.get_one(Asset, card.asset_id)
    if to == "confirmed":  # the claimed day counts from now on, and may tell the version
        _name_terms(session, asset, card, now)
        refresh_card(session, asset, now)
    _note(session, asset, card, f"warranty.card_{to}", now, by_id, {"reason": words} if words else {})


def decide_registration(
    session: Session,
    registration: WarrantyRegistration,
    accept: bool,
    now: datetime,
    *,
    reason: str | None = None,
    by_id: UUID | None = None,
) -> None:
    """Accept a registration that waited: machine and card become that customer's, its contact too; or dismiss it."""
    if registration.state != "review":
        raise Conflict("this registration does not wait", state=registration.state)
    words = (reason or "").strip()
    if len(words) > MAX_REASON or not words:
        raise Invalid("say why", field="reason", limit=MAX_REASON)
    asset = session.get_one(Asset, registration.asset_id)
    card = card_of(session, asset.id)
    customer = session.get(Customer, registration.customer_id) if registration.customer_id else None
    if accept and customer is not None:
        if customer.organisation_id != asset.organisation_id:
            raise Conflict("the machine belongs to another organisation: hand it over first", what="organisation")
        sent = registration
        customer = complete(session, customer, name=sent.name, phone=sent.phone, email=sent.email, now=now, by_id=by_id)
        asset.customer_id = registration.customer_id = customer.id
        asset.version += 1
        if card is not None:
            card.customer_id = customer.id
            if registration.purchased_on is not None:
                card.purchased_on, card.proof = registration.purchased_on, registration.proof
            card.version += 1
    registration.state = "accepted" if accept else "dismissed"
    registration.decided_at, registration.decided_by_id, registration.reason = now, by_id, words
    session.flush()
    refresh_card(session, asset, now)
    kind = f"warranty.registration_{registration.state}"
    _note(session, asset, card, kind, now, by_id, {})


def refresh_card(session: Session, asset: Asset, now: datetime) -> None:
    """Let the card's days follow what is known of the asset now."""
    card = card_of(session, asset.id)
    if card is None:
        return
    known = known_of(session, asset)
    otherwise = card.purchased_on or local_day(card.issued_at, known.zone)
    starts_on, ends_on = span_of(cover_at(session, asset, now, known), otherwise)
    if (starts_on, ends_on) != (card.starts_on, card.ends_on):
        card.starts_on, card.ends_on = starts_on, ends_on
        card.version += 1
        session.flush()


def _issue(
    session: Session,
    asset: Asset,
    customer_id: UUID | None,
    channel: str,
    purchased_on: date | None,
    proof: str | None,
    now: datetime,
    by_id: UUID | None,
) -> WarrantyCard:
    zone, _ = zone_of(session, asset)
    today = local_day(now, zone)
    card = WarrantyCard(
        organisation_id=asset.organisation_id,
        number=f"W-{session.scalar(select(CARD_NUMBERS.next_value())):06d}",
        asset_id=asset.id,
        customer_id=customer_id,
        state="issued" if channel == "label" else "confirmed",
        channel=channel,
        starts_on=purchased_on or today,
        purchased_on=purchased_on,
        proof=(proof or "").strip() or None,
        terms=[],
        issued_at=now,
        issued_by_id=by_id,
    )
    session.add(card)
    session.flush()
    _name_terms(session, asset, card, now)
    card.starts_on, card.ends_on = span_of(cover_at(session, asset, now), card.starts_on)
    session.flush()
    payload = {"channel": channel, "terms": card.terms}
    _note(session, asset, card, "warranty.card_issued", now, by_id, payload)
    return card


def _name_terms(session: Session, asset: Asset, card: WarrantyCard, now: datetime) -> None:
    """Write on the card which versions of which terms it is under; a code whose version is open is not named yet."""
    named = terms_named(cover_at(session, asset, now))
    rows = list(session.scalars(select(WarrantyTerms).where(WarrantyTerms.id.in_(named)).order_by(WarrantyTerms.code)))
    codes = [(each.organisation_id, each.code) for each in rows]
    card.terms = [
        {"id": str(each.id), "code": each.code, "version": each.version}
        for each in rows
        if codes.count((each.organisation_id, each.code)) == 1
    ]


def _check_person(name: str, phone: str | None, email: str | None, proof: str | None) -> None:
    if not 1 <= len(name.strip()) <= MAX_NAME:
        raise Invalid(f"a name has 1 to {MAX_NAME} characters", field="name", limit=MAX_NAME)
    if phone and normal_phone(phone) is None:
        raise Invalid("this is no phone number", field="phone")
    if email and normal_email(email) is None:
        raise Invalid("this is no e-mail address", field="email")
    if not phone and not email:
        raise Invalid("a phone number or an e-mail address is needed", field="phone")
    if proof and len(proof) > MAX_PROOF:
        raise Invalid(f"at most {MAX_PROOF} characters", field="proof", limit=MAX_PROOF)


def _check_day(purchased_on: date | None, today: date) -> None:
    if purchased_on is not None and not EARLIEST <= purchased_on <= today:
        raise Invalid("a day of purchase is today or before", field="purchased_on", today=str(today))


def _check_room(session: Session, asset_id: UUID, address_hash: str, now: datetime) -> None:
    bounds = (
        (WarrantyRegistration.asset_id == asset_id, PER_ASSET, ASSET_WINDOW),
        (WarrantyRegistration.address_hash == address_hash, PER_ADDRESS, ADDRESS_WINDOW),
    )
    for condition, most, window in bounds:
        recent = select(func.count()).where(condition, WarrantyRegistration.created_at > now - window)
        if (session.scalar(recent) or 0) >= most:
            seconds = int(window.total_seconds())
            raise TooManyRegistrations("too many registrations: try again later", retry_after_s=seconds)


def _note(
    session: Session,
    asset: Asset,
    card: WarrantyCard | None,
    kind: str,
    now: datetime,
    by_id: UUID | None,
    payload: dict[str, Any],
) -> None:
    said = {"number": card.number, "starts_on": str(card.starts_on)} if card else {}
    append_event(
        session,
        kind,
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "public" if kind == "warranty.registered" else "system",
        actor_id=by_id,
        payload={**said, **payload},
    )
