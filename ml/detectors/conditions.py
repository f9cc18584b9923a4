"""What a machine is asked to do and where: duty and weather as inputs of its health sensors, and regimes of duty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.detectors import metric_kinds
from ml.detectors.protocol import Floats, State
from ml.detectors.widening import widened

LAGS_HOURS = (3.0, 10.0)  # machines warm up over hours
DAY_S = 86400.0
STANDING_SHARE = 0.05  # of its usual level: below it the machine stands
# Read off a machine that turns or carries something: near zero when it stands.
_ACTIVITY = re.compile(r"power|current|speed|rpm|flow|throughput|load|torque|vibration|rotation")
_WEATHER_OR_DUTY = re.compile(r"wind|nacelle|inlet_air|suction_temp|room_|setp|recipe|product|feed_rate|production")


def is_duty(metric: str) -> bool:
    """True for what describes duty or weather by its name: explains others, is nobody's fault."""
    return metric_kinds.is_condition(metric) or _WEATHER_OR_DUTY.search(metric.lower()) is not None


def harm_direction(metric: str) -> int:
    """+1 where more is worse, -1 where less is, 0 where the name does not tell."""
    name = metric.lower()
    if re.search(r"vibration|temperature|celsius|noise|current|power|torque|hydrogen|ppm|particle|leak|drop|rms", name):
        return 1
    if re.search(r"flow|efficiency|oil_pressure|discharge_pressure|level", name):
        return -1
    return 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Centre and spread of each metric [m], from the founding hours; constant metrics are not used."""

    centre: Floats
    spread: Floats
    usable: Floats

    @classmethod
    def of(cls, values: Floats) -> Scaling:
        centre, spread, seen = (np.zeros(values.shape[1]) for _ in range(3))
        there = np.isfinite(values).any(axis=0)
        if there.any():
            known = values[:, there]
            centre[there], spread[there] = np.nanmedian(known, axis=0), np.nanstd(known, axis=0)
            seen = np.isfinite(values).mean(axis=0)
        usable = (spread > 1e-6 * np.maximum(np.abs(centre), 1e-9)) & (seen > 0.3)
        return cls(centre, np.where(usable, spread, 1.0), usable.astype(float))

    def widened(self, at: Sequence[int], size: int) -> Scaling:
        """The same of metrics in columns `at` of `size`; the others are not used."""
        centre, spread, usable = self.centre, self.spread, self.usable
        return Scaling(widened(centre, at, size, 0.0), widened(spread, at, size, 1.0), widened(usable, at, size, 0.0))

    def state(self) -> State:
        return {"centre": self.centre, "spread": self.spread, "usable": self.usable}

    def apply(self, values: Floats) -> Floats:
        return np.asarray(np.where(self.usable > 0, (values - self.centre) / self.spread, 0.0))


def standing(metrics: Sequence[str], values: Floats, usual: Floats) -> np.ndarray:
    """Per row: does the machine stand? Most of what it has of activity is near zero; `usual` is each metric's level."""
    columns = [j for j, name in enumerate(metrics) if _ACTIVITY.search(name.lower()) and usual[j] > 0]
    if not columns:
        return np.zeros(len(values), dtype=bool)
    with np.errstate(invalid="ignore"):
        low = values[:, columns] < STANDING_SHARE * usual[columns]
    return np.asarray(low.mean(axis=1) > 0.5)


def usual_levels(values: Floats) -> Floats:
    """The level of each metric when the machine works [m]: its upper decile."""
    levels, there = np.zeros(values.shape[1]), np.isfinite(values).any(axis=0)
    if there.any():
        levels[there] = np.nanquantile(values[:, there], 0.9, axis=0)
    return levels


def clock(t: Floats) -> Floats:
    """Two harmonics of the day [n, 4]."""
    angle = 2 * np.pi * (t[:, None] % DAY_S) / DAY_S * np.array([1.0, 2.0])
    return np.hstack([np.sin(angle), np.cos(angle)])


def lagged(t: Floats, x: Floats, before: tuple[float, Floats] | None) -> tuple[Floats, Floats]:
    """First-order lags of conditions [n, k] over LAGS_HOURS [n, 2k], and the last of them to go on from."""
    n, k = x.shape
    out = np.empty((n, len(LAGS_HOURS) * k))
    last_t, value = before if before is not None else (float(t[0]), np.tile(np.nan_to_num(x[0]), len(LAGS_HOURS)))
    if k == 0:
        return out, value
    tau = np.repeat(np.asarray(LAGS_HOURS) * 3600.0, k)
    share = 1 - np.exp(-np.maximum(np.diff(t, prepend=last_t), 0.0)[:, None] / tau)
    target = np.tile(x, (1, len(LAGS_HOURS)))
    share, target = np.where(np.isfinite(target), share, 0.0), np.nan_to_num(target)
    for i in range(n):
        value = value + share[i] * (target[i] - value)
        out[i] = value
    return out, value
