"""What a route's hours cost the search: lateness, overtime, and the longest duration."""

from __future__ import annotations

from ticketing.dispatch.indexed import Indexed, Way
from ticketing.dispatch.problem import FAR


def timed_cost(indexed: Indexed, way: Way, visits: tuple[int, ...], driving: int) -> float | None:
    """Return the cost of lateness and overtime of a feasible route, None when it takes longer than it may.

    Lunch is tried on every leg of a short route, as the referee does.
    """
    if not visits:
        return 0.0
    lunch = way.lunch
    legs: list[tuple[int, bool]] = [(-1, False)]
    if lunch is not None:
        legs = [(leg, behind) for leg in range(len(visits) + 1) for behind in (False, True)]
    least: float | None = None
    for leg, behind in legs:
        cost = _once(indexed, way, visits, leg, behind)
        if cost is not None and (least is None or cost < least):
            least = cost
            if cost == 0.0:
                break
    if least is not None and way.max_seconds is not None and _shortest(indexed, way, visits, driving) > way.max_seconds:
        return None
    return least


def _once(indexed: Indexed, way: Way, visits: tuple[int, ...], lunch_leg: int, behind: bool) -> float | None:
    travel, now, here, cost = indexed.travel, way.start, way.home, 0.0
    length, earliest, latest = way.lunch or (0, 0, FAR)
    for leg in range(len(visits) + 1):
        there = indexed.place[visits[leg]] if leg < len(visits) else way.finish
        started = indexed.started[visits[leg]] if leg < len(visits) else None
        if started is not None:
            if leg == lunch_leg:
                return None
            now, here = max(started + indexed.seconds[visits[leg]], now), there
            continue
        drive = travel[here][there]
        if leg == lunch_leg:
            now = max(now, earliest) + length if not behind else max(now + drive, earliest) + length
            if now > latest:
                return None
            now += 0 if behind else drive
        else:
            now += drive
        if leg < len(visits):
            visit = visits[leg]
            for opens, closes in indexed.windows_of[visit]:
                if now <= closes:
                    now = max(now, opens)
                    break
            else:
                return None
            if now > indexed.due[visit]:
                cost += (now - indexed.due[visit]) * indexed.late[visit]
            now += indexed.seconds[visit]
            here = there
    if now > way.latest:
        return None
    return cost + max(0, now - way.end) * way.overtime


def _shortest(indexed: Indexed, way: Way, visits: tuple[int, ...], driving: int) -> int:
    """Return the shortest duration of a route without lunch: see `driving.latest_leaving`."""
    travel, now, here = indexed.travel, way.start, way.home
    busy = driving + (way.lunch[0] if way.lunch else 0)
    for visit in visits:
        now += travel[here][indexed.place[visit]]
        here = indexed.place[visit]
        now = next((max(now, opens) for opens, closes in indexed.windows_of[visit] if now <= closes), now)
        now += indexed.seconds[visit]
        busy += indexed.seconds[visit]
    now += travel[here][way.finish]
    latest, there = way.latest, way.finish
    for visit in reversed(visits):
        here = indexed.place[visit]
        latest -= travel[here][there] + indexed.seconds[visit]
        latest = next((min(latest, c) for o, c in reversed(indexed.windows_of[visit]) if o <= latest), latest)
        there = here
    latest = max(way.start, latest - travel[way.home][there])
    return max(busy, now - latest)
