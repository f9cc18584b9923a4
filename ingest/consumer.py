"""The role `ingest`: takes messages from the broker, commits them, and only then acknowledges."""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import psycopg
from sqlalchemy.exc import DBAPIError

from assets.base.db import SERVICE_ROLE, Database, plain_url
from edge_agent.wire import DESCRIBE, MAX_ACK_SEQS, Ack, ack_topic, encode_ack, parse_topic
from ingest.adoption import adopt_channels
from ingest.control import problem_of
from ingest.faults import blames_payload
from ingest.formats.decoded import Decoded
from ingest.link import Link
from ingest.messages import Message, Prepared, Receipt
from ingest.sources import DeviceTopics, Source
from ingest.store.base import Connection
from ingest.writer import Writer, prepare, refused

log = logging.getLogger(__name__)
T = TypeVar("T")

GROUP_MESSAGES = 2000  # one transaction; half the link's window, so that the broker refills while we commit
GROUP_BYTES = 4 * 2**20  # at most: some 200,000 values
LEAST_GROUP_BYTES = 2**18
GROUP_S = 0.3  # what one group should take: a live message waits for the group before it, however slow the machine is
TAKE_MESSAGES = 100  # decoded in one go, before looking whether the writer is idle
WAIT_S = 0.05
TOP_UP_S = 0.005  # how long a waiting group looks for more while the writer is busy
RETRY_MOST_S = 10.0
TICK_S = 0.5
_DESCRIBES = f"/{DESCRIBE}"
_CONFIRM = "SELECT pg_logical_emit_message(true, 'forewarn', '')"


class Stopped(Exception):
    """Told to stop while the database is away: nothing more is acknowledged."""


class Gathered(NamedTuple):
    """Messages in order of receipt; those of them that are telemetry, decoded; and the others."""

    messages: list[Message]
    group: list[Prepared]
    control: list[Message]


