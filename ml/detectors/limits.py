"""Layer 1: the manufacturer's limits and rates of an asset model, with deadband and k of n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors import plain
from ml.detectors.evidence import Evidence
from ml.detectors.protocol import Block, Floats, Learning, State, moment


@dataclass(frozen=True, slots=True)
class MetricLimits:
    """Limits in the metric's own unit, None where there is none; `rate` per second, `deadband` to clear."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None
    rate: float | None = None
    deadband: float = 0.0
    k: int = 2
    n: int = 3

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> MetricLimits:
        """Limits from plain data (an asset model's row). Raise ValueError naming the key that is not right."""
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown limit {unknown[0]!r}; known are {', '.join(sorted(known))}")
        numbers: dict[str, float | int | None] = {}
        for name, value in values.items():
            if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
                numbers[name] = value
            else:
                raise ValueError(f"limit {name!r} is not a number: {value!r}")
        return cls(**numbers)  # type: ignore[arg-type]


Limits = Mapping[str, MetricLimits]
# limit -> (sign of the side, severity); the score is the signed reading, so that above is always worse
_SIDES: dict[str, tuple[int, str]] = {
    "low_low": (-1, "critical"),
    "low": (-1, "warning"),
    "high": (1, "warning"),
    "high_high": (1, "critical"),
}


class LimitsDetector:
    """Works from minute one: needs the asset model's data, nothing of the asset's past."""

    id = "limits"
    layer = "L1"

    def __init__(self, asset: str, limits: Limits) -> None:
        self.asset, self.limits = asset, dict(limits)
        self._evidence: dict[str, Evidence] = {}
        self._current: dict[str, FindingFacts] = {}
        self._last: dict[str, tuple[float, float]] = {}

    def update(self, block: Block) -> list[FindingFacts]:
        found: list[FindingFacts] = []
        for column, metric in enumerate(block.metrics):
            limits = self.limits.get(metric)
            if limits is None or len(block) == 0:
                continue
            seen = block.values[:, column]
            for side, (sign, severity) in _SIDES.items():
                level = getattr(limits, side)
                if level is not None:
                    found += self._watch(block.t, seen, sign * seen, metric, side, sign * level, limits, severity)
            if limits.rate is not None:
                rate = self._rate(metric, block.t, seen)
                found += self._watch(block.t, rate, np.abs(rate), metric, "rate", limits.rate, limits, "warning")
            known = np.flatnonzero(np.isfinite(seen))
            if len(known):
                self._last[metric] = (float(block.t[known[-1]]), float(seen[known[-1]]))
        return sorted(found, key=lambda f: (f.first_at, f.signature))

    def _rate(self, metric: str, t: Floats, seen: Floats) -> Floats:
        last_t, last = self._last.get(metric, (np.nan, np.nan))
        known = np.flatnonzero(np.isfinite(seen))
        rate = np.full(len(seen), np.nan)
        steps_t = np.diff(t[known], prepend=last_t)
        steps = np.diff(seen[known], prepend=last)
        rate[known] = np.divide(steps, steps_t, out=np.full(len(known), np.nan), where=steps_t > 0)
        return rate

    def _watch(
        self, t: Floats, seen: Floats, score: Floats, metric: str, side: str, opens: float, limits: MetricLimits,
        severity: str,
    ) -> list[FindingFacts]:  # fmt: skip
        signature = f"{metric}:{side}"
        clears = opens - abs(limits.deadband)
        evidence = self._evidence.setdefault(signature, Evidence(limits.k, limits.n, limits.n))
        if evidence.rests() and not (score >= opens).any():
            return []
        found: list[FindingFacts] = []
        was = self._current.get(signature)
        for change in evidence.update(t, score, opens, clears):
            if change.opened:
                self._current[signature] = FindingFacts(
                    asset=self.asset, detector=self.id, layer=self.layer, signature=signature, kind="machine",
                    first_at=moment(change.first_at), last_at=moment(change.last_at), cleared_at=None,
                    score=float(score[change.row]), peak=float(score[change.row]), confidence=0.95, limit_open=opens,
                    limit_clear=clears, contributions=(_contribution(metric, side, limits, float(seen[change.row])),),
                    regime="", model_id=self.model_id(metric), learning=False, severity=severity,
                )  # fmt: skip
            elif signature in self._current:
                ended = _grown(self._current.pop(signature), t[: change.row + 1], score[: change.row + 1], opens)
                found.append(replace(ended, last_at=moment(change.last_at), cleared_at=moment(float(t[change.row]))))
        now = self._current.get(signature)
        if now is not None:
            now = self._current[signature] = replace(_grown(now, t, score, opens), last_at=moment(evidence.last_at))
            if now != was:
                found.append(now)
        return found

    def model_id(self, metric: str) -> str:
        limits = self.limits[metric]
        return "limits-" + ",".join(
            f"{side}={value:g}" for side in (*_SIDES, "rate") if (value := getattr(limits, side)) is not None
        )

    def learning(self) -> Learning:
        return Learning("ready", 1.0)

    def rebaseline(self, at: float) -> None:
        """A repair changes nothing about the manufacturer's limits; what is open ends when the values come back."""

    def rewind(self) -> None:
        """Forget where in time it stood."""
        self._evidence.clear()
        self._current.clear()
        self._last.clear()

    def state(self) -> State:
        return {
            "evidence": {name: evidence.state() for name, evidence in self._evidence.items()},
            "current": {name: plain.facts_to_plain(facts) for name, facts in self._current.items()},
            "last": {name: list(last) for name, last in self._last.items()},
        }

    def restore(self, state: State) -> None:
        self._evidence, self._current = {}, {}
        for name, stored in state["evidence"].items():
            limits = self.limits.get(name.rpartition(":")[0], MetricLimits())
            self._evidence[name] = Evidence(limits.k, limits.n, limits.n)
            self._evidence[name].restore(stored)
        for name, stored in state["current"].items():
            facts = plain.facts_from_plain(stored)
            if facts is not None:
                self._current[name] = facts
        self._last = {name: (last[0], last[1]) for name, last in state["last"].items()}


def _grown(now: FindingFacts, t: Floats, score: Floats, opens: float) -> FindingFacts:
    """The finding after these rows: what was last above the level, and the highest of all."""
    since = score[(t >= now.first_at.timestamp()) & (score >= opens)]
    return replace(now, score=float(since[-1]), peak=max(now.peak, float(since.max()))) if len(since) else now


def _contribution(metric: str, side: str, limits: MetricLimits, seen: float) -> Contribution:
    level = float(getattr(limits, side))
    beyond = abs(seen) - level if side == "rate" else seen - level
    note = "rate_above_limit" if side == "rate" else "above_limit" if beyond > 0 else "below_limit"
    return Contribution(metric, expected=level, seen=seen, deviation=beyond, share=1.0, note=note)
