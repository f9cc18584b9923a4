"""Assets over HTTP: what each organisation sees, registers and finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from assets.base.access import Role
from assets.base.events import append_event
from assets.registry import AssetModel, Customer, Site
from tests.gateway.conftest import Plant

NOW = datetime.now(UTC)


def register(plant: Plant, serial: str, **more: Any) -> dict[str, Any]:
    answer = plant.administrator().post("/api/v1/assets", json={"serial": serial, "name": f"Pump {serial}"} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def customer_id(plant: Plant) -> str:
    with plant.database.as_service() as session:
        customer = Customer(organisation_id=plant.customer.id, number="C1", name="Dairy")
        session.add(customer)
        session.flush()
        return str(customer.id)


def test_registered_asset_is_found_and_opens_its_timeline(plant: Plant) -> None:
    made = register(plant, "P-1")
    client = plant.administrator()
    assert client.get("/api/v1/assets", params={"serial": "P-1"}).json()["items"][0]["id"] == made["id"]
    detail = client.get(f"/api/v1/assets/{made['id']}").json()
    assert detail["customer_url"] == f"/a/{detail['code']}"
    [entry] = client.get(f"/api/v1/assets/{made['id']}/timeline").json()["items"]
    assert entry["kind"] == "asset.registered"


def test_asset_of_a_customer_belongs_to_the_customer(plant: Plant, customer_id: str) -> None:
    made = register(plant, "P-1", customer_id=customer_id)
    path = f"/api/v1/assets/{made['id']}"
    assert plant.client(plant.token(plant.customer, Role.CUSTOMER)).get(path).status_code == 200
    for organisation in (plant.partner, plant.stranger):
        assert plant.client(plant.token(organisation)).get(path).status_code == 404


def test_list_turns_pages_without_gap_or_repeat(plant: Plant) -> None:
    for number in range(5):
        register(plant, f"P-{number}")
    client, after, seen = plant.administrator(), None, []
    while True:
        page = client.get("/api/v1/assets", params={"limit": 2} | ({"after": after} if after else {})).json()
        seen += [item["serial"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == [f"P-{number}" for number in range(5)]


def test_timeline_turns_pages_newest_first(plant: Plant) -> None:
    asset_id = UUID(register(plant, "P-1")["id"])
    with plant.database.as_service() as session:
        for number in range(4):
            append_event(
                session,
                f"thing.{number}",
                at=NOW,
                organisation_id=plant.operator.id,
                subject_kind="asset",
                subject_id=asset_id,
                asset_id=asset_id,
            )
    client, path = plant.administrator(), f"/api/v1/assets/{asset_id}/timeline"
    first = client.get(path, params={"limit": 3}).json()
    second = client.get(path, params={"limit": 3, "after": first["next"]}).json()
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(ids) == len(set(ids)) == 5
    assert second["next"] is None


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", "x\x00"])
def test_search_takes_every_character_literally(plant: Plant, q: str) -> None:
    register(plant, "P-1")
    answer = plant.administrator().get("/api/v1/assets", params={"q": q})
    assert answer.status_code in (200, 422)
    assert answer.json().get("items", []) == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"serial": ""}, 422), ({"model": "none"}, 422), ({"customer_id": str(uuid4())}, 422), ({"serial": "P-1"}, 409)],
)
def test_asset_that_makes_no_sense_is_refused(plant: Plant, wrong: dict[str, str], status: int) -> None:
    register(plant, "P-1")
    answer = plant.administrator().post("/api/v1/assets", json={"serial": "P-2", "name": "Pump"} | wrong)
    assert answer.status_code == status


def test_site_of_somebody_else_is_refused(plant: Plant) -> None:
    with plant.database.as_service() as session:
        site = Site(organisation_id=plant.stranger.id, name="Secret plant")
        session.add(site)
        session.flush()
        site_id = str(site.id)
    for unknown in (site_id, str(uuid4())):
        body = {"serial": "P-1", "name": "Pump", "site_id": unknown}
        answer = plant.administrator().post("/api/v1/assets", json=body)
        assert (answer.status_code, answer.json()["params"].get("field")) == (422, "site_id")


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR, Role.PLANNER}))
def test_only_desk_planners_register_assets(plant: Plant, role: Role) -> None:
    client = plant.client(plant.token(role=role))
    assert client.post("/api/v1/assets", json={"serial": "P-1", "name": "Pump"}).status_code == 403


@pytest.mark.parametrize("path", ["overview", "assets", "asset-models", "sites", "customers"])
def test_device_token_reads_nothing(plant: Plant, path: str) -> None:
    assert plant.client(plant.token(role=Role.DEVICE)).get(f"/api/v1/{path}").status_code == 403


def test_customer_sees_the_names_of_its_operators_models(plant: Plant, customer_id: str) -> None:
    with plant.database.as_service() as session:
        session.add(AssetModel(organisation_id=plant.operator.id, code="P100", name_en="Pump 100", name_zh="泵 100"))
    made = register(plant, "P-1", customer_id=customer_id, model="P100")
    client = plant.client(plant.token(plant.customer, Role.CUSTOMER))
    assert client.get(f"/api/v1/assets/{made['id']}").json()["model"]["name_zh"] == "泵 100"


@pytest.mark.parametrize("moment", ["2026-03-01T00:00:00", "2026-03-01T00:00:00Z", "yesterday"])
def test_expected_takes_any_moment_without_a_server_error(plant: Plant, moment: str) -> None:
    made = register(plant, "P-1")
    path = f"/api/v1/assets/{made['id']}/expected"
    answer = plant.administrator().get(path, params={"metric": "temperature_celsius", "from": moment})
    assert answer.status_code in (200, 422)


def test_empty_plant_has_an_empty_overview(plant: Plant) -> None:
    overview = plant.administrator().get("/api/v1/overview").json()
    assert overview["assets"] == []
    assert set(overview["counts"].values()) == {0}
