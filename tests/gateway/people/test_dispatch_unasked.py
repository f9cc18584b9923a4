"""Work that nobody plans by hand: how many turns it takes, what holds a failing plan back, and who hears of a move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.people import Person
from gateway.clock import TIMETABLE
from gateway.jobs import plan_dispatch
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import hired, ok, planned, signed_in
from tests.gateway.people.test_board_api import always, drop, live_visits, order_of, tomorrow
from tests.gateway.test_live import Listener, address, look, wait_for
from ticketing.dispatch import modes
from ticketing.dispatch.modes import DISPATCH_FOLLOWS, MAX_UNASKED_S, plan_waiting
from ticketing.dispatch.settings import Rules, want_plan
from ticketing.dispatch.tables import DispatchSettings
from ticketing.models import WorkOrder

__all__ = ["address"]  # a fixture


def wanted_at(plant: Plant) -> datetime | None:
    with plant.database.as_service() as session:
        own = session.query(DispatchSettings).filter(DispatchSettings.organisation_id == plant.operator.id)
        return own.one().wanted_at


def test_from_a_released_order_to_its_visit_it_takes_one_turn_of_each_job(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    """001-01: the longest that two turns of the clock and a solve may take is less than a minute."""
    always(desk, tom)
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "unattended", "solve_seconds": 1}))
    other = order_of(plant)
    asset = ok(desk.get(f"/api/v1/work-orders/{other}"))["asset"]["id"]
    with plant.database.as_service() as session:
        session.delete(session.get_one(WorkOrder, other))
    while run_consumer(plant.database, DISPATCH_FOLLOWS, datetime.now(UTC)):
        pass
    plan_dispatch(plant.database, datetime.now(UTC))
    assert wanted_at(plant) is None
    made = ok(desk.post("/api/v1/work-orders", json={"asset_id": asset, "title": "Released"}), 201)
    run_consumer(plant.database, DISPATCH_FOLLOWS, datetime.now(UTC))
    plan_dispatch(plant.database, datetime.now(UTC))
    assert [each.technician_id for each in live_visits(plant, UUID(made["id"]))] == [tom.id]
    assert TIMETABLE["consume_events"] + TIMETABLE["plan_dispatch"] + MAX_UNASKED_S < 60


def test_plan_that_fails_is_tried_once_a_minute_whatever_changes_meanwhile(
    plant: Plant, desk: TestClient, tom: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(desk, tom)
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "unattended", "solve_seconds": 1}))
    order, tries, ask = order_of(plant), [], modes._ask_one

    def fail(session: object, rules: Rules, now: datetime) -> None:
        if rules.organisation_id == plant.operator.id:  # the database has others, of other tests
            tries.append(now)
        raise RuntimeError("no plan today")

    monkeypatch.setattr(modes, "_ask_one", fail)
    begun = datetime.now(UTC)
    for seconds in (0, 2, 30, 59, 60, 61):
        now = begun + timedelta(seconds=seconds)
        with plant.database.as_service() as session:
            want_plan(session, {plant.operator.id}, now)
        plan_waiting(plant.database, now)
    assert tries == [begun, begun + timedelta(seconds=60)]
    assert wanted_at(plant) == begun + timedelta(seconds=120)
    monkeypatch.setattr(modes, "_ask_one", ask)
    plan_waiting(plant.database, begun + timedelta(seconds=120))
    assert len(live_visits(plant, order)) == 1
    assert wanted_at(plant) is None


def test_a_dispatchers_move_is_heard_by_another_at_once(
    plant: Plant, desk: TestClient, tom: Person, address: str
) -> None:
    """6.5k: the other's page is told that the visit moved, and reads the board anew."""
    always(desk, tom)
    visit = planned(plant, tom, tomorrow(3))
    mine = signed_in(plant, hired(plant, "Ann", None, Role.DISPATCHER))
    theirs = Listener(address, plant.token(role=Role.DISPATCHER))
    look(plant)
    body = drop(visit, tom, tomorrow(6), version=visit.version)
    ok(mine.post("/api/v1/dispatch/moves", json=body, headers={"X-Forewarn": "1"}))
    wait_for(lambda: any(kind.startswith("visit.") for kind in theirs.kinds))
