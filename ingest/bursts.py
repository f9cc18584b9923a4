"""Receive bursts of fast sensors: stored once and within bounds, set aside with a reason, forgotten in time."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, RuleError
from edge_agent.wire import ROOT, WAVEFORM
from ingest.burst_models import READ, WAITING, Burst
from ingest.formats.decoded import Decoded, Problem, Reason, Unreadable
from ingest.formats.values import is_channel
from ingest.formats.waveform import Waveform, read_waveform
from ingest.messages import Message, Prepared, moment
from ingest.models import Device, Quarantined
from ingest.store import records
from ingest.store.catalog import DeviceRef

MAX_NAME_CHARS = 128
HOUR = timedelta(hours=1)
MAX_AN_HOUR = 720  # one each five seconds; a machine's bearings change within days
MAX_BYTES_AN_HOUR = 256 * 1024 * 1024
MAX_WAITING_BYTES = 512 * 1024 * 1024  # of a device while nobody reads: a worker that is away must not fill the disk
MAX_SET_ASIDE, MAX_BYTES_SET_ASIDE = 60, 16 * 1024 * 1024  # an hour: of what cannot be read some examples are enough
KEEP_CONTENT = timedelta(days=30)  # to be looked at; the features stay as long as any reading
KEEP_BYTES = 512 * 1024 * 1024  # of a device: the oldest that were read go first
KEEP_ROWS = timedelta(days=400)
FORGET_AT_ONCE = 2_000  # rows of one round


class BadName(RuleError):
    """A file's name that cannot be kept."""

    code = "bad_file_name"


class AnotherContent(Conflict):
    """A file of this name is stored, and it was another one; params: `digest`."""

    code = "another_content"


class TooManyBursts(RuleError):
    """The device sends more than is kept; params: `retry_after_s`."""

    code = "too_many_bursts"


class Received(NamedTuple):
    """What became of one burst: `burst` None and a reason when it went to quarantine."""

    burst: Burst | None
    is_new: bool
    problems: list[str]


def receive_burst(
    session: Session, device: Device, payload: bytes, received_us: int, name: str | None = None
) -> Received:
    """Store one burst of a device, in the caller's transaction, which must have the service role.

    The same name and content again changes nothing. Raises AnotherContent, TooManyBursts, BadName.
    """
    if name is not None and (not is_channel(name) or len(name) > MAX_NAME_CHARS or "/" in name):
        raise BadName(f"a file's name has 1 to {MAX_NAME_CHARS} printable characters, no /", limit=MAX_NAME_CHARS)
    digest = hashlib.sha256(payload).hexdigest()
    try:
        wave = read_waveform(payload, device.serial, received_us)
    except Unreadable as error:
        _check_set_aside(session, device, len(payload), moment(received_us))
        return _set_aside(session, device, payload, received_us, Problem(error.reason, error.detail, samples=1))
    name = name or _name_of(wave)
    # Two of one name in the same instant: the second waits here, and then finds the first. The device's own row, which
    # is written below and which messages of the broker lock too: one lock cannot be taken in two orders.
    session.execute(select(Device.id).where(Device.id == device.id).with_for_update(key_share=True))
    known = session.scalar(select(Burst).where(Burst.device_id == device.id, Burst.name == name))
    if known is not None:
        if known.digest != digest:
            raise AnotherContent(f"a file {name!r} with another content is stored", digest=known.digest)
        return Received(known, False, [])
    now = moment(received_us)
    _check_rate(session, device, len(payload), now)
    burst = Burst(
        organisation_id=device.organisation_id, device_id=device.id, name=name, channel=wave.channel, point=wave.point,
        started_at=moment(wave.t_us), received_at=now, sample_hz=wave.sample_hz, samples=len(wave.values),
        unit=wave.unit, speed_hz=wave.speed_hz, digest=digest, size_bytes=len(payload), content=payload, state=WAITING,
    )  # fmt: skip
    session.add(burst)
    device.last_seen_at = max(device.last_seen_at or now, now)
    session.flush()
    return Received(burst, True, [])


def receive_message(session: Session, device: Device, message: Message) -> None:
    """The same for a message of the topic: what is refused goes to quarantine, nobody waits for an answer."""
    try:
        receive_burst(session, device, message.payload, message.received_us)
    except (AnotherContent, TooManyBursts) as error:
        if _was_set_aside(session, device, moment(message.received_us))[0] >= MAX_AN_HOUR:
            return  # a row for each of what floods us would fill the disk too
        reason = Reason.TOO_MANY_FILES if isinstance(error, TooManyBursts) else Reason.REFUSED
        # Without its bytes: a device that floods us fills no disk by it.
        _set_aside(session, device, b"", message.received_us, Problem(reason, str(error), samples=1))


