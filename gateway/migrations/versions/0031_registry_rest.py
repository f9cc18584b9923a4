"""Let an erasure take a name out of the words on a stock movement; quantities and places stay append-only."""

from __future__ import annotations

from alembic import op

from assets.base.db import SERVICE_ROLE
from assets.stock.schema import KEEP

revision = "0031"
down_revision = "0030"

_KEEP = """
CREATE OR REPLACE FUNCTION forewarn_stock_keep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT FROM organisations WHERE id = OLD.organisation_id AND demo) THEN
      RETURN OLD;
    END IF;
  END IF;
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'stock_movements'
     AND current_setting('forewarn.erasing', true) = 'on' THEN
    IF to_jsonb(NEW) - 'note' - 'reason' = to_jsonb(OLD) - 'note' - 'reason' THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the stock ledger is append-only: a correction is a movement of its own'
    USING ERRCODE = 'insufficient_privilege';
END $$
"""


def _replace(function: str) -> None:
    """The service owns the function; to replace it, it has to be allowed to make one for a moment."""
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    op.execute(f"SET ROLE {SERVICE_ROLE}")
    op.execute(function)
    op.execute("RESET ROLE")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")


def upgrade() -> None:
    """Apply."""
    _replace(_KEEP)
    op.execute(f"GRANT UPDATE (note, reason) ON stock_movements TO {SERVICE_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.execute(f"REVOKE UPDATE (note, reason) ON stock_movements FROM {SERVICE_ROLE}")
    _replace(KEEP)
