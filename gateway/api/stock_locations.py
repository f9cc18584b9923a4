"""Where stock can be, how an operator keeps it, and how much is where."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.stock.items import Part
from assets.stock.places import (
    StockLocation,
    StockSettings,
    add_location,
    check_location,
    check_mode,
    find_location,
    settings_of,
    within,
)
from assets.stock.tables import StockBalance, StockLot, StockSerial
from assets.stock.text import containing, folded
from assets.stock.totals import StockTotal
from assets.stock.words import MADE_BY_ITSELF, MADE_BY_PEOPLE, NETTABLE
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.sorting import By, Order, Sort, moment_of, number_of
from gateway.api.stock_rows import (
    Amount,
    Currency,
    IfMatch,
    Name,
    Names,
    Number,
    PartRef,
    PersonRef,
    PlaceRef,
    check_version,
    part_ref,
    place_ref,
)

router = APIRouter(prefix="/api/v1", tags=["stock"])


class StockSettingsItem(BaseModel):
    """How stock is kept; `own`: these are the organisation's own settings, not its operator's or the defaults."""

    mode: str
    over_receipt_percent: Amount
    old_part_days: int
    currency: str
    own: bool
    version: int


class NewStockSettings(BaseModel):
    """How stock shall be kept."""

    mode: str
    over_receipt_percent: Annotated[Decimal, Field(ge=0, le=100)] = Decimal(0)
    old_part_days: Annotated[int, Field(ge=0, le=365)] = 14
    currency: Currency = "CNY"


class NewLocation(BaseModel):
    """A place to add."""

    code: Number
    name: Name
    kind: str
    parent_id: UUID | None = None
    person_id: UUID | None = None
    supplied_from_id: UUID | None = None
    site_id: UUID | None = None


class LocationChange(BaseModel):
    """What changes of a place; its kind stays."""

    code: Number | None = None
    name: Name | None = None
    parent_id: UUID | None = None
    person_id: UUID | None = None
    supplied_from_id: UUID | None = None
    site_id: UUID | None = None
    active: bool | None = None


class LocationItem(BaseModel):
    """A place, and what it belongs to."""

    id: UUID
    code: str
    name: str
    kind: str
    parent: PlaceRef | None
    person: PersonRef | None
    supplied_from: PlaceRef | None
    site_id: UUID | None
    nettable: bool
    active: bool
    version: int


class Locations(BaseModel):
    """A page of places."""

    items: list[LocationItem]
    next: str | None = None


class BalanceItem(BaseModel):
    """How much of an item, lot or serial is at a place."""

    id: UUID
    part: PartRef
    location: PlaceRef
    lot: str | None
    serial: str | None
    serial_id: UUID | None
    condition: str | None
    quantity: Amount
    updated_at: datetime


class Balances(BaseModel):
    """A page of balances."""

    items: list[BalanceItem]
    next: str | None = None


@router.get("/stock-settings", operation_id="get_stock_settings")
def get_stock_settings(here: Here) -> StockSettingsItem:
    """How the caller's organisation keeps stock."""
    here.require("part.read")
    return _settings(here)


@router.put("/stock-settings", operation_id="set_stock_settings")
def set_stock_settings(body: NewStockSettings, here: Here, if_match: IfMatch = None) -> StockSettingsItem:
    """Choose how the caller's organisation keeps stock."""
    here.require("settings.manage")
    check_mode(body.mode)
    owner = here.actor.organisation_id
    mine = select(StockSettings).where(StockSettings.organisation_id == owner).with_for_update()
    found = here.session.scalar(mine)
    if found is None:
        found = StockSettings(organisation_id=owner)
        here.session.add(found)
    else:
        check_version(if_match, found.version, "stock settings")
    before = found.mode
    for name, value in body.model_dump().items():
        setattr(found, name, value)
    here.session.flush()
    if before != found.mode:
        append_event(
            here.session,
            "stock.mode_changed",
            at=here.now,
            organisation_id=owner,
            subject_kind="stock_settings",
            subject_id=found.id,
            actor_kind=here.actor.kind,
            actor_id=here.actor.person_id,
            payload={"from": before, "to": found.mode},
        )
    return _settings(here)


