"""What has to be planned: technicians, their shifts, visits, travel and prices.

Times are whole seconds after an origin that the caller chooses; every shift and visit of one problem shares it. Costs
are counted in minutes of driving: a visit with `unserved_cost=120` is worth two hours at the wheel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ticketing.dispatch.travel import degrees, travel_seconds

FAR = 2**31 - 1  # later than any moment of any plan (68 years of seconds), and still an ordinary integer
MATRIX_PLACES = 4_000  # places one matrix may hold: 64 MB of seconds; larger days are split before they get here
MAX_VISITS = 50_000
MAX_SHIFTS = 5_000


class ProblemRefused(ValueError):
    """The problem contradicts itself; `code` says how and `subject` where."""

    def __init__(self, code: str, subject: str = "") -> None:
        super().__init__(f"{code}: {subject}" if subject else code)
        self.code, self.subject = code, subject


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map, WGS-84 degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Lunch:
    """One break of `seconds`, wholly between `earliest` and `latest`, at any stop or on arrival at any."""

    seconds: int
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Technician:
    """A person who is sent: skills by level (1–5), parts on the van, price of a minute at the wheel."""

    id: str
    skills: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Shift:
    """One working stretch of one technician; several days are several shifts.

    `home` and `finish` are indexes into the problem's places; None means: begins at the first visit, ends at the last
    one. Work after `end` costs `overtime_per_hour` and is impossible after `overtime_until`. `max_seconds` bounds the
    time between leaving and returning.
    """

    id: str
    technician: str
    start: int
    end: int
    home: int | None = None
    finish: int | None = None
    lunch: Lunch | None = None
    overtime_until: int | None = None
    overtime_per_hour: float = 0.0
    max_seconds: int | None = None

    @property
    def latest(self) -> int:
        """Return the moment at which the technician must be back."""
        return self.end if self.overtime_until is None else max(self.end, self.overtime_until)


@dataclass(frozen=True, slots=True)
class Visit:
    """One thing to do at one place.

    `windows` bound the start of work. A visit that has `started_at` is first in its shift and begins then whatever the
    road says. `late_per_hour` prices a start after `due` (the service level). `together` names a group whose visits
    begin at one moment with different technicians; `after` makes this visit wait for another one's end.
    """

    id: str
    place: int
    seconds: int
    windows: tuple[tuple[int, int], ...] = ()
    skills: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    unserved_cost: float = 1_000.0
    due: int | None = None
    late_per_hour: float = 0.0
    preferred: str | None = None
    allowed: frozenset[str] | None = None
    pinned_to: str | None = None
    pinned_start: int | None = None
    started_at: int | None = None
    together: str | None = None
    after: str | None = None
    gap_min: int = 0
    gap_max: int | None = None

    @property
    def fixed(self) -> bool:
        """Return whether the planner may neither drop nor move this visit."""
        return self.pinned_to is not None

    @property
    def linked(self) -> bool:
        """Return whether the visit's time depends on another route."""
        return self.together is not None or self.after is not None


@dataclass(frozen=True, slots=True)
class Weights:
    """Prices, in minutes of driving, of what is possible but not wanted."""

    moved: float = 30.0  # a visit of the current plan that changes technician or day
    not_preferred: float = 15.0  # served by another one than the customer prefers
    per_level_over: float = 0.0  # each level of skill beyond what the visit asks for


