"""The task of forecasts: sums after every change, history by the hour, capacity when it changed, gaps after each."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.people import Organisation
from maintenance.forecasts.capacity import digest, keep_capacity
from maintenance.forecasts.demand import keep_demand
from maintenance.forecasts.gaps import keep_gaps
from maintenance.forecasts.kept import keep
from maintenance.forecasts.part_demand import tell_predicted
from maintenance.forecasts.tables import CapacityWeek, ForecastState

DEMAND_EVERY = timedelta(hours=1)
WHOLE_EVERY = timedelta(days=1)
LOOK_EVERY = timedelta(minutes=5)  # whether capacity changed, and whether there are gaps


def keep_forecasts(database: Database, now: datetime) -> None:
    """Bring all that forecasts are made of up to date."""
    keep(database, now)
    with database.as_service() as session:
        due = _due(session, now)
    for organisation_id, above in due:
        with database.as_service() as session:
            _tend(session, organisation_id, above, now)
    for organisation_id, _ in due:
        with database.as_service() as session:
            tell_predicted(session, organisation_id, now)
            if session.scalar(select(CapacityWeek.id).where(CapacityWeek.organisation_id == organisation_id).limit(1)):
                keep_gaps(session, organisation_id, now)


def _due(session: Session, now: datetime) -> list[tuple[UUID, list[UUID]]]:
    query = (
        select(Organisation.id, Organisation.ancestors)
        .outerjoin(ForecastState, ForecastState.organisation_id == Organisation.id)
        .where(ForecastState.gaps_at.is_(None) | (ForecastState.gaps_at <= now - LOOK_EVERY))
        .order_by(Organisation.id)
    )
    return [(key, list(above)) for key, above in session.execute(query)]


def _tend(session: Session, organisation_id: UUID, above: list[UUID], now: datetime) -> None:
    state = session.get(ForecastState, organisation_id)
    if state is None:
        state = ForecastState(organisation_id=organisation_id)
        session.add(state)
    if state.demand_at is None or state.demand_at <= now - DEMAND_EVERY:
        whole = state.demand_whole_at is None or state.demand_whole_at <= now - WHOLE_EVERY
        keep_demand(session, organisation_id, now, whole=whole)
        state.demand_at = now
        state.demand_whole_at = now if whole else state.demand_whole_at
    rests_on = digest(session, organisation_id, above, now)
    if state.capacity_of != rests_on:
        keep_capacity(session, organisation_id, now)
        state.capacity_of, state.capacity_at = rests_on, now
    state.gaps_at = now
