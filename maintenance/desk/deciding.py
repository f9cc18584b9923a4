"""The planner decides about predicted jobs: accept, merge with planned work, put off, dismiss; each can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid
from maintenance.clocks import lock_asset
from maintenance.desk.joining import join
from maintenance.desk.knowing import kept, known_of
from maintenance.desk.putting_off import come_back, live_decision, log_job
from maintenance.desk.tables import DeskDecision
from maintenance.episode_life import work_order_of
from maintenance.models import Episode, Finding, PredictedJob
from maintenance.plans.releasing import move
from maintenance.plans.tables import MaintenancePlan, Occurrence
from maintenance.predicted_jobs import accept_job, dismiss_job
from ticketing.models import WorkOrder
from ticketing.order_states import OPEN_STATES, worded

LONGEST = timedelta(days=366)
SOONEST = timedelta(minutes=1)
MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with the order that it led to, if it did."""

    decision: DeskDecision
    order: WorkOrder | None = None


def accept(
    session: Session, job: PredictedJob, now: datetime, by: Actor | None, *, batch_id: UUID | None = None
) -> Decided:
    """Open the work order now. Accepting twice changes nothing. Raises IllegalMove."""
    lock_asset(session, job.asset_id)
    session.refresh(job)
    if job.state == "opened" and job.work_order_id is not None:
        order = session.get_one(WorkOrder, job.work_order_id)
        return Decided(_newest(session, job) or _kept(session, job, "accept", now, by, {"opened": "before"}), order)
    had = _order_there(session, job)
    _decided(session, job, now)
    order = accept_job(session, job, now, by=by)
    session.refresh(job)
    opened = "attached" if had is not None else "own" if order.origin_ref == job.episode_id else "joined"
    found = _kept(session, job, "accept", now, by, {"opened": opened}, batch_id=batch_id)
    found.work_order_id = order.id
    session.flush()
    return Decided(found, order)


def dismiss(
    session: Session, job: PredictedJob, reason: str, now: datetime, by: Actor | None, *, batch_id: UUID | None = None
) -> Decided:
    """Say no, with a reason. Raises IllegalMove, Invalid."""
    lock_asset(session, job.asset_id)
    session.refresh(job)
    if job.state == "dismissed" and (before := _newest(session, job)) is not None:
        return Decided(before)
    dismiss_job(session, job, reason, now, by=by)
    _decided(session, job, now)
    return Decided(_kept(session, job, "dismiss", now, by, {}, reason=reason.strip(), batch_id=batch_id))


def defer(
    session: Session,
    job: PredictedJob,
    until: datetime,
    reason: str | None,
    now: datetime,
    by: Actor | None,
    *,
    batch_id: UUID | None = None,
) -> Decided:
    """Put a job off until a moment; it comes back then, or earlier when it gets worse. Raises IllegalMove, Invalid.

    It says nothing about whether the models are right: that a job waits is neither a yes nor a no.
    """
    words = worded("reason", reason, MAX_REASON) if reason and reason.strip() else None
    if not now + SOONEST <= until <= now + LONGEST:
        least, most = (now + SOONEST).isoformat(), (now + LONGEST).isoformat()
        raise Invalid("until is after now and within a year", field="until", least=least, most=most)
    _check_watching(session, job, "deferred")
    _decided(session, job, now)
    facts = kept(known_of(session, session.get_one(Finding, job.finding_id), (until - now).total_seconds(), now))
    found = _kept(session, job, "defer", now, by, facts, reason=words, until=until, batch_id=batch_id)
    log_job(session, job, "predicted_job.deferred", now, by, {"until": until.isoformat(), "reason": words})
    return Decided(found)


