"""Compliance inside tolerances, bad actors against their like, Pareto, costs of years, repair or replace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from assets.base.errors import Invalid
from maintenance.plans.tables import Occurrence
from maintenance.reliability.compliance import Due, compliance, verdict
from maintenance.reliability.costs import Cost, by_year, repair_or_replace, whole_years
from maintenance.reliability.kept import excused
from maintenance.reliability.ranking import Record, bad_actors, pareto

DUE = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ORDER = UUID(int=1)


def due(done_days: float | None, *, excuse: bool = False) -> Due:
    return Due("x", DUE, 2 * DAY, 3 * DAY, None if done_days is None else DUE + done_days * DAY, excuse)


@pytest.mark.parametrize(
    ("done", "excuse", "now", "expected"),
    [
        (0, False, 100, "on_time"),
        (-2, False, 100, "on_time"),
        (3, False, 100, "on_time"),
        (-2.01, False, 100, "early"),
        (3.01, False, 100, "late"),
        (None, False, 3.01, "missed"),
        (None, False, 3, "not_yet_due"),
        (None, True, 100, "excused"),
        (0, True, 100, "on_time"),  # done all the same
        (5, False, 4, "missed"),  # seen from before it was done
    ],
)
def test_verdict_on_one_occurrence(done: float | None, excuse: bool, now: float, expected: str) -> None:
    assert verdict(due(done, excuse=excuse), DUE + now * DAY) == expected


def test_compliance_counts_what_was_due_and_says_what_it_left_out() -> None:
    dues = [due(0), due(1), due(9), due(-5), due(None), due(None, excuse=True)]
    other = Due("y", DUE + 60 * DAY, DAY, DAY, DUE)
    found = compliance([*dues, other], DUE - DAY, DUE + DAY, DUE + 30 * DAY)
    assert (found.on_time, found.due) == (2, 5)
    assert found.value == pytest.approx(0.4)
    assert found.by_verdict == {"on_time": 2, "late": 1, "early": 1, "missed": 1, "excused": 1, "not_in_period": 1}
    assert compliance([], DUE, DUE + DAY, DUE).value is None


@pytest.mark.parametrize(
    ("state", "reason", "order", "plan", "lifecycle", "expected"),
    [
        ("left_out", None, None, "active", "in_service", True),
        ("cancelled", "not_of_plan", None, "active", "in_service", True),
        ("cancelled", "no time", ORDER, "active", "in_service", False),  # or a share is raised by cancelling orders
        ("cancelled", "not_done", ORDER, "active", "in_service", False),
        ("cancelled", "gone", ORDER, "active", "scrapped", True),
        ("cancelled", "gone", ORDER, "ended", "in_service", True),
        ("skipped", "paused", None, "active", "in_service", True),
        ("skipped", "no time", None, "active", "in_service", False),
        ("missed", "overtaken", None, "active", "in_service", False),
        ("planned", None, None, "paused", "in_service", False),
    ],
)
def test_who_had_nothing_to_do_is_excused(
    state: str, reason: str | None, order: UUID | None, plan: str, lifecycle: str, expected: bool
) -> None:
    row = Occurrence(state=state, reason=reason, work_order_id=order)
    assert excused(row, plan, lifecycle) is expected


def test_tolerance_below_nothing_is_refused() -> None:
    with pytest.raises(Invalid):
        verdict(Due("x", DUE, -DAY, DAY), DUE)


def test_bad_actor_is_who_surely_fails_more_than_its_like() -> None:
    like = [Record(f"p{n}", "pump", 2, 8000) for n in range(9)]
    found = bad_actors([*like, Record("bad", "pump", 14, 8000), Record("alone", "fan", 50, 8000)])
    assert found[0].record.key == "bad"
    assert found[0].bad_actor
    assert found[0].expected == pytest.approx(2.0)
    assert found[0].ratio == pytest.approx(7.0)
    assert sum(each.bad_actor for each in found) == 1
    alone = next(each for each in found if each.record.key == "alone")
    assert alone.p is None
    assert not alone.bad_actor


def test_chance_alone_hardly_makes_bad_actors() -> None:
    drawn = np.random.default_rng(4)
    accused = 0
    for _ in range(100):
        records = [Record(n, "pump", int(drawn.poisson(3)), 1000) for n in range(40)]
        accused += any(each.bad_actor for each in bad_actors(records))
    assert accused <= 12  # 5 of 100 wanted


def test_a_machine_without_hours_is_not_judged() -> None:
    found = bad_actors([Record("a", "pump", 0, 0.0), Record("b", "pump", 1, 100.0)])
    assert all(each.p is None for each in found)


def test_pareto_falls_and_adds_up() -> None:
    bars = pareto([("seal", 5), ("bearing", 12), ("motor", 3)])
    assert [bar.key for bar in bars] == ["bearing", "seal", "motor"]
    assert [bar.cumulative for bar in bars] == pytest.approx([0.6, 0.85, 1.0])
    assert pareto({}) == []
    assert pareto([("seal", 0)]) == []


def test_costs_by_year_of_the_site_and_never_over_currencies() -> None:
    late = datetime(2025, 12, 31, 20, tzinfo=UTC)  # already the new year in Shanghai
    costs = [
        Cost(late, "labour", Decimal("10.50"), "CNY", "a"),
        Cost(late, "parts", Decimal("4.50"), "CNY", "b"),
        Cost(late, "parts", Decimal("7"), "EUR", "c"),
    ]
    found = by_year(costs, ZoneInfo("Asia/Shanghai"))
    assert [(each.year, each.currency, each.total) for each in found] == [
        (2026, "CNY", Decimal("15.00")),
        (2026, "EUR", 7),
    ]
    assert found[0].refs == ("a", "b")
    with pytest.raises(Invalid):
        by_year([Cost(late, "lunch", Decimal(1), "EUR")], ZoneInfo("UTC"))


def test_replace_when_the_next_year_costs_more_than_a_year_of_a_new_one() -> None:
    # By hand, no interest: a new one of 1000 with 100, 300, 500 ... a year: 1100, 700, 633.3, 650: best after 3 years
    found = repair_or_replace([100, 300, 500, 700], 1000, interest=0.0)
    assert found.best_years == 3
    assert found.replace == pytest.approx(1900 / 3)
    assert found.keep == pytest.approx(900)
    assert found.verdict == "replace"
    assert repair_or_replace([100, 300], 1000, interest=0.0).verdict == "keep"


def test_costs_that_do_not_grow_never_replace() -> None:
    found = repair_or_replace([500, 400, 300], 1000, interest=0.0, expected_years=10)
    assert (found.verdict, found.growth) == ("keep", 0.0)


@pytest.mark.parametrize(("yearly", "price", "reason"), [([1, 2], None, "no_price"), ([1], 10, "too_few_years")])
def test_what_is_not_known_is_said(yearly: list[float], price: float | None, reason: str) -> None:
    assert repair_or_replace(yearly, price).reason == reason


@pytest.mark.parametrize("wrong", [{"interest": 1.0}, {"expected_years": 0}, {"interest": -0.1}])
def test_impossible_rates_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(Invalid):
        repair_or_replace([1, 2], 10, **wrong)  # type: ignore[arg-type]


def test_only_whole_years_are_compared() -> None:
    assert list(whole_years(date(2023, 5, 1), date(2026, 3, 1))) == [2024, 2025]
    assert list(whole_years(date(2024, 1, 1), date(2025, 12, 31))) == [2024]
