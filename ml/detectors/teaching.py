"""What peers of one type teach an asset before its first reading: scales per sensor, relations where they are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ml.detectors import dynamics, metric_kinds, plain, reference
from ml.detectors.dynamics import Dynamics
from ml.detectors.protocol import Bools, Detector, Floats, State
from ml.detectors.reference import Reference
from ml.detectors.regime import Regime

MAX_ROWS = 8192  # pooled; more would only take longer
APART = 1.0  # spreads between the peers' own centres: beyond it they do not stand at one level
EVIDENCE_TO_TEACH = 40.0  # independent samples of a sensor
SPAN_TO_TEACH_S = 3600.0  # minutes say nothing of how far a sensor wanders within hours
ROWS_TO_TEACH = 10  # fewer rows of a peer say nothing of its centre

Taught = tuple[Reference, Dynamics | None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """`scale` per metric in its own unit; `modes` hold references in the order of `metrics`, many variables only."""

    scale: dict[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    modes: Mapping[str, Taught] = field(default_factory=dict)

    def to_plain(self) -> State:
        return {
            "scale": self.scale,
            "metrics": list(self.metrics),
            "modes": {
                mode: {
                    "known": plain.reference_to_plain(known),
                    "dynamics": None if learned is None else learned.to_plain(),
                }
                for mode, (known, learned) in self.modes.items()
            },
        }

    @classmethod
    def from_plain(cls, stored: State) -> Lesson:
        modes: dict[str, Taught] = {}
        for mode, held in stored["modes"].items():
            known = plain.reference_from_plain(held["known"])
            if known is not None:
                modes[mode] = (known, Dynamics(**held["dynamics"]) if held["dynamics"] is not None else None)
        scale = {str(metric): float(value) for metric, value in stored["scale"].items()}
        return cls(scale, tuple(stored["metrics"]), modes)


def teach_residual(peers: Sequence[Detector], patience_s: float = 300 * 86400.0) -> State:
    """Sum up what the residual detectors of peers know; rows of those that still learn, references of the others."""
    states = [peer.state() for peer in peers]
    states = [state for state in states if state["metrics"]]
    if not states:
        return Lesson().to_plain()
    metrics = max((tuple(state["metrics"]) for state in states), key=len)
    alike = [_regimes(state) for state in states if tuple(state["metrics"]) == metrics]
    scale = _scales([(tuple(state["metrics"]), _regimes(state)) for state in states], patience_s)
    modes: dict[str, Taught] = {}
    if len(metrics) >= dynamics.MIN_METRICS:
        for mode in sorted({mode for regimes in alike for mode in regimes}):
            taught = _mode(metrics, [regimes[mode] for regimes in alike if mode in regimes], patience_s)
            if taught is not None:
                modes[mode] = taught
    return Lesson(scale, metrics, modes).to_plain()


def _regimes(state: State) -> dict[str, Regime]:
    return {mode: Regime.from_plain(stored) for mode, stored in state["regimes"].items()}


def _scales(peers: Sequence[tuple[tuple[str, ...], dict[str, Regime]]], patience_s: float) -> dict[str, float]:
    """The median over peers and modes of each sensor's own scale, in its unit.

    A peer that saw few independent samples has nothing to say: its scale is mostly what was believed before.
    """
    seen: dict[str, list[float]] = {}
    for metrics, regimes in peers:
        for regime in regimes.values():
            known = regime.known or _known(metrics, regime, patience_s)
            if known is None or known.span < SPAN_TO_TEACH_S:
                continue
            enough = known.evidence >= EVIDENCE_TO_TEACH
            for metric, value, knows in zip(metrics, known.own_scale(), enough, strict=False):
                if knows and np.isfinite(value) and value > 0:
                    seen.setdefault(metric, []).append(float(value))
    return {metric: float(np.median(values)) for metric, values in sorted(seen.items())}


def _known(metrics: tuple[str, ...], regime: Regime, patience_s: float) -> Reference | None:
    """What the rows say that somebody vouched for, while nothing was fitted to them yet."""
    if regime.kept < ROWS_TO_TEACH:
        return None
    wander, scored = _words(metrics)
    return reference.fit(np.concatenate(regime.times), np.concatenate(regime.rows), wander, scored, patience_s)


def _words(metrics: tuple[str, ...]) -> tuple[Floats, Bools]:
    wander = np.array([metric_kinds.wander_share(metric) for metric in metrics])
    return wander, np.array([not metric_kinds.is_condition(metric) for metric in metrics], dtype=bool)


def _mode(metrics: tuple[str, ...], regimes: Sequence[Regime], patience_s: float) -> Taught | None:
    """Fit what all peers' rows of one mode say together; else take over the one that knows most."""
    runs = [(np.concatenate(r.times), np.concatenate(r.rows)) for r in regimes if r.times and r.kept >= ROWS_TO_TEACH]
    runs = [(t, x[:, : len(metrics)]) for t, x in runs][: max(1, MAX_ROWS // max((len(t) for t, _ in runs), default=1))]
    settled = [r for r in regimes if r.known is not None and r.known.rows > sum(len(t) for t, _ in runs)]
    if settled:
        best = max(settled, key=lambda r: r.known.rows if r.known is not None else 0)
        return (best.known, best.dynamics) if best.known is not None else None
    if sum(len(t) for t, _ in runs) < dynamics.ROWS_PER_METRIC * len(metrics):
        return None
    wander, scored = _words(metrics)
    rows = [x for _, x in runs]
    common = _stand_together(rows)
    pooled = np.concatenate(rows if common else [x - _middle(x) + _middle(np.concatenate(rows)) for x in rows])
    known = reference.fit(np.concatenate([t for t, _ in runs]), pooled, wander, scored, patience_s)
    if known is None:
        return None
    span = float(sum(t[-1] - t[0] for t, _ in runs))
    dt = float(np.median(np.concatenate([np.diff(t) for t, _ in runs])))
    known = replace(known, span=span, dt=max(dt, 1e-3))
    return known, dynamics.fit(rows, ~scored, known.dt, patience_s, common)


def _stand_together(runs: Sequence[Floats]) -> bool:
    """Do the peers stand at one level, as runs of one machine do, or each at its own?"""
    if len(runs) < 2:
        return True
    within = np.sqrt(np.mean([_middle((run - _middle(run)) ** 2) for run in runs], axis=0))
    between = np.std([_middle(run) for run in runs], axis=0)
    ratio = np.divide(between, within, out=np.zeros_like(within), where=within > 0)
    return bool(np.median(ratio[within > 0]) <= APART) if (within > 0).any() else True


def _middle(run: Floats) -> Any:
    there = np.isfinite(run)
    return np.where(there, run, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
