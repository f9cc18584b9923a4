"""Many variables in closed loops: T² and SPE of lagged rows, smoothed over several times, on held-out scales.

A loop hides a fault from the variable it controls; what is left shows in how the variables of several moments go
together. Arithmetic after Ku, Storer, Georgakis (1995, dynamic PCA) and Lowry et al. (1992, MEWMA).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ml.detectors import reference
from ml.detectors.protocol import Bools, Floats

MIN_METRICS = 12  # fewer variables are served by the residuals alone
ROWS_PER_METRIC = 2.5  # to begin with; what is not known by then is made up for by wider scales
LAGS = 2
SCALES = (1.0, 5.0, 20.0)  # rows over which whitened rows are averaged
POWER_ROWS = 20.0  # over which the raw statistics are averaged: a wilder machine, not a shifted one
HEAD_SHARE = 0.92  # of the variance: the directions of T², the rest are those of SPE
FOLDS = 4
RUN_ROWS = 40  # a run at least as long shows one standing of its own
CLIP_HEALTHY, CLIP_SIGMA, CLIP_SQUARE = 6.0, 20.0, 36.0  # one wild sensor is not the whole machine
SHRINK_MIN = 0.005
SIGMA_MIN = 0.3
UNKNOWN = 4.0  # the square of a scale grows by this over the number of independent samples behind it
PLENTY = 8.0  # rows per metric; with fewer it grows with the square of the shortage
ALARM_QUANTILE, ALARM_MIN = 0.99, 2.33
ALARM_SCORE, OPEN_SCORE = 5.0, 8.0  # the levels of the residual model, see `ResidualSettings`
OPEN_MIN = 1.5  # times the alarm level
ELSEWHERE = 9.0  # mean square of own offsets, in those expected: beyond it this machine stands elsewhere
OWN_PRIOR = 3.0  # independent own rows that weigh as much as what was learned at first
OWN_FAR = 1.0  # own rows may be at most so much louder than was learned: more is no habit
OWN_SIGMA = 3.0  # spreads beyond the mean of an asset's own worst statistic: its own alarm level
SAME_PLACE = 1.5  # mean square of own offsets, in those expected: up to it this is the same machine's wander
DT_RANGE = (0.6, 1.6)  # of the row distance learned at: lags in rows mean nothing at another pace


@dataclass(frozen=True, slots=True)
class Dynamics:
    """What healthy lagged rows look like, d = m * (LAGS + 1): `basis` [d, d] whitens them, strongest first.

    `sigma` [scales, d] are held-out spreads after smoothing, `offset` [d] where this asset stands otherwise than its
    peers; `usual` and `beyond` [s] normalise the statistics' cube roots (Wilson-Hilferty), of which the largest counts.
    """

    centre: Floats
    spread: Floats
    inputs: Bools  # [m] conditions: they explain, and are nobody's fault
    explained: Floats  # [m, m] regression on the conditions
    within: Floats  # [m, m] inverse covariance within one row, to fill in what is missing
    basis: Floats
    offset: Floats
    sigma: Floats
    head: int
    usual: Floats
    beyond: Floats
    alarm: float
    opens: float
    dt: float
    rows: int

    def digest(self) -> str:
        content = hashlib.sha256()
        for field in fields(self):
            content.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return content.hexdigest()[:12]

    def suits(self, dt: float) -> bool:
        """Do rows this far apart (seconds) come at the pace learned at?"""
        return DT_RANGE[0] * self.dt <= dt <= DT_RANGE[1] * self.dt

    def to_plain(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Track:
    """Where the smoothing stands: the last rows [LAGS, m], averages [scales, d] and [2], rows since the start."""

    last: Floats
    levels: Floats
    power: Floats
    count: int

    def to_plain(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def fit(runs: Sequence[Floats], inputs: Bools, dt: float, patience_s: float, common: bool = True) -> Dynamics | None:
    """Learn from healthy runs [n, m] in time order; None while there are too few rows.

    With `common` all runs are of machines that stand at the same level, else each is centred by itself.
    """
    n, m = sum(map(len, runs)), runs[0].shape[1]
    if m < MIN_METRICS or n < ROWS_PER_METRIC * m:
        return None
    pooled = np.concatenate(runs)
    if not common:
        runs = [run - _mean(run) + _mean(pooled) for run in runs]
        pooled = np.concatenate(runs)
    centre = _mean(pooled)
    spread = np.sqrt(_mean((pooled - centre) ** 2))
    spread = np.maximum(spread, reference.ACCURACY * np.abs(centre))
    spread = np.where(spread > 0, spread, 1.0)
    known = [np.nan_to_num(np.clip((run - centre) / spread, -CLIP_HEALTHY, CLIP_HEALTHY)) for run in runs]
    explained = _explained(np.concatenate(known), inputs)
    known = [_without(run, explained, inputs) for run in known]
    lags = [lagged(run) for run in known]
    basis, strengths = whitening(np.concatenate(lags))
    head = int((np.cumsum(strengths) < HEAD_SHARE * strengths.sum()).sum()) + 1
    held_out = _held_out(known)
    smoothed = [[smooth(run, rows) for run in held_out] for rows in SCALES]
    sigma = np.stack([np.sqrt(np.mean(np.concatenate(level) ** 2, axis=0)) for level in smoothed])
    sigma = np.maximum(sigma, SIGMA_MIN)
    told = np.concatenate([
        statistics(np.stack([level[i] for level in smoothed]), sigma, head)[0] for i in range(len(held_out))
    ])  # fmt: skip
    usual, beyond = told.mean(axis=0), np.maximum(told.std(axis=0), 1e-6)
    worst = ((told - usual) / beyond).max(axis=1)
    alarm = max(float(np.quantile(worst, ALARM_QUANTILE)), ALARM_MIN)
    reach = float(reference.reach(np.maximum(worst, 0.0)[:, None], patience_s / dt)[0])
    within = np.asarray(np.linalg.inv(_shrunk(np.concatenate(known))), dtype=float)
    starts = sum(len(run) >= RUN_ROWS for run in runs)
    unseen = np.stack([_unseen(level, rows, n / m, starts) for level, rows in zip(smoothed, SCALES, strict=True)])
    # What slow wander was not seen is missing in the faster averages too.
    wide = np.sqrt(sigma**2 + np.maximum.accumulate((sigma**2 * unseen)[::-1], axis=0)[::-1])
    return Dynamics(
        centre, spread, inputs, explained, within, basis, np.zeros(len(basis)), wide, head, usual, beyond,
        alarm, max(reach, OPEN_MIN * alarm), dt, n,
    )  # fmt: skip


def advance(
    known: Dynamics, track: Track | None, values: Floats, habits: Floats | None = None
) -> tuple[Floats, Floats, Track]:
    """Scores [n] of rows [n, m] in time order (ALARM_SCORE and OPEN_SCORE are the levels).

    Also returns the statistics and the worst of them [n, s + 1], which `practised` sums up, and where the smoothing
    stands then.
    """
    rows = prepared(known, values)
    d = len(known.basis)
    if track is None:
        track = Track(np.repeat(rows[:1], LAGS, axis=0), np.zeros((len(SCALES), d)), np.ones(2), 0)
    white = lagged(rows, track.last) @ known.basis - known.offset
    counts = track.count + np.arange(1.0, len(rows) + 1)
    levels = np.empty((len(SCALES), *white.shape))
    ends = np.empty_like(track.levels)
    for i, span in enumerate(SCALES):
        levels[i], ends[i] = _averaged(white, span, track.levels[i], counts)
    told, power = statistics(levels, known.sigma, known.head, track.power)
    usual, beyond, alarm = own_levels(known, habits)
    far = ((told - usual) / beyond).max(axis=1)
    told = np.hstack([told, far[:, None]])
    last = np.concatenate([track.last, rows])[-LAGS:]
    return graded(far, alarm, known.opens), told, Track(last, ends, power, int(counts[-1]))


def practised(habits: Floats | None, told: Floats) -> Floats:
    """Add healthy rows' statistics [n, s + 1] to the asset's habits [3, s + 1]: rows, sums, sums of squares."""
    seen = np.stack([np.full(told.shape[1], float(len(told))), told.sum(axis=0), (told**2).sum(axis=0)])
    return seen if habits is None else np.asarray(habits + seen)


def own_levels(known: Dynamics, habits: Floats | None) -> tuple[Floats, Floats, float]:
    """Usual level and spread of each statistic [s], and the alarm level of the worst of them.

    What was learned at first is shrunk towards what the asset's own quiet rows show; the alarm level only falls.
    """
    if habits is None:
        return known.usual, known.beyond, known.alarm
    rows = habits[0]
    mean = habits[1] / rows
    spread = np.maximum(habits[2] / rows - mean**2, 0.0)
    independent = float(rows[0]) / (2 * SCALES[-1])  # also of the raw ones: machines wander slowly
    share = independent / (independent + OWN_PRIOR)
    usual = known.usual + share * (np.minimum(mean[:-1], known.usual + OWN_FAR * known.beyond) - known.usual)
    beyond = np.sqrt((1 - share) * known.beyond**2 + share * np.minimum(spread[:-1], known.beyond**2))
    worst = float(np.clip(mean[-1] + OWN_SIGMA * np.sqrt(spread[-1]), ALARM_MIN, known.alarm))
    return usual, beyond, known.alarm + share * (worst - known.alarm)


def graded(far: Floats, alarm: float, opens: float) -> Floats:
    """The worst statistic on the scale of the residual model: ALARM_SCORE at its alarm level, OPEN_SCORE at opening."""
    below = ALARM_SCORE * np.maximum(far, 0.0) / alarm
    steps = (far - alarm) / (opens - alarm)
    return np.where(far < alarm, below, ALARM_SCORE + (OPEN_SCORE - ALARM_SCORE) * steps)


def at_home(known: Dynamics, own: Floats) -> Dynamics:
    """Move the centre to where this asset's own healthy rows [n, m] stand, as far as that is more than chance."""
    if len(own) == 0:
        return known
    white = lagged(prepared(known, own)) @ known.basis
    offset = white.mean(axis=0)
    # Averages over SCALES[-1] rows of memory spread like means over twice as many rows.
    chance = known.sigma[-1] ** 2 * max(1.0, 2 * SCALES[-1] / len(own))
    ratio = np.minimum(offset**2 / chance, CLIP_SQUARE)
    share = np.ones_like(ratio) if ratio.mean() > ELSEWHERE else np.maximum(0.0, 1.0 - 1.0 / np.maximum(ratio, 1e-9))
    # Machines that stand apart: where this one stands is known only as well as its few own rows tell.
    apart = max(0.0, 1.0 - SAME_PLACE / max(float(ratio.mean()), 1e-9))
    return replace(known, offset=offset * share, sigma=np.sqrt(known.sigma**2 + apart * chance))


