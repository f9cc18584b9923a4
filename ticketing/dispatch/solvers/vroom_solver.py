"""VROOM through pyvroom: the fastest on a dispatcher's day, with skills, lunch and priorities of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import numpy as np

from ticketing.dispatch.indexed import Indexed
from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.solvers.base import Solver, Task

if "pandas" in sys.modules:
    import vroom
else:
    # pyvroom imports pandas for a table of its routes that we do not use: half a second of processor time, of one.
    sys.modules["pandas"] = stand_in = ModuleType("pandas")
    stand_in.DataFrame = object  # type: ignore[attr-defined]
    try:
        import vroom
    finally:
        del sys.modules["pandas"]

HIGHEST = 100  # VROOM's highest priority


class Vroom:
    """Visits as jobs, shifts as vehicles; who may do what as one skill for each kind of visit."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Find one plan at the task's exploration level."""
        placed = place_linked(problem, task.start, task.current)
        indexed = placed.indexed
        given = _input(indexed, placed.locked, placed.routes)
        solution = given.solve(
            exploration_level=task.level, nb_threads=1, timeout=timedelta(seconds=max(0.1, task.left))
        )
        rows = np.asarray(solution._routes_numpy())
        jobs = rows[rows["type"].astype("U9") == "job"]
        routes: dict[int, tuple[int, ...]] = {}
        for way, visit in zip(jobs["vehicle_id"].tolist(), jobs["id"].tolist(), strict=True):
            routes[int(way)] = (*routes.get(int(way), ()), int(visit))
        found(indexed.plan(indexed.with_begun(routes)))


def _input(indexed: Indexed, locked: set[int], routes: dict[int, tuple[int, ...]]) -> vroom.Input:
    given = vroom.Input()
    given.set_durations_matrix("car", np.array(indexed.travel, dtype=np.uint32))
    locked_way = {visit: way for way, visits in routes.items() for visit in visits if visit in locked}
    ways_for = {v: (locked_way[v],) if v in locked_way else tuple(indexed.ways_for[v]) for v in indexed.free()}
    kinds = {ways: number for number, ways in enumerate(sorted(set(ways_for.values())))}
    parts = len(indexed.carried[0]) if indexed.carried else 0
    for number, way in enumerate(indexed.ways):
        place, start = indexed.departure(number)
        breaks = []
        if way.lunch is not None:
            length, earliest, latest = way.lunch
            breaks = [vroom.Break(number, [(max(earliest, 0), latest - length)], length)]
        if start >= way.latest or (way.lunch is not None and start > way.lunch[2] - way.lunch[0]):
            continue
        given.add_vehicle(
            vroom.Vehicle(
                number,
                start=place,
                end=way.finish,
                skills={kind for ways, kind in kinds.items() if number in ways},
                time_window=(start, way.latest),
                breaks=breaks,
                capacity=[indexed.carried[way.technician][part] for part in range(parts)],
                costs=vroom.VehicleCosts(per_hour=max(1, round(3600 * way.rate))),
            )
        )
    dearest = max((indexed.prize[v] for v in ways_for), default=1.0) or 1.0
    for visit, ways in ways_for.items():
        amounts = [0] * parts
        for part, quantity in indexed.needs[visit]:
            amounts[part] = quantity
        given.add_job(
            vroom.Job(
                visit,
                location=indexed.place[visit],
                default_service=indexed.seconds[visit],
                delivery=amounts,
                skills={kinds[ways]},
                priority=max(0, min(HIGHEST, round(HIGHEST * indexed.prize[visit] / dearest))),
                time_windows=list(indexed.windows_of[visit]),
            )
        )
    return given


SOLVER: Solver = Vroom()
