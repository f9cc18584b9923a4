"""What is believed of slow wear before an asset shows anything: healthy wander by kind of sensor, weights, level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from json import dumps, loads

import numpy as np

from ml.detectors.protocol import Floats, State
from ml.detectors.wear_features import CHANNELS, EXPLAINED, NAMES, metric_class

CLASS_PEERS, ALL_PEERS = 1.5, 2.0  # a belief about a wider circle counts as much as so many assets
LEAST = 0.04  # mean square: nothing is so quiet that a fifth of an hourly sigma would be news
Table = dict[str, tuple[Floats, float]]  # sum of the peers' mean squares [C, 2], and how many peers


@dataclass(frozen=True, slots=True)
class WearBelief:
    """Healthy mean squares by a model's sensor ("model/metric") and by class of sensor; a logistic score, its level."""

    sensors: Table = field(default_factory=dict)
    classes: Table = field(default_factory=dict)
    centre: Floats = field(default_factory=lambda: np.zeros(len(NAMES)))
    weights: Floats = field(default_factory=lambda: np.zeros(len(NAMES)))
    bias: float = 0.0
    level: float = 2.0  # log-odds at which an order opens

    def wander(self, model: str, metric: str, metrics: Sequence[str]) -> Floats:
        """Mean square of a healthy sensor's channels [C, 2]: its own model's, else its class's, else all sensors'."""
        shape = (len(CHANNELS), len(EXPLAINED))
        total, count = np.zeros(shape), 0.0
        for sums, n in self.classes.values():
            total, count = total + sums, count + n
        every = total / count if count else np.ones(shape)
        sums, n = self.classes.get(metric_class(metric, metrics), (np.zeros(shape), 0.0))
        own_class = (sums + ALL_PEERS * every) / (n + ALL_PEERS)
        sums, n = self.sensors.get(f"{model}/{metric}", (np.zeros(shape), 0.0)) if model else (np.zeros(shape), 0.0)
        return np.asarray(np.maximum((sums + CLASS_PEERS * own_class) / (n + CLASS_PEERS), LEAST))

    def log_odds(self, features: Floats) -> float:
        return float((features - self.centre) @ self.weights + self.bias)

    def digest(self) -> str:
        """A short name of exactly this belief."""
        return sha256(dumps(self.to_plain(), sort_keys=True).encode()).hexdigest()[:12]

    def to_plain(self) -> State:
        return {
            "names": list(NAMES), "sensors": _lists(self.sensors), "classes": _lists(self.classes),
            "centre": self.centre.tolist(), "weights": self.weights.tolist(), "bias": self.bias, "level": self.level,
        }  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> WearBelief:
        """Raise ValueError where it was written for other features."""
        stored = dict(plain)
        if list(stored["names"]) != list(NAMES):  # type: ignore[call-overload]
            raise ValueError("belief of slow wear: written for other features")
        centre, weights = (np.asarray(stored[name], dtype=float) for name in ("centre", "weights"))
        bias, level = float(stored["bias"]), float(stored["level"])  # type: ignore[arg-type]
        return cls(_table(stored["sensors"]), _table(stored["classes"]), centre, weights, bias, level)


def _lists(table: Table) -> dict[str, list[object]]:
    return {name: [sums.tolist(), n] for name, (sums, n) in sorted(table.items())}


def _table(plain: object) -> Table:
    assert isinstance(plain, Mapping)
    return {str(name): (np.asarray(sums, dtype=float), float(n)) for name, (sums, n) in plain.items()}


@cache
def template() -> WearBelief:
    """The belief that is shipped: learned on simulated fleets of seven kinds of machine, for any kind."""
    return WearBelief.from_plain(loads(files("ml.detectors").joinpath("wear_template.json").read_text("utf-8")))
