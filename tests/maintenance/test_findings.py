"""Findings on a real database: one row each, updated while they last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from assets.base.events import Event
from maintenance.findings import facts_of, save_findings
from maintenance.models import Finding
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after


def test_same_facts_twice_change_nothing(world: World) -> None:
    fact = hot_bearing(world.pump)
    for _ in range(2):
        with world.database.as_service() as session:
            (row,) = save_findings(session, world.customer, [fact], False, NOW)
            assert (row.revision, row.decided_revision) == (1, 0)
            assert facts_of(row) == fact
    with world.database.as_service() as session:
        assert len(session.scalars(select(Finding)).all()) == 1
        assert session.scalars(select(Event.kind).where(Event.kind.like("finding.%"))).all() == ["finding.opened"]


def test_lasting_finding_is_one_row_with_a_rising_revision_and_two_events(world: World) -> None:
    fact = hot_bearing(world.pump)
    steps = [
        fact,
        replace(fact, last_at=after(10), score=9.0, peak=9.0),
        replace(fact, last_at=after(20), score=3.0, peak=9.0),
        replace(fact, last_at=after(30), score=1.0, peak=9.0, cleared_at=after(30)),
    ]
    for number, step in enumerate(steps, start=1):
        with world.database.as_service() as session:
            (row,) = save_findings(session, world.customer, [step], False, step.last_at)
            assert row.revision == number
    with world.database.as_service() as session:
        kinds = session.scalars(select(Event.kind).where(Event.kind.like("finding.%")).order_by(Event.id)).all()
        assert kinds == ["finding.opened", "finding.cleared"]


def test_older_facts_never_undo_younger_ones(world: World) -> None:
    fact = hot_bearing(world.pump)
    with world.database.as_service() as session:
        save_findings(session, world.customer, [replace(fact, last_at=after(30), peak=9.0)], False, NOW)
    with world.database.as_service() as session:
        (row,) = save_findings(session, world.customer, [fact], False, NOW)
        assert (row.last_at, row.peak, row.revision) == (after(30), 9.0, 1)


def test_numbers_without_bounds_become_bounded_ones(world: World) -> None:
    fact = hot_bearing(world.pump, score=float("inf"), peak=float("inf"), confidence=float("nan"))
    share = replace(fact.contributions[0], expected=float("nan"), deviation=float("inf"))
    with world.database.as_service() as session:
        (row,) = save_findings(session, world.customer, [replace(fact, contributions=(share,))], False, NOW)
        assert (row.score, row.confidence, row.contributions[0]["expected"]) == (1e12, 0.0, None)


def test_thousand_findings_are_saved_in_order(world: World) -> None:
    facts = [hot_bearing(world.pump, first_at=after(i), last_at=after(i)) for i in range(1000)]
    with world.database.as_service() as session:
        rows = save_findings(session, world.customer, facts, True, NOW)
        assert [row.first_at for row in rows] == [fact.first_at for fact in facts]


def test_replayed_evidence_keeps_its_own_time_on_the_timeline(world: World) -> None:
    past = NOW - timedelta(days=20)
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump, first_at=past, last_at=past)], True, NOW)
        event = session.scalars(select(Event).where(Event.kind == "finding.opened")).one()
        assert (event.at, event.payload["replayed"]) == (past, True)


def test_another_organisations_actor_sees_no_finding(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
    with world.database.as_actor(world.stranger) as session:
        assert session.scalars(select(Finding)).all() == []
    with world.database.as_actor(world.planner) as session:
        assert len(session.scalars(select(Finding)).all()) == 1
