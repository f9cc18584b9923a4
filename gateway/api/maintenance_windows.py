"""Maintenance windows over HTTP: when work on what is planned, so that nothing opens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.errors import NotFound
from assets.base.events import append_event
from assets.registry import Asset, AssetModel, Site
from gateway.api.alarm_rows import PersonRef, people_refs
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.alarm_models import MaintenanceWindow
from maintenance.windows import check_window, next_span, span_at, wake_held_by, windows_for

router = APIRouter(prefix="/api/v1", tags=["alarms"])

Name = Annotated[str, Field(min_length=1, max_length=200)]
Hours = dict[Annotated[str, Field(pattern="^[0-6]$")], list[Annotated[list[str], Field(min_length=2, max_length=2)]]]
Note = Annotated[str | None, Field(max_length=1000)]
Zone = Annotated[str, Field(min_length=1, max_length=100)]


class Scope(BaseModel):
    """What the window is about; an asset includes its parts."""

    kind: Literal["asset", "site", "model", "all"]
    id: UUID | None
    name: str | None


class WindowItem(BaseModel):
    """One window; `hours` null: the whole stretch from `starts_at` to `ends_at`."""

    id: UUID
    name: str
    scope: Scope
    starts_at: datetime
    ends_at: datetime | None
    hours: Hours | None
    time_zone: str
    note: str | None
    by: PersonRef | None
    active: bool
    next_start_at: datetime | None
    next_end_at: datetime | None


class Windows(BaseModel):
    """A page of windows."""

    items: list[WindowItem]
    next: str | None = None


class NewWindow(BaseModel):
    """A window for one asset with its parts, one site, one model, or (none of these) all assets."""

    name: Name
    asset_id: UUID | None = None
    site_id: UUID | None = None
    asset_model_id: UUID | None = None
    starts_at: Moment
    ends_at: Moment | None = None
    hours: Hours | None = None
    time_zone: Zone = "UTC"
    note: Note = None


class WindowChange(BaseModel):
    """What is to change; the rest stays, the scope always."""

    name: Name | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    hours: Hours | None = None
    time_zone: Zone | None = None
    note: Note = None


@router.get("/maintenance-windows", operation_id="list_maintenance_windows")
def list_maintenance_windows(
    here: Here, asset_id: UUID | None = None, active: bool | None = None, limit: Limit = 100, after: After = None
) -> Windows:
    """List windows, newest first; of one asset those that are about it, `active=true` those that hold now."""
    here.require("asset.read")
    query = select(MaintenanceWindow).order_by(MaintenanceWindow.id.desc()).limit(limit + 1)
    if asset_id is not None:
        asset = here.session.get(Asset, asset_id)
        if asset is None:
            raise NotFound("no such asset", kind="asset")
        everything = here.now.replace(year=here.now.year + 100)
        about = windows_for(here.session, asset, here.now, everything)
        query = query.where(MaintenanceWindow.id.in_([window.id for window in about]))
    if active is not None:
        may_hold = (MaintenanceWindow.starts_at <= here.now) & or_(
            MaintenanceWindow.ends_at.is_(None), MaintenanceWindow.ends_at > here.now
        )
        query = query.where(may_hold) if active else query
    if after is not None:
        query = query.where(MaintenanceWindow.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    items = [item for item in _items(here, page) if active in (None, item.active)]
    return Windows(items=items, next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/maintenance-windows", operation_id="create_maintenance_window", status_code=201)
def create_maintenance_window(body: NewWindow, here: Here) -> WindowItem:
    """Plan a window."""
    here.require("maintenance_window.manage")
    window = MaintenanceWindow(
        organisation_id=here.actor.organisation_id, **body.model_dump(), by_id=here.actor.person_id
    )
    check_window(window)
    for kind, key in ((Asset, window.asset_id), (Site, window.site_id), (AssetModel, window.asset_model_id)):
        if key is not None and here.session.get(kind, key) is None:
            raise NotFound("what the window is about is not there", kind=kind.__tablename__)
    here.session.add(window)
    here.session.flush()
    _log(here, window, "maintenance_window.planned")
    return _items(here, [window])[0]


@router.patch("/maintenance-windows/{window_id}", operation_id="change_maintenance_window")
def change_maintenance_window(window_id: UUID, body: WindowChange, here: Here) -> WindowItem:
    """Change a window; what it held back is decided anew."""
    here.require("maintenance_window.manage")
    window = _window(here, window_id)
    with here.session.no_autoflush:
        for name in body.model_fields_set:
            value = getattr(body, name)
            if value is not None or name in ("ends_at", "hours", "note"):
                setattr(window, name, value)
        check_window(window)
    here.session.flush()
    wake_held_by(here.session, window.id, here.now)
    _log(here, window, "maintenance_window.changed")
    return _items(here, [window])[0]


@router.post("/maintenance-windows/{window_id}/end", operation_id="end_maintenance_window")
def end_maintenance_window(window_id: UUID, here: Here) -> WindowItem:
    """End a window now; it stays in the list."""
    here.require("maintenance_window.manage")
    window = _window(here, window_id)
    if window.ends_at is None or window.ends_at > here.now:
        window.ends_at = max(here.now, window.starts_at)
        here.session.flush()
        wake_held_by(here.session, window.id, here.now)
        _log(here, window, "maintenance_window.ended")
    return _items(here, [window])[0]


@router.delete("/maintenance-windows/{window_id}", operation_id="delete_maintenance_window", status_code=204)
def delete_maintenance_window(window_id: UUID, here: Here) -> None:
    """Remove a window."""
    here.require("maintenance_window.manage")
    window = _window(here, window_id)
    wake_held_by(here.session, window.id, here.now)
    _log(here, window, "maintenance_window.removed")
    here.session.delete(window)
    here.session.flush()


def _window(here: Context, window_id: UUID) -> MaintenanceWindow:
    locked = select(MaintenanceWindow).where(MaintenanceWindow.id == window_id).with_for_update()
    window = here.session.scalar(locked)
    if window is None:
        raise NotFound("no such maintenance window", kind="maintenance_window")
    return window


def _items(here: Context, windows: Sequence[MaintenanceWindow]) -> list[WindowItem]:
    session = here.session
    assets = select(Asset.id, Asset.name).where(Asset.id.in_({w.asset_id for w in windows if w.asset_id}))
    sites = select(Site.id, Site.name).where(Site.id.in_({w.site_id for w in windows if w.site_id}))
    models = select(AssetModel.id, AssetModel.code).where(
        AssetModel.id.in_({w.asset_model_id for w in windows if w.asset_model_id})
    )
    names = {key: name for query in (assets, sites, models) for key, name in session.execute(query)}
    people = people_refs(here, [window.by_id for window in windows])
    return [_item(here, window, names, people) for window in windows]


def _item(
    here: Context, window: MaintenanceWindow, names: dict[UUID, str], people: dict[UUID, PersonRef]
) -> WindowItem:
    scopes: tuple[tuple[Literal["asset", "site", "model"], UUID | None], ...] = (
        ("asset", window.asset_id),
        ("site", window.site_id),
        ("model", window.asset_model_id),
    )
    scope = next((Scope(kind=kind, id=key, name=names.get(key)) for kind, key in scopes if key is not None), None)
    coming = next_span(window, here.now)
    return WindowItem(
        id=window.id,
        name=window.name,
        scope=scope or Scope(kind="all", id=None, name=None),
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        hours=window.hours,
        time_zone=window.time_zone,
        note=window.note,
        by=people.get(window.by_id) if window.by_id else None,
        active=span_at(window, here.now) is not None,
        next_start_at=coming.start if coming else None,
        next_end_at=coming.end if coming else None,
    )


def _log(here: Context, window: MaintenanceWindow, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=window.organisation_id,
        subject_kind="maintenance_window",
        subject_id=window.id,
        asset_id=window.asset_id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={
            "name": window.name,
            "starts_at": window.starts_at.isoformat(),
            "ends_at": window.ends_at.isoformat() if window.ends_at else None,
        },
    )
