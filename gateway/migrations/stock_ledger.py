"""Tables of the stock room's ledger: items, places, lots and serials, movements, balances, what work used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.migrations.columns import AMOUNT, JSON, TIME, key, primary

LEDGER = (
    "parts",
    "part_models",
    "stock_locations",
    "stock_lots",
    "stock_serials",
    "stock_movements",
    "stock_entries",
    "stock_balances",
    "stock_conflicts",
    "part_usages",
    "old_part_duties",
)


def create_ledger() -> None:
    """Create them, in the order of their keys."""
    _parts()
    _part_models()
    _stock_locations()
    _stock_lots()
    _stock_serials()
    _stock_movements()
    _stock_entries()
    _stock_balances()
    _stock_conflicts()
    _part_usages()
    _old_part_duties()


def _parts() -> None:
    op.create_table(
        "parts",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=False),
        sa.Column("old_part_return", sa.Boolean(), nullable=False),
        sa.Column("superseded_by_id", sa.Uuid()),
        sa.Column("standard_cost", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("supplier", sa.Text()),
        sa.Column("supplier_number", sa.Text()),
        sa.Column("barcode", sa.Text()),
        sa.Column("pack_quantity", AMOUNT),
        sa.Column("lead_time_days", sa.Integer()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("search_pairs", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("parts", "organisation_id", "organisations"),
        key("parts", "superseded_by_id", "parts", "SET NULL"),
        primary("parts"),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_parts_organisation_id_number")),
    )
    op.create_index(op.f("ix_parts_barcode"), "parts", ["barcode"])
    op.create_index("ix_parts_number", "parts", ["number", "id"])
    op.create_index(op.f("ix_parts_organisation_id"), "parts", ["organisation_id"])
    op.create_index("ix_parts_search", "parts", ["search_pairs"], postgresql_using="gin")
    op.create_index(op.f("ix_parts_superseded_by_id"), "parts", ["superseded_by_id"])


def _part_models() -> None:
    op.create_table(
        "part_models",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("asset_model_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("part_models", "asset_model_id", "asset_models", "CASCADE"),
        key("part_models", "organisation_id", "organisations"),
        key("part_models", "part_id", "parts", "CASCADE"),
        sa.PrimaryKeyConstraint("part_id", "asset_model_id", name=op.f("pk_part_models")),
    )
    op.create_index(op.f("ix_part_models_asset_model_id"), "part_models", ["asset_model_id"])
    op.create_index(op.f("ix_part_models_organisation_id"), "part_models", ["organisation_id"])


def _stock_locations() -> None:
    op.create_table(
        "stock_locations",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("site_id", sa.Uuid()),
        sa.Column("supplied_from_id", sa.Uuid()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_locations", "organisation_id", "organisations"),
        key("stock_locations", "parent_id", "stock_locations"),
        key("stock_locations", "person_id", "people", "SET NULL"),
        key("stock_locations", "site_id", "sites", "SET NULL"),
        key("stock_locations", "supplied_from_id", "stock_locations"),
        primary("stock_locations"),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_stock_locations_organisation_id_code")),
    )
    op.create_index("ix_stock_locations_code", "stock_locations", ["code", "id"])
    op.create_index(op.f("ix_stock_locations_organisation_id"), "stock_locations", ["organisation_id"])
    op.create_index(op.f("ix_stock_locations_parent_id"), "stock_locations", ["parent_id"])
    op.create_index(op.f("ix_stock_locations_person_id"), "stock_locations", ["person_id"])
    op.create_index(op.f("ix_stock_locations_site_id"), "stock_locations", ["site_id"])
    op.create_index(op.f("ix_stock_locations_supplied_from_id"), "stock_locations", ["supplied_from_id"])


def _stock_lots() -> None:
    op.create_table(
        "stock_lots",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("expires_on", sa.Date()),
        sa.Column("movement_id", sa.Uuid()),
        sa.Column("unit_cost", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_lots", "organisation_id", "organisations"),
        key("stock_lots", "part_id", "parts"),
        primary("stock_lots"),
        sa.UniqueConstraint(
            "organisation_id", "part_id", "lot", name=op.f("uq_stock_lots_organisation_id_part_id_lot")
        ),
    )
    op.create_index("ix_stock_lots_lot", "stock_lots", ["lot"])
    op.create_index(op.f("ix_stock_lots_organisation_id"), "stock_lots", ["organisation_id"])
    op.create_index(op.f("ix_stock_lots_part_id"), "stock_lots", ["part_id"])


def _stock_serials() -> None:
    op.create_table(
        "stock_serials",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Uuid()),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("movement_id", sa.Uuid()),
        sa.Column("unit_cost", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_serials", "lot_id", "stock_lots"),
        key("stock_serials", "organisation_id", "organisations"),
        key("stock_serials", "part_id", "parts"),
        primary("stock_serials"),
        sa.UniqueConstraint(
            "organisation_id", "part_id", "serial", name=op.f("uq_stock_serials_organisation_id_part_id_serial")
        ),
    )
    op.create_index(op.f("ix_stock_serials_asset_id"), "stock_serials", ["asset_id"])
    op.create_index(op.f("ix_stock_serials_lot_id"), "stock_serials", ["lot_id"])
    op.create_index(op.f("ix_stock_serials_organisation_id"), "stock_serials", ["organisation_id"])
    op.create_index(op.f("ix_stock_serials_part_id"), "stock_serials", ["part_id"])
    op.create_index("ix_stock_serials_serial", "stock_serials", ["serial", "id"])


def _stock_movements() -> None:
    op.create_table(
        "stock_movements",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("by_id", sa.Uuid()),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("work_order_number", sa.Text()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("reference_kind", sa.Text()),
        sa.Column("reference_id", sa.Uuid()),
        sa.Column("reference_number", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_movements", "organisation_id", "organisations"),
        primary("stock_movements"),
        sa.UniqueConstraint(
            "organisation_id", "operation_id", name=op.f("uq_stock_movements_organisation_id_operation_id")
        ),
    )
    op.create_index(op.f("ix_stock_movements_asset_id"), "stock_movements", ["asset_id"])
    op.create_index(op.f("ix_stock_movements_by_id"), "stock_movements", ["by_id"])
    op.create_index("ix_stock_movements_kind", "stock_movements", ["kind", "id"])
    op.create_index("ix_stock_movements_occurred", "stock_movements", ["occurred_at"])
    op.create_index(op.f("ix_stock_movements_organisation_id"), "stock_movements", ["organisation_id"])
    op.create_index(op.f("ix_stock_movements_reference_id"), "stock_movements", ["reference_id"])
    op.create_index(op.f("ix_stock_movements_work_order_id"), "stock_movements", ["work_order_id"])


def _stock_entries() -> None:
    op.create_table(
        "stock_entries",
        sa.Column("movement_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid()),
        sa.Column("serial_id", sa.Uuid()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("unit_cost", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_stock_entries_moves")),
        sa.CheckConstraint("serial_id IS NULL OR abs(quantity) = 1", name=op.f("ck_stock_entries_one_serial")),
        key("stock_entries", "location_id", "stock_locations"),
        key("stock_entries", "lot_id", "stock_lots"),
        key("stock_entries", "movement_id", "stock_movements"),
        key("stock_entries", "organisation_id", "organisations"),
        key("stock_entries", "part_id", "parts"),
        key("stock_entries", "serial_id", "stock_serials"),
        primary("stock_entries"),
    )
    op.create_index("ix_stock_entries_location", "stock_entries", ["location_id", "movement_id"])
    op.create_index(op.f("ix_stock_entries_lot_id"), "stock_entries", ["lot_id"])
    op.create_index(op.f("ix_stock_entries_movement_id"), "stock_entries", ["movement_id"])
    op.create_index(op.f("ix_stock_entries_organisation_id"), "stock_entries", ["organisation_id"])
    op.create_index("ix_stock_entries_part", "stock_entries", ["part_id", "movement_id"])
    op.create_index(op.f("ix_stock_entries_serial_id"), "stock_entries", ["serial_id"])


def _stock_balances() -> None:
    op.create_table(
        "stock_balances",
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid()),
        sa.Column("serial_id", sa.Uuid()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("floored", sa.Boolean(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("NOT floored OR quantity >= 0", name=op.f("ck_stock_balances_floor")),
        sa.CheckConstraint(
            "NOT floored OR serial_id IS NULL OR quantity <= 1", name=op.f("ck_stock_balances_one_serial")
        ),
        key("stock_balances", "location_id", "stock_locations"),
        key("stock_balances", "lot_id", "stock_lots"),
        key("stock_balances", "organisation_id", "organisations"),
        key("stock_balances", "part_id", "parts"),
        key("stock_balances", "serial_id", "stock_serials"),
        primary("stock_balances"),
        sa.UniqueConstraint(
            "location_id",
            "part_id",
            "lot_id",
            "serial_id",
            name=op.f("uq_stock_balances_location_id_part_id_lot_id_serial_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_stock_balances_lot_id"), "stock_balances", ["lot_id"])
    op.create_index(op.f("ix_stock_balances_organisation_id"), "stock_balances", ["organisation_id"])
    op.create_index("ix_stock_balances_part", "stock_balances", ["part_id", "id"])
    op.create_index(op.f("ix_stock_balances_serial_id"), "stock_balances", ["serial_id"])


def _part_usages() -> None:
    op.create_table(
        "part_usages",
        sa.Column("movement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid()),
        sa.Column("serial_id", sa.Uuid()),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("work_order_number", sa.Text()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("returned", AMOUNT, server_default="0", nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("in_warranty", sa.Boolean()),
        sa.Column("unit_cost", AMOUNT),
        sa.Column("cost_currency", sa.Text()),
        sa.Column("unit_price", AMOUNT),
        sa.Column("price_currency", sa.Text()),
        sa.Column("price_book_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_part_usages_some")),
        sa.CheckConstraint("returned >= 0 AND returned <= quantity", name=op.f("ck_part_usages_returned")),
        key("part_usages", "location_id", "stock_locations"),
        key("part_usages", "lot_id", "stock_lots"),
        key("part_usages", "movement_id", "stock_movements"),
        key("part_usages", "organisation_id", "organisations"),
        key("part_usages", "part_id", "parts"),
        key("part_usages", "serial_id", "stock_serials"),
        primary("part_usages"),
    )
    op.create_index(op.f("ix_part_usages_asset_id"), "part_usages", ["asset_id"])
    op.create_index(op.f("ix_part_usages_location_id"), "part_usages", ["location_id"])
    op.create_index(op.f("ix_part_usages_lot_id"), "part_usages", ["lot_id"])
    op.create_index(op.f("ix_part_usages_movement_id"), "part_usages", ["movement_id"])
    op.create_index(op.f("ix_part_usages_organisation_id"), "part_usages", ["organisation_id"])
    op.create_index(op.f("ix_part_usages_part_id"), "part_usages", ["part_id"])
    op.create_index(op.f("ix_part_usages_serial_id"), "part_usages", ["serial_id"])
    op.create_index(op.f("ix_part_usages_work_order_id"), "part_usages", ["work_order_id"])


def _old_part_duties() -> None:
    op.create_table(
        "old_part_duties",
        sa.Column("usage_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("serial_expected", sa.Text()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("returned", AMOUNT, server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("work_order_number", sa.Text()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("reason", sa.Text()),
        sa.Column("closed_at", TIME),
        sa.Column("closed_by_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "quantity >= 0 AND returned >= 0 AND returned <= quantity", name=op.f("ck_old_part_duties_returned")
        ),
        key("old_part_duties", "organisation_id", "organisations"),
        key("old_part_duties", "part_id", "parts"),
        key("old_part_duties", "usage_id", "part_usages"),
        primary("old_part_duties"),
        sa.UniqueConstraint("usage_id", name=op.f("uq_old_part_duties_usage_id")),
    )
    op.create_index(op.f("ix_old_part_duties_asset_id"), "old_part_duties", ["asset_id"])
    op.create_index(
        "ix_old_part_duties_open", "old_part_duties", ["due_at", "id"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(op.f("ix_old_part_duties_organisation_id"), "old_part_duties", ["organisation_id"])
    op.create_index(op.f("ix_old_part_duties_part_id"), "old_part_duties", ["part_id"])
    op.create_index(op.f("ix_old_part_duties_person_id"), "old_part_duties", ["person_id"])
    op.create_index(op.f("ix_old_part_duties_work_order_id"), "old_part_duties", ["work_order_id"])


def _stock_conflicts() -> None:
    op.create_table(
        "stock_conflicts",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("operation", JSON, nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("by_id", sa.Uuid()),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("params", JSON, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("resolved_at", TIME),
        sa.Column("resolved_by_id", sa.Uuid()),
        sa.Column("reason", sa.Text()),
        sa.Column("movement_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_conflicts", "movement_id", "stock_movements"),
        key("stock_conflicts", "organisation_id", "organisations"),
        primary("stock_conflicts"),
        sa.UniqueConstraint(
            "organisation_id", "operation_id", name=op.f("uq_stock_conflicts_organisation_id_operation_id")
        ),
    )
    op.create_index(op.f("ix_stock_conflicts_movement_id"), "stock_conflicts", ["movement_id"])
    op.create_index("ix_stock_conflicts_open", "stock_conflicts", ["id"], postgresql_where=sa.text("state = 'open'"))
    op.create_index(op.f("ix_stock_conflicts_organisation_id"), "stock_conflicts", ["organisation_id"])
