"""What is written beside the readings in the same transaction: batches, streams, devices, ledger, quarantine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from assets.base.ids import uuid7
from edge_agent.wire import MAX_BATCH_BYTES
from ingest.formats.decoded import Reason
from ingest.formats.values import EARLIEST_US
from ingest.messages import Prepared, moment
from ingest.store.base import Connection, Repeats, Row
from ingest.store.blocks import PlacedBlock

_REPEATS = """
UPDATE ingest_batches b SET repeated = v.repeated, conflicting = v.conflicting, stored = b.stored - v.repeated
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS v(id, repeated, conflicting) WHERE b.id = v.id
"""
# The first value stays; how often another one came for the same moment is counted, and shown with the device.
_COUNT_REPEATS = """
UPDATE device_boots d SET repeated = d.repeated + v.repeated, conflicting = d.conflicting + v.conflicting
FROM (SELECT b.device_id, b.boot, sum(n.repeated) AS repeated, sum(n.conflicting) AS conflicting
      FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS n(id, repeated, conflicting)
      JOIN ingest_batches b ON b.id = n.id WHERE b.boot IS NOT NULL GROUP BY 1, 2) AS v
WHERE d.device_id = v.device_id AND d.boot = v.boot
"""
_CLOCKS = "UPDATE ingest_batches SET sent_ms = %s, shifts = %s::jsonb WHERE id = %s"
# Slot by slot, the newer measurement stays: late data never turns `latest` back. Only what is newer is fresh.
_STREAMS = """
UPDATE streams s SET last_received_at = greatest(s.last_received_at, v.received_at),
  latest_at = greatest(s.latest_at, v.latest_at),
  fresh_at = CASE WHEN s.latest_at >= v.latest_at THEN s.fresh_at ELSE greatest(s.fresh_at, v.received_at) END,
  (latest, latest_times) = (
    SELECT array_agg(CASE WHEN nt IS NULL OR ot > nt THEN o ELSE n END ORDER BY i),
           array_agg(greatest(ot, nt) ORDER BY i)
    FROM unnest(s.latest, s.latest_times, v.latest::float8[], v.times::float8[]) WITH ORDINALITY AS u(o, ot, n, nt, i))
FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[])
  AS v(id, received_at, latest_at, latest, times)
WHERE s.id = v.id
"""
_DEVICES = """
UPDATE devices d SET last_seen_at = greatest(d.last_seen_at, v.seen_at),
  clock_offset_ms = coalesce(v.offset_ms, d.clock_offset_ms),
  clock_measured_at = coalesce(v.measured_at, d.clock_measured_at)
FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::timestamptz[]) AS v(id, seen_at, offset_ms, measured_at)
WHERE d.id = v.id
"""
_BOOTS = """
INSERT INTO device_boots AS b (device_id, boot, organisation_id, first_seen_at, last_seen_at, highest, received,
                               given_up, stored, late, dropped, quarantined, corrected, zero_ms, offset_ms,
                               clock_measured_at)
SELECT device_id, boot, organisation_id, seen_at, seen_at, highest, received::int8multirange,
       given_up::int8multirange, stored, late, dropped, quarantined, corrected, zero_ms, offset_ms, measured_at
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
  AS v(device_id, boot, organisation_id, seen_at, highest, received, given_up, stored, late, dropped, quarantined,
       corrected, zero_ms, offset_ms, measured_at)
ON CONFLICT (device_id, boot) DO UPDATE SET
  last_seen_at = greatest(b.last_seen_at, excluded.last_seen_at), highest = greatest(b.highest, excluded.highest),
  received = b.received + excluded.received, given_up = b.given_up + excluded.given_up,
  stored = b.stored + excluded.stored, late = b.late + excluded.late,
  dropped = b.dropped + excluded.dropped, quarantined = b.quarantined + excluded.quarantined,
  corrected = b.corrected + excluded.corrected, zero_ms = coalesce(excluded.zero_ms, b.zero_ms),
  offset_ms = coalesce(excluded.offset_ms, b.offset_ms),
  clock_measured_at = coalesce(excluded.clock_measured_at, b.clock_measured_at)
