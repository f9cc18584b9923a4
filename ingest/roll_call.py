"""Keep the presence of all devices and sub-devices up to date: one query each, only changes are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.instrumentation import asset_bindings, asset_of_device
from ingest.listeners import NotListening, listening_since
from ingest.models import Device, Stream
from ingest.presence import (
    DEFAULT_INTERVAL_S,
    FRESH_INTERVALS,
    LEAST_FRESH_S,
    MAX_FLIPS,
    PRESENT,
    SLEEPER_INTERVAL_S,
    Facts,
    Presence,
    Verdict,
    damp,
    judge,
    judge_channel,
)

MOST_CHANGES = 1000  # written in one transaction, some milliseconds each; the next turn takes the rest
MOST_HOPS = 5  # gateways behind gateways

# What surely stays as it is does not leave the database: it reports as expected, or ended and said nothing since.
_DEVICES = f"""
SELECT d.id, d.serial, d.organisation_id, d.presence, d.presence_since, d.presence_reason, d.presence_raw,
       d.presence_flips, d.last_seen_at, d.last_heard_at, d.online, d.status->'problems' AS problems, d.sleep_s,
       coalesce(d.expected_interval_s, s.learned_s) AS interval_s, s.fresh_at, d.gateway_id,
       g.presence AS gateway, g.serial AS gateway_serial, f.frozen, f.series,
       EXISTS (SELECT FROM sparkplug_nodes n WHERE n.device_id = d.id AND n.online) AS by_exception
FROM devices d
LEFT JOIN devices g ON g.id = d.gateway_id
LEFT JOIN (SELECT device_id, max(fresh_at) AS fresh_at, min(learned_interval_s) AS learned_s
           FROM streams GROUP BY device_id) s ON s.device_id = d.id
LEFT JOIN (SELECT t.device_id, array_agg(r.metric ORDER BY r.metric) AS frozen,
                  (SELECT count(*) FROM series x JOIN streams y ON y.id = x.stream_id
                   WHERE y.device_id = t.device_id AND x.kind = 'number') AS series
           FROM series r JOIN streams t ON t.id = r.stream_id
           WHERE r.frozen_since IS NOT NULL GROUP BY t.device_id) f ON f.device_id = d.id
WHERE d.disabled_at IS NULL
  AND NOT coalesce(d.presence = 'online' AND d.presence_raw = 'online' AND d.gateway_id IS NULL
                   AND d.online IS NOT FALSE AND f.frozen IS NULL
                   AND jsonb_typeof(coalesce(d.status->'problems', '[]')) = 'array'
                   AND jsonb_array_length(coalesce(d.status->'problems', '[]')) = 0
                   AND d.presence_reason->>'code' = 'reporting' AND s.fresh_at > CAST(:now AS timestamptz)
                     - make_interval(secs => greatest({LEAST_FRESH_S}, {FRESH_INTERVALS}
                         * coalesce(d.expected_interval_s, s.learned_s, {DEFAULT_INTERVAL_S}))), false)
  AND NOT coalesce(d.presence = 'offline' AND d.presence_raw = 'offline' AND d.gateway_id IS NULL
                   AND d.online IS FALSE AND d.last_seen_at < d.presence_since
                   AND coalesce(d.sleep_s, d.expected_interval_s, s.learned_s, 0) < {SLEEPER_INTERVAL_S}, false)
"""
_CHANNELS = f"""
SELECT t.id, t.channel, t.device_id, t.organisation_id, t.presence, t.presence_reason, t.last_received_at,
       t.fresh_at, coalesce(t.learned_interval_s, i.declared_s) AS interval_s, d.sleep_s, d.presence AS gateway,
       d.serial AS gateway_serial, d.last_seen_at AS gateway_seen_at, f.frozen, f.series, t.online
