"""What a supervised model may look at, at one moment of an asset's life: trends of its sensors, its log, its age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.detectors.protocol import Floats
from ml.recorded_fleet import Asset, Event, RecordedFleet

SHORT_ROWS, LONG_ROWS = 5, 20
EARLY_ROWS = 20  # what "as it was when new" means
GRID_PER_HORIZON = 6  # moments per horizon where there is no telemetry to set the pace
ROWS_PER_HORIZON = 100  # moments worth looking at: more are thinned
LOG_WINDOWS = (0.5, 1.0, 2.5, 7.0)  # of the horizon
MAX_CODES = 30
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Moments:
    """Features [n, k] of one asset at times `t` [n]; row i uses nothing later than t[i]."""

    asset: str
    t: Floats
    x: Floats


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which columns exist: learned from history, the same for every asset."""

    metrics: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]  # (event kind, code or component)
    components: tuple[str, ...]
    models: tuple[str, ...]


def vocabulary(fleet: RecordedFleet, assets: Sequence[Asset]) -> Vocabulary:
    names = {a.name for a in assets}
    metrics: dict[str, None] = {}
    for asset in assets:
        _, own, frame = fleet.telemetry(asset.name)
        metrics |= dict.fromkeys(m for m in own if pd.api.types.is_numeric_dtype(frame[m]))
    codes: dict[tuple[str, str], int] = {}
    for event in fleet.events:
        if event.asset in names:
            codes[_code(event)] = codes.get(_code(event), 0) + 1
    common = sorted(codes, key=lambda c: (-codes[c], c))[:MAX_CODES]
    components = sorted({e.component for e in fleet.events if e.asset in names and e.component})
    models = sorted({a.model for a in assets})
    return Vocabulary(tuple(metrics), tuple(sorted(common)), tuple(components[:MAX_CODES]), tuple(models))


def _code(event: Event) -> tuple[str, str]:
    return (event.kind, event.code if event.kind != "maintenance" else event.component or event.code)


def moments(fleet: RecordedFleet, asset: Asset, words: Vocabulary) -> Moments:
    """The asset's features at each row of telemetry, or on a grid where there is none."""
    t, metrics, frame = fleet.telemetry(asset.name)
    parts: list[Floats] = []
    if len(t):
        values = np.full((len(t), len(words.metrics)), np.nan)
        for j, metric in enumerate(words.metrics):
            if metric in metrics and pd.api.types.is_numeric_dtype(frame[metric]):
                values[:, j] = frame[metric].to_numpy(dtype=float)
        trends = _trends(values)
        keep = np.arange(0, len(t), _stride(t, fleet.settings.horizon_s))
        t = t[keep]
        parts.append(trends[keep])
    else:
        step = max(fleet.settings.horizon_s / GRID_PER_HORIZON, HOUR_S)
        t = np.arange(asset.spans[0].start, asset.spans[-1].end + 1, step)
    own = [e for e in fleet.events if e.asset == asset.name]
    if words.codes:
        parts.append(_log(own, t, words, fleet.settings.horizon_s))
    age = (t - asset.spans[0].start) / HOUR_S
    model = np.array([float(asset.model == name) for name in words.models])
    years = np.nan if asset.age_years is None else asset.age_years
    parts.append(np.column_stack([age, np.full(len(t), years), np.tile(model, (len(t), 1))]))
    return Moments(asset.name, t, np.hstack(parts))


def _stride(t: Floats, horizon_s: float) -> int:
    """Which rows to look at, from how often the asset is first read: never from how long its record is."""
    first = np.diff(t[:EARLY_ROWS])
    usual = float(np.median(first)) if len(first) else 0.0
    return max(1, int(horizon_s / ROWS_PER_HORIZON / usual)) if usual > 0 else 1


def _trends(values: Floats) -> Floats:
    """Per sensor: latest, short and long mean, their change since new, slope and spread over the long window."""
    frame = pd.DataFrame(values)
    short = frame.rolling(SHORT_ROWS, min_periods=1).mean().to_numpy()
    window = frame.rolling(LONG_ROWS, min_periods=2)
    long = frame.rolling(LONG_ROWS, min_periods=1).mean().to_numpy()
    spread = window.std().to_numpy()
    new = frame.iloc[:EARLY_ROWS].expanding().mean().reindex(range(len(frame))).ffill().to_numpy()
    slope = short - frame.shift(LONG_ROWS).rolling(SHORT_ROWS, min_periods=1).mean().to_numpy()
    return np.hstack([values, short, long, short - new, slope, spread])


def _log(events: Sequence[Event], t: Floats, words: Vocabulary, horizon_s: float) -> Floats:
    """Counts per code over several windows up to t, and hours since each component was last worked on."""
    columns: list[Floats] = []
    for code in words.codes:
        times = np.array([e.t for e in events if _code(e) == code])
        until = np.searchsorted(times, t, side="right")
        for share in LOG_WINDOWS:
            columns.append((until - np.searchsorted(times, t - share * horizon_s, side="right")).astype(float))
        columns.append(_since(times, t))
    for component in words.components:
        times = np.array([e.t for e in events if e.component == component and e.kind == "maintenance"])
        columns.append(_since(times, t))
    return np.column_stack(columns)


def _since(times: Floats, t: Floats) -> Floats:
    """Hours since the last of `times` up to each t, NaN before the first."""
    index = np.searchsorted(times, t, side="right") - 1
    if len(times) == 0:
        return np.full(len(t), np.nan)
    return np.asarray(np.where(index >= 0, (t - times[np.maximum(index, 0)]) / HOUR_S, np.nan))
