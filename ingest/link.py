"""The connection to the broker: a bounded queue of what came, acknowledged in order; comes back by itself."""

from __future__ import annotations

import hashlib
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from edge_agent.wire import WireError, decode_time_request, encode_time_reply, parse_topic, time_reply_topic
from ingest import mqtt5
from ingest.connection import Address, BrokerConnection, Outgoing
from ingest.messages import Message
from ingest.mqtt5 import Packet
from ingest.sources import DeviceTopics, Source

log = logging.getLogger(__name__)

WINDOW_MESSAGES = 4000  # in flight at most: groups that commit, the next ones, and live messages behind a backlog
# Not every broker keeps to the window, and it says nothing of bytes, so the queue has bounds of its own: above the
# first we stop reading and TCP holds the broker back; the second only catches what one read may bring beyond it.
# A fleet of hundreds that comes back after an outage fits, so that its live messages are seen and go first.
PAUSE_MESSAGES, PAUSE_BYTES = 2 * WINDOW_MESSAGES, 64 * 2**20
MOST_MESSAGES, MOST_BYTES = 4 * PAUSE_MESSAGES, 2 * PAUSE_BYTES
BACKLOG_SHARE = 4  # when both wait, one message in so many is of the backlog: it goes on, but live ones go first
SESSION_EXPIRY_S = 7 * 86_400  # the broker keeps what devices send while ingest is away
KEEPALIVE_S = 30
BACKOFF_MOST_S = 30.0
STABLE_AFTER_S = 20.0  # only then is the next loss a new one: a broker that kicks us must not be hammered
DEAD_AFTER_S = 60.0
_LANE_WITHIN = 300  # bytes from the start: our agents name the lane before the samples

_generations = itertools.count(1)  # of all links: one that replaces another must not inherit its numbers


def client_id_of(broker_url: str, source: str = "") -> str:
    """Return the name that ingest has at the broker: the same at every start, so that its session is found again.

    Not to be guessed: a device that connected under this name would take the session over and throw ingest out.
    """
    secret = urlsplit(broker_url).password or broker_url
    name = f"forewarn-ingest-{hashlib.sha256(secret.encode()).hexdigest()[:12]}"
    return f"{name}-{source}" if source else name


