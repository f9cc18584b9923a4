"""A simulated edge node, a real broker, a real database and the host between them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from assets.base.db import Database
from assets.people import add_organisation
from ingest import mqtt5
from ingest.mqtt5 import Packet
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.lease import run_host
from ingest.sparkplug.names import NodeKey
from ingest.sparkplug.payload import REBIRTH, DataType
from ingest.sparkplug.registration import register_node
from ingest.workers import run_ingest
from tests.conftest import TestBroker
from tests.ingest.sparkplug_node import EdgeNode, M, ndeath, wait_until
from tests.ingest.sparkplug_wire import Proxy, read_connect
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


def test_births_and_data_become_readings_with_names_units_and_presence(database_url: str, broker: TestBroker) -> None:
    device_id = register(database_url, "plant", "N1")
    with host(database_url, broker, "h1"), edge(broker, "plant", bd=7) as node:
        node.birth()
        at = time.time_ns() // 1_000_000
        node.data("Pump", **{"Inputs/Temperature": 61.5, "Mode": "stop"})
        node.data("", t=at - 3_600_000, historical=True, **{"Supply Voltage": 23.5})
        wait_until(lambda: ("", "supply_voltage", 23.5) in readings(database_url))
        wait_until(lambda: channels(database_url) == {"Pump": True})
    found = readings(database_url)
    assert {
        ("", "supply_voltage", 24.0),
        ("Pump", "inputs_temperature", 60.0),
        ("Pump", "inputs_temperature", 61.5),
        ("Pump", "mode", 1.0),
        ("Pump", "running", 1.0),
    } <= found
    assert len(found) == 7
    units = dict(query(database_url, "SELECT metric, unit FROM series WHERE unit IS NOT NULL"))
    assert units == {"supply_voltage": "V", "inputs_temperature": "Cel"}
    assert query(database_url, "SELECT count(*)::int FROM ingest_batches WHERE lane = 'backfill'") == [(1,)]
    assert query(database_url, "SELECT serial, online FROM devices WHERE id = %s", device_id) == [("plant.N1", True)]
    assert node_row(database_url) == {"online": True, "bd_seq": 7, "rebirths": 0, "gaps": 0, "refused": 0}
    names = dict(query(database_url, "SELECT channel, names FROM sparkplug_channels"))
    assert names["Pump"]["Inputs/Temperature"] == "inputs_temperature"
    assert query(database_url, "SELECT count(*)::int FROM quarantine") == [(0,)]


def test_tck_id_operational_behavior_edge_node_termination_host_action_ndeath_and_ddeath(
    database_url: str, broker: TestBroker
) -> None:
    """What a device last measured is stale for as long as the device is offline.

    tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline
    tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale
    tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-offline
    tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale
    tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline
    tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale
    """
    register(database_url, "death", "N1")
    with host(database_url, broker, "h2"):
        with edge(broker, "death", bd=1) as node:
            node.birth()
            wait_until(lambda: channels(database_url) == {"Pump": True})
            node.death("Pump")
            wait_until(lambda: channels(database_url) == {"Pump": False})
            assert node_row(database_url)["online"] is True
            wait_until(lambda: query(database_url, "SELECT online FROM streams WHERE channel = 'Pump'") == [(False,)])
            node.birth()
            wait_until(lambda: channels(database_url) == {"Pump": True})
            node.die()
            wait_until(lambda: node_row(database_url)["online"] is False)
            wait_until(lambda: channels(database_url) == {"Pump": False})
        assert query(database_url, "SELECT online FROM devices") == [(False,)]
        with edge(broker, "death", bd=2) as node:
            node.birth()
            wait_until(lambda: node_row(database_url)["online"] is True)
            node.client.publish("spBv1.0/death/NDEATH/N1", ndeath(1), qos=1).wait_for_publish(5)
            node.data("", **{"Supply Voltage": 12.0})
            wait_until(lambda: ("", "supply_voltage", 12.0) in readings(database_url))
            assert node_row(database_url)["online"] is True  # a death of the connection before


def test_tck_id_operational_behavior_host_reordering_rebirth_over_a_real_broker(
    database_url: str, broker: TestBroker
) -> None:
    """The assertions of the specification that are held here.

    tck-id-operational-behavior-host-reordering-param
    tck-id-operational-behavior-host-reordering-start
    tck-id-operational-behavior-host-reordering-rebirth
    tck-id-operational-behavior-data-commands-ncmd-rebirth-verb
    tck-id-operational-behavior-data-commands-ncmd-rebirth-name
    tck-id-operational-behavior-data-commands-ncmd-rebirth-value
    tck-id-operational-behavior-data-commands-ncmd-verb
    tck-id-topics-ncmd-mqtt
    tck-id-payloads-ncmd-qos
    tck-id-payloads-ncmd-retain
    tck-id-payloads-ncmd-seq
    """
    register(database_url, "order", "N1")
    with host(database_url, broker, "h3"), edge(broker, "order") as node:
        node.birth()
        node.drop = 1
        node.data("", **{"Supply Voltage": 1.0})  # lost
        node.data("", **{"Supply Voltage": 2.0})
        wait_until(lambda: node.rebirths == 1)
        wait_until(lambda: ("", "supply_voltage", 2.0) in readings(database_url))
        node.data("", **{"Supply Voltage": 3.0})
        wait_until(lambda: ("", "supply_voltage", 3.0) in readings(database_url))
        wait_until(lambda: node_row(database_url)["gaps"] == 1)
        assert ("", "supply_voltage", 1.0) not in readings(database_url)
        received, command = node.commands[0]
        assert (received.topic, received.qos, received.retain) == ("spBv1.0/order/NCMD/N1", 0, False)
        assert (command.seq, [(each.name, each.value) for each in command.metrics]) == (None, [(REBIRTH, True)])
        assert abs(command.timestamp - time.time() * 1000) < 30_000


def test_a_restarted_host_asks_for_births_and_stores_what_came_before_them(
    database_url: str, broker: TestBroker
) -> None:
    register(database_url, "again", "N1")
    with edge(broker, "again") as node:
        with host(database_url, broker, "h4"):
            node.birth()
            wait_until(lambda: ("Pump", "running", 1.0) in readings(database_url))
        # While it was away the node was born again, with other numbers for its metrics.
        node.first_alias = 3
        node.birth()
        assert query(database_url, "SELECT count(*)::int FROM sparkplug_nodes WHERE online") == [(1,)]
        with host(database_url, broker, "h4"):
            assert node_row(database_url)["online"] is None  # births and deaths may have been missed
            node.data("Pump", **{"Inputs/Temperature": 77.0})
            wait_until(lambda: node.rebirths == 1)
            wait_until(lambda: ("Pump", "inputs_temperature", 77.0) in readings(database_url))
    assert query(database_url, "SELECT count(*)::int FROM quarantine") == [(0,)]
    assert {row[2] for row in readings(database_url) if row[1] == "supply_voltage"} == {24.0}


def test_a_node_that_nobody_registered_is_listed_and_read_once_it_is_registered(
    database_url: str, broker: TestBroker
) -> None:
    database = Database(database_url)
    with database.as_service() as session:
        owner = add_organisation(session, kind="operator", name="Operator", now=now()).id
    try:
        with host(database_url, broker, "h5"), edge(broker, "unknown") as node:
            node.birth()
            wait_until(lambda: query(database_url, "SELECT count(*)::int FROM sparkplug_nodes") == [(1,)])
            wait_until(lambda: node_row(database_url)["refused"] == 2)
            reasons = query(database_url, "SELECT DISTINCT reason, topic FROM quarantine ORDER BY topic")
            assert reasons == [
                ("unknown_device", "spBv1.0/unknown/DBIRTH/N1/Pump"),
                ("unknown_device", "spBv1.0/unknown/NBIRTH/N1"),
            ]
            with database.as_service() as session:
                register_node(session, NodeKey("unknown", "N1"), owner, now())
            wait_until(lambda: node.rebirths == 1)
            wait_until(lambda: ("Pump", "running", 1.0) in readings(database_url))
    finally:
        database.dispose()


def test_what_cannot_be_read_is_set_aside_and_the_stream_goes_on(database_url: str, broker: TestBroker) -> None:
    register(database_url, "bad", "N1")
    with host(database_url, broker, "h6"), edge(broker, "bad") as node:
        node.birth()
        for number in range(200):
            node.client.publish("spBv1.0/bad/NDATA/N1", b"\xff\x00nonsense" + bytes([number]), qos=0)
        node.client.publish("spBv1.0/STATE/h6", b"nonsense", qos=1)
        node.data("", **{"Supply Voltage": 5.0})
        wait_until(lambda: ("", "supply_voltage", 5.0) in readings(database_url))
        wait_until(
            lambda: (
                query(database_url, "SELECT reason, count(*)::int FROM quarantine GROUP BY 1") == [("unreadable", 200)]
            )
        )


def test_a_message_delivered_twice_is_stored_once(database_url: str, broker: TestBroker) -> None:
    register(database_url, "twice", "N1")
    with host(database_url, broker, "h7"), edge(broker, "twice") as node:
        node.birth()
        at = time.time_ns() // 1_000_000 + 50
        node.data("", t=at, **{"Supply Voltage": 5.0})
        node.seq = (node.seq - 1) % 256
        node.data("", t=at, **{"Supply Voltage": 5.0})
        node.data("", **{"Supply Voltage": 6.0})
        wait_until(lambda: ("", "supply_voltage", 6.0) in readings(database_url))
        rows = [row for row in query(database_url, READINGS) if row[2] == 5.0]
        assert len(rows) == 1
        assert node.rebirths == 0


def test_the_role_ingest_is_the_host_without_being_told(database_url: str, broker: TestBroker) -> None:
    register(database_url, "role", "N1")
    stop = threading.Event()
    options = HostOptions("h14")
    thread = threading.Thread(target=run_ingest, args=(database_url, broker.url, stop), kwargs={"sparkplug": options})
    thread.start()
    try:
        with edge(broker, "role") as node:  # asked for its births as soon as the host is there
            node.birth()
            wait_until(lambda: ("Pump", "running", 1.0) in readings(database_url))
    finally:
        stop.set()
        thread.join(30)


# ---- STATE --------------------------------------------------------------------------------------------------------


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


@pytest.fixture
def watch(broker: TestBroker) -> Iterator[Callable[[str], Watcher]]:
    made: list[Watcher] = []

    def make(host_id: str) -> Watcher:
        made.append(Watcher(broker, host_id))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_tck_id_host_topic_phid_birth_and_death_of_a_clean_life(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher]
) -> None:
    """The assertions of the specification that are held here.

    tck-id-host-topic-phid-birth-topic
    tck-id-host-topic-phid-birth-qos
    tck-id-host-topic-phid-birth-retain
    tck-id-host-topic-phid-birth-payload
    tck-id-host-topic-phid-birth-required
    tck-id-host-topic-phid-death-topic
    tck-id-host-topic-phid-death-qos
    tck-id-host-topic-phid-death-retain
    tck-id-host-topic-phid-death-payload
    tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean
    tck-id-intro-sparkplug-host-state
    tck-id-components-ph-state
    tck-id-conformance-primary-host
    tck-id-payloads-state-birth
    tck-id-payloads-state-birth-payload
    tck-id-operational-behavior-host-application-termination
    tck-id-operational-behavior-host-application-death-topic
    tck-id-operational-behavior-host-application-death-payload
    tck-id-operational-behavior-host-application-death-qos
    tck-id-operational-behavior-host-application-death-retained
    """
    watcher = watch("h8")
    started = time.time() * 1000
    with host(database_url, broker, "h8"):
        states = watcher.wait_for(lambda seen: len(seen) >= 1)
        assert list(states[0]) == ["online", "timestamp"]
        assert states[0]["online"] is True
        assert started - 5000 <= states[0]["timestamp"] <= time.time() * 1000
        assert (watcher.seen[0].topic, watcher.seen[0].qos) == ("spBv1.0/STATE/h8", 1)
        late = watch("h8")  # the broker keeps it
        late.wait_for(lambda seen: len(seen) == 1)
        assert (late.seen[0].retain, late.states()) == (True, states[:1])
        ended = time.time() * 1000
    # In the end with the time of now, not that of the will.
    states = watcher.wait_for(lambda seen: not seen[-1]["online"] and seen[-1]["timestamp"] >= int(ended))
    after = watch("h8")
    assert after.wait_for(bool)[-1] == states[-1]


def test_tck_id_message_flow_hid_sparkplug_state_message_delivered(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher]
) -> None:
    """A host that is told that it is gone says at once that it is there.

    tck-id-message-flow-hid-sparkplug-state-message-delivered
    """
    watcher = watch("h9")
    with host(database_url, broker, "h9"):
        (birth,) = watcher.wait_for(bool)
        for stamp in (birth["timestamp"] - 1000, birth["timestamp"] + 1500):
            before = len(watcher.seen)
            body = json.dumps({"online": False, "timestamp": stamp})
            watcher.client.publish(watcher.topic, body, qos=1, retain=True)
            states = watcher.wait_for(lambda seen, before=before: len(seen) > before and seen[-1]["online"])
            assert states[-1]["timestamp"] == max(stamp, birth["timestamp"])
            time.sleep(1.1)  # it answers once a second at most


def test_one_of_two_processes_is_the_host_and_the_other_follows_within_seconds(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher]
) -> None:
    """One host of a name at any time.

    tck-id-operational-behavior-host-application-host-id
    """
    register(database_url, "two", "N1")
    watcher = watch("h10")
    options = HostOptions("h10", reorder_s=0.5)
    first = Host(database_url, broker.url, options).wait()
    second = Host(database_url, broker.url, options)
    try:
        with edge(broker, "two") as node:
            node.birth()
            wait_until(lambda: ("Pump", "running", 1.0) in readings(database_url))
            assert not second.subscribed.is_set()
            first.stop()
            assert second.subscribed.wait(30)
            watcher.wait_for(lambda seen: seen[-1]["online"])
            wait_until(lambda: node.rebirths == 1)
            node.data("", **{"Supply Voltage": 9.0})
            wait_until(lambda: ("", "supply_voltage", 9.0) in readings(database_url))
    finally:
        first.stop()
        second.stop()


# ---- what goes over the wire --------------------------------------------------------------------------------------


def test_tck_id_message_flow_phid_sparkplug_session_establishment_packet_by_packet(
    database_url: str, broker: TestBroker
) -> None:
    """The assertions of the specification that are held here.

    tck-id-message-flow-phid-sparkplug-clean-session-50
    tck-id-message-flow-phid-sparkplug-subscription
    tck-id-message-flow-phid-sparkplug-state-publish
    tck-id-message-flow-phid-sparkplug-state-publish-payload
    tck-id-message-flow-phid-sparkplug-state-publish-payload-timestamp
    tck-id-host-topic-phid-birth-message
    tck-id-host-topic-phid-birth-sub-required
    tck-id-host-topic-phid-birth-payload-timestamp
    tck-id-host-topic-phid-death-required
    tck-id-host-topic-phid-death-payload-timestamp-connect
    tck-id-payloads-state-will-message
    tck-id-payloads-state-will-message-qos
    tck-id-payloads-state-will-message-retain
    tck-id-payloads-state-will-message-payload
    tck-id-payloads-state-subscribe
    tck-id-operational-behavior-host-application-connect-will
    tck-id-operational-behavior-host-application-connect-will-topic
    tck-id-operational-behavior-host-application-connect-will-payload
    tck-id-operational-behavior-host-application-connect-will-qos
    tck-id-operational-behavior-host-application-connect-will-retained
    tck-id-operational-behavior-host-application-connect-birth
    tck-id-operational-behavior-host-application-connect-birth-topic
    tck-id-operational-behavior-host-application-connect-birth-payload
    tck-id-operational-behavior-host-application-connect-birth-qos
    tck-id-operational-behavior-host-application-connect-birth-retained
    tck-id-operational-behavior-host-application-disconnect-intentional
    tck-id-operational-behavior-primary-application-state-with-multiple-servers-state
    """
    with Proxy(broker.port) as proxy:
        url = broker.url.replace(f":{broker.port}", f":{proxy.port}")
        running = Host(database_url, url, HostOptions("h11")).wait()
        try:
            wait_until(lambda: len(proxy.sent()) >= 3)
            proxy.cut()  # a new session begins in the same way
            wait_until(lambda: len(proxy.connections) == 2 and len(proxy.sent()) >= 3)
        finally:
            running.stop()
        for number in (0, 1):
            connect, subscribe, publish = proxy.sent(number)[:3]
            hello = read_connect(connect.body)
            assert (hello.clean_start, hello.session_expiry_s) == (True, 0)
            assert (hello.will_topic, hello.will_qos, hello.will_retain) == ("spBv1.0/STATE/h11", 1, True)
            death = json.loads(hello.will_payload)
            assert (death["online"], set(death)) == (False, {"online", "timestamp"})
            assert abs(death["timestamp"] / 1000 - proxy.connected_at[number]) < 5
            assert subscribe.kind == 0x80
            for wanted in (b"spBv1.0/STATE/h11", b"spBv1.0/+/NBIRTH/+", b"spBv1.0/+/DDATA/+/+"):
                assert wanted in subscribe.body
            assert (publish.kind, publish.head & 0x06, publish.head & 0x01) == (0x30, 0x02, 0x01)  # QoS 1, retained
            birth = mqtt5.read_publish(Packet(publish.head, publish.body))
            assert birth.topic == "spBv1.0/STATE/h11"
            assert json.loads(birth.payload) == {"online": True, "timestamp": death["timestamp"]}
        *_, goodbye, disconnect = proxy.sent(1)
        assert json.loads(mqtt5.read_publish(goodbye).payload)["online"] is False
        assert disconnect.head == 0xE0  # operational-behavior-host-application-disconnect-intentional


def test_tck_id_host_topic_phid_death_the_broker_says_it_for_a_host_that_was_killed(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher]
) -> None:
    """The assertions of the specification that are held here.

    tck-id-host-topic-phid-death-required
    tck-id-host-topic-phid-death-payload
    tck-id-operational-behavior-host-application-connect-will
    """
    watcher = watch("h12")
    code = (
        "import sys, threading\n"
        "from ingest.sparkplug.host import HostOptions\n"
        "from ingest.sparkplug.lease import run_host\n"
        "run_host(sys.argv[1], sys.argv[2], threading.Event(), options=HostOptions('h12'))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, database_url, broker.url])
    try:
        (birth,) = watcher.wait_for(bool)
        process.kill()
        process.wait()
        states = watcher.wait_for(lambda seen: len(seen) >= 2)
        assert states[1] == {"online": False, "timestamp": birth["timestamp"]}
        with host(database_url, broker, "h12"):  # takes over at once, and is believed
            states = watcher.wait_for(lambda seen: seen[-1]["online"])
            assert states[-1]["timestamp"] >= birth["timestamp"]
    finally:
        process.kill()
        process.wait()


def test_while_the_database_is_away_nodes_are_told_to_keep_their_data(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher]
) -> None:
    register(database_url, "away", "N1")
    watcher = watch("h13")
    port = urlsplit(database_url).port
    assert port is not None
    with Proxy(port) as proxy, edge(broker, "away") as node:
        url = database_url.replace(f":{port}", f":{proxy.port}")
        running = Host(url, broker.url, HostOptions("h13")).wait()
        try:
            (birth,) = watcher.wait_for(bool)
            node.birth()
            wait_until(lambda: ("Pump", "running", 1.0) in readings(database_url))
            proxy.refuse = True
            proxy.cut()
            node.data("", **{"Supply Voltage": 3.0})
            states = watcher.wait_for(lambda seen: not seen[-1]["online"])
            assert states[-1]["timestamp"] == birth["timestamp"]  # so that the next word is no older
            proxy.refuse = False
            states = watcher.wait_for(lambda seen: seen[-1]["online"])
            assert states[-1]["timestamp"] >= birth["timestamp"]
            wait_until(lambda: ("", "supply_voltage", 3.0) in readings(database_url))
        finally:
            running.stop()
