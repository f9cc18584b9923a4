"""Tables of dispatch: how an organisation plans, its plans as rows, and what customers were promised."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned, Versioned

MODES = ("off", "proposal", "unattended", "pool", "nearest")
PLAN_STATES = ("waiting", "running", "proposed", "published", "rejected", "failed")
CAUSES = ("manual", "unattended", "absence", "emergency")
APPOINTMENT_STATES = ("booked", "cancelled")


class DispatchSettings(Identified, Versioned, Owned, Base):
    """How one organisation plans. `wanted_at`: from when on a plan is due that nobody has to ask for.

    `parts`: 'van' sends only who carries what is reserved; 'depot' takes what lies in a warehouse as collected before.
    """

    __tablename__ = "dispatch_settings"

    mode: Mapped[str] = mapped_column(Text)
    parts: Mapped[str] = mapped_column(Text)
    weights: Mapped[dict[str, Any]] = mapped_column(default=dict)
    horizon_days: Mapped[int]
    solve_seconds: Mapped[int]
    moves_allowed: Mapped[int]
    window_minutes: Mapped[int]
    wanted_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("organisation_id"),)


class DispatchPlan(Identified, Owned, Base):
    """One plan that was asked for, from waiting to published. Costs are minutes of driving, by parts.

    `versions` are those of the visits and orders that it was made from; publishing compares them.
    """

    __tablename__ = "dispatch_plans"

    state: Mapped[str] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    seconds: Mapped[int]
    urgent_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    absent_person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    publish_at_once: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    reason: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    input_digest: Mapped[str | None] = mapped_column(Text)
    solver: Mapped[str | None] = mapped_column(Text)
    tried: Mapped[list[Any]] = mapped_column(default=list)
    score_before: Mapped[dict[str, Any] | None]
    score_after: Mapped[dict[str, Any] | None]
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    left_out: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index("ix_dispatch_plans_waiting", "created_at", postgresql_where=text("state IN ('waiting', 'running')")),
        CheckConstraint("from_at < until_at", name="forward"),
    )


class PlanAssignment(Identified, Owned, Base):
    """What one plan says of one visit: who and when; or, without a technician, why nobody."""

    __tablename__ = "plan_assignments"

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("dispatch_plans.id", ondelete="CASCADE"), index=True)
    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("visits.id", ondelete="CASCADE"), index=True)
    technician_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    planned_start: Mapped[datetime | None]
    planned_end: Mapped[datetime | None]
    travel_minutes: Mapped[int | None]
    position_in_route: Mapped[int | None]
    changed: Mapped[bool]
    before: Mapped[dict[str, Any] | None]
    reason_code: Mapped[str | None] = mapped_column(Text)
    reason_detail: Mapped[str | None] = mapped_column(Text)


class Appointment(Identified, Versioned, Executed, Base):
    """A promise to begin an order's work within [window_from, window_until]; plans keep it."""

    __tablename__ = "appointments"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"))
    window_from: Mapped[datetime]
    window_until: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    chosen_by: Mapped[str] = mapped_column(Text)  # customer | desk
    moves: Mapped[int] = mapped_column(default=0)  # by the customer
    booked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_appointments_booked", "work_order_id", unique=True, postgresql_where=text("state = 'booked'")),
        CheckConstraint("window_from < window_until", name="forward"),
    )


class AppointmentOffer(Identified, Executed, Base):
    """Windows offered for one order: [{from, until}]; whoever holds the link chooses."""

    __tablename__ = "appointment_offers"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    # Stored plain, to send the link again, as a request's tracking code is.
    token: Mapped[str] = mapped_column(Text, unique=True)
    windows: Mapped[list[Any]] = mapped_column(default=list)
    offered_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    closed_at: Mapped[datetime | None]
