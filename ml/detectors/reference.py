"""The frozen picture of a healthy asset in one regime: each sensor expected from the others, and how far it strays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.detectors.protocol import Bools, Floats
from ml.detectors.widening import widened

DAY_S = 86400.0
MIN_ROWS = 20
MIN_SPREAD = 1e-9  # relative: below it a sensor is constant for us
CLIP_SIGMA = 6.0  # one wild sample must not make the scale
STRAY_SIGMA = 100.0  # so far beyond what was ever seen, a relation tells nothing
RIDGE_FLOOR = 0.02
EVIDENCE_ROWS = 20.0  # independent samples after which the template fades (its share is exp(-n / this))
BLOCKS = 8
ACCURACY = 0.001  # of the level: what an industrial transmitter can tell apart; less is never news
REACH_SIGMA = 8.0  # the score at which a work order opens: the tail may reach it once in the patience
NORMAL_EXCESS, PEAKS_PRIOR = 0.45, 5.0
TAIL_SIGMA = 5.0  # healthy rows held out from the fit may reach this many sigma, by construction of the scale
FAST_ROWS, SLOW_ROWS = 3.0, 20.0
ROUNDED = ("offset", "spread", "scale", "joint", "evidence")


@dataclass(frozen=True, slots=True)
class Reference:
    """Arrays over the m metrics (plus `hours`: 4 harmonics of the day when the data span days).

    Residual of sensor j is (z P)_j / P_jj with z the standardised row and P the inverse of the ridge-regularised
    correlation matrix: the ridge regression of each sensor on all others, in one product. A sensor that is missing
    in a row enters as its mean. Scales are in standardised units, one per smoothing (none, fast, slow).
    """

    centre: Floats
    offset: Floats  # of the residuals, standardised: zero until a repair moved the asset
    spread: Floats
    precision: Floats
    usable: Bools
    scale: Floats  # [3, m]: raw, fast, slow
    joint: Floats  # [2, 2]: usual level and reach of the root sum of squares over sensors, fast and slow
    evidence: Floats  # independent samples per metric
    dt: float
    span: float
    rows: int
    hours: bool

    def __post_init__(self) -> None:
        """Keep seven digits of what is frozen: half the memory in a fleet's bank, and the same numbers everywhere."""
        symmetric = (self.precision + self.precision.T) / 2
        for name, exact in (("precision", symmetric), *((name, getattr(self, name)) for name in ROUNDED)):
            object.__setattr__(self, name, np.asarray(exact, dtype=np.float32).astype(float))

    def residual(self, t: Floats, values: Floats) -> Floats:
        """Standardised residuals [n, m]; NaN where the sensor is missing or unusable."""
        z = standardise(values, self.centre, self.spread, self.usable)
        full = with_hours(t, z) if self.hours else z
        # Relations hold where they were learned: what strays further explains no more of the others than it did there.
        inside = np.clip(np.nan_to_num(full, nan=0.0), -STRAY_SIGMA, STRAY_SIGMA)
        r = (inside @ self.precision) / np.diag(self.precision)
        m = values.shape[1]
        return np.where(np.isfinite(z), r[:, :m] + (z - inside[:, :m]) - self.offset, np.nan)

    def expected(self, t: Floats, values: Floats) -> Floats:
        """What each sensor should read, in its own unit [n, m]."""
        return np.asarray(values - self.residual(t, values) * self.spread)

    def typical_evidence(self) -> float:
        """Independent samples behind the median sensor."""
        return _typical(self.evidence[self.usable])

    def widened(self, at: Sequence[int], size: int) -> Reference:
        """The same of metrics in columns `at` of `size`: the others are not usable, and tell nothing of these."""
        more = np.arange(size, size + len(self.precision) - len(self.centre)).tolist()  # the hours
        precision = np.eye(size + len(more))
        precision[np.ix_([*at, *more], [*at, *more])] = self.precision
        return replace(
            self, precision=precision, usable=np.isin(np.arange(size), np.asarray(at)[self.usable]),
            centre=widened(self.centre, at, size, 0.0), offset=widened(self.offset, at, size, 0.0),
            spread=widened(self.spread, at, size, 1.0), scale=widened(self.scale, at, size, 1.0),
            evidence=widened(self.evidence, at, size, 1.0),
        )  # fmt: skip

    def digest(self) -> str:
        """Hash of the content: equal digests mean equal arithmetic."""
        content = hashlib.sha256()
        for part in (self.centre, self.offset, self.spread, self.precision, self.scale, self.joint):
            content.update(np.ascontiguousarray(part).tobytes())
        return content.hexdigest()[:12]

    def own_scale(self) -> Floats:
        """The fast scale in each metric's own unit, NaN where unusable: experience for the next reference."""
        return np.where(self.usable, self.scale[1] * self.spread, np.nan)


