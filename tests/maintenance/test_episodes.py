"""From findings to work orders on a real database: one fault, one order, however it flaps and whoever decides."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer, run_consumer
from assets.base.events import Event
from maintenance.decisions import FindingFacts
from maintenance.episodes import decide_pending
from maintenance.findings import facts_of, save_findings
from maintenance.models import Episode, Finding, PolicyRow, PredictedJob
from maintenance.outcomes import KINDS, close_episode
from tests.maintenance.evidence import SIGNATURE, frozen_sensor, hot_bearing
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.models import WorkOrder
from ticketing.work_orders import open_work_order, transition

OUTCOMES = Consumer("maintenance.outcomes", KINDS, close_episode)


def notice(
    world: World, *facts: FindingFacts, now: datetime | None = None, replayed: bool = False, **more: Any
) -> None:
    """Save findings and decide about them, as the worker does."""
    moment = now or max(fact.cleared_at or fact.last_at for fact in facts)
    with world.database.as_service() as session:
        owner = world.asset(session, world.pump).organisation_id
        save_findings(session, owner, facts, replayed, moment, **more)
    decide_all(world, moment)


def decide_all(world: World, now: datetime) -> int:
    with world.database.as_service() as session:
        return decide_pending(session, now)


def orders(session: Session) -> list[WorkOrder]:
    return list(session.scalars(select(WorkOrder).order_by(WorkOrder.id)))


def set_policy(world: World, **settings: Any) -> None:
    with world.database.as_service() as session:
        session.add(
            PolicyRow(organisation_id=world.operator, name="test", asset_model_id=None, settings=settings, enabled=True)
        )


def finish_order(world: World, now: datetime, outcome: str = "confirmed") -> None:
    with world.database.as_service() as session:
        order, ann = orders(session)[-1], world.person(session, world.ann)
        field.start(session, order, ann, now)
        field.finish(session, order, ann, now, outcome=outcome)
    run_consumer(world.database, OUTCOMES, now)


def test_finding_opens_a_work_order_that_says_what_was_noticed(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        (order,) = orders(session)
        assert (order.origin, order.kind, order.priority, order.since) == ("finding", "machine", "high", NOW)
        assert (order.title_code, order.title_params["label_zh"]) == ("noticed_residual_high", "轴承")
        noticed = order.noticed
        assert noticed is not None
        assert (noticed["model_id"], noticed["signature"], noticed["since"]) == (
            "residual-1",
            SIGNATURE,
            NOW.isoformat(),
        )
        top = noticed["contributions"][0]
        assert (top["expected"], top["seen"], top["unit_label"], top["label_en"]) == (61.0, 78.5, "°C", "Bearing")
        assert noticed["checks"] == [{"en": "Grease the bearing", "zh": "给轴承加脂"}]
        (episode,) = session.scalars(select(Episode))
        assert (order.origin_ref, episode.state, episode.count) == (episode.id, "open", 1)
        (job,) = session.scalars(select(PredictedJob))
        assert (job.state, job.work_order_id) == ("opened", order.id)
        assert world.asset(session).operation == "degraded"


def test_one_fault_opens_one_work_order_however_it_flaps(world: World) -> None:
    for flap in range(30):
        begin = flap * 100.0
        fact = hot_bearing(world.pump, first_at=after(begin), last_at=after(begin), peak=5.0 + flap)
        notice(world, fact)
        notice(world, replace(fact, last_at=after(begin + 20), cleared_at=after(begin + 20)))
        decide_all(world, after(begin + 90))  # the off-delay has passed
    with world.database.as_service() as session:
        (order,) = orders(session)
        (episode,) = session.scalars(select(Episode))
        assert (episode.count, episode.state, episode.peak) == (30, "cleared", 34.0)
        assert order.noticed is not None
        assert order.noticed["evidence_count"] == 30
        assert len(order.noticed["evidence"]) == 20  # bounded
        assert order.version == 1  # evidence does not make a technician's form stale


def test_other_signatures_of_the_machine_join_its_order(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    notice(world, hot_bearing(world.pump, signature="vibration_mm_s:high", first_at=after(5), last_at=after(5)))
    critical = hot_bearing(
        world.pump, detector="limits", layer="L1", severity="critical", first_at=after(9), last_at=after(9)
    )
    notice(world, critical)
    with world.database.as_service() as session:
        (order,) = orders(session)
        assert order.priority == "urgent"
        assert session.scalars(select(Episode)).one().severity == "critical"


def test_sensor_trouble_groups_by_metric_beside_the_machine(world: World) -> None:
    vibration = frozen_sensor(world.pump, last_at=after(30))
    notice(world, vibration, frozen_sensor(world.pump, "pressure_bar", last_at=after(30)))
    again = frozen_sensor(world.pump, first_at=after(60), last_at=after(90))
    notice(world, hot_bearing(world.pump, last_at=after(90)), again)
    with world.database.as_service() as session:
        assert sorted(order.kind for order in orders(session)) == ["machine", "sensor", "sensor"]


def test_finding_handled_twice_is_harmless(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        session.scalars(select(Finding)).one().decided_revision = 0  # as after a restored backup
    decide_all(world, NOW)
    with world.database.as_service() as session:
        assert len(orders(session)) == 1
        assert session.scalars(select(Episode)).one().count == 1


def test_nothing_is_decided_twice_without_news(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    assert decide_all(world, after(1)) == 0


def test_concurrent_deciders_open_one_order(world: World) -> None:
    facts = [
        hot_bearing(world.pump, signature=f"metric_{i}:high", first_at=after(i), last_at=after(i)) for i in range(12)
    ]
    with world.database.as_service() as session:
        save_findings(session, world.customer, facts, False, after(20))
    barrier, failures = threading.Barrier(4), []

    def decide() -> None:
        barrier.wait(timeout=10)
        try:
            for _ in range(12):
                with world.database.as_service() as session:
                    decide_pending(session, after(20), limit=2)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    while decide_all(world, after(20)):
        pass
    assert failures == []
    with world.database.as_service() as session:
        assert len(orders(session)) == 1
        assert session.scalars(select(Episode)).one().count == 12


def test_short_evidence_waits_for_the_on_delay(world: World) -> None:
    set_policy(world, on_delay_s=30)
    fact = hot_bearing(world.pump)
    notice(world, fact)
    notice(world, replace(fact, last_at=after(20)))
    with world.database.as_service() as session:
        assert orders(session) == []
        assert session.scalars(select(Finding)).one().decision == "wait"
    notice(world, replace(fact, last_at=after(31)))
    with world.database.as_service() as session:
        assert len(orders(session)) == 1


def test_off_delay_is_looked_at_again_without_news(world: World) -> None:
    fact = hot_bearing(world.pump)
    notice(world, fact)
    notice(world, replace(fact, last_at=after(10), cleared_at=after(10)))
    assert decide_all(world, after(30)) == 0
    assert decide_all(world, after(75)) == 1
    with world.database.as_service() as session:
        assert session.scalars(select(Episode)).one().state == "cleared"
        assert world.asset(session).operation == "up"
        assert orders(session)[0].state == "unscheduled"  # a person still says what it was


def test_outcome_closes_the_episode_and_the_job(world: World) -> None:
    fact = hot_bearing(world.pump)
    notice(world, fact)
    finish_order(world, after(600))
    run_consumer(world.database, OUTCOMES, after(601))
    with world.database.as_service() as session:
        (episode,) = session.scalars(select(Episode))
        assert (episode.state, episode.outcome, episode.closed_at) == ("closed", "confirmed", after(600))
        assert session.scalars(select(PredictedJob)).one().state == "done"
        assert world.asset(session).operation == "up"
        events = session.scalars(select(Event).where(Event.kind == "work_order.completed")).all()
        close_episode(session, events[0], after(700))  # twice is harmless
        assert len(session.scalars(select(Event).where(Event.kind == "episode.closed")).all()) == 1
    notice(world, replace(fact, last_at=after(620)))  # the end of the same evidence is no new trouble
    with world.database.as_service() as session:
        assert len(orders(session)) == 1


def test_trouble_that_returns_within_the_cool_down_reopens_the_episode_with_a_new_order(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    finish_order(world, after(600))
    notice(world, hot_bearing(world.pump, first_at=after(900), last_at=after(900)))
    with world.database.as_service() as session:
        (episode,) = session.scalars(select(Episode))
        assert (episode.state, episode.recurrence_no, episode.closed_at) == ("open", 1, None)
        first, second = orders(session)
        assert (first.state, first.outcome, second.state) == ("completed", "confirmed", "unscheduled")
        assert second.noticed is not None
        assert second.noticed["recurrence_of"] == first.number
        event = session.scalars(select(Event).where(Event.kind == "work_order.completed")).one()
        close_episode(session, event, after(901))  # the old order's end does not close the new trouble
        assert episode.closed_at is None


def test_trouble_after_the_cool_down_is_a_new_episode(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    finish_order(world, after(600))
    notice(world, hot_bearing(world.pump, first_at=after(9000), last_at=after(9000)))
    with world.database.as_service() as session:
        assert len(session.scalars(select(Episode)).all()) == 2
        assert len(orders(session)) == 2


def test_learning_detector_only_watches_and_flaps_are_one_line(world: World) -> None:
    for flap in range(3):
        begin = after(flap * 100)
        notice(world, hot_bearing(world.pump, learning=True, first_at=begin, last_at=begin))
    with world.database.as_service() as session:
        assert orders(session) == []
        (job,) = session.scalars(select(PredictedJob))
        assert (job.state, job.reason_code) == ("watching", "learning")


def test_watched_trouble_that_ends_leaves_the_list(world: World) -> None:
    fact = hot_bearing(world.pump, learning=True)
    notice(world, fact)
    notice(world, replace(fact, last_at=after(5), cleared_at=after(5)))
    with world.database.as_service() as session:
        assert session.scalars(select(PredictedJob)).one().state == "done"


def test_work_for_another_reason_silences_the_sensors_until_it_ends(world: World) -> None:
    with world.database.as_service() as session:
        order = open_work_order(
            session, asset=world.asset(session), origin="manual", kind="general", title_code="manual", now=NOW
        )
        transition(session, order, "in_progress", NOW)
        order_id = order.id
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        assert session.scalars(select(Finding)).one().decision_reason == "asset_paused"
        transition(session, session.get_one(WorkOrder, order_id), "completed", after(20), outcome="planned")
    decide_all(world, after(60))
    with world.database.as_service() as session:
        assert [order.origin for order in orders(session)] == ["manual", "finding"]


def test_retired_asset_opens_nothing(world: World) -> None:
    with world.database.as_service() as session:
        world.asset(session).lifecycle = "retired"
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        assert orders(session) == []


def test_past_evidence_opens_no_work(world: World) -> None:
    past = NOW - timedelta(days=20)
    notice(world, hot_bearing(world.pump, first_at=past, last_at=past), now=NOW)
    with world.database.as_service() as session:
        assert orders(session) == []
        assert session.scalars(select(PredictedJob)).all() == []


def test_replayed_evidence_opens_with_event_time_and_mark(world: World) -> None:
    past = NOW - timedelta(days=20)
    fact = hot_bearing(world.pump, first_at=past, last_at=past)
    notice(world, fact, now=NOW, replayed=True, watermark=past)
    with world.database.as_service() as session:
        (order,) = orders(session)
        assert (order.opened_at, order.replayed) == (past, True)
    finish_order(world, NOW)
    later = past + timedelta(days=2)
    notice(world, hot_bearing(world.pump, first_at=later, last_at=later), now=after(1), replayed=True, watermark=later)
    with world.database.as_service() as session:  # the answer given in our time does not hide later replayed trouble
        assert [order.opened_at for order in orders(session)] == [past, later]


def test_unanswered_order_ends_after_the_policys_time(world: World) -> None:
    set_policy(world, open_s=3600, cool_down_s=0)
    notice(world, hot_bearing(world.pump))
    notice(world, hot_bearing(world.pump, first_at=after(4000), last_at=after(4000)))
    with world.database.as_service() as session:
        first, second = orders(session)
        assert (first.state, second.state) == ("cancelled", "unscheduled")
        assert sorted(e.outcome or "" for e in session.scalars(select(Episode))) == ["", "unknown"]


def test_order_of_a_broken_sensor_stays_where_others_end(world: World) -> None:
    set_policy(world, open_s=3600, cool_down_s=0, off_delay_s=60)
    frozen = frozen_sensor(world.pump, last_at=after(30))
    notice(world, frozen)
    for hours in (5, 30, 60):  # it lasts, longer than the policy's times
        notice(world, replace(frozen, last_at=after(3600.0 * hours)))
    notice(world, replace(frozen, last_at=after(3600.0 * 61), cleared_at=after(3600.0 * 61)))
    decide_all(world, after(3600.0 * 62))
    again = frozen_sensor(world.pump, first_at=after(3600.0 * 90), last_at=after(3600.0 * 91))
    notice(world, again)
    with world.database.as_service() as session:
        (order,) = orders(session)
        assert order.state == "unscheduled"
        assert session.scalars(select(Episode)).one().count == 2


def test_finding_that_cannot_be_decided_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from maintenance import episodes

    def broken(row: Finding) -> FindingFacts:
        if row.signature == "broken:high":
            raise ValueError("broken")
        return facts_of(row)

    monkeypatch.setattr(episodes, "facts_of", broken)
    notice(world, hot_bearing(world.pump, signature="broken:high"), hot_bearing(world.pump))
    with world.database.as_service() as session:
        assert len(orders(session)) == 1
        failed = session.scalars(select(Finding).where(Finding.signature == "broken:high")).one()
        assert (failed.decision, failed.next_decision_at) == ("failed", after(30))


def test_episode_lasts_as_long_as_one_of_its_findings(world: World) -> None:
    bearing = hot_bearing(world.pump)
    notice(world, bearing, hot_bearing(world.pump, signature="vibration_mm_s:high"))
    notice(world, replace(bearing, last_at=after(10), cleared_at=after(10)))
    decide_all(world, after(100))
    with world.database.as_service() as session:
        assert session.scalars(select(Episode)).one().state == "open"
        assert world.asset(session).operation == "degraded"


def test_database_refuses_a_second_open_episode_of_one_trouble(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    columns = "asset_id, organisation_id, key, kind, severity, opened_at, last_seen_at, state, count, peak"
    copy = text(
        f"INSERT INTO episodes (id, {columns}, recurrence_no, replayed)"
        f" SELECT gen_random_uuid(), {columns}, recurrence_no, replayed FROM episodes"
    )
    with world.database.as_service() as session:
        refused = pytest.raises(IntegrityError, match="uq_episodes_open")
        with refused, session.begin_nested():
            session.execute(copy)
