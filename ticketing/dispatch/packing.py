"""Choose the best set of routes out of all that a search has met: set packing by a linear relaxation, then exactly.

The search meets tens of thousands of good routes and keeps one per shift; others that it dropped often fit together
better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ticketing.dispatch.routes import Route
from ticketing.dispatch.search import Search

ROUTES_PER_SHIFT = 3_000
ROUTES_CHOSEN_FROM = 1_500
COLUMNS = 30_000  # all shifts together


def packed(search: Search, seconds: float, most: int = COLUMNS) -> dict[int, tuple[int, ...]] | None:
    """Return routes that cost less than the search's best, or None; needs OR-Tools."""
    from ortools.linear_solver import pywraplp

    columns = _columns(search, min(most, COLUMNS))
    if not columns:
        return None
    relaxed = pywraplp.Solver.CreateSolver("GLOP")
    if relaxed is None:
        return None
    relaxed.SetTimeLimit(max(1, int(seconds * 500)))
    variables = _relax(relaxed, search, columns)
    if relaxed.Solve() != pywraplp.Solver.OPTIMAL:
        return None
    gap = search.best[0] - sum(search.indexed.prize) - relaxed.Objective().Value()
    reduced = sorted((variable.reduced_cost(), number) for number, variable in enumerate(variables))
    kept = [number for cost, number in reduced[:ROUTES_CHOSEN_FROM] if cost <= gap + 1e-6]
    now = {(route.way, frozenset(route.visits)) for route in search.best[1] if route.visits}
    kept += [n for n, (_, route) in enumerate(columns) if (route.way, frozenset(route.visits)) in now]
    return _chosen(search, [columns[number] for number in dict.fromkeys(kept)], now, seconds * 0.5)


def _columns(search: Search, most: int) -> list[tuple[float, Route]]:
    """Return the routes worth choosing from with their gain: the best order of each set of visits, best sets first."""
    best: dict[tuple[int, frozenset[int]], Route] = {}
    held: dict[int, set[int]] = {}
    for route in search.state:
        mine = {v for v in route.visits if v in search.locked}
        if mine:
            held[route.way] = mine
    for found in search.router.known.values():
        if found is None or not found.visits or not held.get(found.way, set()) <= set(found.visits):
            continue
        key = (found.way, frozenset(found.visits))
        if key not in best or found.cost < best[key].cost:
            best[key] = found
    prize = search.indexed.prize
    by_way: dict[int, list[tuple[float, int, Route]]] = {}
    for number, route in enumerate(best.values()):
        gain = route.cost - sum(prize[v] for v in route.visits)
        by_way.setdefault(route.way, []).append((gain, number, route))
    per_shift = min(ROUTES_PER_SHIFT, most // max(1, len(by_way)))
    return [(gain, route) for routes in by_way.values() for gain, _, route in sorted(routes)[:per_shift]]


def _limits(search: Search) -> Mapping[tuple[int, int], int]:
    """Return the parts on every van that anybody needs."""
    carried = search.indexed.carried
    wanted = {part for needs in search.indexed.needs for part, _ in needs}
    return {(t, part): carried[t][part] for t in range(len(carried)) for part in wanted}


def _used(search: Search, route: Route) -> dict[tuple[int, int], int]:
    technician = search.indexed.ways[route.way].technician
    used: dict[tuple[int, int], int] = {}
    for visit in route.visits:
        for part, quantity in search.indexed.needs[visit]:
            used[technician, part] = used.get((technician, part), 0) + quantity
    return used


def _relax(relaxed: Any, search: Search, columns: list[tuple[float, Route]]) -> list[Any]:
    visits, ways = len(search.indexed.place), len(search.indexed.ways)
    rows = [relaxed.Constraint(-relaxed.infinity(), 1) for _ in range(visits + ways)]
    stock = {key: relaxed.Constraint(-relaxed.infinity(), left) for key, left in _limits(search).items()}
    objective = relaxed.Objective()
    objective.SetMinimization()
    variables = []
    for gain, route in columns:
        variable = relaxed.NumVar(0, relaxed.infinity(), "")
        objective.SetCoefficient(variable, gain)
        for visit in route.visits:
            rows[visit].SetCoefficient(variable, 1)
        rows[visits + route.way].SetCoefficient(variable, 1)
        for key, quantity in _used(search, route).items():
            stock[key].SetCoefficient(variable, quantity)
        variables.append(variable)
    return variables


def _chosen(
    search: Search, columns: list[tuple[float, Route]], now: set[tuple[int, frozenset[int]]], seconds: float
) -> dict[int, tuple[int, ...]] | None:
    from ortools.linear_solver import pywraplp  # its own Python face of CP-SAT imports pandas, half a second more

    exact = pywraplp.Solver.CreateSolver("SAT")
    if exact is None:
        return None
    rows: dict[tuple[str, int], Any] = {}
    stock = {key: exact.Constraint(-exact.infinity(), left) for key, left in _limits(search).items()}
    objective = exact.Objective()
    objective.SetMinimization()
    taken: list[tuple[Any, Route]] = []
    for gain, route in columns:
        variable = exact.BoolVar("")
        objective.SetCoefficient(variable, round(gain))
        for once in [("way", route.way), *[("visit", visit) for visit in route.visits]]:
            if once not in rows:
                rows[once] = exact.Constraint(-exact.infinity(), 1)
            rows[once].SetCoefficient(variable, 1)
        for key, quantity in _used(search, route).items():
            stock[key].SetCoefficient(variable, quantity)
        taken.append((variable, route))
    exact.SetHint([each for each, _ in taken], [float((r.way, frozenset(r.visits)) in now) for _, r in taken])
    exact.SetTimeLimit(max(50, int(seconds * 1000)))
    if exact.Solve() not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        return None
    return {route.way: route.visits for variable, route in taken if variable.solution_value() > 0.5}
