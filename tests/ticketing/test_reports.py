"""Reports: written when work is done, revised when facts change, read by those who may, the same in both languages."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.consumers import run_consumer
from assets.base.events import Event
from assets.commissioning import answer
from assets.documents.models import Document, DocumentRevision
from assets.documents.store import DiskFiles
from assets.lifecycle import Move, transition
from assets.registry import AssetModel, Customer
from gateway.api import problems, reports
from gateway.api.deps import Context, context, service_context
from gateway.pages import public_reports
from gateway.pages.shown_reports import shown_reports
from gateway.reports import mailing
from gateway.reports.rendering import render
from gateway.reports.writing import write_waiting
from gateway.settings import Settings
from tests.gateway.pdf_words import has_words, metadata_of
from tests.ticketing.world import World, after
from ticketing import field
from ticketing.models import WorkOrder
from ticketing.order_lines import LineFacts, add_line, decide_line
from ticketing.order_models import WorkOrderLine
from ticketing.reports.facts import (
    Answered,
    Checklist,
    Done,
    Facts,
    Machine,
    Noticed,
    PartUsed,
    Spent,
    Verdict,
    content_hash,
    read_facts,
    without_people,
)
from ticketing.reports.signing import ReportChanged, sign
from ticketing.reports.tables import Report, ReportWish
from ticketing.reports.wanted import REPORTS_FOLLOW_WORK, newest
from ticketing.work_orders import open_work_order

AT = datetime(2026, 11, 22, 3, 4, tzinfo=UTC)
FACTS = Facts(
    template="service_report",
    number="WO-000123",
    machine=Machine("Pump *x* #[y] $z$ 🎉", "S-1", "C0DE", "Pump", "离心泵", site="一厂", time_zone="Asia/Shanghai"),
    provider="Operator",
    customer="Dairy",
    title_code="noticed_residual_high",
    title_params={"label_en": "Bearing", "label_zh": "轴承"},
    origin="finding",
    priority="high",
    opened_at=AT,
    noticed=Noticed(
        AT, "critical", values=({"label_en": "Bearing", "label_zh": "轴承", "seen": 81.5, "expected": 60.0},)
    ),
    done=Done("confirmed", "Call Ann\nтест", action={"code": "b", "en": "Bearing replaced", "zh": "更换轴承"}),
    checklists=(
        Checklist(
            "SOP",
            "Play",
            "间隙",
            1,
            (Answered("Play", "间隙", "number", 0.7, None, None, "mm", None, 0.5, True, 0, None),),
        ),
    ),
    spent=(Spent("expense", "toll", date(2026, 11, 22), None, None, Decimal("35.50"), "CNY"),),
    parts=(PartUsed("6205", "Bearing", "轴承", Decimal(2), "pcs", "N" * 200, True),),
    warranty=(Verdict("part", "in"),),
    technicians=("Ann", "张三"),
)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Service report Fault confirmed"), ("zh", "服务报告故障属实更换轴承")]
)
def test_a_report_is_pdf_a_in_either_language(language: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """000-11, 003-27. Markup in names is shown, not obeyed; what no font shows does not stop the report."""
    with caplog.at_level(logging.ERROR):
        made = [render(FACTS, language, revision=1, content_hash="ab" * 32, at=AT) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].startswith(b"%PDF-")
    assert b"/FontFile" in made[0]
    packet = metadata_of(made[0])
    assert "<pdfaid:part>2</pdfaid:part>" in packet
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in packet
    assert has_words(made[0], words)
    assert has_words(made[0], "*#[]$тест张三")


def test_the_hash_holds_through_the_database_and_changes_with_the_facts() -> None:
    plain = FACTS.plain()
    again = json.loads(json.dumps(plain))
    assert read_facts(again) == FACTS
    assert content_hash(again) == content_hash(plain)
    assert content_hash({"a": 1.0, "b": 0.1}) == content_hash({"b": 0.1, "a": 1})
    assert content_hash({"a": True}) != content_hash({"a": 1})
    assert content_hash(plain | {"number": "WO-2"}) != content_hash(plain)


def test_the_anonymous_edition_names_nobody() -> None:
    words = json.dumps(without_people(FACTS).plain(), ensure_ascii=False)
    assert not any(each in words for each in ("Ann", "张三", "Dairy"))


def make_order(session: Session, world: World) -> WorkOrder:
    return open_work_order(
        session,
        asset=world.asset(session),
        origin="manual",
        kind="machine",
        title_code="manual",
        title_text="异响 noise",
        now=after(0),
    )


def finish_work(world: World) -> Any:
    with world.database.as_service() as session:
        order = make_order(session, world)
        ann = world.person(session, world.ann)
        field.start(session, order, ann, after(60), by=world.ann)
        field.finish(session, order, ann, after(3600), outcome="confirmed", note="Bearing worn", by=world.ann)
        return order.id


def work(world: World, files: DiskFiles, *, mail: bool = False) -> int:
    run_consumer(world.database, REPORTS_FOLLOW_WORK, after(4000))
    return write_waiting(world.database, files, after(4000), mail=mail)


@pytest.fixture
def files(tmp_path: Path) -> DiskFiles:
    return DiskFiles(tmp_path)


@pytest.fixture
def sign_in(world: World, tmp_path: Path) -> Any:
    def client(actor: Actor) -> TestClient:
        app = FastAPI()
        problems.install(app)
        app.include_router(reports.router)

        def as_actor() -> Iterator[Context]:
            with world.database.as_actor(actor) as session:
                yield Context(session, actor, after(5000), Settings(data=tmp_path))

        app.dependency_overrides[context] = as_actor
        return TestClient(app)

    return client


def test_finished_work_is_reported_once_and_again_when_its_facts_change(world: World, files: DiskFiles) -> None:
    """002-24, 003-27: one document in each language; a later line makes a second revision, the first one stays."""
    key = finish_work(world)
    assert work(world, files) >= 1
    with world.database.as_service() as session:
        first = newest(session, key)
        assert first is not None
        assert (first.revision, sorted(first.files)) == (1, ["en", "zh"])
        assert first.facts["technicians"] == ["Ann"]
        session.query(ReportWish).update({"state": "waiting"})
    assert write_waiting(world.database, files, after(4000), mail=False) >= 1  # the same wishes again
    with world.database.as_service() as session:
        written = session.scalar(select(func.count()).select_from(Report).where(Report.template == "service_report"))
        assert written == 1
        facts = LineFacts(kind="expense", category="toll", amount=Decimal(35), currency="CNY")
        assert "Bearing worn" not in str(first.facts)  # what the technician noted is the desk's
        spent = add_line(session, session.get_one(WorkOrder, key), facts, after(3700), by=world.planner).id
    work(world, files)
    with world.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(Report)) == 1  # nobody has approved the expense yet
        order, line = session.get_one(WorkOrder, key), session.get_one(WorkOrderLine, spent)
        decide_line(session, order, line, "approved", after(3800), by=world.planner)
    work(world, files)
    with world.database.as_service() as session:
        second = newest(session, key)
        assert second is not None
        assert second.revision == 2
        document = session.get_one(Document, second.files["zh"]["document_id"])
        assert (document.latest, document.public, document.language) == (2, False, "zh")
        kept = session.scalars(select(DocumentRevision).where(DocumentRevision.document_id == document.id)).all()
        assert all(files.path(each.content).read_bytes().startswith(b"%PDF") for each in kept)
        ordered = select(Event).where(Event.kind == "report.created", Event.asset_id == world.pump).order_by(Event.id)
        told = session.scalars(ordered).all()
        assert [each.payload["revision"] for each in told if each.payload["template"] == "service_report"] == [1, 2]


@pytest.mark.parametrize(
    ("hours", "replayed", "mails"), [(2, False, [True]), (30, False, [False]), (60, False, []), (2, True, [])]
)
def test_work_of_long_ago_and_recorded_work_is_not_reported(
    world: World, hours: int, replayed: bool, mails: list[bool]
) -> None:
    """A consumer that is new to a database reads all of its history."""
    key = finish_work(world)
    with world.database.as_service() as session:
        session.get_one(WorkOrder, key).replayed = replayed
    run_consumer(world.database, REPORTS_FOLLOW_WORK, after(hours * 3600))
    with world.database.as_service() as session:
        wishes = select(ReportWish).where(ReportWish.subject_id == key, ReportWish.template == "service_report")
        assert [wish.mail for wish in session.scalars(wishes)] == mails


def test_owner_and_operator_read_the_report_and_nobody_else(world: World, files: DiskFiles, sign_in: Any) -> None:
    key = finish_work(world)
    path = f"/api/v1/work-orders/{key}/report"
    assert sign_in(world.planner).get(path).status_code == 404
    work(world, files)
    for actor in (world.planner, world.ann, world.client):
        for language in ("en", "zh"):
            answer = sign_in(actor).get(path, params={"language": language})
            assert answer.status_code == 200, answer.text
            assert answer.content.startswith(b"%PDF-")
        (item,) = [
            each
            for each in sign_in(actor).get(f"/api/v1/work-orders/{key}/reports").json()["items"]
            if each["template"] == "service_report"
        ]
        assert sign_in(actor).get(f"/api/v1/reports/{item['id']}/file").status_code == 200
        for other in (world.stranger, world.partner):
            assert sign_in(other).get(f"/api/v1/reports/{item['id']}/file").status_code == 404
    for other in (world.stranger, world.partner):
        assert sign_in(other).get(path).status_code == 404
        assert sign_in(other).get(f"/api/v1/assets/{world.pump}/reports").status_code == 404
    assert sign_in(world.client).get(path, params={"template": "job_sheet"}).status_code == 404
    assert sign_in(world.planner).get(path, params={"revision": 2}).status_code == 404


def test_a_signature_holds_for_the_content_that_was_read(world: World, files: DiskFiles) -> None:
    key = finish_work(world)
    work(world, files)
    with world.database.as_actor(world.ann) as session:
        report = newest(session, key)
        assert report is not None
        with pytest.raises(ReportChanged):
            sign(session, report, content_hash="0" * 64, name="Clara", now=after(4100), by=world.ann)
        sign(session, report, content_hash=report.content_hash, name="Clara", now=after(4100), by=world.ann)
    work(world, files)
    with world.database.as_service() as session:
        signed = newest(session, key)
        assert signed is not None
        assert (signed.signed_name, signed.revision) == ("Clara", 1)
        content = files.path(signed.files["en"]["sha256"]).read_bytes()
        assert has_words(content, "Clara")
        assert session.get_one(Document, signed.files["en"]["document_id"]).latest == 2


def test_rules_say_which_document_is_written(world: World, files: DiskFiles, sign_in: Any) -> None:
    """6.7b: an administrator's rule holds; unknown moments are refused, planners only read."""
    rules = {each["template"]: each for each in sign_in(world.planner).get("/api/v1/document-rules").json()["items"]}
    assert rules["service_report"]["moments"] == ["completed"]
    assert rules["job_sheet"]["enabled"]
    body = {"moments": ["completed"], "languages": ["zh"], "mail": False, "enabled": False}
    assert sign_in(world.planner).put("/api/v1/document-rules/service_report", json=body).status_code == 403
    admin = Actor(
        "person", world.operator, frozenset({*world.planner.roles, Role.ADMINISTRATOR}), world.planner.person_id
    )
    assert sign_in(admin).put("/api/v1/document-rules/service_report", json=body).status_code == 200
    wrong = sign_in(admin).put("/api/v1/document-rules/job_sheet", json=body)
    assert wrong.status_code == 422, wrong.text
    key = finish_work(world)
    work(world, files)
    with world.database.as_service() as session:
        assert newest(session, key) is None


