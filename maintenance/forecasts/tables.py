"""Tables of forecasts: weekly sums of planned work, weekly history of unplanned work, capacity, staffing gaps.

All of them are kept by a job from the rows that they sum up; requests only read them. `week` is a Monday.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.stock.words import QUANTITY


class PlannedHours(Identified, Owned, Base):
    """Minutes of open planned work of a week by site, team and skill; `unknown`: jobs that nobody gave a duration."""

    __tablename__ = "planned_hours"

    week: Mapped[date]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    skill: Mapped[str] = mapped_column(Text)
    level: Mapped[int]
    minutes: Mapped[int] = mapped_column(BigInteger)
    jobs: Mapped[int]
    unknown: Mapped[int]

    __table_args__ = (Index("ix_planned_hours_organisation_id_week", "organisation_id", "week"),)


class PlannedParts(Identified, Owned, Base):
    """What open planned work of a week takes of an item at a site."""

    __tablename__ = "planned_parts"

    week: Mapped[date]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    jobs: Mapped[int]

    __table_args__ = (Index("ix_planned_parts_organisation_id_week", "organisation_id", "week"),)


class ForecastMark(Identified, Owned, Base):
    """Something changed that sums are made of: a week, or all weeks of a plan, a machine, a procedure or a round.

    Triggers write marks, never two the same row, so that nobody waits for anybody; the job takes them.
    """

    __tablename__ = "forecast_marks"

    week: Mapped[date | None]
    plan_id: Mapped[UUID | None]
    asset_id: Mapped[UUID | None]
    procedure_id: Mapped[UUID | None]
    round_id: Mapped[UUID | None]


class DemandHours(Identified, Owned, Base):
    """Unplanned orders that were opened in a week, and the minutes of those (`timed`) whose time is known.

    `predicted`: how many of them began as a predicted job.
    """

    __tablename__ = "demand_hours"

    week: Mapped[date]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    skill: Mapped[str] = mapped_column(Text)
    level: Mapped[int]
    orders: Mapped[int]
    predicted: Mapped[int]
    timed: Mapped[int]
    minutes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_demand_hours_organisation_id_week", "organisation_id", "week"),)


class DemandParts(Identified, Owned, Base):
    """What unplanned orders used of an item in a week."""

    __tablename__ = "demand_parts"

    week: Mapped[date]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)

    __table_args__ = (Index("ix_demand_parts_organisation_id_week", "organisation_id", "week"),)


class CapacityWeek(Identified, Owned, Base):
    """Minutes that somebody can work in a week (of UTC): shifts without lunch, holidays and approved absences."""

    __tablename__ = "capacity_weeks"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    week: Mapped[date]
    minutes: Mapped[int]

    __table_args__ = (
        UniqueConstraint("person_id", "week"),
        Index("ix_capacity_weeks_organisation_id_week", "organisation_id", "week"),
    )


class ForecastState(Owned, Base):
    """How far the job is with an organisation."""

    __tablename__ = "forecast_states"

    # One row of an organisation.
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    demand_at: Mapped[datetime | None]
    demand_whole_at: Mapped[datetime | None]
    capacity_at: Mapped[datetime | None]
    capacity_of: Mapped[str | None] = mapped_column(Text)  # digest of what capacity was reckoned from
    gaps_at: Mapped[datetime | None]


class StaffingGap(Identified, Owned, Base):
    """In a week people who can do it lack hours; told once, whatever it grows to meanwhile. `team_id` None: everybody.

    `missing_minutes` of what is expected, `missing_high_minutes` of its upper bound; `made_of`: minutes by source.
    """

    __tablename__ = "staffing_gaps"

    week: Mapped[date]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    skill: Mapped[str] = mapped_column(Text)
    level: Mapped[int]
    needed_minutes: Mapped[int] = mapped_column(BigInteger)
    needed_high_minutes: Mapped[int] = mapped_column(BigInteger)
    capacity_minutes: Mapped[int] = mapped_column(BigInteger)
    missing_minutes: Mapped[int] = mapped_column(BigInteger)
    missing_high_minutes: Mapped[int] = mapped_column(BigInteger)
    made_of: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_staffing_gaps_open",
            "organisation_id",
            "week",
            "team_id",
            "skill",
            "level",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )
