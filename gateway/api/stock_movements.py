"""Movements over HTTP: the ledger's pages, one operation at once, many that were made offline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid, NotFound
from assets.registry import Asset
from assets.stock.items import Part
from assets.stock.ledger import Work
from assets.stock.operations import MAX_OPERATIONS, Result, submit, submit_all
from assets.stock.places import within
from assets.stock.tables import StockEntry, StockMovement
from assets.stock.text import containing
from assets.stock.words import MAX_LINES
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_rows import (
    Amount,
    AssetRef,
    Names,
    Note,
    OrderRef,
    PaperRef,
    PartRef,
    PersonRef,
    PlaceRef,
    asset_of,
    order_ref,
    work_of,
)
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class LineIn(BaseModel):
    """One line of an operation."""

    part_id: UUID | None = None
    part_number: Annotated[str | None, Field(max_length=80)] = None
    quantity: Annotated[Decimal, Field(ge=0, max_digits=13, decimal_places=4)] = Decimal(1)
    lot: Annotated[str | None, Field(max_length=80)] = None
    serial: Annotated[str | None, Field(max_length=80)] = None
    from_location_id: UUID | None = None
    to_location_id: UUID | None = None
    location_id: UUID | None = None


class OperationIn(BaseModel):
    """Something done with stock. Kinds: issue, return, move, count, adjust, scrap, consume."""

    kind: Annotated[str, Field(max_length=20)]
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=MAX_LINES)]
    work_order_id: UUID | None = None
    work_order: Annotated[str | None, Field(max_length=80)] = None
    asset_id: UUID | None = None
    operation_id: UUID | None = None
    occurred_at: Moment | None = None
    offline: bool = False
    reason: Note | None = None
    note: Note | None = None


class LateOperation(OperationIn):
    """Something done offline: it has an id of its own."""

    operation_id: UUID


class Synchronisation(BaseModel):
    """What was done offline, in its order."""

    operations: Annotated[list[LateOperation], Field(max_length=MAX_OPERATIONS)]


class MovementLine(BaseModel):
    """So much of an item went from one place to another."""

    part: PartRef
    quantity: Amount
    from_: Annotated[PlaceRef | None, Field(alias="from", serialization_alias="from")]
    to: PlaceRef | None
    lot: str | None
    serial: str | None


class MovementItem(BaseModel):
    """One movement with its lines."""

    id: UUID
    kind: str
    occurred_at: datetime
    received_at: datetime
    offline: bool
    by: PersonRef | None
    work_order: OrderRef | None
    asset: AssetRef | None
    reference: PaperRef | None
    reason: str | None
    note: str | None
    lines: list[MovementLine]


class Movements(BaseModel):
    """A page of movements."""

    items: list[MovementItem]
    next: str | None = None


class Outcome(BaseModel):
    """What became of an operation: booked, repeated, unchanged, or kept as a conflict."""

    state: str
    movement: MovementItem | None = None
    conflict_id: UUID | None = None
    code: str | None = None
    params: dict[str, Any] = {}


class SyncResult(BaseModel):
    """What became of one of many."""

    operation_id: UUID
    state: str
    movement_id: UUID | None
    conflict_id: UUID | None
    code: str | None


class SyncResults(BaseModel):
    """What became of them, in their order."""

    results: list[SyncResult]


@router.get("/stock-movements", operation_id="list_stock_movements")
def list_stock_movements(
    here: Here,
    part_id: UUID | None = None,
    location_id: UUID | None = None,
    work_order_id: UUID | None = None,
    work_order: str | None = None,
    asset_id: UUID | None = None,
    person_id: UUID | None = None,
    kind: str | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to: AwareDatetime | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Movements:
    """List movements, newest first."""
    here.require("stock.read")
    query = select(StockMovement).order_by(StockMovement.id.desc()).limit(limit + 1)
    touched = _touched(part_id, location_id, q)
    if touched is not None:
        query = query.where(touched.where(StockEntry.movement_id == StockMovement.id).exists())
    for column, value in (
        (StockMovement.work_order_id, work_order_id),
        (StockMovement.work_order_number, work_order),
        (StockMovement.asset_id, asset_id),
        (StockMovement.by_id, person_id),
        (StockMovement.kind, kind),
    ):
        if value is not None:
            query = query.where(column == value)
    if from_ is not None:
        query = query.where(StockMovement.occurred_at >= from_)
    if to is not None:
        query = query.where(StockMovement.occurred_at < to)
    if after:
        query = query.where(StockMovement.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Movements(items=movement_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


def _touched(part_id: UUID | None, location_id: UUID | None, q: str | None) -> Any:
    if part_id is None and location_id is None and not q:
        return None
    touched = select(StockEntry.id)
    if part_id is not None:
        touched = touched.where(StockEntry.part_id == part_id)
    if location_id is not None:
        touched = touched.where(StockEntry.location_id.in_(within(location_id)))
    if q:
        touched = touched.where(
            StockEntry.part_id.in_(select(Part.id).where(containing(Part.search_text, Part.search_pairs, q)))
        )
    return touched


@router.get("/stock-movements/{movement_id}", operation_id="get_stock_movement")
def get_stock_movement(movement_id: UUID, here: Here) -> MovementItem:
    """One movement."""
    here.require("stock.read")
    movement = here.session.get(StockMovement, movement_id)
    if movement is None:
        raise NotFound("no such movement", kind="stock_movement")
    return movement_items(here, [movement])[0]


@router.post("/stock-movements", operation_id="create_stock_movement", status_code=201)
def create_stock_movement(body: OperationIn, here: Here, response: Response) -> Outcome:
    """Do something with stock. 202: it was done offline, cannot be booked, and waits for a storekeeper."""
    here.require("stock.use")
    result = submit(here.session, body.model_dump(), here.actor, here.now, resolver(here))
    response.status_code = {"conflict": 202, "booked": 201}.get(result.state, 200)
    conflict = result.conflict
    return Outcome(
        state=result.state,
        movement=movement_items(here, [result.movement])[0] if result.movement else None,
        conflict_id=conflict.id if conflict else None,
        code=conflict.code if conflict else None,
        params=conflict.params if conflict else {},
    )


@router.post("/stock-movements/sync", operation_id="sync_stock_movements")
def sync_stock_movements(body: Synchronisation, here: Here) -> SyncResults:
    """Take what was done offline; each is booked once, or kept for a storekeeper."""
    here.require("stock.use")
    bodies = [each.model_dump() for each in body.operations]
    results = submit_all(here.session, bodies, here.actor, here.now, resolver(here))
    pairs = zip(body.operations, results, strict=True)
    return SyncResults(results=[_sync_result(each.operation_id, result) for each, result in pairs])


def _sync_result(operation_id: UUID, result: Result) -> SyncResult:
    return SyncResult(
        operation_id=operation_id,
        state=result.state,
        movement_id=result.movement.id if result.movement else None,
        conflict_id=result.conflict.id if result.conflict else None,
        code=result.conflict.code if result.conflict else None,
    )


def resolver(here: Context) -> Any:
    """Return what finds the order and the machine that an operation names, as far as the caller sees them."""

    def resolve(session: Session, body: dict[str, Any]) -> tuple[Work | None, Asset | None]:
        key = body.get("work_order_id")
        work, asset = work_of(here, UUID(str(key)) if key else None, body.get("work_order"))
        named = body.get("asset_id")
        if named is not None:
            found = asset_of(here, UUID(str(named)))
            if asset is not None and found is not None and found.organisation_id != asset.organisation_id:
                raise Invalid("this machine is not the order's", field="asset_id")
            asset = found
        return work, asset

    return resolve


def movement_items(here: Context, rows: Sequence[StockMovement]) -> list[MovementItem]:
    """Return movements with their lines and all names."""
    entries = here.session.scalars(
        select(StockEntry)
        .where(StockEntry.movement_id.in_([row.id for row in rows]))
        .order_by(StockEntry.movement_id, StockEntry.line, StockEntry.quantity)
    ).all()
    names = Names(here).load(
        parts=[each.part_id for each in entries],
        places=[each.location_id for each in entries],
        lots=[each.lot_id for each in entries],
        serials=[each.serial_id for each in entries],
        people=[row.by_id for row in rows],
        assets=[row.asset_id for row in rows],
    )
    lines: dict[UUID, dict[int, list[StockEntry]]] = defaultdict(lambda: defaultdict(list))
    for each in entries:
        lines[each.movement_id][each.line].append(each)
    return [_movement(row, [_line(sides, names) for sides in lines[row.id].values()], names) for row in rows]


def _line(sides: list[StockEntry], names: Names) -> MovementLine:
    out, back = sides[0], sides[-1]
    serial = names.serial(back.serial_id)
    return MovementLine(
        part=names.part(back.part_id),
        quantity=back.quantity,
        **{"from": names.place(out.location_id)},
        to=names.place(back.location_id),
        lot=names.lot(back.lot_id),
        serial=serial.serial if serial else None,
    )


def _movement(row: StockMovement, lines: list[MovementLine], names: Names) -> MovementItem:
    paper = None
    if row.reference_kind and row.reference_id:
        paper = PaperRef(kind=row.reference_kind, id=row.reference_id, number=row.reference_number or "")
    return MovementItem(
        id=row.id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        offline=row.offline,
        by=names.person(row.by_id),
        work_order=order_ref(row.work_order_id, row.work_order_number),
        asset=names.asset(row.asset_id),
        reference=paper,
        reason=row.reason,
        note=row.note,
        lines=lines,
    )
