"""Turn the presence of devices into findings, and end these when a device is back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.instrumentation import Binding
from assets.registry import Asset
from ingest.models import Device
from maintenance.findings import save_findings
from maintenance.models import Finding
from ml.detectors.presence import GRACE, silent_device

AWAY = ("offline", "stale")


def watch_devices(session: Session, now: datetime, watching_since: datetime) -> bool:
    """Save findings for devices that fell silent or came back; return whether any was saved.

    Silence counts from when we began to watch: while we were down ourselves nobody could have been heard.
    """
    if now - watching_since < GRACE:
        return False
    open_findings = {
        finding.signature: finding
        for finding in session.scalars(
            select(Finding).where(Finding.detector == "presence", Finding.cleared_at.is_(None))
        )
    }
    saved = False
    silent = select(Device).where(
        Device.presence.in_(AWAY), Device.last_seen_at < now - GRACE, Device.disabled_at.is_(None)
    )
    for device in session.scalars(silent.where(Device.model != "replay")):
        known = open_findings.pop(f"device:{device.serial}", None)
        if known is None and device.last_seen_at:
            saved = _save(session, device, device.last_seen_at, None, now) or saved
    for finding in open_findings.values():
        serial = finding.signature.partition(":")[2]
        back = session.scalar(select(Device).where(Device.serial == serial))
        if back is None or back.presence not in AWAY:
            saved = _end(session, finding, serial, now) or saved
    return saved


def _save(session: Session, device: Device, since: datetime, cleared: datetime | None, now: datetime) -> bool:
    asset = _asset_of(session, device.id)
    if asset is None:
        return False
    facts = silent_device(str(asset.id), device.serial, since, cleared, now)
    save_findings(session, asset.organisation_id, [facts], replayed=False, now=now)
    return True


def _end(session: Session, finding: Finding, serial: str, now: datetime) -> bool:
    facts = silent_device(str(finding.asset_id), serial, finding.first_at, now, now)
    save_findings(session, finding.organisation_id, [facts], replayed=False, now=now)
    return True


def _asset_of(session: Session, device_id: UUID) -> Asset | None:
    """The device's own asset, else the first one behind it: one alarm for a gateway, not one per sub-device."""
    return session.scalar(
        select(Asset)
        .join(Binding, Binding.asset_id == Asset.id)
        .where(Binding.device_id == device_id, Binding.valid_to.is_(None))
        .order_by(Binding.channel, Asset.id)
        .limit(1)
    )
