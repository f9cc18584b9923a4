"""What a machine lived through in a period: when it was exposed, what stopped it, which stops were failures; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from assets.base.errors import Invalid

FAILURE, PLANNED, UNSEEN = "failure", "planned", "unobserved"
KINDS = (FAILURE, PLANNED, UNSEEN)


@dataclass(frozen=True, slots=True)
class Stop:
    """[start, end) in which a machine did not run, or in which nobody saw it; `end` None: it lasts.

    `evidence` are the rows that say so: (kind, id).
    """

    start: datetime
    end: datetime | None
    kind: str = FAILURE
    failure_mode: str | None = None
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """One machine: in service from `begin` until `end` (None: still), with its stops in any order."""

    asset_id: UUID
    begin: datetime
    end: datetime | None
    stops: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure that began in the period. `restored` False: it lasts, `hours` count up to now."""

    asset_id: UUID
    at: datetime
    hours: float
    restored: bool
    stop: Stop


@dataclass(slots=True)
class Lived:
    """Hours of one machine in a period; each moment counts once: unobserved, else failure, else planned."""

    asset_id: UUID
    exposed_h: float = 0.0
    unobserved_h: float = 0.0
    failed_h: float = 0.0
    planned_h: float = 0.0
    carried_in: int = 0  # failures that began before: their hours count here, they themselves there
    failures: list[Failure] = field(default_factory=list)

    @property
    def observed_h(self) -> float:
        """Hours in service that somebody saw."""
        return self.exposed_h - self.unobserved_h

    @property
    def up_h(self) -> float:
        """Hours that it ran or could have run."""
        return self.observed_h - self.failed_h - self.planned_h


def lived(life: Life, since: datetime, until: datetime, now: datetime) -> Lived:
    """Return what a machine lived through in [since, until), of which only what lies before `now` has happened.

    Stops are clipped to the machine's time in service and to the period. A failure counts in the period in which it
    began, with the whole time until it was restored: a repair that ran beyond a month's end is not shorter for it.
    Overlapping failures are one. Raises Invalid when the period or a stop ends before it begins.
    """
    if until <= since:
        raise Invalid("the period ends before it begins", field="until")
    for stop in life.stops:
        if stop.end is not None and stop.end < stop.start:
            raise Invalid("a stop ends before it begins", field="stops", start=stop.start.isoformat())
    start = max(since, life.begin)
    end = min(until, now, life.end or now)
    found = Lived(life.asset_id)
    if end <= start:
        return found
    found.exposed_h = _hours(end - start)
    unseen = _union((stop for stop in life.stops if stop.kind == UNSEEN), start, end)
    failed = _union((stop for stop in life.stops if stop.kind == FAILURE), start, end)
    planned = _union((stop for stop in life.stops if stop.kind == PLANNED), start, end)
    found.unobserved_h = _total(unseen)
    found.failed_h = _total(_without(failed, unseen))
    found.planned_h = _total(_without(_without(planned, unseen), failed))
    close = min(now, life.end or now)
    for failure in failures_of(life, close):
        if start <= failure.at < end:
            found.failures.append(failure)
        elif failure.at < start and max(failure.at, life.begin) + timedelta(hours=failure.hours) > start:
            found.carried_in += 1
    return found


def failures_of(life: Life, now: datetime) -> list[Failure]:
    """Return all failures in a machine's time in service up to now, those that overlap or touch as one."""
    stops = sorted(
        (stop for stop in life.stops if stop.kind == FAILURE and stop.start < now and (stop.end or now) > life.begin),
        key=lambda stop: (stop.start, stop.end or now),
    )
    found: list[Failure] = []
    first: Stop | None = None
    until: datetime | None = None  # None: it lasts
    for stop in stops:
        if first is not None and (until is None or stop.start <= until):
            until = None if until is None or stop.end is None else max(until, stop.end)
            continue
        if first is not None:
            found.append(_failure(life, first, until, now))
        first, until = stop, stop.end
    if first is not None:
        found.append(_failure(life, first, until, now))
    return found


def _failure(life: Life, stop: Stop, until: datetime | None, now: datetime) -> Failure:
    begin = max(stop.start, life.begin)
    end = min(until or now, now)
    return Failure(life.asset_id, stop.start, _hours(end - begin), until is not None and until <= now, stop)


Spans = Sequence[tuple[datetime, datetime]]


def _union(stops: Iterable[Stop], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    cut = sorted((max(stop.start, start), min(stop.end or end, end)) for stop in stops)
    found: list[tuple[datetime, datetime]] = []
    for begin, close in cut:
        if begin >= close:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], close))
        else:
            found.append((begin, close))
    return found


def _without(spans: Spans, holes: Spans) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for begin, close in spans:
        at = begin
        for hole_begin, hole_close in holes:
            if hole_close <= at or hole_begin >= close:
                continue
            if hole_begin > at:
                found.append((at, hole_begin))
            at = max(at, hole_close)
        if at < close:
            found.append((at, close))
    return found


def _total(spans: Spans) -> float:
    return _hours(sum((close - begin for begin, close in spans), timedelta(0)))


def _hours(length: timedelta) -> float:
    return length.total_seconds() / 3600
