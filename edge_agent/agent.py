"""Read the sensors at their intervals, keep the readings in the spool, carry out commands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent import __version__, wire
from edge_agent.account import Account
from edge_agent.clock import monotonic_ms, now_ms
from edge_agent.config import Config, ConfigError
from edge_agent.link import Problem
from edge_agent.parent import Parent
from edge_agent.publisher import Pace, Publisher
from edge_agent.renewal import COMMAND as RENEW_COMMAND
from edge_agent.renewal import Keeper
from edge_agent.sensors import make_sensor
from edge_agent.sensors.base import CommandFailed, CommandUnknown, DriverError, HasPast, Reading, Sensor
from edge_agent.spool import Spool, SpoolCorrupt, SpoolError
from edge_agent.state import write_state

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0  # group commit: one disk write a second, and at most a second of samples to lose
FLUSH_SAMPLES = 200
MAX_HELD_SAMPLES = 5000  # in memory while the disk does not take any; about 2 MB
TURN_SECONDS = 0.5
STATE_SECONDS = 5.0
PAST_RETRY_SECONDS = 5.0
PAST_FIRST_SECONDS = 60.0  # for so long a sensor with a past lets it arrive before its present, so that time runs on
ROOM_AGAIN = 0.9  # the spool frees 2 % at a time: only below this it is no longer full
PAST_ROOM = 0.5  # the past waits while the spool is more than half full


@dataclass(slots=True)
class _Channel:
    """A sensor with its clock and its last failure."""

    sensor: Sensor
    driver: str
    interval_s: float
    due: float
    failed: bool = False
    past: Iterator[list[Reading]] | None = None
    past_told_at: float | None = None


@dataclass(slots=True)
class _Held:
    """Readings that are not on disk yet."""

    samples: list[wire.Sample] = field(default_factory=list)
    events: list[wire.DeviceEvent] = field(default_factory=list)
    lost: int = 0
    lost_from: int = 0
    lost_to: int = 0
    since: float = 0.0

    def trim(self) -> None:
        """Forget the oldest beyond the bound, counted so that the server hears of them."""
        excess = len(self.samples) - MAX_HELD_SAMPLES
        if excess > 0:
            gone = self.samples[:excess]
            del self.samples[:excess]
            self.lost_from = min(self.lost_from or gone[0].t, gone[0].t)
            self.lost_to = max(self.lost_to, gone[-1].t)
            self.lost += excess
        del self.events[: max(0, len(self.events) - MAX_HELD_SAMPLES)]


class Agent:
    """One device: its sensors, its spool, its publisher. `run` returns after `stop`."""

    def __init__(
        self,
        config: Config,
        pace: Pace | None = None,
        parent: Parent | None = None,
        account: Account | None = None,
    ) -> None:
        self.config = config
        self._account = account
        self.spool = Spool(config.spool_path, int(config.max_mb * 1024 * 1024))
        self.publisher = Publisher(config.serial, config.broker, self.spool, self.describe, pace)
        self._keeper = Keeper(config, self.publisher)
        self._parent = parent
        self._stop = threading.Event()
        self._held = _Held()
        self._problems: dict[str, Problem] = {}
        self._state_due = self._past_due = 0.0
        self._channels: list[_Channel] = []
        try:
            self._make_channels()
        except BaseException:
            self.spool.close()
            raise

    def _make_channels(self) -> None:
        folder = self.config.spool_path.parent
        begin = time.monotonic()
        for number, each in enumerate(self.config.sensors, 1):
            try:
                sensor = make_sensor(each.driver, each.asset, each.interval_seconds, each.options, folder)
            except DriverError as error:
                raise ConfigError(f"[[sensors]] number {number}: {error}") from error
            past = sensor.past(now_ms()) if isinstance(sensor, HasPast) else None
            self._channels.append(_Channel(sensor, each.driver, each.interval_seconds, begin, past=past))

    def describe(self) -> wire.Describe:
        """Return the device's description from those of its sensors."""
        own: list[wire.Metric] = []
        assets: list[wire.SubDevice] = []
        about: dict[str, Any] = {}
        demo = False
        for channel in self._channels:
            each = channel.sensor.describe()
            demo = demo or each.demo
            if each.asset is None or each.asset == self.config.serial:
                own += each.metrics
                about |= dict(each.about)
            else:
                facts = dict(each.about) | ({"demo": True} if each.demo else {})
                assets.append(wire.SubDevice(each.asset, each.model, each.metrics, facts))
        return wire.Describe(self.config.model, __version__, own, assets, demo, about)

    # --- the loop --------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask `run` to return; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until `stop`; what is read is on disk when this returns."""
        for path in self.spool.set_aside:
            self._report_corrupt(f"the spool was damaged and is set aside as {path}")
        self.publisher.start()
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        self._read_due()
        self._tell_past()
        if self._is_flush_due():
            self._flush()
        self._carry_out_commands()
        self.publisher.check()
        self._look_after_identity()
        if self._parent is not None and self._parent.is_gone():
            log.warning("the parent process is gone: stopping")
            self._stop.set()
        if time.monotonic() >= self._state_due:
            self._state_due = time.monotonic() + STATE_SECONDS
            write_state(self.config, self.spool, self.publisher, self._problems, running=True)
        busy = self._past_due < time.monotonic() and any(channel.past is not None for channel in self._channels)
        next_due = min((channel.due for channel in self._channels), default=time.monotonic() + TURN_SECONDS)
        wait = min(TURN_SECONDS, max(0.0, next_due - time.monotonic()))
        self._stop.wait(0.01 if busy else wait)

    def _look_after_identity(self) -> None:
        self._keeper.tick()
        problem = self._keeper.problem
        if problem != self._problems.get("renewal_failed"):
            if problem is None:
                del self._problems["renewal_failed"]
            else:
                self._problems["renewal_failed"] = problem
            self._show_problems()

    def _close(self) -> None:
        self._flush()
        self.publisher.stop()
        for channel in self._channels:
            try:
                channel.sensor.close()
            except Exception:
                log.exception("driver %s does not close", channel.driver)
        write_state(self.config, self.spool, self.publisher, self._problems, running=False)
        self.spool.close()

    # --- readings --------------------------------------------------------------------------------------------

    def _read_due(self) -> None:
        for channel in self._channels:
            now = time.monotonic()
            if now < channel.due or channel.past is not None:
                continue
            missed = (now - channel.due) // channel.interval_s  # after a sleep: go on, do not catch up
            channel.due += (missed + 1) * channel.interval_s
            self._read(channel)

    def _read(self, channel: _Channel) -> None:
        try:
            readings = channel.sensor.read(now_ms())
        except Exception as error:
            text = f"driver {channel.driver} cannot read: {error}"
            if not channel.failed:
                log.warning("%s", text, exc_info=not isinstance(error, (DriverError, OSError)))
                self._hold_event("sensor_unreadable", "warning", text)
            channel.failed = True
            self._problems["sensor_unreadable"] = Problem("sensor_unreadable", text)
            return
        if channel.failed:
            channel.failed = False
            self._problems.pop("sensor_unreadable", None)
            self._hold_event("sensor_unreadable", "info", f"driver {channel.driver} reads again", active=False)
        m = monotonic_ms() - self.spool.born
        for reading in readings:
            sample = reading.as_sample(m)
            if sample is not None:
                self._held.samples.append(sample)
            self._held.events += reading.events

    def _hold_event(self, code: str, severity: str, text: str, active: bool = True) -> None:
        self._held.events.append(wire.DeviceEvent(now_ms(), code, severity, text, active))

    def _tell_past(self) -> None:
        """Store one chunk of a sensor's past behind the live lane."""
        for channel in self._channels:
            if channel.past is None:
                continue
            if self.spool.bytes > PAST_ROOM * self.spool.max_bytes or time.monotonic() < self._past_due:
                return
            chunk = next(channel.past, None)
            try:
                if chunk is None:
                    channel.past_told_at = channel.past_told_at or time.monotonic()
                    waited_s = time.monotonic() - channel.past_told_at
                    if waited_s < PAST_FIRST_SECONDS and self.spool.has_background():
                        self._past_due = time.monotonic() + TURN_SECONDS / 2
                        continue
                    channel.past = None
                    if isinstance(channel.sensor, HasPast):
                        channel.sensor.past_told()
                    self.publisher.describe_again()
                else:
                    samples = [sample for sample in (each.as_sample(None) for each in chunk) if sample]
                    events = [event for each in chunk for event in each.events]
                    self._store(samples, events, "backfill")
            except SpoolError as error:
                self._spool_failed(error)
                self._past_due = time.monotonic() + PAST_RETRY_SECONDS
                if isinstance(channel.sensor, HasPast):
                    channel.past = channel.sensor.past(now_ms())  # from its beginning: repeats are harmless
            return

    def _is_flush_due(self) -> bool:
        held = self._held
        if not held.samples and not held.events:
            held.since = time.monotonic()
            return False
        return time.monotonic() - held.since >= FLUSH_SECONDS or len(held.samples) >= FLUSH_SAMPLES

    def _flush(self) -> None:
        held = self._held
        held.since = time.monotonic()
        if not held.samples and not held.events:
            return
        try:
            if held.lost:
                self.spool.note_lost(held.lost, held.lost_from, held.lost_to, "disk not writable")
                held.lost = held.lost_from = held.lost_to = 0
            samples, events = len(held.samples), len(held.events)
            self._store(held.samples, held.events)
        except SpoolError as error:
            self._spool_failed(error)
            held.trim()
            return
        except wire.WireError as error:  # one bad sample must not hold up the others for ever
            log.error("a reading cannot be sent and is left out: %s", error)
            held.samples = [each for each in held.samples if _is_encodable(each)]
            return
        del held.samples[:samples], held.events[:events]  # what storing has raised meanwhile stays
        if self._problems.pop("spool_write_failed", None) is not None:
            self._hold_event("spool_write_failed", "info", "the disk takes data again", active=False)
            self._show_problems()

    def _store(
        self, samples: Sequence[wire.Sample], events: Sequence[wire.DeviceEvent], lane: wire.Lane = "live"
    ) -> None:
        """Append to the spool, with an account of it where one is kept. Raise SpoolError."""
        if self._account is not None and samples:
            self._account.announce(samples)
        dropped = self.spool.dropped_samples
        first = self.spool.append(samples, events, lane)
        if self._account is not None and samples:
            self._account.confirm(self.spool.boot, first, len(samples))
        self._watch_room(self.spool.dropped_samples > dropped)

    def _watch_room(self, drops: bool) -> None:
        """Raise an alarm when the oldest samples are given up, once for each time that the spool is full."""
        if drops and "spool_full" not in self._problems:
            text = f"no room for more than {self.spool.max_bytes >> 20} MB: the oldest samples are given up"
            self._problems["spool_full"] = Problem("spool_full", text)
            self._hold_event("spool_full", "critical", text)
            self._show_problems()
        elif "spool_full" in self._problems and self.spool.bytes < ROOM_AGAIN * self.spool.max_bytes:
            del self._problems["spool_full"]
            self._hold_event("spool_full", "info", "there is room again", active=False)
            self._show_problems()

    def _spool_failed(self, error: SpoolError) -> None:
        if isinstance(error, SpoolCorrupt):
            self._report_corrupt(str(error))
            return
        if "spool_write_failed" not in self._problems:
            log.error("%s", error)
            self._hold_event("spool_write_failed", "critical", str(error))
        self._problems["spool_write_failed"] = Problem("spool_write_failed", str(error))
        self._show_problems()

    def _report_corrupt(self, text: str) -> None:
        self._problems["spool_corrupt"] = Problem("spool_corrupt", text)
        self._hold_event("spool_corrupt", "critical", text)
        self._show_problems()

    def _show_problems(self) -> None:
        self.publisher.show_problems(self._problems)

    # --- commands --------------------------------------------------------------------------------------------

    def _carry_out_commands(self) -> None:
        while not self.publisher.commands.empty():
            command = self.publisher.commands.get_nowait()
            result = self._carry_out(command)
            log.info("command %s %s: %s %s", command.id, command.name, result.outcome, result.text)
            try:
                self.publisher.answer(result)
            except SpoolError as error:
                self._spool_failed(error)

    def _carry_out(self, command: wire.Command) -> wire.CommandResult:
        now = now_ms()
        if command.expires_at is not None and command.expires_at < now + (self.publisher.status.offset_ms or 0):
            return wire.CommandResult(command.id, "expired", now, "it came after its expiry")
        if command.name == RENEW_COMMAND:
            if self._keeper.ask():
                return wire.CommandResult(command.id, "done", now, "a new key is being made")
            return wire.CommandResult(command.id, "rejected", now, "this device has a password, no certificate")
        asset = command.arguments.get("asset")
        for channel in self._channels:
            if asset is not None and channel.sensor.describe().asset not in (asset, None):
                continue
            try:
                data = channel.sensor.command(command.name, command.arguments, now)
            except CommandUnknown:
                continue
            except CommandFailed as error:
                return wire.CommandResult(command.id, "failed", now_ms(), str(error))
            except Exception as error:
                log.exception("command %s stumbled", command.name)
                return wire.CommandResult(command.id, "failed", now_ms(), f"{type(error).__name__}: {error}")
            self._read(channel)  # what the command changed is seen at once
            self._flush()
            return wire.CommandResult(command.id, "done", now_ms(), "", data)
        return wire.CommandResult(command.id, "rejected", now, f"no sensor of this device knows {command.name!r}")


def _is_encodable(sample: wire.Sample) -> bool:
    try:
        wire.encode_sample(sample)
    except wire.WireError:
        return False
    return True
