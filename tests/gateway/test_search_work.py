"""Cases, requests and work orders are found in both languages, and by nobody who may not read them. Seed row 003-06."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from assets.base.access import Role
from assets.registry import Asset, Customer, add_asset
from tests.gateway.conftest import Plant
from ticketing.cases.cases import open_case
from ticketing.cases.tables import Case
from ticketing.cases.threads import post
from ticketing.models import WorkOrder
from ticketing.requests import open_request
from ticketing.search_models import WorkSearchEntry
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC)
KINDS = "case,request,work_order"


def machine(session: Any, owner: UUID, serial: str, name: str, customer: Customer | None = None) -> Asset:
    asset = Asset(organisation_id=owner, serial=serial, name=name, created_at=NOW)
    asset.customer_id = customer.id if customer else None
    return add_asset(session, asset, NOW)


@pytest.fixture
def desk(plant: Plant) -> Plant:
    """Two customers below the operator's desk, each with a case, a request and a work order about leaks."""
    with plant.database.as_service() as session:
        ours = Customer(organisation_id=plant.customer.id, number="C-7", name="上海华明机械")
        session.add(ours)
        session.flush()
        for owner, serial, name, customer in (
            (plant.customer.id, "P-1", "离心泵 A", ours),
            (plant.stranger.id, "Q-1", "别人的泵", None),
        ):
            asset = machine(session, owner, serial, name, customer)
            case = open_case(
                session,
                organisation_id=owner,
                channel="desk",
                text="机械密封漏水，停机\nLeaking at the mechanical seal",
                title="密封漏水",
                now=NOW,
                asset=asset,
            )
            open_request(
                session,
                asset=asset,
                case=case,
                channel="desk",
                text="请尽快派人 leaking badly",
                contact={"name": "王小姐", "phone": "13800001111"},
                now=NOW,
                organisation_id=owner,
            )
            open_work_order(
                session,
                asset=asset,
                origin="manual",
                kind="general",
                title_code="manual",
                title_text="更换机械密封 (seal kit 100%)",
                now=NOW,
            )
    return plant


def found(plant: Plant, asked: str, token: str | None = None, kinds: str = KINDS) -> list[str]:
    client = plant.client(token) if token else plant.administrator()
    answer = client.get("/api/v1/search", params={"q": asked, "kinds": kinds})
    assert answer.status_code == 200, answer.text
    return [f"{item['kind']}:{item['match']}" for item in answer.json()["items"]]


def listed(plant: Plant, asked: str, token: str | None = None) -> list[int]:
    client = plant.client(token) if token else plant.administrator()
    answers = [client.get(f"/api/v1/{path}", params={"q": asked}) for path in ("cases", "requests", "work-orders")]
    assert {each.status_code for each in answers} == {200}, answers
    return [len(each.json()["items"]) for each in answers]


def of_customer(plant: Plant) -> str:
    return plant.token(plant.customer, Role.CUSTOMER)


def test_work_is_found_in_both_languages_without_word_boundaries(desk: Plant) -> None:
    token = of_customer(desk)
    for asked, what in (
        ("漏水", ["case:name_part"]),
        ("漏", ["case:name_part"]),
        ("封", ["work_order:name_part", "case:name_part"]),
        ("密封 停机", ["case:text"]),
        ("LEAKING", ["request:name_part", "case:text"]),
        ("ｌｅａｋｉｎｇ　badly", ["request:name_part"]),
        ("华明", ["work_order:text", "request:text", "case:text"]),
        ("离心泵", ["work_order:text", "request:text", "case:text"]),
        ("p-1", ["work_order:text", "request:text", "case:text"]),
        ("王小姐", ["request:text"]),
        ("1380000", ["request:text"]),
        ("100%", ["work_order:name_part"]),
        ("水漏", []),
        ("别人", []),
        ("_", []),
        ("", []),
        (" \x00", []),
        ("\\", []),
        ("x" * 200, []),
        ("'; DROP TABLE cases; --", []),
    ):
        assert sorted(found(desk, asked, token)) == sorted(what), asked
        counts = [sum(each.startswith(kind) for each in what) for kind in ("case:", "request:", "work_order:")]
        if asked.replace("\0", "").strip():
            assert listed(desk, asked, token) == counts, asked


