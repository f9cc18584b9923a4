"""When somebody works: shifts turned into spans of UTC, with lunch and overtime, absences taken out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from assets.base.errors import Invalid
from ticketing.people.patterns import LunchTime, Pattern

MAX_DAYS = 400  # asked for at once; a year of timesheets

Moments = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Lunch:
    """A break of so many minutes, somewhere between two moments (UTC)."""

    opens: datetime
    closes: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class WorkSpan:
    """Somebody can work in [start, end), and until `overtime_end` as overtime; all in UTC."""

    person_id: UUID
    start: datetime
    end: datetime
    overtime_end: datetime
    lunch: Lunch | None
    shift_id: UUID

    @property
    def minutes(self) -> float:
        """Working time without lunch and overtime."""
        return (self.end - self.start).total_seconds() / 60 - (self.lunch.minutes if self.lunch else 0)


@dataclass(frozen=True, slots=True)
class Assigned:
    """A pattern on the days from `first` to `last`, both included (None: until further notice)."""

    pattern: Pattern
    first: date
    last: date | None = None
    # Of a team: only while the person is a member.
    member_from: datetime | None = None
    member_to: datetime | None = None

    def holds(self, day: date) -> bool:
        """Return whether the assignment is about a day."""
        return self.first <= day and (self.last is None or day <= self.last)

    def binds(self, moment: datetime) -> bool:
        """Return whether the person belongs to it at a moment."""
        return (self.member_from is None or self.member_from <= moment) and (
            self.member_to is None or moment < self.member_to
        )


@dataclass(frozen=True, slots=True)
class WorkingLife:
    """Everything that says when a person works. `own` assignments go before those of `teams`."""

    person_id: UUID
    own: Sequence[Assigned] = ()
    teams: Sequence[Assigned] = ()
    absences: Sequence[Moments] = ()
    overtime_minutes: int | None = None


def working_spans(life: WorkingLife, start: datetime, end: datetime) -> list[WorkSpan]:
    """Return when a person works within [start, end), by start. Raises Invalid for more than MAX_DAYS.

    Of several assignments on a day, the one that began last holds. Lunch is due in a stretch that holds the whole of
    its time: who is away in part of it has eaten.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end - start > timedelta(days=MAX_DAYS):
        raise Invalid(f"at most {MAX_DAYS} days at once", field="until", most=MAX_DAYS)
    whole = _one_after_the_other(_of_days(life, start, end))
    pieces = [piece for span in whole for piece in _without(span, life.absences)]
    return [clipped for piece in pieces if (clipped := _clip(piece, start, end)) is not None]


def absent(life: WorkingLife, at: datetime) -> bool:
    """Return whether the person is away at a moment."""
    return any(begins <= at < ends for begins, ends in life.absences)


def _of_days(life: WorkingLife, start: datetime, end: datetime) -> list[WorkSpan]:
    # Zones reach from -12 to +14 hours, and a night shift begins the day before.
    day, last = start.date() - timedelta(days=2), end.date() + timedelta(days=1)
    found: list[WorkSpan] = []
    while day <= last:
        found += _of_day(life, day)
        day += timedelta(days=1)
    return sorted(found, key=lambda span: span.start)


def _of_day(life: WorkingLife, day: date) -> Iterator[WorkSpan]:
    own = [each for each in life.own if each.holds(day)]
    if own:
        chosen = max(own, key=lambda each: each.first)
        yield from _spans(life, chosen, day)
        return
    for each in sorted((each for each in life.teams if each.holds(day)), key=lambda each: each.first, reverse=True):
        spans = [span for span in _spans(life, each, day) if each.binds(span.start)]
        if spans:
            yield from spans
            return


def _spans(life: WorkingLife, assigned: Assigned, day: date) -> list[WorkSpan]:
    pattern = assigned.pattern
    allowed = pattern.overtime_minutes if life.overtime_minutes is None else life.overtime_minutes
    made = []
    for opens, closes in sorted(pattern.hours_on(day, assigned.first)):
        start, end = _moments(day, opens, closes, pattern.zone)
        if start < end:
            lunch = _lunch(pattern.lunch, day, opens, pattern.zone, start, end)
            made.append(WorkSpan(life.person_id, start, end, end, lunch, pattern.id))
    if made:  # after the last hours of a day; between two of them there is no overtime
        made[-1] = replace(made[-1], overtime_end=made[-1].end + timedelta(minutes=allowed))
    return made


def _moments(day: date, opens: time, closes: time, zone: ZoneInfo) -> Moments:
    # In UTC: aware subtraction and comparison within one zone ignore DST shifts.
    start = datetime.combine(day, opens, zone).astimezone(UTC)
    last = day + timedelta(days=1) if closes <= opens else day
    return start, datetime.combine(last, closes, zone).astimezone(UTC)


def _lunch(
    lunch: LunchTime | None, day: date, begins: time, zone: ZoneInfo, start: datetime, end: datetime
) -> Lunch | None:
    if lunch is None:
        return None
    on = day + timedelta(days=1) if lunch.opens < begins else day  # a night shift eats after midnight
    opens, closes = _moments(on, lunch.opens, lunch.closes, zone)
    if start <= opens and closes <= end and closes - opens >= timedelta(minutes=lunch.minutes):
        return Lunch(opens, closes, lunch.minutes)
    return None


def _one_after_the_other(spans: list[WorkSpan]) -> list[WorkSpan]:
    """Let nobody work twice at a time: where assignments change over night, and where overtime meets the next shift."""
    made: list[WorkSpan] = []
    for span in spans:
        if made and made[-1].end > span.start:
            span = _clip(span, made[-1].end, span.overtime_end) or replace(span, end=span.start)
        if span.start >= span.end:
            continue
        if made and made[-1].overtime_end > span.start:
            made[-1] = replace(made[-1], overtime_end=max(made[-1].end, span.start))
        made.append(span)
    return made


def _without(span: WorkSpan, absences: Sequence[Moments]) -> list[WorkSpan]:
    """Return what absences leave of a span."""
    pieces = [span]
    for begins, ends in sorted(absences):
        pieces = [left for piece in pieces for left in _less(piece, begins, ends)]
    return pieces


def _less(span: WorkSpan, begins: datetime, ends: datetime) -> list[WorkSpan]:
    if ends <= span.start or begins >= span.overtime_end:
        return [span]
    if begins >= span.end:
        return [replace(span, overtime_end=begins)]
    left = []
    if begins > span.start:
        left.append(_lunch_kept(replace(span, end=begins, overtime_end=begins)))
    if ends < span.end:
        left.append(_lunch_kept(replace(span, start=ends)))
    return left


def _lunch_kept(span: WorkSpan) -> WorkSpan:
    lunch = span.lunch
    if lunch is not None and not (span.start <= lunch.opens and lunch.closes <= span.end):
        return replace(span, lunch=None)
    return span


def _clip(span: WorkSpan, start: datetime, end: datetime) -> WorkSpan | None:
    """Return the part of a span in [start, end); lunch stays due where enough of its time is left."""
    begin, stop = max(span.start, start), min(span.end, end)
    if begin >= stop:
        return None
    lunch = span.lunch
    if lunch is not None:
        opens, closes = max(lunch.opens, begin), min(lunch.closes, stop)
        lunch = Lunch(opens, closes, lunch.minutes) if closes - opens >= timedelta(minutes=lunch.minutes) else None
    return replace(span, start=begin, end=stop, overtime_end=max(stop, min(span.overtime_end, end)), lunch=lunch)
