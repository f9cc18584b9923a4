"""Readings over HTTP: downsampled, exported as files, and stopped when nobody takes them any more."""

from __future__ import annotations

import csv
import io
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import uvicorn

from assets.instrumentation import bind
from assets.registry import Asset, add_asset
from gateway.supervise.spawn import port_is_free
from ingest.devices import register_device
from ingest.messages import Message
from ingest.rollups import run_rollups
from ingest.writer import Writer, prepare
from tests.gateway.conftest import Plant
from tests.ingest.support import batch, wait_until

NOW = datetime.now(UTC).replace(microsecond=0)
ROWS = 3000


class Machine:
    """The operator's machine with some readings of three kinds."""

    def __init__(self, plant: Plant, database_url: str, rows: int = ROWS) -> None:
        with plant.database.as_service() as session:
            asset = Asset(organisation_id=plant.operator.id, serial="=M1", name="M1", created_at=NOW)
            add_asset(session, asset, NOW)
            device, _ = register_device(session, "m1", "m", plant.operator.id, NOW)
            bind(
                session, organisation_id=plant.operator.id, device_id=device.id, channel="", asset_id=asset.id, at=None
            )
        self.path = f"/api/v1/assets/{asset.id}/readings"
        self.rows = rows
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            writer, now_us = Writer(), int(NOW.timestamp()) * 1_000_000
            for seq in range(0, rows, 500):
                samples: list[dict[str, Any]] = [
                    {
                        "t": (now_us // 1000) - (rows - i) * 1000,
                        "values": {
                            "temperature_celsius": i / 7,
                            "on": i % 2 == 0,
                            "mode": "run" if i % 3 else "=cmd()",
                        },
                        **({"quality": {"temperature_celsius": "bad"}} if i == 7 else {}),
                    }
                    for i in range(seq, seq + 500)
                ]
                payload = batch("b", seq, samples)
                writer.write(connection, [prepare(Message("forewarn/v1/m1/telemetry", payload, now_us))])


@pytest.fixture
def machine(plant: Plant, database_url: str) -> Machine:
    return Machine(plant, database_url)


def test_csv_has_every_reading_with_unit_text_and_quality(plant: Plant, machine: Machine) -> None:
    answer = plant.administrator().get(machine.path + "/export", params={"metric": "*"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert int(answer.headers["x-forewarn-rows"]) == 3 * ROWS
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 3 * ROWS
    assert rows[21]["asset_serial"] == "'=M1"  # no formula for a spreadsheet
    by_metric = {row["metric"]: row for row in rows[21:24]}  # the eighth sample
    assert by_metric["temperature_celsius"]["value"] == "1"
    assert (by_metric["temperature_celsius"]["unit"], by_metric["temperature_celsius"]["quality"]) == ("Cel", "bad")
    assert by_metric["on"]["value"] == "0"
    assert by_metric["mode"]["text"] == "run"
    assert rows[2]["text"] == "'=cmd()"
    assert datetime.fromisoformat(rows[0]["measured_at"]) == NOW - timedelta(seconds=ROWS)


def test_parquet_has_the_same_rows(plant: Plant, machine: Machine) -> None:
    wanted = {"metric": ["temperature_celsius", "mode"], "format": "parquet"}
    answer = plant.administrator().get(machine.path + "/export", params=wanted)
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.num_rows == int(answer.headers["x-forewarn-rows"]) == 2 * ROWS
    first = table.slice(0, 2).to_pylist()
    assert {row["metric"]: (row["value"], row["text"]) for row in first} == {
        "temperature_celsius": (0.0, None),
        "mode": (None, "=cmd()"),
    }
    assert first[0]["measured_at"] == NOW - timedelta(seconds=ROWS)


def test_estimate_counts_from_the_rollups_and_both_ends(plant: Plant, machine: Machine) -> None:
    run_rollups(plant.database, NOW, budget_s=60)
    since = NOW - timedelta(seconds=2001)
    answer = plant.administrator().get(machine.path + "/export", params={"metric": "on", "from": since.isoformat()})
    assert answer.headers["x-forewarn-rows"] == "2000" if answer.text.count("\n") == 2001 else "2001"


def test_empty_range_is_a_file_without_rows(plant: Plant, machine: Machine) -> None:
    span = {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}
    for kind in ("csv", "parquet"):
        answer = plant.administrator().get(machine.path + "/export", params=span | {"format": kind})
        assert (answer.status_code, answer.headers["x-forewarn-rows"]) == (200, "0")
        if kind == "parquet":
            assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0
        else:
            assert answer.text.strip().startswith("asset_serial,")


@pytest.mark.parametrize("bad", [{"from": "2026-01-01"}, {"to": "2026-01-01T00:00:00"}, {"format": "xlsx"}])
def test_unclear_range_or_format_is_refused(plant: Plant, machine: Machine, bad: dict[str, str]) -> None:
    assert plant.administrator().get(machine.path + "/export", params=bad).status_code == 422


def test_times_at_the_edge_of_the_calendar_are_refused_not_crashed_on(plant: Plant, machine: Machine) -> None:
    for path in (machine.path, machine.path + "/export"):
        for span in ({"to": "0001-01-01T00:00:00Z"}, {"from": "9999-12-31T23:59:59Z"}, {"to": "9999-12-31T23:59:59Z"}):
            answer = plant.administrator().get(path, params={"metric": "on"} | span)
            assert answer.status_code in (200, 422), answer.text


def test_readings_tell_their_resolution(plant: Plant, machine: Machine) -> None:
    run_rollups(plant.database, NOW, budget_s=60)
    since = NOW - timedelta(days=30)
    span = {"metric": "temperature_celsius", "from": since.isoformat(), "to": NOW.isoformat()}
    client = plant.administrator()
    answers = {points: client.get(machine.path, params=span | {"points": points}).json() for points in (30, 700, 2000)}
    assert [answers[points]["resolution"] for points in answers] == ["1d", "1h", "15m"]
    for answer in answers.values():
        assert sum(point["count"] for point in answer["points"]) == ROWS - 1  # and a bad one
        assert sum(point["bad"] for point in answer["points"]) == 1
        assert max(point["max"] for point in answer["points"]) == (ROWS - 1) / 7


@pytest.fixture
def server(plant: Plant) -> Iterator[int]:
    """The application behind a real server: only that notices that a client is gone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = uvicorn.Server(uvicorn.Config(plant.app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_until(lambda: running.started)
    yield port
    running.should_exit = True
    thread.join(60)
    assert port_is_free(port)


def test_cancelled_download_ends_its_query(plant: Plant, database_url: str, server: int) -> None:
    machine = Machine(plant, database_url, rows=20_000)
    request = f"GET {machine.path}/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plant.token()}\r\n\r\n"

    def reading() -> bool:
        with psycopg.connect(database_url) as connection:  # as the login role, which sees its own sessions
            statement = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            statement += " AND state = 'idle in transaction' AND query ILIKE '%FETCH%')"
            return bool(connection.execute(statement.encode()).fetchone() == (True,))

    with socket.create_connection(("127.0.0.1", server)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request.encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 200")
        wait_until(reading)  # it takes no more: the server waits with its cursor open
    wait_until(lambda: not reading())


def test_exports_at_once_are_bounded(plant: Plant, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.api import downloads

    monkeypatch.setattr(downloads, "_places", threading.BoundedSemaphore(1))
    client = plant.administrator()
    for _ in range(3):  # each gives its place back
        assert client.get(machine.path + "/export").status_code == 200
    downloads._places.acquire()
    answer = client.get(machine.path + "/export")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_exports")
