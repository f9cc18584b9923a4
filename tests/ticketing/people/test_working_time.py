"""When somebody works: tables of shifts, midnight, DST, holidays, lunch, overtime and absences (003-15)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from assets.base.errors import Invalid
from ticketing.people.patterns import LunchTime, Pattern, read_exceptions, read_lunch, read_weeks
from ticketing.people.working import Assigned, WorkingLife, WorkSpan, working_spans

ANNA, SHIFT, NIGHT = UUID(int=1), UUID(int=2), UUID(int=3)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 23)
WEEKDAYS = [{str(day): [["08:00", "17:00"]] for day in range(5)}]
LUNCH = LunchTime(time(11, 30), time(13, 30), 45)


def pattern(
    weeks: list[Any] = WEEKDAYS,
    zone: ZoneInfo = SHANGHAI,
    key: UUID = SHIFT,
    closed: dict[str, Any] | None = None,
    lunch: LunchTime | None = None,
    overtime: int = 0,
) -> Pattern:
    return Pattern(key, zone, read_weeks(weeks), lunch, overtime, read_exceptions(closed or {}))


def life(*own: Assigned, **more: Any) -> WorkingLife:
    return WorkingLife(ANNA, own, **more)


def since(of: Pattern, first: date = date(2026, 1, 5), last: date | None = None) -> Assigned:
    return Assigned(of, first, last)


def local(day: date, clock: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


def days(of: WorkingLife, first: date, number: int, zone: ZoneInfo = SHANGHAI) -> list[WorkSpan]:
    return working_spans(of, local(first, "00:00", zone), local(first + timedelta(days=number), "00:00", zone))


def clocks(spans: list[WorkSpan], zone: ZoneInfo = SHANGHAI) -> list[str]:
    return [f"{s.start.astimezone(zone):%a %H:%M}-{s.end.astimezone(zone):%a %H:%M}" for s in spans]


def test_a_week_has_its_days_and_nothing_on_the_weekend() -> None:
    found = clocks(days(life(since(pattern())), MONDAY, 7))
    assert found == [f"{day} 08:00-{day} 17:00" for day in ("Mon", "Tue", "Wed", "Thu", "Fri")]


def test_a_shift_over_midnight_is_one_span_that_begins_the_evening_before() -> None:
    nights = life(since(pattern([{"0": [["22:00", "06:00"]]}])))
    assert clocks(days(nights, MONDAY, 2)) == ["Mon 22:00-Tue 06:00"]
    assert clocks(days(nights, MONDAY + timedelta(days=1), 1)) == ["Tue 00:00-Tue 06:00"]  # asked for Tuesday alone


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9), (date(2026, 6, 6), 8)],
    ids=["the clock goes forward", "the clock goes back", "an ordinary night"],
)
def test_a_night_shift_lasts_what_the_clock_makes_of_it(day: date, hours: int) -> None:
    nights = life(since(pattern([{"5": [["22:00", "06:00"]]}], BERLIN)))
    [span] = days(nights, day, 2, BERLIN)
    assert span.end - span.start == timedelta(hours=hours)


def test_hours_that_the_clock_skips_are_not_worked() -> None:
    early = life(since(pattern([{"6": [["02:00", "03:00"]]}], BERLIN)))
    assert days(early, date(2026, 3, 29), 1, BERLIN) == []


def test_holidays_are_free_and_a_shifted_saturday_is_worked() -> None:
    """调休: the Saturday has the hours of an ordinary working day, Christmas Eve those that both have."""
    closed = {"2026-11-24": [], "2026-11-28": [["09:00", "18:00"]], "2026-11-27": [["10:00", "12:00"]]}
    found = clocks(days(life(since(pattern(closed=closed))), MONDAY, 7))
    assert found == [
        "Mon 08:00-Mon 17:00", "Wed 08:00-Wed 17:00", "Thu 08:00-Thu 17:00", "Fri 10:00-Fri 12:00",
        "Sat 08:00-Sat 17:00",
    ]  # fmt: skip


def test_weeks_take_turns_from_the_week_that_the_assignment_begins_in() -> None:
    turns = pattern([{"0": [["06:00", "14:00"]]}, {"0": [["14:00", "22:00"]]}])
    found = clocks(days(life(since(turns, MONDAY + timedelta(days=2))), MONDAY + timedelta(days=7), 14))
    assert found == ["Mon 14:00-Mon 22:00", "Mon 06:00-Mon 14:00"]


def test_lunch_is_due_in_a_stretch_that_holds_its_whole_time() -> None:
    anna = since(pattern(lunch=LUNCH))
    [whole] = days(life(anna), MONDAY, 1)
    assert whole.lunch is not None
    assert (whole.lunch.opens, whole.lunch.closes, whole.lunch.minutes) == (
        local(MONDAY, "11:30"), local(MONDAY, "13:30"), 45,
    )  # fmt: skip
    assert whole.minutes == 9 * 60 - 45
    dentist = (local(MONDAY, "12:00"), local(MONDAY, "13:00"))
    assert [span.lunch for span in days(life(anna, absences=[dentist]), MONDAY, 1)] == [None, None]


def test_a_night_shift_eats_after_midnight() -> None:
    nights = life(since(pattern([{"0": [["22:00", "06:00"]]}], lunch=LunchTime(time(1), time(3), 30))))
    [span] = days(nights, MONDAY, 2)
    assert span.lunch is not None
    assert span.lunch.opens == local(MONDAY + timedelta(days=1), "01:00")


def test_asked_in_the_middle_of_lunch_time_lunch_is_due_while_there_is_room() -> None:
    anna = life(since(pattern(lunch=LUNCH)))
    evening = local(MONDAY, "20:00")
    [early] = working_spans(anna, local(MONDAY, "12:00"), evening)
    [late] = working_spans(anna, local(MONDAY, "13:00"), evening)
    assert early.lunch is not None
    assert early.lunch.opens == local(MONDAY, "12:00")
    assert late.lunch is None


def test_overtime_follows_the_last_hours_of_a_day_and_ends_where_the_next_thing_begins() -> None:
    split = since(pattern([{"0": [["08:00", "12:00"], ["13:00", "17:00"]], "1": [["00:00", "04:00"]]}], overtime=480))
    first, second, _ = days(life(split), MONDAY, 2)
    assert first.overtime_end == first.end
    assert second.overtime_end == local(MONDAY + timedelta(days=1), "00:00")  # not into Tuesday's hours
    away = (local(MONDAY, "18:00"), local(MONDAY, "20:00"))
    assert days(life(split, absences=[away]), MONDAY, 1)[-1].overtime_end == away[0]
    assert days(life(split, overtime_minutes=0), MONDAY, 1)[-1].overtime_end == local(MONDAY, "17:00")


@pytest.mark.parametrize(
    ("begins", "ends", "left"),
    [
        ("00:00", "23:59", []),
        ("08:00", "12:00", ["Mon 12:00-Mon 17:00"]),
        ("10:00", "12:00", ["Mon 08:00-Mon 10:00", "Mon 12:00-Mon 17:00"]),
        ("16:00", "20:00", ["Mon 08:00-Mon 16:00"]),
        ("18:00", "20:00", ["Mon 08:00-Mon 17:00"]),
    ],
)
def test_absences_are_taken_out(begins: str, ends: str, left: list[str]) -> None:
    away = (local(MONDAY, begins), local(MONDAY, ends))
    assert clocks(days(life(since(pattern()), absences=[away]), MONDAY, 1)) == left


def test_who_leaves_early_works_no_overtime() -> None:
    away = (local(MONDAY, "16:00"), local(MONDAY, "16:30"))
    first, second = days(life(since(pattern(overtime=60)), absences=[away]), MONDAY, 1)
    assert first.overtime_end == first.end
    assert second.overtime_end == local(MONDAY, "18:00")


def test_ones_own_shift_goes_before_the_teams_and_a_later_one_before_an_earlier() -> None:
    nights = pattern([{str(day): [["22:00", "06:00"]] for day in range(7)}], key=NIGHT)
    team = Assigned(pattern([{"0": [["06:00", "10:00"]], "5": [["06:00", "10:00"]]}]), date(2026, 1, 5))
    anna = life(since(pattern()), since(nights, MONDAY, MONDAY), teams=[team])
    assert clocks(days(anna, MONDAY, 2)) == ["Mon 22:00-Tue 06:00", "Tue 08:00-Tue 17:00"]
    only_team = life(teams=[team])
    assert clocks(days(only_team, MONDAY, 7)) == ["Mon 06:00-Mon 10:00", "Sat 06:00-Sat 10:00"]


def test_a_teams_shift_holds_only_while_one_belongs_to_it() -> None:
    tuesday = local(MONDAY + timedelta(days=1), "00:00")
    joined = Assigned(pattern(), date(2026, 1, 5), member_from=tuesday, member_to=tuesday + timedelta(days=2))
    assert clocks(days(life(teams=[joined]), MONDAY, 7)) == ["Tue 08:00-Tue 17:00", "Wed 08:00-Wed 17:00"]


def test_nobody_works_twice_at_a_time_where_shifts_change_over_night() -> None:
    nights, early = pattern([{"0": [["22:00", "06:00"]]}], key=NIGHT), pattern([{"1": [["05:00", "13:00"]]}])
    anna = life(since(nights, MONDAY, MONDAY), since(early, MONDAY + timedelta(days=1)))
    assert clocks(days(anna, MONDAY, 2)) == ["Mon 22:00-Tue 06:00", "Tue 06:00-Tue 13:00"]


def test_more_than_a_year_is_refused() -> None:
    start = local(MONDAY, "00:00")
    with pytest.raises(Invalid):
        working_spans(life(since(pattern())), start, start + timedelta(days=401))


@pytest.mark.parametrize(
    ("weeks", "day"),
    [
        ([{"0": [["08:00", "12:00"], ["11:00", "17:00"]]}], "Monday"),
        ([{"0": [["22:00", "06:00"]], "1": [["05:00", "09:00"]]}], "Tuesday"),
        ([{"6": [["22:00", "06:00"]], "0": [["05:00", "09:00"]]}], "Monday"),  # around the end of the week
        ([{"0": [["8 o'clock", "17:00"]]}], "Monday"),
        ([{"3": "always"}], "Thursday"),
        ([{"0": [["08:00+01:00", "17:00+01:00"]]}], "Monday"),
    ],
)
def test_hours_that_overlap_or_cannot_be_read_are_refused_with_their_day(weeks: list[Any], day: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_weeks(weeks)
    assert refused.value.params["day"] == day


@pytest.mark.parametrize("weeks", [[], [{}], [{"7": [["08:00", "09:00"]]}], ["mondays"], [{}] * 9])
def test_what_is_no_pattern_is_refused(weeks: list[Any]) -> None:
    with pytest.raises(Invalid):
        read_weeks(weeks)


def test_a_day_may_end_at_midnight_and_may_last_24_hours() -> None:
    [span] = days(life(since(pattern([{"0": [["16:00", "24:00"]]}]))), MONDAY, 2)
    assert span.end - span.start == timedelta(hours=8)
    [whole] = days(life(since(pattern([{"0": [["08:00", "08:00"]]}]))), MONDAY, 2)
    assert whole.end - whole.start == timedelta(hours=24)


@pytest.mark.parametrize(
    ("opens", "closes", "minutes"), [(time(12), time(12, 30), 45), (None, time(13), 30), (time(12), time(13), 500)]
)
def test_a_lunch_that_does_not_fit_is_refused(opens: time | None, closes: time | None, minutes: int) -> None:
    with pytest.raises(Invalid):
        read_lunch(opens, closes, minutes)


def test_a_year_of_spans_is_in_order_and_never_overlaps() -> None:
    """Rotating nights in a zone with summer time, absences now and then: the invariants hold on every day."""
    turns = pattern(
        [{"0": [["22:00", "06:00"]], "3": [["08:00", "12:00"], ["13:00", "18:00"]]}, {"6": [["00:00", "24:00"]]}],
        BERLIN, overtime=600, lunch=LUNCH,
    )  # fmt: skip
    start = local(date(2026, 1, 1), "00:00", BERLIN)
    absences = [(start + timedelta(days=9 * n), start + timedelta(days=9 * n, hours=31)) for n in range(40)]
    spans = working_spans(life(since(turns), absences=absences), start, start + timedelta(days=365))
    assert len(spans) > 80
    assert all(one.start < one.end <= one.overtime_end for one in spans)
    assert all(one.overtime_end <= two.start for one, two in pairwise(spans))
    assert not any(one.start < ends and begins < one.overtime_end for one in spans for begins, ends in absences)
