"""Readings by asset and event time: newest values, small lines, blocks for the models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.conversion import conversion
from assets.base.db import APP_ROLE
from edge_agent.wire import KNOWN_HEALTHY

QUALITIES = ("good", "uncertain", "bad")


class Latest(NamedTuple):
    """The newest value of a metric of an asset."""

    metric: str
    unit: str | None
    t: datetime
    value: float | str | bool
    quality: str


@dataclass(frozen=True, slots=True)
class Readings:
    """Rows of one asset in time order: `t` epoch seconds [n], `values` [n, metrics], NaN where missing.

    Text metrics are not among `metrics`: `states` holds their codes (-1 unknown) and the codes' names, `modes` and
    `mode_names` those of the metric that tells the operating mode, None when there is none.
    """

    t: NDArray[np.float64]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    modes: NDArray[np.int64] | None
    mode_names: tuple[str, ...]
    states: Mapping[str, tuple[NDArray[np.int64], tuple[str, ...]]]


class Source(NamedTuple):
    """A series of a stream that measures the asset from `since` on, until `until`."""

    stream_id: int
    since: datetime | None
    until: datetime | None
    slot: int
    metric: str
    unit: str | None
    kind: str
    states: list[str]


_SOURCES = """
SELECT t.id, b.valid_from, b.valid_to, r.slot, r.metric, r.unit, r.kind, r.states
FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
WHERE b.asset_id = :asset AND (CAST(:metric AS text) IS NULL OR r.metric = :metric)
ORDER BY b.valid_from NULLS FIRST, t.id, r.slot
"""
_SOURCES_OF_MANY = """
SELECT b.asset_id, t.id, b.valid_from, b.valid_to, r.slot, r.metric, r.unit, r.kind, r.states
FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
WHERE b.asset_id = ANY(:assets)
ORDER BY b.asset_id, b.valid_from NULLS FIRST, t.id, r.slot
"""
_LATEST = """
SELECT b.asset_id, r.metric, r.unit, to_timestamp(t.latest_times[r.slot]), t.latest[r.slot], r.kind, r.states,
       CASE WHEN t.latest_times[r.slot] = extract(epoch FROM t.latest_at) THEN q.quality[r.slot] END
FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
LEFT JOIN LATERAL (SELECT s.quality FROM {samples} s
                   WHERE s.stream_id = t.id AND s.measured_at = t.latest_at OFFSET 0) q ON true
WHERE b.asset_id = ANY(:assets) AND b.valid_to IS NULL AND t.latest[r.slot] IS NOT NULL
  AND to_timestamp(t.latest_times[r.slot]) >= coalesce(b.valid_from, '-infinity')
ORDER BY b.asset_id, t.id, r.slot
"""
_SPARKS = """
SELECT w.asset_id, spark.bucket, spark.mean
FROM unnest(CAST(:assets AS uuid[]), CAST(:metrics AS text[])) AS w(asset_id, metric)
JOIN asset_bindings b ON b.asset_id = w.asset_id AND b.valid_to IS NULL
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id AND r.metric = w.metric
CROSS JOIN LATERAL (
  SELECT floor(extract(epoch FROM s.measured_at - :since) / :bucket)::int AS bucket, avg(s.values[r.slot]) AS mean
  FROM {samples} s
  WHERE s.stream_id = t.id AND s.measured_at >= :since AND s.measured_at < :until AND s.values[r.slot] IS NOT NULL
  GROUP BY 1) AS spark
