"""What travels from the broker's connection to the writer, and back as receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingest.formats.decoded import FLAG_LATE, Decoded, Problem
from ingest.formats.fast import Block
from ingest.store.blocks import PlacedBlock
from ingest.store.catalog import DeviceRef

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(t_us: int) -> datetime:
    """Return microseconds since 1970 as an aware time."""
    return _EPOCH + timedelta(microseconds=t_us)


class Message(NamedTuple):
    """One message as received; `mid` and `generation` say which message of which connection to acknowledge."""

    topic: str
    payload: bytes
    received_us: int  # microseconds since 1970 UTC
    retained: bool = False
    mid: int = 0
    generation: int = 0


class Receipt(NamedTuple):
    """A batch that is committed: what the device may delete."""

    device: str
    boot: str
    seq: int


# A sample with its stream and slots, before its batch has a number: (stream, microseconds, flags, quality, values).
Placed = tuple[int, int, int, list[int] | None, list[float | None]]


@dataclass(slots=True)
class Prepared:
    """One telemetry message on its way into the transaction; the second part is filled while it is stored."""

    message: Message
    serial: str
    decoded: Decoded
    block: Block | None = None  # the samples, when they could be read at once; then `decoded` has none

    device: DeviceRef | None = None
    placed: list[Placed] = field(default_factory=list)
    placed_block: PlacedBlock | None = None
    problems: list[Problem] = field(default_factory=list)
    lost: int = 0  # samples of which nothing could be stored
    batch_id: int | None = None
    is_repeat: bool = False

    def reset(self) -> None:
        """Forget an earlier attempt that was rolled back."""
        self.device, self.batch_id, self.is_repeat = None, None, False
        self.placed_block = None
        self.placed, self.problems, self.lost = [], list(self.decoded.problems), self.decoded.lost_samples

    @property
    def stored(self) -> int:
        """How many samples have their place."""
        return len(self.placed_block.times_us) if self.placed_block is not None else len(self.placed)

    @property
    def late(self) -> int:
        """How many of them came late."""
        if self.placed_block is not None:
            return self.placed_block.late()
        return sum(1 for placed in self.placed if placed[2] & FLAG_LATE)

    def span_us(self) -> tuple[int | None, int | None]:
        """Return oldest and newest time of what has its place."""
        if self.placed_block is not None:
            return min(self.placed_block.times_us), max(self.placed_block.times_us)
        times = [placed[1] for placed in self.placed]
        return min(times, default=None), max(times, default=None)

    def stream_ids(self) -> list[int]:
        """Return the streams of what has its place, ascending."""
        if self.placed_block is not None:
            return [self.placed_block.stream_id]
        return sorted({placed[0] for placed in self.placed})

    @property
    def received_at(self) -> datetime:
        """Time of receipt."""
        return moment(self.message.received_us)
