"""Send a recorded fleet through the spool as its devices would have, at a multiple of real time."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent import __version__, wire
from edge_agent.config import Config
from edge_agent.parent import Parent
from edge_agent.publisher import Pace, Publisher
from edge_agent.recording import Moment, Recording, RecordingError, find_recordings, guess_metric
from edge_agent.spool import Spool, SpoolError
from edge_agent.state import write_state

log = logging.getLogger(__name__)

MAX_WAITING_RECORDS = 20_000  # forty full batches: enough to keep the line busy, little to hold on disk
CHUNK = 500
TURN_S = 0.2
RETRY_S = 1.0
PROGRESS_S = 10.0
MAX_SPEED = 1_000_000.0

ReplayError = RecordingError


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns an asset's clock into event times and into moments to send.

    All assets begin together; each ends at begin + its length / speed, and its last sample falls there: a well with
    five hours on record need not wait for one with five hundred. An event time is never later than the moment of
    sending, for speeds of 1 and more.
    """

    end_s: float
    length_s: float
    speed: float

    @classmethod
    def beginning(cls, begin_s: float, length_s: float, speed: float) -> Clock:
        """Return the clock of an asset whose replay begins at begin_s."""
        return cls(begin_s + length_s / speed, length_s, speed)

    def event_time_ms(self, clock_s: float) -> int:
        """Return the shifted time of a moment: spacing kept, the last sample at the end."""
        return int(self.end_s * 1000) - round((self.length_s - clock_s) * 1000)

    def send_at_s(self, clock_s: float) -> float:
        """Return when the moment is due."""
        return self.end_s - (self.length_s - clock_s) / self.speed


class Replay:
    """One replay; `run` returns its figures when all is acknowledged, or after `stop`."""

    def __init__(self, config: Config, paths: Sequence[Path], speed: float, parent: Parent | None = None) -> None:
        if not 1 <= speed <= MAX_SPEED:
            raise ReplayError(f"--speed {speed:g}: expected a number from 1 to {MAX_SPEED:g}")
        self.config = config
        self.speed = speed
        self.recordings = find_recordings(paths)
        self.spool = Spool(config.spool_path, int(config.max_mb * 1024 * 1024))
        pace = Pace(background_window=Pace().window)  # nothing live beside it
        self.publisher = Publisher(config.serial, config.broker, self.spool, self.describe, pace)
        self._parent = parent
        self._stop = threading.Event()
        self._shown_at = self._stated_at = 0.0
        self.samples = self.events = 0

    def describe(self) -> wire.Describe:
        """Return the recorded assets as sub-devices; units are told by the ends of the names."""
        assets = [
            wire.SubDevice(
                each.asset,
                each.model,
                [guess_metric(name) for name in each.metrics[: wire.MAX_SAMPLE_METRICS]],
                each.about | {"replayed": True},
            )
            for each in self.recordings
        ]
        return wire.Describe(self.config.model, __version__, (), assets, about={"replay_speed": self.speed})

    def stop(self) -> None:
        """Ask `run` to return; what was not acknowledged stays in the spool."""
        self._stop.set()

    def run(self) -> dict[str, Any]:
        """Replay; return assets, samples, events, skipped_rows, unacknowledged, seconds, complete."""
        begin = time.monotonic()
        self.publisher.start()
        complete = False
        try:
            longest = max(each.length_s for each in self.recordings)
            rows = sum(each.samples for each in self.recordings)
            log.info(
                "replaying %d assets, %d samples: %.0f h of operation in %.0f s",
                len(self.recordings),
                rows,
                longest / 3600,
                longest / self.speed,
            )
            complete = self._send_all(time.time()) and self._await_acks()
        finally:
            self.publisher.stop()
            self._state(running=False)
            unacknowledged = self.spool.records
            self.spool.close()
        return {
            "assets": len(self.recordings),
            "samples": self.samples,
            "events": self.events,
            "skipped_rows": sum(each.skipped for each in self.recordings),
            "unacknowledged": unacknowledged,
            "seconds": round(time.monotonic() - begin, 1),
            "complete": complete,
        }

    def _send_all(self, begin_s: float) -> bool:
        """Send each moment when it is due; return False when stopped before the end."""
        ahead = heapq.merge(*(self._lane_of(each, begin_s) for each in self.recordings), key=lambda each: each[0])
        samples: list[wire.Sample] = []
        events: list[wire.DeviceEvent] = []
        for send_at, recording, clock, moment in ahead:
            while send_at > time.time() or len(samples) >= CHUNK or len(events) >= CHUNK:
                if not self._store(samples, events):
                    return False
                samples, events = [], []
                if send_at > time.time():
                    self._stop.wait(min(TURN_S, max(send_at - time.time(), 0.0)))
            self._add(recording, clock, moment, samples, events)
        return self._store(samples, events)

    def _lane_of(self, recording: Recording, begin_s: float) -> Iterator[tuple[float, Recording, Clock, Moment]]:
        clock = Clock.beginning(begin_s, recording.length_s, self.speed)
        for moment in recording.moments():
            yield clock.send_at_s(moment.clock_s), recording, clock, moment

    @staticmethod
    def _add(
        recording: Recording,
        clock: Clock,
        moment: Moment,
        samples: list[wire.Sample],
        events: list[wire.DeviceEvent],
    ) -> None:
        t = clock.event_time_ms(moment.clock_s)
        if moment.values is not None:
            items = list(moment.values.items())
            for start in range(0, len(items), wire.MAX_SAMPLE_METRICS):
                part = dict(items[start : start + wire.MAX_SAMPLE_METRICS])
                samples.append(wire.Sample(t, part, None, recording.asset))
        if moment.event is not None:
            row = moment.event
            severity = "info" if row.get("kind") in ("maintenance", "commissioning") else "warning"
            text = row.get("text") or " ".join(filter(None, (row.get("kind"), row.get("code"), row.get("component"))))
            code = (row.get("code") or row.get("kind") or "event")[: wire.MAX_NAME_CHARS]
            event = wire.DeviceEvent(t, code, severity, text[: wire.MAX_TEXT_CHARS], True, recording.asset)
            events.append(event)

    def _store(self, samples: list[wire.Sample], events: list[wire.DeviceEvent]) -> bool:
        """Put them into the spool, once it has room; return False when stopped meanwhile."""
        while not self._is_over():
            if self.spool.records > MAX_WAITING_RECORDS or self.spool.bytes > self.spool.max_bytes // 2:
                self._stop.wait(TURN_S)
                continue
            if not samples and not events:
                return True
            try:
                if events:  # first: one that speaks of samples must not come in a later batch than they do
                    self.spool.append((), events, lane="replay")
                    self.events += len(events)
                    events = []
                self.spool.append(samples, (), lane="replay")
            except SpoolError as error:
                log.warning("%s; trying again", error)
                self._stop.wait(RETRY_S)
                continue
            self.samples += len(samples)
            return True
        return False

    def _await_acks(self) -> bool:
        while self.spool.records:
            if self._is_over():
                return False
            self._stop.wait(TURN_S)
        return True

    def _is_over(self) -> bool:
        """Look after everything that runs beside; True when it is time to stop."""
        self.publisher.check()
        now = time.monotonic()
        if now - self._stated_at > 5:
            self._stated_at = now
            self._state(running=True)
        if now - self._shown_at > PROGRESS_S:
            self._shown_at = now
            log.info("%d samples read, %d records waiting", self.samples, self.spool.records)
        return self._stop.is_set() or (self._parent is not None and self._parent.is_gone())

    def _state(self, running: bool) -> None:
        write_state(self.config, self.spool, self.publisher, {}, running)
