"""Read the public and the recorded dispatch instances: Solomon, SDVRPTW, technician days."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Lunch, Problem, ProblemRefused, Shift, Technician, Visit

SOLOMON_SCALE = 10_000  # parts of a unit: rounded up, so that a plan that fits whole numbers fits the exact ones
SDVRPTW_SCALE = 1_000  # the scale of the best known solutions
MUST_BE_SERVED = 1e6  # cost of leaving one out, where everything has to be served


@dataclass(frozen=True)
class Instance:
    """A problem to solve, what is known of it, and how its plan is written."""

    name: str
    kind: str
    problem: Problem
    best_known: float | None
    exact_cost: Callable[[Plan], float] | None = None  # where the problem's whole numbers are rounded ones
    original: dict[str, Any] = field(default_factory=dict)  # ids as the file has them: `t…` technicians, `v…` visits

    def written(self, plan: Plan) -> dict[str, Any]:
        """Return a plan in the file's own ids, as the referees outside read it."""
        routes = [
            {
                "technician": self.original.get(f"t{shift}", _whole(shift)),
                "visits": [self.original.get(f"v{visit}", _whole(visit)) for visit in visits],
            }
            for shift, visits in plan.routes.items()
        ]
        return {"routes": routes}


def _whole(word: str) -> int | str:
    return int(word) if word.isdigit() else word


def read_instances(folder: Path) -> list[Instance]:
    """Return every instance in a folder and its subfolders, by name; files that are none are left alone."""
    found: list[Instance] = []
    for path in sorted(folder.rglob("*")):
        try:
            if path.suffix == ".vrp":
                found.append(read_sdvrptw(path))
            elif path.suffix == ".txt" and "CUST" in path.read_text(errors="replace")[:2_000].upper():
                found.append(read_solomon(path))
            elif path.suffix == ".json" and path.name != "best_known.json":
                raw = json.loads(path.read_text())
                if isinstance(raw, dict) and {"travel_min", "technicians", "visits"} <= raw.keys():
                    found.append(read_technician_day(raw, path.stem))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ProblemRefused("instance_unreadable", f"{path.name}: {error}") from error
    return found


def read_technician_day(raw: dict[str, Any], name: str) -> Instance:
    """Return a technician day; its minutes stay minutes."""
    lunch = raw.get("lunch")
    break_ = Lunch(lunch["duration_min"], lunch["earliest_min"], lunch["latest_min"]) if lunch else None
    technicians = [Technician(str(t["id"]), {str(s): 1 for s in t["skills"]}) for t in raw["technicians"]]
    shifts = [
        Shift(str(t["id"]), str(t["id"]), 0, raw["horizon_min"], t["location"], lunch=break_)
        for t in raw["technicians"]
    ]
    visits = [
        Visit(
            str(v["id"]),
            v["location"],
            v["service_min"],
            ((v["window_min"][0], v["window_min"][1]),),
            {str(s): 1 for s in v["skills"]},
            unserved_cost=v["unserved_cost"],
        )
        for v in raw["visits"]
    ]
    matrix = np.array(raw["travel_min"], dtype=np.int64)
    problem = Problem((), technicians, shifts, visits, matrix, seconds_per_cost=1.0)
    original = {f"t{t['id']}": t["id"] for t in raw["technicians"]} | {f"v{v['id']}": v["id"] for v in raw["visits"]}
    return Instance(name, "technician_day", problem.validated(), None, original=original)


def read_solomon(path: Path) -> Instance:
    """Return a Solomon instance: distance is time, one depot, a fleet of one size."""
    numbers = [[float(word) for word in line.split()] for line in path.read_text().splitlines() if _numeric(line)]
    count, capacity = int(numbers[0][0]), int(numbers[0][1])
    rows = np.array([row for row in numbers[1:] if len(row) >= 7], dtype=np.float64)[:, :7]
    exact = np.sqrt(((rows[:, None, 1:3] - rows[None, :, 1:3]) ** 2).sum(axis=2))
    matrix = np.ceil(exact * SOLOMON_SCALE - 1e-6).astype(np.int64)
    technicians = [Technician(str(n), parts={"load": capacity}) for n in range(1, count + 1)]
    horizon = int(rows[0, 5] * SOLOMON_SCALE)
    shifts = [Shift(each.id, each.id, int(rows[0, 4] * SOLOMON_SCALE), horizon, 0) for each in technicians]
    visits = [
        Visit(
            str(int(row[0])),
            number,
            round(row[6] * SOLOMON_SCALE),
            ((round(row[4] * SOLOMON_SCALE), round(row[5] * SOLOMON_SCALE)),),
            parts={"load": int(row[3])},
            unserved_cost=MUST_BE_SERVED,
        )
        for number, row in enumerate(rows)
        if number
    ]
    problem = Problem((), technicians, shifts, visits, matrix, seconds_per_cost=float(SOLOMON_SCALE))
    place = {each.id: each.place for each in visits}
    known = path.parent / "best_known.json"
    best = json.loads(known.read_text()).get(path.stem, {}).get("best_known_cost") if known.is_file() else None

    def exact_cost(plan: Plan) -> float:
        ways = [[0, *[place[v] for v in visits], 0] for visits in plan.routes.values()]
        return float(sum(exact[a, b] for way in ways for a, b in pairwise(way)))

    return Instance(path.stem, "solomon", problem.validated(), best, exact_cost)


