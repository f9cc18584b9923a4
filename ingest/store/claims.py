"""The batches' rows: one statement claims a group, and tells which of its batches were there already."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from ingest.messages import Prepared
from ingest.store.base import Connection

_IDS = "SELECT nextval(pg_get_serial_sequence('ingest_batches', 'id')) FROM generate_series(1, %s)"
# What is the same for many batches of a group (device, boot, streams) comes once. COPY would be faster still, but
# PostgreSQL refuses it for tables with row policies.
_CLAIM = """
INSERT INTO ingest_batches (id, organisation_id, device_id, boot, seq, lane, first, n, received_at, t_min, t_max,
                            stored, repeated, conflicting, quarantined, stream_ids)
OVERRIDING SYSTEM VALUE
SELECT b.id, h.organisation_id, h.device_id, h.boot, b.seq, h.lane, b.first, b.n,
       timestamptz 'epoch' + b.received_us * interval '1 microsecond',
       timestamptz 'epoch' + b.oldest_us * interval '1 microsecond',
       timestamptz 'epoch' + b.newest_us * interval '1 microsecond', b.stored, 0, 0, b.lost, h.stream_ids::int[]
FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::int[], %s::int[])
  AS b(id, head, seq, first, n, received_us, oldest_us, newest_us, stored, lost)
JOIN unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
  AS h(organisation_id, device_id, boot, lane, stream_ids, head) ON h.head = b.head
ON CONFLICT (device_id, boot, seq) DO NOTHING
"""
_THERE = "SELECT id FROM ingest_batches WHERE id = ANY (%s::bigint[])"
_IDS_AT_LEAST = 2000  # taken in one go


class Numbers:
    """Takes batch numbers from the sequence in advance; a number that is never used leaves a harmless hole."""

    def __init__(self) -> None:
        self._free: deque[int] = deque()

    def take(self, connection: Connection, count: int) -> list[int]:
        """Return so many numbers, ascending."""
        if len(self._free) < count:
            self._free = deque(row[0] for row in connection.execute(_IDS, [max(count, _IDS_AT_LEAST)]))
        return [self._free.popleft() for _ in range(count)]

    def forget(self) -> None:
        """Give up what was taken in a transaction that failed: a database that crashed hands it out once more."""
        self._free.clear()


def claim_batches(connection: Connection, numbers: Numbers, group: Sequence[Prepared]) -> None:
    """Insert the batches' rows and set `batch_id`; a batch that is there already becomes a repeat."""
    if not group:
        return
    ids = numbers.take(connection, len(group))
    heads: dict[tuple[Any, ...], int] = {}
    columns = zip(*(_numbers_of(each, heads) for each in group), strict=True)
    literals = [_array(ids), *map(_array, columns)]
    constants = [list(column) for column in zip(*(key[1:] for key in heads), strict=True)]
    made = connection.execute(_CLAIM, [*literals, *constants]).rowcount
    for each, number in zip(group, ids, strict=True):
        each.batch_id = number
    if made < len(group):
        there = {row[0] for row in connection.execute(_THERE, [literals[0]])}
        for each in group:
            if each.batch_id not in there:
                each.batch_id, each.is_repeat = None, True


def _numbers_of(each: Prepared, heads: dict[tuple[Any, ...], int]) -> tuple[int | None, ...]:
    decoded, device = each.decoded, each.device
    assert device is not None
    streams = "{" + ",".join(map(str, each.stream_ids())) + "}"
    key = (each.serial, device.organisation_id, device.id, decoded.boot, decoded.lane, streams)
    head = heads.setdefault(key, len(heads) + 1)
    return (
        head, decoded.seq, decoded.first, decoded.n, each.message.received_us, *each.span_us(), each.stored, each.lost,
    )  # fmt: skip


def _array(values: Iterable[int | None]) -> str:
    """An array literal: many times faster to make than what the driver does with a list."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
