"""Plans of the dispatch engine against best known ones, VROOM in the same run, and the referee's rules."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings
    from ticketing.dispatch.instances import Instance
    from ticketing.dispatch.solving import Result

REFERENCE_S = 60.0  # for VROOM's own plan, which the bench waits for; not counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench dispatch`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--instances", type=Path, help="a folder of Solomon, SDVRPTW or technician-day files")
    what.add_argument("--days", type=int, help="that many generated days instead")
    parser.add_argument("--seconds", type=float, help="for each instance (default 10) or generated day (default 1)")
    parser.add_argument("--plans", type=Path, help="a folder to write every instance's plan to")
    parser.add_argument("--seed", type=int, default=0, help="of the search and the first generated day (default 0)")
    parser.add_argument("--each", action="store_true", help="every instance's figures too")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures; gaps are fractions of the reference's cost (0.01: one per cent dearer, negative: cheaper)."""
    del settings
    if options.instances is not None:
        rows = _instances(options.instances, options.seconds or 10.0, options.plans, options.seed)
    else:
        rows = _days(options.days, options.seconds or 1.0, options.seed)
    figures: dict[str, Any] = {"instances": len(rows), **_gaps(rows)}
    figures["violations"] = sum(row["violations"] for row in rows)
    for kind in sorted({row["kind"] for row in rows}):
        mine = [row for row in rows if row["kind"] == kind]
        figures[kind] = {"instances": len(mine), **_gaps(mine), "reference": mine[0]["reference"]}
    figures["slowest_s"] = max((row["seconds"] for row in rows), default=None)
    figures["missing_solvers"] = sorted({name for row in rows for name in row["missing"]})
    figures["cpus"] = os.cpu_count()
    figures["load_average"] = [round(each, 2) for each in os.getloadavg()]
    if options.each:
        figures["each"] = rows
    return figures


def _gaps(rows: list[dict[str, Any]]) -> dict[str, Any]:
    gaps = [row["gap"] for row in rows if row["gap"] is not None]
    return {
        "mean_gap": round(statistics.fmean(gaps), 5) if gaps else None,
        "worst_gap": round(max(gaps), 5) if gaps else None,
    }


def _row(name: str, kind: str, result: Result, cost: float, known: float | None, reference: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "cost": round(cost, 3),
        "known": known,
        "gap": round(cost / known - 1, 5) if known else None,
        "reference": reference,
        "violations": len(result.checked.violations),
        "unserved": len(result.checked.unassigned),
        "solver": result.solver,
        "missing": [each.solver for each in result.tried if "ModuleNotFoundError" in each.note],
    }


def _instances(folder: Path, seconds: float, plans: Path | None, seed: int) -> list[dict[str, Any]]:
    from ticketing.dispatch.instances import read_instances
    from ticketing.dispatch.solving import solve

    if plans is not None:
        plans.mkdir(parents=True, exist_ok=True)
    rows = []
    for instance in read_instances(folder):
        began = time.monotonic()
        result = solve(instance.problem, seconds, seed=seed)
        took = time.monotonic() - began
        cost = instance.exact_cost(result.plan) if instance.exact_cost is not None else result.checked.cost
        if plans is not None:
            (plans / f"{instance.name}.json").write_text(json.dumps(instance.written(result.plan)))
        known, reference = instance.best_known, "best known"
        if instance.kind == "technician_day":
            known, reference = _vroom_cost(instance), "VROOM, exploration 5"
        rows.append(_row(instance.name, instance.kind, result, cost, known, reference) | {"seconds": round(took, 2)})
    return rows


def _vroom_cost(instance: Instance) -> float | None:
    """Return the cost of VROOM's own plan at exploration 5, without our search; None when pyvroom is not there."""
    from ticketing.dispatch.plan import check
    from ticketing.dispatch.solvers.base import Task
    from ticketing.dispatch.solvers.running import run_solver

    outcome = run_solver("vroom", instance.problem, Task(time.monotonic() + REFERENCE_S, level=5))
    costs = [checked.cost for plan in outcome.plans if not (checked := check(instance.problem, plan)).violations]
    return min(costs, default=None)


def _days(days: int, seconds: float, seed: int) -> list[dict[str, Any]]:
    from ticketing.dispatch.days import current_plan, generated_day
    from ticketing.dispatch.plan import check
    from ticketing.dispatch.solvers.greedy import greedy_plan
    from ticketing.dispatch.solving import solve

    rows = []
    for number in range(seed, seed + days):
        problem = generated_day(number)
        current = current_plan(problem, number) if number % 3 == 0 else None
        greedy = check(problem, greedy_plan(problem, None, current), current)
        began = time.monotonic()
        result = solve(problem, seconds, current, seed=number)
        took = time.monotonic() - began
        row = _row(f"day {number}", "generated", result, result.checked.cost, greedy.cost, "greedy")
        rows.append(row | {"seconds": round(took, 2)})
    return rows
