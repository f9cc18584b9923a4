"""What work costs, as people enter it: for a machine, a model, or any."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.registry import Asset, AssetModel
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Ref, locked, named, named_assets
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.desk.tables import DeskCost
from maintenance.desk.waiting import AMOUNTS, check_costs

router = APIRouter(prefix="/api/v1", tags=["planner"])

Money = Annotated[float | None, Field(ge=0, le=1e12, allow_inf_nan=False)]
Hours = Annotated[float | None, Field(ge=0, le=87_660, allow_inf_nan=False)]


class DeskCostBody(BaseModel):
    """What work costs, on one machine, on those of a model, or (neither) on any."""

    asset_id: UUID | None = None
    asset_model_id: UUID | None = None
    planned_cost: Money = None
    planned_downtime_hours: Hours = None
    unplanned_cost: Money = None
    unplanned_factor: Annotated[float | None, Field(ge=1, le=1000, allow_inf_nan=False)] = None
    unplanned_downtime_hours: Hours = None
    downtime_cost_per_hour: Money = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "CNY"
    note: Annotated[str | None, Field(max_length=1000)] = None


class DeskCostItem(DeskCostBody):
    """An entry of costs."""

    id: UUID
    asset: Ref | None
    asset_model: Ref | None
    changed_at: datetime
    version: int


class DeskCosts(BaseModel):
    """A page of entries."""

    items: list[DeskCostItem]
    next: str | None = None


@router.get("/desk-costs", operation_id="list_desk_costs")
def list_desk_costs(here: Here, limit: Limit = 100, after: After = None) -> DeskCosts:
    """What people entered about costs, newest first."""
    here.require("price.read")
    query = select(DeskCost).order_by(DeskCost.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(DeskCost.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    items = [_cost(here, row) for row in page]
    return DeskCosts(items=items, next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/desk-costs", operation_id="add_desk_cost", status_code=201)
def add_desk_cost(body: DeskCostBody, here: Here) -> DeskCostItem:
    """Enter costs; 409 where there is an entry for the same already."""
    here.require("policy.manage")
    if body.asset_id is not None and body.asset_model_id is not None:
        raise Invalid("a machine or a model, not both", field="asset_model_id")
    check_costs(body.model_dump())
    asset = named(here, Asset, body.asset_id, "asset_id")
    named(here, AssetModel, body.asset_model_id, "asset_model_id")
    owner = asset.organisation_id if asset is not None else here.actor.organisation_id
    row = DeskCost(organisation_id=owner, asset_id=body.asset_id, asset_model_id=body.asset_model_id)
    _write(row, body, here.now)
    try:
        with here.session.begin_nested():
            here.session.add(row)
            here.session.flush()
    except IntegrityError:
        raise Conflict("there are costs for the same already", field="asset_id", reason="desk_cost_there") from None
    _log(here, row, "desk_cost.added")
    return _cost(here, row)


@router.put("/desk-costs/{cost_id}", operation_id="change_desk_cost")
def change_desk_cost(cost_id: UUID, body: DeskCostBody, here: Here, if_match: IfMatch = None) -> DeskCostItem:
    """Change the amounts; for whom they are stays."""
    here.require("policy.manage")
    row = locked(here, DeskCost, cost_id, "desk_cost", if_match)
    check_costs(body.model_dump())
    _write(row, body, here.now)
    row.version += 1
    here.session.flush()
    _log(here, row, "desk_cost.changed")
    return _cost(here, row)


@router.delete("/desk-costs/{cost_id}", operation_id="remove_desk_cost", status_code=204)
def remove_desk_cost(cost_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Forget an entry."""
    here.require("policy.manage")
    row = locked(here, DeskCost, cost_id, "desk_cost", if_match)
    _log(here, row, "desk_cost.removed")
    here.session.delete(row)


def _write(row: DeskCost, body: DeskCostBody, now: datetime) -> None:
    for name in AMOUNTS:
        value = getattr(body, name)
        money = name.endswith(("cost", "per_hour"))
        setattr(row, name, None if value is None else Decimal(repr(value)) if money else value)
    row.currency, row.note, row.changed_at = body.currency, body.note, now


def _cost(here: Context, row: DeskCost) -> DeskCostItem:
    asset = named_assets(here, [row.asset_id])[row.asset_id] if row.asset_id is not None else None
    model = here.session.get(AssetModel, row.asset_model_id) if row.asset_model_id is not None else None
    amounts = {name: None if (value := getattr(row, name)) is None else float(value) for name in AMOUNTS}
    return DeskCostItem(
        **amounts,
        id=row.id,
        asset_id=row.asset_id,
        asset_model_id=row.asset_model_id,
        asset=Ref(id=asset.id, name=asset.name) if asset is not None else None,
        asset_model=Ref(id=model.id, name=model.code) if model is not None else None,
        currency=row.currency,
        note=row.note,
        changed_at=row.changed_at,
        version=row.version,
    )


def _log(here: Context, row: DeskCost, kind: str) -> None:
    amounts = {name: float(value) for name in AMOUNTS if (value := getattr(row, name)) is not None}
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="desk_cost",
        subject_id=row.id,
        asset_id=row.asset_id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"amounts": amounts, "currency": row.currency},
    )
