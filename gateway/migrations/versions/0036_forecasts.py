"""Forecasts: weekly sums of planned work with marks of what changed, history of demand, capacity, staffing gaps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import AMOUNT, JSON, TIME, key, primary

revision = "0036"
down_revision = "0035"

_TABLES = (
    "planned_hours", "planned_parts", "forecast_marks", "demand_hours", "demand_parts", "capacity_weeks",
    "forecast_states", "staffing_gaps",
)  # fmt: skip

_DAY = "(date_trunc('week', due_on))::date"
# What sums of a week are made of: the day, whether it is open, which packages, on which machine.
_SAID = "r.due_on, r.state IN ('planned', 'released'), r.packages, r.asset_id, r.plan_id, r.organisation_id"
_FUNCTIONS = {
    "forewarn_mark_made": f"""
  INSERT INTO forecast_marks (id, organisation_id, week)
  SELECT gen_random_uuid(), organisation_id, week FROM (
    SELECT DISTINCT organisation_id, {_DAY} AS week FROM added
    WHERE due_on IS NOT NULL AND state IN ('planned', 'released')) d;
  RETURN NULL;""",
    "forewarn_mark_removed": f"""
  INSERT INTO forecast_marks (id, organisation_id, week)
  SELECT gen_random_uuid(), organisation_id, week FROM (
    SELECT DISTINCT organisation_id, {_DAY} AS week FROM removed
    WHERE due_on IS NOT NULL AND state IN ('planned', 'released')) d
  WHERE EXISTS (SELECT FROM organisations g WHERE g.id = d.organisation_id);
  RETURN NULL;""",
    "forewarn_mark_changed": f"""
  INSERT INTO forecast_marks (id, organisation_id, week)
  SELECT gen_random_uuid(), organisation_id, week FROM (
    SELECT DISTINCT organisation_id, {_DAY} AS week FROM (
      SELECT r.organisation_id, r.due_on, r.state FROM added r JOIN removed o ON o.id = r.id
      WHERE ROW({_SAID}) IS DISTINCT FROM ROW({_SAID.replace("r.", "o.")})
      UNION ALL
      SELECT o.organisation_id, o.due_on, o.state FROM added r JOIN removed o ON o.id = r.id
      WHERE ROW({_SAID}) IS DISTINCT FROM ROW({_SAID.replace("r.", "o.")})
    ) s WHERE due_on IS NOT NULL AND state IN ('planned', 'released')) d;
  RETURN NULL;""",
    "forewarn_mark_plan": """
  INSERT INTO forecast_marks (id, organisation_id, plan_id) VALUES (gen_random_uuid(), NEW.organisation_id, NEW.id);
  RETURN NULL;""",
    "forewarn_mark_package": """
  INSERT INTO forecast_marks (id, organisation_id, plan_id)
  VALUES (gen_random_uuid(), NEW.organisation_id, NEW.plan_id);
  RETURN NULL;""",
    "forewarn_mark_asset": """
  INSERT INTO forecast_marks (id, organisation_id, asset_id) VALUES (gen_random_uuid(), NEW.organisation_id, NEW.id);
  RETURN NULL;""",
    "forewarn_mark_procedure": """
  INSERT INTO forecast_marks (id, organisation_id, procedure_id)
  VALUES (gen_random_uuid(), NEW.organisation_id, (to_jsonb(NEW) ->> TG_ARGV[0])::uuid);
  RETURN NULL;""",
    "forewarn_mark_taken": """
  INSERT INTO forecast_marks (id, organisation_id, week)
  SELECT gen_random_uuid(), organisation_id, (date_trunc('week', due_on))::date FROM occurrences
  WHERE work_order_id = NEW.work_order_id AND state = 'released' AND due_on IS NOT NULL;
  RETURN NULL;""",
    "forewarn_mark_round": """
  IF TG_OP = 'DELETE' THEN
    INSERT INTO forecast_marks (id, organisation_id, round_id)
    SELECT gen_random_uuid(), OLD.organisation_id, OLD.round_id
    WHERE EXISTS (SELECT FROM organisations g WHERE g.id = OLD.organisation_id);
  ELSE
    INSERT INTO forecast_marks (id, organisation_id, round_id)
    VALUES (gen_random_uuid(), NEW.organisation_id, NEW.round_id);
  END IF;
  RETURN NULL;""",
}
_PLAN = "state, team_id, skills, duration_minutes, procedure_id, round_id"
_TRIGGERS = (
    ("occurrences", "mark_made AFTER INSERT", "REFERENCING NEW TABLE AS added FOR EACH STATEMENT", "made()"),
    ("occurrences", "mark_removed AFTER DELETE", "REFERENCING OLD TABLE AS removed FOR EACH STATEMENT", "removed()"),
    (
        "occurrences",
        "mark_changed AFTER UPDATE",
        "REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT",
        "changed()",
    ),
    (
        "maintenance_plans",
        f"mark_plan AFTER UPDATE OF {_PLAN}",
        "FOR EACH ROW WHEN ("
        + " OR ".join(f"OLD.{each} IS DISTINCT FROM NEW.{each}" for each in _PLAN.split(", "))
        + ")",
        "plan()",
    ),
    (
        "plan_packages",
        "mark_package AFTER UPDATE OF code, procedure_id, duration_minutes",
        "FOR EACH ROW",
        "package()",
    ),
    (
        "assets",
        "mark_asset AFTER UPDATE OF site_id",
        "FOR EACH ROW WHEN (OLD.site_id IS DISTINCT FROM NEW.site_id)",
        "asset()",
    ),
    ("procedure_versions", "mark_version AFTER INSERT OR UPDATE", "FOR EACH ROW", "procedure('procedure_id')"),
    (
        "procedures",
        "mark_retired AFTER UPDATE OF retired_at",
        "FOR EACH ROW WHEN (OLD.retired_at IS DISTINCT FROM NEW.retired_at)",
        "procedure('id')",
    ),
    # What an order keeps or took is not to be ordered for it again.
    *(
        (table, "mark_taken AFTER INSERT OR UPDATE", "FOR EACH ROW WHEN (NEW.work_order_id IS NOT NULL)", "taken()")
        for table in ("stock_reservations", "part_usages")
    ),
    ("round_stops", "mark_round AFTER INSERT OR UPDATE OR DELETE", "FOR EACH ROW", "round()"),
)


def upgrade() -> None:
    """Apply."""
    _sums()
    _marks()
    _demand()
    _capacity()
    _gaps()
    for table in _TABLES:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    every = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {APP_ROLE}, {READER_ROLE}")
    # With the service's rights: whoever changes a plan may not write marks otherwise.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    for name, body in _FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f" SET search_path = pg_catalog, public AS $$\nBEGIN{body}\nEND $$"
        )
        op.execute(f"ALTER FUNCTION {name}() OWNER TO {SERVICE_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
    for table, when, each, function in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {when} ON {table} {each} EXECUTE FUNCTION forewarn_mark_{function}")
    # What is planned already is summed up by the first run of the job.
    op.execute(
        "INSERT INTO forecast_marks (id, organisation_id, plan_id)"
        " SELECT gen_random_uuid(), organisation_id, id FROM maintenance_plans"
    )


def downgrade() -> None:
    """Take back."""
    for table, when, _, _ in _TRIGGERS:
        op.execute(f"DROP TRIGGER {when.split()[0]} ON {table}")
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _owned(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        *columns,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "organisation_id", "organisations"),
        primary(table),
    )
    op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])


def _weekly(table: str, *columns: sa.schema.SchemaItem) -> None:
    _owned(
        table,
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("site_id", sa.Uuid()),
        *columns,
        key(table, "site_id", "sites", "CASCADE"),
    )
    op.create_index(f"ix_{table}_organisation_id_week", table, ["organisation_id", "week"])
    op.create_index(op.f(f"ix_{table}_site_id"), table, ["site_id"])


def _sums() -> None:
    _weekly(
        "planned_hours",
        sa.Column("team_id", sa.Uuid()),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        key("planned_hours", "team_id", "teams", "CASCADE"),
    )
    op.create_index(op.f("ix_planned_hours_team_id"), "planned_hours", ["team_id"])
    _weekly(
        "planned_parts",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        key("planned_parts", "part_id", "parts", "CASCADE"),
    )
    op.create_index(op.f("ix_planned_parts_part_id"), "planned_parts", ["part_id"])


def _marks() -> None:
    _owned(
        "forecast_marks",
        sa.Column("week", sa.Date()),
        sa.Column("plan_id", sa.Uuid()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("procedure_id", sa.Uuid()),
        sa.Column("round_id", sa.Uuid()),
    )


def _demand() -> None:
    _weekly(
        "demand_hours",
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("predicted", sa.Integer(), nullable=False),
        sa.Column("timed", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
    )
    _weekly(
        "demand_parts",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", AMOUNT, nullable=False),
        key("demand_parts", "part_id", "parts", "CASCADE"),
    )
    op.create_index(op.f("ix_demand_parts_part_id"), "demand_parts", ["part_id"])


def _capacity() -> None:
    _owned(
        "capacity_weeks",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        key("capacity_weeks", "person_id", "people", "CASCADE"),
        sa.UniqueConstraint("person_id", "week", name=op.f("uq_capacity_weeks_person_id_week")),
    )
    op.create_index("ix_capacity_weeks_organisation_id_week", "capacity_weeks", ["organisation_id", "week"])
    op.create_table(
        "forecast_states",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("demand_at", TIME),
        sa.Column("demand_whole_at", TIME),
        sa.Column("capacity_at", TIME),
        sa.Column("capacity_of", sa.Text()),
        sa.Column("gaps_at", TIME),
        key("forecast_states", "organisation_id", "organisations"),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_forecast_states")),
    )


def _gaps() -> None:
    big = ("needed_minutes", "needed_high_minutes", "capacity_minutes", "missing_minutes", "missing_high_minutes")
    _owned(
        "staffing_gaps",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("team_id", sa.Uuid()),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in big),
        sa.Column("made_of", JSON, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        key("staffing_gaps", "team_id", "teams", "CASCADE"),
    )
    op.create_index(op.f("ix_staffing_gaps_team_id"), "staffing_gaps", ["team_id"])
    op.create_index(
        "uq_staffing_gaps_open",
        "staffing_gaps",
        ["organisation_id", "week", "team_id", "skill", "level"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
