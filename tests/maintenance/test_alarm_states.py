"""The states of ISA-18.2 as one table, and what may be done in each."""

from __future__ import annotations

from itertools import product

import pytest

from maintenance.alarm_states import OPERATIONS, STATES, Alarm, alarm_state, legal_operations

TABLE: list[tuple[str, Alarm, str, tuple[str, ...]]] = [
    ("evidence lasts, unseen", Alarm(False, True, False), "unacknowledged", ("acknowledge", "shelve")),
    ("evidence lasts, seen", Alarm(False, True, True), "acknowledged", ("shelve",)),
    ("ended unseen", Alarm(False, False, False), "returned_unacknowledged", ("acknowledge", "shelve")),
    ("ended and seen", Alarm(False, False, True), "normal", ("shelve",)),
    ("closed", Alarm(True, False, False), "normal", ()),
    ("closed, whatever is held", Alarm(True, True, False, "shelved", True), "normal", ()),
    ("shelved", Alarm(False, True, False, "shelved"), "shelved", ("unshelve",)),
    ("a window comes before a shelf", Alarm(False, True, False, "shelved", True), "suppressed_by_design", ()),
    ("in a window", Alarm(False, True, True, None, True), "suppressed_by_design", ()),
    ("out of service comes first", Alarm(False, True, False, "out_of_service", True), "out_of_service", ()),
]


@pytest.mark.parametrize(("name", "alarm", "state", "legal"), TABLE, ids=[row[0] for row in TABLE])
def test_alarm_state(name: str, alarm: Alarm, state: str, legal: tuple[str, ...]) -> None:
    assert (alarm_state(alarm), legal_operations(alarm)) == (state, legal)


def test_every_alarm_has_one_known_state() -> None:
    for closed, lasts, seen, by_design in product((False, True), repeat=4):
        for held in (None, "shelved", "out_of_service"):
            assert alarm_state(Alarm(closed, lasts, seen, held, by_design)) in STATES
    assert set(OPERATIONS) == set(STATES)
