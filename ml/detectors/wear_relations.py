"""How one asset's sensors follow its duty, the weather and each other, learned within days and frozen in level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.detectors import conditions
from ml.detectors.protocol import Bools, Floats, State

RIDGE_SHARE, RIDGE_HOURS = 0.01, 30.0  # of each input's own variance: a floor, and more while few hours are known
MODE_BELIEF_HOURS = 60.0  # a mode's own slopes count as much as those over all modes after so many hours
CLIP = 12.0  # founding spreads: further out is a spike or another world
CLOCK_COLUMNS = 4


def mean_of(rows: Floats) -> Floats:
    """The mean of what is there in each column, 0 where nothing is."""
    there = np.isfinite(rows)
    return np.asarray(np.where(there, rows, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


@dataclass(slots=True)
class Layout:
    """Which metrics are inputs, which are judged, and where each stands in a row of inputs."""

    metrics: tuple[str, ...]
    inputs: list[int]
    judged: list[int]

    @classmethod
    def of(cls, metrics: Sequence[str], usable: Floats) -> Layout:
        inputs = [j for j, name in enumerate(metrics) if conditions.is_duty(name) and usable[j] > 0]
        judged = [j for j, name in enumerate(metrics) if not conditions.is_duty(name) and usable[j] > 0]
        return cls(tuple(metrics), inputs, judged)

    def moved(self, at: Sequence[int], metrics: tuple[str, ...]) -> Layout:
        """The same rows of inputs, whose metric j stands at `at[j]` of `metrics`."""
        return Layout(metrics, [at[j] for j in self.inputs], [at[j] for j in self.judged])

    @property
    def duty_columns(self) -> int:
        return len(self.inputs) * (2 + len(conditions.LAGS_HOURS)) + CLOCK_COLUMNS

    @property
    def columns(self) -> int:
        return self.duty_columns + 2 * len(self.judged)

    def rows(self, t: Floats, scaled: Floats, lags: Floats) -> Floats:
        """Inputs, their squares and lags, the clock, judged sensors, their squares [n, columns]; NaN where missing."""
        x, s = scaled[:, self.inputs], scaled[:, self.judged]
        return np.hstack([x, x * x, lags, conditions.clock(t), s, s * s])


@dataclass(slots=True)
class Relations:
    """Per mode: the usual row and how its columns vary together; from these the residuals of both kinds.

    `on_duty` explains each judged sensor by duty and clock alone; `on_all` also by the other sensors. A residual is
    a row (less the mode's usual row) times one of these matrices.
    """

    layout: Layout
    centre: dict[str, Floats] = field(default_factory=dict)
    gram: dict[str, Floats] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)
    on_duty: dict[str, Floats] = field(default_factory=dict)
    on_all: dict[str, Floats] = field(default_factory=dict)
    sigma: Floats = field(default_factory=lambda: np.ones((2, 0)))
    inverse: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # of the duty columns' covariance

    def found(self, rows: Floats, modes: Sequence[str]) -> None:
        """Learn the usual row of each mode and its variation from the founding hours."""
        names = np.array(modes)
        for mode in sorted(set(modes)):
            own = rows[names == mode]
            if len(own) >= 12:
                self.centre[mode] = mean_of(own)
                self.learn(own - self.centre[mode], mode)
        self.solve()

    def learn(self, deviation: Floats, mode: str) -> None:
        """Add rows less their usual level; what is missing says nothing."""
        d = np.clip(np.nan_to_num(deviation), -CLIP, CLIP)
        self.gram[mode] = self.gram.get(mode, np.zeros((d.shape[1], d.shape[1]))) + d.T @ d
        self.hours[mode] = self.hours.get(mode, 0.0) + len(d)

    def forget(self, share: float) -> None:
        for mode in self.gram:
            self.gram[mode] = self.gram[mode] * share
            self.hours[mode] *= share

    def solve(self) -> None:
        """Fit both explanations of every judged sensor, per mode, leaning on all modes together."""
        total = sum(self.hours.values())
        if total <= 0:
            return
        pooled = np.asarray(sum(self.gram.values()) / total)
        variance = np.zeros((2, len(self.layout.judged)))
        for mode, gram in self.gram.items():
            hours = self.hours[mode]
            belief = MODE_BELIEF_HOURS if len(self.gram) > 1 else 0.0
            shared = (gram + belief * pooled) / (hours + belief)
            duty, every = self._explain(shared, hours + belief)
            self.on_duty[mode], self.on_all[mode] = duty, every
            own = gram / max(hours, 1.0)
            for i, b in enumerate((duty, every)):
                variance[i] += hours * np.maximum(np.einsum("pj,pq,qj->j", b, own, b), 0.0)
        self.sigma = np.sqrt(variance / total) + 0.02
        k = self.layout.duty_columns
        c = pooled[:k, :k]
        self.inverse = np.linalg.inv(c + np.diag(0.05 * np.diag(c) + 1e-3))

    def _explain(self, c: Floats, hours: float) -> tuple[Floats, Floats]:
        k, m, p = self.layout.duty_columns, len(self.layout.judged), self.layout.columns
        ridge = (RIDGE_SHARE + RIDGE_HOURS / (hours + RIDGE_HOURS)) * 0.2
        lifted = c + np.diag(ridge * np.diag(c) + 1e-4)
        duty, every = np.zeros((p, m)), np.zeros((p, m))
        duty[:k] = -np.linalg.solve(lifted[:k, :k], c[:k, k : k + m])
        for j in range(m):
            others = np.delete(np.arange(p), [k + j, k + m + j])
            every[others, j] = -np.linalg.solve(lifted[np.ix_(others, others)], c[others, k + j])
            duty[k + j, j] = every[k + j, j] = 1.0
        return duty, every

    def deviation(self, rows: Floats, mode: str) -> tuple[Floats, Bools]:
        """Rows less the usual row, a missing sensor taken as duty explains it; and which sensors were there."""
        d = np.clip(rows - self.centre[mode], -CLIP, CLIP)
        k, m = self.layout.duty_columns, len(self.layout.judged)
        d[:, :k] = np.nan_to_num(d[:, :k])
        there = np.isfinite(d[:, k : k + m])
        if not there.all():
            guess = -d[:, :k] @ self.on_duty[mode][:k]
            d[:, k : k + m] = np.where(there, d[:, k : k + m], guess)
            d[:, k + m :] = np.where(there, d[:, k + m :], 0.0)
        return d, there

    def state(self) -> State:
        lay = self.layout
        return {
            "metrics": list(lay.metrics), "inputs": list(lay.inputs), "judged": list(lay.judged),
            "centre": dict(self.centre), "gram": dict(self.gram), "hours": dict(self.hours),
            "on_duty": dict(self.on_duty), "on_all": dict(self.on_all), "sigma": self.sigma, "inverse": self.inverse,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: State) -> Relations:
        layout = Layout(tuple(state["metrics"]), [int(j) for j in state["inputs"]], [int(j) for j in state["judged"]])
        hours = {name: float(value) for name, value in state["hours"].items()}
        return cls(
            layout, dict(state["centre"]), dict(state["gram"]), hours, dict(state["on_duty"]), dict(state["on_all"]),
            state["sigma"], state["inverse"],
        )  # fmt: skip
