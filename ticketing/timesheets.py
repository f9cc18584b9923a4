"""Timesheets: what people could work, were planned to work and did work, by day, week and month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from ticketing.models import Visit, WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.people.availability import availability
from ticketing.people.patterns import read_zone
from ticketing.people.profiles import profiles_of

PERIODS = ("day", "week", "month")
MAX_DAYS = 400
MAX_PERSON_DAYS = 40_000  # at once: about two seconds of arithmetic
MAX_ROWS = 20_000


@dataclass(slots=True)
class Hours:
    """Minutes of one person in one period. `visits`: how many were worked on."""

    available: float = 0.0
    planned: float = 0.0
    worked: float = 0.0
    travel: float = 0.0
    visits: set[UUID] = field(default_factory=set)

    def load(self) -> float | None:
        """Planned as a share of available time, None when there is none."""
        return self.planned / self.available if self.available else None

    def used(self) -> float | None:
        """Worked and travelled as a share of available time, None when there is none."""
        return (self.worked + self.travel) / self.available if self.available else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that a figure comes from. `figure` is planned, worked or travel; `source` visit or line."""

    person_id: UUID
    day: date
    figure: str
    source: str
    minutes: float
    work_order_id: UUID
    visit_id: UUID | None
    line_id: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None


def period_of(day: date, period: str) -> date:
    """Return the first day of the period that a day lies in; weeks begin on Monday."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def timesheets(
    session: Session, person_ids: Iterable[UUID], first: date, last: date, period: str, now: datetime
) -> dict[tuple[UUID, date], Hours]:
    """Return the hours of people by (person, first day of the period), on the days from `first` to `last`.

    Days are those of each person's own time zone; what reaches over midnight is split. Raises Invalid.
    """
    if period not in PERIODS:
        raise Invalid(f"a period is one of {', '.join(PERIODS)}", field="period")
    people = list(dict.fromkeys(person_ids))
    check_range(len(people), first, last)
    found: dict[tuple[UUID, date], Hours] = {}
    for person in people:
        day = period_of(first, period)
        while day <= last:
            found[person, day] = Hours()
            day = _next(day, period)
    for person, day, minutes in _available(session, people, first, last):
        found[person, period_of(day, period)].available += minutes
    for entry in entries(session, people, first, last, now):
        hours = found[entry.person_id, period_of(entry.day, period)]
        setattr(hours, entry.figure, getattr(hours, entry.figure) + entry.minutes)
        if entry.figure == "worked" and entry.visit_id is not None:
            hours.visits.add(entry.visit_id)
    return found


def check_range(people: int, first: date, last: date) -> None:
    """Raise Invalid for days in the wrong order, or for more than is counted at once."""
    days = (last - first).days + 1
    if days < 1:
        raise Invalid("it ends before it begins", field="until")
    if days > MAX_DAYS:
        raise Invalid(f"at most {MAX_DAYS} days at once", field="until", most=MAX_DAYS)
    if days * people > MAX_PERSON_DAYS:
        raise Invalid(f"at most {MAX_PERSON_DAYS} days of people at once", field="until", most=MAX_PERSON_DAYS)


def entries(session: Session, person_ids: Iterable[UUID], first: date, last: date, now: datetime) -> list[Entry]:
    """Return the rows that planned and worked hours come from, by person and day.

    Worked: a visit's labour lines when it has any that nobody rejected, else from its begin to its end (still at it:
    to now) without breaks; labour without a visit too. Travel likewise, from setting out to begin.
    """
    people = set(person_ids)
    zones = _zones(session, people)
    start, end = _around(first, last)
    lines = _lines(session, people, first, last)
    visits = _visits(session, people, start, end)
    counted = _counted(session, [visit.id for visit in visits])
    found = list(lines)
    for visit in visits:
        zone = zones[visit.technician_id or UUID(int=0)]
        for figure, begins, ends, breaks in _stretches(visit, now):
            if figure != "planned" and (visit.id, figure) in counted:
                continue
            found += _split(visit, figure, begins, ends, breaks, zone)
    inside = [entry for entry in found if first <= entry.day <= last]
    return sorted(inside, key=lambda entry: (entry.person_id, entry.day, entry.figure, str(entry.visit_id)))[:MAX_ROWS]


def _available(session: Session, people: list[UUID], first: date, last: date) -> Iterator[tuple[UUID, date, float]]:
    zones = _zones(session, set(people))
    start, end = _around(first, last)
    for span in availability(session, people, start, end):
        zone = zones[span.person_id]
        for day, minutes in by_day(span.start, span.end, zone):
            if first <= day <= last:
                yield span.person_id, day, minutes
        if span.lunch is not None and first <= (day := span.lunch.opens.astimezone(zone).date()) <= last:
            yield span.person_id, day, -float(span.lunch.minutes)


def by_day(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[date, float]]:
    """Yield how many minutes of [start, end) lie on each day of a zone; days of 23 and 25 hours are what they are."""
    begin = start.astimezone(UTC)
    end = end.astimezone(UTC)
    while begin < end:
        day = begin.astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        stop = min(end, midnight)
        yield day, (stop - begin).total_seconds() / 60
        begin = stop


def _next(day: date, period: str) -> date:
    if period == "month":
        return (day + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if period == "week" else 1)


def _around(first: date, last: date) -> tuple[datetime, datetime]:
    """Return moments that hold the days in every time zone."""
    start = datetime.combine(first, time(), UTC) - timedelta(hours=14)
    return start, datetime.combine(last, time(), UTC) + timedelta(hours=24 + 12)


def _zones(session: Session, people: set[UUID]) -> dict[UUID, ZoneInfo]:
    profiles = profiles_of(session, people)
    return {person: read_zone(profiles[person].time_zone if person in profiles else "UTC") for person in people}


def _visits(session: Session, people: set[UUID], start: datetime, end: datetime) -> list[Visit]:
    planned = (Visit.planned_start < end) & (Visit.planned_end > start)
    begun = (Visit.started_at < end) & (Visit.finished_at.is_(None) | (Visit.finished_at > start))
    travelled = (Visit.travelling_at < end) & (Visit.travelling_at > start)
    query = select(Visit).where(Visit.technician_id.in_(people), planned | begun | travelled)
    return list(session.scalars(query.order_by(Visit.id).limit(MAX_ROWS)))


def _stretches(visit: Visit, now: datetime) -> Iterator[tuple[str, datetime, datetime, float]]:
    """Yield a visit's (figure, begin, end, minutes of breaks)."""
    if visit.planned_start and visit.planned_end and visit.state != "cancelled":
        yield "planned", visit.planned_start, visit.planned_end, 0.0
    if visit.started_at:
        ends = visit.finished_at or now
        breaks = float(visit.break_seconds or 0)
        if visit.break_since is not None:
            breaks += max((ends - visit.break_since).total_seconds(), 0.0)
        yield "worked", visit.started_at, max(ends, visit.started_at), breaks / 60
    if visit.travelling_at and (arrived := visit.started_at or visit.finished_at):
        yield "travel", visit.travelling_at, max(arrived, visit.travelling_at), 0.0