def prepared(known: Dynamics, values: Floats) -> Floats:
    """Standardised rows without what the conditions explain; what is missing as expected from the rest of its row.

    Metrics that came after it was learned stand behind the others and are left out.
    """
    values = values[:, : len(known.centre)]
    z = np.clip((values - known.centre) / known.spread, -CLIP_SIGMA, CLIP_SIGMA)
    missing = ~np.isfinite(z)
    rows = _without(np.where(missing, 0.0, z), known.explained, known.inputs)
    for pattern in np.unique(missing[missing.any(axis=1)], axis=0):
        places = (missing == pattern).all(axis=1)
        gone, there = np.flatnonzero(pattern), np.flatnonzero(~pattern)
        own = known.within[np.ix_(gone, gone)]
        rows[np.ix_(places, gone)] = -np.linalg.solve(
            own, known.within[np.ix_(gone, there)] @ rows[places][:, there].T
        ).T
    return rows


def lagged(rows: Floats, before: Floats | None = None) -> Floats:
    """Each row beside the LAGS rows before it [n, m * (LAGS + 1)]; `before` are the rows before the first."""
    before = np.repeat(rows[:1], LAGS, axis=0) if before is None else before
    whole = np.concatenate([before, rows])
    return np.hstack([whole[LAGS - lag : len(whole) - lag] for lag in range(LAGS + 1)])


