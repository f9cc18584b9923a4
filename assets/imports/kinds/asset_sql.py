"""The statements by which assets are imported, over the staged rows `import_rows`."""

from __future__ import annotations

# Of several assets with this serial number the one of the named customer; without a name there must be one only.
FIND = """
UPDATE import_rows r SET found = a.id FROM (
  SELECT DISTINCT ON (s.n) s.n, a.id FROM import_rows s JOIN assets a ON a.serial = s.f_serial
  ORDER BY s.n, (a.organisation_id = s.organisation_id) DESC, a.id) a
WHERE a.n = r.n
"""
SEVERAL = """
r.f_customer IS NULL AND r.found IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.id = r.found AND a.organisation_id = r.organisation_id)
AND (SELECT count(*) FROM assets a WHERE a.serial = r.f_serial) > 1
"""
OWNER_OF_FOUND = """
UPDATE import_rows r SET organisation_id = a.organisation_id FROM assets a
WHERE a.id = r.found AND r.f_customer IS NULL
"""
OTHER_CUSTOMER = """
r.f_customer IS NOT NULL AND r.found IS NOT NULL
AND EXISTS (SELECT 1 FROM assets a WHERE a.id = r.found AND a.organisation_id <> r.organisation_id)
"""
NO_MODEL = "r.f_model IS NOT NULL AND NOT EXISTS (SELECT 1 FROM asset_models m WHERE m.code = r.f_model)"
NO_SITE = """
r.f_site IS NOT NULL AND r.organisation_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM sites s WHERE s.name = r.f_site AND s.organisation_id = r.organisation_id)
"""
NO_PARENT = """
r.f_parent IS NOT NULL AND r.organisation_id IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.serial = r.f_parent AND a.organisation_id = r.organisation_id)
AND NOT EXISTS (SELECT 1 FROM import_rows p WHERE p.f_serial = r.f_parent AND p.organisation_id = r.organisation_id)
"""
OTHER_LIFECYCLE = """
r.f_lifecycle IS NOT NULL AND EXISTS (SELECT 1 FROM assets a WHERE a.id = r.found AND a.lifecycle <> r.f_lifecycle)
"""
# Nothing whose life has ended is built in: told now, not when half of the file is stored.
ENDED_PART = """
r.f_parent IS NOT NULL AND coalesce((SELECT a.lifecycle FROM assets a WHERE a.id = r.found), r.f_lifecycle)
  IN ('retired', 'scrapped')
"""
NOT_YET = "r.f_installed_at > CAST(:now AS timestamptz) AND coalesce(r.f_lifecycle, '') <> 'planned'"

_PARENT = """
coalesce((SELECT a.id FROM assets a WHERE a.serial = r.f_parent AND a.organisation_id = r.organisation_id),
         (SELECT p.id FROM import_rows p WHERE p.f_serial = r.f_parent AND p.organisation_id = r.organisation_id
          ORDER BY p.n LIMIT 1))
"""
# Who is a part of what, once all rows were stored.
PARENTS = f"""
SELECT coalesce(r.found, r.id) AS id, {_PARENT} AS parent, r.n FROM import_rows r
WHERE r.f_parent IS NOT NULL AND r.verdict IS DISTINCT FROM 'faulty'
UNION ALL
SELECT a.id, a.parent_id, NULL FROM assets a
WHERE a.parent_id IS NOT NULL AND a.organisation_id IN (SELECT organisation_id FROM import_rows)
AND NOT EXISTS (SELECT 1 FROM import_rows r WHERE r.found = a.id AND r.f_parent IS NOT NULL)
"""

