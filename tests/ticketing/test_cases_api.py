"""Cases over HTTP: triage, children, thread, duplicates and remote diagnosis, and who sees what of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from assets.base.access import Actor, Role
from assets.base.consumers import Consumer, run_consumer
from assets.base.errors import Conflict
from assets.base.events import Event
from assets.people import actor_of, add_person
from gateway.api import (
    case_threads,
    case_work,
    cases,
    problems,
    remote_sessions,
    requests,
    service_types,
    triage,
    work_orders,
)
from gateway.api.deps import Context, context
from gateway.settings import Settings
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.models import Episode, Finding
from maintenance.outcomes import KINDS, close_episode
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.cases.cases import open_case
from ticketing.cases.claims import ClaimTaken, claim
from ticketing.cases.duplicates import merge_cases
from ticketing.cases.tables import Case, ThreadMessage
from ticketing.cases.threads import messages_for_request, post
from ticketing.intake import CASES_FOLLOW_WORK
from ticketing.models import Request, WorkOrder
from ticketing.requests import find_by_tracking, follow, open_request
from ticketing.work_orders import assign

MODULES = (cases, case_threads, case_work, triage, service_types, remote_sessions, requests, work_orders)
As = Callable[..., "Client"]


class Client(TestClient):
    """A signed-in client; the answer must have the status that is told."""

    def ask(self, method: str, path: str, status: int = 200, body: Any = None, **more: Any) -> Any:
        answer = self.request(method, f"/api/v1{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def sign_in(world: World) -> As:
    """Return a client that is signed in as the actor, a while after the tests' now."""

    def client(actor: Actor, seconds: float = 100) -> Client:
        app = FastAPI()
        problems.install(app)
        for module in MODULES:
            app.include_router(module.router)

        def as_actor() -> Iterator[Context]:
            with world.database.as_actor(actor) as session:
                yield Context(session, actor, after(seconds), Settings())

        app.dependency_overrides[context] = as_actor
        return Client(app)

    return client


@pytest.fixture
def second(world: World) -> Actor:
    """A second dispatcher of the operator."""
    with world.database.as_service() as session:
        person = add_person(
            session, organisation_id=world.operator, name="Dora", roles=[Role.DISPATCHER, Role.PLANNER], now=NOW
        )
        return actor_of(session, person)


def new_case(client: Client, world: World, text: str = "It rattles", **more: Any) -> Any:
    return client.ask("POST", "/cases", 201, {"asset_id": str(world.pump), "text": text, **more})


def follow_work(world: World, seconds: float = 200) -> None:
    run_consumer(world.database, CASES_FOLLOW_WORK, after(seconds))


def test_eleven_service_types_are_an_organisations_own_data(world: World, sign_in: As) -> None:
    """Seed rows 001-06, 002-11, 003-02."""
    desk, client = sign_in(world.planner), sign_in(world.client)
    listed = desk.ask("GET", "/service-types")["items"]
    assert len(listed) == 11
    repair = next(each for each in listed if each["code"] == "urgent_repair")
    assert (repair["name_en"], repair["name_zh"], repair["in_force"]["priority"]) == (
        "Urgent repair",
        "紧急报修",
        "urgent",
    )
    assert {each["code"] for each in client.ask("GET", "/service-types")["items"]} == {each["code"] for each in listed}
    client.ask("PATCH", f"/service-types/{repair['id']}", 403, {"active": False})
    changed = desk.ask("PATCH", f"/service-types/{repair['id']}", body={"active": False, "name_en": "Emergency"})
    assert (changed["name_en"], changed["active"], len(desk.ask("GET", "/service-types")["items"])) == (
        "Emergency",
        False,
        11,
    )


