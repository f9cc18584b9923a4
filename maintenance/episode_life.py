"""The life of an episode: opened with its work order, fed with evidence, cleared, closed with an outcome, reopened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import Event, append_event
from assets.failure_modes import FailureMode
from assets.registry import Asset, set_operation
from maintenance import noticed
from maintenance.batch import batch_of
from maintenance.models import Episode, EpisodeFinding, Finding, PredictedJob, WorkLink
from maintenance.similar import similar_orders
from maintenance.suppressors import is_audited
from maintenance.watch_list import Reason, close_watching, watch
from ticketing.models import WorkOrder
from ticketing.order_merge import surviving
from ticketing.work_orders import (
    OPEN_STATES,
    PRIORITY_OF_SEVERITY,
    log_order,
    open_work_order,
    raise_priority,
    update_noticed,
)

SEVERITIES = ("info", "warning", "critical")  # rising


def open_episode(
    session: Session,
    asset: Asset,
    finding: Finding,
    key: str,
    moment: datetime,
    reason: Reason,
    by: Actor | None = None,
    *,
    mode: FailureMode | None = None,
    host: WorkOrder | None = None,
) -> tuple[Episode, WorkOrder]:
    """Open an episode with its work order and predicted job; with `host` it joins that order instead.

    The caller holds the asset's lock.
    """
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
        failure_mode_id=mode.id if mode else None,
        acknowledged_at=moment if by else None,
        acknowledged_by_id=by.person_id if by else None,
    )
    session.add(episode)
    session.flush()
    _link_finding(session, episode, finding)
    _log(session, episode, "episode.opened", moment, by, _facts(finding, reason), first=True)
    if host is not None:
        order = _join_order(session, episode, finding, host, moment)
    else:
        order = _open_order(session, asset, episode, finding, moment, by)
    _remember_job(session, episode, finding, order, moment, reason, by)
    _degrade(session, asset, episode, moment)
    return episode, order


def attach_finding(session: Session, asset: Asset, episode: Episode, finding: Finding, moment: datetime) -> None:
    """Add evidence to an open episode and to its work order; the same evidence again only refreshes it."""
    if episode.state == "cleared" and finding.cleared_at is None:
        episode.state, episode.cleared_at = "open", None
        _degrade(session, asset, episode, moment)
    append_evidence(session, episode, finding, moment)
    close_watching(session, asset.id, episode.key, "attached", moment)


def append_evidence(session: Session, episode: Episode, finding: Finding, moment: datetime) -> bool:
    """Note evidence with an episode and its order, also what is over already; False when it was there before.

    Evidence that is graver than what people acknowledged asks for them again.
    """
    new = _link_finding(session, episode, finding)
    graver = _rank(finding.severity) > _rank(episode.severity)
    worse = finding.peak > episode.peak or graver
    episode.count += int(new)
    episode.peak = max(episode.peak, finding.peak)
    episode.last_seen_at = max(episode.last_seen_at, finding.last_at)
    if graver:
        episode.severity = finding.severity
        episode.acknowledged_at = episode.acknowledged_by_id = None
    order = work_order_of(session, episode.id) if new or worse else None
    if order is not None:
        count = _evidence_count(session, order)
        update_noticed(session, order.id, noticed.with_evidence(order.noticed, finding, count))
        raise_priority(session, order, finding.severity, moment)
    return new


def take_in(session: Session, episode: Episode, earlier: Iterable[Finding], moment: datetime) -> None:
    """Add evidence that came and went before the episode was opened."""
    for finding in earlier:
        append_evidence(session, episode, finding, moment)


def amend_episode(session: Session, episode: Episode, finding: Finding, moment: datetime) -> None:
    """Add evidence that came late to a closed episode: its history becomes truer, nobody is called."""
    if append_evidence(session, episode, finding, moment):
        _log(session, episode, "episode.amended", moment, None, {"finding_id": str(finding.id)})


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
    session: Session,
    asset: Asset,
    episode: Episode,
    finding: Finding,
    moment: datetime,
    reason: Reason,
    *,
    host: WorkOrder | None = None,
) -> WorkOrder:
    """Reopen an episode whose trouble came back within the cool-down.

    A work order that was answered keeps its outcome (it is a label); the recurrence gets an order of its own, or
    joins the one that the asset has open (`host`).
    """
    before = work_order_of(session, episode.id)
    episode.state, episode.closed_at, episode.cleared_at, episode.outcome = "open", None, None, None
    episode.acknowledged_at = episode.acknowledged_by_id = None
    episode.recurrence_no += 1
    episode.last_seen_at = max(episode.last_seen_at, finding.last_at)
    episode.peak, episode.severity = max(episode.peak, finding.peak), finding.severity
    episode.count += int(_link_finding(session, episode, finding))
    session.flush()
    facts = _facts(finding, reason) | {"recurrence_no": episode.recurrence_no}
    _log(session, episode, "episode.reopened", moment, None, facts)
    order = before
    if order is None or order.state not in OPEN_STATES:
        if host is not None:
            order = _join_order(session, episode, finding, host, moment)
        else:
            order = _open_order(session, asset, episode, finding, moment, None, recurrence_of=before)
    _remember_job(session, episode, finding, order, moment, reason, None)
    _degrade(session, asset, episode, moment)
    return order


def resume_episode(session: Session, asset: Asset, episode: Episode, order: WorkOrder, event: Event) -> None:
    """Open an episode again because its order was sent back or reopened; who did that has seen the trouble."""
    lasting = (
        select(Finding.id)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .where(EpisodeFinding.episode_id == episode.id, Finding.cleared_at.is_(None))
    )
    lasts = session.scalar(lasting.limit(1)) is not None
    episode.state, episode.closed_at, episode.outcome = "open" if lasts else "cleared", None, None
    if lasts:
        episode.cleared_at = None
    if episode.acknowledged_at is None:
        episode.acknowledged_at, episode.acknowledged_by_id = event.at, event.actor_id
    jobs = update(PredictedJob).where(PredictedJob.episode_id == episode.id, PredictedJob.work_order_id == order.id)
    session.execute(jobs.where(PredictedJob.state == "done").values(state="opened"))
    session.flush()
    facts = {"work_order": order.number, "reason": event.kind.replace(".", "_")}
    _log(session, episode, "episode.reopened", event.at, None, facts)
    if lasts:
        _degrade(session, asset, episode, event.at)


def work_order_of(session: Session, episode_id: UUID) -> WorkOrder | None:
    """Return the episode's current work order: the newest one linked, or the one that it was merged into."""
    newest = (
        select(WorkOrder)
        .join(WorkLink, WorkLink.work_order_id == WorkOrder.id)
        .where(WorkLink.episode_id == episode_id)
        .order_by(WorkLink.linked_at.desc(), WorkOrder.id.desc())
        .limit(1)
    )
    found = session.scalar(newest)
    return surviving(session, found) if found is not None else None


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
    seen = noticed.snapshot(finding, model) | {"failure_modes": [_mode_in_words(session, episode)]}
    # Of the owner's own past only: whoever sees this order sees what is kept with it.
    alike = similar_orders(session, finding, organisation_id=asset.organisation_id)
    seen |= {"similar": [one.kept() for one in alike], "audit": is_audited(session, finding.id)}
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
    _link_order(session, episode, order, moment)
    return order


