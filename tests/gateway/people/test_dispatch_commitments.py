"""Plans beside what is under way: whatever stands on a board, a plan is never refused and nobody is in two places."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.people import Organisation, Person
from assets.registry import Asset
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import MONDAY, hired, works
from tests.gateway.people.test_board_api import order_of
from ticketing.dispatch import planning
from ticketing.dispatch.planning import ask_plan, run_next
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.settings import rules_of
from ticketing.dispatch.solving import Result, solve
from ticketing.dispatch.tables import DispatchPlan
from ticketing.models import Visit, WorkOrder
from ticketing.order_states import LIVE_VISITS

UNDER_WAY = ("travelling", "in_progress", "on_break")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solve in a moment: these tests ask what may be written, not what is best."""

    def at_once(problem: Problem, seconds: float, current: object = None) -> Result:
        return solve(problem, 0.03, current)  # type: ignore[arg-type]

    monkeypatch.setattr(planning, "solve", at_once)


def stands(
    plant: Plant,
    person: Person,
    start: datetime,
    minutes: int,
    state: str = "scheduled",
    *,
    begun: datetime | None = None,
    pinned: bool = False,
    owner: Organisation | None = None,
    place: tuple[float, float] | None = (52.5, 13.4),
) -> Visit:
    """Put a visit on the board as it stands: planned then, in that state, begun at that moment."""
    organisation = (owner or plant.operator).id
    with plant.database.as_service() as session:
        asset = Asset(organisation_id=organisation, serial=str(uuid4()), name="Pump", created_at=MONDAY)
        if place:
            asset.latitude_deg, asset.longitude_deg = place
        session.add(asset)
        session.flush()
        order = WorkOrder(
            organisation_id=organisation, number=f"WO-{uuid4()}", asset_id=asset.id, origin="manual", kind="general",
            title_code="work_order.manual", title_params={}, priority="normal", opened_at=MONDAY,
            state="in_progress" if state in UNDER_WAY else "scheduled", assignee_id=person.id, required_skills=[],
            duration_minutes=minutes, version=1,
        )  # fmt: skip
        session.add(order)
        session.flush()
        visit = Visit(
            organisation_id=organisation, work_order_id=order.id, technician_id=person.id, state=state, pinned=pinned,
            planned_start=start, planned_end=start + timedelta(minutes=minutes), version=1,
            travelling_at=begun if state == "travelling" else None,
            started_at=begun if state in ("in_progress", "on_break") else None,
        )  # fmt: skip
        session.add(visit)
        session.flush()
        return visit


def plan_at(plant: Plant, now: datetime) -> DispatchPlan:
    """Plan unasked at that moment, as the job does; return what became of the plan."""
    with plant.database.as_service() as session:
        rules = rules_of(session, plant.operator.id)
        until = now + timedelta(days=2)
        key = ask_plan(session, rules, now, until, now, cause="unattended", seconds=1, publish_at_once=True).id
    for _ in range(20):
        with plant.database.as_service() as session:
            plan = session.get_one(DispatchPlan, key)
            if plan.state not in ("waiting", "running"):
                return plan
        run_next(plant.database, now)
    raise AssertionError("nobody made the plan")


def hours_of(plant: Plant, order: UUID) -> tuple[datetime, datetime]:
    with plant.database.as_service() as session:
        rows = select(Visit).where(Visit.work_order_id == order, Visit.state.in_(LIVE_VISITS))
        visit = session.scalars(rows).one()
        assert visit.planned_start is not None
        assert visit.planned_end is not None
        return visit.planned_start, visit.planned_end


def at(hour: float) -> datetime:
    return MONDAY + timedelta(hours=hour)


