"""Tables of what answers teach: suppressors and what they held back, alarm budgets, planners' verdicts, costs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class Suppressor(Identified, Owned, Base):
    """Evidence that somebody looked into and found to be nothing: the same evidence opens no work for a while.

    It is the signature (which sensors, which way, in which regime) that is made dull, never the asset.
    `origin`: no_fault_found or dismissed. `ended_reason`: lifted, confirmed, repaired, withdrawn or expired.
    """

    __tablename__ = "suppressors"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    origin: Mapped[str] = mapped_column(Text)
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"))
    predicted_job_id: Mapped[UUID | None] = mapped_column(ForeignKey("predicted_jobs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    detector: Mapped[str] = mapped_column(Text)
    layer: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(Text)
    regime: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    contributions: Mapped[list[Any]]
    peak_ratio: Mapped[float]
    breaks_at: Mapped[float]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None] = mapped_column(Text)
    ended_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    ended_note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("work_order_id", "detector", "signature"),
        UniqueConstraint("predicted_job_id"),
        Index("ix_suppressors_active", "asset_id", "expires_at", postgresql_where=text("ended_at IS NULL")),
    )


class HeldBack(Identified, Owned, Base):
    """An alarm that would have opened work and was held back, or let through although it should have been.

    `reason`: suppressed_signature or over_budget. `result`: suppressed, audited (let through at random, so that the
    labels do not fulfil themselves) or broke_through (the evidence outgrew what was found to be nothing).
    """

    __tablename__ = "held_back"

    finding_id: Mapped[UUID] = mapped_column(ForeignKey("findings.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    suppressor_id: Mapped[UUID | None] = mapped_column(ForeignKey("suppressors.id", ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    ratio: Mapped[float]
    likeness: Mapped[float]
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("finding_id", "reason"), Index("ix_held_back_asset_at", "asset_id", "at"))


class AlarmBudget(Owned, Base):
    """How much stronger than its detectors' own level an asset's evidence must be to open work, and why."""

    __tablename__ = "alarm_budgets"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    level_factor: Mapped[float]
    facts: Mapped[dict[str, Any]]
    computed_at: Mapped[datetime]


class ObservedMonth(Owned, Base):
    """On how many days of a month an asset sent readings; `month` is its first day, UTC."""

    __tablename__ = "observed_months"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int]


class PlannerVerdict(Identified, Owned, Base):
    """A planner accepted or dismissed what the models proposed; `verdict` is accept or dismiss."""

    __tablename__ = "planner_verdicts"

    predicted_job_id: Mapped[UUID] = mapped_column(ForeignKey("predicted_jobs.id", ondelete="CASCADE"), unique=True)
    finding_id: Mapped[UUID] = mapped_column(ForeignKey("findings.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    verdict: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    detector: Mapped[str] = mapped_column(Text)
    model_id: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))


class FeedbackSettings(Identified, Owned, Base):
    """What an organisation expects of its alarms; organisations below it without a row of their own follow it."""

    __tablename__ = "feedback_settings"

    suppress_days: Mapped[int]
    dismiss_days: Mapped[int]
    audit_share: Mapped[float]
    budget_per_month: Mapped[float]
    daily_cap: Mapped[int]
    failure_cost: Mapped[float]
    visit_cost: Mapped[float]
    currency: Mapped[str] = mapped_column(Text)
    costs: Mapped[list[Any]]
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    __table_args__ = (UniqueConstraint("organisation_id"),)
