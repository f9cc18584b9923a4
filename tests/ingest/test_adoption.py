"""Every device's readings reach an asset, however the device came to be known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from assets.base.db import Database
from assets.people import add_organisation
from assets.registry import Asset, AssetModel, add_asset
from edge_agent.wire import Describe, Metric, SubDevice, encode_describe
from gateway.main import main
from ingest.adoption import adopt_channels
from ingest.control import handle_control
from ingest.devices import claim_device
from ingest.direct import accept_telemetry, authenticate_device
from ingest.messages import Message
from ingest.models import Device
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now, now_ms, query, wait_until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


def readings(url: str) -> list[tuple[Any, ...]]:
    """What SQL readers see."""
    with psycopg.connect(url) as reader:
        reader.execute("SET ROLE forewarn_reader")
        return reader.execute("SELECT asset_serial, metric, value FROM readings_v1 ORDER BY 1, 2, 3").fetchall()


def sample(value: float, asset: str = "", ago_ms: int = 0) -> dict[str, Any]:
    body = {"t": now_ms() - ago_ms, "values": {"a": value}}
    return {**body, "asset": asset} if asset else body


def accept(database: Database, serial: str, seq: int, *samples: dict[str, Any]) -> None:
    with database.as_service() as session:
        device = session.scalars(select(Device).where(Device.serial == serial)).one()
        accept_telemetry(session, device, batch("b", seq, list(samples)), now_ms() * 1000)


def registered(url: str) -> list[tuple[Any, ...]]:
    return query(url, "SELECT payload ->> 'serial' FROM events WHERE kind = 'asset.registered' ORDER BY id")


def operator(database: Database) -> UUID:
    with database.as_service() as session:
        return add_organisation(session, kind="operator", name="Operator", now=now()).id


def add(*more: str) -> int:
    return main(["device", "add", "--serial", "PRESS-7", "--model", "press", "--json", *more])


def test_device_added_on_the_command_line_measures_an_asset(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator(database)
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    assert add("--asset", "The old press") == 0
    code = json.loads(capsys.readouterr().out)["claim_code"]
    with database.as_service() as session:
        claimed = claim_device(session, code, "pi", now())
        assert authenticate_device(session, claimed.serial, claimed.password)
    accept(database, "PRESS-7", 1, sample(1.5))
    assert readings(database_url) == [("PRESS-7", "a", 1.5)]
    assert query(database_url, "SELECT serial, name FROM assets") == [("PRESS-7", "The old press")]
    assert add() == 1, "the device is registered already"


def test_device_added_on_the_command_line_takes_the_asset_that_is_there(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = operator(database)
    with database.as_service() as session:
        made = Asset(organisation_id=owner, serial="PRESS-7", name="Known", created_at=now())
        asset_id = add_asset(session, made, now()).id
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    assert add() == 0
    assert query(database_url, "SELECT asset_id, channel FROM bindings") == [(asset_id, "")]
    assert query(database_url, "SELECT name FROM assets") == [("Known",)]


def test_sub_device_that_nobody_registered_becomes_an_asset(database: Database, database_url: str) -> None:
    add_device(database_url, "GW-1")
    for seq in (1, 2):
        accept(database, "GW-1", seq, sample(seq, "P-7"))
    assert readings(database_url) == [("P-7", "a", 1.0), ("P-7", "a", 2.0)]
    assert registered(database_url) == [("P-7",)]
    assert query(database_url, "SELECT name, demo FROM assets") == [("P-7", False)]
    assert query(database_url, "SELECT count(*) FROM bindings") == [(1,)]


def test_sub_device_of_a_known_serial_takes_that_asset(database: Database, database_url: str) -> None:
    add_device(database_url, "GW-1")
    with database.as_service() as session:
        device = session.scalars(select(Device)).one()
        device.demo = True
        made = Asset(organisation_id=device.organisation_id, serial="P-7", name="Pump", created_at=now())
        asset_id = add_asset(session, made, now()).id
    accept(database, "GW-1", 1, sample(1, "P-7"), sample(2, "P-8"))
    assert readings(database_url) == [("P-7", "a", 1.0), ("P-8", "a", 2.0)]
    assert query(database_url, "SELECT asset_id FROM bindings WHERE channel = 'P-7'") == [(asset_id,)]
    assert query(database_url, "SELECT name, demo FROM assets ORDER BY serial") == [("Pump", False), ("P-8", True)]


def test_binding_that_was_ended_is_left_ended(database: Database, database_url: str) -> None:
    device_id = add_device(database_url, "GW-1")
    accept(database, "GW-1", 1, sample(1, "P-7"))
    with psycopg.connect(database_url) as owner:
        owner.execute("SET ROLE forewarn_service")
        owner.execute("UPDATE bindings SET valid_to = now() - interval '1 hour'")
    accept(database, "GW-1", 2, sample(2, "P-7"))
    with database.as_service() as session:
        adopt_channels(session, device_id, ["P-7"], now())
    assert readings(database_url) == []
    assert query(database_url, "SELECT count(*) FROM bindings") == [(1,)]


def test_sub_device_gets_the_model_that_the_device_describes(database: Database, database_url: str) -> None:
    add_device(database_url, "GW-1")
    metrics = [Metric("a")]
    described = Describe("gateway", "1.0", [], [SubDevice("P-7", "pump", metrics), SubDevice("P-8", "none", metrics)])
    with database.as_service() as session:
        owner = session.scalars(select(Device)).one().organisation_id
        session.add(AssetModel(organisation_id=owner, code="pump", name_en="Pump", name_zh="Pump"))
    with database.as_service() as session:
        message = Message("forewarn/v1/GW-1/describe", encode_describe(described), now_ms() * 1000)
        assert handle_control(session, message) is None
    found = "SELECT a.serial, m.code FROM assets a LEFT JOIN asset_models m ON m.id = a.asset_model_id ORDER BY 1"
    assert query(database_url, found) == [("P-7", "pump"), ("P-8", None)]


def test_sub_device_over_the_broker_becomes_an_asset(database_url: str, broker: TestBroker) -> None:
    add_device(database_url, "GW-2")
    url = broker.add_device("GW-2", PASSWORD)
    with IngestProcess(database_url, broker.url), Publisher(url, "GW-2") as publisher:
        publisher.wait_for_ingest()
        for seq in (1, 2):
            publisher.send_batch("b", seq, batch("b", seq, [sample(seq, "P-7")]))
            publisher.send_until_acknowledged(60)
        wait_until(lambda: readings(database_url) == [("P-7", "a", 1.0), ("P-7", "a", 2.0)])
    assert registered(database_url) == [("P-7",)]
