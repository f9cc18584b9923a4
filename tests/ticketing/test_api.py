"""Work over HTTP: what each role may do and see, and the errors they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from assets.base.access import Actor
from assets.base.events import append_event
from gateway.api import episodes, findings, problems, requests, technicians, visits, work_orders
from gateway.api.deps import Context, context
from gateway.settings import Settings
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after
from ticketing.models import Request
from ticketing.requests import open_request

As = Callable[[Actor], TestClient]


@pytest.fixture
def sign_in(world: World) -> As:
    """Return a client that is signed in as the actor; one transaction per request, as in the service."""

    def client(actor: Actor) -> TestClient:
        app = FastAPI()
        problems.install(app)
        for module in (work_orders, visits, requests, technicians, findings, episodes):
            app.include_router(module.router)

        def as_actor() -> Iterator[Context]:
            with world.database.as_actor(actor) as session:
                yield Context(session, actor, after(100), Settings())

        app.dependency_overrides[context] = as_actor
        return TestClient(app)

    return client


def get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: TestClient, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def noticed(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
        decide_pending(session, NOW)


@pytest.mark.usefixtures("noticed")
def test_technician_does_the_work_with_three_buttons(world: World, sign_in: As) -> None:
    ann = sign_in(world.ann)
    (order,) = get(ann, "/work-orders", open=True)["items"]
    assert order["asset"]["site_name"] == "Site of PUMP-1"
    assert order["noticed"]["checks"] == [{"en": "Grease the bearing", "zh": "给轴承加脂"}]
    path = f"/work-orders/{order['id']}"
    assert post(ann, f"{path}/accept")["state"] == "scheduled"
    assert [item["id"] for item in get(ann, "/work-orders", assignee="me")["items"]] == [order["id"]]
    assert get(sign_in(world.bob), "/work-orders", assignee="me")["items"] == []
    assert post(ann, f"{path}/start")["state"] == "in_progress"
    done = post(ann, f"{path}/finish", {"outcome": "confirmed", "note": "greased", "repair_code": "R1"})
    assert (done["state"], done["outcome"], done["visits"][0]["state"]) == ("completed", "confirmed", "completed")
    assert [one["code"] for one in done["repair_codes"]] == ["bearing_replaced"]
    kinds = [event["kind"] for event in done["events"]]
    assert kinds.index("work_order.completed") < kinds.index("work_order.opened")  # newest first
    assert done["events"][0]["actor"]["name"] == "Ann"


@pytest.mark.usefixtures("noticed")
def test_illegal_move_answers_409_with_the_legal_ones(world: World, sign_in: As) -> None:
    planner = sign_in(world.planner)
    (order,) = get(planner, "/work-orders", number="WO-000001")["items"]
    problem = post(planner, f"/work-orders/{order['id']}/transitions", {"to": "closed"}, status=409)
    assert (problem["code"], problem["params"]["state"]) == ("illegal_move", "unscheduled")
    assert "cancelled" in problem["params"]["legal"]
    post(planner, f"/work-orders/{order['id']}/transitions", {"to": "cancelled"}, status=422)
    post(planner, f"/work-orders/{order['id']}/transitions", {"to": "cancelled", "reason": "sold"})


@pytest.mark.usefixtures("noticed")
def test_role_decides_what_is_allowed(world: World, sign_in: As) -> None:
    ann, client = sign_in(world.ann), sign_in(world.client)
    (order,) = get(ann, "/work-orders")["items"]
    path = f"/work-orders/{order['id']}"
    post(ann, f"{path}/assign", {"person_id": str(world.bob.person_id)}, status=403)
    post(ann, f"{path}/transitions", {"to": "cancelled", "reason": "tired"}, status=403)
    post(client, f"{path}/accept", status=403)
    assert client.get("/api/v1/findings").status_code == 403
    assert "cancelled" not in order["legal_moves"]
    post(sign_in(world.planner), f"{path}/assign", {"person_id": str(world.bob.person_id)})
    assert post(ann, f"{path}/start", status=403)["code"] == "forbidden"


@pytest.mark.usefixtures("noticed")
def test_customer_reads_its_work_without_names_and_notes(world: World, sign_in: As) -> None:
    ann, client = sign_in(world.ann), sign_in(world.client)
    (order,) = get(ann, "/work-orders")["items"]
    path = f"/work-orders/{order['id']}"
    post(ann, f"{path}/start")
    post(ann, f"{path}/finish", {"outcome": "confirmed", "note": "customer forgot the grease"})
    with world.database.as_service() as session:
        inside: dict[str, dict[str, Any]] = {"sla.warned": {"clock": "arrival"}, "visit.known": {"grade": "careless"}}
        for kind, payload in inside.items():
            append_event(session, kind, at=NOW, organisation_id=world.customer, subject_kind="work_order",
                         subject_id=UUID(order["id"]), payload=payload)  # fmt: skip
    assert "careless" in ann.get(f"/api/v1{path}").text
    seen = client.get(f"/api/v1{path}")
    assert seen.status_code == 200
    assert seen.json()["outcome"] == "confirmed"
    assert "Ann" not in seen.text
    assert "forgot" not in seen.text
    assert "careless" not in seen.text
    kinds = {event["kind"]: event["payload"] for event in seen.json()["events"]}
    assert "sla.warned" not in kinds
    assert kinds["work_order.opened"]["origin"] == "finding"
    assert str(world.ann.person_id) not in seen.text
    assert sign_in(world.stranger).get(f"/api/v1{path}").status_code == 404
    assert get(sign_in(world.stranger), "/work-orders")["items"] == []


def test_request_is_accepted_into_work_that_shows_it(world: World, sign_in: As) -> None:
    with world.database.as_service() as session:
        request = open_request(
            session,
            asset=world.asset(session),
            channel="qr_page",
            text="It rattles",
            contact={"name": "Clara"},
            now=NOW,
        )
        code = request.tracking_code
    planner = sign_in(world.planner)
    listed = planner.get("/api/v1/requests", params={"state": "new"})
    assert code not in listed.text  # the customer's secret stays with the customer
    (item,) = listed.json()["items"]
    assert (item["contact_name"], item["asset"]["serial"]) == ("Clara", "PUMP-1")
    order = post(planner, f"/requests/{item['id']}/accept")
    assert (order["origin"], order["request"]["text"]) == ("request", "It rattles")
    post(planner, f"/requests/{item['id']}/reject", {"reason": "no"}, status=409)


def test_work_is_opened_by_hand_and_listed_in_pages(world: World, sign_in: As) -> None:
    planner = sign_in(world.planner)
    for number in range(5):
        body = {"asset_id": str(world.pump), "title": f"Task {number}", "priority": "low"}
        post(planner, "/work-orders", body, status=201)
    first = get(planner, "/work-orders", limit=3)
    second = get(planner, "/work-orders", limit=3, after=first["next"])
    titles = [item["title_text"] for item in first["items"] + second["items"]]
    assert (titles, second["next"]) == ([f"Task {number}" for number in (4, 3, 2, 1, 0)], None)
    assert planner.get("/api/v1/work-orders", params={"after": "nonsense"}).status_code == 422


def test_change_based_on_an_old_version_is_refused(world: World, sign_in: As) -> None:
    planner = sign_in(world.planner)
    order = post(planner, "/work-orders", {"asset_id": str(world.pump), "title": "Oil"}, status=201)
    path = f"/api/v1/work-orders/{order['id']}/assign"
    body, based_on = {"person_id": str(world.ann.person_id)}, {"If-Match": f'"{order["version"]}"'}
    assert planner.post(path, json=body, headers=based_on).status_code == 200
    late = planner.post(path, json={"person_id": str(world.bob.person_id)}, headers=based_on)
    assert late.status_code == 412
    assert late.json()["params"]["version"] > order["version"]


def test_visit_is_planned_and_moved(world: World, sign_in: As) -> None:
    planner, bob = sign_in(world.planner), sign_in(world.bob)
    order = post(planner, "/work-orders", {"asset_id": str(world.pump), "title": "Oil"}, status=201)
    assert "scheduled" not in order["legal_moves"]
    body = {"work_order_id": order["id"], "technician_id": str(world.bob.person_id)}
    visit = post(planner, "/visits", body, status=201)
    post(sign_in(world.ann), f"/visits/{visit['id']}/transitions", {"to": "travelling"}, status=403)
    post(bob, f"/visits/{visit['id']}/transitions", {"to": "cancelled"}, status=403)
    assert post(bob, f"/visits/{visit['id']}/transitions", {"to": "travelling"})["state"] == "travelling"
    assert get(bob, f"/work-orders/{order['id']}")["state"] == "in_progress"
    refused = post(bob, f"/visits/{visit['id']}/transitions", {"to": "completed"}, status=409)
    assert refused["params"]["legal"] == ["scheduled", "in_progress", "cannot_complete", "cancelled"]
    assert [item["id"] for item in get(bob, "/visits", technician="me")["items"]] == [visit["id"]]


@pytest.mark.usefixtures("noticed")
def test_findings_episodes_and_jobs_are_listed_with_their_work(world: World, sign_in: As) -> None:
    planner = sign_in(world.planner)
    (finding,) = get(planner, "/findings", open=True, asset_id=str(world.pump))["items"]
    assert (finding["contributions"][0]["label_zh"], finding["decision"]["action"]) == ("轴承", "open")
    (episode,) = get(planner, "/episodes", open=True)["items"]
    (job,) = get(planner, "/predicted-jobs", state="opened")["items"]
    assert episode["work_order"]["number"] == job["work_order"]["number"] == "WO-000001"
    assert job["finding"]["id"] == finding["id"]
    refused = post(planner, f"/predicted-jobs/{job['id']}/dismiss", {"reason": "no"}, status=409)
    assert refused["params"]["legal"] == ["done"]


def test_planner_opens_a_watched_job(world: World, sign_in: As) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump, learning=True)], False, NOW)
        decide_pending(session, NOW)
    planner = sign_in(world.planner)
    (job,) = get(planner, "/predicted-jobs", state="watching")["items"]
    assert job["reason"]["code"] == "learning"
    sign_in(world.ann).post(f"/api/v1/predicted-jobs/{job['id']}/accept")  # not hers to decide
    order = post(planner, f"/predicted-jobs/{job['id']}/accept")
    assert (order["origin"], order["state"]) == ("finding", "unscheduled")
    assert get(planner, "/predicted-jobs", state="watching")["items"] == []


def test_technicians_are_listed_with_their_load(world: World, sign_in: As) -> None:
    items = get(sign_in(world.planner), "/technicians")["items"]
    assert [item["name"] for item in items] == ["Ann", "Bob", "Piet"]


def test_requests_can_be_entered_by_the_desk(world: World, sign_in: As) -> None:
    body = {"asset_id": str(world.pump), "text": "Leaks", "channel": "phone", "contact_phone": "+49 2"}
    item = post(sign_in(world.planner), "/requests", body, status=201)
    assert (item["number"], item["channel"], item["contact_phone"]) == ("RQ-000001", "phone", "+49 2")
    with world.database.as_service() as session:
        assert session.query(Request).count() == 1
