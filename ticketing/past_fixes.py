"""What fixed this the last time: outcomes of finished work on the same machine and on others of its model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from assets.failure_modes import FailureMode
from assets.people import Organisation
from assets.registry import Asset, AssetModel
from ticketing.failure_words import Past
from ticketing.models import WorkOrder
from ticketing.order_states import OPEN_STATES

REAL = ("confirmed", "wrong_mode", "prevented", "sensor_fault")  # outcomes that tell what was wrong
MAX_FIXES = 20
MAX_PAST = 200


@dataclass(frozen=True, slots=True)
class Fix:
    """Something that was found and done; its last time with the order's number and note."""

    past: Past
    last_at: datetime
    last_order_id: UUID
    last_number: str
    last_note: str | None


def mode_words(session: Session, asset: Asset) -> dict[str, tuple[str, str]]:
    """Return the failure modes of a machine's model, and those of any, by code, as they rank.

    Of the machine's owner and those above it, also for the service, which no row policy holds back.
    """
    of = or_(FailureMode.asset_model_id == asset.asset_model_id, FailureMode.asset_model_id.is_(None))
    modes = select(FailureMode).where(of).order_by(FailureMode.asset_model_id.is_(None), FailureMode.rank)
    owner = session.get(Organisation, asset.organisation_id)
    if owner is not None:
        modes = modes.where(FailureMode.organisation_id.in_(owner.ancestors))
    found: dict[str, tuple[str, str]] = {}
    for mode in session.scalars(modes.limit(MAX_PAST)):
        found.setdefault(mode.code, (mode.name_en, mode.name_zh))
    return found


def repair_codes_of(session: Session, asset: Asset) -> list[dict[str, str]]:
    """Return the repairs that people of this machine's model choose from."""
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    return list(model.repair_codes) if model else []


def noticed_modes(order: WorkOrder) -> list[str]:
    """Return the failure modes that the order's finding names, the likeliest first."""
    named = (order.noticed or {}).get("failure_modes", [])
    return [str(one["code"]) for one in named if isinstance(one, dict) and one.get("code")]


def fixes_of(
    session: Session,
    asset: Asset,
    *,
    failure_mode: str | None = None,
    but: UUID | None = None,
    limit: int = MAX_FIXES,
) -> list[Fix]:
    """Return what was found and done on machines like this one, this one's own first, then the most frequent.

    Row policies say which orders count. `failure_mode`: only orders where this was found.
    """
    alike = Asset.id == asset.id
    if asset.asset_model_id is not None:
        alike = or_(alike, Asset.asset_model_id == asset.asset_model_id)
    here = func.sum(case((WorkOrder.asset_id == asset.id, 1), else_=0)).label("here")
    # Of the last one: an array's first element, so that one query tells all of it.
    newest = func.array_agg(aggregate_order_by(WorkOrder.id, WorkOrder.work_done_at.desc()))
    key = (WorkOrder.failure_mode, WorkOrder.failure_cause, WorkOrder.repair_code, WorkOrder.outcome)
    found = (
        select(*key, func.count(), here, func.max(WorkOrder.work_done_at), newest[1])
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            alike,
            WorkOrder.work_done_at.is_not(None),
            WorkOrder.state.not_in((*OPEN_STATES, "cancelled")),
            WorkOrder.outcome.in_(REAL),
            or_(WorkOrder.repair_code.is_not(None), WorkOrder.failure_mode.is_not(None)),
        )
        .group_by(*key)
        .order_by(here.desc(), func.count().desc(), func.max(WorkOrder.work_done_at).desc())
        .limit(limit)
    )
    if failure_mode is not None:
        found = found.where(WorkOrder.failure_mode == failure_mode)
    if but is not None:
        found = found.where(WorkOrder.id != but)
    rows = session.execute(found).all()
    last = {
        row.id: row for row in session.scalars(select(WorkOrder).where(WorkOrder.id.in_([each[7] for each in rows])))
    }
    return [
        Fix(
            Past(mode, cause, action, outcome, count, mine),
            at,
            key,
            last[key].number if key in last else "—",
            last[key].outcome_note if key in last else None,
        )
        for mode, cause, action, outcome, count, mine, at, key in rows
    ]


def likely_fixes(session: Session, order: WorkOrder, asset: Asset, limit: int = MAX_FIXES) -> tuple[list[Fix], str]:
    """Return what fixed what this order is about, and on what that rests: failure_mode, asset_model or none."""
    for mode in noticed_modes(order):
        if found := fixes_of(session, asset, failure_mode=mode, but=order.id, limit=limit):
            return found, "failure_mode"
    found = fixes_of(session, asset, but=order.id, limit=limit)
    return found, "asset_model" if found else "none"
