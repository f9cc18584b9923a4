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
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.wire import WireError, decode_time_request, encode_time_reply, parse_topic, time_reply_topic
from ingest.messages import Message
from ingest.sources import DeviceTopics, Source

log = logging.getLogger(__name__)

WINDOW_MESSAGES = 1000  # in flight at most; a group of 500 commits while the next 500 arrive
# Mosquitto before 2.1 does not keep to the window, so the queue has bounds of its own: above the first we stop reading
# and TCP holds the broker back, the second only catches what is still read to keep the connection alive.
PAUSE_MESSAGES, PAUSE_BYTES = 2 * WINDOW_MESSAGES, 32 * 2**20
MOST_MESSAGES, MOST_BYTES = 4 * PAUSE_MESSAGES, 2 * PAUSE_BYTES
TRICKLE_S = 10.0  # while paused one packet is read this often: a third of the keepalive
SESSION_EXPIRY_S = 7 * 86_400  # the broker keeps what devices send while ingest is away
KEEPALIVE_S = 30
BACKOFF_MOST_S = 30.0
STABLE_AFTER_S = 20.0  # only then is the next loss a new one: a broker that kicks us must not be hammered
_DO_NOT_SEND_RETAINED = 2

_generations = itertools.count(1)  # of all links: one that replaces another must not inherit its numbers


def client_id_of(broker_url: str, source: str = "") -> str:
    """Return the name that ingest has at the broker: the same at every start, so that its session is found again.

    Not to be guessed: a device that connected under this name would take the session over and throw ingest out.
    """
    secret = urlsplit(broker_url).password or broker_url
    name = f"forewarn-ingest-{hashlib.sha256(secret.encode()).hexdigest()[:12]}"
    return f"{name}-{source}" if source else name


