"""Sub-devices that nobody registered: each becomes the asset of its serial number, so that its readings are seen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assets.positions  # noqa: F401  the places that bindings refer to by name
from assets.instrumentation import Binding, asset_of_serial, bind
from assets.people import root_organisation
from assets.registry import Asset, AssetModel
from ingest.models import Device


def adopt_channels(session: Session, device_id: UUID, channels: Iterable[str], now: datetime) -> None:
    """Bind sub-devices that were never bound to the asset of their serial, made when missing.

    Needs the service role. What somebody has bound, or has ended, stays as it is.
    """
    # Locked: of two writers that see the same new sub-device, the second must find the first one's binding.
    device = session.scalar(select(Device).where(Device.id == device_id).with_for_update())
    if device is None:
        return
    codes = _described_models(device.describe)
    for channel in sorted(channels):  # in this order: devices that name the same assets must not wait for each other
        if channel and not _was_bound(session, device_id, channel):
            _adopt(session, device, channel, codes.get(channel), now)


def _adopt(session: Session, device: Device, channel: str, code: str | None, now: datetime) -> None:
    owner = device.organisation_id
    asset = asset_of_serial(session, owner, _asset_serial(session, device, channel), channel, now, device.demo)
    if asset.asset_model_id is None and code:
        asset.asset_model_id = _model(session, owner, code)
    bind(session, organisation_id=owner, device_id=device.id, channel=channel, asset_id=asset.id, at=None)


def _asset_serial(session: Session, device: Device, channel: str) -> str:
    """The sub-device's own, except below an edge node of Sparkplug: there names need only be unique within the node.

    An asset that has this very serial and is not measured yet is meant all the same.
    """
    if "sparkplug" not in device.describe:
        return channel
    measured = select(Binding.id).where(Binding.asset_id == Asset.id, Binding.valid_to.is_(None)).exists()
    meant = select(Asset.id).where(Asset.organisation_id == device.organisation_id, Asset.serial == channel, ~measured)
    return channel if session.scalar(meant) is not None else f"{device.serial}.{channel}"


def _was_bound(session: Session, device_id: UUID, channel: str) -> bool:
    known = select(Binding.id).where(Binding.device_id == device_id, Binding.channel == channel).limit(1)
    return session.scalar(known) is not None


def _model(session: Session, owner: UUID, code: str) -> UUID | None:
    """The owner's own type of this code, else the operator's."""
    operator = root_organisation(session)
    owners = [owner, operator.id] if operator else [owner]
    found = select(AssetModel.id).where(AssetModel.code == code, AssetModel.organisation_id.in_(owners))
    return session.scalar(found.order_by((AssetModel.organisation_id == owner).desc()).limit(1))


def _described_models(describe: dict[str, Any]) -> dict[str, str]:
    """Sub-devices and their models, as the device described itself; empty before it did."""
    listed = describe.get("assets")
    return {
        each["serial"]: each["model"]
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and isinstance(each.get("serial"), str) and isinstance(each.get("model"), str)
    }
