"""Positions: places in a plant where assets are swapped; what stands there measures for whoever stood there then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.registry import ENDED, Asset


class Position(Identified, Owned, Base):
    """A place where one asset at a time stands, such as 'feed pump 2 left'; its sensors may be bound to it."""

    __tablename__ = "positions"

    name: Mapped[str] = mapped_column(Text)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"), index=True)
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class Installation(Identified, Owned, Base):
    """An asset stands at a position in [valid_from, valid_to); stretches of one position, or one asset, never overlap.

    The database does not know this rule: `install` keeps it, with both rows locked.
    """

    __tablename__ = "installations"

    position_id: Mapped[UUID] = mapped_column(ForeignKey("positions.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_installations_position", "position_id", "valid_from"),
        Index("ix_installations_asset", "asset_id", "valid_from"),
    )


def add_position(
    session: Session, *, organisation_id: UUID, name: str, site_id: UUID | None, now: datetime
) -> Position:
    """Make a position. Raises Conflict when the owner has one of this name."""
    taken = select(Position.id).where(Position.organisation_id == organisation_id, Position.name == name)
    if session.scalar(taken):
        raise Conflict(f"there is a position {name!r} already", name=name)
    position = Position(organisation_id=organisation_id, name=name, site_id=site_id, created_at=now)
    session.add(position)
    session.flush()
    return position


def rename_position(session: Session, position: Position, name: str, actor: Actor, now: datetime) -> None:
    """Give a position another name. Raises Conflict when its owner has one of that name."""
    if name == position.name:
        return
    taken = select(Position.id).where(
        Position.organisation_id == position.organisation_id, Position.name == name, Position.id != position.id
    )
    if session.scalar(taken):
        raise Conflict(f"there is a position {name!r} already", name=name)
    payload = {"from": position.name, "to": name}
    position.name = name
    session.flush()
    append_event(
        session,
        "position.renamed",
        at=now,
        organisation_id=position.organisation_id,
        subject_kind="position",
        subject_id=position.id,
        actor_kind=actor.kind,
        actor_id=actor.person_id,
        payload=payload,
    )


def install(session: Session, position: Position, asset: Asset, at: datetime, now: datetime) -> Installation:
    """Put an asset at a position from `at` (event time) on; whatever stood there, and wherever it stood, ends then.

    A swap told afterwards fits in: what is recorded to come next, at the position or of the asset, stays. Raises
    Invalid for a time to come, or an asset of another owner, Conflict for one whose life has ended.
    """
    if at > now:
        raise Invalid("an asset is installed when it is there, not before", field="at")
    if asset.organisation_id != position.organisation_id:
        raise Invalid("asset and position belong to different organisations", field="asset_id")
    lifecycle = _lock(session, position, asset)
    if lifecycle in ENDED:
        raise Conflict(f"a {lifecycle} asset is installed no more", lifecycle=lifecycle)
    here, there = _standing(session, at, position=position), _standing(session, at, asset=asset)
    if here is not None and there is not None and here.id == there.id:
        return here
    following = (_next(session, at, position=position), _next(session, at, asset=asset))
    until = min((begins for begins in following if begins is not None), default=None)
    for earlier in (here, there):
        if earlier is not None:
            _end(session, earlier, at, now)
    made = Installation(
        organisation_id=position.organisation_id,
        position_id=position.id,
        asset_id=asset.id,
        valid_from=at,
        valid_to=until,
    )
    session.add(made)
    session.flush()
    _note(session, "asset.installed", made, position, at)
    return made


def remove(session: Session, position: Position, at: datetime, now: datetime) -> bool:
    """Take away what stands at the position from `at` on; False when nothing did. Raises Invalid for a time to come."""
    if at > now:
        raise Invalid("an asset is removed when it is gone, not before", field="at")
    session.execute(select(Position.id).where(Position.id == position.id).with_for_update())
    here = _standing(session, at, position=position)
    if here is None:
        return False
    _end(session, here, at, now)
    return True


def leave_positions(session: Session, asset: Asset, at: datetime, now: datetime) -> bool:
    """End the asset's stay wherever it stands; False when it stands nowhere."""
    there = _standing(session, at, asset=asset)
    if there is None or there.valid_to is not None:
        return False
    _end(session, there, at, now)
    return True


def installations_of(session: Session, position_id: UUID) -> list[Installation]:
    """Return who stood at the position and when, newest first."""
    found = select(Installation).where(Installation.position_id == position_id)
    return list(session.scalars(found.order_by(Installation.valid_from.desc())))


def standing_at(session: Session, position_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the asset that stands at each of the positions now; a position where none stands is left out."""
    found = select(Installation.position_id, Installation.asset_id).where(
        Installation.position_id.in_(position_ids), Installation.valid_to.is_(None)
    )
    return {position_id: asset_id for position_id, asset_id in session.execute(found.order_by(Installation.valid_from))}


def _lock(session: Session, position: Position, asset: Asset) -> str | None:
    """Position first, then asset: two swaps must not wait for each other, nor both see the place empty.

    Returns the asset's lifecycle, as somebody may have retired it meanwhile.
    """
    session.execute(select(Position.id).where(Position.id == position.id).with_for_update())
    return session.scalar(select(Asset.lifecycle).where(Asset.id == asset.id).with_for_update())


def _standing(
    session: Session, at: datetime, *, position: Position | None = None, asset: Asset | None = None
) -> Installation | None:
    found = select(Installation).where(
        Installation.valid_from <= at, or_(Installation.valid_to.is_(None), Installation.valid_to > at)
    )
    if position is not None:
        found = found.where(Installation.position_id == position.id)
    if asset is not None:
        found = found.where(Installation.asset_id == asset.id)
    return session.scalar(found.order_by(Installation.valid_from.desc()).limit(1))


def _next(
    session: Session, at: datetime, *, position: Position | None = None, asset: Asset | None = None
) -> datetime | None:
    found = select(Installation.valid_from).where(Installation.valid_from > at)
    if position is not None:
        found = found.where(Installation.position_id == position.id)
    if asset is not None:
        found = found.where(Installation.asset_id == asset.id)
    return session.scalar(found.order_by(Installation.valid_from).limit(1))


def _end(session: Session, standing: Installation, at: datetime, now: datetime) -> None:
    """End a stretch; one that would end as it begins never was."""
    position = session.get_one(Position, standing.position_id)
    _note(session, "asset.removed", standing, position, at)
    if standing.valid_from >= at:
        session.delete(standing)
    else:
        standing.valid_to = at
    session.flush()


def _note(session: Session, kind: str, standing: Installation, position: Position, at: datetime) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=standing.organisation_id,
        subject_kind="asset",
        subject_id=standing.asset_id,
        asset_id=standing.asset_id,
        payload={"position_id": str(position.id), "position": position.name},
    )
