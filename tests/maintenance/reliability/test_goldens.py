"""The golden dataset, reckoned by hand: MTBF, MTTR, availability, clipping, censoring, nothing failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from maintenance.reliability.lives import FAILURE, PLANNED, UNSEEN, Life, Lived, Stop, lived
from maintenance.reliability.rates import mean_time, mtbf, reliability

T0 = datetime(2026, 6, 1, tzinfo=UTC)
PERIOD = 720.0
LONG_AGO = T0 - timedelta(days=400)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def life(*stops: tuple[float, float | None, str], begin: datetime = LONG_AGO, end: datetime | None = None) -> Life:
    made = tuple(Stop(at(start), None if stop is None else at(stop), kind) for start, stop, kind in stops)
    return Life(UUID(int=1), begin, end, made)


def month(given: Life, now: float = 5000.0) -> Lived:
    return lived(given, T0, at(PERIOD), at(now))


def test_the_oracle_two_failures_in_720_hours() -> None:  # 003-40
    found = reliability([month(life((100, 110, FAILURE), (400, 405, FAILURE)))])
    assert found.mtbf.value == pytest.approx(352.5)
    assert found.mttr_clock.value == pytest.approx(7.5)
    assert found.availability is not None
    assert 100 * found.availability == pytest.approx(97.9166667)
    assert (found.failures, found.mtbf.n, found.open_failures) == (2, 2, 0)


# name, stops, begin, end, now: up, failed, planned, unobserved, failures, hours of each, carried in
H = tuple[tuple[float, float | None, str], ...]
F, P, U = FAILURE, PLANNED, UNSEEN
TABLE: list[tuple[str, H, float, float | None, float, float, float, float, float, list[float], int]] = [
    ("down at the period's start is clipped", ((-20, 10, F),), -9e3, None, 5e3, 710, 10, 0, 0, [], 1),
    ("runs beyond the end: its repair is not clipped", ((700, 740, F),), -9e3, None, 5e3, 700, 20, 0, 0, [40], 0),
    ("an open failure counts to now", ((600, None, F),), -9e3, None, 650, 600, 50, 0, 0, [50], 0),
    ("exposed from when it came into service", ((100, 110, F), (400, 405, F)), 200, None, 5e3, 515, 5, 0, 0, [5], 0),
    ("not exposed after it was retired", ((100, 110, F), (400, 405, F)), -9e3, 300, 5e3, 290, 10, 0, 0, [10], 0),
    ("retired while it was down", ((100, None, F),), -9e3, 150, 5e3, 100, 50, 0, 0, [50], 0),
    ("planned work is no failure", ((100, 110, P),), -9e3, None, 5e3, 710, 0, 10, 0, [], 0),
    ("overlapping failures are one", ((100, 110, F), (105, 120, F)), -9e3, None, 5e3, 700, 20, 0, 0, [20], 0),
    ("failures that touch are one", ((100, 110, F), (110, 120, F)), -9e3, None, 5e3, 700, 20, 0, 0, [20], 0),
    ("planned work inside a failure", ((100, 120, F), (110, 130, P)), -9e3, None, 5e3, 690, 20, 10, 0, [20], 0),
    ("nobody saw it: neither up nor down", ((100, 200, U),), -9e3, None, 5e3, 620, 0, 0, 100, [], 0),
    ("unseen inside a failure", ((100, 200, F), (150, 250, U)), -9e3, None, 5e3, 570, 50, 0, 100, [100], 0),
    ("the period is not over", ((100, 110, F),), -9e3, None, 240, 230, 10, 0, 0, [10], 0),
    ("in service later than the period", (), 800, None, 5e3, 0, 0, 0, 0, [], 0),
    ("it came into service broken", ((50, 60, F),), 55, None, 5e3, 660, 5, 0, 0, [], 1),
    ("all the time down", ((-5, 800, F),), -9e3, None, 5e3, 0, 720, 0, 0, [], 1),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_hours_of_a_machine(
    row: tuple[str, H, float, float | None, float, float, float, float, float, list[float], int],
) -> None:
    _, stops, begin, end, now, up, failed, planned, unseen, hours, carried = row
    found = month(life(*stops, begin=at(begin), end=None if end is None else at(end)), now)
    assert found.up_h == pytest.approx(up)
    assert found.failed_h == pytest.approx(failed)
    assert found.planned_h == pytest.approx(planned)
    assert found.unobserved_h == pytest.approx(unseen)
    assert [failure.hours for failure in found.failures] == pytest.approx(hours)
    assert found.carried_in == carried


def test_without_a_failure_there_is_a_bound_and_no_number() -> None:
    found = reliability([month(life())])
    assert found.mtbf.value is None
    assert found.mtbf.reason == "no_failure"
    assert found.mtbf.low == pytest.approx(720 / 2.9957, rel=1e-4)  # the rule of three
    assert found.mtbf.high is None
    assert found.mttr_clock.value is None
    assert found.availability == 1.0


def test_interval_of_mtbf_is_the_exact_one_of_a_poisson_count() -> None:
    # Garwood 1936: for 5 events 95 % lies within 1.6235 and 11.6683
    rate = mtbf(1000.0, 5)
    assert rate.value == pytest.approx(200.0)
    assert rate.low == pytest.approx(1000 / 11.6683, rel=1e-4)
    assert rate.high == pytest.approx(1000 / 1.6235, rel=1e-4)


def test_a_fleet_sums_hours_and_failures_and_never_means() -> None:
    one = month(life((100, 110, FAILURE)))
    other = month(life(*((hour, hour + 1, FAILURE) for hour in (10.0, 20.0, 30.0)), begin=at(0)), now=720)
    found = reliability([one, other])
    assert found.mtbf.value == pytest.approx((710 + 717) / 4)
    assert found.mttr_clock.value == pytest.approx((10 + 1 + 1 + 1) / 4)
    assert found.machines == 2


def test_a_machine_that_was_not_there_is_not_counted() -> None:
    found = reliability([month(life(begin=at(800)))])
    assert (found.machines, found.availability, found.mtbf.reason) == (0, None, "not_exposed")


def test_mean_time_has_an_interval_from_three_on() -> None:
    assert mean_time([2.0, 4.0]).low is None
    rate = mean_time([1.0, 2.0, 4.0, 8.0])
    assert rate.value == pytest.approx(3.75)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 3.75 < rate.high
    assert mean_time([3.0, 3.0, 3.0]).low is None


@pytest.mark.parametrize(
    ("since", "until", "stop"),
    [(10, 10, None), (10, 5, None), (0, 720, Stop(at(10), at(5)))],
    ids=["empty", "back", "stop"],
)
def test_what_ends_before_it_begins_is_refused(since: float, until: float, stop: Stop | None) -> None:
    bad = Life(UUID(int=1), LONG_AGO, None, (stop,) if stop else ())
    with pytest.raises(Invalid):
        lived(bad, at(since), at(until), at(900))


_STOPS = st.lists(
    st.tuples(st.integers(-200, 900), st.integers(0, 300) | st.none(), st.sampled_from([FAILURE, PLANNED, UNSEEN])),
    max_size=8,
)


@given(_STOPS, st.integers(-300, 600), st.integers(0, 1000))
def test_each_moment_counts_once(stops: list[tuple[int, int | None, str]], begin: int, now: int) -> None:
    made = life(*((s, None if n is None else s + n, kind) for s, n, kind in stops), begin=at(begin))
    found = month(made, now)
    assert found.up_h >= -1e-6
    whole = found.up_h + found.failed_h + found.planned_h + found.unobserved_h
    assert whole == pytest.approx(found.exposed_h, abs=1e-6)
    assert found.exposed_h == pytest.approx(max(0.0, min(PERIOD, now) - max(0, begin)), abs=1e-6)


@given(_STOPS)
def test_failures_of_parts_of_a_period_add_up(stops: list[tuple[int, int | None, str]]) -> None:
    made = life(*((s, None if n is None else s + n, kind) for s, n, kind in stops))
    whole = month(made)
    halves = [lived(made, at(0), at(300), at(5000)), lived(made, at(300), at(PERIOD), at(5000))]
    assert len(whole.failures) == sum(len(half.failures) for half in halves)
    assert whole.up_h == pytest.approx(sum(half.up_h for half in halves), abs=1e-6)
