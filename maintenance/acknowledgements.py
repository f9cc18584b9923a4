"""Somebody has seen an alarm: by saying so, or by taking up its work."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import IllegalMove, Invalid
from assets.base.events import Event, append_event
from maintenance.alarm_models import Escalation
from maintenance.models import Episode, WorkLink
from ticketing.models import WorkOrder

KINDS = frozenset({"work_order.assigned", "work_order.state_changed"})
TAKEN_UP = frozenset({"scheduled", "in_progress"})
MAX_NOTE = 1000


def acknowledge(
    session: Session, episode: Episode, now: datetime, *, by: Actor | None = None, note: str | None = None
) -> Episode:
    """Note who has seen the alarm; nobody else is asked any more. The second to say so changes nothing.

    Raises IllegalMove when the episode is closed.
    """
    words = (note or "").strip()
    if len(words) > MAX_NOTE:
        raise Invalid(f"note has at most {MAX_NOTE} characters", field="note", limit=MAX_NOTE)
    session.refresh(episode, with_for_update=True)
    if episode.closed_at is not None:
        raise IllegalMove("the alarm is closed", state="closed", to="acknowledged", legal=[])
    if episode.acknowledged_at is not None:
        return episode
    _acknowledge(session, episode, now, by.kind if by else "system", by.person_id if by else None)
    _log(session, episode, now, by.kind if by else "system", by.person_id if by else None, {"note": words or None})
    return episode


def taken_up(session: Session, event: Event, now: datetime) -> None:
    """Handle work that a person gave to somebody, planned or began: they have seen what it is for."""
    if event.actor_kind not in ("person", "token"):
        return
    if event.kind == "work_order.assigned" and not event.payload.get("person_id"):
        return
    if event.kind == "work_order.state_changed" and event.payload.get("to") not in TAKEN_UP:
        return
    order = session.get(WorkOrder, event.subject_id)
    if order is None:
        return
    waiting = (
        select(Episode)
        .join(WorkLink, WorkLink.episode_id == Episode.id)
        .where(
            WorkLink.work_order_id == order.id,
            WorkLink.linked_at <= event.at,  # what joined the order later nobody has seen yet
            Episode.closed_at.is_(None),
            Episode.acknowledged_at.is_(None),
        )
        .with_for_update(of=Episode)
    )
    for episode in session.scalars(waiting, execution_options={"populate_existing": True}).all():
        _acknowledge(session, episode, event.at, event.actor_kind, event.actor_id)
        facts: dict[str, object] = {"work_order": order.number}
        _log(session, episode, event.at, event.actor_kind, event.actor_id, facts)


def _acknowledge(session: Session, episode: Episode, at: datetime, kind: str, person_id: UUID | None) -> None:
    episode.acknowledged_at, episode.acknowledged_by_id = at, person_id
    session.flush()
    session.execute(
        update(Escalation)
        .where(Escalation.episode_id == episode.id, Escalation.state == "running")
        .values(state="acknowledged", next_at=None, ended_at=at)
        .execution_options(synchronize_session=False)
    )


def _log(
    session: Session, episode: Episode, at: datetime, kind: str, person_id: UUID | None, facts: dict[str, object]
) -> None:
    append_event(
        session,
        "episode.acknowledged",
        at=at,
        organisation_id=episode.organisation_id,
        subject_kind="episode",
        subject_id=episode.id,
        asset_id=episode.asset_id,
        actor_kind=kind,
        actor_id=person_id,
        payload={"key": episode.key, "severity": episode.severity, **facts},
    )