def _split(
    visit: Visit, figure: str, begins: datetime, ends: datetime, breaks: float, zone: ZoneInfo
) -> Iterator[Entry]:
    days = list(by_day(begins, ends, zone))
    whole = sum(minutes for _, minutes in days)
    share = max(1 - breaks / whole, 0.0) if whole else 0.0  # when in it the breaks were is not kept
    for day, minutes in days:
        yield Entry(
            person_id=visit.technician_id or UUID(int=0),
            day=day,
            figure=figure,
            source="visit",
            minutes=minutes * share,
            work_order_id=visit.work_order_id,
            visit_id=visit.id,
            line_id=None,
            starts_at=begins,
            ends_at=ends,
        )


_FIGURES = {"labour": "worked", "travel": "travel"}


def _lines(session: Session, people: set[UUID], first: date, last: date) -> list[Entry]:
    query = select(WorkOrderLine).where(
        WorkOrderLine.person_id.in_(people),
        WorkOrderLine.kind.in_(_FIGURES),
        WorkOrderLine.state != "rejected",
        WorkOrderLine.minutes.is_not(None),
        WorkOrderLine.day.between(first, last),
    )
    return [
        Entry(
            person_id=line.person_id or UUID(int=0),
            day=line.day,
            figure=_FIGURES[line.kind],
            source="line",
            minutes=float(line.minutes or 0),
            work_order_id=line.work_order_id,
            visit_id=line.visit_id,
            line_id=line.id,
            starts_at=line.started_at,
            ends_at=line.ended_at,
        )
        for line in session.scalars(query.order_by(WorkOrderLine.day, WorkOrderLine.id).limit(MAX_ROWS))
    ]


def _counted(session: Session, visits: list[UUID]) -> set[tuple[UUID, str]]:
    """Return which figures of which visits have lines: those count instead of the visit's own moments."""
    query = select(WorkOrderLine.visit_id, WorkOrderLine.kind).where(
        WorkOrderLine.visit_id.in_(visits),
        WorkOrderLine.kind.in_(_FIGURES),
        WorkOrderLine.state != "rejected",
        WorkOrderLine.minutes.is_not(None),
    )
    return {(visit, _FIGURES[kind]) for visit, kind in session.execute(query) if visit is not None}


def numbers_of(session: Session, orders: Iterable[UUID]) -> dict[UUID, str]:
    """Return the numbers of the orders that the reader sees."""
    found: dict[UUID, str] = defaultdict(str)
    for key, number in session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(set(orders)))):
        found[key] = number
    return found
