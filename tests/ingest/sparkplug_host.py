"""What tests of the Sparkplug host share: the host in a thread, a simulated node, what is stored, who watches STATE."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from assets.base.db import Database
from assets.people import add_organisation
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.lease import run_host
from ingest.sparkplug.names import NodeKey
from ingest.sparkplug.payload import DataType
from ingest.sparkplug.registration import register_node
from tests.conftest import TestBroker
from tests.ingest.sparkplug_node import EdgeNode, M, wait_until
from tests.ingest.support import now, query

D = DataType
METRICS = {
    "": [M("Supply Voltage", 24.0, datatype=D.DOUBLE, unit="V")],
    "Pump": [
        M("Inputs/Temperature", 60.0, datatype=D.DOUBLE, unit="°C"),
        M("Mode", "run", datatype=D.STRING),
        M("Running", True, datatype=D.BOOLEAN),
    ],
}


def register(url: str, group: str, node: str) -> UUID:
    database = Database(url)
    try:
        with database.as_service() as session:
            owner = add_organisation(session, kind="operator", name="Operator", now=now()).id
            return register_node(session, NodeKey(group, node), owner, now()).device.id
    finally:
        database.dispose()


class Host:
    """`run_host` in a thread."""

    def __init__(self, database_url: str, broker_url: str, options: HostOptions) -> None:
        self.stop_event, self.subscribed = threading.Event(), threading.Event()
        args = (database_url, broker_url, self.stop_event, self.subscribed.set, options)
        self.thread = threading.Thread(target=run_host, args=args)
        self.thread.start()

    def wait(self) -> Host:
        assert self.subscribed.wait(60)
        return self

    def stop(self) -> None:
        self.stop_event.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextmanager
def host(database_url: str, broker: TestBroker, host_id: str, **more: Any) -> Iterator[Host]:
    running = Host(database_url, broker.url, HostOptions(host_id, **({"reorder_s": 0.5} | more)))
    try:
        yield running.wait()
    finally:
        running.stop()


@contextmanager
def edge(broker: TestBroker, group: str, **more: Any) -> Iterator[EdgeNode]:
    node = EdgeNode(broker.url, group, "N1", METRICS, **more).connect()
    try:
        yield node
    finally:
        node.close()


READINGS = """
SELECT t.channel, r.metric, s.values[r.slot], (extract(epoch FROM s.measured_at) * 1000)::bigint, r.unit
FROM samples s JOIN streams t ON t.id = s.stream_id JOIN series r ON r.stream_id = t.id
WHERE s.values[r.slot] IS NOT NULL
"""


def readings(url: str) -> set[tuple[str, str, float]]:
    return {(channel, metric, value) for channel, metric, value, _, _ in query(url, READINGS)}


def node_row(url: str) -> dict[str, Any]:
    names = ("online", "bd_seq", "rebirths", "gaps", "refused")
    (row,) = query(url, f"SELECT {', '.join(names)} FROM sparkplug_nodes")
    return dict(zip(names, row, strict=True))


def channels(url: str) -> dict[str, bool | None]:
    return dict(query(url, "SELECT channel, online FROM sparkplug_channels WHERE channel <> ''"))


class Watcher:
    """Sees everything below the namespace, in order."""

    def __init__(self, broker: TestBroker, host_id: str) -> None:
        self.seen: list[mqtt.MQTTMessage] = []
        self.topic = f"spBv1.0/STATE/{host_id}"
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", protocol=mqtt.MQTTv5)
        user, _, rest = broker.url.removeprefix("mqtt://").partition(":")
        self.client.username_pw_set(user, rest.rpartition("@")[0])
        self.client.on_message = lambda client, userdata, message: self.seen.append(message)
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_connect = lambda client, *_: client.subscribe(self.topic, qos=1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert ready.wait(30)

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(each.payload) for each in self.seen]

    def wait_for(self, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        try:
            wait_until(lambda: condition(self.states()))
        except AssertionError:
            raise AssertionError(f"not in time: {self.states()}") from None
        return self.states()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
