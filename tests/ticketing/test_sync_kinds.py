"""Operations beside the visit's own: parts, meters, places, labels, threads, photos' words (003-01, 004-15)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from assets.labels.codes import print_labels, signed_codes
from assets.meter_models import Meter
from assets.meters import add_meter
from assets.stock.items import Part, add_part
from assets.stock.places import StockLocation, add_location
from assets.stock.tables import StockMovement
from tests.ticketing.field import Field, jpeg, minutes, op
from tests.ticketing.world import NOW, World
from ticketing.cases.cases import open_case
from ticketing.cases.tables import ThreadMessage
from ticketing.models import WorkOrder


def test_parts_are_booked_once_and_what_cannot_be_waits_for_a_storekeeper(field: Field, world: World) -> None:
    with world.database.as_service() as session:
        facts: dict[str, Any] = {"kind": "part", "unit": "pcs", "decimals": 0, "tracking": "none", "currency": "EUR"}
        names = {"number": "SEAL-9", "name_en": "Seal", "name_zh": "密封", "active": True}
        add_part(session, Part(organisation_id=world.operator, created_at=NOW, **facts, **names))
        depot = {"code": "D", "name": "Depot", "kind": "warehouse"}
        main = add_location(session, StockLocation(organisation_id=world.operator, created_at=NOW, **depot)).id
        van = {"code": "V", "name": "Van", "kind": "van", "person_id": world.ann.person_id, "supplied_from_id": main}
        add_location(session, StockLocation(organisation_id=world.operator, created_at=NOW, **van))
    order = field.order(world.ann)
    issue = op("stock.move", order, minutes(1), kind="issue", lines=[{"part_number": "SEAL-9", "quantity": 1}])
    nothing = op("stock.move", order, kind="issue", lines=[{"part_number": "NONE", "quantity": 1}])
    bad = op("stock.move", order, kind="issue", lines=[{"part_number": "SEAL-9", "quantity": -1}])
    for _ in range(2):
        first, unknown, wrong = field.send(world.ann, issue, nothing, bad)
        assert first["state"] in ("applied", "conflict")  # an empty van is a storekeeper's business
        assert (unknown["state"], unknown["problem"]["code"]) == ("conflict", "kept_for_storekeeper")
        assert unknown["answer"]["conflict_id"] == unknown["problem"]["params"]["conflict_id"]
        assert (wrong["state"], wrong["problem"]["status"]) == ("refused", 422)
    with world.database.as_service() as session:
        assert len(session.scalars(select(StockMovement)).all()) == (first["state"] == "applied")
    wanted = [{"part_number": "SEAL-9", "quantity": 1}, {"text": "some rag"}]
    field.send(world.ann, op("help.request", order, what="parts", lines=wanted))
    (call,) = field.ask(world.planner, "GET", "/help-requests")["items"]
    assert [each["part"] and each["part"]["name_zh"] for each in call["lines"]] == ["密封", None]
    log = field.ask(world.planner, "GET", f"/sync/operations?unseen=true&person_id={world.ann.person_id}")["items"]
    assert {(each["state"], each["number"]) for each in log} >= {
        ("conflict", call["number"]),
        ("refused", call["number"]),
    }
    field.ask(world.planner, "POST", f"/sync/operations/{log[0]['id']}/seen")
    left = field.ask(world.planner, "GET", "/sync/operations?unseen=true")["items"]
    assert len(left) == len(log) - 1


def test_machines_are_read_placed_and_labelled(field: Field, world: World) -> None:
    with world.database.as_service() as session:
        meter = add_meter(session, world.asset(session), Meter(name="Hours", kind="counter", unit="h"), NOW)
        (label,) = print_labels(session, world.planner, NOW, count=1)
        (code,) = signed_codes(session, [label], NOW)
        key = meter.id
    newer = op("asset.locate", world.pump, minutes(5), of="asset", latitude_deg=48.0, longitude_deg=11.0, accuracy_m=9)
    older = op("asset.locate", world.pump, minutes(20), of="asset", latitude_deg=1.0, longitude_deg=1.0)
    done = [
        newer,
        older,
        op("meter.read", key, minutes(10), of="meter", value=120.5),
        op("meter.read", key, minutes(5), of="meter", value=3),
        op("label.bind", world.pump, of="asset", code=code),
        op("label.bind", world.pump, of="asset", code="NOLABEL"),
    ]
    results = field.send(world.ann, *done)
    assert [each["state"] for each in results] == ["applied", "applied", "applied", "refused", "applied", "refused"]
    assert (results[2]["answer"]["value"], results[3]["problem"]["code"]) == (120.5, "runs_backwards")
    with world.database.as_service() as session:
        pump = world.asset(session)
        assert (pump.latitude_deg, pump.located_at) == (48.0, minutes(5))


def test_a_call_for_parts_is_an_internal_message_of_the_case(field: Field, world: World) -> None:
    order = field.order(world.ann)
    with world.database.as_service() as session:
        pump = world.asset(session)
        case = open_case(session, organisation_id=world.customer, channel="phone", text="It leaks", now=NOW, asset=pump)
        session.get_one(WorkOrder, UUID(order)).case_id = case.id
    lines = [{"part_number": "SEAL-20", "quantity": 2}, {"text": "some rag"}]
    call = op("help.request", order, what="parts", text="for the pump end", lines=lines, urgent=True)
    for _ in range(2):
        assert field.send(world.ann, call)[0]["state"] == "applied"
    with world.database.as_service() as session:
        told = session.scalars(select(ThreadMessage)).all()
        assert [(each.visibility, each.text, each.author_id) for each in told] == [
            ("internal", "Needs parts (urgent): for the pump end\n2 × SEAL-20\n1 × some rag", world.ann.person_id)
        ]


def test_notes_of_an_order_with_a_case_are_its_thread_and_stay_inside(field: Field, world: World) -> None:
    order = field.order(world.ann)
    with world.database.as_service() as session:
        case = open_case(
            session,
            organisation_id=world.customer,
            channel="phone",
            text="It leaks",
            now=NOW,
            asset=world.asset(session),
        )
        session.get_one(WorkOrder, UUID(order)).case_id = case.id
        key = case.id
    content = jpeg()
    photo = field.photo(world.ann, order, content)["id"]
    shown = [{"kind": "evidence", "id": photo, "name": "seal.jpg"}]
    done = [
        op("note.add", order, text="The customer is angry"),
        op("message.post", key, of="case", text="We are on site", visibility="public", attachments=shown),
        op("evidence.describe", photo, of="evidence", caption="The seal"),
    ]
    for _ in range(2):
        assert [each["state"] for each in field.send(world.ann, *done)] == ["applied"] * 3
    with world.database.as_service() as session:
        told = session.scalars(select(ThreadMessage).order_by(ThreadMessage.id)).all()
        assert [(each.visibility, each.text) for each in told] == [
            ("internal", "The customer is angry"),
            ("public", "We are on site"),
        ]
        assert told[1].attachments[0]["id"] == photo
    assert field.ask(world.ann, "GET", f"/evidence/{photo}")["caption"] == "The seal"
    (refused,) = field.send(world.partner, op("message.post", key, of="case", text="hello"))
    assert refused["problem"]["status"] == 404
    field.send(world.bob, op("evidence.remove", photo, of="evidence", reason="no"))
    assert field.ask(world.ann, "GET", f"/evidence/{photo}")["state"] == "waiting"
    gone = op("evidence.remove", photo, of="evidence", reason="blurred")
    assert field.send(world.ann, gone)[0]["answer"]["state"] == "removed"
