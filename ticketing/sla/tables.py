"""Tables of service levels: policies and their targets, what follows from events, and what was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned, Versioned


class SlaPolicy(Identified, Owned, Versioned, Base):
    """A set of promises.

    `match`: {} is for all work, {"customer_ids": […], …} for some (`ticketing.sla.policies.MATCHES`), None only for
    service types that name it. `pauses`: {reason: [clock, …]}, which reason stops which clock. `warnings`:
    [{percent, tell: [{to, id?}], repeat_minutes, repeats}], who is told when.
    """

    __tablename__ = "sla_policies"

    name: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    match: Mapped[dict[str, Any] | None]
    precedence: Mapped[int] = mapped_column(default=0)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="RESTRICT"), index=True)
    pauses: Mapped[dict[str, Any]] = mapped_column(default=dict)
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]  # what was late before it held is told to nobody


class SlaTarget(Identified, Owned, Base):
    """How long one clock may run at a priority ("any": those without a target of their own)."""

    __tablename__ = "sla_targets"

    policy_id: Mapped[UUID] = mapped_column(ForeignKey("sla_policies.id", ondelete="CASCADE"))
    clock: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text)
    minutes: Mapped[int]
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="RESTRICT"), index=True)

    __table_args__ = (UniqueConstraint("policy_id", "clock", "priority"),)


class SlaSubject(Identified, Executed, Base):
    """A case, request or work order that has clocks; `look_at` is when they have to be looked at next."""

    __tablename__ = "sla_subjects"

    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    asset_id: Mapped[UUID | None]
    policy_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_policies.id", ondelete="SET NULL"), index=True)
    finished_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("subject_kind", "subject_id"),
        Index("ix_sla_subjects_look", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )


class SlaClock(Identified, Executed, Base):
    """What the events of a subject say about one of its clocks, for searches; shown are the events themselves.

    Moments, not running numbers: `due_at`, `at_risk_at` and `breached_at` lie ahead while the clock runs, and are None
    while it is paused before they were reached, or was not late when it ended. The seconds are those of a clock that
    has ended. A clock that has ended keeps the promise that held then.
    """

    __tablename__ = "sla_clocks"

    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    asset_id: Mapped[UUID | None]
    clock: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)  # contract, policy
    policy_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_policies.id", ondelete="SET NULL"), index=True)
    contract_id: Mapped[UUID | None] = mapped_column(ForeignKey("contracts.id", ondelete="SET NULL"), index=True)
    target_s: Mapped[int] = mapped_column(BigInteger)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="RESTRICT"), index=True)
    pauses: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    at_risk_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    used_s: Mapped[float | None]
    paused_s: Mapped[float | None]
    outside_s: Mapped[float | None]

    __table_args__ = (
        UniqueConstraint("subject_kind", "subject_id", "clock"),
        Index(
            "ix_sla_clocks_at_risk",
            "subject_kind",
            "at_risk_at",
            postgresql_where=text("finished_at IS NULL AND at_risk_at IS NOT NULL"),
        ),
        Index(
            "ix_sla_clocks_breached",
            "subject_kind",
            "breached_at",
            postgresql_where=text("finished_at IS NULL AND breached_at IS NOT NULL"),
        ),
        Index("ix_sla_clocks_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )


class SlaWarning(Identified, Executed, Base):
    """A share of a clock was used up and people were told; its key makes sure that it is told once.

    `round` counts repeats until somebody acknowledges. `silent`: it was reached before the promise was made.
    """

    __tablename__ = "sla_warnings"

    clock_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clocks.id", ondelete="CASCADE"))
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    asset_id: Mapped[UUID | None]
    clock: Mapped[str] = mapped_column(Text)
    percent: Mapped[int]
    round: Mapped[int]
    reached_at: Mapped[datetime]
    fired_at: Mapped[datetime]
    silent: Mapped[bool]
    told: Mapped[list[Any]] = mapped_column(default=list)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        UniqueConstraint("clock_id", "percent", "round"),
        Index("ix_sla_warnings_subject", "subject_kind", "subject_id"),
        Index("ix_sla_warnings_fired", "fired_at"),
    )
