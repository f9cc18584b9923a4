"""Webhooks against a real HTTP server: signed, tried again, replayed; nothing of others, nothing inside (002-25)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.base.errors import Invalid
from assets.base.events import Event, append_event
from assets.people import Organisation
from gateway.notify.webhook_models import WebhookDelivery, WebhookEndpoint
from gateway.notify.webhook_rules import GIVE_UP, TRIES, check_kinds, check_url, hears, next_try, reachable
from gateway.notify.webhook_sending import CLAIM, KEEP, Letter, forget_deliveries, send, send_batch
from gateway.wiring import CONSUMERS
from tests.gateway.conftest import Plant

LOOPBACK = [ip_network("127.0.0.0/8")]
FOLLOWS = next(each for each in CONSUMERS if each.name == "notify.webhooks")
SOURCE = "https://fw.example"


class Receiver(ThreadingHTTPServer):
    """Keeps what it was sent, and answers as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = 204
        self.release = threading.Event()
        self.silent = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?k=1"


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        if self.server.silent:
            self.server.release.wait(60)
            return
        self.send_response(self.server.answer)
        if self.server.answer == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def desk(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("FOREWARN_WEBHOOK_NETWORKS", "127.0.0.0/8")
    return plant.administrator()


def made(client: TestClient, receiver: Receiver, *kinds: str) -> dict[str, Any]:
    answer = client.post("/api/v1/webhooks", json={"name": "ERP", "url": receiver.url, "kinds": kinds or ["*"]})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def happen(plant: Plant, kind: str, owner: Organisation, **more: Any) -> Event:
    with plant.database.as_service() as session:
        return append_event(
            session, kind, at=datetime.now(UTC), organisation_id=owner.id,
            subject_kind=more.pop("subject_kind", "work_order"), subject_id=uuid4(), **more,
        )  # fmt: skip


def work(plant: Plant, later: timedelta = timedelta()) -> int:
    now = datetime.now(UTC) + later
    while run_consumer(plant.database, FOLLOWS, now):
        pass
    return send_batch(plant.database, now, source=SOURCE, allowed=LOOPBACK)


def deliveries(client: TestClient, webhook: dict[str, Any], **asked: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/webhooks/{webhook['id']}/deliveries", params=asked)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_event_arrives_signed_as_a_cloud_event(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver, "work_order.*")
    payload = {"number": "W-7", "note": "inside", "reason": "inside", "signed_name": "Ann", "person_id": str(uuid4())}
    personal = {"name": "Ann Example"}
    event = happen(plant, "work_order.completed", plant.customer, payload=payload, personal=personal)
    happen(plant, "visit.state_changed", plant.customer)
    assert work(plant) == 1
    path, headers, body = receiver.got[0]
    assert path == "/hook?k=1"
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    said = Webhook(webhook["secret"]).verify(body, headers)
    assert said["specversion"] == "1.0"
    assert (said["id"], said["type"]) == (str(event.id), "work_order.completed")
    assert said["source"] == f"{SOURCE}/organisations/{plant.customer.id}"
    assert said["data"]["facts"]["number"] == "W-7"
    assert b"inside" not in body
    assert b"Ann" not in body
    assert payload["person_id"].encode() not in body
    assert [(each["state"], each["status"], each["tries"]) for each in deliveries(desk, webhook)] == [("sent", 204, 1)]
    assert work(plant) == 0


def test_event_is_queued_once_however_often_it_is_read(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver, "asset.*")
    event = happen(plant, "asset.created", plant.customer, subject_kind="asset")
    for _ in range(2):
        with plant.database.as_service() as session:
            FOLLOWS.handle(session, session.get_one(Event, event.id), datetime.now(UTC))
    assert len(deliveries(desk, webhook)) == 1


def test_only_what_the_organisation_sees_is_sent(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    happen(plant, "work_order.opened", plant.customer)  # before there was an endpoint
    stranger = made(plant.client(plant.token(plant.stranger)), receiver)
    partner = made(plant.client(plant.token(plant.partner)), receiver, "work_order.*")
    operator = made(desk, receiver, "work_order.*")
    happen(plant, "work_order.opened", plant.customer)
    happen(plant, "work_order.assigned", plant.customer, executing_organisation_id=plant.partner.id)
    happen(plant, "work_order.line_recorded", plant.customer, executing_organisation_id=plant.partner.id)  # inside
    work(plant)
    heard = [
        [each["kind"] for each in deliveries(plant.client(plant.token(whose)), webhook) if "work" in each["kind"]]
        for whose, webhook in ((plant.stranger, stranger), (plant.partner, partner), (plant.operator, operator))
    ]
    assert heard == [[], ["work_order.assigned"], ["work_order.assigned", "work_order.opened"]]


def test_failed_delivery_is_tried_again_ever_later_and_given_up(
    plant: Plant, desk: TestClient, receiver: Receiver
) -> None:
    webhook = made(desk, receiver, "work_order.*")
    receiver.answer = 500
    happen(plant, "work_order.opened", plant.customer)
    later = timedelta()
    for tries in range(1, TRIES + 1):
        assert work(plant, later) == 1
        (row,) = deliveries(desk, webhook)
        assert (row["tries"], row["status"], row["error"]) == (tries, 500, "HTTP 500")
        later += timedelta(seconds=1)
        if row["next_try_at"]:
            assert work(plant, later) == 0  # not before its time
            later = datetime.fromisoformat(row["next_try_at"]) - datetime.now(UTC) + timedelta(seconds=1)
    assert row["state"] == "failed"
    receiver.answer = 200
    again = desk.post(f"/api/v1/webhook-deliveries/{row['id']}/replay")
    assert (again.status_code, again.json()) == (202, {"queued": 1})
    assert work(plant, later) == 1
    newest = deliveries(desk, webhook, state="sent")[0]
    assert (newest["round"], newest["event_id"]) == (1, row["event_id"])
    assert receiver.got[-1][1]["webhook-id"] == receiver.got[0][1]["webhook-id"]


def test_span_of_time_is_replayed(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=5)
    happen(plant, "work_order.opened", plant.customer)
    happen(plant, "work_order.opened", plant.stranger)
    happen(plant, "asset.created", plant.customer, subject_kind="asset")
    webhook = made(desk, receiver, "work_order.*", "asset.created")
    path = f"/api/v1/webhooks/{webhook['id']}/replay"
    span = {"from": begun.isoformat(), "to": (begun + timedelta(minutes=5)).isoformat()}
    assert desk.post(path, json={"from": span["to"], "to": span["from"]}).status_code == 422
    assert desk.post(path, json=span).json() == {"queued": 2}
    assert desk.post(path, json=span).json() == {"queued": 2}
    assert work(plant) == 4
    assert {json.loads(body)["type"] for _, _, body in receiver.got} == {"work_order.opened", "asset.created"}


def test_endpoint_that_fails_for_days_is_switched_off(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver, "work_order.*")
    path = f"/api/v1/webhooks/{webhook['id']}"
    receiver.answer = 503
    happen(plant, "work_order.opened", plant.customer)
    work(plant)
    assert desk.get(path).json()["failing_since"] is not None
    happen(plant, "work_order.closed", plant.customer)
    work(plant, GIVE_UP + timedelta(minutes=1))
    now = desk.get(path).json()
    assert (now["enabled"], now["waiting"], now["failed"]) == (False, 0, 2)
    assert now["disabled_at"] is not None
    with plant.database.as_service() as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject_id == UUID(webhook["id"]))).all()
    assert "webhook.disabled" in kinds
    assert desk.post(f"{path}/test").status_code == 409
    assert desk.patch(path, json={"enabled": True}).json()["disabled_at"] is None
    receiver.answer = 410
    assert desk.post(f"{path}/test").json() == {"queued": 1}
    work(plant, GIVE_UP + timedelta(minutes=2))
    assert desk.get(path).json()["enabled"] is False  # the receiver says that it is gone


def test_redirect_is_not_followed(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver)
    receiver.answer = 302
    desk.post(f"/api/v1/webhooks/{webhook['id']}/test")
    work(plant)
    row = next(each for each in deliveries(desk, webhook) if each["kind"] == "webhook.tested")
    assert (row["state"], row["error"]) == ("waiting", "HTTP 302")
    assert len([each for each in receiver.got if b"webhook.tested" in each[2]]) == 1


def test_silent_server_is_left_in_time(receiver: Receiver) -> None:
    receiver.silent = True
    outcome = send(Letter(uuid4(), receiver.url, {}, b"{}"), LOOPBACK, time_out_s=0.3)
    assert (outcome.status, outcome.away) == (None, True)
    assert outcome.error == "no answer within 0.3 s"


def test_inside_addresses_are_refused_when_sending(receiver: Receiver) -> None:
    for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost"), "http://[::1]:9/", "http://2130706433/"):
        outcome = send(Letter(uuid4(), url, {}, b"{}"))
        assert (outcome.status, outcome.error) == (None, "private addresses are not sent to")
    assert receiver.got == []


def test_worker_that_dies_loses_nothing(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    made(desk, receiver, "work_order.*")
    happen(plant, "work_order.opened", plant.customer)
    now = datetime.now(UTC)
    run_consumer(plant.database, FOLLOWS, now)
    with plant.database.as_service() as session:
        row = session.scalars(select(WebhookDelivery)).one()
        row.next_try_at = now + CLAIM  # claimed, and then nothing
    assert work(plant) == 0
    assert work(plant, CLAIM + timedelta(seconds=1)) == 1


def test_old_deliveries_are_forgotten_those_that_wait_are_not(
    plant: Plant, desk: TestClient, receiver: Receiver
) -> None:
    webhook = made(desk, receiver, "work_order.*")
    happen(plant, "work_order.opened", plant.customer)
    work(plant)
    happen(plant, "work_order.closed", plant.customer)
    run_consumer(plant.database, FOLLOWS, datetime.now(UTC))
    with plant.database.as_service() as session:
        forget_deliveries(session, datetime.now(UTC) + KEEP + timedelta(days=1))
    assert [each["kind"] for each in deliveries(desk, webhook)] == ["work_order.closed"]


def test_secret_is_shown_once_and_rotates(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver)
    path = f"/api/v1/webhooks/{webhook['id']}"
    assert "secret" not in desk.get(path).json()
    assert webhook["secret"] not in desk.get("/api/v1/webhooks").text
    fresh = desk.post(f"{path}/secret").json()
    assert fresh["secret"] != webhook["secret"]
    desk.post(f"{path}/test")
    work(plant)
    _, headers, body = receiver.got[-1]
    for secret in (webhook["secret"], fresh["secret"]):  # for a day both
        Webhook(secret).verify(body, headers)
    with plant.database.as_service() as session:
        row = session.scalars(select(WebhookEndpoint)).one()
        row.previous_until = datetime.now(UTC)
    desk.post(f"{path}/test")
    work(plant)
    assert len(receiver.got[-1][1]["webhook-signature"].split()) == 1


def test_endpoints_are_kept_by_their_administrators(plant: Plant, desk: TestClient, receiver: Receiver) -> None:
    webhook = made(desk, receiver)
    path = f"/api/v1/webhooks/{webhook['id']}"
    assert desk.patch(path, json={"name": "X"}, headers={"If-Match": "9"}).status_code == 412
    assert desk.patch(path, json={"kinds": ["case.*"]}, headers={"If-Match": "1"}).json()["version"] == 2
    for whose in (plant.stranger, plant.customer):
        client = plant.client(plant.token(whose))
        assert client.get("/api/v1/webhooks").json()["items"] == []
        assert {client.get(path).status_code, client.delete(path).status_code} == {404}
        assert client.post(f"{path}/test").status_code == 404
    planner = plant.client(plant.token(role=Role.PLANNER))
    assert planner.get("/api/v1/webhooks").status_code == 403
    assert desk.delete(path, headers={"If-Match": "2"}).status_code == 204
    assert desk.get(path).status_code == 404


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "http://127.0.0.2/", "http://[::1]/", "http://localhost./", "https://a:b@x.example/",
     "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http:///x", "https://x.example:99999/",
     "https://x.example/a b", "https://x.example/\r\nX: 1", "javascript:alert(1)"],
)  # fmt: skip
def test_address_that_must_not_be_reached_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


def test_addresses_out_in_the_world_and_allowed_ones_are_reached() -> None:
    assert check_url("https://erp.example.com:8443/in?x=1") == "https://erp.example.com:8443/in?x=1"
    assert check_url("http://10.1.2.3/", [ip_network("10.0.0.0/8")])
    for inside in ("10.0.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "fd00::1", "fe80::1", "::", "2002:a00:1::",
                   "64:ff9b::a00:1", "::ffff:127.0.0.1"):  # fmt: skip
        assert (inside, reachable(ip_address(inside))) == (inside, False)
    for outside in ("93.184.215.14", "2606:2800:220:1::1"):
        assert reachable(ip_address(outside))


def test_kinds_are_matched_by_whole_words() -> None:
    assert hears(["work_order.*"], "work_order.closed")
    assert not hears(["work_order.*"], "work_orders.closed")
    assert not hears(["work_order.close"], "work_order.closed")
    assert hears(["*"], "anything.at_all")
    assert check_kinds(["a.*", "a.*", "b.c"]) == ["a.*", "b.c"]
    for wrong in ("", "work*", "*.closed", "Work.order", "work order", "%"):
        with pytest.raises(Invalid):
            check_kinds([wrong])
    assert next_try(TRIES, datetime.now(UTC)) is None
