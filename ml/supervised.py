"""Layer 3: the probability that an asset (or one component) fails within the horizon, learned from history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import chdtri

from maintenance.decisions import Policy, policy_of_recording
from ml import figures
from ml.boosting import SEED, Trees, fit_probability
from ml.desk import openings
from ml.detectors import plain
from ml.detectors.protocol import Floats, State
from ml.families import suits
from ml.features import Moments, Vocabulary
from ml.fusion import Fusion, fit_fusion
from ml.training_set import Settings, TrainingSet

MIN_INCIDENTS = 20  # fewer say too little about how failures look
MIN_ASSETS = 4
FOLDS = 5
CONFIDENCE = 0.8  # that the true rate of false orders is below the budget, judged by those on history
SAFETY = 0.6  # share of the budget to aim at where history is too short for that
CLEAR_SHARE = 0.6  # of the opening level
LABEL_SHARE = 0.8  # of the horizon: an order at its very beginning would often be too early
CAP_SHARE = 1.25  # of the horizon: before degradation shows, a life beyond this cannot be told apart
THRESHOLDS = np.concatenate([np.linspace(0.03, 0.9, 30), [0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995]])


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a model was not made: a code with numbers, rendered in the reader's language at the edges."""

    what: str
    code: str  # too_few_incidents, too_few_assets, one_class, no_level_within_budget, nothing_known
    params: dict[str, float]


@dataclass(frozen=True, slots=True)
class FailureModel:
    """A classifier of one failure kind ('' is any), the level at which it opens orders, and its history figures.

    `usual` is what each input is on healthy history; `recall` and `false_rate` (per asset-month) are those of
    assets that were not learned from, judged like work orders.
    """

    family: tuple[str, ...]
    kind: str
    words: Vocabulary
    fusion: Fusion
    trees: Trees
    usual: Floats
    level: float
    recall: float
    false_rate: float
    incidents: int
    assets: int
    since: float
    until: float

    @property
    def id(self) -> str:
        return "supervised-" + hashlib.sha256(plain.pack(self.state())).hexdigest()[:12]

    @property
    def name(self) -> str:
        """What stays the same from one training to the next."""
        return f"failure:{'+'.join(self.family)}:{self.kind or 'any'}"

    def suits(self, model: str, metrics: Sequence[str]) -> bool:
        return suits(self.family, self.words.metrics, model, metrics)

    def inputs(self, seen: Moments) -> Floats:
        """What the trees look at [n, k] for each moment."""
        return np.hstack([seen.x, self.fusion.columns(seen.deviation)])

    def probability(self, inputs: Floats) -> Floats:
        return self.trees.predict(inputs)

    def state(self) -> State:
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        nested = {"words": self.words.state(), "fusion": self.fusion.directions, "trees": self.trees.state()}
        return own | nested | {"family": list(self.family)}

    @classmethod
    def from_state(cls, state: State) -> FailureModel:
        own = {f.name: state[f.name] for f in fields(cls)}
        nested = {
            "family": tuple(str(m) for m in state["family"]), "words": Vocabulary.from_state(state["words"]),
            "fusion": Fusion(np.asarray(state["fusion"], dtype=float)), "trees": Trees.from_state(state["trees"]),
        }  # fmt: skip
        return cls(**own | nested)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name, "kind": "failure", "asset_models": list(self.family), "failure_kind": self.kind,
            "data": {"since": self.since, "until": self.until, "assets": self.assets, "incidents": self.incidents},
            "columns": len(self.usual), "seed": SEED, "level": self.level,
            "figures": {"recall": self.recall, "false_per_asset_month": self.false_rate, "judged_on": "held_out"},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lesson:
    """All that one model is learned from: moments of the family's history assets and their failures of one kind."""

    family: tuple[str, ...]
    kind: str
    words: Vocabulary
    seen: tuple[Moments, ...]
    failed: tuple[Floats, ...]  # times of failure of each asset

    @property
    def what(self) -> str:
        return f"failure:{'+'.join(self.family)}:{self.kind or 'any'}"

    def lives(self) -> list[Floats]:
        return [time_to_failure(s.t, f) for s, f in zip(self.seen, self.failed, strict=True)]

    def only(self, assets: Sequence[int]) -> Lesson:
        chosen = tuple(self.seen[i] for i in assets), tuple(self.failed[i] for i in assets)
        return Lesson(self.family, self.kind, self.words, *chosen)


def failures(training: TrainingSet, asset: str, kind: str | None) -> Floats:
    mine = [i for i in training.incidents if i.asset == asset and kind in (None, "", i.kind)]
    return np.array(sorted(i.failed for i in mine if i.failed is not None), dtype=float)


def time_to_failure(t: Floats, failed: Floats) -> Floats:
    """Seconds to the next failure strictly after each t, infinity when none is known."""
    padded = np.concatenate([failed, [np.inf]])
    return np.asarray(padded[np.searchsorted(failed, t, side="right")] - t)


def folds(count: int) -> list[list[int]]:
    """Assets by index in FOLDS parts: an asset is never both learned from and judged on."""
    order = np.random.default_rng(SEED).permutation(count)
    return [sorted(int(i) for i in part) for part in np.array_split(order, max(1, min(FOLDS, count))) if len(part)]


