"""Decide what findings lead to: take undecided ones, load what the rule needs, decide, save."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from assets.failure_modes import FailureMode
from assets.registry import Asset
from maintenance import decisions, guards
from maintenance.batch import batch_of, end_batch, forget, read_ahead
from maintenance.clocks import asset_moment, try_lock_assets
from maintenance.decisions import Decision, OpenJob, Policy, decide
from maintenance.episode_life import (
    amend_episode,
    append_evidence,
    attach_finding,
    clear_episode,
    end_episode,
    open_episode,
    reopen_episode,
    take_in,
    work_order_of,
)
from maintenance.findings import facts_of
from maintenance.guarded import Guarded
from maintenance.models import Episode, EpisodeFinding, Finding
from maintenance.policies import policies_for
from maintenance.troubles import key_of, trouble_of
from maintenance.watch_list import Reason, stop_watching, watch
from ticketing.models import WorkOrder
from ticketing.work_orders import transition

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=30)  # after an error
SOONEST = timedelta(seconds=1)
BATCH = 50  # findings per transaction: opening one takes 10 to 30 ms, and pages see them only after the commit
MOST_EARLIER = 500  # findings that came and went before an episode was opened
WATCHABLE = frozenset({"learning", "low_confidence"})  # what a planner may still want to act on


def decide_pending(session: Session, now: datetime, limit: int = BATCH) -> int:
    """Decide about findings that changed or are due again, at most `limit`; return how many were decided.

    Several deciders may run at once: each finding and each asset is taken by one of them, the others pass by.
    """
    waiting = (
        select(Finding)
        .where(or_(Finding.decided_revision < Finding.revision, Finding.next_decision_at <= now))
        .order_by(Finding.saved_at, Finding.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    by_asset: dict[UUID, list[Finding]] = {}
    for finding in session.scalars(waiting, execution_options={"populate_existing": True}):
        by_asset.setdefault(finding.asset_id, []).append(finding)
    if not by_asset:
        return 0
    locked = try_lock_assets(session, list(by_asset))  # the others stay in the queue
    mine = select(Asset).where(Asset.id.in_(locked))
    assets = {row.id: row for row in session.scalars(mine, execution_options={"populate_existing": True})}
    due = [
        (assets[asset_id], finding)
        for asset_id, findings in by_asset.items()
        if asset_id in assets
        for finding in sorted(findings, key=lambda f: (f.first_at, f.id))
    ]
    policies = _policies(session, list(assets.values()))
    try:
        read_ahead(session, list(assets.values()), [finding for _, finding in due], now)
        _decide_all(session, due, policies, now)
    finally:
        end_batch(session)
    return len(due)


Policies = dict[tuple[UUID, UUID | None], dict[str, Policy]]


def _policies(session: Session, assets: Sequence[Asset]) -> Policies:
    known: Policies = {}
    for asset in assets:
        alike = (asset.organisation_id, asset.asset_model_id)
        if alike not in known:
            known[alike] = policies_for(session, asset)
    return known


def _decide_all(session: Session, due: Sequence[tuple[Asset, Finding]], policies: Policies, now: datetime) -> None:
    """Decide all at once; when one of them cannot be decided, each by itself."""
    try:
        with session.begin_nested():
            for asset, finding in due:
                own = policies[asset.organisation_id, asset.asset_model_id]
                _decide_one(session, asset, finding, own.get(finding.kind, own["machine"]), now)
            session.flush()
        return
    except Exception as error:
        log.warning("%d findings could not be decided together: %s", len(due), error)
    end_batch(session)  # what was read ahead holds no longer
    for asset, finding in due:
        own = policies[asset.organisation_id, asset.asset_model_id]
        _decide_safely(session, asset, finding, own, now)


def _decide_safely(session: Session, asset: Asset, finding: Finding, policies: dict[str, Policy], now: datetime) -> int:
    """One finding that cannot be decided must not stop the others: it is tried again later."""
    finding_id = finding.id
    try:
        with session.begin_nested():
            _decide_one(session, asset, finding, policies.get(finding.kind, policies["machine"]), now)
            session.flush()
        return 1
    except Exception:
        log.exception("finding %s could not be decided; next try in %s", finding_id, RETRY)
    session.refresh(finding)
    session.refresh(asset)
    _note(finding, "failed", "error", {}, now + RETRY)
    session.flush()
    return 1


def _decide_one(session: Session, asset: Asset, finding: Finding, policy: Policy, now: datetime) -> None:
    moment = asset_moment(session, asset.id, now, replayed=finding.replayed)
    _end_unanswered(session, asset, finding.kind, policy, moment)
    lasts = finding.cleared_at is None
    held = guards.first_guard(guards.ALWAYS, session, asset, finding, policy, moment) if lasts else None
    decision: Decision | None = None
    key, mode = trouble_of(session, asset, finding)
    if held is None:
        decision = decide(facts_of(finding), policy, open_jobs(session, asset.id), moment, key=key)
        if decision.action in decisions.OPENING:
            held = guards.first_guard(guards.BEFORE_OPENING, session, asset, finding, policy, moment)
    if held is not None:
        _hold_back(session, finding, key, held, moment, now)
    elif decision is not None:
        apply(session, asset, finding, decision, moment, policy=policy, mode=mode)
        again_at = _next_decision(decision, policy, now)
        _note(finding, decision.action, decision.reason, decision.params, again_at)
    forget(session, asset.id)


def _hold_back(session: Session, finding: Finding, key: str, held: Guarded, moment: datetime, now: datetime) -> None:
    """Do what a guard answered; a planner may still act on what it puts on the watch list."""
    params = {"key": key, "signature": finding.signature} | held.params
    if held.action == decisions.WATCH:
        watch(session, finding, key, moment, Reason(held.reason, params))
    again_at = None if held.again_s is None else now + max(SOONEST, timedelta(seconds=held.again_s))
    _note(finding, held.action, held.reason, params, again_at)


def apply(
    session: Session,
    asset: Asset,
    finding: Finding,
    decision: Decision,
    moment: datetime,
    *,
    policy: Policy,
    mode: FailureMode | None = None,
) -> None:
    """Do what was decided. The caller holds the asset's lock."""
    key = str(decision.params["key"])
    reason = Reason(decision.reason, dict(decision.params))
    episode = session.get_one(Episode, UUID(decision.episode)) if decision.episode else None
    host = work_order_of(session, UUID(decision.host)) if decision.host else None
    if decision.action in (decisions.OPEN, decisions.JOIN):
        episode, _ = open_episode(session, asset, finding, key, moment, reason, mode=mode, host=host)
        take_in(session, episode, _earlier(session, asset, finding, key, policy), moment)
    elif decision.action == decisions.ATTACH and episode:
        attach_finding(session, asset, episode, finding, moment)
    elif decision.action == decisions.REOPEN and episode:
        reopen_episode(session, asset, episode, finding, moment, reason, host=host)
    elif decision.action == decisions.WATCH and decision.reason in WATCHABLE and finding.cleared_at is None:
        watch(session, finding, key, moment, reason)
    if finding.cleared_at is not None:
        _after_its_end(session, asset, finding, decision, policy, episode, moment)


