"""What is known at once of findings that are decided together: asking for each by itself would take a storm's time.

It only ever says that there surely is nothing; whoever finds something asks the database. It holds for an asset until
something was written about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from assets.failure_modes import FailureMode
from assets.people import Organisation
from assets.registry import Asset, AssetModel
from maintenance.alarm_models import AlarmHold, MaintenanceWindow
from maintenance.feedback_models import AlarmBudget, HeldBack, Suppressor
from maintenance.models import Episode, EpisodeFinding, Finding, PredictedJob, WorkLink
from ticketing.models import WorkOrder
from ticketing.order_merge import surviving

LOOK_BACK = timedelta(days=8)  # longer than any work pauses an asset, or a window's grace lasts
_KEY = "maintenance.batch"

Modes = tuple[UUID, UUID | None]  # owner and asset model, for whom failure modes are the same


@dataclass(slots=True)
class Batch:
    """Sets hold what has something; what is not in them has nothing. `kept` is there so that `session.get` finds it."""

    fresh: set[UUID] = field(default_factory=set)  # assets of which it still holds
    asset_of: dict[UUID, UUID] = field(default_factory=dict)  # by finding
    dismissed: set[UUID] = field(default_factory=set)  # findings
    held_back: set[UUID] = field(default_factory=set)  # findings
    linked: dict[UUID, Episode] = field(default_factory=dict)  # newest episode, by finding
    troubles: dict[UUID, list[tuple[Episode, WorkOrder | None]]] = field(default_factory=dict)  # by asset
    at_work: set[UUID] = field(default_factory=set)  # assets
    on_hold: set[UUID] = field(default_factory=set)
    suppressed: set[UUID] = field(default_factory=set)
    budgeted: set[UUID] = field(default_factory=set)
    watched: set[UUID] = field(default_factory=set)
    windows: bool = True
    modes: dict[Modes, list[FailureMode]] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)


def batch_of(session: Session, asset_id: UUID) -> Batch | None:
    """Return what is known of the asset; None: nothing was read ahead, or it holds no longer."""
    batch: Batch | None = session.info.get(_KEY)
    return batch if batch is not None and asset_id in batch.fresh else None


def batch_with(session: Session, finding_id: UUID) -> Batch | None:
    """The same for the asset of a finding."""
    batch: Batch | None = session.info.get(_KEY)
    return batch_of(session, batch.asset_of[finding_id]) if batch is not None and finding_id in batch.asset_of else None


def forget(session: Session, asset_id: UUID) -> None:
    """Something was written about the asset."""
    if (batch := session.info.get(_KEY)) is not None:
        batch.fresh.discard(asset_id)


def end_batch(session: Session) -> None:
    session.info.pop(_KEY, None)


def read_ahead(session: Session, assets: Sequence[Asset], findings: Iterable[Finding], now: datetime) -> Batch:
    """Read in a dozen queries what deciding these would ask for one by one. The caller holds the assets' locks.

    Replayed evidence has another now: what it needs is asked for.
    """
    live = [finding for finding in findings if not finding.replayed]
    replayed = {finding.asset_id for finding in findings if finding.replayed}
    ids = [asset.id for asset in assets if asset.id not in replayed]
    batch = Batch(set(ids), {finding.id: finding.asset_id for finding in live if finding.asset_id not in replayed})
    session.info[_KEY] = batch
    if not ids:
        return batch
    of_findings, since = list(batch.asset_of), now - LOOK_BACK
    _keep_organisations(session, assets, batch)

    def found(statement: Any) -> set[UUID]:
        return set(session.scalars(statement))

    batch.dismissed = found(
        select(PredictedJob.finding_id).where(
            PredictedJob.finding_id.in_(of_findings), PredictedJob.state == "dismissed"
        )
    )
    batch.held_back = found(select(HeldBack.finding_id).where(HeldBack.finding_id.in_(of_findings)))
    batch.watched = found(
        select(PredictedJob.asset_id).where(PredictedJob.asset_id.in_(ids), PredictedJob.state == "watching")
    )
    worked = or_(WorkOrder.state == "in_progress", WorkOrder.started_at > since)
    batch.at_work = found(select(WorkOrder.asset_id).where(WorkOrder.asset_id.in_(ids), worked))
    batch.on_hold = found(select(AlarmHold.asset_id).where(AlarmHold.asset_id.in_(ids), AlarmHold.ended_at.is_(None)))
    batch.suppressed = found(
        select(Suppressor.asset_id).where(
            Suppressor.asset_id.in_(ids), Suppressor.ended_at.is_(None), Suppressor.expires_at > now
        )
    )
    batch.budgeted = found(select(AlarmBudget.asset_id).where(AlarmBudget.asset_id.in_(ids)))
    near = and_(
        MaintenanceWindow.starts_at <= now + timedelta(seconds=1),
        or_(MaintenanceWindow.ends_at.is_(None), MaintenanceWindow.ends_at > since),
    )
    batch.windows = session.scalar(select(MaintenanceWindow.id).where(near).limit(1)) is not None
    batch.linked = _linked(session, of_findings)
    batch.troubles = _troubles(session, ids)
    return batch


def _keep_organisations(session: Session, assets: Sequence[Asset], batch: Batch) -> None:
    owners = select(Organisation).where(Organisation.id.in_({asset.organisation_id for asset in assets}))
    models = {asset.asset_model_id for asset in assets if asset.asset_model_id is not None}
    batch.kept += session.scalars(owners).all()
    batch.kept += session.scalars(select(AssetModel).where(AssetModel.id.in_(models))).all() if models else ()


def _linked(session: Session, findings: Sequence[UUID]) -> dict[UUID, Episode]:
    """The newest episode that each of the findings belongs to."""
    of_each = (
        select(EpisodeFinding.finding_id, Episode)
        .join(Episode, Episode.id == EpisodeFinding.episode_id)
        .where(EpisodeFinding.finding_id.in_(findings))
        .order_by(Episode.id)
    )
    return {finding_id: episode for finding_id, episode in session.execute(of_each)}


def _troubles(session: Session, assets: Sequence[UUID]) -> dict[UUID, list[tuple[Episode, WorkOrder | None]]]:
    """The newest episode of each trouble of each asset, with its newest order."""
    newest = (
        select(Episode)
        .where(Episode.asset_id.in_(assets))
        .ext(distinct_on(Episode.asset_id, Episode.key))
        .order_by(Episode.asset_id, Episode.key, Episode.closed_at.desc().nulls_first())
    )
    episodes = session.scalars(newest).all()
    orders = orders_of(session, [episode.id for episode in episodes])
    troubles: dict[UUID, list[tuple[Episode, WorkOrder | None]]] = {}
    for episode in episodes:
        troubles.setdefault(episode.asset_id, []).append((episode, orders.get(episode.id)))
    return troubles


def orders_of(session: Session, episodes: Sequence[UUID]) -> Mapping[UUID, WorkOrder]:
    """Return the current work order of each episode: the newest one linked."""
    if not episodes:
        return {}
    newest = (
        select(WorkLink.episode_id, WorkOrder)
        .join(WorkOrder, WorkOrder.id == WorkLink.work_order_id)
        .where(WorkLink.episode_id.in_(episodes))
        .ext(distinct_on(WorkLink.episode_id))
        .order_by(WorkLink.episode_id, WorkLink.linked_at.desc(), WorkOrder.id.desc())
    )
    return {episode_id: surviving(session, order) for episode_id, order in session.execute(newest)}
