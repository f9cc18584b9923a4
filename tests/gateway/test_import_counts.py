"""Counted stock comes in as a file, through the ledger; the same file again books nothing."""

from __future__ import annotations

from sqlalchemy import func, select

from assets.stock.ledger import replay_differences
from assets.stock.tables import StockMovement
from tests.gateway.conftest import Plant
from tests.gateway.test_imports_api import carry_out

PARTS = (
    "Part number,Name (English),Name (Chinese),Unit,Tracking\n"
    "S-1,Seal,密封,pcs,none\nO-1,Oil,油,pcs,lot\nM-1,Motor,电机,pcs,serial\n"
)
PLACES = "Location code,Location name,Location kind\nW-1,Depot,warehouse\n"
COUNTS = "Part number,Location code,Counted,Lot,Serial number\nS-1,W-1,12,,\nO-1,W-1,4,L-7,\nM-1,W-1,1,,SN-9\n"


def movements(plant: Plant) -> int:
    with plant.database.as_service() as session:
        assert replay_differences(session) == []
        return session.scalar(select(func.count()).select_from(StockMovement)) or 0


def test_an_opening_balance_comes_in_once(plant: Plant) -> None:
    assert carry_out(plant, PARTS, kind="parts")["inserted"] == 3
    assert carry_out(plant, PLACES, kind="stock_locations")["inserted"] == 1
    run = carry_out(plant, COUNTS, kind="stock_counts")
    assert (run["state"], run["inserted"]) == ("done", 3), [
        each["params"] | {"code": each["code"]} for each in run["errors"]
    ]
    assert movements(plant) == 3
    again = carry_out(plant, COUNTS, kind="stock_counts")
    assert (again["state"], again["inserted"], again["unchanged"]) == ("done", 0, 3)
    assert movements(plant) == 3
    held = plant.administrator().get("/api/v1/stock-balances").json()["items"]
    assert sorted(float(each["quantity"]) for each in held) == [1, 4, 12]
    exported = plant.administrator().get("/api/v1/exports/stock_counts").content
    assert carry_out(plant, exported, kind="stock_counts")["unchanged"] == 3


def test_a_count_that_cannot_be_is_a_fault_with_its_cell(plant: Plant) -> None:
    carry_out(plant, PARTS, kind="parts")
    carry_out(plant, PLACES, kind="stock_locations")
    wrong = "Part number,Location code,Counted,Lot,Serial number\nS-1,W-1,3,,\nX-1,W-1,1,,\nS-1,W-9,1,,\nM-1,W-1,2,,A\n"
    run = carry_out(plant, wrong, kind="stock_counts")
    assert run["state"] == "refused", run
    assert [each["cell"] for each in run["errors"]] == ["A3", "B4", "C5"]
    assert movements(plant) == 0