def forget_bursts(session: Session, now: datetime) -> int:
    """Forget contents that are old or more than a device may keep, and rows of long ago; return how many."""
    kept = session.execute(_FORGET, {"before": now - KEEP_CONTENT, "bytes": KEEP_BYTES, "most": FORGET_AT_ONCE})
    old = select(Burst.id).where(Burst.received_at < now - KEEP_ROWS, Burst.state != WAITING).limit(FORGET_AT_ONCE)
    gone = session.execute(delete(Burst).where(Burst.id.in_(old)).returning(Burst.id)).all()
    return len(kept.all()) + len(gone)


# What waits is kept however old: its features are not stored yet.
_FORGET = text("""
UPDATE bursts SET content = NULL WHERE id IN (
  SELECT id FROM (
    SELECT id, received_at, sum(size_bytes) OVER (PARTITION BY device_id ORDER BY received_at DESC, id DESC) AS upto
    FROM bursts WHERE content IS NOT NULL AND state <> 'waiting') AS kept
  WHERE received_at < :before OR upto > :bytes LIMIT :most)
RETURNING id
""")


def _name_of(wave: Waveform) -> str:
    """A name that the same recording has again when it is sent again, and that may stand in a path."""
    name = f"{wave.t_us} {wave.point} {wave.channel}".strip()
    if len(name) <= MAX_NAME_CHARS and "/" not in name:
        return name
    return f"{wave.t_us} {wave.point} {hashlib.sha256(wave.channel.encode()).hexdigest()[:32]}"


def _check_rate(session: Session, device: Device, size: int, now: datetime) -> None:
    recent = select(func.count(), func.coalesce(func.sum(Burst.size_bytes), 0), func.min(Burst.received_at))
    count, sent, oldest = session.execute(
        recent.where(Burst.device_id == device.id, Burst.received_at > now - HOUR)
    ).one()
    waiting = select(func.coalesce(func.sum(Burst.size_bytes), 0))
    waits = session.scalar(waiting.where(Burst.device_id == device.id, Burst.state == WAITING)) or 0
    retry_s = max(1.0, (oldest + HOUR - now).total_seconds()) if oldest else HOUR.total_seconds()
    if count >= MAX_AN_HOUR or sent + size > MAX_BYTES_AN_HOUR:
        detail = f"at most {MAX_AN_HOUR} bursts and {MAX_BYTES_AN_HOUR >> 20} MiB an hour"
        raise TooManyBursts(detail, retry_after_s=round(retry_s))
    if waits + size > MAX_WAITING_BYTES:
        raise TooManyBursts("too many bursts of this device wait to be read", retry_after_s=600)


def _check_set_aside(session: Session, device: Device, size: int, now: datetime) -> None:
    count, kept = _was_set_aside(session, device, now)
    if count >= MAX_SET_ASIDE or kept + size > MAX_BYTES_SET_ASIDE:
        raise TooManyBursts("too many bursts of this device cannot be read", retry_after_s=round(HOUR.total_seconds()))


def _was_set_aside(session: Session, device: Device, now: datetime) -> tuple[int, int]:
    """How many bursts of the device went to quarantine within the hour, and how many bytes of them are kept."""
    size = func.coalesce(func.sum(func.octet_length(Quarantined.payload)), 0)
    told = select(func.count(), size).where(Quarantined.device_id == device.id, Quarantined.received_at > now - HOUR)
    count, kept = session.execute(told.where(Quarantined.topic == f"{ROOT}/{device.serial}/{WAVEFORM}")).one()
    return int(count), int(kept)


def _set_aside(session: Session, device: Device, payload: bytes, received_us: int, problem: Problem) -> Received:
    connection: Any = session.connection().connection.driver_connection
    message = Message(f"{ROOT}/{device.serial}/{WAVEFORM}", payload, received_us)
    each = Prepared(message, device.serial, Decoded(problems=[problem]))
    each.device = DeviceRef(device.id, device.serial, device.organisation_id, False)
    each.problems, each.lost = [problem], 1
    records.add_quarantine(connection, [each])
    return Received(None, False, [str(problem.reason)])


__all__ = ["READ", "WAITING", "Received", "forget_bursts", "receive_burst", "receive_message"]
