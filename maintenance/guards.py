"""What stands between a finding and its work order, in order: the first guard that answers holds the finding back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.decisions import Policy
from maintenance.guarded import Guard, Guarded
from maintenance.models import Finding, PredictedJob
from ticketing.models import WorkOrder

RETRY_S = 30.0  # how soon to look again at an asset that is paused
MONITORED = frozenset({"installed", "commissioned", "in_service"})
PAUSED_BY_WORK = timedelta(hours=24)  # work forgotten in progress must not silence a machine for ever


def dismissed(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """A planner said no to this very finding."""
    said_no = select(PredictedJob.id).where(PredictedJob.finding_id == finding.id, PredictedJob.state == "dismissed")
    return Guarded("dismissed") if session.scalar(said_no.limit(1)) is not None else None


def asset_paused(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Out of service, or people work on it for another reason: what the sensors say is their doing."""
    at_work = select(func.count()).where(
        WorkOrder.asset_id == asset.id,
        WorkOrder.state == "in_progress",
        WorkOrder.origin != "finding",
        WorkOrder.started_at > moment - PAUSED_BY_WORK,
    )
    if asset.lifecycle in MONITORED and not session.scalar(at_work):
        return None
    return Guarded("asset_paused", again_s=RETRY_S)


# Asked about every finding that lasts: what they hold back does not even count as evidence of an open episode.
ALWAYS: tuple[Guard, ...] = (dismissed, asset_paused)

# Asked only when a work order would be opened (or reopened) now; evidence of an open episode passes them by.
BEFORE_OPENING: tuple[Guard, ...] = ()


def first_guard(
    guards: Iterable[Guard], session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime
) -> Guarded | None:
    """Return the answer of the first guard that has one."""
    answers = (guard(session, asset, finding, policy, moment) for guard in guards)
    return next((answer for answer in answers if answer is not None), None)