def _earlier(session: Session, asset: Asset, finding: Finding, key: str, policy: Policy) -> list[Finding]:
    """Return evidence of the same trouble that had ended when it was first looked at, within the cool-down before."""
    closed = select(func.max(Episode.closed_at)).where(Episode.asset_id == asset.id, Episode.key == key)
    since = finding.first_at - timedelta(seconds=policy.cool_down_s)
    ended = (
        select(Finding)
        .where(
            Finding.asset_id == asset.id,
            Finding.kind == finding.kind,
            Finding.replayed == finding.replayed,
            Finding.id != finding.id,
            Finding.decision == decisions.WATCH,
            Finding.decision_reason == "ended",
            Finding.cleared_at >= since,
            Finding.first_at > func.coalesce(closed.scalar_subquery(), since - timedelta(days=1)),
        )
        .order_by(Finding.first_at.desc())
        .limit(MOST_EARLIER)
    )
    return [
        row
        for row in session.scalars(ended)
        if decisions.is_evidence(facts_of(row), policy) and key_of(session, asset, row) == key
    ]


def _after_its_end(
    session: Session,
    asset: Asset,
    finding: Finding,
    decision: Decision,
    policy: Policy,
    episode: Episode | None,
    moment: datetime,
) -> None:
    """Evidence that is over still counts, also when it came and went between two looks; what was held back does not."""
    counts = decisions.is_evidence(facts_of(finding), policy) and finding.decision != decisions.SUPPRESS
    if episode is not None and counts:
        if decision.action == decisions.AMEND:
            amend_episode(session, episode, finding, moment)
        else:
            append_evidence(session, episode, finding, moment)
    if decision.action == decisions.CLEAR and episode is not None:
        clear_episode(session, asset, episode, moment)
    stop_watching(session, finding, moment)


