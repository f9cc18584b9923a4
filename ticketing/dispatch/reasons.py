"""Why a visit has no place in a plan, each reason proved on the routes themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ticketing.dispatch.indexed import Indexed, fitting_shifts, moments
from ticketing.dispatch.parts import restricted
from ticketing.dispatch.plan import Checked, Plan
from ticketing.dispatch.problem import Problem, Visit
from ticketing.dispatch.routes import NEVER, Route, Router

Numbers = NDArray[np.int64]

CODES = (
    "no_technician",  # there is no shift at all
    "no_skill",  # nobody has the skill at the level asked for
    "not_allowed",  # somebody has, but none of those who may go there
    "no_parts",  # no van of theirs carries the parts
    "no_shift",  # all their shifts are over before the window opens, or begin after it closes
    "window_impossible",  # begun within the window it cannot be done within any shift, even without driving
    "out_of_reach",  # an empty shift does not suffice for the road there and back
    "together_impossible",  # the visits that it waits for have no common moment
    "parts_taken",  # what the vans carry goes into other visits
    "capacity",  # it fits an empty shift, but no more into any: dearer or nearer work is there
    "too_dear",  # it would fit, but the road costs more than leaving it out
    "not_tried",  # of a day with thousands of visits: dearer and nearer ones filled the time for planning
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One of CODES, what it is about, and the shifts that could take the visit if they were empty."""

    code: str
    detail: str = ""
    shifts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Group:
    """Some visits as columns of numbers."""

    visits: list[Visit]
    places: list[int]
    work: Numbers
    opens: Numbers  # [visit, window]
    closes: Numbers

    @classmethod
    def of(cls, visits: list[Visit]) -> _Group:
        windows = [moments(each) for each in visits]
        most = max((len(each) for each in windows), default=1)
        opens = np.full((len(visits), most), NEVER, dtype=np.int64)
        closes = np.full((len(visits), most), -1, dtype=np.int64)
        for number, each in enumerate(windows):
            for column, (first, last) in enumerate(each):
                opens[number, column], closes[number, column] = first, last
        work = np.array([each.seconds for each in visits], dtype=np.int64)
        return cls(visits, [each.place for each in visits], work, opens, closes)

    def some(self, rows: NDArray[np.int64]) -> _Group:
        """Return some of the visits."""
        numbers = rows.tolist()
        visits, places = [self.visits[n] for n in numbers], [self.places[n] for n in numbers]
        return _Group(visits, places, self.work[rows], self.opens[rows], self.closes[rows])

    def begin(self, arrive: Numbers) -> Numbers:
        """Return when work begins after an arrival, NEVER when all windows are over."""
        begun = np.where(arrive[:, None] <= self.closes, np.maximum(arrive[:, None], self.opens), NEVER)
        first: Numbers = begun.min(axis=1)
        return first


def reasons(problem: Problem, plan: Plan, checked: Checked, seconds: float = 10.0) -> dict[str, Reason]:
    """Return the reason of every visit that the plan leaves out.

    Thousands of visits against hundreds of shifts may take longer than `seconds`: what is not proved then says so.
    """
    until = time.monotonic() + seconds
    left_out = [problem.visit_by_id[each] for each in checked.unassigned]
    if not left_out:
        return {}
    if not problem.shifts:
        return {each.id: Reason("no_technician") for each in left_out}
    fitting = dict(zip((each.id for each in problem.visits), fitting_shifts(problem), strict=True))
    found: dict[str, Reason] = {}
    open_: list[Visit] = []
    for visit in left_out:
        reason = _unfit(problem, visit, fitting[visit.id])
        if reason is None:
            open_.append(visit)
        else:
            found[visit.id] = reason
    if open_:
        found |= _by_time(problem, plan, open_, fitting, until)
    return {each.id: found[each.id] for each in left_out}


