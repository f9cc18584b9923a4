"""Procedures, checklists, lines, blocks and plans over HTTP: as planner, technician, partner, customer and stranger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from assets.base.access import Actor, Role
from assets.base.events import Event
from gateway.api import (
    order_lines,
    order_people,
    order_procedures,
    order_review,
    problems,
    procedures,
    visits,
    work_orders,
)
from gateway.api.deps import Context, context
from gateway.settings import Settings
from tests.ticketing.world import World, after
from ticketing.evidence.uploads import About, Announced, announce
from ticketing.models import WorkOrder
from ticketing.order_procedures import ANSWER_KINDS, follow_answer

As = Callable[[Actor], TestClient]
MODULES = (work_orders, order_review, order_people, order_lines, order_procedures, procedures, visits)


@pytest.fixture
def sign_in(world: World) -> As:
    """Return a client that is signed in as the actor; one transaction per request, as in the service."""

    def client(actor: Actor) -> TestClient:
        app = FastAPI()
        problems.install(app)
        for module in MODULES:
            app.include_router(module.router)

        def as_actor() -> Iterator[Context]:
            with world.database.as_actor(actor) as session:
                yield Context(session, actor, after(100), Settings())

        app.dependency_overrides[context] = as_actor
        return TestClient(app)

    return client


def ask(client: TestClient, method: str, path: str, body: Any = None, status: int = 200, version: Any = None) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    answer = client.request(method, f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def photo_of(world: World, order_id: str) -> str:
    """Return a photo of an order that has arrived."""
    with world.database.as_service() as session:
        order = session.get_one(WorkOrder, UUID(order_id))
        about = About("work_order", order.id, order.organisation_id, order.executing_organisation_id, order.id)
        said = Announced(size_bytes=1, sha256="0" * 64, captured_at=after(100))
        made = announce(session, uuid4(), about, said, after(100), by=world.partner)
        made.state = "kept"
        return str(made.id)


STEPS = [
    {"key": "safe", "kind": "check", "title_en": "Locked out?", "title_zh": "已上锁？"},
    {
        "key": "play",
        "kind": "number",
        "title_en": "Play",
        "title_zh": "间隙",
        "unit": "mm",
        "high": 0.5,
        "follow_up": {"title_en": "Replace the bearing", "title_zh": "更换轴承", "priority": "high"},
    },
    {
        "key": "photo",
        "kind": "photo",
        "title_en": "Photo of the wear",
        "title_zh": "磨损照片",
        "when": [{"step": "play", "op": "out_of_limit"}],
    },
]


def run_consumer(world: World) -> None:
    with world.database.as_service() as session:
        for _ in range(2):
            for event in session.scalars(select(Event).where(Event.kind.in_(ANSWER_KINDS)).order_by(Event.id)).all():
                follow_answer(session, event, after(200))


def test_a_checklist_is_kept_answered_and_needed_before_the_work_is_documented(world: World, sign_in: As) -> None:
    """003-23, 003-37: a version published later changes nothing under way; an answer out of limits opens work."""
    planner, partner = sign_in(world.planner), sign_in(world.partner)
    body = {"code": "SOP-1", "name_en": "Bearing", "name_zh": "轴承", "steps": STEPS}
    body["links"] = [{"asset_model_id": str(world.model)}]
    made = ask(planner, "POST", "/procedures", body, 201)
    path = f"/procedures/{made['id']}"
    ask(sign_in(world.ann), "POST", f"{path}/publish", {}, 403)
    assert ask(planner, "POST", f"{path}/publish", {})["published"] == 1
    assert ask(planner, "POST", f"{path}/publish", {}, 409)["detail"] == "SOP-1 has no draft"
    order = ask(planner, "POST", "/work-orders", {"asset_id": str(world.pump), "title": "Check"}, 201)
    work = f"/work-orders/{order['id']}"
    drafted = ask(planner, "PUT", f"{path}/draft", {"steps": STEPS[:1]})
    assert (drafted["published"], drafted["draft"]) == (1, 2)
    ask(planner, "PUT", f"{path}/draft", {"steps": [{"key": "x"}]}, 422)
    ask(planner, "POST", f"{path}/publish", {})
    (run,) = ask(planner, "GET", f"{work}/procedures")["items"]
    assert (run["version_number"], run["missing"], run["asked"]) == (1, ["safe", "play"], ["safe", "play"])

    ask(planner, "POST", f"{work}/assign", {"person_id": str(world.partner.person_id)})
    ask(partner, "POST", f"{work}/start", {})
    ask(partner, "POST", f"{work}/finish", {"outcome": "confirmed"})
    refused = ask(partner, "POST", f"{work}/transitions", {"to": "documented"}, 409)
    assert (refused["code"], [one["step"] for one in refused["params"]["missing"]]) == (
        "steps_missing",
        ["safe", "play"],
    )
    ask(planner, "POST", f"{work}/approve", {}, 409)
    answers = f"/procedure-runs/{run['id']}/answers"
    ask(sign_in(world.bob), "POST", answers, {"step": "safe", "value": True}, 403)
    ask(sign_in(world.stranger), "POST", answers, {"step": "safe", "value": True}, 403)
    ask(partner, "POST", answers, {"step": "photo", "evidence_ids": [str(uuid4())]}, 409)
    ask(partner, "POST", answers, {"step": "safe", "value": "yes"}, 422)
    ask(partner, "POST", answers, {"step": "nowhere", "value": 1}, 404)
    ask(partner, "POST", answers, {"step": "safe", "value": True})
    key = str(uuid4())
    for _ in range(2):  # the phone repeats itself
        told = ask(partner, "POST", answers, {"id": key, "step": "play", "value": 0.7})
    assert (told["out_of_limit"], told["missing"]) == (["play"], ["photo"])
    run_consumer(world)
    ask(partner, "POST", answers, {"step": "photo"}, 422)
    ask(partner, "POST", answers, {"step": "photo", "evidence_ids": [str(uuid4())]}, 422)  # nobody took such a photo
    photo = photo_of(world, order["id"])
    assert ask(partner, "POST", answers, {"step": "photo", "evidence_ids": [photo]})["completed_at"]
    assert ask(partner, "POST", f"{work}/transitions", {"to": "documented"})["review_state"] == "waiting"
    ask(partner, "POST", answers, {"step": "play", "value": 0.1}, 409)  # what was documented is what is reviewed
    with world.database.as_service() as session:
        (follow,) = session.scalars(select(WorkOrder).where(WorkOrder.parent_id.is_not(None))).all()
        assert (follow.origin, follow.priority, follow.parent_relation) == ("inspection", "high", "follow_up")
    assert ask(planner, "POST", f"{work}/approve", {})["state"] == "closed"


def test_what_others_may_not_see_or_change_they_cannot(world: World, sign_in: As) -> None:
    planner, ann, bob = sign_in(world.planner), sign_in(world.ann), sign_in(world.bob)
    client, stranger, partner = sign_in(world.client), sign_in(world.stranger), sign_in(world.partner)
    one, two = (
        ask(planner, "POST", "/work-orders", {"asset_id": str(world.pump), "title": title}, 201) for title in "ab"
    )
    work = f"/work-orders/{one['id']}"
    ask(ann, "POST", f"{work}/accept", {})
    line = ask(ann, "POST", f"{work}/lines", {"kind": "labour", "minutes": 30}, 201)
    ask(bob, "POST", f"{work}/lines", {"kind": "labour", "minutes": 30}, 403)
    ask(ann, "POST", f"{work}/lines", {"kind": "labour", "minutes": 5, "person_id": str(world.bob.person_id)}, 403)
    ask(ann, "POST", f"{work}/lines/{line['id']}/decision", {"to": "approved"}, 403)
    for person in (client, stranger):
        assert ask(person, "GET", f"{work}/lines", status=403)["code"] == "forbidden"
        ask(person, "PATCH", work, {"priority": "low"}, 403)
    for path, body in (
        ("/merge", {"into": two["id"], "reason": "same"}),
        ("/split", {"title": "part"}),
        ("/blocks", {"blocked_by": two["id"]}),
        ("/reopen", {"reason": "again"}),
        ("/people", {"person_id": str(world.bob.person_id)}),
    ):
        ask(ann, "POST", f"{work}{path}", body, 403)
        assert stranger.post(f"/api/v1{work}{path}", json=body).status_code in (403, 404)
    ask(partner, "GET", f"{work}/lines", status=404)
    seen = client.get(f"/api/v1{work}")
    assert "line_recorded" not in seen.text
    assert "Ann" not in seen.text

    stale = ask(planner, "PATCH", work, {"duration_minutes": 45}, 412, version=1)
    assert stale["params"]["yours"] == {"duration_minutes": 45}
    assert stale["params"]["current"] == {"duration_minutes": None}
    now = ask(planner, "GET", work)
    assert ask(planner, "PATCH", work, {"duration_minutes": 45}, version=now["version"])["duration_minutes"] == 45
    ask(planner, "PATCH", work, {"team_id": str(uuid4())}, 422)
    ask(planner, "POST", f"{work}/transitions", {"to": "on_hold"}, 422)
    held = ask(planner, "POST", f"{work}/transitions", {"to": "on_hold", "reason": "parts"})
    assert held["hold_reason"] == "parts"
    blocked = ask(planner, "POST", f"{work}/blocks", {"blocked_by": two["id"]}, 201)
    assert [each["number"] for each in blocked["blocked_by"]] == [two["number"]]
    circle = ask(planner, "POST", f"/work-orders/{two['id']}/blocks", {"blocked_by": one["id"]}, 409)
    assert circle["code"] == "circle"


def test_a_partners_desk_neither_ends_nor_sends_back_the_owners_order(world: World, sign_in: As) -> None:
    planner, partner = sign_in(world.planner), sign_in(world.partner)
    partners_desk = sign_in(replace(world.partner, roles=frozenset({Role.DISPATCHER})))
    order = ask(planner, "POST", "/work-orders", {"asset_id": str(world.pump), "title": "Noise"}, 201)
    work = f"/work-orders/{order['id']}"
    ask(planner, "POST", f"{work}/assign", {"person_id": str(world.partner.person_id)})
    moves = f"{work}/transitions"
    assert "cancelled" not in ask(partners_desk, "GET", work)["legal_moves"]
    ask(partners_desk, "POST", moves, {"to": "cancelled", "reason": "too far"}, 403)
    ask(partner, "POST", f"{work}/start", {})
    ask(partner, "POST", f"{work}/finish", {"outcome": "confirmed"})
    for to in ("closed", "in_progress", "unscheduled"):
        ask(partners_desk, "POST", moves, {"to": to, "reason": "not mine"}, 403)
    assert ask(partner, "POST", moves, {"to": "in_progress"})["state"] == "in_progress"
    ask(partner, "POST", f"{work}/start", {})
    assert ask(partner, "POST", f"{work}/finish", {"outcome": "confirmed"})["legal_moves"] == [
        "documented",
        "in_progress",
    ]
    ask(partners_desk, "POST", moves, {"to": "documented"})
    assert ask(planner, "POST", moves, {"to": "closed"})["review_state"] == "approved"


def test_a_visit_booked_twice_names_the_other(world: World, sign_in: As) -> None:
    """003-15: dispatch by time; the same technician at the same time is refused on every way in."""
    planner = sign_in(world.planner)
    one, two = (
        ask(planner, "POST", "/work-orders", {"asset_id": str(world.pump), "title": title}, 201) for title in "ab"
    )
    at = {"technician_id": str(world.ann.person_id), "scheduled_at": "2026-12-01T09:00:00Z"}
    visit = ask(planner, "POST", "/visits", {"work_order_id": one["id"], **at}, 201)
    assert visit["planned_end"] == "2026-12-01T10:00:00Z"
    refused = ask(planner, "POST", "/visits", {"work_order_id": two["id"], **at}, 409)
    assert (refused["code"], refused["params"]["number"]) == ("visit_overlap", one["number"])
    later = at | {"scheduled_at": "2026-12-01T10:00:00Z"}
    other = ask(planner, "POST", "/visits", {"work_order_id": two["id"], **later}, 201)
    path = f"/visits/{other['id']}"
    ask(planner, "PATCH", path, {"planned_start": "2026-12-01T09:30:00Z"}, 409)
    ask(planner, "PATCH", path, {"planned_end": "2026-12-01T09:30:00Z"}, 422)
    ask(planner, "PATCH", path, {"pinned": True}, 412, version=99)
    moved = ask(planner, "PATCH", path, {"planned_start": "2026-12-01T12:00:00Z", "pinned": True})
    assert (moved["planned_end"], moved["pinned"]) == ("2026-12-01T13:00:00Z", True)
    ask(sign_in(world.ann), "PATCH", path, {"pinned": False}, 403)
    illegal = ask(planner, "PATCH", path, {"technician_id": str(world.client.person_id)}, 422)
    assert illegal["params"]["field"] == "person_id"