def whitening(x: Floats) -> tuple[Floats, Floats]:
    """Directions by falling variance, each divided by its spread, and the variances."""
    values, vectors = np.linalg.eigh(_shrunk(x))
    values, vectors = values[::-1], vectors[:, ::-1]
    return vectors / np.sqrt(values), values


def smooth(white: Floats, rows: float) -> Floats:
    """Averages over `rows` rows from a standing start, as wide from the first row on as they become."""
    return _averaged(white, rows, np.zeros(white.shape[1]), np.arange(1.0, len(white) + 1))[0]


def statistics(levels: Floats, sigma: Floats, head: int, power: Floats | None = None) -> tuple[Floats, Floats]:
    """Per row the cube roots of T² and SPE at each scale, and the logs of both averaged raw: [n, 2 scales + 2].

    `levels` [scales, n, d], `sigma` [scales, d]; also returns where the averages `power` [2] stand then.
    """
    square = np.minimum((levels / sigma[:, None, :]) ** 2, CLIP_SQUARE)
    both = [part.mean(axis=2) for part in (square[:, :, :head], square[:, :, head:]) if part.shape[2]]
    raw = np.stack([part[0] for part in both], axis=1)
    alpha = 1 - np.exp(-1 / POWER_ROWS)
    before = np.ones(raw.shape[1]) if power is None else power[: raw.shape[1]]
    averaged, _ = _filter([alpha], [1, alpha - 1], raw, axis=0, zi=((1 - alpha) * before)[None])
    after = np.array(power) if power is not None else np.ones(2)
    after[: raw.shape[1]] = averaged[-1]
    return np.hstack([np.cbrt(np.vstack(both).T), np.log(np.maximum(averaged, 1e-3))]), after


