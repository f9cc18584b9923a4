"""The board, moves, plans, modes and appointments over HTTP and in the worker's job, on the real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.events import Event
from assets.people import Person, add_organisation
from assets.registry import Asset
from gateway.notify.dates import dated
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import hired, ok, planned, signed_in, works
from ticketing.dispatch import modes
from ticketing.dispatch.appointments import end_with_order
from ticketing.dispatch.modes import follow_changes, plan_waiting
from ticketing.dispatch.planning import run_next
from ticketing.dispatch.settings import rules_of
from ticketing.dispatch.tables import Appointment, DispatchSettings
from ticketing.models import Visit, WorkOrder
from ticketing.people.tables import Skill

# Everybody works around the clock here: no test asks what the time is.
ALWAYS = {str(day): [["00:00", "24:00"]] for day in range(7)}
HERE = (52.5, 13.4)


def soon(hours: float) -> datetime:
    """A full hour, so many hours from the next one on."""
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return at + timedelta(hours=hours)


def tomorrow(hours: float) -> datetime:
    """So many hours into the next day, for what has to lie within one shift."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1, hours=hours)


def order_of(plant: Plant, *, minutes: int = 60, place: tuple[float, float] | None = HERE, **more: Any) -> UUID:
    with plant.database.as_service() as session:
        asset = Asset(
            organisation_id=plant.operator.id, serial=str(uuid4()), name="Pump", created_at=datetime.now(UTC),
            latitude_deg=place[0] if place else None, longitude_deg=place[1] if place else None,
        )  # fmt: skip
        session.add(asset)
        session.flush()
        order = WorkOrder(
            organisation_id=plant.operator.id, number=f"WO-{uuid4()}", asset_id=asset.id, origin="manual",
            kind="general", title_code="work_order.manual", title_params={}, state="unscheduled",
            opened_at=datetime.now(UTC), duration_minutes=minutes, version=1,
            **{"priority": "normal", "required_skills": []} | more,
        )  # fmt: skip
        session.add(order)
        session.flush()
        return order.id


def always(desk: TestClient, person: Person) -> None:
    works(desk, person, weeks=[ALWAYS])


def span(hours: int = 48) -> str:
    now = datetime.now(UTC)
    quoted = [at.isoformat().replace("+00:00", "Z") for at in (now - timedelta(hours=1), now + timedelta(hours=hours))]
    return f"from={quoted[0]}&until={quoted[1]}"


def visit_now(plant: Plant, visit: Visit | UUID | str) -> Visit:
    with plant.database.as_service() as session:
        return session.get_one(Visit, visit.id if isinstance(visit, Visit) else UUID(str(visit)))


def live_visits(plant: Plant, order_id: UUID) -> list[Visit]:
    with plant.database.as_service() as session:
        rows = session.query(Visit).filter(Visit.work_order_id == order_id, Visit.state == "scheduled").all()
        return list(rows)


def make_plans(plant: Plant, now: datetime | None = None) -> None:
    for _ in range(20):
        if not run_next(plant.database, now or datetime.now(UTC)):
            return


def drop(visit: Any, person: Person, at: datetime, **more: Any) -> dict[str, Any]:
    return {"visit_id": str(visit.id), "technician_id": str(person.id), "planned_start": at.isoformat()} | more


