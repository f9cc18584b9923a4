"""A small Sparkplug edge node: payloads as nodes make them, and one that talks to a real broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.messages import Message
from ingest.sparkplug.payload import BD_SEQ, REBIRTH, DataType, read_payload
from ingest.sparkplug.schema import PayloadMessage
from tests.ingest import support

WAIT_S = 60.0  # for what takes a second or two, on a machine that may be very busy
T0 = 1_763_700_000_000  # ms


def wait_until(condition: Callable[[], bool]) -> None:
    support.wait_until(condition, WAIT_S)


class M(NamedTuple):
    """A metric as a test writes it."""

    name: str | None
    value: Any
    alias: int | None = None
    datatype: int | None = None
    t: int | None = None
    unit: str | None = None
    quality: int | None = None
    historical: bool = False
    transient: bool = False


def payload(metrics: Sequence[M] = (), *, seq: int | None = None, t: int | None = T0) -> bytes:
    """Encode a payload."""
    message = PayloadMessage()
    if t is not None:
        message.timestamp = t
    if seq is not None:
        message.seq = seq
    for each in metrics:
        fill(message.metrics.add(), each, t)
    return bytes(message.SerializeToString())


def fill(metric: Any, each: M, t: int | None = None) -> None:
    """Write a metric into its message."""
    if each.name is not None:
        metric.name = each.name
    if each.alias is not None:
        metric.alias = each.alias
    stamp = each.t if each.t is not None else t
    if stamp is not None:
        metric.timestamp = stamp
    if each.datatype is not None:
        metric.datatype = each.datatype
    if each.historical:
        metric.is_historical = True
    if each.transient:
        metric.is_transient = True
    if each.value is None:
        metric.is_null = True
    else:
        _set_value(metric, each)
    for key, kind, value in (("engUnit", DataType.STRING, each.unit), ("Quality", DataType.INT32, each.quality)):
        if value is not None:
            metric.properties.keys.append(key)
            property_value = metric.properties.values.add(type=int(kind))
            if isinstance(value, int):
                property_value.int_value = value
            else:
                property_value.string_value = value


def _set_value(metric: Any, each: M) -> None:
    value, wide = each.value, each.datatype in (DataType.INT64, DataType.UINT64, DataType.DATE_TIME)
    if isinstance(value, bool):
        metric.boolean_value = value
    elif isinstance(value, int) and wide:
        metric.long_value = value % 2**64
    elif isinstance(value, int):
        metric.int_value = value % 2**32
    elif isinstance(value, float):
        metric.double_value = value
    elif isinstance(value, str):
        metric.string_value = value
    elif isinstance(value, bytes):
        metric.bytes_value = value
    else:
        value(metric)  # fills in a structure


def bd_seq(number: int) -> M:
    return M(BD_SEQ, number, datatype=DataType.INT64)


def nbirth(metrics: Sequence[M] = (), *, bd: int = 0, seq: int = 0, t: int = T0) -> bytes:
    """A node's birth with what every birth holds."""
    control = M(REBIRTH, False, datatype=DataType.BOOLEAN)
    return payload([bd_seq(bd), control, *metrics], seq=seq, t=t)


def ndeath(bd: int, t: int | None = None) -> bytes:
    return payload([bd_seq(bd)], t=t)


def message(verb: str, body: bytes, device: str = "", *, node: str = "N", group: str = "G", at: float = 0.0) -> Message:
    """A message as received `at` seconds after T0."""
    topic = f"spBv1.0/{group}/{verb}/{node}" + (f"/{device}" if device else "")
    return Message(topic, body, round(T0 * 1000 + at * 1e6))