def test_a_job_sheet_is_written_when_work_is_scheduled(world: World, files: DiskFiles, sign_in: Any) -> None:
    """6.7b: for those who go there; customers do not read it."""
    with world.database.as_service() as session:
        order = make_order(session, world)
        field.accept(session, order, world.person(session, world.ann), after(60), by=world.ann)
        key = order.id
    work(world, files)
    path = f"/api/v1/work-orders/{key}/report"
    assert has_words(sign_in(world.ann).get(path, params={"template": "job_sheet"}).content, "Job sheet 异响")
    assert sign_in(world.client).get(path, params={"template": "job_sheet"}).status_code == 404
    assert sign_in(world.client).get(f"/api/v1/work-orders/{key}/reports").json()["items"] == []


def test_a_commissioning_protocol_is_written_from_the_checklist(world: World, files: DiskFiles, sign_in: Any) -> None:
    """6.7b: acceptance of a machine, once its checklist is answered and it goes into service."""
    with world.database.as_service() as session:
        asset, model = world.asset(session), session.get_one(AssetModel, world.model)
        model.checklist = [{"key": "turn", "en": "Direction of rotation", "zh": "转向", "kind": "check"}]
        asset.lifecycle = "installed"
        answer(session, asset, model, "turn", ok=True, value=None, note=None, now=after(1), by_id=world.ann.person_id)
        transition(session, asset, Move("commissioned", after(2), "accepted", world.ann.person_id), after(2))
    work(world, files)
    (item,) = sign_in(world.client).get(f"/api/v1/assets/{world.pump}/reports").json()["items"]
    assert item["template"] == "commissioning_protocol"
    answered = sign_in(world.client).get(f"/api/v1/reports/{item['id']}/file", params={"language": "zh"})
    assert has_words(answered.content, "调试验收记录转向合格")


