"""Drive one route: when every stop begins, where lunch fits, when the technician is home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticketing.dispatch.problem import FAR, Problem, Shift, Visit


@dataclass(frozen=True, slots=True)
class Stop:
    """One visit of a driven route: arrival, begin and end of work, and the driving before it."""

    visit: str
    arrive: int
    start: int
    finish: int
    travel_seconds: int


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule of time that a route breaks."""

    code: str
    visit: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drive:
    """A route after driving it."""

    stops: tuple[Stop, ...] = ()
    leave: int = 0
    home: int = 0
    travel_seconds: int = 0
    overtime_seconds: int = 0
    lunch: tuple[int, int] | None = None
    breaches: tuple[Breach, ...] = ()
    lateness: float = 0.0  # cost of late starts, what the choice of the lunch hour is made by


def drive_route(problem: Problem, shift_id: str, visits: Sequence[Visit], release: Mapping[str, int]) -> Drive:
    """Return the best drive of a route over all places of its lunch.

    Fewest breaches count first, then that nobody elsewhere is kept waiting, then cost, then an early end.
    `release` holds visits that must not begin before a moment because somebody else is waited for. An empty route has
    no lunch and breaks nothing.
    """
    shift = problem.shift_by_id[shift_id]
    if not visits:
        return Drive(leave=shift.start, home=shift.start)
    if shift.lunch is None:
        return _drive(problem, shift, visits, release, None)
    best: tuple[tuple[float, ...], Drive] | None = None
    for leg in _lunch_legs(problem, shift, visits, release):
        for after_driving in (False, True):
            drive = _drive(problem, shift, visits, release, (leg, after_driving))
            price = drive.overtime_seconds * shift.overtime_per_hour / 3600 + drive.lateness
            awaited = sum(stop.start for stop in drive.stops if stop.visit in problem.awaited) if problem.awaited else 0
            key = (len(drive.breaches), awaited, price, drive.home)
            if best is None or key < best[0]:
                best = key, drive
    assert best is not None
    return best[1]


def _lunch_legs(problem: Problem, shift: Shift, visits: Sequence[Visit], release: Mapping[str, int]) -> list[int]:
    """Return the legs on which lunch is worth trying.

    Before a stop that is done when lunch may begin one would only wait: the next leg is as good. On a leg that begins
    when lunch is over there is none.
    """
    assert shift.lunch is not None
    legs = range(1 if visits[0].started_at is not None else 0, len(visits) + 1)
    plain = _drive(problem, shift, visits, release, None).stops
    last = shift.lunch.latest - shift.lunch.seconds
    worth = [
        leg
        for leg in legs
        if (leg == len(visits) or plain[leg].finish > shift.lunch.earliest)
        and (leg == 0 or plain[leg - 1].finish <= last)
    ]
    return worth or list(legs)


def start_of_work(visit: Visit, arrive: int) -> int | None:
    """Return the first moment from `arrive` on at which one of the windows lets work begin."""
    if not visit.windows:
        return arrive
    starts = [max(arrive, opens) for opens, closes in visit.windows if arrive <= closes]
    return min(starts, default=None)


class _Clock:
    """A technician's moment and place while a route is driven."""

    def __init__(self, problem: Problem, shift: Shift, lunch_leg: tuple[int, bool] | None) -> None:
        self.between, self.shift, self.lunch_leg = problem.seconds_between, shift, lunch_leg
        self.now, self.here = shift.start, shift.home
        self.seconds = 0
        self.lunch: tuple[int, int] | None = None
        self.breaches: list[Breach] = []

    def eat(self, leg: int, after_driving: bool) -> None:
        """Have lunch now if it is due on this leg."""
        if self.lunch_leg != (leg, after_driving) or (lunch := self.shift.lunch) is None:
            return
        begin = max(self.now, lunch.earliest)
        self.now = begin + lunch.seconds
        self.lunch = (begin, self.now)
        if self.now > lunch.latest:
            self.breaches.append(Breach("lunch", detail=f"ends {self.now} > {lunch.latest}"))

    def go(self, leg: int, there: int | None) -> int:
        """Drive to the next place, with lunch before or after if it is due; return the seconds at the wheel."""
        self.eat(leg, after_driving=False)
        seconds = 0 if self.here is None or there is None else self.between(self.here, there)
        self.now += seconds
        self.seconds += seconds
        self.eat(leg, after_driving=True)
        if there is not None:
            self.here = there
        return seconds