def _join_order(session: Session, episode: Episode, finding: Finding, order: WorkOrder, moment: datetime) -> WorkOrder:
    """Put a second trouble of the machine onto the order that it has: whoever goes there sees to both."""
    _link_order(session, episode, order, moment)
    seen = noticed.with_evidence(order.noticed, finding, _evidence_count(session, order))
    modes = [*seen.get("failure_modes", []), _mode_in_words(session, episode)]
    unlike = [mode for at, mode in enumerate(modes) if mode not in modes[:at]]
    update_noticed(session, order.id, seen | {"failure_modes": unlike})
    facts = {"key": episode.key, "finding_id": str(finding.id), "signature": finding.signature}
    log_order(session, order, "work_order.trouble_added", moment, None, facts)
    raise_priority(session, order, finding.severity, moment)
    return order


def _link_order(session: Session, episode: Episode, order: WorkOrder, moment: datetime) -> None:
    link = WorkLink(
        organisation_id=episode.organisation_id, episode_id=episode.id, work_order_id=order.id, linked_at=moment
    )
    session.add(link)
    session.flush()


def _mode_in_words(session: Session, episode: Episode) -> dict[str, Any]:
    """Return the failure mode as an order keeps it; the default mode is the episode's kind."""
    mode = session.get(FailureMode, episode.failure_mode_id) if episode.failure_mode_id else None
    if mode is None:
        return {"key": episode.key, "code": None, "name_en": None, "name_zh": None}
    return {"key": episode.key, "code": mode.code, "name_en": mode.name_en, "name_zh": mode.name_zh}


def _evidence_count(session: Session, order: WorkOrder) -> int:
    """How often evidence began, over all troubles that the order is for."""
    total = select(func.sum(Episode.count)).join(WorkLink, WorkLink.episode_id == Episode.id)
    return int(session.scalar(total.where(WorkLink.work_order_id == order.id)) or 1)


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


def _link_finding(session: Session, episode: Episode, finding: Finding) -> bool:
    batch = batch_of(session, episode.asset_id)
    if batch is not None and (known := batch.linked.get(finding.id)) is not None and known.id == episode.id:
        return False
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


def _log(
    session: Session,
    episode: Episode,
    kind: str,
    at: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    *,
    first: bool = False,
) -> None:
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
        first=first,
    )
