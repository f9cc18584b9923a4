"""Partners register themselves, confirm their address, and are approved or refused (004-36)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select, update
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import Membership, Organisation, Person, add_organisation, root_organisation
from gateway.api import partner_applications
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import make_token
from tests.gateway.people.helping import ok
from ticketing.people.applications import PER_ADDRESS_AND_DAY, forget
from ticketing.people.tables import PartnerApplication

Mails = list[tuple[str, str, dict[str, str]]]


@pytest.fixture
def operator(kept: Database) -> UUID:
    """The organisation that runs the server, without anybody's applications."""
    with kept.as_service() as session:
        session.execute(delete(PartnerApplication))
        found = root_organisation(session)
        found = found or add_organisation(session, kind="operator", name="Operator", now=datetime.now(UTC))
        return found.id


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Mails:
    """What would be mailed, instead of a mail server."""
    sent: Mails = []
    monkeypatch.setattr(
        partner_applications,
        "write_to_applicant",
        lambda smtp_url, to, language, code, **facts: sent.append((to, code, facts)),
    )
    return sent


@pytest.fixture(scope="module")
def mailing_app(kept: Database, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application with a mail server in its settings; the limit of one address is its own."""
    settings = Settings(data=tmp_path_factory.mktemp("mail"), smtp_url="smtp://127.0.0.1:1")
    return make_app(settings, kept)


@pytest.fixture
def mailing(mailing_app: FastAPI) -> TestClient:
    """Somebody at the server that can send mail."""
    return TestClient(mailing_app, headers={"X-Forewarn": "1"})


@pytest.fixture
def desk(kept: Database, operator: UUID, app: FastAPI) -> TestClient:
    with kept.as_service() as session:
        token = make_token(session, operator, Role.ADMINISTRATOR, datetime.now(UTC))
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def application(**more: Any) -> dict[str, Any]:
    return {"company": "Cool Air Ltd", "contact_name": "Olga", "email": f"{uuid4()}@partner.example"} | more


def test_an_applicant_confirms_by_mail_and_becomes_an_organisation_with_its_first_person(
    kept: Database, mailing: TestClient, desk: TestClient, mails: Mails, operator: UUID
) -> None:
    sent = application(email=f"  {uuid4()}@Partner.Example ", phone="021 555")
    assert ok(mailing.post("/api/v1/partner-applications", json=sent), 202) == {"next": "confirm_by_mail"}
    assert ok(desk.get("/api/v1/partner-applications"))["items"] == []  # not before the address is confirmed
    [(to, _, facts)] = mails
    page = mailing.get(facts["link"].partition("8080")[2])
    assert "<form" in page.text  # opening the link alone confirms nothing
    assert ok(desk.get("/api/v1/partner-applications"))["items"] == []
    assert mailing.post(facts["link"].partition("8080")[2]).status_code == 200
    [waiting] = ok(desk.get("/api/v1/partner-applications"))["items"]
    made = ok(desk.post(f"/api/v1/partner-applications/{waiting['id']}/approve"))
    assert made["state"] == "approved"
    with kept.as_service() as session:
        partner = session.get_one(Organisation, UUID(made["partner_organisation_id"]))
        person = session.get_one(Person, UUID(made["person_id"]))
        assert (partner.kind, partner.parent_id, partner.name) == ("partner", operator, "Cool Air Ltd")
        assert (person.organisation_id, person.email, person.phone) == (partner.id, to, "021 555")
        roles = list(session.scalars(select(Membership.role).where(Membership.person_id == person.id)))
        assert roles == ["partner"]
    again = desk.post(f"/api/v1/partner-applications/{waiting['id']}/approve")
    assert again.status_code == 409


def test_an_address_that_wrote_already_is_told_the_same_and_mailed_once(
    kept: Database, mailing: TestClient, mails: Mails, operator: UUID
) -> None:
    sent = application()
    for company in ("Cool Air Ltd", "Somebody else"):
        answer = mailing.post("/api/v1/partner-applications", json=sent | {"company": company})
        assert ok(answer, 202) == {"next": "confirm_by_mail"}
    assert len(mails) == 1
    with kept.as_service() as session:
        [row] = session.scalars(select(PartnerApplication))
        assert row.company == "Cool Air Ltd"
        row.created_at -= timedelta(minutes=11)
    ok(mailing.post("/api/v1/partner-applications", json=sent | {"company": "Cool Air Inc"}), 202)
    assert len(mails) == 2  # the first mail is lost sometimes


def test_one_address_applies_a_few_times_a_day(desk: TestClient, operator: UUID) -> None:
    answers = [desk.post("/api/v1/partner-applications", json=application()) for _ in range(PER_ADDRESS_AND_DAY + 1)]
    assert [answer.status_code for answer in answers] == [202] * PER_ADDRESS_AND_DAY + [429]
    assert answers[-1].json()["params"]["retry_after_s"] > 0


def test_what_is_no_application_is_refused(desk: TestClient, operator: UUID) -> None:
    for wrong in (
        {"email": "nobody"},
        {"email": "a b@c.d"},
        {"company": " "},
        {"contact_name": "x" * 201},
        {"email": "a@b@c.d"},
    ):
        assert desk.post("/api/v1/partner-applications", json=application(**wrong)).status_code == 422, wrong


def test_a_rejection_has_a_reason_and_the_sender_reads_it(
    mailing: TestClient, desk: TestClient, mails: Mails, kept: Database, operator: UUID
) -> None:
    ok(desk.post("/api/v1/partner-applications", json=application()), 202)  # no mail server: waits at once
    [waiting] = ok(desk.get("/api/v1/partner-applications?state=waiting"))["items"]
    path = f"/api/v1/partner-applications/{waiting['id']}/reject"
    assert desk.post(path, json={"reason": " "}).status_code == 422
    mailing.headers["Authorization"] = desk.headers["Authorization"]
    assert ok(mailing.post(path, json={"reason": "no capacity"}))["decision_reason"] == "no capacity"
    assert mails[-1][1:] == ("rejected", {"company": "Cool Air Ltd", "reason": "no capacity"})
    with kept.as_service() as session:
        later = datetime.now(UTC) + timedelta(days=400)
        assert forget(session, later, kept=timedelta(days=365)) == 1
        row = session.get_one(PartnerApplication, UUID(waiting["id"]))
        assert (row.email, row.contact_name, row.phone, row.address_hash) == ("", "", None, None)


def test_an_email_that_somebody_has_is_no_second_account(kept: Database, desk: TestClient, operator: UUID) -> None:
    first = application()
    for _ in range(2):
        ok(desk.post("/api/v1/partner-applications", json=first), 202)
        [waiting] = ok(desk.get("/api/v1/partner-applications?state=waiting"))["items"]
        answer = desk.post(
            f"/api/v1/partner-applications/{waiting['id']}/approve", json={"roles": ["partner", "administrator"]}
        )
        if answer.status_code != 200:
            break
    assert (answer.status_code, answer.json()["params"]["reason"]) == (409, "email_taken")
    assert (
        desk.post(f"/api/v1/partner-applications/{waiting['id']}/approve", json={"roles": ["planner"]}).status_code
        == 422
    )
    assert ok(desk.get(f"/api/v1/partner-applications/{waiting['id']}"))["state"] == "waiting"


def test_a_link_that_is_old_or_made_up_confirms_nothing(
    kept: Database, mailing: TestClient, mails: Mails, operator: UUID
) -> None:
    assert mailing.post("/a/partner/confirm/made-up").status_code == 404
    ok(mailing.post("/api/v1/partner-applications", json=application()), 202)
    with kept.as_service() as session:
        session.execute(update(PartnerApplication).values(created_at=datetime.now(UTC) - timedelta(days=8)))
    code = mails[0][2]["link"].rpartition("/")[2]
    assert mailing.post("/api/v1/partner-applications/confirmations", json={"code": code}).status_code == 404


@pytest.mark.parametrize(("language", "title"), [("en", "Become a service partner"), ("zh", "成为服务合作伙伴")])
def test_the_page_takes_an_application_in_both_languages(
    kept: Database, desk: TestClient, operator: UUID, language: str, title: str
) -> None:
    visitor = TestClient(desk.app)
    assert title in visitor.get(f"/a/partner?lang={language}").text
    typed = application(company="<b>冷风</b>", email="wrong")
    wrong = visitor.post(f"/a/partner?lang={language}", data=typed)
    assert wrong.status_code == 422
    assert "&lt;b&gt;冷风&lt;/b&gt;" in wrong.text  # what was typed stays, harmless
    assert re.search(r'role="alert"', wrong.text)
    done = visitor.post(f"/a/partner?lang={language}", data=application(company="冷风"))
    assert (done.status_code, "<form" in done.text) == (200, False)
    robot = visitor.post(f"/a/partner?lang={language}", data=application(website="https://spam.example"))
    assert robot.status_code == 200
    with kept.as_service() as session:
        assert [row.company for row in session.scalars(select(PartnerApplication))] == ["冷风"]


def test_only_the_operators_administrator_sees_applications(kept: Database, app: FastAPI, operator: UUID) -> None:
    with kept.as_service() as session:
        token = make_token(session, operator, Role.DISPATCHER, datetime.now(UTC))
    dispatcher = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    assert dispatcher.get("/api/v1/partner-applications").status_code == 403
