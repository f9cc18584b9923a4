"""What a solver is, and which ones there are."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem

FORBIDDEN_ARC = 40  # times the longest real arc: larger numbers make PyVRP hang past its time limit

SOLVERS = {
    "greedy": "ticketing.dispatch.solvers.greedy",
    "search": "ticketing.dispatch.solvers.improve",
    "vroom": "ticketing.dispatch.solvers.vroom_solver",
    "pyvrp": "ticketing.dispatch.solvers.pyvrp_solver",
    "ortools": "ticketing.dispatch.solvers.ortools_solver",
}


@dataclass(frozen=True, slots=True)
class Task:
    """What one solver is asked: until which moment of the machine's monotonic clock, from which plan on, which seed."""

    until: float
    seed: int = 0
    start: Plan | None = None  # a good plan to begin with
    current: Plan | None = None  # the plan in force: changes to it cost
    level: int = 5  # VROOM's exploration level

    @property
    def left(self) -> float:
        """Return the seconds that are left, at least a little."""
        return max(0.05, self.until - time.monotonic())


class Solver(Protocol):
    """One way of finding plans. The referee judges them: a solver may overlook rules that it cannot express."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Call `found` with every better plan; return when the time is over or nothing more is to be had."""
        ...


def solver_named(name: str) -> Solver:
    """Return a solver; raises ImportError when its package is not installed."""
    solver: Solver = importlib.import_module(SOLVERS[name]).SOLVER
    return solver
