"""Decisions on a real database: accept, merge, put off, dismiss, come back, and take back, and what models learn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from assets.base.consumers import run_consumer
from assets.base.errors import Conflict, IllegalMove, Invalid
from gateway.wiring import CONSUMERS, DESK_FOLLOWS
from maintenance.desk.deciding import accept, defer, dismiss, merge
from maintenance.desk.putting_off import wake
from maintenance.desk.tables import DeskDecision
from maintenance.desk.undoing import CannotUndo, undo
from maintenance.episodes import decide_pending
from maintenance.feedback_models import PlannerVerdict, Suppressor
from maintenance.findings import save_findings
from maintenance.forecasts.planned import Where
from maintenance.forecasts.predictions import load
from maintenance.forecasts.weeks import weeks_from
from maintenance.models import Episode, Finding, PredictedJob
from maintenance.plans.library import Package
from maintenance.plans.releasing import move
from maintenance.plans.tables import Occurrence
from tests.maintenance.evidence import hot_bearing
from tests.maintenance.plans.workshop import Workshop
from tests.ticketing.world import NOW, after
from ticketing.models import WorkOrder
from ticketing.work_orders import transition

DAY = 86_400
VERDICTS = next(each for each in CONSUMERS if each.name == "maintenance.verdicts")


def see(workshop: Workshop, seconds: float = 0, **more: Any) -> None:
    """Let the models see it, while they still learn unless told otherwise."""
    facts = hot_bearing(workshop.world.pump, **{"learning": True, "last_at": after(seconds), **more})
    with workshop.database.as_service() as session:
        save_findings(session, workshop.world.customer, [facts], False, after(seconds))
        decide_pending(session, after(seconds))


def learn(workshop: Workshop, now: datetime) -> None:
    for consumer in (VERDICTS, DESK_FOLLOWS):
        while run_consumer(workshop.database, consumer, now):
            pass


def the_job(session: Any) -> PredictedJob:
    return session.scalars(select(PredictedJob)).one()  # type: ignore[no-any-return]


def state(workshop: Workshop) -> tuple[str, str | None, int]:
    """The job's state, why it came back, and how many orders there are."""
    with workshop.database.as_service() as session:
        newest = session.scalars(select(DeskDecision).order_by(DeskDecision.id.desc())).first()
        orders = session.scalar(select(func.count(WorkOrder.id))) or 0
        return the_job(session).state, newest.returned_why if newest else None, orders


def verdicts(workshop: Workshop) -> list[str]:
    with workshop.database.as_service() as session:
        return list(session.scalars(select(PlannerVerdict.verdict)))


def test_a_job_that_is_put_off_opens_nothing_and_comes_back_on_its_day(workshop: Workshop) -> None:
    """003-35: work by the machine's state, when the planner wants it."""
    see(workshop)
    world = workshop.world
    with workshop.database.as_actor(world.planner) as session:
        job = the_job(session)
        with pytest.raises(Invalid):
            defer(session, job, after(-5), "later", after(10), world.planner)
        defer(session, job, after(10 * DAY), "after the harvest", after(10), world.planner)
        assert defer(session, job, after(9 * DAY), None, after(20), world.planner).decision.until == after(9 * DAY)
    see(workshop, 3600, learning=False, confidence=0.95)  # strong enough to open by itself, as strong as it was
    assert state(workshop) == ("watching", None, 0)
    with workshop.database.as_service() as session:
        assert session.scalars(select(Finding)).one().decision_reason == "put_off"
        wake(session, after(8 * DAY))
    assert state(workshop) == ("watching", None, 0)
    with workshop.database.as_service() as session:
        wake(session, after(9 * DAY))
    see(workshop, 9 * DAY + 60, learning=False, confidence=0.95)
    assert state(workshop) == ("opened", "due", 1)
    assert verdicts(workshop) == []  # later is neither a yes nor a no


