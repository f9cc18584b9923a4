"""Ruin and recreate: take neighbouring visits out, put them and the unserved ones back better, keep what pays.

After Christiaens and Vanden Berghe, "Slack induction by string removals" (2020), with prizes: a visit that costs more
than its prize stays out.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping

from ticketing.dispatch.indexed import Indexed
from ticketing.dispatch.routes import Route, Router

Routes = dict[int, tuple[int, ...]]
INFINITE = float("inf")
REMOVED_ON_AVERAGE = 8  # visits taken out in one step
LONGEST_STRING = 6
TRIED_ABSENT = 12  # unserved visits tried again in one step
NEIGHBOURS = 60  # nearest visits that a ruin may reach


class Search:
    """One improvement of one problem; `routes` and `absent` are the state, `best` what to keep.

    `locked` are visits that stay where they are. Deterministic for a seed and a number of steps.
    """

    def __init__(
        self, indexed: Indexed, routes: Mapping[int, tuple[int, ...]], locked: Iterable[int] = (), seed: int = 0
    ) -> None:
        self.indexed = indexed
        self.router = Router(indexed)
        self.random = random.Random(seed)
        self.locked = set(locked) | {v for v, held in enumerate(indexed.held) if held >= 0}
        self.state: list[Route] = []
        self.frozen: Routes = {}  # routes that break something of themselves: nobody touches them
        for way in range(len(indexed.ways)):
            wanted = tuple(routes.get(way, ()))
            route = self.router.route(way, wanted)
            if route is None:
                route, _ = self._thinned(way, wanted)
            empty = self.router.route(way, ())
            if route is None or empty is None:
                self.frozen[way] = tuple(v for v in wanted if v in self.locked)
                route = Route(way, ())
            self.state.append(route)
        self.usable = [
            self.router.route(way, ()) is not None and way not in self.frozen for way in range(len(indexed.ways))
        ]
        present = {v for route in self.state for v in route.visits} | {v for r in self.frozen.values() for v in r}
        self.absent = [v for v in range(len(indexed.place)) if v not in present]
        self.ways_for = [[way for way in ways if self.usable[way]] for ways in indexed.ways_for]
        self.stock = self._stock()
        self._near: dict[int, list[int]] = {}
        self.cost = self._cost(self.state, self.absent)
        self.best = (self.cost, list(self.state), list(self.absent))

    def _thinned(self, way: int, visits: tuple[int, ...]) -> tuple[Route | None, list[int]]:
        """Take visits out of a route that does not work, those that cost least first, until it does."""
        kept, out = list(visits), []
        for visit in sorted((v for v in visits if v not in self.locked), key=lambda v: self.indexed.prize[v]):
            kept.remove(visit)
            out.append(visit)
            if (route := self.router.route(way, tuple(kept))) is not None:
                return route, out
        return (self.router.route(way, tuple(kept)), out) if kept else (None, out)

    def _stock(self) -> list[list[int]]:
        """Return the parts left on every technician's van."""
        left = [list(each) for each in self.indexed.carried]
        everything = [(r.way, r.visits) for r in self.state] + list(self.frozen.items())
        for way, visits in everything:
            van = left[self.indexed.ways[way].technician]
            for visit in visits:
                for part, quantity in self.indexed.needs[visit]:
                    van[part] -= quantity
        return left

    def _cost(self, state: list[Route], absent: list[int]) -> float:
        prize = self.indexed.prize
        return sum(each.cost for each in state) + sum(prize[v] for v in absent)

    def near(self, visit: int) -> list[int]:
        """Return the visits nearest to one, itself first."""
        found = self._near.get(visit)
        if found is None:
            row = self.indexed.travel[self.indexed.place[visit]]
            place = self.indexed.place
            found = sorted(range(len(place)), key=lambda v: row[place[v]])[:NEIGHBOURS]
            found = self._near[visit] = [visit, *[v for v in found if v != visit]]
        return found

    def run(self, until: Callable[[], float], steps: int | None = None, hot: float = 0.03, cold: float = 0.003) -> int:
        """Improve until `until()` (the share of time used) reaches 1, or for `steps`; return the steps made.

        `hot` and `cold` are the first and last temperature, as parts of the mean cost of a visit.
        """
        scale = self._scale()
        first, last = hot * scale, cold * scale
        heat, done, share = first, 0, 0.0
        while steps is None or done < steps:
            if not done & 15:
                share = until() if steps is None else done / steps
                if share >= 1.0:
                    break
                heat = first * (last / first) ** share
            self.step(heat)
            done += 1
        return done

    def _scale(self) -> float:
        """Return the mean cost of a visit, prices far beyond what driving costs counted as twenty drives."""
        served = sum(len(each.visits) for each in self.state)
        drive = sum(each.cost for each in self.state) / max(1, served)
        most = 20 * drive if drive > 0 else INFINITE
        unserved = sum(min(self.indexed.prize[v], most) for v in self.absent)
        return max(1.0, (drive * served + unserved) / max(1, len(self.indexed.place)))

    def step(self, heat: float) -> None:
        """Ruin, recreate, and keep the result if it is good enough at this temperature."""
        state, absent, taken = self._ruin()
        if not taken and not absent:
            return
        absent = self._recreate(state, absent + taken, len(taken))
        cost = self._cost(state, absent)
        if cost < self.cost - heat * math.log(self.random.random() or 1e-12):
            self.state, self.absent, self.cost = state, absent, cost
            if cost < self.best[0] - 1e-9:
                self.best = (cost, list(state), list(absent))
        else:
            self.stock = self._stock_before

    def fill(self) -> None:
        """Add what fits to the state as it is, dearest visits first; the result is the best so far."""
        absent = sorted(self.absent, key=lambda v: -self.indexed.prize[v])
        self.absent = self._insert(self.state, absent, 0.0)
        self.cost = self._cost(self.state, self.absent)
        self.best = (self.cost, list(self.state), list(self.absent))

    def restart(self, routes: Mapping[int, tuple[int, ...]]) -> None:
        """Go on from other routes, if they cost less than the best so far."""
        state = [
            self.router.route(way, tuple(routes.get(way, ()))) or self.state[way] for way in range(len(self.state))
        ]
        present = {v for route in state for v in route.visits} | {v for r in self.frozen.values() for v in r}
        absent = [v for v in range(len(self.indexed.place)) if v not in present]
        if len(present) != sum(len(r.visits) for r in state) + sum(len(r) for r in self.frozen.values()):
            return
        cost = self._cost(state, absent)
        if cost < self.best[0]:
            self.state, self.absent, self.cost = state, absent, cost
            self.best = (cost, list(state), list(absent))
        else:
            self.cost, self.state, self.absent = self.best[0], list(self.best[1]), list(self.best[2])
        self.stock = self._stock()

    def _ruin(self) -> tuple[list[Route], list[int], list[int]]:
        """Return a state without some neighbouring strings of visits; the visits come back too."""
        chance = self.random
        state, absent = list(self.state), list(self.absent)
        self._stock_before, self.stock = self.stock, [list(each) for each in self.stock]
        where = {visit: route.way for route in state for visit in route.visits}
        if not where:
            return state, absent, []
        mean = len(where) / max(1, sum(1 for each in state if each.visits))
        longest = min(LONGEST_STRING, mean)
        strings = int(chance.uniform(1, 4 * REMOVED_ON_AVERAGE / (1 + longest))) or 1
        touched: set[int] = set()
        taken: list[int] = []
        for visit in self.near(chance.randrange(len(self.indexed.place))):
            if len(touched) >= strings:
                break
            way = where.get(visit)
            if way is None or way in touched:
                continue
            out = self._string(state[way].visits, visit, longest)
            kept = tuple(v for v in state[way].visits if v not in out)
            route = self.router.route(way, kept)
            touched.add(way)
            if not out or route is None:
                continue
            state[way] = route
            self._give_back(way, out)
            taken += out
        return state, absent, taken

    def _string(self, visits: tuple[int, ...], visit: int, longest: float) -> list[int]:
        """Return a run of visits around one, now and then with a run in its middle left alone."""
        chance = self.random
        length = int(chance.uniform(1, min(len(visits), longest) + 1))
        spared = 0
        if length > 1 and chance.random() < 0.5:
            while length + spared < len(visits) and chance.random() < 0.99 and spared < 3:
                spared += 1
        total = length + spared
        at = visits.index(visit)
        first = chance.randint(max(0, at - total + 1), min(at, len(visits) - total))
        run = list(visits[first : first + total])
        if spared:
            skip = chance.randint(0, length)
            run = run[:skip] + run[skip + spared :]
        return [v for v in run if v not in self.locked]

    def _give_back(self, way: int, visits: Iterable[int]) -> None:
        van = self.stock[self.indexed.ways[way].technician]
        for visit in visits:
            for part, quantity in self.indexed.needs[visit]:
                van[part] += quantity

    def _recreate(self, state: list[Route], absent: list[int], taken: int) -> list[int]:
        """Put visits back where they cost least, in a random one of several orders; return those left out."""
        idle: list[int] = []
        if len(absent) - taken > TRIED_ABSENT:  # on an overloaded day most of the unserved stay so: some at a time
            before, now = absent[: len(absent) - taken], absent[len(absent) - taken :]
            self.random.shuffle(before)
            idle, absent = before[TRIED_ABSENT:], now + before[:TRIED_ABSENT]
        self._order(absent)
        return idle + self._insert(state, absent, 0.01)

    def _insert(self, state: list[Route], absent: list[int], blink: float) -> list[int]:
        indexed, router, chance = self.indexed, self.router, self.random
        left: list[int] = []
        best_of, prize, needs = router.best, indexed.prize, indexed.needs
        for visit in absent:
            least, chosen, where = prize[visit], -1, -1
            for way in self.ways_for[visit]:
                route = state[way]
                found = route.best.get(visit) or best_of(route, visit)
                if found[0] < least and chance.random() >= blink:
                    if needs[visit] and not self._carries(way, visit):
                        continue
                    least, where = found
                    chosen = way
            if chosen < 0:
                left.append(visit)
                continue
            before = state[chosen].visits
            route_with = router.route(chosen, (*before[:where], visit, *before[where:]))
            if route_with is None:  # only where a matrix breaks the triangle inequality
                left.append(visit)
                continue
            state[chosen] = route_with
            if needs[visit]:
                van = self.stock[indexed.ways[chosen].technician]
                for part, quantity in needs[visit]:
                    van[part] -= quantity
        return left

    def _carries(self, way: int, visit: int) -> bool:
        van = self.stock[self.indexed.ways[way].technician]
        return all(van[part] >= quantity for part, quantity in self.indexed.needs[visit])

    def _order(self, absent: list[int]) -> None:
        indexed, chance = self.indexed, self.random
        kind = chance.random()
        chance.shuffle(absent)
        if kind < 0.3:
            absent.sort(key=lambda v: -indexed.prize[v])
        elif kind < 0.5:
            absent.sort(key=lambda v: -indexed.prize[v] / (indexed.seconds[v] + 1))
        elif kind < 0.6:
            absent.sort(key=lambda v: indexed.closes[v] - indexed.opens[v])
        elif kind < 0.7:
            absent.sort(key=lambda v: len(self.ways_for[v]))
        elif kind < 0.8:
            absent.sort(key=lambda v: indexed.seconds[v])
        elif kind < 0.9:
            absent.sort(key=lambda v: -indexed.prize[v] * (0.5 + chance.random()))

    def routes(self) -> Routes:
        """Return the best routes found, by shift number."""
        found = {route.way: route.visits for route in self.best[1] if route.visits}
        return found | {way: visits for way, visits in self.frozen.items() if visits}


def share_of(seconds: float) -> Callable[[], float]:
    """Return a function that tells which part of `seconds` from now on is over."""
    begin = time.monotonic()
    return lambda: (time.monotonic() - begin) / seconds if seconds > 0 else 1.0
