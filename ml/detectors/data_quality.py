"""Layer 0: is the reading itself to be believed? Frozen, missing, impossible, in another unit, or silent."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors import metric_kinds, plain
from ml.detectors.evidence import Change, Evidence
from ml.detectors.protocol import Block, Bools, Floats, Learning, State, Strings, moment

MIN_CHANGES = 20  # a sensor must have moved this often before standing still is news
FROZEN_ROWS = 30
FROZEN_TIMES = 10.0  # times its longest still stretch so far
ALIVE_ROWS = 30  # another sensor that moved this recently shows that the machine runs
MISSING_ROWS, PRESENT_ROWS, PRESENT_SHARE = 30, 60, 0.9
GAP_S, GAP_ROWS, DT_ROWS = 600.0, 20.0, 20
UNIT_ROWS = 5  # rows at the new level before a jump counts as another unit
UNIT_TOLERANCE = 0.02
UNIT_NOISE = 0.1  # steps of at most so much are a sensor's noise and allowed for: factors lie 0.6 apart
# factors by which people change units: m/s and km/h, kPa and psi, bar and psi, bar and kPa, milli, bar and Pa
UNIT_FACTORS = (3.6, 6.894757, 14.50377, 100.0, 1000.0, 1e5)
MAX_RANGE_ROWS = 3
RATE_STEPS_S = (0.4, 4.0, 40.0, 400.0, 4000.0)  # between the usual rates: a habit is one rate's


@dataclass(slots=True)
class _Sensor:
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


class DataQualityDetector:
    """Opens findings of kind sensor (and connection for silence); `mask` tells which values to keep from models."""

    id = "data_quality"
    layer = "L0"

    def __init__(self, asset: str) -> None:
        self.asset = asset
        self.mask: Bools = np.zeros((0, 0), dtype=bool)
        self._sensors: dict[str, dict[str, _Sensor]] = {}  # by habit, then by metric
        self._evidence: dict[str, Evidence] = {}
        self._current: dict[str, FindingFacts] = {}
        self._ended: list[FindingFacts] = []  # by a repair: told with the next rows
        self._last_t = 0.0
        self._steps: list[float] = []

    def update(self, block: Block) -> list[FindingFacts]:
        """Return new and changed findings; afterwards `mask` [n, m] is True where a value is not to be believed."""
        self.mask = np.zeros(block.values.shape, dtype=bool)
        if len(block) == 0:
            return []
        habits = self._habits(block)
        found, self._ended = self._ended, []
        found += self._gaps(block.t)
        begin = 0 if self._last_t else 1  # the very first row has no step that would tell whose habits it shows
        changes = 1 + np.flatnonzero(habits[1:] != habits[:-1])
        for start, stop in pairwise([begin, *changes[changes > begin].tolist(), len(block)]):
            if stop > start:
                found += self._stretch(block.rows(start, stop), str(habits[start]), self.mask[start:stop])
        self._last_t = float(block.t[-1])
        return sorted(found, key=lambda f: (f.cleared_at or f.last_at, f.signature))

    def _habits(self, block: Block) -> Strings:
        """What a sensor's habits depend on, per row: the mode, and roughly how often it is read."""
        steps = np.diff(block.t, prepend=self._last_t or block.t[0] - 1.0)
        rate = np.searchsorted(RATE_STEPS_S, steps).astype(str)
        if block.modes is None:
            return rate
        names = np.array([*block.mode_names, "?"])
        known = (block.modes >= 0) & (block.modes < len(block.mode_names))
        modes = names[np.where(known, block.modes, len(block.mode_names))]
        return np.char.add(np.char.add(rate, "@"), modes)

    def _stretch(self, block: Block, habit: str, mask: Bools) -> list[FindingFacts]:
        """Rows of one mode and rate; fills `mask` in place."""
        n, m = block.values.shape
        own = self._sensors.setdefault(habit, {})
        sensors = [own.setdefault(metric, _Sensor()) for metric in block.metrics]
        if n == 1:
            return self._row(block, sensors, mask)
        still = np.full((n, m), 10**9)
        frozen = np.zeros((n, m), dtype=bool)
        changes = np.array([sensor.changes for sensor in sensors]) + np.zeros((n, m), dtype=int)
        for j, sensor in enumerate(sensors):
            still[:, j], frozen[:, j] = _stillness(sensor, block.values[:, j], changes[:, j])
        alive = still < ALIVE_ROWS
        found: list[FindingFacts] = []
        for j, (metric, sensor) in enumerate(zip(block.metrics, sensors, strict=True)):
            others = alive.sum(1) - alive[:, j] > 0
            x = block.values[:, j]
            signals = {
                "frozen": frozen[:, j] & others,
                "out_of_range": _out_of_range(metric, x),
                "unit": _unit_jump(sensor, x, changes[:, j]),
                "missing": _missing(sensor, x),
            }
            for what, flags in signals.items():
                found += self._watch(metric, what, block.t, x, flags)
                mask[:, j] |= flags
        return found

    def _row(self, block: Block, sensors: list[_Sensor], mask: Bools) -> list[FindingFacts]:
        """`_stretch` for a single row, without arrays: an asset in trouble is looked at row by row."""
        looks = [
            _look(sensor, metric, float(x))
            for sensor, metric, x in zip(sensors, block.metrics, block.values[0], strict=True)
        ]
        alive = sum(look.still < ALIVE_ROWS for look in looks)
        found: list[FindingFacts] = []
        for j, (metric, look) in enumerate(zip(block.metrics, looks, strict=True)):
            others = alive - (look.still < ALIVE_ROWS) > 0
            signals = {
                "frozen": look.frozen and others,
                "out_of_range": look.out_of_range,
                "unit": look.unit,
                "missing": look.missing,
            }
            for what, flag in signals.items():
                if flag or f"{metric}:{what}" in self._evidence:
                    found += self._watch(metric, what, block.t, block.values[:, j], np.array([flag]))
                mask[0, j] |= flag
        return found

    def _gaps(self, t: Floats) -> list[FindingFacts]:
        before = self._last_t or float(t[0])
        steps = np.diff(t, prepend=before)
        if len(self._steps) < DT_ROWS:
            self._steps += [float(s) for s in steps if s > 0][: DT_ROWS - len(self._steps)]
        usual = float(np.median(self._steps)) if self._steps else 0.0
        found = []
        for i in np.flatnonzero(steps > max(GAP_S, GAP_ROWS * usual)):
            start = float(t[i - 1]) if i else before
            found.append(
                self._finding("all:gap", "gap", "connection", start, float(t[i]), None, float(steps[i]), usual)
            )
        return [replace(f, cleared_at=f.last_at) for f in found]

    def _watch(self, metric: str, what: str, t: Floats, x: Floats, flags: Bools) -> list[FindingFacts]:
        signature = f"{metric}:{what}"
        evidence = self._evidence.get(signature)
        if evidence is None:
            if not flags.any():
                return []
            evidence = self._evidence[signature] = _evidence(what)
        if evidence.rests() and not flags.any():
            return []
        was = self._current.get(signature)
        found: list[FindingFacts] = []
        for change in evidence.update(t, flags.astype(float), 0.5, 0.5):
            found += self._changed(signature, metric, what, t, x, change)
        now = self._current.get(signature)
        if now is not None:
            now = self._current[signature] = replace(now, last_at=moment(evidence.last_at))
            if now != was:
                found.append(now)
        return found

    def _changed(
        self, signature: str, metric: str, what: str, t: Floats, x: Floats, change: Change
    ) -> list[FindingFacts]:
        if change.opened:
            seen = float(x[change.row]) if np.isfinite(x[change.row]) else None
            self._current[signature] = self._finding(
                signature, what, "sensor", change.first_at, change.last_at, seen, 1.0, 0.5, metric
            )
            return []
        if signature not in self._current:
            return []
        ended = self._current.pop(signature)
        return [replace(ended, last_at=moment(change.last_at), cleared_at=moment(float(t[change.row])))]

    def _finding(
        self, signature: str, note: str, kind: str, first: float, last: float, seen: float | None, score: float,
        opens: float, metric: str = "",
    ) -> FindingFacts:  # fmt: skip
        return FindingFacts(
            asset=self.asset, detector=self.id, layer=self.layer, signature=signature, kind=kind,
            first_at=moment(first), last_at=moment(last), cleared_at=None, score=score, peak=score, confidence=0.9,
            limit_open=opens, limit_clear=opens, regime="", model_id="data_quality-1", learning=False,
            contributions=(Contribution(metric, None, seen, 0.0, 1.0, note),), severity="info",
        )  # fmt: skip

    def learning(self) -> Learning:
        return Learning("ready", 1.0)

    def rebaseline(self, at: float) -> None:
        """A repaired or exchanged sensor may have other habits: learn them again."""
        self._ended += self._end(list(self._evidence), max(at, self._last_t))
        self._sensors.clear()

    def let_go(self, metrics: Collection[str]) -> list[FindingFacts]:
        """What is open of these ends: no row of theirs would end it."""
        return self._end([name for name in self._evidence if name.rpartition(":")[0] in metrics], self._last_t)

    def _end(self, signatures: Sequence[str], at: float) -> list[FindingFacts]:
        for name in signatures:
            del self._evidence[name]
        ended = [self._current.pop(name) for name in signatures if name in self._current]
        return [replace(finding, cleared_at=max(moment(at), finding.last_at)) for finding in ended]

    def rewind(self) -> None:
        """Forget where in time it stood; what it knows of the sensors' habits stays."""
        self._evidence.clear()
        self._current.clear()
        self._ended.clear()
        self._last_t = 0.0
        for own in self._sensors.values():
            for sensor in own.values():
                sensor.last, sensor.still_rows, sensor.rows = math.nan, 0, 0
                sensor.unit_before, sensor.unit_candidate, sensor.unit_factor = math.nan, 0.0, 0.0

    def state(self) -> State:
        return {
            "sensors": {h: {m: asdict(sensor) for m, sensor in own.items()} for h, own in self._sensors.items()},
            "evidence": {name: evidence.state() for name, evidence in self._evidence.items()},
            "current": {name: plain.facts_to_plain(facts) for name, facts in self._current.items()},
            "last_t": self._last_t,
            "steps": list(self._steps),
        }

    def restore(self, state: State) -> None:
        self._sensors = {h: {m: _Sensor(**s) for m, s in own.items()} for h, own in state["sensors"].items()}
        self._evidence, self._current = {}, {}
        for name, stored in state["evidence"].items():
            self._evidence[name] = _evidence(name.rpartition(":")[2])
            self._evidence[name].restore(stored)
        for name, stored in state["current"].items():
            facts = plain.facts_from_plain(stored)
            if facts is not None:
                self._current[name] = facts
        self._last_t, self._steps = state["last_t"], list(state["steps"])


