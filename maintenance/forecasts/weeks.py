"""Weeks from Monday to Sunday, as forecasts count them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

WEEK = timedelta(days=7)
MAX_WEEKS = 105


def monday(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def weeks_from(first: date, count: int) -> list[date]:
    """Return so many Mondays, beginning with the one of `first`."""
    begin = monday(first)
    return [begin + WEEK * place for place in range(count)]


def begins(week: date) -> datetime:
    """Return the first moment of a week, in UTC."""
    return datetime.combine(week, time(), UTC)
