"""What is believed of slow wear before an asset shows anything: healthy wander by kind of sensor, weights, level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from json import dumps, loads

import numpy as np

from ml.boosting import Trees
from ml.detectors.protocol import Floats, State
from ml.detectors.wear_features import CHANNELS, EXPLAINED, NAMES, metric_class

CLASS_PEERS, ALL_PEERS = 1.5, 2.0  # a belief about a wider circle counts as much as so many assets
LEAST = 0.04  # mean square: nothing is so quiet that a fifth of an hourly sigma would be news
Table = dict[str, tuple[Floats, float]]  # sum of the peers' mean squares [C, 2], and how many peers


@dataclass(frozen=True, slots=True)
class WearBelief:
    """Healthy mean squares by a model's sensor ("model/metric") and class of sensor; trees that tell wear; level."""

    sensors: Table = field(default_factory=dict)
    classes: Table = field(default_factory=dict)
    trees: Trees | None = None
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

    def log_odds(self, features: Floats) -> Floats:
        """Of each row of NAMES' values [n, k]: that the asset fails within the horizon."""
        return self.trees.raw(features) if self.trees is not None else np.full(len(features), -np.inf)

    def digest(self) -> str:
        """A short name of exactly this belief."""
        return sha256(dumps(self.to_plain(), sort_keys=True).encode()).hexdigest()[:12]

    def to_plain(self) -> State:
        return {
            "names": list(NAMES), "sensors": _lists(self.sensors), "classes": _lists(self.classes),
            "trees": None if self.trees is None else _flat(self.trees), "level": self.level,
        }  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> WearBelief:
        """Raise ValueError where it was written for other features."""
        stored = dict(plain)
        if list(stored["names"]) != list(NAMES):  # type: ignore[call-overload]
            raise ValueError("belief of slow wear: written for other features")
        trees = None if stored["trees"] is None else Trees.from_state(_arrays(stored["trees"]))
        return cls(_table(stored["sensors"]), _table(stored["classes"]), trees, float(str(stored["level"])))


def _flat(trees: Trees) -> State:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in trees.state().items()}


def _arrays(plain: object) -> State:
    assert isinstance(plain, Mapping)
    kinds = {"column": np.int32, "left": np.int32, "right": np.int32, "missing_left": np.bool_, "leaf": np.bool_}
    return {
        name: np.asarray(value, dtype=kinds.get(name, np.float64)) if isinstance(value, list) else value
        for name, value in plain.items()
    }


def _lists(table: Table) -> dict[str, list[object]]:
    return {name: [sums.tolist(), n] for name, (sums, n) in sorted(table.items())}


def _table(plain: object) -> Table:
    assert isinstance(plain, Mapping)
    return {str(name): (np.asarray(sums, dtype=float), float(n)) for name, (sums, n) in plain.items()}


@cache
def template() -> WearBelief:
    """The belief that is shipped: learned on simulated fleets of seven kinds of machine, for any kind."""
    return WearBelief.from_plain(loads(files("ml.detectors").joinpath("wear_template.json").read_text("utf-8")))


_shared: dict[int, tuple[Mapping[str, object], WearBelief]] = {}
MAX_SHARED = 64  # asset models with a belief of their own


def shared(plain: Mapping[str, object]) -> WearBelief:
    """The belief of a stored one; assets that are told the same object share it."""
    if id(plain) not in _shared:
        if len(_shared) >= MAX_SHARED:
            _shared.clear()
        _shared[id(plain)] = (plain, WearBelief.from_plain(plain))  # held, so that its id stays its own
    return _shared[id(plain)][1]