FROM streams t
JOIN devices d ON d.id = t.device_id
LEFT JOIN LATERAL (SELECT min(expected_interval_s) AS declared_s FROM series r WHERE r.stream_id = t.id) i ON true
LEFT JOIN (SELECT r.stream_id, array_agg(r.metric ORDER BY r.metric) AS frozen,
                  (SELECT count(*) FROM series x WHERE x.stream_id = r.stream_id AND x.kind = 'number') AS series
           FROM series r WHERE r.frozen_since IS NOT NULL GROUP BY r.stream_id) f ON f.stream_id = t.id
WHERE t.channel <> '' AND d.disabled_at IS NULL
  AND NOT coalesce(t.presence = 'online' AND t.presence_reason->>'code' = 'reporting' AND f.frozen IS NULL
                   AND t.online IS NOT FALSE
                   AND d.presence IN ('online', 'degraded')
                   AND t.fresh_at > CAST(:now AS timestamptz) - make_interval(secs => greatest({LEAST_FRESH_S},
                         {FRESH_INTERVALS} * coalesce(t.learned_interval_s, {DEFAULT_INTERVAL_S}))), false)
  AND NOT coalesce(t.presence = 'unknown' AND t.presence_reason->>'code' = 'behind_gateway'
                   AND d.presence IN ('offline', 'stale', 'unknown'), false)
