"""On which days work may lie: seasons, blackouts, working days; and where a day goes that may not; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from assets.base.errors import Invalid

WHEN_CLOSED = ("keep", "next", "previous", "nearest", "skip")
FARTHEST = 400  # days that a due day may move: over a whole closed season

MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Season:
    """From one day of the year to another, both within; from November to March goes over the new year."""

    first: MonthDay
    last: MonthDay

    def holds(self, day: date) -> bool:
        """Return whether a day lies in it."""
        here = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last


@dataclass(frozen=True, slots=True)
class Blackout:
    """No work from one day to another, both within."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Days:
    """The days on which work may lie. `is_working`: by the calendar; None: every day is."""

    seasons: Sequence[Season] = ()
    blackouts: Sequence[Blackout] = ()
    is_working: Callable[[date], bool] | None = None
    when_closed: str = "keep"

    def allow(self, day: date) -> bool:
        """Return whether work may lie on a day."""
        if self.seasons and not any(season.holds(day) for season in self.seasons):
            return False
        if any(each.first <= day <= each.last for each in self.blackouts):
            return False
        return self.is_working is None or self.is_working(day)

    def place(self, day: date) -> date | None:
        """Return where work that is due on a day goes; None when it is left out.

        Whatever happens outside the season or in a blackout is never kept: there `keep` means the next open day, since
        nobody may work then; on a day off of the calendar it stays.
        """
        if self.allow(day):
            return day
        if self.when_closed == "skip":
            return None
        if self.when_closed == "keep":
            shut = Days(self.seasons, self.blackouts)
            return day if shut.allow(day) else shut._search(day, (1,))
        signs = {"next": (1,), "previous": (-1,), "nearest": (-1, 1)}[self.when_closed]
        return self._search(day, signs)

    def _search(self, day: date, signs: tuple[int, ...]) -> date | None:
        for distance in range(1, FARTHEST + 1):
            for sign in signs:
                try:
                    other = day + timedelta(days=sign * distance)
                except OverflowError:
                    continue
                if self.allow(other):
                    return other
        return None


def season(text: str, *, field: str = "seasons") -> Season:
    """Return a season from "11-01/03-31". Raises Invalid."""
    try:
        first, last = (_month_day(part) for part in text.split("/"))
    except ValueError:
        raise Invalid('a season is two days of the year such as "11-01/03-31"', field=field, value=text) from None
    return Season(first, last)


def _month_day(text: str) -> MonthDay:
    month, day = (int(part) for part in text.split("-"))
    date(2024, month, day)  # a leap year: the 29th of February is a day
    return month, day


def check_when_closed(word: str) -> None:
    """Raise Invalid for a word that is not one of WHEN_CLOSED."""
    if word not in WHEN_CLOSED:
        raise Invalid("no such way", field="when_closed", allowed=list(WHEN_CLOSED), value=word)
