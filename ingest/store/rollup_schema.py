"""Views, functions and rights of the rollups, and what TimescaleDB's editions add to the store.

The rollups are tables of ours in all editions. Continuous aggregates cannot make them: they have no function that
aggregates arrays slot by slot, they would need one definition for each slot, they refuse row-level security on what
they read, and a hypertable column of arrays is all they would see.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from ingest.store.schema import READINGS, Edition


class Level(NamedTuple):
    """One size of rollup: its name as told to readers, and the seconds of one bucket."""

    name: str
    seconds: int

    @property
    def table(self) -> str:
        """Where its figures are."""
        return f"rollups_{self.name}"

    @property
    def view(self) -> str:
        """What the application role reads in place of the table."""
        return f"stream_rollups_{self.name}"


LEVELS = (Level("1m", 60), Level("15m", 900), Level("1h", 3600), Level("1d", 86400))
# Readings are compressed when no device can still hold any of that time in its spool, and rarely a late one comes.
COMPRESS_AFTER_DAYS = 30

_ROLLUP_VIEW = """
CREATE VIEW {view} WITH (security_barrier) AS
SELECT r.stream_id, r.bucket, r.counts, r.bads, r.mins, r.maxs, r.sums, r.lasts
FROM {table} r JOIN streams t ON t.id = r.stream_id
WHERE t.organisation_id = ANY ((SELECT forewarn_visible_organisations())::uuid[])
"""
_DUE_VIEW = """
CREATE VIEW stream_rollup_due WITH (security_barrier) AS
SELECT d.stream_id, d.due_1m, d.due_15m, d.due_1h, d.due_1d, d.thin_raw, d.thin_1m, d.thin_15m, d.thin_1h, d.thin_1d
FROM rollup_due d JOIN streams t ON t.id = d.stream_id
WHERE t.organisation_id = ANY ((SELECT forewarn_visible_organisations())::uuid[])
"""
_PROGRESS_VIEW = """
CREATE VIEW stream_retention_progress WITH (security_barrier) AS
SELECT p.stream_id, p.slots, p.until FROM retention_progress p JOIN streams t ON t.id = p.stream_id
WHERE t.organisation_id = ANY ((SELECT forewarn_visible_organisations())::uuid[])
"""
# Hundreds of separate stretches become one that covers them: computing more is correct too, and the row stays small.
_BOUNDED = """
CREATE FUNCTION forewarn_bounded(stretches tstzmultirange) RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN (SELECT count(*) FROM unnest(stretches)) > 200 THEN tstzmultirange(range_merge(stretches))
         ELSE stretches END
$$
"""
# Slots of some rows' values become empty; None when nothing is left of a row.
_FORGET = """
CREATE FUNCTION forewarn_forget(kept float8[], slots smallint[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN bool_or(v IS NOT NULL AND i <> ALL (slots))
         THEN array_agg(CASE WHEN i = ANY (slots) THEN NULL ELSE v END ORDER BY i) END
  FROM unnest(kept) WITH ORDINALITY AS u(v, i)
$$
"""
# Readings that were there before the rollups: all of their time is due, and the queue is read from here on.
_START_AT_NOW = """
INSERT INTO rollup_cursors (name, xid, batch_id)
VALUES ('rollups', pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, 9223372036854775807)
ON CONFLICT (name) DO NOTHING
"""
_MARK_WHAT_IS_THERE = """
INSERT INTO rollup_due (stream_id, due_1m, ready_at)
SELECT t.id, tstzmultirange(tstzrange(date_bin('1 minute', f.first, 'epoch'),
                                      date_bin('1 minute', l.last, 'epoch') + interval '1 minute')), f.first
FROM streams t
CROSS JOIN LATERAL (SELECT min(measured_at) AS first FROM samples WHERE stream_id = t.id) f
CROSS JOIN LATERAL (SELECT max(measured_at) AS last FROM samples WHERE stream_id = t.id) l
WHERE f.first IS NOT NULL
"""
# Community licence only. A batch of late readings goes into a compressed chunk by the staging merge; TimescaleDB then
# decompresses the segments of just those streams and times, and compresses them again in the next run of the policy.
_COLUMNSTORE = (
    "ALTER TABLE samples SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'stream_id',"
    " timescaledb.orderby = 'measured_at')"
)
_COLUMNSTORE_POLICY = f"CALL add_columnstore_policy('samples', after => interval '{COMPRESS_AFTER_DAYS} days')"

_SERVICE_TABLES = ("rollup_due", "rollup_cursors", "retention_progress", *(level.table for level in LEVELS))


def create_rollup_statements() -> list[str]:
    """Return the statements that make views, functions and rights, after the models' tables are there."""
    views = [level.view for level in LEVELS] + ["stream_rollup_due", "stream_retention_progress"]
    return [
        _BOUNDED,
        _FORGET,
        *(_ROLLUP_VIEW.format(view=level.view, table=level.table) for level in LEVELS),
        _DUE_VIEW,
        _PROGRESS_VIEW,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_SERVICE_TABLES)} TO {SERVICE_ROLE}",
        f"GRANT SELECT ON {', '.join(views)} TO {APP_ROLE}, {SERVICE_ROLE}",
        f"GRANT SELECT ON {', '.join(level.table for level in LEVELS)} TO {READER_ROLE}",
        # Two numbers that tell nothing of anybody: how far the rollups have read ingest's queue.
        f"GRANT SELECT ON rollup_cursors TO {APP_ROLE}",
    ]


def readings_statements() -> list[str]:
    """Return the statement that lets `readings_v1` follow assets that are bound through their position."""
    return [READINGS.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace("JOIN bindings", "JOIN asset_bindings")]


def mark_what_is_there() -> list[str]:
    """Return the statement that makes all stored readings due, for a database that already has some."""
    # The owner's own view of `streams` is empty under the row policies.
    return [f"SET LOCAL ROLE {SERVICE_ROLE}", _START_AT_NOW, _MARK_WHAT_IS_THERE, "RESET ROLE"]


def community_statements(edition: Edition) -> list[str]:
    """Return what only the Community licence may do; nothing on the other editions."""
    return [_COLUMNSTORE, _COLUMNSTORE_POLICY] if edition == "timescaledb-community" else []


def drop_rollup_statements() -> list[str]:
    """Return the statements that undo `create_rollup_statements`."""
    views = [level.view for level in LEVELS] + ["stream_rollup_due", "stream_retention_progress"]
    return [
        *(f"DROP VIEW IF EXISTS {view}" for view in views),
        "DROP FUNCTION IF EXISTS forewarn_bounded(tstzmultirange)",
        "DROP FUNCTION IF EXISTS forewarn_forget(float8[], smallint[])",
    ]


def chunk_states(session: Session) -> dict[str, int]:
    """Return how many chunks are compressed and how many not; empty without hypertables."""
    if session.scalar(text("SELECT to_regclass('timescaledb_information.chunks')")) is None:
        return {}
    rows = session.execute(
        text(
            "SELECT CASE WHEN is_compressed THEN 'compressed' ELSE 'plain' END, count(*)"
            " FROM timescaledb_information.chunks WHERE hypertable_name = 'samples' GROUP BY 1"
        )
    )
    return {state: count for state, count in rows}
