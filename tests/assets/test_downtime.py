"""Downtime counts each moment once, under the gravest of its reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from assets.downtime import REASONS, UNOBSERVED, Source, Stretch, check_reason, downtime

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
END = BEGIN + timedelta(hours=10)


def stretch(first: float, last: float | None, reason: str, name: str = "x") -> Stretch:
    end = None if last is None else BEGIN + timedelta(hours=last)
    return Stretch(BEGIN + timedelta(hours=first), end, reason, Source("test", name))


@pytest.mark.parametrize(
    ("stretches", "down_h", "unobserved_h", "by_reason"),
    [
        ([], 0, 0, {}),
        ([stretch(1, 3, "breakdown")], 2, 0, {"breakdown": 2}),
        ([stretch(1, 3, "breakdown"), stretch(2, 4, "repair")], 3, 0, {"breakdown": 2, "repair": 1}),
        ([stretch(1, 3, "repair", "a"), stretch(1, 3, "repair", "b")], 2, 0, {"repair": 2}),
        ([stretch(-5, 2, "repair")], 2, 0, {"repair": 2}),
        ([stretch(9, None, "repair")], 1, 0, {"repair": 1}),
        ([stretch(12, None, "repair")], 0, 0, {}),
        ([stretch(0, 4, UNOBSERVED), stretch(1, 2, "breakdown")], 1, 3, {"breakdown": 1}),
        ([stretch(3, 3, "breakdown")], 0, 0, {}),
        ([stretch(1, 2, "repair"), stretch(2, 3, "repair")], 2, 0, {"repair": 2}),
        ([stretch(1, 4, "planned_maintenance"), stretch(2, 3, "breakdown")], 3, 0, None),
        ([stretch(1, 2, "a word of tomorrow")], 1, 0, {"a word of tomorrow": 1}),
    ],
)
def test_overlaps_count_once(
    stretches: list[Stretch], down_h: float, unobserved_h: float, by_reason: dict[str, float] | None
) -> None:
    found = downtime(stretches, BEGIN, END)
    assert (found.down_s / 3600, found.unobserved_s / 3600) == (down_h, unobserved_h)
    if by_reason is not None:
        assert {reason: seconds / 3600 for reason, seconds in found.by_reason.items()} == by_reason
    assert found.availability == pytest.approx(1 - down_h / (10 - unobserved_h))


def test_nothing_observed_has_no_availability() -> None:
    assert downtime([stretch(-1, None, UNOBSERVED)], BEGIN, END).availability is None


def test_reason_that_nobody_knows_is_refused() -> None:
    check_reason(None)
    check_reason("repair")
    with pytest.raises(Invalid):
        check_reason("laziness")


parts = st.tuples(st.integers(-3, 12), st.integers(0, 8), st.sampled_from([*REASONS, UNOBSERVED]))


@given(st.lists(parts, max_size=12))
def test_sum_is_what_counting_hour_by_hour_gives(told: list[tuple[int, int, str]]) -> None:
    rank = [*REASONS, UNOBSERVED]
    expected: dict[str, int] = {}
    for hour in range(10):
        reasons = [reason for first, length, reason in told if first <= hour < first + length]
        if reasons:
            worst = min(reasons, key=rank.index)
            expected[worst] = expected.get(worst, 0) + 1
    unobserved = expected.pop(UNOBSERVED, 0)
    found = downtime([stretch(first, first + length, reason) for first, length, reason in told], BEGIN, END)
    assert {reason: seconds / 3600 for reason, seconds in found.by_reason.items()} == expected
    assert found.unobserved_s == unobserved * 3600
    assert all(a.end <= b.start for a, b in pairwise(found.spans))
