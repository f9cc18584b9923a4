"""Alarms that people put aside, over HTTP: shelved for a while, or out of service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.errors import NotFound
from assets.registry import Asset
from gateway.api.alarm_rows import PersonRef, people_refs
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.findings import AssetOfFinding
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.alarm_models import AlarmHold
from maintenance.alarm_states import OUT_OF_SERVICE
from maintenance.holds import MAX_KEY, MAX_REASON, end_hold, hold_alarm

router = APIRouter(prefix="/api/v1", tags=["alarms"])


class HoldItem(BaseModel):
    """One hold; without a key it holds all alarms of the asset."""

    id: UUID
    asset: AssetOfFinding
    key: str | None
    kind: str
    since: datetime
    until: datetime | None
    reason: str
    by: PersonRef | None
    ended_at: datetime | None


class Holds(BaseModel):
    """A page of holds."""

    items: list[HoldItem]
    next: str | None = None


class NewHold(BaseModel):
    """What to put aside."""

    asset_id: UUID
    key: Annotated[str | None, Field(min_length=1, max_length=MAX_KEY)] = None
    kind: Literal["shelved", "out_of_service"]
    until: Moment | None = None
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


@router.get("/alarm-holds", operation_id="list_alarm_holds")
def list_alarm_holds(
    here: Here,
    asset_id: UUID | None = None,
    active: bool | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Holds:
    """List holds, newest first; `active=true` only those that stand."""
    here.require("finding.read")
    query = select(AlarmHold).order_by(AlarmHold.id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(AlarmHold.asset_id == asset_id)
    if active is not None:
        stands = AlarmHold.ended_at.is_(None) & or_(AlarmHold.until.is_(None), AlarmHold.until > here.now)
        query = query.where(stands if active else ~stands)
    if after is not None:
        query = query.where(AlarmHold.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Holds(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/alarm-holds", operation_id="create_alarm_hold", status_code=201)
def create_alarm_hold(body: NewHold, here: Here) -> HoldItem:
    """Put an alarm of an asset, or all of them, aside."""
    here.require("alarm.remove_from_service" if body.kind == OUT_OF_SERVICE else "alarm.shelve")
    asset = here.session.get(Asset, body.asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    hold = hold_alarm(
        here.session, asset, body.kind, body.reason, here.now, key=body.key, until=body.until, by=here.actor
    )
    return _items(here, [hold])[0]


@router.post("/alarm-holds/{hold_id}/end", operation_id="end_alarm_hold")
def end_alarm_hold(hold_id: UUID, here: Here) -> HoldItem:
    """Let it speak again: what was held back is decided anew."""
    hold = here.session.get(AlarmHold, hold_id)
    if hold is None:
        raise NotFound("no such hold", kind="alarm_hold")
    here.require("alarm.remove_from_service" if hold.kind == OUT_OF_SERVICE else "alarm.shelve")
    return _items(here, [end_hold(here.session, hold, here.now, by=here.actor)])[0]


def _items(here: Context, holds: Sequence[AlarmHold]) -> list[HoldItem]:
    found = here.session.scalars(select(Asset).where(Asset.id.in_({hold.asset_id for hold in holds})))
    assets = {asset.id: AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial) for asset in found}
    people = people_refs(here, [hold.by_id for hold in holds])
    return [
        HoldItem(
            id=hold.id,
            asset=assets[hold.asset_id],
            key=hold.key,
            kind=hold.kind,
            since=hold.since,
            until=hold.until,
            reason=hold.reason,
            by=people.get(hold.by_id) if hold.by_id else None,
            ended_at=hold.ended_at,
        )
        for hold in holds
        if hold.asset_id in assets
    ]
