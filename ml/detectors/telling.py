"""Put what the residual model knows into words and numbers: contributions, signature, confidence, learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors.evidence import Change
from ml.detectors.protocol import Floats, Learning, moment
from ml.detectors.reference import EVIDENCE_ROWS, Reference
from ml.detectors.regime import LEARN_ROWS, Regime

TOP = 3


class Teller(Protocol):
    """Whose finding it is."""

    asset: str
    id: str
    layer: str
    settings: Any  # with `opens` and `clears`


def opened(
    who: Teller, metrics: Sequence[str], known: Reference, model_id: str, mode: str, seen: Floats, expected: Floats,
    score: float, z: Floats, change: Change,
) -> FindingFacts:  # fmt: skip
    """The finding that begins with this row: values, expected values and deviations in sigma are [m]."""
    shares = contributions(metrics, expected, seen, z)
    return FindingFacts(
        asset=who.asset, detector=who.id, layer=who.layer, signature=signature(shares, mode), kind="machine",
        first_at=moment(change.first_at), last_at=moment(change.last_at), cleared_at=None, score=score, peak=score,
        confidence=confidence(known), limit_open=who.settings.opens, limit_clear=who.settings.clears,
        contributions=shares, regime=mode, model_id=model_id, learning=False, severity="warning",
    )  # fmt: skip


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
    if not shares:  # no sensor by itself is off: only how they go together
        return "together" + (f"@{mode}" if mode else "")
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
    waiting = tuple(sorted({metric for r in founded for metric in r.waiting}))
    if any(r.settled for r in founded):
        return Learning("ready", 1.0, waiting=waiting)
    evidence = max(r.known.typical_evidence() for r in founded if r.known is not None)
    progress = min(0.99, 0.5 + 0.5 * evidence / settled_evidence)
    return Learning("provisional", progress, {"independent_samples": max(0.0, settled_evidence - evidence)})


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
