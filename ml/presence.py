"""Turn the presence of devices and their channels into findings, and end these when they are back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from assets.instrumentation import asset_bindings
from assets.registry import Asset
from ingest.models import Device, Stream
from ingest.presence import PRESENT
from maintenance.findings import save_findings
from maintenance.models import Finding
from ml.detectors.presence import GRACE, silent_device

AWAY = ("offline", "stale")
FROZEN = ("frozen", "repeats_only")  # a sensor's trouble rather than a connection's

# Which series stand still is what layer 0 noticed; presence and pages show it with the device. A mark on all
# numbers of a stream is not taken back here: see `stillness`.
_MARK_FROZEN = text("""
WITH frozen AS (
  SELECT r.id, min(f.first_at) AS since
  FROM findings f
  JOIN asset_bindings b ON b.asset_id = f.asset_id AND b.valid_to IS NULL
  JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
  JOIN series r ON r.stream_id = t.id AND f.signature = r.metric || '\\:frozen'
  WHERE f.detector = 'data_quality' AND f.cleared_at IS NULL AND f.signature LIKE '%\\:frozen' GROUP BY r.id),
changed AS (
  SELECT coalesce(frozen.id, r.id) AS id, frozen.since
  FROM frozen FULL JOIN (
    SELECT m.id, m.frozen_since FROM series m WHERE m.frozen_since IS NOT NULL AND EXISTS (
      SELECT FROM series o WHERE o.stream_id = m.stream_id AND o.kind = 'number' AND o.frozen_since IS NULL)
  ) r ON r.id = frozen.id
  WHERE frozen.since IS DISTINCT FROM r.frozen_since)
UPDATE series s SET frozen_since = changed.since FROM changed WHERE s.id = changed.id
""")


class _Silent(NamedTuple):
    """A device or a channel that is away: the key of its finding, the asset that it is told with, and since when."""

    signature: str
    device_id: UUID
    channel: str | None  # None: the device with all it carries
    since: datetime


def mark_frozen(session: Session) -> int:
    """Note at the series which sensors stand still; return how many changed."""
    return int(session.execute(_MARK_FROZEN).rowcount)  # type: ignore[attr-defined]


def watch_devices(session: Session, now: datetime, watching_since: datetime) -> bool:
    """Save findings for devices and channels that fell silent, flap or came back; return whether any was saved.

    One for a gateway, none for what stands behind it: that is unknown, not silent. Silence counts from when we began
    to watch: while we were down ourselves nobody could have been heard.
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
    for silent in (*_silent_devices(session, now), *_silent_channels(session, now)):
        known = open_findings.pop(silent.signature, None)
        if known is None:
            saved = _save(session, silent, now) or saved
    for finding in open_findings.values():
        if _is_back(session, finding.signature):
            saved = _end(session, finding, now) or saved
    return saved


def _silent_devices(session: Session, now: datetime) -> Iterator[_Silent]:
    flapping = Device.presence_reason["code"].astext == "flapping"
    away = and_(Device.presence.in_(AWAY), Device.presence_reason["code"].astext.is_distinct_from("repeats_only"))
    last_at = func.coalesce(Device.last_seen_at, Device.last_heard_at)
    found = select(Device.id, Device.serial, last_at, Device.presence_since).where(
        or_(and_(away, last_at < now - GRACE), and_(flapping, Device.presence_since < now - GRACE)),
        Device.disabled_at.is_(None),
        Device.model != "replay",
    )
    for device_id, serial, seen_at, since in session.execute(found):
        yield _Silent(f"device:{serial}", device_id, None, min(seen_at, since or seen_at))


def _silent_channels(session: Session, now: datetime) -> Iterator[_Silent]:
    found = (
        select(Stream.device_id, Device.serial, Stream.channel, Stream.fresh_at)
        .join(Device, Device.id == Stream.device_id)
        .where(
            Stream.channel != "",
            Stream.presence.in_(AWAY),
            Stream.presence_reason["code"].astext.not_in(FROZEN),
            Stream.fresh_at < now - GRACE,
            Device.disabled_at.is_(None),
            Device.model != "replay",
        )
    )
    for device_id, serial, channel, fresh_at in session.execute(found):
        if fresh_at is not None:
            yield _Silent(f"device:{serial}/{channel}", device_id, channel, fresh_at)


def _is_back(session: Session, signature: str) -> bool:
    """True once it is there again, or gone for good; what is unknown now, behind a dead gateway, is not back."""
    serial, _, channel = signature.partition(":")[2].partition("/")
    device = session.scalar(select(Device).where(Device.serial == serial))
    if device is None or device.disabled_at is not None:
        return True
    if not channel:
        return device.presence in PRESENT and (device.presence_reason or {}).get("code") != "flapping"
    word = session.scalar(select(Stream.presence).where(Stream.device_id == device.id, Stream.channel == channel))
    return word is None or word in PRESENT


def _save(session: Session, silent: _Silent, now: datetime) -> bool:
    asset = _asset_of(session, silent)
    if asset is None:
        return False
    facts = silent_device(str(asset.id), silent.signature, silent.since, None, now)
    save_findings(session, asset.organisation_id, [facts], replayed=False, now=now)
    return True


def _end(session: Session, finding: Finding, now: datetime) -> bool:
    facts = silent_device(str(finding.asset_id), finding.signature, finding.first_at, now, now)
    save_findings(session, finding.organisation_id, [facts], replayed=False, now=now)
    return True


def _asset_of(session: Session, silent: _Silent) -> Asset | None:
    """The channel's asset, the device's own, or else the first one behind it: one alarm for a gateway."""
    bound = asset_bindings.c
    found = (
        select(Asset)
        .join(asset_bindings, bound.asset_id == Asset.id)
        .where(bound.device_id == silent.device_id, bound.valid_to.is_(None))
        .order_by(bound.channel, Asset.id)
        .limit(1)
    )
    return session.scalar(found if silent.channel is None else found.where(bound.channel == silent.channel))
