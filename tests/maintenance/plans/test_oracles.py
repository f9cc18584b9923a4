"""Oracles of preventive maintenance: packages, shift, month ends, clocks that change, rules that never occur."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from maintenance.plans.packages import Due, bundle
from maintenance.plans.recurrence import Rule, first_after, moments, parse_rule, to_instant
from maintenance.plans.scheduling import Shift, Tolerance, check_shift


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Return a local moment, which has no zone of its own."""
    return datetime.combine(date(year, month, day), clock(hour, minute))


START = at(2026, 1, 1)
BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def days(text: str, anchor: datetime = START, n: int = 6) -> list[date]:
    rule = parse_rule(text, anchor)
    return [moment.date() for moment in islice(moments(rule, anchor), n)]


def a_year(hierarchy: dict[str, int]) -> tuple[int, int]:
    """Months and quarters in the first year after the start, the start itself left out."""
    end = START + timedelta(days=366)
    dues: list[Due] = []
    for package, text in (("1M", "FREQ=MONTHLY"), ("3M", "FREQ=MONTHLY;INTERVAL=3")):
        for moment in moments(parse_rule(text, START), START, after=START):
            if moment > end:
                break
            dues.append(Due(package, moment.date(), str(moment.date())))
    done = [due.package for each in bundle(dues, hierarchy) for due in each.done]
    return done.count("1M"), done.count("3M")


def test_sap_packages_higher_hierarchy_8_and_4() -> None:  # 003-35
    assert a_year({"1M": 1, "3M": 2}) == (8, 4)


def test_sap_packages_same_hierarchy_12_and_4() -> None:
    assert a_year({"1M": 1, "3M": 1}) == (12, 4)


SAP = Shift(late_percent=50, late=Tolerance(percent=10))


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (date(2026, 6, 15), date(2026, 9, 8)),
        (date(2026, 6, 10), date(2026, 9, 1)),
        (date(2026, 6, 1), date(2026, 9, 1)),
    ],
    ids=["14 days late", "9 days late is within", "on the day"],
)
def test_sap_shift_next_date_08_09(done: date, expected: date) -> None:
    due, following = days("FREQ=MONTHLY;INTERVAL=3", at(2026, 3, 1))[1:3]
    assert (due, following) == (date(2026, 6, 1), date(2026, 9, 1))
    assert SAP.moved(following, due, done, cycle_days=90) == expected


def test_done_early_moves_by_its_own_share() -> None:
    shift = Shift(early_percent=100, early=Tolerance(days=3))
    due = date(2026, 6, 10)
    assert shift.days(due, date(2026, 6, 7), 90) == 0
    assert shift.days(due, date(2026, 6, 5), 90) == -5


@given(st.integers(-60, 60), st.integers(0, 100), st.integers(0, 30))
def test_shift_is_never_more_than_the_difference(off: int, percent: int, tolerance: int) -> None:
    shift = Shift(percent, percent, Tolerance(tolerance), Tolerance(tolerance))
    due = date(2026, 6, 1)
    moved = shift.days(due, due + timedelta(days=off), 90)
    assert abs(moved) <= abs(off)
    assert moved * off >= 0
    if abs(off) <= tolerance:
        assert moved == 0


@pytest.mark.parametrize("bad", [Shift(late_percent=101), Shift(early_percent=-1), Shift(late=Tolerance(days=-1))])
def test_impossible_shifts_are_refused(bad: Shift) -> None:
    with pytest.raises(Invalid):
        check_shift(bad)