# Once, by sets: asking for each row goes through the row policies for each row.
RESOLVE = (
    "ALTER TABLE import_rows ADD model_id uuid, ADD site_id uuid, ADD customer_id uuid",
    "UPDATE import_rows r SET customer_id = c.id FROM customers c WHERE c.number = r.f_customer",
    """
    UPDATE import_rows r SET model_id = m.id FROM (
      SELECT DISTINCT ON (s.n) s.n, m.id FROM import_rows s JOIN asset_models m ON m.code = s.f_model
      ORDER BY s.n, (m.organisation_id = s.organisation_id) DESC, m.id) m
    WHERE m.n = r.n
    """,
    """
    UPDATE import_rows r SET site_id = s.id FROM (
      SELECT DISTINCT ON (organisation_id, name) organisation_id, name, id FROM sites
      ORDER BY organisation_id, name, id) s
    WHERE s.name = r.f_site AND s.organisation_id = r.organisation_id
    """,
)

# What is there, with names instead of keys.
THERE = """(
  SELECT a.*, m.code AS model_code, s.name AS site_name, p.serial AS parent_serial, c.number AS customer_number
  FROM assets a LEFT JOIN asset_models m ON m.id = a.asset_model_id LEFT JOIN sites s ON s.id = a.site_id
  LEFT JOIN assets p ON p.id = a.parent_id LEFT JOIN customers c ON c.id = a.customer_id
  WHERE a.id IN (SELECT found FROM import_rows))"""
SAME = [
    ("name", "r.f_name"),
    ("model_code", "r.f_model"),
    ("site_name", "r.f_site"),
    ("parent_serial", "r.f_parent"),
    ("customer_number", "r.f_customer"),
    ("installed_at", "r.f_installed_at"),
    ("latitude_deg", "r.f_latitude_deg"),
    ("longitude_deg", "r.f_longitude_deg"),
    ("custom", "(t.custom || r.custom)"),
]

