"""After a restore from a dump: transaction ids go on behind those that the stored rows were written with.

Readers of the event log and of ingested batches go by the ids of the transactions that wrote the rows, so that none is
passed over that was still being written. A database that was restored into a new cluster begins with low ids: what was
stored would be read when the cluster gets that far, in weeks, and what is stored now would lie before every cursor.
Rows are never rewritten (the event log is sealed over these ids), so the cluster's ids are used up instead.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection, text

log = logging.getLogger(__name__)

MOST = 200_000_000  # some fifteen minutes; further behind, the cluster's counter is set while it is stopped
AT_ONCE = 10_000

_BEHIND = text("""
SELECT greatest(
  (SELECT max(xid) FROM events), (SELECT max(xid) FROM ingest_batches), (SELECT max(xid) FROM consumer_cursors),
  (SELECT max(xid) FROM rollup_cursors), (SELECT max(xid) FROM scoring_cursors), (SELECT max(last_xid) FROM event_seals)
) - pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1
""")
# Each inner block with a row written takes an id of its own; a commit now and then keeps what is locked small.
_USE_UP = """
DO $$
DECLARE left_ bigint := {count};
BEGIN
  CREATE TEMP TABLE IF NOT EXISTS forewarn_used_up (i int) ON COMMIT DELETE ROWS;
  WHILE left_ > 0 LOOP
    FOR i IN 1..least(left_, {at_once}) LOOP
      BEGIN
        INSERT INTO forewarn_used_up VALUES (i);
      EXCEPTION WHEN division_by_zero THEN NULL;
      END;
    END LOOP;
    left_ := left_ - {at_once};
    COMMIT;
  END LOOP;
  DROP TABLE forewarn_used_up;
END $$
"""


class FarBehind(RuntimeError):
    """The cluster's transaction ids are too far behind those of the restored rows to be used up."""


def catch_up(connection: Connection) -> int:
    """Let the cluster's transaction ids pass those of the stored rows; return by how many they were behind.

    Needs a connection in autocommit. Raises FarBehind, whose message says what to do.
    """
    behind = connection.scalar(_BEHIND) or 0
    if behind <= 0:
        return 0
    if behind > MOST:
        raise FarBehind(
            f"the database was restored into a cluster whose transaction ids are {behind} behind its rows: stop"
            " PostgreSQL and set them with pg_resetwal (docs/store.md, After a restore)"
        )
    log.warning("restored from a dump: using up %d transaction ids, so that readers go on where they were", behind)
    connection.execute(text(_USE_UP.format(count=int(behind), at_once=AT_ONCE)))
    return int(behind)