def _unfit(problem: Problem, visit: Visit, ways: Sequence[int]) -> Reason | None:
    """Return why no technician may do a visit whatever the hour, or None."""
    if not ways:
        for skill, level in visit.skills.items():
            best = max((each.skills.get(skill, 0) for each in problem.technicians), default=0)
            if best < level:
                return Reason("no_skill", f"{skill} {level}, best is {best}")
        able = [t.id for t in problem.technicians if all(t.skills.get(s, 0) >= n for s, n in visit.skills.items())]
        if not able:
            return Reason("no_skill", " + ".join(f"{skill} {level}" for skill, level in visit.skills.items()))
        if visit.allowed is not None and not visit.allowed & set(able):
            return Reason("not_allowed", ", ".join(able[:5]))
        return Reason("no_shift", ", ".join(able[:5]))
    for part, quantity in visit.parts.items():
        carried = [problem.technician_by_id[problem.shifts[way].technician].parts.get(part, 0) for way in ways]
        if max(carried) < quantity:
            return Reason("no_parts", f"{part} {quantity}, most on one van {max(carried)}")
    return None


def _by_time(
    problem: Problem, plan: Plan, visits: list[Visit], fitting: dict[str, list[int]], until: float
) -> dict[str, Reason]:
    """Try every visit in every fitting shift: empty and without a road, empty, and as the plan has it."""
    group = _Group.of(visits)
    many, ways = len(visits), len(problem.shifts)
    may = np.zeros((many, ways), dtype=bool)
    for row, visit in enumerate(visits):
        may[row, fitting[visit.id]] = True
    in_hours, beamed, alone, added = (np.zeros((many, ways), dtype=bool) for _ in range(4))
    first, last = group.opens.min(axis=1), group.closes.max(axis=1)
    tried = 0
    for tried, shift in enumerate(problem.shifts, 1):
        way = tried - 1
        in_hours[:, way] = (first <= shift.latest) & (last >= shift.start)
        rows = np.flatnonzero(may[:, way] & in_hours[:, way])
        if not len(rows):
            continue
        some = group.some(rows)
        route = tuple(plan.routes.get(shift.id, ()))
        begun = tuple(v for v in route if problem.visit_by_id[v].started_at is not None)
        alone[rows, way] = beamed[rows, way] = _fits(problem, shift.id, begun, some)
        if not alone[rows, way].all():
            beamed[rows, way] = _fits(problem, shift.id, begun, some, road=False)
        into = rows[alone[rows, way]]
        if len(into):
            added[into, way] = _fits(problem, shift.id, route, group.some(into))
        if time.monotonic() > until:
            break
    left = _parts_left(problem, plan)
    found = {}
    for row, visit in enumerate(visits):
        if tried < ways and not added[row].any():
            found[visit.id] = Reason("not_tried", f"{tried} of {ways}", _names(problem, may[row]))
        else:
            found[visit.id] = _reason(
                problem, visit, may[row], in_hours[row], beamed[row], alone[row], added[row], left
            )
    return found


def _reason(
    problem: Problem,
    visit: Visit,
    may: NDArray[np.bool_],
    in_hours: NDArray[np.bool_],
    beamed: NDArray[np.bool_],
    alone: NDArray[np.bool_],
    added: NDArray[np.bool_],
    left: dict[str, dict[str, int]],
) -> Reason:
    if not (may & in_hours).any():
        return Reason("no_shift", shifts=_names(problem, may))
    if not (may & beamed).any():
        return Reason("window_impossible", shifts=_names(problem, may & in_hours))
    if not (may & alone).any():
        return Reason("out_of_reach", shifts=_names(problem, may & beamed))
    able = _names(problem, may & alone)
    if visit.linked:
        return Reason("together_impossible", visit.together or f"after {visit.after}", able)
    if not (may & added).any():
        return Reason("capacity", f"full: {len(able)}", able)
    for way in np.flatnonzero(may & added).tolist():
        van = left[problem.shifts[way].technician]
        if all(van.get(part, 0) >= quantity for part, quantity in visit.parts.items()):
            return Reason("too_dear", f"unserved costs {visit.unserved_cost:g}", _names(problem, may & added))
    return Reason("parts_taken", ", ".join(sorted(visit.parts)), able)


def _names(problem: Problem, which: NDArray[np.bool_], most: int = 10) -> tuple[str, ...]:
    return tuple(problem.shifts[way].id for way in np.flatnonzero(which)[:most])


def _parts_left(problem: Problem, plan: Plan) -> dict[str, dict[str, int]]:
    left = {each.id: dict(each.parts) for each in problem.technicians}
    for shift, visits in plan.routes.items():
        van = left[problem.shift_by_id[shift].technician]
        for visit in visits:
            for part, quantity in problem.visit_by_id[visit].parts.items():
                van[part] = van.get(part, 0) - quantity
    return left


