"""Retention policies over HTTP: an administrator replaces them, in an order that makes sense."""

from __future__ import annotations

from typing import Any

from assets.base.access import Role
from tests.gateway.conftest import Plant

PATH = "/api/v1/retention-policies"
VIBRATION: dict[str, Any] = {"name": "Vibration", "metric": "vibration*", "raw_days": 30, "minute_days": 90}
STATES: dict[str, Any] = {"name": "States", "kind": "text", "raw_days": None, "minute_days": None, "quarter_days": None,
          "hour_days": None, "day_days": None}  # fmt: skip


def test_policies_are_replaced_as_a_whole_and_belong_to_their_organisation(plant: Plant) -> None:
    client = plant.administrator()
    assert client.get(PATH).json() == {
        "items": [],
        "default": {
            "raw_days": 400, "minute_days": 400, "quarter_days": 1100, "hour_days": 3660, "day_days": None,
        },
    }  # fmt: skip
    for items in ([VIBRATION, STATES], [STATES]):
        assert client.put(PATH, json={"items": items}).status_code == 200
        shown = client.get(PATH).json()["items"]
        assert [each["name"] for each in shown] == [each["name"] for each in items]
    assert plant.client(plant.token(plant.stranger)).get(PATH).json()["items"] == []


def test_policies_that_make_no_sense_are_refused(plant: Plant) -> None:
    client = plant.administrator()
    for bad in (
        VIBRATION | {"minute_days": 7},
        VIBRATION | {"raw_days": None},
        VIBRATION | {"raw_days": 0},
        VIBRATION | {"kind": "colour"},
    ):
        assert client.put(PATH, json={"items": [bad]}).status_code == 422
    for role in (Role.PLANNER, Role.TECHNICIAN):
        assert plant.client(plant.token(role=role)).put(PATH, json={"items": []}).status_code == 403
