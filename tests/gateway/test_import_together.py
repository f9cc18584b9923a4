"""Places, counts, warranty days and readings in any order go together, and end as if stored one by one (5.8a)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from assets.base.events import Event, broken_links
from assets.failure_modes import FailureMode
from assets.imports.kinds import KINDS
from assets.imports.kinds.bulk import BulkKind
from assets.meter_models import Meter, MeterReading
from assets.registry import Asset, AssetModel
from assets.stock.items import Part
from assets.stock.ledger import replay_differences
from assets.stock.places import StockLocation
from assets.stock.totals import total_differences
from assets.warranty.tables import WarrantyFacts
from tests.gateway.conftest import Plant
from tests.gateway.test_import_bulk import READINGS, metered
from tests.gateway.test_imports_api import carry_out, counts

PLACES = "Location code,Location name,Location kind,Inside of (code)\n"
COUNTS = "Part number,Location code,Counted,Lot\n"
DAYS = "Asset serial number,Produced on,Delivered on,Region\n"
PARTS = "Part number,Name (English),Name (Chinese),Unit,Tracking\nS-1,Seal,密封,pcs,none\nO-1,Oil,油,pcs,lot\n"

METRICS = "Model code,Metric,Unit (UCUM),Low limit,High limit\n"
MODES = "Model code,Failure mode,Name (English),Name (Chinese),Shows in metrics,Rank\n"

# Each has faults of several kinds among rows that are sound.
FAULTY = {
    "metrics": METRICS + "CP-80,flow,m3/h,1,5\nX-1,flow,m3/h,,\nCP-80,heat,Cel,9,2\nX-2,a,,,\nCP-80,p,bar,,\n",
    "failure_modes": MODES
    + f'CP-80,leak,Leaks,泄漏,p,1\nX-1,leak,Leaks,泄漏,,\nCP-80,wear,Wears,磨损,"{",".join(map(str, range(60)))}",2\n'
    + ",any,Any,任何,,\nX-2,leak,Leaks,泄漏,,\n"
    + "".join(f"CP-80,m{n},Mode,模式,,\n" for n in range(201)),
    "stock_locations": PLACES
    + "B-1,Bin,bin,W-1\nW-1,Depot,warehouse,\nB-2,Bin,bin,W-1\nB-3,Deep,bin,B-2\nB-4,Alone,bin,\n"
    "W-1,Depot,quarantine,\n"
    "V-1,Van,van,\nB-5,In a van,bin,V-1\nB-6,Nowhere,bin,X-9\n",
    "stock_counts": COUNTS + "S-1,W-1,1.5,\nX-1,W-1,1,\nS-1,W-9,1,\nO-1,W-1,3,\nO-1,W-1,3,L-1\nS-1,W-2,7,\n",
    "warranty_dates": DAYS + "P-1,2024-03-01,2024-02-01,\nX-1,,2024-03-01,\nP-2,,2999-01-01,\n",
    "meter_readings": READINGS
    + "P-1,hours,2026-01-03,30\nP-1,hours,2026-01-02,40\nP-1,hours,2026-01-01,10\nP-1,level,2026-01-02,1\n"
    "P-1,level,2026-01-01,5\nP-2,hours,2026-01-02,20\nP-2,hours,2026-01-02,21\nP-2,hours,2026-01-01,-1\n",
}


def stocked(plant: Plant) -> None:
    assert carry_out(plant, PARTS, kind="parts")["inserted"] == 2
    assert (
        carry_out(plant, PLACES + "W-1,Depot,warehouse,\nW-2,Other,warehouse,\n", kind="stock_locations")["inserted"]
        == 2
    )


@pytest.mark.parametrize("kind", FAULTY)
def test_faults_are_those_that_one_by_one_finds(plant: Plant, kind: str) -> None:
    if kind != "stock_locations":
        metered(plant)
        stocked(plant)
    together = carry_out(plant, FAULTY[kind], kind=kind)
    assert together["state"] == "refused", together
    bulk: Any = KINDS[kind]
    assert isinstance(bulk, BulkKind)
    kept, type(bulk).candidates = bulk.candidates, "SELECT 0"
    try:
        alone = carry_out(plant, FAULTY[kind], kind=kind)
    finally:
        type(bulk).candidates = kept
    for each in (*together["errors"], *alone["errors"]):
        each["params"].pop("reading_id", None)  # of a row that was tried and taken back
    assert together["errors"] == alone["errors"]
    assert len({each["row"] for each in together["errors"]}) >= 3
    assert counts(together) == counts(alone)


def test_readings_newest_first_or_mixed_end_as_oldest_first(plant: Plant) -> None:
    metered(plant)
    carry_out(plant, READINGS + "P-2,hours,2025-12-01,5\n", kind="meter_readings")
    rows = [f"P-1,hours,2026-01-{day:02},{day * 10}" for day in (5, 4, 3, 2, 1)]
    rows += [f"P-2,hours,2026-01-{day:02},{day * 10}" for day in (2, 5, 1, 3, 4)]
    rows += [f"P-2,level,2026-01-{day:02},{level}" for day, level in ((3, 7), (1, 9), (2, 8))]
    file = READINGS + "\n".join(rows)
    assert counts(carry_out(plant, file, kind="meter_readings")) == ("done", 13, 0, 0, 0)
    assert counts(carry_out(plant, file, kind="meter_readings")) == ("done", 0, 0, 13, 0)
    with plant.database.as_service() as session:
        for serial, name, totals in (
            ("P-1", "hours", [10, 20, 30, 40, 50]),
            ("P-2", "hours", [5, 10, 20, 30, 40, 50]),
            ("P-2", "level", [9, 8, 7]),
        ):
            pump = session.scalars(select(Asset).where(Asset.serial == serial)).one()
            meter = session.scalars(select(Meter).where(Meter.asset_id == pump.id, Meter.name == name)).one()
            read = select(MeterReading).where(MeterReading.meter_id == meter.id).order_by(MeterReading.at)
            assert [reading.total for reading in session.scalars(read)] == totals
            newest = datetime(2026, 1, 5 if name == "hours" else 3, tzinfo=UTC)
            assert (meter.value, meter.total, meter.read_at) == (totals[-1], totals[-1], newest)
            assert broken_links(session, pump.id) == []


def test_places_lie_in_each_other_as_the_file_says_and_come_in_once(plant: Plant) -> None:
    file = PLACES + "W-1,Depot,warehouse,\nH-1,Hall,bin,W-1\nB-1,Bin,bin,H-1\nW-1,Depot,warehouse,\nB-1,Box,bin,H-1\n"
    run = carry_out(plant, file, kind="stock_locations")
    assert counts(run) == ("done", 3, 1, 1, 0)
    again = file.replace("B-1,Bin,bin,H-1\n", "").replace("Depot", "Main")
    assert carry_out(plant, again, kind="stock_locations")["inserted"] == 0
    with plant.database.as_service() as session:
        of = {each.code: each for each in session.scalars(select(StockLocation))}
        assert of["B-1"].parent_id == of["H-1"].id
        assert of["H-1"].parent_id == of["W-1"].id
        assert (of["W-1"].name, of["B-1"].name) == ("Main", "Box")


def test_counts_are_booked_through_the_ledger_and_totals_follow(plant: Plant) -> None:
    stocked(plant)
    assert counts(carry_out(plant, COUNTS + "S-1,W-1,12,\nS-1,W-2,3,\nO-1,W-1,4,L-1\n", kind="stock_counts"))[1] == 3
    assert counts(carry_out(plant, COUNTS + "S-1,W-1,12,\nS-1,W-2,1,\n", kind="stock_counts")) == ("done", 1, 0, 1, 0)
    held = plant.administrator().get("/api/v1/stock-balances").json()["items"]
    found = {(each["part"]["number"], each["location"]["code"]): each["quantity"] for each in held}
    assert found == {("S-1", "W-1"): 12, ("S-1", "W-2"): 1, ("O-1", "W-1"): 4}
    moved = plant.administrator().get("/api/v1/stock-movements").json()["items"]
    assert [(each["kind"], len(each["lines"]), each["reason"][:6]) for each in moved] == [("count", 1, "import")] * 4
    with plant.database.as_service() as session:
        assert replay_differences(session) == total_differences(session) == []


def test_days_of_warranty_come_with_their_events_and_only_what_is_told_changes(plant: Plant) -> None:
    metered(plant)
    first = carry_out(plant, DAYS + "P-1,2024-01-01,2024-03-01,cn-31\nP-2,,2024-03-02,\n", kind="warranty_dates")
    assert counts(first) == ("done", 2, 0, 0, 0)
    second = carry_out(plant, DAYS + "P-1,,2024-03-05,\nP-2,,2024-03-02,\n", kind="warranty_dates")
    assert counts(second) == ("done", 0, 1, 1, 0)
    with plant.database.as_service() as session:
        pump = session.scalars(select(Asset).where(Asset.serial == "P-1")).one()
        facts = session.get_one(WarrantyFacts, pump.id)
        assert (facts.produced_on, facts.delivered_on, facts.region, facts.version) == (
            date(2024, 1, 1), date(2024, 3, 5), "CN-31", 2)  # fmt: skip
        told = select(Event.payload).where(Event.asset_id == pump.id, Event.kind == "warranty.facts_changed")
        changes = [each["changes"] for each in session.scalars(told.order_by(Event.id))]
        assert changes[1] == {"delivered_on": ["2024-03-01", "2024-03-05"]}
        assert broken_links(session, pump.id) == []


def test_models_metrics_and_modes_change_together_and_come_in_once(plant: Plant) -> None:
    models = "Model code,Name (English),Name (Chinese),Manufacturer\n"
    assert counts(carry_out(plant, models + "A,Pump,泵,\nB,Fan,风机,Maker\n", kind="asset_models"))[1] == 2
    assert counts(carry_out(plant, models + "A,Pump,水泵,\nB,Fan,风机,\n", kind="asset_models"))[2:4] == (1, 1)
    metrics = METRICS + "A,flow,m3/h,1,5\nB,heat,Cel,,80\nA,heat,Cel,,90\n"
    assert counts(carry_out(plant, metrics, kind="metrics")) == ("done", 3, 0, 0, 0)
    assert counts(carry_out(plant, METRICS + "A,heat,,,95\nB,heat,Cel,,80\n", kind="metrics")) == ("done", 0, 1, 1, 0)
    modes = MODES + "A,leak,Leaks,泄漏,flow、heat,3\n,any,Any,任何,,\n"
    assert counts(carry_out(plant, modes, kind="failure_modes")) == ("done", 2, 0, 0, 0)
    renamed = modes.replace("Leaks", "Seal leaks").replace("flow、heat", "")
    assert counts(carry_out(plant, renamed, kind="failure_modes")) == ("done", 0, 1, 1, 0)
    with plant.database.as_service() as session:
        of = {each.code: each for each in session.scalars(select(AssetModel))}
        assert (of["A"].name_zh, of["A"].version, of["B"].manufacturer, of["B"].version) == ("水泵", 5, "Maker", 2)
        assert [(name, about["position"]) for name, about in sorted(of["A"].metrics.items())] == [
            ("flow", 0), ("heat", 1)]  # fmt: skip
        assert of["A"].metrics["heat"] == {"unit": "Cel", "high": 95, "position": 1, "role": "health"}
        leak = session.scalars(select(FailureMode).where(FailureMode.code == "leak")).one()
        assert (leak.name_en, leak.rank, leak.matches) == ("Seal leaks", 3, [{"metric": "flow"}, {"metric": "heat"}])


def test_prices_and_names_of_parts_change_together(plant: Plant) -> None:
    stocked(plant)
    priced = "Part number,Name (English),Name (Chinese),Standard cost,Currency\n"
    file = priced + "S-1,Lip seal,油封,12.5,EUR\nO-1,Oil,油,,\n"
    assert counts(carry_out(plant, file, kind="parts")) == ("done", 0, 1, 1, 0)
    assert counts(carry_out(plant, file, kind="parts")) == ("done", 0, 0, 2, 0)
    wrong = carry_out(plant, priced + "S-1,Lip seal,油封,9,\nO-1,Oil,油,3,\n", kind="parts")
    assert [each["cell"] for each in wrong["errors"]] == ["E3"]
    with plant.database.as_service() as session:
        seal = session.scalars(select(Part).where(Part.number == "S-1")).one()
        assert (float(seal.standard_cost or 0), seal.name_en, seal.version) == (12.5, "Lip seal", 2)
        assert "油封" in seal.search_text
        assert "油封" in seal.search_pairs
