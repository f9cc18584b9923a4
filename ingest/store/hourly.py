"""An asset's readings as means of whole hours, for models that look back over months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.store.read import Source, in_unit, sources_of

HOUR_S = 3600.0
MAX_HOURS = 30_000  # three and a half years: more of one asset is not loaded, the youngest is kept

_METRICS = text("""
SELECT b.asset_id, array_agg(DISTINCT r.metric)
FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
WHERE b.asset_id = ANY(:assets) AND r.kind <> 'text'
GROUP BY b.asset_id
""")
_PACE = text("""
SELECT max(h.pace) FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
CROSS JOIN LATERAL (
  SELECT avg(n.most) AS pace FROM (
    SELECT (SELECT max(c) FROM unnest(r.counts) AS c) AS most FROM rollups_1h r
    WHERE r.stream_id = t.id ORDER BY r.bucket DESC LIMIT :hours) AS n) AS h
WHERE b.asset_id = :asset AND b.valid_to IS NULL
""")
PACE_HOURS = 100


class Hours(NamedTuple):
    """`t` [n] epoch seconds at which an hour ended, `values` [n, m] its means, NaN where nothing good was read."""

    t: NDArray[np.float64]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]


def load_hours(session: Session, asset_id: UUID, since: datetime | None, until: datetime) -> Hours:
    """Return the hours that ended in (since, until], from the rollups. Needs the service role.

    Every metric is in the unit of its newest device; bad readings and texts do not count.
    """
    units: dict[str, str] = {}
    by_range: dict[tuple[int, datetime | None, datetime | None], list[Source]] = {}
    for source in sources_of(session, asset_id, None):
        if source.kind == "text":
            continue
        by_range.setdefault((source.stream_id, source.since, source.until), []).append(source)
        if source.unit is not None:
            units[source.metric] = source.unit
    parts = [(sources, _load(session, sources, since, until)) for sources in by_range.values()]
    parts = [(sources, rows) for sources, rows in parts if len(rows[0])]
    metrics = tuple(dict.fromkeys(source.metric for sources, _ in parts for source in sources))
    times = [rows[0] for _, rows in parts]
    t = np.unique(np.concatenate(times)) if times else np.empty(0)
    values = np.full((len(t), len(metrics)), np.nan)
    for sources, rows in parts:
        at = np.searchsorted(t, rows[0])
        for source, column in zip(sources, rows[1:], strict=True):
            there = np.isfinite(column)
            values[at[there], metrics.index(source.metric)] = in_unit(column[there], source, units)
    return Hours(t, metrics, values)


def metrics_of(session: Session, assets: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
    """Return which numbers each asset has ever told. Needs the service role."""
    return {asset: tuple(sorted(metrics)) for asset, metrics in session.execute(_METRICS, {"assets": list(assets)})}


def rows_an_hour(session: Session, asset_id: UUID) -> float:
    """Return how many rows the asset's readings of an hour have lately; 0 where nothing is rolled up yet."""
    return float(session.scalar(_PACE, {"asset": asset_id, "hours": PACE_HOURS}) or 0.0)


def _load(
    session: Session, sources: Sequence[Source], since: datetime | None, until: datetime
) -> list[NDArray[np.float64]]:
    """Return when hours ended, and one column of means per source, of one stream within one binding."""
    slots = [int(source.slot) for source in sources]
    means = ", ".join(f"array_agg(CASE WHEN counts[{s}] > 0 THEN sums[{s}] / counts[{s}] END)" for s in slots)
    statement = (
        f"SELECT array_agg(extract(epoch FROM bucket)::float8 + {HOUR_S}), {means}"
        " FROM (SELECT bucket, counts, sums FROM rollups_1h WHERE stream_id = %(stream)s"
        " AND bucket > %(since)s - interval '1 hour' AND bucket <= %(until)s - interval '1 hour'"
        " AND bucket >= %(bound)s AND bucket < %(end)s ORDER BY bucket DESC LIMIT %(limit)s) AS h"
    )
    first, oldest = sources[0], datetime(1, 1, 3, tzinfo=UTC)
    values: dict[str, Any] = {
        "stream": first.stream_id,
        "since": since or oldest,
        "until": until,
        "bound": first.since or oldest,
        "end": first.until or datetime(9999, 12, 30, tzinfo=UTC),
        "limit": MAX_HOURS,
    }
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        row = cursor.execute(statement, values).fetchone()
    return [np.array(column if column is not None else (), dtype=np.float64)[::-1] for column in row]