class EdgeNode:
    """A simulated edge node with devices, over a real connection.

    `metrics`: per device ('' the node itself) what it measures, by name. Aliases are given anew at each birth.
    """

    def __init__(
        self,
        url: str,
        group: str,
        node: str,
        metrics: dict[str, list[M]],
        *,
        client_id: str | None = None,
        bd: int = 0,
        first_alias: int = 1,
        answers: bool = True,
    ) -> None:
        self.group, self.node, self.metrics = group, node, metrics
        self.bd, self.seq, self.answers, self.first_alias = bd, 0, answers, first_alias
        self.aliases: dict[tuple[str, str], int] = {}
        self.rebirths = 0
        self.commands: list[Any] = []
        self._sent_ms = 0
        self.drop = 0  # so many messages are lost on their way
        self._lock = threading.RLock()
        address = url.removeprefix("mqtt://")
        account, _, place = address.rpartition("@")
        user, _, password = account.partition(":")
        host, _, port = place.partition(":")
        self._place = (host, int(port))
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or f"edge-{group}-{node}", protocol=mqtt.MQTTv5
        )
        self.client.username_pw_set(user, password)
        self.client.will_set(f"spBv1.0/{group}/NDEATH/{node}", ndeath(bd), qos=1, retain=False)
        self.client.on_message = self._on_message
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()

    def connect(self) -> EdgeNode:
        self.client.connect(*self._place, keepalive=10)
        self.client.loop_start()
        filters = [(f"spBv1.0/{self.group}/NCMD/{self.node}", 1), ("spBv1.0/STATE/+", 1)]
        deadline = time.monotonic() + 30
        while not self.client.is_connected() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.client.subscribe(filters)
        assert self.subscribed.wait(30)
        return self

    def _on_message(self, client: Any, userdata: Any, received: mqtt.MQTTMessage) -> None:
        if received.topic.startswith("spBv1.0/STATE/"):
            return
        command = read_payload(received.payload)
        self.commands.append((received, command))
        if self.answers and any(each.name == REBIRTH and each.value is True for each in command.metrics):
            self.rebirths += 1
            self.birth()

    # ---- what it sends --------------------------------------------------------------------------------------------

    def birth(self) -> None:
        """Send the births of the node and of all its devices."""
        with self._lock:
            self.seq = 0
            number = self.first_alias
            self.aliases = {}
            for device, metrics in self.metrics.items():
                for each in metrics:
                    self.aliases[(device, each.name or "")] = number
                    number += 1
            self._send("NBIRTH", "", [bd_seq(self.bd), M(REBIRTH, False, datatype=DataType.BOOLEAN), *self._born("")])
            for device in self.metrics:
                if device:
                    self._send("DBIRTH", device, self._born(device))

    def _born(self, device: str) -> list[M]:
        return [each._replace(alias=self.aliases[(device, each.name or "")]) for each in self.metrics.get(device, [])]

    def data(self, device: str = "", t: int | None = None, historical: bool = False, **values: Any) -> None:
        """Send values by alias."""
        with self._lock:
            metrics = [
                M(None, value, alias=self.aliases[(device, name)], historical=historical)
                for name, value in values.items()
            ]
            self._send("DDATA" if device else "NDATA", device, metrics, t)

    def death(self, device: str) -> None:
        with self._lock:
            self._send("DDEATH", device, [])

    def _send(self, verb: str, device: str, metrics: Sequence[M], t: int | None = None) -> None:
        if t is None:  # two values of one moment would be a conflict
            t = self._sent_ms = max(time.time_ns() // 1_000_000, self._sent_ms + 1)
        body = payload(metrics, seq=self.seq, t=t)
        self.seq = (self.seq + 1) % 256
        if self.drop:
            self.drop -= 1
            return
        topic = f"spBv1.0/{self.group}/{verb}/{self.node}" + (f"/{device}" if device else "")
        self.client.publish(topic, body, qos=0)

    # ---- ends -----------------------------------------------------------------------------------------------------

    def die(self) -> None:
        """End so that the broker publishes the will."""
        reason = ReasonCode(PacketTypes.DISCONNECT, identifier=4)
        self.client.disconnect(reasoncode=reason, properties=Properties(PacketTypes.DISCONNECT))
        self.client.loop_stop()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
