"""Periods as contracts count them: the day on which one begins is not counted, its last day counts whole."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

MAX_MONTHS = 600  # fifty years: longer is a slip of the keyboard
MAX_DAYS = 18_300
EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)


def plus_months(day: date, months: int) -> date:
    """Return the corresponding day so many months on; the month's last day where there is none.

    31 January and one month: 28 or 29 February. 29 February and twelve months: 28 February. 28 February and twelve
    months: 28 February, in leap years too.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def moved(day: date, months: int, days: int) -> date:
    """Return the day so many months and then days later."""
    later = plus_months(day, months)
    return later + timedelta(days=min(days, (date.max - later).days))


def last_day(begins_on: date, months: int | None, days: int | None) -> date | None:
    """Return the last day of a period that begins on a day; None: it has no end."""
    if months is None and days is None:
        return None
    return moved(begins_on, months or 0, days or 0)


def extended(begins_on: date, ends_on: date, stays: Iterable[tuple[date, date]]) -> date:
    """Return the last day put off by the days that the machine was away for repair, hand-in to return.

    Stays that overlap count once; one that begins before the period or after its (extended) end does not count.
    """
    counted_to = begins_on
    for handed_in, returned in sorted(stays):
        since = max(handed_in, counted_to)
        if handed_in < begins_on or since > ends_on or returned <= since:
            continue
        ends_on += returned - since
        counted_to = returned
    return ends_on


def is_sensible(at: datetime) -> bool:
    """Return whether a moment lies where calendars of all time zones can tell its day."""
    return EARLIEST.year <= at.year <= LATEST.year


def local_day(at: datetime, zone: tzinfo) -> date:
    """Return the calendar day of a moment where the machine stands."""
    return at.astimezone(zone).date()
