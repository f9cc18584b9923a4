"""Tables of contracts, as the migration of warranty makes them, and what its tables have in common."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TIME = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())


def owner(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def identified(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def key(table: str, column: str, of: str, ondelete: str | None = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{of}")
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=name, ondelete=ondelete)


def make_contracts() -> None:
    op.create_table(
        "contracts",
        sa.Column("provider_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cancelled_on", sa.Date()),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("clauses", JSON, nullable=False),
        sa.Column("response_times", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("contracts", "customer_id", "customers", "SET NULL"),
        *owner("contracts"),
        key("contracts", "provider_organisation_id", "organisations", None),
        *identified("contracts"),
        sa.UniqueConstraint(
            "provider_organisation_id", "number", name=op.f("uq_contracts_provider_organisation_id_number")
        ),
    )
    op.create_index(op.f("ix_contracts_customer_id"), "contracts", ["customer_id"])
    op.create_index("ix_contracts_ends", "contracts", ["ends_on", "id"])
    op.create_index(op.f("ix_contracts_organisation_id"), "contracts", ["organisation_id"])
    op.create_index(op.f("ix_contracts_provider_organisation_id"), "contracts", ["provider_organisation_id"])


def make_contract_assets() -> None:
    op.create_table(
        "contract_assets",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        key("contract_assets", "asset_id", "assets"),
        key("contract_assets", "contract_id", "contracts"),
        *owner("contract_assets"),
        *identified("contract_assets"),
        sa.UniqueConstraint("contract_id", "asset_id", name=op.f("uq_contract_assets_contract_id_asset_id")),
    )
    op.create_index(op.f("ix_contract_assets_asset_id"), "contract_assets", ["asset_id"])
    op.create_index(op.f("ix_contract_assets_organisation_id"), "contract_assets", ["organisation_id"])


def make_entitlements() -> None:
    op.create_table(
        "entitlements",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("carries_over", sa.Boolean(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        key("entitlements", "contract_id", "contracts"),
        *owner("entitlements"),
        *identified("entitlements"),
        sa.UniqueConstraint("contract_id", "key", name=op.f("uq_entitlements_contract_id_key")),
    )
    op.create_index(op.f("ix_entitlements_organisation_id"), "entitlements", ["organisation_id"])


def make_entitlement_entries() -> None:
    op.create_table(
        "entitlement_entries",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("entitlement_id", sa.Uuid(), nullable=False),
        sa.Column("provider_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("line_id", sa.Text()),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("undoes_id", sa.Uuid()),
        sa.Column("reason", sa.Text()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("by_id", sa.Uuid()),
        key("entitlement_entries", "asset_id", "assets", "SET NULL"),
        key("entitlement_entries", "by_id", "people", "SET NULL"),
        key("entitlement_entries", "contract_id", "contracts"),
        key("entitlement_entries", "entitlement_id", "entitlements"),
        *owner("entitlement_entries"),
        key("entitlement_entries", "provider_organisation_id", "organisations", None),
        key("entitlement_entries", "undoes_id", "entitlement_entries"),
        *identified("entitlement_entries"),
    )
    op.create_index("ix_entitlement_entries_contract", "entitlement_entries", ["contract_id", "id"])
    op.create_index("ix_entitlement_entries_order", "entitlement_entries", ["work_order_id", "line_id"])
    op.create_index(op.f("ix_entitlement_entries_organisation_id"), "entitlement_entries", ["organisation_id"])
    op.create_index("ix_entitlement_entries_period", "entitlement_entries", ["entitlement_id", "period_start"])
    op.create_index(
        "uq_entitlement_entries_line",
        "entitlement_entries",
        ["entitlement_id", "work_order_id", "line_id", "kind", "turn"],
        unique=True,
        postgresql_where=sa.text("line_id IS NOT NULL AND kind IN ('reserve', 'consume')"),
    )
    op.create_index(
        "uq_entitlement_entries_undone",
        "entitlement_entries",
        ["undoes_id"],
        unique=True,
        postgresql_where=sa.text("undoes_id IS NOT NULL"),
    )
