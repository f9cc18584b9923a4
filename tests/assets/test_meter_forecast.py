"""When a meter reaches a value: honest intervals, and no estimate where there is none."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.meter_forecast import Estimate, Forecast, forecast_counter, forecast_gauge, student


def machine(seed: int, days: int, busy: float = 0.6) -> list[float]:
    """Hours run up to each day by a machine that runs most days, some of them double shift, weekends off."""
    luck = random.Random(seed)
    total, totals = 0.0, [0.0]
    for day in range(days):
        if day % 7 < 5 and luck.random() < busy:
            total += luck.choice((4.0, 8.0, 8.0, 16.0)) * luck.uniform(0.8, 1.2)
        totals.append(total)
    return totals


@pytest.mark.parametrize(
    ("points", "target", "reason"),
    [
        ([], 10, "too_few_readings"),
        ([(0, 1), (1, 2), (2, 3)], 10, "too_few_readings"),
        ([(0, 1), (0.1, 2), (0.2, 3), (0.3, 4)], 10, "too_short"),
        ([(0, 5), (5, 5), (10, 5), (15, 5)], 10, "no_movement"),
        ([(0, 1), (5, 2), (10, 3), (15, 4)], 4, "reached"),
        ([(0, 1), (5, 2), (10, 3), (15, 4)], 1e9, "too_far"),
    ],
)
def test_counter_without_a_base_gives_no_estimate(
    points: Sequence[tuple[float, float]], target: float, reason: str
) -> None:
    found = forecast_counter(points, target, 0.8)
    assert (found.estimate, found.reason) == (None, reason)


def test_interval_holds_what_really_happens_as_often_as_it_says() -> None:
    """60 machines with 120 days of history: the day on which each reaches a value falls into its 80 % interval."""
    held = 0
    for seed in range(60):
        totals = machine(seed, 400)
        history = [(float(day), totals[day]) for day in range(0, 121, 3)]
        target = totals[121] + 400
        real = next(day for day, total in enumerate(totals) if total >= target) - 120
        estimate = _sure(forecast_counter(history, target, 0.8))
        high = float("inf") if estimate.high is None else estimate.high
        held += estimate.low <= real <= high + 1
    assert 45 <= held <= 60


def test_more_history_makes_the_interval_narrower_and_few_readings_wide() -> None:
    totals = machine(5, 500)
    widths = []
    for days in (12, 60, 240):
        points = [(float(day), totals[day]) for day in range(days + 1)]
        estimate = _sure(forecast_counter(points, points[-1][1] + 300, 0.8))
        widths.append(float("inf") if estimate.high is None else estimate.high - estimate.low)
    assert widths[0] > widths[1] > widths[2]


def test_one_wild_stretch_does_not_carry_the_rate_away() -> None:
    even = [(float(day), 10.0 * day + (day % 2)) for day in range(60)]
    wild = [(day, total + (3000.0 if day >= 30 else 0.0)) for day, total in even]
    rate = forecast_counter(wild, 1e4, 0.8).rate
    assert rate is not None
    assert 9 < rate < 20


def test_gauge_that_wears_reaches_its_limit() -> None:
    luck = random.Random(3)
    tread = [(float(day), 12 - 0.02 * day + luck.gauss(0, 0.05)) for day in range(0, 200, 5)]
    estimate = _sure(forecast_gauge(tread, 3.0, 0.8))
    real = (12 - 3) / 0.02 - 195
    assert estimate.low < real
    assert estimate.high is not None
    assert real < estimate.high
    assert abs(estimate.days - real) < 0.1 * real


@pytest.mark.parametrize(
    ("points", "target", "reason"),
    [
        ([(day, 5 + (-1) ** day * 0.1) for day in range(30)], 3, "no_movement"),
        ([(day, 12 - 0.1 * day) for day in range(30)], 20, "moves_away"),
        ([(day, 1.0) for day in range(3)], 3, "too_few_readings"),
    ],
)
def test_gauge_without_a_way_to_the_value_gives_no_estimate(
    points: Sequence[tuple[float, float]], target: float, reason: str
) -> None:
    assert forecast_gauge(points, target, 0.8).reason == reason


@given(
    st.lists(st.floats(0, 1e6), min_size=0, max_size=40),
    st.floats(-1e7, 1e7),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_any_history_gives_an_ordered_interval_or_a_reason(
    increments: list[float], target: float, confidence: float
) -> None:
    total, points = 0.0, []
    for day, more in enumerate(increments):
        total += more
        points.append((float(day), total))
    for found in (forecast_counter(points, target, confidence), forecast_gauge(points, target, confidence)):
        assert (found.estimate is None) == (found.reason is not None)
        if found.estimate is not None:
            assert 0 <= found.estimate.low <= found.estimate.days
            assert found.estimate.high is None or found.estimate.days <= found.estimate.high


@pytest.mark.parametrize(("freedom", "table"), [(2, 1.886), (5, 1.476), (10, 1.372), (30, 1.310), (1000, 1.282)])
def test_student_agrees_with_the_table(freedom: float, table: float) -> None:
    assert student(0.8, freedom) == pytest.approx(table, rel=0.05)


def _sure(found: Forecast) -> Estimate:
    assert found.estimate is not None, found.reason
    return found.estimate