def refuse(lesson: Lesson) -> Refused | None:
    """Why nothing can be learned from this, or None."""
    incidents = sum(len(f) for f in lesson.failed)
    if incidents < MIN_INCIDENTS:
        return Refused(lesson.what, "too_few_incidents", {"incidents": incidents, "needed": MIN_INCIDENTS})
    if len(lesson.seen) < MIN_ASSETS:
        return Refused(lesson.what, "too_few_assets", {"assets": len(lesson.seen), "needed": MIN_ASSETS})
    for part in [[], *folds(len(lesson.seen))]:
        y = _labels(lesson.only([i for i in range(len(lesson.seen)) if i not in part]))
        if len(y) == 0 or y.all() or not y.any():
            return Refused(lesson.what, "one_class", {"moments": len(y), "failing": int(y.sum())})
    return None


def _labels(lesson: Lesson) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.concatenate(
        [life <= LABEL_SHARE * lesson.words.horizon_s for life in lesson.lives()] or [np.zeros(0, bool)]
    )


def fit(lesson: Lesson) -> tuple[Fusion, Trees]:
    """Fit fusion and trees on all assets of the lesson."""
    horizon_s = lesson.words.horizon_s
    fusion = fit_fusion([s.deviation for s in lesson.seen], lesson.lives(), horizon_s, CAP_SHARE * horizon_s)
    x = np.vstack([np.hstack([s.x, fusion.columns(s.deviation)]) for s in lesson.seen])
    return fusion, fit_probability(x, _labels(lesson))


def fit_and_judge(lesson: Lesson, held_out: Sequence[int]) -> list[Floats]:
    """Probabilities on the held-out assets of what was fitted on all others."""
    fusion, trees = fit(lesson.only([i for i in range(len(lesson.seen)) if i not in held_out]))
    seen = [lesson.seen[i] for i in held_out]
    return [trees.predict(np.hstack([s.x, fusion.columns(s.deviation)])) for s in seen]


def finish(training: TrainingSet, lesson: Lesson, p: dict[int, Floats]) -> FailureModel | Refused:
    """The model fitted on all assets, with the level that held-out probabilities `p` by asset index justify."""
    chosen = choose_level(training, lesson, p)
    if chosen is None:
        return Refused(lesson.what, "no_level_within_budget", {"budget": training.settings.budget_per_month or 0.0})
    level, recall, rate = chosen
    fusion, trees = fit(lesson)
    x = np.vstack([np.hstack([s.x, fusion.columns(s.deviation)]) for s in lesson.seen])
    healthy = x[~_labels(lesson)]
    with np.errstate(all="ignore"):
        usual = np.array([float(np.median(c[np.isfinite(c)])) if np.isfinite(c).any() else np.nan for c in healthy.T])
    return FailureModel(
        lesson.family, lesson.kind, lesson.words, fusion, trees, usual, level, recall, rate,
        sum(len(f) for f in lesson.failed), len(lesson.seen),
        min(float(s.t[0]) for s in lesson.seen if len(s.t)), max(float(s.t[-1]) for s in lesson.seen if len(s.t)),
    )  # fmt: skip


def policy_of(settings: Settings) -> Policy:
    """The patience by which orders on history are judged: that of a recording."""
    return policy_of_recording(f"recorded:{settings.name}", settings.open_s, settings.persistence_hint_s)


def choose_level(training: TrainingSet, lesson: Lesson, p: dict[int, Floats]) -> tuple[float, float, float] | None:
    """The level with the best recall on held-out history whose false orders are surely enough within the budget,
    its recall and its rate; of several the one with the fewest false orders, of these the middle one."""
    kinds = len({i.kind for i in training.incidents}) if training.settings.per_kind else 1
    good: list[tuple[float, int, float, float]] = []
    for level in THRESHOLDS:
        recall, false, months = judge_level(training, lesson, p, float(level))
        # The budget is for all kinds together: each may use its share.
        if months > 0 and affordable(false, months, training.settings.budget_per_month, kinds):
            good.append((recall, -false, float(level), false / months))
    if not good:
        return None
    best = max(each[:2] for each in good)
    ties = [each for each in good if each[:2] == best]
    recall, _, level, rate = ties[len(ties) // 2]
    return level, recall, rate


def judge_level(training: TrainingSet, lesson: Lesson, p: dict[int, Floats], level: float) -> tuple[float, int, float]:
    """Recall, false orders and asset-months on held-out history at this level."""
    policy = policy_of(training.settings)
    tallies = []
    for i, own in sorted(p.items()):
        seen = lesson.seen[i]
        opened = openings(seen.t, own >= level, own < CLEAR_SHARE * level, policy)
        tallies.append(figures.judge(training, seen.asset, lesson.kind or None, opened))
    months = sum(t.healthy_s for t in tallies) / training.settings.month_s
    incidents = sum(t.incidents for t in tallies)
    return sum(len(t.leads) for t in tallies) / max(incidents, 1), sum(t.false for t in tallies), months


def affordable(false: int, months: float, budget: float | None, kinds: int = 1) -> bool:
    """Is the true rate of false orders below the budget, with CONFIDENCE (Poisson)? Where the history is so short
    that not even none at all would prove it, a plain share of the budget must do."""
    if budget is None:
        return True
    allowed = budget / kinds * months
    if float(chdtri(2, 1 - CONFIDENCE)) / 2 > allowed:
        return false <= SAFETY * allowed
    return float(chdtri(2 * false + 2, 1 - CONFIDENCE)) / 2 <= allowed
