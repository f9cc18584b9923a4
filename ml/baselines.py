"""The usual simple detectors, as a measure beside ours: fixed thresholds, EWMA, PCA and IsolationForest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from maintenance.decisions import FindingFacts
from ml.detectors.evidence import Evidence
from ml.detectors.protocol import Block, Floats, Learning, State, moment
from ml.detectors.registry import DETECTORS, Entry
from ml.detectors.setup import AssetSetup

HEALTHY_ROWS = 200  # taken as healthy where nobody vouched for any
FEWEST_ROWS = 20
SMOOTHING = 0.1  # of the moving average
KEPT_VARIANCE = 0.9  # by the principal components
CLEAR_SHARE = 0.6
TOLD_ROWS = 60  # so many rows of lasting evidence are told one by one, then each so many
SEED = 20240101


Score = Callable[[Floats], Floats]  # fitted on healthy rows; the larger for a row [n, m], the odder it is


def fixed(z: Floats) -> Score:
    """The worst sensor's distance from its healthy mean, in its own spreads."""
    return lambda rows: np.abs(rows).max(axis=1)


def moving_average(z: Floats) -> Score:
    """The same of each sensor's exponentially weighted moving average, carried on from call to call."""
    mean = np.zeros(z.shape[1])

    def score(rows: Floats) -> Floats:
        out = np.empty(len(rows))
        for i, row in enumerate(rows):
            mean[:] += SMOOTHING * (row - mean)
            out[i] = np.abs(mean).max()
        return out

    return score


def principal_components(z: Floats) -> Score:
    """Hotelling's T2 within the components and the squared error outside, each in its healthy 99 % quantile."""
    model = PCA(KEPT_VARIANCE if z.shape[1] > 1 else 1, svd_solver="full").fit(z)

    def parts(rows: Floats) -> tuple[Floats, Floats]:
        inside = model.transform(rows)
        t2 = (inside**2 / np.maximum(model.explained_variance_, 1e-9)).sum(axis=1)
        return t2, ((rows - model.inverse_transform(inside)) ** 2).sum(axis=1)

    limits = [max(float(np.quantile(part, 0.99)), 1e-9) for part in parts(z)]
    return lambda rows: np.maximum(*(part / limit for part, limit in zip(parts(rows), limits, strict=True)))


def isolation_forest(z: Floats) -> Score:
    """How easily a random forest isolates the row, against healthy rows."""
    model = IsolationForest(n_estimators=100, random_state=SEED, n_jobs=1).fit(z)
    return lambda rows: np.asarray(-model.score_samples(rows))


METHODS: Mapping[str, Callable[[Floats], Score]] = {
    "fixed thresholds": fixed, "EWMA": moving_average, "IsolationForest": isolation_forest,
    "PCA T²+SPE": principal_components,
}  # fmt: skip
# Times the healthy 99 % quantile, where no history can choose; a forest's score has a ceiling.
USUAL_LEVEL = {"IsolationForest": 1.2}
LEVELS = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 8.0)


class Baseline:
    """One method on one asset: learned on the rows vouched for, an alarm at `level` times their 99 % quantile."""

    layer = "L2"

    def __init__(self, asset: str, method: str, level: float) -> None:
        self.id, self.asset, self.level = "baseline", asset, level
        self._fit = METHODS[method]
        self._evidence = Evidence(k=2, n=3, quiet_rows=10)
        self._healthy: list[Floats] = []
        self._until = 0.0
        self._score: Callable[[Floats], Floats] | None = None
        self._open: FindingFacts | None = None
        self._lasted = 0
        self.abnormal: list[bool] = []

    def update(self, block: Block) -> list[FindingFacts]:
        if block.healthy_until > self._until:  # somebody vouches anew: learn anew
            self._until, self._healthy, self._score = block.healthy_until, [], None
            self._evidence.cut()
            self._open = None
        learn = block.t <= self._until if self._until else np.zeros(len(block), dtype=bool)
        if not self._until and self._score is None:
            have = sum(len(part) for part in self._healthy)
            learn[: max(0, HEALTHY_ROWS - have)] = True
        self._healthy.append(block.values[learn & (self._score is None)])
        self.abnormal = [False] * len(block)
        rows = np.flatnonzero(~learn)
        if len(rows) == 0 or not self._ready():
            return []
        assert self._score is not None
        score = self._score(block.values[rows])
        for row, value in zip(rows, score, strict=True):
            self.abnormal[int(row)] = bool(value >= self.level)
        return self._findings(block.t[rows], score)

    def _ready(self) -> bool:
        if self._score is None:
            healthy = np.vstack(self._healthy)
            if len(healthy) < FEWEST_ROWS:
                return False
            self._score = _scored(healthy, self._fit)
            self._healthy = []
        return True

    def _findings(self, t: Floats, score: Floats) -> list[FindingFacts]:
        """Evidence as it begins and ends, and while it lasts: each of its first rows, then now and then."""
        found: list[FindingFacts] = []
        changes = {
            change.row: change for change in self._evidence.update(t, score, self.level, CLEAR_SHARE * self.level)
        }
        for row in range(len(t)):
            at, change = moment(t[row]), changes.get(row)
            if change is not None and change.opened:
                self._open, self._lasted = self._finding(float(score[row]), at), 0
                found.append(self._open)
            elif change is not None and self._open is not None:
                found.append(replace(self._open, last_at=at, cleared_at=at))
                self._open = None
            elif self._open is not None:
                self._lasted += 1
                if self._lasted <= TOLD_ROWS or self._lasted % TOLD_ROWS == 0:
                    found.append(replace(self._open, last_at=at))
        return found

    def _finding(self, peak: float, at: datetime) -> FindingFacts:
        return FindingFacts(
            asset=self.asset, detector=self.id, layer="L2", signature="baseline", kind="machine", first_at=at,
            last_at=at, cleared_at=None, score=peak, peak=peak, confidence=1.0, limit_open=self.level,
            limit_clear=CLEAR_SHARE * self.level, contributions=(), regime="", model_id="baseline", learning=False,
            severity="warning",
        )  # fmt: skip

    def learning(self) -> Learning:
        return Learning("ready" if self._score is not None else "learning", 1.0 if self._score is not None else 0.0)

    def rebaseline(self, at: float) -> None: ...

    def rewind(self) -> None: ...

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None: ...


def _scored(healthy: Floats, fit: Callable[[Floats], Score]) -> Callable[[Floats], Floats]:
    """The method's score in units of its healthy 99 % quantile; gaps are filled with the healthy mean."""
    with np.errstate(all="ignore"):
        counts = np.isfinite(healthy).sum(axis=0)
        centre = np.where(counts, np.nansum(healthy, axis=0) / np.maximum(counts, 1), 0.0)
        spread = np.sqrt(np.nansum((healthy - centre) ** 2, axis=0) / np.maximum(counts, 1))
    spread = np.where(spread > 1e-9, spread, np.maximum(np.abs(centre) * 1e-3, 1e-6))

    def standard(values: Floats) -> Floats:
        return np.asarray(np.nan_to_num((values - centre) / spread))

    score = fit(standard(healthy))
    limit = max(float(np.quantile(score(standard(healthy)), 0.99)), 1e-9)
    return lambda values: score(standard(values)) / limit


def entries(method: str, level: float) -> tuple[Entry, ...]:
    """The method as the only detector beside data quality, so that all see the same believed values."""
    quality = next(entry for entry in DETECTORS if entry.id == "data_quality")
    return (quality, Entry("baseline", partial(_create, method=method, level=level)))


def _create(asset: str, setup: AssetSetup, method: str, level: float) -> Any:
    return Baseline(asset, method, level)
