"""Learn from a handful of failures what a boosted model would need twenty for: how far vibration may grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml import figures
from ml.boosting import Trees
from ml.desk import openings
from ml.detectors.protocol import Floats
from ml.features import columns
from ml.fusion import Fusion
from ml.supervised import FailureModel, Lesson, Refused, affordable, policy_of
from ml.training_set import TrainingSet

MIN_INCIDENTS = 2
FACTORS = np.exp(np.linspace(np.log(1.5), np.log(12.0), 43))  # five per cent apart
CLEAR_SHARE = 0.7  # of the factor that opens: growth must go back so far before it counts as gone
P_OPEN, P_BETWEEN, P_QUIET = 0.9, 0.4, 0.05  # what the one tree says; the level between them is LEVEL
LEVEL = 0.5


def refuse(lesson: Lesson) -> Refused | None:
    """Why not even this can be learned, or None."""
    incidents = sum(len(failed) for failed in lesson.failed)
    if incidents < MIN_INCIDENTS:
        return Refused(lesson.what, "too_few_incidents", {"incidents": incidents, "needed": MIN_INCIDENTS})
    if ("", "growth") not in columns(lesson.words):
        return Refused(lesson.what, "too_few_incidents", {"incidents": incidents, "needed": 20})
    return None


def learn(training: TrainingSet, lesson: Lesson) -> FailureModel | Refused:
    """One tree on the growth of vibration since new; its figures are those of each asset judged by the others."""
    column = columns(lesson.words).index(("", "growth"))
    everyone = range(len(lesson.seen))
    factor = _factor(training, lesson, list(everyone), column)
    if factor is None:
        return Refused(lesson.what, "no_level_within_budget", {"budget": training.settings.budget_per_month or 0.0})
    tallies = []
    for i in everyone:
        others = _factor(training, lesson, [j for j in everyone if j != i], column)
        tallies.append(_judge(training, lesson, i, column, others or float(FACTORS[-1])))
    incidents = sum(tally.incidents for tally in tallies)
    months = sum(tally.healthy_s for tally in tallies) / training.settings.month_s
    x = np.vstack([s.x for s in lesson.seen])
    usual = np.array([float(np.median(c[np.isfinite(c)])) if np.isfinite(c).any() else np.nan for c in x.T])
    return FailureModel(
        lesson.family, lesson.kind, lesson.words, Fusion(np.zeros((len(lesson.words.metrics), 0))),
        _tree(column, factor), usual, LEVEL, sum(len(t.leads) for t in tallies) / max(incidents, 1),
        sum(t.false for t in tallies) / months if months > 0 else 0.0, sum(len(f) for f in lesson.failed),
        len(lesson.seen), min(float(s.t[0]) for s in lesson.seen if len(s.t)),
        max(float(s.t[-1]) for s in lesson.seen if len(s.t)),
    )  # fmt: skip


def _factor(training: TrainingSet, lesson: Lesson, assets: Sequence[int], column: int) -> float | None:
    """The middle of the longest run of factors with the best recall within the budget on these assets."""
    good: list[tuple[float, int]] = []
    for k, factor in enumerate(FACTORS):
        tallies = [_judge(training, lesson, i, column, float(factor)) for i in assets]
        months = sum(tally.healthy_s for tally in tallies) / training.settings.month_s
        recall = sum(len(t.leads) for t in tallies) / max(sum(t.incidents for t in tallies), 1)
        if affordable(sum(t.false for t in tallies), months, training.settings.budget_per_month) and recall > 0:
            good.append((recall, k))
    if not good:
        return None
    best = [k for recall, k in good if recall == max(good)[0]]
    runs = np.split(np.array(best), np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(runs, key=len)
    return float(np.sqrt(FACTORS[longest[0]] * FACTORS[longest[-1]]))


def _judge(training: TrainingSet, lesson: Lesson, i: int, column: int, factor: float) -> figures.Tally:
    seen = lesson.seen[i]
    grown = seen.x[:, column]
    high, low = grown >= np.log(factor), grown < np.log(CLEAR_SHARE * factor)
    opened = openings(seen.t, high, low, policy_of(training.settings))
    return figures.judge(training, seen.asset, lesson.kind or None, opened)


def _tree(column: int, factor: float) -> Trees:
    """Quiet below, in between while it goes back, open above."""
    said = np.array([0.0, 0.0, P_QUIET, P_BETWEEN, P_OPEN])
    value: Floats = np.where(said > 0, np.log(np.clip(said, 1e-9, 1) / (1 - said)), np.log(P_QUIET / (1 - P_QUIET)))
    return Trees(
        base=0.0, logistic=True, leaf=np.array([[False, False, True, True, True]]),
        column=np.array([[column, column, 0, 0, 0]], dtype=np.int32),
        threshold=np.array([[np.log(CLEAR_SHARE * factor), np.nextafter(np.log(factor), 0), 0.0, 0.0, 0.0]]),
        left=np.array([[2, 3, 0, 0, 0]], dtype=np.int32), right=np.array([[1, 4, 0, 0, 0]], dtype=np.int32),
        missing_left=np.ones((1, 5), dtype=bool), value=value[None, :],
    )  # fmt: skip
