"""Learn the belief about slow wear from a training set: how healthy sensors wander, which level keeps the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml import figures
from ml.detectors import conditions, wear, wear_features
from ml.detectors.protocol import Event, Floats
from ml.detectors.wear_belief import Table, WearBelief, template
from ml.detectors.wear_bins import Bins, Hours
from ml.detectors.wear_features import NAMES
from ml.detectors.wear_scale import Wander
from ml.detectors.wear_tracker import Tick, Tracker
from ml.supervised import folds
from ml.training_set import Asset, TrainingSet, history
from ml.walking import blocks

DAY_S = 86400.0
MIN_TICKS = 40  # half-days of an asset that say something about healthy wander
SICK_BEFORE_S, SICK_AFTER_S = 60 * DAY_S, 3 * DAY_S  # not healthy around a failure, seen or not
WORST = 8.0  # in hourly sigma: a longer excursion is trouble, not wander
AIM = 0.55  # share of the budget to aim at: a rate on history is itself an estimate
TEMPLATE_MONTHS = 200.0  # for which the template's own rate counts at each level
LEVELS = np.arange(-0.2, 2.01, 0.2)  # about the template's level
TEMPLATE_RATE = 0.06  # false orders per asset-month at its own level, on fleets of kinds that it had not seen
TEMPLATE_DECADE = 1.6  # log-odds for a tenth of the false orders, on the same fleets


Told = tuple[Floats, Floats]  # features of an asset's half-days [T, k], and the log-odds of each [T]


@dataclass(frozen=True, slots=True)
class Trace:
    """One asset's half-days, with what was judged and when it was ill."""

    asset: Asset
    metrics: tuple[str, ...]
    judged: tuple[str, ...]
    ticks: list[Tick]
    healthy: NDArray[np.bool_]
    before_failure: NDArray[np.bool_]  # within the window in which an order would be right
    counted: NDArray[np.bool_]  # neither muted nor between healthy and ill


@dataclass(frozen=True, slots=True)
class WearLessons:
    """What history taught; and, to judge it by, what the others taught: without the asset, without its asset model."""

    belief: WearBelief
    without: Mapping[str, WearBelief]  # by history asset: nothing of it was learned from
    elsewhere: Mapping[str, WearBelief]  # by asset model: nothing of its assets was learned from


def wear_lessons(training: TrainingSet) -> WearLessons | None:
    """The belief for assets like these, and those to judge it by; None where history says nothing about slow wear."""
    traces = _traces(training)
    if not traces:
        return None
    without: dict[str, WearBelief] = {}
    for part in folds(len(traces)):
        rest = learned_from(training, [each for i, each in enumerate(traces) if i not in part])
        without |= {traces[i].asset.name: rest for i in part}
    models = sorted({asset.model for asset in history(training)})
    elsewhere = {
        model: learned_from(training, [each for each in traces if each.asset.model != model]) for model in models
    }
    return WearLessons(learned_from(training, traces), without, elsewhere)


def _traces(training: TrainingSet) -> list[Trace]:
    return [each for asset in history(training) if (each := trace_of(training, asset)) is not None]


def learned_from(training: TrainingSet, traces: Sequence[Trace]) -> WearBelief:
    """Healthy wander of all these assets, and the level that they justify where each is judged by the others."""
    log_odds: dict[str, Told] = {}
    for part in folds(len(traces)):
        rest = with_wander([each for i, each in enumerate(traces) if i not in part], template())
        for i in part:
            rows = features_of(traces[i], rest)
            log_odds[traces[i].asset.name] = rows, rest.log_odds(rows)
    return with_level(training, traces, log_odds, with_wander(traces, template()))


def trace_of(training: TrainingSet, asset: Asset) -> Trace | None:
    """Walk one asset's hours through the tracker; None where it never becomes known."""
    t, metrics, frame = training.telemetry(asset.name)
    numbers = tuple(m for m in metrics if pd.api.types.is_numeric_dtype(frame[m]))
    if not len(t) or not numbers:
        return None
    bins = hourly(asset, t, metrics, frame)
    healthy_until = max((span.healthy_until for span in asset.spans), default=0.0)
    tracker, ticks, start = Tracker(numbers), [], 0
    for event in sorted((e for e in training.events if e.asset == asset.name), key=lambda e: e.t):
        stop = int(np.searchsorted(bins.t, event.t, side="right"))
        ticks += tracker.take(_part(bins, start, stop), healthy_until)
        tracker.happened(Event(event.t, event.kind, event.code, event.component))
        start = max(start, stop)
    ticks += tracker.take(_part(bins, start, len(bins)), healthy_until)
    if len(ticks) < MIN_TICKS or tracker.relations is None:
        return None
    judged = tuple(numbers[j] for j in tracker.relations.layout.judged)
    return Trace(asset, numbers, judged, ticks, *_told(training, asset.name, ticks))


