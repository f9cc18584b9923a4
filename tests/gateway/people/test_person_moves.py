"""A person goes to another organisation: with empty hands, signed out, and with nothing of the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from assets.base.access import Role
from assets.base.events import Event, broken_links
from assets.people import Membership, Person, add_organisation, add_person
from gateway.sign_in import make_link, open_session
from tests.gateway.conftest import Plant


@pytest.fixture
def tom(plant: Plant) -> UUID:
    """A technician of the operator."""
    with plant.database.as_service() as session:
        made = add_person(
            session,
            organisation_id=plant.operator.id,
            name="Tom",
            email=f"tom-{uuid4()}@example.com",
            roles=[Role.TECHNICIAN],
            now=datetime.now(UTC),
        )
        return made.id


def move(plant: Plant, person: UUID, to: UUID, **more: Any) -> Any:
    headers = {"If-Match": str(more.pop("version"))} if "version" in more else {}
    body = {"organisation_id": str(to), "reason": "works for the partner now"} | more
    return plant.administrator().put(f"/api/v1/people/{person}/organisation", json=body, headers=headers)


def test_who_moves_is_signed_out_and_belongs_to_the_new_organisation_alone(plant: Plant, tom: UUID) -> None:
    now = datetime.now(UTC)
    ada = plant.administrator()
    skill = ada.post("/api/v1/skills", json={"code": "laser", "name_en": "Laser", "name_zh": "激光"}).json()["id"]
    assert ada.put(f"/api/v1/technicians/{tom}/skills/{skill}", json={"level": 3}).status_code == 200
    profile = {"home_address": "1 Elm Road", "cost_per_hour": "55", "currency": "EUR"}
    assert ada.put(f"/api/v1/technicians/{tom}", json=profile).status_code == 200
    with plant.database.as_service() as session:
        person = session.get_one(Person, tom)
        token, link = open_session(session, person, now), make_link(session, tom, now)
    client = plant.client()
    client.cookies.set("forewarn_session", token)
    assert client.get("/api/v1/me").status_code == 200
    answer = move(plant, tom, plant.partner.id, roles=["partner", "technician"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["organisation"]["id"] == str(plant.partner.id)
    assert answer.json()["roles"] == ["partner", "technician"]
    assert client.get("/api/v1/me").status_code == 401
    assert plant.client().post("/api/v1/sign-in/link", json={"token": link}).status_code in (401, 404)
    with plant.database.as_service() as session:
        held = session.scalars(select(Membership).where(Membership.person_id == tom)).all()
        assert {(each.organisation_id, each.role) for each in held} == {
            (plant.partner.id, "partner"),
            (plant.partner.id, "technician"),
        }
        row = session.execute(
            text("SELECT organisation_id, home_address, cost_per_hour FROM technician_profiles WHERE person_id = :p"),
            {"p": tom},
        ).one()
        assert tuple(row) == (plant.partner.id, "1 Elm Road", None)
        # The operator's catalogue of skills holds for its partners too.
        assert (
            session.scalar(text("SELECT organisation_id FROM person_skills WHERE person_id = :p"), {"p": tom})
            == plant.partner.id
        )
        kinds = session.execute(select(Event.kind, Event.organisation_id).where(Event.subject_id == tom)).all()
        assert {("person.moved_away", plant.operator.id), ("person.moved_here", plant.partner.id)} <= set(
            map(tuple, kinds)
        )
        assert broken_links(session, tom) == []
    there = plant.client(plant.token(plant.partner, Role.ADMINISTRATOR))
    assert there.get(f"/api/v1/people/{tom}").json()["name"] == "Tom"


def test_nobody_moves_with_work_or_stock_in_their_hands(plant: Plant, tom: UUID) -> None:
    with plant.database.as_service() as session:
        session.execute(
            text(
                "INSERT INTO on_call_lists (id, organisation_id, name, min_severity, working_hours, time_zone, always,"
                " steps, enabled) VALUES (gen_random_uuid(), :o, 'Night', 'critical', '{}', 'UTC', false,"
                " jsonb_build_array(jsonb_build_object('person_id', CAST(:p AS text), 'wait_s', 60)), true)"
            ),
            {"o": plant.operator.id, "p": tom},
        )
    asset = plant.administrator().post("/api/v1/assets", json={"serial": f"S-{tom}", "name": "Saw"}).json()["id"]
    plant.administrator().post(f"/api/v1/assets/{asset}/moves", json={"person_id": str(tom)})
    refused = move(plant, tom, plant.partner.id)
    assert (refused.status_code, refused.json()["code"]) == (409, "still_holds")
    counts = refused.json()["params"]
    assert (counts["on_call"], counts["assets"], counts["visits"]) == (1, 1, 0)
    with plant.database.as_service() as session:
        assert session.get_one(Person, tom).organisation_id == plant.operator.id


def test_what_the_neighbours_refuse_is_refused_here(plant: Plant, tom: UUID) -> None:
    stale = move(plant, tom, plant.partner.id, version=99)
    assert (stale.status_code, stale.json()["params"]["yours"]) == (412, 99)
    assert move(plant, plant.ada.id, plant.partner.id).json()["params"]["reason"] == "last_administrator"
    assert move(plant, tom, plant.operator.id).status_code == 422
    assert move(plant, tom, plant.stranger.id).status_code == 422  # nobody is given away to who is not seen
    assert move(plant, tom, plant.partner.id, roles=["customer"]).json()["params"]["reason"] == "not_a_customer"
    assert move(plant, tom, plant.partner.id, roles=["device"]).status_code == 422
    assert move(plant, tom, plant.partner.id, reason=" ").status_code == 422
    body = {"organisation_id": str(plant.stranger.id), "reason": "mine"}
    stranger = plant.client(plant.token(plant.stranger, Role.ADMINISTRATOR))
    assert stranger.put(f"/api/v1/people/{tom}/organisation", json=body).status_code == 404
    for role in (Role.PLANNER, Role.TECHNICIAN, Role.PARTNER):
        client = plant.client(plant.token(role=role))
        assert client.put(f"/api/v1/people/{tom}/organisation", json=body).status_code == 403
    assert move(plant, tom, plant.partner.id).status_code == 200


def test_a_partner_s_administrator_sends_nobody_to_another_partner(plant: Plant, tom: UUID) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    with plant.database.as_service() as session:
        other = add_organisation(session, kind="partner", name="Other", now=now, parent=plant.operator).id
    assert move(plant, tom, plant.partner.id).status_code == 200
    client = plant.client(plant.token(plant.partner, Role.ADMINISTRATOR))
    body = {"organisation_id": str(other), "reason": "away"}
    assert client.put(f"/api/v1/people/{tom}/organisation", json=body).status_code == 422
