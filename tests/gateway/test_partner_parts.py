"""A part that a partner fits on a customer's machine is in the customer's tree, and nothing of the partner's stock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import Organisation
from assets.registry import Asset
from gateway.sign_in import make_token
from tests.gateway.test_stock_api import API, Room, sent, site, url
from ticketing.work_orders import get_work_order, open_work_order

__all__ = ["site", "url"]  # fixtures


@pytest.fixture(scope="module")
def room(site: tuple[Database, Any]) -> Room:
    return Room(*site)


@pytest.fixture(scope="module")
def fitter(room: Room) -> TestClient:
    """The partner's own administrator: works on the order, keeps the partner's stock."""
    with room.database.as_service() as session:
        partner = session.query(Organisation).filter_by(kind="partner", parent_id=room.operator).one()
        get_work_order(session, UUID(room.order_id)).executing_organisation_id = partner.id
        token = make_token(session, partner.id, Role.ADMINISTRATOR, datetime.now(UTC))
    return room._client(token)


@pytest.fixture(scope="module")
def owner(room: Room) -> TestClient:
    with room.database.as_service() as session:
        asset = session.get_one(Asset, UUID(room.asset))
        return room._client(make_token(session, asset.organisation_id, Role.ADMINISTRATOR, datetime.now(UTC)))


def van(fitter: TestClient) -> str:
    found = fitter.get(f"{API}/stock-locations", params={"q": "VAN"}).json()["items"]
    if found:
        return str(found[0]["id"])
    return str(sent(fitter, "/stock-locations", {"code": "VAN", "name": "Van", "kind": "van"}, 201)["id"])


def fit(fitter: TestClient, part: str, asset: str, order: str | None, serial: str, status: int = 201) -> Any:
    place = van(fitter)
    line = {"part_id": part, "serial": serial}
    opening = {"kind": "adjust", "reason": "opening", "lines": [line | {"to_location_id": place}]}
    sent(fitter, "/stock-movements", opening, 201)
    body: dict[str, Any] = {"kind": "issue", "asset_id": asset, "lines": [line | {"from_location_id": place}]}
    if order:
        body["work_order_id"] = order
    return sent(fitter, "/stock-movements", body, status)


def tree(client: TestClient, asset: str) -> list[tuple[str, str]]:
    items = client.get(f"{API}/assets/{asset}/as-installed").json()["items"]
    return sorted((each["item_number"], each["serial"]) for each in items)


def test_what_the_executor_fits_is_in_the_owner_s_tree(room: Room, fitter: TestClient, owner: TestClient) -> None:
    # 003-30: the as-installed tree, by serial, whoever did the work.
    part = room.part("SEAL-9", tracking="serial")
    fit(fitter, part, room.asset, room.order_id, "K-77")
    assert tree(owner, room.asset) == tree(room.admin, room.asset) == [("SEAL-9", "K-77")]
    with room.database.as_service() as session:
        asset = session.get_one(Asset, UUID(room.asset))
        rows = session.connection().exec_driver_sql("SELECT DISTINCT organisation_id FROM components").all()
        assert rows == [(asset.organisation_id,)]
    for path in ("stock-movements", "stock-serials", "stock-balances"):
        seen = owner.get(f"{API}/{path}")
        assert seen.status_code == 403 or seen.json()["items"] == [], path
    kinds = [each["kind"] for each in owner.get(f"{API}/assets/{room.asset}/timeline").json()["items"]]
    assert "part.installed" in kinds
    # Unused after all: it leaves the tree again.
    back = {"part_id": part, "serial": "K-77", "to_location_id": van(fitter)}
    sent(fitter, "/stock-movements", {"kind": "return", "work_order_id": room.order_id, "asset_id": room.asset,
                                      "lines": [back]}, 201)  # fmt: skip
    assert tree(owner, room.asset) == []


def test_the_executor_reaches_into_no_other_machine(room: Room, fitter: TestClient, owner: TestClient) -> None:
    part = room.part("SEAL-10", tracking="serial")
    with room.database.as_service() as session:
        asset = session.get_one(Asset, UUID(room.asset))
        other = Asset(organisation_id=asset.organisation_id, serial="P-2", name="Pump 2", created_at=room.now)
        session.add(other)
        session.flush()
        foreign = open_work_order(
            session, asset=other, origin="manual", kind="general", title_code="manual", title_text="x", now=room.now
        )
        elsewhere, not_theirs = str(other.id), str(foreign.id)
    built = owner.post(f"{API}/assets/{elsewhere}/components", json={"item_number": "SEAL-10", "serial": "K-1"})
    assert built.status_code == 201, built.text
    fit(fitter, part, room.asset, room.order_id, "K-1")  # a serial that the owner has in another machine
    assert tree(owner, elsewhere) == [("SEAL-10", "K-1")]
    assert tree(owner, room.asset) == []
    place = van(fitter)
    body = {"kind": "issue", "asset_id": elsewhere, "lines": [{"part_id": part, "from_location_id": place}]}
    for more in ({}, {"work_order_id": not_theirs}):
        assert fitter.post(f"{API}/stock-movements", json=body | more).status_code in (404, 422)
    fit(fitter, part, room.asset, None, "K-3")  # no order says so: told, but not in the tree
    assert tree(owner, room.asset) == []
    assert tree(owner, elsewhere) == [("SEAL-10", "K-1")]
