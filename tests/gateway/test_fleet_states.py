"""The overview's counts are of all machines that one sees, and say what their cards say (5.9d)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.ids import uuid7
from assets.instrumentation import bind
from assets.people import Organisation, add_person
from assets.registry import Asset, Customer, add_asset
from gateway.api import kept_fleets
from gateway.sign_in import open_session
from ingest.models import Device, Series, Stream
from maintenance.models import Episode
from ml.models import ScoringState
from tests.gateway.conftest import Plant
from tests.ingest.support import wait_until
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC)
# name: presence of the device (None: no device), whether it was read, state of learning, recorded, what is open
FLEET: dict[str, tuple[str | None, bool, str | None, bool, str | None]] = {
    "bare": (None, False, None, False, None),
    "never read": ("online", False, None, False, None),
    "young": ("online", True, None, False, None),
    "learning": ("degraded", True, "learning", False, None),
    "fine": ("online", True, "ready", False, None),
    "away": ("offline", True, "ready", False, None),
    "recorded": ("stale", True, "ready", True, None),
    "read before it was bound": ("online", True, "ready", False, None),
    "alarm": ("offline", True, "ready", False, "episode"),
    "ordered": ("online", True, "ready", False, "order"),
    "due": ("online", True, "ready", False, "plan"),  # its service comes round: nothing is wrong with it
    "done": ("online", True, "ready", False, "done"),
}
EXPECTED = {"trouble": 2, "no_data": 4, "learning": 2, "ok": 4}


def test_counts_say_what_the_cards_say_to_whoever_looks(plant: Plant) -> None:
    with plant.database.as_service() as session:
        for owner in (plant.operator, plant.customer, plant.stranger):
            fleet(session, plant, owner)
        customer = Customer(organisation_id=plant.operator.id, number="C-1", name="Mine", email="eve@example.com")
        session.add(customer)
        session.flush()
        for name in ("alarm", "fine", "bare"):
            find(session, plant.operator, name).customer_id = customer.id
        order_for(session, plant, find(session, plant.operator, "away"))
        eve = add_person(
            session,
            organisation_id=plant.operator.id,
            name="Eve",
            email="eve@example.com",
            roles=[Role.CUSTOMER],
            now=NOW,
        )
        cookie = open_session(session, eve, NOW)
    bound = plant.client()
    bound.cookies.set("forewarn_session", cookie)
    more = {"trouble": 5, "no_data": 7, "learning": 4, "ok": 8}  # the one that the partner serves has an order now
    assert seen(plant.administrator()) == more
    assert seen(plant.client(plant.token(plant.customer))) == EXPECTED
    assert seen(plant.client(plant.token(plant.partner)))["trouble"] == 1
    assert sum(seen(bound).values()) == 3


def seen(client: TestClient) -> dict[str, int]:
    """The cards' states, which are those that are counted."""
    told = client.get("/api/v1/overview").json()
    cards, counts = Counter(card["state"] for card in told["assets"]), told["counts"]
    assert len({card["id"] for card in told["assets"]}) == len(told["assets"]) == counts["assets"]
    assert cards["trouble"] == counts["in_trouble"]
    assert cards["watch"] == counts["watching"]
    assert cards["no_data"] == counts["offline"]
    assert cards["learning"] == counts["learning"]
    assert [card["state"] for card in told["assets"]][: cards["trouble"]] == ["trouble"] * cards["trouble"]
    return dict(cards)


