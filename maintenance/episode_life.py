"""The life of an episode: opened with its work order, fed with evidence, cleared, closed with an outcome, reopened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event
from assets.registry import Asset, set_operation
from maintenance import noticed
from maintenance.models import Episode, EpisodeFinding, Finding, PredictedJob, WorkLink
from ticketing.models import WorkOrder
from ticketing.work_orders import OPEN_STATES, PRIORITY_OF_SEVERITY, open_work_order, raise_priority, update_noticed

SEVERITIES = ("info", "warning", "critical")  # rising


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code with parameters; both go into events and rows."""

    code: str
    params: dict[str, Any]


def open_episode(
    session: Session,
    asset: Asset,
    finding: Finding,
    key: str,
    moment: datetime,
    reason: Reason,
    by: Actor | None = None,
) -> tuple[Episode, WorkOrder]:
    """Open an episode with its work order and predicted job. The caller holds the asset's lock."""
    episode = Episode(
        organisation_id=asset.organisation_id,
        asset_id=asset.id,
        key=key,
        kind=finding.kind,
        severity=finding.severity,
        opened_at=moment,
        last_seen_at=finding.last_at,
        state="open",
        count=1,
        peak=finding.peak,
        recurrence_no=0,
        replayed=finding.replayed,
    )
    session.add(episode)
    session.flush()
    _link_finding(session, episode, finding)
    _log(session, episode, "episode.opened", moment, by, _facts(finding, reason))
    order = _open_order(session, asset, episode, finding, moment, by)
    _remember_job(session, episode, finding, order, moment, reason, by)
    _degrade(session, asset, episode, moment)
    return episode, order


def attach_finding(session: Session, asset: Asset, episode: Episode, finding: Finding, moment: datetime) -> None:
    """Add evidence to an open episode and to its work order; the same evidence again only refreshes it."""
    new = _link_finding(session, episode, finding)
    episode.count += int(new)
    worse = finding.peak > episode.peak or _rank(finding.severity) > _rank(episode.severity)
    episode.peak = max(episode.peak, finding.peak)
    episode.last_seen_at = max(episode.last_seen_at, finding.last_at)
    if _rank(finding.severity) > _rank(episode.severity):
        episode.severity = finding.severity
    if episode.state == "cleared":
        episode.state, episode.cleared_at = "open", None
        _degrade(session, asset, episode, moment)
    session.flush()
    order = work_order_of(session, episode.id)
    if order is not None and (new or worse):
        update_noticed(session, order.id, noticed.with_evidence(order.noticed, finding, episode.count))
        raise_priority(session, order, finding.severity, moment)
    _close_watching(session, asset.id, episode.key, "attached", moment)


def clear_episode(session: Session, asset: Asset, episode: Episode, moment: datetime) -> bool:
    """Note that the evidence ended; False while another finding of the episode still lasts."""
    lasting = (
        select(func.count())
        .select_from(EpisodeFinding)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(EpisodeFinding.episode_id == episode.id, Finding.cleared_at.is_(None))
    )
    if episode.state != "open" or session.scalar(lasting):
        return False
    episode.state, episode.cleared_at = "cleared", moment
    session.flush()
    _log(session, episode, "episode.cleared", moment, None, {})
    _recover(session, asset, moment, f"episode_cleared:{episode.key}")
    return True


def end_episode(session: Session, asset: Asset, episode: Episode, outcome: str, moment: datetime) -> None:
    """Close an episode with its outcome; its predicted jobs are done. The caller holds the asset's lock."""
    episode.closed_at = moment
    episode.cleared_at = episode.cleared_at or moment
    episode.state, episode.outcome = "closed", outcome
    session.flush()
    _log(session, episode, "episode.closed", moment, None, {"outcome": outcome})
    jobs = select(PredictedJob).where(PredictedJob.episode_id == episode.id, PredictedJob.state == "opened")
    for job in session.scalars(jobs):
        job.state, job.decided_at = "done", moment
    _recover(session, asset, moment, f"episode_closed:{episode.key}")


def reopen_episode(
    session: Session, asset: Asset, episode: Episode, finding: Finding, moment: datetime, reason: Reason
) -> WorkOrder:
    """Reopen an episode whose trouble came back within the cool-down.

    A work order that was answered keeps its outcome (it is a label); the recurrence gets an order of its own.
    """
    before = work_order_of(session, episode.id)
    episode.state, episode.closed_at, episode.cleared_at, episode.outcome = "open", None, None, None
    episode.recurrence_no += 1
    episode.last_seen_at = max(episode.last_seen_at, finding.last_at)
    episode.peak, episode.severity = max(episode.peak, finding.peak), finding.severity
    episode.count += int(_link_finding(session, episode, finding))
    session.flush()
    facts = _facts(finding, reason) | {"recurrence_no": episode.recurrence_no}
    _log(session, episode, "episode.reopened", moment, None, facts)
    order = before
    if order is None or order.state not in OPEN_STATES:
        order = _open_order(session, asset, episode, finding, moment, None, recurrence_of=before)
    _remember_job(session, episode, finding, order, moment, reason, None)
    _degrade(session, asset, episode, moment)
    return order


