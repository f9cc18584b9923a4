"""What is counted of readings in a stretch of time: count, minimum, maximum, sum and last, slot by slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.store.columns import Columns

BAD = 2
# A sum of many readings must stay a number: beyond this no sensor measures anything.
LARGEST = 1e290


@dataclass(frozen=True, slots=True)
class Figures:
    """One row per (stream, bucket): `bucket_us` its beginning, the others by slot, NaN where there is nothing."""

    stream: NDArray[np.int64]
    bucket_us: NDArray[np.int64]
    counts: NDArray[np.int64]
    bads: NDArray[np.int64]
    mins: NDArray[np.float64]
    maxs: NDArray[np.float64]
    sums: NDArray[np.float64]
    lasts: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.bucket_us)

    def take(self, keep: NDArray[np.bool_]) -> Figures:
        """Return the rows for which `keep` is true."""
        return Figures(*(getattr(self, name)[keep] for name in self.__slots__))


def summarise(rows: Columns, bucket_us: int, texts: Mapping[int, frozenset[int]] | None = None) -> Figures:
    """Return the figures of rows, in any order, by stream and bucket (aligned to 1970 UTC).

    Bad readings are counted apart, and make the figures only where there are no others. `texts` names the slots of
    each stream that hold texts: of these only counts and lasts are told.
    """
    if len(rows) == 0:
        none, empty = np.empty(0, dtype=np.int64), np.empty((0, 0))
        counts = np.empty((0, 0), dtype=np.int64)
        return Figures(none, none, counts, counts, empty, empty, empty, empty)
    rows = _ordered(rows)
    bucket = rows.t_us - rows.t_us % bucket_us
    change = (np.diff(bucket) != 0) | (np.diff(rows.stream) != 0)
    starts = np.concatenate(([0], np.flatnonzero(change) + 1))
    there = ~np.isnan(rows.values)
    bad = there & (rows.quality == BAD) if rows.quality is not None else np.zeros_like(there)
    counts = np.add.reduceat(there & ~bad, starts, axis=0, dtype=np.int64)
    bads = np.add.reduceat(bad, starts, axis=0, dtype=np.int64)
    used = there
    if bads.any():
        lengths = np.diff(np.append(starts, len(rows)))
        used = there & (~bad | np.repeat(counts == 0, lengths, axis=0))
    values = np.where(used, rows.values, np.nan)
    newest = np.maximum.reduceat(np.where(used, np.arange(len(rows))[:, None], -1), starts, axis=0)
    lasts = np.where(newest >= 0, np.take_along_axis(values, np.maximum(newest, 0), axis=0), np.nan)
    sums = np.add.reduceat(np.where(used, np.clip(rows.values, -LARGEST, LARGEST), 0.0), starts, axis=0)
    sums[newest < 0] = np.nan
    figures = Figures(
        stream=rows.stream[starts],
        bucket_us=bucket[starts],
        counts=counts,
        bads=bads,
        mins=np.fmin.reduceat(values, starts, axis=0),
        maxs=np.fmax.reduceat(values, starts, axis=0),
        sums=np.clip(sums, -LARGEST, LARGEST),
        lasts=lasts,
    )
    _without_texts(figures, texts or {})
    return figures


def _ordered(rows: Columns) -> Columns:
    steps, streams = np.diff(rows.t_us), np.diff(rows.stream)
    if ((streams > 0) | ((streams == 0) & (steps >= 0))).all():  # as the key gives them
        return rows
    order = np.lexsort((rows.t_us, rows.stream))
    quality = rows.quality[order] if rows.quality is not None else None
    return Columns(rows.stream[order], rows.t_us[order], rows.values[order], quality)


def _without_texts(figures: Figures, texts: Mapping[int, frozenset[int]]) -> None:
    """The least of two words means nothing."""
    width = figures.counts.shape[1]
    for stream, slots in texts.items():
        mine = figures.stream == stream
        columns = [slot - 1 for slot in slots if slot <= width]
        for figure in (figures.mins, figures.maxs, figures.sums):
            figure[np.ix_(mine, columns)] = np.nan
