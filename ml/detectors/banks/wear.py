"""Slow wear of many assets: the sums of the hour in memory, what spans months on a shelf until a half-day ends."""

from __future__ import annotations

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import plain
from ml.detectors.banks.columns import Anything, Column, Columns, Slots, at
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.banks.shelf import Shelf
from ml.detectors.protocol import Bools, Floats, State
from ml.detectors.wear import WearDetector
from ml.detectors.wear_bins import BIN_S, MAX_MODES
from ml.detectors.wear_tracker import TICK_S

HOURS = int(TICK_S / BIN_S) + 1  # hours that wait on the shelf at most
NONE = -1  # no hour waits for its half-day to end: the detector looks at the next one at once
MOST_ROWS = 65_000  # an hour; faster ones stay on a path of their own


class WearBank:
    """An hour that ends is written behind the asset's record; the first of another half-day makes the detector look."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        m = len(layout.metrics)
        self.columns = Columns(
            {"total": Column("f8", (m,)), "count": Column("u2", (m,)), "rows": Column("u2"), "hours": Column("u1"),
             "half_day": Column("i4")}
        )  # fmt: skip
        self._piece = 8 * (2 * m + 2)
        self._shelf = Shelf()
        self._seen: dict[str, Anything] = {}

    # ------------------------------------------------------------------ in and out

    def holds(self, state: State, moment: Moment) -> bool:
        hours, mode = state["hours"], moment.mode or ""
        return (
            tuple(state["metrics"]) == self.layout.metrics
            and state["tracker"] is not None
            and not state["ended"]
            and hours["hour"] == moment.t // BIN_S
            and mode in hours["open"]
            and hours["open"][mode]["rows"] < MOST_ROWS
            and len(hours["known"]) < MAX_MODES
            and state["healthy_until"] < moment.t
        )

    def put(self, slot: int, state: State, moment: Moment) -> State:
        mode, opened = moment.mode or "", dict(state["hours"]["open"])
        own = opened.pop(mode)
        for name in ("total", "count", "rows"):
            self.columns[name][slot] = own[name]
        self._keep(slot, state | {"hours": state["hours"] | {"open": opened}}, mode)
        return {}

    def take(self, slot: int, rest: State, moment: Moment) -> State:
        c = self.columns
        detector, mode, _ = self._looked(slot, [])
        state = detector.state()
        own = {"total": np.array(c["total"][slot]), "count": c["count"][slot].astype(float)}
        own |= {"rows": int(c["rows"][slot]), "last_t": moment.t}
        opened = {**state["hours"]["open"], mode: own}
        return state | {"hours": state["hours"] | {"open": opened, "hour": moment.t // BIN_S}}

    def _keep(self, slot: int, state: State, mode: str) -> None:
        """Put the detector's state on the shelf, with no hour behind it yet."""
        pending = state["tracker"]["pending"]
        self.columns["hours"][slot] = 0
        self.columns["half_day"][slot] = NONE if pending is None else int(pending["t"][0] // TICK_S)
        self._shelf.put(slot, plain.pack({"state": state, "mode": mode}), HOURS * self._piece)

    def _looked(self, slot: int, more: list[bytes]) -> tuple[WearDetector, str, list[FindingFacts]]:
        """The slot's detector after the hours on the shelf and these; its mode; what it found in them."""
        record, pieces = self._shelf.get(slot, int(self.columns["hours"][slot]), self._piece)
        stored = plain.unpack(record)
        detector = WearDetector("", self.layout.setup)
        detector.restore(stored["state"])
        found: list[FindingFacts] = []
        for piece in (*pieces, *more):
            last_t, rows, *sums = np.frombuffer(piece)
            total, count = np.array(sums).reshape(2, -1)
            found += detector.hour_ended(stored["mode"], total, count, int(rows), float(last_t))
        return detector, stored["mode"], found

    # ------------------------------------------------------------------ one row of each

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats, there: Bools | None) -> Bools:
        c = self.columns
        last_t = t - dt
        ended = (t // BIN_S) != (last_t // BIN_S)
        known = np.ones(x.shape, dtype=bool) if there is None else there
        whole = x if there is None else np.where(there, x, 0.0)
        self._seen = {"x": whole, "there": known, "ended": ended, "last_t": last_t}
        return np.asarray(c["rows"][slots] < MOST_ROWS)

    def keep(self, slots: Slots, rows: Slots | None) -> list[tuple[int, FindingFacts]]:
        c, where = self.columns, at(slots, rows)
        x, there, ended, last_t = (
            self._seen[name] if rows is None else self._seen[name][rows] for name in ("x", "there", "ended", "last_t")
        )
        found: list[tuple[int, FindingFacts]] = []
        for row in np.flatnonzero(ended).tolist():
            slot = where.start + row if isinstance(where, slice) else int(where[row])
            number = row if rows is None else int(np.arange(len(self._seen["x"]))[rows][row])
            found += [(number, fact) for fact in self._end(slot, float(last_t[row]))]
            for name in ("total", "count", "rows"):
                c[name][slot] = 0
        c["total"][where] += x
        c["count"][where] += there
        c["rows"][where] += 1
        return found

    def _end(self, slot: int, last_t: float) -> list[FindingFacts]:
        """The slot's hour has ended: keep it, or let the detector look where a half-day ended with it."""
        c = self.columns
        piece = np.concatenate([[last_t, c["rows"][slot]], c["total"][slot], c["count"][slot]]).tobytes()
        if c["half_day"][slot] == last_t // TICK_S:
            self._shelf.append(slot, int(c["hours"][slot]), piece)
            c["hours"][slot] += 1
            return []
        detector, mode, found = self._looked(slot, [piece])
        self._keep(slot, detector.state(), mode)
        return found
