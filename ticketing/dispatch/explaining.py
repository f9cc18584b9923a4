"""Why this technician: what every technician would cost for one visit, or which rule stands against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ticketing.dispatch.indexed import fitting_shifts
from ticketing.dispatch.parts import restricted
from ticketing.dispatch.plan import Plan, Violation, check
from ticketing.dispatch.problem import Problem

MOST_TRIED = 60  # shifts, the nearest ones of those that may: a house of five hundred must not make somebody wait


@dataclass(frozen=True, slots=True)
class Candidate:
    """One technician for one visit: the best position, when work begins, what it adds to the cost and by which parts.

    A candidate with violations is shown for comparison only.
    """

    technician: str
    shift: str
    position: int
    start: int
    cost: float
    parts: dict[str, float] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()

    @property
    def rank(self) -> tuple[int, float, str]:
        """Return what candidates are ordered by."""
        return len(self.violations), self.cost, self.shift


def explain(
    problem: Problem, plan: Plan, visit_id: str, limit: int = 3, current: Plan | None = None
) -> list[Candidate]:
    """Return the best technicians for a visit in a plan, cheapest first; those who may not come last.

    The visit is taken out of the plan and tried everywhere; costs are the referee's, of that shift with it minus
    without.
    """
    found: list[Candidate] = []
    for tried, (unfit, least, shift_id) in enumerate(_by_detour(problem, plan, visit_id)):
        good = sorted(each.cost for each in found if not each.violations)
        if tried >= MOST_TRIED or (len(good) >= limit and (unfit or good[limit - 1] <= least)):
            break  # all others may not, or are further away than these cost
        found.append(candidate(problem, plan, shift_id, visit_id, current))
    return sorted(found, key=lambda each: each.rank)[:limit]


def _by_detour(problem: Problem, plan: Plan, visit_id: str) -> list[tuple[bool, float, str]]:
    """Return the shifts, those that may first and the nearest of them, with the least that the way there costs."""
    place = problem.visit_by_id[visit_id].place
    only = restricted(problem, [each.id for each in problem.shifts], [visit_id])
    may = set(fitting_shifts(only)[0])
    found = []
    for number, shift in enumerate(problem.shifts):
        stops = [problem.visit_by_id[each].place for each in plan.routes.get(shift.id, ()) if each != visit_id]
        finish = shift.finish if shift.finish is not None else shift.home
        chain = [each for each in (shift.home, *stops, finish) if each is not None]
        least = 0.0
        if len(chain) > 1 and shift.home is not None:
            there, back = problem.between(chain[:-1], [place])[:, 0], problem.between([place], chain[1:])[0]
            straight = np.array([problem.between([a], [b])[0, 0] for a, b in pairwise(chain)])
            rate = problem.technician_by_id[shift.technician].rate
            least = max(0.0, float((there + back - straight).min()) * rate / problem.seconds_per_cost)
        found.append((number not in may, least, shift.id))
    return sorted(found)


def candidate(problem: Problem, plan: Plan, shift_id: str, visit_id: str, current: Plan | None = None) -> Candidate:
    """Return the best place of a visit in one shift."""
    shift = problem.shift_by_id[shift_id]
    without = tuple(each for each in plan.routes.get(shift_id, ()) if each != visit_id)
    alone = _alone(problem, shift_id, (*without, visit_id))
    before = check(alone, Plan({shift_id: without}), current)
    old = {(each.code, each.visit) for each in before.violations}
    best: Candidate | None = None
    for position in range(len(without) + 1):
        route = (*without[:position], visit_id, *without[position:])
        after = check(alone, Plan({shift_id: route}), current)
        new = tuple(each for each in after.violations if (each.code, each.visit) not in old)
        parts = {name: round(after.parts[name] - before.parts[name], 3) for name in after.parts if name != "unserved"}
        cost = round(sum(parts.values()), 3)
        start = next(each.start for each in after.stops[shift_id] if each.visit == visit_id)
        tried = Candidate(shift.technician, shift_id, position, start, cost, parts, new)
        if best is None or tried.rank < best.rank:
            best = tried
    assert best is not None
    return best


def _alone(problem: Problem, shift_id: str, visits: Sequence[str]) -> Problem:
    """Return the problem of one shift: other routes do not change while one visit is tried."""
    return restricted(problem, [shift_id], visits)
