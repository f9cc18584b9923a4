"""An asset's warranty: what covers it until when, the days that count, the parts put in for others."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import or_, select, tuple_

from assets.base.errors import Invalid
from assets.registry import Asset, Customer
from assets.warranty.cards import refresh_card
from assets.warranty.cover import Cover, cover_at
from assets.warranty.known import FACT_OF, Known, known_of, record_facts
from assets.warranty.periods import LATEST
from assets.warranty.replacements import note_replacement, replacements_of
from assets.warranty.tables import PartReplacement, WarrantyCard, WarrantyFacts
from gateway.api.deps import Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_cards import CardItem, card_items
from gateway.api.warranty_rows import (
    AssetNamed,
    MeterLimitItem,
    Named,
    asset_names,
    asset_seen,
    customer_names,
    everything_known,
    require_above,
)
from ticketing.work_orders import StaleVersion

router = APIRouter(prefix="/api/v1", tags=["warranty"])

IfMatch = Annotated[str | None, Header(description="the version that the change is based on")]
Word = Annotated[str, Field(max_length=200)]
Region = Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z]{2}(-[A-Za-z0-9]{1,10})?$")]  # ISO 3166: CN, CN-31
MeterValue = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class ClauseShown(BaseModel):
    """A clause as people read it."""

    id: str
    kind: str
    text_en: str
    text_zh: str
    scope: list[str]
    components: list[str]
    share_percent: int
    remedies: list[str]


class CoverItem(BaseModel):
    """One clause that covers, covered or will cover; `missing` names what must be known to say so."""

    source: str
    terms_id: UUID
    code: str
    version: int
    kind: str
    clause: ClauseShown
    begins_on: date | None
    ends_on: date | None
    meters: list[MeterLimitItem]
    state: str
    missing: list[str]


class FactsBody(BaseModel):
    """The days that periods begin with; what is left out is not known."""

    produced_on: date | None = None
    invoiced_on: date | None = None
    purchased_on: date | None = None
    delivered_on: date | None = None
    installed_on: date | None = None
    commissioned_on: date | None = None
    registered_on: date | None = None
    region: Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z]{2}(-[A-Za-z0-9]{1,10})?$")] | None = (
        None
    )


class Facts(BaseModel):
    """The days as they count, where each comes from (recorded, asset, registration), and what is unconfirmed."""

    produced_on: date | None
    invoiced_on: date | None
    purchased_on: date | None
    delivered_on: date | None
    installed_on: date | None
    commissioned_on: date | None
    registered_on: date | None
    region: str | None
    time_zone: str
    sources: dict[str, str]
    unconfirmed: list[str]
    version: int


class NewReplacement(BaseModel):
    """A part put in for another. `covered`: warranty paid (true), the customer paid (false), not known (null)."""

    component: Word | None = None
    part_item: Word | None = None
    serial: Word | None = None
    replaced_serial: Word | None = None
    at: AwareDatetime
    meters: Annotated[dict[Annotated[str, Field(max_length=120)], MeterValue], Field(max_length=50)] = {}
    covered: bool | None = None


class ReplacementItem(NewReplacement):
    """A part put in for another, as it was told."""

    id: UUID
    work_order_id: UUID | None
    created_at: datetime


class Replacements(BaseModel):
    """Parts put in, newest first."""

    items: list[ReplacementItem]
    next: str | None = None


class Warranty(BaseModel):
    """All that a page shows of an asset's warranty."""

    asset: AssetNamed
    state: str
    card: CardItem | None
    cover: list[CoverItem]
    remedies: list[CoverItem]
    replacements: list[ReplacementItem]
    facts: Facts


class WarrantyItem(BaseModel):
    """An asset with its card."""

    id: UUID
    asset: AssetNamed
    card: Named
    card_state: str
    customer: Named | None
    starts_on: date
    ends_on: date | None
    state: str


class Warranties(BaseModel):
    """One page of assets with cards."""

    items: list[WarrantyItem]
    next: str | None = None


