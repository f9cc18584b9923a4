"""What the specification demands of a host, one test for each assertion, on what a real broker saw of it once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from typing import Any

import pytest

from gateway.supervise.postgres import EmbeddedPostgres
from ingest import mqtt5
from ingest.mqtt5 import Packet
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.payload import REBIRTH
from tests.conftest import TestBroker, _database_maker
from tests.ingest.sparkplug_assertions import PREFIX, holds
from tests.ingest.sparkplug_host import Host, Watcher, channels, edge, host, node_row, readings, register
from tests.ingest.sparkplug_node import ndeath, wait_until
from tests.ingest.sparkplug_wire import Hello, Proxy, read_connect
from tests.ingest.support import query

REORDER_S = 0.5


@pytest.fixture(scope="module")
def make_url(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[Callable[[], str]]:
    for make in _database_maker(cluster, empty_template):
        yield partial(make, migrated_template)


def all_of(checks: Mapping[str, Callable[[Any], bool]]) -> pytest.MarkDecorator:
    """Run a test once for each assertion of a table."""
    return holds(*checks)


# ---- STATE --------------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """What somebody saw who listened to the host's STATE from before its start until after its end."""

    topic: str
    birth: Any  # the message itself
    birth_kept: Any  # as the broker gives it to who comes later
    death: Any
    death_kept: Any
    ended_ms: float


@pytest.fixture(scope="module")
def life(make_url: Callable[[], str], shared_broker: TestBroker) -> Iterator[Life]:
    name = f"life-{token_hex(4)}"
    watchers = [Watcher(shared_broker, name)]

    def first(watcher: Watcher) -> Any:
        watchers.append(watcher)
        watcher.wait_for(bool)
        return watcher.seen[0]

    with host(make_url(), shared_broker, name):
        watchers[0].wait_for(bool)
        birth, birth_kept = watchers[0].seen[0], first(Watcher(shared_broker, name))
        ended_ms = time.time() * 1000
    # In the end with the time of now, not that of the will.
    watchers[0].wait_for(lambda seen: not seen[-1]["online"] and seen[-1]["timestamp"] >= int(ended_ms))
    death, death_kept = watchers[0].seen[-1], first(Watcher(shared_broker, name))
    yield Life(watchers[0].topic, birth, birth_kept, death, death_kept, ended_ms)
    for each in watchers:
        each.close()


def _says(message: Any, online: bool) -> bool:
    body = json.loads(message.payload)
    return list(body) == ["online", "timestamp"] and body["online"] is online and isinstance(body["timestamp"], int)


def _is_kept(message: Any, kept: Any) -> bool:
    return bool(kept.retain) and kept.payload == message.payload


def _both(seen: Life) -> bool:
    return _says(seen.birth, True) and _says(seen.death, False)


LIFE: dict[str, Callable[[Life], bool]] = {
    "host-topic-phid-birth-topic": lambda seen: seen.birth.topic == seen.topic,
    "host-topic-phid-birth-qos": lambda seen: seen.birth.qos == 1,
    "host-topic-phid-birth-retain": lambda seen: _is_kept(seen.birth, seen.birth_kept),
    "host-topic-phid-birth-payload": lambda seen: _says(seen.birth, True),
    "host-topic-phid-birth-required": lambda seen: _says(seen.birth, True),
    "host-topic-phid-death-topic": lambda seen: seen.death.topic == seen.topic,
    "host-topic-phid-death-qos": lambda seen: seen.death.qos == 1,
    "host-topic-phid-death-retain": lambda seen: _is_kept(seen.death, seen.death_kept),
    "host-topic-phid-death-payload": lambda seen: _says(seen.death, False),
    "host-topic-phid-death-payload-timestamp-disconnect-clean": lambda seen: (
        int(seen.ended_ms) <= json.loads(seen.death.payload)["timestamp"] <= time.time() * 1000
    ),
    "intro-sparkplug-host-state": _both,
    "components-ph-state": _both,
    "conformance-primary-host": _both,
    "payloads-state-birth": lambda seen: _says(seen.birth, True) and _is_kept(seen.birth, seen.birth_kept),
    "payloads-state-birth-payload": lambda seen: _says(seen.birth, True),
    "operational-behavior-host-application-termination": lambda seen: _says(seen.death, False),
    "operational-behavior-host-application-death-topic": lambda seen: seen.death.topic == seen.topic,
    "operational-behavior-host-application-death-payload": lambda seen: _says(seen.death, False),
    "operational-behavior-host-application-death-qos": lambda seen: seen.death.qos == 1,
    "operational-behavior-host-application-death-retained": lambda seen: _is_kept(seen.death, seen.death_kept),
}


