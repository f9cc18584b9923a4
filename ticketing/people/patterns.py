"""Weekly patterns of work as people write them: read, checked, and asked for the hours of one day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.base.errors import Invalid

MAX_WEEKS = 8  # that take turns; longer rotations are unheard of
MAX_SPANS = 6  # of one day
MAX_LUNCH_MINUTES = 180
MAX_OVERTIME_MINUTES = 12 * 60
_DAY = 24 * 60
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Span = tuple[time, time]
Week = Mapping[int, tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class LunchTime:
    """Lunch of so many minutes, somewhere between two clock times; they may lie after midnight of a night shift."""

    opens: time
    closes: time
    minutes: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A shift as rules read it. `exceptions` are days of the business calendar: none is free, others are worked."""

    id: UUID
    zone: ZoneInfo
    weeks: tuple[Week, ...]
    lunch: LunchTime | None = None
    overtime_minutes: int = 0
    exceptions: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    def hours_on(self, day: date, first: date) -> tuple[Span, ...]:
        """Return the spans that begin on a day; the first of the weeks is the one that holds the day `first`.

        On a day that the calendar shortens, the hours that both have; on a free weekday that the calendar makes a
        working day (调休), the hours of the week's first working day.
        """
        since_monday = (day - (first - timedelta(days=first.weekday()))).days
        week = self.weeks[since_monday // 7 % len(self.weeks)]
        own = week.get(day.weekday(), ())
        open_hours = self.exceptions.get(day)
        if open_hours is None or not open_hours:
            return own if open_hours is None else ()
        if own:
            return _both(own, open_hours)
        return next((spans for _, spans in sorted(week.items()) if spans), tuple(open_hours))


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"no time zone {name!r}", field="time_zone") from error


def read_weeks(weeks: Sequence[Any]) -> tuple[Week, ...]:
    """Return stored weeks as rules read them. Raises Invalid: unreadable, empty, or hours that overlap."""
    if not 1 <= len(weeks) <= MAX_WEEKS:
        raise Invalid(f"a shift has 1 to {MAX_WEEKS} weeks", field="weeks")
    read = tuple(_week(each) for each in weeks)
    if not any(spans for week in read for spans in week.values()):
        raise Invalid("a shift has at least one working span", field="weeks")
    _check_overlap(read)
    return read


def read_lunch(opens: time | None, closes: time | None, minutes: int) -> LunchTime | None:
    """Return lunch, None for none. Raises Invalid when it does not fit between its clock times."""
    if minutes == 0:
        return None
    if not 0 < minutes <= MAX_LUNCH_MINUTES:
        raise Invalid(f"lunch takes 0 to {MAX_LUNCH_MINUTES} minutes", field="lunch_minutes")
    if opens is None or closes is None:
        raise Invalid("lunch needs the times between which it is taken", field="lunch_from")
    if (_minute(closes) - _minute(opens)) % _DAY < minutes:
        raise Invalid("lunch does not fit between its times", field="lunch_until")
    return LunchTime(opens, closes, minutes)


def read_exceptions(exceptions: Mapping[str, Any]) -> dict[date, tuple[Span, ...]]:
    """Return a calendar's exceptional days. Raises Invalid."""
    try:
        return {date.fromisoformat(day): tuple(_span(span) for span in spans) for day, spans in exceptions.items()}
    except (TypeError, ValueError) as error:
        raise Invalid("the calendar's exceptions cannot be read", field="calendar_id") from error


def _week(hours: Any) -> Week:
    if not isinstance(hours, dict) or not set(hours) <= set("0123456"):
        raise Invalid('a week is {"0": [["08:00", "17:00"]], …} with "0" for Monday', field="weeks")
    week = {}
    for day, spans in hours.items():
        if not isinstance(spans, list) or len(spans) > MAX_SPANS:
            raise Invalid(f"a day has at most {MAX_SPANS} spans", field="weeks", day=DAYS[int(day)])
        try:
            week[int(day)] = tuple(sorted(_span(span) for span in spans))
        except (TypeError, ValueError) as error:
            text = f'{DAYS[int(day)]}: a span is two clock times such as ["22:00", "06:00"]'
            raise Invalid(text, field="weeks", day=DAYS[int(day)]) from error
    return week


def _span(span: Any) -> Span:
    opens, closes = (_clock(str(word)) for word in span)
    return opens, closes


def _clock(word: str) -> time:
    found = time.fromisoformat("00:00" if word == "24:00" else word)
    if found.tzinfo is not None:
        raise ValueError("clock times have no zone of their own")
    return found


def _minute(at: time) -> float:
    return at.hour * 60 + at.minute + at.second / 60


def _check_overlap(weeks: tuple[Week, ...]) -> None:
    """Raise Invalid when hours run into the next ones, after midnight and around the end of the rotation too."""
    cycle = len(weeks) * 7 * _DAY
    spans = []
    for number, week in enumerate(weeks):
        for day, of_day in week.items():
            for opens, closes in of_day:
                begin = (number * 7 + day) * _DAY + _minute(opens)
                spans.append((begin, begin + ((_minute(closes) - _minute(opens)) % _DAY or _DAY), day))
    spans.sort()
    for (_, end, _), (begin, _, day) in zip(spans, [*spans[1:], (spans[0][0] + cycle, 0.0, spans[0][2])], strict=True):
        if end > begin:
            raise Invalid(f"the hours before {DAYS[day]} run into those of {DAYS[day]}", field="weeks", day=DAYS[day])


def _both(first: Sequence[Span], second: Sequence[Span]) -> tuple[Span, ...]:
    """Return what two days' hours have in common; spans over midnight reach into the next day."""
    found = []
    for opens, closes in first:
        for begins, ends in second:
            start = max(_minute(opens), _minute(begins))
            end = min(_end(opens, closes), _end(begins, ends))
            if start < end:
                found.append(
                    (opens if start == _minute(opens) else begins, closes if end == _end(opens, closes) else ends)
                )
    return tuple(found)


def _end(opens: time, closes: time) -> float:
    return _minute(closes) + (_DAY if closes <= opens else 0)
