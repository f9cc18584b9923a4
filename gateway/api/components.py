"""What is installed in an asset, by serial number, now and at any moment; build in and take out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select

from assets.as_installed import Part, build_in, components_of, installed_at, take_out
from assets.base.errors import Invalid
from assets.components import Component
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, SomeText, locked, locked_asset, named, seen
from gateway.api.findings import AssetOfFinding
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["components"])

Word = Annotated[str | None, Field(min_length=1, max_length=200, pattern=r"\S")]


class ComponentItem(BaseModel):
    """A part was in an asset in [valid_from, valid_to); `child` when it is an asset itself. `depth` counts from 1."""

    id: UUID
    depth: int
    asset: AssetOfFinding
    child: AssetOfFinding | None
    item_number: str | None
    serial: str | None
    lot: str | None
    name: str | None
    quantity: float
    place: str | None
    valid_from: datetime
    valid_to: datetime | None
    installed_work_order_id: UUID | None
    removed_work_order_id: UUID | None
    removed_reason: str | None


class Components(BaseModel):
    """Parts; of a tree wholes come before their parts."""

    items: list[ComponentItem]
    at: datetime | None = None
    next: str | None = None


class NewComponent(BaseModel):
    """A part to build in: an asset, or an item by number and serial; `replaces` is taken out at that moment."""

    asset_id: UUID | None = None
    item_number: Word = None
    serial: Annotated[str | None, Field(min_length=1, max_length=120, pattern=r"\S")] = None
    lot: Word = None
    name: Word = None
    quantity: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 1.0
    place: Word = None
    replaces: UUID | None = None
    at: Moment | None = None
    work_order_id: UUID | None = None


class Removal(BaseModel):
    """When the part left, and why."""

    at: Moment | None = None
    reason: SomeText = None


@router.get("/assets/{asset_id}/as-installed", operation_id="get_as_installed")
def get_as_installed(asset_id: UUID, here: Here, at: Annotated[AwareDatetime | None, Query()] = None) -> Components:
    """All that was in the asset at a moment (left out: now), parts of parts too."""
    here.require("asset.read")
    asset, moment = seen(here, Asset, asset_id, "asset"), at or here.now
    return Components(items=_items(here, installed_at(here.session, asset.id, moment)), at=moment)


@router.get("/assets/{asset_id}/components", operation_id="list_asset_components")
def list_asset_components(asset_id: UUID, here: Here, history: bool = False) -> Components:
    """What is directly in the asset; with `history` also what was."""
    here.require("asset.read")
    asset = seen(here, Asset, asset_id, "asset")
    rows = components_of(here.session, asset.id, past=history)
    return Components(items=_items(here, [(row, 1) for row in rows]))


@router.get("/components", operation_id="list_components")
def list_components(
    here: Here,
    serial: str | None = None,
    item_number: str | None = None,
    installed: bool | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Components:
    """Where parts are and were, by serial or item number, newest first."""
    here.require("asset.read")
    query = select(Component).order_by(Component.id.desc()).limit(limit + 1)
    if serial:
        query = query.where(Component.serial == serial)
    if item_number:
        query = query.where(Component.item_number == item_number)
    if installed is not None:
        query = query.where(Component.valid_to.is_(None) if installed else Component.valid_to.is_not(None))
    if after is not None:
        query = query.where(Component.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].id) if len(found) > limit else None
    return Components(items=_items(here, [(row, 1) for row in page]), next=following)


@router.post("/assets/{asset_id}/components", operation_id="build_in_component", status_code=201)
def build_in_component(asset_id: UUID, body: NewComponent, here: Here) -> ComponentItem:
    """Build a part in."""
    here.require("asset.move")
    whole = locked_asset(here, asset_id)
    child = named(here, Asset, body.asset_id, "asset_id")
    replaces = named(here, Component, body.replaces, "replaces")
    if replaces is not None and replaces.asset_id != whole.id:
        raise Invalid("this part is in another asset", field="replaces")
    part = Part(
        child=child,
        item_number=body.item_number.strip() if body.item_number else None,
        serial=body.serial.strip() if body.serial else None,
        lot=body.lot,
        name=body.name,
        quantity=body.quantity,
        place=body.place.strip() if body.place else None,
    )
    order = named(here, WorkOrder, body.work_order_id, "work_order_id")
    made = build_in(
        here.session,
        whole,
        part,
        body.at or here.now,
        here.now,
        replaces=replaces,
        work_order_id=order.id if order else None,
        by_id=here.actor.person_id,
    )
    return _items(here, [(made, 1)])[0]


@router.post("/components/{component_id}/removal", operation_id="take_out_component", status_code=204)
def take_out_component(component_id: UUID, body: Removal, here: Here) -> None:
    """Take a part out; a second time changes nothing."""
    here.require("asset.move")
    component = locked(here, Component, component_id, "component")
    take_out(here.session, component, body.at or here.now, here.now, reason=body.reason, by_id=here.actor.person_id)


def _items(here: Context, rows: list[tuple[Component, int]]) -> list[ComponentItem]:
    keys = {key for row, _ in rows for key in (row.asset_id, row.child_asset_id) if key is not None}
    found = here.session.execute(select(Asset.id, Asset.name, Asset.serial).where(Asset.id.in_(keys))) if keys else ()
    assets = {key: AssetOfFinding(id=key, name=name, serial=serial) for key, name, serial in found}
    return [
        ComponentItem(
            id=row.id,
            depth=depth,
            asset=assets[row.asset_id],
            child=assets.get(row.child_asset_id) if row.child_asset_id else None,
            item_number=row.item_number,
            serial=row.serial,
            lot=row.lot,
            name=row.name,
            quantity=row.quantity,
            place=row.place,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            installed_work_order_id=row.installed_work_order_id,
            removed_work_order_id=row.removed_work_order_id,
            removed_reason=row.removed_reason,
        )
        for row, depth in rows
        if row.asset_id in assets
    ]
