"""Learn how often each stream reports, from what it did lately."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST = 500  # streams per turn, some hundred rows each: less than a second of the database
AGAIN = timedelta(minutes=10)
LOOK_BACK = timedelta(days=30)  # a device that reports once a day has told enough after a week

# Nine of ten gaps are no longer. Between measurements, or between arrivals where a message brings many: whichever is
# longer says when the next news are due. Backlog and late data tell nothing of either.
_LEARN = """
WITH due AS (
  SELECT id FROM streams
  WHERE last_received_at > :since AND (learned_at IS NULL OR learned_at < CASE WHEN learned_interval_s IS NULL
        THEN :soon ELSE CAST(:before AS timestamptz) END)
  ORDER BY learned_at NULLS FIRST LIMIT :most FOR UPDATE SKIP LOCKED),
learned AS (
  SELECT due.id, gaps.*
  FROM due CROSS JOIN LATERAL (
    SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY measured_s) AS measured_s, count(measured_s) AS measured_n,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY received_s) FILTER (WHERE received_s > 0) AS received_s,
           count(*) FILTER (WHERE received_s > 0) AS received_n
    FROM (SELECT extract(epoch FROM measured_at - lag(measured_at) OVER w)::float8 AS measured_s,
                 extract(epoch FROM received_at - lag(received_at) OVER w)::float8 AS received_s
          FROM (SELECT measured_at, received_at FROM samples s
                WHERE s.stream_id = due.id AND s.measured_at > :since AND (s.flags & 13) = 0
                ORDER BY measured_at DESC LIMIT 200) AS lately
          WINDOW w AS (ORDER BY measured_at)) AS g) AS gaps)
UPDATE streams t SET learned_at = :now, learned_interval_s = CASE WHEN l.measured_n >= 5 THEN round(greatest(
  l.measured_s, CASE WHEN l.received_n >= 5 THEN l.received_s END)::numeric, 3)::float8 ELSE t.learned_interval_s END
FROM learned l WHERE t.id = l.id
"""


def learn_intervals(session: Session, now: datetime) -> int:
    """Learn of streams that are new or were looked at long ago; return how many were looked at."""
    values = {
        "now": now,
        "since": now - LOOK_BACK,
        "before": now - AGAIN,
        "soon": now - timedelta(seconds=50),
        "most": MOST,
    }
    return int(session.execute(text(_LEARN), values).rowcount)  # type: ignore[attr-defined]
