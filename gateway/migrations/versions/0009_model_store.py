"""Model artefacts with their cards, champions and challengers, snapshots of findings, remaining lives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0009"
down_revision = "0008"

_TIME = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TABLES = (
    "models",
    "model_contents",
    "training_runs",
    "learned_states",
    "shadow_findings",
    "finding_snapshots",
    "remaining_lives",
)
_CHANGING = "state, state_since, state_reason, pinned"


def upgrade() -> None:
    """Apply."""
    _models()
    _training_runs()
    _watching()
    _snapshots()
    _remaining_lives()
    for table in _TABLES:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    _rights()


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _rights() -> None:
    """Nobody may change what a model is or what a finding was made from: only its standing moves."""
    op.execute(f"GRANT SELECT, INSERT, DELETE ON models, model_contents, finding_snapshots TO {SERVICE_ROLE}")
    op.execute(f"GRANT UPDATE ({_CHANGING}) ON models TO {SERVICE_ROLE}, {APP_ROLE}")
    open_tables = "training_runs, learned_states, shadow_findings, remaining_lives"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {open_tables} TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON {', '.join(_TABLES)} TO {APP_ROLE}")
    readable = "models, training_runs, shadow_findings, remaining_lives"
    op.execute(f"GRANT SELECT ON {readable} TO {READER_ROLE}")


def _owner(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def _asset(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f(f"fk_{table}_asset_id_assets"), ondelete="CASCADE"
        ),
    ]


def _model(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f(f"fk_{table}_model_id_models"), ondelete="CASCADE"
        ),
    ]


def _identified(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("card", _JSON, nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", _TIME, nullable=False),
        sa.Column("state_reason", _JSON, nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        *_identified("models"),
        *_owner("models"),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["models.id"], name=op.f("fk_models_parent_id_models"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("organisation_id", "name", "version", name=op.f("uq_models_organisation_id_name_version")),
    )
    _index("models", "organisation_id")
    _index("models", "code")
    for state in ("champion", "challenger"):
        op.create_index(
            f"uq_models_{state}",
            "models",
            ["organisation_id", "name"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_table(
        "model_contents",
        sa.Column("content", sa.LargeBinary(), nullable=False),
        *_model("model_contents"),
        *_owner("model_contents"),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_model_contents")),
    )
    _index("model_contents", "organisation_id")


def _training_runs() -> None:
    op.create_table(
        "training_runs",
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("asset_models", _JSON, nullable=False),
        sa.Column("assets", sa.Integer(), nullable=False),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("outcomes", _JSON, nullable=False),
        *_identified("training_runs"),
        *_owner("training_runs"),
    )
    _index("training_runs", "organisation_id")
    op.create_index("ix_training_runs_started_at", "training_runs", ["started_at"])


def _watching() -> None:
    op.create_table(
        "learned_states",
        sa.Column("watched_since", _TIME, nullable=False),
        sa.Column("watched_to", _TIME, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        *_model("learned_states"),
        *_asset("learned_states"),
        *_owner("learned_states"),
        sa.PrimaryKeyConstraint("model_id", "asset_id", name=op.f("pk_learned_states")),
    )
    _index("learned_states", "organisation_id")
    _index("learned_states", "asset_id")
    op.create_table(
        "shadow_findings",
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("cleared_at", _TIME, nullable=True),
        sa.Column("peak", sa.Float(), nullable=False),
        *_model("shadow_findings"),
        *_asset("shadow_findings"),
        *_identified("shadow_findings"),
        *_owner("shadow_findings"),
        sa.UniqueConstraint(
            "model_id", "asset_id", "opened_at", name=op.f("uq_shadow_findings_model_id_asset_id_opened_at")
        ),
    )
    _index("shadow_findings", "organisation_id")
    _index("shadow_findings", "asset_id")


def _snapshots() -> None:
    op.create_table(
        "finding_snapshots",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model_code", sa.Text(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("about", _JSON, nullable=False),
        sa.Column("versions", _JSON, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        *_asset("finding_snapshots"),
        *_identified("finding_snapshots"),
        *_owner("finding_snapshots"),
    )
    _index("finding_snapshots", "organisation_id")
    _index("finding_snapshots", "asset_id")
    op.create_index("ix_finding_snapshots_made_at", "finding_snapshots", ["made_at"])


def _remaining_lives() -> None:
    op.create_table(
        "remaining_lives",
        sa.Column("at", _TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reason_params", _JSON, nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in ("life_s", "low_s", "high_s", "coverage")),
        sa.Column("p_within", _JSON, nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("updated_at", _TIME, nullable=False),
        *_asset("remaining_lives"),
        *_owner("remaining_lives"),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_remaining_lives")),
    )
    _index("remaining_lives", "organisation_id")
