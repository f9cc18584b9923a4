"""Service levels over HTTP: policies, previews, the breach list, pauses by hand, warnings; holidays of calendars.

Seed rows 001-06, 001-07, 001-24, 004-22, 004-37.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.registry import Asset, add_asset
from gateway.notify.models import Notification
from gateway.notify.outbox import words
from gateway.wiring import CONSUMERS
from tests.gateway.conftest import Plant
from ticketing.models import WorkOrder
from ticketing.sla.tables import SlaPolicy
from ticketing.sla_watch import SLA_FOLLOWS_RULES, SLA_FOLLOWS_WORK, watch
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC)
POLICY: dict[str, Any] = {
    "name": "Usual",
    "match": {},
    "pauses": {"parts": ["restoration"]},
    "warnings": [{"percent": 80, "tell": [{"to": "administrators"}]}],
    "targets": [
        {"clock": "response", "minutes": 60},
        {"clock": "restoration", "minutes": 600},
        {"clock": "restoration", "minutes": 120, "priority": "urgent"},
    ],
}


def catch_up(plant: Plant, now: datetime) -> None:
    for consumer in (SLA_FOLLOWS_WORK, SLA_FOLLOWS_RULES):
        while run_consumer(plant.database, consumer, now):
            pass
    with plant.database.as_service() as session:
        while watch(session, now):
            pass


def add_order(plant: Plant, hours_ago: float, serial: str = "S-1") -> WorkOrder:
    with plant.database.as_service() as session:
        asset = Asset(organisation_id=plant.customer.id, serial=serial, name="Press", created_at=NOW)
        add_asset(session, asset, NOW)
        begun = NOW - timedelta(hours=hours_ago)
        return open_work_order(session, asset=asset, origin="manual", kind="general", title_code="manual", now=begun)


@pytest.fixture
def desk(plant: Plant) -> TestClient:
    return plant.administrator()


def test_policy_is_written_replaced_and_removed(plant: Plant, desk: TestClient) -> None:
    made = desk.post("/api/v1/sla-policies", json=POLICY)
    assert made.status_code == 201
    body = made.json()
    assert [(each["clock"], each["priority"]) for each in body["targets"]] == [
        ("response", "any"), ("restoration", "any"), ("restoration", "urgent")]  # fmt: skip
    path = f"/api/v1/sla-policies/{body['id']}"
    assert desk.put(path, json=POLICY | {"name": "Gold"}, headers={"If-Match": "7"}).status_code == 412
    assert desk.put(path, json=POLICY | {"name": "Gold"}, headers={"If-Match": "1"}).json()["version"] == 2
    assert [each["name"] for each in desk.get("/api/v1/sla-policies").json()["items"]] == ["Gold"]
    stranger = plant.client(plant.token(plant.stranger))
    for method, answer in (("get", 404), ("delete", 404)):
        assert getattr(stranger, method)(path).status_code == answer
    assert stranger.put(path, json=POLICY).status_code == 404
    customer = plant.client(plant.token(plant.customer))
    assert customer.get("/api/v1/sla-policies").json()["items"] == []
    technician = plant.client(plant.token(role=Role.TECHNICIAN))
    assert technician.put(path, json=POLICY).status_code == 403
    assert desk.delete(path).status_code == 204
    assert desk.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"match": {"colour": ["red"]}}, "match"),
        ({"match": {"customer_ids": ["x"]}}, "match.customer_ids"),
        ({"targets": [{"clock": "response", "minutes": 5}] * 2}, "targets.1.priority"),
        ({"calendar_id": "00000000-0000-7000-8000-000000000000"}, "calendar_id"),
        ({"warnings": [{"percent": 80, "tell": [{"to": "person"}]}]}, "warnings.0.tell"),
        ({"warnings": [{"percent": 80, "tell": [{"to": "planners"}]}] * 2}, "warnings"),
    ],
)
def test_policy_that_makes_no_sense_is_refused_and_named(desk: TestClient, change: dict[str, Any], field: str) -> None:
    answer = desk.post("/api/v1/sla-policies", json=POLICY | change)
    assert answer.status_code == 422
    assert answer.json()["params"]["field"] == field


def test_late_order_is_listed_explained_paused_and_acknowledged(plant: Plant, desk: TestClient) -> None:
    with plant.database.as_service() as session:
        ada = session.merge(plant.ada)
        ada_id = str(ada.id)
    made = desk.post("/api/v1/sla-policies", json=POLICY).json()
    with plant.database.as_service() as session:  # promised yesterday: what is late since then is told
        session.get_one(SlaPolicy, UUID(made["id"])).changed_at = NOW - timedelta(days=1)
    order, other = add_order(plant, 8.5), add_order(plant, 0, "S-2")
    catch_up(plant, NOW - timedelta(hours=5))
    catch_up(plant, NOW)
    late = desk.get("/api/v1/sla-clocks?state=breached").json()["items"]
    assert [(each["subject"]["number"], each["clock"], each["state"]) for each in late] == [
        (order.number, "response", "breached")]  # fmt: skip
    assert late[0]["policy"] == {"id": made["id"], "name": "Usual"}
    risk = desk.get("/api/v1/sla-clocks?state=at_risk&subject_kind=work_order").json()["items"]
    assert [(each["subject"]["number"], each["clock"]) for each in risk] == [(order.number, "restoration")]
    first = desk.get("/api/v1/sla-clocks?state=running&limit=1").json()
    rest = desk.get(f"/api/v1/sla-clocks?state=running&limit=9&after={first['next']}").json()
    found = [(each["subject"]["number"], each["clock"]) for each in first["items"] + rest["items"]]
    assert found == [(order.number, "response"), (other.number, "response"), (order.number, "restoration"),
                     (other.number, "restoration")]  # fmt: skip

    path = f"/api/v1/sla-clocks/work_order/{order.id}"
    since = (NOW - timedelta(hours=4)).isoformat()
    paused = desk.post(f"{path}/pauses", json={"reason": "parts", "since": since, "note": "Bearing ordered"})
    assert paused.status_code == 201
    clocks = {each["clock"]: each for each in paused.json()["clocks"]}
    assert (clocks["restoration"]["state"], clocks["response"]["state"]) == ("paused", "breached")
    restoration = clocks["restoration"]
    assert restoration["used_s"] == pytest.approx(4.5 * 3600, abs=1)
    assert [each["reason"] for each in restoration["pauses"]] == ["parts"]
    assert [each["reason"] for each in clocks["response"]["ignored"]] == ["parts"]
    pause = paused.json()["pauses"][0]
    ended = desk.post(f"{path}/pauses/{pause['id']}/end", json={"at": (NOW - timedelta(hours=3.75)).isoformat()})
    assert {each["clock"]: each["state"] for each in ended.json()["clocks"]}["restoration"] == "at_risk"
    for body in ({"reason": "parts", "since": (NOW + timedelta(hours=1)).isoformat()}, {"reason": "laziness"}):
        assert desk.post(f"{path}/pauses", json=body).status_code == 422

    warnings = desk.get("/api/v1/sla-warnings?acknowledged=false").json()["items"]
    assert {(each["clock"], each["percent"]) for each in warnings} == {("restoration", 80), ("response", 80)}
    noted = desk.post(f"/api/v1/sla-warnings/{warnings[0]['id']}/acknowledge").json()
    assert noted["acknowledged_at"] is not None
    assert ada_id in {each["id"] for each in noted["told"]}
    assert desk.get("/api/v1/sla-warnings?acknowledged=false").json()["items"] == warnings[1:]


def test_warning_reaches_people_on_their_pages_and_by_e_mail(plant: Plant, desk: TestClient) -> None:
    made = desk.post("/api/v1/sla-policies", json=POLICY).json()
    with plant.database.as_service() as session:
        session.get_one(SlaPolicy, UUID(made["id"])).changed_at = NOW - timedelta(days=1)
    order = add_order(plant, 0.9)
    catch_up(plant, NOW)
    consumer = next(each for each in CONSUMERS if each.name == "notify.rules")
    while run_consumer(plant.database, consumer, NOW):
        pass
    with plant.database.as_service() as session:
        told = select(Notification).where(Notification.code == "sla_warned").order_by(Notification.channel)
        found = session.scalars(told).all()
        assert [(each.person_id, each.channel, each.state) for each in found] == [
            (plant.ada.id, "email", "waiting"), (plant.ada.id, "page", "sent")]  # fmt: skip
        subject, body = words(found[0], "zh", "https://service.example")
        assert subject == f"{order.number}：响应时限已用 80 %"
        assert f"https://service.example/work-orders/{order.id}" in body


def test_nobody_else_sees_or_pauses_clocks(plant: Plant, desk: TestClient) -> None:
    desk.post("/api/v1/sla-policies", json=POLICY)
    order = add_order(plant, 9)
    catch_up(plant, NOW)
    path = f"/api/v1/sla-clocks/work_order/{order.id}"
    stranger = plant.client(plant.token(plant.stranger))
    assert stranger.get("/api/v1/sla-clocks").json()["items"] == []
    assert stranger.get(path).status_code == 404
    assert stranger.post(f"{path}/pauses", json={"reason": "parts"}).status_code == 404
    partner = plant.client(plant.token(plant.partner))
    assert partner.get(path).status_code == 404
    with plant.database.as_service() as session:
        session.get_one(WorkOrder, order.id).executing_organisation_id = plant.partner.id
    assert partner.get(path).json()["clocks"][0]["state"] == "breached"
    assert partner.post(f"{path}/pauses", json={"reason": "parts"}).status_code == 403
    assert plant.client(plant.token(plant.customer, Role.CUSTOMER)).get(path).status_code == 403


def test_preview_says_what_would_be_promised(plant: Plant, desk: TestClient) -> None:
    hours = {str(day): [["08:00", "12:00"], ["13:00", "17:00"]] for day in range(5)}
    calendar = {"name": "Office", "time_zone": "Asia/Shanghai", "hours": hours}
    key = desk.post("/api/v1/calendars", json=calendar).json()["id"]
    desk.post("/api/v1/sla-policies", json=POLICY | {"calendar_id": key})
    order = add_order(plant, 0)
    asked = {"asset_id": str(order.asset_id), "priority": "urgent", "at": "2026-03-06T08:30:00Z"}  # Friday 16:30
    found = desk.post("/api/v1/sla-policies/preview", json=asked).json()
    assert found["policy"]["name"] == "Usual"
    assert [(each["clock"], each["minutes"], each["due_at"]) for each in found["clocks"]] == [
        ("response", 60, "2026-03-09T00:30:00Z"), ("restoration", 120, "2026-03-09T01:30:00Z")]  # fmt: skip
    assert desk.delete(f"/api/v1/calendars/{key}").status_code == 409  # service levels are counted on it


def test_chinas_holidays_and_shifted_working_days_are_taken_over(desk: TestClient) -> None:
    hours = {str(day): [["08:30", "12:00"], ["13:00", "17:30"]] for day in range(5)}
    hours["4"] = [["08:30", "12:00"]]
    mine = {"2026-02-17": [["10:00", "11:00"]]}
    body = {"name": "上海", "time_zone": "Asia/Shanghai", "hours": hours, "exceptions": mine}
    key = desk.post("/api/v1/calendars", json=body).json()["id"]
    taken = desk.post(
        f"/api/v1/calendars/{key}/holidays", json={"country": "CN", "years": [2026], "language": "zh"}
    ).json()
    assert taken["exceptions"]["2026-02-16"] == []
    assert taken["day_names"]["2026-02-16"] == "农历除夕"
    assert taken["exceptions"]["2026-02-17"] == [["10:00", "11:00"]]  # entered by hand
    assert taken["exceptions"]["2026-02-14"] == [["08:30", "12:00"]]  # a Saturday worked for Friday the 20th
    assert taken["exceptions"]["2026-02-28"] == hours["0"]  # and one for Monday the 23rd
    assert taken["holidays"] == {"country": "CN", "subdivision": None, "years": [2026]}
    open_ = desk.get(f"/api/v1/calendars/{key}/open", params={"at": "2026-02-14T10:00:00+08:00"}).json()
    assert open_["open"] is True
    again = desk.post(f"/api/v1/calendars/{key}/holidays", json={"country": "CN", "years": [2026]}).json()
    assert again["exceptions"] == taken["exceptions"]
    assert desk.get("/api/v1/holidays?country=CN&year=2026").json()["foreseen"] is True
    assert desk.get("/api/v1/holidays?country=DE&year=2026&subdivision=BY&language=zh").status_code == 200
    for wrong in ("country=XX&year=2026", "country=CN&year=1", "country=DE&subdivision=ZZ&year=2026"):
        assert desk.get(f"/api/v1/holidays?{wrong}").status_code == 422
