"""Plans on a real database, as tests live them day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from assets.base.consumers import run_consumer
from assets.base.db import Database
from assets.registry import Asset, Site
from gateway.wiring import PLANS_FOLLOW
from maintenance.plans.library import Package, make_plan, move_plan
from maintenance.plans.making import Made, make_all
from maintenance.plans.releasing import release_due
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset
from tests.ticketing.world import World
from ticketing.work_orders import get_work_order, transition

MONTHLY = {"kind": "calendar", "rrule": "FREQ=MONTHLY"}
QUARTERLY = {"kind": "calendar", "rrule": "FREQ=MONTHLY;INTERVAL=3"}
STANDARD: dict[str, Any] = {
    "code": "P", "name": {"en": "Service", "zh": "保养"}, "effectivity": {}, "skills": [], "priority": "normal",
    "duration_minutes": 60, "lead_days": 14, "horizon_days": 365, "tolerance_before": {},
    "tolerance_after": {"days": 7},
    "scheduling": "fixed", "shift": {}, "when_closed": "keep", "seasons": [], "blackouts": [], "near_days": 0,
    "when_missed": "close", "starts": "on", "starts_on": datetime(2026, 1, 1, tzinfo=UTC).date(), "at_minute": 480,
}  # fmt: skip


def at(month: int, day: int, hour: int = 12, *, year: int = 2026) -> datetime:
    """Return a moment."""
    return datetime(year, month, day, hour, tzinfo=UTC)


@dataclass
class Workshop:
    """The world, and what is done with plans in it."""

    world: World

    @property
    def database(self) -> Database:
        return self.world.database

    def plan(
        self, now: datetime, *packages: Package, assets: Sequence[UUID] | None = None, **values: Any
    ) -> MaintenancePlan:
        """Make a plan for the pump and activate it."""
        with self.database.as_service() as session:
            held = [self.world.pump] if assets is None and "asset_model_id" not in values else list(assets or ())
            plan = make_plan(session, self.world.operator, {**STANDARD, **values}, packages, now, asset_ids=held)
            move_plan(session, plan, "active", now)
        return plan

    def make(self, now: datetime) -> Made:
        return make_all(self.database, now)

    def release(self, now: datetime) -> int:
        with self.database.as_service() as session:
            return release_due(session, now)

    def follow(self, now: datetime) -> None:
        """Let plans read what happened."""
        for consumer in PLANS_FOLLOW:
            while run_consumer(self.database, consumer, now):
                pass

    def day(self, now: datetime) -> None:
        """All that a worker does."""
        self.follow(now)
        self.make(now)
        self.release(now)
        self.follow(now)

    def complete(self, order_id: UUID | None, now: datetime, to: str = "completed") -> None:
        assert order_id is not None
        with self.database.as_service() as session:
            order = get_work_order(session, order_id, lock=True)
            if to == "completed":
                transition(session, order, "in_progress", now)
                transition(session, order, "completed", now, outcome="planned")
            else:
                transition(session, order, to, now, reason="test")

    def rows(self, **where: Any) -> list[Occurrence]:
        with self.database.as_service() as session:
            found = select(Occurrence).filter_by(**where).order_by(Occurrence.due_at.nulls_last(), Occurrence.slot)
            return list(session.scalars(found))

    def days(self, state: str = "planned") -> list[str]:
        """The days of occurrences in a state, as MM-DD."""
        return [f"{row.due_on:%m-%d}" if row.due_on else "-" for row in self.rows(state=state)]

    def held(self) -> list[PlanAsset]:
        with self.database.as_service() as session:
            return list(session.scalars(select(PlanAsset).order_by(PlanAsset.id)))

    def set_zone(self, zone: str, asset_id: UUID | None = None) -> None:
        with self.database.as_service() as session:
            asset = session.get_one(Asset, asset_id or self.world.pump)
            session.execute(update(Site).where(Site.id == asset.site_id).values(time_zone=zone))
            session.execute(update(PlanAsset).values(dirty=True))


def counts(rows: Sequence[Occurrence]) -> Mapping[str, int]:
    """How often each package is done."""
    found: dict[str, int] = {}
    for row in rows:
        for each in row.packages:
            found[each["code"]] = found.get(each["code"], 0) + 1
    return found


def days(count: float) -> timedelta:
    """Short for a span."""
    return timedelta(days=count)
