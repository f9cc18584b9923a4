"""Remaining life with an honest band, or none where no degradation is seen: boosting on the asset's trends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ml.boosting import SEED, Trees, fit_value
from ml.detectors import plain
from ml.detectors.protocol import Floats, State
from ml.families import suits
from ml.features import Moments, Vocabulary
from ml.fusion import Fusion, fit_fusion
from ml.life_band import COVERAGE, LifeBand, band_of
from ml.supervised import CAP_SHARE, Lesson, Refused

MIN_HISTORIES = 10
MAX_MISSING = 0.5  # of the metrics: an asset that tells less is unlike those learned from
JUDGED_EVERY = 5  # moments of a history: neighbours say the same
NOT_SEEN, UNLIKE = "no_degradation_seen", "unlike_history"


@dataclass(frozen=True, slots=True)
class LifeEstimate:
    """Remaining life and its band in seconds, or None with the reason."""

    t: float
    life_s: float | None
    low_s: float | None
    high_s: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LifeModel:
    """Trees on trends and indices of wear, and how far they were off on assets that they had not seen.

    `figures` are those of held-out history: error (seconds), coverage, width, share of moments with an estimate.
    """

    family: tuple[str, ...]
    words: Vocabulary
    fusion: Fusion
    trees: Trees
    cap_s: float
    band: LifeBand
    figures: dict[str, float]
    since: float
    until: float

    @property
    def id(self) -> str:
        return "life-" + hashlib.sha256(plain.pack(self.state())).hexdigest()[:12]

    @property
    def name(self) -> str:
        """What stays the same from one training to the next."""
        return f"life:{'+'.join(self.family)}"

    def suits(self, model: str, metrics: Sequence[str]) -> bool:
        return suits(self.family, self.words.metrics, model, metrics)

    def inputs(self, seen: Moments) -> Floats:
        """What the trees look at [n, k] for each moment."""
        return np.hstack([seen.x, self.fusion.columns(seen.deviation)])

    def value(self, inputs: Floats) -> Floats:
        """Seconds left for each row, up to the longest life that can be told apart."""
        return _value(self.trees, inputs, self.cap_s)

    def estimate(self, t: Floats, inputs: Floats) -> list[LifeEstimate]:
        """An estimate for each row [n] of inputs [n, k] at times t."""
        values = inputs[:, : len(self.words.metrics)]
        missing = np.isnan(values).mean(axis=1) if values.shape[1] else np.zeros(len(inputs))
        return [
            self._one(float(at), float(life), float(gone))
            for at, life, gone in zip(t, self.value(inputs), missing, strict=True)
        ]

    def _one(self, t: float, life: float, missing: float) -> LifeEstimate:
        if missing > MAX_MISSING:
            return LifeEstimate(t, None, None, None, UNLIKE)
        if life >= self.band.degraded_below:
            return LifeEstimate(t, None, None, None, NOT_SEEN)
        tail = (1 - COVERAGE) / 2
        low, high = life + self.band.quantiles(life, (tail, 1 - tail))
        return LifeEstimate(t, life, max(0.0, float(low)), max(float(high), life))

    def fails_within(self, life_s: float, seconds: float) -> float:
        """How probable a failure within this time is, where `life_s` is what was estimated."""
        return self.band.probability(life_s, seconds)

    def state(self) -> State:
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        band = {f.name: getattr(self.band, f.name) for f in fields(self.band)}
        nested = {
            "words": self.words.state(),
            "fusion": self.fusion.directions,
            "band": band,
            "trees": self.trees.state(),
        }
        return own | nested | {"family": list(self.family)}

    @classmethod
    def from_state(cls, state: State) -> LifeModel:
        own = {f.name: state[f.name] for f in fields(cls)}
        nested = {
            "family": tuple(str(m) for m in state["family"]), "words": Vocabulary.from_state(state["words"]),
            "fusion": Fusion(np.asarray(state["fusion"], dtype=float)), "band": LifeBand(**state["band"]),
            "trees": Trees.from_state(state["trees"]),
        }  # fmt: skip
        return cls(**own | nested)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name, "kind": "life", "asset_models": list(self.family),
            "data": {"since": self.since, "until": self.until, "assets": self.band.assets},
            "columns": self.trees.column.max().item() + 1, "seed": SEED, "cap_s": self.cap_s, "coverage": COVERAGE,
            "figures": {**self.figures, "judged_on": "held_out_assets"},
        }  # fmt: skip


def refuse(lesson: Lesson) -> Refused | None:
    """Why no remaining life can be learned from this, or None."""
    failed = len(run_to_failure(lesson).seen)
    if failed < MIN_HISTORIES:
        return Refused(
            f"life:{'+'.join(lesson.family)}", "too_few_histories", {"assets": failed, "needed": MIN_HISTORIES}
        )
    if not lesson.words.metrics:
        return Refused(f"life:{'+'.join(lesson.family)}", "nothing_measured", {})
    return None


def run_to_failure(lesson: Lesson) -> Lesson:
    """The assets that failed, with the moments up to their last failure only."""
    kept = [i for i, failed in enumerate(lesson.failed) if len(failed) and len(lesson.seen[i].t)]
    lesson = lesson.only([i for i in kept if lesson.seen[i].t[0] < lesson.failed[i][-1]])
    cut = tuple(_until(seen, float(failed[-1])) for seen, failed in zip(lesson.seen, lesson.failed, strict=True))
    return Lesson(lesson.family, lesson.kind, lesson.words, cut, lesson.failed)


def _until(seen: Moments, end: float) -> Moments:
    rows = seen.t < end
    return Moments(seen.asset, seen.t[rows], seen.x[rows], seen.deviation[rows])


def fit(lesson: Lesson) -> tuple[Fusion, Trees]:
    """Fit on all assets of a lesson in which all have failed."""
    cap = CAP_SHARE * lesson.words.horizon_s
    lives = lesson.lives()
    fusion = fit_fusion([s.deviation for s in lesson.seen], lives, lesson.words.horizon_s, cap)
    x = np.vstack([np.hstack([s.x, fusion.columns(s.deviation)]) for s in lesson.seen])
    y = np.minimum(np.concatenate(lives), cap)
    return fusion, fit_value(x, y)


def fit_and_judge(lesson: Lesson, held_out: Sequence[int]) -> list[Floats]:
    """Predictions in seconds on the held-out assets of what was fitted on all others."""
    fusion, trees = fit(lesson.only([i for i in range(len(lesson.seen)) if i not in held_out]))
    cap = CAP_SHARE * lesson.words.horizon_s
    seen = [lesson.seen[i] for i in held_out]
    return [_value(trees, np.hstack([s.x, fusion.columns(s.deviation)]), cap) for s in seen]


def _value(trees: Trees, inputs: Floats, cap_s: float) -> Floats:
    return np.asarray(np.clip(trees.predict(inputs), 0.0, cap_s))


def finish(lesson: Lesson, predicted: dict[int, Floats]) -> LifeModel:
    """The model fitted on all assets, with the band that held-out predictions by asset index justify."""
    cap = CAP_SHARE * lesson.words.horizon_s
    fusion, trees = fit(lesson)
    guesses, truth = [predicted[i] for i in range(len(lesson.seen))], lesson.lives()
    t = np.concatenate([s.t for s in lesson.seen])
    return LifeModel(
        lesson.family, lesson.words, fusion, trees, cap, band_of(guesses, truth, cap),
        held_out_figures(guesses, truth, cap), float(t.min()), float(t.max()),
    )  # fmt: skip


def held_out_figures(predicted: Sequence[Floats], truth: Sequence[Floats], cap_s: float) -> dict[str, float]:
    """Error, coverage and width where degradation is seen; each asset's band is made of the others alone."""
    errors, inside, widths, weights, estimated = [], [], [], [], []
    for i, (own, life) in enumerate(zip(predicted, truth, strict=True)):
        others = [j for j in range(len(predicted)) if j != i]
        band = band_of([predicted[j] for j in others], [truth[j] for j in others], cap_s)
        rows = np.flatnonzero(own < band.degraded_below)[::JUDGED_EVERY]
        estimated.append(float(np.mean(own < band.degraded_below)))
        tail = (1 - COVERAGE) / 2
        for row in rows:
            low, high = own[row] + band.quantiles(float(own[row]), (tail, 1 - tail))
            errors.append(own[row] - life[row])
            inside.append(max(0.0, low) <= life[row] <= max(high, own[row]))
            widths.append(max(high, own[row]) - max(0.0, low))
            weights.append(1 / len(rows))
    if not weights:
        return {"estimated_share": 0.0}
    return {
        "rmse_s": float(np.sqrt(np.average(np.square(errors), weights=weights))),
        "coverage": float(np.average(inside, weights=weights)),
        "width_s": float(np.average(widths, weights=weights)),
        "estimated_share": float(np.mean(estimated)),
    }
