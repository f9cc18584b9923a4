"""Devices, telemetry and readings over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import add_organisation
from gateway.api import device_files, devices, identity, problems, readings, telemetry
from gateway.api.deps import Context, context, service_context
from gateway.settings import Settings
from tests.ingest.support import PASSWORD, add_device, batch, now_ms, query


class Api:
    """The routes with a database behind; `as_` chooses who asks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        with self.database.as_service() as session:
            now = datetime.now(UTC)
            root = add_organisation(session, kind="operator", name="Operator", now=now)
            other = add_organisation(session, kind="customer", name="Other", now=now, parent=root)
            self.root, self.other = root.id, other.id
        self.actor = Actor("person", self.root, frozenset({Role.ADMINISTRATOR}))
        app = FastAPI()
        problems.install(app)
        for module in (identity, devices, telemetry, readings, device_files):
            app.include_router(module.router)
        settings = Settings(broker_url="mqtt://secret:account@broker.example:2883", public_url="https://fw.example")
        app.state.database, app.state.settings = self.database, settings

        def as_actor() -> Iterator[Context]:
            with self.database.as_actor(self.actor) as session:
                yield Context(session, self.actor, datetime.now(UTC), settings)

        def as_service() -> Iterator[Context]:
            yield from service_context(SimpleNamespace(app=app), None)  # type: ignore[arg-type]

        app.dependency_overrides[context] = as_actor
        app.dependency_overrides[service_context] = as_service
        self.client = TestClient(app)

    def be(self, organisation_id: UUID, role: Role) -> None:
        self.actor = Actor("person", organisation_id, frozenset({role}))

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = self.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: object, status: int = 200, **more: Any) -> Any:
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = self.client.post(f"/api/v1{path}", **sent, **more)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    made = Api(database_url)
    yield made
    made.database.dispose()


def test_device_is_connected_from_registration_to_first_reading(api: Api) -> None:
    made = api.post("/devices", {"serial": "H-1", "model": "pump", "asset_name": "Pump 1"}, 201)
    assert made["command"] == f"forewarn-edge claim {made['claim_code']} --server https://fw.example"
    device_id, asset_id = made["device"]["id"], made["device"]["assets"][0]["id"]
    assert api.get(f"/devices/{device_id}/first-reading")["arrived"] is False
    identity = api.post("/devices/claim", {"code": made["claim_code"], "hostname": "pi"})
    assert identity["broker"] == "mqtt://broker.example:2883"
    assert (identity["username"], identity["http"]) == ("H-1", "https://fw.example")
    assert api.post("/devices/claim", {"code": made["claim_code"]}, 404)["code"] == "claim_failed"

    t = now_ms()
    payload = batch("b", 7, [{"t": t - i * 1000, "values": {"temperature_celsius": 20 + i}} for i in range(10)])
    auth = {"headers": {"authorization": f"Bearer {identity['password']}"}}
    for _ in range(2):
        assert api.post("/devices/H-1/telemetry", payload, **auth) == {"boot": "b", "seqs": [7], "quarantined": []}
    assert query(api.url, "SELECT count(*) FROM samples") == [(10,)]

    first = api.get(f"/devices/{device_id}/first-reading")
    assert (first["arrived"], first["metrics"], first["asset_id"]) == (True, ["temperature_celsius"], asset_id)
    stretch = api.get(f"/assets/{asset_id}/readings", metric="temperature_celsius", points=5)
    assert (stretch["unit"], stretch["unit_label"]) == ("Cel", "°C")
    assert {"from", "to", "bucket_s"} < stretch.keys()
    assert (min(p["min"] for p in stretch["points"]), max(p["max"] for p in stretch["points"])) == (20, 29)
    assert sum(p["count"] for p in stretch["points"]) == 10
    detail = api.get(f"/devices/{device_id}")
    assert [(row["boot"], row["expected"], row["stored"], row["missing"]) for row in detail["boots"]] == [
        ("b", 10, 10, 0)
    ]


