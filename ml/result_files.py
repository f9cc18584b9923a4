"""Write what an evaluation would have done: work orders, remaining lives, point alarms, in the fleets' own format."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maintenance.decisions import FindingFacts
from ml.desk import Order
from ml.remaining_life import LifeEstimate


def reason(finding: FindingFacts) -> str:
    """What was noticed, in one line: sensor, expected against seen, how far off; the model's own certainty."""
    parts = [
        f"{c.metric} {c.note}: expected {_short(c.expected)}, seen {_short(c.seen)}"
        + (f" ({c.deviation:+.1f} sigma)" if c.deviation else "")
        for c in finding.contributions
    ]
    if finding.layer == "L3":
        certainty = f"{finding.signature}: probability {finding.score:.2f} (opens at {finding.limit_open:.2f})"
        parts = [certainty, *parts]
    return f"{finding.detector} {finding.model_id}: " + "; ".join(parts)


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5g}"


def stamp(t: float) -> str:
    """RFC 3339 UTC, with a fraction only where there is one."""
    at = datetime.fromtimestamp(t, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06d}" if at.microsecond else "") + "Z"


def write_orders(path: Path, orders: Iterable[Order]) -> None:
    lines = [(o.asset, stamp(o.opened_at), o.kind, o.reason) for o in orders]
    _write(path, ("asset", "opened_at", "kind", "reason"), sorted(lines))


def write_points(path: Path, alarms: Mapping[str, Sequence[tuple[float, bool]]]) -> None:
    lines = ((asset, stamp(t), int(alarm)) for asset, points in sorted(alarms.items()) for t, alarm in points)
    _write(path, ("asset", "t", "alarm"), lines)


def write_lives(path: Path, estimates: Mapping[str, LifeEstimate]) -> None:
    """One row for each asset that has an estimate; one without is left out."""
    lines = [
        (asset, stamp(e.t), f"{e.life_s:.0f}", f"{e.low_s or 0.0:.0f}", f"{e.high_s or 0.0:.0f}")
        for asset, e in sorted(estimates.items())
        if e.life_s is not None
    ]
    _write(path, ("asset", "t", "rul_s", "low_s", "high_s"), lines)


def _write(path: Path, header: tuple[str, ...], lines: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
