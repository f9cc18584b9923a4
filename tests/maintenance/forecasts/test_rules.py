"""Rules of forecasts as tables, without a database: needs, chances, series, back-test, who can do how much."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from scipy import stats

from maintenance.forecasts.asking import by_part
from maintenance.forecasts.needs import Norm, Stop, Work, need_of, read_norm
from maintenance.forecasts.predictions import Predicted, chances, life_points, put_off, usual_chances
from maintenance.forecasts.series import (
    INTERVAL,
    LEAST,
    SEASON,
    Ahead,
    back_test,
    naive,
    outlook,
    quantile,
    seasonal,
)
from maintenance.forecasts.staffing import Able, Skill, missing
from maintenance.forecasts.weeks import WEEK, monday, weeks_from

P, Q, PART, ROUND = uuid4(), uuid4(), uuid4(), uuid4()
NORM = Norm({("HV", 3): 90, ("any", 1): 20}, {PART: Decimal(2)})
HV = (("HV", 2), ("PUMP", 4))


@pytest.mark.parametrize(
    ("work", "labour", "parts", "unknown"),
    [
        (Work((), 60, None, None, ((None, None),)), {("any", 1): 60}, {}, False),
        (Work(HV, 60, None, None, ((None, None),)), {("PUMP", 4): 60}, {}, False),
        (Work((), None, None, None, ((None, None),)), {("any", 1): 0}, {}, True),
        (Work((), 60, P, None, ((None, None),)), NORM.labour, NORM.parts, False),
        (Work((), 60, None, None, ((None, 30), (None, 15))), {("any", 1): 45}, {}, False),
        (Work((), 60, None, None, ((P, None), (None, 30))), {("HV", 3): 90, ("any", 1): 50}, NORM.parts, False),
        (Work((), 60, Q, None, ((P, None), (P, 5))), NORM.labour, NORM.parts, False),  # attached once
        (Work((), 60, Q, None, ((None, None),)), {("any", 1): 60}, {}, False),  # a procedure without norms
        (Work((), 60, P, ROUND, ((None, None),)), {("HV", 3): 180, ("any", 1): 47}, {PART: Decimal(4)}, False),
    ],
)
def test_needs_come_from_norms_else_from_durations(
    work: Work, labour: dict[Skill, int], parts: dict[UUID, Decimal], unknown: bool
) -> None:
    """7.4a: what the order will get, counted once."""
    stops = {ROUND: [Stop(None, 10), Stop(P, None), Stop(Q, 7)]}
    found = need_of(work, {P: NORM}, stops)
    assert (dict(found.labour), dict(found.parts), found.unknown) == (labour, parts, unknown)


def test_norms_count_people_times_minutes() -> None:
    told = {
        "labour": [{"skill": "HV", "level": 2, "people": 2, "minutes": 45}, {"skill": None, "minutes": 5}],
        "parts": [{"part_id": str(PART), "quantity": 1.5}, {"part_id": str(PART), "quantity": "0.25"}],
    }
    assert read_norm(told) == Norm({("HV", 2): 90, ("any", 1): 5}, {PART: Decimal("1.75")})
    assert read_norm(None) == read_norm({}) == Norm()


NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
WEEKS = weeks_from(NOW.date(), 6)
DAY = 86_400.0


def test_chances_of_weeks_are_pieces_of_the_curve_given_that_nothing_failed_yet() -> None:
    """7.4a: [7 days, 20 %], [28 days, 80 %] said three days ago; by now 3/7 of the first 20 % have not happened."""
    said = NOW - timedelta(days=3)
    found = chances([(7 * DAY, 0.2), (28 * DAY, 0.8)], said, NOW, WEEKS)
    gone = 0.2 * 3 / 7
    first = 0.2 + 0.6 * (0.5 / 21) - gone  # until Monday 0:00 are 4.5 days more: 7.5 days after it was said
    assert found[0] == pytest.approx(first / (1 - gone))
    assert sum(found) == pytest.approx((0.8 - gone) / (1 - gone))
    assert all(chance >= 0 for chance in found)
    assert found[5] == 0


@pytest.mark.parametrize(
    ("points", "sums"),
    [
        ([], 0.0),
        ([(0.0, 0.4)], 0.0),
        ([(math.inf, 1.0)], 0.0),
        ([(DAY, 1.0)], 1.0),
        ([(DAY, 5.0), (2 * DAY, 0.1)], 1.0),
    ],
)
def test_odd_curves_give_no_odd_chances(points: list[tuple[float, float]], sums: float) -> None:
    assert sum(chances(points, NOW, NOW, WEEKS)) == pytest.approx(sums)
    late = chances(points, NOW - timedelta(days=30), NOW, WEEKS)
    assert late == ([1.0, 0, 0, 0, 0, 0] if sums else [0.0] * 6)  # it was to have failed long ago: any day


def test_an_interval_without_a_curve_is_one() -> None:
    life = SimpleNamespace(p_within=[], life_s=50.0, low_s=20.0, high_s=90.0, coverage=0.9)
    assert [(span, round(chance, 3)) for span, chance in life_points(life)] == [(20.0, 0.05), (50.0, 0.5), (90.0, 0.95)]


def test_jobs_without_an_estimate_take_the_usual_share() -> None:
    found = usual_chances(0.6, NOW, NOW, WEEKS)
    assert sum(found) == pytest.approx(0.6)
    assert found[1] == pytest.approx(0.15)
    assert sum(usual_chances(0.6, NOW - timedelta(days=400), NOW, WEEKS)) == pytest.approx(0.6)


def wave(weeks: int, seed: int = 1, level: float = 600.0, swing: float = 0.5) -> list[float]:
    """Orders of about an hour by a Poisson law whose rate swings over the year."""
    chance = np.random.default_rng(seed)
    rate = [level / 60 * (1 + swing * math.sin(2 * math.pi * at / SEASON)) for at in range(weeks)]
    return [float(60 * count) for count in chance.poisson(rate)]


def test_the_model_beats_the_year_before_and_its_interval_holds_what_it_says() -> None:
    """7.4c: with three years of a season, MASE below 1 and about 80 % of the weeks inside."""
    tests = [back_test(wave(156, seed)) for seed in range(8)]
    assert all(each.chosen == "seasonal" for each in tests)
    assert all(each.model and each.naive and each.model.mae < each.naive.mae for each in tests)
    covered = np.mean([each.model.coverage for each in tests if each.model])
    assert INTERVAL - 0.1 < covered < INTERVAL + 0.12
    assert all(each.model and each.model.mase and each.model.mase < 1 for each in tests)


def test_where_the_year_before_did_better_it_is_used_and_said() -> None:
    """7.4c: sharp peaks in the same weeks every year; smoothing loses them."""
    series = [100.0 if at % SEASON in (3, 17, 30, 44) else 5.0 for at in range(160)]
    found = outlook(series, 10)
    assert (found.method, found.proven) == ("naive", True)
    assert found.test.naive is not None
    assert found.test.naive.mae == 0
    assert [each.mean for each in found.ahead] == [series[160 - SEASON + step] for step in range(10)]


@pytest.mark.parametrize(
    ("series", "method", "reason"),
    [
        ([5.0] * (LEAST - 1), "none", "too_short"),
        ([5.0] * LEAST, "seasonal", "too_short"),
        ([5.0] * 60, "seasonal", "too_short"),
        ([0.0] * 120, "none", "nothing"),
        ([5.0] * 120, "seasonal", None),
    ],
)
def test_too_little_history_says_so(series: list[float], method: str, reason: str | None) -> None:
    """7.4c"""
    found = outlook(series, 4)
    assert (found.method, found.test.reason, found.proven) == (method, reason, reason is None)
    assert found.ahead[0].mean == (5.0 if method == "seasonal" else 0.0)


def test_no_origin_sees_what_comes_after_it() -> None:
    """7.4c: each forecast of the back-test is the one that was possible then."""
    series = wave(140)
    asked: list[Sequence[float]] = []

    def spy(history: Sequence[float], horizon: int) -> list[Ahead]:
        asked.append(list(history))
        return seasonal(history, horizon)

    back_test(series, spy)
    assert [len(each) for each in asked] == list(range(88, 140, 4))
    assert all(each == series[: len(each)] for each in asked)


def test_figures_by_hand() -> None:
    """7.4c: a model that is off by 10 everywhere on 20s: WAPE 0.5; a naive one off by nothing: MAE 0."""
    series = [20.0] * 120
    found = back_test(series, lambda _, horizon: [Ahead(30.0, 1.0)] * horizon)
    assert found.model is not None
    assert found.naive is not None
    assert (found.model.mae, found.model.wape, found.model.mase, found.model.coverage) == (10.0, 0.5, None, 0.0)
    assert (found.naive.mae, found.naive.coverage, found.chosen) == (0.0, 1.0, "naive")
    assert (found.origins, found.n) == (13, sum(min(13, 120 - at) for at in range(68, 120, 4)))
    with pytest.raises(ValueError, match="year"):
        naive([1.0] * 10, 3)


def test_sparse_weeks_keep_what_the_interval_says() -> None:
    """7.4c: a machine that calls every third week; most weeks nothing comes, and the interval knows it."""
    chance = np.random.default_rng(5)
    series = [float(100 * count) for count in chance.poisson(0.35, 156)]
    found = back_test(series)
    assert found.model is not None
    assert found.model.coverage > 0.75
    assert quantile(35, 3500, 0.1, 0.7) == 0
    assert quantile(35, 3500, 0.9, 0.7) > 100


def test_quantiles_are_those_of_the_gamma_distribution() -> None:
    assert quantile(10, 20, 0.9) == pytest.approx(stats.gamma.ppf(0.9, 5, scale=2))
    assert quantile(10, 0, 0.9) == 10
    assert quantile(0, 4, 0.9) == pytest.approx(2 * stats.norm.ppf(0.9))


SKILLS = ("A", "B", "C")


def most_missing(needs: dict[Skill, int], people: list[Able]) -> int:
    """By Hall: of each set of needs, what all who can do any of it lack; the worst of them is missing."""
    worst = 0
    for size in range(1, len(needs) + 1):
        for chosen in combinations(needs, size):
            there = sum(each.minutes for each in people if any(each.can(need) for need in chosen))
            worst = max(worst, sum(needs[need] for need in chosen) - there)
    return worst


def test_nobody_is_counted_twice_and_no_hour_is_left_that_would_help() -> None:
    """7.4b: 300 random weeks; what is missing in all is the least possible (Hall's condition)."""
    chance = random.Random(4)
    for _ in range(300):
        people = [
            Able({skill: chance.randrange(1, 4) for skill in SKILLS if chance.random() < 0.5}, chance.randrange(0, 50))
            for _ in range(chance.randrange(0, 6))
        ]
        needs: dict[Skill, int] = {
            (chance.choice((*SKILLS, "any")), chance.randrange(1, 4)): chance.randrange(1, 60)
            for _ in range(chance.randrange(1, 5))
        }
        found = missing(needs, people)
        assert sum(found.values()) == most_missing(needs, people), (needs, people)
        assert all(0 <= found[need] <= needs[need] for need in needs)


@pytest.mark.parametrize(
    ("needs", "people", "lacking"),
    [
        ({("A", 1): 60, ("B", 1): 60}, [({"A": 1, "B": 1}, 60), ({"B": 2}, 60)], [0, 0]),
        ({("A", 1): 60, ("B", 1): 60}, [({"A": 1, "B": 1}, 60)], [0, 60]),
        ({("A", 3): 60}, [({"A": 2}, 600)], [60]),
        ({("any", 1): 60, ("A", 2): 60}, [({"A": 3}, 60), ({}, 50)], [10, 0]),
        ({("A", 1): 60}, [], [60]),
    ],
)
def test_missing_hours(needs: dict[Skill, int], people: list[Any], lacking: list[int]) -> None:
    """7.4b"""
    found = missing(needs, [Able(*each) for each in people])
    assert [found[need] for need in needs] == lacking


def test_weeks_begin_on_monday() -> None:
    assert monday(date(2026, 3, 8)) == date(2026, 3, 2)
    assert weeks_from(date(2026, 3, 8), 2) == [date(2026, 3, 2), date(2026, 3, 2) + WEEK]


def test_many_pieces_that_rather_do_not_come_are_no_certain_demand() -> None:
    """7.4a: ten seals with a chance of one in ten are one on average, and most likely none."""
    job = Predicted(uuid4(), uuid4(), "P", None, "k", "usual", (0.1,), {}, {PART: Decimal(10)})
    (ahead,) = by_part([date(2026, 1, 5)], [job])[PART]
    assert (ahead.mean, ahead.nothing) == (pytest.approx(1.0), pytest.approx(0.9))
    assert quantile(ahead.mean, ahead.variance, 0.1, ahead.nothing) == pytest.approx(0, abs=0.01)
    (both,) = by_part([date(2026, 1, 5)], [job, job])[PART]
    assert both.nothing == pytest.approx(0.81)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), [0.1, 0.2, 0.3]),  # its week is over: as if nobody had decided
        (datetime(2026, 1, 7, tzinfo=UTC), [0.1, 0.2, 0.3]),
        (datetime(2026, 1, 18, 23, tzinfo=UTC), [0.0, 0.3, 0.3]),
        (datetime(2026, 1, 19, tzinfo=UTC), [0.0, 0.0, 0.6]),
        (datetime(2026, 3, 1, tzinfo=UTC), [0.0, 0.0, 0.0]),
    ],
)
def test_a_job_that_was_put_off_counts_in_the_week_of_its_day(day: datetime, expected: list[float]) -> None:
    """7.3b, 7.4a."""
    assert put_off([0.1, 0.2, 0.3], weeks_from(date(2026, 1, 5), 3), day) == pytest.approx(expected)
