"""Episodes follow their work order: closed with the outcome that a person entered, open again when it is reopened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.registry import Asset
from maintenance.clocks import asset_moment, lock_asset
from maintenance.episode_life import end_episode, resume_episode, work_order_of
from maintenance.models import Episode, PredictedJob, WorkLink
from ticketing.models import WorkOrder
from ticketing.order_merge import surviving
from ticketing.work_orders import OPEN_STATES, WORK_DONE_STATES

KINDS = frozenset(
    {
        "work_order.completed",
        "work_order.closed",
        "work_order.cancelled",
        "work_order.amended",
        "work_order.result_edited",
        "work_order.sent_back",
        "work_order.reopened",
    }
)


def close_episode(session: Session, event: Event, now: datetime) -> None:
    """Handle the end of a work order, or its return; a second call for the same event changes nothing."""
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    # The order's present state decides, not the event: it may have been sent back in the meantime.
    if order is None or order.state not in (*WORK_DONE_STATES, *OPEN_STATES):
        return
    lock_asset(session, order.asset_id)
    asset = session.get_one(Asset, order.asset_id, populate_existing=True)
    linked = select(Episode).join(WorkLink, WorkLink.episode_id == Episode.id).where(WorkLink.work_order_id == order.id)
    episodes = session.scalars(linked.order_by(Episode.id), execution_options={"populate_existing": True}).all()
    if order.merged_into_id is not None:
        _follow_merge(session, order, episodes)
        return
    if order.state not in WORK_DONE_STATES:
        for episode in episodes:
            _resume(session, asset, order, episode, event)
        return
    for episode in episodes:
        current = work_order_of(session, episode.id)
        if current is None or current.id != order.id:
            continue  # the trouble came back and has a newer order
        outcome = order.outcome or "unknown"
        if episode.closed_at is None:
            end_episode(session, asset, episode, outcome, _closing_moment(session, order, episode, now))
        elif order.outcome is not None and episode.outcome != outcome:
            episode.outcome = outcome
    session.flush()


def _follow_merge(session: Session, order: WorkOrder, episodes: Sequence[Episode]) -> None:
    """The trouble of a duplicate goes on with the order that it was merged into, and ends with that one's outcome."""
    into = surviving(session, order)
    for episode in episodes:
        if episode.closed_at is None and _newest_link(session, episode.id) == order.id:
            _relink(session, episode, into)
    jobs = update(PredictedJob).where(PredictedJob.work_order_id == order.id, PredictedJob.state == "opened")
    session.execute(jobs.values(work_order_id=into.id).execution_options(synchronize_session=False))
    session.flush()


def _newest_link(session: Session, episode_id: UUID) -> UUID | None:
    links = select(WorkLink.work_order_id).where(WorkLink.episode_id == episode_id)
    return session.scalar(links.order_by(WorkLink.linked_at.desc(), WorkLink.work_order_id.desc()).limit(1))


def _relink(session: Session, episode: Episode, order: WorkOrder) -> None:
    """Make an order the episode's current one: linked later than all, whose moments may be of replayed evidence."""
    last = session.scalar(select(func.max(WorkLink.linked_at)).where(WorkLink.episode_id == episode.id))
    moment = (last or episode.opened_at) + timedelta(microseconds=1)
    link = session.get(WorkLink, {"episode_id": episode.id, "work_order_id": order.id})
    if link is None:
        link = WorkLink(organisation_id=episode.organisation_id, episode_id=episode.id, work_order_id=order.id)
        session.add(link)
    link.linked_at = moment
    session.flush()


def _resume(session: Session, asset: Asset, order: WorkOrder, episode: Episode, event: Event) -> None:
    """Open an episode again whose order is worked on again, unless the trouble has come back as a new one."""
    current = work_order_of(session, episode.id)
    if episode.closed_at is None or current is None or current.id != order.id:
        return
    open_now = select(Episode.id).where(
        Episode.asset_id == asset.id, Episode.key == episode.key, Episode.closed_at.is_(None)
    )
    if session.scalar(open_now) is None:
        resume_episode(session, asset, episode, order, event)


def _closing_moment(session: Session, order: WorkOrder, episode: Episode, now: datetime) -> datetime:
    """Return when the work was done; for replayed evidence the asset's own watermark, or later evidence looks old."""
    if episode.replayed:
        return max(episode.last_seen_at, asset_moment(session, order.asset_id, now, replayed=True))
    return order.work_done_at or order.closed_at or now