@pytest.mark.parametrize(
    ("text", "anchor", "expected"),
    [
        ("FREQ=MONTHLY", at(2026, 1, 31), ["01-31", "03-31", "05-31", "07-31"]),
        ("FREQ=MONTHLY;SKIP=BACKWARD", at(2026, 1, 31), ["01-31", "02-28", "03-31", "04-30"]),
        ("FREQ=MONTHLY;SKIP=FORWARD", at(2026, 1, 31), ["01-31", "03-01", "03-31", "05-01"]),
        ("FREQ=MONTHLY;BYMONTHDAY=30;SKIP=BACKWARD", at(2026, 1, 1), ["01-30", "02-28", "03-30", "04-30"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", at(2026, 1, 1), ["01-31", "02-28", "03-31", "04-30"]),
        ("FREQ=MONTHLY;BYDAY=2TU", at(2026, 1, 1), ["01-13", "02-10", "03-10", "04-14"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", at(2026, 1, 1), ["01-30", "02-27", "03-31", "04-30"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", at(2026, 1, 5), ["01-05", "01-08", "01-19", "01-22"]),
        ("FREQ=YEARLY;BYMONTH=3,9;BYMONTHDAY=31;SKIP=BACKWARD", at(2026, 1, 1), ["03-31", "09-30", "03-31", "09-30"]),
        ("FREQ=YEARLY;SKIP=BACKWARD", at(2024, 2, 29), ["02-29", "02-28", "02-28", "02-28"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_month_ends(text: str, anchor: datetime, expected: list[str]) -> None:
    assert [day.strftime("%m-%d") for day in days(text, anchor, 4)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",  # from a Thursday
        "FREQ=DAILY;UNTIL=20251231",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    ],
)
def test_rule_that_never_occurs_is_refused_soon(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid) as raised:
        parse_rule(text, START)
    assert raised.value.params["code"] == "never_occurs"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", None),
        ("FREQ=HOURLY", "FREQ=HOURLY"),
        ("INTERVAL=2", "FREQ=None"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY"),
        ("FREQ=DAILY;every day", "EVERY DAY"),
        ("FREQ=MONTHLY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=MONTHLY;BYDAY=XX", "FREQ=MONTHLY;BYDAY=XX"),
        ("FREQ=WEEKLY;SKIP=BACKWARD", "SKIP=BACKWARD"),
        ("FREQ=DAILY;UNTIL=20271231T000000Z", "UNTIL=20271231T000000Z"),
        ("FREQ=DAILY;BYMINUTE=0,1,2", "BYMINUTE=0,1,2"),
    ],
)
def test_bad_rule_is_named(text: str, part: str | None) -> None:
    with pytest.raises(Invalid) as raised:
        parse_rule(text, START)
    assert raised.value.params["field"] == "rrule"
    assert raised.value.params.get("part") == part


def test_local_hour_stays_over_changes_of_the_clock() -> None:
    anchor = at(2026, 3, 28, 8)
    found = [to_instant(moment, BERLIN) for moment in islice(moments(parse_rule("FREQ=DAILY", anchor), anchor), 3)]
    assert [moment.hour for moment in found] == [7, 6, 6]  # UTC: the clock went forward on the 29th
    assert to_instant(at(2026, 3, 29, 2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # a gap
    assert to_instant(at(2026, 10, 25, 2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # twice: first
    assert to_instant(at(2026, 3, 29, 2, 30), SHANGHAI).hour == 18


def test_first_after_is_strictly_later_and_ends_with_the_rule() -> None:
    rule = parse_rule("FREQ=MONTHLY;COUNT=3", START)
    assert first_after(rule, START, START) == at(2026, 2, 1)
    assert first_after(rule, START, at(2026, 3, 1)) is None


_TEXTS = st.sampled_from([
    "FREQ=DAILY;INTERVAL=10", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;SKIP=BACKWARD", "FREQ=MONTHLY;SKIP=FORWARD",
    "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR", "FREQ=YEARLY;BYMONTH=4;BYDAY=1MO", "FREQ=YEARLY;SKIP=BACKWARD",
    "FREQ=DAILY;BYHOUR=6,14,22",
])  # fmt: skip


@given(_TEXTS, st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.integers(0, 800))
def test_moments_rise_and_a_later_look_finds_the_same(text: str, first: date, ahead: int) -> None:
    anchor = datetime.combine(first, datetime.min.time())
    rule: Rule = parse_rule(text, anchor)
    found = list(islice(moments(rule, anchor), 40))
    assert found == sorted(set(found))
    cut = anchor + timedelta(days=ahead)
    later = next((moment for moment in found if moment > cut), None)
    if later is not None:
        assert first_after(rule, anchor, cut) == later


def test_covered_once_and_by_what_is_done_itself() -> None:
    dues = [
        Due("M", date(2026, 1, 3), "m1"),
        Due("Q", date(2026, 1, 4), "q1"),
        Due("Y", date(2026, 1, 5), "y1"),
        Due("M", date(2026, 2, 3), "m2"),
    ]
    found = bundle(dues, {"M": 1, "Q": 2, "Y": 3}, near_days=2)
    assert [(each.day.day, [d.package for d in each.done], [d.package for d in each.covered]) for each in found] == [
        (5, ["Y"], ["M", "Q"]),
        (3, ["M"], []),
    ]
    assert found[0].slot == "Y@y1"


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 60)), unique=True, max_size=25), st.integers(0, 5))
def test_each_turn_is_done_or_covered_exactly_once(turns: list[tuple[str, int]], near: int) -> None:
    dues = [Due(package, date(2026, 1, 1) + timedelta(days=day), f"{package}{day}") for package, day in turns]
    found = bundle(dues, {"A": 1, "B": 2, "C": 3}, near)
    seen = [due.slot for each in found for due in (*each.done, *each.covered)]
    assert sorted(seen) == sorted(due.slot for due in dues)
