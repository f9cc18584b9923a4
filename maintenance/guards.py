"""What stands between a finding and its work order, in order: the first guard that answers holds the finding back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.batch import batch_of
from maintenance.budget import over_budget
from maintenance.caps import daily_cap
from maintenance.decisions import Policy
from maintenance.desk.putting_off import put_off
from maintenance.guarded import Guard, Guarded
from maintenance.holds import out_of_service, shelved
from maintenance.models import Finding, PredictedJob
from maintenance.relations import neighbour_alarm, parent_alarm
from maintenance.suppressors import no_news, suppressed
from maintenance.windows import in_window
from ticketing.models import WorkOrder

RETRY_S = 30.0  # how soon to look again at an asset that is paused
MONITORED = frozenset({"installed", "commissioned", "in_service"})
PAUSED_BY_WORK = timedelta(hours=24)  # work forgotten in progress must not silence a machine for ever


def dismissed(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """A planner said no to this very finding."""
    if (batch := batch_of(session, asset.id)) is not None and finding.id not in batch.dismissed:
        return None
    said_no = select(PredictedJob.id).where(PredictedJob.finding_id == finding.id, PredictedJob.state == "dismissed")
    return Guarded("dismissed") if session.scalar(said_no.limit(1)) is not None else None


def asset_paused(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Out of service, or people work on it for another reason: what the sensors say is their doing."""
    if asset.lifecycle in MONITORED and _is_idle(session, asset):
        return None
    at_work = select(func.count()).where(
        WorkOrder.asset_id == asset.id,
        WorkOrder.state == "in_progress",
        WorkOrder.origin != "finding",
        WorkOrder.started_at > moment - PAUSED_BY_WORK,
    )
    if asset.lifecycle in MONITORED and not session.scalar(at_work):
        return None
    return Guarded("asset_paused", again_s=RETRY_S)


def work_in_progress(
    session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime
) -> Guarded | None:
    """People work on what was noticed: nothing new opens meanwhile, nor while the repaired machine finds its feet."""
    if _is_idle(session, asset):
        return None
    orders = select(WorkOrder.state, WorkOrder.started_at, WorkOrder.work_done_at).where(
        WorkOrder.asset_id == asset.id,
        WorkOrder.origin == "finding",
        WorkOrder.started_at > moment - PAUSED_BY_WORK,
    )
    settled = moment - timedelta(seconds=policy.settle_s)
    for state, started_at, done_at in session.execute(orders):
        if state == "in_progress":
            return Guarded("work_in_progress", again_s=RETRY_S)
        if done_at and started_at and done_at > settled and started_at <= finding.first_at <= done_at:
            return Guarded("settling", {"settle_s": policy.settle_s}, again_s=(done_at - settled).total_seconds())
    return None


def _is_idle(session: Session, asset: Asset) -> bool:
    """True where it is known already that nobody works on the asset, nor did lately."""
    batch = batch_of(session, asset.id)
    return batch is not None and asset.id not in batch.at_work


# Asked about every finding that lasts: what they hold back does not even count as evidence of an open episode.
ALWAYS: tuple[Guard, ...] = (dismissed, asset_paused, out_of_service, in_window, no_news)

# Asked only when a work order would be opened (or reopened) now; evidence of an open episode passes them by.
BEFORE_OPENING: tuple[Guard, ...] = (
    work_in_progress,
    put_off,
    shelved,
    parent_alarm,
    neighbour_alarm,
    suppressed,
    over_budget,
    daily_cap,
)


def first_guard(
    guards: Iterable[Guard], session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime
) -> Guarded | None:
    """Return the answer of the first guard that has one."""
    answers = (guard(session, asset, finding, policy, moment) for guard in guards)
    return next((answer for answer in answers if answer is not None), None)