def test_device_shows_its_own_password_or_is_refused(api: Api) -> None:
    add_device(api.url, "H-1", api.root)
    add_device(api.url, "H-2", api.root)
    payload = batch("b", 1, [{"t": now_ms(), "values": {"a": 1}}])
    post = "/devices/H-1/telemetry"
    assert api.post(post, payload, 401)["code"] == "not_signed_in"
    for wrong in ("Bearer wrong", "Basic !", "Bearer "):
        api.post(post, payload, 401, headers={"authorization": wrong})
    api.post(post, payload, 401, auth=("H-2", PASSWORD))
    api.post("/devices/H-9/telemetry", payload, 401, auth=("H-9", PASSWORD))
    assert api.post(post, payload, auth=("H-1", PASSWORD))["seqs"] == [1]
    assert query(api.url, "SELECT count(*) FROM ingest_batches") == [(1,)]


def test_unreadable_payload_over_http_goes_to_quarantine_too(api: Api) -> None:
    add_device(api.url, "H-1", api.root)
    answer = api.post("/devices/H-1/telemetry", b"no json", auth=("H-1", PASSWORD))
    assert answer == {"boot": None, "seqs": [], "quarantined": ["unreadable"]}
    (item,) = api.get("/quarantine")["items"]
    assert (item["device"], item["reason"], item["excerpt"]) == ("H-1", "unreadable", "no json")
    assert api.post("/devices/H-1/telemetry", b" " * (2 << 20), 413, auth=("H-1", PASSWORD))["code"] == "too_large"


def test_commands_wait_and_are_listed(api: Api) -> None:
    device_id = add_device(api.url, "H-1", api.root)
    made = api.post(f"/devices/{device_id}/commands", {"name": "repair", "arguments": {"x": 1}}, 201)
    (item,) = api.get(f"/devices/{device_id}/commands")["items"]
    assert (item["id"], item["name"], item["arguments"], item["sent_at"]) == (made["id"], "repair", {"x": 1}, None)


def test_pages_of_devices_follow_each_other(api: Api) -> None:
    for number in range(3):
        add_device(api.url, f"H-{number}", api.root)
    first = api.get("/devices", limit=2)
    second = api.get("/devices", limit=2, after=first["next"])
    assert [item["serial"] for item in first["items"] + second["items"]] == ["H-0", "H-1", "H-2"]
    assert second["next"] is None


def test_other_organisation_sees_and_commands_nothing(api: Api) -> None:
    made = api.post("/devices", {"serial": "H-1", "model": "", "asset_name": "Pump 1"}, 201)
    device_id, asset_id = made["device"]["id"], made["device"]["assets"][0]["id"]
    password = api.post("/devices/claim", {"code": made["claim_code"]})["password"]
    payload = batch("b", 1, [{"t": now_ms(), "values": {"a": 1, "b": [1]}}])
    api.post("/devices/H-1/telemetry", payload, auth=("H-1", password))
    api.be(api.other, Role.ADMINISTRATOR)
    assert api.get("/devices")["items"] == []
    assert api.get("/quarantine")["items"] == []
    for path in (f"/devices/{device_id}", f"/devices/{device_id}/commands", f"/devices/{device_id}/first-reading"):
        api.get(path, 404)
    api.get(f"/assets/{asset_id}/readings", 404, metric="a")
    api.post(f"/devices/{device_id}/commands", {"name": "repair"}, 404)
    api.post("/devices", {"serial": "H-2", "asset_id": asset_id}, 422)


def test_customer_may_read_readings_but_no_devices(api: Api) -> None:
    api.be(api.root, Role.CUSTOMER)
    assert api.get("/devices", 403)["code"] == "forbidden"
    api.post("/devices", {"serial": "H-1"}, 403)


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "1900-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"points": 0},
    ],
)
def test_span_that_makes_no_sense_is_refused(api: Api, params: dict[str, Any]) -> None:
    made = api.post("/devices", {"serial": "H-1", "asset_name": "Pump 1"}, 201)
    asset_id = made["device"]["assets"][0]["id"]
    api.get(f"/assets/{asset_id}/readings", 422, metric="a", **params)
