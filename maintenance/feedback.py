"""What an answered work order and a planner's verdict change: suppressors begin and end, verdicts are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from assets.registry import Asset
from maintenance.answers import RIGHT, answer
from maintenance.budget import reckon
from maintenance.clocks import asset_moment, lock_asset
from maintenance.feedback_models import PlannerVerdict, Suppressor
from maintenance.feedback_settings import feedback_for
from maintenance.findings import facts_of
from maintenance.likeness import strength
from maintenance.models import EpisodeFinding, Finding, PredictedJob, WorkLink
from maintenance.suppressors import active, is_alike
from ticketing.models import WorkOrder
from ticketing.work_orders import STATE_EVENTS, WORK_DONE_STATES

ORDER_KINDS = STATE_EVENTS | {"work_order.amended", "work_order.result_edited"}
VERDICT_KINDS = frozenset(
    {"predicted_job.accepted", "predicted_job.merged", "predicted_job.dismissed", "predicted_job.undone"}
)

NO_FAULT, DISMISSED = "no_fault_found", "dismissed"
GROWN = 1.5  # evidence this much stronger than what was found to be nothing is news
MAX_SIGNATURES = 20  # of one order
MAX_NOTE = 1000
MOST_DAYS = 366


def learn_from_order(session: Session, event: Event, now: datetime) -> None:
    """Handle a moved work order by its present state; a second call for the same event changes nothing."""
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    if order is None or (event.kind == "work_order.state_changed" and not _has_suppressors(session, order)):
        return
    lock_asset(session, order.asset_id)
    asset = session.get_one(Asset, order.asset_id)
    outcome = order.outcome if order.state in WORK_DONE_STATES else None
    moment = asset_moment(session, asset.id, order.work_done_at or order.closed_at or now, replayed=order.replayed)
    if outcome != NO_FAULT:  # sent back, or corrected
        own = select(Suppressor).where(Suppressor.work_order_id == order.id, Suppressor.ended_at.is_(None))
        for one in session.scalars(own).all():
            _end(session, one, "withdrawn", moment)
    if outcome is None:
        return
    if order.repair_code and outcome != NO_FAULT:
        _end_repaired(session, order, moment)
    findings = _findings_of(session, order)
    if outcome == NO_FAULT:
        days = feedback_for(session, asset.organisation_id).suppress_days
        for finding in findings:
            _suppress(session, finding, moment, days, NO_FAULT, work_order_id=order.id)
    elif answer(order.kind, outcome) == RIGHT:
        _end_confirmed(session, asset.id, findings, moment)
    if order.origin == "finding":
        reckon(session, asset, now)


def store_verdict(session: Session, event: Event, now: datetime) -> None:
    """Handle a planner's yes or no: it is kept, and a no makes the same evidence dull for some days.

    Merged with planned work is a yes; put off is neither. What is taken back is forgotten.
    """
    job = session.get(PredictedJob, event.subject_id)
    finding = session.get(Finding, job.finding_id) if job else None
    if job is None or finding is None:
        return
    if event.kind == "predicted_job.undone":
        _forget_verdict(session, job, finding, now)
        return
    verdict = "dismiss" if event.kind == "predicted_job.dismissed" else "accept"
    statement = insert(PlannerVerdict).values(
        id=uuid7(),
        organisation_id=job.organisation_id,
        predicted_job_id=job.id,
        finding_id=finding.id,
        asset_id=job.asset_id,
        verdict=verdict,
        reason=job.dismiss_reason,
        detector=finding.detector,
        model_id=finding.model_id,
        at=event.at,
        by_id=job.decided_by_id,
    )
    made = session.scalar(
        statement.on_conflict_do_nothing(index_elements=["predicted_job_id"]).returning(PlannerVerdict.id)
    )
    if made is None or verdict != "dismiss":
        return
    lock_asset(session, job.asset_id)
    days = feedback_for(session, job.organisation_id).dismiss_days
    if days:
        moment = asset_moment(session, job.asset_id, event.at, replayed=finding.replayed)
        _suppress(session, finding, moment, days, DISMISSED, predicted_job_id=job.id)
    reckon(session, session.get_one(Asset, job.asset_id), now)


def _forget_verdict(session: Session, job: PredictedJob, finding: Finding, now: datetime) -> None:
    lock_asset(session, job.asset_id)
    session.execute(delete(PlannerVerdict).where(PlannerVerdict.predicted_job_id == job.id))
    moment = asset_moment(session, job.asset_id, now, replayed=finding.replayed)
    said = select(Suppressor).where(Suppressor.predicted_job_id == job.id, Suppressor.ended_at.is_(None))
    for one in session.scalars(said).all():
        _end(session, one, "withdrawn", moment)
    reckon(session, session.get_one(Asset, job.asset_id), now)


def get_suppressor(session: Session, suppressor_id: UUID) -> Suppressor:
    """Return the suppressor. Raises NotFound."""
    found = session.get(Suppressor, suppressor_id)
    if found is None:
        raise NotFound("no such suppressor", kind="suppressor")
    return found


def lift(session: Session, known: Suppressor, reason: str, now: datetime, *, by: Actor) -> Suppressor:
    """Let the evidence open work again, and decide anew what it held back. Raises Invalid, or Conflict when ended."""
    words = reason.strip()
    if not 1 <= len(words) <= MAX_NOTE:
        raise Invalid(f"reason has 1 to {MAX_NOTE} characters", field="reason", limit=MAX_NOTE)
    _check_active(known, now)
    _end(session, known, "lifted", now, words, by)
    return known


def prolong(session: Session, known: Suppressor, days: int, now: datetime, *, by: Actor) -> Suppressor:
    """Let it last so many days from now. Raises Invalid, or Conflict when it has ended."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"days is from 1 to {MOST_DAYS}", field="days", least=1, most=MOST_DAYS)
    _check_active(known, now)
    known.expires_at = now + timedelta(days=days)
    session.flush()
    _log(session, known, "suppressor.prolonged", now, {"days": days}, by)
    return known


