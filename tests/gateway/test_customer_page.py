"""The customer's page: what it says, what it hides, and a report's way from the form to its end."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select

from assets.base.db import Database
from gateway.api import problems
from gateway.api.deps import Context, service_context
from gateway.pages import ask, customer, tracking
from gateway.pages.machine import OpenJob, load_customer_page, state_in_words
from gateway.settings import Settings
from tests.ticketing.world import NOW, World, after, make_world
from ticketing import field
from ticketing.cases.tables import Case
from ticketing.cases.threads import post
from ticketing.intake import accept_request
from ticketing.models import Request, WorkOrder
from ticketing.requests import MAX_TEXT, MAX_WAITING, open_request, reject_request

WORDS = "It is louder than last week"


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database(database_url)
    yield make_world(database)
    database.dispose()


@pytest.fixture
def client(world: World) -> TestClient:
    app = FastAPI()
    problems.install(app)
    for module in (ask, tracking, customer):
        app.include_router(module.router)

    def public() -> Iterator[Context]:
        with world.database.as_service() as session:
            yield Context(session, world.stranger, after(100), Settings())

    app.dependency_overrides[service_context] = public
    return TestClient(app, follow_redirects=False)


def code_of(world: World) -> str:
    with world.database.as_service() as session:
        return world.asset(session).code


def report(client: TestClient, code: str, text: str = WORDS, **more: str) -> Response:
    return client.post(f"/a/{code}/requests", data={"text": text, **more})


def stored(world: World) -> list[Request]:
    with world.database.as_service() as session:
        return list(session.scalars(select(Request)))


def test_page_speaks_the_browsers_language(client: TestClient, world: World) -> None:
    code = code_of(world)
    english = client.get(f"/a/{code}", headers={"Accept-Language": "en-GB"})
    chinese = client.get(f"/a/{code}", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert "Report a fault" in english.text
    assert '<html lang="en">' in english.text
    assert "报修" in chinese.text
    assert '<html lang="zh-CN">' in chinese.text


def test_chosen_language_is_remembered(client: TestClient, world: World) -> None:
    code = code_of(world)
    client.get(f"/a/{code}?lang=zh")
    assert "报修" in client.get(f"/a/{code}", headers={"Accept-Language": "en"}).text


def test_code_is_found_in_any_case(client: TestClient, world: World) -> None:
    assert client.get(f"/a/{code_of(world).lower()}").status_code == 200


def test_unknown_code_gets_a_friendly_page(client: TestClient) -> None:
    answer = client.get("/a/NOSUCHCODE")
    assert answer.status_code == 404
    assert "We do not know this code" in answer.text


def test_typed_code_leads_to_its_page(client: TestClient) -> None:
    assert client.get("/a", params={"code": "abc234"}).headers["location"] == "/a/abc234"


def test_report_is_stored_and_leads_to_its_own_link(client: TestClient, world: World) -> None:
    answer = report(client, code_of(world), name="Kim", phone="123")
    assert answer.status_code == 303
    [request] = stored(world)
    assert (request.text, request.channel, request.contact) == (WORDS, "qr_page", {"name": "Kim", "phone": "123"})
    assert answer.headers["location"] == f"/a/{code_of(world)}/requests/{request.tracking_code}"


def test_report_as_json_returns_its_tracking_link(client: TestClient, world: World) -> None:
    answer = client.post(f"/a/{code_of(world)}/requests", json={"text": WORDS})
    assert answer.status_code == 201
    assert client.get(answer.json()["tracking"], headers={"Accept": "application/json"}).json()["state"] == "received"


@pytest.mark.parametrize(("text", "says"), [("   ", "in a few words"), ("x" * (MAX_TEXT + 1), "shorten")])
def test_report_that_cannot_be_taken_is_explained(client: TestClient, world: World, text: str, says: str) -> None:
    answer = report(client, code_of(world), text)
    assert answer.status_code == 422
    assert says in answer.text
    assert stored(world) == []


def test_enormous_body_is_refused(client: TestClient, world: World) -> None:
    assert report(client, code_of(world), "x" * 200_000).status_code == 422


def test_broken_json_is_refused(client: TestClient, world: World) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/a/{code_of(world)}/requests", content=b"{nonsense", headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_deeply_nested_json_is_refused(client: TestClient, world: World) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/a/{code_of(world)}/requests", content=b"[" * 50_000, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_signs_that_no_database_stores_are_left_out(client: TestClient, world: World) -> None:
    sent = b'{"text": "noise\\u0000 and half \\ud800", "name": "\\udfff"}'
    headers = {"content-type": "application/json"}
    assert client.post(f"/a/{code_of(world)}/requests", content=sent, headers=headers).status_code == 201
    assert [each.text for each in stored(world)] == ["noise and half ?"]


def test_flood_of_reports_ends(client: TestClient, world: World) -> None:
    for _ in range(MAX_WAITING):
        assert report(client, code_of(world)).status_code == 303
    answer = report(client, code_of(world))
    assert answer.status_code == 409
    assert "already wait" in answer.text
    assert WORDS in answer.text


def test_what_was_typed_is_escaped(client: TestClient, world: World) -> None:
    answer = report(client, code_of(world), "", name="<script>alert(1)</script>")
    assert "<script>alert(1)" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_machine_that_fills_the_hidden_field_reports_nothing(client: TestClient, world: World) -> None:
    assert report(client, code_of(world), website="https://spam.example").status_code == 303
    assert stored(world) == []


def test_report_can_be_followed_to_its_end_without_names(client: TestClient, world: World) -> None:
    link = report(client, code_of(world), name="Kim Client", phone="555-1234").headers["location"]
    assert "our service team reads" in client.get(link).text.lower()
    order_id = accept(world, stored(world)[0].id)
    assert "We have opened a work order" in client.get(link).text
    work(world, order_id)
    page = client.get(link).text
    assert "Result: Fault found and repaired" in page
    for secret in ("Kim", "555", "Ann", "secret note", WORDS):
        assert secret not in page


def test_rejected_report_shows_the_answer(client: TestClient, world: World) -> None:
    link = report(client, code_of(world)).headers["location"]
    with world.database.as_service() as session:
        reject_request(session, session.get_one(Request, stored(world)[0].id), "This is how it should sound.", NOW)
    assert "This is how it should sound." in client.get(link).text


def test_wrong_tracking_link_shows_nothing(client: TestClient, world: World) -> None:
    report(client, code_of(world))
    tracking = stored(world)[0].tracking_code
    with world.database.as_service() as session:
        other = world.asset(session, world.other_pump).code
    assert client.get(f"/a/{other}/requests/{tracking}").status_code == 404
    assert client.get(f"/a/{code_of(world)}/requests/{tracking[:-1]}").status_code == 404


# seed:004-24
def test_history_says_what_was_done_but_not_by_whom(client: TestClient, world: World) -> None:
    with world.database.as_service() as session:
        request = open_request(
            session, asset=world.asset(session), channel="phone", text=WORDS, contact={"name": "Kim"}, now=NOW
        )
        key = request.id
    work(world, accept(world, key))
    page = client.get(f"/a/{code_of(world)}").text
    assert "Fault found and repaired: Bearing replaced" in page
    assert "after your report" in page
    for secret in ("Kim", "Ann", "secret note", WORDS, "Dairy"):
        assert secret not in page
    assert "更换轴承" in client.get(f"/a/{code_of(world)}?lang=zh").text


def test_the_buyer_s_page_shows_nothing_of_the_seller_s_jobs(client: TestClient, world: World) -> None:
    with world.database.as_service() as session:
        asset = world.asset(session)
        key = open_request(session, asset=asset, channel="phone", text=WORDS, contact={}, now=NOW).id
    work(world, accept(world, key))
    with world.database.as_service() as session:
        before = load_customer_page(session, code_of(world), after(100))
        world.asset(session).organisation_id = world.asset(session, world.other_pump).organisation_id
        session.flush()
        sold = load_customer_page(session, world.asset(session).code, after(100))
    assert before is not None
    assert before.history
    assert before.latest_visit
    assert sold is not None
    assert (sold.history, sold.latest_visit, sold.state) == ((), None, "no_data")


@pytest.mark.parametrize("outcome", ["confirmed", "wrong_mode", "sensor_fault"])
def test_only_a_repair_code_lets_the_page_speak_of_a_repair(outcome: str) -> None:
    assert "repaired" in customer.outcome_in_words("en", outcome, True)
    assert "repaired" not in customer.outcome_in_words("en", outcome, False)
    assert "修复" in customer.outcome_in_words("zh", outcome, True)
    assert "修复" not in customer.outcome_in_words("zh", outcome, False)


def test_page_follows_the_work(world: World) -> None:
    with world.database.as_service() as session:
        request = open_request(session, asset=world.asset(session), channel="phone", text=WORDS, contact={}, now=NOW)
        key = request.id
    assert state(world) == "no_data"
    order = accept(world, key)
    assert state(world) == "arranging"
    with world.database.as_service() as session:
        row, ann = session.get_one(WorkOrder, order), world.person(session, world.ann)
        field.accept(session, row, ann, after(1), by=world.ann)
    assert state(world) == "coming"
    with world.database.as_service() as session:
        row, ann = session.get_one(WorkOrder, order), world.person(session, world.ann)
        field.start(session, row, ann, after(2), by=world.ann)
    assert state(world) == "working"


OURS = OpenJob("unscheduled", "finding", False, False)
ASKED = OpenJob("unscheduled", "request", False, False)


@pytest.mark.parametrize(
    ("jobs", "trouble", "data", "learning", "expected"),
    [
        ([], False, True, False, "ok"),
        ([], False, True, True, "learning"),
        ([], False, False, True, "no_data"),
        ([], True, False, False, "noticed"),
        ([OURS], True, True, False, "noticed"),
        ([ASKED], False, True, False, "arranging"),
        ([OURS, OpenJob("scheduled", "request", True, False)], True, True, False, "planned"),
        ([OpenJob("unscheduled", "request", True, False)], False, True, False, "coming"),
        ([OURS, OpenJob("on_hold", "request", True, False)], True, True, False, "attention"),
        ([OURS, OpenJob("in_progress", "finding", True, False)], True, True, False, "working"),
        ([OpenJob("in_progress", "finding", True, True)], True, True, False, "on_the_way"),
    ],
)
def test_state_in_words(jobs: list[OpenJob], trouble: bool, data: bool, learning: bool, expected: str) -> None:
    assert state_in_words(jobs, trouble=trouble, data=data, learning=learning) == expected


def test_noticed_sentence_uses_the_customers_words() -> None:
    top = {
        "metric": "bearing_temperature_celsius",
        "label_en": "Bearing temperature",
        "label_zh": "轴承温度",
        "note": "residual_high",
    }
    noticed = {"kind": "machine", "contributions": [top]}
    assert customer.noticed_in_words("en", noticed) == "Bearing temperature is higher than usual."
    assert customer.noticed_in_words("zh", noticed) == "轴承温度高于正常水平。"


def test_stored_metric_names_are_not_shown_to_customers() -> None:
    top = {"metric": "p_tpt", "label_en": "p tpt", "label_zh": "p tpt", "note": "residual_low"}
    noticed = {"kind": "machine", "contributions": [top]}
    assert customer.noticed_in_words("en", noticed) == "The machine behaves differently from usual."


def state(world: World) -> str:
    with world.database.as_service() as session:
        page = load_customer_page(session, world.asset(session).code, after(3))
        assert page is not None
        return page.state


def accept(world: World, request: UUID) -> UUID:
    with world.database.as_service() as session:
        return accept_request(session, session.get_one(Request, request), NOW, by=world.planner).id


def work(world: World, order_id: UUID) -> None:
    """Ann accepts, starts and finishes."""
    with world.database.as_service() as session:
        order, ann = session.get_one(WorkOrder, order_id), world.person(session, world.ann)
        field.accept(session, order, ann, after(1), by=world.ann)
        field.start(session, order, ann, after(2), by=world.ann)
        field.finish(
            session, order, ann, after(60), outcome="confirmed", note="secret note", repair_code="bearing_replaced",
            by=world.ann,
        )  # fmt: skip
        for request in session.scalars(select(Request).where(Request.work_order_id == order.id)):
            request.state = "done"


def test_times_are_markup_and_names_are_not(client: TestClient, world: World) -> None:
    with world.database.as_service() as session:
        world.asset(session).name = "Pump <b>7</b>"
    code = code_of(world)
    page = client.get(report(client, code).headers["location"]).text
    assert '<time datetime="2026-11-21T12:01:40+00:00">' in page
    assert "Pump &lt;b&gt;7&lt;/b&gt;" in page
    assert "<title>Pump &lt;b&gt;7&lt;/b&gt;: how it is</title>" in client.get(f"/a/{code}").text


def test_sender_and_desk_write_to_each_other_through_the_link(client: TestClient, world: World) -> None:
    """Seed rows 000-02, 003-01: a message on an open case from the label's page, without a sign-in."""
    with world.database.as_service() as session:
        request = open_request(session, asset=world.asset(session), channel="qr_page", text=WORDS, contact={}, now=NOW)
        case = session.get_one(Case, request.case_id)
        post(session, case, text="Which light is on?", now=NOW, by=world.planner)
        post(session, case, text="They call every week", now=NOW, by=world.planner, visibility="internal")
        link = f"/a/{world.asset(session).code}/requests/{request.tracking_code}"
    page = client.get(link)
    assert "Which light is on?" in page.text
    assert "every week" not in page.text
    answer = client.post(f"{link}/messages", data={"text": "<b>The red one</b>"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{link}#thread")
    assert "&lt;b&gt;The red one" in client.get(link).text
    assert client.post(f"{link}/messages", json={"text": " "}).status_code == 422
    assert client.post(f"{link[:-3]}ABC/messages", json={"text": "hello"}).status_code == 404
    said = client.get(link, headers={"accept": "application/json"}).json()["messages"]
    assert [(each["text"], each["mine"]) for each in said] == [
        ("Which light is on?", False),
        ("<b>The red one</b>", True),
    ]
