"""One connection to the broker: paho v5 turned by its owner's thread, callbacks that only take notes."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent import wire
from edge_agent.tls import fingerprint_of_file, ignore_time, is_about_time, make_context

CONNECT_TIMEOUT_S = 2.5  # a stop must succeed within five seconds, also in the middle of a connect
CONNACK_TIMEOUT_S = 10.0
ALERT_TIMEOUT_S = 1.0
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


def hardware_address() -> str:
    """Return the address of the first network card, which a copied disk does not take along; '' without one."""
    for card in sorted(Path("/sys/class/net").glob("*/address")):
        with suppress(OSError):
            address = card.read_text().strip()
            if card.parent.name != "lo" and address.strip("0:"):
                return address
    return ""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and as whom to sign in."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str | None = None
    identity_file: str | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @classmethod
    def parse(
        cls, url: str, username: str, password: str, ca_file: str | None = None, identity_file: str | None = None
    ) -> BrokerAddress:
        """Read `mqtt://host:port` or `mqtts://host:port`. Raise ValueError with what was expected."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"{url!r}: expected mqtt://HOST:PORT or mqtts://HOST:PORT")
        tls = parts.scheme == "mqtts"
        port = parts.port or (8883 if tls else 1883)
        return cls(parts.hostname, port, username, password, tls, ca_file, identity_file)


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
        self.session_present = False
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
        if broker.username and not broker.identity_file:  # a certificate names its holder
            self._client.username_pw_set(broker.username, broker.password)
        self._context: ssl.SSLContext | None = None
        self.certificate = fingerprint_of_file(broker.identity_file)
        self.clock_is_off = False
        self._alert = ""
        if broker.tls:
            try:
                self._context = make_context(broker.ca_file, broker.identity_file)
            except OSError as error:
                text = (
                    f"{broker.ca_file} or {broker.identity_file} cannot be used ({error}); check [server], or claim"
                    " the device again: forewarn-edge claim CODE --server URL --force"
                )
                raise LinkFailed(Problem("broker_refused", text), is_refusal=True) from error
            self._client.tls_set_context(self._context)
            self._client.on_log = self._on_log
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

    @property
    def host(self) -> dict[str, str]:
        """What tells this computer from a copy of it: the address it connects from, its hardware address."""
        try:
            sock: Any = self._client.socket()
            address = str(sock.getsockname()[0]) if sock is not None else ""
        except OSError:
            address = ""
        return {key: value for key, value in (("address", address), ("hardware", hardware_address())) if value}

    # --- callbacks: notes only, all work is done by the owner between two turns ------------------------------

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._connack = reason
        self.session_present = bool(flags.session_present)
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

    def _on_log(self, _client: Any, _data: Any, _level: int, text: str) -> None:
        if "alert" in text:  # why a TLS 1.3 server does not take our certificate comes after the handshake
            self._alert = text

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
            self._connect(properties)
        except ssl.SSLError as error:
            self._alert = str(error)
            self._raise_if_certificate_refused()
            text = f"{self.broker} cannot be trusted ({error}); check ca_file in [server]"
            raise LinkFailed(Problem("broker_unreachable", text)) from error
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

    def _connect(self, properties: Properties) -> None:
        """Connect; when the server's certificate is refused for its dates alone, do without them and say so."""
        arguments: dict[str, Any] = {"keepalive": self._keepalive_s, "clean_start": False, "properties": properties}
        try:
            self._client.connect(self.broker.host, self.broker.port, **arguments)
        except OSError as error:
            if self._context is None or not is_about_time(error):
                raise
            ignore_time(self._context)
            self.clock_is_off = True
            self._client.connect(self.broker.host, self.broker.port, **arguments)

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

    def _ask_why(self) -> str:
        """Shake hands once more and only listen: what we write after it may be answered by a reset before the alert."""
        if self._context is None or not self.broker.identity_file:
            return ""
        try:
            with (
                socket.create_connection((self.broker.host, self.broker.port), CONNECT_TIMEOUT_S) as plain,
                self._context.wrap_socket(plain, server_hostname=self.broker.host) as secured,
            ):
                secured.settimeout(ALERT_TIMEOUT_S)
                secured.recv(1)
        except TimeoutError:
            return ""  # it waits for us to speak: the certificate is fine
        except OSError as error:
            return str(error)
        return ""

    def _raise_if_certificate_refused(self) -> None:
        words = self._alert.lower().replace("_", " ")
        if "alert" in words and any(word in words for word in ("certificate", "unknown ca", "access denied")):
            text = (
                f"{self.broker} does not take this device's certificate ({self._alert}); a new one is asked for if"
                " it has expired, else claim the device again: forewarn-edge claim CODE --server URL --force"
            )
            raise LinkFailed(Problem("certificate_refused", text), is_refusal=True)

    def _raise_if_ended(self, code: MQTTErrorCode) -> None:
        if self._connack is None and (code != mqtt.MQTT_ERR_SUCCESS or self._ended is not None):
            self._alert = self._alert or self._ask_why()
            self._raise_if_certificate_refused()
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
