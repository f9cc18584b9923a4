"""The fleet at a glance, and the demo's removal."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import func, select, text

from assets.base.bulk import among
from assets.base.errors import NotFound
from assets.people import root_organisation
from assets.registry import Asset
from gateway import demo_removal
from gateway.api.cards import ENDED, AssetCard, make_cards
from gateway.api.deps import Context, Here
from gateway.api.fleet_states import fleet_states
from gateway.api.kept_fleets import KeptFleets
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["assets"])

OVERVIEW_LIMIT = 300  # cards on one page; the counts are of all assets


class Counts(BaseModel):
    """The fleet in figures; each is a count of rows that a list page shows."""

    assets: int
    in_trouble: int
    watching: int
    learning: int
    offline: int
    open_work_orders: int
    opened_by_models: int


class Overview(BaseModel):
    """Counts and cards, gravest first.

    `counted_at`: when a large fleet's machines were counted; what alarms, orders and findings say is of now.
    """

    counted_at: datetime | None
    counts: Counts
    assets: list[AssetCard]


class Removed(BaseModel):
    """What removing the demo took away."""

    assets: int


@router.get("/overview", operation_id="get_overview")
def get_overview(here: Here, request: Request) -> Overview:
    """What is in trouble, at a glance."""
    here.require("asset.read")
    kept: KeptFleets = request.app.state.fleets
    fleet = fleet_states(here, OVERVIEW_LIMIT, kept)
    assets = list(here.session.scalars(select(Asset).where(among(Asset.id, fleet.gravest))))
    cards = make_cards(here.session, assets, here.now)
    counted_at = fleet.counted_at if fleet.counted_at < here.now else None
    return Overview(counts=_counts(here, fleet.counts), assets=cards[:OVERVIEW_LIMIT], counted_at=counted_at)


def _counts(here: Context, states: Counter[str]) -> Counts:
    open_orders = select(func.count()).select_from(WorkOrder).where(WorkOrder.closed_at.is_(None))
    open_orders = open_orders.where(WorkOrder.state.not_in(ENDED))
    by_models = select(func.count()).select_from(WorkOrder).where(WorkOrder.origin == "finding")
    return Counts(
        assets=states.total(),
        in_trouble=states["trouble"],
        watching=states["watch"],
        learning=states["learning"],
        offline=states["no_data"],
        open_work_orders=here.session.scalar(open_orders) or 0,
        opened_by_models=here.session.scalar(by_models) or 0,
    )


@router.delete("/demo", operation_id="remove_demo")
def remove_demo(here: Here) -> Removed:
    """Remove all demo data: assets, devices, readings, work, people and customers marked as demo."""
    here.require("demo.remove")
    # Asked as the service: to an actor, the highest organisation that they see would look like the operator.
    here.session.execute(text("SET LOCAL ROLE forewarn_service"))
    operator = root_organisation(here.session)
    if operator is None or operator.id != here.actor.organisation_id:
        raise NotFound("only the operator has a demo to remove")
    return Removed(assets=demo_removal.remove(here.session, operator.id, here.actor.person_id, here.now))
