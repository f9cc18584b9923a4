"""One query over all places and items: what is there, what comes, what goes, and where it is too little."""

from __future__ import annotations

# `trees`: each place that is filled up, with what lies below it. A demand without a place is the main store's: the
# organisation's first warehouse. What is planned or in draft counts as coming: it was proposed and taken up already.
PROPOSALS = """
WITH RECURSIVE main AS (
  SELECT DISTINCT ON (organisation_id) organisation_id, id FROM stock_locations
  WHERE active AND parent_id IS NULL AND kind IN ('warehouse', 'van', 'person')
  ORDER BY organisation_id, kind = 'warehouse' DESC, id
), needs AS (
  SELECT coalesce(d.location_id, main.id) AS location_id, d.part_id, sum(d.quantity) AS quantity
  FROM part_demands d JOIN parts p ON p.id = d.part_id LEFT JOIN main ON main.organisation_id = d.organisation_id
  WHERE d.state = 'open' AND d.needed_on <= CAST(:today AS date) + coalesce(p.lead_time_days, :horizon)
  GROUP BY 1, 2
), wants AS (
  SELECT coalesce(v.location_id, n.location_id) AS location_id, coalesce(v.part_id, n.part_id) AS part_id,
         coalesce(v.minimum, 0) AS minimum, coalesce(v.maximum, 0) AS maximum, coalesce(n.quantity, 0) AS demand
  FROM stock_levels v FULL JOIN needs n ON n.location_id = v.location_id AND n.part_id = v.part_id
  WHERE coalesce(v.location_id, n.location_id) IS NOT NULL
    AND (CAST(:location AS uuid) IS NULL OR coalesce(v.location_id, n.location_id) = :location)
    AND (CAST(:part AS uuid) IS NULL OR coalesce(v.part_id, n.part_id) = :part)
), trees AS (
  SELECT DISTINCT location_id AS top, location_id AS id FROM wants
  UNION
  SELECT t.top, l.id FROM stock_locations l JOIN trees t ON l.parent_id = t.id
), there AS (
  SELECT t.top, b.part_id, sum(b.quantity) AS quantity
  FROM stock_balances b JOIN trees t ON t.id = b.location_id JOIN stock_locations l ON l.id = b.location_id
  LEFT JOIN stock_serials s ON s.id = b.serial_id
  WHERE l.kind IN ('warehouse', 'bin', 'van', 'person') AND coalesce(s.condition, 'good') = 'good'
  GROUP BY 1, 2
), comes AS (
  SELECT top, part_id, sum(quantity) AS quantity FROM (
    SELECT t.top, o.part_id, greatest(o.quantity - o.received, 0) AS quantity
    FROM purchase_order_lines o JOIN purchase_orders p ON p.id = o.purchase_order_id
    JOIN trees t ON t.id = p.location_id
    WHERE p.state IN ('draft', 'ordered', 'partially_received')
    UNION ALL
    SELECT t.top, m.part_id, greatest(m.quantity - m.received, 0)
    FROM stock_transfer_lines m JOIN stock_transfers h ON h.id = m.transfer_id JOIN trees t ON t.id = h.to_id
    WHERE h.state IN ('planned', 'shipped')
      AND NOT EXISTS (SELECT FROM trees o WHERE o.top = t.top AND o.id = h.from_id)
    UNION ALL
    SELECT t.top, m.part_id, -m.quantity
    FROM stock_transfer_lines m JOIN stock_transfers h ON h.id = m.transfer_id JOIN trees t ON t.id = h.from_id
    WHERE h.state = 'planned' AND NOT EXISTS (SELECT FROM trees o WHERE o.top = t.top AND o.id = h.to_id)
  ) each GROUP BY 1, 2
), kept AS (
  SELECT t.top, r.part_id, sum(r.quantity - r.fulfilled) AS quantity
  FROM stock_reservations r JOIN trees t ON t.id = r.location_id
  WHERE r.state = 'open' AND r.hard GROUP BY 1, 2
)
SELECT w.location_id, w.part_id, w.minimum, w.maximum, w.demand, coalesce(there.quantity, 0) AS on_hand,
       coalesce(comes.quantity, 0) AS inbound, coalesce(kept.quantity, 0) AS reserved
FROM wants w
JOIN parts p ON p.id = w.part_id
JOIN stock_locations l ON l.id = w.location_id AND l.active
LEFT JOIN there ON there.top = w.location_id AND there.part_id = w.part_id
LEFT JOIN comes ON comes.top = w.location_id AND comes.part_id = w.part_id
LEFT JOIN kept ON kept.top = w.location_id AND kept.part_id = w.part_id
WHERE coalesce(there.quantity, 0) + coalesce(comes.quantity, 0) - coalesce(kept.quantity, 0) - w.demand < w.minimum
  AND (CAST(:number AS text) IS NULL
       OR (p.number, p.id, w.location_id) > (:number, CAST(:part_after AS uuid), CAST(:place_after AS uuid)))
ORDER BY p.number, p.id, w.location_id
LIMIT :limit
"""