"""
_EVENT = """
INSERT INTO device_events (id, organisation_id, device_id, channel, at, code, severity, text, active, batch_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
# What no device owns belongs to the operator, so that somebody sees it.
_QUARANTINE = """
INSERT INTO quarantine (id, organisation_id, device_id, topic, received_at, reason, detail, payload, position, samples,
                        boot, seq)
SELECT id,
       coalesce(organisation_id, (SELECT id FROM organisations WHERE parent_id IS NULL ORDER BY created_at LIMIT 1)),
       device_id, topic, received_at, reason, detail, payload, position, samples, boot, seq
FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::timestamptz[], %b::text[], %b::text[], %b::bytea[],
            %b::int[], %b::int[], %b::text[], %b::bigint[])
  AS q(id, organisation_id, device_id, topic, received_at, reason, detail, payload, position, samples, boot, seq)
"""
_LATEST_ROWS = 64  # how far back in a group a slot's newest value is looked for
MAX_TOPIC_CHARS = 300


def note_repeats(connection: Connection, repeats: Repeats) -> None:
    """Correct the counts of batches whose readings were partly there before."""
    ids = sorted(repeats.repeated.keys() | repeats.conflicting.keys())
    if ids:
        repeated = [repeats.repeated.get(each, 0) for each in ids]
        connection.execute(_REPEATS, [ids, repeated, [repeats.conflicting.get(each, 0) for each in ids]])


def update_streams(connection: Connection, rows: Sequence[Row], blocks: Sequence[PlacedBlock] = ()) -> None:
    """Keep each stream's newest value per slot and when it was heard of."""
    by_stream: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_stream[row.stream_id].append(row)
    for newest in _newest_of(blocks):
        by_stream[newest.stream_id].append(newest)
    values = []
    for stream_id in sorted(by_stream):  # always in this order: two writers must not wait for each other
        mine = by_stream[stream_id]
        latest, times = _latest(mine)
        received_us = max(row.received_us for row in mine)
        newest_us = max(row.t_us for row in mine)
        values.append((stream_id, moment(received_us), moment(newest_us), _array(latest), _array(times)))
    connection.execute(_STREAMS, _columns(values))


def update_devices(connection: Connection, group: Sequence[Prepared]) -> None:
    """Note when each device was heard of, and its clock's offset."""
    seen: dict[str, tuple[UUID, int, Prepared | None]] = {}
    for each in group:
        assert each.device is not None
        known = seen.get(each.serial)
        received_us, measured = each.message.received_us, each if each.decoded.offset_ms is not None else None
        if known is not None:
            received_us, measured = max(received_us, known[1]), measured or known[2]
        seen[each.serial] = (each.device.id, received_us, measured)
    values = [
        (
            device_id,
            moment(received_us),
            measured.decoded.offset_ms if measured is not None else None,
            _measured_at(measured) if measured is not None else None,
        )
        for device_id, received_us, measured in seen.values()
    ]
    connection.execute(_DEVICES, _columns(_in_lock_order(values)))


def note_clocks(connection: Connection, group: Sequence[Prepared]) -> None:
    """Keep what the devices' clocks said, where they were wrong: the corrected time and the shift lead back to it."""
    values = [
        (each.decoded.sent_ms, json.dumps(each.decoded.shifts), each.batch_id) for each in group if each.decoded.shifts
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_CLOCKS, values)


def count_repeats(connection: Connection, repeats: Repeats) -> None:
    """Add to the ledger what was there before; after `update_boots`, which makes the rows."""
    ids = sorted(repeats.repeated.keys() | repeats.conflicting.keys())
    if ids:
        repeated = [repeats.repeated.get(each, 0) for each in ids]
        connection.execute(_COUNT_REPEATS, [ids, repeated, [repeats.conflicting.get(each, 0) for each in ids]])


def update_boots(connection: Connection, group: Sequence[Prepared]) -> None:
    """Add to the ledger: counts as ranges, so that nothing is counted twice."""
    by_boot: dict[tuple[str, str], list[Prepared]] = defaultdict(list)
    for each in group:
        if each.decoded.boot is not None and each.device is not None:
            by_boot[(each.serial, each.decoded.boot)].append(each)
    values = [_boot_values(boot, mine) for (_, boot), mine in by_boot.items()]
    if values:
        connection.execute(_BOOTS, _columns(_in_lock_order(values)))


def add_events(connection: Connection, group: Sequence[Prepared]) -> None:
    """Store what the machines say happened."""
    values = [
        (
            uuid7(), each.device.organisation_id, each.device.id,
            "" if event.channel == each.serial else event.channel, moment(event.t_us), event.code,
            event.severity, event.text, event.active, each.batch_id,
        )
        for each in group
        if each.device is not None
        for event in each.decoded.events
    ]  # fmt: skip
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_EVENT, values)


