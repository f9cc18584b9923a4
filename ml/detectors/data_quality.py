"""Layer 0: is the reading itself to be believed? Frozen, missing, impossible, in another unit, or silent."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors import plain
from ml.detectors.evidence import Change, Evidence
from ml.detectors.protocol import Block, Bools, Floats, Learning, State, Strings, moment
from ml.detectors.sensor_habits import Sensor, is_missing, is_out_of_range, look_at, stillness, unit_jump

ALIVE_ROWS = 30  # another sensor that moved this recently shows that the machine runs
GAP_S, GAP_ROWS, DT_ROWS = 600.0, 20.0, 20
MAX_RANGE_ROWS = 3
RATE_STEPS_S = (0.4, 4.0, 40.0, 400.0, 4000.0)  # between the usual rates: a habit is one rate's


class DataQualityDetector:
    """Opens findings of kind sensor (and connection for silence); `mask` tells which values to keep from models."""

    id = "data_quality"
    layer = "L0"

    def __init__(self, asset: str) -> None:
        self.asset = asset
        self.mask: Bools = np.zeros((0, 0), dtype=bool)
        self._sensors: dict[str, dict[str, Sensor]] = {}  # by habit, then by metric
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
        sensors = [own.setdefault(metric, Sensor()) for metric in block.metrics]
        if n == 1:
            return self._row(block, sensors, mask)
        still = np.full((n, m), 10**9)
        frozen = np.zeros((n, m), dtype=bool)
        changes = np.array([sensor.changes for sensor in sensors]) + np.zeros((n, m), dtype=int)
        for j, sensor in enumerate(sensors):
            still[:, j], frozen[:, j] = stillness(sensor, block.values[:, j], changes[:, j])
        alive = still < ALIVE_ROWS
        found: list[FindingFacts] = []
        for j, (metric, sensor) in enumerate(zip(block.metrics, sensors, strict=True)):
            others = alive.sum(1) - alive[:, j] > 0
            x = block.values[:, j]
            signals = {
                "frozen": frozen[:, j] & others,
                "out_of_range": is_out_of_range(metric, x),
                "unit": unit_jump(sensor, x, changes[:, j]),
                "missing": is_missing(sensor, x),
            }
            for what, flags in signals.items():
                found += self._watch(metric, what, block.t, x, flags)
                mask[:, j] |= flags
        return found

    def _row(self, block: Block, sensors: list[Sensor], mask: Bools) -> list[FindingFacts]:
        """`_stretch` for a single row, without arrays: an asset in trouble is looked at row by row."""
        looks = [
            look_at(sensor, metric, float(x))
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
        self._sensors = {h: {m: Sensor(**s) for m, s in own.items()} for h, own in state["sensors"].items()}
        self._evidence, self._current = {}, {}
        for name, stored in state["evidence"].items():
            self._evidence[name] = _evidence(name.rpartition(":")[2])
            self._evidence[name].restore(stored)
        for name, stored in state["current"].items():
            facts = plain.facts_from_plain(stored)
            if facts is not None:
                self._current[name] = facts
        self._last_t, self._steps = state["last_t"], list(state["steps"])


def _evidence(what: str) -> Evidence:
    rows = MAX_RANGE_ROWS if what == "out_of_range" else 1
    return Evidence(rows, rows, rows)
