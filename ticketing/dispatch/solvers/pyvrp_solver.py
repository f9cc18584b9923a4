"""PyVRP: the best on pure routing, many visits and long horizons; knows no lunch, which the search adds afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyvrp
from numpy.typing import NDArray
from pyvrp.IteratedLocalSearch import IteratedLocalSearchCallbacks
from pyvrp.stop import MaxRuntime

from ticketing.dispatch.indexed import Indexed
from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import FAR, Problem
from ticketing.dispatch.solvers.base import FORBIDDEN_ARC, Solver, Task

TOLD_EVERY_S = 0.5
HISTORY, HISTORY_VISITS = (50, 300), 30_000  # late acceptance looks less far back where a step takes longer
MUST = 1e6  # visits that cost at least this much are all to be served


class PyVrp:
    """Shifts as vehicle types; who may do what as one travel profile for each kind of technician."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Find one plan by iterated local search until the time is over."""
        indexed = place_linked(problem, task.start, task.current).indexed
        data, visits = _data(indexed)
        teller = _Teller(lambda solution: found(_plan(indexed, visits, solution)))
        history = max(HISTORY[0], min(HISTORY[1], HISTORY_VISITS // max(1, len(visits))))
        params = pyvrp.SolveParams(ils=pyvrp.IteratedLocalSearchParams(history_length=history, callbacks=teller))
        stop = MaxRuntime(max(0.1, task.left))
        result = pyvrp.solve(data, stop, seed=task.seed, display=False, collect_stats=False, params=params)
        found(_plan(indexed, visits, result.best))


class _Teller(IteratedLocalSearchCallbacks):
    """Tells better plans while the search goes on: one that is killed has not been in vain."""

    def __init__(self, tell: Callable[[pyvrp.Solution], None]) -> None:
        self.tell, self.told_at = tell, 0.0

    def on_best(self, best: pyvrp.Solution) -> None:
        """Tell, but not each of a hundred improvements in a row."""
        if best.is_feasible() and time.monotonic() - self.told_at > TOLD_EVERY_S:
            self.told_at = time.monotonic()
            self.tell(best)


def _plan(indexed: Indexed, visits: list[int], solution: pyvrp.Solution) -> Plan:
    routes = {
        route.vehicle_type(): tuple(visits[each.idx] for each in route if each.is_client())
        for route in solution.routes()
    }
    return indexed.plan(indexed.with_begun(routes))


def _data(indexed: Indexed) -> tuple[pyvrp.ProblemData, list[int]]:
    """Return PyVRP's form of the problem and the visit behind each of its clients."""
    visits = indexed.free()
    matrix = np.array(indexed.travel, dtype=np.int64)
    scale = 1 if matrix.max() > 1_000 else 10
    parts = range(len(indexed.carried[0]) if indexed.carried else 0)
    must = all(indexed.prize[v] / indexed.problem.seconds_per_cost >= MUST for v in visits)
    clients = []
    for visit in visits:
        amounts = dict(indexed.needs[visit])
        clients.append(
            pyvrp.Client(
                location=indexed.place[visit],
                delivery=[amounts.get(part, 0) for part in parts],
                service_duration=indexed.seconds[visit],
                tw_early=indexed.opens[visit],
                tw_late=indexed.closes[visit],
                prize=0 if must else round(min(indexed.prize[visit], 1e11) * scale),
                required=must,
            )
        )
    depots = list(
        dict.fromkeys(place for n, way in enumerate(indexed.ways) for place in (indexed.departure(n)[0], way.finish))
    )
    profiles, matrices, durations = _profiles(indexed, visits, matrix, scale)
    types = []
    for number, way in enumerate(indexed.ways):
        place, start = indexed.departure(number)
        lunch = way.lunch[0] if way.lunch is not None else 0
        types.append(
            pyvrp.VehicleType(
                num_available=1,
                capacity=[indexed.carried[way.technician][part] for part in parts],
                start_depot=depots.index(place),
                end_depot=depots.index(way.finish),
                tw_early=min(start, way.latest),
                tw_late=max(min(start, way.latest), way.latest - lunch),
                shift_duration=way.max_seconds if way.max_seconds is not None else FAR,
                unit_distance_cost=max(1, round(way.rate)),
                profile=profiles[number],
            )
        )
    locations = [pyvrp.Location(0, 0) for _ in range(len(matrix))]
    data = pyvrp.ProblemData(
        locations=locations,
        clients=clients,
        depots=[pyvrp.Depot(location=place) for place in depots],
        vehicle_types=types,
        distance_matrices=matrices,  # type: ignore[arg-type]  # its stubs know arrays of one shape only
        duration_matrices=durations,  # type: ignore[arg-type]
    )
    return data, visits


def _profiles(
    indexed: Indexed, visits: list[int], matrix: NDArray[np.int64], scale: int
) -> tuple[list[int], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return each shift's profile, and distances and durations by profile: forbidden is far, not infinite."""
    kinds: dict[frozenset[int], int] = {}
    profiles: list[int] = []
    matrices: list[NDArray[np.int64]] = []
    durations: list[NDArray[np.int64]] = []
    far = FORBIDDEN_ARC * max(1, int(matrix.max()))
    may: list[set[int]] = [set() for _ in indexed.ways]
    allowed_place: dict[int, set[int]] = {}
    for visit in visits:
        for way in indexed.ways_for[visit]:
            may[way].add(visit)
            allowed_place.setdefault(way, set()).add(indexed.place[visit])
    for way in range(len(indexed.ways)):
        forbidden = frozenset(indexed.place[v] for v in visits if v not in may[way]) - allowed_place.get(way, set())
        if forbidden not in kinds:
            kinds[forbidden] = len(matrices)
            distance, duration = matrix * scale, matrix.copy()
            for place in forbidden:
                distance[:, place] = distance[place, :] = far * scale
                duration[:, place] = duration[place, :] = far
            np.fill_diagonal(distance, 0)
            np.fill_diagonal(duration, 0)
            matrices.append(distance)
            durations.append(duration)
        profiles.append(kinds[forbidden])
    return profiles, matrices, durations


SOLVER: Solver = PyVrp()
