"""One sensor's habits: how long it stands still, whether it is missing, how far it jumps; and what breaks them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ml.detectors import metric_kinds
from ml.detectors.protocol import Bools, Floats

MIN_CHANGES = 20  # a sensor must have moved this often before standing still is news
FROZEN_ROWS = 30
FROZEN_TIMES = 10.0  # times its longest still stretch so far
MISSING_ROWS, PRESENT_ROWS = 30, 60
UNIT_ROWS = 5  # rows at the new level before a jump counts as another unit
UNIT_TOLERANCE = 0.02
UNIT_NOISE = 0.1  # steps of at most so much are a sensor's noise and allowed for: factors lie 0.6 apart
# factors by which people change units: m/s and km/h, kPa and psi, bar and psi, bar and kPa, milli, bar and Pa
UNIT_FACTORS = (3.6, 6.894757, 14.50377, 100.0, 1000.0, 1e5)


@dataclass(slots=True)
class Sensor:
    """What is known of one sensor's habits."""

    last: float = math.nan
    still_rows: int = 0
    longest_still: int = 1
    changes: int = 0
    seen: int = 0
    rows: int = 0
    wildest_log: float = 0.0
    unit_factor: float = 0.0  # the jump that is in force, 0 when the unit is the known one
    unit_candidate: float = 0.0
    unit_before: float = math.nan
    unit_rows: int = 0


class Look(NamedTuple):
    """What one value of a sensor shows: rows since its last change, and what is wrong with it."""

    still: int
    frozen: bool
    out_of_range: bool
    unit: bool
    missing: bool


def look_at(sensor: Sensor, metric: str, x: float) -> Look:
    """`stillness`, `is_out_of_range`, `unit_jump` and `is_missing` for one value."""
    if not math.isfinite(x):
        sensor.rows += 1
        missing = sensor.rows >= MISSING_ROWS and sensor.seen >= PRESENT_ROWS
        return Look(10**9, False, False, False, missing)
    sensor.seen += 1
    sensor.rows = 0
    before = sensor.still_rows
    if x != sensor.last and not math.isnan(sensor.last):
        sensor.changes += 1
        if before < _limit(sensor) or sensor.changes <= MIN_CHANGES:  # a stretch called frozen is no habit
            sensor.longest_still = max(sensor.longest_still, before)
        sensor.still_rows = 0
    else:
        sensor.still_rows = before + 1
    sensor.last = x
    frozen = sensor.still_rows >= _limit(sensor) and sensor.changes >= MIN_CHANGES
    low, high = metric_kinds.physical_range(metric) or (-math.inf, math.inf)
    unit = False
    if x > 0:
        log = math.log(x)
        step = log - sensor.unit_before if math.isfinite(sensor.unit_before) else 0.0
        if abs(step) <= 1.2 and sensor.unit_factor == 0 and sensor.unit_candidate == 0:
            sensor.wildest_log = max(sensor.wildest_log, abs(step))
        else:
            _unit_step(sensor, step, sensor.changes)
            unit = sensor.unit_factor != 0 or sensor.unit_candidate != 0
        sensor.unit_before = log
    return Look(sensor.still_rows, frozen, not low <= x <= high, unit, False)


def stillness(sensor: Sensor, x: Floats, changed_by: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Bools]:
    """Rows since the last change, and whether that is far beyond this sensor's habit; missing rows repeat. Fills in
    how often it had changed by each row at which it was told."""
    n = len(x)
    rows = np.flatnonzero(np.isfinite(x))
    still_all, frozen_all = np.full(n, 10**9), np.zeros(n, dtype=bool)
    sensor.seen += len(rows)
    if len(rows) == 0:
        return still_all, frozen_all
    known = x[rows]
    changed = known != np.concatenate([[sensor.last], known[:-1]])
    if math.isnan(sensor.last):
        changed[0] = False
    index = np.arange(len(known))
    start = np.maximum.accumulate(np.where(changed, index, -1))
    still = np.where(start < 0, sensor.still_rows + index + 1, index - start)
    changes = sensor.changes + np.cumsum(changed)
    changed_by[rows] = changes
    # Habit before each row: the longest still stretch that ended before it; a stretch called frozen is no habit.
    ended = np.where(changed, np.concatenate([[sensor.still_rows], still[:-1]]), 0)
    habit = np.maximum.accumulate(np.concatenate([[sensor.longest_still], ended]))[1:]
    limit = np.maximum(FROZEN_ROWS, FROZEN_TIMES * habit)
    frozen = (still >= limit) & (changes >= MIN_CHANGES)
    if (frozen[:-1] & changed[1:]).any() or (changed[0] and sensor.still_rows >= _limit(sensor)):
        habit, frozen = _habit_one_by_one(sensor, changed, still, changes)
    sensor.last, sensor.still_rows = float(known[-1]), int(still[-1])
    sensor.changes, sensor.longest_still = int(changes[-1]), int(habit[-1])
    still_all[rows], frozen_all[rows] = still, frozen
    return still_all, frozen_all


