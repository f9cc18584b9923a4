"""Tables of who people are at work, as their migration makes them: centres, teams, skills, profiles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from gateway.migrations.columns import AMOUNT, TIME, key, primary

SKILLS = ("work_centres", "teams", "team_members", "skills", "person_skills", "technician_profiles")


def create_skills() -> None:
    """Make the tables."""
    _work_centres()
    _teams()
    _team_members()
    _skills()
    _person_skills()
    _technician_profiles()


def _work_centres() -> None:
    op.create_table(
        "work_centres",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("latitude_deg", sa.Double()),
        sa.Column("longitude_deg", sa.Double()),
        sa.Column("site_id", sa.Uuid()),
        sa.Column("calendar_id", sa.Uuid()),
        sa.Column("archived_at", TIME),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("work_centres", "calendar_id", "calendars", "SET NULL"),
        key("work_centres", "organisation_id", "organisations"),
        key("work_centres", "site_id", "sites", "SET NULL"),
        primary("work_centres"),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_work_centres_organisation_id_code")),
    )
    op.create_index(op.f("ix_work_centres_calendar_id"), "work_centres", ["calendar_id"])
    op.create_index(op.f("ix_work_centres_organisation_id"), "work_centres", ["organisation_id"])
    op.create_index(op.f("ix_work_centres_site_id"), "work_centres", ["site_id"])


def _teams() -> None:
    op.create_table(
        "teams",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trade", sa.Text()),
        sa.Column("work_centre_id", sa.Uuid()),
        sa.Column("archived_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("kind IN ('internal', 'outsourced')", name=op.f("ck_teams_kind")),
        key("teams", "organisation_id", "organisations"),
        key("teams", "work_centre_id", "work_centres", "SET NULL"),
        primary("teams"),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_teams_organisation_id_name")),
    )
    op.create_index(op.f("ix_teams_organisation_id"), "teams", ["organisation_id"])
    op.create_index(op.f("ix_teams_work_centre_id"), "teams", ["work_centre_id"])


def _team_members() -> None:
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("leads", sa.Boolean(), nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("valid_to", TIME),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("team_id"), "="),
            (sa.column("person_id"), "="),
            (sa.text("tstzrange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="team_members_once",
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_team_members_forward")),
        key("team_members", "organisation_id", "organisations"),
        key("team_members", "person_id", "people", "CASCADE"),
        key("team_members", "team_id", "teams", "CASCADE"),
        primary("team_members"),
    )
    op.create_index(op.f("ix_team_members_organisation_id"), "team_members", ["organisation_id"])
    op.create_index(op.f("ix_team_members_person_id"), "team_members", ["person_id"])
    op.create_index(op.f("ix_team_members_team_id"), "team_members", ["team_id"])


def _skills() -> None:
    op.create_table(
        "skills",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("trade", sa.Text()),
        sa.Column("certified", sa.Boolean(), nullable=False),
        sa.Column("archived_at", TIME),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("skills", "organisation_id", "organisations"),
        primary("skills"),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_skills_organisation_id_code")),
    )
    op.create_index(op.f("ix_skills_organisation_id"), "skills", ["organisation_id"])


def _person_skills() -> None:
    op.create_table(
        "person_skills",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_until", sa.Date()),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("note", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name=op.f("ck_person_skills_level")),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_person_skills_forward")),
        key("person_skills", "document_id", "documents", "SET NULL"),
        key("person_skills", "organisation_id", "organisations"),
        key("person_skills", "person_id", "people", "CASCADE"),
        key("person_skills", "skill_id", "skills", "CASCADE"),
        primary("person_skills"),
        sa.UniqueConstraint("person_id", "skill_id", name=op.f("uq_person_skills_person_id_skill_id")),
    )
    op.create_index(op.f("ix_person_skills_document_id"), "person_skills", ["document_id"])
    op.create_index(op.f("ix_person_skills_organisation_id"), "person_skills", ["organisation_id"])
    op.create_index(op.f("ix_person_skills_skill_id"), "person_skills", ["skill_id"])


def _technician_profiles() -> None:
    op.create_table(
        "technician_profiles",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("home_address", sa.Text()),
        sa.Column("home_latitude_deg", sa.Double()),
        sa.Column("home_longitude_deg", sa.Double()),
        sa.Column("work_centre_id", sa.Uuid()),
        sa.Column("van_location_id", sa.Uuid()),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("speed_kmh", sa.Double()),
        sa.Column("cost_per_hour", AMOUNT),
        sa.Column("overtime_cost_per_hour", AMOUNT),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("overtime_minutes", sa.Integer()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(home_latitude_deg, home_longitude_deg) <> 1", name=op.f("ck_technician_profiles_home_whole")
        ),
        sa.CheckConstraint("speed_kmh > 0", name=op.f("ck_technician_profiles_moves")),
        key("technician_profiles", "organisation_id", "organisations"),
        key("technician_profiles", "person_id", "people", "CASCADE"),
        key("technician_profiles", "van_location_id", "stock_locations", "SET NULL"),
        key("technician_profiles", "work_centre_id", "work_centres", "SET NULL"),
        primary("technician_profiles"),
        sa.UniqueConstraint("person_id", name=op.f("uq_technician_profiles_person_id")),
    )
    op.create_index(op.f("ix_technician_profiles_organisation_id"), "technician_profiles", ["organisation_id"])
    op.create_index(op.f("ix_technician_profiles_van_location_id"), "technician_profiles", ["van_location_id"])
    op.create_index(op.f("ix_technician_profiles_work_centre_id"), "technician_profiles", ["work_centre_id"])
