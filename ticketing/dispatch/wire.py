"""A problem as bytes and back, for a solver in another process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Lunch, Place, Problem, Shift, Technician, Visit, Weights


def pack(problem: Problem, options: dict[str, Any]) -> bytes:
    """Return one line of JSON with everything but the matrix, then the matrix as 64-bit integers."""
    head = {
        "options": options,
        "places": [[each.lat, each.lon] for each in problem.places],
        "technicians": [asdict(each) for each in problem.technicians],
        "shifts": [asdict(each) for each in problem.shifts],
        "visits": [
            asdict(each) | {"allowed": sorted(each.allowed) if each.allowed is not None else None}
            for each in problem.visits
        ],
        "size": len(problem.travel),
        "seconds_per_cost": problem.seconds_per_cost,
        "weights": asdict(problem.weights),
    }
    return json.dumps(head).encode() + b"\n" + np.ascontiguousarray(problem.travel, dtype=np.int64).tobytes()


def unpack(data: bytes) -> tuple[Problem, dict[str, Any]]:
    """Return what `pack` was given."""
    line, _, rest = data.partition(b"\n")
    head = json.loads(line)
    size = head["size"]
    problem = Problem(
        [Place(*each) for each in head["places"]],
        [Technician(**each) for each in head["technicians"]],
        [_shift(each) for each in head["shifts"]],
        [_visit(each) for each in head["visits"]],
        np.frombuffer(rest, dtype=np.int64).reshape(size, size),
        seconds_per_cost=head["seconds_per_cost"],
        weights=Weights(**head["weights"]),
    )
    return problem, head["options"]


def _shift(raw: dict[str, Any]) -> Shift:
    return Shift(**{**raw, "lunch": Lunch(**raw["lunch"]) if raw["lunch"] else None})


def _visit(raw: dict[str, Any]) -> Visit:
    allowed = frozenset(raw["allowed"]) if raw["allowed"] is not None else None
    return Visit(**{**raw, "windows": tuple((a, b) for a, b in raw["windows"]), "allowed": allowed})


def routes_of(plan: Plan | None) -> dict[str, list[str]] | None:
    """Return a plan as JSON knows it."""
    return {shift: list(visits) for shift, visits in plan.routes.items()} if plan is not None else None


def plan_of(routes: dict[str, list[str]] | None) -> Plan | None:
    """Return what `routes_of` was given."""
    return Plan({shift: tuple(visits) for shift, visits in routes.items()}) if routes is not None else None