class Link:
    """One connection. Its thread only appends to the queue: the database never delays a ping."""

    def __init__(
        self,
        broker_url: str,
        source: Source | None = None,
        *,
        client_id: str | None = None,
        on_subscribed: Callable[[], None] | None = None,
        forget_filters: Sequence[str] = (),
        ends_session: bool = False,
    ) -> None:
        self._ends_session = ends_session  # after this connection the broker shall keep nothing for us
        self.found_session: bool | None = None  # whether the broker knew our session
        self._subscribed: set[str] = set()
        self._source = source or DeviceTopics()
        self._on_subscribed = on_subscribed
        self._forget_filters = forget_filters  # of an earlier way to subscribe, which the session still has
        self._address = Address.of(broker_url)
        self._client_id = client_id or client_id_of(broker_url, self._source.name)
        self._arrived = threading.Condition()
        self._live: deque[Message] = deque()
        self._backlog: deque[Message] = deque()
        self._queued_bytes = 0
        self._read: list[Message] = []  # with one read, not yet in the queue
        self._read_bytes = 0
        self._received_us = 0  # of the last message
        self._overflowed = False
        self._generation = 0
        self._connection: BrokerConnection | None = None
        self._connected = False
        self._stop = threading.Event()
        # Held while a PUBACK is queued and while the connection changes: a number of an old connection never
        # acknowledges another message on the new one.
        self._ack_lock = threading.Lock()
        self._order: deque[int] = deque()  # numbers as received, which is how the standard wants them acknowledged
        self._done: set[int] = set()
        self._outgoing = Outgoing()
        self._subscribing = 0  # number of the SUBSCRIBE that we wait for
        self._thread: threading.Thread | None = None
        self.turned_at = time.monotonic()  # the network thread's sign of life

    # ---- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background and stay connected."""
        self._thread = threading.Thread(target=self._run, name="broker-link", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays with the broker."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def is_connected(self) -> bool:
        """True between CONNACK and the loss of the connection."""
        return self._connected

    @property
    def is_dead(self) -> bool:
        """True when the network thread no longer turns."""
        return self._thread is None or not self._thread.is_alive() or time.monotonic() - self.turned_at > DEAD_AFTER_S

    # ---- messages -----------------------------------------------------------------------------------------------

    def take(self, most: int, most_bytes: int, wait_s: float) -> list[Message]:
        """Return waiting messages, live ones first, each lane in order of receipt; wait at most `wait_s` for one."""
        with self._arrived:
            if not self._live and not self._backlog and wait_s:
                self._arrived.wait(wait_s)
            share = -(-most // BACKLOG_SHARE) if self._backlog else 0
            share_bytes = most_bytes // BACKLOG_SHARE if self._backlog else 0
            taken: list[Message] = []
            size = _move(self._live, taken, most - share, most_bytes - share_bytes)
            size += _move(self._backlog, taken, most - len(taken), most_bytes - size)
            size += _move(self._live, taken, most - len(taken), most_bytes - size)
            self._queued_bytes -= size
        return taken

    def waiting(self) -> int:
        """Return how many messages wait."""
        return len(self._live) + len(self._backlog)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the connection; False when there is none (then nothing is queued)."""
        connection = self._connection
        if connection is None or not self._connected:
            return False
        if not qos:
            connection.send(mqtt5.publish(topic, payload, 0, retain=retain))
            return True
        try:
            packet = self._outgoing.add(topic, payload, retain)
        except OverflowError:
            return False
        if packet is not None:
            connection.send(packet)
        return True

    def subscribe(self) -> None:
        """Subscribe to what the source wants now; called at every connection, and when it wants more than before."""
        wanted = [(each.filter, each.retained) for each in self._source.subscriptions()]
        connection = self._connection
        if connection is None or not self._connected:
            return
        gone = self._subscribed.difference(each for each, _ in wanted).union(self._forget_filters)
        self._subscribed = {each for each, _ in wanted}
        if wanted:
            self._subscribing = self._outgoing.number()
            connection.send(mqtt5.subscribe(self._subscribing, wanted))
        if gone:
            connection.send(mqtt5.unsubscribe(self._outgoing.number(), sorted(gone)))

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge to the broker what came over the present connection.

        PUBACKs go out in order of receipt: one that is done before another waits for it.
        """
        with self._ack_lock:
            connection, generation = self._connection, self._generation
            if connection is None or not self._connected:
                return
            self._done.update(each.mid for each in messages if each.mid and each.generation == generation)
            packets = []
            order, done = self._order, self._done
            while order and order[0] in done:
                mid = order.popleft()
                done.remove(mid)
                packets.append(b"\x40\x02" + mid.to_bytes(2, "big"))
            if packets:
                connection.send(b"".join(packets))

    # ---- network thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._connect()
                self._turn()
            except Exception as error:
                log.warning("broker %s:%s: %s", self._address.host, self._address.port, error)
            finally:
                self._lost()
            failures = 0 if time.monotonic() - begun > STABLE_AFTER_S else failures + 1
            # Full jitter: many clients must not come back in step.
            self._pause(random.uniform(0, min(BACKOFF_MOST_S, 0.5 * 2 ** min(failures, 10))))

    def _connect(self) -> None:
        will, is_clean = self._source.will(), self._source.clean_session
        if is_clean:
            self._outgoing = Outgoing()  # what an earlier session did not get through is not said in this one
        hello = mqtt5.connect(
            self._client_id,
            account=self._address.account,
            keepalive_s=KEEPALIVE_S,
            clean_start=is_clean,
            session_expiry_s=0 if is_clean else SESSION_EXPIRY_S,
            receive_maximum=WINDOW_MESSAGES,
            will=mqtt5.Will(will.topic, will.payload, will.retain) if will is not None else None,
        )
        connection = BrokerConnection(self._address, hello, KEEPALIVE_S)
        try:
            accepted = connection.open()
            if accepted.reason:
                raise ConnectionError(f"the broker refuses us: reason {accepted.reason:#x}")
        except BaseException:
            connection.close()
            raise
        with self._ack_lock:
            self._generation = next(_generations)
            self._order.clear()
            self._done.clear()
            self._connection = connection
            self._connected = True
            self.found_session = accepted.session_present
        for packet in self._outgoing.again(accepted.receive_maximum):
            connection.send(packet)
        # Always, also in a session that was kept: the broker may have lost the subscriptions without saying so.
        self.subscribe()
        log.info("connected to the broker %s:%s", self._address.host, self._address.port)

    def _turn(self) -> None:
        connection = self._connection
        assert connection is not None
        while not self._stop.is_set():
            self.turned_at = time.monotonic()
            if self._is_full():
                connection.turn(0.01, self._take_packet, reading=False)
            else:
                connection.turn(0.5, self._take_packet)
                self._deliver()
            if self._overflowed and not self.waiting():
                raise ConnectionError("more came than fits into memory; reconnecting for what was left out")

    def _is_full(self) -> bool:
        return self.waiting() >= PAUSE_MESSAGES or self._queued_bytes >= PAUSE_BYTES

    def _lost(self) -> None:
        """Nothing of this connection may be acknowledged any more; the broker will send it again."""
        if self._stop.is_set() and self._connected:
            with suppress(Exception):  # whatever goes wrong with it, the connection is ended
                self._source.leaving(self.publish)
        with self._ack_lock:
            connection, self._connection = self._connection, None
            self._connected = False
            self._order.clear()
            self._done.clear()
        if connection is not None:
            connection.close(politely=self._stop.is_set(), ends_session=self._ends_session)
        with self._arrived:
            self._live.clear()
            self._backlog.clear()
            self._queued_bytes = 0
        self._read, self._read_bytes = [], 0
        self._overflowed = False

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stop.is_set() and time.monotonic() < deadline:
            self.turned_at = time.monotonic()
            self._stop.wait(min(1.0, max(0.0, deadline - time.monotonic())))

    def _take_packet(self, packet: Packet) -> None:
        kind = packet.head & 0xF0
        if kind == mqtt5.PUBLISH:
            self._take_message(packet)
        elif kind == mqtt5.PUBACK:
            following = self._outgoing.acknowledged(mqtt5.read_puback(packet)[0])
            if following is not None and self._connection is not None:
                self._connection.send(following)
        elif kind == mqtt5.SUBACK:
            self._take_suback(packet)
        elif kind == mqtt5.DISCONNECT:
            reason = packet.body[0] if packet.body else 0
            raise ConnectionError(f"the broker ends the connection: reason {reason:#x}")

    def _take_suback(self, packet: Packet) -> None:
        """From here on the broker keeps what devices send for us, also while we are away."""
        mid, reasons = mqtt5.read_suback(packet)
        if any(reason >= 0x80 for reason in reasons):
            log.error("the broker refuses a subscription: reasons %s", reasons.hex(" "))
        elif mid == self._subscribing and self._on_subscribed is not None:
            self._on_subscribed()

    def _take_message(self, packet: Packet) -> None:
        # Plain forms without a time are known by this one: it never comes twice.
        received_us = self._received_us = max(time.time_ns() // 1000, self._received_us + 1)
        topic, payload, mid, retained = mqtt5.read_publish(packet)
        size = len(payload)
        if (
            self._queued_bytes + self._read_bytes + size > MOST_BYTES
            or self.waiting() + len(self._read) >= MOST_MESSAGES
        ):
            self._overflowed = True  # not acknowledged: the broker sends it again after a reconnect
        if self._overflowed:
            return  # after a gap nothing more is taken: order of receipt must hold
        message = Message(topic, payload, received_us, retained, mid, self._generation)
        if mid:
            self._order.append(mid)
        if topic.endswith("/time"):  # at once: waiting in the queue would count as the clock's error
            self._answer_time(topic, payload, received_us)
            self.acknowledge([message])
            return
        self._read.append(message)
        self._read_bytes += size

    def _deliver(self) -> None:
        """Put what one read brought into the queue at once: waking the reader for every message costs more than it."""
        if not self._read:
            return
        with self._arrived:
            for message in self._read:
                (self._backlog if _is_backlog(message.payload) else self._live).append(message)
            self._queued_bytes += self._read_bytes
            self._arrived.notify()
        self._read, self._read_bytes = [], 0

    def _answer_time(self, topic: str, payload: bytes, received_us: int) -> None:
        try:
            device = parse_topic(topic).device
            reply = encode_time_reply(decode_time_request(payload), received_us // 1000)
        except WireError:
            return
        self.publish(time_reply_topic(device), reply, qos=0)


def _is_backlog(payload: bytes) -> bool:
    """True for what was measured while its device was away. A wrong guess costs nothing but its place in the queue."""
    at = payload.find(b'"lane":', 0, _LANE_WITHIN)
    return at >= 0 and payload[at + 7 : at + 12].lstrip()[:2] in (b'"b', b'"r')


def _move(queue: deque[Message], taken: list[Message], most: int, most_bytes: int) -> int:
    """Move messages, at most so many and so many bytes (the last one may exceed it); return their bytes."""
    size = 0
    while queue and most > 0 and size < most_bytes:
        message = queue.popleft()
        size += len(message.payload)
        taken.append(message)
        most -= 1
    return size