def end_expired(session: Session, now: datetime) -> int:
    """Mark what has run out; return how many. The guard does not wait for it."""
    out = select(Suppressor).where(Suppressor.ended_at.is_(None), Suppressor.expires_at <= now).limit(1000)
    found = session.scalars(out).all()
    for one in found:
        _end(session, one, "expired", one.expires_at)
    return len(found)


def _suppress(
    session: Session,
    finding: Finding,
    moment: datetime,
    days: int,
    origin: str,
    *,
    work_order_id: UUID | None = None,
    predicted_job_id: UUID | None = None,
) -> None:
    ratio = strength(facts_of(finding))
    values: dict[str, Any] = {
        "id": uuid7(),
        "organisation_id": finding.organisation_id,
        "asset_id": finding.asset_id,
        "origin": origin,
        "work_order_id": work_order_id,
        "predicted_job_id": predicted_job_id,
        "kind": finding.kind,
        "detector": finding.detector,
        "layer": finding.layer,
        "signature": finding.signature,
        "regime": finding.regime,
        "severity": finding.severity,
        "contributions": finding.contributions,
        "peak_ratio": ratio,
        "breaks_at": ratio * GROWN,
        "created_at": moment,
        "expires_at": moment + timedelta(days=days),
    }
    again = {"ended_at": None, "ended_reason": None} | {
        name: values[name] for name in ("peak_ratio", "breaks_at", "created_at", "expires_at")
    }
    keys = ["predicted_job_id"] if work_order_id is None else ["work_order_id", "detector", "signature"]
    # What was withdrawn (the order was sent back) comes into force again; what a person lifted stays lifted.
    statement = (
        insert(Suppressor)
        .values(values)
        .on_conflict_do_update(index_elements=keys, set_=again, where=Suppressor.ended_reason == "withdrawn")
    )
    made = session.scalar(statement.returning(Suppressor), execution_options={"populate_existing": True})
    if made is not None:
        facts = {"origin": origin, "expires_at": made.expires_at.isoformat()}
        _log(session, made, "suppressor.opened", moment, facts)


def _end(
    session: Session, known: Suppressor, reason: str, moment: datetime, note: str | None = None, by: Actor | None = None
) -> None:
    known.ended_at, known.ended_reason, known.ended_note = moment, reason, note
    known.ended_by_id = by.person_id if by else None
    session.flush()
    _log(session, known, "suppressor.ended", moment, {"reason": reason}, by)
    # What it holds back and lasts is decided anew.
    held = select(Finding).where(
        Finding.asset_id == known.asset_id,
        Finding.cleared_at.is_(None),
        Finding.decision_params["suppressor_id"].astext == str(known.id),
    )
    for finding in session.scalars(held).all():
        finding.next_decision_at = moment
    session.flush()


def _end_repaired(session: Session, order: WorkOrder, moment: datetime) -> None:
    """What was nothing was so on the machine as it was before the repair."""
    kind = "machine" if order.kind == "general" else order.kind
    before = select(Suppressor).where(
        Suppressor.asset_id == order.asset_id,
        Suppressor.kind == kind,
        Suppressor.ended_at.is_(None),
        Suppressor.created_at < moment,
    )
    for one in session.scalars(before).all():
        _end(session, one, "repaired", moment)


def _end_confirmed(session: Session, asset_id: UUID, findings: Sequence[Finding], moment: datetime) -> None:
    """Evidence that turned out to be trouble is no longer nothing."""
    for one in active(session, asset_id, moment):
        if any(is_alike(facts_of(finding), finding.contributions, one) for finding in findings):
            _end(session, one, "confirmed", moment)


def _findings_of(session: Session, order: WorkOrder) -> list[Finding]:
    """Return the evidence of an order, newest first, one of each signature."""
    linked = (
        select(Finding)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .join(WorkLink, WorkLink.episode_id == EpisodeFinding.episode_id)
        .where(WorkLink.work_order_id == order.id, Finding.last_at >= (order.since or order.opened_at))
        .order_by(Finding.peak.desc(), Finding.id)
        .limit(500)
    )
    strongest: dict[tuple[str, str], Finding] = {}
    for finding in session.scalars(linked):
        strongest.setdefault((finding.detector, finding.signature), finding)
    return list(strongest.values())[:MAX_SIGNATURES]


def _has_suppressors(session: Session, order: WorkOrder) -> bool:
    own = select(Suppressor.id).where(Suppressor.work_order_id == order.id)
    return session.scalar(own.limit(1)) is not None


def _check_active(known: Suppressor, now: datetime) -> None:
    if known.ended_at is not None or known.expires_at <= now:
        raise Conflict("the suppressor has ended", ended_reason=known.ended_reason or "expired")


def _log(
    session: Session, known: Suppressor, kind: str, at: datetime, facts: dict[str, Any], by: Actor | None = None
) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=known.organisation_id,
        subject_kind="suppressor",
        subject_id=known.id,
        asset_id=known.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"signature": known.signature, "detector": known.detector, **facts},
    )
