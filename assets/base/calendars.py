"""Business calendars: when is it open, and when has so much open time passed; service levels and plans both ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

HORIZON = timedelta(days=366 * 2)  # a calendar that never opens must not loop for ever

Span = tuple[time, time]


class Calendar(Identified, Owned, Versioned, Base):
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
        """Yield open spans in UTC that end after the given moment, by their start, up to the horizon.

        They overlap where last night's shift runs into this morning's.
        """
        today = after.astimezone(self.zone).date()
        day = today - timedelta(days=1)  # a span over midnight may still be open
        while day <= today + HORIZON:
            listed = self.exceptions.get(day, self.hours.get(day.weekday(), ()))
            for opens, closes in sorted(listed):
                # In UTC: aware subtraction and comparison within one zone ignore DST shifts.
                start = datetime.combine(day, opens, self.zone).astimezone(UTC)
                last = day + timedelta(days=1) if closes <= opens else day
                end = datetime.combine(last, closes, self.zone).astimezone(UTC)
                if start < end and end > after:
                    yield start, end
            day += timedelta(days=1)


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
