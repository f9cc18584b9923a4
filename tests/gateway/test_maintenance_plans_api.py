"""Maintenance plans over HTTP: checked at the door, looked at before they are stored, their dates decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.jobs import make_occurrences, release_occurrences
from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import NOW, TODAY, Shop, created, fine

SITE = ZoneInfo("Asia/Shanghai")
MONTHLY = {"code": "1M", "trigger": {"kind": "calendar", "rrule": "FREQ=MONTHLY;SKIP=BACKWARD"}}


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def body(shop: Shop, **more: Any) -> dict[str, Any]:
    return {
        "code": "SERVICE",
        "name": {"en": "Service", "zh": "保养"},
        "asset_ids": [str(shop.asset_id)],
        "starts": "on",
        "starts_on": str(TODAY),
        "lead_days": 0,
        "packages": [MONTHLY],
        **more,
    }


def test_a_plan_is_looked_at_activated_and_its_dates_are_decided(shop: Shop, plant: Plant) -> None:
    looked = fine(shop.ada.post("/api/v1/maintenance-plans/preview", json=body(shop)))
    assert (len(looked["items"]), looked["machines"]) == (12, 1)
    assert fine(shop.ada.get("/api/v1/maintenance-plans"))["items"] == []
    made = created(shop.ada.post("/api/v1/maintenance-plans", json=body(shop)))
    path = f"/api/v1/maintenance-plans/{made['id']}"
    assert (made["state"], made["legal"], made["machines"]) == ("draft", ["active", "ended"], 1)
    assert shop.ada.put(path, json=body(shop), headers={"If-Match": "9"}).status_code == 412
    assert shop.ada.post("/api/v1/maintenance-plans", json=body(shop)).status_code == 409
    assert fine(shop.ada.post(f"{path}/activate", json={}))["state"] == "active"
    make_occurrences(plant.database, NOW)

    listed = fine(shop.ada.get("/api/v1/occurrences", params={"plan_id": made["id"], "from": str(TODAY), "limit": 5}))
    rest = fine(shop.ada.get("/api/v1/occurrences", params={"from": str(TODAY), "limit": 500, "after": listed["next"]}))
    rows = listed["items"] + rest["items"]
    assert [row["due_on"] for row in rows][:12] == [each["due_on"] for each in looked["items"]]
    first, second, third = (f"/api/v1/occurrences/{row['id']}" for row in rows[:3])
    there = (NOW + timedelta(days=90)).isoformat()
    assert shop.ada.post(f"{first}/move", json={"to": there, "reason": " "}).status_code == 422
    moved = fine(shop.ada.post(f"{first}/move", json={"to": there, "reason": "shut"}))
    assert (moved["due_on"], moved["state"]) == (str((NOW + timedelta(days=90)).astimezone(SITE).date()), "planned")
    assert fine(shop.ada.post(f"{second}/skip", json={"reason": "new"}))["state"] == "skipped"
    out = fine(shop.ada.post(f"{third}/release", json={"reason": "now"}))
    assert out["work_order_id"] is not None
    again = shop.ada.post(f"{third}/release", json={"reason": "now"})
    assert again.status_code == 409
    order = fine(shop.ada.get(f"/api/v1/work-orders/{out['work_order_id']}"))
    assert (order["origin"], order["title"]["params"]["name_zh"]) == ("plan", "保养")
    feed = shop.ada.get("/api/v1/occurrences.ics")
    ahead = [row for row in rows if row["due_on"] <= str(TODAY + timedelta(days=366))]
    assert feed.text.count("BEGIN:VEVENT") == len(ahead) - 1  # without the one that was skipped
    assert fine(shop.ada.post(f"{path}/end", json={"reason": "sold"}))["legal"] == []


WRONG: list[tuple[dict[str, Any], str]] = [
        ({"packages": [{"code": "A", "trigger": {"kind": "calendar", "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}}]},
         "packages[0].trigger.rrule"),
        ({"packages": [MONTHLY, MONTHLY]}, "packages[1].code"),
        ({"horizon_days": 50 * 366}, "horizon_days"),
        ({"scheduling": "floating", "shift": {"late_percent": 50}}, "shift"),
        ({"seasons": ["13-01/02-01"]}, "seasons"),
        ({"blackouts": [["2026-02-30", "2026-03-01"]]}, "blackouts[0]"),
        ({"effectivity": {"serial": "A"}}, "effectivity.serial"),
        ({"starts": "installed"}, "starts_on"),
        ({"asset_ids": ["018f0000-0000-7000-8000-000000000001"]}, "asset_ids"),
    ]  # fmt: skip


def test_what_cannot_be_is_refused_with_its_place(shop: Shop) -> None:
    for wrong, field in WRONG:
        answer = shop.ada.post("/api/v1/maintenance-plans", json=body(shop, **wrong))
        assert answer.status_code == 422, wrong
        assert field in answer.text


def test_a_round_is_one_order(shop: Shop, plant: Plant) -> None:
    stops = [{"asset_id": str(shop.asset_id), "minutes": 10}]
    made = created(
        shop.ada.post("/api/v1/inspection-rounds", json={"code": "R", "name": {"en": "Hall"}, "stops": stops})
    )
    daily = [{"code": "D", "trigger": {"kind": "calendar", "rrule": "FREQ=DAILY", "include_start": True}}]
    told = body(shop, round_id=made["id"], asset_ids=[], packages=daily, starts_on=str(TODAY + timedelta(days=1)))
    plan = created(shop.ada.post("/api/v1/maintenance-plans", json=told | {"lead_days": 2, "horizon_days": 30}))
    fine(shop.ada.post(f"/api/v1/maintenance-plans/{plan['id']}/activate", json={}))
    make_occurrences(plant.database, NOW)
    release_occurrences(plant.database, NOW)
    rows = fine(shop.ada.get("/api/v1/occurrences?state=released"))["items"]
    assert rows
    order = fine(shop.ada.get(f"/api/v1/work-orders/{rows[0]['work_order_id']}"))
    assert (order["origin"], order["duration_minutes"]) == ("inspection", 10)
