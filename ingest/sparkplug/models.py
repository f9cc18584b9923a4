"""Tables of Sparkplug edge nodes: who is registered or was heard of, and what their metrics are called here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

import ingest.models  # noqa: F401  the devices that these tables refer to by name
from assets.base.db import Base, Identified, Owned


class SparkplugNode(Identified, Owned, Base):
    """An edge node: registered when it has a device, else only heard of."""

    __tablename__ = "sparkplug_nodes"

    group_id: Mapped[str] = mapped_column(Text)
    node_id: Mapped[str] = mapped_column(Text)
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), unique=True)
    created_at: Mapped[datetime]
    last_heard_at: Mapped[datetime | None]
    online: Mapped[bool | None]  # None: nobody knows, since the host was away
    bd_seq: Mapped[int | None]  # of its last birth
    born_at: Mapped[datetime | None]
    died_at: Mapped[datetime | None]
    rebirths: Mapped[int] = mapped_column(BigInteger, default=0)  # requests sent
    gaps: Mapped[int] = mapped_column(BigInteger, default=0)  # times that messages were missing
    refused: Mapped[int] = mapped_column(BigInteger, default=0)  # messages set aside while it was not registered

    __table_args__ = (UniqueConstraint("group_id", "node_id"),)


class SparkplugChannel(Owned, Base):
    """The node's own metrics ('') or those of one of its devices."""

    __tablename__ = "sparkplug_channels"

    node_id: Mapped[UUID] = mapped_column(ForeignKey("sparkplug_nodes.id", ondelete="CASCADE"), primary_key=True)
    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    online: Mapped[bool | None]
    since: Mapped[datetime | None]
    names: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as the node names a metric -> as it is named here