def work_order_of(session: Session, episode_id: UUID) -> WorkOrder | None:
    """Return the episode's current work order: the newest one linked."""
    newest = (
        select(WorkOrder)
        .join(WorkLink, WorkLink.work_order_id == WorkOrder.id)
        .where(WorkLink.episode_id == episode_id)
        .order_by(WorkLink.linked_at.desc(), WorkOrder.id.desc())
        .limit(1)
    )
    return session.scalar(newest)


def watch(session: Session, finding: Finding, key: str, moment: datetime, reason: Reason) -> PredictedJob | None:
    """Put a finding on the watch list; evidence of the same trouble stays one line."""
    same = select(PredictedJob).where(
        PredictedJob.asset_id == finding.asset_id, PredictedJob.key == key, PredictedJob.state == "watching"
    )
    job = session.scalar(same)
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


def _open_order(
    session: Session,
    asset: Asset,
    episode: Episode,
    finding: Finding,
    moment: datetime,
    by: Actor | None,
    recurrence_of: WorkOrder | None = None,
) -> WorkOrder:
    model = noticed.model_of(session, asset)
    code, params = noticed.title(finding, model)
    seen = noticed.snapshot(finding, model)
    if recurrence_of is not None:
        seen["recurrence_of"] = recurrence_of.number
        seen["recurrence_no"] = episode.recurrence_no
    order = open_work_order(
        session,
        asset=asset,
        origin="finding",
        origin_ref=episode.id,
        kind=finding.kind,
        title_code=code,
        title_params=params,
        priority=PRIORITY_OF_SEVERITY.get(finding.severity, "normal"),
        now=moment,
        since=finding.first_at,
        noticed=seen,
        replayed=finding.replayed,
        by=by,
    )
    session.add(
        WorkLink(
            organisation_id=episode.organisation_id, episode_id=episode.id, work_order_id=order.id, linked_at=moment
        )
    )
    session.flush()
    return order


def _remember_job(
    session: Session,
    episode: Episode,
    finding: Finding,
    order: WorkOrder,
    moment: datetime,
    reason: Reason,
    by: Actor | None,
) -> None:
    job = watch(session, finding, episode.key, moment, reason)
    if job is None:
        return
    job.state, job.episode_id, job.work_order_id, job.decided_at = "opened", episode.id, order.id, moment
    job.decided_by_id = by.person_id if by else None
    session.flush()


def _close_watching(session: Session, asset_id: UUID, key: str, code: str, moment: datetime) -> None:
    watching = select(PredictedJob).where(
        PredictedJob.asset_id == asset_id, PredictedJob.key == key, PredictedJob.state == "watching"
    )
    for job in session.scalars(watching):
        job.state, job.reason_code, job.decided_at = "done", code, moment
    session.flush()


def _link_finding(session: Session, episode: Episode, finding: Finding) -> bool:
    statement = insert(EpisodeFinding).values(
        organisation_id=episode.organisation_id, episode_id=episode.id, finding_id=finding.id
    )
    added = session.scalar(statement.on_conflict_do_nothing().returning(EpisodeFinding.finding_id))
    return added is not None


def _degrade(session: Session, asset: Asset, episode: Episode, moment: datetime) -> None:
    if episode.kind == "machine" and asset.operation in ("up", "unknown"):
        set_operation(session, asset, "degraded", moment, f"episode_opened:{episode.key}")


def _recover(session: Session, asset: Asset, moment: datetime, cause: str) -> None:
    """Up again when no machine trouble with living evidence is left; `down` was set by people and stays."""
    left = select(func.count()).where(
        Episode.asset_id == asset.id, Episode.kind == "machine", Episode.state == "open", Episode.closed_at.is_(None)
    )
    if asset.operation == "degraded" and not session.scalar(left):
        set_operation(session, asset, "up", moment, cause)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _facts(finding: Finding, reason: Reason) -> dict[str, Any]:
    return {
        "finding_id": str(finding.id),
        "signature": finding.signature,
        "model_id": finding.model_id,
        "reason": reason.code,
        "params": reason.params,
    }


def _log(session: Session, episode: Episode, kind: str, at: datetime, by: Actor | None, facts: dict[str, Any]) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=episode.organisation_id,
        subject_kind="episode",
        subject_id=episode.id,
        asset_id=episode.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={
            "key": episode.key,
            "kind": episode.kind,
            "severity": episode.severity,
            "replayed": episode.replayed,
            **facts,
        },
    )
