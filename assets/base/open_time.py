"""Open time between two moments, and the moment at which so much of it has passed, however far apart they are."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta

from assets.base.calendars import WorkingTime

AHEAD = timedelta(days=3660)  # a year's target of working hours ends within five; what never opens must not loop
STEP = timedelta(days=120)  # days that are laid out at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class OpenTime:
    """A calendar's open spans laid end to end; None is a calendar that is always open.

    In whole microseconds of UTC, so that parts add up exactly across daylight saving. Spans that overlap (a night
    shift that runs into the morning's) count once.
    """

    def __init__(self, calendar: WorkingTime | None) -> None:
        self._calendar = calendar
        self._first: date | None = None
        self._last: date | None = None
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._sums: list[int] = []  # open time before each span

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return how much open time lies between two aware moments; none when they are in reverse."""
        a, b = _number(start), _number(end)
        if b <= a:
            return timedelta(0)
        if self._calendar is None:
            return timedelta(microseconds=b - a)
        self._cover(start, end)
        return timedelta(microseconds=self._before(b) - self._before(a))

    def after(self, start: datetime, amount: timedelta) -> datetime | None:
        """Return the earliest moment by which `amount` of open time has passed since `start`, in UTC.

        No time at all has passed at the start itself. None when it never does within ten years.
        """
        if amount <= timedelta(0) or self._calendar is None:
            return start.astimezone(UTC) + max(amount, timedelta(0))
        wanted, ahead = amount // _MICROSECOND, STEP
        while True:
            self._cover(start, start + ahead)
            goal = self._before(_number(start)) + wanted
            index = bisect_right(self._sums, goal - 1) - 1  # the last span before which the goal is not reached
            if index >= 0 and self._starts:
                moment = self._starts[index] + goal - self._sums[index]
                if moment <= self._ends[index]:
                    return _EPOCH + timedelta(microseconds=moment)
            if ahead >= AHEAD or not self._may_open():
                return None
            ahead = min(ahead * 2, AHEAD)

    def _may_open(self) -> bool:
        calendar = self._calendar
        return calendar is not None and (any(calendar.hours.values()) or any(calendar.exceptions.values()))

    def _before(self, moment: int) -> int:
        """Return the open time from the first day laid out to a moment within."""
        index = bisect_right(self._starts, moment) - 1
        if index < 0:
            return 0
        return self._sums[index] + min(moment, self._ends[index]) - self._starts[index]

    def _cover(self, start: datetime, end: datetime) -> None:
        """Lay out the days from before `start` to after `end`."""
        assert self._calendar is not None
        zone = self._calendar.zone
        first = start.astimezone(zone).date() - timedelta(days=2)  # last night's span, and a day for zones
        last = end.astimezone(zone).date() + timedelta(days=2)
        if self._first is not None and self._last is not None and self._first <= first and last <= self._last:
            return
        first = min(first, self._first or first)
        last = max(last, self._last or last) + STEP
        self._first, self._last = first, last
        self._lay_out(first, last)

    def _lay_out(self, first: date, last: date) -> None:
        assert self._calendar is not None
        spans: list[tuple[int, int]] = []
        day = first
        while day <= last:
            spans += [(_number(start), _number(end)) for start, end in self._calendar.spans_of(day)]
            day += timedelta(days=1)
        self._starts, self._ends, self._sums = [], [], []
        total = 0
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                total += max(0, end - self._ends[-1])
                self._ends[-1] = max(self._ends[-1], end)
                continue
            self._starts.append(start)
            self._ends.append(end)
            self._sums.append(total)
            total += end - start


def _number(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
