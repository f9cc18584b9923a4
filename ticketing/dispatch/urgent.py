"""What cannot wait: an emergency into a running day, a day without somebody who fell ill, the nearest who is idle."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ticketing.dispatch.driving import Drive, drive_route
from ticketing.dispatch.explaining import Candidate, explain
from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.plan import Checked, Plan, check, unfit
from ticketing.dispatch.problem import FAR, Problem
from ticketing.dispatch.reasons import reasons
from ticketing.dispatch.search import Search, share_of
from ticketing.dispatch.solving import Result, Tried, solve

EMERGENCY = 1e5  # cost added to leaving an emergency out: only other pinned work stands before it
MOVED_AT_LEAST = 60.0  # minutes of driving that a change of the day's plan must save


def insert(problem: Problem, current: Plan, visit_id: str, seconds: float = 2.0, seed: int = 0) -> Result:
    """Return the current plan with an emergency in it, changed as little as possible.

    First the cheapest place without moving anybody; where there is none, cheaper work makes room and is placed again
    elsewhere. Changes beyond that must save an hour of driving each.
    """
    began = time.monotonic()
    problem.validated()
    urgent = problem.visit_by_id[visit_id]
    weights = replace(problem.weights, moved=max(problem.weights.moved, MOVED_AT_LEAST))
    pressed = replace(
        problem,
        weights=weights,
        visits=[
            replace(each, unserved_cost=each.unserved_cost + EMERGENCY) if each.id == visit_id else each
            for each in problem.visits
        ],
    )
    base = Plan({s: tuple(v for v in visits if v != visit_id) for s, visits in current.routes.items()})
    before = check(pressed, base, current)
    direct = [each for each in explain(pressed, base, visit_id, 1) if not each.violations] if not urgent.linked else []
    if direct:
        plan = _with(base, direct[0], visit_id)
        if len(check(pressed, plan, current).violations) <= len(before.violations):
            return _result(problem, plan, current, "direct", began)
    placed = place_linked(pressed, base, current)
    search = Search(placed.indexed, placed.routes, placed.locked, seed)
    search.fill()
    search.run(share_of(max(0.1, seconds)), hot=0.005)
    plan = placed.indexed.plan(search.routes())
    best = min((check(pressed, each, current) for each in (plan, base)), key=lambda each: each.rank)
    return _result(problem, best.plan, current, "search", began)


def _with(plan: Plan, place: Candidate, visit_id: str) -> Plan:
    route = plan.routes.get(place.shift, ())
    return Plan({**plan.routes, place.shift: (*route[: place.position], visit_id, *route[place.position :])})


def _result(problem: Problem, plan: Plan, current: Plan, name: str, began: float) -> Result:
    checked = check(problem, plan, current)
    tried = (Tried(name, checked.cost, len(checked.violations), round(time.monotonic() - began, 3)),)
    return Result(plan, checked, name, tried, reasons(problem, plan, checked))


def without_shifts(problem: Problem, current: Plan, shift_ids: Iterable[str]) -> tuple[Problem, Plan]:
    """Return the problem and the plan without some shifts: their visits are free, pinned ones too."""
    gone = set(shift_ids)
    visits = [
        replace(each, pinned_to=None, pinned_start=None, started_at=None) if each.pinned_to in gone else each
        for each in problem.visits
    ]
    left = replace(problem, shifts=[each for each in problem.shifts if each.id not in gone], visits=visits)
    return left, Plan({shift: visits for shift, visits in current.routes.items() if shift not in gone})


def replan_without(
    problem: Problem, current: Plan, shift_ids: Iterable[str], seconds: float = 5.0, seed: int = 0
) -> Result:
    """Return a plan for the day without somebody's shifts, with as few changes for the others as pay."""
    left, plan = without_shifts(problem, current, shift_ids)
    return solve(left, seconds, plan, seed)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a technician can leave from, and when."""

    place: int | None
    free_at: int


def nearest_idle(
    problem: Problem,
    current: Plan,
    visit_id: str,
    now: int,
    limit: int = 3,
    places: Mapping[str, int] | None = None,
    checked: Checked | None = None,
) -> list[Candidate]:
    """Return who could be there first of those at work and idle now, with the time of arrival; answers in milliseconds.

    `places` are known positions by shift (index into the problem's places); else a technician is at the last stop or at
    home. `checked` saves driving the current plan again. Cost is the drive there.
    """
    visit = problem.visit_by_id[visit_id]
    able: list[tuple[str, str, Whereabouts]] = []
    for shift in problem.shifts:
        if not shift.start <= now < shift.end or unfit(problem, shift, visit) is not None:
            continue
        van = problem.technician_by_id[shift.technician].parts
        if any(van.get(part, 0) < quantity for part, quantity in visit.parts.items()):
            continue
        drive = checked.drives.get(shift.id) if checked is not None else _driven(problem, current, shift.id)
        where = _idle(drive, shift.home, problem, now)
        if where is not None:
            known = (places or {}).get(shift.id)
            able.append((shift.technician, shift.id, replace(where, place=known) if known is not None else where))
    roads = _roads(problem, [each.place for _, _, each in able], visit.place)
    found = []
    for (technician, shift_id, _), road in zip(able, roads, strict=True):
        arrive = now + road
        if arrive > max((closes for _, closes in visit.windows), default=FAR):
            continue
        rate = problem.technician_by_id[technician].rate
        cost = round(road * rate / problem.seconds_per_cost, 3)
        found.append(Candidate(technician, shift_id, -1, arrive, cost, {"travel": cost}))
    return sorted(found, key=lambda each: (each.start, each.cost, each.shift))[:limit]


def _driven(problem: Problem, current: Plan, shift_id: str) -> Drive:
    """Drive one shift of a plan; who waits for somebody else is taken to be on time."""
    visits = [problem.visit_by_id[each] for each in current.routes.get(shift_id, ()) if each in problem.visit_by_id]
    return drive_route(problem, shift_id, visits, {})


def _idle(drive: Drive | None, home: int | None, problem: Problem, now: int) -> Whereabouts | None:
    """Return where a technician idles, or None while one works, eats or drives."""
    place = home
    if drive is None:
        return Whereabouts(place, now)
    for stop in drive.stops:
        if stop.start <= now < stop.finish or stop.arrive - stop.travel_seconds <= now < stop.arrive:
            return None
        if stop.finish <= now:
            place = problem.visit_by_id[stop.visit].place
    if drive.lunch is not None and drive.lunch[0] <= now < drive.lunch[1]:
        return None
    return Whereabouts(place, now)


def _roads(problem: Problem, places: list[int | None], there: int) -> list[int]:
    known = [each for each in places if each is not None]
    seconds = dict(zip(known, problem.between(known, [there])[:, 0].tolist(), strict=True)) if known else {}
    return [seconds[each] if each is not None else 0 for each in places]
