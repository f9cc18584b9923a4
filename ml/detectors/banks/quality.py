"""Layer 0 for many assets at once: the habits of their sensors, a row per step."""

from __future__ import annotations

from typing import Any

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import metric_kinds
from ml.detectors.banks.columns import Anything, Column, Columns, Slots, at
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.data_quality import ALIVE_ROWS, DT_ROWS, GAP_ROWS, GAP_S, RATE_STEPS_S
from ml.detectors.protocol import Bools, Floats, State
from ml.detectors.sensor_habits import (
    FROZEN_ROWS,
    FROZEN_TIMES,
    MIN_CHANGES,
    MISSING_ROWS,
    PRESENT_ROWS,
    UNIT_FACTORS,
    UNIT_TOLERANCE,
)

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

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats, there: Bools | None) -> Bools:
        c = self.columns
        calm = (rate_of(dt) == c["rate"][slots]) & (dt <= np.maximum(GAP_S, GAP_ROWS * c["usual"][slots]))
        odd = (x < self._low) | (x > self._high)
        odd |= self._stillness(slots, x, there)
        odd |= self._missing(slots, there)
        odd |= self._unit(slots, x, there)
        return np.asarray(calm & ~odd.any(axis=1) if odd.any() else calm)

    def _stillness(self, slots: Slots, x: Floats, there: Bools | None) -> Bools | bool:
        """True where a sensor is frozen while others move, or stirs after it was."""
        c, seen = self.columns, self._seen
        before, longest, last = c["still_rows"][slots], c["longest_still"][slots], c["last"][slots]
        changed = (x != last) & (last == last)
        if there is not None:
            changed &= there
        still = (before + (1 if there is None else there)) * ~changed
        changes = c["changes"][slots]
        seen["longest_still"] = np.maximum(longest, before * changed)
        seen["changes"] = changes + (changed & (changes < MANY))
        seen["last"], seen["still_rows"] = (x if there is None else np.where(there, x, last)), still
        if before.max(initial=0) + 1 < FROZEN_ROWS:
            return False
        woke = changed & (before >= np.maximum(FROZEN_ROWS, FROZEN_TIMES * longest))
        habit = FROZEN_TIMES * seen["longest_still"]
        frozen = (still >= np.maximum(FROZEN_ROWS, habit)) & (seen["changes"] >= MIN_CHANGES)
        alive = still < ALIVE_ROWS
        if there is not None:
            frozen, alive = frozen & there, alive & there
        return np.asarray(woke | frozen & (alive.sum(axis=1, keepdims=True) - alive > 0))

    def _missing(self, slots: Slots, there: Bools | None) -> Bools | bool:
        c, seen = self.columns, self._seen
        before = c["seen"][slots]
        if there is None:
            seen["seen"], seen["rows"] = before + (before < MANY), np.zeros(before.shape, dtype=np.uint16)
            return False
        rows = c["rows"][slots]
        seen["seen"] = before + (there & (before < MANY))
        seen["rows"] = np.where(there, 0, rows + (rows < np.iinfo(rows.dtype).max))
        return np.asarray((seen["rows"] >= MISSING_ROWS) & (seen["seen"] >= PRESENT_ROWS))

    def _unit(self, slots: Slots, x: Floats, there: Bools | None) -> Bools | bool:
        """True where a reading jumps by a unit's factor, further than this sensor ever does."""
        c, seen = self.columns, self._seen
        before, wildest = c["unit_before"][slots], c["wildest_log"][slots]
        if there is None and x.min(initial=1.0) > 0:
            logs = np.log(x)
        else:  # nothing is told by what is missing or has no logarithm
            logs = np.log(x, out=np.array(before, dtype=float), where=x > 0)
        step = np.abs(logs - before)
        furthest = step.max(initial=0.0)
        if furthest != furthest:  # the first reading is no step
            step = np.nan_to_num(step, nan=0.0)
            furthest = step.max(initial=0.0)
        seen["unit_before"], seen["wildest_log"] = logs, np.maximum(wildest, step)
        if furthest <= UNIT_STEP:
            return False
        jump = (step > UNIT_STEP) & (wildest < step / 2) & (seen["changes"] >= MIN_CHANGES)
        return np.asarray(jump & (np.abs(step[..., None] - _LOG_FACTORS) < UNIT_TOLERANCE).any(axis=-1))

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
