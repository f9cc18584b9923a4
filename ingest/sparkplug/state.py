"""STATE: how a host says whether it is there, with the timing that edge nodes rely on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ingest.sources import Publish, Will
from ingest.sparkplug.names import state_topic

REPEAT_S = 1.0  # two hosts of the same name would else answer each other without end


def state_payload(online: bool, timestamp_ms: int) -> bytes:
    """Return the JSON of a birth or death certificate."""
    return json.dumps({"online": online, "timestamp": timestamp_ms}).encode()


class HostState:
    """Of one host over all its connections. Times never go back: a node ignores what is older than it has seen."""

    def __init__(self, host_id: str, now_ms: Callable[[], int] | None = None) -> None:
        self.topic = state_topic(host_id)
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._publish: Publish | None = None
        self._timestamp_ms = 0  # of the present connection's will, and of its birth
        self._is_paused = False
        self._repeat_at = 0.0

    def will(self) -> Will:
        """Return the death certificate of the connection that is about to be made."""
        self._timestamp_ms = self._later()
        self._publish = None
        return Will(self.topic, state_payload(False, self._timestamp_ms), retain=True)

    def connected(self, publish: Publish) -> None:
        """The subscriptions stand: say that we are there, with the time of the will."""
        self._publish = publish
        if not self._is_paused:
            self._say(True, self._timestamp_ms)

    def leaving(self, publish: Publish) -> None:
        """Say that we go, with the time of now, before the connection is ended on purpose."""
        self._publish = publish
        self._timestamp_ms = self._later()
        self._say(False, self._timestamp_ms)
        self._publish = None

    def pause(self) -> None:
        """Say that we cannot take anything now, so that nodes keep their data; the connection stays."""
        if not self._is_paused:
            self._is_paused = True
            self._say(False, self._timestamp_ms)

    def resume(self) -> None:
        """Say that we are there again."""
        if self._is_paused:
            self._is_paused = False
            self._say(True, self._timestamp_ms)

    def delivered(self, payload: bytes) -> None:
        """A STATE of our own name came: if it says that we are gone, contradict it."""
        try:
            body = json.loads(payload)
            online, timestamp = body["online"], body["timestamp"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        if online is not False or self._is_paused or time.monotonic() < self._repeat_at:
            return
        self._repeat_at = time.monotonic() + REPEAT_S
        if isinstance(timestamp, int) and self._timestamp_ms < timestamp <= self._now_ms() + 60_000:
            self._timestamp_ms = timestamp  # with an older one the nodes would not believe us
        self._say(True, self._timestamp_ms)

    def _later(self) -> int:
        return max(self._now_ms(), self._timestamp_ms)

    def _say(self, online: bool, timestamp_ms: int) -> None:
        if self._publish is not None:
            self._publish(self.topic, state_payload(online, timestamp_ms), qos=1, retain=True)