def standardise(values: Floats, centre: Floats, spread: Floats, usable: Bools) -> Floats:
    z = (values - centre) / spread
    return np.where(usable, z, np.nan)


def with_hours(t: Floats, z: Floats) -> Floats:
    angle = 2 * np.pi * (t % DAY_S)[:, None] / DAY_S
    return np.hstack([z, np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]) * 1.0


def independent_rows(z: Floats) -> Floats:
    """Effective number of samples per column, 1 at least: the smaller of two answers.

    Lag-1 correlation r gives n (1 - r) / (1 + r); the variance of the means of BLOCKS stretches gives
    BLOCKS * var / var(means), which also sees slow drift that neighbouring rows hide.
    """
    known = np.nan_to_num(z, nan=0.0)
    power = (known**2).mean(0)
    lagged = (known[1:] * known[:-1]).mean(0)
    r = np.divide(lagged, power, out=np.ones_like(power), where=power > 0)
    n = np.isfinite(z).sum(0)
    by_lag = n * (1 - r) / (1 + np.clip(r, -0.5, 1.0))
    between = np.stack([part.mean(0) for part in np.array_split(known, BLOCKS)]).var(0, ddof=1)
    by_block = np.divide(BLOCKS * power, between, out=np.array(by_lag), where=between > 0)
    return np.asarray(np.clip(np.minimum(by_lag, by_block), 1.0, None))


