"""Telemetry feeds meters and tells whether an asset is up; what cannot be waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.meter_models import Meter
from assets.meter_rules import Told
from assets.meters import add_meter, read_meter, readings_of
from assets.registry import Asset
from assets.states import history
from ingest.meter_feed import STEP, feed_meters, state_told, tell_operation
from tests.ml.stored import NOW, Machines

RULE = {"metric": "run", "down": [0], "up": [1]}


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    made.add("P-1", made.add_model("pump", operation_rule=RULE))
    yield made
    made.close()


def at(minutes: float) -> datetime:
    return NOW - timedelta(hours=10) + timedelta(minutes=minutes)


def show(machines: Machines, minutes: float, **values: float) -> None:
    machines.tell("P-1", np.array([at(minutes).timestamp()]), {name: np.array([v]) for name, v in values.items()})


def only(session: Session, kind: type[Any]) -> Any:
    return session.scalars(select(kind)).one()


def test_meter_follows_telemetry_around_its_end_and_stops_at_what_cannot_be(machines: Machines) -> None:
    with machines.database.as_service() as session:
        meter = Meter(name="energy", kind="counter", unit="kWh", metric="energy_wh", rollover_at=100.0)
        add_meter(session, only(session, Asset), meter, at(0))

    def fed(minutes: float, watt_hours: float) -> Meter:
        show(machines, minutes, energy_wh=watt_hours)
        with machines.database.as_service() as session:
            feed_meters(session, at(minutes) + timedelta(seconds=1))
            meter: Meter = only(session, Meter)
            return meter

    assert fed(1, 50_000).total is not None
    assert fed(2, 60_000).total == fed(3, 61_000).total, "not more often than each quarter of an hour"
    step = STEP.total_seconds() / 60
    total = fed(1 + 2 * step, 95_000).total
    rolled = fed(1 + 4 * step, 5_000)
    assert (total, rolled.total) == (95, 105)
    wrong = fed(1 + 6 * step, 1_000)
    assert (wrong.total, wrong.refused_reason) == (rolled.total, "runs_backwards")
    fed(1 + 8 * step, 1_100)
    with machines.database.as_service() as session:
        refused = session.scalars(select(Event).where(Event.kind == "meter.refused")).all()
        assert len(refused) == 1, "said once"
        told = Told(5.0, "replacement", 1.1, "another board")
        read_meter(session, only(session, Meter), told, at(2 + 8 * step), at(2 + 8 * step))
    after = fed(3 + 10 * step, 2_100)
    assert after.refused_at is None
    assert after.total == pytest.approx(106.0)
    with machines.database.as_service() as session:
        kinds = [row.kind for row in readings_of(session, after.id, limit=9)]
        assert kinds == ["reading", "replacement", "rollover", "reading", "reading"]


def test_asset_is_down_when_telemetry_says_so_unless_a_person_knows_better(machines: Machines) -> None:
    def told(minutes: float, run: float) -> str:
        show(machines, minutes, run=run)
        with machines.database.as_service() as session:
            tell_operation(session, at(minutes) + timedelta(seconds=1))
            asset: Asset = only(session, Asset)
            return asset.operation

    assert [told(1, 1), told(2, 0), told(3, 0), told(4, 2), told(5, 1)] == ["up", "down", "down", "down", "up"]
    with machines.database.as_service() as session:
        asset = only(session, Asset)
        rows = history(session, asset.id, "operation")
        assert [(row.state, row.valid_from, row.source) for row in rows] == [
            ("up", at(1), "telemetry"),
            ("down", at(2), "telemetry"),
            ("up", at(5), "telemetry"),
        ]


@pytest.mark.parametrize(
    ("value", "state"),
    [("trip", "down"), ("run", "up"), ("idle", None), (0, "down"), (False, "down"), (1.0, "up"), (None, None)],
)
def test_value_means_what_the_rule_names(value: float | str | bool | None, state: str | None) -> None:
    assert state_told({"metric": "mode", "down": ["trip", 0], "up": ["run", 1]}, value) == state
