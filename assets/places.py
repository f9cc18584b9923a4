"""Where an asset was and in whose hands: one row per stay, the newest without an end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.people import Person
from assets.registry import Asset, Site


class Stay(Identified, Owned, Base):
    """An asset was at a site, with a person, or at a place named in words, in [valid_from, valid_to)."""

    __tablename__ = "stays"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    place: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_stays_asset", "asset_id", "valid_from"),
        Index("uq_stays_open", "asset_id", unique=True, postgresql_where=text("valid_to IS NULL")),
    )


def move(
    session: Session,
    asset: Asset,
    *,
    site: Site | None,
    person: Person | None,
    place: str | None,
    reason: str | None,
    at: datetime,
    now: datetime,
    by_id: UUID | None = None,
) -> Stay:
    """Record that the asset is elsewhere, or in other hands, from `at` on.

    A move to another site forgets the coordinates, which were those of the old place. Raises Invalid for nowhere, a
    moment to come, one before the present stay began, or a site of another owner.
    """
    if site is None and person is None and not place:
        raise Invalid("a move names a site, a person or a place", field="site_id")
    if site is not None and site.organisation_id != asset.organisation_id:
        raise Invalid("the site belongs to another organisation than the asset", field="site_id")
    if at > now:
        raise Invalid("a move is told when it has happened, not before", field="at")
    present = present_stay(session, asset)
    if present is not None:
        if at < present.valid_from:
            began = present.valid_from.isoformat()
            raise Invalid(f"it is where it is since {began}", field="at", since=began)
        _end(session, present, at)
    stay = Stay(
        organisation_id=asset.organisation_id,
        asset_id=asset.id,
        site_id=site.id if site else None,
        person_id=person.id if person else None,
        place=place,
        reason=reason,
        by_id=by_id,
        valid_from=at,
    )
    session.add(stay)
    if asset.site_id != stay.site_id:
        asset.latitude_deg = asset.longitude_deg = asset.location_accuracy_m = asset.located_at = None
        asset.plan_x = asset.plan_y = None
    asset.site_id = stay.site_id
    session.flush()
    append_event(
        session,
        "asset.moved",
        at=at,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload={
            "site_id": str(site.id) if site else None,
            "site": site.name if site else None,
            "place": place,
            "person_id": str(person.id) if person else None,
            "reason": reason,
        },
    )
    return stay


def present_stay(session: Session, asset: Asset) -> Stay | None:
    """Return where the asset is, locked; for one that never moved what its registration says, written down now."""
    found = select(Stay).where(Stay.asset_id == asset.id, Stay.valid_to.is_(None)).with_for_update()
    stay = session.scalar(found)
    known = select(Stay.id).where(Stay.asset_id == asset.id).limit(1)
    if stay is None and asset.site_id is not None and session.scalar(known) is None:
        since = min(asset.installed_at or asset.created_at, asset.created_at)
        stay = Stay(organisation_id=asset.organisation_id, asset_id=asset.id, site_id=asset.site_id, valid_from=since)
        session.add(stay)
        session.flush()
    return stay


def stays_of(session: Session, asset_id: UUID) -> list[Stay]:
    """Return the stays of an asset, newest first."""
    found = select(Stay).where(Stay.asset_id == asset_id)
    return list(session.scalars(found.order_by(Stay.valid_from.desc()).limit(500)))


def end_stay(session: Session, asset: Asset, at: datetime) -> None:
    """The asset leaves for another owner, or for good."""
    present = present_stay(session, asset)
    if present is not None:
        _end(session, present, max(at, present.valid_from))


def _end(session: Session, stay: Stay, at: datetime) -> None:
    if stay.valid_from >= at:
        session.delete(stay)
    else:
        stay.valid_to = at
    session.flush()
