"""A customer signs in by a link that comes by e-mail and sees all own machines, and nobody else's."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime

from assets.base.access import Role
from assets.people import add_person
from assets.registry import Asset
from gateway.public_limit import Limiter
from tests.gateway.conftest import Plant
from tests.gateway.test_on_call import mailbox


def body_of(mail: str) -> str:
    message = email.message_from_string(mail)
    part = next(each for each in message.walk() if each.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_link_by_mail_opens_ones_own_machines_once(plant: Plant) -> None:
    with plant.database.as_service() as session:
        for organisation, name in ((plant.customer, "Mine <1>"), (plant.stranger, "Theirs"), (plant.operator, "Ours")):
            now = datetime.now(UTC)
            session.add(Asset(organisation_id=organisation.id, serial=name, name=name, created_at=now))
        add_person(
            session,
            organisation_id=plant.customer.id,
            name="Carla",
            email="carla@example.org",
            roles=[Role.CUSTOMER],
            now=datetime.now(UTC),
        )
    client = plant.client()
    assert client.get("/a/mine", follow_redirects=False).headers["location"] == "/a/sign-in"
    with mailbox() as (url, received):
        plant.app.state.settings.smtp_url = url
        said = [
            client.post("/a/sign-in", data={"email": address}).text
            for address in ("Carla@Example.org", "nobody@example.org", "ada@example.com")
        ]
        assert said[0] == said[1] == said[2]
        assert len(received) == 1
        found = re.search(r"/a/sign-in/(\S+)", body_of(received[0]))
        assert found is not None
        for _ in range(5):
            client.post("/a/sign-in", data={"email": "carla@example.org"})
        assert len(received) == 3
    assert client.get(f"/a/sign-in/{found[1]}").status_code == 200
    page = client.post(f"/a/sign-in/{found[1]}").text
    assert "Mine &lt;1&gt;" in page
    assert "Theirs" not in page
    assert "Ours" not in page
    assert plant.client().post(f"/a/sign-in/{found[1]}").status_code == 401
    assert client.get("/a/mine?after=nonsense").status_code == 200


def test_an_address_that_asks_too_often_waits_and_others_do_not() -> None:
    now = 0.0
    limiter = Limiter(burst=3, per_s=1, clock=lambda: now)
    assert [limiter.allows("a") for _ in range(4)] == [True, True, True, False]
    assert limiter.allows("b")
    now = 2.0
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]


def test_public_page_answers_429_after_a_burst(plant: Plant) -> None:
    client = plant.client()
    answers = [client.get("/a/nonsense/requests", follow_redirects=False).status_code for _ in range(400)]
    assert answers[0] == 303
    assert answers[-1] == 429
    assert client.get("/healthz").status_code == 200