def merge(
    session: Session,
    job: PredictedJob,
    occurrence: Occurrence,
    reason: str | None,
    now: datetime,
    by: Actor | None,
    *,
    move_to: datetime | None = None,
) -> Decided:
    """Do the job together with planned work of its machine: its order takes the trouble in, now or when it is released.

    Both rows are locked. With `move_to` the planned work is moved there first. For the models it is a yes. Raises
    IllegalMove, Invalid, Conflict.
    """
    words = worded("reason", reason, MAX_REASON) if reason and reason.strip() else None
    _check_watching(session, job, "merged")
    if occurrence.asset_id != job.asset_id:
        raise Invalid("planned work of another machine", field="occurrence_id")
    if occurrence.state not in ("planned", "released"):
        raise IllegalMove(f"this is {occurrence.state}", state=occurrence.state, to="merged", legal=[])
    if _order_there(session, job) is not None:
        raise Conflict("the same trouble has a work order already: accept the job to join it", reason="has_order")
    _decided(session, job, now)
    moved: dict[str, Any] = {}
    if move_to is not None:
        stood = occurrence.put_at
        moved = {"moved": {"to": move_to.isoformat(), "put_at": stood.isoformat() if stood is not None else None}}
        move(session, occurrence, move_to, now, by, words or "merged with a predicted job")
    at = occurrence.put_at or occurrence.due_at
    finding = session.get_one(Finding, job.finding_id)
    wait = max((at - now).total_seconds(), 0.0) if at is not None else LONGEST.total_seconds()
    facts = kept(known_of(session, finding, wait, now)) | moved
    found = _kept(session, job, "merge", now, by, facts, reason=words)
    found.occurrence_id = occurrence.id
    session.flush()
    log_job(session, job, "predicted_job.merged", now, by, _planned(session, occurrence))
    order = session.get(WorkOrder, occurrence.work_order_id) if occurrence.work_order_id else None
    if order is None:
        return Decided(found)
    if order.state not in OPEN_STATES:
        raise Conflict(f"{order.number} is {order.state}", number=order.number, state=order.state, reason="order_done")
    join(session, found, job, order, now, by)
    return Decided(found, order)


def _planned(session: Session, occurrence: Occurrence) -> dict[str, Any]:
    plan = session.get(MaintenancePlan, occurrence.plan_id)
    due = occurrence.due_on.isoformat() if occurrence.due_on else None
    return {"occurrence_id": str(occurrence.id), "plan": plan.code if plan else "—", "due_on": due}


def _check_watching(session: Session, job: PredictedJob, to: str) -> None:
    lock_asset(session, job.asset_id)
    session.refresh(job)
    if job.state != "watching":
        raise IllegalMove(f"the predicted job is {job.state}", state=job.state, to=to, legal=[])


def _decided(session: Session, job: PredictedJob, now: datetime) -> None:
    """What was decided before gives way."""
    before = live_decision(session, job.asset_id, job.key)
    if before is not None:
        come_back(session, before, "decided", now)


def _order_there(session: Session, job: PredictedJob) -> WorkOrder | None:
    same = select(Episode).where(Episode.asset_id == job.asset_id, Episode.key == job.key, Episode.closed_at.is_(None))
    episode = session.scalar(same)
    return work_order_of(session, episode.id) if episode is not None else None


def _newest(session: Session, job: PredictedJob) -> DeskDecision | None:
    mine = select(DeskDecision).where(DeskDecision.predicted_job_id == job.id, DeskDecision.undone_at.is_(None))
    return session.scalar(mine.order_by(DeskDecision.at.desc(), DeskDecision.id.desc()).limit(1))


def _kept(
    session: Session,
    job: PredictedJob,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    *,
    reason: str | None = None,
    until: datetime | None = None,
    batch_id: UUID | None = None,
) -> DeskDecision:
    found = DeskDecision(
        organisation_id=job.organisation_id,
        predicted_job_id=job.id,
        asset_id=job.asset_id,
        key=job.key,
        kind=kind,
        reason=reason,
        until=until,
        facts=facts,
        batch_id=batch_id,
        at=now,
        by_id=by.person_id if by else None,
    )
    session.add(found)
    session.flush()
    return found