class Link:
    """One connection. Callbacks only append to the queue: the database never delays a ping."""

    def __init__(
        self,
        broker_url: str,
        source: Source | None = None,
        *,
        client_id: str | None = None,
        on_subscribed: Callable[[], None] | None = None,
    ) -> None:
        self._source = source or DeviceTopics()
        self._on_subscribed = on_subscribed
        parts = urlsplit(broker_url)
        self._tls = parts.scheme in ("mqtts", "ssl", "tls")
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or (8883 if self._tls else 1883)
        self._account = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._client_id = client_id or client_id_of(broker_url, self._source.name)
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._arrived = threading.Condition()
        self._generation = 0
        self._connected = False
        self._overflowed = False
        self._stop = threading.Event()
        # Held while a PUBACK is queued and while the connection changes: a number of an old connection never
        # acknowledges another message on the new one.
        self._ack_lock = threading.Lock()
        self._client = self._make_client()
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
        return self._thread is None or not self._thread.is_alive() or time.monotonic() - self.turned_at > 60

    # ---- messages -----------------------------------------------------------------------------------------------

    def take(self, most: int, most_bytes: int, wait_s: float) -> list[Message]:
        """Return waiting messages in order of receipt, waiting at most `wait_s` for the first one."""
        with self._arrived:
            if not self._queue:
                self._arrived.wait(wait_s)
            taken: list[Message] = []
            size = 0
            while self._queue and len(taken) < most and size < most_bytes:
                message = self._queue.popleft()
                size += len(message.payload)
                taken.append(message)
            self._queued_bytes -= size
        return taken

    def waiting(self) -> int:
        """Return how many messages wait."""
        return len(self._queue)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the connection; False when there is none (then nothing is queued)."""
        if not self._connected:
            return False
        return self._client.publish(topic, payload, qos=qos, retain=retain).rc == mqtt.MQTT_ERR_SUCCESS

    def subscribe(self) -> None:
        """Subscribe to what the source wants now; called at every connection, and when it wants more than before."""
        wanted = [
            (each.filter, SubscribeOptions(qos=1, retainHandling=0 if each.retained else _DO_NOT_SEND_RETAINED))
            for each in self._source.subscriptions()
        ]
        if wanted and self._connected:
            self._client.subscribe(wanted)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge to the broker, in order of receipt, what came over the present connection."""
        with self._ack_lock:
            for message in messages:
                if self._connected and message.generation == self._generation and message.mid:
                    self._client.ack(message.mid, 1)

    # ---- network thread -----------------------------------------------------------------------------------------

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=mqtt.MQTTv5, manual_ack=True
        )
        if self._account:
            client.username_pw_set(*self._account)
        if self._tls:
            client.tls_set()
        client.max_queued_messages_set(10_000)
        client.max_inflight_messages_set(100)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        # Says that a loop of ours writes: other threads only queue their packets, and wake it.
        client.on_socket_register_write = lambda *_: None
        return client

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._connect()
                self._turn()
            except Exception as error:
                log.warning("broker %s:%s: %s", self._host, self._port, error)
            finally:
                self._lost()
            failures = 0 if time.monotonic() - begun > STABLE_AFTER_S else failures + 1
            # Full jitter: many clients must not come back in step.
            self._pause(random.uniform(0, min(BACKOFF_MOST_S, 0.5 * 2 ** min(failures, 10))))

    def _connect(self) -> None:
        with self._ack_lock:
            self._generation = next(_generations)
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.SessionExpiryInterval = SESSION_EXPIRY_S
        connect.ReceiveMaximum = WINDOW_MESSAGES
        will = self._source.will()
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client.connect(self._host, self._port, KEEPALIVE_S, clean_start=False, properties=connect)

    def _turn(self) -> None:
        read_at = 0.0
        while not self._stop.is_set():
            self.turned_at = time.monotonic()
            if self._is_full() and self.turned_at - read_at < TRICKLE_S:
                code = self._write_only()
            else:
                read_at = self.turned_at
                code = self._client.loop(timeout=0.5)
            if code != mqtt.MQTT_ERR_SUCCESS:
                raise ConnectionError(mqtt.error_string(code))
            if self._overflowed and not self._queue:
                raise ConnectionError("more came than fits into memory; reconnecting for what was left out")
        self._client.disconnect()
        self._client.loop(timeout=0.2)

    def _is_full(self) -> bool:
        return len(self._queue) >= PAUSE_MESSAGES or self._queued_bytes >= PAUSE_BYTES

    def _write_only(self) -> MQTTErrorCode:
        """Send acknowledgements and pings, but read nothing."""
        code = self._client.loop_write()
        if code == mqtt.MQTT_ERR_SUCCESS:
            code = self._client.loop_misc()
        self._stop.wait(0.01)
        return code

    def _lost(self) -> None:
        """Nothing of this connection may be acknowledged any more; the broker will send it again."""
        with self._ack_lock:
            self._connected = False
        with self._arrived:
            self._queue.clear()
            self._queued_bytes = 0
        self._overflowed = False

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stop.is_set() and time.monotonic() < deadline:
            self.turned_at = time.monotonic()
            self._stop.wait(min(1.0, max(0.0, deadline - time.monotonic())))

    def _on_connect(self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refuses us: %s", reason)
            return
        with self._ack_lock:
            self._connected = True
        # Always, also in a session that was kept: the broker may have lost the subscriptions without saying so.
        self.subscribe()
        log.info("connected to the broker %s:%s", self._host, self._port)

    def _on_subscribe(self, client: mqtt.Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        """From here on the broker keeps what devices send for us, also while we are away."""
        if self._on_subscribed is not None and not any(reason.is_failure for reason in reasons):
            self._on_subscribed()

    def _on_message(self, client: mqtt.Client, userdata: Any, received: mqtt.MQTTMessage) -> None:
        received_us = time.time_ns() // 1000
        topic, payload = received.topic, bytes(received.payload)
        if topic.endswith("/time"):  # at once: waiting in the queue would count as the clock's error
            self._answer_time(topic, payload, received_us)
            if received.qos:
                client.ack(received.mid, received.qos)
            return
        with self._arrived:
            if self._queued_bytes + len(payload) > MOST_BYTES or len(self._queue) >= MOST_MESSAGES:
                self._overflowed = True  # not acknowledged: the broker sends it again after a reconnect
                return
            if self._overflowed:
                return  # after a gap nothing more is taken: order of receipt must hold
            mid = received.mid if received.qos else 0
            self._queue.append(Message(topic, payload, received_us, received.retain, mid, self._generation))
            self._queued_bytes += len(payload)
            self._arrived.notify()

    def _answer_time(self, topic: str, payload: bytes, received_us: int) -> None:
        try:
            device = parse_topic(topic).device
            reply = encode_time_reply(decode_time_request(payload), received_us // 1000)
        except WireError:
            return
        self._client.publish(time_reply_topic(device), reply, qos=0)