class _Look(NamedTuple):
    """What one value of a sensor shows: rows since its last change, and what is wrong with it."""

    still: int
    frozen: bool
    out_of_range: bool
    unit: bool
    missing: bool


def _look(sensor: _Sensor, metric: str, x: float) -> _Look:
    """`_stillness`, `_out_of_range`, `_unit_jump` and `_missing` for one value."""
    if not math.isfinite(x):
        sensor.rows += 1
        missing = sensor.rows >= MISSING_ROWS and sensor.seen >= PRESENT_ROWS
        return _Look(10**9, False, False, False, missing)
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
    return _Look(sensor.still_rows, frozen, not low <= x <= high, unit, False)


def _evidence(what: str) -> Evidence:
    rows = MAX_RANGE_ROWS if what == "out_of_range" else 1
    return Evidence(rows, rows, rows)


def _stillness(sensor: _Sensor, x: Floats, changed_by: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Bools]:
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


def _limit(sensor: _Sensor) -> float:
    return max(FROZEN_ROWS, FROZEN_TIMES * sensor.longest_still)


def _habit_one_by_one(
    sensor: _Sensor, changed: Bools, still: np.ndarray[Any, Any], changes: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], Bools]:
    habit, previous, longest = np.empty(len(still)), sensor.still_rows, sensor.longest_still
    for i in range(len(still)):
        called_frozen = previous >= max(FROZEN_ROWS, FROZEN_TIMES * longest) and changes[i] > MIN_CHANGES
        if changed[i] and not called_frozen:
            longest = max(longest, previous)
        habit[i], previous = longest, int(still[i])
    frozen = (still >= np.maximum(FROZEN_ROWS, FROZEN_TIMES * habit)) & (changes >= MIN_CHANGES)
    return habit, np.asarray(frozen)


def _out_of_range(metric: str, x: Floats) -> Bools:
    bounds = metric_kinds.physical_range(metric)
    if bounds is None:
        return np.zeros(len(x), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray((x < bounds[0]) | (x > bounds[1]))


def _missing(sensor: _Sensor, x: Floats) -> Bools:
    """True from the row at which a sensor that used to report has been silent for MISSING_ROWS rows."""
    absent = ~np.isfinite(x)
    index = np.arange(len(x))
    last = np.maximum.accumulate(np.where(absent, -1, index))
    streak = np.where(absent, index - last + np.where(last < 0, sensor.rows, 0), 0)
    usual = sensor.seen >= PRESENT_ROWS
    sensor.rows = int(streak[-1])
    return np.asarray((streak >= MISSING_ROWS) & usual)


def _unit_jump(sensor: _Sensor, x: Floats, changed_by: np.ndarray[Any, Any]) -> Bools:
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


def _unit_step(sensor: _Sensor, step: float, changes: int) -> None:
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
