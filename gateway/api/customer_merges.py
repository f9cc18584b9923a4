"""Customer records that are one: find them, put them together, take them apart again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Forbidden, Invalid, NotFound
from assets.registry import Customer
from assets.warranty.customers import duplicates_of, merge, undo_merge
from assets.warranty.tables import CustomerMerge
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import Named, customer_names, require_serving

router = APIRouter(prefix="/api/v1", tags=["customers"])

Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class CustomerNamed(Named):
    """A customer by id, name and number."""

    number: str


class Duplicate(BaseModel):
    """A record that may be the same customer, and what speaks for it: phone, email, name."""

    customer: CustomerNamed
    because: list[str]


class Duplicates(BaseModel):
    """Records that may be one with a customer, the surest first."""

    items: list[Duplicate]
    next: str | None = None


class MergeInto(BaseModel):
    """The record that is kept."""

    into_id: UUID
    reason: Reason


class Undo(BaseModel):
    """Why a merge is undone."""

    reason: Reason


class MergeItem(BaseModel):
    """One record put into another; `moved`: how many rows of what went over."""

    id: UUID
    kept: Named | None
    merged: Named | None
    because: str
    reason: str
    moved: dict[str, int]
    merged_at: datetime
    undone_at: datetime | None
    undo_reason: str | None
    legal: list[str]


class Merges(BaseModel):
    """One page of merges."""

    items: list[MergeItem]
    next: str | None = None


@router.get("/customers/{customer_id}/duplicates", operation_id="list_customer_duplicates")
def list_duplicates(customer_id: UUID, here: Here) -> Duplicates:
    """Records that may be the same customer."""
    here.require("customer.merge")
    found = duplicates_of(here.session, _customer(here, customer_id))
    return Duplicates(
        items=[
            Duplicate(customer=CustomerNamed(id=other.id, name=other.name, number=other.number), because=because)
            for other, because in found
        ]
    )


@router.post("/customers/{customer_id}/merge", operation_id="merge_customer", status_code=201)
def merge_customer(customer_id: UUID, body: MergeInto, here: Here) -> MergeItem:
    """Put a customer into another: assets, cards, contracts and requests move over; the merge can be undone."""
    here.require("customer.merge")
    require_serving(here)
    other = _customer(here, customer_id)
    kept = here.session.get(Customer, body.into_id)
    if kept is None:
        raise Invalid("no such customer", field="into_id")
    for each in (kept, other):
        _require_own(here, each)
    made = merge(here.session, kept, other, here.now, reason=body.reason, by_id=here.actor.person_id)
    return _items(here, [made])[0]


@router.get("/customer-merges", operation_id="list_customer_merges")
def list_merges(here: Here, customer_id: UUID | None = None, limit: Limit = 100, after: After = None) -> Merges:
    """Merges, newest first."""
    here.require("customer.merge")
    query = select(CustomerMerge).order_by(CustomerMerge.id.desc()).limit(limit + 1)
    if customer_id is not None:
        query = query.where((CustomerMerge.kept_id == customer_id) | (CustomerMerge.merged_id == customer_id))
    if after is not None:
        query = query.where(CustomerMerge.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Merges(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/customer-merges/{merge_id}/undo", operation_id="undo_customer_merge")
def undo(merge_id: UUID, body: Undo, here: Here) -> MergeItem:
    """Take two records apart again; what was moved on since stays where it is."""
    here.require("customer.merge")
    require_serving(here)
    done = here.session.get(CustomerMerge, merge_id)
    if done is None:
        raise NotFound("no such merge", kind="customer_merge")
    undo_merge(here.session, done, here.now, reason=body.reason, by_id=here.actor.person_id)
    return _items(here, [done])[0]


def _customer(here: Context, customer_id: UUID) -> Customer:
    customer = here.session.get(Customer, customer_id)
    if customer is None:
        raise NotFound("no such customer", kind="customer")
    return customer


def _require_own(here: Context, customer: Customer) -> None:
    """An executor of an order sees its customer, and does not change it."""
    locked = here.session.scalar(select(Customer.id).where(Customer.id == customer.id).with_for_update())
    if locked is None:
        raise Forbidden("this customer belongs to another organisation", kind="customer")


def _items(here: Context, rows: list[CustomerMerge]) -> list[MergeItem]:
    named = customer_names(here, [key for each in rows for key in (each.kept_id, each.merged_id)])
    return [
        MergeItem(
            id=each.id,
            kept=named.get(each.kept_id),
            merged=named.get(each.merged_id),
            because=each.because,
            reason=each.reason,
            moved={table: len(ids) for table, ids in each.moved.items()},
            merged_at=each.merged_at,
            undone_at=each.undone_at,
            undo_reason=each.undo_reason,
            legal=["undo"] if each.undone_at is None else [],
        )
        for each in rows
    ]
