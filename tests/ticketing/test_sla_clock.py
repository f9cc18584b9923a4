"""Service level clocks count business time through weekends, lunch, daylight saving and pauses of any order.

Seed rows 001-15 (durations made measurable), 001-24 and 004-37 (warned before it is late).
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.calendars import WorkingTime, add_working_time
from assets.base.open_time import OpenTime
from ticketing.sla.clock import ClockState, Course, Mark, Target, clock

BERLIN, SHANGHAI, NEW_YORK = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Shanghai", "America/New_York"))
OFFICE = {day: ((time(8), time(12)), (time(13), time(17))) for day in range(5)}
CALENDARS = {
    "berlin": WorkingTime(BERLIN, OFFICE, {date(2026, 5, 1): ()}),
    "new york": WorkingTime(NEW_YORK, OFFICE),
    "night": WorkingTime(BERLIN, {day: ((time(22), time(6)),) for day in range(7)}),
    # Spring Festival off, the Saturday before worked instead.
    "shanghai": WorkingTime(SHANGHAI, OFFICE, {date(2026, 2, 17): (), date(2026, 2, 14): OFFICE[0]}),
    "whole days": WorkingTime(BERLIN, {day: ((time(0), time(0)),) for day in range(7)}),
    "always": None,
}
OPEN = {name: OpenTime(calendar) for name, calendar in CALENDARS.items()}
HOUR = timedelta(hours=1)
PARTS = frozenset({"parts", "customer"})


def berlin(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


def shown(marks: list[Mark], hours: float, now: datetime, calendar: str = "berlin") -> ClockState:
    state = clock(marks, Target(hours * HOUR, PARTS), OPEN[calendar], now)
    assert state is not None
    return state


FRIDAY = berlin(3, 6, 16)
STARTED = Mark(FRIDAY, "start")


@pytest.mark.parametrize(
    ("now", "state", "used_minutes"),
    [
        (FRIDAY, "running", 0),
        (berlin(3, 6, 23), "running", 60),  # the evening does not count
        (berlin(3, 8, 12), "running", 60),  # nor does Sunday
        (berlin(3, 9, 8, 59), "at_risk", 119),
        (berlin(3, 9, 9), "breached", 120),
        (berlin(3, 9, 12, 30), "breached", 300),  # nor does lunch
    ],
)
def test_two_hours_from_friday_afternoon_end_on_monday(now: datetime, state: str, used_minutes: int) -> None:
    found = shown([STARTED], 2, now)
    assert (found.state, found.used) == (state, timedelta(minutes=used_minutes))
    assert found.due_at == berlin(3, 9, 9)
    assert found.breached_at == (berlin(3, 9, 9) if state == "breached" else None)


def test_day_of_summer_time_counts_its_real_hours() -> None:
    begun = Mark(berlin(3, 28, 12), "start")
    found = shown([begun], 24, berlin(3, 29, 12), "whole days")
    assert found.used == 23 * HOUR
    assert found.due_at == berlin(3, 29, 13)
    night = shown([Mark(berlin(3, 28, 22), "start")], 7, berlin(3, 29, 7), "night")
    assert night.used == 7 * HOUR
    assert night.state == "breached"


def test_shifted_working_day_counts_and_holiday_does_not() -> None:
    start = datetime(2026, 2, 13, 17, tzinfo=SHANGHAI)
    found = shown([Mark(start, "start")], 12, start, "shanghai")
    assert found.due_at == datetime(2026, 2, 16, 12, tzinfo=SHANGHAI)  # Saturday the 14th is worked: 8 h, then 4 h
    later = shown([Mark(start, "start")], 17, start, "shanghai")
    assert later.due_at == datetime(2026, 2, 18, 9, tzinfo=SHANGHAI)  # the 17th is Spring Festival


def test_pause_moves_the_due_moment_by_the_open_time_in_it() -> None:
    pause = [Mark(berlin(3, 9, 8, 30), "pause", "parts", "hold"), Mark(berlin(3, 9, 13, 30), "resume", key="hold")]
    found = shown([STARTED, *pause], 2, berlin(3, 9, 14))
    assert found.due_at == berlin(3, 9, 14)
    assert (found.used, found.paused) == (2 * HOUR, 4 * HOUR)
    ignored = shown([STARTED, Mark(berlin(3, 9, 8), "pause", "weather", "hold")], 2, berlin(3, 9, 9))
    assert ignored.state == "breached"  # a reason that the policy does not name pauses nothing


def test_standing_pause_shows_when_it_would_be_due_if_it_went_on_now() -> None:
    marks = [STARTED, Mark(berlin(3, 9, 8, 30), "pause", "customer", "a")]
    found = shown(marks, 2, berlin(3, 10, 10))
    assert (found.state, found.left, found.due_at) == ("paused", HOUR / 2, berlin(3, 10, 10, 30))
    course = Course(marks, Target(2 * HOUR, PARTS), OPEN["berlin"])
    assert course.reached(2 * HOUR, berlin(3, 10, 10)) is None  # nobody knows yet
    assert course.reached(HOUR, berlin(3, 10, 10)) == berlin(3, 6, 17)


def test_reopened_work_takes_up_where_it_ended() -> None:
    marks = [STARTED, Mark(berlin(3, 9, 8, 30), "stop"), Mark(berlin(3, 11, 10), "reopen")]
    assert shown(marks[:2], 2, berlin(3, 20, 8)).state == "met"
    found = shown(marks, 2, berlin(3, 11, 10, 15))
    assert (found.state, found.left, found.due_at) == ("at_risk", HOUR / 4, berlin(3, 11, 10, 30))
    ended = shown([*marks, Mark(berlin(3, 11, 10, 45), "stop")], 2, berlin(3, 12, 8))
    assert (ended.state, ended.finished_at) == ("missed", berlin(3, 11, 10, 45))


@pytest.mark.parametrize(("minute", "state"), [(0, "met"), (1, "missed")])
def test_done_at_the_very_moment_is_in_time(minute: int, state: str) -> None:
    assert shown([STARTED, Mark(berlin(3, 9, 9, minute), "stop")], 2, berlin(3, 10, 9)).state == state


def test_cancelled_work_is_neither_met_nor_missed() -> None:
    assert shown([STARTED, Mark(berlin(3, 9, 8, 30), "cancel")], 2, berlin(3, 10, 9)).state == "cancelled"
    done = [STARTED, Mark(berlin(3, 9, 8, 30), "stop"), Mark(berlin(3, 9, 10), "cancel")]
    assert shown(done, 2, berlin(3, 10, 9)).state == "met"


def test_clock_shows_nothing_before_it_starts() -> None:
    target = Target(HOUR)
    assert clock([], target, OPEN["always"], FRIDAY) is None
    assert clock([STARTED], target, OPEN["always"], FRIDAY - HOUR) is None
    assert clock([Mark(FRIDAY, "stop")], target, OPEN["always"], FRIDAY) is None


# ---- what holds for anything ---------------------------------------------------------------------------------------


def days_from(begin: date, days: int) -> st.SearchStrategy[datetime]:
    midnight = datetime.combine(begin, time(0), UTC)
    return st.timedeltas(timedelta(0), timedelta(days=days)).map(lambda passed: midnight + passed)


moments = days_from(date(2026, 2, 1), 74)
autumn = days_from(date(2026, 10, 10), 36)
names = st.sampled_from(sorted(CALENDARS))
reasons = st.sampled_from(["parts", "customer", "weather"])
lengths = st.timedeltas(timedelta(minutes=1), timedelta(days=12))
pauses = st.lists(st.tuples(moments, st.none() | lengths, reasons), max_size=6)
amounts = st.timedeltas(timedelta(minutes=1), timedelta(hours=60))


def paused_marks(told: list[tuple[datetime, timedelta | None, str]]) -> list[Mark]:
    marks = []
    for number, (start, length, reason) in enumerate(told):
        marks.append(Mark(start, "pause", reason, str(number)))
        if length is not None:
            marks.append(Mark(start + length, "resume", key=str(number)))
    return marks


@settings(max_examples=150)
@given(name=names, start=moments | autumn, stay=lengths, told=pauses, stop=st.none() | moments, amount=amounts)
def test_used_paused_and_outside_are_the_time_that_passed(
    name: str,
    start: datetime,
    stay: timedelta,
    told: list[tuple[datetime, timedelta | None, str]],
    stop: datetime | None,
    amount: timedelta,
) -> None:
    now = start + stay
    marks = [Mark(start, "start"), *paused_marks(told), *([Mark(stop, "stop")] if stop else [])]
    found = clock(marks, Target(amount, PARTS), OPEN[name], now)
    assert found is not None
    end = max(min(stop, now), start) if stop else now
    assert found.used + found.paused + found.outside == end - start
    assert min(found.used, found.paused, found.outside) >= timedelta(0)
    assert found.used + found.left == amount


@settings(max_examples=100)
@given(name=names, start=moments, stay=lengths, told=pauses, amount=amounts, seed=st.integers(0, 99))
def test_order_in_which_pauses_are_told_does_not_matter(
    name: str,
    start: datetime,
    stay: timedelta,
    told: list[tuple[datetime, timedelta | None, str]],
    amount: timedelta,
    seed: int,
) -> None:
    target, now = Target(amount, PARTS), start + stay
    marks = [Mark(start, "start"), *paused_marks(told)]
    mixed = random.Random(seed).sample(marks, len(marks))
    assert clock(mixed, target, OPEN[name], now) == clock(marks, target, OPEN[name], now)
    twice = [*marks, *(Mark(each.at, each.what, each.reason, f"again {each.key}") for each in marks[1:])]
    assert clock(twice, target, OPEN[name], now) == clock(marks, target, OPEN[name], now)  # overlaps count once


@settings(max_examples=100)
@given(name=names, start=moments, stay=lengths, told=pauses, one=pauses.filter(bool), amount=amounts)
def test_another_pause_never_makes_it_due_earlier(
    name: str,
    start: datetime,
    stay: timedelta,
    told: list[tuple[datetime, timedelta | None, str]],
    one: list[tuple[datetime, timedelta | None, str]],
    amount: timedelta,
) -> None:
    target, now = Target(amount, PARTS), start + stay
    before = clock([Mark(start, "start"), *paused_marks(told)], target, OPEN[name], now)
    after = clock([Mark(start, "start"), *paused_marks(told + one[:1])], target, OPEN[name], now)
    assert before
    assert after
    assert before.due_at
    assert after.due_at
    assert after.due_at >= before.due_at
    assert after.used <= before.used


@settings(max_examples=100)
@given(name=names, start=moments | autumn, told=pauses, amount=amounts)
def test_exactly_the_target_is_used_when_it_is_due(
    name: str, start: datetime, told: list[tuple[datetime, timedelta | None, str]], amount: timedelta
) -> None:
    ended = [(begin, length or HOUR, reason) for begin, length, reason in told]
    course = Course([Mark(start, "start"), *paused_marks(ended)], Target(amount, PARTS), OPEN[name])
    due = course.moment(amount, start)
    assert due is not None
    assert course.used(due)[0] == amount
    assert course.used(due - timedelta(microseconds=1))[0] < amount
    assert course.moment(amount, due) == due  # what was foreseen is what came


@settings(max_examples=100)
@given(name=names, start=moments | autumn, stay=lengths, more=lengths, amount=amounts)
def test_time_never_gives_back(name: str, start: datetime, stay: timedelta, more: timedelta, amount: timedelta) -> None:
    target = Target(amount)
    early = clock([Mark(start, "start")], target, OPEN[name], start + stay)
    late = clock([Mark(start, "start")], target, OPEN[name], start + stay + more)
    assert early
    assert late
    assert late.used >= early.used
    assert late.due_at == early.due_at
    assert late.percent >= early.percent
    assert not (early.breached_at and early.breached_at != late.breached_at)


@settings(max_examples=60)
@given(name=names.filter(lambda one: one != "always"), start=moments | autumn, amount=amounts)
def test_open_time_agrees_with_counting_span_by_span(name: str, start: datetime, amount: timedelta) -> None:
    calendar = CALENDARS[name]
    assert calendar is not None
    assert OPEN[name].after(start, amount) == add_working_time(calendar, start, amount)


def test_calendar_that_never_opens_is_never_due_and_ends_at_once() -> None:
    closed = OpenTime(WorkingTime(BERLIN, {}))
    found = clock([STARTED], Target(HOUR), closed, FRIDAY + 9 * HOUR)
    assert found is not None
    assert found.due_at is None
    assert found.used == timedelta(0)
    assert found.state == "running"
    once = OpenTime(WorkingTime(BERLIN, {}, {date(2026, 3, 9): ((time(8), time(9)),)}))
    assert once.after(FRIDAY, HOUR) == berlin(3, 9, 9)
    assert once.after(FRIDAY, 2 * HOUR) is None
