"""Cheapest insertion, dearest visits first: the plan that is always there, and the first one of every search."""

from __future__ import annotations

from collections.abc import Callable

from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.search import Search
from ticketing.dispatch.solvers.base import Solver, Task


class Greedy:
    """Insert visits one after the other where they cost least."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Find one plan."""
        found(greedy_plan(problem, task.start, task.current))


def greedy_plan(problem: Problem, start: Plan | None = None, current: Plan | None = None) -> Plan:
    """Return a plan that keeps `start` (or the current plan) as far as it works and adds what fits."""
    placed = place_linked(problem, start or current, current)
    search = Search(placed.indexed, placed.routes, placed.locked)
    search.fill()
    return placed.indexed.plan(search.routes())


SOLVER: Solver = Greedy()
