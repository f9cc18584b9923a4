"""Business calendars: when is it open, and when has so much open time passed; service levels and plans both ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

HORIZON = timedelta(days=366 * 2)  # a calendar that never opens must not loop for ever

Span = tuple[time, time]


class Calendar(Identified, Owned, Base):
    """A stored calendar; `hours` and `exceptions` as `WorkingTime` reads them."""

    __tablename__ = "calendars"

    name: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    hours: Mapped[dict[str, Any]]
    exceptions: Mapped[dict[str, Any]] = mapped_column(default=dict)


@dataclass(frozen=True)
class WorkingTime:
    """Open spans per weekday (0 = Monday), replaced on exception days (holidays, shifted working days)."""

    zone: ZoneInfo
    hours: Mapping[int, Sequence[Span]]
    exceptions: Mapping[date, Sequence[Span]] = field(default_factory=dict)

    def spans(self, after: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield open spans that end after the given moment, in order, up to the horizon."""
        day = after.astimezone(self.zone).date()
        last = day + HORIZON
        while day <= last:
            for opens, closes in self.exceptions.get(day, self.hours.get(day.weekday(), ())):
                start = datetime.combine(day, opens, self.zone)
                end = datetime.combine(day, closes, self.zone)
                if closes <= opens:  # a span over midnight
                    end += timedelta(days=1)
                if end > after:
                    yield start, end
            day += timedelta(days=1)


def is_open(calendar: WorkingTime, at: datetime) -> bool:
    """Return whether the calendar is open at an aware moment."""
    return any(start <= at < end for start, end in _first(calendar, at))


def add_working_time(calendar: WorkingTime, start: datetime, amount: timedelta) -> datetime | None:
    """Return when `amount` of open time has passed since `start`; None when the calendar never opens long enough."""
    left = amount
    for opens, closes in calendar.spans(start):
        # Aware subtraction within one zone ignores DST shifts, so measure in UTC.
        begin = max(opens.timestamp(), start.timestamp())
        room = timedelta(seconds=closes.timestamp() - begin)
        if room >= left:
            return datetime.fromtimestamp(begin, tz=start.tzinfo) + left
        left -= room
    return None


def _first(calendar: WorkingTime, at: datetime) -> list[tuple[datetime, datetime]]:
    for span in calendar.spans(at):
        return [span]
    return []
