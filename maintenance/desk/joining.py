"""Work that is released takes in the predicted jobs that were merged with it; what falls away gives them back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import Event
from assets.registry import Asset
from maintenance.clocks import asset_moment, lock_asset
from maintenance.desk.putting_off import LIVE, come_back
from maintenance.desk.tables import DeskDecision
from maintenance.episode_life import attach_finding, open_episode
from maintenance.models import Episode, Finding, PredictedJob
from maintenance.plans.tables import Occurrence
from maintenance.troubles import trouble_of
from maintenance.watch_list import Reason
from ticketing.models import WorkOrder
from ticketing.order_states import OPEN_STATES

OCCURRENCE_KINDS = frozenset(
    {"occurrence.released", "occurrence.skipped", "occurrence.missed", "occurrence.cancelled", "occurrence.done"}
)


def follow_occurrence(session: Session, event: Event, now: datetime) -> None:
    """Join what was merged with planned work that is released now, or give it back. A second call changes nothing."""
    waits = select(DeskDecision).where(*LIVE, DeskDecision.occurrence_id == event.subject_id).order_by(DeskDecision.id)
    decisions = session.scalars(waits, execution_options={"populate_existing": True}).all()
    if not decisions:
        return
    lock_asset(session, decisions[0].asset_id)
    occurrence = session.get(Occurrence, event.subject_id, populate_existing=True)
    order = session.get(WorkOrder, occurrence.work_order_id) if occurrence and occurrence.work_order_id else None
    for decision in decisions:
        session.refresh(decision)
        job = session.get(PredictedJob, decision.predicted_job_id, populate_existing=True)
        if decision.returned_at is not None or job is None:
            continue
        if job.state != "watching":
            come_back(session, decision, "ended", now)
        elif order is not None and order.state in OPEN_STATES:
            join(session, decision, job, order, now, None)
        elif occurrence is None or occurrence.state != "planned":
            come_back(session, decision, "plan_gone", now)


def join(
    session: Session, decision: DeskDecision, job: PredictedJob, order: WorkOrder, now: datetime, by: Actor | None
) -> None:
    """Let an order be for the job's trouble too. The caller holds the asset's lock."""
    asset = session.get_one(Asset, job.asset_id, populate_existing=True)
    finding = session.get_one(Finding, job.finding_id)
    moment = asset_moment(session, asset.id, now, replayed=finding.replayed)
    open_now = select(Episode).where(Episode.asset_id == asset.id, Episode.key == job.key, Episode.closed_at.is_(None))
    episode = session.scalar(open_now)
    if episode is None:
        reason = Reason("merged_by_planner", {"key": job.key, "signature": finding.signature})
        mode = trouble_of(session, asset, finding)[1]
        open_episode(session, asset, finding, job.key, moment, reason, by, mode=mode, host=order)
    else:  # the trouble opened by itself meanwhile, with an order of its own
        attach_finding(session, asset, episode, finding, moment)
    decision.work_order_id = order.id
    come_back(session, decision, "joined", now)
