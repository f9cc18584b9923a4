"""Mappings from the API to the row: real broker, real database, and accounts that may do nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import paho.mqtt.client as mqtt
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from paho.mqtt.enums import CallbackAPIVersion

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import add_organisation
from gateway.api import mappings, problems
from gateway.api.deps import Context, context
from gateway.settings import Settings
from ingest.consumer import Consumer
from ingest.devices import broker_credentials
from ingest.mapped import MappedTopics
from ingest.rights import broker_rights
from tests.conftest import TestBroker
from tests.ingest.support import IngestProcess, query, wait_until

TASMOTA = {
    "asset": {"level": 3},
    "values": [{"metric": "power", "path": "ENERGY.Power", "unit": "W"}],
}


class Api:
    """The routes of mappings; `actor` chooses who asks."""

    def __init__(self, url: str) -> None:
        self.url, self.database = url, Database(url)
        now = datetime.now(UTC)
        with self.database.as_service() as session:
            root = add_organisation(session, kind="operator", name="Operator", now=now)
            other = add_organisation(session, kind="customer", name="Other", now=now, parent=root)
            self.root, self.other = root.id, other.id
        self.be(self.root)
        app = FastAPI()
        problems.install(app)
        app.include_router(mappings.router)
        settings = Settings()

        def as_actor() -> Iterator[Context]:
            with self.database.as_actor(self.actor) as session:
                yield Context(session, self.actor, datetime.now(UTC), settings)

        app.dependency_overrides[context] = as_actor
        app.state.database = self.database
        self.client = TestClient(app)

    def be(self, organisation_id: UUID, role: Role = Role.ADMINISTRATOR) -> None:
        self.actor = Actor("person", organisation_id, frozenset({role}))

    def ask(self, method: str, path: str, body: object = None, status: int = 200, **more: Any) -> Any:
        answer = self.client.request(method, f"/api/v1/mappings{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def make(self, topic_filter: str, rules: object = None, enable: bool = True, status: int = 201) -> Any:
        body = {"name": f"Reads {topic_filter}", "topic_filter": topic_filter, "rules": rules or TASMOTA}
        made = self.ask("POST", "", body, status)
        if status == 201 and enable:
            self.ask("PATCH", f"/{made['id']}", {"enabled": True})
        return made


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    made = Api(database_url)
    yield made
    made.database.dispose()


@contextmanager
def consuming(api: Api, broker: TestBroker) -> Iterator[None]:
    """Ingest for mapped topics only, in a thread."""
    stop, subscribed = threading.Event(), threading.Event()
    consumer = Consumer(api.url, broker.url, stop, subscribed.set, source=MappedTopics(api.database))
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def let_in(api: Api, broker: TestBroker) -> None:
    with api.database.as_service() as session:
        known = {**broker.credentials(), **broker_credentials(session)}
        broker.set_access(known, broker_rights(session), [], datetime.now(UTC))


@contextmanager
def client_of(broker: TestBroker, username: str, password: str) -> Iterator[tuple[mqtt.Client, list[str]]]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=username, protocol=mqtt.MQTTv5)
    client.username_pw_set(username, password)
    reasons: list[str] = []
    client.on_publish = lambda c, u, mid, reason, p: reasons.append(str(reason))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_until(client.is_connected)
    try:
        yield client, reasons
    finally:
        client.disconnect()
        client.loop_stop()


def readings(api: Api) -> list[tuple[Any, ...]]:
    """Read as an analyst does."""
    with psycopg.connect(api.url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_reader")
        view = "SELECT asset_serial, metric, unit, value, quality FROM readings_v1 ORDER BY measured_at, metric"
        return connection.execute(view).fetchall()


def test_message_of_other_firmware_becomes_readings_of_an_asset(api: Api, broker: TestBroker) -> None:
    made = api.make("m1/tele/+/SENSOR")
    let_in(api, broker)
    ingest = IngestProcess(api.url, broker.url)
    with ingest, client_of(broker, made["username"], made["password"]) as (client, reasons):

        def heard() -> int:
            return int(api.ask("GET", f"/{made['id']}")["received"])

        while not heard():  # until ingest has subscribed
            client.publish("m1/tele/plug1/SENSOR", b'{"ENERGY": {"Power": 60}}', qos=1)
            time.sleep(0.3)
        client.publish("m1/tele/plug2/SENSOR", b'{"ENERGY": {"Power": 1.5}}', qos=1)
        client.publish("m1/tele/plug2/SENSOR", b"{", qos=1)
        wait_until(lambda: len(api.ask("GET", f"/{made['id']}/recent")["items"]) >= 3)
        wait_until(lambda: ("plug2", "power", "W", 1.5, "good") in readings(api))
    assert ("plug1", "power", "W", 60.0, "good") in readings(api)
    item = api.ask("GET", f"/{made['id']}")
    assert item["stored"] >= 2
    assert item["problems"] == 1
    newest = api.ask("GET", f"/{made['id']}/recent")["items"][0]
    assert (newest["topic"], newest["payload"]) == ("m1/tele/plug2/SENSOR", "{")
    # The broker's session may still hold what other devices sent.
    assert query(api.url, "SELECT reason FROM quarantine WHERE topic LIKE %s", "m1/%") == [("unreadable",)]
    assert not [reason for reason in reasons if "Not authorized" in reason]


def test_account_of_a_mapping_may_write_to_its_topics_and_nothing_else(api: Api, broker: TestBroker) -> None:
    made = api.make("m2/tele/+/SENSOR")
    let_in(api, broker)
    account = made["username"]
    with client_of(broker, account, made["password"]) as (client, reasons):
        refused = [
            "m2/tele/x/STATE",
            f"forewarn/v1/{account}/telemetry",
            f"forewarn/v1/{account}/status",
            "forewarn/v1/D-1/telemetry",
            "spBv1.0/group/NDATA/node",
        ]
        for topic in ["m2/tele/x/SENSOR", *refused]:
            before = len(reasons)
            client.publish(topic, b"{}", qos=1)
            wait_until(lambda before=before: len(reasons) > before)  # type: ignore[misc]
    assert ["Not authorized" in reason for reason in reasons] == [False, *(True for _ in refused)]


def test_mapping_that_is_off_listens_and_stores_nothing_until_it_is_switched_on(api: Api, broker: TestBroker) -> None:
    made = api.make("m3/+", {"payload": "text", "values": [{"metric": "level"}]}, enable=False)
    let_in(api, broker)
    with consuming(api, broker), client_of(broker, made["username"], made["password"]) as (client, _):
        count = 0

        def publish() -> None:
            nonlocal count
            count += 1
            client.publish("m3/x", str(count), qos=1)

        def heard_something() -> bool:
            publish()
            return bool(api.ask("GET", f"/{made['id']}/recent")["items"])

        wait_until(heard_something, step=0.2)
        assert query(api.url, "SELECT count(*) FROM ingest_batches") == [(0,)]
        api.ask("PATCH", f"/{made['id']}", {"enabled": True})

        def stored_something() -> bool:
            publish()
            return bool(query(api.url, "SELECT 1 FROM samples"))

        wait_until(stored_something, step=0.2)
        wait_until(lambda: api.ask("GET", f"/{made['id']}")["stored"] > 0)
        for _ in range(15):
            publish()
        wait_until(lambda: api.ask("GET", f"/{made['id']}/recent")["items"][0]["payload"] == str(count))
    assert len(api.ask("GET", f"/{made['id']}/recent")["items"]) == 10


def test_new_mapping_is_listened_to_while_ingest_runs_and_the_narrower_filter_wins(
    api: Api, broker: TestBroker
) -> None:
    wide = api.make("m4/#", {"values": [{"metric": "wide", "path": "x"}]})
    let_in(api, broker)
    with consuming(api, broker):
        narrow = api.make("m4/special", {"values": [{"metric": "narrow", "path": "x"}]})
        elsewhere = api.make("m5/+", {"values": [{"metric": "elsewhere", "path": "x"}]})
        let_in(api, broker)
        with (
            client_of(broker, wide["username"], wide["password"]) as (wide_client, _),
            client_of(broker, elsewhere["username"], elsewhere["password"]) as (other_client, _),
        ):

            def metrics() -> set[str]:
                wide_client.publish("m4/any", b'{"x": 1}', qos=1)
                wide_client.publish("m4/special", b'{"x": 2}', qos=1)
                other_client.publish("m5/x", b'{"x": 3}', qos=1)
                return {row[0] for row in query(api.url, "SELECT metric FROM series")}

            wait_until(lambda: metrics() == {"wide", "narrow", "elsewhere"}, step=0.2)
    sent = query(
        api.url,
        "SELECT r.metric, array_agg(DISTINCT s.values) FROM samples s JOIN series r USING (stream_id) GROUP BY 1",
    )
    assert dict(sent)["narrow"] == [[2.0]]
    assert dict(sent)["elsewhere"] == [[3.0]]
    assert narrow["device_id"] != wide["device_id"]


def test_trial_shows_what_would_be_stored_and_stores_nothing(api: Api) -> None:
    trial = {
        "topic": "x/tele/plug1/SENSOR",
        "topic_filter": "x/tele/+/SENSOR",
        "rules": {**TASMOTA, "time": {"path": "ts"}},
        "payload": json.dumps({"ts": 1790000000000, "ENERGY": {"Power": 60}}),
    }
    found = api.ask("POST", "/try", trial)
    assert found["device"] == "plug1"
    assert found["problems"] == [] or found["problems"][0]["reason"] == "absurd_time"
    found = api.ask("POST", "/try", {**trial, "rules": TASMOTA})
    (sample,) = found["samples"]
    assert sample["asset"] == "plug1"
    assert sample["values"] == [{"metric": "power", "value": 60.0, "unit": "W", "quality": "good"}]
    found = api.ask("POST", "/try", {**trial, "payload": "{"})
    assert (found["samples"], found["problems"][0]["reason"]) == ([], "unreadable")
    assert api.ask("POST", "/try", {**trial, "topic": "other"}, 422)["params"]["field"] == "topic"
    refused = api.ask("POST", "/try", {**trial, "rules": {"values": [{"metric": "a", "path": "]"}]}}, 422)
    assert refused["params"]["field"] == "rules.values.0.path"
    assert query(api.url, "SELECT count(*) FROM ingest_batches") == [(0,)]
    assert query(api.url, "SELECT count(*) FROM mappings") == [(0,)]


def test_filters_that_leave_open_which_mapping_is_meant_are_refused(api: Api) -> None:
    api.make("a/+/c")
    assert api.make("a/+/c", status=409)["code"] == "filter_taken"
    api.make("a/b/+", status=409)
    api.make("a/b/c")
    api.make("a/#")
    api.make("forewarn/#", status=422)
    api.make("#", status=422)
    api.be(api.other)
    assert api.make("a/x", status=409)["code"] == "filter_taken"
    api.make("b/+")
    api.be(api.root)
    api.make("b/c", status=409)


def test_other_organisation_sees_and_changes_nothing(api: Api) -> None:
    made = api.make("a/+")
    api.be(api.other)
    assert api.ask("GET", "")["items"] == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/recent"), ("POST", "/password")):
        api.ask(method, f"/{made['id']}{path}", {} if method == "PATCH" else None, 404)
    api.be(api.root, Role.CUSTOMER)
    api.ask("GET", "", status=403)
    api.make("c/+", status=403)


def test_change_is_based_on_a_version(api: Api) -> None:
    made = api.make("a/+", enable=False)
    changed = api.ask("PATCH", f"/{made['id']}", {"name": "New"}, headers={"if-match": '"1"'})
    assert (changed["name"], changed["version"]) == ("New", 2)
    stale = api.ask("PATCH", f"/{made['id']}", {"name": "Newer"}, 412, headers={"if-match": '"1"'})
    assert stale["params"] == {"expected": 1, "version": 2}
    assert "password" not in changed
    again = api.ask("POST", f"/{made['id']}/password")
    assert again["password"] != made["password"]


def test_mapping_that_names_no_asset_has_one_of_its_own(api: Api) -> None:
    made = api.make("a/+")
    assert query(api.url, "SELECT count(*) FROM assets") == [(0,)]
    for _ in range(2):
        api.ask("PATCH", f"/{made['id']}", {"rules": {"values": [{"metric": "a"}]}})
    bound = "SELECT a.name, b.channel FROM assets a JOIN bindings b ON b.asset_id = a.id WHERE b.device_id = %s"
    assert query(api.url, bound, made["device_id"]) == [("Reads a/+", "")]


def test_deleted_mapping_leaves_what_it_stored_and_closes_its_account(api: Api) -> None:
    made = api.make("a/+")
    api.ask("DELETE", f"/{made['id']}", status=204)
    assert api.ask("GET", "")["items"] == []
    rows = query(api.url, "SELECT serial, disabled_at IS NOT NULL, password_hash FROM devices")
    assert rows == [(made["username"], True, None)]
    with api.database.as_service() as session:
        assert broker_rights(session) == []
        assert broker_credentials(session) == {}
