"""Calls from a telephone system: who calls, one case, missed calls to call back (001-08, 001-16, 002-01, 003-12)."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, text
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.events import Event
from gateway.api import live
from tests.gateway.channels.conftest import Known, Signed, ok
from tests.gateway.conftest import Plant


def test_caller_is_known_with_machines_warranty_work_and_cases(desk: TestClient, phone: Signed, known: Known) -> None:
    """002-01, 003-12: the card is there with the first ring, whichever way the number is written."""
    call = phone.tell("c1", "ringing", "01062781234", to="4008108888")
    card = ok(desk.get(f"/api/v1/calls/{call['id']}/caller"))
    assert card["number"] == "+861062781234"
    assert [(each["kind"], each["name"], each["sure"]) for each in card["callers"]] == [("customer", "Dairy", "exact")]
    assert [(each["serial"], each["warranty"]) for each in card["assets"]] == [("PUMP-77", "none")]
    assert card["open_work"] == []
    assert card["cases"] == []
    [row] = ok(desk.get("/api/v1/calls?live=true"))["items"]
    assert (row["state"], row["customer"]["name"], row["line"]) == ("ringing", "Dairy", "4008108888")
    assert ok(desk.get("/api/v1/callers?number=%2B86 (0)10 6278 1234"))["callers"] == card["callers"]

    # One click makes the case; a second one finds it.
    body = {"text": "It leaks", "customer_id": str(known.customer), "asset_id": str(known.pump)}
    case = ok(desk.post(f"/api/v1/calls/{call['id']}/case", json=body), 201)
    assert ok(desk.post(f"/api/v1/calls/{call['id']}/case", json=body), 201) == case
    whole = ok(desk.get(f"/api/v1/cases/{case['id']}"))
    assert (whole["channel"], whole["customer"]["name"], whole["contact_phone"]) == ("phone", "Dairy", "+861062781234")
    assert [each["channel"] for each in whole["requests"]] == ["phone"]

    # 003-13: the recording stands with the call, and the call with its case.
    phone.tell("c1", "answered", agent="ada@example.com")
    phone.tell("c1", None, recording_url="https://pbx.example/r/1.wav")
    phone.tell("c1", "ended")
    [row] = ok(desk.get(f"/api/v1/calls?case_id={case['id']}"))["items"]
    assert row["recording_url"] == "https://pbx.example/r/1.wav"
    assert row["answered_by"]["name"] == "Ada"
    again = phone.tell("c2", "ringing", "+86 10 6278 1234")
    assert [each["number"] for each in ok(desk.get(f"/api/v1/calls/{again['id']}/caller"))["cases"]] == [case["number"]]


def test_screen_pops_over_the_live_stream_within_a_second_of_the_ring(plant: Plant, phone: Signed) -> None:
    """The reader of new events hears of the ring at its next look, and looks twice a second."""
    assert live.POLL_S <= 0.5
    phone.tell("c1", "ringing", "13800138000")
    with plant.database.as_service() as session:
        rung = session.scalars(select(Event).where(Event.kind == "call.ringing")).one()
        assert rung.organisation_id == plant.operator.id
        assert "13800138000" not in json.dumps(rung.payload)  # the number can be erased
        assert rung.personal == {"number": "+8613800138000"}


MOMENTS = {"ringing": 0, "answered": 5, "ended": 65}


def test_moments_in_any_order_are_one_call(phone: Signed, desk: TestClient) -> None:
    began = datetime.now(UTC) - timedelta(minutes=2)
    for number, order in enumerate(itertools.permutations(MOMENTS)):
        for state in order:
            at = (began + timedelta(seconds=MOMENTS[state])).isoformat()
            phone.tell(f"c{number}", state, "13800138000", at=at)
    rows = ok(desk.get("/api/v1/calls"))["items"]
    assert [(row["state"], row["talked_s"]) for row in rows] == [("ended", 60)] * 6
    assert {row["began_at"][:19] for row in rows} == {began.isoformat()[:19]}


def test_repeated_message_is_taken_once_and_an_old_or_foreign_one_never(
    plant: Plant, phone: Signed, desk: TestClient
) -> None:
    body = json.dumps({"call_id": "c1", "state": "ringing", "from": "13800138000"}).encode()
    first, second = (phone.send(body, delivery="msg_1") for _ in range(2))
    assert (ok(first)["repeated"], ok(second)["repeated"]) == (False, True)
    assert len(ok(desk.get("/api/v1/calls"))["items"]) == 1
    now = datetime.now(UTC).timestamp()
    for answer in (
        phone.send(body, at=now - 600),
        phone.send(body, at=now + 600),
        phone.send(body, secret="whsec_" + "QUFB" * 8),
        phone.client.post(phone.path, content=body),
        phone.client.post(phone.path.replace(phone.id, str(plant.operator.id)), content=body),
    ):
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_signed"

    # A new secret: for a day the one before is taken too.
    fresh = ok(desk.post(f"/api/v1/channels/{phone.id}/secret"))["secret"]
    assert ok(phone.send(body))["state"] == "ringing"
    assert ok(phone.send(body, secret=fresh))["state"] == "ringing"
    ok(desk.patch(f"/api/v1/channels/{phone.id}", json={"enabled": False}))
    assert phone.send(body, secret=fresh).status_code == 401


NO_CALLS = (
    b"",
    b"[]",
    b"{",
    b'{"call_id": ""}',
    b'{"call_id": "x", "state": "gone"}',
    b'{"call_id": "x\\u0000", "state": "ringing"}',
    b'{"call_id": "x", "state": "ringing", "recording_url": "javascript:alert(1)"}',
    b'{"call_id": "x", "state": "ringing", "at": "yesterday"}',
    b'{"call_id": "x", "state": "ringing", "from": "' + b"1" * 500 + b'"}',
)


def test_what_is_no_moment_of_a_call_is_refused(phone: Signed) -> None:
    for body in NO_CALLS:
        assert phone.send(body).status_code == 422, body


def test_missed_call_becomes_one_task_to_call_back(desk: TestClient, phone: Signed, known: Known) -> None:
    """001-13: it stands in the queue to claim, with its number; the second missed call joins the first."""
    for call in ("c1", "c2"):
        phone.tell(call, "ringing", "010-62781234")
        phone.tell(call, "missed")
        phone.tell(call, "missed")
    phone.tell("c3", "missed", "anonymous")  # nobody to call back
    [case] = ok(desk.get("/api/v1/triage?list=claim"))["items"]
    assert (case["channel"], case["priority"], case["contact_phone"]) == ("phone", "high", "+861062781234")
    assert case["customer"]["name"] == "Dairy"
    assert "+861062781234" in case["title"]
    rows = ok(desk.get("/api/v1/calls?state=missed"))["items"]
    assert [(each["callback"], bool(each["case"])) for each in rows] == [(False, False), (True, True), (True, True)]


def test_two_missed_calls_at_once_are_one_task(desk: TestClient, phone: Signed) -> None:
    together = threading.Barrier(2)

    def miss(call: str) -> None:
        together.wait(30)
        phone.tell(call, "missed", "13800138000")

    threads = [threading.Thread(target=miss, args=(each,)) for each in ("c1", "c2")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(ok(desk.get("/api/v1/triage?list=claim"))["items"]) == 1
    assert all(each["callback"] for each in ok(desk.get("/api/v1/calls"))["items"])


def test_calls_are_the_desks_alone(plant: Plant, phone: Signed) -> None:
    call = phone.tell("c1", "ringing", "13800138000")["id"]
    for organisation, role in ((plant.stranger, Role.ADMINISTRATOR), (plant.partner, Role.ADMINISTRATOR)):
        client = plant.client(plant.token(organisation, role))
        assert ok(client.get("/api/v1/calls"))["items"] == []
        assert client.get(f"/api/v1/calls/{call}/caller").status_code == 404
    for role in (Role.CUSTOMER, Role.TECHNICIAN, Role.ANALYST):
        assert plant.client(plant.token(role=role)).get("/api/v1/calls").status_code == 403


def test_card_is_quick_among_many_numbers(plant: Plant, desk: TestClient, phone: Signed, known: Known) -> None:
    """20,000 other customers: the index on the last digits is used, with row policies on."""
    with plant.database.as_service() as session:
        session.execute(
            text("""INSERT INTO customers (id, organisation_id, number, name, phone, version, demo)
            SELECT gen_random_uuid(), :org, 'X' || n, 'Customer ' || n, '138' || lpad(n::text, 8, '0'), 1, false
            FROM generate_series(1, 20000) n"""),
            {"org": plant.operator.id},
        )
        session.execute(text("ANALYZE customers"))
        plan = "\n".join(
            session.scalars(text("EXPLAIN SELECT id FROM customers WHERE forewarn_phone_tail(phone) = '2781234'")).all()
        )
    assert "ix_customers_phone_tail" in plan
    card = ok(desk.get("/api/v1/callers?number=01062781234"))
    assert [each["name"] for each in card["callers"]] == ["Dairy"]
