"""What waiting costs, by hand: chances, amounts from the nearest place, and when a job that was put off comes back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from maintenance.desk.chances import DAY_S, Chance, Unknown, first_known, from_curve, from_interval, from_weibull
from maintenance.desk.waiting import Inputs, Known, Told, Waiting, check_costs, gather, risen, weigh
from maintenance.reliability.weibull import Weibull

CURVE = [[7 * DAY_S, 0.1], [30 * DAY_S, 0.5]]
WORN = Weibull(2.0, 1.5, 2.6, 1000.0, 800.0, 1250.0, 886.0, 324.6, 8, 3, "wear_out", 0.95)


def known(answer: Chance | Unknown) -> Chance:
    assert isinstance(answer, Chance), answer
    return answer


def test_a_risk_curve_is_followed_between_its_points_and_not_beyond() -> None:
    assert known(from_curve(CURVE, 0, 7 * DAY_S)).p == pytest.approx(0.1)
    assert known(from_curve(CURVE, 0, 30 * DAY_S)).p == pytest.approx(0.5)
    # half of the hazard of a week: 1 - sqrt(0.9)
    assert known(from_curve(CURVE, 0, 3.5 * DAY_S)).p == pytest.approx(1 - math.sqrt(0.9))
    # a week later, having survived it: 1 - 0.5 / 0.9
    assert known(from_curve(CURVE, 7 * DAY_S, 23 * DAY_S)).p == pytest.approx(1 - 0.5 / 0.9)
    assert from_curve(CURVE, 0, 31 * DAY_S) == Unknown("beyond_risk", {"days": 30.0})
    assert from_curve([], 0, DAY_S) == Unknown("no_risk")


def test_a_remaining_life_says_half_at_its_median_and_its_interval_at_its_ends() -> None:
    told: tuple[float, float, float, float] = (100 * DAY_S, 50 * DAY_S, 300 * DAY_S, 0.8)
    assert known(from_interval(*told, 0, 100 * DAY_S)).p == pytest.approx(0.5)
    assert known(from_interval(*told, 0, 50 * DAY_S)).p == pytest.approx(0.1)
    assert known(from_interval(*told, 0, 300 * DAY_S)).p == pytest.approx(0.9)
    # 50 days later: (0.5 - 0.1) / 0.9
    assert known(from_interval(*told, 50 * DAY_S, 50 * DAY_S)).p == pytest.approx(0.4 / 0.9)
    assert from_interval(None, None, None, None, 0, DAY_S) == Unknown("no_life")
    assert from_interval(DAY_S, None, None, 0.8, 0, DAY_S) == Unknown("no_interval")
    gone = from_interval(DAY_S, 0.9 * DAY_S, 1.1 * DAY_S, 0.8, 90 * DAY_S, DAY_S)
    assert isinstance(gone, Unknown)
    assert gone.reason == "outlived"


def test_a_life_curve_counts_from_the_age() -> None:
    # R(500) = exp(-0.25), R(740) = exp(-0.5476)
    answer = known(from_weibull(WORN, 500.0, 10 * DAY_S))
    assert answer.p == pytest.approx(1 - math.exp(-(0.74**2) + 0.25))
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < answer.p < answer.high
    assert known(from_weibull(WORN, 1e6, 10 * DAY_S)).p == pytest.approx(1.0)
    assert from_weibull(WORN, -1.0, DAY_S) == Unknown("no_age")
    assert first_known([Unknown("no_risk"), answer]) is answer
    assert first_known([Unknown("no_risk"), Unknown("no_life")]) == Unknown("no_risk")


@given(
    st.lists(st.tuples(st.floats(1, 1e8), st.floats(0, 1)), max_size=6),
    st.floats(0, 1e8),
    st.floats(0, 1e8),
    st.floats(0, 1e7),
)
def test_a_longer_wait_is_never_safer(
    points: list[tuple[float, float]], since: float, wait: float, more: float
) -> None:
    def answers(seconds: float) -> list[Chance | Unknown]:
        interval = from_interval(1e6, 4e5, 3e6, 0.8, since, seconds)
        return [from_curve(points, since, seconds), interval, from_weibull(WORN, since / 3600, seconds)]

    for short, long in zip(answers(wait), answers(wait + more), strict=True):
        if isinstance(short, Chance) and isinstance(long, Chance):
            assert 0 <= short.p <= long.p + 1e-9 <= 1 + 2e-9


MACHINE = Told("asset", "CNY", {"downtime_cost_per_hour": 500.0})
KIND = Told("model", "CNY", {"unplanned_factor": 4.0, "planned_downtime_hours": 2.0, "unplanned_downtime_hours": 10.0})
STANDARD = Told("procedure", "CNY", {"planned_cost": 800.0})
PAST = Told("orders", "CNY", {"planned_cost": 1200.0, "unplanned_cost": 9000.0}, n=7)


def test_cost_of_now_against_waiting_by_hand() -> None:
    inputs = gather([PAST, STANDARD, KIND, MACHINE])
    assert {name: (each.value, each.source) for name, each in inputs.amounts.items()} == {
        "downtime_cost_per_hour": (500.0, "asset"),
        "unplanned_factor": (4.0, "model"),
        "planned_downtime_hours": (2.0, "model"),
        "unplanned_downtime_hours": (10.0, "model"),
        "planned_cost": (800.0, "procedure"),
        "unplanned_cost": (3200.0, "model"),  # 4 x 800, not the mean of past orders
    }
    found = weigh(inputs, Chance(0.2, "risk_curve", {}, low=0.1, high=0.4))
    assert isinstance(found, Waiting)
    # now 800 + 2 x 500; failure 3200 + 10 x 500; wait 0.2 x 8200 + 0.8 x 1800
    assert [found.now, found.failure, found.wait] == pytest.approx([1800.0, 8200.0, 3080.0])
    assert found.extra == pytest.approx(1280.0)
    assert [found.extra_low, found.extra_high] == pytest.approx([640.0, 2560.0])
    merged = weigh(inputs, Chance(0.01, "risk_curve", {}), saved=300.0)
    assert isinstance(merged, Waiting)
    assert merged.extra == pytest.approx(0.01 * 8200 + 0.99 * 1500 - 1800)  # below 0: waiting for the plan pays


NOBODY: list[tuple[list[Told], Chance | Unknown, str]] = [
    ([], Chance(0.2, "weibull", {}), "no_costs"),
    ([STANDARD], Chance(0.2, "weibull", {}), "no_costs"),
    ([KIND], Chance(0.2, "weibull", {}), "no_costs"),  # a factor of nothing is nothing
    ([PAST], Unknown("no_risk"), "no_risk"),
    # what is in another currency is not converted
    ([STANDARD, Told("all", "EUR", {"unplanned_cost": 900.0})], Chance(0.2, "weibull", {}), "no_costs"),
]


@pytest.mark.parametrize(("told", "chance", "reason"), NOBODY)
def test_what_nobody_told_is_no_estimate(told: list[Told], chance: Chance | Unknown, reason: str) -> None:
    found = weigh(gather(told), chance)
    assert isinstance(found, Unknown)
    assert found.reason == reason


def test_hours_down_without_a_price_are_left_out_by_name() -> None:
    inputs: Inputs = gather([Told("all", "CNY", {"planned_cost": 1.0, "unplanned_cost": 5.0}), KIND])
    found = weigh(inputs, Chance(0.5, "weibull", {}))
    assert isinstance(found, Waiting)
    assert found.left_out == ("planned_downtime_hours", "unplanned_downtime_hours")
    aside = gather([STANDARD, Told("all", "EUR", {"unplanned_cost": 900.0})])
    assert (aside.other_currency, aside.missing) == (("unplanned_cost",), ("unplanned_cost",))


WRONG: list[dict[str, Any]] = [
    {},
    {"planned_cost": -1},
    {"unplanned_factor": 0.5},
    {"planned_cost": float("nan")},
    {"unplanned_cost": 5, "unplanned_factor": 2},
    {"unplanned_downtime_hours": 1e9},
]


@pytest.mark.parametrize("values", WRONG)
def test_costs_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        check_costs(values)


THEN = Known(1.2, "warning", 40 * DAY_S, 0.1, {"wait_s": 30 * DAY_S})
COMES_BACK: list[tuple[Known, float, str | None]] = [
    (Known(1.2, "warning", 40 * DAY_S, 0.1), 30 * DAY_S, None),
    (Known(1.7, "warning", 40 * DAY_S, 0.1), 30 * DAY_S, None),
    (Known(1.8, "warning", 40 * DAY_S, 0.1), 30 * DAY_S, "stronger"),
    (Known(1.0, "critical", 40 * DAY_S, 0.1), 30 * DAY_S, "graver"),
    (Known(1.0, "warning", 40 * DAY_S, 0.25), 30 * DAY_S, "riskier"),
    (Known(1.0, "warning", 10 * DAY_S, 0.1), 20 * DAY_S, "life_short"),
    (Known(0.5, "info", None, None), 20 * DAY_S, None),
]


@pytest.mark.parametrize(("now", "left_s", "why"), COMES_BACK)
def test_a_job_that_was_put_off_comes_back_when_it_gets_worse(now: Known, left_s: float, why: str | None) -> None:
    assert risen(THEN, now, left_s) == why


def test_what_the_planner_knew_when_putting_off_does_not_bring_it_back() -> None:
    short = Known(1.2, "warning", 5 * DAY_S, None, {"wait_s": 30 * DAY_S})
    assert risen(short, Known(1.2, "warning", 5 * DAY_S), 30 * DAY_S) is None
