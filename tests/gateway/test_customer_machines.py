"""A customer signs in by a link that comes by e-mail and sees all own machines, and nobody else's."""

from __future__ import annotations

import email
import os
import re
from datetime import UTC, datetime

from assets.base.access import Role
from assets.people import add_person
from assets.registry import Asset, Customer
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


def machine(plant: Plant, serial: str, customer: Customer | None = None) -> str:
    with plant.database.as_service() as session:
        made = Asset(organisation_id=plant.operator.id, serial=serial, name=serial, created_at=datetime.now(UTC))
        made.customer_id = customer.id if customer else None
        session.add(made)
        session.flush()
        return made.code


def link_to(plant: Plant, received: list[str], address: str) -> str:
    """Ask for a link and return its token."""
    before = len(received)
    plant.client().post("/a/sign-in", data={"email": address})
    assert len(received) == before + 1
    found = re.search(r"/a/sign-in/(\S+)", body_of(received[-1]))
    assert found is not None
    return found[1]


def test_who_registered_from_a_label_signs_in_and_sees_machines_of_that_record_alone(plant: Plant) -> None:
    code, theirs = machine(plant, "Mine"), machine(plant, "Theirs")
    machine(plant, "Ours")
    for each, name, address in ((code, "Li Lei", "li@example.org"), (theirs, "Eve", "eve@example.org")):
        sent = {"name": name, "email": address}
        assert plant.client().post(f"/a/{each}/registration", json=sent).status_code == 201
    # Another's machine: this waits for the desk, and shows Eve nothing.
    plant.client().post(f"/a/{code}/registration", json={"name": "Eve", "email": "eve@example.org"})
    client = plant.client()
    with mailbox() as (url, received):
        plant.app.state.settings.smtp_url = url
        token = link_to(plant, received, " LI@example.org")
        eve = link_to(plant, received, "eve@example.org")
        for _ in range(4):
            client.post("/a/sign-in", data={"email": "li@example.org"})
        client.post("/a/sign-in", data={"email": "a\0b@example.org"})
        assert len(received) == 4
    page = client.post(f"/a/sign-in/{token}").text
    assert ["Mine" in page, "Theirs" in page, "Ours" in page] == [True, False, False]
    assert plant.client().post(f"/a/sign-in/{token}").status_code == 401
    assert client.get("/api/v1/assets").status_code == 401  # the list of machines, and nothing else
    hers = plant.client().post(f"/a/sign-in/{eve}").text
    assert ["Mine" in hers, "Theirs" in hers, "Ours" in hers] == [False, True, False]


def test_a_record_with_another_address_ends_what_the_one_before_opened(plant: Plant) -> None:
    with plant.database.as_service() as session:
        record = Customer(organisation_id=plant.operator.id, number="C1", name="Li", email="old@example.org")
        session.add(record)
    machine(plant, "Mine", record)
    client = plant.client()
    with mailbox() as (url, received):
        plant.app.state.settings.smtp_url = url
        first, second = (link_to(plant, received, "old@example.org") for _ in range(2))
    assert "Mine" in client.post(f"/a/sign-in/{first}").text
    with plant.database.as_service() as session:
        session.get_one(Customer, record.id).email = "new@example.org"
    assert client.get("/a/mine", follow_redirects=False).headers["location"] == "/a/sign-in"
    assert plant.client().post(f"/a/sign-in/{second}").status_code == 401


def test_a_person_who_registered_too_sees_both_and_a_customer_among_staff_sees_no_one_s(plant: Plant) -> None:
    now = datetime.now(UTC)
    with plant.database.as_service() as session:
        for organisation, name in ((plant.customer, "carla"), (plant.operator, "otto")):
            address = f"{name}@example.org"
            add_person(
                session, organisation_id=organisation.id, name=name, email=address, roles=[Role.CUSTOMER], now=now
            )
        session.add(Asset(organisation_id=plant.customer.id, serial="Works", name="Works", created_at=now))
    code = machine(plant, "Home")
    machine(plant, "Ours")
    assert plant.client().post(f"/a/{code}/registration", json={"name": "C", "email": "carla@example.org"}).is_success
    client = plant.client()
    with mailbox() as (url, received):
        plant.app.state.settings.smtp_url = url
        page = client.post(f"/a/sign-in/{link_to(plant, received, 'carla@example.org')}").text
        client.post("/a/sign-in", data={"email": "otto@example.org"})
        assert len(received) == 1
    assert ["Works" in page, "Home" in page, "Ours" in page] == [True, True, False]


def test_an_address_that_asks_too_often_waits_and_others_do_not() -> None:
    now = 0.0
    limiter = Limiter(burst=3, per_s=1, clock=lambda: now)
    assert [limiter.allows("a") for _ in range(4)] == [True, True, True, False]
    assert limiter.allows("b")
    now = 2.0
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]


def test_processes_that_answer_together_count_together() -> None:
    limiter = Limiter(burst=50, per_s=0)
    children = []
    for _ in range(3):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, bytes([sum(limiter.allows("a") for _ in range(40))]))
            finally:
                os._exit(0)
        children.append((child, reading, writing))
    allowed = 0
    for child, reading, writing in children:
        os.waitpid(child, 0)
        allowed += os.read(reading, 1)[0]
        os.close(reading)
        os.close(writing)
    assert allowed == 50
    assert not limiter.allows("a")
    assert limiter.allows("b")


def test_flood_of_addresses_forgets_the_quiet_and_stays_small() -> None:
    now = 0.0
    limiter = Limiter(burst=2, per_s=0, clock=lambda: now)
    assert [limiter.allows("mine") for _ in range(3)] == [True, True, False]
    for number in range(40_000):
        now += 0.001
        limiter.allows(f"2001:db8::{number:x}")
        if number % 10 == 0:
            assert not limiter.allows("mine")  # whoever keeps asking is not forgotten


def test_public_page_answers_429_after_a_burst(plant: Plant) -> None:
    client = plant.client()
    answers = [client.get("/a/nonsense/requests", follow_redirects=False).status_code for _ in range(400)]
    assert answers[0] == 303
    assert answers[-1] == 429
    assert client.get("/healthz").status_code == 200
