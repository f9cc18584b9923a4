"""How wrong a remaining life may be: errors on held-out histories, each asset with one voice (conformal by asset)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.detectors.protocol import Floats

COVERAGE = 0.90
NEAR_SHARE = 0.25  # of all held-out weight: moments with the most similar prediction that make a band
UNSEEN_SHARE = 0.02  # of healthy moments look as ill as the least ill one that gets an estimate


@dataclass(frozen=True, slots=True)
class LifeBand:
    """Held-out moments in order of prediction [n]: what was predicted, truth minus prediction (seconds), the weight
    (all moments of an asset weigh 1 together), and the number of assets.

    `degraded_below` is the prediction from which on an asset looks as assets do that are far from any failure.
    """

    predicted: Floats
    error: Floats
    weight: Floats
    assets: int
    degraded_below: float

    def quantiles(self, life: float, shares: Sequence[float]) -> Floats:
        """Errors below which these shares of the errors near this prediction are, widened for a finite number of
        assets: with n of them, the share q beyond the middle stands at ceil((n + 1) q) / n."""
        rows = self.near(life)
        order = rows[np.argsort(self.error[rows], kind="stable")]
        reached = np.cumsum(self.weight[order])
        reached /= reached[-1]
        picked = []
        for share in shares:
            wide = 0.5 + (share - 0.5) * (1 + 1 / self.assets)
            picked.append(order[min(int(np.searchsorted(reached, np.clip(wide, 0, 1))), len(order) - 1)])
        return np.asarray(self.error[np.array(picked)])

    def near(self, life: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Rows around this prediction that weigh NEAR_SHARE together, as many below it as above where there are."""
        reached = np.cumsum(self.weight)
        middle = reached[min(int(np.searchsorted(self.predicted, life)), len(reached) - 1)] / reached[-1]
        low = float(np.clip(middle - NEAR_SHARE / 2, 0.0, 1.0 - NEAR_SHARE))
        inside = (reached >= low * reached[-1]) & (reached <= (low + NEAR_SHARE) * reached[-1])
        return np.flatnonzero(inside) if inside.any() else np.arange(len(self.predicted))

    def probability(self, life: float, within_s: float) -> float:
        """How probable the failure is within this time, by the same errors."""
        rows = self.near(life)
        return float(self.weight[rows] @ (life + self.error[rows] <= within_s) / self.weight[rows].sum())


def band_of(predicted: Sequence[Floats], truth: Sequence[Floats], cap_s: float) -> LifeBand:
    """The band that held-out predictions and true lives of each asset justify."""
    weights = [np.full(len(p), 1 / max(len(p), 1)) for p in predicted]
    p, y, w = np.concatenate(predicted), np.concatenate(truth), np.concatenate(weights)
    order = np.argsort(p, kind="stable")
    return LifeBand(p[order], (y - p)[order], w[order], len(predicted), _healthy_limit(predicted, truth, cap_s))


def _healthy_limit(predicted: Sequence[Floats], truth: Sequence[Floats], cap_s: float) -> float:
    """The prediction below which few moments far from any failure are; infinite where no such moment is known."""
    far = [p[y > cap_s] for p, y in zip(predicted, truth, strict=True)]
    far = [p for p in far if len(p)]
    if not far:
        return np.inf
    values = np.concatenate(far)
    weights = np.concatenate([np.full(len(p), 1 / len(p)) for p in far])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order[min(int(np.searchsorted(reached, UNSEEN_SHARE)), len(order) - 1)]])