@all_of(LIFE)
def test_birth_and_death_of_a_host(life: Life, assertion: str) -> None:
    assert LIFE[assertion.removeprefix(PREFIX)](life), life


# ---- packet by packet ---------------------------------------------------------------------------------------------


@dataclass
class Session:
    """The packets of one connection of the host, and when it was made."""

    topic: str
    connected_at: float
    hello: Hello
    subscribe: Packet
    publish: Packet
    last: Sequence[Packet]

    @property
    def will(self) -> dict[str, Any]:
        """What the broker is to say when the connection is lost."""
        found: dict[str, Any] = json.loads(self.hello.will_payload)
        return found

    @property
    def birth(self) -> Any:
        """The first message that the host publishes."""
        return mqtt5.read_publish(Packet(self.publish.head, self.publish.body))

    @property
    def birth_says(self) -> dict[str, Any]:
        """Its body."""
        found: dict[str, Any] = json.loads(self.birth.payload)
        return found


@pytest.fixture(scope="module")
def sessions(make_url: Callable[[], str], shared_broker: TestBroker) -> list[Session]:
    """Two connections of one host: the first is cut, the second ended."""
    name = f"wire-{token_hex(4)}"
    with Proxy(shared_broker.port) as proxy:
        url = shared_broker.url.replace(f":{shared_broker.port}", f":{proxy.port}")
        running = Host(make_url(), url, HostOptions(name)).wait()
        try:
            wait_until(lambda: len(proxy.sent()) >= 3)
            proxy.cut()  # a new session begins in the same way
            wait_until(lambda: len(proxy.connections) == 2 and len(proxy.sent()) >= 3)
        finally:
            running.stop()
        return [
            Session(
                topic=f"spBv1.0/STATE/{name}",
                connected_at=proxy.connected_at[number],
                hello=read_connect(proxy.sent(number)[0].body),
                subscribe=proxy.sent(number)[1],
                publish=proxy.sent(number)[2],
                last=proxy.sent(number)[-2:],
            )
            for number in (0, 1)
        ]


def _subscribes(seen: Session) -> bool:
    wanted = (seen.topic.encode(), b"spBv1.0/+/NBIRTH/+", b"spBv1.0/+/DDATA/+/+")
    return seen.subscribe.kind == 0x80 and all(each in seen.subscribe.body for each in wanted)


def _subscribes_to_itself(seen: Session) -> bool:
    return seen.subscribe.kind == 0x80 and seen.topic.encode() in seen.subscribe.body


def _is_birth(seen: Session) -> bool:
    return seen.birth.topic == seen.topic and seen.birth_says["online"] is True


def _has_will(seen: Session) -> bool:
    return seen.hello.will_topic == seen.topic and seen.will["online"] is False


_QOS, _QOS_1, _RETAIN = 0x06, 0x02, 0x01

