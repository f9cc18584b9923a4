"""What goes together in an import ends as if stored row by row: faults, events, chains, and no change when repeated."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, update

from assets.base.events import Event, broken_links
from assets.imports.kinds.stock import Parts
from assets.meter_models import Meter, MeterReading
from assets.positions import Installation
from assets.registry import Asset, AssetModel
from assets.stock.items import Part
from tests.gateway.conftest import Plant
from tests.gateway.test_imports_api import carry_out, counts

PARTS = "Part number,Name (English),Name (Chinese),Kind,Tracking,Standard cost,Currency\n"
READINGS = "Asset serial number,Meter,Read at,Value\n"


def metered(plant: Plant) -> None:
    carry_out(plant, "Model code,Name (English),Name (Chinese)\nCP-80,Pump,离心泵\n")
    with plant.database.as_service() as session:
        meters = [{"name": "hours", "kind": "counter", "unit": "h"}, {"name": "level", "kind": "gauge", "unit": "%"}]
        session.execute(update(AssetModel).values(meters=meters))
    run = carry_out(plant, "Serial number,Name,Model code\nP-1,Pump 1,CP-80\nP-2,Pump 2,CP-80\n", kind="assets")
    assert run["inserted"] == 2, run


def test_parts_are_searchable_and_the_same_file_again_changes_nothing(plant: Plant) -> None:
    rows = "S-1,Seal,密封,,,12.5,EUR\nM-1,Motor,电机,rotable,serial,,\nS-2,Ring,环,,,,\nS-2,Ring two,环,,,,\n"
    assert counts(carry_out(plant, PARTS + rows, kind="parts")) == ("done", 3, 1, 0, 0)
    again = carry_out(plant, PARTS + rows.rsplit("S-2,Ring,", 1)[0] + "S-2,Ring two,环,,,,\n", kind="parts")
    assert counts(again) == ("done", 0, 0, 3, 0)
    with plant.database.as_service() as session:
        seal = session.scalars(select(Part).where(Part.number == "S-1")).one()
        assert (seal.unit, seal.tracking, float(seal.standard_cost or 0), seal.version) == ("pcs", "none", 12.5, 1)
        assert "密封" in seal.search_text
        assert seal.search_pairs
    changed = carry_out(plant, PARTS + "S-1,Seal ring,密封,,,,\nN-1,New,新,,,,\n", kind="parts")
    assert counts(changed) == ("done", 1, 1, 0, 0)


def test_a_part_that_cannot_be_is_a_fault_with_the_cell_that_one_by_one_names(plant: Plant) -> None:
    wrong = "M-1,Motor,电机,rotable,none,,\nS-1,Seal,密封,,,3,\nS-2,Ring,环,,,,\n"
    run = carry_out(plant, PARTS + wrong, kind="parts")
    assert run["state"] == "refused", run
    assert [(each["cell"], each["code"]) for each in run["errors"]] == [("E2", "refused"), ("G3", "refused")]
    candidates, Parts.candidates = Parts.candidates, "SELECT 0"
    try:
        alone = carry_out(plant, PARTS + wrong, kind="parts")
    finally:
        Parts.candidates = candidates
    assert alone["errors"] == run["errors"]


def test_readings_come_with_totals_events_and_a_whole_chain(plant: Plant) -> None:
    metered(plant)
    rows = [f"{pump},{meter},2026-01-{day:02},{day * 10}" for day in range(1, 6) for pump in ("P-1", "P-2")
            for meter in ("hours", "level")]  # fmt: skip
    assert counts(carry_out(plant, READINGS + "\n".join(rows), kind="meter_readings")) == ("done", 20, 0, 0, 0)
    assert counts(carry_out(plant, READINGS + "\n".join(rows), kind="meter_readings")) == ("done", 0, 0, 20, 0)
    more = READINGS + "P-1,hours,2026-01-05,50\nP-1,hours,2026-01-07,70\n"
    assert counts(carry_out(plant, more, kind="meter_readings")) == ("done", 1, 0, 1, 0)
    newest_first = READINGS + "P-1,hours,2026-01-06,60\nP-1,hours,2026-01-04,40\nP-2,hours,2025-12-31,5\n"
    assert counts(carry_out(plant, newest_first, kind="meter_readings")) == ("done", 2, 0, 1, 0)
    with plant.database.as_service() as session:
        pump = session.scalars(select(Asset).where(Asset.serial == "P-1")).one()
        meter = session.scalars(select(Meter).where(Meter.asset_id == pump.id, Meter.name == "hours")).one()
        assert (meter.value, meter.total, meter.read_at) == (70, 70, datetime(2026, 1, 7, tzinfo=UTC))
        read = select(MeterReading).where(MeterReading.meter_id == meter.id).order_by(MeterReading.at)
        assert [reading.total for reading in session.scalars(read)] == [10, 20, 30, 40, 50, 60, 70]
        assert broken_links(session, pump.id) == []
        told = select(Event).where(Event.asset_id == pump.id, Event.kind == "meter.reading").order_by(Event.id)
        payloads = [event.payload for event in session.scalars(told)]
        hours = [each["value"] for each in payloads if each["meter"] == "hours"]
        assert hours == [10, 20, 30, 40, 50, 70, 60]


def test_readings_that_cannot_be_are_faults_with_their_cells_and_nothing_is_stored(plant: Plant) -> None:
    metered(plant)
    wrong = (
        "P-1,hours,2026-01-01,10\nP-1,hours,2026-01-02,5\nP-1,hours,2026-01-03,12\nX-1,hours,2026-01-01,1\n"
        "P-1,weight,2026-01-01,1\nP-2,hours,2999-01-01,1\n"
    )
    run = carry_out(plant, READINGS + wrong, kind="meter_readings")
    assert run["state"] == "refused", run
    assert [each["cell"] for each in run["errors"]] == ["D3", "A5", "B6", "C7"]
    with plant.database.as_service() as session:
        assert session.scalars(select(MeterReading)).all() == []


def test_positions_come_with_what_stands_there_and_a_swap_ends_the_stretch_before(plant: Plant) -> None:
    metered(plant)
    head = "Position,Serial number,Installed\n"
    first = head + "Left,P-1,2026-01-01\nRight,,\n"
    assert counts(carry_out(plant, first, kind="positions")) == ("done", 2, 0, 0, 0)
    assert counts(carry_out(plant, first, kind="positions")) == ("done", 0, 0, 2, 0)
    assert counts(carry_out(plant, head + "Right,P-2,2026-01-02\n", kind="positions")) == ("done", 0, 1, 0, 0)
    swapped = head + "Left,P-2,2026-01-05\nRight,P-1,2026-01-05\n"
    assert counts(carry_out(plant, swapped, kind="positions")) == ("done", 0, 2, 0, 0)
    with plant.database.as_service() as session:
        pump = session.scalars(select(Asset).where(Asset.serial == "P-1")).one()
        told = select(Event.kind).where(Event.asset_id == pump.id, Event.kind != "asset.registered").order_by(Event.id)
        assert list(session.scalars(told)) == ["asset.installed", "asset.removed", "asset.installed"]
        assert broken_links(session, pump.id) == []
        stretches = select(Installation).where(Installation.asset_id == pump.id).order_by(Installation.valid_from)
        moment = datetime(2026, 1, 5, tzinfo=UTC)
        assert [each.valid_to for each in session.scalars(stretches)] == [moment, None]


def test_positions_that_cannot_be_are_faults_with_their_cells(plant: Plant) -> None:
    metered(plant)
    wrong = "Position,Site,Serial number,Installed\nLeft,Nowhere,,\nMiddle,,X-9,\nRight,,P-1,2999-01-01\nFar,,,\n"
    run = carry_out(plant, wrong, kind="positions")
    assert run["state"] == "refused", run
    assert [(each["row"], each["field"]) for each in run["errors"]] == [(2, "site"), (3, "serial"), (4, "installed_at")]
