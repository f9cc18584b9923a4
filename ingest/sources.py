"""Where messages come from: which topics a connection reads, and how each of its messages is taken apart."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from sqlalchemy.orm import Session

from edge_agent.wire import ROOT, TELEMETRY, WAVEFORM
from ingest.commands import publish_commands
from ingest.control import handle_control
from ingest.listeners import BEAT_S, beat
from ingest.messages import Message, Prepared
from ingest.writer import prepare

# publish(topic, payload, *, qos, retain): False when there is no connection.
Publish = Callable[..., bool]


class Subscription(NamedTuple):
    """A topic filter; `retained`: also what the broker kept from before."""

    filter: str
    retained: bool = False


class Will(NamedTuple):
    """What the broker says for us when our connection dies."""

    topic: str
    payload: bytes
    retain: bool = True


class Source(Protocol):
    """One family of topics, read over a connection of its own by one `Consumer`.

    `prepare` runs in the decoder's thread, `subscriptions`, `will` and `connected` in the connection's, the others in
    the consumer's; messages of a lane come in order of receipt.
    """

    name: str  # of the session at the broker; "" for the devices' own topics
    clean_session: bool  # nothing is kept at the broker while the connection is away

    def subscriptions(self) -> Sequence[Subscription]:
        """Return what to subscribe to; asked at every connection."""
        ...

    def will(self) -> Will | None:
        """Return the last will of the next connection; asked before every connection."""
        ...

    def connected(self, publish: Publish) -> None:
        """Called when the broker has taken the subscriptions."""
        ...

    def leaving(self, publish: Publish) -> None:
        """Called before the connection is ended on purpose, while it still stands."""
        ...

    def prepare(self, message: Message) -> Prepared | None:
        """Decode telemetry, never raising: what cannot be read becomes a problem. None: `control` handles it."""
        ...

    def control(self, session: Session, message: Message) -> str | None:
        """Apply a message that is no telemetry; return what is wrong with it, None when nothing is."""
        ...

    def tick(self, session: Session, publish: Publish) -> None:
        """Called about twice a second while connected, with a transaction of the service."""
        ...


# A retained reading would be stored anew at each start of ours.
_DEVICES: tuple[tuple[str, bool], ...] = (
    (TELEMETRY, False),
    ("senml", False),
    (WAVEFORM, False),
    ("status", True),
    ("describe", True),
    ("config/reported", True),
    ("command/+/result", False),
    ("time", False),
)
_TELEMETRY_LEAVES = (f"/{TELEMETRY}", "/senml")


class DeviceTopics:
    """The devices' own topics, `forewarn/v1/{device}/…`."""

    name = ""
    clean_session = False

    def __init__(self) -> None:
        self._listener = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._since: datetime | None = None
        self._beat_due = 0.0

    def subscriptions(self) -> Sequence[Subscription]:
        """Return one filter for each leaf that devices write."""
        return [Subscription(f"{ROOT}/+/{leaf}", retained) for leaf, retained in _DEVICES]

    def will(self) -> Will | None:
        """None: nobody waits for us."""
        return None

    def connected(self, publish: Publish) -> None:
        """From now on silence is the devices' own."""
        self._since, self._beat_due = datetime.now(UTC), 0.0

    def leaving(self, publish: Publish) -> None:
        """Nothing to say."""

    def prepare(self, message: Message) -> Prepared | None:
        """Decode batches, plain forms and SenML."""
        return prepare(message) if message.topic.endswith(_TELEMETRY_LEAVES) else None

    def control(self, session: Session, message: Message) -> str | None:
        """Apply a status, a description or a command's result."""
        return handle_control(session, message)

    def within_reach(self) -> Sequence[str] | None:
        """Return the serials of the devices that commands may be published to; None: all."""
        return None

    def tick(self, session: Session, publish: Publish) -> None:
        """Send commands that wait; note that we listen."""
        now = datetime.now(UTC)
        publish_commands(session, publish, now, self.within_reach())
        if self._since is not None and time.monotonic() >= self._beat_due:
            self._beat_due = time.monotonic() + BEAT_S
            beat(session, self._listener, self._since, now)
