"""Is a device there? One word per device, decided by a pure rule and kept up to date by a job."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.instrumentation import asset_of_device
from ingest.models import Device


class Presence(StrEnum):
    """Stored words, each with one meaning."""

    ONLINE = "online"  # heard of within three expected intervals
    DEGRADED = "degraded"  # connected, but late, or it reports a problem of its own
    STALE = "stale"  # said to be connected, but silent for six expected intervals
    OFFLINE = "offline"  # its connection ended, or it was silent for so long that nothing else can be
    UNKNOWN = "unknown"  # never heard of, or behind a gateway that is not there
    SLEEPING = "sleeping"  # disconnects between its readings, and the next one is not due yet


DEFAULT_INTERVAL_S = 60.0
FRESH_INTERVALS = 3
LATE_INTERVALS = 6
LEAST_FRESH_S = 30.0  # below it network delays alone would flap
SLEEPER_INTERVAL_S = 900.0  # a device that reports so rarely need not stay connected
SILENT_S = 900.0  # a plain device, which says nothing of its connection, is offline after this


def presence_of(
    last_seen_at: datetime | None,
    expected_interval_s: float | None,
    online: bool | None,
    gateway: str | None,
    now: datetime,
    *,
    has_problems: bool = False,
) -> Presence:
    """Return the word for a device.

    `online` is what its own status or last will said last, None when it never said anything. `gateway` is the
    presence of the gateway that it stands behind, None when it stands alone.
    """
    if gateway in (Presence.OFFLINE, Presence.UNKNOWN, Presence.STALE):
        return Presence.UNKNOWN
    if last_seen_at is None:
        return Presence.UNKNOWN
    interval_s = max(expected_interval_s or DEFAULT_INTERVAL_S, 0.001)
    silent_s = (now - last_seen_at).total_seconds()
    fresh_s = max(FRESH_INTERVALS * interval_s, LEAST_FRESH_S)
    late_s = max(LATE_INTERVALS * interval_s, 2 * LEAST_FRESH_S)
    if online is False:
        is_asleep = interval_s >= SLEEPER_INTERVAL_S and silent_s <= fresh_s
        return Presence.SLEEPING if is_asleep else Presence.OFFLINE
    if silent_s <= fresh_s:
        return Presence.DEGRADED if has_problems else Presence.ONLINE
    if silent_s <= late_s:
        return Presence.DEGRADED
    if online is None and silent_s > max(SILENT_S, 2 * late_s):
        return Presence.OFFLINE
    return Presence.STALE


def update_presence(session: Session, now: datetime) -> int:
    """Write the presence of every active device where it changed, each with an event; return how many changed."""
    changed = 0
    devices = select(
        Device.id, Device.presence, Device.last_seen_at, Device.expected_interval_s, Device.online, Device.status
    ).where(Device.disabled_at.is_(None))
    for key, before, last_seen_at, interval_s, online, status in session.execute(devices):
        word = presence_of(last_seen_at, interval_s, online, None, now, has_problems=bool(status.get("problems")))
        if word == before:
            continue
        device = session.get(Device, key, with_for_update=True)
        if device is None:
            continue
        device.presence, device.presence_since = word, now
        append_event(
            session,
            "device.presence_changed",
            at=now,
            organisation_id=device.organisation_id,
            subject_kind="device",
            subject_id=device.id,
            asset_id=asset_of_device(session, device.id),
            payload={"serial": device.serial, "from": before, "to": str(word)},
        )
        changed += 1
    return changed
