"""Contracts and merges of customers over HTTP: who may, what is refused, and the verdict that follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import NOW, TODAY, Shop, created, fine

VISITS = {
    "id": "visits",
    "kind": "cover",
    "scope": ["labour", "travel"],
    "entitlement": "visits",
    "text_en": "Two visits a year are included.",
    "text_zh": "每年包含两次上门服务。",
}


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def body(shop: Shop, **more: Any) -> dict[str, Any]:
    return {
        "name": "Full service",
        "starts_on": str(TODAY - timedelta(days=100)),
        "ends_on": str(TODAY + timedelta(days=600)),
        "time_zone": "Asia/Shanghai",
        "clauses": [VISITS],
        "entitlements": [{"key": "visits", "kind": "visits", "quantity": 2, "period": "year"}],
        "response_times": [{"priority": "urgent", "arrive_h": 4}],
        "asset_ids": [str(shop.asset_id)],
        **more,
    }


def test_a_contract_covers_until_its_visits_are_used_up(shop: Shop) -> None:
    made = created(shop.ada.post("/api/v1/contracts", json=body(shop)))
    path = f"/api/v1/contracts/{made['id']}"
    assert (made["state"], made["organisation"]["name"], made["provider"]["name"]) == ("draft", "Customer", "Operator")
    stale = shop.ada.put(path, json=body(shop, name="x"), headers={"If-Match": "9"})
    assert stale.status_code == 412
    assert fine(shop.ada.put(path, json=body(shop, name="Changed"), headers={"If-Match": "1"}))["version"] == 2
    running = fine(shop.ada.post(f"{path}/transitions", json={"to": "active"}))
    assert (running["running"], running["legal"]) == (True, ["cancelled"])
    assert shop.ada.put(path, json=body(shop)).status_code == 409
    assert [each["number"] for each in fine(shop.ada.get(f"/api/v1/contracts?asset_id={shop.asset_id}"))["items"]] == [
        made["number"]
    ]

    order = f"/api/v1/work-orders/{shop.order_id}/coverage"
    lines = [{"line_id": "1", "kind": "labour"}, {"line_id": "2", "kind": "travel"}]
    asked = {"fault_at": NOW.isoformat(), "lines": lines}
    first = fine(shop.ada.post(order, json=asked))["lines"]
    assert [each["verdict"] for each in first] == ["in", "in"]
    assert (first[0]["decided_by"]["source"], first[0]["decided_by"]["text_zh"]) == ("contract", VISITS["text_zh"])

    entitlement = running["entitlements"][0]["id"]
    entry = {"kind": "consume", "entitlement_id": entitlement, "quantity": 1}
    own = created(shop.ada.post(f"{path}/entries", json=entry | {"work_order_id": str(shop.order_id), "line_id": "1"}))
    again = shop.ada.post(f"{path}/entries", json=entry | {"work_order_id": str(shop.order_id), "line_id": "1"})
    assert (again.status_code, again.json()["code"]) == (409, "consumed_already")
    created(shop.ada.post(f"{path}/entries", json=entry))
    none = shop.ada.post(f"{path}/entries", json=entry)
    assert (none.status_code, none.json()["code"]) == (409, "nothing_left")
    (balance,) = fine(shop.ada.get(f"{path}/balances"))["items"]
    assert (balance["granted"], balance["consumed"], balance["available"]) == (2, 2, 0)
    # The order that used a visit is covered by it; what somebody else asks is not.
    assert fine(shop.ada.post(order, json=asked))["lines"][0]["verdict"] == "in"
    elsewhere = fine(shop.ada.post(f"/api/v1/assets/{shop.asset_id}/coverage", json=asked))["lines"][0]
    assert elsewhere["verdict"] != "in"
    assert elsewhere["considered"][0]["reason"] == "entitlement_used_up"

    corrected = {"kind": "correct", "entry_id": own["id"], "reason": "wrong order"}
    created(shop.ada.post(f"{path}/entries", json=corrected))
    assert shop.ada.post(f"{path}/entries", json=corrected).status_code == 409
    assert [each["kind"] for each in fine(shop.ada.get(f"{path}/entries"))["items"]] == [
        "correct",
        "consume",
        "consume",
    ]
    assert {"contract.asset_added", "contract.activated", "contract.consumed"} <= set(shop.timeline())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"ends_on": "2000-01-01"}, "ends_on"),
    ({"time_zone": "Mars/Base"}, "time_zone"),
    ({"time_zone": "../etc"}, "time_zone"),
    ({"clauses": [{**VISITS, "scope": []}]}, "clauses.0.scope"),
    ({"entitlements": [{"key": "a", "kind": "visits", "quantity": 1}] * 2}, "entitlements"),
    ({"response_times": [{}, {}]}, "response_times.1.priority"),
    ({"asset_ids": ["00000000-0000-7000-8000-000000000000"]}, "asset_ids"),
    ({"customer_id": "00000000-0000-7000-8000-000000000000"}, "customer_id"),
]


def test_contracts_are_refused_by_field_and_kept_from_others(shop: Shop) -> None:
    for wrong, field in WRONG:
        answer = shop.ada.post("/api/v1/contracts", json=body(shop, **wrong))
        assert (wrong, answer.status_code, answer.json()["params"].get("field")) == (wrong, 422, field)
    made = created(shop.ada.post("/api/v1/contracts", json=body(shop, number="C-1")))
    assert shop.ada.post("/api/v1/contracts", json=body(shop, number="C-1")).status_code == 409
    path = f"/api/v1/contracts/{made['id']}"
    theirs = shop.plant.client(shop.plant.token(shop.plant.customer))
    assert fine(theirs.get(path))["number"] == "C-1"
    assert theirs.post(f"{path}/transitions", json={"to": "active"}).status_code == 403
    entry = {"kind": "consume", "entitlement_id": made["entitlements"][0]["id"], "quantity": 1}
    assert theirs.post(f"{path}/entries", json=entry).status_code == 403
    for outsider in (shop.plant.stranger, shop.plant.partner):
        client = shop.plant.client(shop.plant.token(outsider))
        for reading in (path, f"{path}/balances", f"{path}/entries"):
            assert (reading, client.get(reading).status_code) == (reading, 404)
        assert client.post(f"{path}/entries", json=entry).status_code == 404
        assert client.put(f"{path}/assets", json={"asset_ids": []}).status_code == 404


def test_customers_are_merged_and_taken_apart_over_http(shop: Shop) -> None:
    ids = [
        created(shop.ada.post("/api/v1/customers", json={"name": name, "phone": "138 0013 8000"}))["id"]
        for name in ("Dairy Ltd", "DAIRY")
    ]
    (found,) = fine(shop.ada.get(f"/api/v1/customers/{ids[0]}/duplicates"))["items"]
    assert (found["customer"]["id"], found["because"]) == (ids[1], ["phone", "name"])
    merge = f"/api/v1/customers/{ids[1]}/merge"
    wanted = {"into_id": ids[0], "reason": "one company"}
    stranger = shop.plant.client(shop.plant.token(shop.plant.stranger))
    theirs = shop.plant.client(shop.plant.token(shop.plant.customer))
    assert (stranger.post(merge, json=wanted).status_code, theirs.post(merge, json=wanted).status_code) == (404, 403)
    done = created(shop.ada.post(merge, json=wanted))
    assert fine(shop.ada.get(f"/api/v1/customers/{ids[0]}/duplicates"))["items"] == []
    assert shop.ada.post(merge, json=wanted).status_code == 409
    undo = f"/api/v1/customer-merges/{done['id']}/undo"
    assert stranger.post(undo, json={"reason": "x"}).status_code == 404
    assert fine(shop.ada.post(undo, json={"reason": "two companies"}))["undone_at"]
    assert len(fine(shop.ada.get("/api/v1/customer-merges"))["items"]) == 1
