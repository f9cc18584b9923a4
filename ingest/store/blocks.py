"""Blocks of samples with the same metrics, on their way into the table."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.formats.decoded import FLAG_LATE
from ingest.store.base import Row


class PlacedBlock(NamedTuple):
    """Samples of one stream and one message; `values` are in slot order, `width` of them a sample."""

    stream_id: int
    received_us: int
    batch_id: int
    times_us: list[int]
    flags: int | list[int]
    width: int
    values: array[float]

    def rows(self) -> Iterator[Row]:
        """Yield the same as single rows."""
        for position, t_us in enumerate(self.times_us):
            flags = self.flags if isinstance(self.flags, int) else self.flags[position]
            yield Row(self.stream_id, t_us, self.received_us, self.batch_id, flags, None, self.row_values(position))

    def newest(self) -> Row:
        """Return the row of the newest time."""
        t_us = self.times_us[-1] if len(self.times_us) == 1 else max(self.times_us)
        position = self.times_us.index(t_us)
        return Row(self.stream_id, t_us, self.received_us, self.batch_id, 0, None, self.row_values(position))

    def row_values(self, position: int) -> list[float | None]:
        """Return the values of one sample."""
        return list(self.values[position * self.width : (position + 1) * self.width])

    def late(self) -> int:
        """Return how many samples came late."""
        if isinstance(self.flags, int):
            return len(self.times_us) if self.flags & FLAG_LATE else 0
        return sum(1 for each in self.flags if each & FLAG_LATE)


def streams_of(blocks: Sequence[PlacedBlock]) -> set[int]:
    """Return the streams that the blocks belong to."""
    return {block.stream_id for block in blocks}