def _settings(here: Context) -> StockSettingsItem:
    found = settings_of(here.session, here.actor.organisation_id)
    return StockSettingsItem(
        mode=found.mode,
        over_receipt_percent=found.over_receipt_percent,
        old_part_days=found.old_part_days,
        currency=found.currency,
        own=found.organisation_id == here.actor.organisation_id,
        version=found.version,
    )


@router.get("/stock-locations", operation_id="list_stock_locations")
def list_stock_locations(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    kind: str | None = None,
    code: str | None = None,
    parent_id: UUID | None = None,
    person_id: UUID | None = None,
    active: bool | None = None,
    own: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> Locations:
    """List places by code; `own`: without the accounts that are made by themselves."""
    here.require("stock.read")
    query = select(StockLocation).order_by(StockLocation.code, StockLocation.id).limit(limit + 1)
    for word in folded(q).split()[:8] if q else ():
        text = func.lower(StockLocation.code + " " + StockLocation.name)
        query = query.where(text.contains(word, autoescape=True))
    for column, value in (
        (StockLocation.kind, kind),
        (StockLocation.code, code),
        (StockLocation.parent_id, parent_id),
        (StockLocation.person_id, person_id),
        (StockLocation.active, active),
    ):
        if value is not None:
            query = query.where(column == value)
    if own:
        query = query.where(StockLocation.kind.in_(MADE_BY_PEOPLE))
    if after:
        query = query.where(tuple_(StockLocation.code, StockLocation.id) > tuple_(*read_cursor(after, str, UUID)))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Locations(
        items=_locations(here, page), next=cursor_of(page[-1].code, page[-1].id) if len(rows) > limit else None
    )


@router.post("/stock-locations", operation_id="create_stock_location", status_code=201)
def create_stock_location(body: NewLocation, here: Here) -> LocationItem:
    """Add a place of the caller's organisation."""
    here.require("stock.manage")
    _check_site(here, body.site_id)
    made = StockLocation(organisation_id=here.actor.organisation_id, created_at=here.now, **body.model_dump())
    return _locations(here, [add_location(here.session, made)])[0]


@router.get("/stock-locations/{location_id}", operation_id="get_stock_location")
def get_stock_location(location_id: UUID, here: Here) -> LocationItem:
    """One place."""
    here.require("stock.read")
    return _locations(here, [find_location(here.session, location_id)])[0]


@router.patch("/stock-locations/{location_id}", operation_id="change_stock_location")
def change_stock_location(
    location_id: UUID, body: LocationChange, here: Here, if_match: IfMatch = None
) -> LocationItem:
    """Rename a place, move it in the tree, or stop using it (when it is empty)."""
    here.require("stock.manage")
    location = find_location(here.session, location_id, lock=True)
    check_version(if_match, location.version, location.code)
    changes = body.model_dump(exclude_unset=True)
    for name in ("code", "name", "active"):
        if name in changes and changes[name] is None:
            raise Invalid(f"{name} cannot be empty", field=name)
    if location.kind in MADE_BY_ITSELF and set(changes) - {"name", "code"}:
        raise Conflict(f"{location.code} is an account of the ledger: only its name changes", kind=location.kind)
    if changes.get("active") is False:
        _require_empty(here, location)
    _check_site(here, changes.get("site_id"))
    if "code" in changes and changes["code"] != location.code:
        taken = select(StockLocation.id).where(
            StockLocation.organisation_id == location.organisation_id, StockLocation.code == changes["code"]
        )
        if here.session.scalar(taken):
            raise Conflict(f"there is a location {changes['code']!r} already", code=changes["code"])
    for name, value in changes.items():
        setattr(location, name, value)
    with here.session.no_autoflush:
        check_location(here.session, location)
    here.session.flush()
    return _locations(here, [location])[0]


def _require_empty(here: Context, location: StockLocation) -> None:
    held = select(StockBalance.id).where(
        StockBalance.location_id.in_(within(location.id)), StockBalance.quantity != 0, StockBalance.floored
    )
    if here.session.scalar(held.limit(1)):
        raise Conflict(f"there is stock at {location.code}: move it first", location=location.code)


def _check_site(here: Context, site_id: UUID | None) -> None:
    from assets.registry import Site

    if site_id is not None and here.session.get(Site, site_id) is None:
        raise Invalid("no such site", field="site_id")


def _locations(here: Context, rows: list[StockLocation]) -> list[LocationItem]:
    names = Names(here).load(
        places=[key for row in rows for key in (row.parent_id, row.supplied_from_id)],
        people=[row.person_id for row in rows],
    )
    return [
        LocationItem(
            id=row.id,
            code=row.code,
            name=row.name,
            kind=row.kind,
            parent=names.place(row.parent_id),
            person=names.person(row.person_id),
            supplied_from=names.place(row.supplied_from_id),
            site_id=row.site_id,
            nettable=row.kind in NETTABLE,
            active=row.active,
            version=row.version,
        )
        for row in rows
    ]


SORTS = {
    "part": By(Part.number),
    "location": By(StockLocation.code),
    "quantity": By(StockBalance.quantity, number_of),
    "updated": By(StockBalance.updated_at, moment_of),
}


@router.get("/stock-balances", operation_id="list_stock_balances")
def list_stock_balances(
    here: Here,
    part_id: UUID | None = None,
    location_id: UUID | None = None,
    kind: Annotated[str | None, Query(description="kind of location")] = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    lot: str | None = None,
    serial: str | None = None,
    below_minimum: bool = False,
    all_accounts: Annotated[bool, Query(description="also supplier, customer and adjustment")] = False,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> Balances:
    """List what is where, by item number; a location includes what lies below it."""
    here.require("stock.read")
    order = Order.of(sort, SORTS, "part", StockBalance.id)
    query = (
        select(StockBalance.id, order.column)
        .join(Part, Part.id == StockBalance.part_id)
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .outerjoin(StockLot, StockLot.id == StockBalance.lot_id)
        .outerjoin(StockSerial, StockSerial.id == StockBalance.serial_id)
        .where(StockBalance.quantity != 0)
    )
    if not all_accounts:
        query = query.where(StockBalance.floored)
    if location_id is not None:
        query = query.where(StockBalance.location_id.in_(within(location_id)))
    if q:
        query = query.where(containing(Part.search_text, Part.search_pairs, q))
    for column, value in (
        (StockBalance.part_id, part_id),
        (StockLocation.kind, kind),
        (StockLot.lot, lot),
        (StockSerial.serial, serial),
    ):
        if value is not None:
            query = query.where(column == value)
    if below_minimum:
        of_it = (StockTotal.part_id == StockBalance.part_id) & (StockTotal.location_id == StockBalance.location_id)
        query = query.join(StockTotal, of_it).where(StockTotal.quantity < StockTotal.minimum)
    ids = order.page(query, limit, after).subquery("page")
    wide = (
        select(StockBalance, Part, StockLocation, StockLot.lot, StockSerial, ids.c.ordered_by)
        .join(ids, ids.c.id == StockBalance.id)
        .join(Part, Part.id == StockBalance.part_id)
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .outerjoin(StockLot, StockLot.id == StockBalance.lot_id)
        .outerjoin(StockSerial, StockSerial.id == StockBalance.serial_id)
    )
    rows = here.session.execute(wide.order_by(*order.ends(ids.c.ordered_by))).all()
    page = rows[:limit]
    return Balances(
        items=[
            BalanceItem(
                id=balance.id,
                part=part_ref(part),
                location=place_ref(place),
                lot=named_lot,
                serial=piece.serial if piece else None,
                serial_id=piece.id if piece else None,
                condition=piece.condition if piece else None,
                quantity=balance.quantity,
                updated_at=balance.updated_at,
            )
            for balance, part, place, named_lot, piece, _ in page
        ],
        next=order.cursor(page[-1][-1], page[-1][0].id) if len(rows) > limit else None,
    )
