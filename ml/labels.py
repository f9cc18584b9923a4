"""Labels: what a finished work order taught, one per work order, kept true by a consumer of its events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from maintenance.models import Episode, EpisodeFinding, Finding
from ml.models import Label
from ml.told import put_work, take_back, work_done
from ticketing.models import WorkOrder
from ticketing.work_orders import STATE_EVENTS, WORK_DONE_STATES

KINDS = STATE_EVENTS | {"work_order.amended", "work_order.result_edited"}


def store_label(session: Session, event: Event, now: datetime) -> None:
    """Make an order's label what its present state says: stored, corrected, or withdrawn when it was sent back.

    A duplicate teaches nothing: the order that it was merged into does, also about the finding of the duplicate.

    A second call for the same event changes nothing.
    """
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    if order is None:
        return
    label = session.scalar(select(Label).where(Label.work_order_id == order.id))
    if order.outcome is None or order.state not in WORK_DONE_STATES or order.merged_into_id is not None:
        if label is not None:
            if work := work_done(label.outcome, label.repair_code):
                take_back(session, order.asset_id, label.id, work)
            session.delete(label)
            session.flush()
            _tell(session, order, label.id, now, "label.withdrawn")
        return
    if event.kind == "work_order.state_changed" and label is None:
        return  # not finished by this event; what finished it has one of its own
    done_at = order.work_done_at or order.closed_at or event.at
    before = work_done(label.outcome, label.repair_code) if label else None
    if label is None:
        made = _insert(session, order, done_at, now)
        if made is None:
            return  # another worker was quicker
        _tell(session, order, made, now, "label.stored")
    else:
        made = label.id
    if label is not None and (label.outcome, label.repair_code) != (order.outcome, order.repair_code):
        label.outcome, label.repair_code, label.ends_at = order.outcome, order.repair_code, done_at
        session.flush()
        _tell(session, order, label.id, now, "label.corrected")
    work = work_done(order.outcome, order.repair_code)
    if work is not None and work != before:
        # Only a repair moves the reference: an adaptive baseline would learn the fault.
        put_work(session, order.asset_id, made, done_at, work)


def _insert(session: Session, order: WorkOrder, done_at: datetime, now: datetime) -> UUID | None:
    told_by = _told_by(session, order)
    episode = session.get(Episode, told_by) if told_by else None
    finding = _first_finding(session, episode.id) if episode else None
    statement = insert(Label).values(
        id=uuid7(),
        organisation_id=order.organisation_id,
        work_order_id=order.id,
        asset_id=order.asset_id,
        episode_id=episode.id if episode else None,
        finding_id=finding.id if finding else None,
        kind=order.kind,
        origin=order.origin,
        outcome=order.outcome,
        repair_code=order.repair_code,
        detector=finding.detector if finding else None,
        signature=finding.signature if finding else None,
        regime=finding.regime if finding else None,
        model_id=finding.model_id if finding else None,
        starts_at=finding.first_at if finding else order.since or order.opened_at,
        ends_at=done_at,
        created_at=now,
    )
    return session.scalar(statement.on_conflict_do_nothing(index_elements=["work_order_id"]).returning(Label.id))


def _told_by(session: Session, order: WorkOrder) -> UUID | None:
    """Return the episode that opened the order, or the first duplicate that was merged into it."""
    if order.origin == "finding":
        return order.origin_ref
    merged = select(WorkOrder.origin_ref).where(WorkOrder.merged_into_id == order.id, WorkOrder.origin == "finding")
    return session.scalar(merged.order_by(WorkOrder.id).limit(1))


def _first_finding(session: Session, episode_id: UUID) -> Finding | None:
    return session.scalar(
        select(Finding)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .where(EpisodeFinding.episode_id == episode_id)
        .order_by(Finding.first_at, Finding.id)
        .limit(1)
    )


def _tell(session: Session, order: WorkOrder, label_id: UUID, now: datetime, kind: str) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=order.organisation_id,
        subject_kind="label",
        subject_id=label_id,
        asset_id=order.asset_id,
        payload={"outcome": order.outcome, "work_order": order.number, "work_order_id": str(order.id)},
    )
