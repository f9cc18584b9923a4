"""Late batches of which every row was scored in a rhythm of its own are not gone over once more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ml.touched import Span, Touched

T0 = datetime(2026, 5, 4, 8, tzinfo=UTC)


def at(second: int) -> datetime:
    return T0 + timedelta(seconds=second)


def span(begin: int, end: int, rows: int, batch: int = 1) -> Span:
    return Span(at(begin), at(end), rows, batch)


@pytest.mark.parametrize(
    ("spans", "scored", "expected"),
    [
        ([span(100, 100, 1)], [], 100),
        ([span(100, 100, 1)], [100], None),
        ([span(100, 160, 3)], [100, 130, 160], None),
        ([span(100, 160, 3)], [100, 160], 100),
        ([span(100, 160, 3), span(120, 180, 3, 2)], [100, 120, 130, 150, 160, 180], 100),  # who of them is not known
        ([span(100, 160, 3), span(200, 200, 1, 2)], [100, 130, 160], 200),
        ([span(100, 160, 3), span(100, 160, 3, 2)], [100, 130, 160], 100),
        ([span(100, 160, 0)], [], None),  # all of it was there before
        ([span(400, 460, 3)], [], None),  # no late one
    ],
)
def test_what_was_scored_whole_is_not_late(spans: list[Span], scored: list[int], expected: int | None) -> None:
    touched = Touched(at(0), at(500), False, at(500), frozenset(spans))
    late = touched.late_since(at(300), {at(each) for each in scored})
    assert late == (None if expected is None else at(expected))
