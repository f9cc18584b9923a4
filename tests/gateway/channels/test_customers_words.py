"""What a customer answered and sent, where the work is done: on the order at the desk and on the technician's phone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.base.ids import uuid7
from assets.people import Person, add_person
from gateway.sign_in import open_session
from tests.gateway.channels.conftest import Known, ok
from tests.gateway.channels.test_mail import PNG
from tests.gateway.channels.test_portal import code_of, signed_in
from tests.gateway.conftest import Plant
from tests.ticketing.field import jpeg
from ticketing.intake import CASES_FOLLOW_WORK

UNSAFE = {"X-Forewarn": "1"}
BYTES = {"content-type": "application/octet-stream"}


def partners(plant: Plant, name: str) -> tuple[Person, TestClient]:
    now = datetime.now(UTC)
    with plant.database.as_service() as session:
        person = add_person(session, organisation_id=plant.partner.id, name=name, roles=[Role.PARTNER], now=now)
        token = open_session(session, person, now)
    client = plant.client()
    client.cookies.set("forewarn_session", token)
    return person, client


def photo_of_case(desk: TestClient, case: str) -> str:
    """Put a photo to a case before there is an order."""
    content, key = jpeg(64, 48), str(uuid7())
    body = {
        "id": key, "subject_kind": "case", "subject_id": case, "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(), "captured_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    ok(desk.post("/api/v1/evidence", json=body, headers=UNSAFE), 201)
    ok(desk.put(f"/api/v1/evidence/{key}/content?offset=0", content=content, headers=UNSAFE | BYTES))
    return key


def asked(plant: Plant, desk: TestClient, known: Known) -> dict[str, Any]:
    """A customer sends a form and a photo; return the case."""
    browser, code = signed_in(plant, known.customer), code_of(plant, known)
    form = ok(desk.get("/api/v1/service-types?code=return_exchange"))["items"][0]["in_force"]["form"]
    answers = {
        f"f.{name}": str((asks.get("enum") or ["1" if asks.get("type") in ("integer", "number") else "2026-11-22"])[0])
        for name, asks in form["properties"].items()
        if name in form["required"]
    }
    sent = browser.post(
        "/a/mine/requests?type=return_exchange", data={"text": "Wrong part", "machine": code, **answers},
        files=[("file", ("leak.png", PNG, "image/png"))], follow_redirects=False,
    )  # fmt: skip
    assert sent.status_code == 303, sent.text
    [case] = ok(desk.get("/api/v1/cases"))["items"]
    return dict(ok(desk.get(f"/api/v1/cases/{case['id']}")))


def test_customers_answers_and_photos_stand_on_the_order_for_who_carries_it_out(
    plant: Plant, desk: TestClient, known: Known
) -> None:
    """001-14, 003-01: the executor's technician sees what was sent for the order, and no word of the desk."""
    case = asked(plant, desk, known)
    taken = photo_of_case(desk, case["id"])
    upload = {"case_id": case["id"], "visibility": "internal"}
    inside = ok(desk.post("/api/v1/case-files", data=upload, files={"file": ("note.png", PNG, "image/png")}), 201)
    _, idle = partners(plant, "Idle")
    assert idle.get(f"/api/v1/evidence/{taken}").status_code == 404
    order = ok(desk.post(f"/api/v1/cases/{case['id']}/work-orders", json={"title": "Exchange"}, headers=UNSAFE), 201)
    shown = ok(desk.get(f"/api/v1/work-orders/{order['id']}"))["case"]
    assert shown["answers"] == case["answers"]
    assert shown["answers"]
    assert [each["file_name"] for each in shown["files"]] == ["leak.png"]
    assert [each["id"] for each in shown["photos"]] == [taken]

    piet, phone = partners(plant, "Piet")
    ok(desk.post(f"/api/v1/work-orders/{order['id']}/assign", json={"person_id": str(piet.id)}, headers=UNSAFE))
    while run_consumer(plant.database, CASES_FOLLOW_WORK, datetime.now(UTC)):
        pass
    day = ok(phone.get("/api/v1/sync/changes"))
    [mine] = [each for each in day["orders"] if each["id"] == order["id"]]
    assert mine["case"] == shown
    file = mine["case"]["files"][0]["id"]
    assert phone.get(f"/api/v1/case-files/{file}/file").content == PNG
    assert phone.get(f"/api/v1/case-files/{file}/thumbnail").status_code == 200
    assert phone.get(f"/api/v1/evidence/{taken}/picture").status_code == 200
    assert phone.get(f"/api/v1/case-files/{inside['id']}/file").status_code == 404
    assert phone.patch(f"/api/v1/evidence/{taken}", json={"caption": "x"}, headers=UNSAFE).status_code in (
        403,
        404,
        405,
    )

    # What comes later is a change of the order for the phone; what another order of the case shows is not.
    again = ok(phone.get(f"/api/v1/sync/changes?since={day['since']}"))
    assert again["orders"] == []
    ok(desk.post(f"/api/v1/cases/{case['id']}/messages", json={"text": "He is there"}, headers=UNSAFE), 201)
    assert len(ok(phone.get(f"/api/v1/sync/changes?since={again['since']}"))["orders"]) == 1
    other = ok(desk.post(f"/api/v1/cases/{case['id']}/work-orders", json={"title": "Check"}, headers=UNSAFE), 201)
    assert phone.get(f"/api/v1/work-orders/{other['id']}").status_code == 404

    # It goes to somebody of the operator's own: the partner sees nothing of it any more.
    with plant.database.as_service() as session:
        tom = add_person(
            session, organisation_id=plant.operator.id, name="Tom", roles=[Role.TECHNICIAN], now=datetime.now(UTC)
        )
    ok(desk.post(f"/api/v1/work-orders/{order['id']}/assign", json={"person_id": str(tom.id)}, headers=UNSAFE))
    while run_consumer(plant.database, CASES_FOLLOW_WORK, datetime.now(UTC)):
        pass
    assert phone.get(f"/api/v1/case-files/{file}/file").status_code == 404
    assert phone.get(f"/api/v1/evidence/{taken}").status_code == 404
