"""The host application: reads what edge nodes send, says that it is there, asks for births."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session as Transaction

from assets.base.db import Database
from ingest.formats.decoded import Decoded, Problem, Reason, Unreadable
from ingest.formats.values import EARLIEST_US
from ingest.messages import Message, Prepared
from ingest.sources import Publish, Subscription, Will
from ingest.sparkplug import nodes
from ingest.sparkplug.late import write_late
from ingest.sparkplug.models import SparkplugNode
from ingest.sparkplug.names import (
    DEVICE_VERBS,
    NAMESPACE,
    NODE_VERBS,
    BadTopic,
    NodeKey,
    Topic,
    command_topic,
    is_id,
    read_topic,
    state_topic,
)
from ingest.sparkplug.nodes import Change, Known, Stranger
from ingest.sparkplug.outcomes import (
    Arrival,
    AskRebirth,
    Budget,
    DeviceBorn,
    DeviceDied,
    NodeBorn,
    NodeDied,
    Outcome,
    SetAside,
    Store,
    arrival_of,
)
from ingest.sparkplug.payload import write_rebirth
from ingest.sparkplug.readings import Reader
from ingest.sparkplug.session import REORDER_S, WAIT_S, Session
from ingest.sparkplug.state import HostState

log = logging.getLogger(__name__)

MOST_HELD_BYTES = 32 * 2**20  # of messages that wait for others; as much again on its way into the database
MOST_DEFINITIONS = 1_000_000  # of metrics in births, some 300 bytes each
LATE_MESSAGES = 500  # written in one turn
ASKS_PER_TURN = 25  # requests for births: 50 nodes a second
REFRESH_S = 2.0  # how soon a node that was registered just now is read
GRACE_S = 2.0  # for nodes that watch our STATE and are born again by themselves
HEARD_EVERY_S = 20.0  # how often it is written that a node was heard


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What an operator may choose. `host_id` must be unique among the hosts of one broker."""

    host_id: str = "forewarn"
    reorder_s: float = REORDER_S
    wait_s: float = WAIT_S

    def __post_init__(self) -> None:
        if not is_id(self.host_id):
            raise ValueError(f"the Sparkplug host id {self.host_id!r} cannot stand in a topic")
        if not 0 < self.reorder_s <= self.wait_s:
            raise ValueError("the reorder time-out is above 0 and at most the time that a message waits for its birth")


class Late(NamedTuple):
    """A message that is written after others that came later: it was held, or its channel's names are not loaded."""

    node: Known
    outcome: Store | SetAside


