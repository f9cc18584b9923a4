"""Why this technician: what every technician would cost for one visit, or which rule stands against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ticketing.dispatch.parts import restricted
from ticketing.dispatch.plan import Plan, Violation, check
from ticketing.dispatch.problem import Problem


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
    found = [candidate(problem, plan, shift.id, visit_id, current) for shift in problem.shifts]
    return sorted(found, key=lambda each: each.rank)[:limit]


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