def fit(
    t: Floats, values: Floats, wander: Floats, scored: Bools, patience_s: float, prior: Floats | None = None
) -> Reference | None:
    """Fit a reference to healthy rows, or None when there is nothing to learn from.

    `wander` [m] is the template's scale as a share of the level; `prior` [m] an earlier scale of this asset (or its
    peers) in the metric's own unit, NaN where there is none. `scored` [m] are the sensors whose residuals count,
    `patience_s` the time in which one false work order is acceptable: scales reach as far as the tails of held-out
    residuals say that healthy rows get in this time.
    """
    if len(t) < MIN_ROWS:
        return None
    n_known = np.isfinite(values).sum(0)
    enough = n_known >= max(MIN_ROWS // 2, len(t) // 2)
    filled = np.where(enough, values, 0.0)
    centre = np.nan_to_num(np.nanmedian(filled, axis=0))
    spread = _spread(filled, centre)
    believed = (
        np.abs(centre) * wander if prior is None else np.where(np.isfinite(prior), prior, np.abs(centre) * wander)
    )
    moves = spread > MIN_SPREAD * np.maximum(np.abs(centre), 1e-12)
    usable = enough & (moves | (believed > 0))
    # A sensor that stood still is worth watching only by the scale believed for it.
    spread = np.where(moves, spread, np.where(believed > 0, believed, 1.0))
    z = np.clip(standardise(filled, centre, spread, usable), -CLIP_SIGMA, CLIP_SIGMA)
    centre = centre + np.where(usable, np.nan_to_num(_mean(z)), 0.0) * spread
    z = np.clip(standardise(filled, centre, spread, usable), -CLIP_SIGMA, CLIP_SIGMA)
    span = float(t[-1] - t[0])
    hours = span >= 2 * DAY_S
    full = with_hours(t, z) if hours else z
    before = _typical(independent_rows(z)[usable & moves])
    precision = _precision(full, before)
    dt = max(float(np.median(np.diff(t))), 1e-3)
    levels = _held_out_levels(full, values.shape[1], before, np.isfinite(z))
    # What counts is how independent the unexplained rest is: a daily cycle that the others explain is no drift.
    evidence = np.where(moves, independent_rows(levels[0]), 1.0)
    fade = np.exp(-evidence / EVIDENCE_ROWS)
    scale = _scales(levels, patience_s / dt)
    template = fade * (believed / spread) ** 2 + (ACCURACY * np.abs(centre) / spread) ** 2
    scale = np.sqrt(scale**2 + template)
    joint = np.stack([_joint_reach(levels[i], scale[i], usable & scored, patience_s / dt) for i in (1, 2)])
    return Reference(
        centre, np.zeros_like(centre), spread, precision, usable, scale, joint, evidence, dt, span, len(t), hours
    )


def _mean(z: Floats) -> Floats:
    known = np.isfinite(z)
    return np.asarray(np.where(known, z, 0.0).sum(0) / np.maximum(known.sum(0), 1))


def _spread(values: Floats, centre: Floats) -> Floats:
    """Standard deviation with the wildest rows pulled in; robust where it can be, never zero by quantisation."""
    off = np.abs(values - centre)
    robust = 1.4826 * np.nan_to_num(np.nanmedian(off, axis=0))
    plain = np.sqrt(np.nan_to_num(np.nanmean(off**2, axis=0)))
    limit = np.where(robust > 0, CLIP_SIGMA * robust, np.inf)
    clipped = np.sqrt(np.nan_to_num(np.nanmean(np.minimum(off, limit) ** 2, axis=0)))
    return np.asarray(np.where(clipped > 0, clipped, plain))


def _typical(evidence: Floats) -> float:
    return float(np.median(evidence)) if len(evidence) else 1.0


def _precision(z: Floats, evidence: float) -> Floats:
    known = np.nan_to_num(z, nan=0.0)
    c = known.T @ known / max(len(z), 1)
    m = c.shape[0]
    # Few independent rows cannot tell a real relation from a chance one: the ridge grows as evidence shrinks.
    ridge = RIDGE_FLOOR + m / max(evidence, 1.0)
    return np.asarray(np.linalg.inv(c + ridge * np.eye(m)))


def _held_out_levels(z: Floats, m: int, evidence: float, known: Bools) -> list[Floats]:
    """Residuals on the half not fitted on: raw, fast and slow, [n, m] each. Drift between halves counts."""
    half = len(z) // 2
    residual = np.empty((len(z), m))
    for fit_rows, test_rows in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        centre = _mean(z[fit_rows])
        p = _precision(z[fit_rows] - centre, evidence / 2)
        residual[test_rows] = ((np.nan_to_num(z[test_rows] - centre) @ p) / np.diag(p))[:, :m]
    residual = np.where(known, residual, np.nan)
    return [residual, smooth(residual, FAST_ROWS), smooth(residual, SLOW_ROWS)]


def _scales(levels: list[Floats], patience_rows: float) -> Floats:
    scales = np.stack([_tail_scale(level, patience_rows) for level in levels])
    # Smoothing cannot be trusted to help more than it does on independent rows.
    scales[1] = np.maximum(scales[1], scales[0] / np.sqrt(2 * FAST_ROWS))
    scales[2] = np.maximum(scales[2], scales[0] / np.sqrt(2 * SLOW_ROWS))
    return np.maximum(scales, 1e-3)


def _tail_scale(level: Floats, patience_rows: float) -> Floats:
    """One sigma per column such that neither spread, nor the worst row, nor the extrapolated tail is news."""
    off = np.abs(np.nan_to_num(level))
    spread = np.sqrt((off**2).mean(0))
    return np.asarray(np.maximum.reduce([spread, off.max(0) / TAIL_SIGMA, reach(off, patience_rows) / REACH_SIGMA]))


def reach(off: Floats, patience_rows: float) -> Floats:
    """The level per column that independent excursions pass once in `patience_rows` rows (exponential tail).

    Peaks over the 90 % quantile u, one per excursion, with mean excess b and rate r per row: u + b log(r rows).
    The mean excess is shrunk to a normal tail's with the weight of PEAKS_PRIOR peaks.
    """
    u = np.quantile(off, 0.9, axis=0)
    above = off > u
    begins = above & ~np.vstack([np.zeros((1, off.shape[1]), dtype=bool), above[:-1]])
    count = begins.sum(0)
    peak_excess = np.zeros(off.shape[1])
    for j in np.flatnonzero(count):
        starts = np.flatnonzero(begins[:, j])
        peak_excess[j] = (np.maximum.reduceat(np.where(above[:, j], off[:, j], u[j]), starts) - u[j]).sum()
    normal = NORMAL_EXCESS * np.sqrt((off**2).mean(0))
    excess = (peak_excess + PEAKS_PRIOR * normal) / (count + PEAKS_PRIOR)
    return np.asarray(u + excess * np.log(np.maximum(patience_rows * np.maximum(count, 1) / len(off), 1.0)))


def joint_level(z: Floats) -> Floats:
    """Root of the sum of squares over sensors: small deviations of many count together."""
    return np.asarray(np.sqrt((np.nan_to_num(z) ** 2).sum(1)))


def _joint_reach(level: Floats, scale: Floats, counted: Bools, patience_rows: float) -> Floats:
    """Usual level and reach beyond it; reach at least what independent normal sensors would show."""
    d = joint_level(np.where(counted, level / scale, 0.0))
    usual = max(float(np.median(d)), float(np.sqrt(counted.sum())))
    far = max(float(reach(d[:, None], patience_rows)[0]), float(d.max()) * REACH_SIGMA / TAIL_SIGMA)
    return np.array([usual, max(far - usual, REACH_SIGMA, REACH_SIGMA - usual)])


def smooth(residual: Floats, rows: float) -> Floats:
    """EWMA over rows with memory `rows`; missing rows keep the last value."""
    alpha = 1 - np.exp(-1 / rows)
    steps = np.where(np.isfinite(residual), alpha, 0.0)
    out = np.empty_like(residual)
    level = np.zeros(residual.shape[1])
    known = np.nan_to_num(residual)
    for i in range(len(known)):
        level = level + steps[i] * (known[i] - level)
        out[i] = level
    return out
