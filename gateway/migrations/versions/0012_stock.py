"""Parts, stock ledger, purchase, tools, prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import MODEL_READ, OWNED, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from assets.stock.schema import BOOK, KEEP, STOCK_V1, TRIGGERS
from gateway.migrations.stock_ledger import LEDGER, create_ledger
from gateway.migrations.stock_papers import PAPERS, create_papers

revision = "0012"
down_revision = "0011"

_SEQUENCES = ("purchase_order_numbers", "stock_transfer_numbers", "repair_order_numbers", "tool_numbers")
# Organisations below an operator read its items, and follow its settings.
_SHARED = frozenset({"parts", "part_models", "stock_settings"})
_APPEND_ONLY = ("stock_movements", "stock_entries")
_FUNCTIONS = ("forewarn_stock_book()", "forewarn_stock_keep()")


def upgrade() -> None:
    """Apply."""
    create_ledger()
    create_papers()
    for sequence in _SEQUENCES:
        op.execute(f"CREATE SEQUENCE {sequence}")
        op.execute(f"GRANT USAGE ON SEQUENCE {sequence} TO {APP_ROLE}, {SERVICE_ROLE}")
    _triggers()
    tables = (*LEDGER, *PAPERS)
    for table in tables:
        for statement in owned_policies(table, read=MODEL_READ if table in _SHARED else OWNED):
            op.execute(sa.text(statement))
    _rights(tables)
    op.execute(STOCK_V1)
    op.execute(f"GRANT SELECT ON stock_v1 TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP VIEW stock_v1")
    for table in reversed((*LEDGER, *PAPERS)):
        op.execute(f"DROP TABLE {table} CASCADE")
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    for sequence in _SEQUENCES:
        op.execute(f"DROP SEQUENCE {sequence}")


def _triggers() -> None:
    """They run with the service's rights: requests write entries, and nothing but entries writes balances."""
    op.execute(sa.text(BOOK))
    op.execute(sa.text(KEEP))
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    for name in _FUNCTIONS:
        op.execute(f"ALTER FUNCTION {name} OWNER TO {SERVICE_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
    for statement in TRIGGERS:
        op.execute(statement)


def _rights(tables: tuple[str, ...]) -> None:
    every = ", ".join(tables)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {READER_ROLE}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON stock_balances FROM {APP_ROLE}")
    appended = ", ".join(_APPEND_ONLY)
    # The service removes a demo organisation whole; the trigger refuses everything else.
    op.execute(f"REVOKE UPDATE, DELETE ON {appended} FROM {APP_ROLE}")
    op.execute(f"REVOKE UPDATE ON {appended} FROM {SERVICE_ROLE}")
