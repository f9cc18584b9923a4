"""Connecting a device: it is registered together with the asset that it measures, whichever way it is asked for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from assets.instrumentation import asset_of_serial, bind
from assets.registry import Asset
from ingest.devices import register_device
from ingest.models import Device


def asset_for_device(session: Session, organisation_id: UUID, serial: str, name: str | None, now: datetime) -> Asset:
    """Return the asset of a device's serial number: the one that is there, else a new one of this name."""
    serial = serial.strip()
    return asset_of_serial(session, organisation_id, serial, (name or "").strip() or serial, now, demo=False)


def connect_device(
    session: Session, serial: str, model: str, organisation_id: UUID, asset: Asset | None, now: datetime
) -> tuple[Device, str]:
    """Register a device bound to its asset (None: a gateway, whose sub-devices have theirs); return its claim code.

    Raises Invalid and Conflict as `register_device` does.
    """
    device, code = register_device(session, serial.strip(), model.strip(), organisation_id, now)
    if asset is not None:
        bind(session, organisation_id=organisation_id, device_id=device.id, channel="", asset_id=asset.id, at=None)
    return device, code
