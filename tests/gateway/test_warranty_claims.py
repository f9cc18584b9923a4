"""What unknown or hasty people send about a warranty changes nothing that is another's, and counts once."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.registry import Asset, Customer
from assets.warranty.tables import CoverageOverride
from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import NOW, Shop, created, fine, line


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def test_an_e_mail_sent_with_somebody_s_number_comes_to_the_record_on_acceptance_alone(shop: Shop) -> None:
    created(shop.register())
    created(shop.register(email="eve@example.com"))

    def record() -> Customer:
        with shop.plant.database.as_service() as session:
            asset = session.get_one(Asset, shop.asset_id)
            return session.get_one(Customer, asset.customer_id)

    assert record().email is None
    (waiting,) = fine(shop.ada.get("/api/v1/warranty-registrations?state=review"))["items"]
    decision = f"/api/v1/warranty-registrations/{waiting['id']}/decision"
    fine(shop.ada.post(decision, json={"accept": True, "reason": "called back"}))
    assert record().email == "eve@example.com"


def test_overrides_asked_at_once_leave_one_that_waits(shop: Shop) -> None:
    shop.publish()
    shop.register()
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    tom, ann = (shop.person(shop.plant.operator, name, Role.TECHNICIAN) for name in ("Tom", "Ann"))
    fine(tom.post(path, json={"fault_at": NOW.isoformat(), "lines": [line(cause="misuse")]}))
    ready, answers = threading.Barrier(2), []

    def ask(client: TestClient) -> None:
        ready.wait(60)
        body = {"line_id": "1", "verdict": "in", "reason": "x"}
        answers.append(client.post(f"{path}/overrides", json=body).status_code)

    threads = [threading.Thread(target=ask, args=(client,)) for client in (tom, ann)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(answers) == [201, 409]
    with shop.plant.database.as_service() as session:
        waiting = select(func.count()).where(CoverageOverride.state == "requested")
        assert session.scalar(waiting) == 1


def test_a_site_s_region_decides_where_none_was_recorded_for_the_machine(shop: Shop) -> None:
    path = f"/api/v1/sites/{shop.site_id}"
    assert shop.ada.patch(path, json={"region": "Shanghai"}).status_code == 422
    assert fine(shop.ada.patch(path, json={"region": "cn-31"}))["region"] == "CN-31"
    facts = f"/api/v1/assets/{shop.asset_id}/warranty-facts"
    assert fine(shop.ada.get(facts))["region"] == "CN-31"
