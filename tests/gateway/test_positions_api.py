"""Positions over HTTP: the list says who stands where, names are found and changed, and others see nothing of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from assets.base.access import Role
from assets.registry import Site
from tests.gateway.conftest import Plant

PATH = "/api/v1/positions"


@pytest.fixture
def site_id(plant: Plant) -> str:
    with plant.database.as_service() as session:
        site = Site(organisation_id=plant.operator.id, name="North works")
        session.add(site)
        session.flush()
        return str(site.id)


def place(plant: Plant, name: str, **more: Any) -> dict[str, Any]:
    answer = plant.administrator().post(PATH, json={"name": name} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def listed(plant: Plant, **asked: Any) -> list[dict[str, Any]]:
    answer = plant.administrator().get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_list_names_site_and_asset_of_each_position(plant: Plant, site_id: str) -> None:
    client = plant.administrator()
    pump = client.post("/api/v1/assets", json={"serial": "P-9", "name": "Feed pump"}).json()["id"]
    taken = place(plant, "P-101", site_id=site_id)
    assert taken["asset"] is None
    place(plant, "P-102")
    client.post(f"{PATH}/{taken['id']}/install", json={"asset_id": pump})
    first, second = listed(plant)
    assert first["asset"] == {"id": pump, "name": "Feed pump", "serial": "P-9"}
    assert first["site"] == {"id": site_id, "name": "North works"}
    assert (first["asset_id"], first["site_id"]) == (pump, site_id)
    assert (second["asset"], second["asset_id"], second["site"]) == (None, None, None)
    assert client.get(f"{PATH}/{taken['id']}").json()["asset"] == first["asset"]
    client.post(f"{PATH}/{taken['id']}/install", json={"asset_id": None})
    assert listed(plant)[0]["asset"] is None


def test_positions_are_found_by_name_and_site(plant: Plant, site_id: str) -> None:
    place(plant, "Feed pump 100%", site_id=site_id)
    place(plant, "Drain pump")
    assert [row["name"] for row in listed(plant, q="PUMP")] == ["Drain pump", "Feed pump 100%"]
    assert [row["name"] for row in listed(plant, q="%")] == ["Feed pump 100%"]
    assert listed(plant, q="_") == []
    assert [row["name"] for row in listed(plant, site_id=site_id)] == ["Feed pump 100%"]


def test_positions_of_one_name_in_two_organisations_are_both_listed(plant: Plant) -> None:
    place(plant, "P-101")
    customer = plant.client(plant.token(plant.customer))
    assert customer.post(PATH, json={"name": "P-101"}).status_code == 201
    client, after, seen = plant.administrator(), None, []
    while True:
        page = client.get(PATH, params={"limit": 1} | ({"after": after} if after else {})).json()
        seen += [row["id"] for row in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 2


def test_a_position_gets_another_name_and_keeps_its_history(plant: Plant) -> None:
    client = plant.administrator()
    pump = client.post("/api/v1/assets", json={"serial": "P-9", "name": "Feed pump"}).json()["id"]
    made = place(plant, "P-101")
    client.post(f"{PATH}/{made['id']}/install", json={"asset_id": pump})
    answer = client.patch(f"{PATH}/{made['id']}", json={"name": " P-101 left "})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["asset_id"]) == ("P-101 left", pump)
    assert len(answer.json()["installations"]) == 1
    assert client.patch(f"{PATH}/{made['id']}", json={"name": "P-101 left"}).status_code == 200
    place(plant, "P-102")
    assert client.patch(f"{PATH}/{made['id']}", json={"name": "P-102"}).status_code == 409
    for wrong in ({"name": "  "}, {"name": ""}, {"name": None}, {"name": "x" * 201}, {}):
        assert client.patch(f"{PATH}/{made['id']}", json=wrong).status_code == 422
    assert client.patch(f"{PATH}/{uuid4()}", json={"name": "x"}).status_code == 404
    assert [row["name"] for row in listed(plant)] == ["P-101 left", "P-102"]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR, Role.PLANNER}))
def test_only_those_who_manage_assets_name_positions(plant: Plant, role: Role) -> None:
    made = place(plant, "P-101")
    answer = plant.client(plant.token(role=role)).patch(f"{PATH}/{made['id']}", json={"name": "mine"})
    assert answer.status_code == 403


def test_somebody_else_sees_and_changes_no_position(plant: Plant, site_id: str) -> None:
    made = place(plant, "P-101", site_id=site_id)
    for organisation in (plant.stranger, plant.customer, plant.partner):
        client = plant.client(plant.token(organisation))
        for asked in ({}, {"q": "P-101"}, {"site_id": site_id}):
            assert client.get(PATH, params=asked).json()["items"] == []
        assert client.get(f"{PATH}/{made['id']}").status_code == 404
        assert client.patch(f"{PATH}/{made['id']}", json={"name": "mine"}).status_code == 404
    assert [row["name"] for row in listed(plant)] == ["P-101"]
