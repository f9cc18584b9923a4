"""The item master over HTTP: lists in both languages, what follows an item, what it fits, what may be promised."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select

from assets.base.access import may
from assets.base.errors import Invalid, NotFound
from assets.registry import AssetModel
from assets.stock.items import (
    MAX_MODELS,
    Part,
    PartModel,
    add_part,
    change_part,
    get_part,
    model_of_asset,
    set_models,
    successors_of,
    supersede,
)
from assets.stock.ledger import has_movements
from assets.stock.places import StockLocation, get_location
from assets.stock.promises import availability
from assets.stock.tables import StockBalance, StockSerial
from assets.stock.text import containing
from assets.stock.words import NETTABLE
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit
from gateway.api.sorting import By, Order, Sort, number_of
from gateway.api.stock_rows import (
    Amount,
    AmountIn,
    Currency,
    IfMatch,
    Name,
    Number,
    PartRef,
    PlaceRef,
    check_version,
    part_ref,
    place_ref,
)

router = APIRouter(prefix="/api/v1", tags=["parts"])


SORTS = {
    "number": By(Part.number),
    "name_en": By(Part.name_en),
    "name_zh": By(Part.name_zh),
    "kind": By(Part.kind),
    "supplier": By(func.coalesce(Part.supplier, "")),
    "standard_cost": By(func.coalesce(Part.standard_cost, -1), number_of),
}


class PartFields(BaseModel):
    """What people say of an item."""

    number: Number
    name_en: Name
    name_zh: Name
    kind: str = "part"
    unit: Annotated[str, Field(min_length=1, max_length=20)] = "pcs"
    decimals: Annotated[int, Field(ge=0, le=4)] = 0
    tracking: str = "none"
    old_part_return: bool = False
    standard_cost: AmountIn | None = None
    currency: Currency | None = None
    supplier: Annotated[str | None, Field(max_length=200)] = None
    supplier_number: Annotated[str | None, Field(max_length=80)] = None
    barcode: Annotated[str | None, Field(max_length=80)] = None
    pack_quantity: Annotated[Decimal | None, Field(gt=0, max_digits=13, decimal_places=4)] = None
    lead_time_days: Annotated[int | None, Field(ge=0, le=3650)] = None
    active: bool = True


class NewPart(PartFields):
    """An item to add."""

    model_ids: Annotated[list[UUID], Field(max_length=MAX_MODELS)] = []


class PartChange(BaseModel):
    """What changes of an item; left out: nothing."""

    number: Number | None = None
    name_en: Name | None = None
    name_zh: Name | None = None
    kind: str | None = None
    unit: Annotated[str | None, Field(min_length=1, max_length=20)] = None
    decimals: Annotated[int | None, Field(ge=0, le=4)] = None
    tracking: str | None = None
    old_part_return: bool | None = None
    standard_cost: AmountIn | None = None
    currency: Currency | None = None
    supplier: Annotated[str | None, Field(max_length=200)] = None
    supplier_number: Annotated[str | None, Field(max_length=80)] = None
    barcode: Annotated[str | None, Field(max_length=80)] = None
    pack_quantity: Annotated[Decimal | None, Field(gt=0, max_digits=13, decimal_places=4)] = None
    lead_time_days: Annotated[int | None, Field(ge=0, le=3650)] = None
    active: bool | None = None


class PartItem(BaseModel):
    """An item in a list; costs are there for who may see prices."""

    id: UUID
    number: str
    name_en: str
    name_zh: str
    kind: str
    unit: str
    decimals: int
    tracking: str
    old_part_return: bool
    superseded_by: PartRef | None
    standard_cost: Amount | None
    currency: str | None
    supplier: str | None
    supplier_number: str | None
    barcode: str | None
    pack_quantity: Amount | None
    lead_time_days: int | None
    on_hand: Amount
    available: Amount
    active: bool
    version: int


class Parts(BaseModel):
    """A page of items."""

    items: list[PartItem]
    next: str | None = None


class ModelRef(BaseModel):
    """An asset model by code and names."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class PartAtPlace(BaseModel):
    """How much of an item is at a place."""

    location: PlaceRef
    quantity: Amount


class PartDetail(PartItem):
    """One item with what it fits, what may take its place, and where it is."""

    models: list[ModelRef]
    substitutes: list[PartRef]
    balances: list[PartAtPlace]


class Successor(BaseModel):
    """What takes its place; null: nothing."""

    part_id: UUID | None


