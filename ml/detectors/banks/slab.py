"""The settled assets of one layout: a slot each, all their detectors stacked, advanced together row by row."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from sys import getsizeof
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maintenance.decisions import FindingFacts
from ml.detectors import plain
from ml.detectors.banks.columns import Column, Columns, Slots, at, grown
from ml.detectors.banks.protocol import Bank, Layout, Moment
from ml.detectors.banks.rhythm import RhythmBank
from ml.detectors.protocol import Bools, Floats, State
from ml.rhythms import Rhythm

CHUNK = 1024  # rows that go through all banks at once: their intermediate arrays stay in the processor's cache

Ints = NDArray[np.int64]


class Slab:
    """Slots of assets that share metrics and setup."""

    def __init__(self, layout: Layout, banks: Mapping[str, Bank]) -> None:
        self.layout = layout
        self.banks = dict(banks)
        self.columns = Columns(
            {"t": Column("f8", (), np.inf), "step_s": Column("f4"), "mode": Column("i4"), "late_rows": Column("i4")}
        )
        self.rhythm = RhythmBank(layout.metrics)
        self._rest: dict[int, bytes] = {}
        self._modes: list[str | None] = [None]
        self._mode_ids: dict[str | None, int] = {None: 0}
        self._free: list[int] = []
        self._slots = 0
        self.held = 0

    # ------------------------------------------------------------------ in and out

    def put(self, states: Mapping[str, State], rhythm: Rhythm, moment: Moment, late_rows: int) -> int | None:
        """Take an asset in, by its detectors' states; None when one of them is not quiet. Return its slot."""
        if not all(bank.holds(states[name], moment) for name, bank in self.banks.items()):
            return None
        slot = self._next_slot()
        rest = {name: own for name, bank in self.banks.items() if (own := bank.put(slot, states[name], moment))}
        if rest:
            self._rest[slot] = zlib.compress(plain.pack(rest), 1)
        c = self.columns
        c["t"][slot], c["step_s"][slot], c["late_rows"][slot] = moment.t, moment.step_s, late_rows
        c["mode"][slot] = self.mode_id(moment.mode)
        self.rhythm.put(slot, rhythm)
        self.held += 1
        return slot

    def states(self, slot: int) -> dict[str, State]:
        """The detectors' states of the asset in this slot, by detector id."""
        moment, rest = self.moment(slot), {}
        if slot in self._rest:
            rest = plain.unpack(zlib.decompress(self._rest[slot]))
        return {name: bank.take(slot, rest.get(name, {}), moment) for name, bank in self.banks.items()}

    def moment(self, slot: int) -> Moment:
        c = self.columns
        return Moment(float(c["t"][slot]), float(c["step_s"][slot]), self._modes[int(c["mode"][slot])])

    def late_rows(self, slot: int) -> int:
        return int(self.columns["late_rows"][slot])

    def free(self, slot: int) -> None:
        self._rest.pop(slot, None)
        self.columns["t"][slot] = np.inf  # no row is after it
        self._free.append(slot)
        self.held -= 1

    def mode_id(self, mode: str | None) -> int:
        if mode not in self._mode_ids:
            self._mode_ids[mode] = len(self._modes)
            self._modes.append(mode)
        return self._mode_ids[mode]

    def _all_columns(self) -> tuple[Columns, ...]:
        return (self.columns, self.rhythm.columns, *(bank.columns for bank in self.banks.values()))

    def _next_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._slots == len(self.columns["t"]):
            for columns in self._all_columns():
                columns.grow(grown(self._slots))
        self._slots += 1
        return self._slots - 1

    # ------------------------------------------------------------------ the walk through time

    def step(
        self, slots: Ints, t: Floats, x: Floats, modes: Ints | None
    ) -> tuple[Bools, list[tuple[int, FindingFacts]]]:
        """Advance each slot by one row; return which rows were quiet, and findings about longer stretches that end.

        The other rows were not taken, nothing is changed by them. Slots differ from each other and ascend; t is after
        each slot's last row.
        """
        quiet = np.empty(len(slots), dtype=bool)
        found: list[tuple[int, FindingFacts]] = []
        for start in range(0, len(slots), CHUNK):
            rows = slice(start, start + CHUNK)
            own: list[tuple[int, FindingFacts]] = []
            quiet[rows] = self._step(_run(slots[rows]), t[rows], x[rows], 0 if modes is None else modes[rows], own)
            found += [(start + row, fact) for row, fact in own]
        return quiet, found

    def _step(self, slots: Slots, t: Floats, x: Floats, modes: Any, found: list[tuple[int, FindingFacts]]) -> Bools:
        c = self.columns
        dt = t - c["t"][slots]
        quiet: Bools = np.asarray(c["mode"][slots] == modes)
        known: Bools = np.isfinite(x)
        there = None if bool(known.all()) else known
        if there is not None:
            x = np.where(there, x, np.nan)
        for bank in self.banks.values():
            quiet &= bank.look(slots, t, dt, x, there)
        if (shows := self.rhythm.look(slots, there)) is not None:
            quiet &= ~shows
        rows = None if bool(quiet.all()) else np.flatnonzero(quiet)
        if rows is not None and len(rows) == 0:
            return quiet
        for bank in self.banks.values():
            found += bank.keep(slots, rows)
        self.rhythm.keep(slots, rows)
        where = at(slots, rows)
        c["t"][where] = t if rows is None else t[rows]
        c["step_s"][where] = dt if rows is None else dt[rows]
        return quiet

    def note_late(self, slots: Ints) -> None:
        """Count a row for each of these slots, which may repeat, that came too late to be scored."""
        np.add.at(self.columns["late_rows"], slots, 1)

    # ------------------------------------------------------------------ what it costs

    def nbytes(self) -> int:
        """Bytes of the arrays, room for growth included, and of what they have no place for."""
        arrays = sum(columns.nbytes() for columns in self._all_columns())
        return arrays + sum(map(getsizeof, self._rest.values()))


def _run(slots: Ints) -> Slots:
    """The same slots as a slice where they follow each other."""
    first, last = int(slots[0]), int(slots[-1])
    return slice(first, last + 1) if last - first == len(slots) - 1 else slots
