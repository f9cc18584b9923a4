"""The demo is marked as such everywhere and goes with one click, whatever people did with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from assets.base.access import Role
from assets.base.calendars import Calendar
from assets.base.events import broken_links
from assets.base.seals import broken_seals, seal_heads
from assets.documents.store import DiskFiles
from assets.people import Organisation
from assets.positions import Position
from assets.registry import Asset
from assets.stock.ledger import replay_differences
from gateway import demo, first_run
from tests.gateway.conftest import Plant

NOW = datetime.now(UTC)
TABLES = ("organisations", "people", "customers", "sites", "asset_models", "assets", "devices")


def load(plant: Plant) -> list[str]:
    """Load the demo; return the serials of what is new."""
    with plant.database.as_service() as session:
        operator = session.get_one(Organisation, plant.operator.id)
        return [identity.serial for identity, _ in demo.load(session, operator, NOW)]


def marked(plant: Plant) -> dict[str, int]:
    with plant.database.as_service() as session:
        counts = {table: session.scalar(text(f"SELECT count(*) FROM {table} WHERE demo")) or 0 for table in TABLES}
    return {table: count for table, count in counts.items() if count}


@pytest.fixture
def loaded(plant: Plant) -> Plant:
    assert len(load(plant)) == 5
    return plant


def demo_ids(plant: Plant, table: str) -> UUID:
    with plant.database.as_service() as session:
        found = session.scalar(text(f"SELECT id FROM {table} WHERE demo ORDER BY id LIMIT 1"))
        assert isinstance(found, UUID)
        return found


def test_everything_of_the_demo_is_marked(loaded: Plant) -> None:
    assert marked(loaded).keys() == set(TABLES)
    assert loaded.administrator().get("/api/v1/me").json()["demo"] is True


def test_demo_holds_stock_meters_cards_and_papers_and_leaves_none_of_them(plant: Plant, tmp_path: Path) -> None:
    with plant.database.as_service() as session:
        operator = session.get_one(Organisation, plant.operator.id)
        assert len(list(demo.load(session, operator, NOW, DiskFiles(tmp_path)))) == 5
    client = plant.administrator()
    lists = "stock-balances purchase-orders stock-transfers replenishment-proposals tools warranty-cards documents"
    for path in lists.split():
        assert client.get(f"/api/v1/{path}").json()["items"], path
    with plant.database.as_service() as session:
        assert replay_differences(session) == []
        assert session.scalar(text("SELECT count(*) FROM meters WHERE value IS NOT NULL")) == 5
    assert client.delete("/api/v1/demo").status_code == 200
    with plant.database.as_service() as session:
        for table in ("stock_entries", "stock_balances", "parts", "tools", "meters", "documents", "warranty_cards"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_demo_promises_its_customers_something_and_says_how_a_pump_is_maintained(loaded: Plant) -> None:
    client = loaded.administrator()
    policies = client.get("/api/v1/sla-policies").json()["items"]
    assert {each["name"] for each in policies} == {"Riverside Foods 服务承诺", "Harbour Hospital 服务承诺"}
    assert all(each["calendar"] and each["targets"] for each in policies)
    pump = client.get("/api/v1/assets?q=DEMO-PUMP-101").json()["items"][0]["id"]
    told = client.post("/api/v1/sla-policies/preview", json={"asset_id": pump, "priority": "urgent"}).json()
    assert {each["clock"]: each["minutes"] for each in told["clocks"]} == {
        "response": 60, "arrival": 240, "restoration": 480,
    }  # fmt: skip
    care, seal = client.get("/api/v1/procedures").json()["items"]
    shown = client.get(f"/api/v1/procedures/{care['id']}").json()
    [link] = shown["links"]
    assert (shown["versions"][0]["standard_cost"]["complete"], shown["versions"][0]["standard_cost"]["labour"]) == (
        True, 42.0,
    )  # fmt: skip
    [change] = client.get(f"/api/v1/procedures/{seal['id']}").json()["versions"]
    assert len(change["norms"]["permits"][0]["points"]) == 3
    assert (care["published"], link["asset_model"], link["service_type"]) == (1, "demo-pump", "maintenance")
    body = {"asset_id": pump, "title": "2000 hours", "service_type_id": link["service_type_id"]}
    order = client.post("/api/v1/work-orders", json=body).json()
    [run] = client.get(f"/api/v1/work-orders/{order['id']}/procedures").json()["items"]
    assert run["name_zh"] == "泵：保养"
    against = client.get(f"/api/v1/work-orders/{order['id']}/variance").json()
    assert (against["norm_minutes"], against["currency"]) == (60, "GBP")
    assert client.delete("/api/v1/demo").status_code == 200
    for path in ("sla-policies", "procedures", "calendars"):
        assert client.get(f"/api/v1/{path}").json()["items"] == [], path


def test_loading_again_adds_nothing(loaded: Plant) -> None:
    before = marked(loaded)
    assert load(loaded) == []
    assert marked(loaded) == before


def test_one_click_removes_all_of_it_and_nothing_else(loaded: Plant) -> None:
    with loaded.database.as_service() as session:
        first_run.ensure_host(session, session.get_one(Organisation, loaded.operator.id), NOW)
        seal_heads(session, NOW)
    answer = loaded.administrator().delete("/api/v1/demo")
    assert answer.json() == {"assets": 5}
    assert marked(loaded) == {}
    with loaded.database.as_service() as session:
        assert len(session.scalars(select(Asset)).all()) == 1
        assert broken_links(session, loaded.operator.id) == []
        assert broken_seals(session) == []
    assert loaded.administrator().get("/api/v1/me").json()["demo"] is False


def test_demo_can_be_loaded_again_after_it_was_removed(loaded: Plant) -> None:
    loaded.administrator().delete("/api/v1/demo")
    assert len(load(loaded)) == 5


def test_work_on_demo_machines_goes_with_them(loaded: Plant) -> None:
    client = loaded.administrator()
    body = {"asset_id": str(demo_ids(loaded, "assets")), "title": "Look at it", "priority": "normal"}
    assert client.post("/api/v1/work-orders", json=body).status_code == 201
    assert client.delete("/api/v1/demo").status_code == 200
    assert client.get("/api/v1/work-orders").json()["items"] == []


def test_own_machine_of_a_demo_model_stays_with_its_model(loaded: Plant) -> None:
    client = loaded.administrator()
    made = client.post("/api/v1/assets", json={"serial": "MINE", "name": "Mine", "model": "demo-pump"})
    assert made.status_code == 201
    with loaded.database.as_service() as session:
        session.get_one(Asset, UUID(made.json()["id"])).site_id = demo_ids(loaded, "sites")
    assert client.delete("/api/v1/demo").status_code == 200
    kept = client.get(f"/api/v1/assets/{made.json()['id']}").json()
    assert kept["model"]["code"] == "demo-pump"
    assert kept["site"] is None
    assert marked(loaded) == {}


def test_machine_of_a_demo_customer_goes_with_the_customer(loaded: Plant) -> None:
    client = loaded.administrator()
    body = {"serial": "MINE", "name": "Mine", "customer_id": str(demo_ids(loaded, "customers"))}
    assert client.post("/api/v1/assets", json=body).status_code == 201
    assert client.delete("/api/v1/demo").json() == {"assets": 6}
    assert marked(loaded) == {}


def test_whatever_was_added_for_a_demo_customer_goes_with_the_customer(loaded: Plant) -> None:
    with loaded.database.as_service() as session:
        owner = session.scalars(select(Organisation.id).where(Organisation.demo)).first()
        session.add(Position(organisation_id=owner, name="Left", created_at=NOW))
        session.add(Calendar(organisation_id=owner, name="Theirs", time_zone="UTC", hours={}))
    assert loaded.administrator().delete("/api/v1/demo").status_code == 200
    assert marked(loaded) == {}
    with loaded.database.as_service() as session:
        assert session.scalars(select(Position)).all() == []
        assert session.scalars(select(Calendar)).all() == []


@pytest.mark.parametrize("role", [Role.PLANNER, Role.TECHNICIAN, Role.CUSTOMER])
def test_only_administrators_remove_the_demo(loaded: Plant, role: Role) -> None:
    assert loaded.client(loaded.token(role=role)).delete("/api/v1/demo").status_code == 403


def test_only_the_operator_removes_the_demo(loaded: Plant) -> None:
    for organisation in (loaded.customer, loaded.stranger):
        assert loaded.client(loaded.token(organisation)).delete("/api/v1/demo").status_code == 404
    assert marked(loaded)


def test_computer_that_was_renamed_is_another_asset_of_the_same_model(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second", "second"):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        with plant.database.as_service() as session:
            first_run.ensure_host(session, session.get_one(Organisation, plant.operator.id), NOW)
    with plant.database.as_service() as session:
        assets = list(session.scalars(select(Asset).order_by(Asset.id)))
        assert [asset.name for asset in assets] == ["first", "second"]
        assert len({asset.asset_model_id for asset in assets}) == 1
