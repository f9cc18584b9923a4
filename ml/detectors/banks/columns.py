"""Arrays with one row per slot that grow together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GROWTH, FIRST = 17 / 16, 64  # of the slots, when they are full: little room lies idle

Anything = NDArray[Any]
Slots = NDArray[np.int64] | slice  # a slice where the slots follow each other: no copy is made


class Column(NamedTuple):
    """Type and shape of one slot's part; `fill` is what a fresh slot holds."""

    dtype: str
    shape: tuple[int, ...] = ()
    fill: float = 0.0


class Columns:
    """Named arrays [slots, *shape]."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)
        self._arrays = {name: np.full((0, *of.shape), of.fill, of.dtype) for name, of in self._columns.items()}

    def __getitem__(self, name: str) -> Anything:
        return self._arrays[name]

    def grow(self, slots: int) -> None:
        """Make room for so many slots; what is there stays."""
        for name, of in self._columns.items():
            old = self._arrays[name]
            new = np.full((slots, *of.shape), of.fill, of.dtype)
            new[: len(old)] = old
            self._arrays[name] = new

    def nbytes(self) -> int:
        """Bytes of all arrays, room for growth included."""
        return sum(array.nbytes for array in self._arrays.values())


def grown(slots: int) -> int:
    """How many slots to have when `slots` are full."""
    return max(slots + FIRST, int(slots * GROWTH))


def at(slots: Slots, rows: Slots | None) -> Slots:
    """The slots of these rows; None are all."""
    if rows is None:
        return slots
    if isinstance(slots, slice):
        return rows if isinstance(rows, slice) else rows + slots.start
    return slots[rows]
