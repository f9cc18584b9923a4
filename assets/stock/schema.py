"""What the database itself keeps of the ledger: sums of zero, balances, one place to a serial, nothing ever changed."""

from __future__ import annotations

# In one statement come all entries of a movement. Locks are taken in one order (serials, then balances by their keys),
# so that two movements never wait for each other; a balance is locked before it is added to.
BOOK = """
CREATE OR REPLACE FUNCTION forewarn_stock_book() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE pieces uuid[];
BEGIN
  IF EXISTS (SELECT FROM added GROUP BY movement_id, part_id, lot_id, serial_id HAVING sum(quantity) <> 0) THEN
    RAISE EXCEPTION 'the entries of a movement sum to zero for each item, lot and serial'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_entries_sum_to_zero';
  END IF;
  pieces := ARRAY(SELECT DISTINCT serial_id FROM added WHERE serial_id IS NOT NULL);
  PERFORM 1 FROM stock_serials WHERE id = ANY (pieces) ORDER BY id FOR UPDATE;
  INSERT INTO stock_balances
    (id, organisation_id, location_id, part_id, lot_id, serial_id, quantity, floored, updated_at)
  SELECT gen_random_uuid(), k.organisation_id, k.location_id, k.part_id, k.lot_id, k.serial_id, 0,
         l.kind NOT IN ('customer', 'supplier', 'adjustment'), now()
  FROM (SELECT DISTINCT organisation_id, location_id, part_id, lot_id, serial_id FROM added) k
  JOIN stock_locations l ON l.id = k.location_id
  ORDER BY k.location_id, k.part_id, k.lot_id, k.serial_id
  ON CONFLICT DO NOTHING;
  PERFORM 1 FROM stock_balances b
  JOIN (SELECT DISTINCT location_id, part_id, lot_id, serial_id FROM added) k
    ON b.location_id = k.location_id AND b.part_id = k.part_id
    AND b.lot_id IS NOT DISTINCT FROM k.lot_id AND b.serial_id IS NOT DISTINCT FROM k.serial_id
  ORDER BY b.location_id, b.part_id, b.lot_id, b.serial_id FOR UPDATE OF b;
  UPDATE stock_balances b SET quantity = b.quantity + d.quantity, updated_at = now()
  FROM (SELECT location_id, part_id, lot_id, serial_id, sum(quantity) AS quantity FROM added
        GROUP BY location_id, part_id, lot_id, serial_id) d
  WHERE b.location_id = d.location_id AND b.part_id = d.part_id
    AND b.lot_id IS NOT DISTINCT FROM d.lot_id AND b.serial_id IS NOT DISTINCT FROM d.serial_id;
  IF EXISTS (
    SELECT FROM stock_balances b JOIN stock_locations l ON l.id = b.location_id
    WHERE b.serial_id = ANY (pieces)
      AND (b.floored OR (l.kind = 'customer' AND b.quantity > 0))
    GROUP BY b.serial_id HAVING sum(b.quantity) > 1) THEN
    RAISE EXCEPTION 'a serial is at one place'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_serial_at_one_place';
  END IF;
  RETURN NULL;
END $$
"""

# The one way out is an organisation that was a demo from the start and is taken away whole.
KEEP = """
CREATE OR REPLACE FUNCTION forewarn_stock_keep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT FROM organisations WHERE id = OLD.organisation_id AND demo) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'the stock ledger is append-only: a correction is a movement of its own'
    USING ERRCODE = 'insufficient_privilege';
END $$
"""

TRIGGERS = (
    "CREATE TRIGGER book AFTER INSERT ON stock_entries REFERENCING NEW TABLE AS added"
    " FOR EACH STATEMENT EXECUTE FUNCTION forewarn_stock_book()",
    *(
        f"CREATE TRIGGER keep_{when.lower()} BEFORE {when} ON {table}"
        f" FOR EACH {each} EXECUTE FUNCTION forewarn_stock_keep()"
        for table in ("stock_movements", "stock_entries")
        for when, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT"))
    ),
)

# security_invoker: the reader's own row policies apply, not those of the view's owner.
STOCK_V1 = """
CREATE VIEW stock_v1 WITH (security_invoker = true) AS
SELECT p.number AS part_number, p.name_en, p.name_zh, p.kind, p.unit, l.code AS location, l.name AS location_name,
       l.kind AS location_kind, l.kind IN ('warehouse', 'bin', 'van', 'person')
         AND coalesce(s.condition, 'good') = 'good' AS usable,
       o.lot, s.serial, s.condition, b.quantity, b.updated_at, b.organisation_id
FROM stock_balances b
JOIN parts p ON p.id = b.part_id
JOIN stock_locations l ON l.id = b.location_id
LEFT JOIN stock_lots o ON o.id = b.lot_id
LEFT JOIN stock_serials s ON s.id = b.serial_id
WHERE b.quantity <> 0
"""

# What replaying all entries gives beside what the balances say; no row where they agree.
REPLAY = """
SELECT coalesce(r.location_id, b.location_id) AS location_id, coalesce(r.part_id, b.part_id) AS part_id,
       coalesce(r.quantity, 0) AS replayed, coalesce(b.quantity, 0) AS kept
FROM (SELECT location_id, part_id, lot_id, serial_id, sum(quantity) AS quantity FROM stock_entries
      GROUP BY location_id, part_id, lot_id, serial_id) r
FULL JOIN stock_balances b
  ON r.location_id = b.location_id AND r.part_id = b.part_id
  AND coalesce(r.lot_id::text, '') = coalesce(b.lot_id::text, '')
  AND coalesce(r.serial_id::text, '') = coalesce(b.serial_id::text, '')
WHERE coalesce(r.quantity, 0) <> coalesce(b.quantity, 0)
LIMIT 100
"""
