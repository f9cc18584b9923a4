"""Pushes to telephones against a real receiver that decrypts them as RFC 8291 says. Row 001-27."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from assets.people import Person
from gateway.notify.rule_models import PushSubscription
from tests.gateway.conftest import Plant
from tests.gateway.notify.service import NETWORKS, Receiver, Service, later, receiver


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Browser:
    """The half of the keys that a telephone keeps for itself."""

    def __init__(self) -> None:
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)

    def body(self, endpoint: str) -> dict[str, Any]:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return {"endpoint": endpoint, "keys": {"p256dh": encoded(point), "auth": encoded(self.auth)}, "device": "Phone"}

    def read(self, body: bytes) -> dict[str, Any]:
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        said: dict[str, Any] = json.loads(plain)
        return said


@pytest.fixture
def service(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(plant.app.state.settings, "webhook_networks", NETWORKS)
    return Service(plant)


def ada(service: Service) -> Person:
    with service.database.as_service() as session:
        return session.get_one(Person, service.plant.ada.id)


def subscribe(service: Service, browser: Browser, server: Receiver, path: str = "/push/1") -> None:
    answer = service.ada.post("/api/v1/push-subscriptions", json=browser.body(f"http://{server.place}{path}"))
    assert answer.status_code == 201, answer.text


def test_new_work_reaches_the_telephone_that_alone_can_read_it(service: Service) -> None:
    browser = Browser()
    with receiver() as server:
        key = service.ada.get("/api/v1/push-key").json()["public_key"]
        assert service.ada.get("/api/v1/push-key").json()["public_key"] == key
        subscribe(service, browser, server)
        order = service.order()
        service.visit(order, ada(service), later(24 * 60))
        service.follow()
        assert service.send(later(5)) == 1, "assigned and planned are one piece of news"
        (path, headers, body) = server.got[0]
    assert path == "/push/1"
    assert headers["Content-Encoding"] == "aes128gcm"
    assert order.number.encode() not in body
    said = browser.read(body)
    assert order.number in said["title"]
    assert said["path"] == f"/work-orders/{order.id}"
    scheme, _, rest = headers["Authorization"].partition(" ")
    assert (scheme, rest.rpartition("k=")[2]) == ("vapid", key)
    assert Vapid02.verify(headers["Authorization"])
    assert service.get("/push-subscriptions", service.ada)["items"][0]["delivered_at"]


def test_telephone_that_is_gone_is_forgotten(service: Service) -> None:
    with receiver() as server:
        server.answer = 410
        subscribe(service, Browser(), server)
        service.visit(service.order(), ada(service), later(24 * 60))
        service.follow()
        assert service.send(later(5)) == 0
    with service.database.as_service() as session:
        assert session.query(PushSubscription).count() == 0
    (row,) = [row for row in service.rows(channel="push") if row.state != "cancelled"]
    assert (row.state, row.error) == ("failed", "the telephone is no longer registered")


def test_subscription_that_is_none_or_anothers_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser()
    good = browser.body("https://push.example.com/abc")
    for wrong in (
        good | {"endpoint": "http://push.example.com/abc"},
        good | {"endpoint": "https://192.168.1.1/abc"},
        good | {"endpoint": "ftp://push.example.com/abc"},
        good | {"keys": {"p256dh": "A" * 87, "auth": good["keys"]["auth"]}},
        good | {"keys": {"p256dh": good["keys"]["p256dh"], "auth": "A" * 11}},
    ):
        assert service.ada.post("/api/v1/push-subscriptions", json=wrong).status_code == 422, wrong
    made = service.ada.post("/api/v1/push-subscriptions", json=good).json()
    assert "push.example.com" not in json.dumps(service.get("/push-subscriptions", service.ada))
    stranger = service.plant.client(service.plant.token(service.plant.stranger))
    assert stranger.get("/api/v1/push-subscriptions").status_code == 403
    assert stranger.delete(f"/api/v1/push-subscriptions/{made['id']}").status_code == 403
    assert service.ada.delete(f"/api/v1/push-subscriptions/{made['id']}").status_code == 204
