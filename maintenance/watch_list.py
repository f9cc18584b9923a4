"""The watch list: findings that open no work order now, one line for each trouble of an asset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.batch import batch_of, forget
from maintenance.models import Finding, PredictedJob


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code with parameters; both go into events and rows."""

    code: str
    params: dict[str, Any]


def watch(session: Session, finding: Finding, key: str, moment: datetime, reason: Reason) -> PredictedJob | None:
    """Put a finding on the watch list; evidence of the same trouble stays one line."""
    same = select(PredictedJob).where(
        PredictedJob.asset_id == finding.asset_id, PredictedJob.key == key, PredictedJob.state == "watching"
    )
    job = None if _is_unwatched(session, finding.asset_id) else session.scalar(same)
    forget(session, finding.asset_id)
    if job is None:
        job = PredictedJob(
            organisation_id=finding.organisation_id,
            asset_id=finding.asset_id,
            key=key,
            finding_id=finding.id,
            state="watching",
            reason_code=reason.code,
            reason_params=reason.params,
            created_at=moment,
        )
        session.add(job)
    job.finding_id, job.reason_code, job.reason_params = finding.id, reason.code, reason.params
    session.flush()
    return job


def stop_watching(session: Session, finding: Finding, moment: datetime) -> None:
    """The evidence of a watched finding ended by itself."""
    watching = select(PredictedJob).where(PredictedJob.finding_id == finding.id, PredictedJob.state == "watching")
    for job in session.scalars(watching):
        job.state, job.reason_code, job.decided_at = "done", "ended", moment
    session.flush()


def _is_unwatched(session: Session, asset_id: UUID) -> bool:
    """True where it is known already that nothing of the asset is on the watch list."""
    batch = batch_of(session, asset_id)
    return batch is not None and asset_id not in batch.watched


def close_watching(session: Session, asset_id: UUID, key: str, code: str, moment: datetime) -> None:
    if _is_unwatched(session, asset_id):
        return
    watching = select(PredictedJob).where(
        PredictedJob.asset_id == asset_id, PredictedJob.key == key, PredictedJob.state == "watching"
    )
    for job in session.scalars(watching):
        job.state, job.reason_code, job.decided_at = "done", code, moment
    session.flush()
