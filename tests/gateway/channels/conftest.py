"""A telephone system and a mailbox that sign what they send, and a customer with a machine to call about."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from assets.customers import add_customer
from assets.people import Organisation
from assets.registry import Asset, add_asset
from tests.gateway.conftest import Plant


@dataclass
class Signed:
    """A way in: its address and secret; `send` signs as Standard Webhooks says."""

    client: TestClient
    id: str
    path: str
    secret: str

    def send(self, body: bytes, *, delivery: str | None = None, at: float | None = None, secret: str = "") -> Any:
        message, stamp = delivery or f"msg_{uuid4()}", str(int(at or datetime.now(UTC).timestamp()))
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        digest = hmac.digest(key, b".".join((message.encode(), stamp.encode(), body)), "sha256")
        headers = {
            "webhook-id": message,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
        return self.client.post(self.path, content=body, headers=headers)

    def tell(self, call_id: str, state: str | None, number: str | None = None, **more: Any) -> Any:
        """Tell a moment of a call, and return what was answered."""
        sent = {"call_id": call_id, "state": state, "from": number} | more
        answer = self.send(json.dumps({key: value for key, value in sent.items() if value is not None}).encode())
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Known:
    """A customer with a pump, and another one."""

    customer: UUID
    pump: UUID
    other: UUID


def ok(answer: Any, status: int = 200) -> Any:
    """Return the body of an answer with the status that is told."""
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def desk(plant: Plant) -> TestClient:
    return plant.administrator()


@pytest.fixture
def known(plant: Plant) -> Known:
    """The customer's number is written as people do, with its extension."""
    now = datetime.now(UTC)
    with plant.database.as_service() as session:
        operator = session.get_one(Organisation, plant.operator.id)
        mine = add_customer(
            session, name="Dairy", parent=operator, now=now, phone="(010) 6278-1234转8001", email="li@dairy.example"
        )
        other = add_customer(
            session, name="Brewery", parent=operator, now=now, phone="13900139000", email="wang@brewery.example"
        )
        pump = Asset(
            organisation_id=mine.organisation_id, customer_id=mine.id, serial="PUMP-77", name="Pump", created_at=now
        )
        add_asset(session, pump, now)
        return Known(mine.id, pump.id, other.id)


@pytest.fixture
def phone(desk: TestClient, plant: Plant) -> Signed:
    sent = {"kind": "phone", "name": "PBX", "phone": {"country": "86", "area": "10", "language": "en"}}
    made = ok(desk.post("/api/v1/channels", json=sent), 201)
    return Signed(plant.client(), made["id"], f"/api/v1/calls/inbound/{made['id']}", made["secret"])


@pytest.fixture
def mailbox(desk: TestClient, plant: Plant) -> Signed:
    settings = {"address": "service@acme.example", "language": "en"}
    made = ok(desk.post("/api/v1/channels", json={"kind": "mail", "name": "Mail", "mail": settings}), 201)
    return Signed(plant.client(), made["id"], f"/api/v1/mail/inbound/{made['id']}", made["secret"])
