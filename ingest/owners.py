"""What becomes of devices when the asset that they measure ends its life or changes hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.instrumentation import Binding, asset_bindings
from assets.positions import Position
from assets.registry import Asset
from ingest.identity import revoke_device
from ingest.models import Device, Series, Stream

ENDED_KINDS = frozenset({"asset.decommissioned"})
TRANSFERRED_KINDS = frozenset({"asset.transferred"})


def revoke_idle(session: Session, event: Event, now: datetime) -> None:
    """Revoke the identity of devices that measured a retired asset and measure nothing else. Harmless twice."""
    for device in _devices(session, event.payload.get("devices", ())):
        if not _measures(session, device.id):
            revoke_device(session, device, "asset decommissioned", now, actor_id=event.actor_id)


def change_owner(session: Session, event: Event, now: datetime) -> None:
    """Give the devices that measure only what the new owner has to him, with their series.

    A gateway that measures others' assets too stays where it is: its owner decides who sees it. Harmless twice.
    """
    asset = session.get(Asset, event.subject_id, populate_existing=True)
    if asset is None:
        return
    owner = asset.organisation_id
    for device in _devices(session, event.payload.get("devices", ())):
        if device.organisation_id == owner or _owners(session, device.id) != {owner}:
            continue
        device.organisation_id = owner
        device.units_version += 1  # ingest forgets what it remembers of the device's streams
        streams = select(Stream.id).where(Stream.device_id == device.id)
        session.execute(update(Series).where(Series.stream_id.in_(streams)).values(organisation_id=owner))
        session.execute(update(Stream).where(Stream.device_id == device.id).values(organisation_id=owner))
        session.flush()


def _devices(session: Session, keys: Iterable[str]) -> Iterator[Device]:
    wanted = sorted(UUID(key) for key in keys)
    yield from session.scalars(select(Device).where(Device.id.in_(wanted)).order_by(Device.id).with_for_update()).all()


def _measures(session: Session, device_id: UUID) -> bool:
    """True while one of its channels is bound to an asset, or to a position where one may stand again."""
    bound = exists().where(Binding.device_id == device_id, Binding.valid_to.is_(None))
    return bool(session.scalar(select(bound)))


def _owners(session: Session, device_id: UUID) -> set[UUID]:
    """Return who owns what the device measures now."""
    now_bound = select(asset_bindings.c.asset_id).where(
        asset_bindings.c.device_id == device_id, asset_bindings.c.valid_to.is_(None)
    )
    owners = set(session.scalars(select(Asset.organisation_id).where(Asset.id.in_(now_bound)).distinct()))
    places = (
        select(Position.organisation_id)
        .join(Binding, Binding.position_id == Position.id)
        .where(Binding.device_id == device_id, Binding.valid_to.is_(None))
    )
    return owners | set(session.scalars(places))