def test_work_that_began_early_keeps_its_planned_hours_free_of_others(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    works(desk, tom)
    visit = stands(plant, tom, at(9), 60, "in_progress", begun=at(8.75))
    order = order_of(plant)
    plan = plan_at(plant, at(9) + timedelta(seconds=20))
    assert plan.state == "published", plan.error
    assert hours_of(plant, order)[0] >= at(10)
    assert hours_of(plant, visit.work_order_id) == (at(9), at(10))


def test_visit_whose_start_has_just_passed_stays_and_the_next_comes_after_it(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    """Nobody set out yet: the customer keeps the hour that was told, and the work still takes as long as planned."""
    works(desk, tom)
    late = stands(plant, tom, at(9), 60)
    order = order_of(plant)
    plan = plan_at(plant, at(9) + timedelta(minutes=20))
    assert plan.state == "published", plan.error
    assert hours_of(plant, late.work_order_id) == (at(9), at(10))
    assert hours_of(plant, order)[0] >= at(10) + timedelta(minutes=20)


def test_visit_that_reaches_into_a_shift_from_before_it_holds_the_shifts_begin(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    works(desk, tom)  # from eight
    early = stands(plant, tom, at(7), 120)
    order = order_of(plant)
    plan = plan_at(plant, at(6))
    assert plan.state == "published", plan.error
    assert hours_of(plant, order)[0] >= at(9)
    assert hours_of(plant, early.work_order_id) == (at(7), at(9))


def test_visit_for_somebody_else_holds_its_technician_too(plant: Plant, desk: TestClient, tom: Person) -> None:
    works(desk, tom)
    stands(plant, tom, at(8), 8 * 60, owner=plant.stranger)
    order = order_of(plant)
    plan = plan_at(plant, at(7))
    assert plan.state == "published", plan.error
    assert hours_of(plant, order)[0] >= at(16)


def random_board(plant: Plant, people: list[Person], chance: Random, now: datetime) -> None:
    for person in people:
        free = at(chance.choice((5, 6, 7, 7.5, 8)))
        while free < at(20):
            start = free + timedelta(minutes=chance.choice((0, 0, 5, 20, 90)))
            minutes = chance.choice((20, 45, 60, 150))
            free = start + timedelta(minutes=minutes)
            state, begun = "scheduled", None
            if start < now + timedelta(hours=1) and chance.random() < 0.5:
                state = chance.choice(UNDER_WAY)
                begun = min(now, start + timedelta(minutes=chance.randint(-60, 60)))
            place = chance.choice(((52.5, 13.4), (52.52, 13.45), (52.3, 13.1), None))
            owner = plant.stranger if chance.random() < 0.15 else None
            stands(
                plant, person, start, minutes, state, begun=begun, pinned=chance.random() < 0.2, owner=owner,
                place=place,
            )  # fmt: skip
            if chance.random() < 0.3:
                free += timedelta(hours=chance.choice((1, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_plans_one_after_the_other_are_never_refused_and_never_book_twice(
    plant: Plant, desk: TestClient, tom: Person, seed: int
) -> None:
    """Begun early, begun late, overdue, on the way, paused, pinned, out of hours, for others: at a moving moment."""
    chance = Random(seed)
    people = [tom, hired(plant, "Eve")]
    for person in people:
        works(desk, person)
    now = at(chance.uniform(7, 15))
    random_board(plant, people, chance, now)
    before = under_way(plant, people)
    for _ in range(3):
        for _ in range(2):
            order_of(plant, minutes=chance.choice((20, 60)), place=chance.choice(((52.5, 13.4), None)))
        plan = plan_at(plant, now)
        assert plan.state == "published", f"{plan.error} at {now}"
        assert under_way(plant, people) == before
        nobody_is_in_two_places(plant, people)
        now += timedelta(minutes=chance.choice((0.3, 1, 7, 40)), seconds=chance.uniform(0, 59))


def under_way(plant: Plant, people: list[Person]) -> set[tuple[object, ...]]:
    with plant.database.as_service() as session:
        rows = select(Visit).where(Visit.technician_id.in_([each.id for each in people]), Visit.state.in_(UNDER_WAY))
        return {(each.id, each.planned_start, each.planned_end, each.version) for each in session.scalars(rows)}


def nobody_is_in_two_places(plant: Plant, people: list[Person]) -> None:
    with plant.database.as_service() as session:
        for person in people:
            rows = select(Visit).where(Visit.technician_id == person.id, Visit.state.in_(LIVE_VISITS))
            spans = sorted((v.planned_start, v.planned_end) for v in session.scalars(rows) if v.planned_start)
            assert all(one[1] <= other[0] for one, other in pairwise(spans))  # type: ignore[operator]
