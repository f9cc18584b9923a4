"""When the visits of a plan happen: those that are planned already keep their times where that costs nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ticketing.dispatch.driving import Drive
from ticketing.dispatch.plan import Plan, check
from ticketing.dispatch.problem import FAR, Problem, Visit


def held(problem: Problem, starts: Mapping[str, int]) -> Problem:
    """Return the problem in which no visit begins before the moment that it has in `starts`."""
    visits = [_not_before(each, starts[each.id]) if each.id in starts else each for each in problem.visits]
    return replace(problem, visits=visits)


def _not_before(visit: Visit, start: int) -> Visit:
    if visit.pinned_start is not None or visit.started_at is not None:
        return visit
    windows = tuple((max(opens, start), closes) for opens, closes in visit.windows or ((0, FAR),) if closes >= start)
    return replace(visit, windows=windows or visit.windows)


def settled(problem: Problem, plan: Plan, starts: Mapping[str, int]) -> dict[str, Drive]:
    """Return the drives of a plan: at the times that visits have already, where nothing comes later than it must.

    The referee drives everything as early as it can; whoever was told eleven o'clock wants eleven o'clock.
    """
    early, late = check(problem, plan).drives, check(held(problem, starts), plan).drives
    if any(each.linked for each in problem.visits):
        return late if all(_no_worse(late[key], early[key]) for key in early) else early
    return {key: late[key] if _no_worse(late[key], early[key]) else early[key] for key in early}


def _no_worse(late: Drive, early: Drive) -> bool:
    return (
        len(late.breaches) <= len(early.breaches)
        and late.overtime_seconds <= early.overtime_seconds
        and late.lateness <= early.lateness + 1e-6
    )
