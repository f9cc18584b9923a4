"""One route for the search: immutable, timed once, answering in constant time whether a visit still fits.

With lunch there are two clocks along a route: before lunch and after it. Forward they hold the earliest departure from
every stop, backward the latest arrival that still brings the technician home. A visit fits between two stops when one
of its two arrivals at the next stop is not too late; eating at the first possible moment is always at least as good as
later, so the two clocks lose nothing. The referee (plan.py) does not share this code.
"""

from __future__ import annotations

from ticketing.dispatch.indexed import Indexed, Way
from ticketing.dispatch.problem import FAR

NEVER = 2 * FAR  # no such moment
KEPT_ROUTES = 200_000  # routes remembered at once: about 300 MB at worst, then all are forgotten


NOWHERE = (float("inf"), -1)


class Route:
    """The visits of one shift in order, with its clocks and the best places for other visits as they were asked."""

    __slots__ = ("after0", "after1", "best", "cost", "late0", "late1", "places", "room", "slack", "visits", "way")

    def __init__(self, way: int, visits: tuple[int, ...]) -> None:
        self.way, self.visits = way, visits
        self.cost = 0.0
        self.room = 0  # the longest slack: what takes longer fits nowhere
        self.slack: list[int] = []  # seconds free between stop p and the next one, at most
        self.places: list[int] = []
        self.after0: list[int] = []  # earliest departure from stop p (0 = home), lunch not had
        self.after1: list[int] = []  # … lunch had, or none due
        self.late0: list[int] = []  # latest arrival at stop p, lunch still to be had
        self.late1: list[int] = []
        self.best: dict[int, tuple[float, int]] = {}  # visit → (cost added, position); infinite when it fits nowhere


