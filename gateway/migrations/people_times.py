"""Tables of when and where people work, as their migration makes them: shifts, absences, territories, applicants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from gateway.migrations.columns import JSON, TIME, key, primary

TIMES = (
    "shifts",
    "shift_assignments",
    "absences",
    "territories",
    "territory_sites",
    "territory_cover",
    "partner_applications",
)


def create_times() -> None:
    """Make the tables."""
    _shifts()
    _shift_assignments()
    _absences()
    _territories()
    _territory_sites()
    _territory_cover()
    _partner_applications()


def _shifts() -> None:
    op.create_table(
        "shifts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("weeks", JSON, nullable=False),
        sa.Column("lunch_minutes", sa.Integer(), nullable=False),
        sa.Column("lunch_from", sa.Time()),
        sa.Column("lunch_until", sa.Time()),
        sa.Column("overtime_minutes", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Uuid()),
        sa.Column("archived_at", TIME),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("shifts", "calendar_id", "calendars", "SET NULL"),
        key("shifts", "organisation_id", "organisations"),
        primary("shifts"),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_shifts_organisation_id_name")),
    )
    op.create_index(op.f("ix_shifts_calendar_id"), "shifts", ["calendar_id"])
    op.create_index(op.f("ix_shifts_organisation_id"), "shifts", ["organisation_id"])


def _shift_assignments() -> None:
    op.create_table(
        "shift_assignments",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("team_id", sa.Uuid()),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("num_nonnulls(person_id, team_id) = 1", name=op.f("ck_shift_assignments_of_one")),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_shift_assignments_forward")),
        key("shift_assignments", "organisation_id", "organisations"),
        key("shift_assignments", "person_id", "people", "CASCADE"),
        key("shift_assignments", "shift_id", "shifts", "CASCADE"),
        key("shift_assignments", "team_id", "teams", "CASCADE"),
        primary("shift_assignments"),
    )
    op.create_index(op.f("ix_shift_assignments_organisation_id"), "shift_assignments", ["organisation_id"])
    op.create_index(op.f("ix_shift_assignments_person_id"), "shift_assignments", ["person_id"])
    op.create_index(op.f("ix_shift_assignments_shift_id"), "shift_assignments", ["shift_id"])
    op.create_index(op.f("ix_shift_assignments_team_id"), "shift_assignments", ["team_id"])


def _absences() -> None:
    op.create_table(
        "absences",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid()),
        sa.Column("decided_by_id", sa.Uuid()),
        sa.Column("decided_at", TIME),
        sa.Column("decision_reason", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("person_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text("state IN ('requested', 'approved')"),
            using="gist",
            name="absences_never_overlap",
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_absences_forward")),
        key("absences", "decided_by_id", "people", "SET NULL"),
        key("absences", "organisation_id", "organisations"),
        key("absences", "person_id", "people", "CASCADE"),
        key("absences", "requested_by_id", "people", "SET NULL"),
        primary("absences"),
    )
    op.create_index(op.f("ix_absences_organisation_id"), "absences", ["organisation_id"])
    op.create_index("ix_absences_person", "absences", ["person_id", "starts_at"])
    op.create_index("ix_absences_state", "absences", ["state", "starts_at"])


def _territories() -> None:
    op.create_table(
        "territories",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("polygon", JSON),
        sa.Column("west_deg", sa.Double()),
        sa.Column("south_deg", sa.Double()),
        sa.Column("east_deg", sa.Double()),
        sa.Column("north_deg", sa.Double()),
        sa.Column("area_km2", sa.Double()),
        sa.Column("regions", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("service_types", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("colour", sa.Text()),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("territories", "organisation_id", "organisations"),
        primary("territories"),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_territories_organisation_id_name")),
    )
    op.create_index(op.f("ix_territories_organisation_id"), "territories", ["organisation_id"])


def _territory_sites() -> None:
    op.create_table(
        "territory_sites",
        sa.Column("territory_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("territory_sites", "organisation_id", "organisations"),
        key("territory_sites", "site_id", "sites", "CASCADE"),
        key("territory_sites", "territory_id", "territories", "CASCADE"),
        primary("territory_sites"),
        sa.UniqueConstraint("territory_id", "site_id", name=op.f("uq_territory_sites_territory_id_site_id")),
    )
    op.create_index(op.f("ix_territory_sites_organisation_id"), "territory_sites", ["organisation_id"])
    op.create_index(op.f("ix_territory_sites_site_id"), "territory_sites", ["site_id"])


def _territory_cover() -> None:
    op.create_table(
        "territory_cover",
        sa.Column("territory_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("num_nonnulls(person_id, team_id) = 1", name=op.f("ck_territory_cover_of_one")),
        key("territory_cover", "organisation_id", "organisations"),
        key("territory_cover", "person_id", "people", "CASCADE"),
        key("territory_cover", "team_id", "teams", "CASCADE"),
        key("territory_cover", "territory_id", "territories", "CASCADE"),
        primary("territory_cover"),
        sa.UniqueConstraint(
            "territory_id",
            "team_id",
            "person_id",
            name=op.f("uq_territory_cover_territory_id_team_id_person_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_territory_cover_organisation_id"), "territory_cover", ["organisation_id"])
    op.create_index(op.f("ix_territory_cover_person_id"), "territory_cover", ["person_id"])
    op.create_index(op.f("ix_territory_cover_team_id"), "territory_cover", ["team_id"])


def _partner_applications() -> None:
    op.create_table(
        "partner_applications",
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("contact_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("regions", sa.Text()),
        sa.Column("skills", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("confirmation_hash", sa.Text()),
        sa.Column("address_hash", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("confirmed_at", TIME),
        sa.Column("decided_at", TIME),
        sa.Column("decided_by_id", sa.Uuid()),
        sa.Column("decision_reason", sa.Text()),
        sa.Column("partner_organisation_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("partner_applications", "decided_by_id", "people", "SET NULL"),
        key("partner_applications", "organisation_id", "organisations"),
        key("partner_applications", "partner_organisation_id", "organisations"),
        key("partner_applications", "person_id", "people", "SET NULL"),
        primary("partner_applications"),
        sa.UniqueConstraint("confirmation_hash", name=op.f("uq_partner_applications_confirmation_hash")),
    )
    op.create_index("ix_partner_applications_address", "partner_applications", ["address_hash", "created_at"])
    op.create_index(op.f("ix_partner_applications_organisation_id"), "partner_applications", ["organisation_id"])
    op.create_index("ix_partner_applications_state", "partner_applications", ["state", "id"])
    op.create_index(
        "uq_partner_applications_waiting",
        "partner_applications",
        ["organisation_id", sa.literal_column("lower(email)")],
        unique=True,
        postgresql_where=sa.text("state IN ('unconfirmed', 'waiting')"),
    )
