"""Readings in the unit that somebody asks for, and of devices that measured in different ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from assets.base.db import Database
from assets.base.errors import Invalid
from assets.instrumentation import Binding, bind
from ingest.devices import set_password
from ingest.messages import Message
from ingest.models import Device
from ingest.store.read import load_block
from ingest.store.stretch import Stretch, read_stretch
from ingest.writer import Writer, prepare
from tests.ingest.support import PASSWORD, add_device, now_ms
from tests.ingest.test_api import Api


@pytest.fixture
def api(database_url: str) -> Any:
    made = Api(database_url)
    yield made
    made.database.dispose()


def measured(api: Api, serial: str, unit: str, value: float, t: datetime) -> None:
    """One temperature that a device measured, in its own unit."""
    payload = json.dumps([{"n": "temperature", "u": unit, "v": value, "t": t.timestamp()}]).encode()
    received_us = int(t.timestamp() * 1e6) + 1000
    with psycopg.connect(api.url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        Writer().write(connection, [prepare(Message(f"forewarn/v1/{serial}/senml", payload, received_us))])


def points(stretch: Stretch | None) -> list[tuple[float, float, float]]:
    assert stretch is not None
    return [(point.min, point.max, point.mean) for point in stretch.points]


def test_readings_are_converted_to_the_unit_that_is_asked_for(api: Api) -> None:
    made = api.post("/devices", {"serial": "H-1", "model": "", "asset_name": "Pump 1"}, 201)
    asset_id = made["device"]["assets"][0]["id"]
    add_password(api, "H-1")
    t = now_ms()
    for index, value in enumerate((10, 20, 60)):
        body = {"ts": t - 1000 * index, "values": {"temperature_celsius": value, "mode": "run", "level": 1}}
        api.post("/devices/H-1/telemetry", json.dumps(body).encode(), auth=("H-1", PASSWORD))

    def ask(status: int = 200, metric: str = "temperature_celsius", **more: Any) -> Any:
        return api.get(f"/assets/{asset_id}/readings", status, metric=metric, points=1, **more)

    found = ask(unit="°F")
    assert (found["unit"], found["unit_label"]) == ("[degF]", "°F")
    (point,) = found["points"]
    assert (point["min"], point["max"], point["mean"], point["last"]) == (50, 140, 86, 50)
    (point,) = ask(unit="degF", difference=True)["points"]
    assert (point["min"], point["max"]) == (18, 108)
    assert ask()["unit"] == "Cel"
    assert ask(422, unit="bar")["params"] == {"field": "unit", "unit": "Cel"}
    assert ask(422, metric="mode", unit="bar")["params"]["field"] == "unit"
    assert ask(422, metric="level", unit="bar")["params"]["field"] == "unit"
    assert ask(422, unit="x" * 61)["code"] == "invalid"


def add_password(api: Api, serial: str) -> None:
    with api.database.as_service() as session:
        set_password(session, session.scalars(select(Device).where(Device.serial == serial)).one(), PASSWORD)


def test_asset_whose_devices_measured_in_different_units_is_read_in_the_newest_one_s(api: Api) -> None:
    made = api.post("/devices", {"serial": "H-1", "model": "", "asset_name": "Pump 1"}, 201)
    asset_id = UUID(made["device"]["assets"][0]["id"])
    new_id = add_device(api.url, "H-2", api.root)
    # Buckets begin at full multiples of their width, here ten minutes: the swap lies between two of them.
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0) - timedelta(minutes=15)
    swapped = start + timedelta(minutes=5)
    measured(api, "H-1", "[degF]", 212, start)
    with api.database.as_service() as session:
        bind(session, organisation_id=api.root, device_id=new_id, channel="", asset_id=asset_id, at=swapped)
        former = select(Binding).where(Binding.device_id == UUID(made["device"]["id"]))
        session.scalars(former).one().valid_to = swapped
    measured(api, "H-2", "Cel", 20, swapped + timedelta(minutes=1))
    end = start + timedelta(minutes=9)
    with api.database.as_service() as session:
        whole = read_stretch(session, asset_id, "temperature", start, end, 2)
        assert points(whole) == [(100, 100, 100), (20, 20, 20)]
        assert whole is not None
        assert whole.unit == "Cel"
        assert points(read_stretch(session, asset_id, "temperature", start, end, 2, unit="K"))[0][0] == 373.15
        with pytest.raises(Invalid):
            read_stretch(session, asset_id, "temperature", start, end, 2, unit="bar")
        block = load_block(session, asset_id, None, end)
        assert block.values[:, 0].tolist() == pytest.approx([100, 20])


def test_what_measured_something_else_under_the_same_name_is_left_out(api: Api, database_url: str) -> None:
    made = api.post("/devices", {"serial": "H-1", "model": "", "asset_name": "Pump 1"}, 201)
    asset_id = UUID(made["device"]["assets"][0]["id"])
    add_device(api.url, "H-2", api.root)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    measured(api, "H-1", "bar", 3, start)
    database = Database(database_url)
    with database.as_service() as session:
        new_id = session.scalars(select(Device.id).where(Device.serial == "H-2")).one()
        bind(
            session,
            organisation_id=api.root,
            device_id=new_id,
            channel="",
            asset_id=asset_id,
            at=start + timedelta(minutes=1),
        )
    measured(api, "H-2", "Cel", 20, start + timedelta(minutes=2))
    with database.as_service() as session:
        found = read_stretch(session, asset_id, "temperature", start, start + timedelta(minutes=9), 1)
        assert points(found) == [(20, 20, 20)]
    database.dispose()
