"""Tables of what is decided: findings, alert episodes, their links to work, predicted jobs and policies."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class Finding(Identified, Owned, Base):
    """What a detector noticed: one row from the beginning of evidence to its end.

    A row with `decided_revision < revision` is the queue of decisions; `next_decision_at` asks to look again.
    `watermark` is how far the asset's telemetry had been read when the row was last written.
    """

    __tablename__ = "findings"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    detector: Mapped[str] = mapped_column(Text)
    layer: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    score: Mapped[float]
    peak: Mapped[float]
    confidence: Mapped[float]
    limit_open: Mapped[float]
    limit_clear: Mapped[float]
    contributions: Mapped[list[Any]]
    regime: Mapped[str] = mapped_column(Text)
    model_id: Mapped[str] = mapped_column(Text)
    learning: Mapped[bool]
    severity: Mapped[str] = mapped_column(Text)
    snapshot_ref: Mapped[str | None] = mapped_column(Text)
    replayed: Mapped[bool]
    watermark: Mapped[datetime]
    saved_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1)
    decided_revision: Mapped[int] = mapped_column(default=0)
    next_decision_at: Mapped[datetime | None]
    # The last decision, so that a person can see why nothing opened.
    decision: Mapped[str | None] = mapped_column(Text)
    decision_reason: Mapped[str | None] = mapped_column(Text)
    decision_params: Mapped[dict[str, Any] | None]

    __table_args__ = (
        UniqueConstraint("asset_id", "detector", "signature", "first_at"),
        Index("ix_findings_undecided", "asset_id", postgresql_where=text("decided_revision < revision")),
        Index("ix_findings_later", "next_decision_at", postgresql_where=text("next_decision_at IS NOT NULL")),
        Index("ix_findings_active", "asset_id", "first_at", postgresql_where=text("cleared_at IS NULL")),
    )


class Episode(Identified, Owned, Base):
    """One trouble of one asset, however often its evidence comes and goes.

    `state`: open (evidence lasts), cleared (evidence ended, nobody has said why yet), closed (outcome known).
    `count` is how often evidence began; what the alarm looks like to people is `maintenance.alarm_states`.
    """

    __tablename__ = "episodes"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(default=1)
    peak: Mapped[float]
    recurrence_no: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str | None] = mapped_column(Text)
    replayed: Mapped[bool]
    failure_mode_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("failure_modes.id", ondelete="SET NULL"), index=True
    )
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    # Distinct stored readings beyond a limit, and the evidence up to which they were counted; None without a limit.
    readings: Mapped[int | None]
    readings_counted_to: Mapped[datetime | None]

    __table_args__ = (
        # The database itself refuses a second open episode of the same trouble.
        Index("uq_episodes_open", "asset_id", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_episodes_asset_opened", "asset_id", "opened_at"),
    )


class EpisodeFinding(Owned, Base):
    """A finding is evidence of an episode."""

    __tablename__ = "episode_findings"

    episode_id: Mapped[UUID] = mapped_column(ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True)
    finding_id: Mapped[UUID] = mapped_column(
        ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class WorkLink(Owned, Base):
    """A work order that an episode opened; the newest is the current one."""

    __tablename__ = "work_links"

    episode_id: Mapped[UUID] = mapped_column(ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True)
    work_order_id: Mapped[UUID] = mapped_column(
        ForeignKey("work_orders.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    linked_at: Mapped[datetime]


class PredictedJob(Identified, Owned, Base):
    """A job that the models propose; `state` is one of watching, opened, dismissed, done.

    `reason_code` with `reason_params` says why it is where it is.
    """

    __tablename__ = "predicted_jobs"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(Text)
    finding_id: Mapped[UUID] = mapped_column(ForeignKey("findings.id", ondelete="CASCADE"), index=True)
    episode_id: Mapped[UUID | None] = mapped_column(ForeignKey("episodes.id", ondelete="SET NULL"), index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(Text)
    reason_code: Mapped[str] = mapped_column(Text)
    reason_params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    dismiss_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        # Flapping evidence is one line on the planner's list.
        Index(
            "uq_predicted_jobs_watching", "asset_id", "key", unique=True, postgresql_where=text("state = 'watching'")
        ),
        Index("ix_predicted_jobs_state", "state", "id"),
    )


class PolicyRow(Identified, Owned, Base):
    """How patient to be, for an organisation (and below), all models or one; `settings` overrides the defaults."""

    __tablename__ = "policies"

    name: Mapped[str] = mapped_column(Text)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    enabled: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime | None]
    # What its last replay on history gave, for the settings that it had then.
    last_replay: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)
    # Two planners who edit the same version cannot both win.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
