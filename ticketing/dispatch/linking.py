"""Visits that wait for each other get technicians and moments first; the search plans the rest around them."""

from __future__ import annotations

from dataclasses import dataclass

from ticketing.dispatch.indexed import Indexed, Windows, moments
from ticketing.dispatch.plan import Plan, check
from ticketing.dispatch.problem import FAR, Problem, Visit
from ticketing.dispatch.routes import Route, Router

MOMENTS_TRIED = 40  # begin times tried per group


@dataclass(frozen=True)
class Placed:
    """A problem ready to search: linked visits stand at fixed moments in `routes` and are `locked`."""

    indexed: Indexed
    routes: dict[int, tuple[int, ...]]
    locked: set[int]


def place_linked(problem: Problem, start: Plan | None, current: Plan | None) -> Placed:
    """Return the problem with linked visits placed: where `start` has them if that works, else where they fit first."""
    linked = [each for each in problem.visits if each.linked or _is_followed(problem, each)]
    if not linked:
        indexed = Indexed(problem, current)
        if start is not None and all(start.shift_of.get(v.id) == v.pinned_to for v in problem.visits if v.fixed):
            return Placed(indexed, indexed.numbered(start), set())
        return Placed(indexed, _merged(problem, indexed, pinned_routes(indexed), start, set()), set())
    ids = {each.id for each in linked}
    kept = _kept(problem, start, ids) if start is not None else None
    if kept is not None and start is not None:
        indexed = Indexed(problem, current, kept)
        routes = indexed.numbered(start)
        placed = set(kept)
    else:
        fixed, by_shift = _placed_one_by_one(problem, linked, current)
        indexed = Indexed(problem, current, fixed)
        routes = _merged(problem, indexed, by_shift, start, ids)
        placed = set(fixed)
    for visit in ids - placed:
        indexed.ways_for[indexed.visit_number[visit]] = []  # a torn group is worse than none: nobody adds half of it
    return Placed(indexed, routes, {indexed.visit_number[each] for each in placed})


def _is_followed(problem: Problem, visit: Visit) -> bool:
    return visit.id in problem.awaited


def _kept(problem: Problem, start: Plan, linked: set[str]) -> dict[str, Windows] | None:
    """Return the moments at which a plan has its linked visits, or None when it breaks something or leaves one out."""
    checked = check(problem, start)
    if any(each.visit in linked or each.code in ("together", "sequence") for each in checked.violations):
        return None
    stops = {stop.visit: stop.start for stops in checked.stops.values() for stop in stops}
    if not linked <= stops.keys():
        return None
    return {visit: ((stops[visit], stops[visit]),) for visit in linked}


def _merged(
    problem: Problem, indexed: Indexed, by_shift: dict[int, tuple[int, ...]], start: Plan | None, linked: set[str]
) -> dict[int, tuple[int, ...]]:
    """Return the linked visits' routes with the others of `start` added where they fit."""
    router = Router(indexed)
    routes = dict(by_shift)
    for way, visits in (indexed.numbered(start) if start is not None else {}).items():
        for visit in visits:
            if problem.visits[visit].id in linked or problem.visits[visit].fixed:
                continue
            route = router.route(way, routes.get(way, ()))
            where = router.best(route, visit)[1] if route is not None else -1
            if route is not None and where >= 0:
                routes[way] = (*route.visits[:where], visit, *route.visits[where:])
    return routes


def pinned_routes(indexed: Indexed) -> dict[int, tuple[int, ...]]:
    """Return what is pinned, alone: begun visits first, then by the moment they may begin."""
    routes: dict[int, tuple[int, ...]] = {}
    visits = [v for v, held in enumerate(indexed.held) if held >= 0 and not indexed.problem.visits[v].linked]
    for visit in sorted(visits, key=lambda v: (indexed.started[v] is None, indexed.opens[v])):
        routes[indexed.held[visit]] = (*routes.get(indexed.held[visit], ()), visit)
    return routes


