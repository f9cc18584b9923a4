"""Similar past work orders: whose evidence looked like this, on this asset or its kind, and what was found then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.likeness import direction, likeness
from maintenance.models import Finding
from ticketing.models import WorkOrder

LOOKED_AT = 300  # newest answered orders of the asset and its kind: asked whenever an order opens
LEAST = 0.5  # less alike than this is another trouble
OWN = 0.1  # the asset's own past counts a little more
OTHER_REGIME = 0.9
MOST = 20


@dataclass(frozen=True, slots=True)
class SimilarOrder:
    """A past order, how alike its evidence was (0 to 1), the sensors in common and what was found."""

    order: WorkOrder
    asset: Asset
    same_asset: bool
    similarity: float
    shared: tuple[str, ...]

    def kept(self) -> dict[str, Any]:
        """As a new order keeps it."""
        return {
            "work_order_id": str(self.order.id),
            "number": self.order.number,
            "asset_id": str(self.asset.id),
            "asset_name": self.asset.name,
            "same_asset": self.same_asset,
            "opened_at": self.order.opened_at.isoformat(),
            "outcome": self.order.outcome,
            "repair_code": self.order.repair_code,
            "note": self.order.outcome_note,
            "similarity": round(self.similarity, 3),
            "shared": list(self.shared),
        }


def similar_orders(
    session: Session, finding: Finding, *, limit: int = 5, organisation_id: UUID | None = None
) -> list[SimilarOrder]:
    """Return the answered orders most like a finding, most alike first; of one organisation only when given.

    The caller's row policies apply: under the service role everybody's orders are looked at.
    """
    seen = {"signature": finding.signature, "regime": finding.regime, "kind": finding.kind}
    return _ranked(session, finding.asset_id, finding.contributions, seen, None, None, limit, organisation_id)


def similar_to_order(
    session: Session, order: WorkOrder, *, limit: int = 5, organisation_id: UUID | None = None
) -> list[SimilarOrder]:
    """Return the answered orders most like what was noticed on this one; none where nothing was noticed."""
    noticed = order.noticed or {}
    shares = noticed.get("contributions", [])
    return _ranked(session, order.asset_id, shares, noticed, order.id, order.opened_at, limit, organisation_id)


def _ranked(
    session: Session,
    asset_id: UUID,
    shares: Sequence[Mapping[str, Any]],
    seen: Mapping[str, Any],
    itself: UUID | None,
    before: datetime | None,
    limit: int,
    organisation_id: UUID | None,
) -> list[SimilarOrder]:
    ranked: list[tuple[float, UUID, tuple[str, ...]]] = []
    own = direction(shares)
    for row in _candidates(session, asset_id, itself, before, organisation_id):
        order_id, of_asset, theirs, signature, kind, regime = row
        alike = likeness(shares, theirs or [])
        if not (shares and theirs) and signature == seen.get("signature"):
            alike = 1.0
        if kind != seen.get("kind") or alike < LEAST:
            continue
        if regime != seen.get("regime"):
            alike *= OTHER_REGIME
        common = tuple(name.partition(":")[0] for name in sorted(set(own) & set(direction(theirs or []))))
        ranked.append((min(1.0, alike) + OWN * (of_asset == asset_id), order_id, common))
    # Of equally alike ones the newest: ids grow with time.
    chosen = sorted(ranked, key=lambda one: one[:2], reverse=True)[: min(limit, MOST)]
    return _loaded(session, chosen, asset_id) if chosen else []


def _loaded(
    session: Session, chosen: Sequence[tuple[float, UUID, tuple[str, ...]]], asset_id: UUID
) -> list[SimilarOrder]:
    wanted = [order_id for _, order_id, _ in chosen]
    rows = select(WorkOrder, Asset).join(Asset, Asset.id == WorkOrder.asset_id).where(WorkOrder.id.in_(wanted))
    by_id = {order.id: (order, asset) for order, asset in session.execute(rows)}
    found = []
    for weight, order_id, common in chosen:
        order, asset = by_id[order_id]
        same = asset.id == asset_id
        found.append(SimilarOrder(order, asset, same, min(1.0, weight - OWN * same), common))
    return found


def _candidates(
    session: Session, asset_id: UUID, itself: UUID | None, before: datetime | None, organisation_id: UUID | None
) -> Iterable[Any]:
    """Return (order, asset, contributions, signature, kind, regime) of answered orders, newest first."""
    noticed = WorkOrder.noticed
    model = select(Asset.asset_model_id).where(Asset.id == asset_id).scalar_subquery()
    answered = (
        select(
            WorkOrder.id,
            WorkOrder.asset_id,
            noticed["contributions"],
            noticed["signature"].astext,
            noticed["kind"].astext,
            noticed["regime"].astext,
        )
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            or_(Asset.id == asset_id, Asset.asset_model_id == model),
            WorkOrder.origin == "finding",
            WorkOrder.outcome.is_not(None),
            WorkOrder.outcome != "unknown",
            noticed.is_not(None),
        )
        .order_by(WorkOrder.id.desc())
        .limit(LOOKED_AT)
    )
    if itself is not None:
        answered = answered.where(WorkOrder.id != itself)
    if before is not None:
        answered = answered.where(WorkOrder.opened_at < before)
    if organisation_id is not None:
        answered = answered.where(WorkOrder.organisation_id == organisation_id)
    return session.execute(answered)
