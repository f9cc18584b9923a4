"""The tasks of maintenance plans: make ahead, release, watch for what makes work due, keep their machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from ingest.store.read import latest_values
from maintenance.plans.happenings import Metrics, watch_meters
from maintenance.plans.happenings import watch as watch_happenings
from maintenance.plans.machines import let_go, sync_step
from maintenance.plans.making import make_all
from maintenance.plans.releasing import release_due
from maintenance.plans.settling import settle_next
from maintenance.plans.tables import MaintenancePlan

MAX_ROUNDS = 50
MAX_STEPS = 500  # each of some thousand machines


def make_occurrences(database: Database, now: datetime) -> None:
    """Make planned work ahead, where something changed or the horizon has come nearer."""
    make_all(database, now, batches=MAX_ROUNDS)


def release_occurrences(database: Database, now: datetime) -> None:
    """Open the work orders whose lead time has come."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not release_due(session, now):
                return


def watch_conditions(database: Database, now: datetime) -> None:
    """Look for what makes planned work due without a date."""
    with database.as_service() as session:
        watch_meters(session, now)
    after: UUID | None = None
    while True:
        with database.as_service() as session:
            after = watch_happenings(session, now, after, metrics=_newest)
        if after is None:
            return


def sync_plans(database: Database, now: datetime) -> None:
    """Let machines come to plans and go from them by their days."""
    with database.as_service() as session:
        keys = session.scalars(select(MaintenancePlan.id).where(MaintenancePlan.state == "active")).all()
    for key in keys:
        after: UUID | None = None
        while True:
            with database.as_service() as session:
                plan = session.get_one(MaintenancePlan, key, with_for_update=True)
                if plan.state not in ("active", "paused"):
                    break
                after = sync_step(session, plan, now, after)
                if after is None:
                    let_go(session, plan, now)
                    break


def settle_plans(database: Database, now: datetime) -> None:
    """Let the machines of plans that were activated, changed, paused or ended follow, some at a time."""
    for _ in range(MAX_STEPS):
        with database.as_service() as session:
            if not settle_next(session, now):
                return


def _newest(session: Session, asset_ids: Sequence[UUID]) -> Metrics:
    found = latest_values(session, asset_ids)
    return {key: {each.metric: (each.value, each.t) for each in values} for key, values in found.items()}
