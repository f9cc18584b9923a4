"""Labels: what a finished work order taught, stored once per work order by a consumer of its events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from maintenance.models import Episode, EpisodeFinding, Finding
from ml.models import Label, ScoringState
from ticketing.models import WorkOrder


def store_label(session: Session, event: Event, now: datetime) -> None:
    """Store the label of a completed work order; a second call for the same order changes nothing."""
    order = session.get(WorkOrder, event.subject_id)
    if order is None or order.outcome is None:
        return
    episode = session.get(Episode, order.origin_ref) if order.origin == "finding" and order.origin_ref else None
    finding = _first_finding(session, episode.id) if episode else None
    made = session.scalar(
        insert(Label)
        .values(
            id=uuid7(),
            organisation_id=order.organisation_id,
            work_order_id=order.id,
            asset_id=order.asset_id,
            episode_id=episode.id if episode else None,
            finding_id=finding.id if finding else None,
            outcome=order.outcome,
            repair_code=order.repair_code,
            detector=finding.detector if finding else None,
            signature=finding.signature if finding else None,
            regime=finding.regime if finding else None,
            model_id=finding.model_id if finding else None,
            starts_at=finding.first_at if finding else order.since or order.opened_at,
            ends_at=order.work_done_at or event.at,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["work_order_id"])
        .returning(Label.id)
    )
    if made is None:
        return
    if order.repair_code and (state := session.get(ScoringState, order.asset_id)):
        # Only a repair moves the reference: an adaptive baseline would learn the fault.
        state.rebaseline_after = order.work_done_at or event.at
    _tell(session, order, made, now)


def _first_finding(session: Session, episode_id: UUID) -> Finding | None:
    return session.scalar(
        select(Finding)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .where(EpisodeFinding.episode_id == episode_id)
        .order_by(Finding.first_at, Finding.id)
        .limit(1)
    )


def _tell(session: Session, order: WorkOrder, label_id: UUID, now: datetime) -> None:
    append_event(
        session,
        "label.stored",
        at=now,
        organisation_id=order.organisation_id,
        subject_kind="label",
        subject_id=label_id,
        asset_id=order.asset_id,
        payload={"outcome": order.outcome, "work_order": order.number, "work_order_id": str(order.id)},
    )
