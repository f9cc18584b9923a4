"""Documents, labels, imports, saved filters, what is searched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import MODEL_READ, OWNED, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from assets.search.sql import FUNCTIONS, triggers

revision = "0013"
down_revision = "0012"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_TABLES = (
    "import_runs",
    "import_mappings",
    "documents",
    "document_revisions",
    "printed_labels",
    "search_entries",
    "saved_filters",
)
_OPEN = ("import_runs", "import_mappings", "documents", "document_revisions", "printed_labels", "saved_filters")

# A model's documents go down with the model; an asset's are read by whoever sees the asset, an executor too.
_DOCUMENT_READ = f"""
{OWNED} OR (asset_model_id IS NOT NULL AND ({MODEL_READ})) OR EXISTS (
  SELECT 1 FROM assets a WHERE a.id = documents.asset_id AND a.organisation_id = documents.organisation_id)
"""
_REVISION_READ = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM documents d WHERE d.id = document_revisions.document_id
  AND d.organisation_id = document_revisions.organisation_id)
"""


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    _imports()
    _documents()
    _labels()
    _search()
    read = {"documents": _DOCUMENT_READ, "document_revisions": _REVISION_READ}
    for table in _TABLES:
        for statement in owned_policies(table, read=read.get(table, OWNED)):
            op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT ON label_keys TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_OPEN)} TO {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {', '.join(_OPEN)} TO {READER_ROLE}")
    _functions()
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
    op.execute("SELECT forewarn_search_refresh((SELECT array_agg(id) FROM assets))")
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER search_new ON assets")
    for table in ("assets", "customers", "sites", "asset_models"):
        op.execute(f"DROP TRIGGER search_changed ON {table}")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("label_keys")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _functions() -> None:
    for statement in FUNCTIONS.values():
        op.execute(sa.text(statement.replace(":", "\\:")))
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    for name in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {name} OWNER TO {SERVICE_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
    op.execute("REVOKE EXECUTE ON FUNCTION forewarn_search_refresh(uuid[]) FROM PUBLIC")
    for statement in triggers():
        op.execute(sa.text(statement))


def _owner(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def _key(table: str, column: str, of: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{of}")
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=name, ondelete=ondelete)


def _identified(table: str) -> list[sa.schema.SchemaItem]:
    return [sa.Column("id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))]


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _imports() -> None:
    op.create_table(
        "import_runs",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sheet", sa.Text(), nullable=True),
        sa.Column("sheets", _JSON, nullable=False),
        sa.Column("heading_row", sa.Integer(), nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("rows_done", "inserted", "updated", "unchanged", "faulty", "fault_count")
        ),
        sa.Column("faults", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        _key("import_runs", "created_by_id", "people", "SET NULL"),
        *_identified("import_runs"),
        *_owner("import_runs"),
    )
    _index("import_runs", "organisation_id")
    op.create_index(
        "ix_import_runs_waiting",
        "import_runs",
        ["created_at"],
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_table(
        "import_mappings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        *_identified("import_mappings"),
        *_owner("import_mappings"),
        sa.UniqueConstraint(
            "organisation_id", "kind", "name", name=op.f("uq_import_mappings_organisation_id_kind_name")
        ),
    )
    _index("import_mappings", "organisation_id")


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("asset_model_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("archived_at", _TIME, nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("num_nonnulls(asset_id, asset_model_id, site_id) <= 1", name=op.f("ck_documents_about_one")),
        _key("documents", "asset_id", "assets"),
        _key("documents", "asset_model_id", "asset_models"),
        _key("documents", "site_id", "sites"),
        *_identified("documents"),
        *_owner("documents"),
    )
    for column in ("asset_id", "asset_model_id", "site_id", "organisation_id"):
        _index("documents", column)
    op.create_table(
        "document_revisions",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("thumbnail", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        _key("document_revisions", "created_by_id", "people", "SET NULL"),
        _key("document_revisions", "document_id", "documents"),
        *_identified("document_revisions"),
        *_owner("document_revisions"),
        sa.UniqueConstraint("document_id", "revision", name=op.f("uq_document_revisions_document_id_revision")),
    )
    _index("document_revisions", "content")
    _index("document_revisions", "organisation_id")


def _labels() -> None:
    op.create_table(
        "printed_labels",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("bound_at", _TIME, nullable=True),
        sa.Column("bound_by_id", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("revoked_reason", sa.Text(), nullable=True),
        _key("printed_labels", "asset_id", "assets"),
        _key("printed_labels", "bound_by_id", "people", "SET NULL"),
        _key("printed_labels", "created_by_id", "people", "SET NULL"),
        *_identified("printed_labels"),
        *_owner("printed_labels"),
        sa.UniqueConstraint("code", name=op.f("uq_printed_labels_code")),
    )
    _index("printed_labels", "asset_id")
    _index("printed_labels", "organisation_id")
    op.create_table(
        "label_keys",
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        *_identified("label_keys"),
    )


def _search() -> None:
    op.create_table(
        "search_entries",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("serial", "name", "words")),
        sa.Column("grams", sa.ARRAY(sa.Text()), nullable=False),
        _key("search_entries", "asset_id", "assets"),
        *_owner("search_entries"),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_search_entries")),
    )
    _index("search_entries", "organisation_id")
    for column in ("serial", "name"):
        op.create_index(
            f"ix_search_entries_{column}", "search_entries", [column], postgresql_ops={column: "text_pattern_ops"}
        )
    op.create_index("ix_search_entries_grams", "search_entries", ["grams"], postgresql_using="gin")
    op.create_index(
        "ix_search_entries_words",
        "search_entries",
        ["words"],
        postgresql_using="gin",
        postgresql_ops={"words": "gin_trgm_ops"},
    )
    op.create_table(
        "saved_filters",
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", _JSON, nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        _key("saved_filters", "person_id", "people"),
        *_identified("saved_filters"),
        *_owner("saved_filters"),
    )
    _index("saved_filters", "organisation_id")
    _index("saved_filters", "person_id")