def test_a_report_is_sent_to_the_customer_in_every_language_when_theirs_is_not_known(
    world: World, files: DiskFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(mailing, "send_email", lambda *given: sent.append(given))
    with world.database.as_service() as session:
        customer = Customer(
            organisation_id=world.customer, number="C-1", name="Dairy", email="service@dairy.example.org"
        )
        session.add(customer)
        session.flush()
        world.asset(session).customer_id = customer.id
    finish_work(world)
    work(world, files, mail=True)
    settings = Settings(smtp_url="smtp://127.0.0.1:9")
    assert mailing.mail_waiting(world.database, files, settings, after(4000)) == 1
    assert mailing.mail_waiting(world.database, files, settings, after(4000)) == 0
    ((_, address, subject, body, attached),) = sent
    assert address == "service@dairy.example.org"
    assert "Service report" in subject
    assert "服务报告" in subject
    assert "PUMP-1" in subject
    assert "PUMP-1" in body
    assert [name.rsplit("-", 1)[1] for name, _, _ in attached] == ["en.pdf", "zh.pdf"]


def test_a_report_whose_file_is_gone_does_not_hold_up_the_mail_behind_it(
    world: World, files: DiskFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(mailing, "send_email", lambda *given: sent.append(given))
    with world.database.as_service() as session:
        customer = Customer(organisation_id=world.customer, number="C-1", name="Dairy", email="dairy@example.org")
        session.add(customer)
        session.flush()
        world.asset(session).customer_id = customer.id
    keys = [finish_work(world), finish_work(world)]
    work(world, files, mail=True)
    with world.database.as_service() as session:
        lost, kept = (newest(session, key) for key in keys)
        assert lost is not None
        assert kept is not None
        lost.mail_next_at = after(3000)
        lost.files = {language: {**made, "sha256": "0" * 64} for language, made in lost.files.items()}
    settings = Settings(smtp_url="smtp://127.0.0.1:9")
    assert mailing.mail_waiting(world.database, files, settings, after(4000)) == 1
    with world.database.as_service() as session:
        lost, kept = (newest(session, key) for key in keys)
        assert lost is not None
        assert kept is not None
        assert (lost.mail_state, lost.mail_tries, kept.mail_state) == ("waiting", 1, "sent")
    for seconds in (5000, 6000, 8000, 12000):
        assert mailing.mail_waiting(world.database, files, settings, after(seconds)) == 0
    with world.database.as_service() as session:
        lost = newest(session, keys[0])
        assert lost is not None
        assert (lost.mail_state, lost.mail_tries) == ("failed", 5)
    assert len(sent) == 1


def test_a_label_s_page_gives_the_report_without_names(world: World, files: DiskFiles, tmp_path: Path) -> None:
    finish_work(world)
    work(world, files)
    app = FastAPI()
    app.include_router(public_reports.router)
    problems.install(app)

    def nobody() -> Iterator[Context]:
        with world.database.as_service() as session:
            actor = Actor("public", world.customer, frozenset())
            yield Context(session, actor, after(5000), Settings(data=tmp_path))

    app.dependency_overrides[service_context] = nobody
    with world.database.as_service() as session:
        code, other = world.asset(session).code, world.asset(session, world.other_pump).code
        (shown,) = shown_reports(session, world.asset(session))
        assert shown_reports(session, world.asset(session, world.other_pump)) == ()
    client = TestClient(app)
    answer = client.get(f"/a/{code}/reports/{shown.id}", params={"lang": "zh"})
    assert answer.status_code == 200, answer.text
    assert has_words(answer.content, "服务报告故障属实")
    assert not has_words(answer.content, "异")
    assert client.get(f"/a/{other}/reports/{shown.id}").status_code == 404
