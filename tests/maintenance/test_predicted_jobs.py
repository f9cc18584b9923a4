"""The planner's list on a real database, and policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from assets.base.errors import IllegalMove, Invalid
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.models import Episode, Finding, PolicyRow, PredictedJob
from maintenance.policies import check_settings, policies_for
from maintenance.predicted_jobs import accept_job, dismiss_job
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World, after
from ticketing.models import WorkOrder


def watched(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump, learning=True)], False, NOW)
        decide_pending(session, NOW)


def test_accepted_job_opens_its_work_order_once(world: World) -> None:
    watched(world)
    with world.database.as_actor(world.planner) as session:
        job = session.scalars(select(PredictedJob)).one()
        order = accept_job(session, job, after(5), by=world.planner)
        assert accept_job(session, job, after(6), by=world.planner).id == order.id
        assert (job.state, job.decided_by_id, order.origin) == ("opened", world.planner.person_id, "finding")
        assert session.scalars(select(Episode)).one().id == order.origin_ref
    with world.database.as_service() as session:  # evidence that goes on joins it
        later = hot_bearing(world.pump, last_at=after(60))
        save_findings(session, world.customer, [later], False, after(60))
        decide_pending(session, after(60))
        assert len(session.scalars(select(WorkOrder)).all()) == 1
        assert session.scalars(select(PredictedJob)).one().state == "opened"


def test_dismissed_finding_opens_no_work_any_more(world: World) -> None:
    watched(world)
    with world.database.as_actor(world.planner) as session:
        job = session.scalars(select(PredictedJob)).one()
        with pytest.raises(Invalid):
            dismiss_job(session, job, " ", after(5), by=world.planner)
        dismiss_job(session, job, "new seal runs in", after(5), by=world.planner)
        with pytest.raises(IllegalMove):
            accept_job(session, job, after(6), by=world.planner)
    with world.database.as_service() as session:
        ready = replace(hot_bearing(world.pump), last_at=after(60), learning=False)
        save_findings(session, world.customer, [ready], False, after(60))
        decide_pending(session, after(60))
        assert session.scalars(select(WorkOrder)).all() == []
        assert session.scalars(select(Finding)).one().decision_reason == "dismissed"


def test_policies_of_the_owner_and_the_model_come_last(world: World) -> None:
    with world.database.as_service() as session:
        rows: list[dict[str, Any]] = [
            {"organisation_id": world.operator, "name": "all", "settings": {"on_delay_s": 5, "cool_down_s": 60}},
            {"organisation_id": world.operator, "name": "pumps", "settings": {"on_delay_s": 7}, "model": world.model},
            {"organisation_id": world.customer, "name": "dairy", "settings": {"kinds": {"sensor": {"on_delay_s": 99}}}},
        ]
        for row in rows:
            model = row.pop("model", None)
            session.add(PolicyRow(**row, asset_model_id=model, enabled=True))
        session.flush()
        policies = policies_for(session, world.asset(session))
        assert (policies["machine"].on_delay_s, policies["machine"].cool_down_s) == (7, 60)
        assert policies["sensor"].on_delay_s == 99
        other = policies_for(session, world.asset(session, world.other_pump))
        assert other["sensor"].on_delay_s == 7


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 3},
        {"on_delay_s": -1},
        {"on_delay_s": float("nan")},
        {"min_confidence": float("nan")},
        {"on_delay_s": "5"},
        {"kinds": {"ghost": {}}},
        {"kinds": {"machine": {"kinds": {"machine": {"on_delay_s": float("nan")}}}}},
        {"kinds": float("nan")},
    ],
)
def test_settings_that_no_policy_has_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        check_settings(settings)


def test_sane_settings_pass() -> None:
    check_settings({"on_delay_s": 5, "open_s": None, "kinds": {"connection": {"on_delay_s": 600}}})


def test_views_show_work_findings_and_episodes(world: World) -> None:
    with world.database.as_service() as session:
        save_findings(session, world.customer, [hot_bearing(world.pump)], False, NOW)
        decide_pending(session, NOW)
    with world.database.as_service() as session:
        session.execute(text("SET LOCAL ROLE forewarn_reader"))
        order = session.execute(
            text("SELECT number, asset_serial, origin, state, opened_at, closed_at, outcome FROM work_orders_v1")
        ).one()
        assert tuple(order)[:4] == ("WO-000001", "PUMP-1", "finding", "unscheduled")
        episode = session.execute(text("SELECT asset_serial, work_order_number FROM episodes_v1")).one()
        assert tuple(episode) == ("PUMP-1", "WO-000001")
        assert session.execute(text("SELECT decision FROM findings_v1")).scalar_one() == "open"
