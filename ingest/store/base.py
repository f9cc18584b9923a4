"""What every edition of the telemetry store promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import psycopg

if TYPE_CHECKING:
    from ingest.store.blocks import PlacedBlock

Connection = psycopg.Connection[Any]


class Row(NamedTuple):
    """All values of one stream at one moment.

    `values[slot - 1]` is the value of that slot, None where it has none; times in microseconds since 1970 UTC;
    `quality` by slot: 0 good, 1 uncertain, 2 bad, None when all are good.
    """

    stream_id: int
    t_us: int
    received_us: int
    batch_id: int
    flags: int
    quality: list[int] | None
    values: list[float | None]


@dataclass(slots=True)
class Repeats:
    """What was there before, by batch: rows that brought nothing new, and rows with a different value."""

    repeated: dict[int, int] = field(default_factory=dict)
    conflicting: dict[int, int] = field(default_factory=dict)

    def count(self, batch_id: int, *, repeated: int, conflicting: int) -> None:
        """Add to a batch's counts."""
        if repeated:
            self.repeated[batch_id] = self.repeated.get(batch_id, 0) + repeated
        if conflicting:
            self.conflicting[batch_id] = self.conflicting.get(batch_id, 0) + conflicting


class Store(Protocol):
    """Keeps one row per (stream, moment). The rule for repeats: value by value, the first one stays."""

    def insert(self, connection: Connection, rows: Sequence[Row], blocks: Sequence[PlacedBlock] = ()) -> Repeats:
        """Store rows, and blocks of such rows, within the caller's transaction.

        What earlier rows of the same moment lack is filled in.
        """
        ...