class _Placing:
    """Routes that grow one linked visit at a time."""

    def __init__(self, problem: Problem, current: Plan | None) -> None:
        self.indexed = Indexed(problem, current)
        self.routes = pinned_routes(self.indexed)
        self.stock = [list(each) for each in self.indexed.carried]
        for way, visits in self.routes.items():
            for visit in visits:
                self.take(way, visit)

    def take(self, way: int, visit: int) -> None:
        van = self.stock[self.indexed.ways[way].technician]
        for part, quantity in self.indexed.needs[visit]:
            van[part] -= quantity

    def at(self, visits: list[int], moment: int) -> tuple[float, dict[int, tuple[int, ...]], dict[int, int]] | None:
        """Return what it costs to begin these visits at one moment with different technicians, or None."""
        indexed = self.indexed
        for visit in visits:
            if not any(opens <= moment <= closes for opens, closes in moments(indexed.problem.visits[visit])):
                return None
            indexed.windows_of[visit] = ((moment, moment),)
            indexed.opens[visit] = indexed.closes[visit] = moment
            indexed.several[visit] = False
        router, cost = Router(indexed), 0.0
        routes: dict[int, tuple[int, ...]] = {}
        chosen: dict[int, int] = {}
        used: set[int] = set()
        for visit in sorted(visits, key=lambda v: len(indexed.ways_for[v])):
            best: tuple[float, int, int, Route] | None = None
            for way in indexed.ways_for[visit]:
                technician = indexed.ways[way].technician
                van = self.stock[technician]
                if technician in used or any(van[part] < quantity for part, quantity in indexed.needs[visit]):
                    continue
                route = router.route(way, self.routes.get(way, ()))
                if route is None:
                    continue
                added, where = router.best(route, visit)
                if where >= 0 and (best is None or added < best[0]):
                    best = (added, way, where, route)
            if best is None:
                return None
            added, way, where, route = best
            cost += added
            routes[way] = (*route.visits[:where], visit, *route.visits[where:])
            chosen[visit] = way
            used.add(indexed.ways[way].technician)
        late = sum(max(0, moment - indexed.due[v]) * indexed.late[v] for v in visits if indexed.due[v] < FAR)
        return cost + late, routes, chosen


def _placed_one_by_one(
    problem: Problem, linked: list[Visit], current: Plan | None
) -> tuple[dict[str, Windows], dict[int, tuple[int, ...]]]:
    """Place groups in the order of their links, dearest first; return fixed moments and routes."""
    placing = _Placing(problem, current)
    number = placing.indexed.visit_number
    ends: dict[str, int] = {}
    fixed: dict[str, Windows] = {}
    for unit in _units(problem, linked):
        earliest, latest = 0, FAR
        if any(each.after is not None and each.after not in ends for each in unit):
            continue  # what it waits for has no place
        for each in unit:
            if each.after is not None:
                earliest = max(earliest, ends[each.after] + each.gap_min)
                if each.gap_max is not None:
                    latest = min(latest, ends[each.after] + each.gap_max)
        visits = [number[each.id] for each in unit]
        tried = ((placing.at(visits, moment), moment) for moment in _moments(problem, unit, earliest, latest))
        best = min(((t[0][0], t[1], t[0]) for t in tried if t[0] is not None), key=lambda each: each[:2], default=None)
        if best is None:
            continue
        _, moment, (_, routes, chosen) = best
        placing.at(visits, moment)  # windows stay as the last trial left them: set them once more
        placing.routes |= routes
        for visit, way in chosen.items():
            placing.take(way, visit)
        for each in unit:
            fixed[each.id] = ((moment, moment),)
            ends[each.id] = moment + each.seconds
    return fixed, placing.routes


def _units(problem: Problem, linked: list[Visit]) -> list[list[Visit]]:
    """Return groups in an order in which every visit comes after what it waits for; circles are left out."""
    by_group: dict[str, list[Visit]] = {}
    for visit in linked:
        by_group.setdefault(f"g{visit.together}" if visit.together is not None else f"v{visit.id}", []).append(visit)
    waiting = sorted(by_group.values(), key=lambda unit: -sum(each.unserved_cost for each in unit))
    ordered: list[list[Visit]] = []
    ready: set[str] = set()
    while True:
        now = next((u for u in waiting if all(each.after is None or each.after in ready for each in u)), None)
        if now is None:
            return ordered
        waiting.remove(now)
        ordered.append(now)
        ready |= {each.id for each in now}


def _moments(problem: Problem, unit: list[Visit], earliest: int, latest: int) -> list[int]:
    """Return the begin times worth trying: the bounds of windows and shifts, and a grid between them."""
    first = max([earliest, *[moments(each)[0][0] for each in unit], min(s.start for s in problem.shifts)])
    last = min([latest, *[moments(each)[-1][1] for each in unit], max(s.latest for s in problem.shifts)])
    if first > last:
        return []
    step = max(1, (last - first) // MOMENTS_TRIED)
    opens = [o for each in unit for o, _ in moments(each) if first <= o <= last]
    starts = [s.start for s in problem.shifts if first <= s.start <= last]
    return sorted({first, last, *opens, *starts[:20], *range(first, last, step)})