def test_a_new_version_leaves_old_cases_under_theirs(world: World, sign_in: As) -> None:
    """Seed rows 002-12, 003-03: forms and workflows are versioned."""
    desk = sign_in(world.planner)
    form = {"type": "object", "properties": {"how": {"type": "string", "title_en": "How?", "title_zh": "如何？"}}}
    kind = desk.ask(
        "POST", "/service-types", 201, {"code": "cleaning", "name_en": "Cleaning", "name_zh": "清洗", "form": form}
    )
    case = new_case(desk, world, service_type_id=kind["id"], answers={"how": "wet"})
    broken = {"form": {"type": "object", "properties": {"how": {"type": "strin"}}}}
    refused = desk.ask("POST", f"/service-types/{kind['id']}/versions", 422, broken)
    assert (refused["code"], refused["params"]["path"]) == ("form_refused", "/properties/how/type")
    for skill in ({"skill": ""}, {"skill": "crane", "level": True}):  # no order may hold these
        desk.ask("POST", f"/service-types/{kind['id']}/versions", 422, {"required_skills": [skill]})
    more = {"form": {**form, "required": ["how"]}, "settlement_rule": "hourly"}
    published = desk.ask("POST", f"/service-types/{kind['id']}/versions", 201, more)
    assert (published["latest"], published["in_force"]["settlement_rule"]) == (2, "hourly")
    assert "required" not in desk.ask("GET", f"/cases/{case['id']}")["form"]
    fault = desk.ask("POST", "/cases", 422, {"text": "x", "service_type_id": kind["id"], "answers": {"what": 1}})
    assert [each["path"] for each in fault["params"]["errors"]] == ["", "/how"]
    stale = {"If-Match": '"1"'}
    desk.ask("POST", f"/service-types/{kind['id']}/versions", 412, {"note": "late"}, headers=stale)


def test_check_names_every_fault_without_storing_anything(world: World, sign_in: As) -> None:
    body = {"form": {"type": "object", "properties": {"a": {"type": "x"}}}, "workflow": {"stages": []}}
    found = sign_in(world.planner).ask("POST", "/service-types/check", body=body)
    assert [(each["in"], each["path"]) for each in found["faults"]] == [
        ("form", "/properties/a/type"),
        ("workflow", "/stages"),
    ]


