"""What planned and predicted work will take from stock, told to the store as dated demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.stock.items import Part
from assets.stock.promises import StockReservation
from assets.stock.replenishment import MAX_DEMANDS, Demand, PartDemand, set_demand
from assets.stock.usages import PartUsage
from maintenance.forecasts.planned import Where, jobs
from maintenance.forecasts.predictions import load, median_week
from maintenance.forecasts.weeks import WEEK, weeks_from

SOURCE, PREDICTED = "planned_work", "predicted_job"
AHEAD_WEEKS = 53
Wanted = dict[tuple[UUID, date], Decimal]


def tell_stock(session: Session, organisation_id: UUID, wanted: Mapping[date, Wanted], now: datetime) -> None:
    """Let the store know what open planned work of some weeks still needs; what fell away is needed no more."""
    for week, needs in wanted.items():
        refs = _by_ref(week, needs)
        before = _held(session, organisation_id, week)
        for ref in sorted(refs.keys() | before.keys()):
            if refs.get(ref, {}) == before.get(ref, {}):
                continue  # nobody at the store waits for a lock for nothing
            demands = [Demand(part, quantity, day) for (part, day), quantity in refs.get(ref, {}).items()]
            set_demand(session, organisation_id, SOURCE, ref, demands, now)


def _by_ref(week: date, needs: Wanted) -> dict[str, Wanted]:
    """One source of a week holds so many demands at most; more of them are further sources."""
    ordered = sorted(needs.items(), key=lambda each: (str(each[0][0]), each[0][1]))
    return {
        week.isoformat() + (f"/{place // MAX_DEMANDS}" if place else ""): dict(ordered[place : place + MAX_DEMANDS])
        for place in range(0, len(ordered), MAX_DEMANDS)
    }


def _held(session: Session, organisation_id: UUID, week: date) -> dict[str, Wanted]:
    query = select(PartDemand.source_ref, PartDemand.part_id, PartDemand.needed_on, PartDemand.quantity).where(
        PartDemand.organisation_id == organisation_id,
        PartDemand.source_kind == SOURCE,
        PartDemand.source_ref.startswith(week.isoformat()),
    )
    found: dict[str, Wanted] = {}
    for ref, part, day, quantity in session.execute(query):
        found.setdefault(ref, {})[(part, day)] = quantity
    return found


def needed(session: Session, organisation_id: UUID, week: date) -> Wanted:
    """Return what is needed of each item on each day, without what its order has reserved or taken already."""
    held = [
        job for job in jobs(session, week, week + WEEK, Where(organisation_ids=(organisation_id,))) if job.need.parts
    ]
    covered = _covered(session, {job.row.work_order_id for job in held if job.row.work_order_id is not None})
    found: dict[tuple[UUID, date], Decimal] = defaultdict(Decimal)
    for job in held:
        for part, quantity in job.need.parts.items():
            there = covered.get((job.row.work_order_id, part), Decimal(0)) if job.row.work_order_id else Decimal(0)
            if quantity > there:
                found[(part, job.row.due_on)] += quantity - there
    known = set(session.scalars(select(Part.id).where(Part.id.in_({part for part, _ in found}))))
    return {key: quantity.quantize(Decimal("0.0001")) for key, quantity in found.items() if key[0] in known}


def _covered(session: Session, orders: set[UUID]) -> dict[tuple[UUID | None, UUID], Decimal]:
    """What open reservations keep for orders, and what they took."""
    found: dict[tuple[UUID | None, UUID], Decimal] = defaultdict(Decimal)
    if not orders:
        return found
    kept = (
        select(
            StockReservation.work_order_id,
            StockReservation.part_id,
            func.sum(StockReservation.quantity - StockReservation.fulfilled),
        )
        .where(StockReservation.work_order_id.in_(orders), StockReservation.state == "open", StockReservation.hard)
        .group_by(StockReservation.work_order_id, StockReservation.part_id)
    )
    taken = (
        select(PartUsage.work_order_id, PartUsage.part_id, func.sum(PartUsage.quantity - PartUsage.returned))
        .where(PartUsage.work_order_id.in_(orders))
        .group_by(PartUsage.work_order_id, PartUsage.part_id)
    )
    for query in (kept, taken):
        for order, part, quantity in session.execute(query):
            found[(order, part)] += quantity
    return found


def tell_predicted(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Let the store know what predicted jobs will take that are more likely than not to come; once by job.

    It is needed in the week by which the job has rather come than not. A job that was decided on is needed no more.
    """
    weeks = weeks_from(now.date(), AHEAD_WEEKS)
    wanted: dict[str, Wanted] = {}
    for job in load(session, now, weeks, Where(organisation_ids=(organisation_id,)), None):
        week = median_week(job, weeks)
        if week is not None and job.parts:
            wanted[str(job.id)] = {(part, week): quantity for part, quantity in job.parts.items()}
    query = select(PartDemand.source_ref, PartDemand.part_id, PartDemand.needed_on, PartDemand.quantity).where(
        PartDemand.organisation_id == organisation_id, PartDemand.source_kind == PREDICTED
    )
    held: dict[str, Wanted] = {}
    for ref, part, needed_on, quantity in session.execute(query):
        held.setdefault(ref, {})[(part, needed_on)] = quantity
    for ref in sorted(wanted.keys() | held.keys()):
        if wanted.get(ref, {}) != held.get(ref, {}):
            demands = [Demand(part, quantity, day) for (part, day), quantity in wanted.get(ref, {}).items()]
            set_demand(session, organisation_id, PREDICTED, ref, demands, now)
