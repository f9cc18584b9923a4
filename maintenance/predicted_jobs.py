"""Predicted jobs: the planner opens the work order now, or says no with a reason."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.registry import Asset
from maintenance.clocks import asset_moment, lock_asset
from maintenance.episode_life import attach_finding, open_episode, work_order_of
from maintenance.episodes import joinable_order
from maintenance.models import Episode, Finding, PredictedJob
from maintenance.troubles import trouble_of
from maintenance.watch_list import Reason
from ticketing.models import WorkOrder

STATES = ("watching", "opened", "dismissed", "done")
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "watching": ("opened", "dismissed", "done"),
    "opened": ("done",),
    "dismissed": (),
    "done": (),
}
MAX_REASON = 1000


def get_predicted_job(session: Session, job_id: UUID) -> PredictedJob:
    """Return the job. Raises NotFound."""
    job = session.get(PredictedJob, job_id)
    if job is None:
        raise NotFound("no such predicted job", kind="predicted_job")
    return job


def accept_job(session: Session, job: PredictedJob, now: datetime, *, by: Actor | None = None) -> WorkOrder:
    """Open the work order now, or join the one that the same trouble already has. Accepting twice changes nothing.

    Raises IllegalMove when the job was dismissed or is done.
    """
    lock_asset(session, job.asset_id)
    session.refresh(job)
    if job.state == "opened" and job.work_order_id:
        return session.get_one(WorkOrder, job.work_order_id)
    _check_move(job, "opened")
    asset = session.get_one(Asset, job.asset_id, populate_existing=True)
    finding = session.get_one(Finding, job.finding_id)
    moment = asset_moment(session, asset.id, now, replayed=finding.replayed)
    same = select(Episode).where(Episode.asset_id == asset.id, Episode.key == job.key, Episode.closed_at.is_(None))
    episode = session.scalar(same)
    order = work_order_of(session, episode.id) if episode else None
    if episode is None or order is None:
        reason = Reason("accepted_by_planner", {"key": job.key, "signature": finding.signature})
        mode, host = trouble_of(session, asset, finding)[1], joinable_order(session, asset, finding, job.key)
        episode, order = open_episode(session, asset, finding, job.key, moment, reason, by, mode=mode, host=host)
    else:
        job.state, job.episode_id, job.work_order_id, job.decided_at = "opened", episode.id, order.id, now
        session.flush()
        attach_finding(session, asset, episode, finding, moment)
    job.decided_by_id = by.person_id if by else None
    session.flush()
    _log(session, job, "predicted_job.accepted", now, by, {"work_order": order.number})
    return order


def dismiss_job(
    session: Session, job: PredictedJob, reason: str, now: datetime, *, by: Actor | None = None
) -> PredictedJob:
    """Say no: the same finding will not open work any more. Raises IllegalMove, or Invalid without a reason."""
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    lock_asset(session, job.asset_id)
    session.refresh(job)
    if job.state == "dismissed":
        return job
    _check_move(job, "dismissed")
    job.state, job.dismiss_reason, job.decided_at = "dismissed", words, now
    job.decided_by_id = by.person_id if by else None
    session.flush()
    _log(session, job, "predicted_job.dismissed", now, by, {"reason": words})
    return job


def _check_move(job: PredictedJob, to: str) -> None:
    legal = list(LEGAL_MOVES[job.state])
    if to not in legal:
        text = f"the predicted job is {job.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=job.state, to=to, legal=legal)


def _log(
    session: Session, job: PredictedJob, kind: str, now: datetime, by: Actor | None, facts: dict[str, object]
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=job.organisation_id,
        subject_kind="predicted_job",
        subject_id=job.id,
        asset_id=job.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"key": job.key, "finding_id": str(job.finding_id), **facts},
    )
