"""Minimum and maximum, demand, and what should be fetched or ordered."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import NotFound
from assets.stock.items import part_for
from assets.stock.places import get_location
from assets.stock.replenishment import (
    MAX_DEMANDS,
    Demand,
    PartDemand,
    Proposal,
    StockLevel,
    accept,
    proposals,
    set_demand,
    set_level,
)
from assets.stock.words import MAX_LINES
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, day_of, read_cursor
from gateway.api.purchase_orders import PurchaseItem, purchase_items
from gateway.api.stock_rows import Amount, AmountIn, Names, PartRef, PlaceRef, part_ref, place_ref
from gateway.api.stock_transfers import TransferItem, transfer_items
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["replenishment"])


class NewLevel(BaseModel):
    """Below the minimum a place is filled up to the maximum."""

    location_id: UUID
    part_id: UUID
    minimum: AmountIn
    maximum: AmountIn


class LevelItem(BaseModel):
    """Minimum and maximum of an item at a place."""

    id: UUID
    part: PartRef
    location: PlaceRef | None
    minimum: Amount
    maximum: Amount


class Levels(BaseModel):
    """A page of levels."""

    items: list[LevelItem]
    next: str | None = None


class ProposalItem(BaseModel):
    """Fetch (`transfer`) or order (`purchase`) so much; the other figures say why."""

    part: PartRef
    location: PlaceRef
    on_hand: Amount
    inbound: Amount
    reserved: Amount
    demand: Amount
    minimum: Amount
    maximum: Amount
    quantity: Amount
    source: str
    from_: Annotated[PlaceRef | None, Field(alias="from", serialization_alias="from")]
    supplier: str | None


class Proposals(BaseModel):
    """A page of proposals."""

    items: list[ProposalItem]
    next: str | None = None


class AcceptedItem(BaseModel):
    """A proposal to take up; without a quantity as it was proposed."""

    part_id: UUID
    location_id: UUID
    quantity: Annotated[Decimal | None, Field(gt=0, max_digits=13, decimal_places=4)] = None


class Acceptance(BaseModel):
    """Proposals to take up."""

    items: Annotated[list[AcceptedItem], Field(min_length=1, max_length=MAX_LINES)]


class Accepted(BaseModel):
    """What became of them: planned transfers and drafts of orders."""

    transfers: list[TransferItem]
    purchase_orders: list[PurchaseItem]


class DemandLine(BaseModel):
    """A need on a day."""

    part_id: UUID
    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)]
    needed_on: date
    location_id: UUID | None = None


class NewDemands(BaseModel):
    """All that a source needs, in place of what it needed before."""

    source_kind: Annotated[str, Field(min_length=1, max_length=40)]
    source_ref: Annotated[str, Field(min_length=1, max_length=80)]
    demands: Annotated[list[DemandLine], Field(max_length=MAX_DEMANDS)]


class DemandItem(BaseModel):
    """A need of a source."""

    id: UUID
    part: PartRef
    location: PlaceRef | None
    quantity: Amount
    needed_on: date
    source_kind: str
    source_ref: str
    state: str


class Demands(BaseModel):
    """A page of needs."""

    items: list[DemandItem]
    next: str | None = None


@router.get("/stock-levels", operation_id="list_stock_levels")
def list_stock_levels(
    here: Here,
    part_id: UUID | None = None,
    location_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Levels:
    """List minimum and maximum."""
    here.require("stock.read")
    query = select(StockLevel).order_by(StockLevel.id.desc()).limit(limit + 1)
    if part_id is not None:
        query = query.where(StockLevel.part_id == part_id)
    if location_id is not None:
        query = query.where(StockLevel.location_id == location_id)
    if after:
        query = query.where(StockLevel.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Levels(items=_levels(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.put("/stock-levels", operation_id="set_stock_level")
def set_stock_level(body: NewLevel, here: Here) -> LevelItem:
    """Set minimum and maximum of an item at a place."""
    here.require("stock.manage")
    location = get_location(here.session, body.location_id)
    part = part_for(here.session, location.organisation_id, part_id=body.part_id)
    return _levels(here, [set_level(here.session, location, part, body.minimum, body.maximum)])[0]


@router.delete("/stock-levels/{level_id}", operation_id="remove_stock_level", status_code=204)
def remove_stock_level(level_id: UUID, here: Here) -> None:
    """Set no minimum any more."""
    here.require("stock.manage")
    level = here.session.get(StockLevel, level_id)
    if level is None:
        raise NotFound("no such level", kind="stock_level")
    here.session.delete(level)
    here.session.flush()


@router.get("/replenishment-proposals", operation_id="list_replenishment_proposals")
def list_replenishment_proposals(
    here: Here,
    location_id: UUID | None = None,
    part_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Proposals:
    """List what to fetch or order, by item number."""
    here.require("stock.read")
    beyond = read_cursor(after, str, UUID, UUID) if after else None
    rows = proposals(
        here.session,
        here.now.date(),
        limit=limit + 1,
        after=(beyond[0], beyond[1], beyond[2]) if beyond else None,
        location_id=location_id,
        part_id=part_id,
    )
    page = rows[:limit]
    last = page[-1] if len(rows) > limit else None
    return Proposals(
        items=[_proposal(each) for each in page],
        next=cursor_of(last.part.number, last.part.id, last.location.id) if last else None,
    )


def _proposal(each: Proposal) -> ProposalItem:
    return ProposalItem(
        part=part_ref(each.part),
        location=place_ref(each.location),
        on_hand=each.position.on_hand,
        inbound=each.position.inbound,
        reserved=each.position.reserved,
        demand=each.position.demand,
        minimum=each.position.minimum,
        maximum=each.position.maximum,
        quantity=each.quantity,
        source="transfer" if each.source else "purchase",
        **{"from": place_ref(each.source) if each.source else None},
        supplier=None if each.source else each.part.supplier,
    )


@router.post("/replenishment-proposals/accept", operation_id="accept_replenishment_proposals", status_code=201)
def accept_replenishment_proposals(body: Acceptance, here: Here) -> Accepted:
    """Make planned transfers and drafts of purchase orders."""
    here.require("purchase.manage")
    wanted = [(each.part_id, each.location_id, each.quantity) for each in body.items]
    transfers, orders = accept(here.session, wanted, here.now, here.actor)
    return Accepted(transfers=transfer_items(here, transfers), purchase_orders=purchase_items(here, orders))


@router.get("/part-demands", operation_id="list_part_demands")
def list_part_demands(
    here: Here,
    part_id: UUID | None = None,
    source_kind: Annotated[str | None, Query(max_length=40)] = None,
    source_ref: Annotated[str | None, Query(max_length=80)] = None,
    limit: Limit = 100,
    after: After = None,
) -> Demands:
    """List needs by their day."""
    here.require("stock.read")
    query = select(PartDemand).order_by(PartDemand.needed_on, PartDemand.id).limit(limit + 1)
    for column, value in (
        (PartDemand.part_id, part_id),
        (PartDemand.source_kind, source_kind),
        (PartDemand.source_ref, source_ref),
    ):
        if value is not None:
            query = query.where(column == value)
    if after:
        on, key = read_cursor(after, day_of, UUID)
        query = query.where((PartDemand.needed_on > on) | ((PartDemand.needed_on == on) & (PartDemand.id > key)))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    more = cursor_of(page[-1].needed_on, page[-1].id) if len(rows) > limit else None
    return Demands(items=_demands(here, page), next=more)


@router.put("/part-demands", operation_id="set_part_demands")
def set_part_demands(body: NewDemands, here: Here) -> Demands:
    """Say all that a source needs."""
    here.require("purchase.manage")
    lines = [Demand(each.part_id, each.quantity, each.needed_on, each.location_id) for each in body.demands]
    owner = here.actor.organisation_id
    made = set_demand(here.session, owner, body.source_kind, body.source_ref, lines, here.now)
    return Demands(items=_demands(here, made[:500]))


def _levels(here: Context, rows: list[StockLevel]) -> list[LevelItem]:
    names = Names(here).load(parts=[row.part_id for row in rows], places=[row.location_id for row in rows])
    return [
        LevelItem(
            id=row.id,
            part=names.part(row.part_id),
            location=names.place(row.location_id),
            minimum=row.minimum,
            maximum=row.maximum,
        )
        for row in rows
    ]


def _demands(here: Context, rows: list[PartDemand]) -> list[DemandItem]:
    names = Names(here).load(parts=[row.part_id for row in rows], places=[row.location_id for row in rows])
    return [
        DemandItem(
            id=row.id,
            part=names.part(row.part_id),
            location=names.place(row.location_id),
            quantity=row.quantity,
            needed_on=row.needed_on,
            source_kind=row.source_kind,
            source_ref=row.source_ref,
            state=row.state,
        )
        for row in rows
    ]
