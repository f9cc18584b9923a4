"""Figures of a recorded fleet's evaluation: recall at the achieved false rate, remaining life, point alarms.

The rules are those of the recorded fleets' format: see docs/models.md, "How work orders are judged".
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from ml.recorded_fleet import FleetUnreadable, RecordedFleet, epoch, maybe, number, plain_text, rows, text
from ml.training_set import Incident, TrainingSet

HOUR_S, LIFE_CAP_H = 3600.0, 125.0


@dataclass(frozen=True, slots=True)
class Window:
    """An incident's times: an order in [start, catch_until] is early, to `late_until` late, to `cleared` ignored."""

    kind: str
    onset: float
    start: float
    catch_until: float
    late_until: float
    cleared: float


@dataclass(slots=True)
class Tally:
    """What one asset (or one component of it) adds to the figures."""

    incidents: int = 0
    late: int = 0
    false: int = 0
    orders: int = 0
    healthy_s: float = 0.0
    leads: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)


def scored_spans(fleet: RecordedFleet) -> dict[str, list[tuple[float, float]]]:
    return {a.name: [(s.score_from, s.end) for s in a.spans] for a in fleet.scored()}


def _moment_of(fleet: TrainingSet, incident: Incident) -> float | None:
    return incident.failed if fleet.settings.on_failure else incident.onset


def has_truth(fleet: RecordedFleet) -> bool:
    """True when incidents of scored assets are known, so that figures mean something."""
    scored = {a.name for a in fleet.scored()}
    return any(i.asset in scored and _moment_of(fleet, i) is not None for i in fleet.incidents)


def windows(fleet: TrainingSet, asset: str, kind: str | None = None) -> list[Window]:
    """The asset's incident windows in time order, of one kind when given."""
    spans = sorted((s.score_from, s.end) for s in fleet.assets[asset].spans)
    mine = [i for i in fleet.incidents if i.asset == asset and kind in (None, i.kind)]
    dated = sorted(((m, i) for i in mine if (m := _moment_of(fleet, i)) is not None), key=lambda pair: pair[0])
    result: list[Window] = []
    previous = -math.inf
    for at, incident in dated:
        make = _failure_window if fleet.settings.on_failure else _onset_window
        window = make(fleet, incident, at, previous, spans)
        result.append(window)
        previous = window.cleared
    return result


def _failure_window(
    fleet: TrainingSet, incident: Incident, failed: float, previous: float, spans: list[tuple[float, float]]
) -> Window:
    start = max(failed - fleet.settings.horizon_s, previous, spans[0][0])
    cleared = max(failed, incident.repaired or failed)
    onset = incident.onset or start
    return Window(incident.kind, onset, start, failed - fleet.settings.min_lead_s, failed, cleared)


def _onset_window(
    fleet: TrainingSet, incident: Incident, onset: float, previous: float, spans: list[tuple[float, float]]
) -> Window:
    span = next((s for s in spans if onset <= s[1]), spans[-1])
    cleared = incident.repaired or incident.failed or span[1]
    start = max(onset, previous, span[0])
    return Window(incident.kind, onset, start, incident.established or cleared, cleared, cleared)


def standing(opened: Sequence[float], known: Sequence[Window], open_s: float) -> list[float]:
    """Orders that are not merged into one open at that moment: a right one lasts until the repair, others `open_s`."""
    kept: list[float] = []
    busy_until, inclusive = -math.inf, False
    for t in sorted(opened):
        if t < busy_until or (inclusive and t == busy_until):
            continue
        kept.append(t)
        repairs = [w.cleared for w in known if w.start <= t <= w.late_until]
        inclusive = bool(repairs)
        busy_until = max(repairs) if repairs else t + open_s
    return kept


def judge(fleet: TrainingSet, asset: str, kind: str | None, opened: Sequence[float]) -> Tally:
    """Tally the orders opened on one asset (and kind) in its scored time."""
    known = windows(fleet, asset, kind)
    orders = standing(opened, known, fleet.settings.open_s)
    tally = Tally(orders=len(orders))
    tally.false = sum(1 for t in orders if not any(w.start <= t <= w.cleared for w in known))
    for w in known:
        if w.catch_until <= w.start:
            continue  # nobody could have been early: not eligible
        tally.incidents += 1
        first = next((t for t in orders if w.start <= t <= w.catch_until), None)
        if first is not None:
            tally.leads.append((w.late_until if fleet.settings.on_failure else w.catch_until) - first)
            tally.delays.append(first - w.onset)
        elif any(w.catch_until < t <= w.late_until for t in orders):
            tally.late += 1
    for span in fleet.assets[asset].spans:
        for w in known:
            tally.healthy_s -= max(0, min(w.cleared, span.end) - max(w.start, span.score_from))
        tally.healthy_s += span.end - span.score_from
    return tally


def quantile(values: Sequence[float], share: float) -> float | None:
    """Linear interpolation between order statistics."""
    if not values:
        return None
    ordered = sorted(values)
    whole, part = divmod(share * (len(ordered) - 1), 1)
    low, high = ordered[int(whole)], ordered[min(int(whole) + 1, len(ordered) - 1)]
    return low + part * (high - low)


