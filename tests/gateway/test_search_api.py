"""Finding in two languages, kept filters, the filtered and checked timeline, the starter set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from assets.base.access import Role
from assets.base.events import append_event
from assets.failure_modes import FailureMode
from assets.registry import Asset, AssetModel, Customer, Site
from tests.gateway.conftest import Plant

NOW = datetime.now(UTC)


@pytest.fixture
def fleet(plant: Plant) -> Plant:
    with plant.database.as_service() as session:
        model = AssetModel(
            organisation_id=plant.operator.id, code="CP-80", name_en="Centrifugal pump", name_zh="离心泵"
        )
        customer = Customer(organisation_id=plant.customer.id, number="C-7", name="上海华明机械")
        theirs = Customer(organisation_id=plant.stranger.id, number="C-8", name="上海远大")
        session.add_all([model, customer, theirs])
        session.flush()
        site = Site(organisation_id=plant.customer.id, customer_id=customer.id, name="一号工厂")
        session.add(site)
        session.flush()
        for serial, name, owner, more in (
            ("P-1", "给水泵 A", plant.customer.id, {"customer_id": customer.id, "site_id": site.id}),
            ("P-10", "Feed pump B", plant.operator.id, {"custom": {"color": "蓝色"}}),
            ("P-100", "风机 100%", plant.operator.id, {"asset_model_id": None}),
            ("P-1", "别人的泵", plant.stranger.id, {"customer_id": theirs.id, "asset_model_id": None}),
        ):
            about = {"asset_model_id": model.id} | more
            session.add(Asset(organisation_id=owner, serial=serial, name=name, created_at=NOW, **about))
    return plant


def serials(plant: Plant, asked: str, token: str | None = None) -> list[str]:
    client = plant.client(token) if token else plant.administrator()
    answer = client.get("/api/v1/search", params={"q": asked, "kinds": "asset"})
    assert answer.status_code == 200, answer.text
    return [f"{item['serial']}:{item['match']}" for item in answer.json()["items"]]


def test_things_are_found_in_both_languages_and_an_exact_serial_first(fleet: Plant) -> None:
    assert serials(fleet, "p-1") == ["P-1:serial", "P-10:serial_start", "P-100:serial_start"]
    assert serials(fleet, "离心泵") == ["P-1:text", "P-10:text"]
    assert serials(fleet, "泵") == ["P-1:name_part", "P-10:text"]
    assert serials(fleet, "给水") == ["P-1:name_start"]
    assert serials(fleet, "华明 一号") == ["P-1:text"]
    assert serials(fleet, "蓝色") == ["P-10:text"]
    assert serials(fleet, "FEED") == ["P-10:name_start"]
    assert serials(fleet, "ＦＥＥＤ ｐｕｍｐ") == ["P-10:name_start"]
    assert serials(fleet, "100%") == ["P-100:name_part"]
    for nothing in ("泵给", "远大", "%", "_", "", " ", "\\", "'; DROP TABLE assets; --", "x" * 200, "\x00"):
        assert serials(fleet, nothing) == ([] if nothing != "%" else ["P-100:name_part"])
    with fleet.database.as_service() as session:
        session.execute(text("UPDATE customers SET name = '北京金星' WHERE number = 'C-7'"))
        session.execute(text("UPDATE assets SET name = '备用机' WHERE serial = 'P-10'"))
    assert (serials(fleet, "华明"), serials(fleet, "金星")) == ([], ["P-1:text"])
    assert (serials(fleet, "feed"), serials(fleet, "备用")) == ([], ["P-10:name_start"])
    found = fleet.administrator().get("/api/v1/search", params={"q": "金星"}).json()["items"]
    assert {(item["kind"], item["match"]) for item in found} == {("customer", "name"), ("asset", "text")}


def test_nobody_finds_what_is_others(fleet: Plant) -> None:
    assert serials(fleet, "泵", fleet.token(fleet.stranger)) == ["P-1:name_part"]
    assert serials(fleet, "给水", fleet.token(fleet.stranger)) == []
    assert serials(fleet, "p-1", fleet.token(fleet.customer, Role.CUSTOMER)) == ["P-1:serial"]
    assert serials(fleet, "p-1", fleet.token(fleet.partner)) == []
    other = fleet.client(fleet.token(fleet.stranger)).get("/api/v1/search", params={"q": "华明"}).json()
    assert other["items"] == []


def test_filters_are_ones_own_or_shared(fleet: Plant) -> None:
    body = {"page": "assets", "name": "Pumps", "query": {"q": "泵", "state": ["trouble"]}, "shared": False}
    mine = fleet.administrator()
    sign_in = {"email": "ada@example.com", "password": "a long enough password"}
    ada = fleet.client()
    assert ada.post("/api/v1/sign-in", json=sign_in).status_code == 200
    kept = ada.post("/api/v1/saved-filters", json=body).json()
    assert (kept["mine"], kept["query"]) == (True, body["query"])
    assert ada.post("/api/v1/saved-filters", json=body).status_code == 409
    assert mine.get("/api/v1/saved-filters").json()["items"] == []
    path = f"/api/v1/saved-filters/{kept['id']}"
    assert mine.delete(path).status_code == 404
    assert ada.put(path, json=body | {"shared": True}).json()["shared"]
    [shared] = mine.get("/api/v1/saved-filters", params={"page": "assets"}).json()["items"]
    assert (shared["mine"], shared["owner"]["name"]) == (False, "Ada")
    technician = fleet.client(fleet.token(fleet.operator, Role.TECHNICIAN))
    assert technician.delete(path).status_code == 403
    assert technician.post("/api/v1/saved-filters", json=body | {"shared": True}).status_code == 403
    assert fleet.client(fleet.token(fleet.stranger)).put(path, json=body).status_code == 404
    assert mine.delete(path).status_code == 204


def test_timeline_is_filtered_checked_and_printed(fleet: Plant) -> None:
    with fleet.database.as_service() as session:
        asset = session.scalars(select(Asset).where(Asset.serial == "P-10")).one()
        for number, kind in enumerate(("asset.registered", "work_order.opened", "meter.reading", "odd.thing")):
            append_event(
                session,
                kind,
                at=NOW - timedelta(days=10 - number),
                organisation_id=asset.organisation_id,
                subject_kind="asset",
                subject_id=asset.id,
                asset_id=asset.id,
                payload={"name": "给水泵", "number": "WO-1"},
            )
    client, path = fleet.administrator(), f"/api/v1/assets/{asset.id}/timeline"

    def kinds(**params: str) -> list[str]:
        return [item["kind"] for item in client.get(path, params=params).json()["items"]]

    assert kinds(group="work,moves") == ["work_order.opened", "asset.registered"]
    assert kinds(group="telemetry") == ["meter.reading"]
    assert kinds(group="other") == ["odd.thing"]
    assert kinds(kind="meter.reading") == ["meter.reading"]
    assert kinds(**{"to": (NOW - timedelta(days=8, hours=12)).isoformat()}) == ["work_order.opened", "asset.registered"]
    assert client.get(path, params={"group": "spells"}).status_code == 422
    assert client.get(f"{path}/check").json() == {"events": 4, "intact": True, "broken": []}
    csv = client.get(f"{path}/export", params={"format": "csv", "language": "zh"}).text
    assert "给水泵" in csv
    for language in ("en", "zh"):
        pdf = client.get(f"{path}/export", params={"format": "pdf", "language": language})
        assert pdf.content.startswith(b"%PDF-")
        assert "attachment" in pdf.headers["content-disposition"]
    other = fleet.client(fleet.token(fleet.stranger))
    for wanted in ("", "/check", "/export"):
        assert other.get(path + wanted).status_code == 404


def test_a_changed_entry_is_told(fleet: Plant, superuser_url: str, database_url: str) -> None:
    import psycopg

    with fleet.database.as_service() as session:
        asset = session.scalars(select(Asset).where(Asset.serial == "P-10")).one()
        made = [
            append_event(
                session,
                "asset.changed",
                at=NOW,
                organisation_id=asset.organisation_id,
                subject_kind="asset",
                subject_id=asset.id,
                asset_id=asset.id,
                payload={"number": number},
            ).id
            for number in range(3)
        ]
    url = superuser_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM events WHERE id = %s", [made[1]])
        connection.execute("UPDATE events SET payload = '{\"number\": 7}' WHERE id = %s", [made[0]])
    client, path = fleet.administrator(), f"/api/v1/assets/{asset.id}/timeline"
    assert client.get(f"{path}/check").json() == {"events": 2, "intact": False, "broken": [made[0], made[2]]}
    assert [item["intact"] for item in client.get(path).json()["items"]] == [False, False]


def test_starter_set_comes_in_once(plant: Plant) -> None:
    client = plant.administrator()
    offered = client.get("/api/v1/starter-models").json()["items"]
    assert len(offered) == 12
    assert client.post("/api/v1/starter-models", json={"codes": [offered[0]["code"]]}).json()["inserted"] == 1
    assert client.post("/api/v1/starter-models", json={}).json() == {"inserted": 11, "updated": 0, "unchanged": 1}
    assert client.post("/api/v1/starter-models", json={"codes": ["NONE"]}).status_code == 422
    with plant.database.as_service() as session:
        models = list(session.scalars(select(AssetModel)))
        assert all(len(model.metrics) >= 5 and model.name_zh for model in models)
        modes = list(session.scalars(select(FailureMode)))
        assert all(mode.name_en and mode.name_zh and mode.matches for mode in modes)
        known = {model.id: model.metrics for model in models}
        unknown = [
            (mode.code, match["metric"])
            for mode in modes
            for match in mode.matches
            if mode.asset_model_id and match["metric"] not in known[UUID(str(mode.asset_model_id))]
        ]
        assert unknown == []