def test_board_shows_people_visits_and_a_version_that_changes_with_them(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    always(desk, tom)
    visit = planned(plant, tom, soon(2))
    board = ok(desk.get(f"/api/v1/dispatch/board?{span()}"))
    assert [each["name"] for each in board["resources"]] == ["Tom"]
    assert board["resources"][0]["shifts"]
    assert [each["id"] for each in board["visits"]] == [str(visit.id)]
    same = desk.get(f"/api/v1/dispatch/board?{span()}", headers={"If-None-Match": f'"{board["version"]}"'})
    assert same.status_code in (200, 304)
    ok(desk.patch(f"/api/v1/visits/{visit.id}", json={"pinned": True}))
    assert ok(desk.get(f"/api/v1/dispatch/board?{span()}"))["version"] != board["version"]
    assert desk.get(f"/api/v1/dispatch/board?{span(24 * 40)}").status_code == 422


def test_a_partner_sees_own_people_and_own_work_and_moves_nothing(plant: Plant, desk: TestClient, tom: Person) -> None:
    piet = hired(plant, "Piet", plant.partner.id, Role.PARTNER)
    always(desk, tom)
    planned(plant, tom, soon(2))
    partner = signed_in(plant, piet)
    board = ok(partner.get(f"/api/v1/dispatch/board?{span()}"))
    assert [each["name"] for each in board["resources"]] == ["Piet"]
    assert board["visits"] == []
    assert ok(partner.get(f"/api/v1/dispatch/unassigned?{span()}"))["items"] == []
    move = {"visit_id": str(uuid4()), "technician_id": str(piet.id), "planned_start": soon(1).isoformat()}
    assert partner.post("/api/v1/dispatch/moves", json=move, headers={"X-Forewarn": "1"}).status_code == 403


def test_every_order_that_nobody_has_says_why(plant: Plant, desk: TestClient, tom: Person) -> None:
    """003-19: the planner reads why an order has no visit."""
    always(desk, tom)
    free, hard = order_of(plant), order_of(plant, required_skills=[{"skill": "crane", "level": 3}])
    past = order_of(plant, window_from=soon(3), window_until=soon(3.5))
    told = {each["work_order_id"]: each["reason_code"] for each in _unassigned(desk)}
    assert told[str(free)] == "not_planned"
    assert told[str(hard)] == "no_skill"
    assert told[str(past)] in ("window_impossible", "not_planned")


def _unassigned(desk: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(desk.get(f"/api/v1/dispatch/unassigned?{span()}"))["items"]
    return found


def test_a_dry_run_says_what_a_drop_breaks_and_writes_nothing(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    eve = hired(plant, "Eve")
    always(desk, eve)
    visit = planned(plant, tom, tomorrow(9), skills=[{"skill": "crane", "level": 2}])
    told = ok(desk.post("/api/v1/dispatch/moves", json=drop(visit, eve, tomorrow(12), dry_run=True)))
    assert [each["code"] for each in told["violations"]] == ["skill"]
    assert not told["committed"]
    assert visit_now(plant, visit).technician_id == tom.id
    refused = desk.post("/api/v1/dispatch/moves", json=drop(visit, eve, tomorrow(12)))
    assert refused.status_code == 409
    assert refused.json()["code"] == "move_breaks_rules"
    done = ok(desk.post("/api/v1/dispatch/moves", json=drop(visit, eve, tomorrow(12), accept=["skill"])))
    assert done["visit"]["technician"]["name"] == "Eve"
    assert done["visit"]["pinned"]  # the next plan would take it away again


def test_a_drop_pushes_who_would_be_late(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    first, second = planned(plant, tom, tomorrow(6), hours=1), planned(plant, tom, tomorrow(9), hours=2)
    told = ok(desk.post("/api/v1/dispatch/moves", json=drop(second, tom, tomorrow(5.5))))
    assert [each["visit_id"] for each in told["pushed"]] == [str(first.id)]
    moved, pushed = visit_now(plant, second), visit_now(plant, first)
    assert moved.planned_start == tomorrow(5.5)
    assert pushed.planned_start is not None
    assert moved.planned_end is not None
    assert pushed.planned_start >= moved.planned_end


def test_of_two_dispatchers_who_move_the_same_visit_one_wins(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    eve = hired(plant, "Eve")
    always(desk, eve)
    visit = planned(plant, tom, tomorrow(9))
    clients = [signed_in(plant, hired(plant, f"D{n}", None, Role.DISPATCHER)) for n in range(2)]
    gate, codes = Barrier(2), []

    def move(client: TestClient, person: Person, at: datetime) -> None:
        gate.wait(30)
        body = drop(visit, person, at, version=visit.version)
        codes.append(client.post("/api/v1/dispatch/moves", json=body, headers={"X-Forewarn": "1"}).status_code)

    threads = [
        Thread(target=move, args=(client, person, tomorrow(12 + n)))
        for n, (client, person) in enumerate(zip(clients, (tom, eve), strict=True))
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(codes) == [200, 412]


def test_a_plan_is_proposed_and_published_once(plant: Plant, desk: TestClient, tom: Person) -> None:
    """001-25: a proposal that a dispatcher publishes; what was not planned has a visit then."""
    always(desk, tom)
    orders = [order_of(plant), order_of(plant, place=None)]
    asked = ok(desk.post("/api/v1/dispatch/plans", json={"seconds": 1}), 202)
    assert asked["state"] == "waiting"
    make_plans(plant)
    plan = ok(desk.get(f"/api/v1/dispatch/plans/{asked['id']}"))
    assert plan["state"] == "proposed", plan["error"]
    assert plan["score_after"]["cost"] <= plan["score_before"]["cost"]
    assert {each["technician"] for each in plan["assignments"]} == {"Tom"}
    assert not live_visits(plant, orders[0])
    assert ok(desk.post(f"/api/v1/dispatch/plans/{asked['id']}/publish"))["changes"] == 2
    assert all(len(live_visits(plant, each)) == 1 for each in orders)
    again = desk.post(f"/api/v1/dispatch/plans/{asked['id']}/publish")
    assert again.status_code == 409
    assert again.json()["params"]["legal"] == []


def test_a_plan_is_refused_when_the_board_changed_meanwhile(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    order = order_of(plant)
    asked = ok(desk.post("/api/v1/dispatch/plans", json={"seconds": 1}), 202)
    make_plans(plant)
    ok(desk.patch(f"/api/v1/work-orders/{order}", json={"duration_minutes": 90}))
    refused = desk.post(f"/api/v1/dispatch/plans/{asked['id']}/publish")
    assert refused.status_code == 409
    assert refused.json()["code"] == "board_changed"
    assert [each["work_order_id"] for each in refused.json()["params"]["changed"]] == [str(order)]
    assert not live_visits(plant, order)
    ok(desk.post(f"/api/v1/dispatch/plans/{asked['id']}/reject", json={"reason": "stale"}))


def test_unattended_a_new_order_is_planned_without_anybody(plant: Plant, desk: TestClient, tom: Person) -> None:
    """001-01: within a turn of the clock (2 s) and one solve, well within 60 s."""
    always(desk, tom)
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "unattended", "solve_seconds": 1}))
    order = order_of(plant)
    plan_waiting(plant.database, datetime.now(UTC))
    assert [each.technician_id for each in live_visits(plant, order)] == [tom.id]


def test_an_order_whose_skills_cannot_be_read_is_left_out_and_others_are_planned(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    always(desk, tom)
    broken, order = order_of(plant, required_skills=[{"skill": "", "level": True}]), order_of(plant)
    asked = ok(desk.post("/api/v1/dispatch/plans", json={"seconds": 1}), 202)
    make_plans(plant)
    plan = ok(desk.get(f"/api/v1/dispatch/plans/{asked['id']}"))
    told = {each["work_order_id"]: (each["technician"], each["reason_code"]) for each in plan["assignments"]}
    assert told == {str(broken): (None, "no_skill"), str(order): ("Tom", None)}
    assert {each["work_order_id"]: each["reason_code"] for each in _unassigned(desk)}[str(broken)] == "no_skill"


def test_an_order_that_cannot_be_sent_keeps_no_other_waiting(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    planned(plant, tom, soon(26))
    # Its thirty hours run into a visit beyond the day that is looked at.
    blocking, order = order_of(plant, minutes=30 * 60, priority="urgent"), order_of(plant)
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "nearest"}))
    now = datetime.now(UTC)
    plan_waiting(plant.database, now)
    assert [each.technician_id for each in live_visits(plant, order)] == [tom.id]
    assert not live_visits(plant, blocking)
    with plant.database.as_service() as session:
        own = session.query(DispatchSettings).filter(DispatchSettings.organisation_id == plant.operator.id)
        assert own.one().wanted_at == now + timedelta(seconds=60)  # somebody may be idle then


def test_who_falls_ill_is_replaced_and_others_stay(plant: Plant, desk: TestClient, tom: Person) -> None:
    """001-25: replanning with as little change as possible."""
    eve = hired(plant, "Eve")
    for each in (tom, eve):
        always(desk, each)
    ill, other = planned(plant, tom, soon(3), hours=1), planned(plant, eve, soon(8), hours=1)
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "unattended", "solve_seconds": 1}))
    leave = {
        "person_id": str(tom.id), "starts_at": datetime.now(UTC).isoformat(), "ends_at": soon(40).isoformat(),
        "reason": "sick", "approved": True,
    }  # fmt: skip
    ok(desk.post("/api/v1/absences", json=leave), 201)
    tell_events(plant)
    plan_waiting(plant.database, datetime.now(UTC))
    assert visit_now(plant, ill).technician_id == eve.id
    assert visit_now(plant, other).planned_start == soon(8)
    assert visit_now(plant, other).technician_id == eve.id


