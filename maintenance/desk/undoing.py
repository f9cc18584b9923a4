"""Decisions are taken back, as long as nobody began to act on them; what cannot be undone says why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict
from assets.registry import Asset
from maintenance.clocks import asset_moment, lock_asset
from maintenance.desk.putting_off import log_job
from maintenance.desk.tables import DeskDecision
from maintenance.episode_life import end_episode
from maintenance.models import Episode, Finding, PredictedJob, WorkLink
from maintenance.plans.releasing import put_back
from maintenance.plans.tables import Occurrence, PlanAsset
from ticketing.models import Visit, WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.work_orders import get_work_order, transition

NOT_BEGUN = ("unscheduled", "scheduled", "on_hold")


class CannotUndo(Conflict):
    """Too late, or never possible; params: `reason` (a code) and what it is about."""

    code = "cannot_undo"


def why_not(session: Session, decision: DeskDecision) -> str | None:
    """Return why a decision cannot be taken back any more, None when it can.

    undone, began, order_closed, others_joined, order_was_there, superseded, returned.
    """
    if decision.undone_at is not None:
        return "undone"
    if decision.kind == "accept" and decision.facts.get("opened") in ("attached", "before"):
        return "order_was_there"
    if decision.kind in ("accept", "merge") and decision.work_order_id is not None:
        order = session.get(WorkOrder, decision.work_order_id)
        return "order_closed" if order is None else _began(session, decision, order)
    if decision.returned_at is not None:
        return "returned"
    if decision.kind == "dismiss" and session.scalar(_after(decision)) is not None:
        return "superseded"
    return None


def undo(session: Session, decision: DeskDecision, now: datetime, by: Actor | None) -> DeskDecision:
    """Take a decision back: the job stands on the list again, and what it taught is forgotten.

    An order that it opened is cancelled; planned work that it moved goes back, unless its order is out or somebody put
    it elsewhere since. Raises CannotUndo.
    """
    work = _moved_work(session, decision)
    lock_asset(session, decision.asset_id)
    session.refresh(decision, with_for_update=True)
    if decision.work_order_id is not None:
        get_work_order(session, decision.work_order_id, lock=True)
    if (why := why_not(session, decision)) is not None:
        raise CannotUndo(f"this cannot be undone: {why}", reason=why)
    job = session.get_one(PredictedJob, decision.predicted_job_id, populate_existing=True)
    decision.undone_at, decision.undone_by_id = now, by.person_id if by else None
    episode = session.get(Episode, job.episode_id) if job.episode_id is not None else None
    number = _withdraw(session, decision, episode, now, by)
    moved = decision.facts.get("moved", {})
    if work is not None and work.state == "planned" and work.put_at == datetime.fromisoformat(moved["to"]):
        stood = datetime.fromisoformat(moved["put_at"]) if moved["put_at"] is not None else None
        put_back(session, work, now, by, "decision taken back", stood)
    _list_again(session, job, now)
    session.flush()
    log_job(session, job, "predicted_job.undone", now, by, {"decision": decision.kind, "work_order": number})
    return decision


def _withdraw(
    session: Session, decision: DeskDecision, episode: Episode | None, now: datetime, by: Actor | None
) -> str | None:
    """Take the trouble from its order; an order that is for nothing else is cancelled."""
    if decision.work_order_id is None or episode is None:
        return None
    order = get_work_order(session, decision.work_order_id, lock=True)
    asset = session.get_one(Asset, decision.asset_id)
    link = session.get(WorkLink, {"episode_id": episode.id, "work_order_id": order.id})
    job = session.get_one(PredictedJob, decision.predicted_job_id)
    job.state, job.episode_id, job.work_order_id = "watching", None, None
    session.flush()
    if episode.closed_at is None:
        moment = asset_moment(session, asset.id, now, replayed=episode.replayed)
        end_episode(session, asset, episode, "unknown", moment)
    if decision.facts.get("opened") == "own":
        transition(session, order, "cancelled", now, by=by, reason="decision taken back")
    elif link is not None:
        session.delete(link)
        session.flush()
    return order.number


def _moved_work(session: Session, decision: DeskDecision) -> Occurrence | None:
    """Lock and return the planned work that a merge moved; in the order in which others lock it."""
    if "moved" not in decision.facts or decision.occurrence_id is None:
        return None
    held = select(Occurrence.plan_asset_id).where(Occurrence.id == decision.occurrence_id)
    session.execute(select(PlanAsset.id).where(PlanAsset.id.in_(held)).with_for_update())
    found = select(Occurrence).where(Occurrence.id == decision.occurrence_id).with_for_update()
    return session.scalar(found, execution_options={"populate_existing": True})


def _list_again(session: Session, job: PredictedJob, now: datetime) -> None:
    """Back on the list, unless its evidence is over or the same trouble has a newer line there."""
    finding = session.get_one(Finding, job.finding_id)
    same = select(PredictedJob.id).where(
        PredictedJob.asset_id == job.asset_id,
        PredictedJob.key == job.key,
        PredictedJob.state == "watching",
        PredictedJob.id != job.id,
    )
    job.dismiss_reason, job.decided_by_id, job.work_order_id, job.episode_id = None, None, None, None
    if session.scalar(same) is not None:
        job.state, job.reason_code, job.decided_at = "done", "superseded", now
    elif finding.cleared_at is not None:
        job.state, job.reason_code, job.decided_at = "done", "ended", now
    else:
        job.state, job.decided_at = "watching", None
        if finding.decision_reason == "dismissed":
            finding.next_decision_at = now
    session.flush()


def _began(session: Session, decision: DeskDecision, order: WorkOrder) -> str | None:
    if order.state in ("closed", "cancelled"):
        return "order_closed"
    visits = select(func.count()).where(
        Visit.work_order_id == order.id, Visit.state.not_in(("scheduled", "cancelled", "requested"))
    )
    lines = select(func.count()).where(WorkOrderLine.work_order_id == order.id)
    if order.state not in NOT_BEGUN or order.started_at is not None:
        return "began"
    if decision.facts.get("opened") != "own":
        return "began" if session.scalar(visits) else None
    if session.scalar(visits) or session.scalar(lines):
        return "began"
    others = select(func.count(func.distinct(WorkLink.episode_id))).where(WorkLink.work_order_id == order.id)
    return "others_joined" if (session.scalar(others) or 0) > 1 else None


def _after(decision: DeskDecision) -> Select[Any]:
    later = select(DeskDecision.id).where(
        DeskDecision.predicted_job_id == decision.predicted_job_id,
        DeskDecision.at > decision.at,
        DeskDecision.undone_at.is_(None),
    )
    return later.limit(1)
