"""Where each settled asset's state lies among the slabs, and whole ticks of rows for many assets at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from sys import getsizeof
from typing import Any

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.banks.slab import Ints, Slab
from ml.detectors.protocol import Bools, Detector, Floats, State
from ml.detectors.registry import Entry
from ml.detectors.setup import AssetSetup
from ml.rhythms import Rhythm

# What things cost, in rows of an asset's own path: to start that path, and a step of a slab however few it moves.
ALONE_ROWS, STEP_ROWS = 100, 5
SLOT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of many assets with the same metrics: row i is of `assets[of[i]]`, at `t[i]` epoch seconds.

    `values` [n, m] has NaN where a value is missing; `modes` [n] and `mode_names` are as in `Block`. Rows may come in
    any order, and several of one asset.
    """

    assets: Sequence[str]
    of: Ints
    t: Floats
    metrics: tuple[str, ...]
    values: Floats
    modes: Ints | None = None
    mode_names: tuple[str, ...] = ()


class FleetBank:
    """Slabs by layout, and for each asset held its slab and slot."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._banks = {entry.id: entry.bank for entry in entries if entry.bank is not None}
        self._complete = bool(entries) and len(self._banks) == len(entries)
        self._slabs: list[Slab] = []
        self._by_key: dict[Any, int] = {}
        self._where: dict[str, int] = {}  # asset -> slab and slot in one number
        self._asked: Sequence[str] = ()
        self._answer: Ints = np.zeros(0, dtype=np.int64)

    def __contains__(self, asset: str) -> bool:
        return asset in self._where

    def __len__(self) -> int:
        return len(self._where)

    def assets(self) -> tuple[str, ...]:
        return tuple(self._where)

    # ------------------------------------------------------------------ in and out

    def admit(
        self, asset: str, detectors: Sequence[Detector], setup: AssetSetup, rhythm: Rhythm, metrics: tuple[str, ...],
        moment: Moment, late_rows: int,
    ) -> bool:  # fmt: skip
        """Take the asset in if all its detectors are settled and quiet."""
        if not self._complete:
            return False
        number = self._slab_of(metrics, setup)
        slot = self._slabs[number].put({d.id: d.state() for d in detectors}, rhythm, moment, late_rows)
        if slot is None:
            return False
        self._where[asset] = number << 32 | slot
        self._asked = ()
        return True

    def look_up(self, asset: str) -> tuple[Mapping[str, State], Moment, int, Rhythm]:
        """The asset's states by detector, where it stands, its late rows and how its metrics come; it stays."""
        slab, slot = self._place(asset)
        return slab.states(slot), slab.moment(slot), slab.late_rows(slot), slab.rhythm.take(slot)

    def remove(self, asset: str) -> None:
        slab, slot = self._place(asset)
        slab.free(slot)
        del self._where[asset]
        self._asked = ()

    def watermark(self, asset: str) -> float:
        """Event time up to which an asset that is held was scored."""
        slab, slot = self._place(asset)
        return float(slab.columns["t"][slot])

    def bytes_per_asset(self) -> float:
        """Bytes of state for each asset held, with its name and place."""
        if not self._where:
            return 0.0
        names = getsizeof(self._where) + sum(getsizeof(name) + getsizeof(at) for name, at in self._where.items())
        return (names + sum(slab.nbytes() for slab in self._slabs)) / len(self._where)

    def _place(self, asset: str) -> tuple[Slab, int]:
        where = self._where[asset]
        return self._slabs[where >> 32], where & SLOT

    def _slab_of(self, metrics: tuple[str, ...], setup: AssetSetup) -> int:
        # Equal knowledge of peers is one object in a fleet: comparing it by content would cost more than a slab.
        taught = tuple(sorted((name, id(state)) for name, state in setup.taught.items()))
        key = (
            metrics,
            tuple(sorted(setup.limits.items())),
            setup.residual,
            setup.asset_type,
            taught,
        )
        if key not in self._by_key:
            layout = Layout(metrics, setup)
            self._by_key[key] = len(self._slabs)
            self._slabs.append(Slab(layout, {name: make(layout) for name, make in self._banks.items()}))
        return self._by_key[key]

    # ------------------------------------------------------------------ ticks

    def feed(self, rows: Rows) -> tuple[Bools, list[FindingFacts]]:
        """Advance the assets held by their rows; return which rows are done with, and what was found on the way.

        Done are the quiet ones and those that tell nothing new. The others are left to the asset's own detectors: all
        rows of an asset that is not held, and of one that is, those from its first row that is not quiet.
        """
        done = np.zeros(len(rows.t), dtype=bool)
        found: list[FindingFacts] = []
        where = self._places(rows.assets)
        place = where[rows.of]
        slabs = place >> 32
        for number in np.unique(slabs).tolist():
            if number >= 0 and self._slabs[number].layout.metrics == rows.metrics:
                own = np.flatnonzero(slabs == number)
                self._feed_slab(self._slabs[number], rows, own, place[own] & SLOT, done, found)
        return done, found

    def _places(self, assets: Sequence[str]) -> Ints:
        """Slab and slot of each asset in one number, -1 of those not held; the answer for a tuple is remembered."""
        if assets is not self._asked:
            self._asked = assets if isinstance(assets, tuple) else ()
            self._answer = np.fromiter(map(self._where.get, assets, repeat(-1)), dtype=np.int64, count=len(assets))
        return self._answer

    def _feed_slab(
        self, slab: Slab, rows: Rows, own: Ints, slots: Ints, done: Bools, found: list[FindingFacts]
    ) -> None:
        t = rows.t[own]
        late: Bools = np.asarray(t <= slab.columns["t"][slots])
        order = np.lexsort((t, slots)) if not (slots[1:] > slots[:-1]).all() else np.arange(len(slots))
        if late.any():
            slab.note_late(slots[late])
            done[own[late]] = True
            order = order[~late[order]]
        again = np.zeros(len(order), dtype=bool)
        again[1:] = (np.diff(slots[order]) == 0) & (np.diff(t[order]) == 0)
        tells: Bools = np.ones(len(order), dtype=bool)
        if rows.modes is None and not np.isfinite(rows.values[:, 0]).all():
            tells = np.asarray(np.isfinite(rows.values[own[order]]).any(axis=1))
        if again.any() or not tells.all():
            done[own[order[again | ~tells]]] = True
            order = order[tells & ~again]
        if len(order):
            self._walk(slab, rows, own[order], slots[order], done, found)

    def _walk(self, slab: Slab, rows: Rows, own: Ints, slots: Ints, done: Bools, found: list[FindingFacts]) -> None:
        """Step by step, a row of each asset at a time, for as long as it is quiet. Rows are sorted by slot and time."""
        modes = None if rows.modes is None else _mode_ids(slab, rows, own)
        begins = np.flatnonzero(np.diff(slots, prepend=-1))
        counts = np.diff(begins, append=len(slots))
        step, most = 0, int(counts.max())
        while len(begins) and len(begins) * (ALONE_ROWS + most - step) > STEP_ROWS * (most - step):
            at = begins + step
            source = own[at]
            quiet, ended = slab.step(
                slots[at], rows.t[source], rows.values[source], None if modes is None else modes[at]
            )
            found += [replace(fact, asset=rows.assets[rows.of[source[row]]]) for row, fact in ended]
            done[source[quiet]] = True
            step += 1
            go_on: Bools = np.asarray(quiet & (counts > step))
            begins, counts = begins[go_on], counts[go_on]
            most = int(counts.max(initial=0))


def _mode_ids(slab: Slab, rows: Rows, own: Ints) -> Ints:
    ids = np.array([slab.mode_id(name) for name in (*rows.mode_names, "?")], dtype=np.int64)
    codes = np.asarray(rows.modes)[own]
    known = (codes >= 0) & (codes < len(rows.mode_names))
    return np.asarray(ids[np.where(known, codes, len(rows.mode_names))])
