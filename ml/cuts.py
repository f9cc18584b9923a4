"""Rows and columns of a block, cut to what somebody is to see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ml.detectors.protocol import Block, Bools, Event, Floats

Ints = NDArray[np.int64]


def stretches(block: Block, events: Sequence[Event]) -> list[tuple[int, int, Event | None]]:
    """Rows [start, stop), and the event that comes after them; what comes after the last row comes at once."""
    out: list[tuple[int, int, Event | None]] = []
    start = 0
    for event in events:
        stop = max(start, int(np.searchsorted(block.t, event.t)))
        out.append((start, stop, event))
        start = stop
    return [*out, (start, len(block), None)]


def ordered(block: Block) -> tuple[Block, Ints]:
    """Rows in order of time, one per time, finite or NaN; and which rows of the block they were."""
    values, t = np.asarray(block.values, dtype=float), np.asarray(block.t, dtype=float)
    order = np.argsort(t, kind="stable")
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = np.diff(t[order]) > 0
    # A recording may hold rows without a value; a device sends none, and silence must look the same in both.
    keep &= (np.isfinite(values).any(axis=1) | (block.modes is not None))[order]
    rows = order[keep]
    finite = np.where(np.isfinite(values[rows]), values[rows], np.nan)
    modes = None if block.modes is None else block.modes[rows]
    return replace(block, t=t[rows], values=finite, modes=modes), rows


def narrowed(block: Block, rows: Bools, values: Bools) -> Block:
    """These rows, and of their values these."""
    if rows.all() and (values | ~np.isfinite(block.values)).all():
        return block
    modes = None if block.modes is None else block.modes[rows]
    return replace(block, t=block.t[rows], values=np.where(values, block.values, np.nan)[rows], modes=modes)


def within(block: Block, rows: Bools, columns: Bools) -> Block:
    """These rows and columns."""
    modes = None if block.modes is None else block.modes[rows]
    values = block.values[np.ix_(rows, columns)]
    return replace(block, t=block.t[rows], metrics=names_of(block, columns), values=values, modes=modes)


def columns_of(block: Block, metrics: Sequence[str]) -> Bools:
    """Which columns of the block are of these metrics."""
    return np.array([metric in metrics for metric in block.metrics], dtype=bool)


def names_of(block: Block, columns: Bools) -> tuple[str, ...]:
    """The metrics of these columns."""
    if columns.all():
        return block.metrics
    return tuple(metric for metric, yes in zip(block.metrics, columns, strict=True) if yes)


def hidden(values: Floats, mask: Bools, part: tuple[Bools, Bools] | None) -> Floats:
    """The values without those that are masked; the mask is of all rows and columns, or of these."""
    if part is None:
        return np.asarray(np.where(mask, np.nan, values))
    whole = values.copy()
    whole[np.ix_(*part)] = np.where(mask, np.nan, whole[np.ix_(*part)])
    return whole
