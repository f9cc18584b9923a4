"""Meters in the database: late readings fit in, corrections are kept, totals follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from assets.meter_models import Meter
from assets.meter_rules import RunsBackwards, Told
from assets.meters import add_meter, correct_reading, forecast, read_meter, readings_of, total_at
from assets.registry import Asset, add_asset
from assets.warranty.facts import Reading
from assets.warranty.known import meters_at
from tests.assets.conftest import Tree
from tests.assets.one_database import migrated

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NUMBERS = count(1)

database = pytest.fixture(scope="module")(migrated)


def new_meter(session: Session, tree: Tree, kind: str = "counter", rollover_at: float | None = None) -> Meter:
    asset = Asset(organisation_id=tree.customer.id, serial=f"M-{next(NUMBERS)}", name="Pump", created_at=NOW)
    add_asset(session, asset, NOW)
    return add_meter(session, asset, Meter(name="hours", kind=kind, unit="h", rollover_at=rollover_at), NOW)


def day(number: float) -> datetime:
    return NOW - timedelta(days=100) + timedelta(days=number)


def test_late_reading_fits_between_its_neighbours_or_is_refused(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        meter = new_meter(session, tree)
        read_meter(session, meter, Told(100), day(1), NOW)
        read_meter(session, meter, Told(200), day(10), NOW)
        assert read_meter(session, meter, Told(150), day(5), NOW).total == 150
        for wrong in (90, 210):
            with pytest.raises(RunsBackwards), session.begin_nested():
                read_meter(session, meter, Told(wrong), day(7), NOW)
        assert [row.value for row in readings_of(session, meter.id, limit=9)] == [200, 150, 100]
        assert (meter.value, meter.total, meter.read_at) == (200, 200, day(10))
        assert total_at(session, meter.asset_id, "hours", day(6)) == 150
        assert total_at(session, meter.asset_id, "hours", day(0)) is None


def test_a_warranty_reads_what_a_meter_had_counted_at_most(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        meter, gauge = new_meter(session, tree), new_meter(session, tree, "gauge")
        read_meter(session, meter, Told(100), day(5), NOW)
        read_meter(session, gauge, Told(100), day(5), NOW)
        assert meters_at(session, meter.asset_id, day(1)) == {"hours": Reading(0, 100)}
        assert meters_at(session, meter.asset_id, day(6)) == {"hours": Reading(100, None)}
        assert meters_at(session, gauge.asset_id, day(1)) == {}


def test_same_reading_again_is_the_row_that_is_there(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        meter = new_meter(session, tree)
        first = read_meter(session, meter, Told(100), day(1), NOW)
        assert read_meter(session, meter, Told(100), day(1), NOW).id == first.id
        with pytest.raises(Conflict):
            read_meter(session, meter, Told(101), day(1), NOW)
        with pytest.raises(Invalid):
            read_meter(session, meter, Told(101), NOW + timedelta(hours=1), NOW)


def test_correction_keeps_what_was_wrong_and_moves_the_totals_behind_it(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        meter = new_meter(session, tree)
        read_meter(session, meter, Told(100), day(1), NOW)
        wrong = read_meter(session, meter, Told(300, "replacement", 0, "broken"), day(5), NOW)
        read_meter(session, meter, Told(50), day(9), NOW)
        assert meter.total == 350
        made = correct_reading(session, meter, wrong, 130, "typed 300 for 130", NOW)
        assert (made.total, meter.total, made.corrects_id) == (130, 180, wrong.id)
        assert wrong.superseded_at == NOW
        assert [row.value for row in readings_of(session, meter.id, limit=9)] == [50, 130, 100]
        assert len(readings_of(session, meter.id, limit=9, past=True)) == 4
        with pytest.raises(Conflict):
            correct_reading(session, meter, wrong, 131, "again", NOW)
        for value, reason in ((90, "less than before"), (140, " ")):
            with pytest.raises(Invalid), session.begin_nested():
                correct_reading(session, meter, made, value, reason, NOW)
        kinds = list(session.scalars(select(Event.kind).where(Event.asset_id == meter.asset_id).order_by(Event.id)))
        assert kinds[1:] == ["meter.reading", "meter.replaced", "meter.reading", "meter.corrected"]


def test_gauge_forecast_begins_anew_with_another_part(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        meter = new_meter(session, tree, "gauge")
        for number in range(10):
            read_meter(session, meter, Told(12 - 0.5 * number), day(number), NOW)
        assert forecast(session, meter, 3.0, 0.8).estimate is not None
        read_meter(session, meter, Told(7, "replacement", 12, "new tyre"), day(20), NOW)
        assert forecast(session, meter, 3.0, 0.8).reason == "too_few_readings"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 400), min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_order_in_which_readings_come_does_not_matter(
    database: Database, tree: Tree, runs: list[int], luck: st.DataObject
) -> None:
    """Whatever the order of arrival: the totals are those of the readings in order of time."""
    with database.as_service() as session:
        meter = new_meter(session, tree)
        values, shown = [], 0
        for run in runs:
            values.append(shown := shown + run)
        order = list(enumerate(values))
        luck.shuffle(order)  # type: ignore[attr-defined]
        for number, value in order:
            read_meter(session, meter, Told(value), day(number), NOW)
        rows = readings_of(session, meter.id, limit=50)
        assert [row.total for row in rows] == [float(value) for value in reversed(values)]
        assert (meter.total, meter.read_at) == (float(values[-1]), day(len(values) - 1))
        session.rollback()


@pytest.mark.parametrize("wrong", [{"unit": "flurbs"}, {"kind": "clock"}, {"kind": "gauge", "rollover_at": 5.0}])
def test_meter_that_cannot_be_is_refused(database: Database, tree: Tree, wrong: dict[str, object]) -> None:
    with database.as_service() as session:
        meter = new_meter(session, tree)
        asset = session.get_one(Asset, meter.asset_id)
        values = {"name": "other", "kind": "counter", "unit": "h"} | wrong
        with pytest.raises(Invalid):
            add_meter(session, asset, Meter(**values), NOW)
        with pytest.raises(Conflict):
            add_meter(session, asset, Meter(name="hours", kind="counter", unit="h"), NOW)
