"""Put what the residual model knows into words and numbers: contributions, signature, confidence, learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maintenance.decisions import Contribution
from ml.detectors.protocol import Floats, Learning
from ml.detectors.reference import EVIDENCE_ROWS, Reference
from ml.detectors.regime import LEARN_ROWS, Regime

TOP = 3


def contributions(metrics: Sequence[str], expected: Floats, seen: Floats, z: Floats) -> tuple[Contribution, ...]:
    """The TOP sensors by their share of the squared deviation, all arguments [m]."""
    weight = z**2
    order = np.argsort(-weight, kind="stable")[:TOP]
    return tuple(
        Contribution(
            metric=metrics[j],
            expected=_number(expected[j]),
            seen=_number(seen[j]),
            deviation=float(z[j]),
            share=float(weight[j] / weight.sum()),
            note="residual_high" if z[j] > 0 else "residual_low",
        )
        for j in order
        if weight[j] > 0
    )


def signature(shares: Sequence[Contribution], mode: str) -> str:
    """The leading sensor, its direction and the regime."""
    top = shares[0]
    return f"{top.metric}:{'high' if top.deviation > 0 else 'low'}" + (f"@{mode}" if mode else "")


def confidence(known: Reference) -> float:
    """More when the scale is the asset's own than when it is the template's."""
    return 0.6 + 0.35 * (1 - float(np.exp(-known.typical_evidence() / EVIDENCE_ROWS)))


def learning(regimes: Sequence[Regime], settled_evidence: float, span_needed_s: float) -> Learning:
    """The state of the regime that knows most, and what it still waits for."""
    founded = [r for r in regimes if r.known is not None]
    if not founded:
        kept = max((r.kept for r in regimes), default=0)
        span = max((float(r.times[-1][-1] - r.times[0][0]) for r in regimes if r.times), default=0.0)
        progress = 0.5 * min(kept / LEARN_ROWS, span / span_needed_s, 1.0)
        missing = {"samples": float(max(0, LEARN_ROWS - kept)), "span_s": max(0.0, span_needed_s - span)}
        return Learning("learning", progress, missing)
    if any(r.settled for r in founded):
        return Learning("ready", 1.0)
    evidence = max(r.known.typical_evidence() for r in founded if r.known is not None)
    progress = min(0.99, 0.5 + 0.5 * evidence / settled_evidence)
    return Learning("provisional", progress, {"independent_samples": max(0.0, settled_evidence - evidence)})


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