def hourly(asset: Asset, t: Floats, metrics: tuple[str, ...], frame: pd.DataFrame) -> Bins:
    """The hours that the detector would see, of all the asset's rows; the last one may not have ended."""
    hours, parts = Hours(), []
    for block in blocks(asset, t, metrics, frame):
        parts.append(hours.take(block))
    kept = [each for each in parts if len(each)]
    if not kept:
        return Bins(np.zeros(0), np.zeros((0, 0)), ())
    modes = tuple(mode for each in kept for mode in each.modes)
    return Bins(np.concatenate([each.t for each in kept]), np.vstack([each.values for each in kept]), modes)


def _part(bins: Bins, start: int, stop: int) -> Bins:
    stop = max(start, stop)
    return Bins(bins.t[start:stop], bins.values[start:stop], bins.modes[start:stop])


def _told(training: TrainingSet, name: str, ticks: Sequence[Tick]) -> tuple[NDArray[np.bool_], ...]:
    t = np.array([tick.t for tick in ticks])
    ill, before, between = (np.zeros(len(t), dtype=bool) for _ in range(3))
    horizon, lead = training.settings.horizon_s, training.settings.min_lead_s
    for incident in training.incidents:
        if incident.asset != name or incident.failed is None:
            continue
        end = (incident.repaired or incident.failed) + SICK_AFTER_S
        ill |= (t > incident.failed - SICK_BEFORE_S) & (t < end)
        before |= (t >= incident.failed - 0.85 * horizon) & (t <= incident.failed - lead / 2)
        between |= (t > incident.failed - 1.5 * horizon) & (t < end)
    muted = np.array([tick.muted for tick in ticks])
    return ~ill & ~muted, before & ~muted, (before | ~between) & ~muted


def with_wander(traces: Sequence[Trace], belief: WearBelief) -> WearBelief:
    """Add the healthy mean squares of these assets to the belief's tables."""
    sensors, classes = dict(belief.sensors), dict(belief.classes)
    for each in traces:
        if each.healthy.sum() < MIN_TICKS:
            continue
        seen = [wear_features.channels(tick.u) for tick, ok in zip(each.ticks, each.healthy, strict=True) if ok]
        squares = (np.clip(np.stack(seen), -WORST, WORST) ** 2).mean(axis=0)
        for j, metric in enumerate(each.judged):
            _add(sensors, f"{each.asset.model}/{metric}", squares[:, :, j])
            _add(classes, wear_features.metric_class(metric, each.metrics), squares[:, :, j])
    return replace(belief, sensors=sensors, classes=classes)


def _add(table: Table, name: str, squares: Floats) -> None:
    total, count = table.get(name, (np.zeros_like(squares), 0.0))
    table[name] = (total + squares, count + 1.0)


def features_of(trace: Trace, belief: WearBelief) -> Floats:
    """NAMES' values of each half-day [T, k], as the detector would see them."""
    prior = np.stack([belief.wander(trace.asset.model, name, trace.metrics) for name in trace.judged], axis=2)
    wander = Wander(prior)
    direction = np.array([conditions.harm_direction(name) for name in trace.judged], dtype=float)
    rows = []
    for tick in trace.ticks:
        z = wander.step(wear_features.channels(tick.u), tick.muted)
        rows.append(wear_features.features(tick, z, direction))
    return np.array(rows).reshape(len(rows), len(NAMES))


def with_level(
    training: TrainingSet, traces: Sequence[Trace], told: Mapping[str, Told], belief: WearBelief
) -> WearBelief:
    """The lowest level at which history and template together expect to keep a share of the budget."""
    budget = training.settings.budget_per_month
    if budget is None or not traces:
        return belief
    for level in belief.level + LEVELS:
        tallies = []
        for each in traces:
            orders = openings(each.ticks, *told[each.asset.name], float(level))
            tallies.append(figures.judge(training, each.asset.name, None, orders))
        months = sum(t.healthy_s for t in tallies) / training.settings.month_s
        usual = TEMPLATE_RATE * 10 ** (-(level - belief.level) / TEMPLATE_DECADE)
        rate = (sum(t.false for t in tallies) + usual * TEMPLATE_MONTHS) / (months + TEMPLATE_MONTHS)
        if rate <= AIM * budget:
            return replace(belief, level=float(level))
    return replace(belief, level=float(belief.level + LEVELS[-1]))


def openings(ticks: Sequence[Tick], rows: Floats, log_odds: Floats, level: float) -> list[float]:
    """When the detector would tell a finding, first or grown, along an asset's half-days."""
    told: list[float] = []
    above = below = 0
    last = 0.0
    for tick, row, odds in zip(ticks, rows, log_odds.tolist(), strict=True):
        if tick.muted or tick.age_days < wear.SETTLING_DAYS:
            above = 0
            continue
        score = wear.OPENS * np.exp(min((odds - level) / 2, 10.0))
        above = above + 1 if score >= wear.OPENS else 0
        below = below + 1 if score < wear.CLEARS else 0
        if last and below >= wear.CLEAR_TICKS:
            last = 0.0
        elif above >= wear.OPEN_TICKS and score >= last * wear.GROWTH:
            last = score
            if not wear_features.one_sensor_jumped(row):
                told.append(tick.t)
    return told
