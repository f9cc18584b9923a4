"""An asset's life has ended, or it has another owner: its alarms and predicted jobs follow."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.events import Event, append_event
from assets.registry import ENDED, Asset
from maintenance.clocks import lock_asset
from maintenance.episode_life import end_episode
from maintenance.models import Episode, Finding, PredictedJob
from maintenance.predicted_jobs import LEGAL_MOVES

ENDED_KINDS = frozenset({"asset.decommissioned"})
TRANSFERRED_KINDS = frozenset({"asset.transferred"})


def close_alarms(session: Session, event: Event, now: datetime) -> None:
    """Close what is open about a retired asset: nobody will answer it any more. A second call changes nothing."""
    asset = session.get(Asset, event.subject_id, populate_existing=True)
    if asset is None or asset.lifecycle not in ENDED:
        return
    lock_asset(session, asset.id)
    open_ones = select(Episode).where(Episode.asset_id == asset.id, Episode.closed_at.is_(None)).order_by(Episode.id)
    for episode in session.scalars(open_ones, execution_options={"populate_existing": True}).all():
        end_episode(session, asset, episode, "unknown", max(event.at, episode.last_seen_at))
    lasting = select(Finding).where(Finding.asset_id == asset.id, Finding.cleared_at.is_(None))
    for finding in session.scalars(lasting).all():
        finding.cleared_at = max(event.at, finding.last_at)
        finding.revision = finding.decided_revision = finding.revision + 1  # nothing is to be decided about it
        finding.next_decision_at = None
    _close_jobs(session, asset.id, event.at)
    session.flush()


def change_owner(session: Session, event: Event, now: datetime) -> None:
    """Give what lasts to the new owner; what has ended stays with whom it happened to. Harmless when repeated."""
    asset = session.get(Asset, event.subject_id, populate_existing=True)
    if asset is None:
        return
    owner = asset.organisation_id
    lasting = (
        update(Finding).where(Finding.asset_id == asset.id, Finding.cleared_at.is_(None)),
        update(Episode).where(Episode.asset_id == asset.id, Episode.closed_at.is_(None)),
        update(PredictedJob).where(PredictedJob.asset_id == asset.id, PredictedJob.state.in_(("watching", "opened"))),
    )
    for statement in lasting:
        session.execute(statement.values(organisation_id=owner))


def _close_jobs(session: Session, asset_id: UUID, at: datetime) -> None:
    movable = [state for state, legal in LEGAL_MOVES.items() if "done" in legal]
    jobs = select(PredictedJob).where(PredictedJob.asset_id == asset_id, PredictedJob.state.in_(movable))
    for job in session.scalars(jobs).all():
        job.state, job.decided_at = "done", at
        append_event(
            session,
            "predicted_job.ended",
            at=at,
            organisation_id=job.organisation_id,
            subject_kind="predicted_job",
            subject_id=job.id,
            asset_id=asset_id,
            payload={"key": job.key, "reason": "asset_decommissioned"},
        )
