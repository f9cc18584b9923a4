"""Every list goes out as a file, with the filters of the list itself."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

from assets.base.access import Role
from assets.registry import Asset, Customer, Site, add_asset
from gateway.api.list_walk import lists
from tests.gateway.conftest import Plant

NOW = datetime.now(UTC)


def rows(client: Any, name: str, **asked: str) -> list[dict[str, str]]:
    answer = client.get(f"/api/v1/exports/{name}", params=asked)
    assert answer.status_code == 200, (name, answer.text)
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def fill(plant: Plant) -> str:
    with plant.database.as_service() as session:
        own = plant.operator.id
        customer = Customer(organisation_id=own, number="C-1", name="Dairy")
        session.add(customer)
        session.flush()
        site = Site(organisation_id=own, customer_id=customer.id, name="Hall")
        session.add(site)
        session.flush()
        for serial, place in (("A-1", site.id), ("A-2", None)):
            asset = Asset(organisation_id=own, serial=serial, name=f"Pump {serial}", created_at=NOW)
            asset.site_id = place
            add_asset(session, asset, NOW)
        return str(site.id)


def test_every_list_of_the_api_can_be_exported(plant: Plant) -> None:
    fill(plant)
    client = plant.administrator()
    offered = {each["name"] for each in client.get("/api/v1/exports").json()["items"]}
    assert offered >= lists().keys()
    assert offered >= {"stock_transfers", "reservations", "coverage_overrides", "warranty_registrations", "people"}
    assert offered >= {"maintenance_windows", "organisations", "calendars", "labels", "visits", "episodes"}
    for name in sorted(offered):
        answer = client.get(f"/api/v1/exports/{name}", params={"language": "zh"})
        assert answer.status_code == 200, (name, answer.text)
        assert answer.content.startswith(b"\xef\xbb\xbf"), name


def test_an_export_follows_the_filters_of_its_list(plant: Plant) -> None:
    site = fill(plant)
    client = plant.administrator()
    assert [each["Serial number"] for each in rows(client, "assets", site_id=site)] == ["A-1"]
    assert [each["Serial number"] for each in rows(client, "assets", q="A-2")] == ["A-2"]
    assert rows(client, "assets", lifecycle="retired") == []
    assert len(rows(client, "assets")) == 2
    assert [each["Name"] for each in rows(client, "people", role="administrator")] == ["Ada"]
    assert rows(client, "people", role="planner") == []
    for name, asked in (
        ("stock_movements", {"kind": "issue"}),
        ("stock_balances", {"q": "x"}),
        ("work_orders", {"open": "true"}),
        ("parts", {"kind": "tool"}),
        ("positions", {"site_id": site}),
        ("documents", {"site_id": site}),
        ("purchase_orders", {"state": "draft"}),
        ("warranty_cards", {"state": "revoked"}),
        ("contracts", {"state": "draft"}),
        ("customers", {"q": "nobody"}),
    ):
        assert rows(client, name, **asked) == [], name


def test_an_unknown_filter_and_a_list_that_one_may_not_see_are_refused(plant: Plant) -> None:
    client = plant.administrator()
    assert client.get("/api/v1/exports/assets", params={"colour": "red"}).status_code == 422
    assert client.get("/api/v1/exports/assets", params={"site_id": "x"}).status_code == 422
    assert client.get("/api/v1/exports/nothing").status_code == 404
    technician = plant.client(plant.token(role=Role.TECHNICIAN))
    assert technician.get("/api/v1/exports/mappings").status_code in (200, 403)
    assert plant.client(plant.token(plant.customer, Role.CUSTOMER)).get("/api/v1/exports/people").status_code == 403
