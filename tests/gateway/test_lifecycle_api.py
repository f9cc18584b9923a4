"""The life of an asset over HTTP, from its plan to its end, and who may see and move it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import ConsumerCursor, run_consumer
from assets.base.events import Event
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, AssetModel, Customer, Site
from gateway.sign_in import make_token
from gateway.wiring import CONSUMERS
from ingest.devices import register_device
from ingest.models import Device
from maintenance.models import Episode, Finding
from ml.models import ScoringState
from tests.gateway.conftest import Plant
from tests.ingest.support import wait_until

API = "/api/v1"
CHECKLIST = [{"key": "oil", "en": "Oil", "zh": "油", "required": True, "kind": "check"}]


def customer_of(plant: Plant, number: str) -> tuple[str, UUID]:
    """A customer with an organisation of its own; its id and its organisation's."""
    with plant.database.as_service() as session:
        now = datetime.now(UTC)
        owner = add_organisation(session, kind="customer", name=number, parent=plant.operator, now=now)
        customer = Customer(organisation_id=owner.id, number=number, name=number)
        session.add(customer)
        session.flush()
        session.add(Site(organisation_id=owner.id, customer_id=customer.id, name=f"Plant {number}"))
        return str(customer.id), owner.id


def asset_of(plant: Plant, customer_id: str, serial: str, **more: Any) -> str:
    answer = plant.administrator().post(
        f"{API}/assets", json={"serial": serial, "name": "Pump", "customer_id": customer_id} | more
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def signed_in(plant: Plant, organisation_id: UUID, role: Role) -> TestClient:
    with plant.database.as_service() as session:
        return plant.client(make_token(session, organisation_id, role, datetime.now(UTC)))


def consume(plant: Plant, kind: str) -> None:
    """Let the consumers catch up with events of a kind; they are handed out once no older transaction runs."""

    def caught_up() -> bool:
        for consumer in CONSUMERS:
            run_consumer(plant.database, consumer, datetime.now(UTC))
        with plant.database.as_service() as session:
            newest = session.scalars(select(Event.id).where(Event.kind == kind).order_by(Event.id.desc())).first()
            readers = [each.name for each in CONSUMERS if each.kinds is None or kind in each.kinds]
            cursors = session.scalars(select(ConsumerCursor.event_id).where(ConsumerCursor.name.in_(readers))).all()
            return newest is not None and len(cursors) == len(readers) and min(cursors) >= newest

    wait_until(caught_up)


@pytest.fixture
def measured(plant: Plant) -> tuple[str, UUID]:
    """An asset in service with a device, a finding, an episode and something learned; its id and its device's."""
    customer_id, owner = customer_of(plant, "C-1")
    asset_id = asset_of(plant, customer_id, "P-1")
    now = datetime.now(UTC)
    with plant.database.as_service() as session:
        device, _ = register_device(session, "D-1", "test", owner, now)
        bind(session, organisation_id=owner, device_id=device.id, channel="", asset_id=UUID(asset_id), at=None)
        finding = Finding(
            organisation_id=owner,
            asset_id=UUID(asset_id),
            detector="limits",
            layer="L1",
            signature="temperature:high",
            kind="machine",
            first_at=now,
            last_at=now,
            score=1.0,
            peak=1.0,
            confidence=1.0,
            limit_open=1.0,
            limit_clear=1.0,
            contributions=[],
            regime="",
            model_id="m",
            learning=False,
            severity="warning",
            replayed=False,
            watermark=now,
            saved_at=now,
            decided_revision=1,
        )
        episode = Episode(
            organisation_id=owner,
            asset_id=UUID(asset_id),
            key="limits:temperature",
            kind="machine",
            severity="warning",
            opened_at=now,
            last_seen_at=now,
            state="open",
            peak=1.0,
            replayed=False,
        )
        state = ScoringState(
            organisation_id=owner, asset_id=UUID(asset_id), model_id="m", state=b"", watermark=now, updated_at=now
        )
        session.add_all([finding, episode, state])
        return asset_id, device.id


# seed:003-14
def test_life_from_plan_to_scrap(plant: Plant) -> None:
    client = plant.administrator()
    with plant.database.as_service() as session:
        model = AssetModel(organisation_id=plant.operator.id, code="p", name_en="p", name_zh="p", checklist=CHECKLIST)
        session.add(model)
    customer_id, _ = customer_of(plant, "C-1")
    path = f"{API}/assets/{asset_of(plant, customer_id, 'P-1', model='p', lifecycle='planned')}"

    def go(to: str, reason: str | None = None) -> Any:
        return client.post(f"{path}/transitions", json={"to": to, "reason": reason})

    refused = go("in_service")
    assert refused.status_code == 409
    assert refused.json()["params"]["legal"] == ["in_stock", "installed", "retired"]
    assert go("in_stock").json()["legal"] == ["installed", "retired", "scrapped"]
    assert go("installed").json()["installed_at"]
    incomplete = go("commissioned")
    assert (incomplete.status_code, incomplete.json()["code"]) == (409, "commissioning_incomplete")
    assert client.put(f"{path}/commissioning/oil", json={"ok": True}).json()["complete"]
    assert client.put(f"{path}/commissioning/paint", json={"ok": True}).status_code == 404
    for to in ("commissioned", "in_service"):
        assert go(to).json()["lifecycle"] == to
    assert go("retired").status_code == 422, "taking a machine out of work needs a reason"
    assert go("retired", "worn out").json()["legal"] == ["scrapped"]
    assert go("in_service").json()["params"]["legal"] == ["scrapped"]
    assert go("scrapped").json()["legal"] == []
    states = client.get(f"{path}/states", params={"axis": "lifecycle"}).json()["items"]
    assert [row["state"] for row in reversed(states)] == [
        "planned",
        "in_stock",
        "installed",
        "commissioned",
        "in_service",
        "retired",
        "scrapped",
    ]
    kinds = [item["kind"] for item in client.get(f"{path}/timeline").json()["items"]]
    assert kinds.count("asset.decommissioned") == 1
    assert kinds[-1] == "asset.registered"


def test_end_of_life_closes_alarms_and_revokes_the_device(plant: Plant, measured: tuple[str, UUID]) -> None:
    asset_id, device_id = measured
    gone = plant.administrator().post(
        f"{API}/assets/{asset_id}/transitions", json={"to": "retired", "reason": "worn out"}
    )
    assert gone.status_code == 200, gone.text
    consume(plant, "asset.decommissioned")
    with plant.database.as_service() as session:
        episode = session.scalars(select(Episode)).one()
        assert (episode.state, episode.outcome) == ("closed", "unknown")
        finding = session.scalars(select(Finding)).one()
        assert finding.cleared_at is not None
        assert finding.revision == finding.decided_revision
        assert session.get_one(Device, device_id).disabled_at is not None
        revoked = session.scalars(select(Event).where(Event.kind == "device.revoked")).all()
        assert len(revoked) == 1


def test_transfer_shows_the_buyer_what_comes_and_leaves_the_seller_what_was(
    plant: Plant, measured: tuple[str, UUID]
) -> None:
    asset_id, device_id = measured
    path, operator = f"{API}/assets/{asset_id}", plant.administrator()
    with plant.database.as_service() as session:
        seller_id = session.get_one(Asset, UUID(asset_id)).organisation_id
    buyer, buyer_id = customer_of(plant, "C-2")
    meter = operator.post(f"{path}/meters", json={"name": "hours", "kind": "counter", "unit": "h"}).json()
    assert operator.post(f"{API}/meters/{meter['id']}/readings", json={"value": 70}).status_code == 201
    asked = operator.post(f"{API}/requests", json={"asset_id": asset_id, "text": "noise"}).json()
    assert operator.post(f"{API}/requests/{asked['id']}/accept").status_code == 200
    body = {"customer_id": buyer, "reason": "sold"}
    for organisation_id, role in ((seller_id, Role.PLANNER), (buyer_id, Role.PLANNER)):
        answer = signed_in(plant, organisation_id, role).post(f"{path}/transfer", json=body)
        assert answer.status_code in (404, 422), "only who is above both hands an asset over"
    assert operator.post(f"{path}/transfer", json=body).status_code == 200
    assert operator.post(f"{path}/transfer", json=body).status_code == 422, "it is his already"
    consume(plant, "asset.transferred")
    before, after = signed_in(plant, seller_id, Role.CUSTOMER), signed_in(plant, buyer_id, Role.CUSTOMER)
    assert before.get(path).status_code == 404
    for papers in ("requests", "work-orders"):  # they stay with the seller, and say nothing of the machine as it is
        [paper] = before.get(f"{API}/{papers}").json()["items"]
        assert (paper["asset"]["serial"], before.get(f"{API}/{papers}/{paper['id']}").status_code) == ("—", 200)
    assert before.get(f"{API}/meters/{meter['id']}").status_code == 404
    assert after.get(f"{API}/meters/{meter['id']}").json()["total"] == 70
    assert [item["kind"] for item in after.get(f"{path}/timeline").json()["items"]] == ["asset.transferred"]
    assert "asset.handed_over" in [item["kind"] for item in operator.get(f"{path}/timeline").json()["items"]]
    with plant.database.as_service() as session:
        for kind in (Episode, Finding, ScoringState):
            assert session.scalars(select(kind.organisation_id)).all() == [buyer_id]
        assert session.get_one(Device, device_id).organisation_id == buyer_id


def test_models_begin_anew_only_when_a_planner_says_so(plant: Plant, measured: tuple[str, UUID]) -> None:
    asset_id, _ = measured
    path = f"{API}/assets/{asset_id}/rebaseline"
    with plant.database.as_service() as session:
        owner = session.get_one(Asset, UUID(asset_id)).organisation_id
    refused = {
        plant.client(plant.token(role=Role.TECHNICIAN)): 403,
        plant.client(plant.token(role=Role.DISPATCHER)): 403,
        signed_in(plant, owner, Role.CUSTOMER): 403,
        plant.client(plant.token(plant.partner, Role.PLANNER)): 404,
        plant.client(plant.token(plant.stranger, Role.PLANNER)): 404,
    }
    for client, status in refused.items():
        assert client.post(path, json={"reason": "another product"}).status_code == status
    planner = plant.client(plant.token(role=Role.PLANNER))
    with plant.database.as_service() as session:
        known = {"state": "ready", "progress": 1.0, "missing": {}, "waiting": ["oil_celsius"]}
        session.execute(update(ScoringState).values(learning=known))
    assert planner.get(f"{API}/assets/{asset_id}").json()["learning"]["waiting"] == ["oil_celsius"]
    assert planner.post(path, json={"reason": "  "}).status_code == 422
    first, again = (planner.post(path, json={"reason": "another product"}).json() for _ in range(2))
    assert (first["again"], again["again"]) == (False, True)
    assert first["from"] == again["from"]
    with plant.database.as_service() as session:
        events = session.scalars(select(Event).where(Event.kind == "asset.rebaselined")).all()
        assert [event.payload["reason"] for event in events] == ["another product"]
    untouched = asset_of(plant, customer_of(plant, "C-3")[0], "P-9")
    nothing = planner.post(f"{API}/assets/{untouched}/rebaseline", json={"reason": "x"})
    assert (nothing.status_code, nothing.json()["params"]["reason"]) == (409, "nothing_learned")


def test_strangers_and_siblings_reach_nothing_of_an_asset(plant: Plant) -> None:
    customer_id, _ = customer_of(plant, "C-1")
    asset_id = asset_of(plant, customer_id, "P-1")
    path, operator = f"{API}/assets/{asset_id}", plant.administrator()
    meter = operator.post(f"{path}/meters", json={"name": "hours", "kind": "counter", "unit": "h"}).json()["id"]
    part = operator.post(f"{path}/components", json={"item_number": "B", "serial": "S1"}).json()["id"]
    reading = operator.post(f"{API}/meters/{meter}/readings", json={"value": 1}).json()["id"]
    reads = [
        *(f"{path}/{word}" for word in ("states", "commissioning", "moves", "downtime", "components", "as-installed")),
        f"{path}/meters",
        f"{API}/meters/{meter}",
        f"{API}/meters/{meter}/readings",
        f"{API}/meters/{meter}/forecast?value=5",
    ]
    writes: list[tuple[str, dict[str, Any]]] = [
        (f"{path}/transitions", {"to": "retired", "reason": "x"}),
        (f"{path}/operation", {"to": "down", "cause": "x"}),
        (f"{path}/moves", {"place": "x"}),
        (f"{path}/transfer", {"organisation_id": str(plant.stranger.id), "reason": "x"}),
        (f"{path}/components", {"item_number": "X"}),
        (f"{API}/components/{part}/removal", {}),
        (f"{path}/meters", {"name": "x", "kind": "gauge", "unit": "1"}),
        (f"{API}/meters/{meter}/readings", {"value": 5}),
        (f"{API}/meters/{meter}/replacement", {"final_value": 5, "initial_value": 0, "reason": "x"}),
        (f"{API}/meters/{meter}/readings/{reading}/correction", {"value": 5, "reason": "x"}),
    ]
    for organisation in (plant.stranger, plant.partner, plant.customer):
        client = plant.client(plant.token(organisation))
        for each in reads:
            assert (each, client.get(each).status_code) == (each, 404)
        for each, body in writes:
            assert (each, client.post(each, json=body).status_code) == (each, 404)
        assert client.get(f"{API}/components", params={"serial": "S1"}).json()["items"] == []
        assert client.patch(path, json={"name": "mine"}).status_code == 404
        assert client.get(f"{API}/assets/map").json()["items"] == []


def test_what_is_down_and_worked_on_at_once_counts_once(plant: Plant) -> None:
    asset_id = asset_of(plant, customer_of(plant, "C-1")[0], "P-1")
    path, client = f"{API}/assets/{asset_id}", plant.administrator()
    now = datetime.now(UTC)
    with plant.database.as_service() as session:
        asset = session.get_one(Asset, UUID(asset_id))
        asset.created_at = now - timedelta(days=10)
    down = {
        "to": "down",
        "cause": "belt broke",
        "reason_code": "breakdown",
        "at": (now - timedelta(hours=4)).isoformat(),
    }
    assert client.post(f"{path}/operation", json=down).json()["operation"] == "down"
    up = {"to": "up", "cause": "belt changed", "at": (now - timedelta(hours=1)).isoformat()}
    assert client.post(f"{path}/operation", json=up).json()["operation"] == "up"
    assert client.post(f"{path}/operation", json=down).status_code == 422, "history is not rewritten"
    assert client.post(f"{path}/operation", json=down | {"reason_code": "laziness"}).status_code == 422
    since = (now - timedelta(hours=10)).isoformat()
    found = client.get(f"{path}/downtime", params={"from": since, "to": now.isoformat()}).json()
    assert found["down_s"] == pytest.approx(3 * 3600)
    assert found["by_reason"] == [{"reason_code": "breakdown", "seconds": pytest.approx(3 * 3600)}]
    assert found["availability"] == pytest.approx(0.7)


# seed:004-42
def test_a_place_sent_late_does_not_undo_a_newer_one(plant: Plant) -> None:
    client = plant.administrator()
    made = client.post(f"{API}/assets", json={"serial": "GPS-1", "name": "Pump"}).json()
    path = f"{API}/assets/{made['id']}/location"
    newer = {"latitude_deg": 31.2, "longitude_deg": 121.4, "located_at": "2026-03-02T10:00:00Z"}
    older = {"latitude_deg": 40.0, "longitude_deg": 116.0, "located_at": "2026-03-02T09:00:00Z"}
    assert client.put(path, json=newer).json()["latitude_deg"] == 31.2
    for again in (older, newer):  # in whatever order a phone's outbox comes, and twice
        kept = client.put(path, json=again).json()
        assert (kept["latitude_deg"], kept["located_at"]) == (31.2, "2026-03-02T10:00:00Z")
    kinds = [item["kind"] for item in client.get(f"{API}/assets/{made['id']}/timeline").json()["items"]]
    assert kinds.count("asset.located") == 1
    assert client.put(path, json={"latitude_deg": 30.0, "longitude_deg": 120.0}).json()["latitude_deg"] == 30.0
