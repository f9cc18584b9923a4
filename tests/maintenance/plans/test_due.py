"""When work is due on a machine: grids, floating, meters, whichever comes first, slots that stay when dates move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from maintenance.plans.days import Days, season
from maintenance.plans.due import Machine, Package, Planned, Reach, Rules, Turns, planned
from maintenance.plans.scheduling import Tolerance
from maintenance.plans.triggers import Threshold, read_trigger


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """Return a local moment, which has no zone of its own."""
    return datetime.combine(date(year, month, day), time(hour))


START = at(2026, 1, 1)


def package(told: Mapping[str, Any], *, code: str = "A", hierarchy: int = 1, floating: bool = False) -> Package:
    return Package(code, read_trigger(told, START), hierarchy, floating)


def monthly(code: str = "A", interval: int = 1, hierarchy: int = 1, *, floating: bool = False) -> Package:
    rule = f"FREQ=MONTHLY;INTERVAL={interval}"
    return package({"kind": "calendar", "rrule": rule}, code=code, hierarchy=hierarchy, floating=floating)


def runs(per_day: float, total: float = 0.0, today: datetime = START) -> Callable[[str, float], Reach | None]:
    """A meter that goes on evenly, known within a tenth."""

    def reach(meter: str, target: float) -> Reach | None:
        if meter != "hours":
            return None
        if target <= total:
            return Reach(today, today, today, reached=True)
        days = (target - total) / per_day
        return Reach(
            today + timedelta(days=days), today + timedelta(days=0.9 * days), today + timedelta(days=1.1 * days)
        )

    return reach


def days_of(found: list[Planned]) -> list[str]:
    return ["?" if each.at is None else f"{each.at:%m-%d}" for each in found]


def test_packages_8_and_4_with_slots() -> None:
    rules = Rules([monthly("1M"), monthly("3M", 3, 2)])
    found = planned(rules, Machine(START), START, at(2027, 1, 1))
    codes = [turn.package for each in found for turn in each.done]
    assert (codes.count("1M"), codes.count("3M")) == (8, 4)
    assert found[2].slot == "3M@c:2026-04-01"
    assert [turn.package for turn in found[2].covered] == ["1M"]


def test_shift_moves_days_and_keeps_slots() -> None:
    machine = Machine(START, turns={"A": Turns(1, at(2026, 2, 15), shift_days=7)})
    before = planned(Rules([monthly()]), Machine(START), at(2026, 2, 1), at(2026, 6, 30))
    after = planned(Rules([monthly()]), machine, at(2026, 2, 15), at(2026, 6, 30))
    assert days_of(after) == ["03-08", "04-08", "05-08", "06-08"]
    assert [each.slot for each in after] == [each.slot for each in before]


def test_floating_counts_from_when_it_was_done() -> None:
    rules = Rules([monthly(floating=True, interval=3)])
    fresh = planned(rules, Machine(START), START, at(2026, 12, 31))
    assert days_of(fresh) == ["04-01", "07-01", "10-01"]
    done = Machine(START, turns={"A": Turns(1, at(2026, 4, 15))})
    found = planned(rules, done, at(2026, 4, 15), at(2026, 12, 31))
    assert days_of(found) == ["07-15", "10-15"]
    assert [each.slot for each in found] == ["A@s:2", "A@s:3"]
    assert found[0].slot == fresh[1].slot


def test_meter_grid_stays_when_work_was_late_or_early() -> None:
    rules = Rules([package({"kind": "meter", "meter": "hours", "every": 500})])
    reach = runs(10.0, 600.0, at(2026, 3, 1))
    late = Machine(START, {"hours": 0.0}, reach, {"A": Turns(1, at(2026, 3, 1), {"hours": 600.0}, 500.0)})
    found = planned(rules, late, at(2026, 3, 1), at(2026, 8, 30))
    assert [turn.target for each in found for turn in each.done] == [1000.0, 1500.0, 2000.0]
    assert found[0].at == at(2026, 4, 10)
    early = replace(late, turns={"A": Turns(1, at(2026, 3, 1), {"hours": 480.0}, 500.0)})
    assert planned(rules, early, at(2026, 3, 1), at(2026, 8, 30))[0].slot == "A@m:1000"
    missed_one = replace(late, reach=runs(10.0, 1100.0), turns={"A": Turns(1, START, {"hours": 1100.0}, 500.0)})
    assert planned(rules, missed_one, START, at(2026, 12, 30))[0].slot == "A@m:1500"


def test_meter_floating_counts_from_its_last_total() -> None:
    rules = Rules([package({"kind": "meter", "meter": "hours", "every": 500}, floating=True)])
    machine = Machine(START, {"hours": 0.0}, runs(10.0, 600.0), {"A": Turns(1, START, {"hours": 600.0}, 500.0)})
    found = planned(rules, machine, START, at(2026, 12, 31))
    assert [(each.slot, each.done[0].target) for each in found][:2] == [("A@s:2", 1100.0), ("A@s:3", 1600.0)]


def test_reached_meter_is_due_now_and_once() -> None:
    rules = Rules([package({"kind": "meter", "meter": "hours", "every": 500})])
    machine = Machine(START, {"hours": 0.0}, runs(10.0, 520.0, at(2026, 3, 1)))
    found = planned(rules, machine, at(2026, 3, 1), at(2026, 7, 1))
    assert (found[0].slot, found[0].done[0].reached) == ("A@m:500", True)
    assert found[1].slot == "A@m:1000"
    assert not found[1].done[0].reached


def test_edited_old_reading_fires_nothing() -> None:
    """What counts is where the meter stands; an old reading does not move it, and a slot that was done stays done."""
    rules = Rules([package({"kind": "meter", "meter": "hours", "every": 500})])
    done = {"A": Turns(1, at(2026, 2, 1), {"hours": 505.0}, 500.0)}
    for total in (700.0, 480.0):  # the same, and a total that was corrected to below the last turn
        found = planned(rules, Machine(START, {"hours": 0.0}, runs(10.0, total), done), START, at(2026, 12, 1))
        assert not any(turn.reached for each in found for turn in each.done)
        assert found[0].slot == "A@m:1000"


def test_meter_of_which_nothing_is_known_has_no_date() -> None:
    rules = Rules([package({"kind": "meter", "meter": "km", "every": 500})])
    found = planned(rules, Machine(START, {"km": 20.0}, runs(1.0)), START, at(2027, 1, 1))
    assert [(each.slot, each.at, each.done[0].target) for each in found] == [("A@m:520", None, 520.0)]
    assert planned(rules, Machine(START), START, at(2027, 1, 1)) == []


def test_meter_that_reaches_a_value_once() -> None:
    rules = Rules([package({"kind": "meter", "meter": "hours", "at": 1000})])
    found = planned(rules, Machine(START, {}, runs(10.0)), START, at(2027, 1, 1))
    assert days_of(found) == ["04-11"]
    assert planned(rules, Machine(START, {}, runs(10.0), {"A": Turns(1)}), START, at(2027, 1, 1)) == []


WHICHEVER = {
    "kind": "whichever_first",
    "of": [
        {"kind": "calendar", "rrule": "FREQ=MONTHLY;INTERVAL=6"},
        {"kind": "meter", "meter": "hours", "every": 1000},
    ],
}


@pytest.mark.parametrize(
    ("per_day", "expected", "source"),
    [(1.0, ["07-01"], "calendar"), (20.0, ["02-20", "04-11", "05-31", "07-20"], "meter")],
    ids=["runs little", "runs much"],
)
def test_whichever_comes_first(per_day: float, expected: list[str], source: str) -> None:
    machine = Machine(START, {"hours": 0.0}, runs(per_day))
    found = planned(Rules([package(WHICHEVER)]), machine, START, at(2026, 8, 1))
    assert days_of(found) == expected
    assert {each.source for each in found} == {source}
    assert [each.slot for each in found] == [f"A@s:{n + 1}" for n in range(len(expected))]


def test_whichever_counts_all_anew_from_when_it_was_done() -> None:
    done = {"A": Turns(1, at(2026, 3, 1), {"hours": 1200.0})}
    machine = Machine(START, {"hours": 0.0}, runs(20.0, 1200.0, at(2026, 3, 1)), done)
    found = planned(Rules([package(WHICHEVER)]), machine, at(2026, 3, 1), at(2026, 12, 31))
    assert (found[0].slot, found[0].done[0].target, f"{found[0].at:%m-%d}") == ("A@s:2", 2200.0, "04-20")


def test_tolerance_is_of_the_cycle_and_days_move_the_date_not_the_slot() -> None:
    winter = Days((season("11-01/03-31"),))
    rules = Rules([monthly()], days=winter, before=Tolerance(days=2), after=Tolerance(percent=10))
    found = planned(rules, Machine(START), at(2026, 4, 15), at(2026, 6, 30))
    assert [each.slot for each in found] == ["A@c:2026-05-01", "A@c:2026-06-01"]
    first = found[0]
    assert first.at == at(2026, 11, 1)
    assert first.earliest == at(2026, 10, 30)
    assert first.latest == at(2026, 11, 4)  # a tenth of 31 days is 3 whole ones
    left = planned(
        replace(rules, days=replace(winter, when_closed="skip")), Machine(START), at(2026, 4, 15), at(2026, 6, 30)
    )
    assert all(each.left_out for each in left)


def test_horizon_of_50_years_and_endless_work_are_refused() -> None:
    with pytest.raises(Invalid) as raised:
        planned(Rules([monthly()]), Machine(START), START, at(2076, 1, 1))
    assert raised.value.params["field"] == "horizon_days"
    often = package({"kind": "meter", "meter": "hours", "every": 0.001})
    with pytest.raises(Invalid) as raised:
        planned(Rules([often]), Machine(START, {"hours": 0.0}, runs(10.0)), START, at(2026, 6, 1))
    assert raised.value.params["package"] == "A"


@given(st.integers(1, 4), st.integers(0, 400), st.integers(1, 300), st.booleans())
def test_looking_again_later_finds_the_same_slots(interval: int, offset: int, more: int, floating: bool) -> None:
    rules = Rules([monthly(interval=interval, floating=floating)])
    since = START + timedelta(days=offset)
    until = since + timedelta(days=400)
    early = planned(rules, Machine(START), since, until)
    late = planned(rules, Machine(START), since + timedelta(days=more), until + timedelta(days=more))
    known = {each.slot: each.at for each in early}
    assert all(known[each.slot] == each.at for each in late if each.slot in known)
    assert len({each.slot for each in late}) == len(late)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({}, "t.kind"),
        ({"kind": "script"}, "t.kind"),
        ({"kind": "calendar"}, "t.rrule"),
        ({"kind": "calendar", "rrule": "FREQ=X"}, "t.rrule"),
        ({"kind": "calendar", "rrule": "FREQ=DAILY", "every": 3}, "t.every"),
        ({"kind": "meter", "meter": "hours"}, "t"),
        ({"kind": "meter", "meter": "hours", "every": 0}, "t.every"),
        ({"kind": "meter", "meter": "hours", "every": float("nan")}, "t.every"),
        ({"kind": "meter", "meter": "hours", "every": True}, "t.every"),
        ({"kind": "whichever_first", "of": [WHICHEVER]}, "t.of"),
        ({"kind": "whichever_first", "of": [WHICHEVER, WHICHEVER]}, "t.of[0]"),
        ({"kind": "whichever_first", "of": [1, 2]}, "t.of[0].kind"),
        ({"kind": "threshold", "metric": "t", "at_least": 5, "clear": 6}, "t.clear"),
        ({"kind": "threshold", "metric": "t"}, "t"),
        ({"kind": "finding", "severity": "bad"}, "t.severity"),
        ({"kind": "remaining_life", "below_days": -1}, "t.below_days"),
        ({"kind": "expression", "text": "import os"}, "t.text"),
    ],
    ids=str,
)
def test_bad_trigger_is_named(told: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_trigger(told, START, path="t")
    assert raised.value.params["field"] == field


def test_threshold_counts_anew_only_after_it_was_back() -> None:
    found = read_trigger({"kind": "threshold", "metric": "dp", "at_least": 5.0, "clear": 4.0}, START)
    assert isinstance(found, Threshold)
    assert [found.crossed(value) for value in (4.9, 5.0)] == [False, True]
    assert [found.cleared(value) for value in (4.5, 3.9)] == [False, True]