class ModelIds(BaseModel):
    """What it fits."""

    model_ids: Annotated[list[UUID], Field(max_length=MAX_MODELS)]


class DayItem(BaseModel):
    """What comes and what is promised on a day, and what is left."""

    on: date
    receipts: Amount
    reserved: Amount
    projected: Amount


class AvailabilityDetail(BaseModel):
    """What may be promised of an item at a place for a day."""

    part: PartRef
    location: PlaceRef
    on: date
    on_hand: Amount
    available_to_promise: Amount
    reserved: Amount
    inbound: Amount
    days: list[DayItem]


@router.get("/parts", operation_id="list_parts")
def list_parts(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    kind: str | None = None,
    number: str | None = None,
    barcode: str | None = None,
    asset_model_id: UUID | None = None,
    asset_id: UUID | None = None,
    active: bool | None = None,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> Parts:
    """List items by number; `q` looks into number and names in both languages; `asset_id` those that fit a machine."""
    here.require("part.read")
    order = Order.of(sort, SORTS, "number", Part.id)
    query = select(Part, order.column)
    if q:
        query = query.where(containing(Part.search_text, Part.search_pairs, q))
    for column, value in ((Part.kind, kind), (Part.number, number), (Part.barcode, barcode), (Part.active, active)):
        if value is not None:
            query = query.where(column == value)
    model_id = asset_model_id
    if asset_id is not None:
        model_id = model_of_asset(here.session, asset_id)
        if model_id is None:
            return Parts(items=[])
    if model_id is not None:
        query = query.where(Part.id.in_(select(PartModel.part_id).where(PartModel.asset_model_id == model_id)))
    page, more = order.rows(here.session, query, limit, after)
    return Parts(items=_items(here, page), next=more)


@router.post("/parts", operation_id="create_part", status_code=201)
def create_part(body: NewPart, here: Here) -> PartDetail:
    """Add an item to the caller's catalogue."""
    here.require("part.manage")
    facts = body.model_dump(exclude={"model_ids"})
    part = add_part(here.session, Part(organisation_id=here.actor.organisation_id, created_at=here.now, **facts))
    set_models(here.session, part, body.model_ids)
    return _detail(here, part)


@router.get("/parts/{part_id}", operation_id="get_part")
def get_one_part(part_id: UUID, here: Here) -> PartDetail:
    """One item."""
    here.require("part.read")
    return _detail(here, get_part(here.session, part_id))


@router.patch("/parts/{part_id}", operation_id="change_part")
def change_one_part(part_id: UUID, body: PartChange, here: Here, if_match: IfMatch = None) -> PartDetail:
    """Change an item; unit, decimals and tracking stay once it has moved."""
    part = own_part(here, part_id)
    check_version(if_match, part.version, part.number)
    changes = body.model_dump(exclude_unset=True)
    empty = [name for name in changes if changes[name] is None and not _may_be_empty(name)]
    if empty:
        raise Invalid(f"{empty[0]} cannot be empty", field=empty[0])
    return _detail(here, change_part(here.session, part, changes, stocked=has_movements(here.session, part.id)))


@router.put("/parts/{part_id}/successor", operation_id="supersede_part")
def supersede_part(part_id: UUID, body: Successor, here: Here) -> PartDetail:
    """Say what takes an item's place."""
    part = own_part(here, part_id)
    successor = here.session.get(Part, body.part_id) if body.part_id else None
    if body.part_id and successor is None:
        raise Invalid("no such part", field="part_id")
    supersede(here.session, part, successor)
    return _detail(here, part)


@router.put("/parts/{part_id}/models", operation_id="set_part_models")
def set_part_models(part_id: UUID, body: ModelIds, here: Here) -> PartDetail:
    """Say which asset models an item fits."""
    part = own_part(here, part_id)
    set_models(here.session, part, body.model_ids)
    return _detail(here, part)


@router.get("/parts/{part_id}/availability", operation_id="get_part_availability")
def get_part_availability(part_id: UUID, here: Here, location_id: UUID, on: date | None = None) -> AvailabilityDetail:
    """What is there, what comes and what is promised at a place, and what may be promised for a day."""
    here.require("stock.read")
    part = get_part(here.session, part_id)
    location = get_location(here.session, location_id)
    today = here.now.date()
    found = availability(here.session, part, location, today)
    day = max(on or today, today)
    return AvailabilityDetail(
        part=part_ref(part),
        location=place_ref(location),
        on=day,
        on_hand=found.on_hand,
        available_to_promise=max(found.to_promise(day), Decimal(0)),
        reserved=found.reserved,
        inbound=found.inbound,
        days=[
            DayItem(on=each.on, receipts=each.receipts, reserved=each.reserved, projected=each.projected)
            for each in found.days
        ],
    )


def own_part(here: Context, part_id: UUID) -> Part:
    """Return an item that the caller may change, locked. Raises NotFound for one that is only read from above."""
    here.require("part.manage")
    mine = Part.organisation_id == func.any(func.forewarn_visible_organisations())
    part = here.session.scalars(select(Part).where(Part.id == part_id, mine).with_for_update()).first()
    if part is None:
        raise NotFound("no such part of yours", kind="part")
    return part


_EMPTY = frozenset(
    {"standard_cost", "currency", "supplier", "supplier_number", "barcode", "pack_quantity", "lead_time_days"}
)


def _may_be_empty(name: str) -> bool:
    return name in _EMPTY


def _quantities(here: Context, parts: list[Part]) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Return per item what is on shelves, and what of it is usable."""
    usable = StockLocation.kind.in_(NETTABLE) & or_(StockSerial.id.is_(None), StockSerial.condition == "good")
    rows = here.session.execute(
        select(
            StockBalance.part_id,
            func.sum(StockBalance.quantity),
            func.coalesce(func.sum(StockBalance.quantity).filter(usable), 0),
        )
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .outerjoin(StockSerial, StockSerial.id == StockBalance.serial_id)
        .where(
            StockBalance.part_id.in_([part.id for part in parts]),
            StockBalance.floored,
            StockLocation.kind != "scrap",
        )
        .group_by(StockBalance.part_id)
    )
    return {part_id: (total, usable_total) for part_id, total, usable_total in rows}


def _items(here: Context, parts: list[Part]) -> list[PartItem]:
    quantities = _quantities(here, parts)
    following = {part.superseded_by_id for part in parts if part.superseded_by_id}
    successors = {each.id: each for each in here.session.scalars(select(Part).where(Part.id.in_(following)))}
    # What it costs whom is the owner's, not of those below who use the catalogue.
    seen = set(here.session.scalar(select(func.forewarn_visible_organisations())) or ())
    priced = may(here.actor, "price.read")
    return [
        PartItem(
            superseded_by=part_ref(successors[part.superseded_by_id])
            if part.superseded_by_id and part.superseded_by_id in successors
            else None,
            on_hand=quantities.get(part.id, (Decimal(0), Decimal(0)))[0],
            available=quantities.get(part.id, (Decimal(0), Decimal(0)))[1],
            **_facts(part, priced and part.organisation_id in seen),
        )
        for part in parts
    ]


_FACTS = (
    "id",
    "number",
    "name_en",
    "name_zh",
    "kind",
    "unit",
    "decimals",
    "tracking",
    "old_part_return",
    "currency",
    "barcode",
    "pack_quantity",
    "lead_time_days",
    "active",
    "version",
)
_COSTS = ("standard_cost", "supplier", "supplier_number")


def _facts(part: Part, priced: bool) -> dict[str, Any]:
    costs = {name: getattr(part, name) if priced else None for name in _COSTS}
    return {name: getattr(part, name) for name in _FACTS} | costs


def _detail(here: Context, part: Part) -> PartDetail:
    models = here.session.scalars(
        select(AssetModel)
        .join(PartModel, PartModel.asset_model_id == AssetModel.id)
        .where(PartModel.part_id == part.id)
        .order_by(AssetModel.code)
    )
    chain = successors_of(here.session, part.id)
    found = {each.id: each for each in here.session.scalars(select(Part).where(Part.id.in_(chain)))}
    rows = here.session.execute(
        select(StockLocation, func.sum(StockBalance.quantity))
        .join(StockBalance, StockBalance.location_id == StockLocation.id)
        .where(StockBalance.part_id == part.id, StockBalance.floored)
        .group_by(StockLocation.id)
        .having(func.sum(StockBalance.quantity) != 0)
        .order_by(StockLocation.code)
        .limit(500)
    )
    return PartDetail(
        **_items(here, [part])[0].model_dump(),
        models=[ModelRef(id=each.id, code=each.code, name_en=each.name_en, name_zh=each.name_zh) for each in models],
        substitutes=[part_ref(found[key]) for key in reversed(chain) if key in found],
        balances=[PartAtPlace(location=place_ref(place), quantity=quantity) for place, quantity in rows],
    )
