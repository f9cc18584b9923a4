"""Samples whose times could not be: kept whole until the device's clock is known, then stored where they belong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from edge_agent.wire import MAX_BATCH_BYTES, SENML, TELEMETRY, WireError, parse_topic
from ingest.formats.batch import is_batch, read_batch
from ingest.formats.decoded import FLAG_BACKFILL, FLAG_LATE, LATE_AFTER_US, Decoded, Reason, Sample, Unreadable
from ingest.formats.plain import read_plain
from ingest.formats.senml import decode_senml, newest_said_ms
from ingest.formats.values import BadTime, microseconds, parse_json
from ingest.messages import Message, Prepared
from ingest.models import Device, DeviceBoot, Quarantined
from ingest.store.base import Connection
from ingest.writer import Writer, prepare

MOST = 50  # messages per transaction, each of at most some thousand samples
LONGEST_MS = 200 * 366 * 86_400_000  # an offset beyond two hundred years is a slip of the hand

# A message's clock may be known since it was last tried: a later batch of its boot told it.
_DUE = """
SELECT q.id FROM quarantine q JOIN device_boots b ON b.device_id = q.device_id AND b.boot = q.boot
WHERE q.reason = 'absurd_time' AND (b.zero_ms IS NOT NULL OR b.offset_ms IS NOT NULL)
  AND (q.tried_at IS NULL OR q.tried_at < coalesce(b.clock_measured_at, b.first_seen_at))
ORDER BY q.received_at, q.id LIMIT :most FOR UPDATE OF q SKIP LOCKED
"""
_SETTLE = """
UPDATE device_boots SET quarantined = greatest(quarantined - :n, 0), stored = stored + :n, late = late + :late,
  corrected = corrected + :n WHERE device_id = :device AND boot = :boot
