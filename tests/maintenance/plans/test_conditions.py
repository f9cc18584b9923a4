"""Conditions in words, days on which work may lie, machines that a plan is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from maintenance.plans.days import Blackout, Days, season
from maintenance.plans.effectivity import Effectivity, Machine, check, natural, why_not
from maintenance.plans.expressions import Facts, Value, parse


def told(known: Mapping[tuple[str, str | None], Value]) -> Facts:
    return lambda word, name: known.get((word, name))


KNOWN: dict[tuple[str, str | None], Value] = {
    ("meter", "hours"): 512.0,
    ("since_done", "hours"): 260.0,
    ("days_since_done", None): 40.0,
    ("lifecycle", None): "in_service",
    ("month", None): 7.0,
    ("field", "fluid"): "oil",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('meter("hours") > 500', True),
        ('meter("hours") > 500 and days_since_done > 60', False),
        ('meter("hours") > 500 or days_since_done > 60', True),
        ('since_done("hours") >= 250 and not month == 7', False),
        ('lifecycle == "in_service"', True),
        ('field("fluid") != "water"', True),
        ("3 <= month <= 10", True),
        ('meter("hours") / days_since_done > 12.5', True),
        ('meter("km") > 5', None),
        ('meter("km") > 5 or meter("hours") > 5', True),
        ('meter("km") > 5 and meter("hours") > 5', None),
        ('meter("km") > 5 and meter("hours") < 5', False),
        ('not meter("km") > 5', None),
        ('meter("hours") / 0 > 1', None),
        ('-meter("hours") < 0', True),
    ],
)
def test_condition(text: str, expected: bool | None) -> None:
    assert parse(text).holds(told(KNOWN)) is expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", None),
        ("meter(", 6),
        ('meter("hours")', 1),
        ("hours > 5", 1),
        ('__import__("os").system("ls") == 0', 1),
        ("().__class__ == 1", 1),
        ("[1][0] == 1", 1),
        ('"a" < "b"', 1),
        ('lifecycle > 3', 1),
        ('meter("a", "b") > 1', 1),
        ("meter(5) > 1", 1),
        ("9**9**9 > 1", 1),
        ("1e999 > 1", 1),
        ("month == month and 5", 20),
        ("(lambda: 1)() == 1", 1),
        ("month in (1, 2)", 10),
        ("f'{month}' == 'a'", 1),
        ("month > 1 " + "and month > 1 " * 60, None),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_its_place(text: str, column: int | None) -> None:
    with pytest.raises(Invalid) as raised:
        parse(text)
    assert raised.value.params["field"] == "expression"
    assert raised.value.params.get("column") == column


def test_condition_tells_what_it_asks() -> None:
    assert parse('meter("hours") > 5 and month == 7').asks == {("meter", "hours"), ("month", None)}


@given(st.text(alphabet="()[]{}.\"'meter hours><=and or not 0123456789+-*/_", max_size=60))
def test_no_text_does_anything_but_read_or_be_refused(text: str) -> None:
    try:
        found = parse(text)
    except Invalid:
        return
    assert found.holds(told(KNOWN)) in (True, False, None)


WINTER = season("11-01/03-31")
JULY = (Blackout(date(2026, 7, 1), date(2026, 7, 20)),)


@pytest.mark.parametrize(
    ("days", "due", "placed"),
    [
        (Days(), date(2026, 5, 5), date(2026, 5, 5)),
        (Days((WINTER,)), date(2026, 5, 5), date(2026, 11, 1)),  # out of season `keep` is the next open day
        (Days((WINTER,), when_closed="previous"), date(2026, 5, 5), date(2026, 3, 31)),
        (Days((WINTER,), when_closed="skip"), date(2026, 5, 5), None),
        (Days((WINTER,)), date(2026, 12, 31), date(2026, 12, 31)),
        (Days((), JULY, None, "nearest"), date(2026, 7, 5), date(2026, 6, 30)),
        (Days((), (), lambda day: day.weekday() < 5, "next"), date(2026, 5, 2), date(2026, 5, 4)),
        (Days((), (), lambda day: day.weekday() < 5, "keep"), date(2026, 5, 2), date(2026, 5, 2)),
        (Days((), (), lambda day: False, "next"), date(2026, 5, 2), None),
        (Days((season("02-29/02-29"),), when_closed="next"), date(2026, 5, 2), None),
    ],
)  # fmt: skip
def test_where_a_due_day_goes(days: Days, due: date, placed: date | None) -> None:
    assert days.place(due) == placed


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.sampled_from(["next", "previous", "nearest"]))
def test_a_placed_day_is_always_open(due: date, way: str) -> None:
    days = Days((WINTER,), (Blackout(date(2027, 1, 1), date(2027, 2, 1)),), lambda day: day.weekday() != 6, way)
    placed = days.place(due)
    assert placed is not None
    assert days.allow(placed)
    assert (
        (placed >= due)
        if way == "next"
        else (placed <= due)
        if way == "previous"
        else abs(placed - due) < timedelta(300)
    )


@pytest.mark.parametrize("text", ["", "11-01", "13-01/01-01", "02-30/03-01", "a/b", "11-01/12-01/01-01"])
def test_bad_season_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        season(text)


def machine(serial: str = "P-10", version: str | None = "2.1", lifecycle: str = "in_service") -> Machine:
    return Machine(serial, version, lifecycle, date(2024, 1, 1))


@pytest.mark.parametrize(
    ("effectivity", "given_machine", "reason"),
    [
        (Effectivity(), machine(), None),
        (Effectivity(), machine(lifecycle="retired"), "retired"),
        (Effectivity(), machine(lifecycle="in_stock"), "not_in_service"),
        (Effectivity(valid_from=date(2026, 7, 1)), machine(), "too_early"),
        (Effectivity(valid_until=date(2026, 6, 1)), machine(), None),
        (Effectivity(valid_until=date(2026, 5, 31)), machine(), "too_late"),
        (Effectivity(serial_from="P-9", serial_until="P-11"), machine(), None),
        (Effectivity(serial_from="P-11"), machine(), "serial"),
        (Effectivity(serials=("P-1",)), machine(), "serial"),
        (Effectivity(serials=("P-10",), serial_from="Z"), machine(), None),
        (Effectivity(versions=("2.0", "2.1")), machine(), None),
        (Effectivity(version_from="2.2"), machine(), "version"),
        (Effectivity(version_from="2.0", version_until="2.10"), machine(version="2.9"), None),
        (Effectivity(versions=("2.0",)), machine(version=None), "version_unknown"),
    ],
)
def test_effectivity(effectivity: Effectivity, given_machine: Machine, reason: str | None) -> None:
    assert why_not(effectivity, given_machine, date(2026, 6, 1)) == reason


def test_bounds_that_hold_nothing_are_refused() -> None:
    check(Effectivity(serial_from="A9", serial_until="A10"))
    for bad in (Effectivity(serial_from="A10", serial_until="A9"), Effectivity(date(2026, 2, 1), date(2026, 1, 1))):
        with pytest.raises(Invalid):
            check(bad)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_serials_can_be_ordered(serials: list[str]) -> None:
    ordered = sorted(serials, key=natural)
    assert [natural(each) for each in ordered] == sorted(natural(each) for each in serials)
