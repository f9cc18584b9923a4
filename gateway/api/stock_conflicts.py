"""Late movements that could not be booked, for a storekeeper to decide about."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.access import may
from assets.stock import conflicts
from assets.stock.tables import StockConflict
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_movements import resolver
from gateway.api.stock_rows import Names, PersonRef, Reason
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class ConflictItem(BaseModel):
    """A movement made offline that could not be booked."""

    id: UUID
    operation_id: UUID
    occurred_at: datetime
    received_at: datetime
    by: PersonRef | None
    code: str
    params: dict[str, Any]
    operation: dict[str, Any]
    state: str
    legal: list[str]
    resolved_by: PersonRef | None
    resolved_at: datetime | None
    reason: str | None
    movement_id: UUID | None


class Conflicts(BaseModel):
    """A page of conflicts."""

    items: list[ConflictItem]
    next: str | None = None


class Resolution(BaseModel):
    """book, count_and_book or dismiss, and why."""

    action: str
    reason: Reason


@router.get("/stock-conflicts", operation_id="list_stock_conflicts")
def list_stock_conflicts(
    here: Here, state: str | None = None, by_me: bool = False, limit: Limit = 100, after: After = None
) -> Conflicts:
    """List movements that came too late to be booked, newest first."""
    here.require("stock.read")
    query = select(StockConflict).order_by(StockConflict.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(StockConflict.state == state)
    if by_me:
        query = query.where(StockConflict.by_id == (here.actor.person_id or UUID(int=0)))
    if after:
        query = query.where(StockConflict.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Conflicts(items=_conflicts(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.get("/stock-conflicts/{conflict_id}", operation_id="get_stock_conflict")
def get_stock_conflict(conflict_id: UUID, here: Here) -> ConflictItem:
    """One of them."""
    here.require("stock.read")
    return _conflicts(here, [conflicts.get_conflict(here.session, conflict_id)])[0]


@router.post("/stock-conflicts/{conflict_id}/resolve", operation_id="resolve_stock_conflict")
def resolve_stock_conflict(conflict_id: UUID, body: Resolution, here: Here) -> ConflictItem:
    """Book it as it is, book it after counting in what it took, or dismiss it."""
    here.require("stock.manage")
    conflict = conflicts.get_conflict(here.session, conflict_id, lock=True)
    conflicts.resolve(here.session, conflict, body.action, body.reason, here.now, here.actor, resolver(here))
    return _conflicts(here, [conflict])[0]


def _conflicts(here: Context, rows: list[StockConflict]) -> list[ConflictItem]:
    names = Names(here).load(people=[key for row in rows for key in (row.by_id, row.resolved_by_id)])
    legal = list(conflicts.ACTIONS) if may(here.actor, "stock.manage") else []
    return [
        ConflictItem(
            id=row.id,
            operation_id=row.operation_id,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            by=names.person(row.by_id),
            code=row.code,
            params=row.params,
            operation=row.operation,
            state=row.state,
            legal=legal if row.state == "open" else [],
            resolved_by=names.person(row.resolved_by_id),
            resolved_at=row.resolved_at,
            reason=row.reason,
            movement_id=row.movement_id,
        )
        for row in rows
    ]
