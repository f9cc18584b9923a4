"""The warranty's verdict over what an order took: judged by itself, again when it changes; prices follow it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from assets.base.access import Role
from assets.base.consumers import run_consumer
from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import PARTS, Shop, created, fine
from ticketing.order_coverage import COVERAGE_FOLLOWS_LINES

API = "/api/v1"


def covered(plant: Plant, **clause: Any) -> Shop:
    made = Shop(plant)
    made.publish(PARTS | clause)
    assert made.register().status_code == 201
    return made


def follow(shop: Shop) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    while run_consumer(shop.plant.database, COVERAGE_FOLLOWS_LINES, later):
        pass


def verdicts(shop: Shop) -> dict[str, str]:
    found = fine(shop.ada.get(f"{API}/work-orders/{shop.order_id}/coverage"))
    assert found["current"] is True
    return {each["line_id"]: each["verdict"] for each in found["lines"]}


def stocked(shop: Shop) -> tuple[str, str]:
    """A part on a shelf: 20 in warranty, 90 out of it, 100 where nobody knows."""
    part = created(shop.ada.post(f"{API}/parts", json={"number": "SEAL", "name_en": "Seal", "name_zh": "密封"}))["id"]
    for coverage, price in (("any", 100), ("in_warranty", 20), ("out_of_warranty", 90)):
        book = {"name": coverage, "currency": "EUR", "coverage": coverage, "valid_from": "2020-01-01"}
        key = created(shop.ada.post(f"{API}/price-books", json=book))["id"]
        fine(shop.ada.put(f"{API}/price-books/{key}/prices", json={"prices": [{"part_id": part, "price": price}]}))
    place = created(shop.ada.post(f"{API}/stock-locations", json={"code": "M", "name": "M", "kind": "warehouse"}))["id"]
    opening = {"part_id": part, "to_location_id": place, "quantity": 9}
    created(shop.ada.post(f"{API}/stock-movements", json={"kind": "adjust", "reason": "opening", "lines": [opening]}))
    return part, place


def issue(shop: Shop, part: str, place: str, quantity: int = 1, **more: Any) -> Any:
    lines = [{"part_id": part, "from_location_id": place, "quantity": quantity}]
    body = {"kind": "issue", "work_order_id": str(shop.order_id), "lines": lines} | more
    return created(shop.ada.post(f"{API}/stock-movements", json=body))


def usage(shop: Shop) -> dict[str, Any]:
    items = fine(shop.ada.get(f"{API}/work-orders/{shop.order_id}/parts"))["items"]
    return dict(items[-1])


def test_what_an_order_took_is_judged_by_itself_and_again_when_it_changes(plant: Plant) -> None:
    # 003-32, 003-33: 保内/保外 for labour and parts of the order, with the clause that decided.
    shop = covered(plant)
    assert verdicts(shop) == {}
    part, place = stocked(shop)
    labour = created(shop.ada.post(f"{API}/work-orders/{shop.order_id}/lines", json={"kind": "labour", "minutes": 90}))[
        "id"
    ]
    issue(shop, part, place, 2)
    waiting = fine(shop.ada.get(f"{API}/work-orders/{shop.order_id}/coverage"))
    assert waiting["lines"] == []
    follow(shop)
    used = usage(shop)["usage_id"]
    # Free but for misuse: nobody has said the cause yet.
    assert verdicts(shop) == {f"line:{labour}": "needs_check", f"part:{used}": "needs_check"}
    said = [{"line_id": f"part:{used}", "kind": "part", "cause": "misuse"},
            {"line_id": f"line:{labour}", "kind": "labour", "cause": "material"}]  # fmt: skip
    fine(shop.ada.post(f"{API}/work-orders/{shop.order_id}/coverage", json={"lines": said, "fault_at": None}))
    fault_at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    fine(shop.ada.post(f"{API}/work-orders/{shop.order_id}/coverage", json={"lines": said, "fault_at": fault_at}))
    more = created(shop.ada.post(f"{API}/work-orders/{shop.order_id}/lines", json={"kind": "labour", "minutes": 30}))
    stale = fine(shop.ada.get(f"{API}/work-orders/{shop.order_id}/coverage"))
    assert stale["current"] is False
    follow(shop)
    # What was said of a line stays said; a new one has no cause yet.
    assert verdicts(shop) == {f"line:{labour}": "in", f"part:{used}": "out", f"line:{more['id']}": "needs_check"}
    assert usage(shop)["in_warranty"] is False
    gone = shop.ada.delete(f"{API}/work-orders/{shop.order_id}/lines/{more['id']}")
    assert gone.status_code in (200, 204), gone.text
    follow(shop)
    assert set(verdicts(shop)) == {f"line:{labour}", f"part:{used}"}
    checks = shop.timeline().count("warranty.checked")
    follow(shop)
    assert shop.timeline().count("warranty.checked") == checks


def test_the_price_asks_the_warranty_and_an_override_needs_two_people(plant: Plant) -> None:
    shop = covered(plant, causes_excluded=[])
    part, place = stocked(shop)
    asked = {"part_id": part, "asset_id": str(shop.asset_id), "quantity": 2}
    quoted = fine(shop.ada.get(f"{API}/prices/quote", params=asked))
    assert (quoted["verdict"], quoted["unit_price"]) == ("in", 20)
    refused = shop.ada.get(f"{API}/prices/quote", params=asked | {"in_warranty": False})
    assert (refused.status_code, refused.json()["params"]["field"]) == (422, "in_warranty")
    assert fine(shop.ada.get(f"{API}/prices/quote", params={"part_id": part}))["unit_price"] == 100
    issue(shop, part, place, in_warranty=False)  # not for whoever takes it to say
    first = usage(shop)
    assert (first["in_warranty"], first["unit_price"]) == (True, 20)
    follow(shop)
    tom, boss = (shop.person(shop.plant.operator, name, Role.ADMINISTRATOR) for name in ("Tom", "Bea"))
    body = {"line_id": f"part:{first['usage_id']}", "verdict": "out", "reason": "dropped it"}
    override = created(tom.post(f"{API}/work-orders/{shop.order_id}/coverage/overrides", json=body))
    follow(shop)
    assert usage(shop)["unit_price"] == 20
    decision = f"{API}/coverage-overrides/{override['id']}/decision"
    assert tom.post(decision, json={"approve": True, "reason": "x"}).status_code == 409
    fine(boss.post(decision, json={"approve": True, "reason": "seen it"}))
    follow(shop)
    last = usage(shop)
    assert (last["in_warranty"], last["unit_price"]) == (False, 90)
    issue(shop, part, place)  # another line: judged for itself
    follow(shop)
    assert usage(shop)["unit_price"] == 20


def test_without_terms_nobody_guesses(plant: Plant) -> None:
    shop = Shop(plant)
    part, place = stocked(shop)
    issue(shop, part, place)
    used = usage(shop)
    assert (used["in_warranty"], used["unit_price"]) == (None, 100)
    back = {"part_id": part, "to_location_id": place}
    created(shop.ada.post(f"{API}/stock-movements", json={"kind": "return", "work_order_id": str(shop.order_id),
                                                          "lines": [back]}))  # fmt: skip
    follow(shop)
    assert verdicts(shop) == {}
    stranger = plant.client(plant.token(plant.stranger, Role.ADMINISTRATOR))
    asked = {"part_id": part, "asset_id": str(shop.asset_id)}
    assert stranger.get(f"{API}/prices/quote", params=asked).status_code == 404
