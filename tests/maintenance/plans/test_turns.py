"""Turns that are easily lost or doubled: month ends, cycles beyond the horizon, changed bundles, too many of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.base.errors import Invalid
from maintenance.plans.confirming import _shift, cycle_days
from maintenance.plans.definition import read_definition
from maintenance.plans.due import Machine, Package, Planned, Reach, Rules, Turns, check_count, planned, without
from maintenance.plans.making import _taken
from maintenance.plans.recurrence import Rule, local
from maintenance.plans.scheduling import Shift, Tolerance
from maintenance.plans.triggers import read_trigger


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return local(date(year, month, day), time(hour))


START = at(2026, 1, 1, 8)


def package(rule: str, code: str = "A", *, hierarchy: int = 1, floating: bool = False) -> Package:
    return Package(code, read_trigger({"kind": "calendar", "rrule": rule}, START), hierarchy, floating)


def race(rule: str) -> Package:
    of = [{"kind": "calendar", "rrule": rule}, {"kind": "meter", "meter": "hours", "every": 1000}]
    return Package("A", read_trigger({"kind": "whichever_first", "of": of}, START), 1)


@pytest.mark.parametrize(
    ("rule", "done", "expected"),
    [
        ("FREQ=MONTHLY", at(2026, 1, 31, 14), ["2026-02-28", "2026-03-28", "2026-04-28"]),
        ("FREQ=MONTHLY", at(2028, 1, 30, 14), ["2028-02-29", "2028-03-29", "2028-04-29"]),
        ("FREQ=MONTHLY;INTERVAL=6", at(2026, 8, 31, 14), ["2027-02-28", "2027-08-28"]),
        ("FREQ=YEARLY", at(2028, 2, 29, 14), ["2029-02-28", "2030-02-28"]),
        ("FREQ=YEARLY;INTERVAL=2", at(2028, 2, 29, 14), ["2030-02-28", "2032-02-28"]),
        ("FREQ=MONTHLY", at(2026, 1, 28, 14), ["2026-02-28", "2026-03-28"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", at(2026, 1, 31, 14), ["2026-03-31", "2026-05-31"]),  # as it asks
    ],
)
def test_what_counts_from_when_it_was_done_leaves_no_month_out(rule: str, done: datetime, expected: list[str]) -> None:
    machine = Machine(START, {"hours": 0.0}, turns={"A": Turns(1, done, {"hours": 10.0})})
    for each in (package(rule, floating=True), race(rule)):
        found = planned(Rules([each]), machine, done, done + timedelta(days=1500))
        assert [f"{one.at:%Y-%m-%d}" for one in found][: len(expected)] == expected


def test_a_machine_that_began_on_the_31st_is_due_a_month_later() -> None:
    begin = at(2026, 1, 31, 8)
    for each in (package("FREQ=MONTHLY", floating=True), race("FREQ=MONTHLY")):
        (first, *_) = planned(Rules([each]), Machine(begin, {"hours": 0.0}), begin, at(2026, 6, 1))
        assert (first.slot, first.at) == ("A@s:1", at(2026, 2, 28, 8))


@pytest.mark.parametrize(
    ("each", "since", "until", "days"),
    [  # one turn within the horizon: its cycle is known all the same
        (package("FREQ=YEARLY"), at(2026, 6, 1), at(2027, 7, 1), 36),
        (package("FREQ=YEARLY;INTERVAL=2"), at(2027, 6, 1), at(2028, 7, 1), 73),
        (package("FREQ=YEARLY;UNTIL=20270201"), at(2026, 6, 1), at(2027, 7, 1), 36),
        (package("FREQ=YEARLY", floating=True), at(2026, 6, 1), at(2027, 7, 1), 36),
        (race("FREQ=YEARLY"), at(2026, 6, 1), at(2027, 7, 1), 36),
        (package("FREQ=MONTHLY"), at(2026, 3, 15), at(2026, 4, 2), 3),
    ],
)
def test_a_share_of_the_cycle_does_not_hang_on_the_horizon(
    each: Package, since: datetime, until: datetime, days: int
) -> None:
    rules = Rules([each], before=Tolerance(percent=10), after=Tolerance(percent=10))
    (found,) = planned(rules, Machine(START, {"hours": 0.0}), since, until)
    assert found.at is not None
    assert (found.earliest, found.latest) == (found.at - timedelta(days=days), found.at + timedelta(days=days))


@pytest.mark.parametrize(
    ("slot", "due", "done", "moves"),
    [  # monthly, a tenth of 28 to 31 days late is on time; the turn before had moved all later ones
        ("c:2026-03-01", at(2026, 3, 1), at(2026, 3, 4), 0),
        ("c:2026-03-01", at(2026, 3, 21), at(2026, 3, 24), 0),  # by 20 days
        ("c:2026-03-01", at(2026, 2, 20), at(2026, 2, 23), 0),  # by 9 days to before
        ("c:2026-03-01", at(2026, 3, 21), at(2026, 3, 25), 2),
    ],
)
def test_tolerance_of_a_shifted_turn_is_of_the_whole_cycle(
    slot: str, due: datetime, done: datetime, moves: int
) -> None:
    cycle = cycle_days(Rule("FREQ=MONTHLY"), at(2026, 1, 1), slot, due)
    assert cycle == 31
    assert Shift(late_percent=50, late=Tolerance(percent=10)).days(due.date(), done.date(), cycle) == moves


def _slots(found: list[Planned]) -> list[str]:
    return [each.slot for each in found]


def test_a_turn_is_not_made_again_when_its_bundle_changes() -> None:
    meter = Package("B", read_trigger({"kind": "meter", "meter": "hours", "every": 500}, START), 1)
    rules = Rules([package("FREQ=MONTHLY"), meter])
    since, until = at(2026, 2, 15), at(2026, 4, 2)

    def due(day: int) -> list[Planned]:
        def reach(_: str, target: float) -> Reach | None:
            there = at(2026, 3, day, 8)
            return Reach(there, there, there) if target == 500 else None

        found = planned(rules, Machine(START, {"hours": 0.0}, reach), since, until)
        return [each for each in found if each.at is not None]

    together = due(1)
    assert _slots(together) == ["A@c:2026-03-01+B@m:500", "A@c:2026-04-01"]
    released: Any = SimpleNamespace(
        turns=[{"code": "A", "slot": "c:2026-03-01"}, {"code": "B", "slot": "m:500"}], hidden=None
    )
    taken = _taken([released, SimpleNamespace(turns=None, hidden=None)])
    assert _slots(without(together, taken)) == ["A@c:2026-04-01"]
    assert _slots(due(4)) == ["A@c:2026-03-01", "B@m:500", "A@c:2026-04-01"]
    assert _slots(without(due(4), taken)) == ["A@c:2026-04-01"]  # its order is out: the meter moved since
    assert _slots(without(together, {"A@c:2026-03-01"})) == ["B@m:500", "A@c:2026-04-01"]


def test_what_covered_work_covers_is_taken_too() -> None:
    high = package("FREQ=MONTHLY;INTERVAL=3", "3M", hierarchy=2)
    same = Rules([package("FREQ=MONTHLY", "1M"), package("FREQ=MONTHLY;INTERVAL=3", "3M")])
    nested = Rules([package("FREQ=MONTHLY", "1M"), high])
    since, until = at(2026, 3, 15), at(2026, 5, 2)
    (done, _) = planned(nested, Machine(START), since, until)
    row: Any = SimpleNamespace(
        turns=[{"code": turn.package, "slot": turn.slot} for turn in done.done],
        hidden=[{"code": turn.package, "slot": turn.slot} for turn in done.covered],
    )
    edited = planned(same, Machine(START), since, until)
    assert _slots(edited) == ["1M@c:2026-04-01+3M@c:2026-04-01", "1M@c:2026-05-01"]
    assert _slots(without(edited, _taken([row]))) == ["1M@c:2026-05-01"]


@pytest.mark.parametrize(
    ("rule", "horizon", "fits"),
    [
        ("FREQ=DAILY", 365, True),
        ("FREQ=DAILY", 1400, True),
        ("FREQ=DAILY", 1830, False),
        ("FREQ=DAILY;BYHOUR=0,6,12,18", 365, False),
        ("FREQ=DAILY;BYHOUR=0,6,12,18", 180, True),
        ("FREQ=WEEKLY", 1830, True),
        ("FREQ=DAILY;COUNT=3", 1830, True),
    ],
)
def test_more_turns_than_are_made_are_refused_at_the_door(rule: str, horizon: int, fits: bool) -> None:
    for each in (package(rule), race(rule)):
        if fits:
            check_count("A", each.trigger, START, horizon)
            continue
        with pytest.raises(Invalid) as raised:
            check_count("A", each.trigger, START, horizon)
        assert (raised.value.params["field"], raised.value.params["package"]) == ("horizon_days", "A")


@pytest.mark.parametrize(
    ("rule", "floating", "expected"),
    [
        ("FREQ=MONTHLY;UNTIL=20260401", False, ["02-01", "03-01", "04-01"]),  # that day too
        ("FREQ=MONTHLY;UNTIL=20260401T075900", False, ["02-01", "03-01"]),
        ("FREQ=MONTHLY;UNTIL=20260401", True, ["02-01", "03-01", "04-01"]),
        ("FREQ=MONTHLY;COUNT=3", True, ["02-01", "03-01", "04-01"]),
        ("FREQ=MONTHLY;COUNT=1", True, ["02-01"]),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;COUNT=2", True, ["01-05", "02-02"]),
    ],
)
def test_rules_end_where_they_say(rule: str, floating: bool, expected: list[str]) -> None:
    found = planned(Rules([package(rule, floating=floating)]), Machine(START), START, at(2026, 12, 31))
    assert [f"{each.at:%m-%d}" for each in found] == expected


def test_a_floating_rule_has_ended_when_all_its_turns_were_done() -> None:
    each = package("FREQ=MONTHLY;COUNT=3", floating=True)
    for done, expected in ((2, ["A@s:3"]), (3, [])):
        machine = Machine(START, turns={"A": Turns(done, at(2026, 5, 9, 14))})
        assert _slots(planned(Rules([each]), machine, at(2026, 5, 10), at(2026, 12, 31))) == expected


@pytest.mark.parametrize(
    ("placed", "done", "days"),
    [  # due on Sunday, 1 February: put on Monday, on Friday before, after a closed season
        (2, 2, 0),
        (2, 4, 2),
        (2, 1, -1),
        (-1, -1, 0),
        (-1, 1, 2),
        (60, 60, 0),
        (60, 62, 2),
    ],
)
def test_who_keeps_the_day_of_the_plans_own_calendar_is_not_late(placed: int, done: int, days: int) -> None:
    plan = SimpleNamespace(
        blackouts=[], seasons=[], when_closed="next", tolerance_before={}, tolerance_after={}, near_days=0,
        shift={"late_percent": 100, "early_percent": 100}, scheduling="fixed", at_minute=480,
    )  # fmt: skip
    monthly = SimpleNamespace(code="A", trigger={"kind": "calendar", "rrule": "FREQ=MONTHLY"}, hierarchy=1)
    row: Any = SimpleNamespace(start_on=date(2026, 1, 1))
    due = datetime(2026, 2, 1, 8, tzinfo=UTC) + timedelta(days=placed - 1)
    packages = [{"code": "A", "slot": "c:2026-02-01", "at": "2026-02-01T08:00:00"}]
    occurrence: Any = SimpleNamespace(packages=packages, due_at=due)
    local = at(2026, 2, 1, 14) + timedelta(days=done - 1)
    assert _shift(read_definition(plan, [monthly]), row, occurrence, local, ZoneInfo("UTC")) == days