WIRE: dict[str, Callable[[Session], bool]] = {
    "message-flow-phid-sparkplug-clean-session-50": lambda seen: (
        (seen.hello.clean_start, seen.hello.session_expiry_s) == (True, 0)
    ),
    "message-flow-phid-sparkplug-subscription": _subscribes,
    "message-flow-phid-sparkplug-state-publish": _is_birth,
    "message-flow-phid-sparkplug-state-publish-payload": lambda seen: set(seen.birth_says) == {"online", "timestamp"},
    "message-flow-phid-sparkplug-state-publish-payload-timestamp": lambda seen: (
        seen.birth_says["timestamp"] == seen.will["timestamp"]
    ),
    "host-topic-phid-birth-message": _is_birth,
    "host-topic-phid-birth-sub-required": _subscribes_to_itself,
    "host-topic-phid-birth-payload-timestamp": lambda seen: seen.birth_says["timestamp"] == seen.will["timestamp"],
    "host-topic-phid-death-required": _has_will,
    "host-topic-phid-death-payload-timestamp-connect": lambda seen: (
        abs(seen.will["timestamp"] / 1000 - seen.connected_at) < 30
    ),
    "payloads-state-will-message": _has_will,
    "payloads-state-will-message-qos": lambda seen: seen.hello.will_qos == 1,
    "payloads-state-will-message-retain": lambda seen: seen.hello.will_retain,
    "payloads-state-will-message-payload": lambda seen: set(seen.will) == {"online", "timestamp"},
    "payloads-state-subscribe": _subscribes_to_itself,
    "operational-behavior-host-application-connect-will": _has_will,
    "operational-behavior-host-application-connect-will-topic": lambda seen: seen.hello.will_topic == seen.topic,
    "operational-behavior-host-application-connect-will-payload": lambda seen: (
        set(seen.will) == {"online", "timestamp"} and seen.will["online"] is False
    ),
    "operational-behavior-host-application-connect-will-qos": lambda seen: seen.hello.will_qos == 1,
    "operational-behavior-host-application-connect-will-retained": lambda seen: seen.hello.will_retain,
    "operational-behavior-host-application-connect-birth": _is_birth,
    "operational-behavior-host-application-connect-birth-topic": lambda seen: seen.birth.topic == seen.topic,
    "operational-behavior-host-application-connect-birth-payload": lambda seen: (
        seen.birth_says == {"online": True, "timestamp": seen.will["timestamp"]}
    ),
    "operational-behavior-host-application-connect-birth-qos": lambda seen: seen.publish.head & _QOS == _QOS_1,
    "operational-behavior-host-application-connect-birth-retained": lambda seen: bool(seen.publish.head & _RETAIN),
    "operational-behavior-primary-application-state-with-multiple-servers-state": _is_birth,
}


@all_of(WIRE)
def test_every_connection_of_a_host_begins(sessions: list[Session], assertion: str) -> None:
    for number, seen in enumerate(sessions):
        assert WIRE[assertion.removeprefix(PREFIX)](seen), (number, seen)


@holds("operational-behavior-host-application-disconnect-intentional")
def test_a_host_that_is_stopped_says_its_death_and_then_disconnects(sessions: list[Session], assertion: str) -> None:
    goodbye, disconnect = sessions[1].last
    assert json.loads(mqtt5.read_publish(goodbye).payload)["online"] is False
    assert disconnect.head == 0xE0


# ---- deaths of nodes and devices ----------------------------------------------------------------------------------


@dataclass
class Deaths:
    """How things stood after a device's death, after its node's, and after a late word of an earlier connection."""

    device: dict[str, Any] = field(default_factory=dict)
    node: dict[str, Any] = field(default_factory=dict)
    online_after_late_death: bool | None = None


@pytest.fixture(scope="module")
def deaths(make_url: Callable[[], str], shared_broker: TestBroker) -> Deaths:
    url, group = make_url(), f"death-{token_hex(4)}"
    register(url, group, "N1")
    found = Deaths()

    def streams() -> dict[str, bool | None]:
        return dict(query(url, "SELECT channel, online FROM streams"))

    with host(url, shared_broker, f"h-{group}"):
        with edge(shared_broker, group, bd=1) as node:
            node.birth()
            wait_until(lambda: channels(url) == {"Pump": True})
            node.death("Pump")
            wait_until(lambda: channels(url) == {"Pump": False} and streams().get("Pump") is False)
            found.device = {"node": node_row(url)["online"], "devices": channels(url), "tags": streams()}
            node.birth()
            wait_until(lambda: channels(url) == {"Pump": True})
            node.die()
            wait_until(lambda: node_row(url)["online"] is False and channels(url) == {"Pump": False})
            wait_until(lambda: query(url, "SELECT online FROM devices") == [(False,)])
            found.node = {"node": node_row(url)["online"], "devices": channels(url), "tags": streams()}
            found.node["device"] = query(url, "SELECT online FROM devices")[0][0]
        with edge(shared_broker, group, bd=2) as node:
            node.birth()
            wait_until(lambda: node_row(url)["online"] is True)
            node.client.publish(f"spBv1.0/{group}/NDEATH/N1", ndeath(1), qos=1).wait_for_publish(30)
            node.data("", **{"Supply Voltage": 12.0})
            wait_until(lambda: ("", "supply_voltage", 12.0) in readings(url))
            found.online_after_late_death = node_row(url)["online"]
    return found


