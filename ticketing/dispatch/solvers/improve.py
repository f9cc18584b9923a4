"""Our own search: ruin and recreate from a given plan, then the best set of all routes it met, and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.packing import packed
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.search import Search, share_of
from ticketing.dispatch.solvers.base import Solver, Task, solver_named

ROUND_S = (3.0, 8.0)  # a round of search is between these, so that two fit into ten seconds
SHARE = 0.3  # of the time, for the first round
PACKING_SHARE = 0.3  # of the last round's time, for choosing among all routes
SHORTEST_PACKING_S = 1.5
PACKING_BASE_S, PACKING_S_PER_ROUTE = 0.15, 28e-6  # processor seconds, measured
FEWEST_ROUTES = 1_500  # fewer are hardly worth choosing from
HOT, WARM = 0.03, 0.01  # after a choice the search looks closer around it
WARM_SHARE, WARM_LEVEL = 0.25, 1  # of the time, and how hard VROOM tries, for a plan to begin with
STARTED = time.monotonic()


class Improve:
    """Search in rounds; every round ends with a choice among all routes met so far."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Improve `task.start`, the current plan, or nothing."""
        whole = task.left
        placed = place_linked(problem, task.start or task.current, task.current)
        search = Search(placed.indexed, placed.routes, placed.locked, task.seed)
        search.fill()
        found(placed.indexed.plan(search.routes()))
        hot = HOT
        if task.start is None and not placed.locked and _warmed(search, problem, task, found):
            hot = WARM
        while (left := task.until - time.monotonic()) > 0.02:
            length = min(max(ROUND_S[0], SHARE * whole), ROUND_S[1])
            if left < 1.7 * length:
                length = left * (1 - PACKING_SHARE) if left > SHORTEST_PACKING_S else left
            before = search.best[0]
            search.run(share_of(length), hot=hot)
            if search.best[0] < before:
                found(placed.indexed.plan(search.routes()))
            before = search.best[0]
            _choose(search, task.until - time.monotonic())
            if search.best[0] < before:
                found(placed.indexed.plan(search.routes()))
            hot = WARM


def _warmed(search: Search, problem: Problem, task: Task, found: Callable[[Plan], None]) -> bool:
    """Go on from VROOM's quick plan if it is better than the greedy one; return whether it was."""
    plans: list[Plan] = []
    try:
        quick = replace(task, until=time.monotonic() + WARM_SHARE * task.left, level=WARM_LEVEL)
        solver_named("vroom").solve(problem, quick, plans.append)
    except Exception:  # not installed, or it failed: the search starts from the greedy plan
        return False
    before = search.best[0]
    for plan in plans:
        search.restart(search.indexed.numbered(plan))
    if search.best[0] < before:
        found(search.indexed.plan(search.routes()))
    return search.best[0] < before


def _choose(search: Search, left: float) -> None:
    """Let the packing pick among all routes, as many as there is time for; without OR-Tools search on alone."""
    share = min(1.0, time.process_time() / max(1e-3, time.monotonic() - STARTED))
    routes = int((0.6 * left * share - PACKING_BASE_S) / PACKING_S_PER_ROUTE)
    if routes < FEWEST_ROUTES:
        return
    try:
        chosen = packed(search, left * 0.5, routes)
    except ImportError:
        return
    if chosen is not None:
        search.restart(chosen)


SOLVER: Solver = Improve()
