"""Which channel of which device measures which asset, from when to when; late data binds by event time.

The view `asset_bindings` is what readers ask: direct bindings, and those of a position cut to who stood there when.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Text, Uuid, column, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.registry import Asset, add_asset


class Binding(Identified, Owned, Base):
    """A device's channel measures an asset, or whatever stands at a position, in [valid_from, valid_to).

    '' is the device itself, else a sub-device. `device_id` has no foreign key: devices live in a room above.
    """

    __tablename__ = "bindings"

    device_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(Text, default="")
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    position_id: Mapped[UUID | None] = mapped_column(ForeignKey("positions.id", ondelete="CASCADE"), index=True)
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]

    __table_args__ = (Index("ix_bindings_channel", "device_id", "channel"),)


asset_bindings = table(
    "asset_bindings",
    column("asset_id", Uuid()),
    column("device_id", Uuid()),
    column("channel", Text()),
    column("valid_from", DateTime(timezone=True)),
    column("valid_to", DateTime(timezone=True)),
)

# The asker's own rights hold. A missing beginning or end means since ever, for ever: greatest and least pass over it.
ASSET_BINDINGS = """
CREATE VIEW asset_bindings WITH (security_invoker) AS
SELECT b.asset_id, b.device_id, b.channel, b.valid_from, b.valid_to FROM bindings b WHERE b.asset_id IS NOT NULL
UNION ALL
SELECT i.asset_id, b.device_id, b.channel, greatest(b.valid_from, i.valid_from), least(b.valid_to, i.valid_to)
FROM bindings b JOIN installations i ON i.position_id = b.position_id
WHERE (b.valid_from IS NULL OR i.valid_to IS NULL OR b.valid_from < i.valid_to)
  AND (b.valid_to IS NULL OR i.valid_from < b.valid_to)
"""


def bind(
    session: Session,
    *,
    organisation_id: UUID,
    device_id: UUID,
    channel: str,
    asset_id: UUID | None = None,
    position_id: UUID | None = None,
    at: datetime | None,
) -> Binding:
    """Bind a channel to an asset or a position from `at` on (None: since ever), ending what it measured before.

    A binding that would end before it begins never measured anything and goes. Raises ValueError for both or neither.
    """
    if (asset_id is None) == (position_id is None):
        raise ValueError("a channel measures an asset or a position")
    current = select(Binding).where(
        Binding.device_id == device_id, Binding.channel == channel, Binding.valid_to.is_(None)
    )
    for open_binding in session.scalars(current):
        if (open_binding.asset_id, open_binding.position_id) == (asset_id, position_id):
            return open_binding
        begins = open_binding.valid_from
        if at is None or (begins is not None and begins >= at):
            session.delete(open_binding)
        else:
            open_binding.valid_to = at
    binding = Binding(
        organisation_id=organisation_id,
        device_id=device_id,
        channel=channel,
        asset_id=asset_id,
        position_id=position_id,
        valid_from=at,
    )
    session.add(binding)
    session.flush()
    return binding


def asset_of_serial(
    session: Session, organisation_id: UUID, serial: str, name: str, now: datetime, demo: bool
) -> Asset:
    """Return the owner's asset of this serial number, made under this name when there is none yet."""
    wanted = select(Asset).where(Asset.organisation_id == organisation_id, Asset.serial == serial)
    known = session.scalar(wanted)
    if known is not None:
        return known
    asset = Asset(organisation_id=organisation_id, serial=serial, name=name, created_at=now, demo=demo)
    try:
        with session.begin_nested():
            return add_asset(session, asset, now)
    except IntegrityError:  # somebody else made it just now
        return session.scalars(wanted).one()


def asset_of_device(session: Session, device_id: UUID) -> UUID | None:
    """Return the asset that the device itself (not a sub-device) measures now, for its timeline; None for a gateway."""
    bound = asset_bindings.c
    return session.scalar(
        select(bound.asset_id).where(bound.device_id == device_id, bound.channel == "", bound.valid_to.is_(None))
    )
