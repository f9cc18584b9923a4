"""Rules over HTTP, the outbox against real receivers, reading, quiet, digests. Rows 001-27, 003-42, 004-20."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from assets.base.access import Actor, Role
from assets.base.consumers import run_consumer
from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from assets.people import add_person
from gateway.notify.outbox import send_waiting
from gateway.notify.rules import PAUSES
from gateway.notify.telling import FOLLOWS_RULES, follow
from gateway.settings import Settings
from gateway.wiring import CONSUMERS
from tests.gateway.conftest import Plant
from tests.gateway.notify.service import NETWORKS, NOW, Service, later, receiver
from tests.gateway.test_on_call import mailbox
from ticketing.cases.cases import open_case
from ticketing.help_requests import open_help
from ticketing.models import WorkOrder

DAY = 1440


@pytest.fixture
def service(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("FOREWARN_WEBHOOK_NETWORKS", NETWORKS)
    monkeypatch.setattr(plant.app.state.settings, "webhook_networks", NETWORKS)
    return Service(plant)


def add_channel(service: Service, place: str, **more: Any) -> dict[str, Any]:
    url = more.pop("url", f"json://{place}/hook?-key=sesame-open")
    answer = service.desk.post("/api/v1/notification-channels", json={"name": "Group", "url": url, **more})
    assert answer.status_code == 201, answer.text
    assert "sesame" not in answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_one_event_reaches_page_mail_and_group_once_in_the_readers_words(service: Service) -> None:
    with receiver() as group, mailbox() as (smtp_url, mails):
        channel = add_channel(service, group.place)
        said = {"en": {"subject": "{number} on {asset}: {priority}", "body": "{title} at {site}\n{link}"}}
        service.rule(
            kinds=["work_order.opened"], conditions={"priorities": ["urgent"]},
            recipients=[{"to": "person", "id": str(service.tom.id)}, {"to": "role", "role": "administrator"}],
            ways=["page", "email", f"channel:{channel['id']}"], templates=said,
        )  # fmt: skip
        service.order(priority="low")
        order = service.order(priority="urgent")
        service.follow()
        service.follow()
        with service.database.as_service() as session:  # a repeat of the very event, by whatever accident
            for event in session.query(Event).filter(Event.kind == "work_order.opened"):
                follow(session, event, NOW)
        assert service.send(later(1), smtp_url) == 3
        assert service.send(later(2), smtp_url) == 0
        assert len(mails) == 2
        assert len(group.got) == 1
    body = group.got[0][2].decode()
    assert f"{order.number} on Pump: urgent" in body
    assert f"https://fw.example/work-orders/{order.id}" in body.replace("\\/", "/")
    assert sum("tom@example.org" in mail for mail in mails) == 1
    log = service.get("/notification-deliveries")
    assert sorted((each["channel"], each["state"]) for each in log["items"]) == [
        ("chat", "sent"), ("email", "sent"), ("email", "sent"), ("page", "sent"), ("page", "sent")]  # fmt: skip
    assert {each["channel_name"] for each in log["items"] if each["channel"] == "chat"} == {"Group"}
    page = service.get("/notification-deliveries", limit=2)
    rest = service.get("/notification-deliveries", limit=9, after=page["next"])
    assert [each["id"] for each in page["items"] + rest["items"]] == [each["id"] for each in log["items"]]
    stranger = service.plant.client(service.plant.token(service.plant.stranger))
    for path in ("/notification-deliveries", "/notification-channels", "/notifications"):
        assert service.get(path, stranger)["items"] == []
    assert "sesame" not in str(service.get("/notification-channels"))


def test_page_knows_what_was_seen_and_read(service: Service) -> None:
    service.rule(kinds=["work_order.opened"], recipients=[{"to": "role", "role": "administrator"}])
    for _ in range(3):
        service.order()
    service.follow()
    mine = service.get("/notifications", service.ada, mine=True, unread=True)["items"]
    assert len(mine) == 3
    assert service.get("/notifications/unread", service.ada) == {"unread": 3, "unseen": 3}
    assert service.ada.post("/api/v1/notifications/seen").json() == {"unread": 3, "unseen": 0}
    assert service.ada.post("/api/v1/notifications/read", json={"ids": [mine[0]["id"]]}).json()["unread"] == 2
    tom_s = service.rows()[0]
    assert service.ada.post("/api/v1/notifications/read", json={}).json() == {"unread": 0, "unseen": 0}
    receipts = service.get("/notification-deliveries", channel="page")["items"]
    assert all(each["read_at"] for each in receipts)
    assert tom_s.person_id == service.plant.ada.id
    assert service.get("/notifications", service.ada, mine=True)["items"][0]["path"].startswith("/work-orders/")


def test_channel_that_fails_is_tried_again_given_up_and_sent_on_demand(service: Service) -> None:
    with receiver() as group:
        channel = add_channel(service, group.place)
        group.answer = 500
        tried = service.desk.post(f"/api/v1/notification-channels/{channel['id']}/test")
        assert tried.status_code == 202
        at = later(DAY)  # the request wrote its row by the real clock
        for pause in (*PAUSES, 0):
            assert service.send(at) == 0
            at += timedelta(seconds=pause + 1)
        (row,) = service.get("/notification-deliveries", state="failed")["items"]
        assert (row["tries"], row["next_try_at"]) == (5, None)
        assert row["error"]
        assert "sesame" not in row["error"]
        assert service.get("/notification-channels")["items"][0]["failing_since"]
        group.answer = 200
        assert service.desk.post(f"/api/v1/notification-deliveries/{row['id']}/resend").status_code == 202
        assert service.send(at + timedelta(days=1)) == 1
        assert service.desk.post(f"/api/v1/notification-deliveries/{row['id']}/resend").status_code == 202
        assert service.send(at + timedelta(days=1)) == 1, "what went out goes out again as a row of its own"
        assert len(service.rows()) == 2
    planner = service.plant.client(service.plant.token(service.plant.partner))
    assert planner.post(f"/api/v1/notification-deliveries/{row['id']}/resend").status_code == 404


def test_group_in_a_private_network_is_not_spoken_to_unless_allowed(service: Service) -> None:
    with receiver() as group:
        add_channel(service, group.place)
        channel = service.get("/notification-channels")["items"][0]
        service.desk.post(f"/api/v1/notification-channels/{channel['id']}/test")
        send_waiting(service.database, Settings(webhook_networks=""), later(DAY))
        assert group.got == []
        assert service.rows()[0].error == "private addresses are not sent to"


def test_nothing_is_locked_while_a_server_is_waited_for_and_a_lost_worker_loses_nothing(service: Service) -> None:
    free: list[int] = []

    def look() -> None:
        with service.database.as_service() as session:
            free.append(len(session.execute(text("SELECT id FROM notifications FOR UPDATE NOWAIT")).all()))
            open_for = (
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' "
                "AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            free.append(int(session.scalar(text(open_for)) or 0))

    with receiver() as group:
        channel = add_channel(service, group.place)
        service.desk.post(f"/api/v1/notification-channels/{channel['id']}/test")
        group.meanwhile = look
        threads = [threading.Thread(target=service.send, args=(later(DAY),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert free == [1, 0]
        assert len(group.got) == 1, "two workers send it once"


def test_quiet_hours_hold_back_what_is_not_critical_and_a_digest_gathers(service: Service) -> None:
    quiet = {"from": "00:00", "until": "23:59", "time_zone": "UTC"}
    service.rule(kinds=["work_order.opened"], ways=["email"], quiet=quiet, name="Quiet")
    service.rule(kinds=["work_order.cancelled"], ways=["email"], quiet=quiet, critical=True, name="Loud")
    service.rule(kinds=["work_order.priority_raised"], ways=["email"], digest={"every": "hour"}, name="Gathered")
    wish = {"quiet": None, "muted": ["email"], "digest": None}
    assert service.ada.put("/api/v1/notification-preferences", json=wish).json()["version"] == 1
    assert service.ada.get("/api/v1/notification-preferences").json()["muted"] == ["email"]
    order = service.order()
    with service.database.as_service() as session:
        for kind in ("work_order.cancelled", *["work_order.priority_raised"] * 3):
            append_event(
                session, kind, at=NOW, organisation_id=service.plant.operator.id, subject_kind="work_order",
                subject_id=order.id, asset_id=order.asset_id, payload={"number": order.number},
            )  # fmt: skip
    midday = NOW.replace(hour=12)
    service.follow(midday)
    with mailbox() as (smtp_url, mails):
        assert service.send(midday + timedelta(seconds=1), smtp_url) == 1
        assert service.send(midday + timedelta(hours=1), smtp_url) == 3
        assert len(mails) == 2, "three of the same hour come as one"
        held = [row for row in service.rows(state="waiting") if row.code == "rule"]
        assert [row.next_try_at for row in held] == [midday.replace(minute=59, hour=23, second=0)]


def test_rules_are_edited_by_version_and_the_servers_own_are_kept(service: Service) -> None:
    held = service.get("/notification-rules")["items"]
    assert {"alarm_escalated", "sla_warned", "new_work", "milestone_planned"} <= {each["code"] for each in held}
    own = next(each for each in held if each["code"] == "new_work")
    path = f"/api/v1/notification-rules/{own['id']}"
    assert service.desk.delete(path).status_code == 409
    off = service.desk.put(path, json=own | {"enabled": False}, headers={"If-Match": "1"})
    assert (off.status_code, off.json()["enabled"]) == (200, False)
    assert service.desk.put(path, json=own, headers={"If-Match": "1"}).status_code == 412
    assert service.get(f"/notification-rules/{own['id']}")["enabled"] is False
    wrong = service.desk.post("/api/v1/notification-rules", json=own | {"templates": {"en": {"body": "Hi {nobody}"}}})
    assert wrong.status_code == 422
    assert wrong.json()["params"]["field"] == "templates.en.body"
    assert wrong.json()["params"]["name"] == "nobody"
    order = service.order()
    shown = service.desk.post("/api/v1/notification-rules/preview", json={"rule": own, "work_order_id": str(order.id)})
    assert order.number in shown.json()["texts"]["zh"]["subject"]
    technician = service.plant.client(service.plant.token(role=Role.TECHNICIAN))
    assert technician.get("/api/v1/notification-rules").status_code == 403
    stranger = service.plant.client(service.plant.token(service.plant.stranger))
    assert stranger.get(path).status_code == 404
    assert FOLLOWS_RULES in CONSUMERS
    assert run_consumer(service.database, FOLLOWS_RULES, NOW) > 0


def test_desk_hears_of_urgent_cases_and_of_calls_for_help_without_a_rule_of_its_own(service: Service) -> None:
    """Row 004-15: whoever dispatches is told, and nobody else."""
    with service.database.as_service() as session:
        owner = service.plant.operator.id
        people = {
            role: add_person(
                session, organisation_id=owner, name=role, roles=[role], now=NOW, email=f"{role}@example.org"
            )
            for role in (Role.DISPATCHER, Role.PLANNER, Role.STOREKEEPER)
        }
    order = service.order()
    with service.database.as_service() as session:
        for priority in ("normal", "urgent"):
            open_case(session, organisation_id=owner, channel="desk", text="It leaks", now=NOW, priority=priority)
        tom = Actor("person", owner, frozenset({Role.TECHNICIAN}), service.tom.id, "Tom")
        row = session.get_one(WorkOrder, order.id)
        open_help(session, row, "help", "Two people have to lift it", NOW, NOW, by=tom, help_id=uuid7())
    service.follow()
    told = {(row.code, row.person_id) for row in service.rows() if row.code in ("urgent_case", "help_called")}
    desk = [people[Role.DISPATCHER].id, people[Role.PLANNER].id]
    assert told == {(code, person) for code in ("urgent_case", "help_called") for person in desk}
    helped = next(row.texts for row in service.rows() if row.code == "help_called")
    assert helped is not None
    assert "Tom" in helped["en"]["subject"]
    assert order.number in helped["zh"]["subject"]
