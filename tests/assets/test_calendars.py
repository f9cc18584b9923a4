"""Business calendars count open time through lunch breaks, holidays, nights and daylight saving."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.calendars import WorkingTime, add_working_time, is_open

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = WorkingTime(
    BERLIN,
    {day: ((time(8), time(12)), (time(13), time(17))) for day in range(5)},
    {date(2026, 5, 1): (), date(2026, 5, 2): ((time(9), time(11)),)},  # a holiday, and a Saturday made up for it
)
NIGHT = WorkingTime(BERLIN, {day: ((time(22), time(6)),) for day in range(7)})
ALWAYS = WorkingTime(BERLIN, {day: ((time(0), time(0)),) for day in range(7)})
NEVER = WorkingTime(BERLIN, {})


def berlin(month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        (berlin(3, 2, 7, 59), False),
        (berlin(3, 2, 8), True),
        (berlin(3, 2, 12), False),
        (berlin(3, 2, 12, 59), False),
        (berlin(3, 2, 13), True),
        (berlin(3, 2, 17), False),
        (berlin(3, 7, 10), False),  # Saturday
        (berlin(5, 1, 10), False),  # holiday
        (berlin(5, 2, 10), True),
        (berlin(3, 2, 10).astimezone(ZoneInfo("Asia/Shanghai")), True),
    ],
)
def test_office_is_open_as_posted(at: datetime, open_: bool) -> None:
    assert is_open(OFFICE, at) is open_


@pytest.mark.parametrize(("hour", "open_"), [(21, False), (22, True), (23, True), (0, True), (5, True), (6, False)])
def test_span_over_midnight_is_open_on_both_sides(hour: int, open_: bool) -> None:
    assert is_open(NIGHT, berlin(3, 3, hour)) is open_


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (berlin(3, 2, 9), 2, berlin(3, 2, 11)),
        (berlin(3, 2, 11), 2, berlin(3, 2, 14)),  # lunch does not count
        (berlin(3, 6, 16), 2, berlin(3, 9, 9)),  # nor does the weekend
        (berlin(4, 30, 16), 2, berlin(5, 2, 10)),  # nor a holiday, but its replacement does
        (berlin(3, 1, 3), 1, berlin(3, 2, 9)),
        (berlin(3, 2, 16), 1, berlin(3, 2, 17)),
    ],
)
def test_open_time_is_counted(start: datetime, hours: int, end: datetime) -> None:
    assert add_working_time(OFFICE, start, timedelta(hours=hours)) == end


def test_time_is_counted_inside_a_span_that_began_yesterday() -> None:
    assert add_working_time(NIGHT, berlin(3, 3, 5), timedelta(hours=2)) == berlin(3, 3, 23)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (berlin(3, 28, 22), berlin(3, 29, 7)),  # clocks go forward: the night has one hour less
        (berlin(10, 24, 22), berlin(10, 25, 5)),  # and back: one more
    ],
)
def test_daylight_saving_changes_the_length_of_a_night(start: datetime, end: datetime) -> None:
    done = add_working_time(ALWAYS, start, timedelta(hours=8))
    assert done is not None
    assert done == end
    assert done.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=8)


def test_both_two_oclocks_of_an_autumn_night_are_told_apart() -> None:
    shop = WorkingTime(BERLIN, {6: ((time(3), time(4)),)})
    done = add_working_time(shop, berlin(10, 25, 2, 30, fold=1), timedelta(minutes=30))
    assert done == berlin(10, 25, 3, 30)


def test_span_that_falls_into_the_missing_hour_does_not_exist() -> None:
    shop = WorkingTime(BERLIN, {6: ((time(2), time(3)),)})
    assert add_working_time(shop, berlin(3, 29, 0), timedelta(minutes=30)) == berlin(4, 5, 2, 30)


def test_overlapping_spans_count_once() -> None:
    shifts = WorkingTime(UTC_ZONE, {0: ((time(22), time(6)),), 1: ((time(5), time(9)),)})
    start = datetime(2026, 3, 3, 4, tzinfo=UTC)
    assert add_working_time(shifts, start, timedelta(hours=5)) == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_calendar_that_never_opens_gives_no_date() -> None:
    assert add_working_time(NEVER, berlin(3, 2, 8), timedelta(seconds=1)) is None
    assert not is_open(NEVER, berlin(3, 2, 8))


UTC_ZONE = ZoneInfo("UTC")
clock_times = st.times().map(lambda t: t.replace(second=0, microsecond=0))
calendars = st.builds(
    WorkingTime,
    st.sampled_from([BERLIN, UTC_ZONE, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/St_Johns")]),
    st.dictionaries(st.integers(0, 6), st.lists(st.tuples(clock_times, clock_times), max_size=3), max_size=7),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.timedeltas(timedelta(0), timedelta(hours=30))


@settings(max_examples=150, deadline=None)
@given(calendar=calendars, start=moments, first=amounts, second=amounts.filter(bool))
def test_counting_in_two_steps_is_counting_at_once(
    calendar: WorkingTime, start: datetime, first: timedelta, second: timedelta
) -> None:
    # `second` is some time: counting none from a closing moment leads to the next opening, as it should
    half = add_working_time(calendar, start, first)
    whole = add_working_time(calendar, start, first + second)
    if half is not None and whole is not None:
        assert half >= start
        assert add_working_time(calendar, half, second) == whole


@settings(max_examples=150, deadline=None)
@given(calendar=calendars, start=moments, amount=amounts)
def test_the_last_counted_moment_is_open(calendar: WorkingTime, start: datetime, amount: timedelta) -> None:
    end = add_working_time(calendar, start, amount + timedelta(seconds=1))
    if end is not None:
        assert is_open(calendar, end - timedelta(microseconds=1))
        assert end - start >= amount