@router.get("/warranties", operation_id="list_warranties")
def list_warranties(
    here: Here,
    q: str | None = None,
    state: Literal["running", "ended"] | None = None,
    before: date | None = None,
    customer_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Warranties:
    """Assets with a warranty card, the one that ends first at the top; `before`: what ends before that day."""
    here.require("warranty.read")
    ends = WarrantyCard.ends_on
    query = select(WarrantyCard).join(Asset, Asset.id == WarrantyCard.asset_id).where(WarrantyCard.state != "revoked")
    today = here.now.date()
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        named = select(Customer.id).where(Customer.name.ilike(pattern))
        query = query.where(
            or_(
                *(each.ilike(pattern) for each in (Asset.name, Asset.serial, WarrantyCard.number)),
                WarrantyCard.customer_id.in_(named),
            )
        )
    if state == "ended":
        query = query.where(ends < today)
    elif state == "running":
        query = query.where(or_(ends.is_(None), ends >= today))
    if before is not None:
        query = query.where(ends < before)
    if customer_id is not None:
        query = query.where(WarrantyCard.customer_id == customer_id)
    if after:
        day, key = read_cursor(after, str, UUID)
        last = _day(day)
        # Those without an end come last.
        beyond = tuple_(ends, WarrantyCard.id) > tuple_(last, key)
        query = query.where(
            (ends.is_(None) & (WarrantyCard.id > key)) if last == LATEST else or_(ends.is_(None), beyond)
        )
    rows = list(here.session.scalars(query.order_by(ends.nulls_last(), WarrantyCard.id).limit(limit + 1)))
    page = rows[:limit]
    following = cursor_of(str(page[-1].ends_on or LATEST), page[-1].id) if len(rows) > limit else None
    assets = asset_names(here, [each.asset_id for each in page])
    customers = customer_names(here, [each.customer_id for each in page])
    return Warranties(
        items=[
            WarrantyItem(
                id=each.asset_id,
                asset=assets[each.asset_id],
                card=Named(id=each.id, name=each.number),
                card_state=each.state,
                customer=customers.get(each.customer_id),
                starts_on=each.starts_on,
                ends_on=each.ends_on,
                state="ended" if each.ends_on and each.ends_on < today else "running",
            )
            for each in page
        ],
        next=following,
    )


@router.get("/assets/{asset_id}/warranty", operation_id="get_warranty")
def get_warranty(asset_id: UUID, here: Here) -> Warranty:
    """What covers the asset, clause by clause, with the clauses' texts; its card, days and replaced parts."""
    here.require("warranty.read")
    asset = asset_seen(here, asset_id)
    with everything_known(here):
        known = known_of(here.session, asset)
        cover = cover_at(here.session, asset, here.now, known)
        parts = replacements_of(here.session, asset.id)
    items = [_cover_item(each) for each in cover]
    return Warranty(
        asset=AssetNamed(id=asset.id, name=asset.name, serial=asset.serial),
        state=state_of(cover),
        card=card_items(here, [known.card])[0] if known.card else None,
        cover=[each for each in items if each.clause.scope],
        remedies=[each for each in items if each.clause.remedies],
        replacements=[_replacement(each) for each in parts[:200]],
        facts=_facts(known),
    )


@router.get("/assets/{asset_id}/warranty-facts", operation_id="get_warranty_facts")
def get_facts(asset_id: UUID, here: Here) -> Facts:
    """The days that the asset's periods begin with."""
    here.require("warranty.read")
    return _facts(known_of(here.session, asset_seen(here, asset_id)))


@router.put("/assets/{asset_id}/warranty-facts", operation_id="record_warranty_facts")
def put_facts(asset_id: UUID, body: FactsBody, here: Here, if_match: IfMatch = None) -> Facts:
    """Record the days, all at once."""
    here.require("warranty.manage")
    asset = asset_seen(here, asset_id)
    require_above(here, asset)
    here.session.execute(select(Asset.id).where(Asset.id == asset.id).with_for_update())
    there = here.session.get(WarrantyFacts, asset.id, populate_existing=True)
    _check_version(if_match, there.version if there else 0)
    given = body.model_dump()
    given["region"] = body.region.upper() if body.region else None
    record_facts(here.session, asset, given, here.now, here.actor.person_id)
    with everything_known(here):
        refresh_card(here.session, asset, here.now)
    return _facts(known_of(here.session, asset))


@router.get("/assets/{asset_id}/replacements", operation_id="list_replacements")
def list_replacements(asset_id: UUID, here: Here) -> Replacements:
    """Parts put in for others, newest first."""
    here.require("warranty.read")
    asset = asset_seen(here, asset_id)
    return Replacements(items=[_replacement(each) for each in replacements_of(here.session, asset.id)])


@router.post("/assets/{asset_id}/replacements", operation_id="add_replacement", status_code=201)
def add_replacement(asset_id: UUID, body: NewReplacement, here: Here) -> ReplacementItem:
    """Note a part put in for another; what was told is not changed."""
    here.require("warranty.register")
    asset = asset_seen(here, asset_id)
    require_above(here, asset)
    made = note_replacement(here.session, asset, **body.model_dump(), now=here.now, by_id=here.actor.person_id)
    return _replacement(made)


def state_of(cover: list[Cover]) -> str:
    """Return running, needs_check, not_begun, ended or none: the best that a clause of cover says."""
    states = {each.state for each in cover if each.clause.scope}
    return next((state for state in ("running", "needs_check", "not_begun", "ended") if state in states), "none")


def _cover_item(cover: Cover) -> CoverItem:
    terms, clause = cover.terms, cover.clause
    return CoverItem(
        source="contract" if terms.is_contract else "terms",
        terms_id=UUID(terms.id),
        code=terms.code,
        version=terms.version,
        kind=terms.kind,
        clause=ClauseShown(
            id=clause.id,
            kind=clause.kind,
            text_en=clause.text_en,
            text_zh=clause.text_zh,
            scope=sorted(clause.scope),
            components=list(clause.components),
            share_percent=clause.share_percent,
            remedies=list(clause.remedies),
        ),
        begins_on=cover.begins_on,
        ends_on=cover.ends_on,
        meters=[MeterLimitItem(meter=each.meter, limit=each.limit) for each in clause.meters],
        state=cover.state,
        missing=list(cover.missing),
    )


def _replacement(row: PartReplacement) -> ReplacementItem:
    return ReplacementItem(
        id=row.id,
        component=row.component,
        part_item=row.part_item,
        serial=row.serial,
        replaced_serial=row.replaced_serial,
        at=row.at,
        meters=row.meters,
        covered=row.covered,
        work_order_id=row.work_order_id,
        created_at=row.created_at,
    )


def _facts(known: Known) -> Facts:
    days = {column: known.dates.get(fact) for column, fact in FACT_OF.items()}
    return Facts(
        **days,
        region=known.region,
        time_zone=known.zone_name,
        sources=known.sources,
        unconfirmed=sorted(known.unconfirmed),
        version=known.version,
    )


def _check_version(if_match: str | None, version: int) -> None:
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if not told or told == "*":
        return
    if not told.isdecimal() or len(told) > 9:
        raise Invalid("If-Match holds a version number", field="If-Match")
    if int(told) != version:
        raise StaleVersion(f"it is at version {version}", expected=int(told), version=version, current=version)


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Invalid("not a cursor that this server gave out", field="after") from None
