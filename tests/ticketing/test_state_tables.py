"""The state machines as tables, without a database."""

from __future__ import annotations

import pytest

from assets.base.access import ACTIONS
from ticketing import requests, visits, work_orders
from ticketing.order_states import owner_decides
from ticketing.requests import progress
from ticketing.visits import work_order_state

# The contract's table of visits and work order.
VISITS_AND_ORDER = [
    ((), "unscheduled"),
    (("scheduled",), "scheduled"),
    (("travelling",), "in_progress"),
    (("in_progress",), "in_progress"),
    (("on_break",), "in_progress"),
    (("completed",), "completed"),
    (("partially_completed",), "unscheduled"),
    (("cancelled",), "unscheduled"),
    (("cannot_complete",), "cannot_complete"),
    (("scheduled", "scheduled"), "scheduled"),
    (("scheduled", "in_progress"), "in_progress"),
    (("scheduled", "completed"), "in_progress"),
    (("scheduled", "partially_completed"), "scheduled"),
    (("completed", "completed"), "completed"),
    (("partially_completed", "partially_completed"), "unscheduled"),
    (("in_progress", "partially_completed"), "in_progress"),
    (("completed", "partially_completed"), "completed"),
    (("cancelled", "partially_completed"), "unscheduled"),
    (("cancelled", "completed"), "completed"),
    (("cancelled", "scheduled"), "scheduled"),
    (("cannot_complete", "scheduled"), "scheduled"),
    (("cannot_complete", "completed"), "completed"),
]


@pytest.mark.parametrize(("states", "order"), VISITS_AND_ORDER)
def test_visits_move_their_order_as_the_contract_says(states: tuple[str, ...], order: str) -> None:
    assert work_order_state(states) == order
    assert work_order_state(tuple(reversed(states))) == order


@pytest.mark.parametrize("table", [work_orders.LEGAL_MOVES, visits.LEGAL_MOVES, requests.LEGAL_MOVES])
def test_every_move_leads_to_a_known_state_and_none_to_itself(table: dict[str, tuple[str, ...]]) -> None:
    for state, moves in table.items():
        assert set(moves) <= set(table)
        assert state not in moves
        assert len(moves) == len(set(moves))


def test_states_are_the_stored_words_of_the_contract() -> None:
    orders = "unscheduled scheduled in_progress on_hold completed documented closed cannot_complete cancelled"
    assert sorted(work_orders.LEGAL_MOVES) == sorted(orders.split(" "))
    trips = "scheduled travelling in_progress on_break completed partially_completed cannot_complete cancelled"
    assert sorted(visits.LEGAL_MOVES) == sorted(trips.split(" "))
    assert work_orders.ORIGINS == ("finding", "request", "plan", "inspection", "manual")
    outcomes = "confirmed wrong_mode no_fault_found sensor_fault planned prevented unknown"
    assert sorted(work_orders.OUTCOMES) == sorted(outcomes.split(" "))


def test_every_move_of_an_order_has_an_action_that_somebody_may_do() -> None:
    assert set(work_orders.ACTION_OF_MOVE) == set(work_orders.LEGAL_MOVES)
    assert all(ACTIONS.get(action) for action in work_orders.ACTION_OF_MOVE.values())


@pytest.mark.parametrize(
    ("state", "to", "desk", "owner"),
    [
        ("unscheduled", "cancelled", True, True),
        ("completed", "closed", True, True),
        ("cannot_complete", "closed", True, True),
        ("completed", "in_progress", True, True),
        ("documented", "unscheduled", True, True),
        ("completed", "in_progress", False, False),  # whoever did the work takes it up again
        ("completed", "documented", True, False),
        ("scheduled", "unscheduled", True, False),
        ("on_hold", "in_progress", True, False),
    ],
)
def test_end_of_an_order_and_its_way_back_are_the_owners_to_decide(
    state: str, to: str, desk: bool, owner: bool
) -> None:
    assert owner_decides(state, to, desk=desk) is owner


def test_closed_and_cancelled_orders_are_final() -> None:
    assert work_orders.LEGAL_MOVES["closed"] == ()
    assert work_orders.LEGAL_MOVES["cancelled"] == ()


@pytest.mark.parametrize("state", [state for state in visits.LEGAL_MOVES if not visits.LEGAL_MOVES[state]])
def test_an_ended_visit_is_no_live_visit(state: str) -> None:
    assert state not in work_orders.LIVE_VISITS


@pytest.mark.parametrize(
    ("request_state", "order_state", "expected"),
    [
        ("new", None, "received"),
        ("new", "cancelled", "received"),
        ("accepted", "unscheduled", "accepted"),
        ("accepted", "scheduled", "scheduled"),
        ("accepted", "in_progress", "in_progress"),
        ("accepted", "completed", "done"),
        ("done", "closed", "done"),
        ("rejected", None, "rejected"),
    ],
)
def test_customer_reads_progress_of_a_request(request_state: str, order_state: str | None, expected: str) -> None:
    assert progress(request_state, order_state) == expected
