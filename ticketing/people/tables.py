"""Tables of people at work: skills, profiles, teams, shifts, absences, territories and partners' applications."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

MONEY = Numeric(18, 4)
LIVE_ABSENCES = ("requested", "approved")
_LIVE = text("state IN ('requested', 'approved')")


class WorkCentre(Identified, Owned, Versioned, Base):
    """A service outlet or workshop that people belong to. Coordinates are WGS-84 degrees."""

    __tablename__ = "work_centres"

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    latitude_deg: Mapped[float | None]
    longitude_deg: Mapped[float | None]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"), index=True)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="SET NULL"), index=True)
    archived_at: Mapped[datetime | None]
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class Team(Identified, Owned, Versioned, Base):
    """People who work together. `kind` internal or outsourced; an outsourced team belongs to its partner."""

    __tablename__ = "teams"

    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    trade: Mapped[str | None] = mapped_column(Text)
    work_centre_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_centres.id", ondelete="SET NULL"), index=True)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("organisation_id", "name"),
        CheckConstraint("kind IN ('internal', 'outsourced')", name="kind"),
    )


class TeamMember(Identified, Owned, Base):
    """Somebody belongs to a team in [valid_from, valid_to); the same person never twice at a time."""

    __tablename__ = "team_members"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    leads: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="forward"),
        ExcludeConstraint(
            ("team_id", "="),
            ("person_id", "="),
            (func.tstzrange(text("valid_from"), text("valid_to")), "&&"),
            name="team_members_once",
        ),
    )


class Skill(Identified, Owned, Versioned, Base):
    """Something that somebody can do or is allowed to do. `certified`: it counts with a certificate alone."""

    __tablename__ = "skills"

    code: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    trade: Mapped[str | None] = mapped_column(Text)
    certified: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class PersonSkill(Identified, Owned, Versioned, Base):
    """A person's skill: level 1 to 5, on the days from `valid_from` to `valid_until`, both included."""

    __tablename__ = "person_skills"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    skill_id: Mapped[UUID] = mapped_column(ForeignKey("skills.id", ondelete="CASCADE"), index=True)
    level: Mapped[int]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id", ondelete="SET NULL"), index=True)
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("person_id", "skill_id"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
        CheckConstraint("valid_until >= valid_from", name="forward"),
    )


class TechnicianProfile(Identified, Owned, Versioned, Base):
    """What planning needs to know of a person who is sent: where from, how fast, at what cost an hour, which van."""

    __tablename__ = "technician_profiles"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), unique=True)
    time_zone: Mapped[str] = mapped_column(Text, default="UTC")
    home_address: Mapped[str | None] = mapped_column(Text)
    home_latitude_deg: Mapped[float | None]
    home_longitude_deg: Mapped[float | None]
    work_centre_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_centres.id", ondelete="SET NULL"), index=True)
    van_location_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("stock_locations.id", ondelete="SET NULL"), index=True
    )
    vehicle: Mapped[str] = mapped_column(Text, default="van")
    speed_kmh: Mapped[float | None]
    cost_per_hour: Mapped[Decimal | None] = mapped_column(MONEY)
    overtime_cost_per_hour: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str] = mapped_column(Text, default="CNY")
    overtime_minutes: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("num_nonnulls(home_latitude_deg, home_longitude_deg) <> 1", name="home_whole"),
        CheckConstraint("speed_kmh > 0", name="moves"),
    )


class Shift(Identified, Owned, Versioned, Base):
    """A weekly pattern: `weeks` take turns, each {"0": [["08:00", "17:00"]], …} with "0" for Monday.

    Lunch of `lunch_minutes` somewhere between `lunch_from` and `lunch_until`; none when 0. Days that the calendar
    lists as exceptions are followed: empty ones are free, others worked.
    """

    __tablename__ = "shifts"

    name: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    weeks: Mapped[list[Any]]
    lunch_minutes: Mapped[int] = mapped_column(default=0)
    lunch_from: Mapped[time | None]
    lunch_until: Mapped[time | None]
    overtime_minutes: Mapped[int] = mapped_column(default=0)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="SET NULL"), index=True)
    archived_at: Mapped[datetime | None]
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class ShiftAssignment(Identified, Owned, Base):
    """A shift holds for a person or a team on the days from `valid_from` to `valid_until`, both included.

    The first of the weeks is the week of `valid_from`. A person's own assignments go before their teams'.
    """

    __tablename__ = "shift_assignments"

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("num_nonnulls(person_id, team_id) = 1", name="of_one"),
        CheckConstraint("valid_until >= valid_from", name="forward"),
    )


class Absence(Identified, Owned, Versioned, Base):
    """Somebody is away in [starts_at, ends_at); requested and approved ones of a person never overlap."""

    __tablename__ = "absences"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    requested_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="forward"),
        ExcludeConstraint(
            ("person_id", "="),
            (func.tstzrange(text("starts_at"), text("ends_at")), "&&"),
            where=_LIVE,
            name="absences_never_overlap",
        ),
        Index("ix_absences_person", "person_id", "starts_at"),
        Index("ix_absences_state", "state", "starts_at"),
    )


class Territory(Identified, Owned, Versioned, Base):
    """An area that people cover: a GeoJSON polygon, regions by name, sites of its own (`territory_sites`).

    `service_types`: codes that it is for, none for all. Where several fit, the lowest rank goes first, then the
    smallest area.
    """

    __tablename__ = "territories"

    name: Mapped[str] = mapped_column(Text)
    polygon: Mapped[dict[str, Any] | None]
    west_deg: Mapped[float | None]
    south_deg: Mapped[float | None]
    east_deg: Mapped[float | None]
    north_deg: Mapped[float | None]
    area_km2: Mapped[float | None]
    regions: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    service_types: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    rank: Mapped[int] = mapped_column(default=0)
    colour: Mapped[str | None] = mapped_column(Text)
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class TerritorySite(Identified, Owned, Base):
    """A site that belongs to a territory wherever it lies."""

    __tablename__ = "territory_sites"

    territory_id: Mapped[UUID] = mapped_column(ForeignKey("territories.id", ondelete="CASCADE"))
    site_id: Mapped[UUID] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("territory_id", "site_id"),)


class TerritoryCover(Identified, Owned, Base):
    """A team or a person covers a territory."""

    __tablename__ = "territory_cover"

    territory_id: Mapped[UUID] = mapped_column(ForeignKey("territories.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)

    __table_args__ = (
        UniqueConstraint("territory_id", "team_id", "person_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("num_nonnulls(person_id, team_id) = 1", name="of_one"),
    )


class PartnerApplication(Identified, Owned, Versioned, Base):
    """A company that asks to work for the operator. What names people is erased some time after a rejection."""

    __tablename__ = "partner_applications"

    company: Mapped[str] = mapped_column(Text)
    contact_name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    regions: Mapped[str | None] = mapped_column(Text)
    skills: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    confirmation_hash: Mapped[str | None] = mapped_column(Text, unique=True)
    address_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    decision_reason: Mapped[str | None] = mapped_column(Text)
    partner_organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_partner_applications_state", "state", "id"),
        Index("ix_partner_applications_address", "address_hash", "created_at"),
        Index(
            "uq_partner_applications_waiting",
            "organisation_id",
            func.lower(text("email")),
            unique=True,
            postgresql_where=text("state IN ('unconfirmed', 'waiting')"),
        ),
    )
