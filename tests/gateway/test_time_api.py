"""Devices' clocks, ledgers and channels over HTTP; positions; what is held is released or removed by one click."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from assets.base.access import Role
from assets.instrumentation import bind
from ingest.devices import register_device, set_password
from ingest.roll_call import update_presence
from tests.gateway.conftest import Plant

HOUR_MS = 3_600_000
PASSWORD = "device-password"


@pytest.fixture
def device_id(plant: Plant) -> UUID:
    with plant.database.as_service() as session:
        device, _ = register_device(session, "G-1", "gateway", plant.operator.id, datetime.now(UTC))
        set_password(session, device, PASSWORD)
        return device.id


def send(plant: Plant, body: Any) -> None:
    answer = plant.client(PASSWORD).post(
        "/api/v1/devices/G-1/telemetry", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200, answer.text


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def batch(seq: int, samples: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"boot": "b", "seq": seq, "first": 10 * seq, "n": len(samples), "samples": samples, **more}


def detail(plant: Plant, device_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = plant.administrator().get(f"/api/v1/devices/{device_id}").json()
    return found


def test_device_tells_presence_clock_ledger_and_channels(plant: Plant, device_id: UUID) -> None:
    t = now_ms()
    samples = [{"t": t - 2 * HOUR_MS, "asset": "P-1", "values": {"a": 1}}, {"t": 5, "m": 5, "values": {"a": [1]}}]
    send(plant, batch(0, samples, offset_ms=2 * HOUR_MS, sent_at=t - 2 * HOUR_MS))
    send(plant, batch(2, [{"t": 5, "values": {"a": 1}}], boot="other"))
    with plant.database.as_service() as session:
        update_presence(session, datetime.now(UTC))
    found = detail(plant, device_id)
    assert (found["presence"], found["presence_reason"]["code"]) == ("online", "reporting")
    assert found["clock"]["offset_ms"] == 2 * HOUR_MS
    assert (found["clock"]["corrected"], found["clock"]["flagged"]) == (1, 2)
    assert found["clock"]["measured_at"] is not None
    ledger = found["ledger"]
    assert ledger["balanced"]
    assert (ledger["expected"], ledger["stored"], ledger["quarantined"], ledger["missing"]) == (23, 1, 2, 20)
    [channel] = found["channels"]
    assert (channel["channel"], channel["presence"], channel["asset"]["name"]) == ("P-1", "online", "P-1")
    assert {row["boot"]: row["balanced"] for row in found["boots"]} == {"b": True, "other": True}
    assert found["expected_interval"] is None


def test_a_device_that_numbers_nothing_is_counted_by_its_interval(plant: Plant, device_id: UUID) -> None:
    t = now_ms()
    send(plant, [{"ts": t - 60_000 * i, "values": {"a": i}} for i in range(60, 0, -1) if not 20 <= i < 30])
    send(plant, {"ts": "2036-01-01T00:00:00Z", "values": {"a": 1}})
    client = plant.administrator()
    path = f"/api/v1/devices/{device_id}"
    assert client.patch(path, json={"expected_interval_s": 60}).json()["expected_interval_s"] == 60
    ledger = detail(plant, device_id)["ledger"]
    assert ledger["balanced"]
    assert (ledger["expected"], ledger["stored"], ledger["quarantined"], ledger["missing"]) == (61, 50, 1, 10)
    assert [gap["n"] for gap in ledger["gaps"]] == [10]
    # Late data closes the gap that it left.
    send(plant, [{"ts": t - 60_000 * i, "values": {"a": i}} for i in range(20, 30)])
    assert detail(plant, device_id)["ledger"]["missing"] == 0
    assert detail(plant, device_id)["expected_interval"] == {"seconds": 60.0, "origin": "declared"}


def test_what_is_held_for_its_time_is_released_by_one_click_and_removed_by_another(
    plant: Plant, device_id: UUID
) -> None:
    t = now_ms()
    send(plant, [{"ts": t + 27 * HOUR_MS + i, "values": {"a": i}} for i in range(3)])
    client = plant.administrator()
    [held] = client.get("/api/v1/quarantine").json()["items"]
    path = f"/api/v1/quarantine/{held['id']}/release"
    facts = client.get(path).json()
    assert facts["releasable"]
    assert abs(facts["suggested_offset_ms"] + 27 * HOUR_MS) < 5000
    assert plant.client(plant.token(plant.stranger)).post(path, json={}).status_code == 404
    assert client.post(path, json={}).json() == {"stored": 3, "left": 0}
    assert client.post(path, json={}).status_code == 404
    assert detail(plant, device_id)["ledger"]["corrected"] == 3
    answer = client.delete(f"/api/v1/devices/{device_id}/corrected-readings")
    assert answer.json() == {"removed": 3}
    with plant.database.as_service() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("SELECT count(*) FROM samples").scalar() == 0
        assert connection.exec_driver_sql("SELECT latest_at FROM streams").scalar() is None


def test_what_is_set_aside_can_be_thrown_away_by_its_owner_alone(plant: Plant, device_id: UUID) -> None:
    send(plant, [{"ts": 5, "values": {"a": 1}}])
    client = plant.administrator()
    [held] = client.get("/api/v1/quarantine").json()["items"]
    path = f"/api/v1/quarantine/{held['id']}"
    assert plant.client(plant.token(plant.stranger)).delete(path).status_code == 404
    assert plant.client(plant.token(plant.operator, Role.ANALYST)).delete(path).status_code == 403
    assert client.delete(path).status_code == 204
    assert client.get("/api/v1/quarantine").json()["items"] == []


def test_gateways_form_no_circle(plant: Plant, device_id: UUID) -> None:
    with plant.database.as_service() as session:
        other, _ = register_device(session, "D-1", "m", plant.operator.id, datetime.now(UTC))
        other_id = other.id
    client = plant.administrator()
    assert client.patch(f"/api/v1/devices/{other_id}", json={"gateway_id": str(device_id)}).status_code == 200
    answer = client.patch(f"/api/v1/devices/{device_id}", json={"gateway_id": str(other_id)})
    assert answer.status_code == 422
    assert client.patch(f"/api/v1/devices/{other_id}", json={"gateway_id": None}).json()["gateway_id"] is None


def test_a_swapped_pump_keeps_its_own_history_and_late_data_binds_by_event_time(plant: Plant, device_id: UUID) -> None:
    client = plant.administrator()
    pumps = [
        client.post("/api/v1/assets", json={"serial": serial, "name": serial}).json()["id"] for serial in ("A", "B")
    ]
    place = client.post("/api/v1/positions", json={"name": "feed pump"}).json()
    path = f"/api/v1/positions/{place['id']}"
    now = datetime.now(UTC)
    begin, swap = now - timedelta(hours=10), now - timedelta(hours=2)
    client.post(f"{path}/channels", json={"device_id": str(device_id)})
    for pump, at in zip(pumps, (begin, swap), strict=True):
        answer = client.post(f"{path}/install", json={"asset_id": pump, "at": at.isoformat()})
        assert answer.status_code == 200, answer.text
    assert [row["asset_name"] for row in answer.json()["installations"]] == ["B", "A"]
    assert client.get("/api/v1/positions").json()["items"][0]["asset_id"] == pumps[1]
    t = now_ms()
    send(plant, batch(0, [{"t": t - 60_000, "values": {"a": 2}}]))
    send(plant, batch(1, [{"t": t - 5 * HOUR_MS, "values": {"a": 1}}], lane="backfill"))  # of before the swap
    seen = []
    for pump in pumps:
        answer = client.get(
            f"/api/v1/assets/{pump}/readings",
            params={"metric": "a", "from": begin.isoformat(), "to": now.isoformat(), "points": 10},
        )
        seen.append([point["mean"] for point in answer.json()["points"]])
    assert seen == [[1], [2]]
    latest = client.get(f"/api/v1/assets/{pumps[1]}").json()["metrics"]
    assert [metric["latest"]["value"] for metric in latest] == [2]
    timeline = client.get(f"/api/v1/assets/{pumps[0]}/timeline").json()["items"]
    assert {"asset.removed", "asset.installed"} <= {entry["kind"] for entry in timeline}
    assert plant.client(plant.token(plant.stranger)).get(path).status_code == 404
    gone = client.post(f"{path}/install", json={"asset_id": None})
    assert gone.json()["asset_id"] is None


def test_a_direct_binding_still_measures_its_asset(plant: Plant, device_id: UUID) -> None:
    asset = plant.administrator().post("/api/v1/assets", json={"serial": "C", "name": "C"}).json()["id"]
    with plant.database.as_service() as session:
        bind(
            session,
            organisation_id=plant.operator.id,
            device_id=device_id,
            channel="",
            asset_id=UUID(asset),
            at=None,
        )
    assert [each["name"] for each in detail(plant, device_id)["assets"]] == ["C"]
