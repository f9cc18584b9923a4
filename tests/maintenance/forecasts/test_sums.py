"""Kept sums of planned work: always what its rows add up to, whatever happens to plans, machines and procedures."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from assets.base.db import Database
from assets.registry import Asset, Site
from assets.stock.items import Part
from assets.stock.places import StockLocation
from assets.stock.replenishment import PartDemand, proposals
from maintenance.forecasts.kept import keep
from maintenance.forecasts.planned import Where, jobs
from maintenance.forecasts.sums import planned_hours, planned_hours_of, planned_parts
from maintenance.forecasts.tables import ForecastMark
from maintenance.forecasts.weeks import monday
from maintenance.plans.library import Package
from maintenance.plans.releasing import move, skip
from maintenance.plans.tables import MaintenancePlan, Occurrence
from tests.maintenance.plans.workshop import MONTHLY, QUARTERLY, Workshop, at
from tests.ticketing.world import make_world
from ticketing.procedures.models import Procedure, ProcedureVersion

NOW = at(1, 1, 0)
FIRST, WEEKS = date(2025, 12, 29), 60
LAST = FIRST + timedelta(weeks=WEEKS)


@pytest.fixture
def workshop(database_url: str) -> Iterator[Workshop]:
    database = Database(database_url)
    yield Workshop(make_world(database))
    database.dispose()


def behind(session: Any, where: Where = Where()) -> dict[tuple[date, str, int], int]:
    """Add up the rows one by one."""
    found: dict[tuple[date, str, int], int] = defaultdict(int)
    for job in jobs(session, FIRST, LAST, where):
        for (skill, level), minutes in job.need.labour.items():
            found[(monday(job.row.due_on), skill, level)] += minutes
    return dict(found)


def kept(session: Any, **where: Any) -> dict[tuple[Any, ...], int]:
    rows = planned_hours(session, FIRST, WEEKS, by=("week", "skill", "level"), **where)
    return {(row.week, row.skill, row.level): row.minutes for row in rows}


def procedure(workshop: Workshop, code: str, norms: dict[str, Any]) -> UUID:
    """Store a published procedure with norms."""
    with workshop.database.as_service() as session:
        made = Procedure(organisation_id=workshop.world.operator, code=code, name_en=code, name_zh=code, created_at=NOW)
        session.add(made)
        session.flush()
        version = ProcedureVersion(
            organisation_id=workshop.world.operator, procedure_id=made.id, number=1, state="published", steps=[],
            created_at=NOW, published_at=NOW,
        )  # fmt: skip
        session.add(version)
        session.flush()
        session.execute(
            text("UPDATE procedure_versions SET norms = CAST(:n AS jsonb) WHERE id = :v"),
            {"n": json.dumps(norms), "v": version.id},
        )
        return made.id


def part(workshop: Workshop, number: str, **more: Any) -> UUID:
    with workshop.database.as_service() as session:
        made = Part(
            organisation_id=workshop.world.operator, number=number, name_en=number, name_zh=number, kind="part",
            decimals=0, created_at=NOW, search_text="", search_pairs=[], **more,
        )  # fmt: skip
        session.add(made)
        session.flush()
        return made.id


def test_cells_equal_the_sum_of_their_rows_through_every_change(workshop: Workshop) -> None:
    """7.4a: random changes of plans, dates, sites, norms; after each the sums that a reader gets are the rows'."""
    world, chance = workshop.world, random.Random(7)
    seal = part(workshop, "SEAL")
    norm = {
        "labour": [{"skill": "HV", "level": 3, "people": 2, "minutes": 45}, {"skill": None, "minutes": 20}],
        "parts": [{"part_id": str(seal), "quantity": 2}],
    }
    service = procedure(workshop, "SERVICE", norm)
    plans = [
        workshop.plan(
            NOW, Package("1M", MONTHLY), Package("3M", QUARTERLY, hierarchy=2, procedure_id=service), code="A"
        ),
        workshop.plan(
            NOW, Package("1M", MONTHLY), code="B", assets=[world.pump, world.other_pump], procedure_id=service
        ),
        workshop.plan(NOW, Package("1M", MONTHLY), code="C", skills=[{"skill": "PUMP", "level": 2}], lead_days=0),
        workshop.plan(NOW, Package("1M", MONTHLY), code="D", duration_minutes=None),
    ]
    workshop.make(NOW)
    keep(workshop.database, NOW)
    with workshop.database.as_service() as session:
        before = kept(session)
        assert before == behind(session)
        assert sum(before.values()) > 0
        assert {key[1] for key in before} == {"HV", "PUMP", "any"}
        assert sum(row.unknown for row in planned_hours(session, FIRST, WEEKS)) == 12  # of D, which says nothing
    for step in range(14):
        with workshop.database.as_service() as session:
            _change(session, workshop, plans, service, norm, chance)
        if chance.random() < 0.6:
            keep(workshop.database, NOW)
        with workshop.database.as_service() as session:
            where = Where(region=chance.choice([None, "North"]))
            rows, fresh = planned_hours_of(session, FIRST, LAST, where, ("week", "skill", "level"))
            if not fresh.waiting:
                cells = {(row.week, row.skill, row.level): row.minutes for row in rows}
                assert cells == behind(session, where), step
    keep(workshop.database, NOW)
    with workshop.database.as_service() as session:
        assert kept(session) == behind(session)
        assert session.scalar(select(ForecastMark.id).limit(1)) is None
        sums, _ = planned_parts(session, FIRST, LAST, Where())
        rows = sum((job.need.parts.get(seal, Decimal(0)) for job in jobs(session, FIRST, LAST, Where())), Decimal(0))
        assert sum(each.quantity for each in sums) == rows > 0


