"""Layer 3: the probability that an asset (or one component) fails within the horizon, learned from history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from maintenance.decisions import FindingFacts
from ml import figures
from ml.boosting import SEED, Boosted, fit_probability
from ml.detectors.evidence import Evidence
from ml.detectors.protocol import Floats, moment
from ml.features import Moments
from ml.recorded_fleet import Asset, RecordedFleet

MIN_INCIDENTS = 20  # fewer say too little about how failures look
FOLDS = 4
SAFETY = 0.6  # share of the budget to aim at: the figure on history is itself an estimate
CLEAR_SHARE = 0.6  # of the opening level
LABEL_SHARE = 0.8  # of the horizon: an order at its very beginning would often be too early
THRESHOLDS = np.concatenate([np.linspace(0.03, 0.9, 30), [0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995]])


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier of one failure kind (None: any), the level at which it opens orders, and its history figures."""

    kind: str | None
    model: Boosted
    level: float
    recall: float
    false_rate: float
    incidents: int


def failures(fleet: RecordedFleet, asset: str, kind: str | None) -> Floats:
    times = [i.failed for i in fleet.incidents if i.asset == asset and kind in (None, i.kind) and i.failed is not None]
    return np.array(sorted(times), dtype=float)


def time_to_failure(t: Floats, failed: Floats) -> Floats:
    """Seconds to the next failure strictly after each t, infinity when none is known."""
    index = np.searchsorted(failed, t, side="right")
    padded = np.concatenate([failed, [np.inf]])
    return np.asarray(padded[index] - t)


def folds(count: int) -> list[list[int]]:
    """Assets by index in FOLDS parts: an asset is never both learned from and judged on."""
    order = np.random.default_rng(SEED).permutation(count)
    return [sorted(int(i) for i in part) for part in np.array_split(order, min(FOLDS, count)) if len(part)]


def train(fleet: RecordedFleet, history: Sequence[Asset], seen: dict[str, Moments], kind: str | None) -> Trained | None:
    """Fit on the history assets; None when there are too few incidents or no level keeps the budget."""
    labels = {
        a.name: time_to_failure(seen[a.name].t, failures(fleet, a.name, kind)) <= LABEL_SHARE * fleet.settings.horizon_s
        for a in history
    }
    incidents = sum(len(failures(fleet, a.name, kind)) for a in history)
    if incidents < MIN_INCIDENTS or len(history) < 2:
        return None
    x = np.vstack([seen[a.name].x for a in history])
    y = np.concatenate([labels[a.name] for a in history])
    if y.all() or not y.any():
        return None
    held_out: dict[str, Floats] = {}
    for part in folds(len(history)):
        inside = [a for i, a in enumerate(history) if i not in part]
        fold_y = np.concatenate([labels[a.name] for a in inside])
        if fold_y.all() or not fold_y.any():
            return None
        model = fit_probability(np.vstack([seen[a.name].x for a in inside]), fold_y)
        for i in part:
            held_out[history[i].name] = model.probability(seen[history[i].name].x)
    chosen = choose_level(fleet, history, seen, held_out, kind)
    if chosen is None:
        return None
    level, recall, rate = chosen
    return Trained(kind, fit_probability(x, y), level, recall, rate, incidents)


def choose_level(
    fleet: RecordedFleet, history: Sequence[Asset], seen: dict[str, Moments], p: dict[str, Floats], kind: str | None
) -> tuple[float, float, float] | None:
    """The level with the best recall on held-out history whose false orders stay within a share of the budget."""
    budget = fleet.settings.budget_per_month
    allowed = np.inf if budget is None else SAFETY * budget
    kinds = len({i.kind for i in fleet.incidents}) if fleet.settings.per_kind else 1
    best: tuple[float, float, float] | None = None
    for level in THRESHOLDS:
        tallies = [
            figures.judge(fleet, a.name, kind, crossings(seen[a.name].t, p[a.name], float(level))) for a in history
        ]
        months = sum(t.healthy_s for t in tallies) / fleet.settings.month_s
        incidents = sum(t.incidents for t in tallies)
        if months <= 0 or incidents == 0:
            return None
        # The budget is for all kinds together: each may use its share.
        rate = sum(t.false for t in tallies) / months * kinds
        recall = sum(len(t.leads) for t in tallies) / incidents
        if rate <= allowed and (best is None or recall > best[1]):
            best = (float(level), recall, rate)
    return best


def crossings(t: Floats, p: Floats, level: float) -> list[float]:
    """Times at which the probability rises to the level, after having been below its clearing level."""
    opened, times = False, []
    high, low = p >= level, p < CLEAR_SHARE * level
    for i in np.flatnonzero(high | low):
        if high[i] and not opened:
            times.append(float(t[i]))
        opened = bool(high[i]) or (opened and not low[i])
    return times


def findings(asset: str, trained: Trained, seen: Moments) -> list[FindingFacts]:
    """The finding of each stretch of high probability: as it opens, once an hour while it lasts, as it ends."""
    p = trained.model.probability(seen.x)
    evidence = Evidence(k=1, n=1, quiet_rows=1)
    found: list[FindingFacts] = []
    for change in evidence.update(seen.t, p, trained.level, CLEAR_SHARE * trained.level):
        at = moment(seen.t[change.row])
        if change.opened:
            found.append(_finding(asset, trained, float(p[change.row]), at))
        else:
            found.append(replace(found[-1], last_at=moment(change.last_at), cleared_at=at))
    return found


def _finding(asset: str, trained: Trained, p: float, at: datetime) -> FindingFacts:
    return FindingFacts(
        asset=asset, detector="supervised", layer="L3", signature=f"{trained.kind or 'failure'}:predicted",
        kind="machine", first_at=at, last_at=at, cleared_at=None, score=p, peak=p, confidence=p,
        limit_open=trained.level, limit_clear=CLEAR_SHARE * trained.level, contributions=(), regime="",
        model_id=f"supervised-{trained.incidents}", learning=False, severity="warning",
    )  # fmt: skip
