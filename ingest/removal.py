"""Take back what should not have been stored: readings by their flags; newest values and rollups follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.formats.decoded import FLAG_CLOCK_CORRECTED
from ingest.rollups import mark_span

_REMOVE = """
WITH gone AS (
  DELETE FROM samples WHERE stream_id = ANY(:streams) AND (flags & :flag) <> 0
    AND measured_at >= :since AND measured_at <= :until RETURNING stream_id, measured_at)
SELECT stream_id, count(*), min(measured_at), max(measured_at) FROM gone GROUP BY stream_id
"""
# The newest value of each slot among the last rows: a slot that has been silent for longer shows none until it speaks.
_LATEST = """
UPDATE streams t SET latest_at = n.latest_at, latest = n.latest, latest_times = n.times
FROM unnest(CAST(:streams AS int[])) AS s(id)
LEFT JOIN LATERAL (
  SELECT max(at) AS latest_at, array_agg(v ORDER BY i) AS latest, array_agg(extract(epoch FROM at)::float8 ORDER BY i) AS times
  FROM (SELECT DISTINCT ON (i) i, v, CASE WHEN v IS NOT NULL THEN measured_at END AS at
        FROM (SELECT measured_at, values FROM samples WHERE stream_id = s.id ORDER BY measured_at DESC LIMIT 1000) AS r,
             unnest(r.values) WITH ORDINALITY AS u(v, i)
        ORDER BY i, (v IS NULL), measured_at DESC) AS newest) AS n ON true
WHERE t.id = s.id
"""  # noqa: E501


def remove_corrected(
    session: Session, stream_ids: Sequence[int], since: datetime | None, until: datetime | None
) -> int:
    """Remove readings whose clock was corrected; return how many. Needs the service role."""
    values = {
        "streams": list(stream_ids),
        "flag": FLAG_CLOCK_CORRECTED,
        "since": since or datetime(1, 1, 2, tzinfo=UTC),
        "until": until or datetime(9999, 12, 30, tzinfo=UTC),
    }
    gone = session.execute(text(_REMOVE), values).all()
    for stream_id, _, oldest, newest in gone:
        mark_span(session, [stream_id], oldest, newest)
    if gone:
        session.execute(text(_LATEST), {"streams": [stream_id for stream_id, *_ in gone]})
    return sum(n for _, n, *_ in gone)
