"""From simulated bearing wear to a closed work order whose outcome is stored as a label, everything real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.journeys.conftest import Browserless, Running, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]

PUMP = "DEMO-PUMP-101"
WORK_ORDER_S = 240  # the fault begins some 15 s after going live, its precursor takes 90 s


def _order(client: Browserless) -> dict[str, Any] | None:
    orders = client.get("/api/v1/work-orders?origin=finding")["items"]
    return next((order for order in orders if order["asset"]["serial"] == PUMP), None)


def test_bearing_wear_becomes_a_label_and_the_machine_is_repaired(service: Running) -> None:
    assert service.ready_s < 60
    desk, asked_at = service.desk, datetime.now(UTC)
    order = wait_for(lambda: _order(desk), WORK_ORDER_S, "a work order that nobody typed")
    seen_at = datetime.now(UTC)
    _check_explanation(desk, order)
    opened_at, began_at = (datetime.fromisoformat(order[name]) for name in ("opened_at", "since"))
    # From the first abnormal reading (measured and sent within a second) to the order: k of n readings included.
    assert opened_at - began_at < timedelta(seconds=10)
    # The service is shared: other journeys may have run before, and the order may have been there from the beginning.
    assert seen_at - max(opened_at, asked_at) < timedelta(seconds=10)

    technician = service.as_person("tom@demo.forewarn.example")
    for step, body in (
        ("accept", {}),
        ("start", {}),
        ("finish", {"outcome": "confirmed", "note": "outer race pitted", "repair_code": "bearing_replaced"}),
    ):
        technician.post(f"/api/v1/work-orders/{order['id']}/{step}", body)

    def has_kinds() -> bool:
        items = desk.get(f"/api/v1/assets/{order['asset']['id']}/timeline?limit=200")["items"]
        return {"label.stored", "episode.closed", "command.finished"} <= {item["kind"] for item in items}

    wait_for(has_kinds, 60, "label stored, episode closed and the machine repaired, all on the timeline")
    finished = desk.get(f"/api/v1/work-orders/{order['id']}")
    assert (finished["outcome"], finished["repair_code"]) == ("confirmed", "bearing_replaced")


def _check_explanation(desk: Browserless, order: dict[str, Any]) -> None:
    """The order says what was noticed, since when, expected against seen, what to check and which model said so."""
    noticed = desk.get(f"/api/v1/work-orders/{order['id']}")["noticed"]
    assert noticed["since"]
    assert noticed["model_id"]
    assert noticed["checks"]
    top = noticed["contributions"][0]
    assert top["metric"] in {"vibration_mm_s", "bearing_temperature_celsius", "motor_current_ampere"}
    assert top["expected"] is not None
    assert top["seen"] is not None
