"""The desk's side bar shows a place exactly to those whose first question there is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assets.base.access import ACTIONS, Role
from tests.gateway.conftest import Plant

SHELL = Path(__file__).resolve().parents[2] / "gateway" / "web" / "src" / "desk" / "Shell.tsx"
PLACE = re.compile(r'\{ to: "([^"]+)", key: "[^"]+",[^}]*?(?:action: "([a-z_.]+)")? \}')
# What each page asks the server for first.
FIRST = {
    "/": ["overview"],
    "/work-orders": ["work-orders"],
    "/field": ["help-requests"],
    "/plans": ["maintenance-plans"],
    "/reliability": ["reliability"],
    "/alarms": ["episodes", "alarm-holds"],
    "/planner": ["predicted-jobs"],
    "/dispatch": ["dispatch/settings"],
    "/cases": ["cases"],
    "/service-levels": ["sla-clocks"],
    "/models": ["model-performance"],
    "/assets": ["assets"],
    "/asset-models": ["asset-models"],
    "/customers": ["customers"],
    "/devices": ["devices"],
    "/warranties": ["warranties"],
    "/contracts": ["contracts"],
    "/stock": ["stock-balances"],
    "/parts": ["parts"],
    "/purchase-orders": ["purchase-orders"],
    "/tools": ["tools"],
    "/procedures": ["procedures"],
    "/policies": ["policies"],
    "/people": ["people", "organisations"],
    "/imports": ["imports", "imports/kinds"],
    "/notifications/rules": ["notification-rules", "notification-kinds", "notification-channels"],
}


def places() -> dict[str, str]:
    """Return the side bar's places and the action that each asks for."""
    return dict(PLACE.findall(SHELL.read_text(encoding="utf-8")))


def test_every_place_of_the_side_bar_names_an_action() -> None:
    found = places()
    assert found.keys() == FIRST.keys()
    assert {place: action for place, action in found.items() if action not in ACTIONS} == {}


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.DEVICE}))
def test_a_place_is_shown_to_those_whom_the_server_answers(plant: Plant, role: Role) -> None:
    client = plant.client(plant.token(role=role))
    for place, action in places().items():
        statuses = {client.get(f"/api/v1/{path}", params={"limit": 1}).status_code for path in FIRST[place]}
        assert (role in ACTIONS[action]) == (statuses == {200}), (place, action, statuses)
