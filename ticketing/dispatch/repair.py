"""Take out of a plan what the referee objects to, so that what is left breaks nothing that it need not."""

from __future__ import annotations

from ticketing.dispatch.plan import Checked, Plan, Violation, check
from ticketing.dispatch.problem import Problem

ROUNDS = 50  # visits taken out one after the other, at most


def repaired(problem: Problem, checked: Checked, current: Plan | None = None) -> Checked:
    """Return a plan with fewer violations, or the same one: pinned visits stay, what only they break stays broken."""
    best = checked
    for _ in range(ROUNDS):
        gone = _offenders(problem, best)
        if not gone:
            return best
        routes = {shift: tuple(v for v in visits if v not in gone) for shift, visits in best.plan.routes.items()}
        after = check(problem, Plan(routes), current)
        if len(after.violations) >= len(best.violations):
            return best
        best = after
    return best


def _offenders(problem: Problem, checked: Checked) -> set[str]:
    """Return one visit to take out, with those that cannot be without it; empty when all that is left is pinned."""
    for violation in checked.violations:
        name = _offender(problem, checked, violation)
        if name is None:
            continue
        gone = _bound_to(problem, name)
        if not any(problem.visit_by_id[each].fixed for each in gone):
            return gone
    return set()


def _offender(problem: Problem, checked: Checked, violation: Violation) -> str | None:
    """Return the visit a violation names, or the cheapest one of its route."""
    if violation.visit in problem.visit_by_id and not problem.visit_by_id[violation.visit].fixed:
        return violation.visit
    route = [problem.visit_by_id[v] for v in checked.plan.routes.get(violation.shift, ()) if v in problem.visit_by_id]
    free = [each for each in route if not each.fixed]
    return min(free, key=lambda each: (each.unserved_cost, each.id)).id if free else None


def _bound_to(problem: Problem, name: str) -> set[str]:
    """Return a visit with its group and everything that waits for one of them."""
    gone = {name}
    while True:
        groups = {problem.visit_by_id[each].together for each in gone} - {None}
        more = {each.id for each in problem.visits if each.together in groups or each.after in gone}
        if more <= gone:
            return gone
        gone |= more
