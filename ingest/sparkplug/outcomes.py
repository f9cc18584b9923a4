"""A message of an edge node as received, and what may follow from it."""

from __future__ import annotations

from typing import NamedTuple

from ingest.messages import Message
from ingest.sparkplug.births import Lookup
from ingest.sparkplug.names import Topic
from ingest.sparkplug.payload import Payload, read_payload

SEQUENCE = 256  # numbers of messages, then they begin again
_OVERHEAD_BYTES = 500  # of a held message, beside its payload


class Arrival(NamedTuple):
    """A message as received; `content` None while it is held: its bytes take a tenth of the room."""

    topic: Topic
    seq: int | None
    sent_ms: int | None
    bd_seq: int | None
    received_s: float
    message: Message
    content: Payload | None

    def payload(self) -> Payload:
        """Return the content, read again after it was held."""
        return self.content if self.content is not None else read_payload(self.message.payload)

    def held(self) -> Arrival:
        """Return the same without its content."""
        return self._replace(content=None)

    @property
    def size(self) -> int:
        """Bytes that it takes while it is held."""
        return len(self.message.payload) + len(self.message.topic) + _OVERHEAD_BYTES

    @property
    def fingerprint(self) -> int:
        """The same for the same message delivered twice."""
        return hash((self.message.topic, self.message.payload))


def arrival_of(topic: Topic, message: Message) -> Arrival:
    """Read a message. Raise Unreadable."""
    payload = read_payload(message.payload)
    seq = payload.seq % SEQUENCE if payload.seq is not None else None
    received_s = message.received_us / 1e6
    return Arrival(topic, seq, payload.timestamp, payload.bd_seq, received_s, message, payload)


# ---- what follows from a message ----------------------------------------------------------------------------------


class Store(NamedTuple):
    """Take a message's readings; `lookup` explains its metrics."""

    arrival: Arrival
    lookup: Lookup


class SetAside(NamedTuple):
    """A message whose birth never came."""

    arrival: Arrival
    detail: str


class NodeBorn(NamedTuple):
    """The node is there."""

    bd_seq: int | None


class NodeDied(NamedTuple):
    """The node is gone, and its devices with it."""

    bd_seq: int | None


class DeviceBorn(NamedTuple):
    """A device of the node is there."""

    device: str


class DeviceDied(NamedTuple):
    """A device of the node is gone; `at_ms` as the node says, None: it was not born again with its node."""

    device: str
    at_ms: int | None


class AskRebirth(NamedTuple):
    """Ask the node for its births."""

    reason: str


Outcome = Store | SetAside | NodeBorn | NodeDied | DeviceBorn | DeviceDied | AskRebirth


class Budget:
    """How much all sessions together may hold."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Reserve room; False when there is none."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Free room."""
        self._left += size
