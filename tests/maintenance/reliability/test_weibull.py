"""Weibull fits against published data and simulated truth; trend and interval of least cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from assets.base.errors import Invalid
from maintenance.reliability.intervals import YEAR_H, suggest
from maintenance.reliability.trend import trend
from maintenance.reliability.weibull import Spell, Weibull, expected_age, fit, quantile

# Lieblein and Zelen 1956: endurance of 23 ball bearings, millions of revolutions
BEARINGS = [
    17.88, 28.92, 33.00, 41.52, 42.12, 45.60, 48.40, 51.84, 51.96, 54.12, 55.56, 67.80,
    68.64, 68.64, 68.88, 84.12, 93.12, 98.64, 105.12, 105.84, 127.92, 128.04, 173.40,
]  # fmt: skip


def sampled(shape: float, scale: float, n: int, censor: float, seed: int = 5) -> list[Spell]:
    drawn = scale * np.random.default_rng(seed).weibull(shape, n)
    return [Spell(float(min(age, censor)), bool(age <= censor)) for age in drawn]


def fitted(spells: list[Spell]) -> Weibull:
    found = fit(spells)
    assert found.weibull is not None, found.reason
    return found.weibull


def test_ball_bearings_as_published() -> None:
    found = fitted([Spell(age, True) for age in BEARINGS])
    assert found.shape == pytest.approx(2.102, abs=0.002)
    assert found.scale == pytest.approx(81.88, abs=0.02)
    assert found.pattern == "wear_out"
    assert found.b10 == pytest.approx(quantile(found.shape, found.scale, 0.1))


def test_agrees_with_scipy_on_censored_lives() -> None:
    spells = sampled(1.7, 900, 60, 800)
    found = fitted(spells)
    data = stats.CensoredData(
        uncensored=[spell.age for spell in spells if spell.failed],
        right=[spell.age for spell in spells if not spell.failed],
    )
    shape, _, scale = stats.weibull_min.fit(data, floc=0)
    assert found.shape == pytest.approx(shape, rel=1e-3)
    assert found.scale == pytest.approx(scale, rel=1e-3)
    assert found.censored > 0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = np.array([
        (w.shape_low <= 2.0 <= w.shape_high, w.scale_low <= 500 <= w.scale_high)
        for w in (fitted(sampled(2.0, 500, 40, 600, seed)) for seed in range(120))
    ])  # fmt: skip
    assert 0.88 <= held[:, 0].mean() <= 1.0
    assert 0.86 <= held[:, 1].mean() <= 1.0


def test_machines_seen_only_from_some_age_do_not_look_sturdier() -> None:
    drawn = 1000 * np.random.default_rng(3).weibull(2.0, 4000)
    late = [Spell(float(age), True, entry=700.0) for age in drawn if age > 700]
    found = fitted(late)
    assert found.scale == pytest.approx(1000, rel=0.06)
    blind = fitted([Spell(spell.age, True) for spell in late])
    assert blind.scale > 1.15 * found.scale


@pytest.mark.parametrize(
    ("shape", "pattern"), [(0.5, "early"), (1.0, "random"), (3.0, "wear_out")], ids=["early", "random", "wear"]
)
def test_pattern_is_said_only_when_it_is_sure(shape: float, pattern: str) -> None:
    assert fitted(sampled(shape, 100, 80, 1e9, seed=8)).pattern == pattern


def test_few_failures_give_a_reason_and_no_numbers() -> None:
    assert fit([]).reason == "too_few_failures"
    found = fit([Spell(10, True), Spell(20, True), *(Spell(50, False) for _ in range(30))])
    assert (found.weibull, found.reason, found.failures, found.censored) == (None, "too_few_failures", 2, 30)
    assert fit([Spell(10.0, True)] * 5).reason == "all_equal"


@pytest.mark.parametrize(
    "bad", [Spell(0, True), Spell(-1, True), Spell(math.nan, True), Spell(5, True, 5), Spell(math.inf, False)]
)
def test_impossible_ages_are_refused(bad: Spell) -> None:
    with pytest.raises(Invalid):
        fit([Spell(3, True), Spell(4, True), Spell(6, True), bad])


def test_does_not_depend_on_the_unit_of_time() -> None:
    hours = sampled(1.5, 2000, 30, 2500)
    days = [Spell(spell.age / 24, spell.failed) for spell in hours]
    assert fitted(days).shape == pytest.approx(fitted(hours).shape, rel=1e-6)
    assert 24 * fitted(days).scale == pytest.approx(fitted(hours).scale, rel=1e-6)


WORN = fitted(sampled(3.0, 2000, 200, 1e9))


def test_interval_of_least_cost_is_the_least() -> None:
    found = suggest(WORN, 100, 2000, now_h=1900)
    assert found.best is not None
    assert found.best.interval_h is not None
    assert found.now is not None
    ages = np.linspace(100, 4000, 400)
    costs = [
        (100 * math.exp(-((a / WORN.scale) ** WORN.shape)) + 2000 * -math.expm1(-((a / WORN.scale) ** WORN.shape)))
        / expected_age(WORN.shape, WORN.scale, a) * YEAR_H
        for a in ages
    ]  # fmt: skip
    assert found.best.cost_per_year <= min(costs) * 1.0001
    assert found.saving_per_year == pytest.approx(found.now.cost_per_year - found.best.cost_per_year)
    assert found.best.failures_per_year < found.now.failures_per_year < found.to_failure.failures_per_year


def test_no_interval_where_wear_is_not_sure() -> None:
    random = fitted(sampled(1.0, 1000, 40, 1e9))
    assert suggest(random, 100, 5000).reason == "failures_are_random"
    assert suggest(fitted(sampled(0.5, 1000, 80, 1e9, 8)), 100, 5000).reason == "early_failures"
    assert suggest(WORN, 500, 400).reason == "service_costs_too_much"


def test_present_interval_that_is_good_stays() -> None:
    best = suggest(WORN, 100, 2000).best
    assert best is not None
    assert suggest(WORN, 100, 2000, now_h=best.interval_h).reason == "no_gain"


@pytest.mark.parametrize(("planned", "failure", "now"), [(0, 1, None), (1, -1, None), (1, 2, 0.0 - 1)])
def test_costs_have_to_be_above_nothing(planned: float, failure: float, now: float | None) -> None:
    with pytest.raises(Invalid):
        suggest(WORN, planned, failure, now)


def test_trend_is_that_of_the_published_example() -> None:
    # Failures come ever faster; Laplace's score reckoned by hand: (360 - 4 * 50) / sqrt(4 * 100**2 / 12)
    found = trend([(100.0, [80.0, 90.0, 95.0, 95.0])])
    assert found.score == pytest.approx(160 / math.sqrt(4 * 10_000 / 12))
    assert found.verdict == "worse"
    assert found.growth is not None
    assert found.growth > 1
    assert trend([(100.0, [10.0, 40.0, 60.0, 90.0])]).verdict == "none"
    assert trend([(100.0, [1.0, 2.0, 3.0, 5.0, 8.0])]).verdict == "better"
    assert trend([(100.0, [50.0])]).verdict == "too_few"