"""


_KNOWN_HEALTHY = """
SELECT e.at, e.text FROM device_events e
JOIN asset_bindings b ON b.device_id = e.device_id AND b.channel = e.channel
WHERE b.asset_id = :asset AND e.code = :code AND e.at > :begin AND e.at <= :until ORDER BY e.at
"""


def latest_values(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, list[Latest]]:
    """Return the newest value of every metric of the assets, by asset; what was never measured is not there."""
    found: dict[UUID, list[Latest]] = {}
    rows = session.execute(text(_LATEST.format(samples=samples_table(session))), {"assets": list(asset_ids)})
    for asset_id, metric, unit, t, value, kind, states, quality in rows:
        latest = Latest(metric, unit, t, value_of(kind, states, value), QUALITIES[quality or 0])
        found.setdefault(asset_id, []).append(latest)
    return found


def value_of(kind: str, states: Sequence[str], stored: float) -> float | str | bool:
    """Return a stored number as what it means."""
    if kind == "boolean":
        return bool(stored)
    if kind == "text":
        return states[int(stored)] if 0 <= int(stored) < len(states) else ""
    return float(stored)


def sparklines(
    session: Session, wanted: Mapping[UUID, str], span: timedelta, points: int, now: datetime
) -> dict[UUID, list[float | None]]:
    """Return the means of one metric per asset over the last `span`, in `points` buckets; None where nothing was."""
    if not wanted:
        return {}
    lines: dict[UUID, list[float | None]] = {asset_id: [None] * points for asset_id in wanted}
    values = {
        "assets": list(wanted),
        "metrics": list(wanted.values()),
        "since": now - span,
        "until": now,
        "bucket": span.total_seconds() / points,
    }
    for asset_id, bucket, mean in session.execute(text(_SPARKS.format(samples=samples_table(session))), values):
        lines[asset_id][min(max(bucket, 0), points - 1)] = mean
    return lines


def load_block(
    session: Session,
    asset_id: UUID,
    after: datetime | None,
    until: datetime,
    *,
    limit: int = 20_000,
    step_s: float | None = None,
    sources: Sequence[Source] | None = None,
) -> Readings:
    """Return the asset's rows with after < t <= until, oldest first; when more than `limit` wait, at least so many.

    With `step_s` only the first row of each step is returned. Every metric is in the unit of its newest device; what an
    earlier one measured in a unit of another kind is left out. `sources` are the asset's, if the caller has just read
    them. Needs the service role.
    """
    units: dict[str, str] = {}
    by_range: dict[tuple[int, datetime | None, datetime | None], list[Source]] = {}
    for source in sources_of(session, asset_id, None) if sources is None else sources:
        by_range.setdefault((source.stream_id, source.since, source.until), []).append(source)
        if source.unit is not None:
            units[source.metric] = source.unit
    parts = [(sources, _load(session, sources, after, until, limit, step_s)) for sources in by_range.values()]
    parts = [(sources, rows) for sources, rows in parts if len(rows[0])]
    # A part that was cut ends the block for all: what follows comes with the next one.
    cut = min((float(rows[0][-1]) for _, rows in parts if len(rows[0]) >= limit), default=np.inf)
    return _merge(parts, cut, units)


def known_healthy(
    session: Session, asset_id: UUID, after: datetime | None, until: datetime
) -> list[tuple[float, float]]:
    """Return the stretches (epoch seconds) for which somebody vouched, as events of the asset's devices, in order.

    Those that began up to a day before `after` are included. Needs the service role.
    """
    begin = after - timedelta(days=1) if after else datetime(1, 1, 2, tzinfo=UTC)
    values = {"asset": asset_id, "code": KNOWN_HEALTHY, "begin": begin, "until": until}
    stretches = []
    for at, duration in session.execute(text(_KNOWN_HEALTHY), values):
        if told := re.fullmatch(r"PT(\d{1,8}(?:\.\d{1,3})?)S", duration):
            stretches.append((at.timestamp(), (at + timedelta(seconds=float(told[1]))).timestamp()))
    return stretches


def samples_table(session: Session) -> str:
    """The application role reads through the view that hides other organisations' streams."""
    return "stream_samples" if session.scalar(text("SELECT current_user")) == APP_ROLE else "samples"


def sources_of(session: Session, asset_id: UUID, metric: str | None) -> list[Source]:
    """Return the series that measured an asset, each with its time; of one metric or of all."""
    return [Source(*row) for row in session.execute(text(_SOURCES), {"asset": asset_id, "metric": metric})]


def sources_of_many(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, list[Source]]:
    """Return the same for many assets at once, of all metrics."""
    found: dict[UUID, list[Source]] = {}
    for asset_id, *row in session.execute(text(_SOURCES_OF_MANY), {"assets": list(asset_ids)}) if asset_ids else ():
        found.setdefault(asset_id, []).append(Source(*row))
    return found


