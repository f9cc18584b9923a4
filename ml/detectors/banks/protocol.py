"""What every bank takes and gives: one row per slot and step, and the state of a detector in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from maintenance.decisions import FindingFacts
from ml.detectors.banks.columns import Columns, Slots
from ml.detectors.protocol import Bools, Floats, State
from ml.detectors.setup import AssetSetup


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an asset stands that may enter a bank: time of its last row, the step before it, its mode if any."""

    t: float
    step_s: float
    mode: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """What all assets of a slab share."""

    metrics: tuple[str, ...]
    setup: AssetSetup


class Bank(Protocol):
    """Detectors of one kind, of many assets. `look` then `keep` must do what `update` does with one quiet row."""

    columns: Columns

    def holds(self, state: State, moment: Moment) -> bool:
        """May a detector with this state enter? Only what is settled and quiet, with nothing left to tell."""
        ...

    def put(self, slot: int, state: State, moment: Moment) -> State:
        """Take in the state; return the part of it that the arrays have no place for."""
        ...

    def take(self, slot: int, rest: State, moment: Moment) -> State:
        """The inverse of `put`, after the rows since then: what a fresh detector restores."""
        ...

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats, there: Bools | None) -> Bools:
        """Which rows are quiet: `x` [n, m] of different slots, `dt` seconds since each slot's last row.

        `there` tells which values are not missing; None when all are there, as most often: that is quicker.
        """
        ...

    def keep(self, slots: Slots, rows: Slots | None) -> list[tuple[int, FindingFacts]]:
        """Write what the last `look` made of these of its rows (None: all).

        Return what a row that is quiet ended for a detector that looks at longer stretches: (row, finding), the asset
        still unnamed.
        """
        ...
