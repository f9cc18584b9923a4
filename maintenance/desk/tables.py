"""Tables of the planner's desk: what work costs, what was decided about predicted jobs, drafts of moves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

MONEY = Numeric(18, 4)
KINDS = ("accept", "merge", "defer", "dismiss")
DRAFT_STATES = ("open", "applied", "undone")
_LIVE = text("kind IN ('defer', 'merge') AND returned_at IS NULL AND undone_at IS NULL")


class DeskCost(Identified, Owned, Versioned, Base):
    """What work costs on one machine, on those of a model, or on any (neither is named). What is empty is not known.

    `unplanned_cost` is what a repair after a failure costs, or `unplanned_factor` times the planned cost.
    """

    __tablename__ = "desk_costs"

    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    planned_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    planned_downtime_hours: Mapped[float | None]
    unplanned_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    unplanned_factor: Mapped[float | None]
    unplanned_downtime_hours: Mapped[float | None]
    downtime_cost_per_hour: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("organisation_id", "asset_model_id", "asset_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("num_nonnulls(asset_model_id, asset_id) <= 1", name="of_one"),
        CheckConstraint("num_nonnulls(unplanned_cost, unplanned_factor) <= 1", name="one_way"),
    )


class DeskDecision(Identified, Owned, Base):
    """What a planner decided about a predicted job; `facts` is what was known then, so that a rise can be seen.

    A deferred or merged job waits until `until`, until its plan's work is released, or until its risk rises: then
    `returned_at` with `returned_why`. `batch_id`: decided together with others.
    """

    __tablename__ = "desk_decisions"

    predicted_job_id: Mapped[UUID] = mapped_column(ForeignKey("predicted_jobs.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime | None]
    occurrence_id: Mapped[UUID | None] = mapped_column(ForeignKey("occurrences.id", ondelete="SET NULL"), index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    facts: Mapped[dict[str, Any]]
    batch_id: Mapped[UUID | None]
    at: Mapped[datetime]
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    returned_at: Mapped[datetime | None]
    returned_why: Mapped[str | None] = mapped_column(Text)
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        # A job waits for one thing at a time.
        Index("uq_desk_decisions_waiting", "predicted_job_id", unique=True, postgresql_where=_LIVE),
        Index("ix_desk_decisions_until", "until", postgresql_where=_LIVE),
        Index("ix_desk_decisions_live_trouble", "asset_id", "key", postgresql_where=_LIVE),
        Index("ix_desk_decisions_organisation_id_at", "organisation_id", "at"),
    )


class DeskDraft(Identified, Owned, Versioned, Base):
    """Moves of planned work that somebody tries out; nothing moves until applied. `kind`: what_if, group, bulk."""

    __tablename__ = "desk_drafts"

    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default="open")
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    applied_at: Mapped[datetime | None]
    applied_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (Index("ix_desk_drafts_organisation_id_created_at", "organisation_id", "created_at"),)


class DeskMove(Identified, Owned, Base):
    """One move of a draft: where the work stood when it was drafted (`seen_*`), and where it shall go.

    `result` after undoing: undone, or why not (released, moved_since, gone).
    """

    __tablename__ = "desk_moves"

    draft_id: Mapped[UUID] = mapped_column(ForeignKey("desk_drafts.id", ondelete="CASCADE"))
    occurrence_id: Mapped[UUID] = mapped_column(ForeignKey("occurrences.id", ondelete="CASCADE"), index=True)
    seen_at: Mapped[datetime | None]
    seen_put_at: Mapped[datetime | None]
    seen_state: Mapped[str] = mapped_column(Text)
    to_at: Mapped[datetime]
    result: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("draft_id", "occurrence_id"),)
