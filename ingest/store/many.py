"""Fresh rows of many assets in one query, for assets that one stream measures and always did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.store.read import mode_of

_SOURCES = text("""
SELECT b.asset_id, t.id, r.slot, r.metric, r.kind, r.states
FROM asset_bindings b
JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
JOIN series r ON r.stream_id = t.id
WHERE b.asset_id = ANY(:assets) AND b.valid_to IS NULL
  AND NOT EXISTS (SELECT FROM asset_bindings o
                  WHERE (o.asset_id = b.asset_id OR o.device_id = b.device_id AND o.channel = b.channel)
                  AND ROW(o.asset_id, o.device_id, o.channel, o.valid_from, o.valid_to)
                      IS DISTINCT FROM ROW(b.asset_id, b.device_id, b.channel, b.valid_from, b.valid_to))
ORDER BY b.asset_id, t.id, r.slot
""")
# All rows as one value, each with the bytes of its array: the driver takes microseconds for each row that it is sent.
_ROWS = """
SELECT string_agg(int4send(w.number::int4) || float8send(date_part('epoch', s.measured_at))
                  || array_send(array_replace(s.values, NULL, 'NaN'::float8)), ''::bytea)
         FILTER (WHERE cardinality(s.values) = %(width)s),
       array_agg(DISTINCT w.number::int4) FILTER (WHERE cardinality(s.values) <> %(width)s)
FROM unnest(%(streams)s::int4[], %(after)s::timestamptz[], %(until)s::timestamptz[])
     WITH ORDINALITY AS w(stream_id, after, until, number)
JOIN samples s ON s.stream_id = w.stream_id AND s.measured_at > w.after AND s.measured_at <= w.until
WHERE s.measured_at > %(first)s AND s.measured_at <= %(last)s
"""


class Columns(NamedTuple):
    """Which values of a stream's rows are what: `slots` of `metrics`, and the slot that tells the operating mode."""

    slots: tuple[int, ...]
    metrics: tuple[str, ...]
    mode_slot: int | None
    mode_names: tuple[str, ...]
    width: int  # the highest slot: a row of another width has a series that is not known here, or not yet one that is


class Window(NamedTuple):
    """Rows of a stream with after < t <= until that are wanted."""

    stream_id: int
    after: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ManyRows:
    """Row i is of window `of[i]`: `t` epoch seconds, `values` [n, metrics], mode codes (-1 unknown) where there are.

    `strange` are windows in whose rows something is not described by the columns; theirs must be read one by one.
    """

    of: NDArray[np.int64]
    t: NDArray[np.float64]
    values: NDArray[np.float64]
    modes: NDArray[np.int64] | None
    strange: frozenset[int]


def single_streams(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, tuple[int, Columns]]:
    """Return the stream and its columns of each asset that this one stream measures, and no other ever did."""
    by_asset: dict[UUID, list[Any]] = {}
    for row in session.execute(_SOURCES, {"assets": list(asset_ids)}):
        by_asset.setdefault(row.asset_id, []).append(row)
    return {
        asset_id: (rows[0].id, _columns(rows))
        for asset_id, rows in by_asset.items()
        if all(row.id == rows[0].id for row in rows)
    }


def _columns(rows: Sequence[Any]) -> Columns:
    numbers = [row for row in rows if row.kind != "text"]
    texts = {row.metric: row for row in rows if row.kind == "text"}
    mode = mode_of(tuple(texts))
    return Columns(
        tuple(row.slot for row in numbers),
        tuple(row.metric for row in numbers),
        texts[mode].slot if mode else None,
        tuple(texts[mode].states) if mode else (),
        max(row.slot for row in rows),
    )


def load_many(session: Session, columns: Columns, windows: Sequence[Window]) -> ManyRows:
    """Return the rows of the windows in no particular order. Needs the service role."""
    values: dict[str, Any] = {
        "streams": [window.stream_id for window in windows],
        "after": [window.after for window in windows],
        "until": [window.until for window in windows],
        "width": columns.width,
        "first": min(window.after for window in windows),  # so that only the partitions of these days are opened
        "last": max(window.until for window in windows),
    }
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        content, strange = cursor.execute(_ROWS, values).fetchone()
    value = np.dtype([("size", ">i4"), ("value", ">f8")])
    row = np.dtype([("number", ">i4"), ("t", ">f8"), ("head", "V20"), ("values", value, (columns.width,))])
    rows = np.frombuffer(content or b"", row)
    found = rows["values"]["value"].astype(np.float64)
    of, odd = rows["number"].astype(np.int64) - 1, np.zeros(len(rows), dtype=bool)
    modes = None
    if columns.mode_slot:
        codes = found[:, columns.mode_slot - 1]
        modes = np.where(np.isfinite(codes), np.nan_to_num(codes, nan=-1.0), -1.0).astype(np.int64)
        odd = modes >= len(columns.mode_names)
    numbers = found[:, np.array(columns.slots, dtype=np.int64) - 1]
    apart = frozenset([number - 1 for number in strange or ()]) | frozenset(of[odd].tolist())
    return ManyRows(of, rows["t"].astype(np.float64), numbers, modes, apart)
