"""People and oneself over HTTP."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from assets.base.access import Role
from assets.base.events import Event
from assets.people import add_person
from tests.gateway.conftest import Plant


def names(plant: Plant, token: str) -> list[str]:
    return [person["name"] for person in plant.client(token).get("/api/v1/people").json()["items"]]


def test_added_person_is_listed_with_their_roles(plant: Plant) -> None:
    body = {"name": " Tom ", "email": "Tom@Example.com", "roles": ["technician", "planner", "technician"]}
    made = plant.administrator().post("/api/v1/people", json=body)
    assert made.status_code == 201
    assert made.json()["email"] == "tom@example.com"
    items = plant.administrator().get("/api/v1/people").json()["items"]
    assert [(item["name"], item["roles"]) for item in items] == [
        ("Ada", ["administrator"]),
        ("Tom", ["planner", "technician"]),
    ]
    with plant.database.as_service() as session:
        [event] = session.scalars(select(Event).where(Event.kind == "person.added"))
        assert event.payload == {"roles": ["planner", "technician"]}
        assert event.personal == {"name": "Tom", "email": "tom@example.com"}


def test_email_taken_even_by_somebody_invisible_is_refused(plant: Plant) -> None:
    with plant.database.as_service() as session:
        add_person(
            session,
            organisation_id=plant.stranger.id,
            name="Eve",
            email="eve@example.com",
            roles=[],
            now=plant.ada.created_at,
        )
    body = {"name": "Eva", "email": "EVE@example.com", "roles": ["technician"]}
    answer = plant.administrator().post("/api/v1/people", json=body)
    assert answer.status_code == 422
    assert answer.json()["params"]["field"] == "email"
    assert names(plant, plant.token()) == ["Ada"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"roles": []},
        {"roles": ["emperor"]},
        {"language": "tlh"},
        {"email": "nonsense"},
        {"name": "a\x00"},
    ],
)
def test_person_that_makes_no_sense_is_refused(plant: Plant, wrong: dict[str, object]) -> None:
    body = {"name": "Tom", "roles": ["technician"]} | wrong
    assert plant.administrator().post("/api/v1/people", json=body).status_code == 422


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
def test_only_administrators_let_people_in(plant: Plant, role: Role) -> None:
    client = plant.client(plant.token(role=role))
    assert client.post("/api/v1/people", json={"name": "Eve", "roles": ["administrator"]}).status_code == 403
    assert client.post(f"/api/v1/people/{plant.ada.id}/sign-in-link").status_code == 403


def test_people_of_other_organisations_stay_out_of_sight_and_reach(plant: Plant) -> None:
    for organisation in (plant.stranger, plant.customer, plant.partner):
        token = plant.token(organisation)
        assert names(plant, token) == []
        assert plant.client(token).post(f"/api/v1/people/{plant.ada.id}/sign-in-link").status_code == 404


def test_an_organisations_name_stands_in_the_log_where_it_can_be_erased(plant: Plant) -> None:
    client = plant.administrator()
    made = client.post("/api/v1/organisations", json={"name": "Jo Doe", "kind": "customer"})
    assert made.status_code == 201, made.text
    path = f"/api/v1/organisations/{made.json()['id']}"
    assert client.patch(path, json={"name": "Jo Roe"}).json()["name"] == "Jo Roe"
    with plant.database.as_service() as session:
        rows = session.scalars(select(Event).where(Event.subject_id == made.json()["id"]).order_by(Event.id)).all()
    assert [row.personal for row in rows] == [{"name": "Jo Doe"}, {"name": "Jo Roe"}]
    assert "Jo" not in str([row.payload for row in rows])


def test_link_for_nobody_is_not_found(plant: Plant) -> None:
    assert plant.administrator().post(f"/api/v1/people/{uuid4()}/sign-in-link").status_code == 404


def test_customers_are_people_of_customers_organisations(plant: Plant) -> None:
    ada = plant.administrator()
    body = {"name": "Carla", "roles": ["customer"]}
    refused = ada.post("/api/v1/people", json=body)
    assert (refused.status_code, refused.json()["params"]["field"]) == (422, "roles")
    made = ada.post("/api/v1/people", json={**body, "organisation_id": str(plant.customer.id)})
    assert made.status_code == 201
    assert ada.put(f"/api/v1/people/{made.json()['id']}/roles", json={"roles": ["customer"]}).status_code == 200
    staff = ada.post("/api/v1/people", json={"name": "Tom", "roles": ["technician"]}).json()
    changed = ada.put(f"/api/v1/people/{staff['id']}/roles", json={"roles": ["technician", "customer"]})
    assert (changed.status_code, changed.json()["params"]["field"]) == (422, "roles")


def test_customers_see_no_list_of_people(plant: Plant) -> None:
    assert plant.client(plant.token(plant.customer, Role.CUSTOMER)).get("/api/v1/people").status_code == 403


def test_language_is_one_of_two(plant: Plant) -> None:
    client = plant.client()
    client.post("/api/v1/sign-in", json={"email": "ada@example.com", "password": "a long enough password"})
    assert client.patch("/api/v1/me", json={"language": "zh"}).json()["person"]["language"] == "zh"
    assert client.patch("/api/v1/me", json={"language": "tlh"}).json()["params"]["field"] == "language"


def test_token_has_no_person_to_change(plant: Plant) -> None:
    assert plant.administrator().patch("/api/v1/me", json={"language": "zh"}).status_code == 404
    me = plant.administrator().get("/api/v1/me").json()
    assert me["person"] is None
    assert me["has_password"] is False
    assert me["organisation"]["name"] == "Operator"
