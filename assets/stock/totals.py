"""How much of an item a place holds in all, beside the least that it should: what runs low is found by an index."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Owned
from assets.stock.words import QUANTITY


class StockTotal(Owned, Base):
    """The sum of a shelf's balances of an item over lots and serials, and its level's minimum; written by triggers."""

    __tablename__ = "stock_totals"

    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id", ondelete="CASCADE"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    minimum: Mapped[Decimal] = mapped_column(QUANTITY)

    __table_args__ = (
        Index("ix_stock_totals_part_id", "part_id", "location_id"),
        Index("ix_stock_totals_low", "part_id", "location_id", postgresql_where=text("quantity < minimum")),
    )


# Both triggers add to one row and never compute it anew, so that none misses what another transaction has not committed
# yet; rows are locked in one order, after the balances.
FUNCTIONS = {
    "forewarn_stock_total()": """
CREATE OR REPLACE FUNCTION forewarn_stock_total() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  INSERT INTO stock_totals AS t (location_id, part_id, organisation_id, quantity, minimum)
  SELECT a.location_id, a.part_id, l.organisation_id, sum(a.quantity), 0
  FROM added a JOIN stock_locations l ON l.id = a.location_id
  WHERE l.kind NOT IN ('customer', 'supplier', 'adjustment')
  GROUP BY a.location_id, a.part_id, l.organisation_id
  ORDER BY a.location_id, a.part_id
  ON CONFLICT (location_id, part_id) DO UPDATE SET quantity = t.quantity + excluded.quantity;
  RETURN NULL;
END $$
""",
    "forewarn_stock_least()": """
CREATE OR REPLACE FUNCTION forewarn_stock_least() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE stock_totals SET minimum = 0 WHERE location_id = OLD.location_id AND part_id = OLD.part_id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO stock_totals AS t (location_id, part_id, organisation_id, quantity, minimum)
    VALUES (NEW.location_id, NEW.part_id, NEW.organisation_id, 0, NEW.minimum)
    ON CONFLICT (location_id, part_id) DO UPDATE SET minimum = excluded.minimum;
  END IF;
  RETURN NULL;
END $$
""",
}
TRIGGERS = (
    # Named so that it comes after `book`, which refuses what cannot be.
    "CREATE TRIGGER total AFTER INSERT ON stock_entries REFERENCING NEW TABLE AS added"
    " FOR EACH STATEMENT EXECUTE FUNCTION forewarn_stock_total()",
    "CREATE TRIGGER least AFTER INSERT OR UPDATE OR DELETE ON stock_levels"
    " FOR EACH ROW EXECUTE FUNCTION forewarn_stock_least()",
)

# What is there when the triggers come.
FILL = """
INSERT INTO stock_totals (location_id, part_id, organisation_id, quantity, minimum)
SELECT coalesce(b.location_id, v.location_id), coalesce(b.part_id, v.part_id),
       coalesce(b.organisation_id, v.organisation_id), coalesce(b.quantity, 0), coalesce(v.minimum, 0)
FROM (SELECT location_id, part_id, organisation_id, sum(quantity) AS quantity FROM stock_balances WHERE floored
      GROUP BY 1, 2, 3) b
FULL JOIN stock_levels v ON v.location_id = b.location_id AND v.part_id = b.part_id
"""

# What all entries and levels give beside what the totals say; no row where they agree.
_REPLAY = """
SELECT coalesce(r.location_id, v.location_id, t.location_id) AS location_id,
       coalesce(r.part_id, v.part_id, t.part_id) AS part_id, coalesce(r.quantity, 0) AS replayed,
       coalesce(t.quantity, 0) AS kept, coalesce(v.minimum, 0) AS least, coalesce(t.minimum, 0) AS kept_least
FROM (SELECT e.location_id, e.part_id, sum(e.quantity) AS quantity FROM stock_entries e
      JOIN stock_locations l ON l.id = e.location_id WHERE l.kind NOT IN ('customer', 'supplier', 'adjustment')
      GROUP BY 1, 2) r
FULL JOIN stock_levels v ON v.location_id = r.location_id AND v.part_id = r.part_id
FULL JOIN stock_totals t ON t.location_id = coalesce(r.location_id, v.location_id)
  AND t.part_id = coalesce(r.part_id, v.part_id)
WHERE coalesce(r.quantity, 0) <> coalesce(t.quantity, 0) OR coalesce(v.minimum, 0) <> coalesce(t.minimum, 0)
LIMIT 100
"""


def total_differences(session: Session) -> list[dict[str, Any]]:
    """Return where the totals are not what all entries and levels give: nothing, or the ledger is broken."""
    return [dict(row) for row in session.execute(text(_REPLAY)).mappings()]
