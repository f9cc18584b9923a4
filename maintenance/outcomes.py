"""Close an episode when its work order ended: the outcome that a person entered is the episode's outcome."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.registry import Asset
from maintenance.clocks import asset_moment, lock_asset
from maintenance.episode_life import end_episode, work_order_of
from maintenance.models import Episode, WorkLink
from ticketing.models import WorkOrder
from ticketing.work_orders import WORK_DONE_STATES

KINDS = frozenset({"work_order.completed", "work_order.closed", "work_order.cancelled"})


def close_episode(session: Session, event: Event, now: datetime) -> None:
    """Handle the end of a work order; a second call for the same event changes nothing."""
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    # The order's present state decides, not the event: it may have been sent back in the meantime.
    if order is None or order.state not in WORK_DONE_STATES:
        return
    lock_asset(session, order.asset_id)
    asset = session.get_one(Asset, order.asset_id, populate_existing=True)
    linked = select(Episode).join(WorkLink, WorkLink.episode_id == Episode.id).where(WorkLink.work_order_id == order.id)
    for episode in session.scalars(linked.order_by(Episode.id), execution_options={"populate_existing": True}):
        current = work_order_of(session, episode.id)
        if current is None or current.id != order.id:
            continue  # the trouble came back and has a newer order
        outcome = order.outcome or "unknown"
        if episode.closed_at is None:
            end_episode(session, asset, episode, outcome, _closing_moment(session, order, episode, now))
        elif order.outcome is not None and episode.outcome != outcome:
            episode.outcome = outcome
    session.flush()


def _closing_moment(session: Session, order: WorkOrder, episode: Episode, now: datetime) -> datetime:
    """Return when the work was done; for replayed evidence the asset's own watermark, or later evidence looks old."""
    if episode.replayed:
        return max(episode.last_seen_at, asset_moment(session, order.asset_id, now, replayed=True))
    return order.work_done_at or order.closed_at or now