@dataclass(frozen=True)
class Problem:
    """Everything a plan is judged against.

    `matrix[i][j]` are seconds from place i to place j; without one they come from the places: great circle times
    `detour` at `speed_kmh`. `seconds_per_cost` says how many seconds of driving cost 1.
    """

    places: Sequence[Place]
    technicians: Sequence[Technician]
    shifts: Sequence[Shift]
    visits: Sequence[Visit]
    matrix: NDArray[np.int64] | None = None
    speed_kmh: float = 40.0
    detour: float = 1.3
    seconds_per_cost: float = 60.0
    weights: Weights = field(default_factory=Weights)

    @cached_property
    def technician_by_id(self) -> dict[str, Technician]:
        """Return technicians by id."""
        return {each.id: each for each in self.technicians}

    @cached_property
    def shift_by_id(self) -> dict[str, Shift]:
        """Return shifts by id."""
        return {each.id: each for each in self.shifts}

    @cached_property
    def visit_by_id(self) -> dict[str, Visit]:
        """Return visits by id."""
        return {each.id: each for each in self.visits}

    @cached_property
    def awaited(self) -> frozenset[str]:
        """Return the visits that somebody on another route may wait for."""
        together = {each.id for each in self.visits if each.together is not None}
        return frozenset(together | {each.after for each in self.visits if each.after is not None})

    @cached_property
    def travel(self) -> NDArray[np.int64]:
        """Return the seconds between all places; refuses more places than one matrix may hold."""
        if self.matrix is not None:
            return self.matrix
        if len(self.places) > MATRIX_PLACES:
            raise ProblemRefused("too_many_places", str(len(self.places)))
        return travel_seconds(self.degrees, self.degrees, self.speed_kmh, self.detour)

    @cached_property
    def degrees(self) -> NDArray[np.float64]:
        """Return where the places are."""
        return degrees(self.places)

    def seconds_between(self, here: int, there: int) -> int:
        """Return the seconds from one place to another, whatever the number of places."""
        if self.matrix is not None or len(self.places) <= MATRIX_PLACES:
            return int(self.travel[here, there])
        return int(self.between([here], [there])[0, 0])

    def between(self, here: Sequence[int], there: Sequence[int]) -> NDArray[np.int64]:
        """Return the seconds from some places to some others."""
        if self.matrix is not None:
            found: NDArray[np.int64] = self.matrix[np.ix_(list(here), list(there))]
            return found
        return travel_seconds(self.degrees[list(here)], self.degrees[list(there)], self.speed_kmh, self.detour)

    def validated(self) -> Problem:
        """Return the problem itself; raise `ProblemRefused` when it contradicts itself."""
        refuse_unless(len(self.visits) <= MAX_VISITS, "too_many_visits", str(len(self.visits)))
        refuse_unless(len(self.shifts) <= MAX_SHIFTS, "too_many_shifts", str(len(self.shifts)))
        for kind, ids in (("technician", self.technicians), ("shift", self.shifts), ("visit", self.visits)):
            seen = {each.id for each in ids}
            refuse_unless(len(seen) == len(ids), f"{kind}_twice")
        count = len(self.places) if self.matrix is None else len(self.matrix)
        _check_matrix(self.matrix)
        for place in self.places:
            refuse_unless(-90 <= place.lat <= 90 and -180 <= place.lon <= 180, "place_off_the_map", str(place))
        for shift in self.shifts:
            _check_shift(shift, self.technician_by_id, count)
        for visit in self.visits:
            _check_visit(visit, self, count)
        return self


def refuse_unless(holds: bool, code: str, subject: str = "") -> None:
    """Raise `ProblemRefused` unless the condition holds."""
    if not holds:
        raise ProblemRefused(code, subject)


def _check_matrix(matrix: NDArray[np.int64] | None) -> None:
    if matrix is None:
        return
    refuse_unless(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1], "matrix_not_square", str(matrix.shape))
    refuse_unless(not matrix.size or int(matrix.min()) >= 0, "matrix_negative")


def _check_shift(shift: Shift, technicians: Mapping[str, Technician], places: int) -> None:
    refuse_unless(shift.technician in technicians, "technician_unknown", shift.technician)
    refuse_unless(0 <= shift.start <= shift.end < FAR, "shift_ends_before_it_starts", shift.id)
    for place in (shift.home, shift.finish):
        refuse_unless(place is None or 0 <= place < places, "place_unknown", shift.id)
    if (lunch := shift.lunch) is not None:
        fits = lunch.seconds >= 0 and lunch.earliest + lunch.seconds <= lunch.latest
        refuse_unless(fits, "lunch_longer_than_its_window", shift.id)


def _check_visit(visit: Visit, problem: Problem, places: int) -> None:
    refuse_unless(0 <= visit.place < places, "place_unknown", visit.id)
    refuse_unless(0 <= visit.seconds < FAR, "duration_impossible", visit.id)
    refuse_unless(visit.unserved_cost >= 0, "unserved_cost_negative", visit.id)
    refuse_unless(visit.late_per_hour >= 0, "lateness_price_negative", visit.id)
    for opens, closes in visit.windows:
        refuse_unless(opens <= closes, "window_ends_before_it_starts", visit.id)
    refuse_unless(
        visit.pinned_to is None or visit.pinned_to in problem.shift_by_id, "pinned_to_unknown_shift", visit.id
    )
    held = visit.pinned_to is not None or (visit.pinned_start is None and visit.started_at is None)
    refuse_unless(held, "pinned_time_without_shift", visit.id)
    refuse_unless(visit.after is None or visit.after in problem.visit_by_id, "after_unknown_visit", visit.id)
    refuse_unless(visit.after != visit.id, "after_itself", visit.id)
