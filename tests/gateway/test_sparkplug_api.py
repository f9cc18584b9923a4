"""Edge nodes over HTTP: listed, registered with one call, let in by the broker as themselves alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select

from assets.base.access import Role
from assets.instrumentation import Binding
from assets.registry import Asset
from ingest.devices import broker_credentials
from ingest.models import Device
from ingest.rights import broker_rights
from ingest.roll_call import update_presence
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.lease import run_host
from ingest.sparkplug.payload import DataType
from tests.conftest import TestBroker
from tests.gateway.conftest import Plant
from tests.ingest.sparkplug_node import EdgeNode, M, wait_until

NODES = "/api/v1/sparkplug-nodes"
METRICS = {
    "": [M("Supply Voltage", 24.0, datatype=DataType.DOUBLE, unit="V")],
    "Pump": [M("Inputs/Temperature", 60.0, datatype=DataType.DOUBLE, unit="°C")],
}


@contextmanager
def hosting(plant: Plant, broker: TestBroker, host_id: str) -> Iterator[None]:
    stop, subscribed = threading.Event(), threading.Event()
    url = plant.database.engine.url.render_as_string(hide_password=False)
    thread = threading.Thread(target=run_host, args=(url, broker.url, stop, subscribed.set, HostOptions(host_id, 0.5)))
    thread.start()
    try:
        assert subscribed.wait(60)
        yield
    finally:
        stop.set()
        thread.join(30)


def let_in(plant: Plant, broker: TestBroker) -> None:
    with plant.database.as_service() as session:
        known = {**broker.credentials(), **broker_credentials(session)}
        broker.set_access(known, broker_rights(session), [], datetime.now(UTC))


def register(plant: Plant, node: str = "N1", **more: Any) -> dict[str, Any]:
    answer = plant.administrator().post(NODES, json={"group_id": "Plant A", "node_id": node, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def test_a_registered_node_is_let_in_read_and_shown_with_its_devices_assets_and_names(
    plant: Plant, broker: TestBroker
) -> None:
    made = register(plant, "Line 1", asset_name="Line one")
    account = made["account"]
    assert (account["username"], account["namespace"], account["host_id"]) == ("Plant-A.Line-1", "spBv1.0", "forewarn")
    let_in(plant, broker)
    url = f"mqtt://{account['username']}:{account['password']}@127.0.0.1:{broker.port}"
    client = plant.administrator()
    with hosting(plant, broker, "api1"):
        node = EdgeNode(url, "Plant A", "Line 1", METRICS, bd=4).connect()
        try:
            node.birth()
            path = f"{NODES}/{made['node']['id']}"
            wait_until(lambda: [each["online"] for each in client.get(path).json()["devices"]] == [True])
            wait_until(lambda: len(client.get(path).json()["metrics"]) == 2)  # the node's and its device's
            shown = client.get(path).json()
            assert (shown["online"], shown["device"]["serial"]) == (True, "Plant-A.Line-1")
            assert {(each["channel"], each["original"], each["metric"]) for each in shown["metrics"]} == {
                ("", "Supply Voltage", "supply_voltage"),
                ("Pump", "Inputs/Temperature", "inputs_temperature"),
            }
            node.death("Pump")
            wait_until(lambda: client.get(path).json()["devices"][0]["online"] is False)
            with plant.database.as_service() as session:
                update_presence(session, datetime.now(UTC))
            shown = client.get(path).json()
            assert (shown["device"]["presence"], shown["devices"][0]["presence"]) == ("online", "offline")
        finally:
            node.close()
    with plant.database.as_service() as session:
        bound = session.execute(
            select(Binding.channel, Asset.serial, Asset.name).join(Asset, Asset.id == Binding.asset_id)
        ).all()
    # Names of devices are unique within their node alone, serials of assets are not.
    assert sorted(bound) == [("", "Plant-A.Line-1", "Line one"), ("Pump", "Plant-A.Line-1.Pump", "Pump")]


ALLOWED = ["NBIRTH/N1", "NDATA/N1", "NDEATH/N1", "DBIRTH/N1/P", "DDATA/N1/P", "DDEATH/N1/P"]
REFUSED = [
    "spBv1.0/Plant A/NDATA/N2",
    "spBv1.0/Plant A/DDATA/N2/P",
    "spBv1.0/Plant B/NDATA/N1",
    "spBv1.0/Plant A/NCMD/N1",
    "spBv1.0/Plant A/NCMD/N2",
    "spBv1.0/Plant A/DCMD/N1/P",
    "spBv1.0/STATE/forewarn",
    "forewarn/v1/Plant-A.N1/telemetry",
    "forewarn/v1/other/telemetry",
]


def test_a_nodes_account_may_write_as_this_node_alone(plant: Plant, broker: TestBroker) -> None:
    account = register(plant)["account"]
    let_in(plant, broker)
    reasons: dict[str, str] = {}
    sent: dict[int, str] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", protocol=mqtt.MQTTv5)
    client.username_pw_set(account["username"], account["password"])
    client.on_publish = lambda c, u, mid, reason, p: reasons.update({sent[mid]: str(reason)})
    granted: list[str] = []
    client.on_subscribe = lambda c, u, mid, codes, p: granted.extend(str(code) for code in codes)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        wait_until(client.is_connected)
        topics = [*(f"spBv1.0/Plant A/{each}" for each in ALLOWED), *REFUSED]
        for topic in topics:
            info = client.publish(topic, b"x", qos=1)
            sent[info.mid] = topic
        wait_until(lambda: len(reasons) == len(topics))
    finally:
        client.disconnect()
        client.loop_stop()
    refused = {topic for topic, reason in reasons.items() if reason == "Not authorized"}
    assert refused == set(REFUSED)


def test_a_node_registers_once_and_takes_the_place_of_what_was_only_heard(plant: Plant, broker: TestBroker) -> None:
    client = plant.administrator()
    with hosting(plant, broker, "api2"):
        node = EdgeNode(broker.url, "Plant A", "N7", METRICS).connect()
        try:
            node.birth()
            wait_until(lambda: [each["node_id"] for each in client.get(NODES).json()["items"]] == ["N7"])
        finally:
            node.close()
    page = client.get(NODES, params={"registered": False}).json()
    assert [(each["device"], each["refused"]) for each in page["items"]] == [(None, 2)]
    assert (page["host_id"], page["state_topic"]) == ("forewarn", "spBv1.0/STATE/forewarn")
    register(plant, "N7")
    assert client.get(NODES, params={"registered": False}).json()["items"] == []
    again = client.post(NODES, json={"group_id": "Plant A", "node_id": "N7", "serial": "another"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_pages_of_nodes_follow_each_other(plant: Plant) -> None:
    for name in ("N2", "N1", "N3"):
        register(plant, name)
    client = plant.administrator()
    first = client.get(NODES, params={"limit": 2}).json()
    second = client.get(NODES, params={"limit": 2, "after": first["next"]}).json()
    assert [each["node_id"] for each in [*first["items"], *second["items"]]] == ["N1", "N2", "N3"]
    assert second["next"] is None


@pytest.mark.parametrize("name", ["a/b", "a+b", "#", " ", "x" * 200])
def test_names_that_no_topic_can_carry_are_refused(plant: Plant, name: str) -> None:
    for body in ({"group_id": name, "node_id": "N"}, {"group_id": "G", "node_id": name}):
        assert plant.administrator().post(NODES, json=body).status_code == 422


def test_a_removed_node_keeps_its_readings_and_loses_its_account(plant: Plant) -> None:
    made = register(plant)
    client = plant.administrator()
    old = client.post(f"{NODES}/{made['node']['id']}/password")
    assert old.json()["password"] != made["account"]["password"]
    assert client.delete(f"{NODES}/{made['node']['id']}").status_code == 204
    assert client.get(f"{NODES}/{made['node']['id']}").status_code == 404
    with plant.database.as_service() as session:
        device = session.scalars(select(Device).where(Device.serial == "Plant-A.N1")).one()
        assert device.password_hash is None
        assert broker_rights(session) == []


def test_who_may_not_manage_devices_registers_none_and_strangers_see_none(plant: Plant) -> None:
    made = register(plant)
    technician = plant.client(plant.token(role=Role.TECHNICIAN))
    assert technician.get(NODES).status_code == 200
    assert technician.post(NODES, json={"group_id": "G", "node_id": "N"}).status_code == 403
    assert technician.delete(f"{NODES}/{made['node']['id']}").status_code == 403
    other = plant.client(plant.token(plant.stranger))
    assert other.get(NODES).json()["items"] == []
    assert other.get(f"{NODES}/{made['node']['id']}").status_code == 404
    assert other.post(NODES, json={"group_id": "Plant A", "node_id": "N1", "serial": "mine"}).status_code == 409