"""


class Released(NamedTuple):
    """Samples that are stored now, and those that stay."""

    stored: int
    left: int


def release_held(session: Session, now: datetime) -> int:
    """Store held samples of devices whose clocks are known by now; return how many. Needs the service role."""
    stored = 0
    for key in session.scalars(text(_DUE), {"most": MOST}).all():
        row = session.get(Quarantined, key, populate_existing=True)
        if row is None or row.tried_at == now:
            continue  # it went with another row of its message
        boot = session.get(DeviceBoot, (row.device_id, row.boot))
        if boot is not None:
            stored += _release(session, row, boot.zero_ms, boot.offset_ms, now).stored
    return stored


def release(session: Session, row: Quarantined, offset_ms: int | None, now: datetime) -> Released:
    """Store a held message with the clock's offset as somebody says it, None: as it seems (see `suggested_offset_ms`).

    Raises Invalid for what is no such message. Needs the service role.
    """
    if row.reason == Reason.DISABLED_DEVICE:
        return _let_in(session, row, now)
    if row.reason != Reason.ABSURD_TIME:
        raise Invalid(
            "only what is held for its time, or of a device that was switched off, can be released", field="id"
        )
    offset_ms = (
        suggested_offset_ms(row.topic, _payload(session, row), row.received_at) if offset_ms is None else offset_ms
    )
    if offset_ms is None or abs(offset_ms) > LONGEST_MS:
        raise Invalid("the offset of the device's clock is needed, in milliseconds", field="offset_ms")
    return _release(session, row, None, offset_ms, now)


def _let_in(session: Session, row: Quarantined, now: datetime) -> Released:
    """Store a message that came while its device was switched off, as it would have been stored then."""
    device = session.get(Device, row.device_id) if row.device_id is not None else None
    if device is None or device.disabled_at is not None:
        raise Conflict("the device is switched off: reinstate it first")
    each = prepare(Message(row.topic, row.payload, int(row.received_at.timestamp() * 1_000_000)))
    if each.serial != device.serial:
        raise Invalid("this is no message of the device's own topics", field="id")
    connection: Connection = session.connection().connection.driver_connection  # type: ignore[assignment]
    Writer().store(connection, [each])
    session.delete(row)
    session.flush()
    return Released(each.stored, 0)


def suggested_offset_ms(topic: str, payload: bytes, received_at: datetime) -> int | None:
    """Return how far the sender's clock seems off, if its newest time was said just before receipt; None: cannot tell.

    Good for what was sent at once; what waited somewhere on its way makes it too large by the wait.
    """
    try:
        device, leaf = parse_topic(topic)
        if leaf == SENML:
            newest_ms = newest_said_ms(payload, device)
            return int(received_at.timestamp() * 1000) - newest_ms if newest_ms is not None else None
        body = parse_json(payload, MAX_BATCH_BYTES)
    except (Unreadable, WireError):
        return None
    listed: Any = body.get("samples") if is_batch(body) else body if isinstance(body, list) else [body]
    said: list[int] = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            said += _said_ms(each.get("t", each.get("ts")))
    if isinstance(body, dict):
        said += _said_ms(body.get("sent_at"))
    return int(received_at.timestamp() * 1000) - max(said) if said else None


def _said_ms(value: object) -> list[int]:
    try:
        return [microseconds(value) // 1000]
    except BadTime:
        return []


def _release(session: Session, row: Quarantined, zero_ms: int | None, offset_ms: int | None, now: datetime) -> Released:
    siblings = _siblings(session, row)
    held = [each for each in siblings if each.reason == Reason.ABSURD_TIME]
    samples, shifts = _corrected(max((each.payload for each in siblings), key=len), row, zero_ms, offset_ms)
    for each in held:
        each.tried_at = now
    waiting = sum(each.samples for each in held)
    if not samples:
        return Released(0, waiting)
    _store(session, row, samples, shifts)
    _count_off(session, siblings, held, len(samples))
    if row.boot is not None:
        late = sum(1 for sample in samples if sample.flags & FLAG_LATE)
        values = {"n": len(samples), "late": late, "device": row.device_id, "boot": row.boot}
        session.execute(text(_SETTLE), values)
    session.flush()
    return Released(len(samples), max(0, waiting - len(samples)))


def _siblings(session: Session, row: Quarantined) -> list[Quarantined]:
    """Return all rows of the same message: the first one holds it whole."""
    same = select(Quarantined).where(
        Quarantined.device_id == row.device_id,
        Quarantined.received_at == row.received_at,
        Quarantined.topic == row.topic,
        Quarantined.boot.is_not_distinct_from(row.boot),
        Quarantined.seq.is_not_distinct_from(row.seq),
    )
    return list(session.scalars(same.order_by(Quarantined.id).with_for_update()))


def _payload(session: Session, row: Quarantined) -> bytes:
    return max((each.payload for each in _siblings(session, row)), key=len, default=b"")


def _corrected(
    payload: bytes, row: Quarantined, zero_ms: int | None, offset_ms: int | None
) -> tuple[list[Sample], list[list[int]]]:
    """Return the samples that had no place, with their times as the clock's offset makes them, and what was added."""
    received_us = int(row.received_at.timestamp() * 1_000_000)
    try:
        device, leaf = parse_topic(row.topic)
        if leaf not in (TELEMETRY, SENML):
            return [], []
        body: Any = parse_json(payload, MAX_BATCH_BYTES) if leaf == TELEMETRY else None
        if leaf == SENML:
            before, after = (decode_senml(payload, device, received_us, offset) for offset in (None, offset_ms))
        elif not is_batch(body):
            before, after = read_plain(body, received_us), read_plain(body, received_us, offset_ms)
        else:
            before = read_batch(body, received_us)
            told = {"zero_at": zero_ms, "offset_ms": offset_ms}
            after = read_batch({**body, **{k: v for k, v in told.items() if v is not None}}, received_us)
    except (Unreadable, WireError):
        return [], []
    placed = {sample.position for sample in before.samples}
    found = [sample for sample in after.samples if sample.position not in placed]
    late_before_us = received_us - LATE_AFTER_US
    flags = [FLAG_BACKFILL | (FLAG_LATE if sample.t_us < late_before_us else 0) for sample in found]
    released = [
        each._replace(flags=each.flags | more, units=each.units or after.units)
        for each, more in zip(found, flags, strict=True)
    ]
    return released, after.shifts


def _store(session: Session, row: Quarantined, samples: Sequence[Sample], shifts: list[list[int]]) -> None:
    """Store them as a message without number: its own number is taken, by what of it had its place at once."""
    decoded = Decoded(lane="backfill", n=len(samples), samples=list(samples), shifts=shifts)
    received_us = int(row.received_at.timestamp() * 1_000_000)
    each = Prepared(Message(row.topic, b"", received_us), parse_topic(row.topic).device, decoded)
    connection: Connection = session.connection().connection.driver_connection  # type: ignore[assignment]
    Writer().store(connection, [each])


def _count_off(session: Session, siblings: list[Quarantined], held: list[Quarantined], stored: int) -> None:
    """Take what is stored off the held rows; rows that hold nothing more go, the message stays with the others."""
    for each in held:
        taken = min(each.samples, stored)
        each.samples, stored = each.samples - taken, stored - taken
    kept = [each for each in siblings if each not in held or each.samples > 0]
    whole = max(siblings, key=lambda each: len(each.payload))
    if kept and whole not in kept:
        kept[0].payload = whole.payload
    for each in siblings:
        if each not in kept:
            session.delete(each)


def shifts_of(stored: object) -> list[tuple[int, int]]:
    """Return a batch's stored shifts as (from corrected ms, shift ms)."""
    listed = json.loads(stored) if isinstance(stored, str) else stored
    return [(int(begin), int(shift)) for begin, shift in listed] if isinstance(listed, list) else []