def joinable_order(session: Session, asset: Asset, finding: Finding, key: str) -> WorkOrder | None:
    """Return the open order of another failure mode of the machine that this trouble would join, if any."""
    policy = policies_for(session, asset).get(finding.kind, Policy())
    host = decisions.host_of(policy, key, open_jobs(session, asset.id))
    return work_order_of(session, UUID(host.episode)) if host else None


def open_jobs(session: Session, asset_id: UUID) -> list[OpenJob]:
    """Return the newest episode of each trouble of the asset, with its work order."""
    if (batch := batch_of(session, asset_id)) is not None:
        return [_open_job(episode, order) for episode, order in batch.troubles.get(asset_id, ())]
    newest = (
        select(Episode)
        .where(Episode.asset_id == asset_id)
        .ext(distinct_on(Episode.key))
        .order_by(Episode.key, Episode.closed_at.desc().nulls_first())
    )
    return [_open_job(episode, work_order_of(session, episode.id)) for episode in session.scalars(newest)]


def _open_job(episode: Episode, order: WorkOrder | None) -> OpenJob:
    return OpenJob(
        episode=str(episode.id),
        key=episode.key,
        kind=episode.kind,
        opened_at=episode.opened_at,
        last_seen_at=episode.last_seen_at,
        # An episode whose evidence ended still waits for its outcome: new evidence belongs to it.
        state=decisions.EPISODE_OPEN if episode.closed_at is None else "closed",
        work_order=str(order.id) if order else None,
        work_order_state=order.state if order else None,
        closed_at=episode.closed_at,
    )


def _note(finding: Finding, action: str, reason: str, params: dict[str, Any], again_at: datetime | None) -> None:
    finding.decision, finding.decision_reason, finding.decision_params = action, reason, dict(params)
    finding.decided_revision, finding.next_decision_at = finding.revision, again_at


def _next_decision(decision: Decision, policy: Policy, now: datetime) -> datetime | None:
    """When to look again without news: what waits runs out by itself, an on-delay only while evidence comes in."""
    if decision.reason == "off_delay":
        left_s = policy.off_delay_s - _seconds(decision, "quiet_s")
    elif decision.reason == "settling":
        left_s = 2 * policy.settle_s - _seconds(decision, "closed_s")
    elif decision.reason == "known_at_closing":
        left_s = policy.known_s - _seconds(decision, "closed_s")
    else:
        return None
    return now + max(SOONEST, timedelta(seconds=left_s))


def _seconds(decision: Decision, name: str) -> float:
    value = decision.params.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _end_unanswered(session: Session, asset: Asset, kind: str, policy: Policy, moment: datetime) -> None:
    """Where orders expire (recordings, which nobody answers): close those of old or ended evidence.

    Later trouble then opens an order of its own. What a person has taken stays open, and so do sensor orders.
    """
    if policy.open_s is None or not decisions.expires(kind, policy):
        return
    open_now = select(Episode).where(Episode.asset_id == asset.id, Episode.kind == kind, Episode.closed_at.is_(None))
    episodes: Sequence[Episode] = session.scalars(open_now).all()
    for episode in episodes:
        ends = episode.opened_at + timedelta(seconds=policy.open_s)
        if quiet_since := _evidence_ended(session, episode):
            ends = min(ends, quiet_since + timedelta(seconds=policy.off_delay_s))
        order = work_order_of(session, episode.id)
        if ends > moment or order is None or order.state != "unscheduled" or order.assignee_id is not None:
            continue
        end_episode(session, asset, episode, "unknown", ends)
        transition(session, order, "cancelled", moment, reason="unanswered")


def _evidence_ended(session: Session, episode: Episode) -> datetime | None:
    """Return when the last of the episode's findings ended; None while one lasts."""
    of_episode = select(func.bool_and(Finding.cleared_at.is_not(None)), func.max(Finding.cleared_at)).join(
        EpisodeFinding, EpisodeFinding.finding_id == Finding.id
    )
    ended, at = session.execute(of_episode.where(EpisodeFinding.episode_id == episode.id)).one()
    return at if ended else None