_SPAN = "r.n >= :first AND r.n < :last"
NEW = f"""
SELECT r.n, r.id, r.organisation_id, r.f_serial AS serial, r.f_name AS name,
  coalesce(r.f_lifecycle, 'in_service') AS lifecycle
FROM import_rows r WHERE r.verdict = 'insert' AND {_SPAN} ORDER BY r.n
"""
INSERT = f"""
INSERT INTO assets (id, organisation_id, serial, name, asset_model_id, customer_id, site_id, code, lifecycle,
  lifecycle_since, operation, installed_at, latitude_deg, longitude_deg, located_at, created_at, custom, demo)
SELECT r.id, r.organisation_id, r.f_serial, r.f_name, r.model_id, r.customer_id, r.site_id, k.code,
  coalesce(r.f_lifecycle, 'in_service'),
  CASE WHEN r.f_lifecycle = 'planned' THEN CAST(:now AS timestamptz)
       ELSE least(coalesce(r.f_installed_at, :now), :now) END,
  'unknown', r.f_installed_at, r.f_latitude_deg, r.f_longitude_deg,
  CASE WHEN r.f_latitude_deg IS NOT NULL THEN CAST(:now AS timestamptz) END, :now, coalesce(r.custom, '{{}}'), false
FROM import_rows r JOIN unnest(CAST(:n AS int[]), CAST(:code AS text[])) AS k(n, code) ON k.n = r.n
WHERE r.verdict = 'insert' AND {_SPAN}
"""
BEGIN_LIVES = f"""
INSERT INTO state_intervals (id, organisation_id, asset_id, axis, state, source, valid_from)
SELECT gen_random_uuid(), a.organisation_id, a.id, 'lifecycle', a.lifecycle, 'import', a.lifecycle_since
FROM import_rows r JOIN assets a ON a.id = r.id WHERE r.verdict = 'insert' AND {_SPAN}
"""
MODEL_METERS = f"""
INSERT INTO meters (id, organisation_id, asset_id, name, kind, unit, metric, rollover_at, created_at)
SELECT gen_random_uuid(), r.organisation_id, r.id, about ->> 'name', about ->> 'kind', about ->> 'unit',
  about ->> 'metric', CAST(about ->> 'rollover_at' AS double precision), CAST(:now AS timestamptz)
FROM import_rows r JOIN asset_models m ON m.id = r.model_id, jsonb_array_elements(m.meters) AS about
WHERE r.verdict = 'insert' AND {_SPAN}
"""
CHANGED = f"""
SELECT t.id, t.organisation_id, ARRAY[
  CASE WHEN r.f_name <> t.name THEN 'name' END,
  CASE WHEN r.f_model IS NOT NULL AND r.f_model IS DISTINCT FROM t.model_code THEN 'model' END,
  CASE WHEN r.f_customer IS NOT NULL AND r.f_customer IS DISTINCT FROM t.customer_number THEN 'customer' END,
  CASE WHEN r.f_site IS NOT NULL AND r.f_site IS DISTINCT FROM t.site_name THEN 'site' END,
  CASE WHEN r.f_parent IS NOT NULL AND r.f_parent IS DISTINCT FROM t.parent_serial THEN 'parent' END,
  CASE WHEN r.f_installed_at IS NOT NULL AND r.f_installed_at IS DISTINCT FROM t.installed_at THEN 'installed_at' END,
  CASE WHEN r.f_latitude_deg IS DISTINCT FROM t.latitude_deg AND r.f_latitude_deg IS NOT NULL
    OR r.f_longitude_deg IS DISTINCT FROM t.longitude_deg AND r.f_longitude_deg IS NOT NULL THEN 'place' END,
  CASE WHEN r.custom IS NOT NULL AND t.custom || r.custom <> t.custom THEN 'custom' END] AS fields
FROM import_rows r JOIN {THERE} t ON t.id = r.found WHERE r.verdict = 'update' AND {_SPAN} ORDER BY t.id
"""
UPDATE = f"""
UPDATE assets a SET name = coalesce(r.f_name, a.name),
  asset_model_id = CASE WHEN r.f_model IS NULL THEN a.asset_model_id ELSE r.model_id END,
  customer_id = CASE WHEN r.f_customer IS NULL THEN a.customer_id ELSE r.customer_id END,
  installed_at = coalesce(r.f_installed_at, a.installed_at),
  latitude_deg = coalesce(r.f_latitude_deg, a.latitude_deg),
  longitude_deg = coalesce(r.f_longitude_deg, a.longitude_deg),
  located_at = CASE WHEN r.f_latitude_deg IS DISTINCT FROM a.latitude_deg AND r.f_latitude_deg IS NOT NULL
    THEN CAST(:now AS timestamptz) ELSE a.located_at END,
  custom = a.custom || coalesce(r.custom, '{{}}'), version = a.version + 1
FROM import_rows r WHERE a.id = r.found AND r.verdict = 'update' AND {_SPAN}
"""
MOVED = f"""
SELECT a.id, r.site_id AS site_id FROM import_rows r JOIN assets a ON a.id = r.found
WHERE r.verdict = 'update' AND r.f_site IS NOT NULL AND {_SPAN} AND a.site_id IS DISTINCT FROM r.site_id ORDER BY a.id
"""
PLACED = f"""
SELECT asset_id, parent_id FROM (
  SELECT a.id AS asset_id, a.parent_id AS now_in, {_PARENT} AS parent_id, r.n FROM import_rows r
  JOIN assets a ON a.id = coalesce(r.found, r.id)
  WHERE r.f_parent IS NOT NULL AND r.verdict IN ('insert', 'update')) placed
WHERE parent_id IS DISTINCT FROM now_in ORDER BY n
"""
EXPORT = """
SELECT a.serial, a.name, m.code, c.number, s.name, p.serial, a.lifecycle, a.installed_at, a.latitude_deg,
  a.longitude_deg
FROM assets a LEFT JOIN asset_models m ON m.id = a.asset_model_id LEFT JOIN customers c ON c.id = a.customer_id
LEFT JOIN sites s ON s.id = a.site_id LEFT JOIN assets p ON p.id = a.parent_id
ORDER BY a.serial, a.id
"""
