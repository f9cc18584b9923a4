"""Tables of maintenance plans: what is planned for which machines, and the occurrences made ahead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

STATES = ("draft", "active", "paused", "ended")
OCCURRENCE_STATES = ("planned", "released", "done", "skipped", "missed", "cancelled", "left_out")
OPEN = ("planned", "released")
TOO_MANY = "too_many"  # turns, of a meter that goes on by far more than the plan expects
_TYPE = ForeignKey("service_types.id", ondelete="SET NULL")


class InspectionRound(Identified, Owned, Versioned, Base):
    """A route over machines of a site, walked as one piece of work."""

    __tablename__ = "inspection_rounds"

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[dict[str, Any]]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class RoundStop(Identified, Owned, Base):
    """One machine on a round, in its place; `procedure_id`: what is looked at there."""

    __tablename__ = "round_stops"

    round_id: Mapped[UUID] = mapped_column(ForeignKey("inspection_rounds.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    procedure_id: Mapped[UUID | None] = mapped_column(ForeignKey("procedures.id", ondelete="SET NULL"), index=True)
    position: Mapped[int]
    minutes: Mapped[int | None]

    __table_args__ = (UniqueConstraint("round_id", "position", deferrable=True, initially="DEFERRED"),)


class MaintenancePlan(Identified, Owned, Versioned, Base):
    """What is done, how often, for which machines.

    For all machines of `asset_model_id` that `effectivity` holds (`maintenance.plans.effectivity`), for machines chosen
    one by one (`plan_assets`), or for a round. Tolerances are {"days": n} or {"percent": n}; `shift` {"late_percent",
    "early_percent", "late", "early"}; seasons ["11-01/03-31"], blackouts [["2026-07-01", "2026-07-20"]].
    """

    __tablename__ = "maintenance_plans"

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(Text, default="draft")
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="RESTRICT"), index=True)
    round_id: Mapped[UUID | None] = mapped_column(ForeignKey("inspection_rounds.id", ondelete="RESTRICT"), index=True)
    effectivity: Mapped[dict[str, Any]] = mapped_column(default=dict)
    service_type_id: Mapped[UUID | None] = mapped_column(_TYPE, index=True)
    procedure_id: Mapped[UUID | None] = mapped_column(ForeignKey("procedures.id", ondelete="SET NULL"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="SET NULL"), index=True)
    skills: Mapped[list[Any]] = mapped_column(default=list)
    priority: Mapped[str] = mapped_column(Text)
    duration_minutes: Mapped[int | None]
    lead_days: Mapped[int]
    horizon_days: Mapped[int]
    tolerance_before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tolerance_after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    scheduling: Mapped[str] = mapped_column(Text)
    shift: Mapped[dict[str, Any]] = mapped_column(default=dict)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="RESTRICT"), index=True)
    when_closed: Mapped[str] = mapped_column(Text)
    seasons: Mapped[list[Any]] = mapped_column(default=list)
    blackouts: Mapped[list[Any]] = mapped_column(default=list)
    near_days: Mapped[int] = mapped_column(default=0)
    when_missed: Mapped[str] = mapped_column(Text)  # close: the next one replaces it; keep: both are to be done
    starts: Mapped[str] = mapped_column(Text)  # installed | commissioned | on
    starts_on: Mapped[date | None]
    at_minute: Mapped[int] = mapped_column(default=0)  # of the local day
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    # A job takes many machines up, or lets them go: why, since when, and up to which of them it has come.
    settling: Mapped[str | None] = mapped_column(Text)
    settling_since: Mapped[datetime | None]
    settled_after: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("organisation_id", "code"),
        CheckConstraint("lead_days BETWEEN 0 AND 730 AND horizon_days BETWEEN 1 AND 1830", name="days"),
        Index("ix_maintenance_plans_settling", "id", postgresql_where=text("settling IS NOT NULL")),
    )


class PlanPackage(Identified, Owned, Base):
    """One package of a plan, its trigger as `maintenance.plans.triggers` reads it; the higher covers the lower."""

    __tablename__ = "plan_packages"

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_plans.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[dict[str, Any]]
    position: Mapped[int]
    hierarchy: Mapped[int] = mapped_column(default=1)
    trigger: Mapped[dict[str, Any]]
    procedure_id: Mapped[UUID | None] = mapped_column(ForeignKey("procedures.id", ondelete="SET NULL"), index=True)
    duration_minutes: Mapped[int | None]

    __table_args__ = (UniqueConstraint("plan_id", "code"),)


class PlanAsset(Identified, Owned, Base):
    """A machine of a plan: from when it counts, what was done so far, and until when it is made ahead.

    `turns`: by package {"done", "last_done", "last_totals", "last_target", "shift_days"}, times local to the site.
    `dirty`: something changed, its occurrences have to be made anew; else that is so at `remake_at`. `state`: waiting
    (for its plan, or for the machine to begin), active, paused, ended (`reason`); active with `too_many`: its meter
    makes more turns due than are made, what is there stays. `start_totals`: {"start": {meter: total}, "since":
    {…}}, kept as first seen: who edits an old reading moves no grid.
    """

    __tablename__ = "plan_assets"

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_plans.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    chosen: Mapped[bool] = mapped_column(default=False)  # by a person; the others come and go with the model
    state: Mapped[str] = mapped_column(Text, default="waiting")
    reason: Mapped[str | None] = mapped_column(Text)
    start_on: Mapped[date | None]  # local day from which it counts; None: it has not begun yet
    start_totals: Mapped[dict[str, Any]] = mapped_column(default=dict)
    turns: Mapped[dict[str, Any]] = mapped_column(default=dict)
    since: Mapped[datetime]  # nothing is due before: a plan that begins today owes nothing of last year
    made_until: Mapped[datetime | None]
    remake_at: Mapped[datetime | None]
    dirty: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        UniqueConstraint("plan_id", "asset_id"),
        Index("ix_plan_assets_dirty", "id", postgresql_where=text("dirty AND state = 'active'")),
        Index("ix_plan_assets_remake_at", "remake_at", postgresql_where=text("state = 'active'")),
    )


class Occurrence(Identified, Owned, Base):
    """One piece of planned work on one machine. (plan_asset_id, slot) is its identity, wherever its date moves.

    `due_at` None: a meter of which nobody knows yet when it gets to `target`. `put_at`: a planner put it elsewhere,
    then `due_on` is that day. `release_at`: when it becomes a work order. `packages` and `covered`: [{"code", "slot",
    "target"}].
    """

    __tablename__ = "occurrences"

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_plans.id", ondelete="CASCADE"), index=True)
    plan_asset_id: Mapped[UUID] = mapped_column(ForeignKey("plan_assets.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    slot: Mapped[str] = mapped_column(Text)
    packages: Mapped[list[Any]]
    covered: Mapped[list[Any]] = mapped_column(default=list)
    source: Mapped[str] = mapped_column(Text)  # calendar | meter | condition | by_hand
    state: Mapped[str] = mapped_column(Text, default="planned")
    due_at: Mapped[datetime | None]
    due_on: Mapped[date | None]
    earliest_at: Mapped[datetime | None]
    latest_at: Mapped[datetime | None]
    low_at: Mapped[datetime | None]
    high_at: Mapped[datetime | None]
    target: Mapped[float | None]
    put_at: Mapped[datetime | None]
    release_at: Mapped[datetime | None]
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    released_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[dict[str, Any] | None]
    digest: Mapped[int | None] = mapped_column(BigInteger)  # of what the rules said when it was made last

    __table_args__ = (
        UniqueConstraint("plan_asset_id", "slot"),
        Index("ix_occurrences_organisation_id_due_on", "organisation_id", "due_on"),
        Index("ix_occurrences_asset_id_due_on", "asset_id", "due_on"),
        Index("ix_occurrences_waiting", "release_at", postgresql_where=text("state = 'planned'")),
        Index("ix_occurrences_open", "latest_at", postgresql_where=text("state IN ('planned', 'released')")),
        Index("ix_occurrences_reaching", "asset_id", postgresql_where=text("state = 'planned' AND target IS NOT NULL")),
    )
