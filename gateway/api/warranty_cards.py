"""Electronic warranty cards and the registrations that wait for somebody to look."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.access import Role
from assets.base.errors import Invalid, NotFound
from assets.registry import Asset, Customer
from assets.warranty.cards import LEGAL_MOVES, MAX_PROOF, decide_registration, issue_card, move_card
from assets.warranty.tables import WarrantyCard, WarrantyRegistration
from gateway.api.deps import Context, Here
from gateway.api.edits import named_assets
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import (
    AssetNamed,
    Named,
    asset_names,
    asset_seen,
    customer_names,
    everything_known,
    require_above,
)
from gateway.card_file import card_pdf, facts_of

router = APIRouter(prefix="/api/v1", tags=["warranty"])


class CardItem(BaseModel):
    """A warranty card: since when, under which versions of which terms."""

    id: UUID
    number: str
    asset: AssetNamed
    customer: Named | None
    state: str
    channel: str
    starts_on: date
    ends_on: date | None
    purchased_on: date | None
    proof: str | None
    terms: list[dict[str, Any]]
    issued_at: datetime
    version: int
    legal: list[str]


class CardPage(BaseModel):
    """One page of cards."""

    items: list[CardItem]
    next: str | None = None


class NewCard(BaseModel):
    """A card that the desk issues for what it has seen."""

    purchased_on: date | None = None
    customer_id: UUID | None = None
    proof: Annotated[str, Field(max_length=MAX_PROOF)] | None = None


class CardMove(BaseModel):
    """Confirm or revoke a card; revoking needs a reason."""

    to: Literal["confirmed", "revoked"]
    reason: Annotated[str, Field(max_length=1000)] | None = None


class RegistrationItem(BaseModel):
    """What somebody sent from a label's page."""

    id: UUID
    asset: AssetNamed
    card_number: str | None
    customer: Named | None
    asset_customer: Named | None
    matched: str
    state: str
    name: str
    phone: str | None
    email: str | None
    purchased_on: date | None
    proof: str | None
    created_at: datetime
    decided_at: datetime | None
    reason: str | None
    legal: list[str]


class RegistrationPage(BaseModel):
    """One page of registrations."""

    items: list[RegistrationItem]
    next: str | None = None


class RegistrationDecision(BaseModel):
    """Accept (the machine and its card become that customer's) or dismiss, and why."""

    accept: bool
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