def _fits(problem: Problem, shift: str, route: Sequence[str], group: _Group, road: bool = True) -> NDArray[np.bool_]:
    """Return which visits of a group fit somewhere into a route; without `road` nobody drives anywhere."""
    small = restricted(problem, [shift], route)
    if not road:
        small = Problem(small.places, small.technicians, small.shifts, small.visits, np.zeros_like(small.travel))
    indexed = Indexed(small)
    router = Router(indexed)
    driven = router.route(0, tuple(indexed.visit_number[each] for each in route))
    fits = np.zeros(len(group.visits), dtype=bool)
    if driven is None:
        return fits
    chain = _places(problem, shift, route)
    if route and road and problem.matrix is None:  # great circles are as long in both directions: each road once
        roads = [_road(problem, place, group.places, road, towards=True) for place in chain]
    else:
        roads = []
    for position in range(1 if indexed.begun else 0, len(route) + 1):
        here, there = chain[position], chain[position + 1]
        to_here = roads[position] if roads else _road(problem, here, group.places, road, towards=True)
        from_there = roads[position + 1] if roads else _road(problem, there, group.places, road, towards=False)
        fits |= _fits_at(driven, indexed.ways[0].lunch, position, group, to_here, from_there)
    limit = problem.shift_by_id[shift].max_seconds
    if limit is not None and road:
        _drop_too_long(problem, shift, route, group, fits)
    return fits


def _places(problem: Problem, shift_id: str, route: Sequence[str]) -> list[int | None]:
    shift = problem.shift_by_id[shift_id]
    back = shift.finish if shift.finish is not None else shift.home
    return [shift.home, *[problem.visit_by_id[each].place for each in route], back]


def _road(problem: Problem, place: int | None, places: list[int], road: bool, towards: bool) -> Numbers:
    if place is None or not road:
        return np.zeros(len(places), dtype=np.int64)
    return problem.between([place], places)[0] if towards else problem.between(places, [place])[:, 0]


def _fits_at(
    route: Route,
    lunch: tuple[int, int, int] | None,
    position: int,
    group: _Group,
    to_here: Numbers,
    from_there: Numbers,
) -> NDArray[np.bool_]:
    """Return which visits fit at one position: the same two clocks as in routes.py, for many visits at once."""
    now0, now1 = route.after0[position], route.after1[position]
    late0, late1 = route.late0[position], route.late1[position]
    arrive0, arrive1 = now0 + to_here, now1 + to_here
    if lunch is not None and now0 < NEVER:
        arrive1 = np.minimum(arrive1, _lunch_then_drive(np.full_like(to_here, now0), to_here, lunch))
    begin0, begin1 = group.begin(arrive0), group.begin(arrive1)
    leave0, leave1 = begin0 + group.work, begin1 + group.work
    fits: NDArray[np.bool_] = (begin1 < NEVER) & (leave1 + from_there <= late1)
    if lunch is not None:
        before = begin0 < NEVER
        fits |= before & (leave0 + from_there <= late0)
        fits |= before & (_lunch_then_drive(leave0, from_there, lunch) <= late1)
    return fits


def _lunch_then_drive(now: Numbers, drive: Numbers, lunch: tuple[int, int, int]) -> Numbers:
    length, earliest, latest = lunch
    before = np.maximum(now, earliest) + length
    behind = np.maximum(now + drive, earliest) + length
    return np.minimum(np.where(before <= latest, before + drive, NEVER), np.where(behind <= latest, behind, NEVER))


def _drop_too_long(problem: Problem, shift: str, route: Sequence[str], group: _Group, fits: NDArray[np.bool_]) -> None:
    """Take out visits that fit by the clock but make the route longer than it may be."""
    for number in np.flatnonzero(fits)[:500]:  # beyond, the reason names time instead of duration: both are true
        visit = group.visits[number]
        small = restricted(problem, [shift], [*route, visit.id])
        indexed = Indexed(small)
        router = Router(indexed)
        driven = router.route(0, tuple(indexed.visit_number[each] for each in route))
        fits[number] = driven is not None and router.best(driven, indexed.visit_number[visit.id])[1] >= 0