class Router:
    """Makes routes of one problem and remembers them."""

    def __init__(self, indexed: Indexed) -> None:
        self.indexed = indexed
        self.known: dict[tuple[int, tuple[int, ...]], Route | None] = {}
        timed_visit = any(due < FAR for due in indexed.due)
        self.slow = [
            timed_visit or way.max_seconds is not None or (way.overtime > 0 and way.latest > way.end)
            for way in indexed.ways
        ]

    def route(self, way: int, visits: tuple[int, ...]) -> Route | None:
        """Return the route, or None when its times do not work."""
        key = (way, visits)
        try:
            return self.known[key]
        except KeyError:
            if len(self.known) > KEPT_ROUTES:
                self.known.clear()
            found = self.known[key] = self._timed(way, visits)
            return found

    def _timed(self, number: int, visits: tuple[int, ...]) -> Route | None:
        indexed = self.indexed
        way = indexed.ways[number]
        route = Route(number, visits)
        place = indexed.place
        route.places = [way.home, *[place[v] for v in visits], way.finish] if visits else [way.home, way.finish]
        if visits and indexed.started[visits[0]] is not None:
            route.places[0] = indexed.nowhere
        if not self._forward(route, way) or not self._backward(route, way):
            return None
        travel, places, seconds = indexed.travel, route.places, 0
        for position in range(len(visits) + 1):
            drive = travel[places[position]][places[position + 1]] if visits else 0
            seconds += drive
            after = min(route.after0[position], route.after1[position])
            route.slack.append(max(route.late0[position], route.late1[position]) - after - drive)
        route.room = max(route.slack)
        route.cost = seconds * way.rate
        for visit in visits:
            if indexed.extra[visit]:
                route.cost += indexed.extra[visit][number]
        if self.slow[number]:
            timed = self.timed_cost(number, visits, seconds)
            if timed is None:
                return None
            route.cost += timed
        return route

    def _forward(self, route: Route, way: Way) -> bool:
        """Fill the earliest departures; return False when a window is missed."""
        indexed, places = self.indexed, route.places
        travel, opens, closes, seconds = indexed.travel, indexed.opens, indexed.closes, indexed.seconds
        lunch = way.lunch
        now0, now1 = (way.start, NEVER) if lunch else (NEVER, way.start)
        after0, after1 = [now0], [now1]
        for position, visit in enumerate(route.visits):
            if (started := indexed.started[visit]) is not None:
                if position:
                    return False
                end = max(started + seconds[visit], way.start)
                now0, now1 = (end, NEVER) if lunch else (NEVER, end)
            else:
                drive = travel[places[position]][places[position + 1]]
                arrive0, arrive1 = now0 + drive, now1 + drive
                if lunch and now0 < NEVER:
                    arrive1 = min(arrive1, lunch_then_drive(now0, drive, lunch))
                if indexed.several[visit]:
                    arrive0 = self.opening(visit, arrive0)
                    arrive1 = self.opening(visit, arrive1)
                else:
                    arrive0, arrive1 = max(arrive0, opens[visit]), max(arrive1, opens[visit])
                now0 = arrive0 + seconds[visit] if arrive0 <= closes[visit] else NEVER
                now1 = arrive1 + seconds[visit] if arrive1 <= closes[visit] else NEVER
                if now0 >= NEVER and now1 >= NEVER:
                    return False
            after0.append(now0)
            after1.append(now1)
        route.after0, route.after1 = after0, after1
        return True

    def _backward(self, route: Route, way: Way) -> bool:
        """Fill the latest arrivals; return False when the technician cannot be home in time."""
        indexed, places = self.indexed, route.places
        travel, opens, closes, seconds = indexed.travel, indexed.opens, indexed.closes, indexed.seconds
        lunch = way.lunch
        late0, late1 = -1 if lunch else way.latest, way.latest
        all0, all1 = [late0], [late1]
        for position in range(len(route.visits) - 1, -1, -1):
            visit = route.visits[position]
            drive = travel[places[position + 1]][places[position + 2]]
            leave1 = late1 - drive
            leave0 = late0 - drive
            if lunch:
                leave0 = max(leave0, latest_before_lunch(drive, late1, lunch))
            late0, late1 = leave0 - seconds[visit], leave1 - seconds[visit]
            if indexed.started[visit] is not None:
                late0, late1 = (
                    (way.latest if route.after0[1] <= leave0 else -1),
                    (way.latest if route.after1[1] <= leave1 else -1),
                )
            elif indexed.several[visit]:
                late0, late1 = self.closing(visit, late0), self.closing(visit, late1)
            else:
                late0, late1 = min(late0, closes[visit]), min(late1, closes[visit])
                if late0 < opens[visit]:
                    late0 = -1
                if late1 < opens[visit]:
                    late1 = -1
            all0.append(late0)
            all1.append(late1)
        all0.reverse()
        all1.reverse()
        route.late0, route.late1 = all0, all1
        if not route.visits:
            return True
        drive = travel[places[0]][places[1]]
        return _meets(route.after0[0], route.after1[0], drive, all0[0], all1[0], lunch)

    def opening(self, visit: int, arrive: int) -> int:
        """Return when work can begin after an arrival, NEVER when all windows are over."""
        for opens, closes in self.indexed.windows_of[visit]:
            if arrive <= closes:
                return arrive if arrive > opens else opens
        return NEVER

    def closing(self, visit: int, latest: int) -> int:
        """Return the last arrival whose begin of work is not after `latest`; -1 when there is none."""
        for opens, closes in reversed(self.indexed.windows_of[visit]):
            if opens <= latest:
                return min(latest, closes)
        return -1

    def timed_cost(self, number: int, visits: tuple[int, ...], driving: int) -> float | None:
        """Return what lateness and overtime cost, or None when the route takes longer than it may."""
        from ticketing.dispatch.timed import timed_cost

        return timed_cost(self.indexed, self.indexed.ways[number], visits, driving)

    def best(self, route: Route, visit: int) -> tuple[float, int]:
        """Return the least cost of adding a visit to a route and where; infinite when it fits nowhere."""
        found = route.best.get(visit)
        if found is None:
            if self.indexed.seconds[visit] > route.room:
                found = NOWHERE
            else:
                find = self._best_slow if self.slow[route.way] else self._best_fast
                found = find(route, visit)
            route.best[visit] = found
        return found

    def _best_fast(self, route: Route, visit: int) -> tuple[float, int]:
        """Return the shortest detour at which a visit fits."""
        found = self._detours(route, visit, None)
        if found is None:
            return NOWHERE
        extra = self.indexed.extra[visit]
        return found[0] * self.indexed.ways[route.way].rate + (extra[route.way] if extra else 0.0), found[1]

    def _detours(self, route: Route, visit: int, every: list[tuple[int, int]] | None) -> tuple[int, int] | None:
        """Return the shortest detour with its position, or put all that fit into `every`."""
        indexed = self.indexed
        way = indexed.ways[route.way]
        travel, place = indexed.travel, indexed.place[visit]
        opens, closes, work = indexed.opens[visit], indexed.closes[visit], indexed.seconds[visit]
        from_here, several, lunch = travel[place], indexed.several[visit], way.lunch
        places, after0, after1, late0, late1 = route.places, route.after0, route.after1, route.late0, route.late1
        slack, visits = route.slack, route.visits
        length, earliest, latest = lunch or (0, 0, 0)
        least, where = FAR, -1
        for position in range(self.first_free(route, visit), len(visits) + 1):
            spare = slack[position] - work
            if spare < 0:
                continue
            here, there = places[position], places[position + 1]
            to_here = travel[here][place]
            from_there = from_here[there]
            added = to_here + from_there - (travel[here][there] if visits else 0)
            if added >= least or added > spare:
                continue
            now0, now1 = after0[position], after1[position]
            arrive0, arrive1 = now0 + to_here, now1 + to_here
            if arrive0 > closes and arrive1 > closes:
                if now0 > closes and now1 > closes:
                    break  # every later departure is too late as well
                continue
            latest1 = late1[position]
            if opens + work + from_there > latest1:
                continue
            if lunch and now0 < NEVER:
                ate = (now0 if now0 > earliest else earliest) + length
                if ate <= latest and ate + to_here < arrive1:
                    arrive1 = ate + to_here
                ate = (arrive0 if arrive0 > earliest else earliest) + length
                if ate <= latest and ate < arrive1:
                    arrive1 = ate
            if several:
                arrive0, arrive1 = self.opening(visit, arrive0), self.opening(visit, arrive1)
            else:
                if arrive0 < opens:
                    arrive0 = opens
                if arrive1 < opens:
                    arrive1 = opens
            if arrive1 > closes or arrive1 + work + from_there > latest1:
                if not lunch or arrive0 > closes:
                    continue
                leave0 = arrive0 + work
                if (
                    leave0 + from_there > late0[position]
                ):  # lunch not had behind it either: is there time on the way on?
                    ate = (leave0 if leave0 > earliest else earliest) + length
                    if ate > latest or ate + from_there > latest1:
                        leave0 += from_there
                        ate = (leave0 if leave0 > earliest else earliest) + length
                        if ate > latest or ate > latest1:
                            continue
            if every is not None:
                every.append((added, position))
            else:
                least, where = added, position
        return (least, where) if where >= 0 else None

    def first_free(self, route: Route, visit: int) -> int:
        """Return the first position a visit may take: behind a visit that has begun."""
        return 1 if route.visits and self.indexed.started[route.visits[0]] is not None else 0

    def _best_slow(self, route: Route, visit: int) -> tuple[float, int]:
        """Drive the whole route for positions that fit by the clock, shortest detour first: lateness only adds."""
        detours: list[tuple[int, int]] = []
        self._detours(route, visit, detours)
        indexed = self.indexed
        extra = indexed.extra[visit][route.way] if indexed.extra[visit] else 0.0
        rate = indexed.ways[route.way].rate
        least, where = NOWHERE
        for added, position in sorted(detours):
            if added * rate + extra >= least:
                break
            longer = self.route(route.way, (*route.visits[:position], visit, *route.visits[position:]))
            if longer is not None and longer.cost - route.cost < least:
                least, where = longer.cost - route.cost, position
        return least, where


def lunch_then_drive(now: int, drive: int, lunch: tuple[int, int, int]) -> int:
    """Return the earliest arrival with lunch on this leg, before driving or on arrival; NEVER when it fits neither."""
    length, earliest, latest = lunch
    before = max(now, earliest) + length
    behind = max(now + drive, earliest) + length
    if behind <= latest:
        return min(before + drive, behind)
    return before + drive if before <= latest else NEVER


def latest_before_lunch(drive: int, late1: int, lunch: tuple[int, int, int]) -> int:
    """Return the last departure, lunch not had, from which lunch on this leg still meets `late1`; -1: none."""
    length, earliest, latest = lunch
    found = -1
    end = min(late1 - drive, latest)
    if end >= earliest + length:
        found = end - length
    end = min(late1, latest)
    if end >= earliest + length:
        found = max(found, end - length - drive)
    return found


def _meets(now0: int, now1: int, drive: int, late0: int, late1: int, lunch: tuple[int, int, int] | None) -> bool:
    if now1 + drive <= late1 or now0 + drive <= late0:
        return True
    return lunch is not None and now0 < NEVER and lunch_then_drive(now0, drive, lunch) <= late1
