"""Positions: places where assets are swapped, who stood there when, and which channels measure there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.errors import Invalid, NotFound
from assets.instrumentation import Binding, bind
from assets.positions import (
    Position,
    add_position,
    install,
    installations_of,
    remove,
    rename_position,
    standing_at,
)
from assets.registry import Asset, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Name, Ref, contains, locked
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ingest.models import Device

router = APIRouter(prefix="/api/v1", tags=["positions"])


class NewPosition(BaseModel):
    """A place to name."""

    name: Name
    site_id: UUID | None = None


class PositionChange(BaseModel):
    """What the place is called from now on."""

    name: Name


class StandingAsset(BaseModel):
    """Which asset stands at a place now."""

    id: UUID
    name: str
    serial: str


class InstallationRow(BaseModel):
    """An asset stood there in [valid_from, valid_to)."""

    asset_id: UUID
    asset_name: str
    asset_serial: str
    valid_from: datetime
    valid_to: datetime | None


class ChannelRow(BaseModel):
    """A device's channel that measures what stands there."""

    device_id: UUID
    device: str
    channel: str
    valid_from: datetime | None
    valid_to: datetime | None


class PositionItem(BaseModel):
    """A place and what stands there now; `asset` is null where nothing stands, or nothing that the reader sees."""

    id: UUID
    name: str
    site_id: UUID | None
    site: Ref | None
    asset_id: UUID | None
    asset: StandingAsset | None


class PositionDetail(PositionItem):
    """A place with its history, newest first, and its channels."""

    installations: list[InstallationRow]
    channels: list[ChannelRow]


class PositionPage(BaseModel):
    """One page of places."""

    items: list[PositionItem]
    next: str | None


class Swap(BaseModel):
    """Which asset stands there from `at` (event time) on; null: none. `at` left out: now."""

    asset_id: UUID | None
    at: Moment | None = None


class NewChannel(BaseModel):
    """A device's channel that measures whatever stands there from `at` on; left out: since ever."""

    device_id: UUID
    channel: str = Field(default="", max_length=128)
    at: Moment | None = None


@router.get("/positions", operation_id="list_positions")
def list_positions(
    here: Here, q: str | None = None, site_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> PositionPage:
    """List places by name; `q` looks in the name."""
    here.require("asset.read")
    statement = select(Position).order_by(Position.name, Position.id).limit(limit + 1)
    if q:
        statement = statement.where(Position.name.ilike(contains(q)))
    if site_id is not None:
        statement = statement.where(Position.site_id == site_id)
    if after:
        name, key = read_cursor(after, str, UUID)
        statement = statement.where(tuple_(Position.name, Position.id) > tuple_(name, key))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(rows) > limit else None
    return PositionPage(items=_items(here, page), next=following)


@router.post("/positions", operation_id="create_position", status_code=201)
def create_position(body: NewPosition, here: Here) -> PositionDetail:
    """Name a place."""
    here.require("asset.manage")
    owner = here.actor.organisation_id
    if body.site_id is not None:
        site = here.session.get(Site, body.site_id)
        if site is None:
            raise Invalid("no such site", field="site_id")
        owner = site.organisation_id
    position = add_position(
        here.session, organisation_id=owner, name=body.name.strip(), site_id=body.site_id, now=here.now
    )
    return _detail(here, position)


@router.get("/positions/{position_id}", operation_id="get_position")
def get_position(position_id: UUID, here: Here) -> PositionDetail:
    """One place with who stood there and what measures there."""
    here.require("asset.read")
    return _detail(here, _position(here, position_id))


@router.patch("/positions/{position_id}", operation_id="change_position")
def change_position(position_id: UUID, body: PositionChange, here: Here) -> PositionDetail:
    """Give a place another name; who stood there and what measures there stays."""
    here.require("asset.manage")
    position = locked(here, Position, position_id, "position")
    rename_position(here.session, position, body.name.strip(), here.actor, here.now)
    return _detail(here, position)


@router.post("/positions/{position_id}/install", operation_id="install_asset")
def install_asset(position_id: UUID, body: Swap, here: Here) -> PositionDetail:
    """Swap: what stood there ends at that moment, and so does the asset's stay elsewhere."""
    here.require("asset.manage")
    position = _position(here, position_id)
    at = body.at or here.now
    if body.asset_id is None:
        remove(here.session, position, at, here.now)
        return _detail(here, position)
    asset = here.session.get(Asset, body.asset_id)
    if asset is None:
        raise Invalid("no such asset", field="asset_id")
    install(here.session, position, asset, at, here.now)
    return _detail(here, position)


@router.post("/positions/{position_id}/channels", operation_id="bind_position")
def bind_position(position_id: UUID, body: NewChannel, here: Here) -> PositionDetail:
    """Bind a device's channel to the place; what it measured before ends then."""
    here.require("asset.manage")
    position = _position(here, position_id)
    device = here.session.get(Device, body.device_id)
    if device is None:
        raise Invalid("no such device", field="device_id")
    bind(
        here.session,
        organisation_id=device.organisation_id,
        device_id=device.id,
        channel=body.channel,
        position_id=position.id,
        at=body.at,
    )
    return _detail(here, position)


def _position(here: Context, position_id: UUID) -> Position:
    position = here.session.get(Position, position_id)
    if position is None:
        raise NotFound("no such position")
    return position


def _items(here: Context, positions: Sequence[Position]) -> list[PositionItem]:
    standing = standing_at(here.session, [position.id for position in positions])
    assets = {
        row.id: StandingAsset(id=row.id, name=row.name, serial=row.serial)
        for row in here.session.execute(
            select(Asset.id, Asset.name, Asset.serial).where(Asset.id.in_(standing.values()))
        )
    }
    wanted = {position.site_id for position in positions if position.site_id is not None}
    named = here.session.execute(select(Site.id, Site.name).where(Site.id.in_(wanted)))
    sites = {key: Ref(id=key, name=name) for key, name in named}
    return [
        PositionItem(
            id=position.id,
            name=position.name,
            site_id=position.site_id,
            site=sites.get(position.site_id) if position.site_id else None,
            asset_id=standing.get(position.id),
            asset=assets.get(standing[position.id]) if position.id in standing else None,
        )
        for position in positions
    ]


def _detail(here: Context, position: Position) -> PositionDetail:
    installations = installations_of(here.session, position.id)
    names = {
        asset.id: asset
        for asset in here.session.scalars(select(Asset).where(Asset.id.in_([each.asset_id for each in installations])))
    }
    channels = here.session.execute(
        select(Binding, Device.serial)
        .join(Device, Device.id == Binding.device_id)
        .where(Binding.position_id == position.id)
        .order_by(Device.serial, Binding.channel)
    )
    return PositionDetail(
        **_items(here, [position])[0].model_dump(),
        installations=[
            InstallationRow(
                asset_id=each.asset_id,
                asset_name=names[each.asset_id].name,
                asset_serial=names[each.asset_id].serial,
                valid_from=each.valid_from,
                valid_to=each.valid_to,
            )
            for each in installations
            if each.asset_id in names
        ],
        channels=[
            ChannelRow(
                device_id=each.device_id,
                device=serial,
                channel=each.channel,
                valid_from=each.valid_from,
                valid_to=each.valid_to,
            )
            for each, serial in channels
        ],
    )
