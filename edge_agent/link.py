"""One connection to the broker: paho v5 turned by its owner's thread, callbacks that only take notes."""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent import wire

CONNECT_TIMEOUT_S = 2.5  # a stop must succeed within five seconds, also in the middle of a connect
CONNACK_TIMEOUT_S = 10.0
OWN_INFLIGHT = 20
MAX_UNREAD_MESSAGES = 1000

_REFUSALS = {
    "Bad user name or password": "the broker refuses the password",
    "Not authorized": "the broker refuses this device",
    "Client identifier not valid": "the broker refuses the client id",
    "Banned": "the broker has banned this device",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with a name for programs and one line that says what to do."""

    code: str
    text: str


class LinkFailed(Exception):
    """The connection could not be made or has ended; `is_refusal` means that trying again soon is of no use."""

    def __init__(self, problem: Problem, is_refusal: bool = False) -> None:
        super().__init__(problem.text)
        self.problem = problem
        self.is_refusal = is_refusal


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and as whom to sign in."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str, username: str, password: str, ca_file: str | None = None) -> BrokerAddress:
        """Read `mqtt://host:port` or `mqtts://host:port`. Raise ValueError with what was expected."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"{url!r}: expected mqtt://HOST:PORT or mqtts://HOST:PORT")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), username, password, tls, ca_file)


class Link:
    """Made for one connection and then thrown away, so that no late callback reaches the next one."""

    def __init__(
        self,
        broker: BrokerAddress,
        device: str,
        will: bytes | None,
        keepalive_s: int,
        session_expiry_s: int,
        takes_messages: bool = True,
    ) -> None:
        self.broker = broker
        self.device = device
        self.receive_maximum = OWN_INFLIGHT
        self.packet_maximum = wire.MAX_BATCH_BYTES
        self.messages: deque[tuple[str, bytes]] = deque(maxlen=MAX_UNREAD_MESSAGES)
        self.pubacks: deque[tuple[int, Problem | None]] = deque()
        self._unconfirmed: dict[int, str] = {}
        self._takes_messages = takes_messages
        self._keepalive_s = keepalive_s
        self._session_expiry_s = session_expiry_s
        self._connack: ReasonCode | None = None
        self._suback: list[ReasonCode] | None = None
        self._ended: ReasonCode | None = None
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=device,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=not takes_messages,  # what a mere probe receives stays at the broker for the agent
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            try:
                self._client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
            except OSError as error:
                text = f"{broker.ca_file} is no CA certificate ({error}); check ca_file in [server]"
                raise LinkFailed(Problem("broker_refused", text), is_refusal=True) from error
        if will is not None:
            self._client.will_set(wire.status_topic(device), will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    @property
    def unconfirmed(self) -> int:
        """How many messages the broker has not yet confirmed."""
        return len(self._unconfirmed)

    # --- callbacks: notes only, all work is done by the owner between two turns ------------------------------

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._connack = reason
        limit = getattr(properties, "ReceiveMaximum", None)
        if limit:
            self.receive_maximum = min(OWN_INFLIGHT, int(limit))
        self.packet_maximum = int(getattr(properties, "MaximumPacketSize", None) or wire.MAX_BATCH_BYTES)

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        self._suback = reasons

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._ended = reason

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload)))

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        topic = self._unconfirmed.pop(mid, None)
        if topic is None:  # QoS 0
            return
        self.pubacks.append((mid, self._denial(topic, reason) if reason.is_failure else None))

    def _denial(self, topic: str, reason: ReasonCode) -> Problem:
        text = f"the broker does not take {topic} ({reason}); check that the username is the device's serial"
        return Problem("publish_denied", text)

    # --- the owner's side ------------------------------------------------------------------------------------

    def open(self, go_on: Callable[[], bool]) -> None:
        """Connect, wait for CONNACK, subscribe, wait for SUBACK. Raise LinkFailed; return early on not go_on()."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_expiry_s
        properties.ReceiveMaximum = OWN_INFLIGHT
        try:
            self._client.connect(
                self.broker.host,
                self.broker.port,
                keepalive=self._keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            text = f"{self.broker} cannot be reached ({error}); check the address in [server] and the network"
            raise LinkFailed(Problem("broker_unreachable", text)) from error
        self._await(lambda: self._connack is not None, go_on)
        if self._connack is not None and self._connack.is_failure:
            raise self._refusal(self._connack)
        if not go_on() or not self._takes_messages:
            return
        leaves = (wire.ack_topic, wire.config_topic, wire.time_reply_topic)
        topics = [leaf(self.device) for leaf in leaves] + [wire.command_topic(self.device, "+")]
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        self._await(lambda: self._suback is not None, go_on)
        denied = [topic for topic, reason in zip(topics, self._suback or [], strict=False) if reason.is_failure]
        if wire.ack_topic(self.device) in denied:
            text = f"the broker does not allow reading {', '.join(denied)}; check that the username is the serial"
            raise LinkFailed(Problem("subscribe_denied", text), is_refusal=True)

    def _await(self, is_there: Callable[[], bool], go_on: Callable[[], bool]) -> None:
        until = time.monotonic() + CONNACK_TIMEOUT_S
        while not is_there() and go_on():
            code = self._client.loop(0.2)
            if is_there():
                return
            self._raise_if_ended(code)
            if time.monotonic() > until:
                text = f"{self.broker} takes the connection but does not answer; is it an MQTT broker?"
                raise LinkFailed(Problem("broker_unreachable", text))

    def _refusal(self, reason: ReasonCode) -> LinkFailed:
        what = _REFUSALS.get(str(reason))
        if what is None:
            return LinkFailed(Problem("broker_unreachable", f"{self.broker} answers: {reason}; it is tried again"))
        text = (
            f"{what} ({reason}) for username {self.broker.username!r}; claim the device again:"
            " forewarn-edge claim CODE --server URL"
        )
        return LinkFailed(Problem("broker_refused", text), is_refusal=True)

    def _raise_if_ended(self, code: MQTTErrorCode) -> None:
        if self._ended is not None and str(self._ended) == "Session taken over":
            text = f"another connection uses the serial {self.device}; was this computer's card cloned?"
            raise LinkFailed(Problem("session_taken_over", text), is_refusal=True)
        if code != mqtt.MQTT_ERR_SUCCESS or self._ended is not None:
            reason = self._ended if self._ended is not None else mqtt.error_string(code)
            text = f"the connection to {self.broker} ended ({reason}); it is made again by itself"
            raise LinkFailed(Problem("connection_lost", text))

    def loop(self, timeout_s: float) -> None:
        """Let the network work for at most timeout_s. Raise LinkFailed when the connection has ended."""
        self._raise_if_ended(self._client.loop(timeout_s))

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> int | None:
        """Hand a message to the broker; return its id, or None when it could not be taken now."""
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            return None
        if qos:
            self._unconfirmed[info.mid] = topic
        return info.mid

    def flush(self, mid: int | None, timeout_s: float) -> None:
        """Turn until the broker has confirmed this message, or the time is over, or the connection has ended."""
        until = time.monotonic() + timeout_s
        while mid is not None and mid in self._unconfirmed and time.monotonic() < until:
            if self._client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
                return

    def close(self) -> None:
        """End the connection in good order where it still stands (the broker then sends no last will)."""
        self._client.disconnect()
        self._client.loop(0.05)
        self._client.on_message = self._client.on_publish = self._client.on_disconnect = None
