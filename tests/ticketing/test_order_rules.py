"""Rules of orders as tables, without a database: visits and order in every permutation, reasons, lines, skills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations_with_replacement, permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.base.errors import Invalid
from ticketing.order_edits import checked_plan, checked_skills
from ticketing.order_lines import LineFacts, checked, counted_day
from ticketing.order_states import CANNOT_COMPLETE_REASONS, HOLD_REASONS, reason_code
from ticketing.visits import LEGAL_MOVES, work_order_state

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

# The rows of the contract, word for word: what is alone, and what is beside something else.
CONTRACT = {
    (): "unscheduled",
    ("scheduled",): "scheduled",
    ("travelling",): "in_progress",
    ("in_progress",): "in_progress",
    ("completed",): "completed",
    ("partially_completed",): "unscheduled",
    ("cancelled",): "unscheduled",
    ("scheduled", "scheduled"): "scheduled",
    ("scheduled", "in_progress"): "in_progress",
    ("scheduled", "completed"): "in_progress",
    ("scheduled", "partially_completed"): "scheduled",
    ("completed", "completed"): "completed",
    ("partially_completed", "partially_completed"): "unscheduled",
    ("in_progress", "partially_completed"): "in_progress",
    ("completed", "partially_completed"): "completed",
    ("cancelled", "partially_completed"): "unscheduled",
}


@pytest.mark.parametrize("row", CONTRACT)
def test_every_row_of_the_contract_holds_in_every_order(row: Sequence[str]) -> None:
    assert {work_order_state(each) for each in permutations(row)} == {CONTRACT[tuple(row)]}


def test_three_visits_never_contradict_the_rows_of_two() -> None:
    """A third visit that is the same as one of two, or was cancelled, changes nothing; nor does the sequence."""
    for two in combinations_with_replacement(LEGAL_MOVES, 2):
        expected = work_order_state(two)
        for third in {*two, "cancelled"}:
            states = {work_order_state(each) for each in permutations((*two, third))}
            assert states == {expected}, (two, third)


@pytest.mark.parametrize(
    ("to", "code", "words", "kept"),
    [
        ("on_hold", "parts", None, "parts"),
        ("on_hold", None, "weather", "weather"),
        ("on_hold", None, "the dog bites", "other"),
        ("cannot_complete", "no_access", "gate locked", "no_access"),
        ("completed", None, None, None),
        ("cancelled", None, "by mistake", None),
    ],
)
def test_reasons_come_from_a_list(to: str, code: str | None, words: str | None, kept: str | None) -> None:
    assert reason_code(to, code, words) == kept


@pytest.mark.parametrize(("to", "code"), [("on_hold", None), ("cannot_complete", None), ("on_hold", "beyond_repair")])
def test_a_missing_or_unknown_reason_is_refused_with_the_list(to: str, code: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        reason_code(to, code, " ")
    assert refused.value.params["allowed"] == list(HOLD_REASONS if to == "on_hold" else CANNOT_COMPLETE_REASONS)


HOUR = {"started_at": NOW - timedelta(hours=2), "ended_at": NOW - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("facts", "minutes"),
    [
        ({"kind": "labour", "minutes": 30}, 30),
        ({"kind": "labour", **HOUR}, 60),
        ({"kind": "labour", **HOUR, "minutes": 45}, 45),  # a break was taken
        ({"kind": "travel", "kilometres": Decimal("12.5")}, None),
        ({"kind": "expense", "amount": Decimal("40"), "currency": "cny", "minutes": 9}, None),
    ],
)
def test_lines_hold_what_their_kind_needs(facts: dict[str, Any], minutes: int | None) -> None:
    assert checked(LineFacts(**facts), NOW)["minutes"] == minutes


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"kind": "lunch"}, "kind"),
        ({"kind": "labour"}, "minutes"),
        ({"kind": "labour", "minutes": 0}, "minutes"),
        ({"kind": "labour", "minutes": 1441}, "minutes"),
        ({"kind": "labour", **HOUR, "minutes": 90}, "minutes"),
        ({"kind": "labour", "started_at": NOW}, "ended_at"),
        ({"kind": "labour", "started_at": NOW, "ended_at": NOW}, "ended_at"),
        ({"kind": "labour", "started_at": NOW, "ended_at": NOW + timedelta(hours=1)}, "ended_at"),
        ({"kind": "labour", "minutes": 5, "category": "toll"}, "category"),
        ({"kind": "labour", "minutes": 5, "kilometres": Decimal(1)}, "kilometres"),
        ({"kind": "travel", "kilometres": Decimal(-1)}, "kilometres"),
        ({"kind": "travel", "kilometres": Decimal("NaN")}, "kilometres"),
        ({"kind": "expense"}, "amount"),
        ({"kind": "expense", "amount": Decimal(0), "currency": "EUR"}, "amount"),
        ({"kind": "expense", "amount": Decimal(5)}, "currency"),
        ({"kind": "expense", "amount": Decimal(5), "currency": "元"}, "currency"),
    ],
)
def test_a_line_that_cannot_be_names_its_field(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(LineFacts(**facts), NOW)
    assert refused.value.params["field"] == field


EARLY = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # half past seven on the 22nd in Shanghai


@pytest.mark.parametrize(
    ("started_at", "before", "zone", "day"),
    [
        (None, None, "Asia/Shanghai", 22),  # without hours: the day on which it was written down, there
        (None, None, "UTC", 21),
        (EARLY - timedelta(days=2), None, "Asia/Shanghai", 20),  # entered two days later
        (None, date(2026, 11, 18), "Asia/Shanghai", 18),  # corrected later: still of its own day
        (EARLY, date(2026, 11, 18), "Asia/Shanghai", 22),
    ],
)
def test_a_line_belongs_to_the_day_on_which_it_was_there(
    started_at: datetime | None, before: date | None, zone: str, day: int
) -> None:
    assert counted_day(started_at, EARLY, ZoneInfo(zone), before) == date(2026, 11, day)


def test_the_highest_level_of_a_skill_counts() -> None:
    asked = [{"skill": "hv", "level": 2}, {"skill": "hv", "level": 4}, {"skill": " plc "}]
    assert checked_skills(asked) == [{"skill": "hv", "level": 4}, {"skill": "plc", "level": 1}]


@pytest.mark.parametrize(
    "asked", ["hv", [{"level": 2}], [{"skill": "hv", "level": 6}], [{"skill": "hv", "level": True}]]
)
def test_skills_that_cannot_be_are_refused(asked: Any) -> None:
    with pytest.raises(Invalid):
        checked_skills(asked)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"state": "closed"}, "state"),
        ({"duration_minutes": 0}, "duration_minutes"),
        ({"window_from": NOW, "window_until": NOW}, "window_until"),
        ({"priority": "soon"}, "priority"),
        ({"title_text": " "}, "title_text"),
    ],
)
def test_a_plan_that_cannot_be_names_its_field(plan: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_plan(plan)
    assert refused.value.params["field"] == field


def test_a_line_without_a_day_is_of_the_day_at_the_place_of_work() -> None:
    facts = LineFacts(kind="labour", minutes=30)
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert checked(facts, late)["day"] == date(2026, 11, 21)
    assert checked(facts, late, ZoneInfo("Asia/Shanghai"))["day"] == date(2026, 11, 22)
