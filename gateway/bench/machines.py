"""Machines that the scorer of a benchmark knows well: ten metrics, a fortnight of history each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block, Floats
from ml.scoring import AssetSetup, FleetScorer

METRICS = (
    "ambient_celsius", "bearing_celsius", "current_a", "flow_l_min", "motor_celsius", "oil_celsius", "power_kw",
    "pressure_in_bar", "pressure_out_bar", "vibration_mm_s",
)  # fmt: skip
LEVEL = np.array([20.0, 55.0, 12.0, 80.0, 65.0, 48.0, 7.5, 2.0, 6.0, 2.2])
SPREAD = LEVEL * np.array([0.02, 0.01, 0.03, 0.02, 0.01, 0.01, 0.03, 0.02, 0.02, 0.05])
LIMITS = {
    "motor_celsius": MetricLimits(high=90.0, high_high=105.0, rate=5.0),
    "vibration_mm_s": MetricLimits(high=4.5, high_high=7.1),
    "pressure_in_bar": MetricLimits(low_low=0.5, low=1.0),
}
SETUP = AssetSetup(limits=LIMITS)
DAYS, STEP_S, LIVE_STEP_S = 12.0, 39.0, 10.0  # both steps count as the same rate of reading
MACHINES = 2  # that differ; the others are like them. One is enough for a small run
START = 1_750_003_200.0  # midnight
DAY_S = 86400.0
_RELATIONS = np.random.default_rng(20).normal(size=(3, len(METRICS)))


@dataclass(frozen=True, slots=True)
class History:
    """What the detectors know of a machine after its history (`state`), and when that ended."""

    state: bytes
    until: float


def readings(t: Floats, seed: int) -> Floats:
    """Rows of healthy machines at these moments [n, metrics]: three hidden causes, noise, the day's temperature."""
    chance = np.random.default_rng(seed)
    causes = chance.normal(size=(len(t), len(_RELATIONS))) @ _RELATIONS
    x = LEVEL + SPREAD * (0.4 * causes + chance.normal(size=causes.shape))
    day = np.sin(2 * np.pi * t / DAY_S)
    x[:, METRICS.index("ambient_celsius")] += 4 * day
    x[:, METRICS.index("oil_celsius")] += 2 * day
    return np.asarray(x)


def histories(machines: int = MACHINES) -> list[History]:
    """Let the detectors learn so many machines until nothing is left to learn."""
    known = []
    t = START + np.arange(0.0, DAYS * DAY_S, STEP_S)
    for number in range(machines):
        scorer = FleetScorer(default=SETUP)
        scorer.feed(Block("any", t, METRICS, readings(t, number)))
        if not scorer.held():
            raise RuntimeError("the machines of the benchmark are not settled")
        known.append(History(scorer.dump("any"), scorer.watermark("any")))
    return known