"""


def update_presence(session: Session, now: datetime) -> int:
    """Write the presence of active devices and their channels where it changed; return how many words did.

    While nobody listens to the devices everything stays as it was: silence is then our own.
    """
    try:
        since = listening_since(session, now)
    except NotListening:
        return 0
    return _devices(session, now, since) + _channels(session, now, since)


def _devices(session: Session, now: datetime, since: datetime | None) -> int:
    changed = 0
    words: dict[UUID, str] = {}
    rows = session.execute(text(_DEVICES), {"now": now}).all()
    for row in _gateways_first(rows):
        gateway = words.get(row.gateway_id, row.gateway) if row.gateway_id else None
        verdict = judge(_device_facts(row, gateway), now, since)
        if verdict is None:
            continue
        shown, flips = _damped(row, verdict, now)
        words[row.id] = shown.word
        if (row.presence, row.presence_reason, row.presence_raw) == (shown.word, shown.reason, verdict.word):
            continue
        changed += _write_device(session, row, shown, verdict, flips, now)
        if changed >= MOST_CHANGES:
            break
    session.flush()
    return changed


def _gateways_first(rows: Sequence[Row[Any]]) -> Iterable[Row[Any]]:
    waiting = {row.id: row for row in rows}
    for _ in range(MOST_HOPS):
        ready = [row for row in waiting.values() if row.gateway_id not in waiting]
        for row in ready:
            del waiting[row.id]
        yield from ready
    yield from waiting.values()  # a circle of gateways


def _device_facts(row: Row[Any], gateway: str | None) -> Facts:
    listed = row.problems if isinstance(row.problems, list) else []
    return Facts(
        seen_at=row.last_seen_at,
        fresh_at=row.fresh_at,
        heard_at=row.last_heard_at,
        interval_s=row.interval_s,
        sleep_s=row.sleep_s,
        online=row.online,
        problems=sorted({str(each.get("code", "")) for each in listed if isinstance(each, dict)}),
        gateway=gateway,
        gateway_serial=row.gateway_serial or "",
        by_exception=row.by_exception,
        frozen=row.frozen or (),
        all_frozen=bool(row.frozen) and len(row.frozen) >= row.series,
    )


def _damped(row: Row[Any], verdict: Verdict, now: datetime) -> tuple[Verdict, list[datetime] | None]:
    """Return what to show, and the list of comings and goings where this is another one."""
    before = row.presence_raw
    flips = list(row.presence_flips or ())
    came_or_went = before is not None and (before in PRESENT) != (verdict.word in PRESENT)
    # A device that tells of its connection is counted where that is heard: between two looks it may come and go.
    is_told = Presence.OFFLINE in (before, verdict.word) and row.online is not None
    news = came_or_went and not is_told and verdict.word != Presence.UNKNOWN and before != Presence.UNKNOWN
    if news:
        flips = [*flips, now][-MAX_FLIPS:]
    raw_since = now if came_or_went else max([*flips, row.presence_since or now])
    was_flapping = (row.presence_reason or {}).get("code") == "flapping"
    return damp(verdict, raw_since, flips, was_flapping, now), flips if news else None


def _write_device(
    session: Session, row: Row[Any], shown: Verdict, raw: Verdict, flips: list[datetime] | None, now: datetime
) -> int:
    device = session.get(Device, row.id, with_for_update=True, populate_existing=True)
    if device is None:
        return 0
    device.presence_raw, device.presence_reason = raw.word, shown.reason
    if flips is not None:
        device.presence_flips = flips
    if device.presence == shown.word:
        return 0
    before, device.presence, device.presence_since = device.presence, shown.word, now
    # A gateway that comes and goes takes along all that stands behind it: one thing happened, not hundreds.
    if "behind_gateway" not in (shown.code, (row.presence_reason or {}).get("code")):
        _note(session, device.organisation_id, device.id, row.serial, "", before, shown, now)
    return 1


def _channels(session: Session, now: datetime, since: datetime | None) -> int:
    changed = 0
    for row in session.execute(text(_CHANNELS), {"now": now}).all():
        verdict = judge_channel(_channel_facts(row), now, since)
        if verdict is None or (row.presence, row.presence_reason) == (verdict.word, verdict.reason):
            continue
        stream = session.get(Stream, row.id, with_for_update=True, populate_existing=True)
        if stream is None:
            continue
        stream.presence_reason = verdict.reason
        if stream.presence == verdict.word:
            continue
        before, stream.presence, stream.presence_since = stream.presence, verdict.word, now
        if {before, verdict.word} & {Presence.STALE, Presence.OFFLINE} and verdict.word != Presence.UNKNOWN:
            _note(session, row.organisation_id, row.device_id, row.gateway_serial, row.channel, before, verdict, now)
        changed += 1
        if changed >= MOST_CHANGES:
            break
    return changed


def _channel_facts(row: Row[Any]) -> Facts:
    return Facts(
        seen_at=row.last_received_at,
        fresh_at=row.fresh_at,
        interval_s=row.interval_s,
        sleep_s=row.sleep_s,
        online=row.online,
        by_exception=row.online is True,
        gateway=row.gateway,
        gateway_serial=row.gateway_serial,
        gateway_seen_at=row.gateway_seen_at,
        frozen=row.frozen or (),
        all_frozen=bool(row.frozen) and len(row.frozen) >= row.series,
    )


def _note(
    session: Session,
    organisation_id: UUID,
    device_id: UUID,
    serial: str,
    channel: str,
    before: str,
    shown: Verdict,
    now: datetime,
) -> None:
    asset_id = asset_of_channel(session, device_id, channel) if channel else asset_of_device(session, device_id)
    payload = {"serial": serial, "from": before, "to": str(shown.word), "reason": shown.reason}
    append_event(
        session,
        "device.presence_changed",
        at=now,
        organisation_id=organisation_id,
        subject_kind="device",
        subject_id=device_id,
        asset_id=asset_id,
        payload=payload | ({"channel": channel} if channel else {}),
    )


def asset_of_channel(session: Session, device_id: UUID, channel: str) -> UUID | None:
    """Return the asset that a channel measures now."""
    bound = asset_bindings.c
    return session.scalar(
        select(bound.asset_id).where(bound.device_id == device_id, bound.channel == channel, bound.valid_to.is_(None))
    )


def presence_of_assets(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the presence of what measures each asset now: of the device itself, or of the sub-device."""
    bound = asset_bindings.c
    rows = session.execute(
        select(bound.asset_id, bound.channel, Device.presence, Stream.presence)
        .join(Device, Device.id == bound.device_id)
        .outerjoin(Stream, (Stream.device_id == bound.device_id) & (Stream.channel == bound.channel))
        .where(bound.asset_id.in_(asset_ids), bound.valid_to.is_(None))
    )
    found: dict[UUID, list[str]] = {}
    for asset_id, channel, of_device, of_stream in rows:
        word = (of_stream or Presence.UNKNOWN) if channel else of_device
        found.setdefault(asset_id, []).append(str(word))
    return found