@pytest.mark.parametrize(
    ("worse", "why"),
    [({"peak": 9.5, "score": 9.5}, "stronger"), ({"severity": "critical"}, "graver")],
)
def test_a_job_that_is_put_off_comes_back_early_when_it_gets_worse(
    workshop: Workshop, worse: dict[str, Any], why: str
) -> None:
    see(workshop)
    with workshop.database.as_actor(workshop.world.planner) as session:
        defer(session, the_job(session), after(30 * DAY), None, after(10), workshop.world.planner)
    see(workshop, 3600, **worse)
    with workshop.database.as_service() as session:
        wake(session, after(3700))
    assert state(workshop) == ("watching", why, 0)


def test_merged_work_joins_its_plans_order_when_it_is_released(workshop: Workshop) -> None:
    world = workshop.world
    monthly = Package("1M", {"kind": "calendar", "rrule": "FREQ=MONTHLY"})
    workshop.plan(NOW, monthly, starts_on=NOW.date(), lead_days=2)
    workshop.make(NOW)
    see(workshop)
    with workshop.database.as_actor(world.planner) as session:
        row = session.scalars(select(Occurrence).order_by(Occurrence.due_at)).first()
        assert row is not None
        assert row.due_at is not None
        due = row.due_at
        made = merge(session, the_job(session), row, "with the service", after(10), world.planner)
        assert (made.decision.kind, made.order) == ("merge", None)
        with pytest.raises(Invalid):
            merge(session, the_job(session), Occurrence(asset_id=world.other_pump), None, after(11), world.planner)
    learn(workshop, after(20))
    assert verdicts(workshop) == ["accept"]
    workshop.release(due - timedelta(days=1))
    learn(workshop, due)
    assert state(workshop) == ("opened", "joined", 1)
    with workshop.database.as_service() as session:
        order = session.scalars(select(WorkOrder)).one()
        episode = session.scalars(select(Episode)).one()
        assert (order.origin, the_job(session).work_order_id, episode.closed_at) == ("plan", order.id, None)
    with workshop.database.as_actor(world.planner) as session:  # nobody began: the trouble is taken out, the plan stays
        undo(session, session.scalars(select(DeskDecision)).one(), due, world.planner)
    learn(workshop, due)
    assert (state(workshop)[0], verdicts(workshop)) == ("watching", [])
    with workshop.database.as_service() as session:
        assert session.scalars(select(WorkOrder)).one().state == "unscheduled"


@pytest.mark.parametrize("moved", [None, "before", "since"])
def test_work_that_was_moved_for_a_merge_goes_back_when_it_is_undone(workshop: Workshop, moved: str | None) -> None:
    """7.3e: to where a planner had put it or the rules have it; what somebody moved since stays."""
    planner = workshop.world.planner
    monthly = Package("1M", {"kind": "calendar", "rrule": "FREQ=MONTHLY"})
    workshop.plan(NOW, monthly, starts_on=NOW.date(), lead_days=2)
    workshop.make(NOW)
    see(workshop)
    with workshop.database.as_actor(planner) as session:
        row = session.scalars(select(Occurrence).order_by(Occurrence.due_at)).first()
        assert row is not None
        if moved == "before":
            move(session, row, after(12 * DAY), after(5), planner, "shut")
        stood = (row.due_on, row.put_at, row.release_at)
        made = merge(session, the_job(session), row, None, after(10), planner, move_to=after(6 * DAY)).decision
        assert row.put_at == after(6 * DAY)
        if moved == "since":
            move(session, row, after(9 * DAY), after(15), planner, "no crane")
            stood = (row.due_on, row.put_at, row.release_at)
    with workshop.database.as_actor(planner) as session:
        undo(session, session.get_one(DeskDecision, made.id), after(20), planner)
    workshop.make(after(30))
    with workshop.database.as_service() as session:
        again = session.get_one(Occurrence, row.id)
        assert (again.due_on, again.put_at, again.release_at) == stood