def _change(
    session: Any, workshop: Workshop, plans: list[MaintenancePlan], service: UUID, norm: dict[str, Any], chance: Any
) -> None:
    rows = session.scalars(select(Occurrence).where(Occurrence.state == "planned").order_by(Occurrence.id)).all()
    row = chance.choice(rows)
    plan = session.get_one(MaintenancePlan, chance.choice(plans).id)
    what = chance.randrange(8)
    if what == 0:
        move(session, row, NOW + timedelta(days=chance.randrange(1, 300)), NOW, None, "moved")
    elif what == 1:
        skip(session, row, NOW, None, "skipped")
    elif what == 2:
        plan.duration_minutes = chance.choice([30, 90, 150])
    elif what == 3:
        plan.state = "paused" if plan.state == "active" else "active"
    elif what == 4:
        norm["labour"][0]["minutes"] = chance.randrange(10, 100)
        session.execute(
            text("UPDATE procedure_versions SET norms = CAST(:n AS jsonb) WHERE procedure_id = :p"),
            {"n": json.dumps(norm), "p": service},
        )
    elif what == 5:
        asset = session.get_one(Asset, workshop.world.pump)
        session.execute(update(Site).where(Site.id == asset.site_id).values(region=chance.choice(["North", "South"])))
    elif what == 6:
        other = session.get_one(Asset, workshop.world.other_pump)
        asset = session.get_one(Asset, workshop.world.pump)
        asset.site_id = chance.choice([asset.site_id, other.site_id])
    else:
        plan.skills = [{"skill": chance.choice(["HV", "WELD"]), "level": chance.randrange(1, 5)}]


def test_parts_of_planned_work_are_demand_until_it_goes_away_and_become_a_proposal(workshop: Workshop) -> None:
    """7.4d, 003-36: dated rows at the store, once however often the job runs; the proposal to order follows them."""
    world = workshop.world
    filter_id = part(workshop, "FILTER", lead_time_days=60)
    service = procedure(workshop, "FILTERS", {"parts": [{"part_id": str(filter_id), "quantity": 3}]})
    with workshop.database.as_service() as session:
        session.add(
            StockLocation(organisation_id=world.operator, code="MAIN", name="Main", kind="warehouse", created_at=NOW)
        )
    plan = workshop.plan(NOW, Package("1M", MONTHLY), code="F", procedure_id=service)
    workshop.make(NOW)

    def demands() -> list[tuple[date, Decimal]]:
        keep(workshop.database, NOW)
        with workshop.database.as_service() as session:
            query = select(PartDemand.needed_on, PartDemand.quantity).where(PartDemand.part_id == filter_id)
            return [tuple(row) for row in session.execute(query.order_by(PartDemand.needed_on))]

    def proposed(today: datetime) -> list[Decimal]:
        with workshop.database.as_service() as session:
            return [each.quantity for each in proposals(session, today.date(), limit=10, part_id=filter_id)]

    held = demands()
    assert [day for day, _ in held][:2] == [date(2026, 2, 1), date(2026, 3, 1)]
    assert {quantity for _, quantity in held} == {Decimal(3)}
    assert demands() == held
    assert proposed(NOW) == [Decimal(6)]  # two services lie within the 60 days that the supplier takes
    with workshop.database.as_service() as session:
        first = session.scalars(select(Occurrence).where(Occurrence.plan_id == plan.id).order_by(Occurrence.due_on))
        skip(session, next(iter(first)), NOW, None, "not needed")
    assert demands() == held[1:]
    assert proposed(NOW) == [Decimal(3)]
