"""Requests on a real database: from the customer's page to a work order and back."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.consumers import run_consumer
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.base.events import Event
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.intake import CASES_FOLLOW_WORK, accept_request
from ticketing.models import Request, WorkOrder
from ticketing.requests import (
    MAX_WAITING,
    find_by_tracking,
    follow,
    open_request,
    reject_request,
)
from ticketing.work_orders import open_work_order, transition

TEXT = "It rattles since this morning.\n有异响。"


def asked(session: Session, world: World, text: str = TEXT) -> Request:
    contact = {"name": "Clara", "phone": "+49 1", "email": None}
    return open_request(session, asset=world.asset(session), channel="qr_page", text=text, contact=contact, now=NOW)


def test_request_becomes_a_work_order_that_keeps_its_text(world: World) -> None:
    with world.database.as_service() as session:
        request = asked(session, world)
        order = accept_request(session, request, after(60), by=world.planner)
        assert (order.origin, order.origin_ref, order.title_text) == (
            "request",
            request.id,
            "It rattles since this morning.",
        )
        assert (request.text, request.work_order_id, request.state) == (TEXT, order.id, "accepted")
        assert accept_request(session, request, after(61)).id == order.id
        assert session.scalars(select(WorkOrder)).all() == [order]


def test_second_request_joins_the_open_order(world: World) -> None:
    with world.database.as_service() as session:
        order = accept_request(session, asked(session, world), NOW)
        assert accept_request(session, asked(session, world), NOW, into=order).id == order.id
        elsewhere = open_work_order(
            session,
            asset=world.asset(session, world.other_pump),
            origin="manual",
            kind="general",
            title_code="manual",
            now=NOW,
        )
        with pytest.raises(Conflict):
            accept_request(session, asked(session, world), NOW, into=elsewhere)


def test_tracking_code_follows_one_request_of_one_asset(world: World) -> None:
    with world.database.as_service() as session:
        request, other = asked(session, world), asked(session, world)
        assert request.tracking_code != other.tracking_code
        assert len(request.tracking_code) >= 22
        assert find_by_tracking(session, world.pump, request.tracking_code.lower()) is request
        assert find_by_tracking(session, world.other_pump, request.tracking_code) is None
        assert find_by_tracking(session, world.pump, "A" * 24) is None


def test_customer_follows_until_done(world: World) -> None:
    with world.database.as_service() as session:
        request, ann = asked(session, world), world.person(session, world.ann)
        seen = [follow(session, request)]
        order = accept_request(session, request, NOW)
        seen.append(follow(session, request))
        field.accept(session, order, ann, NOW)
        seen.append(follow(session, request))
        field.start(session, order, ann, NOW)
        seen.append(follow(session, request))
        field.finish(session, order, ann, after(9), outcome="confirmed")
        seen.append(follow(session, request))
        assert seen == ["received", "accepted", "scheduled", "in_progress", "done"]
        request_id = request.id
    run_consumer(world.database, CASES_FOLLOW_WORK, after(10))
    with world.database.as_service() as session:
        assert session.get_one(Request, request_id).state == "done"


def test_request_of_a_cancelled_order_comes_back_to_the_desk(world: World) -> None:
    with world.database.as_service() as session:
        request = asked(session, world)
        request_id, order = request.id, accept_request(session, request, NOW)
        transition(session, order, "cancelled", after(5), reason="wrong asset")
    run_consumer(world.database, CASES_FOLLOW_WORK, after(10))
    with world.database.as_service() as session:
        request = session.get_one(Request, request_id)
        assert request.state == "new"
        reject_request(session, request, "not ours", after(20))


def test_rejected_request_says_why_and_is_final(world: World) -> None:
    with world.database.as_service() as session:
        request = asked(session, world)
        reject_request(session, request, "No fault of the pump", after(5), by=world.planner)
        assert (follow(session, request), request.decision_reason) == ("rejected", "No fault of the pump")
        with pytest.raises(IllegalMove):
            accept_request(session, request, after(6))


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
def test_empty_or_endless_text_is_refused(world: World, text: str) -> None:
    with world.database.as_service() as session, pytest.raises(Invalid):
        asked(session, world, text)


def test_a_flood_of_requests_ends_somewhere(world: World) -> None:
    with world.database.as_service() as session:
        for _ in range(MAX_WAITING):
            asked(session, world)
        with pytest.raises(Conflict):
            asked(session, world)


def test_contact_and_text_stand_beside_the_chain(world: World) -> None:
    with world.database.as_service() as session:
        request = asked(session, world)
        event = session.scalars(select(Event).where(Event.subject_id == request.id)).one()
        assert event.personal == {"text": TEXT, "contact": {"name": "Clara", "phone": "+49 1"}}
        assert "Clara" not in str(event.payload)


def test_customer_sees_only_its_own_requests(world: World) -> None:
    with world.database.as_service() as session:
        asked(session, world)
    with world.database.as_actor(world.stranger) as session:
        assert session.scalars(select(Request)).all() == []
    with world.database.as_actor(world.client) as session:
        assert len(session.scalars(select(Request)).all()) == 1