class SparkplugHost:
    """One host application; `prepare` runs in the decoder's thread, `tick` in the consumer's."""

    name = "sparkplug"
    clean_session = True  # required of hosts; what nodes send is not queued for anybody

    def __init__(self, database: Database, options: HostOptions | None = None) -> None:
        self._database = database
        self._options = options or HostOptions()
        self.state = HostState(self._options.host_id)
        self._lock = threading.Lock()  # never held over a query
        self._nodes: dict[NodeKey, Known] = {}
        self._stamp: object = None
        self._refresh_at = 0.0
        self._strangers: dict[NodeKey, Stranger] = {}
        self._asks: dict[NodeKey, str] = {}
        self._late: deque[Late] = deque()
        self._budget, self._memory = Budget(MOST_HELD_BYTES), Budget(MOST_DEFINITIONS)
        self.ends = False  # set when the host is about to end: what waits is given up
        self.is_written = threading.Event()  # then: everything is in the database
        # Of the turn that is being written; kept until it is committed.
        self._writing: list[Late] = []
        self._changes: list[Change] = []
        self._seen: list[tuple[NodeKey, Stranger]] = []

    # ---- connection -----------------------------------------------------------------------------------------------

    def subscriptions(self) -> Sequence[Subscription]:
        """Return the topics of all edge nodes and our own STATE."""
        of_nodes = [Subscription(f"{NAMESPACE}/+/{verb}/+") for verb in NODE_VERBS]
        of_devices = [Subscription(f"{NAMESPACE}/+/{verb}/+/+") for verb in DEVICE_VERBS]
        return [Subscription(self.state.topic), *of_nodes, *of_devices]

    def will(self) -> Will | None:
        """Return the host's death certificate; reads first who is registered: no connection without the database."""
        with self._database.as_service() as transaction:
            self._load(transaction)
            nodes.host_away(transaction)
        self._forget()
        return self.state.will()

    def connected(self, publish: Publish) -> None:
        """Publish the host's birth certificate."""
        self.state.connected(publish)

    def leaving(self, publish: Publish) -> None:
        """Publish the host's death certificate before an intentional disconnect."""
        self.state.leaving(publish)

    # ---- messages -------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> Prepared | None:
        """Take one message; return its own readings. What it sets free of others is written by `tick`."""
        if message.topic == state_topic(self._options.host_id):
            self.state.delivered(message.payload)
            return Prepared(message, "", Decoded())
        try:
            topic = read_topic(message.topic)
        except BadTopic as error:
            return _refused(message, "", Reason.UNKNOWN_TOPIC, str(error))
        with self._lock:
            node = self._nodes.get(topic.key)
            if node is None:
                self._note_stranger(topic, message)
                detail = f"edge node {topic.key.group}/{topic.key.node} is not registered"
                return _refused(message, "", Reason.UNKNOWN_DEVICE, detail)
            try:
                arrival = arrival_of(topic, message)
            except Unreadable as error:
                return _refused(message, node.serial, error.reason, error.detail)
            self._hear(node, arrival)
            try:
                return self._carry(topic.key, node, node.session.receive(arrival), message)
            except Exception as error:  # a mistake of ours with one message must not end the stream of all nodes
                log.exception("a message on %s", message.topic)
                self._carry(topic.key, node, node.session.forget(time.time(), 0.0))
                return _refused(message, node.serial, Reason.REFUSED, f"{type(error).__name__}: {error}"[:500])

    def control(self, session: Transaction, message: Message) -> str | None:
        """Nothing comes here: `prepare` handles everything."""
        return None

    def _carry(
        self, key: NodeKey, node: Known, outcomes: Iterable[Outcome], message: Message | None = None
    ) -> Prepared | None:
        """Do what follows; return the readings of the message that caused it."""
        own = Decoded()
        for outcome in outcomes:
            if isinstance(outcome, Store | SetAside):
                decoded = self._own(node, outcome, message)
                if decoded is None:
                    self._late.append(Late(node, outcome))
                else:
                    own = decoded
            elif isinstance(outcome, AskRebirth):
                self._asks[key] = outcome.reason
                node.is_changed = True
            else:
                self._note(node, outcome)
        return Prepared(message, node.serial, own) if message is not None else None

    def _own(self, node: Known, outcome: Store | SetAside, message: Message | None) -> Decoded | None:
        """Return the readings when they are those of this message and can be named at once."""
        arrival = outcome.arrival
        names = node.names.get(arrival.topic.device)
        if isinstance(outcome, SetAside) or arrival.message is not message or names is None:
            return None
        decoded = Reader(outcome, names).read()
        node.is_changed = node.is_changed or names.is_new
        return decoded

    def _note(self, node: Known, outcome: NodeBorn | NodeDied | DeviceBorn | DeviceDied) -> None:
        now = datetime.now(UTC)
        node.is_changed = True
        if isinstance(outcome, NodeBorn | NodeDied):
            node.online, node.since = isinstance(outcome, NodeBorn), now
        elif isinstance(outcome, DeviceBorn):
            node.channels[outcome.device] = (True, now)
        else:
            node.channels[outcome.device] = (False, _moment(outcome.at_ms, now))
        if isinstance(outcome, NodeDied):
            gone = set(node.names) | set(node.channels)
            node.channels |= {device: (False, now) for device in gone if device}

    def _note_stranger(self, topic: Topic, message: Message) -> None:
        heard_at = datetime.fromtimestamp(message.received_us / 1e6, UTC)
        known = self._strangers.get(topic.key)
        if known is not None:
            known.refused, known.heard_at = known.refused + 1, heard_at
        elif len(self._strangers) < nodes.MAX_STRANGERS:
            self._strangers[topic.key] = Stranger(1, heard_at)

    @staticmethod
    def _hear(node: Known, arrival: Arrival) -> None:
        heard_at = datetime.fromtimestamp(arrival.received_s, UTC)
        if node.heard_at is None or (heard_at - node.heard_at).total_seconds() >= HEARD_EVERY_S:
            node.heard_at, node.is_changed = heard_at, True

    # ---- turns ----------------------------------------------------------------------------------------------------

    def tick(self, session: Transaction, publish: Publish) -> None:
        """Let time pass, ask for births, write what was held and what happened to nodes."""
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + REFRESH_S
            if nodes.stamp(session) != self._stamp:
                self._load(session)
        if self.ends:
            self._close()
        else:
            self._pass_time()
            self._ask(publish)
        self._write(session)

    def _pass_time(self) -> None:
        now_s = time.time()
        with self._lock:
            for key, node in self._nodes.items():
                if node.session.needs_tick:
                    self._carry(key, node, node.session.tick(now_s))

    def _close(self) -> None:
        with self._lock:
            for key, node in self._nodes.items():
                self._carry(key, node, node.session.close())

    def _ask(self, publish: Publish) -> None:
        with self._lock:
            asked = [(key, self._asks.pop(key)) for key in list(self._asks)[:ASKS_PER_TURN]]
        for key, reason in asked:
            log.info("asking the edge node %s/%s for its births: %s", key.group, key.node, reason)
            publish(command_topic(key), write_rebirth(time.time_ns() // 1_000_000), qos=0, retain=False)

    def _write(self, transaction: Transaction) -> None:
        with self._lock:
            while self._late and len(self._writing) < LATE_MESSAGES:
                self._writing.append(self._late.popleft())
        if self._writing:
            write_late(transaction, self._writing, self._lock)
        with self._lock:
            self._changes += [node.take_change() for node in self._nodes.values() if node.is_changed]
            self._seen += self._strangers.items()
            self._strangers = {}
        for change in sorted(self._changes, key=lambda each: each.node.device_id):  # others lock devices too
            nodes.write_change(transaction, change)
        if self._seen:
            nodes.write_strangers(transaction, self._seen)
        if self._writing or self._changes or self._seen or self.ends:
            event.listen(transaction, "after_commit", self._written, once=True)

    def _written(self, transaction: Transaction) -> None:
        self._writing, self._changes, self._seen = [], [], []
        if self.ends and not self._late:
            self.is_written.set()

    # ---- who is registered ----------------------------------------------------------------------------------------

    def _load(self, transaction: Transaction) -> None:
        found_stamp = nodes.stamp(transaction)
        found = nodes.registered(transaction)
        with self._lock:
            gone = self._nodes.keys() - found.keys()
            fresh = [key for key in found if key not in self._nodes or self._nodes[key].id != found[key][0].id]
            self._nodes = {key: self._nodes[key] for key in found.keys() - set(fresh)}
            # At the start nodes that watch our STATE are born by themselves; later there is nothing to wait for.
            grace_s = GRACE_S if self._stamp is None else 0.0
            spread_s = len(fresh) / (2 * ASKS_PER_TURN) if len(fresh) > ASKS_PER_TURN else 0.0
            for key in fresh:
                self._nodes[key] = self._known(*found[key], grace_s + random.uniform(0, spread_s))
            for key in gone:
                self._asks.pop(key, None)
        self._stamp = found_stamp

    def _known(self, row: SparkplugNode, serial: str, ask_in_s: float) -> Known:
        assert row.device_id is not None
        session = Session(
            self._budget,
            self._memory,
            row.bd_seq,
            reorder_s=self._options.reorder_s,
            wait_s=self._options.wait_s,
            random=random.random,
        )
        session.forget(time.time(), ask_in_s)
        return Known(row.id, row.device_id, row.organisation_id, serial, session)

    def _forget(self) -> None:
        """The connection is new: births and deaths may have been missed, and aliases given anew."""
        with self._lock:
            spread_s = len(self._nodes) / (2 * ASKS_PER_TURN)
            for key, node in self._nodes.items():
                node.online = None
                self._carry(key, node, node.session.forget(time.time(), GRACE_S + random.uniform(0, spread_s)))


def _refused(message: Message, serial: str, reason: Reason, detail: str) -> Prepared:
    return Prepared(message, serial, Decoded(problems=[Problem(reason, detail, samples=0)]))


def _moment(at_ms: int | None, now: datetime) -> datetime:
    """A time that a node tells, unless it cannot be."""
    if at_ms is None or not EARLIEST_US <= at_ms * 1000 <= now.timestamp() * 1e6:
        return now
    return datetime.fromtimestamp(at_ms / 1000, UTC)
