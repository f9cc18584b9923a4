"""Tables of procedures: library, what it is for, what an hour costs, what work keeps, its answers and permits."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned
from assets.stock.words import MONEY


class Procedure(Identified, Versioned, Owned, Base):
    """A way of working; organisations below its owner read it. What is to be done stands in its versions."""

    __tablename__ = "procedures"

    code: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    description_en: Mapped[str] = mapped_column(Text, default="")
    description_zh: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    demo: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class ProcedureVersion(Identified, Versioned, Owned, Base):
    """Steps and norms of one version: `draft` may be edited, `published` is what new work gets.

    `superseded` and `withdrawn` are history, the latter with a reason. `norms`: what it takes (procedures.norms);
    `standard_cost`: what that cost when it was published. `origin`: the order that it was made from.
    """

    __tablename__ = "procedure_versions"

    procedure_id: Mapped[UUID] = mapped_column(ForeignKey("procedures.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    steps: Mapped[list[Any]]
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    published_at: Mapped[datetime | None]
    published_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    norms: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'::jsonb"))
    standard_cost: Mapped[dict[str, Any] | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    withdrawn_reason: Mapped[str | None] = mapped_column(Text)
    origin_work_order_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("work_orders.id", ondelete="SET NULL"), index=True
    )
    origin: Mapped[dict[str, Any] | None]

    __table_args__ = (
        UniqueConstraint("procedure_id", "number"),
        Index(
            "uq_procedure_versions_published", "procedure_id", unique=True, postgresql_where=text("state = 'published'")
        ),
        Index("uq_procedure_versions_draft", "procedure_id", unique=True, postgresql_where=text("state = 'draft'")),
    )


class ProcedureLink(Identified, Owned, Base):
    """New work gets the procedure when all that the link names fits: asset model, service type, failure mode."""

    __tablename__ = "procedure_links"

    procedure_id: Mapped[UUID] = mapped_column(ForeignKey("procedures.id", ondelete="CASCADE"), index=True)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    failure_mode_id: Mapped[UUID | None] = mapped_column(ForeignKey("failure_modes.id", ondelete="CASCADE"), index=True)
    service_type_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_types.id", ondelete="CASCADE"), index=True)

    __table_args__ = (
        CheckConstraint("num_nonnulls(asset_model_id, failure_mode_id, service_type_id) > 0", name="names_something"),
        UniqueConstraint(
            "procedure_id",
            "asset_model_id",
            "failure_mode_id",
            "service_type_id",
            name="uq_procedure_links_what",
            postgresql_nulls_not_distinct=True,
        ),
    )


class ProcedureRun(Identified, Owned, Base):
    """A version as it was when the work got it; later versions change nothing here.

    `snapshot`: code, names, steps, norms, standard cost. `stopped_at`: its version was withdrawn, and nobody goes on
    with it.
    """

    __tablename__ = "procedure_runs"

    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID] = mapped_column(index=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    procedure_id: Mapped[UUID | None] = mapped_column(ForeignKey("procedures.id", ondelete="SET NULL"), index=True)
    version_number: Mapped[int]
    snapshot: Mapped[dict[str, Any]]
    attached_at: Mapped[datetime]
    attached_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    completed_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    removed_reason: Mapped[str | None] = mapped_column(Text)
    stopped_at: Mapped[datetime | None]
    stopped_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(
            "uq_procedure_runs_subject",
            "subject_id",
            "procedure_id",
            "asset_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )


class ProcedureAnswer(Identified, Owned, Base):
    """One answer to one step. Answers are only added; the newest of a step counts, the others are its history."""

    __tablename__ = "procedure_answers"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("procedure_runs.id", ondelete="CASCADE"))
    step_key: Mapped[str] = mapped_column(Text)
    value: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    evidence_ids: Mapped[list[Any]] = mapped_column(default=list)
    note: Mapped[str | None] = mapped_column(Text)
    out_of_limit: Mapped[bool]
    answered_at: Mapped[datetime]
    answered_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    received_at: Mapped[datetime]

    __table_args__ = (Index("ix_procedure_answers_run", "run_id", "answered_at"),)


class PermitEntry(Identified, Owned, Base):
    """Somebody signed on to a permit of a run, put a lock on, confirmed, took it off, signed off. Only added.

    `of_person_id`: whose lock it was, when the desk took off somebody else's.
    """

    __tablename__ = "permit_entries"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("procedure_runs.id", ondelete="CASCADE"))
    permit_code: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    point_code: Mapped[str | None] = mapped_column(Text)
    lock_number: Mapped[str | None] = mapped_column(Text)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    of_person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    note: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]
    received_at: Mapped[datetime]

    __table_args__ = (Index("ix_permit_entries_run", "run_id", "at"),)


class LabourRate(Identified, Versioned, Owned, Base):
    """What an hour of a skill (None: of anybody) costs from a level on, on the days from `valid_from` to `valid_to`."""

    __tablename__ = "labour_rates"

    skill: Mapped[str | None] = mapped_column(Text)
    level: Mapped[int]
    rate: Mapped[Decimal] = mapped_column(MONEY)
    currency: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    created_at: Mapped[datetime]
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (
        CheckConstraint("rate >= 0", name="not_negative"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
        CheckConstraint("valid_to >= valid_from", name="forward"),
        UniqueConstraint(
            "organisation_id",
            "skill",
            "level",
            "currency",
            "valid_from",
            name="uq_labour_rates_what",
            postgresql_nulls_not_distinct=True,
        ),
    )
