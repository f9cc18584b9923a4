"""A customer's person in an operator's organisation sees the machines of their own records, not the fleet."""

from __future__ import annotations

from datetime import UTC, datetime

from assets.base.access import Role
from assets.people import add_person
from assets.registry import Asset, Customer, Site, add_asset
from gateway.sign_in import open_session
from tests.gateway.conftest import Plant

NOW = datetime.now(UTC)


def fleet(plant: Plant) -> str:
    """Two machines of the operator's, one of them of the customer record with the person's address; their session."""
    with plant.database.as_service() as session:
        own = plant.operator.id
        mine = Customer(organisation_id=own, number="C-1", name="Mine", email="Eve@example.com")
        other = Customer(organisation_id=own, number="C-2", name="Other", email="bob@example.com")
        session.add_all([mine, other])
        session.flush()
        here = Site(organisation_id=own, customer_id=mine.id, name="Hall")
        there = Site(organisation_id=own, customer_id=other.id, name="Yard")
        session.add_all([here, there])
        session.flush()
        for serial, customer, site in (("A-1", mine, here), ("B-1", other, there)):
            asset = Asset(organisation_id=own, serial=serial, name=serial, created_at=NOW)
            asset.customer_id, asset.site_id = customer.id, site.id
            add_asset(session, asset, NOW)
        eve = add_person(
            session, organisation_id=own, name="Eve", email="eve@example.com", roles=[Role.CUSTOMER], now=NOW
        )
        return open_session(session, eve, NOW)


def test_a_customer_among_others_sees_the_machines_of_their_own_records(plant: Plant) -> None:
    client = plant.client()
    client.cookies.set("forewarn_session", fleet(plant))
    assert [each["serial"] for each in client.get("/api/v1/assets").json()["items"]] == ["A-1"]
    assert [each["name"] for each in client.get("/api/v1/sites").json()["items"]] == ["Hall"]
    assert [each["serial"] for each in plant.administrator().get("/api/v1/assets").json()["items"]] == ["A-1", "B-1"]
    other = plant.administrator().get("/api/v1/assets", params={"serial": "B-1"}).json()["items"][0]["id"]
    assert client.get(f"/api/v1/assets/{other}").status_code == 404
    assert client.get(f"/api/v1/assets/{other}/timeline").status_code == 404
    assert [each["serial"] for each in client.get("/api/v1/assets", params={"q": "1"}).json()["items"]] == ["A-1"]
    assert client.get("/api/v1/me").json()["person"]["name"] == "Eve"


def test_a_customers_token_of_an_operator_opens_no_machine(plant: Plant) -> None:
    fleet(plant)
    client = plant.client(plant.token(plant.operator, Role.CUSTOMER))
    assert client.get("/api/v1/assets").json()["items"] == []
    assert client.get("/api/v1/search", params={"q": "A-1"}).json()["items"] == []
    assert client.get("/api/v1/work-orders").json()["items"] == []
