"""`forewarn bench dispatch` reads three kinds of instances, writes their plans and reports what the contract says."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.bench import dispatch
from ticketing.dispatch.instances import read_instances
from ticketing.dispatch.problem import ProblemRefused

SOLOMON = """S1

VEHICLE
NUMBER     CAPACITY
  2         10

CUSTOMER
CUST NO.   XCOORD.   YCOORD.    DEMAND   READY TIME   DUE DATE   SERVICE TIME

    0      0     0     0     0   100    0
    1      3     4     6     0    50   10
    2      0     5     6    20    60   10
"""
SDVRPTW = """NAME: P1
TYPE: SDVRPTW
EDGE_WEIGHT_TYPE: EUC_2D
DIMENSION: 3
VEHICLES: 2
VEHICLES_MAX_DURATION: 60
NODE_COORD_SECTION
1\t0\t0
2\t3\t4
3\t0\t5
DEMAND_SECTION
1\t0
2\t1
3\t1
SERVICE_TIME_SECTION
1\t0
2\t10
3\t10
TIME_WINDOW_SECTION
1\t0\t100
2\t0\t50
3\t20\t60
CAPACITY_SECTION
1\t5
2\t5
VEHICLES_ALLOWED_CLIENTS_SECTION
1\t2
2\t2\t3
EOF
"""
DAY = {
    "name": "d1",
    "horizon_min": 600,
    "lunch": {"earliest_min": 210, "latest_min": 330, "duration_min": 45},
    "travel_min": [[0, 9, 5], [9, 0, 5], [5, 5, 0]],
    "technicians": [{"id": 7, "location": 0, "skills": [1]}, {"id": 8, "location": 1, "skills": [2]}],
    "visits": [
        {"id": 3, "location": 2, "service_min": 60, "window_min": [0, 600], "skills": [2], "unserved_cost": 300},
        {"id": 4, "location": 2, "service_min": 60, "window_min": [0, 600], "skills": [9], "unserved_cost": 100},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("solomon", "sdvrptw", "technician_day"):
        (tmp_path / kind).mkdir()
    (tmp_path / "solomon" / "S1.txt").write_text(SOLOMON)
    (tmp_path / "solomon" / "best_known.json").write_text(json.dumps({"S1": {"best_known_cost": 20.0}}))
    (tmp_path / "sdvrptw" / "P1.vrp").write_text(SDVRPTW)
    (tmp_path / "sdvrptw" / "P1.sol").write_text("Route #1:\nRoute #2: 1 2\nCost: 13163\n")
    (tmp_path / "technician_day" / "d1.json").write_text(json.dumps(DAY))
    (tmp_path / "README.txt").write_text("no instance\n")
    return tmp_path


def figures_of(**options: Any) -> dict[str, Any]:
    wanted = {"instances": None, "days": None, "seconds": 0.3, "plans": None, "seed": 0, "each": True} | options
    return dispatch.run(argparse.Namespace(**wanted), settings=None)  # type: ignore[arg-type]


def test_all_three_kinds_are_solved_to_their_best_and_their_plans_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "plans"
    figures = figures_of(instances=folder, plans=out)
    assert figures["instances"] == 3
    assert figures["violations"] == 0
    rows = {row["name"]: row for row in figures["each"]}
    assert rows["S1"]["cost"] == pytest.approx(20.0)  # two routes: the load does not fit one
    assert rows["S1"]["gap"] == pytest.approx(0.0)
    assert rows["P1"]["cost"] == pytest.approx(13.162, abs=0.002)  # only the second vehicle may go to both
    assert rows["d1"]["cost"] == 110  # ten minutes on the road; what nobody can do costs 100
    assert json.loads((out / "d1.json").read_text()) == {"routes": [{"technician": 8, "visits": [3]}]}
    assert json.loads((out / "P1.json").read_text()) == {"routes": [{"technician": 2, "visits": [1, 2]}]}


def test_generated_days_have_the_greedy_plan_as_their_reference() -> None:
    figures = figures_of(days=1, seed=2)
    assert figures["instances"] == 1
    assert figures["violations"] == 0
    assert figures["mean_gap"] <= 0.0
    assert figures["worst_gap"] == figures["mean_gap"]


def test_an_instance_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.vrp").write_text("NAME: x\nVEHICLES: 2\n")
    with pytest.raises(ProblemRefused, match=r"broken\.vrp"):
        read_instances(tmp_path)
