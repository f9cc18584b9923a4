"""Tables of the stock room's papers: orders, transfers, promises, levels, repairs, tools, prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.migrations.columns import AMOUNT, TIME, key, primary

PAPERS = (
    "stock_settings",
    "purchase_orders",
    "purchase_order_lines",
    "stock_transfers",
    "stock_transfer_lines",
    "stock_reservations",
    "stock_levels",
    "part_demands",
    "repair_orders",
    "tools",
    "tool_hours",
    "price_books",
    "prices",
)


def create_papers() -> None:
    """Create them, in the order of their keys."""
    _stock_settings()
    _purchase_orders()
    _purchase_order_lines()
    _stock_transfers()
    _stock_transfer_lines()
    _stock_reservations()
    _stock_levels()
    _part_demands()
    _repair_orders()
    _tools()
    _tool_hours()
    _price_books()
    _prices()


def _purchase_orders() -> None:
    op.create_table(
        "purchase_orders",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("supplier_reference", sa.Text()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("expected_on", sa.Date()),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("ordered_at", TIME),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("purchase_orders", "location_id", "stock_locations"),
        key("purchase_orders", "organisation_id", "organisations"),
        primary("purchase_orders"),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_purchase_orders_organisation_id_number")),
    )
    op.create_index(op.f("ix_purchase_orders_location_id"), "purchase_orders", ["location_id"])
    op.create_index(op.f("ix_purchase_orders_organisation_id"), "purchase_orders", ["organisation_id"])
    op.create_index("ix_purchase_orders_state", "purchase_orders", ["state", "id"])


def _purchase_order_lines() -> None:
    op.create_table(
        "purchase_order_lines",
        sa.Column("purchase_order_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("unit_cost", AMOUNT, nullable=False),
        sa.Column("received", AMOUNT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_purchase_order_lines_some")),
        sa.CheckConstraint("received >= 0", name=op.f("ck_purchase_order_lines_received")),
        key("purchase_order_lines", "organisation_id", "organisations"),
        key("purchase_order_lines", "part_id", "parts"),
        key("purchase_order_lines", "purchase_order_id", "purchase_orders", "CASCADE"),
        primary("purchase_order_lines"),
    )
    op.create_index(op.f("ix_purchase_order_lines_organisation_id"), "purchase_order_lines", ["organisation_id"])
    op.create_index(op.f("ix_purchase_order_lines_part_id"), "purchase_order_lines", ["part_id"])
    op.create_index(op.f("ix_purchase_order_lines_purchase_order_id"), "purchase_order_lines", ["purchase_order_id"])


def _stock_transfers() -> None:
    op.create_table(
        "stock_transfers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expected_on", sa.Date()),
        sa.Column("carrier", sa.Text()),
        sa.Column("tracking_number", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("shipped_at", TIME),
        sa.Column("shipped_by_id", sa.Uuid()),
        sa.Column("received_at", TIME),
        sa.Column("received_by_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_transfers", "from_id", "stock_locations"),
        key("stock_transfers", "organisation_id", "organisations"),
        key("stock_transfers", "to_id", "stock_locations"),
        primary("stock_transfers"),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_stock_transfers_organisation_id_number")),
    )
    op.create_index(op.f("ix_stock_transfers_from_id"), "stock_transfers", ["from_id"])
    op.create_index(op.f("ix_stock_transfers_organisation_id"), "stock_transfers", ["organisation_id"])
    op.create_index("ix_stock_transfers_state", "stock_transfers", ["state", "id"])
    op.create_index(op.f("ix_stock_transfers_to_id"), "stock_transfers", ["to_id"])


def _stock_transfer_lines() -> None:
    op.create_table(
        "stock_transfer_lines",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid()),
        sa.Column("serial_id", sa.Uuid()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("shipped", AMOUNT, nullable=False),
        sa.Column("received", AMOUNT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_transfer_lines_some")),
        key("stock_transfer_lines", "lot_id", "stock_lots"),
        key("stock_transfer_lines", "organisation_id", "organisations"),
        key("stock_transfer_lines", "part_id", "parts"),
        key("stock_transfer_lines", "serial_id", "stock_serials"),
        key("stock_transfer_lines", "transfer_id", "stock_transfers", "CASCADE"),
        primary("stock_transfer_lines"),
    )
    op.create_index(op.f("ix_stock_transfer_lines_lot_id"), "stock_transfer_lines", ["lot_id"])
    op.create_index(op.f("ix_stock_transfer_lines_organisation_id"), "stock_transfer_lines", ["organisation_id"])
    op.create_index(op.f("ix_stock_transfer_lines_part_id"), "stock_transfer_lines", ["part_id"])
    op.create_index(op.f("ix_stock_transfer_lines_serial_id"), "stock_transfer_lines", ["serial_id"])
    op.create_index(op.f("ix_stock_transfer_lines_transfer_id"), "stock_transfer_lines", ["transfer_id"])


def _stock_reservations() -> None:
    op.create_table(
        "stock_reservations",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("fulfilled", AMOUNT, nullable=False),
        sa.Column("needed_on", sa.Date(), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("work_order_number", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("by_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_reservations_some")),
        key("stock_reservations", "location_id", "stock_locations"),
        key("stock_reservations", "organisation_id", "organisations"),
        key("stock_reservations", "part_id", "parts"),
        primary("stock_reservations"),
    )
    op.create_index(
        "ix_stock_reservations_open",
        "stock_reservations",
        ["location_id", "part_id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(op.f("ix_stock_reservations_organisation_id"), "stock_reservations", ["organisation_id"])
    op.create_index(op.f("ix_stock_reservations_part_id"), "stock_reservations", ["part_id"])
    op.create_index(op.f("ix_stock_reservations_work_order_id"), "stock_reservations", ["work_order_id"])


def _stock_levels() -> None:
    op.create_table(
        "stock_levels",
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("minimum", AMOUNT, nullable=False),
        sa.Column("maximum", AMOUNT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("minimum >= 0 AND maximum >= minimum", name=op.f("ck_stock_levels_order")),
        key("stock_levels", "location_id", "stock_locations", "CASCADE"),
        key("stock_levels", "organisation_id", "organisations"),
        key("stock_levels", "part_id", "parts", "CASCADE"),
        primary("stock_levels"),
        sa.UniqueConstraint("location_id", "part_id", name=op.f("uq_stock_levels_location_id_part_id")),
    )
    op.create_index(op.f("ix_stock_levels_organisation_id"), "stock_levels", ["organisation_id"])
    op.create_index(op.f("ix_stock_levels_part_id"), "stock_levels", ["part_id"])


def _part_demands() -> None:
    op.create_table(
        "part_demands",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid()),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("needed_on", sa.Date(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_part_demands_some")),
        key("part_demands", "location_id", "stock_locations", "SET NULL"),
        key("part_demands", "organisation_id", "organisations"),
        key("part_demands", "part_id", "parts", "CASCADE"),
        primary("part_demands"),
    )
    op.create_index(op.f("ix_part_demands_location_id"), "part_demands", ["location_id"])
    op.create_index(op.f("ix_part_demands_organisation_id"), "part_demands", ["organisation_id"])
    op.create_index(op.f("ix_part_demands_part_id"), "part_demands", ["part_id"])
    op.create_index("ix_part_demands_source", "part_demands", ["organisation_id", "source_kind", "source_ref"])


def _repair_orders() -> None:
    op.create_table(
        "repair_orders",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("serial_id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("cost", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("sent_at", TIME, nullable=False),
        sa.Column("sent_by_id", sa.Uuid()),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("repair_orders", "organisation_id", "organisations"),
        key("repair_orders", "part_id", "parts"),
        key("repair_orders", "serial_id", "stock_serials"),
        key("repair_orders", "shop_id", "stock_locations"),
        primary("repair_orders"),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_repair_orders_organisation_id_number")),
    )
    op.create_index(op.f("ix_repair_orders_organisation_id"), "repair_orders", ["organisation_id"])
    op.create_index(op.f("ix_repair_orders_part_id"), "repair_orders", ["part_id"])
    op.create_index(op.f("ix_repair_orders_serial_id"), "repair_orders", ["serial_id"])
    op.create_index(op.f("ix_repair_orders_shop_id"), "repair_orders", ["shop_id"])
    op.create_index("ix_repair_orders_state", "repair_orders", ["state", "id"])


def _tools() -> None:
    op.create_table(
        "tools",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("serial_id", sa.Uuid(), nullable=False),
        sa.Column("hourly_rate", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("calibration_due_on", sa.Date()),
        sa.Column("retired_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("tools", "organisation_id", "organisations"),
        key("tools", "part_id", "parts"),
        key("tools", "serial_id", "stock_serials"),
        primary("tools"),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_tools_organisation_id_number")),
        sa.UniqueConstraint("serial_id", name=op.f("uq_tools_serial_id")),
    )
    op.create_index("ix_tools_number", "tools", ["number", "id"])
    op.create_index(op.f("ix_tools_organisation_id"), "tools", ["organisation_id"])
    op.create_index(op.f("ix_tools_part_id"), "tools", ["part_id"])


def _tool_hours() -> None:
    op.create_table(
        "tool_hours",
        sa.Column("tool_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("work_order_number", sa.Text()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("hours", AMOUNT, nullable=False),
        sa.Column("rate", AMOUNT),
        sa.Column("currency", sa.Text()),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("hours > 0", name=op.f("ck_tool_hours_some")),
        key("tool_hours", "organisation_id", "organisations"),
        key("tool_hours", "tool_id", "tools"),
        primary("tool_hours"),
    )
    op.create_index(op.f("ix_tool_hours_asset_id"), "tool_hours", ["asset_id"])
    op.create_index(op.f("ix_tool_hours_organisation_id"), "tool_hours", ["organisation_id"])
    op.create_index(op.f("ix_tool_hours_tool_id"), "tool_hours", ["tool_id"])
    op.create_index(op.f("ix_tool_hours_work_order_id"), "tool_hours", ["work_order_id"])


def _price_books() -> None:
    op.create_table(
        "price_books",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("price_books", "customer_id", "customers", "CASCADE"),
        key("price_books", "organisation_id", "organisations"),
        primary("price_books"),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_price_books_organisation_id_name")),
    )
    op.create_index(op.f("ix_price_books_customer_id"), "price_books", ["customer_id"])
    op.create_index("ix_price_books_name", "price_books", ["name", "id"])
    op.create_index(op.f("ix_price_books_organisation_id"), "price_books", ["organisation_id"])


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("price_book_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid()),
        sa.Column("tool_id", sa.Uuid()),
        sa.Column("price", AMOUNT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("price >= 0", name=op.f("ck_prices_not_negative")),
        key("prices", "organisation_id", "organisations"),
        key("prices", "part_id", "parts", "CASCADE"),
        key("prices", "price_book_id", "price_books", "CASCADE"),
        key("prices", "tool_id", "tools", "CASCADE"),
        primary("prices"),
        sa.UniqueConstraint(
            "price_book_id",
            "part_id",
            "tool_id",
            name=op.f("uq_prices_price_book_id_part_id_tool_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_prices_organisation_id"), "prices", ["organisation_id"])
    op.create_index(op.f("ix_prices_part_id"), "prices", ["part_id"])
    op.create_index(op.f("ix_prices_price_book_id"), "prices", ["price_book_id"])
    op.create_index(op.f("ix_prices_tool_id"), "prices", ["tool_id"])


def _stock_settings() -> None:
    op.create_table(
        "stock_settings",
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("over_receipt_percent", sa.Numeric(), nullable=False),
        sa.Column("old_part_days", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("stock_settings", "organisation_id", "organisations"),
        primary("stock_settings"),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_stock_settings_organisation_id")),
    )
    op.create_index(op.f("ix_stock_settings_organisation_id"), "stock_settings", ["organisation_id"])
