"""Alarms that were held back, and those let through at random: the rows behind these two figures of a model."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from assets.registry import Asset
from gateway.api.deps import Here
from gateway.api.findings import AssetOfFinding, WorkOrderOfEpisode
from gateway.api.model_performance import Month, in_month, of_model
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.suppressors import order_ref, orders_of_findings
from gateway.api.work_orders import id_of_cursor
from maintenance.feedback_models import HeldBack
from maintenance.models import Finding
from maintenance.suppressors import SUPPRESSED
from ml.performance_figures import OVERALL

router = APIRouter(prefix="/api/v1", tags=["models"])


class HeldBackItem(BaseModel):
    """An alarm that would have opened work: what held it back, or that the lot or its strength let it through."""

    finding_id: UUID
    asset: AssetOfFinding
    signature: str
    detector: str
    reason: str
    result: str
    ratio: float
    suppressor_id: UUID | None
    at: datetime
    work_order: WorkOrderOfEpisode | None
    outcome: str | None


class HeldBackItems(BaseModel):
    """A page of alarms."""

    items: list[HeldBackItem]
    next: str | None = None


@router.get("/model-performance/held-back", operation_id="list_held_back")
def list_held_back(
    here: Here,
    model: str = OVERALL,
    month: Month = None,
    result: Literal["suppressed", "audited", "broke_through"] | None = None,
    replayed: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> HeldBackItems:
    """List them, newest first."""
    here.require("finding.read")
    query = (
        select(HeldBack, Finding, Asset)
        .join(Finding, Finding.id == HeldBack.finding_id)
        .join(Asset, Asset.id == HeldBack.asset_id)
        .where(Finding.replayed == replayed)
        .order_by(HeldBack.id.desc())
        .limit(limit + 1)
    )
    query = query.where(*of_model(model, Finding.detector), *in_month(month, HeldBack.at))
    if result is not None:
        query = query.where(HeldBack.result == result)
    if after is not None:
        query = query.where(HeldBack.id < id_of_cursor(after))
    found = here.session.execute(query).all()
    page = found[:limit]
    orders = orders_of_findings(here, [finding.id for held, finding, _ in page if held.result != SUPPRESSED])
    items = []
    for held, finding, asset in page:
        order = orders.get(finding.id)
        items.append(
            HeldBackItem(
                finding_id=finding.id,
                asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
                signature=finding.signature,
                detector=finding.detector,
                reason=held.reason,
                result=held.result,
                ratio=held.ratio,
                suppressor_id=held.suppressor_id,
                at=held.at,
                work_order=order_ref(order),
                outcome=order.outcome if order else None,
            )
        )
    return HeldBackItems(items=items, next=cursor_of(page[-1][0].id) if len(found) > limit else None)