def test_a_number_comes_first(desk: Plant) -> None:
    with desk.database.as_service() as session:
        number = session.scalars(select(WorkOrder.number).where(WorkOrder.organisation_id == desk.customer.id)).one()
        case = session.scalars(select(Case.number).where(Case.organisation_id == desk.customer.id)).one()
    assert found(desk, number.lower(), of_customer(desk)) == ["work_order:number"]
    assert found(desk, case[:4], of_customer(desk)) == ["case:number"]
    assert found(desk, case, desk.token(desk.stranger)) == []


def test_nobody_finds_what_is_others(desk: Plant) -> None:
    assert len(found(desk, "离心泵")) == 3
    assert found(desk, "离心泵", desk.token(desk.stranger)) == []
    assert listed(desk, "离心泵", desk.token(desk.stranger)) == [0, 0, 0]
    assert found(desk, "漏水", desk.token(desk.partner)) == []
    assert len(found(desk, "密封", desk.token(desk.stranger))) == 2
    assert found(desk, "密封", desk.token(desk.operator, Role.CUSTOMER)) == []
    assert found(desk, "密封", desk.token(desk.operator, Role.STOREKEEPER), "work_order") != []


def test_a_partner_finds_what_it_carries_out_and_no_note(desk: Plant) -> None:
    token = desk.token(desk.partner, Role.PARTNER)
    with desk.database.as_service() as session:
        order = session.scalars(select(WorkOrder).where(WorkOrder.organisation_id == desk.customer.id)).one()
        order.executing_organisation_id = desk.partner.id
    assert found(desk, "密封", token) == ["work_order:name_part"]
    with desk.database.as_service() as session:
        case = session.scalars(select(Case).where(Case.organisation_id == desk.customer.id)).one()
        case.executing_organisation_id = desk.partner.id
        post(session, case, text="客户还欠款", visibility="internal", now=NOW, author_kind="desk")
    assert sorted(found(desk, "密封", token)) == ["case:name_part", "work_order:name_part"]
    assert found(desk, "欠款", token) == []
    assert found(desk, "欠款") == ["case:text"]


def test_internal_notes_are_found_by_staff_alone(desk: Plant) -> None:
    with desk.database.as_service() as session:
        case = session.scalars(select(Case).where(Case.organisation_id == desk.customer.id)).one()
        for said, visibility in (("客户还欠款 overdue", "internal"), ("备件明天到 tomorrow", "public")):
            post(session, case, text=said, visibility=visibility, now=NOW, author_kind="desk")
    customer, staff = of_customer(desk), desk.token(desk.operator, Role.TECHNICIAN)
    for asked, token, what in (
        ("欠款", staff, 1),
        ("overdue", staff, 1),
        ("欠款", customer, 0),
        ("overdue", customer, 0),
        ("明天到", customer, 1),
        ("tomorrow", staff, 1),
        ("tomorrow", desk.token(desk.stranger), 0),
    ):
        assert len(found(desk, asked, token)) == what, asked
        assert listed(desk, asked, token) == [what, 0, 0], asked


def test_entries_follow_what_changes_and_go_with_their_rows(desk: Plant) -> None:
    token = of_customer(desk)
    with desk.database.as_service() as session:
        session.execute(text("UPDATE customers SET name = '北京金星' WHERE number = 'C-7'"))
        session.execute(text("UPDATE assets SET name = '备用机' WHERE serial = 'P-1'"))
        session.execute(text("UPDATE cases SET title = '振动' WHERE title = '密封漏水'"))
    assert (len(found(desk, "华明", token)), len(found(desk, "金星", token))) == (0, 3)
    assert (len(found(desk, "离心泵", token)), len(found(desk, "备用机", token))) == (0, 3)
    assert found(desk, "振动", token) == ["case:name_part"]
    with desk.database.as_service() as session:
        session.execute(text("DELETE FROM requests"))
        left = session.execute(select(WorkSearchEntry.kind, func.count()).group_by(WorkSearchEntry.kind)).all()
    assert sorted((kind, count) for kind, count in left) == [("case", 2), ("work_order", 2)]


def test_an_unknown_kind_is_refused_with_those_there_are(desk: Plant) -> None:
    answer = desk.administrator().get("/api/v1/search", params={"q": "密封", "kinds": "case,nothing"})
    assert answer.status_code == 422
    assert "request" in answer.text