def work_order_figures(fleet: RecordedFleet, path: Path) -> dict[str, Any]:
    """Recall, false orders per asset-month, lead and precision of the orders in `path` (asset, opened_at, kind)."""
    per_kind = fleet.settings.per_kind
    kinds = sorted({i.kind for i in fleet.incidents if _moment_of(fleet, i) is not None})
    spans = scored_spans(fleet)
    opened: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    outside = 0
    for r in rows(path, asset=text, opened_at=epoch, kind=plain_text):
        if r["asset"] not in fleet.assets:
            raise FleetUnreadable(f"{path.name}: unknown asset {r['asset']!r}")
        if not any(a <= r["opened_at"] <= b for a, b in spans.get(r["asset"], ())):
            outside += 1
            continue
        kind = None if not per_kind else r["kind"] if r["kind"] in kinds else ""
        opened[r["asset"], kind].append(r["opened_at"])
    tallies: list[Tally] = []
    for asset in spans:
        judged: Sequence[str | None] = kinds if per_kind else [None]
        for kind in judged:
            tally = judge(fleet, asset, kind, opened[asset, kind])
            tally.healthy_s /= len(judged)
            tallies.append(tally)
        stray = standing(opened.get((asset, ""), []), [], fleet.settings.open_s)
        if stray:  # on no component that ever fails here
            tallies.append(Tally(orders=len(stray), false=len(stray)))
    return _summary(fleet, tallies) | {"outside_scored_time": outside}


def _summary(fleet: RecordedFleet, tallies: Sequence[Tally]) -> dict[str, Any]:
    incidents, false = sum(t.incidents for t in tallies), sum(t.false for t in tallies)
    orders, late = sum(t.orders for t in tallies), sum(t.late for t in tallies)
    leads = [lead for t in tallies for lead in t.leads]
    months = sum(t.healthy_s for t in tallies) / fleet.settings.month_s
    rate = false / months if months > 0 else None
    budget = fleet.settings.budget_per_month
    figures: dict[str, Any] = {
        "incidents": incidents, "caught": len(leads), "recall": len(leads) / max(incidents, 1), "late": late,
        "false": false, "asset_months": months, "false_per_asset_month": rate, "orders": orders,
        "precision": len(leads) / max(orders, 1), "lead_median_s": quantile(leads, 0.5),
        "lead_p10_s": quantile(leads, 0.1), "budget_per_month": budget,
        "within_budget": None if budget is None or rate is None else rate <= budget,
    }  # fmt: skip
    if not fleet.settings.on_failure:
        figures["onset_delay_median_s"] = quantile([d for t in tallies for d in t.delays], 0.5)
    return figures


def life_figures(fleet: RecordedFleet, path: Path) -> dict[str, Any]:
    """Errors in hours of each asset's last prediction made no later than its true value."""
    truths = {name: (cut.t, cut.rul_s) for name, cut in fleet.cuts.items() if cut.rul_s is not None}
    last: dict[str, dict[str, Any]] = {}
    for r in rows(path, asset=text, t=epoch, rul_s=number, low_s=maybe(number), high_s=maybe(number)):
        name = r["asset"]
        if name in truths and r["t"] <= truths[name][0] and (name not in last or last[name]["t"] <= r["t"]):
            last[name] = r
    true_h = {name: (sum(truths[name]) - r["t"]) / HOUR_S for name, r in last.items()}
    raw = [r["rul_s"] / HOUR_S - true_h[name] for name, r in last.items()]
    capped = [min(r["rul_s"] / HOUR_S, LIFE_CAP_H) - min(true_h[name], LIFE_CAP_H) for name, r in last.items()]
    bands = [
        (r["low_s"] / HOUR_S, true_h[name], r["high_s"] / HOUR_S)
        for name, r in last.items()
        if r["low_s"] is not None and r["high_s"] is not None
    ]
    figures: dict[str, Any] = {"expected": len(truths), "predicted": len(raw), "intervals": len(bands)}
    if raw:
        figures["rmse_h"] = math.sqrt(fmean(e * e for e in raw))
        figures["rmse_capped_125_h"] = math.sqrt(fmean(e * e for e in capped))
        figures["nasa_score"] = sum(math.exp(min(-e / 13 if e < 0 else e / 10, 700)) - 1 for e in raw)
    if bands:
        figures["coverage"] = fmean(low <= true <= high for low, true, high in bands)
        figures["mean_width_h"] = fmean(high - low for low, _, high in bands)
        figures["coverage_capped_125"] = fmean(low <= min(true, LIFE_CAP_H) <= high for low, true, high in bands)
    return figures


def point_figures(fleet: RecordedFleet, path: Path) -> dict[str, Any]:
    """Pooled F1, false and missed alarm rate over scored samples; detection per incident, averaged."""
    alarms = {(r["asset"], r["t"]) for r in rows(path, asset=text, t=epoch, alarm=number) if r["alarm"] > 0}
    healthy: list[bool] = []
    fault_free: list[bool] = []
    ill: dict[tuple[str, int], list[bool]] = defaultdict(list)
    known = {a.name: windows(fleet, a.name) for a in fleet.scored()}
    for asset, spans in scored_spans(fleet).items():
        for t in fleet.telemetry(asset)[0]:
            if not any(a <= t <= b for a, b in spans):
                continue
            alarm = (asset, float(t)) in alarms
            hit = next((i for i, w in enumerate(known[asset]) if w.start <= t <= w.cleared), None)
            (healthy if hit is None else ill[asset, hit]).append(alarm)
            if not known[asset]:
                fault_free.append(alarm)
    easy = [fmean(v) for (a, i), v in ill.items() if known[a][i].kind not in fleet.settings.hard_kinds]
    found, sick, wrong = sum(map(sum, ill.values())), sum(map(len, ill.values())), sum(healthy)
    return {
        "points": len(healthy) + sick, "f1": 2 * found / max(found + wrong + sick, 1),
        "far": wrong / max(len(healthy), 1), "mar": 1 - found / max(sick, 1),
        "far_fault_free_assets": fmean(fault_free) if fault_free else None,
        "fdr_mean": fmean(map(fmean, ill.values())) if ill else None,
        "fdr_mean_without_hard_kinds": fmean(easy) if easy else None,
    }  # fmt: skip