def _limit(sensor: Sensor) -> float:
    return max(FROZEN_ROWS, FROZEN_TIMES * sensor.longest_still)


def _habit_one_by_one(
    sensor: Sensor, changed: Bools, still: np.ndarray[Any, Any], changes: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], Bools]:
    habit, previous, longest = np.empty(len(still)), sensor.still_rows, sensor.longest_still
    for i in range(len(still)):
        called_frozen = previous >= max(FROZEN_ROWS, FROZEN_TIMES * longest) and changes[i] > MIN_CHANGES
        if changed[i] and not called_frozen:
            longest = max(longest, previous)
        habit[i], previous = longest, int(still[i])
    frozen = (still >= np.maximum(FROZEN_ROWS, FROZEN_TIMES * habit)) & (changes >= MIN_CHANGES)
    return habit, np.asarray(frozen)


def is_out_of_range(metric: str, x: Floats) -> Bools:
    bounds = metric_kinds.physical_range(metric)
    if bounds is None:
        return np.zeros(len(x), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray((x < bounds[0]) | (x > bounds[1]))


def is_missing(sensor: Sensor, x: Floats) -> Bools:
    """True from the row at which a sensor that used to report has been silent for MISSING_ROWS rows."""
    absent = ~np.isfinite(x)
    index = np.arange(len(x))
    last = np.maximum.accumulate(np.where(absent, -1, index))
    streak = np.where(absent, index - last + np.where(last < 0, sensor.rows, 0), 0)
    usual = sensor.seen >= PRESENT_ROWS
    sensor.rows = int(streak[-1])
    return np.asarray((streak >= MISSING_ROWS) & usual)


def unit_jump(sensor: Sensor, x: Floats, changed_by: np.ndarray[Any, Any]) -> Bools:
    """True while the readings stand a unit's factor away from where they were before one sudden step."""
    flags = np.zeros(len(x), dtype=bool)
    rows = np.flatnonzero(np.isfinite(x) & (x > 0))
    if len(rows) == 0:
        return flags
    logs = np.log(x[rows])
    steps = np.diff(logs, prepend=sensor.unit_before if math.isfinite(sensor.unit_before) else logs[0])
    big = np.flatnonzero(np.abs(steps) > 1.2)  # a factor of 3.3
    if len(big) == 0 and sensor.unit_factor == 0 and sensor.unit_candidate == 0:
        sensor.wildest_log = max(sensor.wildest_log, float(np.abs(steps).max()))
        sensor.unit_before = float(logs[-1])
        return flags
    for i, row in enumerate(rows):
        _unit_step(sensor, float(steps[i]), int(changed_by[row]))
        flags[row] = sensor.unit_factor != 0 or sensor.unit_candidate != 0
    sensor.unit_before = float(logs[-1])
    return flags


def _unit_step(sensor: Sensor, step: float, changes: int) -> None:
    """Follow one row: a candidate jump must hold for UNIT_ROWS rows; the way back ends it."""
    # A noisy sensor's step is the unit's factor and its noise; one that has leapt before has no noise to allow for.
    tolerance = UNIT_TOLERANCE + (sensor.wildest_log if sensor.wildest_log <= UNIT_NOISE else 0.0)
    if sensor.unit_factor and abs(step + sensor.unit_factor) < 2 * tolerance:
        sensor.unit_factor = 0.0
    elif sensor.unit_candidate:
        sensor.unit_rows += 1
        if abs(step) > 10 * UNIT_TOLERANCE:
            sensor.wildest_log = max(sensor.wildest_log, abs(sensor.unit_candidate), abs(step))
            sensor.unit_candidate = 0.0
        elif sensor.unit_rows >= UNIT_ROWS:
            sensor.unit_factor, sensor.unit_candidate = sensor.unit_factor + sensor.unit_candidate, 0.0
    elif _is_unit_factor(step, tolerance) and sensor.wildest_log < abs(step) / 2 and changes >= MIN_CHANGES:
        sensor.unit_candidate, sensor.unit_rows = step, 0
    else:
        sensor.wildest_log = max(sensor.wildest_log, abs(step))


def _is_unit_factor(step: float, tolerance: float) -> bool:
    return any(abs(abs(step) - math.log(factor)) < tolerance for factor in UNIT_FACTORS)
