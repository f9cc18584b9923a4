"""What contracts include and what of it was used: balances, and the ledger that makes them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Invalid, NotFound
from assets.contracts.agreements import entitlements_of
from assets.contracts.ledger import balance_at, day_of, enter, last_day_of, undo
from assets.contracts.tables import ContractAsset, Entitlement, EntitlementEntry
from assets.registry import Asset
from gateway.api.contracts import contract_locked, contract_seen
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import Named
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["contracts"])


class EntitlementNamed(BaseModel):
    """An entitlement by its names."""

    id: UUID
    key: str
    kind: str
    unit: str
    name_en: str
    name_zh: str


class BalanceItem(BaseModel):
    """What a period holds: granted = what the contract gives and what was carried over; the rest sums of entries."""

    entitlement: EntitlementNamed
    period_start: date
    period_end: date
    granted: float
    reserved: float
    consumed: float
    available: float


class Balances(BaseModel):
    """The balances of one day's periods; none outside the contract's days."""

    items: list[BalanceItem]
    next: str | None = None


class NewEntry(BaseModel):
    """Reserve or consume (entitlement and quantity), or take an entry back (release a reservation, correct a use)."""

    kind: Literal["reserve", "consume", "release", "correct"]
    entitlement_id: UUID | None = None
    quantity: Annotated[Decimal, Field(gt=0, le=99_999_999, max_digits=14, decimal_places=3)] | None = None
    entry_id: UUID | None = None
    at: Moment | None = None
    work_order_id: UUID | None = None
    line_id: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    asset_id: UUID | None = None
    reason: Annotated[str, Field(max_length=1000)] | None = None


class EntryItem(BaseModel):
    """One entry of the ledger; `undone`: another one has taken it back."""

    id: UUID
    kind: str
    entitlement: EntitlementNamed
    quantity: float
    period_start: date
    work_order: Named | None
    line_id: str | None
    asset_id: UUID | None
    undoes_id: UUID | None
    undone: bool
    reason: str | None
    at: datetime
    created_at: datetime
    legal: list[str]


class Entries(BaseModel):
    """One page of the ledger."""

    items: list[EntryItem]
    next: str | None = None


@router.get("/contracts/{contract_id}/balances", operation_id="get_contract_balances")
def get_balances(contract_id: UUID, here: Here, at: AwareDatetime | None = None) -> Balances:
    """What is left of each entitlement in the period of a moment (now), replayed from the ledger."""
    here.require("contract.read")
    contract = contract_seen(here, contract_id)
    day = day_of(contract, at or here.now)
    if not contract.starts_on <= day <= last_day_of(contract):
        return Balances(items=[])
    items = []
    for entitlement in entitlements_of(here.session, contract.id):
        balance = balance_at(here.session, contract, entitlement, day)
        items.append(
            BalanceItem(
                entitlement=_named(entitlement),
                period_start=balance.period_start,
                period_end=balance.period_end,
                granted=float(balance.granted),
                reserved=float(balance.reserved),
                consumed=float(balance.consumed),
                available=float(balance.available),
            )
        )
    return Balances(items=items)


@router.get("/contracts/{contract_id}/entries", operation_id="list_contract_entries")
def list_entries(
    contract_id: UUID, here: Here, work_order_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> Entries:
    """The ledger, newest first."""
    here.require("contract.read")
    contract = contract_seen(here, contract_id)
    query = select(EntitlementEntry).where(EntitlementEntry.contract_id == contract.id)
    if work_order_id is not None:
        query = query.where(EntitlementEntry.work_order_id == work_order_id)
    if after is not None:
        query = query.where(EntitlementEntry.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query.order_by(EntitlementEntry.id.desc()).limit(limit + 1)))
    page = rows[:limit]
    return Entries(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/contracts/{contract_id}/entries", operation_id="add_contract_entry", status_code=201)
def add_entry(contract_id: UUID, body: NewEntry, here: Here) -> EntryItem:
    """Reserve, consume, release or correct; 409 `nothing_left`, or `consumed_already` for a line used before."""
    here.require("contract.consume")
    contract = contract_locked(here, contract_id)
    at = body.at or here.now
    if body.kind in ("release", "correct"):
        entry = _entry(here, contract.id, body.entry_id)
        if {"release": "reserve", "correct": "consume"}[body.kind] != entry.kind:
            raise Invalid("a reservation is released, a use is corrected", field="kind")
        made = undo(here.session, contract, entry, at=at, now=here.now, reason=body.reason, by_id=here.actor.person_id)
        return _items(here, [made])[0]
    entitlement = here.session.get(Entitlement, body.entitlement_id) if body.entitlement_id else None
    if entitlement is None or entitlement.contract_id != contract.id:
        raise Invalid("the contract has no such entitlement", field="entitlement_id")
    if body.quantity is None:
        raise Invalid("say how much", field="quantity")
    made = enter(
        here.session,
        contract,
        entitlement,
        body.kind,
        body.quantity,
        at=at,
        now=here.now,
        work_order_id=body.work_order_id,
        line_id=body.line_id,
        asset_id=_asset(here, contract.id, body),
        reason=body.reason,
        by_id=here.actor.person_id,
    )
    return _items(here, [made])[0]


def _asset(here: Context, contract_id: UUID, body: NewEntry) -> UUID | None:
    """The asset that it was used for: the order's, which must be one of the contract's."""
    asset_id = body.asset_id
    if body.work_order_id is not None:
        order = here.session.get(WorkOrder, body.work_order_id)
        if order is None:
            raise Invalid("no such work order", field="work_order_id")
        if asset_id not in (None, order.asset_id):
            raise Invalid("the order is about another asset", field="asset_id")
        asset_id = order.asset_id
    if asset_id is None:
        return None
    held = select(ContractAsset.id).where(ContractAsset.contract_id == contract_id, ContractAsset.asset_id == asset_id)
    if here.session.get(Asset, asset_id) is None or here.session.scalar(held) is None:
        raise Invalid("the contract does not hold for this asset", field="asset_id")
    return asset_id


def _entry(here: Context, contract_id: UUID, entry_id: UUID | None) -> EntitlementEntry:
    entry = here.session.get(EntitlementEntry, entry_id) if entry_id else None
    if entry is None or entry.contract_id != contract_id:
        raise NotFound("no such entry", kind="entitlement_entry")
    return entry


def _named(entitlement: Entitlement) -> EntitlementNamed:
    return EntitlementNamed(
        id=entitlement.id,
        key=entitlement.key,
        kind=entitlement.kind,
        unit=entitlement.unit,
        name_en=entitlement.name_en,
        name_zh=entitlement.name_zh,
    )


def _items(here: Context, rows: list[EntitlementEntry]) -> list[EntryItem]:
    session = here.session
    wanted = {each.entitlement_id for each in rows}
    entitlements = {
        each.id: _named(each) for each in session.scalars(select(Entitlement).where(Entitlement.id.in_(wanted)))
    }
    ids = [each.id for each in rows]
    undone = set(session.scalars(select(EntitlementEntry.undoes_id).where(EntitlementEntry.undoes_id.in_(ids))))
    orders = {
        key: Named(id=key, name=number)
        for key, number in session.execute(
            select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_({each.work_order_id for each in rows}))
        )
    }
    return [
        EntryItem(
            id=each.id,
            kind=each.kind,
            entitlement=entitlements[each.entitlement_id],
            quantity=float(each.quantity),
            period_start=each.period_start,
            work_order=orders.get(each.work_order_id) if each.work_order_id else None,
            line_id=each.line_id,
            asset_id=each.asset_id,
            undoes_id=each.undoes_id,
            undone=each.id in undone,
            reason=each.reason,
            at=each.at,
            created_at=each.created_at,
            legal=[] if each.id in undone else {"reserve": ["release"], "consume": ["correct"]}.get(each.kind, []),
        )
        for each in rows
    ]
