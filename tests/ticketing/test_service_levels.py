"""Clocks of work orders follow policies, contracts, calendars and events, and people are told once each.

Seed rows 001-06, 001-07 (policies by kind of service and customer), 001-15, 001-24, 004-22, 004-37.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar
from assets.base.consumers import run_consumer
from assets.base.events import Event, append_event
from assets.contracts.agreements import make_contract, move_contract, set_assets
from tests.ticketing.world import NOW, World
from ticketing.models import WorkOrder
from ticketing.sla.pausing import pause, pauses_of, resume
from ticketing.sla.tables import SlaClock, SlaPolicy, SlaSubject, SlaTarget, SlaWarning
from ticketing.sla.telling import acknowledge
from ticketing.sla_shown import standings, subject_condition
from ticketing.sla_subjects import load_subjects, marks_for
from ticketing.sla_watch import SLA_FOLLOWS_RULES, SLA_FOLLOWS_WORK, watch
from ticketing.visits import move_visit, schedule_visit
from ticketing.work_orders import open_work_order, transition

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OFFICE = {str(day): [["08:00", "12:00"], ["13:00", "17:00"]] for day in range(5)}
TELL = [{"percent": 80, "tell": [{"to": "planners"}]}, {"percent": 100, "tell": [{"to": "planners"}]}]


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def add_policy(session: Session, world: World, minutes: dict[str, int], **values: Any) -> SlaPolicy:
    calendar = Calendar(organisation_id=world.operator, name="Office", time_zone="UTC", hours=OFFICE)
    session.add(calendar)
    session.flush()
    made = {"match": {}, "pauses": {"parts": ["restoration"]}, "warnings": TELL, "calendar_id": calendar.id}
    made |= {"created_at": NOW, "changed_at": NOW}
    policy = SlaPolicy(organisation_id=world.operator, name="Usual", **(made | values))
    session.add(policy)
    session.flush()
    for clock, limit in minutes.items():
        target = {"policy_id": policy.id, "organisation_id": world.operator, "priority": "any"}
        session.add(SlaTarget(clock=clock, minutes=limit, **target))
    session.flush()
    return policy


def add_order(session: Session, world: World, now: datetime = MONDAY, **values: Any) -> WorkOrder:
    facts = {"origin": "manual", "kind": "general", "title_code": "manual"} | values
    return open_work_order(session, asset=world.asset(session), now=now, **facts)


@pytest.fixture
def catch_up(world: World) -> Any:
    """Let consumers and the watch do what they do each second."""

    def run(now: datetime) -> None:
        for consumer in (SLA_FOLLOWS_WORK, SLA_FOLLOWS_RULES):
            while run_consumer(world.database, consumer, now):
                pass
        with world.database.as_service() as session:
            while watch(session, now):
                pass

    return run


def shown(world: World, key: UUID, now: datetime) -> dict[str, tuple[str, datetime | None]]:
    with world.database.as_service() as session:
        return {each.clock: (each.state, each.due_at) for each in standings(session, "work_order", [key], now)[key]}


def stored(world: World, key: UUID) -> dict[str, SlaClock]:
    with world.database.as_service() as session:
        return {row.clock: row for row in session.scalars(select(SlaClock).where(SlaClock.subject_id == key))}


def told(world: World) -> list[tuple[str, int, int, bool]]:
    with world.database.as_service() as session:
        rows = session.scalars(select(SlaWarning).order_by(SlaWarning.fired_at, SlaWarning.percent, SlaWarning.round))
        return [(row.clock, row.percent, row.round, row.silent) for row in rows]


def test_life_of_an_order_runs_its_four_clocks(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"response": 60, "arrival": 240, "restoration": 480, "closing": 960})
        order = add_order(session, world)
        key = order.id
    catch_up(at(0.5))
    assert shown(world, key, at(0.5)) == {
        "response": ("running", at(1)),
        "arrival": ("running", at(4)),
        "restoration": ("running", at(9)),  # lunch lies between
        "closing": ("running", at(33)),  # Tuesday at five
    }
    with world.database.as_service() as session:
        order = session.get_one(WorkOrder, key)
        visit = schedule_visit(session, order, world.person(session, world.ann), at(1.5), by=world.planner)
        move_visit(session, order, visit, "travelling", at(2), by=world.ann)
        move_visit(session, order, visit, "in_progress", at(3), by=world.ann)
    assert shown(world, key, at(3))["response"][0] == "missed"  # events count at once, before any row is written
    assert shown(world, key, at(3))["arrival"][0] == "met"
    catch_up(at(3))
    with world.database.as_service() as session:
        order = session.get_one(WorkOrder, key)
        transition(session, order, "on_hold", at(3.5), by=world.ann, code="parts")
    assert shown(world, key, at(6))["restoration"][0] == "paused"
    assert shown(world, key, at(6))["closing"][0] == "running"  # the policy pauses restoration alone
    with world.database.as_service() as session:
        order = session.get_one(WorkOrder, key)
        transition(session, order, "in_progress", at(25), by=world.ann)
        transition(session, order, "completed", at(26), by=world.ann, outcome="confirmed")
        transition(session, order, "closed", at(27), by=world.planner)
    catch_up(at(28))
    rows = stored(world, key)
    assert {name: row.state for name, row in rows.items()} == {
        "response": "missed", "arrival": "met", "restoration": "met", "closing": "met"}  # fmt: skip
    restoration = rows["restoration"]
    assert (restoration.used_s, restoration.paused_s, restoration.outside_s) == (4.5 * 3600, 5.5 * 3600, 16 * 3600)
    with world.database.as_service() as session:
        subject = session.scalars(select(SlaSubject).where(SlaSubject.subject_id == key)).one()
        assert (subject.finished_at, subject.look_at) == (at(27), None)


def test_each_warning_is_told_once_and_the_last_until_somebody_takes_note(world: World, catch_up: Any) -> None:
    chain = [
        {"percent": 50, "tell": [{"to": "planners"}]},
        {"percent": 100, "tell": [{"to": "planners"}], "repeat_minutes": 60, "repeats": 9},
    ]
    with world.database.as_service() as session:
        add_policy(session, world, {"arrival": 120}, warnings=chain)
        add_order(session, world)
    for hour in (0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3.2):
        catch_up(at(hour))
    assert told(world) == [("arrival", 50, 0, False), ("arrival", 100, 0, False), ("arrival", 100, 1, False)]
    catch_up(at(7.1))  # after a stall the missed repeats are not told one by one
    assert told(world)[3:] == [("arrival", 100, 5, False)]
    with world.database.as_service() as session:
        newest = session.scalars(select(SlaWarning).order_by(SlaWarning.round.desc()).limit(1)).one()
        acknowledge(session, newest.id, at(7.2), world.planner)
        events = session.scalars(select(Event).where(Event.kind == "sla.warned").order_by(Event.id)).all()
        assert [event.payload["percent"] for event in events] == [50, 100, 100, 100]
        assert {tuple(event.payload["person_ids"]) for event in events} == {(str(world.planner.person_id),)}
    for hour in (8, 9, 30):
        catch_up(at(hour))
    assert len(told(world)) == 4


def test_what_was_late_before_a_policy_was_made_is_told_to_nobody(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        key = add_order(session, world).id
    catch_up(at(1))
    with world.database.as_service() as session:
        policy = add_policy(session, world, {"response": 60, "closing": 300}, changed_at=at(2))
        append_event(session, "sla_policy.created", at=at(2), organisation_id=world.operator,
                     subject_kind="sla_policy", subject_id=policy.id)  # fmt: skip
    catch_up(at(2))
    assert shown(world, key, at(2))["response"][0] == "breached"
    assert told(world) == [("response", 80, 0, True), ("response", 100, 0, True)]
    catch_up(at(7))
    assert told(world)[2:] == [("closing", 80, 0, False), ("closing", 100, 0, False)]


def test_late_event_changes_what_was_counted(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"restoration": 120})
        key = add_order(session, world).id
    catch_up(at(3))
    assert shown(world, key, at(3))["restoration"][0] == "breached"
    with world.database.as_service() as session:  # a phone was offline: the work was done at nine
        order = session.get_one(WorkOrder, key)
        transition(session, order, "in_progress", at(0.5), by=world.ann)
        transition(session, order, "completed", at(1), by=world.ann, outcome="confirmed")
    catch_up(at(4))
    row = stored(world, key)["restoration"]
    assert (row.state, row.finished_at, row.breached_at, row.due_at) == ("met", at(1), None, at(2))


def test_priority_calendar_and_policy_move_what_runs_and_leave_what_ended(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        policy = add_policy(session, world, {"response": 60, "closing": 480})
        session.add(SlaTarget(policy_id=policy.id, organisation_id=world.operator, clock="closing",
                              priority="urgent", minutes=120))  # fmt: skip
        order = add_order(session, world)
        key, policy_id, calendar_id = order.id, policy.id, policy.calendar_id
        schedule_visit(session, order, world.person(session, world.ann), at(0.25), by=world.planner)
    catch_up(at(1))
    assert shown(world, key, at(1)) == {"response": ("met", at(1)), "closing": ("running", at(9))}
    with world.database.as_service() as session:
        session.get_one(WorkOrder, key).priority = "urgent"
        session.flush()
        order = session.get_one(WorkOrder, key)
        append_event(session, "work_order.edited", at=at(1), organisation_id=order.organisation_id,
                     subject_kind="work_order", subject_id=key, payload={})  # fmt: skip
    catch_up(at(1))
    assert shown(world, key, at(1))["closing"] == ("running", at(2))
    with world.database.as_service() as session:
        calendar = session.get_one(Calendar, calendar_id)
        calendar.exceptions = {str(date(2026, 11, 23)): [["08:00", "09:00"]]}
        append_event(session, "calendar.changed", at=at(1), organisation_id=world.operator,
                     subject_kind="calendar", subject_id=calendar.id)  # fmt: skip
    catch_up(at(1))
    assert shown(world, key, at(1))["closing"] == ("running", at(25))
    with world.database.as_service() as session:
        session.get_one(SlaPolicy, policy_id).enabled = False
        append_event(session, "sla_policy.changed", at=at(1), organisation_id=world.operator,
                     subject_kind="sla_policy", subject_id=policy_id)  # fmt: skip
    catch_up(at(1))
    assert shown(world, key, at(1)) == {"response": ("met", at(1))}


def test_contract_goes_before_policy_and_urgent_is_not_slower(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"arrival": 240, "restoration": 60})
        contract = make_contract(
            session, provider_organisation_id=world.operator, organisation_id=world.customer, name="Gold",
            starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31), time_zone="UTC", now=NOW,
            response_times=[{"priority": "normal", "arrive_h": 2, "restore_h": 3}],
        )  # fmt: skip
        set_assets(session, contract, [world.asset(session)], NOW, None)
        move_contract(session, contract, "active", NOW)
        normal, urgent = add_order(session, world).id, add_order(session, world, priority="urgent").id
        low = add_order(session, world, priority="low").id
    catch_up(at(0.1))
    assert shown(world, normal, at(0.1))["arrival"] == ("running", at(2))
    assert shown(world, normal, at(0.1))["restoration"] == ("running", at(3))  # though the policy says one hour
    assert shown(world, urgent, at(0.1))["arrival"] == ("running", at(2))
    assert shown(world, urgent, at(0.1))["restoration"] == ("running", at(1))
    assert shown(world, low, at(0.1))["arrival"] == ("running", at(4))
    assert {row.source for row in stored(world, normal).values()} == {"contract"}


def test_one_subject_that_fails_stops_no_other(
    world: World, catch_up: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"arrival": 240})
        broken, sound = add_order(session, world).id, add_order(session, world).id

    def marks(session: Session, subjects: Any) -> Any:
        if broken in subjects:
            session.execute(text("SELECT 1 / 0"))
        return marks_for(session, subjects)

    with monkeypatch.context() as patched:
        patched.setattr("ticketing.sla_watch.marks_for", marks)
        catch_up(at(0.5))
    assert set(stored(world, sound)) == {"arrival"}
    assert not stored(world, broken)
    assert str(broken) in caplog.text
    catch_up(at(0.5) + timedelta(minutes=5))
    assert set(stored(world, broken)) == {"arrival"}


def test_a_contract_that_names_a_calendar_no_longer_there_counts_on_the_policys(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        policy = add_policy(session, world, {"arrival": 240})
        contract = make_contract(
            session, provider_organisation_id=world.operator, organisation_id=world.customer, name="Gold",
            starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31), time_zone="UTC", now=NOW,
            response_times=[{"priority": "normal", "arrive_h": 6}],
        )  # fmt: skip
        set_assets(session, contract, [world.asset(session)], NOW, None)
        move_contract(session, contract, "active", NOW)
        contract.response_times = [{**contract.response_times[0], "calendar_id": str(UUID(int=7))}]
        key, calendar_id = add_order(session, world).id, policy.calendar_id
    catch_up(at(0.1))
    assert shown(world, key, at(0.1))["arrival"] == ("running", at(7))
    assert stored(world, key)["arrival"].calendar_id == calendar_id


def test_pauses_by_hand_may_be_told_later_and_ended_earlier(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"restoration": 120}, pauses={"third_party": ["restoration"]})
        key = add_order(session, world).id
    catch_up(at(0))
    with world.database.as_service() as session:
        subject = load_subjects(session, "work_order", [key])[key]
        told_later = pause(session, subject.about, subject.number, reason="third_party", now=at(3), by=world.planner,
                           since=at(1), until=at(2.5), opened_at=MONDAY)  # fmt: skip
    assert shown(world, key, at(3))["restoration"] == ("running", at(3.5))
    with world.database.as_service() as session:
        subject = load_subjects(session, "work_order", [key])[key]
        resume(session, subject.about, subject.number, told_later, at=at(1.5), now=at(3), by=world.planner)
        assert [each["until"] for each in pauses_of(session, key)] == [at(1.5).isoformat()]
    assert shown(world, key, at(3))["restoration"] == ("breached", at(2.5))
    catch_up(at(3))
    assert stored(world, key)["restoration"].breached_at == at(2.5)


def test_lists_are_filtered_by_what_is_late(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"closing": 120})
        late, soon, early = (add_order(session, world, now=at(hour)).id for hour in (0, 0.5, 1.9))
    catch_up(at(2.2))
    with world.database.as_service() as session:
        for word, wanted in (("breached", {late}), ("at_risk", {soon}), ("running", {late, soon, early})):
            query = select(WorkOrder.id).where(subject_condition("work_order", WorkOrder.id, word, at(2.2)))
            assert set(session.scalars(query)) == wanted, word


def test_page_of_orders_takes_a_handful_of_queries(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"response": 60, "closing": 480})
        keys = [add_order(session, world).id for _ in range(30)]
    catch_up(at(0.1))
    with world.database.as_actor(world.planner) as session:
        counted = []
        from sqlalchemy import event as hooks

        hooks.listen(session.connection(), "before_cursor_execute", lambda *_: counted.append(1))
        found = standings(session, "work_order", keys, at(0.5))
        assert len(found) == 30
        assert len(counted) <= 12  # of which five set the role
        assert session.scalar(text("SELECT current_user")) == "forewarn_app"


def test_partner_and_customer_are_shown_what_the_operator_counts(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"closing": 480})
        order = add_order(session, world)
        order.executing_organisation_id = world.partner.organisation_id
        key = order.id
    catch_up(at(0.1))
    for actor in (world.partner, world.client):
        with world.database.as_actor(actor) as session:
            found = standings(session, "work_order", [key], at(5))
            assert [each.due_at for each in found[key]] == [at(9)]
    with world.database.as_actor(world.stranger) as session:
        assert session.scalars(select(SlaClock)).all() == []


def test_orders_of_recorded_fleets_have_no_clocks(world: World, catch_up: Any) -> None:
    with world.database.as_service() as session:
        add_policy(session, world, {"closing": 480})
        key = add_order(session, world, replayed=True).id
    catch_up(at(0.1))
    assert stored(world, key) == {}
