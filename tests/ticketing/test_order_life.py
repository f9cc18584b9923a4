"""Orders on a real database: review, reopening, merging, splitting, blocks, helpers, lines, visits that overlap."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.base.events import Event
from assets.people import Person
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.models import Episode
from maintenance.outcomes import KINDS as EPISODE_KINDS
from maintenance.outcomes import close_episode
from ml.labels import KINDS as LABEL_KINDS
from ml.labels import store_label
from ml.models import Label
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_blocks import Blocked, Circle, add_block, follow_blocking
from ticketing.order_edits import edit_order, edit_result
from ticketing.order_lines import LineFacts, add_line, change_line, decide_line, lines_of
from ticketing.order_merge import NotMergeable, merge
from ticketing.order_people import add_helper
from ticketing.order_review import REOPEN_WITHIN, TooLate, approve, reopen, send_back
from ticketing.order_split import split
from ticketing.people.tables import TechnicianProfile
from ticketing.requests import open_request
from ticketing.visit_plans import VisitOverlap, plan_visit
from ticketing.visits import move_visit, schedule_visit, visits_of
from ticketing.work_orders import STATE_EVENTS, open_work_order, transition


def opened(session: Session, world: World, **more: Any) -> WorkOrder:
    facts: dict[str, Any] = {"origin": "manual", "kind": "general", "title_code": "manual", "now": NOW}
    return open_work_order(session, asset=world.asset(session, more.pop("asset", None)), **(facts | more))


def finished(session: Session, world: World, order: WorkOrder, at: float = 600) -> WorkOrder:
    ann = world.person(session, world.ann)
    field.start(session, order, ann, after(at - 300), by=world.ann)
    return field.finish(session, order, ann, after(at), outcome="confirmed", by=world.ann)


def kinds(session: Session, order: WorkOrder) -> list[str]:
    return list(session.scalars(select(Event.kind).where(Event.subject_id == order.id).order_by(Event.id)))


def consume(session: Session, order: WorkOrder) -> None:
    """Let episodes, labels and blocks read what happened, twice: the second time changes nothing."""
    for _ in range(2):
        for event in session.scalars(select(Event).where(Event.subject_id == order.id).order_by(Event.id)).all():
            for wanted, handle in (
                (EPISODE_KINDS, close_episode),
                (LABEL_KINDS, store_label),
                (STATE_EVENTS, follow_blocking),
            ):
                if event.kind in wanted:
                    handle(session, event, after(5000))
    session.flush()


def test_finished_work_is_documented_sent_back_approved_and_opened_again(world: World) -> None:
    """004-25 (a leader approves the data), 002-22 (amendment after closing, with its reason)."""
    with world.database.as_service() as session:
        order = finished(session, world, opened(session, world))
        # Two stages: the work is done, the report is not.
        assert (order.state, order.documented_at) == ("completed", None)
        transition(session, order, "documented", after(700), by=world.ann)
        assert (order.review_state, order.documented_at) == ("waiting", after(700))
        with pytest.raises(Invalid):
            send_back(session, order, "  ", after(710), by=world.planner)
        send_back(session, order, "photo of the plate is missing", after(720), by=world.planner)
        assert (order.state, order.review_state, order.work_done_at) == ("in_progress", "sent_back", None)
        assert order.review_reason == "photo of the plate is missing"
        # The visit that was completed before decides nothing about a new one that comes to nothing.
        visit = schedule_visit(session, order, world.person(session, world.ann), after(730), by=world.planner)
        move_visit(session, order, visit, "cancelled", after(740), by=world.planner)
        assert order.state == "unscheduled"
        finished(session, world, order, 1200)
        approve(session, order, after(1300), by=world.planner)
        assert (order.state, order.review_state, order.reviewed_by) == ("closed", "approved", world.planner.person_id)
        with pytest.raises(Invalid):
            edit_result(session, order, {"outcome": "planned"}, after(1400), by=world.planner)
        edit_result(session, order, {"outcome": "planned"}, after(1400), by=world.planner, reason="mistyped")
        reopen(session, order, "noise is back", after(1500), by=world.planner)
        assert (order.state, order.reopened_no, order.closed_at, order.work_done_at) == ("unscheduled", 1, None, None)
        told = kinds(session, order)
        assert [k for k in told if k in ("work_order.sent_back", "work_order.amended", "work_order.reopened")] == [
            "work_order.sent_back",
            "work_order.amended",
            "work_order.reopened",
        ]
        finished(session, world, order, 2400)
        approve(session, order, after(2500), by=world.planner)
        with pytest.raises(TooLate):
            reopen(session, order, "again", after(2500) + REOPEN_WITHIN + timedelta(seconds=1), by=world.planner)
        with pytest.raises(IllegalMove):
            send_back(session, order, "late", after(2600), by=world.planner)


def test_reopening_opens_the_episode_again_and_takes_the_label_back(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
        decide_pending(session, NOW)
        order = session.scalars(select(WorkOrder)).one()
        episode = session.scalars(select(Episode)).one()
        finished(session, world, order)
        approve(session, order, after(700), by=world.planner)
        consume(session, order)
        assert (episode.state, episode.outcome) == ("closed", "confirmed")
        assert session.scalars(select(Label.outcome)).all() == ["confirmed"]
        reopen(session, order, "the same noise", after(800), by=world.planner)
        consume(session, order)
        assert (episode.closed_at, episode.outcome) == (None, None)
        assert session.scalars(select(Label)).all() == []
        ann = world.person(session, world.ann)
        field.start(session, order, ann, after(900), by=world.ann)
        field.finish(session, order, ann, after(990), outcome="no_fault_found", by=world.ann)
        consume(session, order)
        assert (episode.state, episode.outcome) == ("closed", "no_fault_found")
        assert session.scalars(select(Label.outcome)).all() == ["no_fault_found"]


def test_a_duplicate_gives_its_trouble_to_the_order_that_stays(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
        decide_pending(session, NOW)
        found = session.scalars(select(WorkOrder)).one()
        episode = session.scalars(select(Episode)).one()
        stays = opened(session, world, origin="request", priority="low", title_text="Noise", now=after(5))
        asked = open_request(session, asset=world.asset(session), channel="desk", text="Hot", contact={}, now=NOW)
        asked.state, asked.work_order_id = "accepted", found.id
        add_line(session, found, LineFacts("travel", minutes=5), after(20), by=world.ann)
        with pytest.raises(NotMergeable):
            merge(session, found, opened(session, world, asset=world.other_pump), "same", after(30), by=world.planner)
        with pytest.raises(Invalid):
            merge(session, found, found, "same", after(30), by=world.planner)
        for _ in range(2):
            merge(session, found, stays, "same noise", after(30), by=world.planner)
        assert (found.state, found.merged_into_id, stays.priority) == ("cancelled", stays.id, "high")
        assert stays.noticed is not None
        assert len(lines_of(session, stays.id)) == 1
        consume(session, found)
        assert session.get_one(Request, asked.id).work_order_id == stays.id
        assert episode.closed_at is None  # merging is no answer
        assert session.scalars(select(Label)).all() == []
        finished(session, world, stays)
        consume(session, stays)
        assert episode.outcome == "confirmed"
        label = session.scalars(select(Label)).one()
        assert (label.work_order_id, label.episode_id) == (stays.id, episode.id)
        assert kinds(session, stays).count("work_order.merged") == 1


def test_a_part_that_is_split_off_leaves_the_reason_where_it_was(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world, origin="finding", priority="high")
        part = split(session, order, "Paint the cover", after(10), plan={"duration_minutes": 30}, by=world.planner)
        assert (part.origin, part.parent_id, part.parent_relation) == ("manual", order.id, "split")
        assert (part.priority, part.duration_minutes, part.title_text) == ("high", 30, "Paint the cover")
        assert kinds(session, order)[-1] == "work_order.split"
        finished(session, world, order)
        with pytest.raises(IllegalMove):
            split(session, order, "More", after(700), by=world.planner)


def test_blocked_work_begins_when_the_other_is_done_and_no_circle_closes(world: World) -> None:
    with world.database.as_service() as session:
        first, second, third = (opened(session, world) for _ in range(3))
        for _ in range(2):
            add_block(session, second, first, after(1), by=world.planner)
        add_block(session, third, second, after(1), by=world.planner)
        for blocked, blocking in ((first, third), (first, second)):
            with pytest.raises(Circle):
                add_block(session, blocked, blocking, after(2), by=world.planner)
        with pytest.raises(Invalid):
            add_block(session, first, first, after(2), by=world.planner)
        ann = world.person(session, world.ann)
        with pytest.raises(Blocked) as refused:
            field.start(session, second, ann, after(3), by=world.ann)
        assert refused.value.params["blocked_by"] == [first.number]
        session.expire_all()
        finished(session, world, first)
        consume(session, first)
        assert kinds(session, second)[-1] == "work_order.unblocked"
        send_back(session, first, "not dry yet", after(700), by=world.planner)
        consume(session, first)
        with pytest.raises(Blocked):
            transition(session, second, "in_progress", after(710), by=world.planner)
        finished(session, world, first, 1200)
        transition(session, second, "in_progress", after(1300), by=world.planner)


def test_helpers_have_visits_and_hours_of_their_own(world: World) -> None:
    """002-21 (assistants), 003-21 and 003-24 (hours and costs per order), 004-14 (no re-entry)."""
    with world.database.as_service() as session:
        order, ann, bob = opened(session, world), world.person(session, world.ann), world.person(session, world.bob)
        field.accept(session, order, ann, after(0), by=world.ann)
        with pytest.raises(Conflict):
            field.accept(session, order, bob, after(1), by=world.bob)
        add_helper(session, order, bob, after(2), by=world.planner)
        field.start(session, order, bob, after(60), by=world.bob)
        assert order.assignee_id == ann.id
        (his,) = [visit for visit in visits_of(session, order) if visit.technician_id == bob.id]
        move_visit(session, order, his, "on_break", after(660), by=world.bob)
        move_visit(session, order, his, "in_progress", after(1260), by=world.bob)
        move_visit(session, order, his, "completed", after(1860), by=world.bob, outcome="confirmed")
        (counted,) = lines_of(session, order.id)
        assert (counted.person_id, counted.kind, counted.minutes, counted.source) == (bob.id, "labour", 20, "visit")
        # What somebody writes takes the place of what was counted, and a repeat from the phone is the same line.
        told = LineFacts("labour", person_id=bob.id, visit_id=his.id, minutes=25)
        line = add_line(session, order, told, after(1900), by=world.bob)
        assert add_line(session, order, told, after(1900), by=world.bob, line_id=line.id) is line
        assert [(one.minutes, one.source) for one in lines_of(session, order.id)] == [(25, "person")]
        with pytest.raises(Invalid):
            decide_line(session, order, line, "rejected", after(2000), by=world.planner)
        decide_line(session, order, line, "approved", after(2000), by=world.planner)
        with pytest.raises(IllegalMove):
            change_line(session, order, line, told, after(2100), by=world.bob)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_counted_hours_belong_to_the_technicians_own_day(world: World, zone: str) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        made = {"organisation_id": ann.organisation_id, "person_id": ann.id, "time_zone": zone}
        session.add(TechnicianProfile(**made))
        field.start(session, order, ann, after(60), by=world.ann)
        field.finish(session, order, ann, after(3600), outcome="confirmed", by=world.ann)
        days = {line.day for line in lines_of(session, order.id)}
        assert days == {after(60).astimezone(ZoneInfo(zone)).date()}


def hours(first: float, last: float) -> tuple[datetime, datetime]:
    return NOW + timedelta(hours=first), NOW + timedelta(hours=last)


def test_a_technician_is_in_one_place_at_a_time(world: World) -> None:
    """A visit booked twice: 409 that names the other; next to each other is no overlap, ended visits are in no way."""
    with world.database.as_service() as session:
        one, two = opened(session, world), opened(session, world)
        ann, bob = world.person(session, world.ann), world.person(session, world.bob)
        visit = schedule_visit(session, one, ann, NOW, planned=hours(1, 2), by=world.planner)
        with pytest.raises(VisitOverlap) as refused:
            schedule_visit(session, two, ann, NOW, planned=hours(1.5, 3), by=world.planner)
        assert (refused.value.params["visit_id"], refused.value.params["number"]) == (str(visit.id), one.number)
        other = schedule_visit(session, two, ann, NOW, planned=hours(2, 3), by=world.planner)
        with pytest.raises(VisitOverlap):
            plan_visit(session, two, other, NOW, planned=hours(1.9, 3), by=world.planner)
        plan_visit(session, two, other, NOW, planned=hours(1.5, 3), technician=bob, by=world.planner)
        assert (two.assignee_id, other.technician_id) == (bob.id, bob.id)
        with pytest.raises(VisitOverlap):
            plan_visit(session, two, other, NOW, technician=ann, by=world.planner)
        move_visit(session, one, visit, "cancelled", after(5), by=world.planner)
        plan_visit(session, two, other, NOW, technician=ann, by=world.planner)
        assert kinds_of_visit(session, other)[-1] == "visit.planned"


def kinds_of_visit(session: Session, visit: Visit) -> list[str]:
    return list(session.scalars(select(Event.kind).where(Event.subject_id == visit.id).order_by(Event.id)))


def test_two_who_plan_at_once_never_book_one_technician_twice(world: World) -> None:
    with world.database.as_service() as session:
        orders = [opened(session, world).id for _ in range(4)]
    barrier, refused = threading.Barrier(4), []

    def book(order_id: Any) -> None:
        try:
            with world.database.as_service() as session:
                order = session.get_one(WorkOrder, order_id)
                ann = session.get_one(Person, world.ann.person_id)
                barrier.wait(60)
                schedule_visit(session, order, ann, NOW, planned=hours(1, 2))
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=book, args=(order_id,)) for order_id in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with world.database.as_service() as session:
        assert len(session.scalars(select(Visit)).all()) == 1
    assert [type(error) for error in refused] == [VisitOverlap] * 3


def test_an_edit_keeps_before_and_after_and_nothing_is_nothing(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        edit_order(session, order, {"duration_minutes": 90, "due_at": after(99)}, after(5), by=world.planner)
        edit_order(session, order, {"duration_minutes": 90}, after(6), by=world.planner)
        (edited,) = session.scalars(select(Event).where(Event.kind == "work_order.edited")).all()
        assert edited.payload["before"] == {"duration_minutes": None, "due_at": None}
        assert edited.payload["after"]["duration_minutes"] == 90
        with pytest.raises(Invalid):
            edit_order(session, order, {"window_until": after(1), "window_from": after(2)}, after(7), by=world.planner)
        finished(session, world, order)
        with pytest.raises(IllegalMove):
            edit_order(session, order, {"priority": "low"}, after(800), by=world.planner)
