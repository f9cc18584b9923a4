"""Filters are compared as the broker compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.topic_filters import covers, is_filter, matches, overlaps, rank


@pytest.mark.parametrize("good", ["a", "a/b", "+", "#", "a/+/b", "a/#", "+/+/SENSOR", "/a", "a//b", "ü/ö"])
def test_valid_filters(good: str) -> None:
    assert is_filter(good)


@pytest.mark.parametrize("bad", ["", "a#", "a/#/b", "a+", "a/b+/c", "$SYS/#", " a", "x" * 201, "a\x00", "a/" * 40])
def test_invalid_filters(bad: str) -> None:
    assert not is_filter(bad)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "does"),
    [
        ("tele/+/SENSOR", "tele/plug/SENSOR", True),
        ("tele/+/SENSOR", "tele/a/b/SENSOR", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/+", "a", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("a", "a/", False),
    ],
)
def test_matching(topic_filter: str, topic: str, does: bool) -> None:
    assert matches(topic_filter, topic) is does


LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=3)
FILTERS = st.tuples(LEVELS, st.booleans()).map(lambda made: "/".join(made[0] + ["#"] * made[1]))
TOPICS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map("/".join)


@given(FILTERS, FILTERS, TOPICS)
def test_overlap_and_cover_agree_with_matching(one: str, other: str, topic: str) -> None:
    in_one, in_other = matches(one, topic), matches(other, topic)
    if in_one and in_other:
        assert overlaps(one, other)
        assert overlaps(other, one)
    if covers(one, other) and in_other:
        assert in_one


def test_overlaps_are_found_and_others_not() -> None:
    assert overlaps("a/+", "+/b")
    assert overlaps("a/#", "a")
    assert overlaps("a", "a/#")
    assert not overlaps("a/+", "a")
    assert not overlaps("a/b", "a/c")
    assert not covers("a/b", "a/+")
    assert covers("a/#", "a/b/+")
    assert not covers("a/+", "a/#")


def test_most_specific_filter_sorts_first() -> None:
    assert sorted(["#", "a/#", "a/+", "a/b", "+/b"], key=rank) == ["a/b", "a/+", "a/#", "+/b", "#"]
