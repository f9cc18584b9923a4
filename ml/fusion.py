"""Fuse an asset's sensors into few indices of wear: directions in which histories moved as they neared failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.detectors.protocol import Floats

COMPONENTS = 3  # of what dying assets have in common: several failure modes each leave their own direction
LATE_SHARE = 0.3  # of the horizon: moments so close to the failure show where it leads
RIDGE = 100.0  # in moments: how many it takes until the regression is believed more than zero
WINDOWS = (5, 10, 20, 40)
REACH = 20.0  # deviations beyond this many spreads count as this many: one broken sensor must not own a direction


@dataclass(frozen=True, slots=True)
class Fusion:
    """`directions` [m, d]: how the sensors' deviations add up to each index."""

    directions: Floats

    def columns(self, deviation: Floats) -> Floats:
        """Means of each index over several windows, their changes and spread; row i looks back only."""
        if deviation.shape[1] == 0 or self.directions.shape[1] == 0:
            return np.zeros((len(deviation), 0))
        frame = pd.DataFrame(_bounded(deviation) @ self.directions)
        means = {w: frame.rolling(w, min_periods=1).mean() for w in WINDOWS}
        moved = [means[10] - means[10].shift(10), means[20] - means[20].shift(20), means[20] - means[20].shift(40)]
        spread = frame.rolling(20, min_periods=2).std()
        return np.hstack([part.to_numpy() for part in (*means.values(), *moved, spread)])

    def indices(self) -> list[int]:
        """Which direction each column is about."""
        return [d for _ in range(len(WINDOWS) + 4) for d in range(self.directions.shape[1])]


def fit_fusion(deviations: Sequence[Floats], lives: Sequence[Floats], horizon_s: float, cap_s: float) -> Fusion:
    """Fit on histories: deviations [n, m] and seconds to the failure [n] (infinite where none is known) of each."""
    if not deviations or deviations[0].shape[1] == 0:
        return Fusion(np.zeros((0, 0)))
    z = _bounded(np.vstack(deviations))
    life = np.concatenate(lives)
    late = z[life <= LATE_SHARE * horizon_s]
    if len(late) < z.shape[1]:
        return Fusion(np.zeros((z.shape[1], 0)))
    _, _, basis = np.linalg.svd(late, full_matrices=False)
    directions = [_pointing(vector, late) for vector in basis[:COMPONENTS]]
    y = np.minimum(life, cap_s)
    centred = z - z.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(z.shape[1]), centred.T @ (y - y.mean()))
    size = float(np.linalg.norm(weights))
    if size > 0:
        directions.append(-weights / size)
    return Fusion(np.column_stack(directions))


def _pointing(vector: Floats, late: Floats) -> Floats:
    """The direction with the sign that wear gives it: the decomposition's own sign means nothing."""
    return -vector if float((late @ vector).mean()) < 0 else vector


def _bounded(deviation: Floats) -> Floats:
    return np.asarray(np.clip(deviation, -REACH, REACH))
