"""Plan: several solvers side by side, the referee chooses, and the plan in force is one of the candidates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ticketing.dispatch.linking import place_linked
from ticketing.dispatch.parts import MOST_VISITS, split
from ticketing.dispatch.plan import Checked, Plan, check
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.reasons import Reason, reasons
from ticketing.dispatch.repair import repaired
from ticketing.dispatch.search import Search, share_of
from ticketing.dispatch.solvers.base import Task
from ticketing.dispatch.solvers.greedy import greedy_plan
from ticketing.dispatch.solvers.running import run_solver

CROWDED = 120  # visits: from here on VROOM needs more of the time for its plan, and it is worth it
SOFT_LATE = 80  # visits: OR-Tools prices lateness on smaller days; it is too slow for larger ones
LARGE = 300  # visits: PyVRP joins in from here on
CLOSING_SHARE, CLOSING_S = 0.05, 0.6  # of the time, kept back for judging, reasons and a machine that is busy
SPLIT_SHARE = 0.7  # of the time for planning a day of thousands; the rest goes into their reasons
SPLIT_LIMIT = 2.0  # times the time: even the greedy plans of hundreds of technicians take a while
PROOF_S = 1.0  # the reasons' share at least
SHORT_S = 2.5  # below, our search runs in this process: starting another one takes as long as what it would find
SHORTEST_LANE_S = 0.4  # a process cannot start and find anything in less


@dataclass(frozen=True, slots=True)
class Leg:
    """One solver's turn in a lane: which, for which part of the time, how hard."""

    solver: str
    share: float = 1.0
    level: int = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """What one solver brought."""

    solver: str
    cost: float | None
    violations: int
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Result:
    """The plan that the referee liked best, who made it, what others brought, and why visits are left out."""

    plan: Plan
    checked: Checked
    solver: str
    tried: tuple[Tried, ...] = ()
    reasons: dict[str, Reason] = field(default_factory=dict)


def solve(problem: Problem, seconds: float, current: Plan | None = None, seed: int = 0) -> Result:
    """Return a plan after at most `seconds`, by the referee's rank never worse than `current`.

    Raises `ProblemRefused` when the problem contradicts itself. Solvers that hang, crash or are not installed are named
    in `tried`; the greedy plan is always there.
    """
    began = time.monotonic()
    problem.validated()
    if len(problem.visits) > MOST_VISITS or len(problem.shifts) > MOST_VISITS:
        result = _solve_split(problem, began, seconds, current, seed)
    else:
        until = began + max(0.0, seconds - min(CLOSING_S, CLOSING_SHARE * seconds + 0.1))
        result = _solve_whole(problem, until, current, seed)
    left = max(PROOF_S, began + seconds - time.monotonic())
    return replace(result, reasons=reasons(problem, result.plan, result.checked, left))


def _solve_whole(problem: Problem, until: float, current: Plan | None, seed: int) -> Result:
    lanes = choose_lanes(problem, until - time.monotonic())
    with ThreadPoolExecutor(max(1, len(lanes))) as pool:
        running = [
            pool.submit(_run_lane, problem, lane, until, current, seed + 1_000 * number)
            for number, lane in enumerate(lanes)
        ]
        best = _first(problem, current)
        if until - time.monotonic() > 0 and problem.visits and len(lanes) < 2:
            found = _searched(problem, best[1].plan, current, until, seed)
            best = min(best, ("search", found), key=lambda each: each[1].rank)
        tried: list[Tried] = []
        for future in running:
            candidate, notes = future.result()
            tried += notes
            if candidate is None:
                continue
            mended = candidate[0], repaired(problem, candidate[1], current)
            best = min(best, mended, key=lambda each: each[1].rank)
    return Result(best[1].plan, best[1], best[0], tuple(tried))


def _first(problem: Problem, current: Plan | None) -> tuple[str, Checked]:
    """Return the better one of the plan in force and the greedy one."""
    plans = [("greedy", repaired(problem, check(problem, greedy_plan(problem, None, current), current), current))]
    if current is not None:
        plans.insert(0, ("current", check(problem, _known(problem, current), current)))
    return min(plans, key=lambda each: each[1].rank)


def _searched(problem: Problem, start: Plan, current: Plan | None, until: float, seed: int) -> Checked:
    """Search in this process: where time is too short for another one to start."""
    placed = place_linked(problem, start, current)
    search = Search(placed.indexed, placed.routes, placed.locked, seed)
    search.run(share_of(until - time.monotonic()))
    return repaired(problem, check(problem, placed.indexed.plan(search.routes()), current), current)