class Consumer:
    """Writes what one link receives until told to stop."""

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        stop: threading.Event,
        on_subscribed: Callable[[], None] | None = None,
        source: Source | None = None,
        *,
        client_id: str | None = None,
        forget_filters: Sequence[str] = (),
        ends_session: bool = False,
    ) -> None:
        self._client_id, self._forget_filters, self._ends_session = client_id, forget_filters, ends_session
        self._busy_at = time.monotonic()
        self._group_bytes = GROUP_BYTES
        self._is_doubtful = False  # whether a standby has what was committed
        self._told_subscribed = on_subscribed
        self._source: Source = source or DeviceTopics()
        self._database_url = plain_url(database_url)
        self._database = Database(database_url, pool_size=1)
        self._broker_url = broker_url
        self._stop = stop
        self._link = self._make_link()
        self._writer = Writer()
        self._connection: Connection | None = None
        self._ticks_at = 0.0
        self._is_idle = threading.Event()

    def run(self) -> None:
        """Work until `stop` is set: while one group is committed, the next is gathered and decoded."""
        # Decoded messages are trees of many small objects that die together: the cycle collector only wastes time.
        gc.set_threshold(100_000, 20, 50)
        self._link.start()
        try:
            with ThreadPoolExecutor(1, "decoder") as decoder:
                following = decoder.submit(self._gather)
                while not self._stop.is_set():
                    self._watch()
                    self._is_idle.set()
                    gathered = following.result()
                    self._is_idle.clear()
                    following = decoder.submit(self._gather)
                    if gathered.messages:
                        begun = time.monotonic()
                        self._handle(gathered)
                        self._busy_at = time.monotonic()
                        self._adapt(gathered, self._busy_at - begun)
                    self._tick()
        finally:
            self._link.stop()
            self._close()
            self._database.dispose()

    def _adapt(self, gathered: Gathered, took_s: float) -> None:
        """Make the next groups smaller when one took long, larger when a full one went fast."""
        size = sum(len(message.payload) for message in gathered.messages)
        if took_s > GROUP_S or size > self._group_bytes / 2:
            wanted = self._group_bytes * min(1.5, max(0.5, GROUP_S / max(took_s, 0.001)))
            self._group_bytes = int(min(GROUP_BYTES, max(LEAST_GROUP_BYTES, wanted)))

    @property
    def idle_s(self) -> float:
        """Seconds since something was handled; 0 while not connected."""
        return time.monotonic() - self._busy_at if self._link.is_connected else 0.0

    @property
    def found_session(self) -> bool | None:
        """Whether the broker knew our session at the last connection; None before the first one."""
        return self._link.found_session

    def _gather(self) -> Gathered:
        """Take and decode what waits, until the writer is idle or the group is full."""
        gathered = Gathered([], [], [])
        size = 0
        most_bytes = self._group_bytes
        while not self._stop.is_set() and len(gathered.messages) < GROUP_MESSAGES and size < most_bytes:
            wait_s = 0.0 if gathered.messages else WAIT_S
            most = GROUP_MESSAGES - len(gathered.messages)
            for message in self._link.take(min(most, TAKE_MESSAGES), most_bytes - size, wait_s):
                size += len(message.payload)
                gathered.messages.append(message)
                prepared = self._source.prepare(message)
                if prepared is None:
                    gathered.control.append(message)
                else:
                    gathered.group.append(prepared)
            if self._is_idle.is_set():
                if not (gathered.messages and self._link.waiting()):
                    break
            elif not self._link.waiting():
                self._is_idle.wait(TOP_UP_S)  # no hurry: what comes meanwhile is taken in one go
        return gathered

    def _watch(self) -> None:
        """Replace a link whose network thread died or hangs: the broker keeps what was not acknowledged."""
        if self._link.is_dead:
            log.error("the broker connection hangs; making a new one")
            self._link.stop()
            self._link = self._make_link()
            self._link.start()

    def _make_link(self) -> Link:
        return Link(
            self._broker_url,
            self._source,
            client_id=self._client_id,
            on_subscribed=self._on_subscribed,
            forget_filters=self._forget_filters,
            ends_session=self._ends_session,
        )

    def _on_subscribed(self) -> None:
        self._source.connected(self._link.publish)
        if self._told_subscribed is not None:
            self._told_subscribed()

    def _handle(self, gathered: Gathered) -> None:
        receipts: list[Receipt] = []
        for group, control in _in_order(gathered):
            receipts += self._commit(group) if group else []
            for message in control:
                self._control(message)
        self._adopt()
        # After the commit: a crash before this line means a repeat, not a loss.
        self._acknowledge_devices(receipts)
        self._link.acknowledge(gathered.messages)

    def _commit(self, group: Sequence[Prepared]) -> list[Receipt]:
        """Store a group; split it until what the database refuses stands alone. Raise Stopped."""
        try:
            return self._persist(lambda: self._write(group))
        except Exception as error:
            if isinstance(error, Stopped):
                raise
            if len(group) == 1:
                return self._set_aside(group[0], error)
            log.warning("a group of %d messages was refused, splitting it: %s", len(group), error)
        half = len(group) // 2
        return self._commit(group[:half]) + self._commit(group[half:])

    def _adopt(self) -> None:
        """Give new sub-devices their assets, on their own: whatever goes wrong with it, the readings are stored."""
        for device_id, channels in self._writer.take_unbound().items():

            def adopt(device_id: UUID = device_id, channels: set[str] = channels) -> None:
                with self._database.as_service() as session:
                    adopt_channels(session, device_id, channels, datetime.now(UTC))

            try:
                self._persist(adopt)
            except Stopped:
                raise
            except Exception:
                log.exception("%d sub-devices of device %s have no asset yet", len(channels), device_id)

    def _set_aside(self, each: Prepared, error: Exception) -> list[Receipt]:
        log.error("set aside a message on %s: %s: %s", each.message.topic, type(error).__name__, error)
        aside = refused(each, f"{type(error).__name__}: {error}")
        try:
            return self._persist(lambda: self._write([aside]))
        except Stopped:
            raise
        except Exception:
            log.exception("even its names are refused; keeping the bytes under no name")
            bare = Prepared(each.message._replace(topic="?"), "", Decoded(problems=aside.decoded.problems))
            self._persist(lambda: self._write([bare]))
        # Its bytes are kept, so the device may forget them: sending it for ever would help nobody.
        boot, seq = each.decoded.boot, each.decoded.seq
        return [Receipt(each.serial, boot, seq)] if boot is not None and seq is not None else []

    def _control(self, message: Message) -> None:
        """Apply a status, a description or a command's result; what is wrong with it goes to quarantine."""

        def apply() -> str | None:
            with self._database.as_service() as session:
                return self._source.control(session, message)

        try:
            problem = self._persist(apply)
        except Stopped:
            raise
        except Exception as error:
            self._set_aside(prepare(message), error)
            return
        if problem is not None:
            self._persist(lambda: self._write([problem_of(message, problem)]))
        elif message.topic.endswith(_DESCRIBES):
            self._writer.forget_device(parse_topic(message.topic).device)

    def _persist(self, work: Callable[[], T]) -> T:
        """Do work on the database, waiting while it is away; errors that the payload causes pass through."""
        failures = 0
        while True:
            try:
                return work()
            except (psycopg.Error, DBAPIError) as error:
                if blames_payload(error):
                    raise
                failures += 1
                self._is_doubtful = True
                self._close()
                pause_s = random.uniform(0, min(RETRY_MOST_S, 0.2 * 2 ** min(failures, 10)))
                log.warning("the database is away, trying again in %.1f s: %s", pause_s, error)
            self._watch()
            if self._stop.wait(pause_s):
                raise Stopped

    def _acknowledge_devices(self, receipts: Sequence[Receipt]) -> None:
        by_boot: dict[tuple[str, str], list[int]] = defaultdict(list)
        for receipt in receipts:
            by_boot[(receipt.device, receipt.boot)].append(receipt.seq)
        for (device, boot), seqs in by_boot.items():
            for start in range(0, len(seqs), MAX_ACK_SEQS):
                self._link.publish(ack_topic(device), encode_ack(Ack(boot, seqs[start : start + MAX_ACK_SEQS])))

    def _tick(self) -> None:
        if not self._link.is_connected or time.monotonic() < self._ticks_at:
            return
        self._ticks_at = time.monotonic() + TICK_S

        def tick() -> None:
            with self._database.as_service() as session:
                self._source.tick(session, self._link.publish)

        before = list(self._source.subscriptions())
        self._persist(tick)
        if list(self._source.subscriptions()) != before:
            self._link.subscribe()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(self._database_url, autocommit=True, connect_timeout=10)
            connection.execute(f"SET ROLE {SERVICE_ROLE}")
            connection.add_notice_handler(self._on_notice)
            self._connection = connection
        return self._connection

    def _on_notice(self, notice: psycopg.errors.Diagnostic) -> None:
        """Somebody broke off the wait for the standby: the commit is reported, but stands on one server only."""
        self._is_doubtful = self._is_doubtful or "synchronous replication" in (notice.message_primary or "")

    def _write(self, group: Sequence[Prepared]) -> list[Receipt]:
        """Store a group and commit it, where a standby is required on the standby too."""
        receipts = self._writer.write(self._connected(), group)
        while self._is_doubtful:
            # After a broken wait or connection the group may be a repeat, which writes nothing and so waits for
            # nobody; this does, and what was committed before it is confirmed with it.
            self._is_doubtful = False
            try:
                self._connected().execute(_CONFIRM)
            except BaseException:
                self._is_doubtful = True
                raise
        return receipts

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _in_order(gathered: Gathered) -> Iterator[tuple[Sequence[Prepared], Sequence[Message]]]:
    """Yield telemetry and then control messages; a description stands where it came: units hold from there on."""
    if not any(message.topic.endswith(_DESCRIBES) for message in gathered.control):
        yield gathered.group, gathered.control
        return
    prepared = {id(each.message): each for each in gathered.group}
    group: list[Prepared] = []
    for message in gathered.messages:
        if id(message) in prepared:
            group.append(prepared[id(message)])
        else:
            yield group, [message]
            group = []
    yield group, []