def test_of_two_who_claim_at_once_one_wins(world: World, second: Actor) -> None:
    """Seed row 003-09: claim action with lock."""
    with world.database.as_service() as session:
        case_id = open_case(session, organisation_id=world.customer, channel="desk", text="Noise", now=NOW).id
    barrier, won, lost = threading.Barrier(2, timeout=30), [], []

    def take(actor: Actor) -> None:
        with world.database.as_actor(actor) as session:
            session.get_one(Case, case_id)
            barrier.wait()
            try:
                won.append(claim(session, case_id, NOW, by=actor).claimed_by_id)
            except ClaimTaken as taken:
                lost.append(UUID(str(taken.params["person_id"])))

    hands = [threading.Thread(target=take, args=(actor,)) for actor in (world.planner, second)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(60)
    assert len(won) == len(lost) == 1
    assert won == lost


def test_a_claim_expires_and_may_be_taken_over(world: World, sign_in: As, second: Actor) -> None:
    desk = sign_in(world.planner)
    case = new_case(desk, world)
    path = f"/cases/{case['id']}"
    desk.ask("POST", f"{path}/claim")
    taken = sign_in(second).ask("POST", f"{path}/claim", 409)
    assert (taken["code"], taken["params"]["person_id"]) == ("claim_taken", str(world.planner.person_id))
    sign_in(second).ask("PATCH", path, 409, {"priority": "high"})
    held = sign_in(second).ask("POST", f"{path}/take-over")
    assert held["claimed_by"]["name"] == "Dora"
    desk.ask("POST", f"{path}/claim", 409)
    assert sign_in(world.planner, 100 + 3600).ask("POST", f"{path}/claim")["claimed_by"]["id"] == str(
        world.planner.person_id
    )


def test_triage_has_three_lists(world: World, sign_in: As, second: Actor) -> None:
    """Seed row 003-09: to claim, to handle, to approve."""
    desk, other = sign_in(world.planner), sign_in(second)
    first, later = new_case(desk, world, "One"), new_case(desk, world, "Two", priority="urgent")

    def lists(client: Client) -> list[list[str]]:
        return [
            [each["title"] for each in client.ask("GET", f"/triage?list={word}")["items"]]
            for word in ("claim", "handle", "approve")
        ]

    assert lists(desk) == [["Two", "One"], [], []]
    desk.ask("POST", f"/cases/{first['id']}/claim")
    assert lists(desk) == [["Two"], ["One"], []]
    assert lists(other) == [["Two"], [], []]
    desk.ask("POST", f"/cases/{first['id']}/ask-approval", body={"note": "May we give credit?"})
    assert lists(other) == [["Two"], [], ["One"]]
    assert desk.ask("POST", f"/cases/{first['id']}/approve", 409)["params"]["what"] == "own_approval"
    assert other.ask("POST", f"/cases/{first['id']}/approve")["state"] == "in_progress"
    pages, cursor = [], None
    while True:
        page = other.ask("GET", f"/triage?list=claim&limit=1{'&after=' + cursor if cursor else ''}")
        pages += [each["id"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert pages == [later["id"]]
    assert sign_in(world.ann).get("/api/v1/triage").status_code == 403


def test_a_case_closes_when_all_its_children_close_and_opens_with_one(world: World, sign_in: As) -> None:
    """Seed rows 003-10, 002-02: one case, a visit and a part at the same time."""
    desk = sign_in(world.planner)
    case = new_case(desk, world, contact_name="Clara")
    path = f"/cases/{case['id']}"
    order = desk.ask("POST", f"{path}/work-orders", 201, {"title": "Look at it"})
    assert (order["title_text"], order["origin"]) == ("Look at it", "request")
    details = {"part": "Seal 40", "quantity": 2, "carrier": "SF", "tracking_number": "SF123"}
    sent = desk.ask("POST", f"{path}/children", 201, {"kind": "shipment", "title": "Seal", "details": details})
    (shipment,) = [each for each in sent["children"] if each["kind"] == "shipment"]
    with world.database.as_service() as session:
        job, ann = session.get_one(WorkOrder, UUID(order["id"])), world.person(session, world.ann)
        field.accept(session, job, ann, after(110))
        field.start(session, job, ann, after(120))
        field.finish(session, job, ann, after(130), outcome="confirmed")
    follow_work(world)
    half = desk.ask("GET", path)
    assert (half["state"], half["children_open"], half["requests"][0]["state"]) == ("in_progress", 1, "accepted")
    assert desk.ask("POST", f"{path}/transitions", 409, {"to": "closed", "resolution": "work_done"})["params"][
        "children"
    ] == [shipment["number"]]
    closed = desk.ask("POST", f"{path}/children/{shipment['id']}/end", body={"outcome": "delivered"})
    assert (closed["state"], closed["resolution"]) == ("closed", "work_done")
    assert [each["state"] for each in closed["requests"]] == ["done"]
    again = desk.ask("POST", f"{path}/children/{shipment['id']}/reopen")
    assert (again["state"], again["reopened_count"], again["requests"][0]["state"]) == ("in_progress", 1, "accepted")


def test_a_cancelled_order_leaves_the_case_to_the_desk(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    case = new_case(desk, world)
    order = desk.ask("POST", f"/cases/{case['id']}/work-orders", 201)
    desk.ask("POST", f"/work-orders/{order['id']}/transitions", body={"to": "cancelled", "reason": "wrong"})
    follow_work(world)
    assert desk.ask("GET", f"/cases/{case['id']}")["state"] == "in_progress"
    assert [each["id"] for each in desk.ask("GET", "/triage?list=claim")["items"]] == [case["id"]]


def test_one_thread_for_all_and_internal_notes_for_the_desk_alone(world: World, sign_in: As) -> None:
    """Seed rows 003-01, 003-04: one thread; internal notes hidden."""
    desk, customer, technician = sign_in(world.planner), sign_in(world.client), sign_in(world.ann)
    case = new_case(desk, world)
    path = f"/cases/{case['id']}/messages"
    customer.ask("POST", path, 201, {"text": "It is loud"})
    desk.ask("POST", path, 201, {"text": "We look at it"})
    desk.ask("POST", path, 201, {"text": "They always say so", "visibility": "internal"})
    technician.ask("POST", path, 201, {"text": "Bearing, I think", "visibility": "internal"})
    said = [(each["author_kind"], each["text"]) for each in technician.ask("GET", path)["items"]]
    assert said == [
        ("customer", "It is loud"),
        ("desk", "We look at it"),
        ("desk", "They always say so"),
        ("technician", "Bearing, I think"),
    ]
    seen = customer.ask("GET", path)
    assert [each["text"] for each in seen["items"]] == ["It is loud", "We look at it"]
    assert [each["author"] for each in seen["items"]] == [None, None]
    assert seen["reads"] == []
    customer.ask("POST", path, 403, {"text": "secret", "visibility": "internal"})
    with world.database.as_actor(world.client) as session:
        assert {each.visibility for each in session.scalars(select(ThreadMessage))} == {"public"}
        assert session.scalars(select(Event).where(Event.kind == "thread.noted")).all() == []
        assert len(session.scalars(select(Event).where(Event.kind == "thread.posted")).all()) == 2
    for stranger in (world.stranger, world.partner):
        sign_in(stranger).ask("GET", path, 404)
        sign_in(stranger).ask("POST", path, 404, {"text": "hello"})


def test_of_two_answers_at_once_one_is_the_first_and_neither_waits_for_ever(world: World, second: Actor) -> None:
    with world.database.as_service() as session:
        case_id = open_case(session, organisation_id=world.customer, channel="desk", text="Noise", now=NOW).id
    barrier, failed = threading.Barrier(2, timeout=30), []

    def say(actor: Actor) -> None:
        try:
            with world.database.as_actor(actor) as session:
                case = session.get_one(Case, case_id)
                barrier.wait()
                post(session, case, text="We come", now=NOW, by=actor)
        except Exception as error:
            failed.append(error)

    hands = [threading.Thread(target=say, args=(actor,)) for actor in (world.planner, second)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(60)
    assert not failed
    with world.database.as_service() as session:
        said = select(Event.kind).where(Event.kind.in_(["case.replied", "thread.posted"])).order_by(Event.kind)
        assert session.scalars(said).all() == ["case.replied", "thread.posted", "thread.posted"]


def test_a_customer_sees_nothing_of_the_desks_own(world: World, sign_in: As) -> None:
    desk, customer = sign_in(world.planner), sign_in(world.client)
    case = new_case(desk, world)
    desk.ask("PATCH", f"/cases/{case['id']}", body={"queue": "difficult ones", "region": "north"})
    desk.ask("POST", f"/cases/{case['id']}/claim")
    desk.ask("POST", f"/cases/{case['id']}/ask-approval", body={"note": "Too dear"})
    shown = customer.ask("GET", f"/cases/{case['id']}")
    hidden = ("queue", "region", "team", "claimed_by", "approval_note", "remote_session_id", "origin_ref")
    assert [shown[name] for name in hidden] == [None] * len(hidden)
    assert (shown["state"], shown["legal_moves"], shown["side"]) == ("in_progress", [], "customer")
    told = customer.ask("GET", f"/cases?q={case['number']}")["items"]
    assert [each["queue"] for each in told] == [None]
    with world.database.as_actor(world.client) as session:
        kinds = set(session.scalars(select(Event.kind).where(Event.subject_id == UUID(case["id"]))))
    assert kinds == {"case.opened"}
    for path, body in (
        ("claim", {}),
        ("transitions", {"to": "closed", "resolution": "other"}),
        ("merge", {"into_id": case["id"]}),
        ("children", {"kind": "shipment"}),
        ("work-orders", {}),
    ):
        customer.ask("POST", f"/cases/{case['id']}/{path}", 403, body)


def test_a_partner_sees_the_case_while_it_executes(world: World, sign_in: As) -> None:
    desk, partner = sign_in(world.planner), sign_in(world.partner)
    case = new_case(desk, world)
    path = f"/cases/{case['id']}"
    desk.ask("POST", f"{path}/messages", 201, {"text": "We come"})
    desk.ask("POST", f"{path}/messages", 201, {"text": "Do not tell the partner", "visibility": "internal"})
    order = desk.ask("POST", f"{path}/work-orders", 201)
    desk.ask("POST", f"{path}/children", 201, {"kind": "shipment", "title": "Seal"})
    partner.ask("GET", path, 404)
    with world.database.as_service() as session:
        job = session.get_one(WorkOrder, UUID(order["id"]))
        assign(session, job, world.person(session, world.partner), after(110))
    follow_work(world)
    shown = partner.ask("GET", path)
    assert (shown["side"], [each["kind"] for each in shown["children"]]) == ("partner", ["work_order"])
    assert [each["text"] for each in partner.ask("GET", f"{path}/messages")["items"]] == ["We come"]
    partner.ask("POST", f"{path}/messages", 201, {"text": "Gate is locked", "visibility": "internal"})
    partner.ask("POST", f"{path}/messages", 201, {"text": "Please open the gate"})
    assert [each["text"] for each in partner.ask("GET", f"{path}/messages")["items"]] == [
        "We come",
        "Gate is locked",
        "Please open the gate",
    ]
    assert [each["author_kind"] for each in desk.ask("GET", f"{path}/messages")["items"]][-2:] == ["partner", "partner"]
    customer = sign_in(world.client).ask("GET", f"{path}/messages")["items"]
    assert [each["text"] for each in customer] == ["We come", "Please open the gate"]
    partner.ask("POST", f"{path}/claim", 403)
    with world.database.as_service() as session:  # long after
        job = session.get_one(WorkOrder, UUID(order["id"]))
        assign(session, job, None, after(300))
    follow_work(world, 310)
    partner.ask("GET", path, 404)


def asked(world: World, text: str, seconds: float = 0, **contact: str) -> UUID:
    with world.database.as_service() as session:
        at = after(seconds)
        asset = world.asset(session)
        return open_request(session, asset=asset, channel="qr_page", text=text, contact=contact, now=at).id


def test_merging_loses_nothing_and_links_go_on_working(world: World, sign_in: As) -> None:
    first, other = asked(world, "Pump is loud", name="Ann"), asked(world, "The pump is very loud", 60, name="Ben")
    desk = sign_in(world.planner)
    with world.database.as_service() as session:
        kept, merged = (session.get_one(Request, key).case_id for key in (first, other))
        ben = session.get_one(Request, other)
        code = ben.tracking_code
        case = session.get_one(Case, merged)
        post(session, case, text="My own words", now=after(70), request=ben)
        before = session.get_one(Case, kept)
        post(session, before, text="Said to Ann before", now=after(80), by=world.planner)
    (likely,) = desk.ask("GET", f"/cases/{merged}/duplicates")["items"]
    assert (likely["case"]["id"], likely["same_asset"]) == (str(kept), True)
    desk.ask("POST", f"/cases/{merged}/merge", body={"into_id": str(kept)})
    shown = desk.ask("GET", f"/cases/{kept}")
    assert [each["text"] for each in shown["requests"]] == ["Pump is loud", "The pump is very loud"]
    assert len(desk.ask("GET", f"/cases/{kept}/messages")["items"]) == 2
    gone = desk.ask("GET", f"/cases/{merged}")
    assert (gone["state"], gone["merged_into"]["id"]) == ("merged", str(kept))
    desk.ask("POST", f"/cases/{kept}/messages", 201, {"text": "To everybody"})
    order = desk.ask("POST", f"/cases/{kept}/work-orders", 201)
    with world.database.as_service() as session:
        followed = find_by_tracking(session, world.pump, code)
        assert followed is not None
        assert (followed.id, follow(session, followed)) == (other, "accepted")
        assert str(followed.work_order_id) == order["id"]
        assert [each.text for each in messages_for_request(session, followed)] == ["My own words", "To everybody"]


def test_cases_of_two_owners_are_never_put_together(world: World) -> None:
    with world.database.as_service() as session:
        one = open_case(session, organisation_id=world.customer, channel="desk", text="Loud", now=NOW)
        two = open_case(session, organisation_id=world.operator, channel="desk", text="Loud", now=NOW)
        with pytest.raises(Conflict):
            merge_cases(session, one, two, NOW, by=world.planner)


def test_told_apart_cases_are_proposed_no_more(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    one, two = new_case(desk, world, "Pump is loud"), new_case(desk, world, "Pump is loud")
    assert len(desk.ask("GET", f"/cases/{one['id']}/duplicates")["items"]) == 1
    desk.ask("POST", f"/cases/{one['id']}/distinct", 204, {"other_id": two["id"]})
    for case in (one, two):
        assert desk.ask("GET", f"/cases/{case['id']}/duplicates")["items"] == []


def test_a_case_is_routed_by_rules_and_again_when_its_type_changes(world: World, sign_in: As) -> None:
    """Seed row 003-03."""
    desk = sign_in(world.planner)
    kinds = {each["code"]: each["id"] for each in desk.ask("GET", "/service-types")["items"]}
    desk.ask("POST", "/routing-rules", 422, {"region": "north"})
    desk.ask(
        "POST", "/routing-rules", 201, {"service_type_id": kinds["training"], "queue": "academy", "priority": "low"}
    )
    desk.ask("POST", "/routing-rules", 201, {"region": "north", "queue": "north"})
    case = new_case(sign_in(world.client), world, service_type_id=kinds["training"])
    assert (desk.ask("GET", f"/cases/{case['id']}")["queue"], case["queue"]) == ("academy", None)
    desk.ask("PATCH", f"/cases/{case['id']}", body={"service_type_id": kinds["survey"], "region": "North"})
    assert desk.ask("POST", f"/cases/{case['id']}/route")["queue"] == "north"


def test_a_stage_is_not_skipped_and_an_approval_stands_between(world: World, sign_in: As, second: Actor) -> None:
    """Seed rows 001-13, 002-12: goods come back only after somebody else approved."""
    desk = sign_in(world.planner)
    kinds = {each["code"]: each["id"] for each in desk.ask("GET", "/service-types")["items"]}
    case = new_case(desk, world, service_type_id=kinds["return_exchange"])
    path = f"/cases/{case['id']}"
    assert case["stage"] == "received"
    assert desk.ask("POST", f"{path}/stage", 409, {"to": "shipping"})["params"]["legal"] == ["examined"]
    desk.ask("POST", f"{path}/stage", body={"to": "examined"})
    desk.ask("POST", f"{path}/children", 409, {"kind": "shipment"})
    desk.ask("POST", f"{path}/stage", body={"to": "approval"})
    desk.ask("POST", f"{path}/stage", 409, {"to": "shipping"})
    desk.ask("POST", f"{path}/ask-approval", body={"note": "Part is faulty"})
    assert sign_in(second).ask("POST", f"{path}/approve")["stage"] == "shipping"
    shipped = desk.ask("POST", f"{path}/children", 201, {"kind": "shipment"})
    ended = desk.ask("POST", f"{path}/children/{shipped['children'][0]['id']}/end", body={})
    assert (ended["state"], ended["resolution"], ended["stage"]) == ("closed", "delivered", "done")


def test_nothing_leads_round_an_approval(world: World, sign_in: As, second: Actor) -> None:
    """002-12: neither closing by hand, nor another type, nor putting the case into one that asks for none."""
    desk = sign_in(world.planner)
    with world.database.as_service() as session:
        person = add_person(session, organisation_id=world.operator, name="Dan", roles=[Role.DISPATCHER], now=NOW)
        dispatcher = actor_of(session, person)
    kinds = {each["code"]: each["id"] for each in desk.ask("GET", "/service-types")["items"]}
    case = new_case(desk, world, service_type_id=kinds["return_exchange"])
    path = f"/cases/{case['id']}"
    close = {"to": "closed", "resolution": "answered"}
    assert desk.ask("POST", f"{path}/transitions", 409, close)["params"]["what"] == "approval"
    sign_in(dispatcher).ask("PATCH", path, 403, {"service_type_id": kinds["consultation"]})
    plain = new_case(desk, world, "It rattles too", service_type_id=kinds["consultation"])
    assert desk.ask("POST", f"{path}/merge", 409, {"into_id": plain["id"]})["params"]["what"] == "approval"
    desk.ask("PATCH", path, body={"answers": {}})
    assert desk.ask("GET", path)["stage"] == "received"
    for stage in ("examined", "approval"):
        desk.ask("POST", f"{path}/stage", body={"to": stage})
    desk.ask("POST", f"{path}/ask-approval", body={"note": "Part is faulty"})
    desk.ask("PATCH", path, 409, {"service_type_id": kinds["consultation"]})
    sign_in(second).ask("POST", f"{path}/approve")
    assert desk.ask("POST", f"{path}/transitions", body=close)["state"] == "closed"
    desk.ask("PATCH", f"/cases/{plain['id']}", body={"service_type_id": kinds["complaint"]})


def test_approval_of_a_stage_with_two_ways_lets_the_desk_choose_one(world: World, sign_in: As, second: Actor) -> None:
    desk = sign_in(world.planner)
    kinds = {each["code"]: each["id"] for each in desk.ask("GET", "/service-types")["items"]}
    ways = [("look", ["repair", "replace"], True), ("repair", [], False), ("replace", [], False)]
    stages = [
        {"code": code, "name_en": code, "name_zh": code, "next": following, "approval": approval}
        for code, following, approval in ways
    ]
    desk.ask("POST", f"/service-types/{kinds['survey']}/versions", 201, {"workflow": {"stages": stages}})
    case = new_case(desk, world, service_type_id=kinds["survey"])
    path = f"/cases/{case['id']}"
    desk.ask("POST", f"{path}/stage", 409, {"to": "replace"})
    desk.ask("POST", f"{path}/ask-approval", body={"note": "Which?"})
    assert sign_in(second).ask("POST", f"{path}/approve")["stage"] == "look"
    assert desk.ask("POST", f"{path}/stage", body={"to": "replace"})["stage"] == "replace"


def test_changes_of_routing_rules_are_events(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    rule = desk.ask("POST", "/routing-rules", 201, {"queue": "north"})
    desk.ask("PUT", f"/routing-rules/{rule['id']}", body={"queue": "south"})
    desk.ask("DELETE", f"/routing-rules/{rule['id']}", 204)
    with world.database.as_service() as session:
        said = session.scalars(select(Event).where(Event.subject_kind == "routing_rule").order_by(Event.id)).all()
        assert [each.kind.partition(".")[2] for each in said] == ["added", "changed", "removed"]
        assert [each.payload["queue"] for each in said] == ["north", "south", "south"]
        assert {each.actor_id for each in said} == {world.planner.person_id}


def test_what_was_fixed_remotely_ends_the_order_with_an_outcome(world: World, sign_in: As) -> None:
    """Seed row 003-16: the outcome 'fixed remotely' is what models learn from."""
    desk = sign_in(world.planner)
    case = new_case(desk, world, contact_name="Clara")
    order = desk.ask("POST", f"/cases/{case['id']}/work-orders", 201)
    session = desk.ask("POST", "/remote-sessions", 201, {"case_id": case["id"]})
    assert desk.ask("POST", "/remote-sessions", 201, {"case_id": case["id"]})["id"] == session["id"]
    desk.ask("POST", f"/remote-sessions/{session['id']}/looks", 404, {"metric": "no_such_metric"})
    desk.ask("POST", f"/remote-sessions/{session['id']}/end", 422, {"outcome": "fixed_remotely"})
    body = {"outcome": "fixed_remotely", "advised": "Open the inlet valve", "tell_customer": True}
    ended = desk.ask("POST", f"/remote-sessions/{session['id']}/end", body=body)
    assert (ended["outcome"], ended["ended_orders"]) == ("fixed_remotely", [order["number"]])
    done = desk.ask("GET", f"/work-orders/{order['id']}")
    assert (done["state"], done["outcome"]) == ("completed", "confirmed")
    closed = desk.ask("GET", f"/cases/{case['id']}")
    assert (closed["state"], closed["resolution"], closed["requests"][0]["state"]) == (
        "closed",
        "fixed_remotely",
        "done",
    )
    said = sign_in(world.client).ask("GET", f"/cases/{case['id']}/messages")["items"]
    assert [each["text"] for each in said] == ["Open the inlet valve"]
    sign_in(world.client).ask("GET", "/remote-sessions", 403)
    follow_work(world)
    assert desk.ask("GET", f"/cases/{case['id']}")["state"] == "closed"


def test_a_visit_that_is_needed_leaves_case_and_order_open(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    case = new_case(desk, world)
    session = desk.ask("POST", "/remote-sessions", 201, {"case_id": case["id"]})
    desk.ask("POST", f"/remote-sessions/{session['id']}/end", body={"outcome": "visit_needed"})
    assert desk.ask("GET", f"/cases/{case['id']}")["state"] == "in_progress"
    desk.ask("POST", f"/remote-sessions/{session['id']}/end", 409, {"outcome": "no_fault", "advised": "x"})


def test_a_customers_answer_gets_the_case_going_again(world: World, sign_in: As) -> None:
    desk, customer = sign_in(world.planner), sign_in(world.client)
    case = new_case(desk, world)
    path = f"/cases/{case['id']}"
    desk.ask("POST", f"{path}/transitions", body={"to": "waiting_customer", "reason": "Which serial?"})
    customer.ask("POST", f"{path}/messages", 201, {"text": "PUMP-1"})
    assert desk.ask("GET", path)["state"] == "in_progress"
    desk.ask("POST", f"{path}/transitions", body={"to": "closed", "resolution": "answered"})
    customer.ask("POST", f"{path}/messages", 201, {"text": "Still broken"})
    again = desk.ask("GET", path)
    assert (again["state"], again["reopened_count"]) == ("in_progress", 1)
    illegal = desk.ask("POST", f"{path}/transitions", 409, {"to": "merged"})
    assert illegal["params"]["legal"] == ["waiting_customer", "waiting_approval", "closed", "rejected"]


def test_a_stale_edit_shows_both_versions(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    case = new_case(desk, world)
    desk.ask("PATCH", f"/cases/{case['id']}", body={"priority": "high"})
    stale = desk.ask("PATCH", f"/cases/{case['id']}", 412, {"priority": "low"}, headers={"If-Match": "1"})
    assert (stale["params"]["yours"], stale["params"]["current"]) == (1, 2)


def test_a_request_without_a_machine_waits_until_somebody_names_it(world: World, sign_in: As) -> None:
    desk = sign_in(world.planner)
    request = desk.ask("POST", "/requests", 201, {"text": "It leaks", "channel": "phone", "contact_name": "Eve"})
    assert (request["asset"], request["case"]["state"]) == (None, "new")
    assert desk.ask("POST", f"/requests/{request['id']}/accept", 422)["params"]["field"] == "asset_id"
    desk.ask("POST", f"/cases/{request['case']['id']}/work-orders", 422)
    desk.ask("PATCH", f"/cases/{request['case']['id']}", 409, {"asset_id": str(world.pump)})


def test_the_same_mail_comes_in_once(world: World) -> None:
    with world.database.as_service() as session:
        case = open_case(session, organisation_id=world.customer, channel="e_mail", text="Loud", now=NOW)
        first = post(session, case, text="Hi", now=NOW, author_kind="requester", channel="e_mail", external_id="<1@x>")
        again = post(session, case, text="Hi", now=NOW, author_kind="requester", channel="e_mail", external_id="<1@x>")
        assert first.id == again.id


def test_read_marks_count_what_others_wrote(world: World, sign_in: As) -> None:
    desk, technician = sign_in(world.planner), sign_in(world.ann)
    case = new_case(desk, world)
    path = f"/cases/{case['id']}"
    first = desk.ask("POST", f"{path}/messages", 201, {"text": "One"})
    desk.ask("POST", f"{path}/messages", 201, {"text": "Two"})
    assert (desk.ask("GET", path)["unread"], technician.ask("GET", path)["unread"]) == (0, 2)
    technician.ask("POST", f"{path}/read", 204, {"message_id": first["id"]})
    assert technician.ask("GET", path)["unread"] == 1
    reads = {each["person"]["name"]: each["message_id"] for each in desk.ask("GET", f"{path}/messages")["reads"]}
    assert reads["Ann"] == first["id"]


def test_what_is_known_stands_beside_the_case(world: World, sign_in: As) -> None:
    """Seed row 002-01: name, product, warranty and open work at a glance."""
    desk = sign_in(world.planner)
    case = new_case(desk, world)
    order = desk.ask("POST", f"/cases/{case['id']}/work-orders", 201)
    beside = desk.ask("GET", f"/cases/{case['id']}/context")
    assert (beside["asset"]["serial"], beside["asset"]["warranty"]["state"]) == ("PUMP-1", "none")
    assert [each["number"] for each in beside["open_orders"]] == [order["number"]]


def test_a_finding_looked_at_from_afar_ends_its_order_and_its_alarm(world: World, sign_in: As) -> None:
    """Issue 6.1f: begun from a finding, the outcome reaches the order that the models opened, and its episode."""
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
        decide_pending(session, NOW)
        finding_id = session.scalars(select(Finding.id)).one()
        order_id = session.scalars(select(WorkOrder.id)).one()
    desk = sign_in(world.planner)
    begun = desk.ask("POST", "/remote-sessions", 201, {"finding_id": str(finding_id)})
    assert desk.ask("POST", "/remote-sessions", 201, {"finding_id": str(finding_id)})["id"] == begun["id"]
    body = {"outcome": "no_fault", "advised": "The sensor is loose"}
    ended = desk.ask("POST", f"/remote-sessions/{begun['id']}/end", body=body)
    done = desk.ask("GET", f"/work-orders/{order_id}")
    assert (ended["ended_orders"], done["state"], done["outcome"]) == ([done["number"]], "completed", "no_fault_found")
    assert desk.ask("GET", f"/cases/{begun['case']['id']}")["resolution"] == "no_fault"
    run_consumer(world.database, Consumer("maintenance.outcomes", KINDS, close_episode), after(300))
    with world.database.as_service() as session:
        assert session.scalars(select(Episode.outcome)).all() == ["no_fault_found"]
    sign_in(world.stranger).ask("POST", "/remote-sessions", 403, {"finding_id": str(finding_id)})