def add_quarantine(connection: Connection, group: Sequence[Prepared]) -> None:
    """Set aside what could not be stored, a row for each reason.

    The device may delete what is acknowledged, so a message of which something is lost is kept whole in its first row;
    its other rows (same topic, same time of receipt) show only the place. A group's bytes are bounded, so are these.
    """
    values = []
    for each in group:
        organisation_id = each.device.organisation_id if each.device else None
        device_id = each.device.id if each.device else None
        for index, problem in enumerate(each.problems):
            payload, detail = problem.excerpt or b"", problem.detail
            if index == 0 and _loses_something(each):
                payload = each.message.payload[:MAX_BATCH_BYTES]
                if len(each.message.payload) > MAX_BATCH_BYTES:
                    detail += f"; truncated: the first {MAX_BATCH_BYTES} of {len(each.message.payload)} bytes are kept"
            values.append(
                (
                    uuid7(), organisation_id, device_id, each.message.topic[:MAX_TOPIC_CHARS], each.received_at,
                    str(problem.reason), detail, payload, problem.position, problem.samples, each.decoded.boot,
                    each.decoded.seq,
                )
            )  # fmt: skip
    if values:
        # Binary: payloads may be a megabyte each. One statement: thousands may come at once, and others wait behind.
        connection.execute(_QUARANTINE, [list(column) for column in zip(*values, strict=True)])


def _loses_something(each: Prepared) -> bool:
    """False when all that is missing are values that were none: a sensor that is NaN all day fills no disk."""
    return each.lost > 0 or any(problem.reason != Reason.NOT_FINITE for problem in each.problems)


def _newest_of(blocks: Sequence[PlacedBlock]) -> Iterable[Row]:
    """Return for each stream and width the newest row of its blocks: they lack no value, so none before it counts."""
    found: dict[tuple[int, int], Row] = {}
    for block in blocks:
        key = (block.stream_id, block.width)
        known = found.get(key)
        if known is None or block.times_us[-1] >= known.t_us or max(block.times_us) >= known.t_us:
            newest = block.newest()
            received_us = max(newest.received_us, known.received_us) if known is not None else newest.received_us
            found[key] = newest._replace(received_us=received_us)
    return found.values()


def _in_lock_order(values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sort by the first value, an id: two writers that lock rows in the same order never wait for each other."""
    return sorted(values, key=lambda each: each[0].int)


def _boot_values(boot: str, group: Sequence[Prepared]) -> tuple[Any, ...]:
    received = [(each.decoded.first, each.decoded.n) for each in group if each.decoded.first is not None]
    given_up = [(dropped.first, dropped.n) for each in group for dropped in each.decoded.dropped]
    newest = next((each for each in reversed(group) if each.decoded.offset_ms is not None), None)
    device = group[0].device
    assert device is not None
    return (
        device.id,
        boot,
        device.organisation_id,
        moment(max(each.message.received_us for each in group)),
        max((first + n for first, n in (*received, *given_up)), default=0),
        _ranges(received),
        _ranges(given_up),
        sum(each.stored for each in group),
        sum(each.late for each in group),
        sum(n for _, n in given_up),
        sum(each.lost for each in group),
        sum(each.decoded.corrected for each in group),
        next((each.decoded.zero_ms for each in reversed(group) if each.decoded.zero_ms is not None), None),
        newest.decoded.offset_ms if newest is not None else None,
        _measured_at(newest) if newest is not None else None,
    )


def _measured_at(each: Prepared) -> datetime | None:
    """Return when the offset of the device's clock was measured, in our time; None when it was not."""
    decoded = each.decoded
    if decoded.offset_ms is None:
        return None
    if decoded.sent_ms is None:
        return each.received_at
    measured_us = (decoded.sent_ms + decoded.offset_ms - decoded.clock_age_ms) * 1000
    return moment(min(max(measured_us, EARLIEST_US), each.message.received_us))


def _latest(rows: list[Row]) -> tuple[list[float | None], list[float | None]]:
    width = max(len(row.values) for row in rows)
    latest: list[float | None] = [None] * width
    times: list[float | None] = [None] * width
    missing = width
    for row in sorted(rows, key=lambda row: row.t_us, reverse=True)[:_LATEST_ROWS]:
        for index, value in enumerate(row.values):
            if value is not None and latest[index] is None:
                latest[index], times[index] = value, row.t_us / 1e6
                missing -= 1
        if missing == 0:
            break
    return latest, times


def _ranges(spans: Iterable[tuple[int, int]]) -> str:
    return "{" + ",".join(f"[{first},{first + n})" for first, n in spans if n > 0) + "}"


def _array(values: Iterable[float | None]) -> str:
    return "{" + ",".join("NULL" if value is None else repr(float(value)) for value in values) + "}"


def _columns(values: Sequence[tuple[Any, ...]]) -> list[str]:
    """Return each column as an array literal: many times faster to make than what the driver does with a list."""
    return ["{" + ",".join(map(_item, column)) + "}" for column in zip(*values, strict=True)]


def _item(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'"{value}"'  # ids and times
