"""What travels from the broker's connection to the writer, and back as receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingest.formats.decoded import Decoded, Problem
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

    device: DeviceRef | None = None
    placed: list[Placed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lost: int = 0  # samples of which nothing could be stored
    batch_id: int | None = None
    is_repeat: bool = False

    def reset(self) -> None:
        """Forget an earlier attempt that was rolled back."""
        self.device, self.batch_id, self.is_repeat = None, None, False
        self.placed, self.problems, self.lost = [], list(self.decoded.problems), self.decoded.lost_samples

    @property
    def received_at(self) -> datetime:
        """Time of receipt."""
        return moment(self.message.received_us)
