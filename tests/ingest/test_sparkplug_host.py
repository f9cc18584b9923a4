"""A simulated edge node, a real broker, a real database and the host between them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from assets.base.db import Database
from assets.people import add_organisation
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.names import NodeKey
from ingest.sparkplug.registration import register_node
from ingest.workers import run_ingest
from tests.conftest import TestBroker
from tests.ingest.sparkplug_assertions import holds
from tests.ingest.sparkplug_host import (
    READINGS,
    Host,
    Watcher,
    channels,
    edge,
    host,
    node_row,
    readings,
    register,
)
from tests.ingest.sparkplug_node import wait_until
from tests.ingest.sparkplug_wire import Proxy
from tests.ingest.support import now, query


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


@pytest.fixture
def watch(broker: TestBroker) -> Iterator[Callable[[str], Watcher]]:
    made: list[Watcher] = []

    def make(host_id: str) -> Watcher:
        made.append(Watcher(broker, host_id))
        return made[-1]

    yield make
    for each in made:
        each.close()


@holds("message-flow-hid-sparkplug-state-message-delivered")
def test_a_host_that_is_told_that_it_is_gone_says_at_once_that_it_is_there(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher], assertion: str
) -> None:
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


@holds("operational-behavior-host-application-host-id")
def test_one_of_two_processes_is_the_host_and_the_other_follows_within_seconds(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher], assertion: str
) -> None:
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


@holds("host-topic-phid-death-required")
def test_the_broker_says_the_death_of_a_host_that_was_killed(
    database_url: str, broker: TestBroker, watch: Callable[[str], Watcher], assertion: str
) -> None:
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
