"""Units are kept with the series; values that come in another unit are converted or set aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from assets.base.db import Database
from ingest.control import handle_control
from ingest.messages import Message
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device, batch, query


class Bench:
    """One device, a writer and its database."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url, self.connection, self.writer = url, connection, Writer()
        self.database = Database(url)
        self.us = int(datetime.now(UTC).timestamp()) * 1_000_000

    def send(self, leaf: str, payload: bytes | list[Any] | dict[str, Any]) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.us += 1_000_000
        self.writer.write(self.connection, [prepare(Message(f"forewarn/v1/U-1/{leaf}", body, self.us))])

    def senml(self, value: float, unit: str | None, name: str = "temperature") -> None:
        self.send("senml", [{"n": name, "v": value} | ({"u": unit} if unit else {})])

    def describe(self, **units: str) -> None:
        metrics = [{"name": name, "unit": unit} for name, unit in units.items()]
        body = json.dumps({"model": "m", "metrics": metrics, "assets": []}).encode()
        self.us += 1_000_000
        with self.database.as_service() as session:
            assert handle_control(session, Message("forewarn/v1/U-1/describe", body, self.us)) is None
        self.writer.forget_device("U-1")

    def values(self) -> list[float]:
        return [row[0][0] for row in query(self.url, "SELECT values FROM samples ORDER BY measured_at")]

    def units(self) -> list[tuple[Any, ...]]:
        return query(self.url, "SELECT metric, unit FROM series ORDER BY slot")

    def quarantine(self) -> list[tuple[Any, ...]]:
        return query(self.url, "SELECT reason, detail FROM quarantine ORDER BY id")


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    add_device(database_url, "U-1")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        made = Bench(database_url, connection)
        yield made
        made.database.dispose()


def test_unit_of_the_first_value_is_kept_and_others_are_converted_to_it(bench: Bench) -> None:
    bench.senml(20, "Cel")
    bench.senml(98.6, "[degF]")
    bench.senml(293.15, "K")
    bench.senml(21, None)
    assert bench.values() == [20, 37, 20, 21]
    assert (bench.units(), bench.quarantine()) == ([("temperature", "Cel")], [])


def test_unit_that_cannot_be_converted_goes_to_quarantine_with_its_reason(bench: Bench) -> None:
    bench.senml(20, "Cel")
    bench.send("senml", [{"n": "temperature", "u": "bar", "v": 3}, {"n": "other", "v": 1}])
    assert bench.quarantine() == [("wrong_unit", "temperature: bar cannot become Cel")]
    assert query(bench.url, "SELECT values FROM samples ORDER BY measured_at") == [([20.0],), ([None, 1.0],)]


def test_ending_of_the_name_is_a_promise(bench: Bench) -> None:
    bench.senml(98.6, "[degF]", "body_celsius")
    bench.senml(37.5, None, "body_celsius")
    assert (bench.values(), bench.units()) == ([37, 37.5], [("body_celsius", "Cel")])


def test_series_without_unit_takes_the_first_that_is_told(bench: Bench) -> None:
    bench.send("telemetry", {"temperature": 20})
    bench.senml(21, "Cel")
    bench.senml(212, "[degF]")
    assert (bench.values(), bench.units()) == ([20, 21, 100], [("temperature", "Cel")])


def test_batch_may_name_the_units_of_its_metrics(bench: Bench) -> None:
    t = bench.us // 1000
    samples = [{"t": t, "values": {"temperature": 20.0}}]
    bench.send("telemetry", batch("b", 1, samples, units={"temperature": "°C"}))
    samples = [{"t": t + 1, "values": {"temperature": 68.0}}]
    bench.send("telemetry", batch("b", 2, samples, units={"temperature": "°F"}))
    bench.send("telemetry", {"ts": t + 2, "values": {"temperature": 68}, "units": {"temperature": "[degF]"}})
    assert (bench.values(), bench.units()) == ([20, 20, 20], [("temperature", "Cel")])


def test_device_that_declares_another_unit_than_before_keeps_its_history(bench: Bench) -> None:
    bench.describe(temperature="Cel", pressure="bar")
    bench.send("telemetry", {"temperature": 20})
    bench.describe(temperature="degF", pressure="bar")
    bench.send("telemetry", {"temperature": 68})
    bench.describe(temperature="Cel", pressure="bar")
    bench.send("telemetry", {"temperature": 22})
    assert (bench.values(), bench.units()) == ([20, 20, 22], [("temperature", "Cel"), ("pressure", "bar")])


def test_batches_are_converted_too_once_a_device_declares_another_unit(bench: Bench) -> None:
    def send(seq: int, value: float) -> None:
        samples = [{"t": bench.us // 1000 + i, "values": {"temperature": value}} for i in range(3)]
        bench.send("telemetry", batch("b", seq, samples))

    bench.describe(temperature="Cel")
    for seq in range(3):  # the names are known by now: such batches take the shortest way
        send(seq, 20.5)
    bench.describe(temperature="degF")
    send(3, 212.0)
    assert bench.values() == [20.5] * 9 + [100.0] * 3
    bench.describe(temperature="bar")
    send(4, 3.0)
    assert len(bench.values()) == 12
    assert bench.quarantine() == [("wrong_unit", "temperature: bar cannot become Cel")]


def test_declared_unit_counts_from_the_first_value_on_and_a_missing_one_leaves_the_name_s(bench: Bench) -> None:
    bench.describe(temperature_celsius="1", flow="1", mode="1")
    assert dict(bench.units()) == {"temperature_celsius": "Cel", "flow": "1", "mode": "1"}
    bench.describe(temperature_celsius="[degF]", flow="m3/h", mode="1")
    bench.send("telemetry", {"temperature_celsius": 212})
    assert bench.values() == [100]
    assert dict(bench.units())["flow"] == "m3/h"


def test_another_worker_notices_the_new_declaration(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.describe(temperature="Cel")
    bench.send("telemetry", {"temperature": 20})
    other, bench.writer = bench.writer, Writer()
    bench.describe(temperature="degF")
    bench.writer = other
    monkeypatch.setattr("ingest.store.catalog.KNOWN_FOR_S", 0.0)
    bench.send("telemetry", {"temperature": 68})
    assert bench.values() == [20, 20]


def test_texts_and_booleans_have_no_unit_to_convert(bench: Bench) -> None:
    bench.describe(state="Cel")
    bench.send("senml", [{"n": "state", "u": "Cel", "v": 1}, {"n": "mode", "u": "bar", "vs": "run"}])
    bench.send("senml", [{"n": "mode", "u": "Cel", "vs": "stop"}])
    assert bench.quarantine() == []


def test_hot_path_is_not_entered_without_a_unit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("values without a unit need no look at units")

    monkeypatch.setattr("ingest.writer.in_series_units", never)
    bench.send("telemetry", batch("b", 1, [{"t": bench.us // 1000, "values": {"temperature_celsius": 20.0}}]))
    assert bench.values() == [20]


def test_value_that_no_number_can_hold_in_the_unit_of_its_series_is_set_aside(bench: Bench) -> None:
    bench.senml(1.0, "mA", "current")
    bench.senml(1e308, "kA", "current")
    assert bench.values() == [1.0]
    assert bench.quarantine() == [("not_finite", "current")]
