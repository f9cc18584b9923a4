"""How alike two pieces of evidence are, and how strong one is: pure functions over findings and snapshots of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from maintenance.decisions import FindingFacts

ALIKE = 0.8  # cosine of two signatures: the same leading sensors the same way, in other proportions
LEAST_DEADBAND = 0.02  # of a limit: how far beyond it counts as once more, where no deadband says it
STRONGEST = 1e6


def direction(contributions: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return each sensor's signed share; a share without direction (a frozen sensor) stands under its own note."""
    found: dict[str, float] = {}
    for share in contributions:
        deviation = float(share.get("deviation") or 0.0)
        name = str(share.get("metric", ""))
        key = name if deviation else f"{name}:{share.get('note', '')}"
        found[key] = found.get(key, 0.0) + math.copysign(float(share.get("share") or 0.0), deviation or 1.0)
    return found


def likeness(a: Iterable[Mapping[str, Any]], b: Iterable[Mapping[str, Any]]) -> float:
    """Return the cosine of two signatures, -1 to 1; 0 when one of them names no sensor."""
    one, other = direction(a), direction(b)
    length = math.hypot(*one.values()) * math.hypot(*other.values())
    if not length:
        return 0.0
    return sum(share * other.get(key, 0.0) for key, share in one.items()) / length


def strength(facts: FindingFacts) -> float:
    """Return how strong evidence is in units of what opens it: 1 is just enough."""
    return strength_of(facts.layer, facts.peak, facts.limit_open, facts.limit_clear)


def strength_of(layer: str, peak: float, opens: float, clears: float) -> float:
    """Return the same of a finding's layer, peak and limits.

    Limits (L1) count deadbands beyond the limit; probabilities count odds, so that there is always a stronger one;
    all other scores are a ratio.
    """
    if layer == "L1":
        step = max(abs(opens - clears), LEAST_DEADBAND * abs(opens), 1e-9)
        return _bounded(1.0 + (peak - opens) / step)
    if layer == "L3" and 0.0 < opens < 1.0 and 0.0 <= peak <= 1.0:
        return _bounded(_odds(peak) / _odds(opens))
    return _bounded(peak / opens) if opens > 0 else 1.0


def _odds(probability: float) -> float:
    return probability / max(1.0 - probability, 1e-6)


def _bounded(ratio: float) -> float:
    return max(0.0, min(STRONGEST, ratio))
