"""A problem as lists of numbers, what the search works on: built once, read millions of times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ticketing.dispatch.plan import Plan, dislike, unfit
from ticketing.dispatch.problem import FAR, Problem, Visit

PINNED = 1e8  # cost of leaving out what a dispatcher has pinned

Windows = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Way:
    """One shift for the search: where it begins and ends, until when, and what its hours cost."""

    start: int
    latest: int
    end: int
    home: int
    finish: int
    lunch: tuple[int, int, int] | None  # seconds, earliest, latest
    rate: float
    overtime: float  # cost of a second after `end`
    max_seconds: int | None
    technician: int


class Indexed:
    """Visits and shifts by number; costs in seconds of driving.

    `windows_of` are the moments at which a visit may begin: its own, narrowed by pins. `ways_for[v]` are the shifts
    whose technician may do it. Place `nowhere` is a row of zeros for shifts without a home.
    """

    def __init__(
        self, problem: Problem, current: Plan | None = None, fixed_windows: Mapping[str, Windows] = {}
    ) -> None:
        travel = problem.travel
        self.problem = problem
        self.nowhere = nowhere = len(travel)
        rows: list[list[int]] = [[*row, 0] for row in travel.tolist()]
        self.travel: list[list[int]] = [*rows, [0] * (nowhere + 1)]
        scale = problem.seconds_per_cost
        technicians = {each.id: number for number, each in enumerate(problem.technicians)}
        self.ways = [
            Way(
                start=shift.start,
                latest=shift.latest,
                end=shift.end,
                home=home if (home := shift.home) is not None else nowhere,
                finish=back if (back := shift.finish if shift.finish is not None else home) is not None else nowhere,
                lunch=(lunch.seconds, lunch.earliest, lunch.latest) if (lunch := shift.lunch) is not None else None,
                rate=problem.technician_by_id[shift.technician].rate,
                overtime=shift.overtime_per_hour / 3600 * scale,
                max_seconds=shift.max_seconds,
                technician=technicians[shift.technician],
            )
            for shift in problem.shifts
        ]
        visits = problem.visits
        self.shift_number = {each.id: number for number, each in enumerate(problem.shifts)}
        self.visit_number = {each.id: number for number, each in enumerate(visits)}
        self.place = [each.place for each in visits]
        self.seconds = [each.seconds for each in visits]
        self.windows_of = [fixed_windows.get(each.id) or moments(each) for each in visits]
        self.opens = [each[0][0] for each in self.windows_of]
        self.closes = [each[-1][1] for each in self.windows_of]
        self.several = [len(each) > 1 for each in self.windows_of]
        self.prize = [each.unserved_cost * scale for each in visits]
        self.due = [each.due if each.due is not None and each.late_per_hour > 0 else FAR for each in visits]
        self.late = [each.late_per_hour / 3600 * scale for each in visits]
        self.started = [each.started_at for each in visits]
        self.held = [self.shift_number[each.pinned_to] if each.pinned_to is not None else -1 for each in visits]
        self.begun = {held: v for v, held in enumerate(self.held) if self.started[v] is not None}
        self._parts(problem)
        self._fitness(problem, current, scale)

    def _parts(self, problem: Problem) -> None:
        names = sorted({part for visit in problem.visits for part in visit.parts})
        self.needs = [
            tuple((names.index(part), quantity) for part, quantity in each.parts.items() if quantity > 0)
            for each in problem.visits
        ]
        self.carried = [[each.parts.get(name, 0) for name in names] for each in problem.technicians]

    def _fitness(self, problem: Problem, current: Plan | None, scale: float) -> None:
        before = current.shift_of if current is not None else {}
        self.ways_for: list[list[int]] = []
        self.extra: list[list[float]] = []  # [visit][shift]: cost of this technician for this visit
        fitting = fitting_shifts(problem)
        for number, visit in enumerate(problem.visits):
            self.ways_for.append(fitting[number])
            if visit.fixed:
                self.prize[number] += PINNED
            if visit.preferred is None and not problem.weights.per_level_over and visit.id not in before:
                self.extra.append([])
                continue
            costs = [dislike(problem, shift, visit) for shift in problem.shifts]
            if visit.id in before:
                self.prize[number] += problem.weights.moved * scale
                costs = [
                    cost + (problem.weights.moved if shift.id != before[visit.id] else 0.0)
                    for cost, shift in zip(costs, problem.shifts, strict=True)
                ]
            self.extra.append([cost * scale for cost in costs])

    def departure(self, way: int) -> tuple[int, int]:
        """Return from which place and when a shift's free part begins: after a visit that has begun, if any."""
        visit = self.begun.get(way)
        if visit is None:
            return self.ways[way].home, self.ways[way].start
        started = self.started[visit]
        assert started is not None
        return self.place[visit], max(self.ways[way].start, started + self.seconds[visit])

    def free(self) -> list[int]:
        """Return the visits that a solver may place: those that somebody may do and that have not begun."""
        return [v for v, ways in enumerate(self.ways_for) if ways and self.started[v] is None]

    def with_begun(self, routes: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
        """Return a solver's routes behind the visits that have begun."""
        whole = {way: tuple(visits) for way, visits in routes.items()}
        for way, visit in self.begun.items():
            whole[way] = (visit, *whole.get(way, ()))
        return whole

    def plan(self, routes: Mapping[int, tuple[int, ...]]) -> Plan:
        """Return routes by number as a plan with ids."""
        shifts, visits = self.problem.shifts, self.problem.visits
        return Plan({shifts[s].id: tuple(visits[v].id for v in route) for s, route in routes.items() if route})

    def numbered(self, plan: Plan) -> dict[int, tuple[int, ...]]:
        """Return a plan by number; what this problem does not know is left out."""
        return {
            self.shift_number[shift]: tuple(self.visit_number[each] for each in visits if each in self.visit_number)
            for shift, visits in plan.routes.items()
            if shift in self.shift_number
        }


def moments(visit: Visit) -> Windows:
    """Return when a visit may begin: its windows in order, or the moment it is pinned to."""
    if visit.pinned_start is not None:
        return ((visit.pinned_start, visit.pinned_start),)
    return tuple(sorted(visit.windows)) or ((0, FAR),)


def fitting_shifts(problem: Problem) -> list[list[int]]:
    """Return for every visit the shifts whose technician may do it, by number; of a pinned one that it is pinned to."""
    # Skills are compared once for each kind of visit and shift: 10,000 visits share a few dozen kinds.
    known: dict[object, list[int]] = {}
    number = {each.id: n for n, each in enumerate(problem.shifts)}
    found = []
    for visit in problem.visits:
        if visit.pinned_to is not None:
            found.append([number[visit.pinned_to]])
            continue
        kind = (tuple(sorted(visit.skills.items())), visit.allowed)
        if kind not in known:
            known[kind] = [n for n, shift in enumerate(problem.shifts) if unfit(problem, shift, visit) is None]
        found.append(known[kind])
    return found