def _numeric(line: str) -> bool:
    words = line.split()
    return len(words) >= 2 and all(_is_number(word) for word in words)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def read_sdvrptw(path: Path) -> Instance:
    """Return a site-dependent instance in VRPLIB form: vehicles with capacities and clients they may serve."""
    fields, sections = _vrplib(path.read_text())
    rows = {int(row[0]): row[1:] for row in sections["NODE_COORD"]}
    nodes = sorted(rows)
    points = np.array([rows[node][:2] for node in nodes], dtype=np.float64)
    depot = int(sections["DEPOT"][0][0]) if sections.get("DEPOT") else nodes[0]
    lengths = np.sqrt(((points[:, None] - points[None, :]) ** 2).sum(axis=2))
    matrix = np.rint(lengths * SDVRPTW_SCALE).astype(np.int64)
    place = {node: number for number, node in enumerate(nodes)}
    demand = {int(row[0]): int(row[1]) for row in sections.get("DEMAND", [])}
    service = {int(row[0]): row[1] for row in sections.get("SERVICE_TIME", [])}
    windows = {int(row[0]): (row[1], row[2]) for row in sections.get("TIME_WINDOW", [])}
    capacity = {int(row[0]): int(row[1]) for row in sections.get("CAPACITY", [])}
    may = {int(row[0]): {int(node) for node in row[1:]} for row in sections.get("VEHICLES_ALLOWED_CLIENTS", [])}
    fleet = range(1, int(fields["VEHICLES"]) + 1)
    longest = fields.get("VEHICLES_MAX_DURATION")
    opens, closes = windows.get(depot, (0, 10**6))
    technicians = [
        Technician(str(n), parts={"load": capacity.get(n, int(fields.get("CAPACITY", 10**9)))}) for n in fleet
    ]
    shifts = [
        Shift(
            each.id,
            each.id,
            round(opens * SDVRPTW_SCALE),
            round(closes * SDVRPTW_SCALE),
            place[depot],
            max_seconds=round(float(longest) * SDVRPTW_SCALE) if longest else None,
        )
        for each in technicians
    ]
    visits = [
        Visit(
            str(place[node]),
            place[node],
            round(service.get(node, 0) * SDVRPTW_SCALE),
            ((round(windows[node][0] * SDVRPTW_SCALE), round(windows[node][1] * SDVRPTW_SCALE)),) if windows else (),
            parts={"load": demand.get(node, 0)},
            unserved_cost=MUST_BE_SERVED,
            allowed=frozenset(str(n) for n in fleet if n not in may or node in may[n]) if may else None,
        )
        for node in nodes
        if node != depot
    ]
    problem = Problem((), technicians, shifts, visits, matrix, seconds_per_cost=float(SDVRPTW_SCALE))
    return Instance(path.stem, "sdvrptw", problem.validated(), _best_of(path.with_suffix(".sol")))


def _vrplib(text: str) -> tuple[dict[str, str], dict[str, list[list[float]]]]:
    fields: dict[str, str] = {}
    sections: dict[str, list[list[float]]] = {}
    rows: list[list[float]] | None = None
    for line in text.splitlines():
        if ":" in line:
            key, _, value = line.partition(":")
            fields[key.strip()] = value.strip()
        elif line.strip().endswith("_SECTION"):
            rows = sections.setdefault(line.strip().removesuffix("_SECTION"), [])
        elif line.strip() == "EOF":
            break
        elif line.strip() and rows is not None:
            rows.append([float(word) for word in line.split()])
    return fields, sections


def _best_of(path: Path) -> float | None:
    """Return the best known cost beside an instance, in the instance's own units."""
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        if line.lower().startswith("cost"):
            return float(line.split()[-1].strip(": ")) / SDVRPTW_SCALE
    return None
