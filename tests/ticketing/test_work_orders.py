"""Work orders on a real database: moves, visits, assignment, what others see."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Forbidden, IllegalMove, Invalid, NotFound
from assets.base.events import Event, broken_links
from assets.registry import Asset
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.models import Visit, WorkOrder
from ticketing.technicians import assignable, technicians
from ticketing.visit_plans import plan_visit
from ticketing.visits import move_visit, schedule_visit, visits_of
from ticketing.work_orders import assign, get_work_order, legal_moves, open_work_order, raise_priority, transition


def opened(session: Session, world: World, **more: object) -> WorkOrder:
    facts: dict[str, object] = {
        "asset": world.asset(session),
        "origin": "manual",
        "kind": "general",
        "title_code": "manual",
        "title_text": "Noise",
        "now": NOW,
    }
    return open_work_order(session, **(facts | more))  # type: ignore[arg-type]


def kinds_of(session: Session, order: WorkOrder) -> list[str]:
    return list(session.scalars(select(Event.kind).where(Event.subject_id == order.id).order_by(Event.id)))


def test_numbers_count_up_and_never_repeat(world: World) -> None:
    with world.database.as_service() as session:
        numbers = [opened(session, world).number for _ in range(3)]
    assert numbers == ["WO-000001", "WO-000002", "WO-000003"]


def test_accept_start_finish_completes_the_order_with_its_outcome(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        field.accept(session, order, ann, after(60), by=world.ann)
        assert (order.state, order.assignee_id) == ("scheduled", ann.id)
        field.start(session, order, ann, after(120), by=world.ann)
        assert (order.state, order.started_at) == ("in_progress", after(120))
        field.finish(
            session, order, ann, after(600), outcome="confirmed", note="greased", repair_code="R1", by=world.ann
        )
        assert (order.state, order.outcome, order.repair_code) == ("completed", "confirmed", "R1")
        assert (order.work_done_at, order.closed_at) == (after(600), None)
        assert kinds_of(session, order) == [
            "work_order.opened",
            "work_order.assigned",
            "work_order.state_changed",
            "work_order.state_changed",
            "work_order.line_recorded",
            "work_order.completed",
        ]
        done = session.scalars(select(Event).where(Event.kind == "work_order.completed")).one()
        assert (done.actor_id, done.payload["outcome"], done.payload["origin"]) == (ann.id, "confirmed", "manual")
        assert broken_links(session, order.id) == []


def test_pressing_a_button_twice_changes_nothing(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        for _ in range(2):
            field.accept(session, order, ann, after(1), by=world.ann)
        for _ in range(2):
            field.start(session, order, ann, after(2), by=world.ann)
        for _ in range(2):
            field.finish(session, order, ann, after(3), outcome="confirmed", by=world.ann)
        assert len(visits_of(session, order)) == 1
        assert kinds_of(session, order).count("work_order.completed") == 1


def test_start_accepts_on_the_way(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        field.start(session, order, ann, after(2), by=world.ann)
        assert (order.state, order.assignee_id) == ("in_progress", ann.id)


def test_illegal_move_names_the_legal_ones(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        with pytest.raises(IllegalMove) as refused:
            transition(session, order, "closed", NOW)
        assert refused.value.params["legal"] == ["scheduled", "in_progress", "on_hold", "cannot_complete", "cancelled"]
        assert "cannot_complete" in str(refused.value)
        visit = schedule_visit(session, order, world.person(session, world.ann), NOW)
        with pytest.raises(IllegalMove) as visit_refused:
            move_visit(session, order, visit, "completed", NOW)
        assert visit_refused.value.params["legal"] == ["travelling", "in_progress", "cannot_complete", "cancelled"]


def test_nothing_is_scheduled_without_a_visit(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        with pytest.raises(IllegalMove) as refused:
            transition(session, order, "scheduled", NOW, by=world.planner)
        assert refused.value.params["legal"] == ["in_progress", "on_hold", "cannot_complete", "cancelled"]
        schedule_visit(session, order, world.person(session, world.ann), NOW)
        transition(session, order, "on_hold", after(5), reason="parts")
        assert transition(session, order, "scheduled", after(9), by=world.planner).state == "scheduled"


def test_finish_before_start_is_refused(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        field.accept(session, order, ann, NOW)
        with pytest.raises(IllegalMove):
            field.finish(session, order, ann, NOW, outcome="confirmed")


def test_unknown_words_are_refused(world: World) -> None:
    with world.database.as_service() as session:
        with pytest.raises(Invalid, match="origin"):
            opened(session, world, origin="gossip")
        with pytest.raises(Invalid, match="priority"):
            opened(session, world, priority="whenever")
        order, ann = opened(session, world), world.person(session, world.ann)
        field.start(session, order, ann, NOW)
        with pytest.raises(Invalid, match="outcome"):
            field.finish(session, order, ann, NOW, outcome="fixed it")
        with pytest.raises(Invalid, match="outcome"):
            transition(session, order, "completed", NOW)
        with pytest.raises(Invalid, match="reason"):
            transition(session, order, "cancelled", NOW)


def test_reassigning_cancels_the_planned_visit_of_the_other(world: World) -> None:
    """Seed row 004-12: the visit that was stays in the history."""
    with world.database.as_service() as session:
        order = opened(session, world)
        field.accept(session, order, world.person(session, world.ann), NOW)
        assign(session, order, world.person(session, world.bob), after(5), by=world.planner)
        assert (order.state, order.assignee_id) == ("unscheduled", world.bob.person_id)
        assert [visit.state for visit in visits_of(session, order)] == ["cancelled"]
        with pytest.raises(Conflict):
            field.accept(session, order, world.person(session, world.ann), after(6))
        with pytest.raises(Forbidden):
            field.start(session, order, world.person(session, world.ann), after(6), by=world.ann)


def test_work_that_is_going_on_is_not_taken_away(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        field.start(session, order, world.person(session, world.ann), NOW)
        for state, legal in (("in_progress", "on_break"), ("on_break", "in_progress")):
            (visit,) = visits_of(session, order)
            move_visit(session, order, visit, state, after(3))
            with pytest.raises(IllegalMove) as refused:
                assign(session, order, world.person(session, world.bob), after(5))
            assert refused.value.params["legal"] == [legal, "completed", "partially_completed", "cannot_complete"]
            assert (visit.state, order.assignee_id) == (state, world.ann.person_id)


def test_order_whose_travelling_technician_is_replaced_is_planned_again(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        visit = schedule_visit(session, order, ann, NOW)
        move_visit(session, order, visit, "travelling", after(3))
        assert order.state == "in_progress"
        assign(session, order, world.person(session, world.bob), after(5), by=world.planner)
        assert (visit.state, order.state) == ("cancelled", "unscheduled")


def test_cancelling_ends_the_visits(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        field.accept(session, order, world.person(session, world.ann), NOW)
        transition(session, order, "cancelled", after(9), reason="sold", by=world.planner)
        assert (order.closed_at, order.state) == (after(9), "cancelled")
        assert [visit.state for visit in visits_of(session, order)] == ["cancelled"]


def test_review_closes_or_sends_back(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        field.start(session, order, ann, NOW)
        field.finish(session, order, ann, after(5), outcome="no_fault_found")
        transition(session, order, "in_progress", after(10), by=world.planner, reason="photo missing")
        assert order.work_done_at is None
        field.start(session, order, ann, after(15))
        field.finish(session, order, ann, after(20), outcome="confirmed")
        transition(session, order, "closed", after(30), by=world.planner)
        assert (order.outcome, order.closed_at) == ("confirmed", after(30))
        assert legal_moves(order) == []


def test_cannot_complete_waits_for_another_visit(world: World) -> None:
    with world.database.as_service() as session:
        order, ann = opened(session, world), world.person(session, world.ann)
        field.start(session, order, ann, NOW)
        visit = visits_of(session, order)[0]
        move_visit(session, order, visit, "cannot_complete", after(5), reason="part missing")
        assert order.state == "cannot_complete"
        schedule_visit(session, order, world.person(session, world.bob), after(9))
        assert order.state == "scheduled"


def test_a_stale_version_is_refused(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        order_id, version = order.id, order.version
        raise_priority(session, order, "critical", NOW)
    with world.database.as_service() as session, pytest.raises(Conflict):
        get_work_order(session, order_id, lock=True, expected_version=version)


def test_priority_rises_and_never_falls(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        assert raise_priority(session, order, "critical", NOW)
        assert not raise_priority(session, order, "warning", NOW)
        assert order.priority == "urgent"


def test_technicians_come_with_their_open_orders_least_busy_first(world: World) -> None:
    with world.database.as_service() as session:
        assign(session, opened(session, world), world.person(session, world.ann), NOW)
        counts = {one.name: one.open_work_orders for one in technicians(session)}
        assert counts == {"Ann": 1, "Bob": 0, "Piet": 0}
        assert technicians(session)[-1].name == "Ann"
        assert world.planner.person_id is not None
        with pytest.raises(Invalid):
            assignable(session, world.planner.person_id)


def test_another_organisations_actor_sees_nothing(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        schedule_visit(session, order, world.person(session, world.ann), NOW)
        order_id = order.id
    with world.database.as_actor(world.stranger) as session:
        assert session.scalars(select(WorkOrder)).all() == []
        assert session.scalars(select(Visit)).all() == []
        with pytest.raises(NotFound):
            get_work_order(session, order_id)
    with world.database.as_actor(world.client) as session:
        assert [order.id for order in session.scalars(select(WorkOrder))] == [order_id]


def test_executing_partner_sees_its_order_and_asset_only(world: World) -> None:
    with world.database.as_service() as session:
        opened(session, world)
        order = opened(session, world, asset=world.asset(session, world.other_pump))
        assign(session, order, world.person(session, world.partner), NOW, by=world.planner)
        order_id = order.id
    with world.database.as_actor(world.partner) as session:
        assert [order.id for order in session.scalars(select(WorkOrder))] == [order_id]
        assert [asset.id for asset in session.scalars(select(Asset))] == [world.other_pump]
        order = get_work_order(session, order_id, lock=True)
        piet = world.person(session, world.partner)
        field.start(session, order, piet, after(5), by=world.partner)
        field.finish(session, order, piet, after(9), outcome="confirmed", by=world.partner)
        assert order.state == "completed"
    with world.database.as_service() as session:
        assert broken_links(session, order_id) == []


def test_partner_whose_visit_goes_to_the_owners_technician_sees_the_order_no_more(world: World) -> None:
    with world.database.as_service() as session:
        order = opened(session, world)
        at = (after(3600), after(7200))
        visit = schedule_visit(session, order, world.person(session, world.partner), NOW, planned=at)
        assert order.executing_organisation_id == visit.executing_organisation_id == world.partner.organisation_id
        plan_visit(session, order, visit, after(9), technician=world.person(session, world.ann), by=world.planner)
        assert (order.executing_organisation_id, order.assignee_id) == (None, world.ann.person_id)
    with world.database.as_actor(world.partner) as session:
        assert [session.scalars(select(table)).all() for table in (WorkOrder, Visit, Asset)] == [[], [], []]