def _averaged(white: Floats, rows: float, before: Floats, counts: Floats) -> tuple[Floats, Floats]:
    if rows <= 1:
        return white, white[-1]
    alpha = 1 - np.exp(-1 / rows)
    level, _ = _filter([alpha], [1, alpha - 1], white, axis=0, zi=((1 - alpha) * before)[None])
    return level / np.sqrt(1 - (1 - alpha) ** (2.0 * counts))[:, None], level[-1]


def _held_out(known: Sequence[Floats]) -> list[Floats]:
    """Whitened rows of each part, by directions learned from the other parts."""
    folds: list[list[Floats]] = [[] for _ in range(FOLDS)]
    most = -(-sum(map(len, known)) // FOLDS)
    parts = [part for run in known for part in np.array_split(run, -(-len(run) // most))]
    for part in sorted(parts, key=len, reverse=True):
        min(folds, key=lambda fold: sum(map(len, fold))).append(part)
    white = []
    for i, fold in enumerate(folds):
        rest = [run for j, other in enumerate(folds) if j != i for run in other]
        centre = np.concatenate(rest).mean(axis=0)
        basis, _ = whitening(np.concatenate([lagged(run - centre) for run in rest]))
        white += [lagged(run - centre)[LAGS:] @ basis for run in fold if len(run) > 2 * LAGS]
    return white


def _unseen(level: Sequence[Floats], rows: float, rows_per_metric: float, runs: int) -> Floats:
    """The variance that so few independent samples could not show, as a share of what they did."""
    alpha = 1 - np.exp(-1 / rows) if rows > 1 else 1.0
    lag, n = int(rows), sum(map(len, level))
    pairs = [(run[lag:], run[:-lag]) for run in level if len(run) > lag]
    most = n * alpha / (2 - alpha)
    independent = np.full(level[0].shape[1], min(most, 1.0))
    if pairs:
        together = sum(((a * b).sum(axis=0) for a, b in pairs), np.zeros(level[0].shape[1]))
        alone = sum((((a**2).sum(axis=0) + (b**2).sum(axis=0)) / 2 for a, b in pairs), np.full_like(together, 1e-12))
        likeness = np.clip(together / alone, 0.0, 0.98)
        independent = np.minimum(n / lag * (1 - likeness) / (1 + likeness), most)
    independent = np.maximum(independent, runs)  # each begins anew, however slow its wander
    short = max(1.0, PLENTY / rows_per_metric) ** 2
    return np.asarray(UNKNOWN * short / np.maximum(independent, 1.0))


def _explained(known: Floats, inputs: Bools) -> Floats:
    m = known.shape[1]
    if not inputs.any():
        return np.zeros((m, m))
    x = known[:, inputs]
    ridge = reference.RIDGE_FLOOR * len(known) * np.eye(x.shape[1])
    out = np.zeros((m, m))
    out[inputs] = np.linalg.solve(x.T @ x + ridge, x.T @ known)
    return out


def _without(rows: Floats, explained: Floats, inputs: Bools) -> Floats:
    return np.where(inputs, 0.0, rows - rows @ explained) if inputs.any() else rows


def _shrunk(x: Floats) -> Floats:
    """Covariance drawn towards equal variances as far as so few rows call for it (Ledoit and Wolf, 2004)."""
    n, p = x.shape
    sample = x.T @ x / n
    mean = max(float(np.trace(sample)) / p, 1e-9)
    distance = ((sample - mean * np.eye(p)) ** 2).sum() / p
    noise = (((x**2).T @ (x**2)) / n - sample**2).sum() / p / n
    share = min(1.0, max(SHRINK_MIN, noise / distance if distance > 0 else 1.0))
    return np.asarray((1 - share) * sample + share * mean * np.eye(p))


def _mean(values: Floats) -> Floats:
    there = np.isfinite(values)
    return np.asarray(np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def _filter(b: list[float], a: list[float], x: Floats, axis: int, zi: Floats) -> tuple[Floats, Floats]:
    """`scipy.signal.lfilter`, loaded by the first asset of many variables: it takes a second that others need not."""
    from scipy.signal import lfilter

    averaged, end = lfilter(b, a, x, axis=axis, zi=zi)
    return averaged, end
