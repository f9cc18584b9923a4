"""A policy replayed on history: what it would have opened, judged by what people found then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from assets.base.db import Database
from assets.base.errors import Invalid
from maintenance.models import Episode, PolicyRow
from maintenance.policies import DEFAULTS
from ml.policy_replay import Draft, Replayed, replay
from ml.policy_walk import Seen, Walk, as_known
from tests.maintenance.evidence import hot_bearing
from tests.maintenance.test_alarms import window
from tests.maintenance.test_episodes import finish_order, notice
from tests.ticketing.world import NOW, World, after, make_world
from ticketing.models import WorkOrder

DAY = 86400
SINCE, UNTIL = NOW, after(30 * DAY)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database(database_url)
    yield make_world(database)
    database.dispose()


def trouble(world: World, day: float, lasts_s: float, outcome: str | None) -> None:
    """Evidence that lasted so long, its order, and what was found."""
    begin = day * DAY
    for seen_s in (0.0, lasts_s):
        notice(world, hot_bearing(world.pump, first_at=after(begin), last_at=after(begin + seen_s)))
    ended = {"first_at": after(begin), "last_at": after(begin + lasts_s), "cleared_at": after(begin + lasts_s + 5)}
    notice(world, hot_bearing(world.pump, **ended))
    if outcome is not None:
        finish_order(world, after(begin + lasts_s + 3 * 3600), outcome)


def history(world: World) -> None:
    """A month: two true orders of lasting evidence, two false ones of short flickers."""
    for day, lasts_s, outcome in (
        (1, 7200.0, "confirmed"), (5, 30.0, "no_fault_found"), (10, 30.0, "no_fault_found"), (20, 7200.0, "confirmed"),
    ):  # fmt: skip
        trouble(world, day, lasts_s, outcome)


def replayed(world: World, until: datetime = UNTIL, **settings: Any) -> Replayed:
    with world.database.as_actor(world.planner) as session:
        return replay(session, Draft(world.operator, "draft", settings), SINCE, until)


def figures(result: Replayed) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    def of(outcome: Any) -> tuple[int, int, int]:
        return len(outcome.orders), outcome.count("true"), outcome.count("false")

    return of(result.draft), of(result.in_force)


def rows(world: World) -> tuple[Any, ...]:
    with world.database.as_service() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(table)) for table in (WorkOrder, Episode, PolicyRow)
        )


def test_more_patience_would_have_opened_two_orders_both_true(world: World) -> None:
    history(world)
    before = rows(world)
    result = replayed(world, on_delay_s=600)
    assert rows(world) == before, "a replay writes nothing"
    with world.database.as_service() as session:
        happened = [order.opened_at for order in session.scalars(select(WorkOrder).order_by(WorkOrder.id))]
    assert [judged.order.opened_at for judged in result.in_force.orders] == happened
    assert figures(result) == ((2, 2, 0), (4, 2, 2))
    assert [judged.also for judged in result.draft.orders] == [True, True]
    lost = [judged for judged in result.in_force.orders if not judged.also]
    assert [(judged.verdict, judged.why[1]["outcome"]) for judged in lost] == [("false", "no_fault_found")] * 2
    assert result.exposed == 2
    assert result.months == pytest.approx(2 * 30 / 30.4375)


def test_evidence_of_an_order_that_nobody_answered_stays_one_order(world: World) -> None:
    for day in (1, 5, 10):
        trouble(world, day, 30.0, None)
    assert figures(replayed(world)) == ((1, 0, 0), (1, 0, 0))


def test_a_draft_takes_the_place_of_the_policy_that_it_edits(world: World) -> None:
    history(world)
    with world.database.as_service() as session:
        row = PolicyRow(organisation_id=world.operator, name="p", settings={"on_delay_s": 600}, enabled=True)
        session.add(row)
        session.flush()
        saved = row.id
    with world.database.as_actor(world.planner) as session:
        draft = Draft(world.operator, "p", {}, replaces=saved)
        result = replay(session, draft, SINCE, UNTIL)
    assert figures(result) == ((4, 2, 2), (2, 2, 0))


def test_a_draft_for_another_model_touches_nothing(world: World) -> None:
    history(world)
    with world.database.as_actor(world.planner) as session:
        other = Draft(world.operator, "draft", {"on_delay_s": 600}, asset_model_id=world.operator)
        result = replay(session, other, SINCE, UNTIL)
    assert (result.exposed, result.findings, result.draft.orders) == (0, 0, [])


def test_a_failure_that_people_met_later_makes_an_unopened_order_true(world: World) -> None:
    with world.database.as_service() as session:
        session.add(PolicyRow(organisation_id=world.operator, name="p", settings={"on_delay_s": 3600}, enabled=True))
    trouble(world, 1, 1800.0, None)
    trouble(world, 3, 7200.0, "confirmed")
    with world.database.as_actor(world.planner) as session:
        result = replay(session, Draft(world.operator, "q", {"on_delay_s": 60}), SINCE, UNTIL)
    assert figures(result) == ((2, 2, 0), (1, 1, 0))
    assert [judged.why[0] for judged in result.draft.orders] == ["failure_followed", "real_order"]
    assert result.draft.orders[0].why[1]["days"] == pytest.approx(2.0, abs=0.2)


def test_maintenance_windows_hold_back_in_a_replay_too(world: World) -> None:
    history(world)
    window(world, after(4 * DAY), after(12 * DAY), asset_id=world.pump)
    result = replayed(world)
    assert figures(result)[0] == (2, 2, 0)
    assert result.draft.held_back["maintenance_window"] == 2


def test_nothing_after_the_end_of_the_replay_is_known(world: World) -> None:
    history(world)
    early = replayed(world, until=after(6 * DAY), on_delay_s=0.0)
    assert len(early.draft.orders) == 2
    cut = replayed(world, until=after(20 * DAY + 300), on_delay_s=600)
    assert len(cut.draft.orders) == 1, "the last trouble has not lasted long enough by then"


@pytest.mark.parametrize(
    ("settings", "until"),
    [({"patience": 1}, UNTIL), ({"on_delay_s": -1}, UNTIL), ({}, SINCE), ({}, SINCE + timedelta(days=400))],
)
def test_replays_that_make_no_sense_are_refused(world: World, settings: dict[str, Any], until: datetime) -> None:
    with pytest.raises(Invalid):
        replayed(world, until=until, **settings)


def test_a_flapping_fault_is_one_order_in_the_walk_and_a_finding_is_known_as_it_was() -> None:
    facts = hot_bearing(UUID(int=1), last_at=after(20), cleared_at=after(25))
    flaps = [
        Seen(str(at), replace(facts, first_at=after(at), last_at=after(at + 20), cleared_at=after(at + 25)), "machine")
        for at in range(0, 7200, 60)
    ]
    policies = {kind: replace(DEFAULTS[kind], on_delay_s=0.0) for kind in DEFAULTS}
    never = after(365 * DAY)
    walked = Walk(policies, lambda *_: None, lambda *_: never).live(flaps)
    (order,) = walked.orders
    assert (order.opened_at, len(order.findings)) == (NOW, 120)
    young = as_known(facts, after(10))
    assert (young.last_at, young.cleared_at) == (after(10), None)
    assert as_known(facts, after(30)) == facts
