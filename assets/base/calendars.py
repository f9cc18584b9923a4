"""Business calendars: when is it open, and when has so much open time passed; service levels and plans both ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Text, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned
from assets.base.errors import Invalid

MAX_SPANS = 12  # a day
HORIZON = timedelta(days=366 * 2)  # a calendar that never opens must not loop for ever

Span = tuple[time, time]


class Calendar(Identified, Owned, Versioned, Base):
    """A stored calendar; `hours` and `exceptions` as `WorkingTime` reads them."""

    __tablename__ = "calendars"

    name: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    hours: Mapped[dict[str, Any]]
    exceptions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # What the days that differ are called: {"2026-02-17": "Spring Festival"}.
    day_names: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    # Whose holidays were taken over, and for which years: {"country": "CN", "subdivision": null, "years": [2026]}.
    holidays: Mapped[dict[str, Any] | None]


@dataclass(frozen=True)
class WorkingTime:
    """Open spans per weekday (0 = Monday), replaced on exception days (holidays, shifted working days)."""

    zone: ZoneInfo
    hours: Mapping[int, Sequence[Span]]
    exceptions: Mapping[date, Sequence[Span]] = field(default_factory=dict)

    def spans(self, after: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield open spans in UTC that end after the given moment, by their start, up to the horizon.

        They overlap where last night's shift runs into this morning's.
        """
        today = after.astimezone(self.zone).date()
        day = today - timedelta(days=1)  # a span over midnight may still be open
        while day <= today + HORIZON:
            for start, end in self.spans_of(day):
                if end > after:
                    yield start, end
            day += timedelta(days=1)

    def spans_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield the open spans in UTC that begin on a day of the calendar's zone, by their start."""
        for opens, closes in sorted(self.exceptions.get(day, self.hours.get(day.weekday(), ()))):
            # In UTC: aware subtraction and comparison within one zone ignore DST shifts.
            start = datetime.combine(day, opens, self.zone).astimezone(UTC)
            last = day + timedelta(days=1) if closes <= opens else day
            end = datetime.combine(last, closes, self.zone).astimezone(UTC)
            if start < end:
                yield start, end


def is_open(calendar: WorkingTime, at: datetime) -> bool:
    """Return whether the calendar is open at an aware moment."""
    moment = at.astimezone(UTC)
    return any(start <= moment for start, _ in islice(calendar.spans(moment), 1))


def add_working_time(calendar: WorkingTime, start: datetime, amount: timedelta) -> datetime | None:
    """Return when `amount` of open time has passed since `start`, in the zone of `start`.

    No time at all has passed at the first open moment. None when the calendar never opens long enough.
    """
    begin, left = start.astimezone(UTC), amount
    for opens, closes in calendar.spans(begin):
        begin = max(opens, begin)
        room = max(closes - begin, timedelta(0))
        if room >= left:
            return (begin + left).astimezone(start.tzinfo)
        begin, left = begin + room, left - room
    return None


def calendar_of(row: Calendar) -> WorkingTime:
    """Return a stored calendar as rules read it. Raises Invalid."""
    plain = working_time(row.hours, row.time_zone)
    exceptions = {}
    for day, spans in row.exceptions.items():
        try:
            exceptions[date.fromisoformat(day)] = working_time({"0": spans}, row.time_zone).hours[0]
        except ValueError:
            raise Invalid(f"there is no day {day!r}", field="exceptions") from None
    return WorkingTime(plain.zone, plain.hours, exceptions)


def working_time(hours: Mapping[str, Any], time_zone: str) -> WorkingTime:
    """Return stored hours ({"0": [["08:00", "17:00"]], …}, 0 = Monday) as a calendar. Raises Invalid."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"no time zone {time_zone!r}", field="time_zone") from error
    read: dict[int, list[tuple[time, time]]] = {}
    for day, spans in hours.items():
        if day not in "0123456" or len(day) != 1 or not isinstance(spans, list) or len(spans) > MAX_SPANS:
            raise Invalid('hours are {"0": [["08:00", "17:00"], …], …} with "0" for Monday', field="hours")
        read[int(day)] = [_clock_span(span) for span in spans]
    return WorkingTime(zone, read)


def _clock_span(span: object) -> tuple[time, time]:
    try:
        begins, ends = (time.fromisoformat(str(word)) for word in span)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise Invalid('a span is two clock times such as ["22:00", "02:00"]', field="hours") from error
    if begins.tzinfo or ends.tzinfo:
        raise Invalid("clock times have no zone of their own", field="hours")
    return begins, ends
