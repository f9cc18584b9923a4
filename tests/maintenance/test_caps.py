"""The daily cap on a real database: the most valuable first, critical always, the rest on the list until tomorrow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from assets.registry import Asset, Site, add_asset
from maintenance.caps import day_of, waiting
from maintenance.decisions import FindingFacts
from maintenance.episodes import decide_pending
from maintenance.feedback_settings import Cost, Feedback, feedback_for, save_feedback
from maintenance.models import PredictedJob
from maintenance.predicted_jobs import accept_job
from tests.maintenance.answering import count_orders, last_finding, notice, orders
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after

DAY = 86400.0
MACHINES = 6


@pytest.fixture
def pumps(world: World) -> list[UUID]:
    """Six more pumps on the pump's site in Shanghai, the last one the dearest; two orders a day."""
    with world.database.as_service() as session:
        pump = world.asset(session)
        session.get_one(Site, pump.site_id).time_zone = "Asia/Shanghai"
        made = []
        for number in range(MACHINES):
            asset = Asset(
                organisation_id=pump.organisation_id,
                serial=f"CAP-{number}",
                name=f"Pump {number}",
                asset_model_id=pump.asset_model_id,
                site_id=pump.site_id,
                operation="up",
                created_at=NOW,
            )
            made.append(add_asset(session, asset, NOW).id)
        costs = tuple(Cost(1000.0 * (n + 1), asset_id=str(asset_id)) for n, asset_id in enumerate(made))
        save_feedback(session, world.operator, Feedback(daily_cap=2, visit_cost=100.0, costs=costs))
        return made


def hot(asset: UUID, at: float = 0.0) -> FindingFacts:
    return hot_bearing(asset, first_at=after(at), last_at=after(at))


def decide_again(world: World, at: float) -> None:
    """Decide what is due; each batch sees what the one before it opened."""
    for _ in range(4):
        with world.database.as_service() as session:
            decide_pending(session, after(at))


def opened(world: World) -> set[UUID]:
    with world.database.as_service() as session:
        return {order.asset_id for order in orders(session)}


def test_most_valuable_get_the_days_places_and_the_rest_waits(world: World, pumps: list[UUID]) -> None:
    notice(world, *(hot(asset) for asset in pumps), now=NOW)
    decide_again(world, 60)
    assert opened(world) == set(pumps[-2:])
    with world.database.as_service() as session:
        watched = session.scalars(select(PredictedJob).where(PredictedJob.state == "watching")).all()
        assert {job.asset_id for job in watched} == set(pumps[:-2])
        assert {job.reason_code for job in watched} == {"daily_cap"}
        site = world.asset(session).site_id
        assert site is not None
        settings = feedback_for(session, world.customer)
        ranked = waiting(session, site, settings, after(60))
        assert [one.asset_id for one, _ in ranked] == list(reversed(pumps[:-2]))
        worth = ranked[0][1]
        assert worth.avoided == pytest.approx(0.9 * 4000.0 - 100.0)  # nobody has answered: the detector's own word
        day = day_of(session, site, settings, after(60))
        assert (day.cap, day.opened, day.left, day.time_zone) == (2, 2, 0, "Asia/Shanghai")
        # 12:00 UTC is 20:00 in Shanghai: its day ends four hours later.
        assert day.ends_at == NOW + timedelta(hours=4)
    critical = replace(hot(pumps[0], 90), severity="critical", detector="limits", layer="L1")
    notice(world, critical)
    assert opened(world) == {pumps[0], *pumps[-2:]}
    with world.database.as_actor(world.planner) as session:  # a person may always
        job = session.scalars(select(PredictedJob).where(PredictedJob.asset_id == pumps[1])).one()
        accept_job(session, job, after(100), by=world.planner)
    decide_again(world, 4 * 3600 + 5)
    assert opened(world) == set(pumps)  # the next day's two places


def test_no_cap_for_a_machine_without_a_site_nor_for_sensors(world: World, pumps: list[UUID]) -> None:
    with world.database.as_service() as session:
        session.get_one(Asset, pumps[0]).site_id = None
        save_feedback(session, world.operator, Feedback(daily_cap=1))
    notice(world, hot(pumps[4]))
    notice(world, hot(pumps[5]))
    assert last_finding(world)[:2] == ("watch", "daily_cap")
    notice(world, hot(pumps[0]))
    assert count_orders(world) == 2
    silent = replace(hot(pumps[1]), kind="connection", detector="presence", layer="L0", last_at=after(120))
    notice(world, silent)
    assert count_orders(world) == 3