def tell_events(plant: Plant) -> None:
    """Hand the operator's absences to the consumer, as the worker does."""
    with plant.database.as_service() as session:
        mine = session.query(Event).filter(Event.organisation_id == plant.operator.id, Event.kind == "absence.approved")
        for event in mine:
            follow_changes(session, event, datetime.now(UTC))


def test_an_emergency_goes_into_the_running_day(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    planned(plant, tom, soon(3), hours=1)
    order = order_of(plant, priority="urgent")
    ok(desk.post("/api/v1/dispatch/emergencies", json={"work_order_id": str(order), "publish": True}), 202)
    make_plans(plant)
    visits = live_visits(plant, order)
    assert [each.technician_id for each in visits] == [tom.id]


def test_of_two_who_take_the_same_order_from_the_pool_the_first_has_it(plant: Plant, desk: TestClient) -> None:
    """004-28: the claim pool."""
    ok(desk.put("/api/v1/dispatch/settings", json={"mode": "pool"}))
    people = [hired(plant, f"T{n}") for n in range(2)]
    order, hard = order_of(plant), order_of(plant, required_skills=[{"skill": "crane", "level": 1}])
    clients = [signed_in(plant, each) for each in people]
    shown = ok(clients[0].get("/api/v1/dispatch/pool"))
    assert shown["open"]
    assert [each["id"] for each in shown["items"]] == [str(order)]
    gate, codes = Barrier(2), []

    def take(client: TestClient) -> None:
        gate.wait(30)
        path = f"/api/v1/dispatch/pool/{order}/claim"
        codes.append(client.post(path, headers={"X-Forewarn": "1"}).status_code)

    threads = [Thread(target=take, args=(each,)) for each in clients]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(codes) == [200, 409]
    path = f"/api/v1/dispatch/pool/{hard}/claim"
    assert clients[0].post(path, headers={"X-Forewarn": "1"}).status_code == 403


def test_pool_is_filled_with_what_somebody_can_do_however_much_they_cannot(
    plant: Plant, desk: TestClient, tom: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "MAX_POOL", 2)
    for _ in range(3):
        order_of(plant, required_skills=[{"skill": "crane", "level": 1}])
    able = [order_of(plant) for _ in range(3)]
    with plant.database.as_service() as session:
        assert [each.id for each in modes.pool(session, tom, datetime.now(UTC))] == able[:2]


def test_candidates_show_cost_and_what_stands_against_each(plant: Plant, desk: TestClient, tom: Person) -> None:
    eve = hired(plant, "Eve")
    for each in (tom, eve):
        always(desk, each)
    with plant.database.as_service() as session:
        session.add(Skill(organisation_id=plant.operator.id, code="crane", name_en="Crane", name_zh="起重"))
    skills = ok(desk.get("/api/v1/skills"))["items"]
    key = next(each["id"] for each in skills if each["code"] == "crane")
    ok(desk.put(f"/api/v1/technicians/{eve.id}/skills/{key}", json={"level": 3}))
    order = order_of(plant, required_skills=[{"skill": "crane", "level": 2}])
    found = ok(desk.get(f"/api/v1/work-orders/{order}/candidates"))["items"]
    assert [(each["name"], [one["code"] for one in each["violations"]]) for each in found] == [
        ("Eve", []),
        ("Tom", ["skill"]),
    ]
    near = ok(desk.get(f"/api/v1/dispatch/nearest?work_order_id={order}"))["items"]
    assert [each["name"] for each in near] == ["Eve"]


def test_a_customer_chooses_a_window_by_link_and_moves_it_until_the_limit(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    """000-03: the window is kept by the visit; a second customer cannot have a window that is full."""
    always(desk, tom)
    ok(desk.put("/api/v1/dispatch/settings", json={"moves_allowed": 1}))
    order = order_of(plant, minutes=120)
    offer = ok(desk.post(f"/api/v1/work-orders/{order}/appointment-offers", json={}), 201)
    nobody, as_json = plant.client(), {"Accept": "application/json"}
    assert nobody.get(offer["link"]).status_code == 200
    windows = ok(nobody.get(offer["link"], headers=as_json))["windows"]
    assert len(windows) > 1
    for number, window in enumerate(windows[:2]):
        told = ok(nobody.post(offer["link"], json=window, headers=as_json))
        assert told["moves_left"] == 1 - number
        (visit,) = live_visits(plant, order)
        assert visit.planned_start is not None
        assert window["window_from"] <= visit.planned_start.isoformat() <= window["window_until"]
    third = nobody.post(offer["link"], json=windows[0], headers=as_json)
    assert third.status_code == 409
    assert third.json()["problem"] == "appointment_moves_used_up"
    assert nobody.post(offer["link"], json={"window_from": "nonsense"}, headers=as_json).status_code == 422
    assert nobody.get("/a/appointments/guessed", headers=as_json).status_code == 404
    asked = ok(desk.post("/api/v1/dispatch/plans", json={"seconds": 1}), 202)
    make_plans(plant)
    plan = ok(desk.get(f"/api/v1/dispatch/plans/{asked['id']}"))
    (kept,) = [each for each in plan["assignments"] if each["work_order_id"] == str(order)]
    assert windows[1]["window_from"] <= kept["planned_start"].replace("Z", "+00:00") <= windows[1]["window_until"]


def test_what_was_promised_to_a_customer_is_no_partners_to_change(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    order = order_of(plant)
    path = f"/api/v1/work-orders/{order}/appointments"
    windows = ok(desk.get(f"/api/v1/work-orders/{order}/windows"))["items"]
    made = ok(desk.post(path, json=windows[0]), 201)
    with plant.database.as_service() as session:
        for row in (session.get_one(WorkOrder, order), session.get_one(Appointment, UUID(made["id"]))):
            row.executing_organisation_id = plant.partner.id
    partners_desk = signed_in(plant, hired(plant, "Petra", plant.partner.id, Role.DISPATCHER))
    assert [each["id"] for each in ok(partners_desk.get(path))["items"]] == [made["id"]]
    for asked in (path, f"/api/v1/appointments/{made['id']}/move", f"/api/v1/appointments/{made['id']}/cancel"):
        assert partners_desk.post(asked, json=windows[1]).status_code == 403, asked


def test_an_appointment_is_over_with_its_order(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    order = order_of(plant)
    offer = ok(desk.post(f"/api/v1/work-orders/{order}/appointment-offers", json={}), 201)
    window = offer["windows"][0]
    ok(desk.post(f"/api/v1/work-orders/{order}/appointments", json=window), 201)
    assert reminded_of(plant) == [window["window_from"]]
    ok(desk.post(f"/api/v1/work-orders/{order}/transitions", json={"to": "cancelled", "reason": "sold"}))
    assert reminded_of(plant) == []
    page = ok(plant.client().get(offer["link"], headers={"Accept": "application/json"}))
    assert (page["appointment"], page["windows"], page["over"]) == (None, [], True)
    assert "This appointment is over" in plant.client().get(offer["link"], headers={"Accept-Language": "en"}).text
    with plant.database.as_service() as session:
        event = session.scalars(select(Event).where(Event.subject_id == order, Event.kind == "work_order.cancelled"))
        cancelled = event.one()
        for _ in range(2):
            end_with_order(session, cancelled, datetime.now(UTC))
    (row,) = ok(desk.get(f"/api/v1/work-orders/{order}/appointments"))["items"]
    assert (row["state"], row["version"]) == ("ended", 2)


def reminded_of(plant: Plant) -> list[str]:
    with plant.database.as_service() as session:
        now = datetime.now(UTC)
        found = dated(session, "appointment.window_from", plant.operator.id, now, now + timedelta(days=14), 9)
        return [each.at.isoformat().replace("+00:00", "Z") for each in found]


def test_settings_have_bounds_and_versions(plant: Plant, desk: TestClient) -> None:
    path = "/api/v1/dispatch/settings"
    assert ok(desk.get(path))["mode"] == "proposal"
    assert desk.put(path, json={"mode": "magic"}).status_code == 422
    assert desk.put(path, json={"horizon_days": 0}).status_code == 422
    assert desk.put(path, json={"weights": {"moved": -1}}).status_code == 422
    set_ = ok(desk.put(path, json={"weights": {"moved": 99}}, headers={"If-Match": "0"}))
    assert set_["weights"]["moved"] == 99
    assert desk.put(path, json={"mode": "off"}, headers={"If-Match": "0"}).status_code == 412
    with plant.database.as_service() as session:
        assert rules_of(session, plant.operator.id).weights["moved"] == 99
        stranger = add_organisation(session, kind="operator", name="Other", now=datetime.now(UTC))
        assert rules_of(session, stranger.id).weights["moved"] == 30
