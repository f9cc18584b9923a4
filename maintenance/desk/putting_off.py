"""Jobs that were put off: what holds them back, and when they come back, on their day or earlier when it gets worse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event
from assets.registry import Asset
from maintenance.clocks import try_lock_assets
from maintenance.decisions import WATCH, Policy
from maintenance.desk.knowing import known_of, of_kept
from maintenance.desk.tables import DeskDecision
from maintenance.desk.waiting import risen
from maintenance.guarded import Guarded
from maintenance.models import Finding, PredictedJob

PUT_OFF = "put_off"
LOOK_AGAIN_S = 3600.0
LIVE = (
    DeskDecision.kind.in_(("defer", "merge")),
    DeskDecision.returned_at.is_(None),
    DeskDecision.undone_at.is_(None),
)


def live_decision(session: Session, asset_id: UUID, key: str) -> DeskDecision | None:
    """Return what a trouble was put off by, if it is."""
    mine = (DeskDecision.asset_id == asset_id, DeskDecision.key == key)
    return session.scalar(select(DeskDecision).where(*LIVE, *mine).order_by(DeskDecision.at.desc()).limit(1))


def put_off(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: a planner said later. Nothing opens by itself until then, unless the evidence gets worse."""
    held = select(DeskDecision).where(*LIVE, DeskDecision.asset_id == asset.id)
    for decision in session.scalars(held.order_by(DeskDecision.at)).all():
        job = session.get(PredictedJob, decision.predicted_job_id)
        if job is None or not _is_about(session, job, decision, finding):
            continue
        why = worse(session, decision, finding, moment)
        if why is not None:
            come_back(session, decision, why, moment)
            continue
        if decision.until is not None and decision.until <= moment:
            continue  # it comes back within the minute
        left = LOOK_AGAIN_S if decision.until is None else (decision.until - moment).total_seconds()
        params: dict[str, Any] = {"decision": decision.kind, "decision_id": str(decision.id)}
        params["until"] = decision.until.isoformat() if decision.until else None
        return Guarded(PUT_OFF, params, action=WATCH, again_s=max(1.0, min(LOOK_AGAIN_S, left)))
    return None


def worse(session: Session, decision: DeskDecision, finding: Finding, moment: datetime) -> str | None:
    """Return why a job comes back early, None while nothing got worse since it was put off."""
    until = decision.until or moment + timedelta(days=365)
    left = max((until - moment).total_seconds(), 0.0)
    return risen(of_kept(decision.facts), known_of(session, finding, left, moment), left)


def wake(session: Session, now: datetime, limit: int = 500, after: UUID | None = None) -> UUID | None:
    """Bring back what is due or got worse among `limit` jobs; return where to go on, None at the end.

    What somebody else decides about at this very moment is looked at the next time.
    """
    found = select(DeskDecision).where(*LIVE).order_by(DeskDecision.id).limit(limit)
    if after is not None:
        found = found.where(DeskDecision.id > after)
    decisions: Sequence[DeskDecision] = session.scalars(found, execution_options={"populate_existing": True}).all()
    mine = try_lock_assets(session, {each.asset_id for each in decisions}) if decisions else set()
    for decision in decisions:
        if decision.asset_id not in mine:
            continue
        session.refresh(decision)
        if decision.returned_at is None and decision.undone_at is None:
            _look(session, decision, now)
    return decisions[-1].id if len(decisions) == limit else None


def _look(session: Session, decision: DeskDecision, now: datetime) -> None:
    watched = select(PredictedJob).where(
        PredictedJob.asset_id == decision.asset_id, PredictedJob.key == decision.key, PredictedJob.state == "watching"
    )
    job = session.scalar(watched)
    due = decision.until is not None and decision.until <= now
    if job is None:
        # Its evidence ended: nothing waits for the day any more. New evidence before it is still put off.
        if due:
            come_back(session, decision, "ended", now)
        return
    if job.id != decision.predicted_job_id:
        decision.predicted_job_id = job.id  # evidence that came again is the same trouble
        session.flush()
    why = worse(session, decision, session.get_one(Finding, job.finding_id), now)
    if why is not None or due:
        come_back(session, decision, why or "due", now)


def come_back(session: Session, decision: DeskDecision, why: str, now: datetime, by: Actor | None = None) -> None:
    """End the waiting. due, graver, stronger, riskier, life_short, plan_gone, joined, decided or ended."""
    decision.returned_at, decision.returned_why = now, why
    session.flush()
    job = session.get(PredictedJob, decision.predicted_job_id)
    if job is None or why in ("joined", "decided", "ended"):
        return
    finding = session.get_one(Finding, job.finding_id)
    if finding.cleared_at is None and finding.decision_reason == PUT_OFF:
        finding.next_decision_at = now
        session.flush()
    told = {"why": why, "until": decision.until.isoformat() if decision.until else None, "decision": decision.kind}
    log_job(session, job, "predicted_job.returned", now, by, told)


def log_job(
    session: Session, job: PredictedJob, kind: str, now: datetime, by: Actor | None, facts: dict[str, Any]
) -> None:
    """Append an event about a predicted job, on its machine's timeline."""
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


def _is_about(session: Session, job: PredictedJob, decision: DeskDecision, finding: Finding) -> bool:
    """The same finding, or one of the same trouble of the machine."""
    if job.finding_id == finding.id:
        return True
    known = session.get(Finding, job.finding_id)
    return known is not None and known.kind == finding.kind and known.signature == finding.signature
