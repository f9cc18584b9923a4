"""Identifiers sort by creation and codes can be read aloud."""

from __future__ import annotations

import time

from assets.base.ids import CODE_ALPHABET, new_code, uuid7


def test_ids_sort_by_creation_even_within_a_millisecond() -> None:
    made = []
    for _ in range(2000):
        made.append(uuid7())
        started = time.perf_counter_ns()
        while time.perf_counter_ns() - started < 1000:  # the fraction counts quarters of a microsecond
            pass
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_are_version_seven_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_codes_use_no_letter_that_is_mistaken_for_another() -> None:
    codes = [new_code() for _ in range(500)]
    assert all(len(code) == 10 and set(code) <= set(CODE_ALPHABET) for code in codes)
    assert not set("01OIL") & set(CODE_ALPHABET)
    assert len(set(CODE_ALPHABET)) == len(CODE_ALPHABET)
    assert len(set(codes)) == 500
    assert len(new_code(16)) == 16