DEATHS: dict[str, Callable[[Deaths], bool]] = {
    "ndeath-node-offline": lambda found: found.node["node"] is False,
    # What a device last measured is stale for as long as the device is offline.
    "ndeath-node-tags-stale": lambda found: found.node["device"] is False,
    "ndeath-devices-offline": lambda found: found.node["devices"] == {"Pump": False},
    "ndeath-devices-tags-stale": lambda found: found.node["tags"]["Pump"] is False,
    "ddeath-devices-offline": lambda found: found.device["devices"] == {"Pump": False} and found.device["node"] is True,
    "ddeath-devices-tags-stale": lambda found: found.device["tags"]["Pump"] is False,
}
_ACTION = "operational-behavior-edge-node-termination-host-action-"


@holds(*(_ACTION + each for each in DEATHS))
def test_who_died_is_offline_and_what_it_measured_is_stale(deaths: Deaths, assertion: str) -> None:
    assert DEATHS[assertion.removeprefix(PREFIX + _ACTION)](deaths), deaths


@holds("payloads-ndeath-bdseq")
def test_a_late_death_of_the_connection_before_changes_nothing(deaths: Deaths, assertion: str) -> None:
    assert deaths.online_after_late_death is True


# ---- order and the request for births -----------------------------------------------------------------------------


@dataclass
class Gap:
    """What followed on a message that was lost."""

    topic: str
    waited_s: float
    rebirths: int
    gaps: int
    stored: set[float]
    received: Any
    command: Any


@pytest.fixture(scope="module")
def gap(make_url: Callable[[], str], shared_broker: TestBroker) -> Gap:
    url, group = make_url(), f"order-{token_hex(4)}"
    register(url, group, "N1")

    def stored() -> set[float]:
        return {value for channel, metric, value in readings(url) if (channel, metric) == ("", "supply_voltage")}

    with host(url, shared_broker, f"h-{group}", reorder_s=REORDER_S), edge(shared_broker, group) as node:
        node.birth()
        wait_until(lambda: 24.0 in stored())
        node.drop = 1
        node.data("", **{"Supply Voltage": 1.0})  # lost
        begun = time.monotonic()
        node.data("", **{"Supply Voltage": 2.0})
        wait_until(lambda: node.rebirths == 1)
        waited_s = time.monotonic() - begun
        wait_until(lambda: 2.0 in stored())
        node.data("", **{"Supply Voltage": 3.0})
        wait_until(lambda: 3.0 in stored())
        wait_until(lambda: node_row(url)["gaps"] == 1)
        received, command = node.commands[0]
        topic = f"spBv1.0/{group}/NCMD/N1"
        return Gap(topic, waited_s, node.rebirths, node_row(url)["gaps"], stored(), received, command)


def _asks_for_births(found: Gap) -> bool:
    return [(each.name, each.value) for each in found.command.metrics] == [(REBIRTH, True)]


GAP: dict[str, Callable[[Gap], bool]] = {
    "operational-behavior-host-reordering-param": lambda found: found.waited_s >= REORDER_S,
    "operational-behavior-host-reordering-start": lambda found: found.waited_s >= REORDER_S and found.gaps == 1,
    "operational-behavior-host-reordering-rebirth": lambda found: (
        found.rebirths == 1 and {2.0, 3.0} < found.stored and 1.0 not in found.stored
    ),
    "operational-behavior-data-commands-ncmd-rebirth-verb": lambda found: "/NCMD/" in found.received.topic,
    "operational-behavior-data-commands-ncmd-rebirth-name": lambda found: found.command.metrics[0].name == REBIRTH,
    "operational-behavior-data-commands-ncmd-rebirth-value": lambda found: found.command.metrics[0].value is True,
    "operational-behavior-data-commands-ncmd-verb": lambda found: (
        "/NCMD/" in found.received.topic and _asks_for_births(found)
    ),
    "topics-ncmd-mqtt": lambda found: found.received.topic == found.topic,
    "payloads-ncmd-qos": lambda found: found.received.qos == 0,
    "payloads-ncmd-retain": lambda found: not found.received.retain,
    "payloads-ncmd-seq": lambda found: found.command.seq is None,
    "payloads-ncmd-timestamp": lambda found: abs(found.command.timestamp - time.time() * 1000) < 600_000,
}


@all_of(GAP)
def test_after_a_gap_the_host_asks_the_node_for_its_births(gap: Gap, assertion: str) -> None:
    assert GAP[assertion.removeprefix(PREFIX)](gap), gap