def fleet(session: Session, plant: Plant, owner: Organisation) -> None:
    """A machine in each situation."""
    for name, (presence, read, learned, recorded, open_) in FLEET.items():
        asset = Asset(organisation_id=owner.id, serial=f"{owner.name} {name}", name=name, created_at=NOW)
        asset.custom = {"recorded_fleet": "pumps"} if recorded else {}
        add_asset(session, asset, NOW)
        if presence is not None:
            since = NOW + timedelta(hours=1) if name == "read before it was bound" else None
            instrument(session, owner.id, asset, presence, read, since)
        if learned is not None:
            state: dict[str, Any] = {"model_id": "x", "state": b"", "watermark": NOW, "updated_at": NOW}
            session.add(ScoringState(asset_id=asset.id, organisation_id=owner.id, learning={"state": learned}, **state))
        if open_ == "episode":
            about: dict[str, Any] = {"key": "k", "kind": "machine", "severity": "warning", "peak": 1.0, "state": "open"}
            session.add(
                Episode(
                    organisation_id=owner.id,
                    asset_id=asset.id,
                    replayed=False,
                    opened_at=NOW,
                    last_seen_at=NOW,
                    **about,
                )
            )
        elif open_ is not None:
            order_for(session, plant, asset, partner=False, done=open_ == "done", planned=open_ == "plan")
    session.flush()


def instrument(session: Session, owner: UUID, asset: Asset, presence: str, read: bool, since: datetime | None) -> None:
    """A device that measures it."""
    device = Device(id=uuid7(), organisation_id=owner, serial=f"D {asset.id}", presence=presence, created_at=NOW)
    session.add(device)
    session.flush()
    stream = Stream(organisation_id=owner, device_id=device.id, channel="")
    if read:
        stream.latest_at, stream.latest, stream.latest_times = NOW, [1.0], [NOW.timestamp()]
    session.add(stream)
    session.flush()
    session.add(Series(organisation_id=owner, stream_id=stream.id, slot=1, metric="power_w"))
    bind(session, organisation_id=owner, device_id=device.id, channel="", asset_id=asset.id, at=since)


def order_for(
    session: Session, plant: Plant, asset: Asset, *, partner: bool = True, done: bool = False, planned: bool = False
) -> None:
    """An open order, of the partner or of nobody."""
    origin = "plan" if planned else "manual"
    order = open_work_order(
        session, asset=asset, origin=origin, kind="general", title_code="manual", title_text="x", now=NOW
    )
    if partner:
        order.executing_organisation_id = plant.partner.id
    if done:
        order.state = "completed"
    session.flush()


def find(session: Session, owner: Organisation, name: str) -> Asset:
    """One of an owner's machines."""
    return session.query(Asset).filter_by(organisation_id=owner.id, name=name).one()


def test_a_large_fleet_is_kept_but_what_lasts_is_of_now(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_fleets, "LARGE", 1)
    monkeypatch.setattr(kept_fleets, "FRESH", timedelta(hours=1))
    with plant.database.as_service() as session:
        fleet(session, plant, plant.operator)
        fleet(session, plant, plant.stranger)
    client = plant.administrator()
    first = client.get("/api/v1/overview").json()
    assert first["counted_at"] is None
    with plant.database.as_service() as session:
        fine, bare = find(session, plant.operator, "fine"), find(session, plant.operator, "bare")
        for asset in (fine, bare):
            order_for(session, plant, asset)
    second = client.get("/api/v1/overview").json()
    assert second["counted_at"] is not None
    monkeypatch.setattr(kept_fleets, "OLDEST", timedelta(0))
    third = client.get("/api/v1/overview").json()
    assert third["counted_at"] is None
    assert second["counts"] == third["counts"]
    assert second["counts"]["in_trouble"] == first["counts"]["in_trouble"] + 2
    assert sorted(card["id"] for card in second["assets"]) == sorted(card["id"] for card in third["assets"])


def test_a_fleet_is_counted_anew_beside_the_requests(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_fleets, "LARGE", 0)
    one = kept_fleets.Counted([(None, "ok", 1)], [], [])
    two = kept_fleets.Counted([(None, "ok", 2)], [], [])
    fleets, key = kept_fleets.KeptFleets(plant.database), uuid7()
    assert fleets.known(key, 3, lambda _: two) is None
    fleets.keep(key, 3, one, datetime.now(UTC) - timedelta(minutes=1))
    known = fleets.known(key, 3, lambda _: two)
    assert known is not None
    assert known.counted is one
    wait_until(lambda: (now := fleets.known(key, 3, lambda _: one)) is not None and now.counted is two, 60)