def _drive(
    problem: Problem, shift: Shift, visits: Sequence[Visit], release: Mapping[str, int], lunch: tuple[int, bool] | None
) -> Drive:
    clock = _Clock(problem, shift, lunch)
    stops: list[Stop] = []
    lateness = 0.0
    for leg, visit in enumerate(visits):
        if visit.started_at is not None:
            stops.append(_started(clock, leg, visit))
            continue
        seconds = clock.go(leg, visit.place)
        arrive = clock.now
        start = _begin(clock, visit, max(arrive, release.get(visit.id, 0)))
        clock.now = start + visit.seconds
        stops.append(Stop(visit.id, arrive, start, clock.now, seconds))
        if visit.due is not None:
            lateness += max(0, start - visit.due) * visit.late_per_hour / 3600
    back = shift.finish if shift.finish is not None else shift.home
    clock.go(len(visits), back)
    if clock.now > shift.latest:
        code = "shift" if shift.overtime_until is None else "overtime"
        clock.breaches.append(Breach(code, detail=f"back {clock.now} > {shift.latest}"))
    leave = stops[0].start - stops[0].travel_seconds if clock.lunch is None else shift.start
    if shift.max_seconds is not None:
        _bound_duration(problem, shift, visits, clock)
    return Drive(
        tuple(stops),
        max(shift.start, leave),
        clock.now,
        clock.seconds,
        max(0, clock.now - shift.end),
        clock.lunch,
        tuple(clock.breaches),
        lateness,
    )


def _started(clock: _Clock, leg: int, visit: Visit) -> Stop:
    """Put the clock to the end of a visit that has begun: how the technician came there is the past."""
    assert visit.started_at is not None
    if leg:
        clock.breaches.append(Breach("pinned", visit.id, "has begun and is not the first"))
    start = visit.started_at if leg == 0 else max(clock.now, visit.started_at)
    clock.now, clock.here = max(start + visit.seconds, clock.now), visit.place
    return Stop(visit.id, start, start, start + visit.seconds, 0)


def _begin(clock: _Clock, visit: Visit, earliest: int) -> int:
    """Return when work begins, and note what that breaks."""
    if visit.pinned_start is not None:
        if earliest > visit.pinned_start:
            clock.breaches.append(Breach("pinned", visit.id, f"begins {earliest} > {visit.pinned_start}"))
        return max(earliest, visit.pinned_start)
    start = start_of_work(visit, earliest)
    if start is None:
        closes = max(closes for _, closes in visit.windows)
        clock.breaches.append(Breach("window", visit.id, f"begins {earliest} > {closes}"))
        return earliest
    return start


def _bound_duration(problem: Problem, shift: Shift, visits: Sequence[Visit], clock: _Clock) -> None:
    """Note a breach when no moment of leaving keeps the route within its longest duration.

    Leaving later shortens the route until nothing is waited for: the shortest duration is the larger of all work and
    driving, and the earliest return minus the latest leaving that still meets every window.
    """
    assert shift.max_seconds is not None
    lunch = shift.lunch.seconds if clock.lunch is not None and shift.lunch is not None else 0
    busy = clock.seconds + sum(each.seconds for each in visits) + lunch
    shortest = max(busy, clock.now - latest_leaving(problem, shift, visits))
    if shortest > shift.max_seconds:
        clock.breaches.append(Breach("duration", detail=f"{shortest} > {shift.max_seconds}"))


def latest_leaving(problem: Problem, shift: Shift, visits: Sequence[Visit]) -> int:
    """Return the last moment of leaving home that still meets every window (lunch not counted)."""
    back = shift.finish if shift.finish is not None else shift.home
    latest, there = shift.latest, back
    for visit in reversed(visits):
        seconds = 0 if there is None else problem.seconds_between(visit.place, there)
        latest = min(latest - seconds - visit.seconds, FAR)
        if visit.pinned_start is not None:
            latest = min(latest, visit.pinned_start)
        elif visit.windows:
            latest = max((min(latest, c) for o, c in visit.windows if o <= latest), default=latest)
        there = visit.place
    if shift.home is not None and there is not None:
        latest -= problem.seconds_between(shift.home, there)
    return max(shift.start, latest)
