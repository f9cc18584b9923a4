"""The tables, functions and views of the telemetry store, which no model can describe: they differ by edition.

Readings carry no row policy (TimescaleDB refuses it together with columnstore, COPY refuses it everywhere). So the
application role has no right on `samples`; it reads `stream_samples`, which joins the streams it may see.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

Edition = Literal["postgresql", "timescaledb-apache", "timescaledb-community"]

CHUNK_DAYS = 7  # a week of a plant fits into memory while it is written; fewer chunks keep planning cheap

_TABLE = """
CREATE TABLE samples (
  stream_id integer NOT NULL,
  measured_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  batch_id bigint NOT NULL,
  flags smallint NOT NULL,
  quality smallint[],
  values float8[] NOT NULL,
  PRIMARY KEY (stream_id, measured_at)
)
"""

# First value wins, element by element; what is missing is filled in.
_FILL = """
CREATE FUNCTION forewarn_fill(kept float8[], new float8[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_agg(coalesce(k, n) ORDER BY i) FROM unnest(kept, new) WITH ORDINALITY AS u(k, n, i)
$$
"""
_FILL_QUALITY = """
CREATE FUNCTION forewarn_fill_quality(kept_values float8[], kept smallint[], new smallint[], width integer)
RETURNS smallint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kept IS NULL AND new IS NULL THEN NULL ELSE (
    SELECT array_agg(CASE WHEN kept_values[i] IS NULL THEN coalesce(new[i], 0::smallint)
                          ELSE coalesce(kept[i], 0::smallint) END ORDER BY i)
    FROM generate_series(1, width) AS i) END
$$
"""
_CONFLICTS = """
CREATE FUNCTION forewarn_conflicts(kept float8[], new float8[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(bool_or(k <> n), false) FROM unnest(kept, new) AS u(k, n)
$$
"""

# Months are made ahead, and behind when rows of theirs wait in the default partition. SECURITY DEFINER because only
# the owner may attach partitions. Rows are moved first: PostgreSQL refuses a partition whose rows are in the default.
# The default is locked meanwhile: what a replay stores into it between the move and the attachment would be refused.
_ENSURE_PARTITIONS = """
CREATE FUNCTION forewarn_ensure_partitions(at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  month timestamptz;
  name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(7301945);
  FOR month IN
    SELECT date_trunc('month', at) + make_interval(months => i) FROM generate_series(-1, 2) AS i
    UNION
    SELECT * FROM (SELECT DISTINCT date_trunc('month', measured_at) FROM samples_default ORDER BY 1 LIMIT 36) AS waiting
    ORDER BY 1
  LOOP
    name := 'samples_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
    LOCK TABLE public.samples_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE public.%I (LIKE samples INCLUDING ALL)', name);
    EXECUTE format('WITH moved AS (DELETE FROM samples_default WHERE measured_at >= %L AND measured_at < %L'
                   ' RETURNING *) INSERT INTO public.%I SELECT * FROM moved', month, month + interval '1 month', name);
    EXECUTE format('ALTER TABLE samples ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   name, month, month + interval '1 month');
    made := made + 1;
  END LOOP;
  RETURN made;
END $$
"""

# The name tells the month: `samples_2026_11`.
_PARTITIONS_BEFORE = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.samples'::regclass AND c.relname ~ '^samples_[0-9]{4,}_[0-9]{2}$'
  AND (to_date(substr(c.relname, 9), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= CAST(:cut AS timestamptz)
ORDER BY 1
"""

# Rights of the owner, and the condition written out: it must hold whoever owns the view and whatever roles the
# owner belongs to. The barrier keeps functions of the reader's own away from rows that it may not see.
_STREAM_SAMPLES = """
CREATE VIEW stream_samples WITH (security_barrier) AS
SELECT s.stream_id, s.measured_at, s.received_at, s.batch_id, s.flags, s.quality, s.values
FROM samples s JOIN streams t ON t.id = s.stream_id
WHERE t.organisation_id = ANY ((SELECT forewarn_visible_organisations())::uuid[])
"""

# What is stored of a text is its index into the series' states: as a number it would only mislead.
READINGS = """
CREATE VIEW readings_v1 WITH (security_invoker) AS
SELECT a.serial AS asset_serial, r.metric, r.unit, s.measured_at, s.received_at, s.values[r.slot] AS value,
       CASE coalesce(s.quality[r.slot], 0) WHEN 0 THEN 'good' WHEN 1 THEN 'uncertain' ELSE 'bad' END AS quality
FROM assets a
JOIN bindings b ON b.asset_id = a.id
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
JOIN samples s ON s.stream_id = t.id
  AND s.measured_at >= coalesce(b.valid_from, '-infinity') AND s.measured_at < coalesce(b.valid_to, 'infinity')
WHERE s.values[r.slot] IS NOT NULL AND r.kind <> 'text'
"""
_READINGS_COMMENT = """
COMMENT ON VIEW readings_v1 IS
'One row per value of an asset: numbers, and booleans as 0 and 1. Metrics whose values are texts are not here.'
"""


def create_statements(edition: Edition) -> list[str]:
    """Return the statements that make the store, after the models' tables and the roles are there."""
    return [
        *(_partitioned() if edition == "postgresql" else _hypertable()),
        _FILL,
        _FILL_QUALITY,
        _CONFLICTS,
        _STREAM_SAMPLES,
        READINGS,
        _READINGS_COMMENT,
        *_grants(),
    ]


def drop_statements() -> list[str]:
    """Return the statements that undo `create_statements`."""
    return [
        "DROP VIEW IF EXISTS readings_v1",
        "DROP VIEW IF EXISTS stream_samples",
        "DROP TABLE IF EXISTS samples CASCADE",
        "DROP FUNCTION IF EXISTS forewarn_ensure_partitions(timestamptz)",
        "DROP FUNCTION IF EXISTS forewarn_fill(float8[], float8[])",
        "DROP FUNCTION IF EXISTS forewarn_fill_quality(float8[], smallint[], smallint[], integer)",
        "DROP FUNCTION IF EXISTS forewarn_conflicts(float8[], float8[])",
    ]


def detect_edition(session: Session) -> Edition:
    """Return what this database can do; the Community licence must be loaded, not only installed."""
    if session.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")) is None:
        return "postgresql"
    licence = session.scalar(text("SELECT current_setting('timescaledb.license', true)"))
    return "timescaledb-community" if licence == "timescale" else "timescaledb-apache"


def ensure_partitions(session: Session, now: datetime) -> int:
    """Make the partitions of the coming months; return how many were made. Hypertables make their own."""
    if session.scalar(text("SELECT to_regclass('public.samples_default')")) is None:
        return 0
    return session.scalar(text("SELECT forewarn_ensure_partitions(:now)"), {"now": now}) or 0


def drop_before(session: Session, cut: datetime) -> int:
    """Drop the partitions or chunks that end at or before `cut`; return how many. Needs the owner's rights."""
    if session.scalar(text("SELECT to_regclass('public.samples_default')")) is None:
        return len(
            session.execute(text("SELECT drop_chunks('samples', CAST(:cut AS timestamptz))"), {"cut": cut}).all()
        )
    names = session.scalars(text(_PARTITIONS_BEFORE), {"cut": cut}).all()
    for name in names:
        session.execute(text(f'DROP TABLE public."{name}"'))
    return len(names)


def _partitioned() -> list[str]:
    return [
        f"{_TABLE} PARTITION BY RANGE (measured_at)",
        "CREATE TABLE samples_default PARTITION OF samples DEFAULT",
        _ENSURE_PARTITIONS,
        "REVOKE ALL ON FUNCTION forewarn_ensure_partitions(timestamptz) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION forewarn_ensure_partitions(timestamptz) TO {SERVICE_ROLE}",
        "SELECT forewarn_ensure_partitions(now())",
    ]


def _hypertable() -> list[str]:
    return [
        _TABLE,
        # The default index on time alone would cost a third of the write speed; all reads go by stream.
        "SELECT create_hypertable('samples', 'measured_at', create_default_indexes => false,"
        f" chunk_time_interval => interval '{CHUNK_DAYS} days')",
    ]


def _grants() -> list[str]:
    return [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON samples TO {SERVICE_ROLE}",
        f"GRANT SELECT ON samples, readings_v1 TO {READER_ROLE}",
        f"GRANT SELECT ON stream_samples TO {APP_ROLE}, {SERVICE_ROLE}",
        f"REVOKE ALL ON samples FROM {APP_ROLE}, PUBLIC",
        f"REVOKE ALL ON readings_v1 FROM {APP_ROLE}",
    ]
