"""Warranty terms and cards, contracts and their entitlements, customers that are one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import MODEL_READ, OWNED, executed_policies, owned_policies, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.contract_tables import (
    JSON,
    TIME,
    identified,
    key,
    make_contract_assets,
    make_contracts,
    make_entitlement_entries,
    make_entitlements,
    owner,
)
from gateway.migrations.roles import HIDDEN_FROM_READER

revision = "0011"
down_revision = "0010"

_OWNED = ("warranty_facts", "warranty_cards", "warranty_registrations", "part_replacements", "customer_merges")
_EXECUTED = ("coverage_checks", "coverage_overrides")
_OF_CONTRACT = ("contract_assets", "entitlements")
_TABLES = ("warranty_terms", *_OWNED, *_EXECUTED, "contracts", *_OF_CONTRACT, "entitlement_entries")
_SEQUENCES = ("warranty_card_numbers", "contract_numbers")
# A contract is written by who provides it, and read by who has it too.
_PROVIDED = OWNED.replace("organisation_id", "provider_organisation_id")
_OF_PROVIDER = f"{OWNED} AND EXISTS (SELECT 1 FROM contracts c WHERE c.id = contract_id AND c.{_PROVIDED})"
# What happened is not rewritten, whoever asks: only people and assets that are removed are forgotten.
_FIXED = {
    "warranty_terms": ("code", "version", "clauses", "asset_model_id", "sold_from", "sold_to", "payer", "regions"),
    "entitlement_entries": ("entitlement_id", "period_start", "kind", "quantity", "line_id", "turn", "undoes_id", "at"),
    "part_replacements": ("component", "part_item", "serial", "replaced_serial", "at", "meters", "covered"),
}


def upgrade() -> None:
    """Apply."""
    _customers()
    for sequence in _SEQUENCES:
        op.execute(f"CREATE SEQUENCE {sequence}")
        op.execute(f"GRANT USAGE ON SEQUENCE {sequence} TO {APP_ROLE}, {SERVICE_ROLE}")
    _warranty_terms()
    _warranty_facts()
    _warranty_cards()
    _warranty_registrations()
    _part_replacements()
    _coverage_checks()
    _coverage_overrides()
    _customer_merges()
    make_contracts()
    make_contract_assets()
    make_entitlements()
    make_entitlement_entries()
    for statement in _policies():
        op.execute(sa.text(statement))
    _rights()
    _fix()


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION forewarn_fixed()")
    for sequence in _SEQUENCES:
        op.execute(f"DROP SEQUENCE {sequence}")
    op.drop_index("ix_customers_email", "customers")
    op.drop_index("ix_customers_phone", "customers")
    op.drop_column("customers", "merged_into_id")


def _customers() -> None:
    op.add_column("customers", sa.Column("merged_into_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_customers_merged_into_id_customers"),
        "customers",
        "customers",
        ["merged_into_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix_customers_merged_into_id"), "customers", ["merged_into_id"])
    op.create_index("ix_customers_email", "customers", [sa.text("lower(email)")])
    op.create_index(
        "ix_customers_phone", "customers", [sa.text("\"right\"(regexp_replace(phone, '[^0-9]', '', 'g'), 7)")]
    )
    op.execute(f"GRANT SELECT (merged_into_id) ON customers TO {READER_ROLE}")


def _policies() -> list[str]:
    statements = owned_policies("warranty_terms", read=MODEL_READ)
    for table in _OWNED:
        statements += owned_policies(table)
    for table in _EXECUTED:
        statements += executed_policies(table)
    statements += owned_policies("contracts", read=f"({OWNED} OR {_PROVIDED})", own=f"{OWNED} AND {_PROVIDED}")
    for table in _OF_CONTRACT:
        statements += owned_policies(table, own=_OF_PROVIDER)
    ledger = f"{OWNED} AND {_PROVIDED}"
    return statements + row_policies("entitlement_entries", read=OWNED, insert=ledger, update="false", delete="false")


def _rights() -> None:
    tables = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {APP_ROLE}, {SERVICE_ROLE}")
    op.execute(
        f"GRANT SELECT ON {', '.join(table for table in _TABLES if table not in HIDDEN_FROM_READER)} TO {READER_ROLE}"
    )
    connection = op.get_bind()
    for table in sorted(HIDDEN_FROM_READER.keys() & set(_TABLES)):
        columns = [column["name"] for column in sa.inspect(connection).get_columns(table)]
        shown = ", ".join(name for name in columns if name not in HIDDEN_FROM_READER[table])
        op.execute(f"GRANT SELECT ({shown}) ON {table} TO {READER_ROLE}")


def _fix() -> None:
    op.execute(
        """CREATE FUNCTION forewarn_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% keeps what was written', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
        END $$"""
    )
    for table, columns in _FIXED.items():
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        op.execute(
            f"CREATE TRIGGER fixed BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed})"
            " EXECUTE FUNCTION forewarn_fixed()"
        )


def _warranty_terms() -> None:
    op.create_table(
        "warranty_terms",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("asset_model_id", sa.Uuid()),
        sa.Column("regions", JSON, nullable=False),
        sa.Column("sold_from", sa.Date()),
        sa.Column("sold_to", sa.Date()),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("claims_count", sa.Boolean(), nullable=False),
        sa.Column("clauses", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("withdrawn_at", TIME),
        key("warranty_terms", "asset_model_id", "asset_models"),
        key("warranty_terms", "created_by_id", "people", "SET NULL"),
        *owner("warranty_terms"),
        *identified("warranty_terms"),
        sa.UniqueConstraint(
            "organisation_id", "code", "version", name=op.f("uq_warranty_terms_organisation_id_code_version")
        ),
    )
    op.create_index(op.f("ix_warranty_terms_asset_model_id"), "warranty_terms", ["asset_model_id"])
    op.create_index(op.f("ix_warranty_terms_organisation_id"), "warranty_terms", ["organisation_id"])


def _warranty_facts() -> None:
    op.create_table(
        "warranty_facts",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("produced_on", sa.Date()),
        sa.Column("invoiced_on", sa.Date()),
        sa.Column("purchased_on", sa.Date()),
        sa.Column("delivered_on", sa.Date()),
        sa.Column("installed_on", sa.Date()),
        sa.Column("commissioned_on", sa.Date()),
        sa.Column("registered_on", sa.Date()),
        sa.Column("region", sa.Text()),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("warranty_facts", "asset_id", "assets"),
        *owner("warranty_facts"),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_warranty_facts")),
    )
    op.create_index(op.f("ix_warranty_facts_organisation_id"), "warranty_facts", ["organisation_id"])


def _warranty_cards() -> None:
    op.create_table(
        "warranty_cards",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date()),
        sa.Column("purchased_on", sa.Date()),
        sa.Column("proof", sa.Text()),
        sa.Column("terms", JSON, nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("issued_by_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("warranty_cards", "asset_id", "assets"),
        key("warranty_cards", "customer_id", "customers", "SET NULL"),
        key("warranty_cards", "issued_by_id", "people", "SET NULL"),
        *owner("warranty_cards"),
        *identified("warranty_cards"),
        sa.UniqueConstraint("number", name=op.f("uq_warranty_cards_number")),
    )
    op.create_index(op.f("ix_warranty_cards_asset_id"), "warranty_cards", ["asset_id"])
    op.create_index(op.f("ix_warranty_cards_customer_id"), "warranty_cards", ["customer_id"])
    op.create_index("ix_warranty_cards_ends", "warranty_cards", ["ends_on", "id"])
    op.create_index(op.f("ix_warranty_cards_organisation_id"), "warranty_cards", ["organisation_id"])
    op.create_index(
        "uq_warranty_cards_asset",
        "warranty_cards",
        ["asset_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'revoked'"),
    )


def _warranty_registrations() -> None:
    op.create_table(
        "warranty_registrations",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("card_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("purchased_on", sa.Date()),
        sa.Column("proof", sa.Text()),
        sa.Column("matched", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("decided_at", TIME),
        sa.Column("decided_by_id", sa.Uuid()),
        sa.Column("reason", sa.Text()),
        key("warranty_registrations", "asset_id", "assets"),
        key("warranty_registrations", "card_id", "warranty_cards", "SET NULL"),
        key("warranty_registrations", "customer_id", "customers", "SET NULL"),
        key("warranty_registrations", "decided_by_id", "people", "SET NULL"),
        *owner("warranty_registrations"),
        *identified("warranty_registrations"),
    )
    op.create_index("ix_warranty_registrations_address", "warranty_registrations", ["address_hash", "created_at"])
    op.create_index(op.f("ix_warranty_registrations_asset_id"), "warranty_registrations", ["asset_id"])
    op.create_index(op.f("ix_warranty_registrations_customer_id"), "warranty_registrations", ["customer_id"])
    op.create_index(op.f("ix_warranty_registrations_organisation_id"), "warranty_registrations", ["organisation_id"])
    op.create_index("ix_warranty_registrations_state", "warranty_registrations", ["state", "id"])


def _part_replacements() -> None:
    op.create_table(
        "part_replacements",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("component", sa.Text()),
        sa.Column("part_item", sa.Text()),
        sa.Column("serial", sa.Text()),
        sa.Column("replaced_serial", sa.Text()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("meters", JSON, nullable=False),
        sa.Column("covered", sa.Boolean()),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("created_at", TIME, nullable=False),
        key("part_replacements", "asset_id", "assets"),
        *owner("part_replacements"),
        *identified("part_replacements"),
    )
    op.create_index("ix_part_replacements_asset", "part_replacements", ["asset_id", "at"])
    op.create_index(op.f("ix_part_replacements_organisation_id"), "part_replacements", ["organisation_id"])


def _coverage_checks() -> None:
    op.create_table(
        "coverage_checks",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("fault_at", TIME),
        sa.Column("region", sa.Text()),
        sa.Column("meters", JSON, nullable=False),
        sa.Column("lines", JSON, nullable=False),
        sa.Column("verdicts", JSON, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("checked_by_id", sa.Uuid()),
        sa.Column("executing_organisation_id", sa.Uuid()),
        key("coverage_checks", "asset_id", "assets"),
        key("coverage_checks", "checked_by_id", "people", "SET NULL"),
        key("coverage_checks", "executing_organisation_id", "organisations", None),
        *owner("coverage_checks"),
        *identified("coverage_checks"),
    )
    op.create_index(op.f("ix_coverage_checks_asset_id"), "coverage_checks", ["asset_id"])
    op.create_index(
        op.f("ix_coverage_checks_executing_organisation_id"), "coverage_checks", ["executing_organisation_id"]
    )
    op.create_index("ix_coverage_checks_order", "coverage_checks", ["work_order_id", "id"])
    op.create_index(op.f("ix_coverage_checks_organisation_id"), "coverage_checks", ["organisation_id"])


def _coverage_overrides() -> None:
    op.create_table(
        "coverage_overrides",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("computed", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("requested_by_id", sa.Uuid()),
        sa.Column("decided_at", TIME),
        sa.Column("decided_by_id", sa.Uuid()),
        sa.Column("decision_reason", sa.Text()),
        sa.Column("executing_organisation_id", sa.Uuid()),
        key("coverage_overrides", "asset_id", "assets"),
        key("coverage_overrides", "decided_by_id", "people", "SET NULL"),
        key("coverage_overrides", "executing_organisation_id", "organisations", None),
        *owner("coverage_overrides"),
        key("coverage_overrides", "requested_by_id", "people", "SET NULL"),
        *identified("coverage_overrides"),
    )
    op.create_index(op.f("ix_coverage_overrides_asset_id"), "coverage_overrides", ["asset_id"])
    op.create_index(op.f("ix_coverage_overrides_decided_by_id"), "coverage_overrides", ["decided_by_id"])
    op.create_index(
        op.f("ix_coverage_overrides_executing_organisation_id"), "coverage_overrides", ["executing_organisation_id"]
    )
    op.create_index("ix_coverage_overrides_order", "coverage_overrides", ["work_order_id", "line_id"])
    op.create_index(op.f("ix_coverage_overrides_organisation_id"), "coverage_overrides", ["organisation_id"])
    op.create_index(op.f("ix_coverage_overrides_requested_by_id"), "coverage_overrides", ["requested_by_id"])
    op.create_index("ix_coverage_overrides_state", "coverage_overrides", ["state", "id"])
    op.create_index(
        "uq_coverage_overrides_waiting",
        "coverage_overrides",
        ["work_order_id", "line_id"],
        unique=True,
        postgresql_where=sa.text("state = 'requested'"),
    )


def _customer_merges() -> None:
    op.create_table(
        "customer_merges",
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved", JSON, nullable=False),
        sa.Column("before", JSON, nullable=False),
        sa.Column("merged_at", TIME, nullable=False),
        sa.Column("merged_by_id", sa.Uuid()),
        sa.Column("undone_at", TIME),
        sa.Column("undone_by_id", sa.Uuid()),
        sa.Column("undo_reason", sa.Text()),
        key("customer_merges", "kept_id", "customers"),
        key("customer_merges", "merged_by_id", "people", "SET NULL"),
        key("customer_merges", "merged_id", "customers"),
        *owner("customer_merges"),
        key("customer_merges", "undone_by_id", "people", "SET NULL"),
        *identified("customer_merges"),
    )
    op.create_index(op.f("ix_customer_merges_kept_id"), "customer_merges", ["kept_id"])
    op.create_index(op.f("ix_customer_merges_merged_id"), "customer_merges", ["merged_id"])
    op.create_index(op.f("ix_customer_merges_organisation_id"), "customer_merges", ["organisation_id"])
