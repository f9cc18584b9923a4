"""Lists go by the column that one chooses, page by page, up and down; what a list has no column for is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel, Customer, Site, add_asset
from assets.stock.items import Part, add_part
from assets.stock.operations import submit
from assets.stock.places import StockLocation, add_location
from gateway.api import assets, cases, customers, parts, sites, stock_locations, work_orders
from tests.gateway.conftest import Plant
from ticketing.cases.cases import open_case
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC)
LISTS = {
    "assets": assets.SORTS,
    "parts": parts.SORTS,
    "stock-balances": stock_locations.SORTS,
    "work-orders": work_orders.SORTS,
    "cases": cases.SORTS,
    "customers": customers.SORTS,
    "sites": sites.SORTS,
}
# Names whose order by the database's rules is not that of their letters' numbers; the empty ones go along.
NAMES = ("b", "A", "a", "B", "阀", "泵", "Ä")
PRIORITIES = ("urgent", "low", "normal", "high", "low", "urgent", "normal")


def filled(session: Session, plant: Plant) -> None:
    own = plant.operator.id
    actor = plant.actor(plant.operator)
    place = StockLocation(organisation_id=own, code="W-1", name="W", kind="warehouse", created_at=NOW)
    add_location(session, place)
    for index, name in enumerate(NAMES):
        half = index % 2 == 0
        customer = Customer(organisation_id=own, number=f"C-{9 - index}", name=name, phone="1" if half else None)
        model = AssetModel(organisation_id=own, code=name, name_en=name, name_zh=name, metrics={})
        session.add_all([customer, model])
        session.flush()
        site = Site(organisation_id=own, customer_id=customer.id, name=name, address=None if half else name)
        session.add(site)
        session.flush()
        asset = Asset(organisation_id=own, serial=f"S-{name}", name=name, created_at=NOW - timedelta(days=index % 3))
        asset.site_id, asset.asset_model_id = (site.id, None) if half else (None, model.id)
        asset.customer_id = customer.id if index < 3 else None
        add_asset(session, asset, NOW)
        order = open_work_order(
            session,
            asset=asset,
            origin="manual",
            kind="general",
            title_code="manual",
            title_text=name,
            priority=PRIORITIES[index],
            now=NOW - timedelta(hours=index % 4),
        )
        order.due_at = NOW + timedelta(days=index) if half else None
        open_case(session, organisation_id=own, channel="desk", text=name, title=name, now=NOW, by=actor)
        about: dict[str, Any] = {"kind": "part", "unit": "pcs", "decimals": 0, "tracking": "none", "active": True}
        part = Part(organisation_id=own, number=f"P-{index}", name_en=name, name_zh=name, created_at=NOW, **about)
        part.standard_cost, part.currency = (Decimal(index), "EUR") if half else (None, None)
        add_part(session, part)
        line = {"part_id": str(part.id), "to_location_id": str(place.id), "quantity": (index + 3) % 5 + 1}
        body: dict[str, Any] = {"kind": "adjust", "lines": [line], "reason": "opening"}
        submit(session, body, actor, NOW, lambda *_: (None, None))


def test_every_column_goes_up_and_down_page_by_page(plant: Plant) -> None:
    with plant.database.as_service() as session:
        filled(session, plant)
    client = plant.administrator()

    def pages(path: str, sort: str | None) -> list[str]:
        seen: list[str] = []
        after = None
        while True:
            asked = {"limit": 3, **({"sort": sort} if sort else {}), **({"after": after} if after else {})}
            answer = client.get(f"/api/v1/{path}", params=asked)
            assert answer.status_code == 200, answer.text
            seen += [each["id"] for each in answer.json()["items"]]
            after = answer.json()["next"]
            if after is None:
                return seen

    for path, columns in LISTS.items():
        usual = pages(path, None)
        assert len(set(usual)) == len(usual) == len(NAMES), path
        for column in columns:
            up = pages(path, column)
            assert sorted(up) == sorted(usual), (path, column)
            assert pages(path, f"-{column}") == up[::-1], (path, column)
    wanted = {"low": 0, "normal": 1, "high": 2, "urgent": 3}
    ranks = [wanted[each["priority"]] for each in client.get("/api/v1/work-orders?sort=-priority").json()["items"]]
    assert ranks == sorted(ranks, reverse=True)
    amounts = [each["quantity"] for each in client.get("/api/v1/stock-balances?sort=quantity").json()["items"]]
    assert amounts == sorted(amounts)
    dues = [each["due_at"] for each in client.get("/api/v1/work-orders?sort=due").json()["items"]]
    assert dues == sorted(filter(None, dues)) + [None] * dues.count(None)


@pytest.mark.parametrize("path", LISTS)
def test_a_column_that_there_is_not_is_refused_with_those_that_there_are(plant: Plant, path: str) -> None:
    client = plant.administrator()
    refused = client.get(f"/api/v1/{path}?sort=password_hash")
    assert refused.status_code == 422
    assert refused.json()["params"]["allowed"] == list(LISTS[path])
    assert client.get(f"/api/v1/{path}?sort=--number").status_code == 422


def test_the_cursor_of_another_order_is_refused(plant: Plant) -> None:
    with plant.database.as_service() as session:
        filled(session, plant)
    client = plant.administrator()
    after = client.get("/api/v1/parts?sort=kind&limit=2").json()["next"]
    assert client.get("/api/v1/parts", params={"sort": "kind", "after": after}).status_code == 200
    for sort in ("-kind", "number"):
        assert client.get("/api/v1/parts", params={"sort": sort, "after": after}).status_code == 422
