"""Gradient-boosted trees as plain arrays: fitted by scikit-learn, kept and applied without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.detectors.protocol import Bools, Floats, State

SEED = 20240101
CHUNK_ROWS = 4096  # rows times trees held in memory at once stay below a few megabytes
_SHAPE: dict[str, Any] = {
    "max_leaf_nodes": 8, "min_samples_leaf": 30, "l2_regularization": 1.0, "early_stopping": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble: per tree and node [trees, nodes] the column asked, its threshold, where to go, what it says.

    `value` of a leaf is added to `base`; an inner node's value is what its rows would get there, which makes every
    step of a row's way the contribution of one column (the sum of all is exact).
    """

    base: float
    column: NDArray[np.int32]
    threshold: Floats
    missing_left: Bools
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: Bools
    value: Floats
    logistic: bool

    def raw(self, x: Floats) -> Floats:
        """The sum over all trees for each row of x [n, k], before any link."""
        return np.concatenate([self._raw(x[i : i + CHUNK_ROWS]) for i in range(0, len(x), CHUNK_ROWS)] or [np.zeros(0)])

    def predict(self, x: Floats) -> Floats:
        """A probability where the trees were fitted on classes, else the value itself; [n]."""
        raw = self.raw(x)
        return np.asarray(1 / (1 + np.exp(-raw))) if self.logistic else raw

    def contributions(self, row: Floats) -> Floats:
        """What each column [k] added to the raw sum of this one row, beyond what the roots say."""
        trees = np.arange(len(self.column))
        at = np.zeros(len(trees), dtype=np.int64)
        shares = np.zeros(len(row))
        while True:
            moving = ~self.leaf[trees, at]
            if not moving.any():
                return shares
            after = np.where(moving, self._next(trees, at, row[self.column[trees, at]]), at)
            step = self.value[trees, after] - self.value[trees, at]
            np.add.at(shares, self.column[trees, at][moving], step[moving])
            at = after

    def _raw(self, x: Floats) -> Floats:
        trees = np.arange(len(self.column))[None, :]
        rows = np.arange(len(x))[:, None]
        at = np.zeros((len(x), len(self.column)), dtype=np.int64)
        while True:
            moving = ~self.leaf[trees, at]
            if not moving.any():
                return np.asarray(self.base + self.value[trees, at].sum(axis=1))
            at = np.where(moving, self._next(trees, at, x[rows, self.column[trees, at]]), at)

    def _next(self, trees: Any, at: NDArray[np.int64], asked: Floats) -> NDArray[np.int64]:
        goes_left = np.where(np.isnan(asked), self.missing_left[trees, at], asked <= self.threshold[trees, at])
        return np.asarray(np.where(goes_left, self.left[trees, at], self.right[trees, at]).astype(np.int64))

    def state(self) -> State:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_state(cls, state: State) -> Trees:
        return cls(**{f.name: state[f.name] for f in fields(cls)})


def fit_probability(x: Floats, y: NDArray[np.bool_], seed: int = SEED, **shape: Any) -> Trees:
    """Trees that say how probable `y` is; `shape` overrides how they grow."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second of start that who only applies trees saves

    grown = {"max_iter": 80, "learning_rate": 0.1, **_SHAPE, **shape}
    model = HistGradientBoostingClassifier(random_state=seed, **grown)
    return _fit(model, x, y, logistic=True)


def fit_value(x: Floats, y: Floats, seed: int = SEED) -> Trees:
    """Trees that say how large `y` is."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(max_iter=150, learning_rate=0.08, random_state=seed, **_SHAPE)
    return _fit(model, x, y, logistic=False)


def _fit(model: Any, x: Floats, y: NDArray[Any], logistic: bool) -> Trees:
    columns = informative(x)
    with threadpool_limits(1):  # threads that wait for a busy core cost more than they bring
        model.fit(x[:, columns], y)
    nodes = [stage[0].nodes for stage in model._predictors]
    return _plain(nodes, float(np.ravel(model._baseline_prediction)[0]), columns, model.learning_rate, logistic)


def informative(x: Floats) -> NDArray[np.int64]:
    """Columns with at least two different finite values; the first one where there are none."""
    low = np.fmin.reduce(np.where(np.isfinite(x), x, np.nan), axis=0, initial=np.inf)
    high = np.fmax.reduce(np.where(np.isfinite(x), x, np.nan), axis=0, initial=-np.inf)
    columns = np.flatnonzero(high > low)
    return columns if len(columns) else np.arange(1)


def _plain(
    nodes: Sequence[Any], base: float, columns: NDArray[np.int64], learning_rate: float, logistic: bool
) -> Trees:
    """scikit-learn's nodes as padded arrays; a column is told as it stands in the full matrix."""
    shape = (len(nodes), max((len(n) for n in nodes), default=1))
    made: dict[str, Any] = {
        "column": np.zeros(shape, dtype=np.int32), "threshold": np.zeros(shape),
        "missing_left": np.zeros(shape, dtype=bool), "left": np.zeros(shape, dtype=np.int32),
        "right": np.zeros(shape, dtype=np.int32), "leaf": np.ones(shape, dtype=bool), "value": np.zeros(shape),
    }  # fmt: skip
    for i, tree in enumerate(nodes):
        n = len(tree)
        leaf = tree["is_leaf"].astype(bool)
        made["leaf"][i, :n] = leaf
        made["column"][i, :n] = np.where(leaf, 0, columns[tree["feature_idx"]])
        made["threshold"][i, :n] = tree["num_threshold"]
        made["missing_left"][i, :n] = tree["missing_go_to_left"].astype(bool)
        made["left"][i, :n], made["right"][i, :n] = tree["left"], tree["right"]
        # Leaves are kept already shrunk by the learning rate, inner nodes are not.
        made["value"][i, :n] = np.where(leaf, tree["value"], learning_rate * tree["value"])
    return Trees(base=base, logistic=logistic, **made)