def _known(problem: Problem, plan: Plan) -> Plan:
    """Return a plan without shifts and visits that the problem does not have (any more)."""
    return Plan(
        {
            shift: tuple(each for each in visits if each in problem.visit_by_id)
            for shift, visits in plan.routes.items()
            if shift in problem.shift_by_id
        }
    )


def choose_lanes(problem: Problem, seconds: float) -> list[tuple[Leg, ...]]:
    """Return which solvers run side by side and one after the other: two lanes, for two processors."""
    if seconds < SHORTEST_LANE_S or not problem.visits or not problem.shifts:
        return []
    linked = any(each.linked for each in problem.visits)
    late = any(each.late_per_hour > 0 and each.due is not None for each in problem.visits)
    lunch = any(each.lunch is not None for each in problem.shifts)
    bounded = any(each.max_seconds is not None for each in problem.shifts)
    several = any(len(each.windows) > 1 for each in problem.visits)
    if seconds < SHORT_S and (linked or late):
        return []
    if linked or (late and len(problem.visits) <= SOFT_LATE):
        return [(Leg("search"),), (Leg("ortools", 0.35), Leg("search"))]
    if not lunch and not several and not _dear_overtime(problem):
        if bounded or any(each.skills or each.allowed is not None for each in problem.visits):
            return [(Leg("pyvrp", 0.6), Leg("search")), (Leg("pyvrp", 0.45), Leg("search"))]
        return [
            (Leg("pyvrp"),),
            (Leg("pyvrp", 0.5), Leg("search")) if len(problem.visits) <= LARGE else (Leg("pyvrp"),),
        ]
    if seconds < SHORT_S:
        return [(Leg("vroom", level=2),)]
    if len(problem.visits) > LARGE:
        return [(Leg("vroom", 0.4, 3), Leg("search")), (Leg("pyvrp", 0.4), Leg("search"))]
    if len(problem.visits) > CROWDED:
        return [(Leg("search"),), (Leg("vroom", 0.55, 3), Leg("search"))]
    return [(Leg("search"),), (Leg("vroom", 0.25, 3), Leg("search"))]


def _dear_overtime(problem: Problem) -> bool:
    return any(each.overtime_per_hour > 0 and each.latest > each.end for each in problem.shifts)


def _run_lane(
    problem: Problem, lane: Sequence[Leg], until: float, current: Plan | None, seed: int
) -> tuple[tuple[str, Checked] | None, list[Tried]]:
    """Run solvers one after the other, each from the best plan so far; return the best and what each one brought."""
    best: tuple[str, Checked] | None = None
    tried: list[Tried] = []
    for leg in lane:
        left = until - time.monotonic()
        if left < SHORTEST_LANE_S:
            break
        start = best[1].plan if best is not None else current
        task = Task(time.monotonic() + left * leg.share, seed, start, current, leg.level)
        try:
            outcome = run_solver(leg.solver, problem, task)
        except OSError as error:  # no process, no memory: the others go on
            tried.append(Tried(leg.solver, None, 0, 0.0, str(error)))
            continue
        judged = [check(problem, plan, current) for plan in outcome.plans[-3:]]
        found = min(judged, key=lambda each: each.rank, default=None)
        cost, violations = (found.cost, len(found.violations)) if found is not None else (None, 0)
        tried.append(Tried(leg.solver, cost, violations, round(outcome.seconds, 3), outcome.note))
        if found is not None and (best is None or found.rank < best[1].rank):
            best = leg.solver, found
    return best, tried


def _solve_split(problem: Problem, began: float, seconds: float, current: Plan | None, seed: int) -> Result:
    """Plan a large problem part by part; every part has its share of the time."""
    until = began + SPLIT_SHARE * seconds
    parts = split(problem, current)
    routes: dict[str, tuple[str, ...]] = {}
    tried: list[Tried] = []
    share = max(0.0, until - time.monotonic()) / max(1, len(parts))
    for number, part in enumerate(parts):
        if time.monotonic() > began + SPLIT_LIMIT * seconds + PROOF_S:  # a busy machine: bounded, and said
            tried.append(Tried("parts", None, 0, 0.0, f"no time for {len(parts) - number} of {len(parts)} parts"))
            break
        inner = _known(part, current) if current is not None else None
        turn = min(until, time.monotonic() + max(0.0, share))
        found = _solve_whole(part, turn if part.visits else 0.0, inner, seed + number)
        routes |= found.plan.routes
        tried += found.tried
    plans = [("parts", check(problem, Plan(routes), current))]
    if current is not None:
        plans.insert(0, ("current", check(problem, _known(problem, current), current)))
    name, best = min(plans, key=lambda each: each[1].rank)
    return Result(best.plan, best, name, tuple(tried))
