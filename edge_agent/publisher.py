"""Send the spool's batches over MQTT until the server acknowledges them, and pass on what the server asks."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_agent import __version__, clock, wire
from edge_agent.backoff import Backoff
from edge_agent.clock import ServerClock
from edge_agent.link import BrokerAddress, Link, LinkFailed, Problem
from edge_agent.pace import Pace
from edge_agent.spool import FormedBatch, Spool, SpoolCorrupt, SpoolError

__all__ = ["Pace", "Publisher", "PublisherStatus"]

log = logging.getLogger(__name__)

SHORT_LIVES = 2  # connections in a row that ended soon while the broker was there, before we suspect a twin
SHORT_LIVES_FORGOTTEN = 4  # where the broker had forgotten our session: it may also have been restarted
SHORT_LIVES_STATELESS = 3  # where it keeps none
PACKET_HEADER_BYTES = 512  # topic, batch header and MQTT's own fields
CLOCK_AGAIN_S = 1.0  # questions about the time get lost like any message that nobody stores
COMMAND_QUEUE = 100  # more than this unread is a flood; the broker keeps the rest of an honest backlog


@dataclass(slots=True)
class _InFlight:
    batch: FormedBatch
    sent_at: float | None = None  # monotonic; None: to be sent (again)
    attempts: int = 0
    mid: int | None = None

    def is_due(self, now: float, pace: Pace) -> bool:
        if self.sent_at is None:
            return True
        wait = min(pace.ack_timeout_s * 2 ** max(self.attempts - 1, 0), pace.ack_timeout_max_s)
        return bool(now - self.sent_at >= wait)


@dataclass(slots=True)
class PublisherStatus:
    """What the agent shows of the publisher; times are ms since 1970, 0 means never."""

    connected: bool = False
    session: int = 0
    last_ack_at: int = 0
    last_error: str = ""
    acked_batches: int = 0
    resent_batches: int = 0
    offset_ms: int | None = None
    problems: dict[str, Problem] = field(default_factory=dict)


def _now_ms() -> int:
    return clock.now_ms()


class Publisher:
    """One thread that owns the connection. Other threads only use the methods documented as thread-safe."""

    def __init__(
        self,
        device: str,
        broker: BrokerAddress,
        spool: Spool,
        describe: Callable[[], wire.Describe],
        pace: Pace | None = None,
    ) -> None:
        self.device = device
        self.broker = broker
        self.spool = spool
        self.pace = pace or Pace()
        self.status = PublisherStatus()
        self.commands: queue.Queue[wire.Command] = queue.Queue(COMMAND_QUEUE)
        self._describe = describe
        self._flight: dict[tuple[str, int], _InFlight] = {}
        self._extra_problems: Mapping[str, Problem] = {}
        self._stop = threading.Event()
        self._describe_again = threading.Event()
        self._connect_anew = threading.Event()
        self._generation = 0
        self._last_turn = time.monotonic()
        self._thread: threading.Thread | None = None
        self._backoff = Backoff(self.pace.reconnect_base_s, self.pace.reconnect_max_s, self.pace.stable_s)
        self._short_lives, self._enough_lives = 0, SHORT_LIVES
        self._result_mids: dict[int, str] = {}
        self._clock = ServerClock()
        self._knows_time = threading.Event()

    # --- thread-safe from outside ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect and send, in a thread of its own."""
        self._generation += 1
        self._last_turn = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(self._generation,), name="publisher", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Say goodbye to the broker and end the thread; what was not acknowledged stays in the spool."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def check(self) -> None:
        """Watchdog: begin anew when the thread has died or has not turned for a while. Call every second or so."""
        if self._stop.is_set() or self._thread is None:
            return
        stalled = time.monotonic() - self._last_turn > self.pace.stalled_after_s
        if stalled or not self._thread.is_alive():
            log.error("the publisher's thread %s: starting another", "stalls" if stalled else "has died")
            self.status.connected = False
            self.start()

    def use(self, broker: BrokerAddress) -> None:
        """End the present connection in good order and connect with this address and identity."""
        self.broker = broker
        self._connect_anew.set()

    def describe_again(self) -> None:
        """Publish the description again: a sensor has changed."""
        self._describe_again.set()

    def show_problems(self, problems: Mapping[str, Problem]) -> None:
        """Problems found outside the publisher, to be shown in the device's status."""
        self._extra_problems = dict(problems)

    # --- the thread ------------------------------------------------------------------------------------------

    def _run(self, generation: int) -> None:
        while self._is_mine(generation):
            started = time.monotonic()
            wait, ended_by = None, ""
            try:
                self._connection(generation)
            except LinkFailed as failure:
                self._report(failure.problem)
                ended_by = failure.problem.code
                wait = self._wait_after(failure)
            except SpoolError as error:
                self._report(Problem("spool", str(error)))
            except Exception as error:
                log.exception("the publisher stumbled")
                self._report(Problem("publisher_error", f"unexpected {type(error).__name__}: {error}"))
            if not self._is_mine(generation):
                return
            lasted_s = time.monotonic() - started if self.status.connected else 0.0
            is_stable = lasted_s > self.pace.stable_s
            self._backoff.ended(lasted_s)
            is_short = self.status.connected and not is_stable and ended_by == "connection_lost"
            self._short_lives = self._short_lives + 1 if is_short else 0
            if self._short_lives >= self._enough_lives:
                # Not every broker says 'session taken over': Mosquitto 2.0 just closes the older connection.
                text = f"the broker ends each connection soon; does another computer use the serial {self.device}?"
                self._report(Problem("connection_unstable", text))
                wait = self.pace.twin_wait_s  # two of a kind must not throw each other out all day
            self.status.connected = False
            self._pause(generation, wait)

    def _wait_after(self, failure: LinkFailed) -> float | None:
        """Return how long to wait when trying again soon is of no use, else None."""
        if failure.problem.code == "session_taken_over":
            return self.pace.twin_wait_s
        return self.pace.refused_wait_s if failure.is_refusal else None

    def _is_mine(self, generation: int) -> bool:
        return generation == self._generation and not self._stop.is_set()

    def _pause(self, generation: int, wait: float | None) -> None:
        """Wait with full jitter, so that a thousand agents do not return at the same moment."""
        delay = self._backoff.delay_s() if wait is None else random.uniform(0.5 * wait, wait)
        until = time.monotonic() + delay
        while time.monotonic() < until and self._is_mine(generation) and not self._connect_anew.is_set():
            self._last_turn = time.monotonic()
            self._stop.wait(min(0.5, max(0.0, until - time.monotonic())))

    def _report(self, problem: Problem) -> None:
        before = self.status.problems.get(problem.code)
        self.status.problems = {**self.status.problems, problem.code: problem}
        self.status.last_error = problem.text
        if before is None or before.text != problem.text:
            log.warning("%s: %s", problem.code, problem.text)

    def _clear(self, *codes: str) -> None:
        if any(code in self.status.problems for code in codes):
            self.status.problems = {k: v for k, v in self.status.problems.items() if k not in codes}

    def _connection(self, generation: int) -> None:
        """Live through one connection, from CONNECT to its end."""
        session = self.spool.next_session()
        self.status.session = session
        will = wire.encode_status(wire.Status(False, self.spool.boot, session, _now_ms(), __version__))
        self._connect_anew.clear()
        # No session at the broker with a certificate: Mosquitto 2.0 damages its memory when it reads its files again
        # while such a session waits. What a session would keep is asked for again: acks by resending, commands by us.
        session_expiry_s = 0 if self.broker.identity_file else self.pace.session_expiry_s
        link = Link(self.broker, self.device, will, self.pace.keepalive_s, session_expiry_s)
        try:
            link.open(lambda: self._is_mine(generation))
            self._last_turn = time.monotonic()
            if not self._is_mine(generation):
                return
            self._clear(
                "broker_unreachable", "broker_refused", "connection_lost", "session_taken_over", "subscribe_denied"
            )
            if self.broker.identity_file:
                self._enough_lives = SHORT_LIVES_STATELESS
            else:
                self._enough_lives = SHORT_LIVES if link.session_present else SHORT_LIVES_FORGOTTEN
            self._clear("publisher_error", "certificate_refused", "clock_wrong")
            if link.clock_is_off:
                text = "the broker's certificate is not valid by this computer's clock; its dates are not looked at"
                self._report(Problem("clock_wrong", text))
            self.status.connected = True
            log.info("connected to %s as %s, session %d", self.broker, self.device, session)
            self._begin(link)
            turns = _Turns(session)
            stable_at, boot = time.monotonic() + self.pace.stable_s, self.spool.boot
            # A damaged spool goes on under a new boot id: connect anew, for the last will still names the old one.
            while self._is_mine(generation) and self.spool.boot == boot and not self._connect_anew.is_set():
                self._turn(link, turns)
                if time.monotonic() > stable_at:
                    self._clear("connection_unstable")
            self._say_goodbye(link, session)
        finally:
            link.close()

    def _begin(self, link: Link) -> None:
        self._result_mids.clear()
        self._flight = {batch.key: _InFlight(batch) for batch in self.spool.formed()}
        link.publish(wire.describe_topic(self.device), wire.encode_describe(self._describe()), retain=True)

    def _turn(self, link: Link, turns: _Turns) -> None:
        link.loop(self.pace.turn_s)
        self._last_turn = time.monotonic()
        try:
            self._take_messages(link)
            self._take_pubacks(link)
            self.status.offset_ms = self._clock.offset_ms()
            if turns.may_send(self._knows_time.is_set(), self.pace.clock_wait_s):
                self._form(link)
                self._send(link)
            self._send_results(link)
        except SpoolCorrupt as error:
            self._report(Problem("spool_corrupt", str(error)))
            self._flight.clear()
        except SpoolError as error:  # the connection is fine; what could not be noted is sent again
            self._report(Problem("spool", str(error)))
        now = time.monotonic()
        if self._describe_again.is_set():
            self._describe_again.clear()
            link.publish(wire.describe_topic(self.device), wire.encode_describe(self._describe()), retain=True)
        problems = {**self._extra_problems, **self.status.problems}
        if turns.status_due(now, problems, self.pace.status_every_s):
            self._publish_status(link, turns.session, problems)
        if now >= turns.clock_due or (self._clock.has_stepped() and now >= turns.step_due):
            turns.step_due = now + CLOCK_AGAIN_S
            turns.clock_due = now + (self.pace.clock_every_s if self._knows_time.is_set() else CLOCK_AGAIN_S)
            link.publish(wire.time_topic(self.device), wire.encode_time_request(self._clock.ask()), qos=0)

    def _publish_status(self, link: Link, session: int, problems: Mapping[str, Problem]) -> None:
        depth = self.spool.status()
        status = wire.Status(
            online=True,
            boot=self.spool.boot,
            session=session,
            at=_now_ms(),
            agent=__version__,
            problems=[{"code": each.code, "text": each.text} for each in problems.values()],
            spool={key: getattr(depth, key) for key in ("records", "bytes", "max_bytes", "oldest_t", "hours_left")},
            certificate=link.certificate,
            host=link.host,
        )
        link.publish(wire.status_topic(self.device), wire.encode_status(status), retain=True)

    def _say_goodbye(self, link: Link, session: int) -> None:
        status = wire.Status(False, self.spool.boot, session, _now_ms(), __version__)
        mid = link.publish(wire.status_topic(self.device), wire.encode_status(status), retain=True)
        link.flush(mid, 1.0)
        self._take_messages(link)
        self._take_pubacks(link)

    # --- what came in ----------------------------------------------------------------------------------------

    def _take_messages(self, link: Link) -> None:
        acked: list[tuple[str, int]] = []
        for topic, payload in _drain(link.messages):
            try:
                leaf = wire.parse_topic(topic).leaf
                if leaf == wire.ACK:
                    ack = wire.decode_ack(payload)
                    acked += [(ack.boot, seq) for seq in ack.seqs]
                elif leaf == wire.TIME_REPLY:
                    self._take_clock(payload)
                elif (command_id := wire.command_id_of(leaf)) is not None and payload:
                    self._take_command(command_id, payload)
            except wire.WireError as error:
                self._report(Problem("message_unreadable", f"{topic}: {error}"))
        if acked:
            self._take_acks(acked)

    def _take_acks(self, keys: list[tuple[str, int]]) -> None:
        known = self.spool.acknowledge(keys)
        for key in keys:
            self._flight.pop(key, None)
        if known:
            self.status.acked_batches += known
            self.status.last_ack_at = _now_ms()
            self._clear("not_acknowledged", "publish_denied", "spool")

    def _take_clock(self, payload: bytes) -> None:
        sent_at, server_at = wire.decode_time_reply(payload)
        if self._clock.take(sent_at, server_at):
            self._knows_time.set()
            self.spool.keep_zero(self._clock.zero_ms() or 0)

    def _take_command(self, command_id: str, payload: bytes) -> None:
        if self.spool.result_of(command_id) is not None:
            self.spool.mark_result(command_id, sent=False)  # asked again: answer again, do nothing again
            return
        try:
            command = wire.decode_command(command_id, payload)
        except wire.WireError as error:
            self.answer(wire.CommandResult(command_id, "rejected", _now_ms(), str(error)))
            return
        try:
            self.commands.put_nowait(command)
        except queue.Full:
            self.answer(wire.CommandResult(command_id, "rejected", _now_ms(), "too many commands are waiting"))

    def answer(self, result: wire.CommandResult) -> None:
        """Keep a command's result in the spool and send it until the broker has it. Thread-safe."""
        self.spool.keep_result(result.id, wire.encode_command_result(result).decode(), result.at)

    def _take_pubacks(self, link: Link) -> None:
        for mid, failure in _drain(link.pubacks):
            command_id = self._result_mids.pop(mid, None)
            if failure is None:
                if command_id is not None:
                    self.spool.mark_result(command_id, sent=True)
                continue
            self._report(failure)
            for flight in self._flight.values():
                if flight.mid == mid:
                    flight.attempts = max(flight.attempts, 4)  # denied: no use in asking again soon

    # --- what goes out ---------------------------------------------------------------------------------------

    def _form(self, link: Link) -> None:
        """Fill the window with new batches, live ones first, none larger than the broker takes."""
        largest = min(self.spool.batch_bytes, link.packet_maximum - PACKET_HEADER_BYTES)
        free = self.pace.window - len(self._flight)
        if free <= 0:
            return
        made = self.spool.form(background=False, count=free, max_bytes=largest)
        background = sum(each.batch.lane != "live" for each in self._flight.values())
        room = min(free - len(made), self.pace.background_window - background)
        if room > 0:
            made += self.spool.form(background=True, count=room, max_bytes=largest)
        for batch in made:
            self._flight[batch.key] = _InFlight(batch)

    def _send(self, link: Link) -> None:
        now = time.monotonic()
        for flight in list(self._flight.values())[: self.pace.window]:
            if not flight.is_due(now, self.pace):
                continue
            if link.unconfirmed >= link.receive_maximum:
                return
            payload = self.spool.encode(flight.batch, _now_ms(), self.status.offset_ms, self._clock.age_ms())
            if flight.attempts:
                self.status.resent_batches += 1
                if flight.attempts >= 2:
                    text = f"no acknowledgement from the server for {flight.batch.key}; is `forewarn ingest` running?"
                    self._report(Problem("not_acknowledged", text))
            if flight.batch.key in self.spool.damaged:
                text = "samples were damaged on the disk of this device; check it, it may be failing"
                self._report(Problem("spool_damaged", text))
            flight.mid = link.publish(wire.telemetry_topic(self.device), payload)
            flight.sent_at, flight.attempts = now, flight.attempts + 1

    def _send_results(self, link: Link) -> None:
        waiting = set(self._result_mids.values())
        for command_id, result in self.spool.unsent_results():
            if command_id in waiting or link.unconfirmed >= link.receive_maximum:
                continue
            mid = link.publish(wire.command_result_topic(self.device, command_id), result.encode())
            if mid is not None:
                self._result_mids[mid] = command_id


@dataclass(slots=True)
class _Turns:
    """What a connection does now and then."""

    session: int
    clock_due: float = 0.0
    step_due: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _status_due: float = 0.0
    _shown: tuple[str, ...] | None = None

    def may_send(self, knows_time: bool, wait_s: float) -> bool:
        """False for the first seconds of a device that does not know yet how far its clock is off."""
        return knows_time or time.monotonic() - self._began >= wait_s

    def status_due(self, now: float, problems: Mapping[str, Problem], every_s: float) -> bool:
        """True when the problems have changed or the last status is old."""
        codes = tuple(sorted(problems))
        if codes == self._shown and now < self._status_due:
            return False
        self._shown, self._status_due = codes, now + every_s
        return True


def _drain(items: deque[Any]) -> list[Any]:
    taken = []
    while items:
        taken.append(items.popleft())
    return taken
