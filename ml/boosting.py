"""Gradient boosting that bears columns without information and leaves the other cores alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.detectors.protocol import Floats

SEED = 20240101
_SHAPE: dict[str, Any] = {
    "max_leaf_nodes": 8, "min_samples_leaf": 30, "l2_regularization": 1.0, "early_stopping": False,
    "random_state": SEED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Boosted:
    """A fitted model and the columns that it uses."""

    model: Any
    columns: np.ndarray[Any, Any]

    def probability(self, x: Floats) -> Floats:
        with threadpool_limits(1):
            return np.asarray(self.model.predict_proba(x[:, self.columns])[:, 1])

    def value(self, x: Floats) -> Floats:
        with threadpool_limits(1):
            return np.asarray(self.model.predict(x[:, self.columns]))


def fit_probability(x: Floats, y: np.ndarray[Any, Any]) -> Boosted:
    return _fit(HistGradientBoostingClassifier(max_iter=80, learning_rate=0.1, **_SHAPE), x, y)


def fit_value(x: Floats, y: Floats) -> Boosted:
    return _fit(HistGradientBoostingRegressor(max_iter=150, learning_rate=0.08, **_SHAPE), x, y)


def _fit(model: Any, x: Floats, y: np.ndarray[Any, Any]) -> Boosted:
    low, high = _finite(x, np.fmin, np.inf), _finite(x, np.fmax, -np.inf)
    columns = np.flatnonzero(high > low)
    if len(columns) == 0:
        columns = np.arange(1)
        x = np.nan_to_num(x)
    with threadpool_limits(1):  # threads that wait for a busy core cost more than they bring
        return Boosted(model.fit(x[:, columns], y), columns)


def _finite(x: Floats, reduce: Any, start: float) -> Floats:
    return np.asarray(reduce.reduce(np.where(np.isfinite(x), x, np.nan), axis=0, initial=start))
