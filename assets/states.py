"""The history of an asset's two axes: one row per stretch of time in one state, the newest without an end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Invalid

if TYPE_CHECKING:
    from assets.registry import Asset

Axis = Literal["lifecycle", "operation"]
AXES: tuple[Axis, ...] = ("lifecycle", "operation")


class StateInterval(Identified, Owned, Base):
    """An asset was in a state of one axis in [valid_from, valid_to); stretches of one axis touch and never overlap.

    `source`: person, finding, telemetry or import. `reason_code` says why it was down, in the words of
    `assets.downtime`.
    """

    __tablename__ = "state_intervals"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    axis: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_state_intervals_asset", "asset_id", "axis", "valid_from"),
        # The database's own word that an axis has one present state.
        Index("uq_state_intervals_open", "asset_id", "axis", unique=True, postgresql_where=text("valid_to IS NULL")),
    )


def begin_states(session: Session, asset: Asset, now: datetime) -> None:
    """Open the history of a new asset; of what is known to be unknown there is nothing to tell."""
    since = min(asset.installed_at, now) if asset.installed_at and asset.lifecycle != "planned" else now
    asset.lifecycle_since = since
    _open(session, asset, "lifecycle", asset.lifecycle, since, source="person")
    if asset.operation != "unknown":
        asset.operation_since = asset.operation_since or now
        _open(session, asset, "operation", asset.operation, asset.operation_since, source="person")
    session.flush()


def change_state(
    session: Session,
    asset: Asset,
    axis: Axis,
    state: str,
    at: datetime,
    *,
    cause: str | None = None,
    reason_code: str | None = None,
    source: str,
    by_id: UUID | None = None,
) -> datetime:
    """End the present stretch and begin one in `state`; return since when it is.

    What is told of a moment before the present stretch began (a replay, a late worker) takes its place from its
    beginning on: stretches never run backwards, and the newest is what the asset is.
    """
    now_in = open_interval(session, asset.id, axis)
    if now_in is not None:
        at = max(at, now_in.valid_from)
        if now_in.valid_from == at:
            session.delete(now_in)  # it never lasted
        else:
            now_in.valid_to = at
        session.flush()
    _open(session, asset, axis, state, at, cause=cause, reason_code=reason_code, source=source, by_id=by_id)
    session.flush()
    return at


def open_interval(session: Session, asset_id: UUID, axis: Axis) -> StateInterval | None:
    """Return the present stretch of an axis, locked; None before the first."""
    found = select(StateInterval).where(
        StateInterval.asset_id == asset_id, StateInterval.axis == axis, StateInterval.valid_to.is_(None)
    )
    return session.scalar(found.with_for_update())


def state_at(session: Session, asset_id: UUID, axis: Axis, at: datetime) -> StateInterval | None:
    """Return the stretch that a moment lies in; None before the first."""
    found = select(StateInterval).where(
        StateInterval.asset_id == asset_id, StateInterval.axis == axis, StateInterval.valid_from <= at
    )
    interval = session.scalar(found.order_by(StateInterval.valid_from.desc()).limit(1))
    return interval if interval is not None and (interval.valid_to is None or at < interval.valid_to) else None


def history(
    session: Session, asset_id: UUID, axis: Axis, since: datetime | None = None, until: datetime | None = None
) -> list[StateInterval]:
    """Return the stretches of an axis that meet [since, until), oldest first."""
    found = select(StateInterval).where(StateInterval.asset_id == asset_id, StateInterval.axis == axis)
    if since is not None:
        found = found.where((StateInterval.valid_to.is_(None)) | (StateInterval.valid_to > since))
    if until is not None:
        found = found.where(StateInterval.valid_from < until)
    return list(session.scalars(found.order_by(StateInterval.valid_from)))


def check_moment(session: Session, asset: Asset, axis: Axis, at: datetime, now: datetime) -> None:
    """Raise Invalid for a moment to come, or before the present state began: history is not rewritten by a move."""
    if at > now:
        raise Invalid("a state is told when it is so, not before", field="at")
    current = open_interval(session, asset.id, axis)
    if current is not None and at < current.valid_from:
        raise Invalid(
            f"it is {current.state} since {current.valid_from.isoformat()}",
            field="at",
            state=current.state,
            since=current.valid_from.isoformat(),
        )


def _open(
    session: Session,
    asset: Asset,
    axis: Axis,
    state: str,
    at: datetime,
    *,
    cause: str | None = None,
    reason_code: str | None = None,
    source: str,
    by_id: UUID | None = None,
) -> None:
    session.add(
        StateInterval(
            organisation_id=asset.organisation_id,
            asset_id=asset.id,
            axis=axis,
            state=state,
            cause=cause,
            reason_code=reason_code,
            source=source,
            by_id=by_id,
            valid_from=at,
        )
    )
