"""Signing in: passwords, one-time links, cookies and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from assets.base.access import Role
from assets.base.errors import Invalid
from assets.base.events import Event, broken_links
from assets.people import Person, add_person
from gateway import first_run
from gateway.api.deps import COOKIE
from gateway.sign_in import (
    FAILURE_WINDOW,
    LINK_LIFE,
    MAX_FAILURES,
    SESSION_LIFE,
    Credential,
    SignInFailed,
    SignInFailure,
    SignInSession,
    TooManyFailures,
    actor_of_session,
    actor_of_token,
    make_link,
    make_token,
    open_session,
    set_password,
    sign_in,
    use_link,
)
from tests.gateway.conftest import PASSWORD, Plant

NOW = datetime.now(UTC)
RIGHT = {"email": "ada@example.com", "password": PASSWORD}


def test_password_opens_a_session_that_says_who_is_signed_in(plant: Plant) -> None:
    client = plant.client()
    me = client.post("/api/v1/sign-in", json=RIGHT)
    assert me.status_code == 200
    assert client.get("/api/v1/me").json() == me.json()
    assert me.json()["person"]["name"] == "Ada"
    assert me.json()["roles"] == ["administrator"]
    assert me.json()["has_password"] is True


@pytest.mark.parametrize("email", ["ADA@example.com", " ada@EXAMPLE.com "])
def test_email_is_found_however_it_is_written(plant: Plant, email: str) -> None:
    assert plant.client().post("/api/v1/sign-in", json=RIGHT | {"email": email}).status_code == 200


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(plant: Plant) -> None:
    cookie = plant.client().post("/api/v1/sign-in", json=RIGHT).headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"max-age={int(SESSION_LIFE.total_seconds())}" in cookie
    assert "secure" not in cookie
    assert (
        "; secure"
        in plant.client(base_url="https://testserver").post("/api/v1/sign-in", json=RIGHT).headers["set-cookie"].lower()
    )


def test_cookie_alone_changes_nothing(plant: Plant) -> None:
    client = plant.client()
    client.post("/api/v1/sign-in", json=RIGHT)
    del client.headers["X-Forewarn"]
    assert client.get("/api/v1/me").status_code == 200
    forged = client.post("/api/v1/people", json={"name": "Eve", "roles": ["administrator"]})
    assert (forged.status_code, forged.json()["code"]) == (403, "forbidden")
    client.headers["X-Forewarn"] = "1"
    assert client.post("/api/v1/people", json={"name": "Bob", "roles": ["technician"]}).status_code == 201


def test_signing_out_ends_the_session_on_the_server(plant: Plant) -> None:
    client = plant.client()
    client.post("/api/v1/sign-in", json=RIGHT)
    kept = client.cookies[COOKIE]
    assert client.post("/api/v1/sign-out").status_code == 204
    client.cookies.set(COOKIE, kept)
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("wrong", [{"password": "wrong wrong wrong"}, {"email": "nobody@example.com"}])
def test_refusal_does_not_say_what_was_wrong(plant: Plant, wrong: dict[str, str]) -> None:
    answer = plant.client().post("/api/v1/sign-in", json=RIGHT | wrong)
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign_in_failed"
    assert "set-cookie" not in answer.headers


def test_guessing_is_slowed_down_and_forgiven_after_a_while(plant: Plant) -> None:
    client = plant.client()
    wrong = RIGHT | {"password": "wrong wrong wrong"}
    codes = [client.post("/api/v1/sign-in", json=wrong).json()["code"] for _ in range(MAX_FAILURES + 1)]
    assert codes == ["sign_in_failed"] * MAX_FAILURES + ["too_many_failures"]
    assert client.post("/api/v1/sign-in", json=RIGHT).status_code == 429
    with plant.database.as_service() as session:
        later = datetime.now(UTC) + FAILURE_WINDOW
        assert sign_in(session, RIGHT["email"], PASSWORD, later).id == plant.ada.id
        assert session.scalars(select(SignInFailure)).all() == []


def test_guessing_one_person_does_not_lock_out_another(plant: Plant) -> None:
    with plant.database.as_service() as session:
        bob = add_person(
            session, organisation_id=plant.operator.id, name="Bob", email="bob@example.com", roles=[], now=NOW
        )
        set_password(session, bob, PASSWORD, NOW)
        session.add_all(SignInFailure(person_id=bob.id, at=NOW) for _ in range(MAX_FAILURES))
    with plant.database.as_service() as session:
        with pytest.raises(TooManyFailures):
            sign_in(session, "bob@example.com", PASSWORD, NOW)
        assert sign_in(session, RIGHT["email"], PASSWORD, NOW).name == "Ada"


def test_passwords_are_stored_as_argon2_hashes_only(plant: Plant) -> None:
    with plant.database.as_service() as session:
        [stored] = session.scalars(select(Credential.password_hash))
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


@pytest.mark.parametrize("password", ["", "short", "x" * 9, "x" * 1001])
def test_password_of_a_wrong_length_is_refused(plant: Plant, password: str) -> None:
    with plant.database.as_service() as session, pytest.raises(Invalid) as refused:
        set_password(session, plant.ada, password, NOW)
    assert refused.value.params["field"] == "password"


def test_new_password_signs_out_every_other_browser(plant: Plant) -> None:
    here, elsewhere = plant.client(), plant.client()
    for client in (here, elsewhere):
        client.post("/api/v1/sign-in", json=RIGHT)
    with plant.database.as_service() as session:
        link = make_link(session, plant.ada.id, NOW)
    assert here.patch("/api/v1/me", json={"password": "another long password"}).status_code == 200
    assert here.get("/api/v1/me").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert plant.client().post("/api/v1/sign-in", json=RIGHT).status_code == 401
    assert plant.client().post("/api/v1/sign-in/link", json={"token": link}).status_code == 401


def test_link_signs_in_once_and_can_set_a_password(plant: Plant) -> None:
    person = plant.administrator().post(
        "/api/v1/people", json={"name": "Tom", "email": "tom@example.com", "roles": ["technician"]}
    )
    made = plant.administrator().post(f"/api/v1/people/{person.json()['id']}/sign-in-link")
    address, _, token = made.json()["url"].partition("?token=")
    assert address.endswith("/m/sign-in")  # technicians work on their phones
    assert made.headers["cache-control"] == "no-store"
    client = plant.client()
    assert (
        client.post("/api/v1/sign-in/link", json={"token": token, "password": "tom's own password"}).status_code == 200
    )
    assert client.get("/api/v1/me").json()["person"]["name"] == "Tom"
    again = plant.client().post("/api/v1/sign-in/link", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (401, "sign_in_failed")
    by_password = {"email": "tom@example.com", "password": "tom's own password"}
    assert plant.client().post("/api/v1/sign-in", json=by_password).status_code == 200


def test_link_with_a_refused_password_stays_good(plant: Plant) -> None:
    with plant.database.as_service() as session:
        token = make_link(session, plant.ada.id, NOW)
    assert plant.client().post("/api/v1/sign-in/link", json={"token": token, "password": "short"}).status_code == 422
    assert plant.client().post("/api/v1/sign-in/link", json={"token": token}).status_code == 200


@pytest.mark.parametrize("token", ["", "unknown"])
def test_unknown_link_is_refused(plant: Plant, token: str) -> None:
    assert plant.client().post("/api/v1/sign-in/link", json={"token": token}).status_code == 401


def test_link_expires_after_a_day(plant: Plant) -> None:
    with plant.database.as_service() as session:
        token = make_link(session, plant.ada.id, NOW)
        with pytest.raises(SignInFailed):
            use_link(session, token, NOW + LINK_LIFE)
        assert use_link(session, token, NOW + LINK_LIFE - timedelta(seconds=1)).id == plant.ada.id


def test_session_expires(plant: Plant) -> None:
    with plant.database.as_service() as session:
        token = open_session(session, plant.ada, NOW)
        assert actor_of_session(session, token, NOW) is not None
        assert actor_of_session(session, token, NOW + SESSION_LIFE) is None
        open_session(session, plant.ada, NOW + SESSION_LIFE + timedelta(seconds=1))
        assert len(session.scalars(select(SignInSession)).all()) == 1  # the expired one is forgotten


def test_disabled_person_is_out_at_once_by_every_door(plant: Plant) -> None:
    client = plant.client()
    client.post("/api/v1/sign-in", json=RIGHT)
    with plant.database.as_service() as session:
        link = make_link(session, plant.ada.id, NOW)
        session.execute(update(Person).where(Person.id == plant.ada.id).values(disabled_at=NOW))
    assert client.get("/api/v1/me").status_code == 401
    assert plant.client().post("/api/v1/sign-in", json=RIGHT).status_code == 401
    assert plant.client().post("/api/v1/sign-in/link", json={"token": link}).status_code == 401
    assert plant.administrator().post(f"/api/v1/people/{plant.ada.id}/sign-in-link").status_code == 409


@pytest.mark.parametrize("role", Role)
def test_token_acts_with_its_one_role_in_its_organisation(plant: Plant, role: Role) -> None:
    with plant.database.as_service() as session:
        token = make_token(session, plant.partner.id, role, NOW)
        actor = actor_of_token(session, token)
    assert actor is not None
    assert (actor.kind, actor.organisation_id, set(actor.roles)) == ("token", plant.partner.id, {role})


def test_revoked_and_unknown_tokens_are_refused(plant: Plant) -> None:
    token = plant.token()
    assert plant.client(token).get("/api/v1/me").status_code == 200
    with plant.database.as_service() as session:
        session.execute(text("UPDATE api_tokens SET revoked_at = now()"))
    for used in (token, "fw_guess", "x"):
        answer = plant.client(used).get("/api/v1/me")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_token_needs_no_header_against_forgery_since_no_browser_sends_it_by_itself(plant: Plant) -> None:
    made = plant.administrator().post("/api/v1/people", json={"name": "Bob", "roles": ["technician"]})
    assert made.status_code == 201


def test_secrets_are_nowhere_in_the_database(plant: Plant, database_url: str) -> None:
    with plant.database.as_service() as session:
        secrets = [make_link(session, plant.ada.id, NOW), make_token(session, plant.operator.id, Role.ANALYST, NOW)]
        secrets += [open_session(session, plant.ada, NOW), PASSWORD]
        for table in ("sign_in_links", "sign_in_sessions", "api_tokens", "credentials", "events", "people"):
            rows = str(session.execute(text(f"SELECT t::text FROM {table} t")).all())
            assert [secret for secret in secrets if secret in rows] == []


def test_first_run_makes_an_administrator_without_password(plant: Plant) -> None:
    with plant.database.as_service() as session:
        _, person = first_run.ensure_operator(session, NOW)
        session.execute(text("DELETE FROM memberships"))
        _, fresh = first_run.ensure_operator(session, NOW)
        assert person.id == plant.ada.id
        assert fresh.id != plant.ada.id
        assert session.get(Credential, fresh.id) is None
        link = first_run.first_link(session, fresh, "http://x", NOW)
    assert link.startswith("http://x/sign-in?token=")


@pytest.mark.parametrize("password", ["", "admin", "password", "forewarn", "changeme", "administrator"])
def test_there_is_no_default_password(plant: Plant, password: str) -> None:
    with plant.database.as_service() as session:
        session.execute(text("DELETE FROM memberships"))
        _, fresh = first_run.ensure_operator(session, NOW)
        fresh.email = "admin@example.com"
    body = {"email": "admin@example.com", "password": password}
    assert plant.client().post("/api/v1/sign-in", json=body).status_code == 401


def test_who_let_whom_in_is_on_record(plant: Plant) -> None:
    client = plant.client()
    client.post("/api/v1/sign-in", json=RIGHT)
    client.patch("/api/v1/me", json={"password": "another long password"})
    with plant.database.as_service() as session:
        events = list(session.scalars(select(Event).where(Event.subject_id == plant.ada.id).order_by(Event.id)))
        assert [event.kind for event in events] == ["person.signed_in", "person.password_changed"]
        assert {event.actor_id for event in events} == {plant.ada.id}
        assert broken_links(session, plant.ada.id) == []