def _load(
    session: Session,
    sources: Sequence[Source],
    after: datetime | None,
    until: datetime,
    limit: int,
    step_s: float | None,
) -> list[NDArray[np.float64]]:
    """Return times and one column per source, of one stream within one binding."""
    columns = ", ".join(f"array_agg(v[{int(source.slot)}])" for source in sources)
    step = "DISTINCT ON (floor(extract(epoch FROM measured_at) / %(step)s))" if step_s else ""
    order = "floor(extract(epoch FROM measured_at) / %(step)s), measured_at" if step_s else "measured_at"
    statement = (
        f"SELECT array_agg(extract(epoch FROM measured_at)::float8), {columns}"
        f" FROM (SELECT {step} measured_at, samples.values AS v FROM samples"
        " WHERE stream_id = %(stream)s AND measured_at > %(after)s AND measured_at <= %(until)s"
        " AND measured_at >= %(since)s AND measured_at < %(end)s"
        f" ORDER BY {order} LIMIT %(limit)s) AS s"
    )
    first = sources[0]
    oldest = datetime(1, 1, 2, tzinfo=UTC)
    values: dict[str, Any] = {
        "stream": first.stream_id,
        "after": after or oldest,
        "until": until,
        "since": first.since or oldest,
        "end": first.until or datetime(9999, 12, 30, tzinfo=UTC),
        "limit": limit,
        "step": step_s,
    }
    driver: Any = session.connection().connection.driver_connection
    # Binary: parsing a million floats from text would take seconds.
    with driver.cursor(binary=True) as cursor:
        row = cursor.execute(statement, values).fetchone()
    return [np.array(column if column is not None else (), dtype=np.float64) for column in row]


def _merge(
    parts: Sequence[tuple[list[Source], list[NDArray[np.float64]]]], cut: float, units: Mapping[str, str]
) -> Readings:
    sources = [source for of_part, _ in parts for source in of_part]
    metrics = tuple(dict.fromkeys(source.metric for source in sources if source.kind != "text"))
    texts = tuple(dict.fromkeys(source.metric for source in sources if source.kind == "text"))
    times = [rows[0][rows[0] <= cut] for _, rows in parts]
    t = np.unique(np.concatenate(times)) if times else np.empty(0)
    values = np.full((len(t), len(metrics)), np.nan)
    codes = {name: np.full(len(t), -1, dtype=np.int64) for name in texts}
    names: dict[str, list[str]] = {name: [] for name in texts}
    for (of_part, rows), kept in zip(parts, times, strict=True):
        at = np.searchsorted(t, kept)
        for source, column in zip(of_part, rows[1:], strict=True):
            column = column[: len(kept)]
            there = np.isfinite(column)
            if source.kind == "text":
                codes[source.metric][at[there]] = _recode(column[there], source.states, names[source.metric])
            elif source.metric in metrics:
                values[at[there], metrics.index(source.metric)] = in_unit(column[there], source, units)
    states = {name: (codes[name], tuple(names[name])) for name in texts}
    mode = mode_of(texts)
    modes, mode_names = states[mode] if mode else (None, ())
    return Readings(t, metrics, values, modes, mode_names, states)


def mode_of(texts: Sequence[str]) -> str | None:
    """The text metric that tells the operating mode; None where there is none."""
    return next((name for name in texts if name == "mode" or name.endswith("_mode")), next(iter(texts), None))


def in_unit(column: NDArray[np.float64], source: Source, units: Mapping[str, str]) -> NDArray[np.float64]:
    """Return the source's values in the unit chosen for its metric; NaN where that is of another kind."""
    target = units.get(source.metric)
    if source.unit is None or target is None or source.unit == target:
        return column
    to = conversion(source.unit, target)
    return np.full_like(column, np.nan) if to is None else column * to.factor + to.offset


def _recode(codes: NDArray[np.float64], states: Sequence[str], names: list[str]) -> NDArray[np.int64]:
    """Codes of one stream as codes of all: another device may have learned the same words in another order."""
    for state in states:
        if state not in names:
            names.append(state)
    table = np.array([names.index(state) for state in states], dtype=np.int64)
    result: NDArray[np.int64] = table[codes.astype(np.int64)]
    return result