@router.get("/warranty-cards", operation_id="list_warranty_cards")
def list_cards(
    here: Here,
    q: str | None = None,
    asset_id: UUID | None = None,
    customer_id: UUID | None = None,
    state: Literal["issued", "confirmed", "revoked"] | None = None,
    limit: Limit = 100,
    after: After = None,
) -> CardPage:
    """Cards, newest first; `q` looks in number, serial and name."""
    here.require("warranty.read")
    query = select(WarrantyCard).order_by(WarrantyCard.id.desc()).limit(limit + 1)
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = query.join(Asset, Asset.id == WarrantyCard.asset_id).where(
            or_(*(each.ilike(pattern) for each in (WarrantyCard.number, Asset.serial, Asset.name)))
        )
    for column, value in (
        (WarrantyCard.asset_id, asset_id),
        (WarrantyCard.customer_id, customer_id),
        (WarrantyCard.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(WarrantyCard.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return CardPage(items=card_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.get("/warranty-cards/{card_id}", operation_id="get_warranty_card")
def get_card(card_id: UUID, here: Here) -> CardItem:
    """One card."""
    here.require("warranty.read")
    card = here.session.get(WarrantyCard, card_id)
    if card is None:
        raise NotFound("no such warranty card", kind="warranty_card")
    return card_items(here, [card])[0]


@router.get("/warranty-cards/{card_id}/file", operation_id="get_warranty_card_file", response_class=Response)
def get_card_file(card_id: UUID, here: Here, language: Literal["en", "zh"] = "en") -> Response:
    """The card as a PDF to print or to send."""
    here.require("warranty.read")
    card = here.session.get(WarrantyCard, card_id)
    if card is None or card.state == "revoked":
        raise NotFound("no such warranty card", kind="warranty_card")
    asset = asset_seen(here, card.asset_id)
    customer = here.session.get(Customer, card.customer_id) if card.customer_id else None
    with everything_known(here):
        facts = facts_of(here, asset, language, customer.name if customer else None)
    name = f"warranty-{card.number}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(card_pdf(language, facts), media_type="application/pdf", headers=headers)


@router.post("/assets/{asset_id}/warranty-card", operation_id="issue_warranty_card", status_code=201)
def issue(asset_id: UUID, body: NewCard, here: Here) -> CardItem:
    """Issue a card at the desk; 409 when the asset has one."""
    here.require("warranty.register")
    asset = asset_seen(here, asset_id)
    require_above(here, asset)
    customer = here.session.get(Customer, body.customer_id) if body.customer_id else None
    if body.customer_id is not None and (customer is None or customer.organisation_id != asset.organisation_id):
        raise Invalid("no such customer of the asset's organisation", field="customer_id")
    with everything_known(here):
        card = issue_card(
            here.session,
            asset,
            customer=customer,
            purchased_on=body.purchased_on,
            proof=body.proof,
            now=here.now,
            by_id=here.actor.person_id,
        )
    return card_items(here, [card])[0]


@router.post("/warranty-cards/{card_id}/transitions", operation_id="move_warranty_card")
def move(card_id: UUID, body: CardMove, here: Here) -> CardItem:
    """Confirm or revoke a card; 409 names the legal moves."""
    here.require("warranty.manage")
    card = here.session.scalar(select(WarrantyCard).where(WarrantyCard.id == card_id).with_for_update())
    if card is None:
        raise NotFound("no such warranty card", kind="warranty_card")
    require_above(here, asset_seen(here, card.asset_id))
    with everything_known(here):
        move_card(here.session, card, body.to, here.now, reason=body.reason, by_id=here.actor.person_id)
    return card_items(here, [card])[0]


@router.get("/warranty-registrations", operation_id="list_warranty_registrations")
def list_registrations(
    here: Here,
    state: Literal["done", "review", "accepted", "dismissed"] | None = None,
    asset_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> RegistrationPage:
    """What was sent from labels, newest first."""
    here.require("warranty.register")
    query = select(WarrantyRegistration).order_by(WarrantyRegistration.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(WarrantyRegistration.state == state)
    if asset_id is not None:
        query = query.where(WarrantyRegistration.asset_id == asset_id)
    if after is not None:
        query = query.where(WarrantyRegistration.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    following = cursor_of(page[-1].id) if len(rows) > limit else None
    return RegistrationPage(items=_registrations(here, page), next=following)


@router.post("/warranty-registrations/{registration_id}/decision", operation_id="decide_warranty_registration")
def decide(registration_id: UUID, body: RegistrationDecision, here: Here) -> RegistrationItem:
    """Accept a registration that waited, or dismiss it."""
    here.require("warranty.register")
    row = here.session.scalar(
        select(WarrantyRegistration).where(WarrantyRegistration.id == registration_id).with_for_update()
    )
    if row is None:
        raise NotFound("no such registration", kind="warranty_registration")
    require_above(here, asset_seen(here, row.asset_id))
    with everything_known(here):
        decide_registration(here.session, row, body.accept, here.now, reason=body.reason, by_id=here.actor.person_id)
    return _registrations(here, [row])[0]


def card_items(here: Context, cards: list[WarrantyCard]) -> list[CardItem]:
    """Return cards as lists show them; the proof is for staff alone."""
    assets = asset_names(here, [each.asset_id for each in cards])
    customers = customer_names(here, [each.customer_id for each in cards])
    staff = not here.actor.roles <= {Role.CUSTOMER, Role.PARTNER}
    return [
        CardItem(
            id=each.id,
            number=each.number,
            asset=assets[each.asset_id],
            customer=customers.get(each.customer_id),
            state=each.state,
            channel=each.channel,
            starts_on=each.starts_on,
            ends_on=each.ends_on,
            purchased_on=each.purchased_on,
            proof=each.proof if staff else None,
            terms=each.terms,
            issued_at=each.issued_at,
            version=each.version,
            legal=list(LEGAL_MOVES[each.state]),
        )
        for each in cards
    ]


def _registrations(here: Context, rows: list[WarrantyRegistration]) -> list[RegistrationItem]:
    found = named_assets(here, [each.asset_id for each in rows])
    assets = {key: AssetNamed(id=key, name=asset.name, serial=asset.serial) for key, asset in found.items()}
    owners = {
        key: customer
        for key, customer in here.session.execute(
            select(Asset.id, Asset.customer_id).where(Asset.id.in_(assets.keys()))
        )
    }
    customers = customer_names(here, [*(each.customer_id for each in rows), *owners.values()])
    cards = here.session.execute(
        select(WarrantyCard.id, WarrantyCard.number).where(WarrantyCard.id.in_({each.card_id for each in rows}))
    )
    numbers = {key: number for key, number in cards}
    return [
        RegistrationItem(
            id=each.id,
            asset=assets[each.asset_id],
            card_number=numbers.get(each.card_id) if each.card_id else None,
            customer=customers.get(each.customer_id),
            asset_customer=customers.get(owners.get(each.asset_id)),
            matched=each.matched,
            state=each.state,
            name=each.name,
            phone=each.phone,
            email=each.email,
            purchased_on=each.purchased_on,
            proof=each.proof,
            created_at=each.created_at,
            decided_at=each.decided_at,
            reason=each.reason,
            legal=["accept", "dismiss"] if each.state == "review" else [],
        )
        for each in rows
    ]
