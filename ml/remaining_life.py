"""Remaining life with an honest band: boosting on the asset's trends, its errors on held-out history as the band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.boosting import Boosted, fit_value
from ml.detectors.protocol import Floats
from ml.features import Moments
from ml.recorded_fleet import Asset, RecordedFleet
from ml.supervised import failures, folds, time_to_failure

CAP_SHARE = 1.25  # of the horizon: before degradation shows, a life beyond this cannot be told apart
MIN_HISTORIES = 10
COVERAGE = 0.90
NEIGHBOURS = 400  # held-out moments with the most similar prediction that make the band


@dataclass(frozen=True, slots=True)
class LifeModel:
    """Predicts seconds; `seen` and `error` are held-out predictions and their errors (truth minus prediction)."""

    model: Boosted
    cap_s: float
    seen: Floats
    error: Floats

    def predict(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Remaining life and its band (low, high) in seconds for each row."""
        life = np.clip(self.model.value(x), 0.0, self.cap_s)
        tail = (1 - COVERAGE) / 2
        low, high = np.empty(len(life)), np.empty(len(life))
        for i, value in enumerate(life):
            near = np.argsort(np.abs(self.seen - value), kind="stable")[:NEIGHBOURS]
            low[i], high[i] = value + np.quantile(self.error[near], [tail, 1 - tail])
        return life, np.clip(low, 0.0, None), np.maximum(high, life)


def train_life(fleet: RecordedFleet, history: Sequence[Asset], seen: dict[str, Moments]) -> LifeModel | None:
    """Fit on history assets that failed; None when there are too few of them."""
    failed = [a for a in history if len(failures(fleet, a.name, None)) and len(seen[a.name].t)]
    if len(failed) < MIN_HISTORIES:
        return None
    cap = CAP_SHARE * fleet.settings.horizon_s
    truth = {a.name: time_to_failure(seen[a.name].t, failures(fleet, a.name, None)) for a in failed}
    known = {name: np.isfinite(life) for name, life in truth.items()}

    def rows(assets: Sequence[Asset]) -> tuple[Floats, Floats]:
        x = np.vstack([seen[a.name].x[known[a.name]] for a in assets])
        return x, np.concatenate([truth[a.name][known[a.name]] for a in assets])

    predictions, errors = [], []
    for part in folds(len(failed)):
        x, y = rows([a for i, a in enumerate(failed) if i not in part])
        model = fit_value(x, np.minimum(y, cap))
        x, y = rows([failed[i] for i in part])
        guess = np.clip(model.value(x), 0.0, cap)
        predictions.append(guess)
        errors.append(y - guess)
    x, y = rows(failed)
    return LifeModel(fit_value(x, np.minimum(y, cap)), cap, np.concatenate(predictions), np.concatenate(errors))
