"""Tables of alarm handling: what is shelved or out of service, maintenance windows, and who is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class AlarmHold(Identified, Owned, Base):
    """An alarm of an asset that a person put aside: `shelved` for a while, or `out_of_service` until it is put back.

    `key` is the episode's; None holds all alarms of the asset.
    """

    __tablename__ = "alarm_holds"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    key: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_alarm_holds_standing", "asset_id", postgresql_where=text("ended_at IS NULL")),)


class MaintenanceWindow(Identified, Owned, Base):
    """A time in which work on assets is planned: nothing opens for one asset with its parts, a site, a model, or all.

    In [starts_at, ends_at) always, or with `hours` only in these (weekday "0" = Monday -> [["22:00", "02:00"], …]).
    """

    __tablename__ = "maintenance_windows"

    name: Mapped[str] = mapped_column(Text)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    hours: Mapped[dict[str, Any] | None]
    time_zone: Mapped[str] = mapped_column(Text, default="UTC")
    note: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))


class OnCallList(Identified, Owned, Base):
    """Who is asked, one after the other, while a grave alarm has no answer outside working hours.

    `steps`: [{person_id, wait_s}]; after the last the list begins anew.
    """

    __tablename__ = "on_call_lists"

    name: Mapped[str] = mapped_column(Text)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    min_severity: Mapped[str] = mapped_column(Text, default="critical")
    working_hours: Mapped[dict[str, Any]] = mapped_column(default=dict)
    time_zone: Mapped[str] = mapped_column(Text, default="UTC")
    always: Mapped[bool] = mapped_column(default=False)
    steps: Mapped[list[Any]] = mapped_column(default=list)
    enabled: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class Escalation(Identified, Owned, Base):
    """One alarm on its way along an on-call list; `state` is running, acknowledged or ended.

    `asked` counts the people asked so far, over all rounds.
    """

    __tablename__ = "escalations"

    episode_id: Mapped[UUID] = mapped_column(ForeignKey("episodes.id", ondelete="CASCADE"))
    on_call_list_id: Mapped[UUID] = mapped_column(ForeignKey("on_call_lists.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(Text)
    asked: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        # One alarm rings along one list at a time.
        Index("uq_escalations_running", "episode_id", unique=True, postgresql_where=text("state = 'running'")),
        Index("ix_escalations_due", "next_at", postgresql_where=text("state = 'running'")),
        Index("ix_escalations_episode", "episode_id"),
    )
