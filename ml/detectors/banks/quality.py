"""Layer 0 for many assets at once: the habits of their sensors, a row per step."""

from __future__ import annotations

from typing import Any

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import metric_kinds
from ml.detectors.banks.columns import Anything, Column, Columns, Slots, at
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.data_quality import (
    ALIVE_ROWS,
    DT_ROWS,
    FROZEN_ROWS,
    FROZEN_TIMES,
    GAP_ROWS,
    GAP_S,
    MIN_CHANGES,
    MISSING_ROWS,
    PRESENT_ROWS,
    RATE_STEPS_S,
    UNIT_FACTORS,
    UNIT_TOLERANCE,
)  # fmt: skip
from ml.detectors.protocol import Bools, Floats, State

MANY = 255  # counts that are only compared with less stop here
# field of a sensor -> type of its column; the rest of its fields are zero in a quiet sensor
_FIELDS = {
    "last": "f8",
    "still_rows": "i4",
    "longest_still": "i4",
    "changes": "u1",
    "seen": "u1",
    "rows": "u2",
    "wildest_log": "f4",
    "unit_before": "f4",
}
_LOG_FACTORS = np.log(UNIT_FACTORS)
UNIT_STEP = 1.2  # of the logarithm: smaller ones are no change of unit, see `data_quality`
RATE_TYPICAL_S = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)  # a step of each class


class QualityBank:
    """Holds the sensors of the habit that an asset is in; its other habits wait in the rest."""

    def __init__(self, layout: Layout) -> None:
        self.metrics = layout.metrics
        m = (len(self.metrics),)
        columns = {name: Column(dtype, m) for name, dtype in _FIELDS.items()}
        self.columns = Columns({**columns, "usual": Column("f4"), "rate": Column("i1")})
        ranges = [metric_kinds.physical_range(metric) or (-np.inf, np.inf) for metric in self.metrics]
        self._low, self._high = np.array(ranges).T
        self._seen: dict[str, Anything] = {}

    def holds(self, state: State, moment: Moment) -> bool:
        own = state["sensors"].get(habit_of(moment.step_s, moment.mode))
        return (
            own is not None
            and not state["current"]
            and all(not each["open"] and not any(each["recent_t"]) for each in state["evidence"].values())
            and state["last_t"] == moment.t
            and len(state["steps"]) >= DT_ROWS
            and not any(sensor["unit_factor"] or sensor["unit_candidate"] for sensor in own.values())
            and set(own) == set(self.metrics)
        )

    def put(self, slot: int, state: State, moment: Moment) -> State:
        sensors = dict(state["sensors"])
        own = sensors.pop(habit_of(moment.step_s, moment.mode))
        for name, dtype in _FIELDS.items():
            values = [own[metric][name] for metric in self.metrics]
            if dtype.startswith("u"):
                values = [min(value, MANY) for value in values]
            self.columns[name][slot] = values
        self.columns["usual"][slot] = np.median(state["steps"])
        self.columns["rate"][slot] = rate_of(np.array([moment.step_s]))[0]
        return {"sensors": sensors} if sensors else {}

    def take(self, slot: int, rest: State, moment: Moment) -> State:
        own: dict[str, dict[str, Any]] = {}
        for j, metric in enumerate(self.metrics):
            own[metric] = {name: self.columns[name][slot, j].item() for name in _FIELDS}
            own[metric] |= {"unit_factor": 0.0, "unit_candidate": 0.0, "unit_rows": 0}
        habit = habit_of(RATE_TYPICAL_S[int(self.columns["rate"][slot])], moment.mode)
        return {
            "sensors": {**rest.get("sensors", {}), habit: own},
            "evidence": {},
            "current": {},
            "last_t": moment.t,
            "steps": [float(self.columns["usual"][slot])] * DT_ROWS,
        }

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats) -> Bools:
        c, there = self.columns, np.isfinite(x)
        calm = (rate_of(dt) == c["rate"][slots]) & (dt <= np.maximum(GAP_S, GAP_ROWS * c["usual"][slots]))
        last = c["last"][slots]
        changed = there & (x != last) & (last == last)
        odd = self._stillness(slots, x, there, changed)
        odd |= (x < self._low) | (x > self._high)
        odd |= self._missing(slots, there)
        odd |= self._unit(slots, x, there)
        return np.asarray(calm & ~odd.any(axis=1))

    def _stillness(self, slots: Slots, x: Floats, there: Bools, changed: Bools) -> Bools:
        """True where a sensor is frozen while others move, or stirs after it was."""
        c, seen = self.columns, self._seen
        before, longest = c["still_rows"][slots], c["longest_still"][slots]
        woke = changed & (before >= np.maximum(FROZEN_ROWS, FROZEN_TIMES * longest))
        still = np.where(changed, 0, before + there)
        longest = np.where(changed, np.maximum(longest, before), longest)
        changes = c["changes"][slots]
        changes = changes + (changed & (changes < MANY))
        frozen = there & (still >= np.maximum(FROZEN_ROWS, FROZEN_TIMES * longest)) & (changes >= MIN_CHANGES)
        seen["last"], seen["still_rows"] = np.where(there, x, c["last"][slots]), still
        seen["longest_still"], seen["changes"] = longest, changes
        if frozen.any():
            alive = there & (still < ALIVE_ROWS)
            frozen &= alive.sum(axis=1, keepdims=True) - alive > 0
        return woke | frozen

    def _missing(self, slots: Slots, there: Bools) -> Bools:
        c, seen = self.columns, self._seen
        before, rows = c["seen"][slots], c["rows"][slots]
        seen["seen"] = before + (there & (before < MANY))
        seen["rows"] = np.where(there, 0, rows + (rows < np.iinfo(rows.dtype).max))
        return np.asarray((seen["rows"] >= MISSING_ROWS) & (seen["seen"] >= PRESENT_ROWS))

    def _unit(self, slots: Slots, x: Floats, there: Bools) -> Bools:
        """True where a reading jumps by a unit's factor, further than this sensor ever does."""
        c, seen = self.columns, self._seen
        positive = there & (x > 0)
        before, wildest = c["unit_before"][slots], c["wildest_log"][slots]
        logs = np.log(x, out=np.array(before, dtype=float), where=positive)
        step = np.abs(logs - before)
        step[step != step] = 0.0  # the first reading is no step
        jump: Bools = np.asarray(step > UNIT_STEP)
        if jump.any():
            jump &= (np.abs(step[..., None] - _LOG_FACTORS) < UNIT_TOLERANCE).any(axis=-1)
            jump &= (wildest < step / 2) & (seen["changes"] >= MIN_CHANGES)
        seen["unit_before"], seen["wildest_log"] = logs, np.maximum(wildest, step)
        return jump

    def keep(self, slots: Slots, rows: Slots | None) -> list[tuple[int, FindingFacts]]:
        where = at(slots, rows)
        for name, values in self._seen.items():
            self.columns[name][where] = values if rows is None else values[rows]
        return []


def rate_of(dt: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The class of each step among the usual rates."""
    return np.searchsorted(RATE_STEPS_S, dt)


def habit_of(step_s: float, mode: str | None) -> str:
    """The name under which the detector keeps the habits of sensors read so often, in this mode."""
    rate = str(int(rate_of(np.array([step_s]))[0]))
    return rate if mode is None else f"{rate}@{mode}"
