"""Say why a finding was made, as codes with parameters: the same finding always says the same, in every language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maintenance.models import Finding

TOP = 3  # sensors that are named: more explain nothing to anybody
# Notes that have a sentence of their own; others are told as "differs".
NOTES = frozenset(
    {
        "above_limit",
        "below_limit",
        "rate_above_limit",
        "history",
        "frozen",
        "gap",
        "out_of_range",
        "residual_high",
        "residual_low",
    }
)
SIGMAS = frozenset({"residual_high", "residual_low"})

Line = dict[str, Any]


def lines_of(finding: Finding, contributions: Sequence[dict[str, Any]]) -> list[Line]:
    """Return what led to the finding: leading sensors, since when, in which regime, by which level and model.

    `contributions` are the finding's own, with labels and units (`noticed.contribution_in_words`).
    """
    lines = [_sensor(share) for share in contributions[:TOP]]
    if finding.layer == "L3":
        lines.insert(0, _line("explain.predicted", probability=finding.score, mode=finding.signature.partition(":")[0]))
    lines.append(_line("explain.since", at=finding.first_at.isoformat()))
    if finding.regime:
        lines.append(_line("explain.regime", regime=finding.regime))
    elif finding.layer == "L2":
        lines.append(_line("explain.no_regime"))
    if finding.layer == "L2":
        lines.append(_line("explain.level", score=finding.score, opens=finding.limit_open, clears=finding.limit_clear))
    elif finding.layer == "L3":
        lines.append(_line("explain.probability_level", opens=finding.limit_open, clears=finding.limit_clear))
    lines.append(_line("explain.model", model=finding.model_id, detector=finding.detector, layer=finding.layer))
    return lines


def _sensor(words: dict[str, Any]) -> Line:
    note = str(words.get("note") or "")
    code = note if note in NOTES else "differs"
    compares = words.get("expected") is not None and words.get("seen") is not None
    if code in ("above_limit", "below_limit", "rate_above_limit", "history", *SIGMAS) and not compares:
        code = "differs"
    if code == "differs" and compares:
        code = "differs_from"
    kept = ("metric", "label_en", "label_zh", "unit_label", "expected", "seen", "deviation", "share", "note")
    return _line(f"explain.{code}", **{name: words.get(name) for name in kept})


def _line(code: str, **params: Any) -> Line:
    return {"code": code, "params": params}
