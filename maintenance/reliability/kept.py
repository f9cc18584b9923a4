"""Was planned maintenance done when it was due: reads the occurrences of plans, of machines that the reader sees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.registry import ENDED, Asset
from maintenance.plans.tables import MaintenancePlan, Occurrence
from maintenance.reliability.compliance import Compliance, Due, compliance, verdict
from maintenance.reliability.loading import Scope

MAX_DUE = 50_000
NONE = timedelta(0)
By = Literal["none", "plan", "model", "asset", "site", "customer"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An occurrence with what it is grouped by."""

    id: UUID
    due: Due
    plan_id: UUID
    plan: str
    asset_id: UUID
    asset: str
    serial: str
    model_id: UUID | None
    site_id: UUID | None
    customer_id: UUID | None
    state: str
    work_order_id: UUID | None
    reason: str | None


def load_turns(session: Session, scope: Scope, since: datetime) -> list[Turn]:
    """Return what was due in [since, until) of the machines and plans that the actor sees, oldest first."""
    query = (
        select(Occurrence, MaintenancePlan.code, MaintenancePlan.state, Asset)
        .join(MaintenancePlan, MaintenancePlan.id == Occurrence.plan_id)
        .join(Asset, Asset.id == Occurrence.asset_id)
        .where(Occurrence.due_at >= since, Occurrence.due_at < scope.until)
        .order_by(Occurrence.due_at, Occurrence.id)
        .limit(MAX_DUE + 1)
    )
    for column, value in (
        (Asset.id, scope.asset_id),
        (Asset.asset_model_id, scope.model_id),
        (Asset.customer_id, scope.customer_id),
        (Asset.site_id, scope.site_id),
    ):
        if value is not None:
            query = query.where(column == value)
    rows = session.execute(query).all()
    if len(rows) > MAX_DUE:
        raise Invalid(f"more than {MAX_DUE} occurrences: ask for a shorter period", field="from", limit=MAX_DUE)
    return [_turn(row, plan, state, asset) for row, plan, state, asset in rows]


def excused(row: Occurrence, plan_state: str, lifecycle: str) -> bool:
    """Return whether nobody had to do it: left out, cancelled with its plan or machine, or due in a pause of its plan.

    Whose order somebody cancelled, or closed without the work, was due and was not done.
    """
    if row.state == "cancelled":
        return row.work_order_id is None or plan_state == "ended" or lifecycle in ENDED
    return row.state == "left_out" or (row.state == "skipped" and row.reason == "paused")


def _turn(row: Occurrence, plan: str, plan_state: str, asset: Asset) -> Turn:
    assert row.due_at is not None
    before = max(row.due_at - row.earliest_at, NONE) if row.earliest_at is not None else NONE
    after = max(row.latest_at - row.due_at, NONE) if row.latest_at is not None else NONE
    done = row.done_at if row.state == "done" else None
    due = Due(str(row.id), row.due_at, before, after, done, excused(row, plan_state, asset.lifecycle))
    return Turn(
        row.id,
        due,
        row.plan_id,
        plan,
        row.asset_id,
        asset.name,
        asset.serial,
        asset.asset_model_id,
        asset.site_id,
        asset.customer_id,
        row.state,
        row.work_order_id,
        row.reason,
    )


def kept_by(turns: Iterable[Turn], by: By, since: datetime, until: datetime, now: datetime) -> dict[str | None, Any]:
    """Return Compliance by group."""
    groups: dict[str | None, list[Due]] = defaultdict(list)
    for turn in turns:
        groups[turn_group(turn, by)].append(turn.due)
    return {group: compliance(dues, since, until, now) for group, dues in groups.items()}


def turn_group(turn: Turn, by: By) -> str | None:
    """Return the group of an occurrence."""
    values: Mapping[str, UUID | None] = {
        "plan": turn.plan_id,
        "model": turn.model_id,
        "asset": turn.asset_id,
        "site": turn.site_id,
        "customer": turn.customer_id,
    }
    value = values.get(by)
    return str(value) if value is not None else None


def whole(turns: Sequence[Turn], since: datetime, until: datetime, now: datetime) -> Compliance:
    """Return the compliance of all of them together."""
    return compliance((turn.due for turn in turns), since, until, now)


def verdict_of(turn: Turn, now: datetime) -> str:
    """Return whether it was kept, or why it does not count."""
    return verdict(turn.due, now)