def test_merged_work_comes_back_when_its_plan_falls_away(workshop: Workshop) -> None:
    from maintenance.plans.releasing import skip

    monthly = Package("1M", {"kind": "calendar", "rrule": "FREQ=MONTHLY"})
    workshop.plan(NOW, monthly, starts_on=NOW.date(), lead_days=2)
    workshop.make(NOW)
    see(workshop)
    with workshop.database.as_actor(workshop.world.planner) as session:
        row = session.scalars(select(Occurrence).order_by(Occurrence.due_at)).first()
        assert row is not None
        merge(session, the_job(session), row, None, after(10), workshop.world.planner)
        skip(session, row, after(20), workshop.world.planner, "shut")
    learn(workshop, after(30))
    assert state(workshop) == ("watching", "plan_gone", 0)


def test_a_dismissal_that_is_taken_back_teaches_nothing(workshop: Workshop) -> None:
    see(workshop)
    planner = workshop.world.planner
    with workshop.database.as_actor(planner) as session:
        made = dismiss(session, the_job(session), "runs in", after(10), planner).decision
    learn(workshop, after(20))
    with workshop.database.as_service() as session:
        assert session.scalars(select(Suppressor)).one().ended_at is None
    assert verdicts(workshop) == ["dismiss"]
    with workshop.database.as_actor(planner) as session:
        undo(session, session.get_one(DeskDecision, made.id), after(30), planner)
        with pytest.raises(CannotUndo):
            undo(session, session.get_one(DeskDecision, made.id), after(31), planner)
    learn(workshop, after(40))
    assert verdicts(workshop) == []
    with workshop.database.as_service() as session:
        assert session.scalars(select(Suppressor)).one().ended_reason == "withdrawn"
    see(workshop, 7200, learning=False)
    assert state(workshop)[::2] == ("opened", 1)  # the same evidence opens work again


def test_an_order_that_was_begun_cannot_be_taken_back(workshop: Workshop) -> None:
    see(workshop)
    planner = workshop.world.planner
    with workshop.database.as_actor(planner) as session:
        first = accept(session, the_job(session), after(10), planner)
        assert accept(session, the_job(session), after(11), planner).decision.id == first.decision.id
        undo(session, first.decision, after(20), planner)
        assert (first.order.state if first.order else None, the_job(session).state) == ("cancelled", "watching")
        with pytest.raises(IllegalMove):
            transition(session, first.order, "in_progress", after(21))  # type: ignore[arg-type]
        second = accept(session, the_job(session), after(30), planner)
        assert second.order is not None
        transition(session, second.order, "in_progress", after(40))
        with pytest.raises(CannotUndo) as error:
            undo(session, second.decision, after(50), planner)
        assert error.value.params["reason"] == "began"
        with pytest.raises(IllegalMove):
            defer(session, the_job(session), after(DAY), None, after(60), planner)
        with pytest.raises(Conflict):
            dismiss(session, the_job(session), "no", after(60), planner)


def test_forecasts_count_a_job_on_the_day_it_was_put_off_to_and_not_beside_planned_work(workshop: Workshop) -> None:
    """7.4a: a deferred job in the week of its day, also where the weeks asked for begin later; a merged one once."""
    planner, weeks = workshop.world.planner, weeks_from(NOW.date(), 20)

    def chances(first: int = 0) -> list[tuple[int, float]]:
        with workshop.database.as_service() as session:
            made = load(session, after(20), weeks[first:], Where(), None)
        return [(first + place, round(p, 3)) for job in made for place, p in enumerate(job.chances) if p]

    monthly = Package("1M", {"kind": "calendar", "rrule": "FREQ=MONTHLY"})
    workshop.plan(NOW, monthly, starts_on=NOW.date(), lead_days=2)
    workshop.make(NOW)
    see(workshop)
    usual = chances()
    assert len(usual) > 1
    with workshop.database.as_actor(planner) as session:
        defer(session, the_job(session), after(70 * DAY), None, after(10), planner)
    assert [place for place, _ in chances()] == [place for place, _ in chances(8)] == [10]
    assert chances(8)[0][1] == chances()[0][1] == pytest.approx(sum(p for _, p in usual), abs=0.01)
    with workshop.database.as_actor(planner) as session:
        row = session.scalars(select(Occurrence).order_by(Occurrence.due_at)).first()
        assert row is not None
        merge(session, the_job(session), row, None, after(15), planner)
    assert chances() == []
