"""Apply a failure model along an asset's life: findings as probability rises and falls, each with its reasons."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors import plain
from ml.detectors.protocol import Floats, State, moment
from ml.features import Moments, columns
from ml.supervised import CLEAR_SHARE, FailureModel

DETECTOR = "supervised"
RETOLD_S = 3600.0  # lasting evidence is told again so often at most
TOP = 3


class FailureWatch:
    """One asset's evidence under one model; how moments are cut into calls changes nothing that is found."""

    def __init__(self, asset: str, model: FailureModel) -> None:
        self.asset, self.model = asset, model
        self.watermark = -np.inf
        self._id = model.id
        self._last: FindingFacts | None = None  # the evidence that lasts

    def update(self, seen: Moments) -> list[FindingFacts]:
        """Findings new or changed by the moments after the watermark, in order of time."""
        fresh = seen.t > self.watermark
        if not fresh.any():
            return []
        x = self.model.inputs(seen)[fresh]
        return self.take(seen.t[fresh], self.model.probability(x), x, seen.deviation[fresh])

    def take(self, t: Floats, p: Floats, x: Floats, deviation: Floats) -> list[FindingFacts]:
        """The same for probabilities known already: `t`, `p` [n], inputs [n, k], deviations [n, m]."""
        found: list[FindingFacts] = []
        level, clear = self.model.level, CLEAR_SHARE * self.model.level
        for i in np.flatnonzero((p >= level) | (p < clear)):
            at, own = moment(t[i]), deviation[i]
            if self._last is None:
                if p[i] >= level:
                    self._last = self._finding(float(p[i]), at, x[i], own)
                    found.append(self._last)
            elif p[i] < clear:
                found.append(replace(self._last, cleared_at=at))
                self._last = None
            elif (at - self._last.last_at).total_seconds() >= RETOLD_S:
                self._last = self._again(self._last, float(p[i]), at, x[i], own)
                found.append(self._last)
        if len(t):
            self.watermark = max(self.watermark, float(t[-1]))
        return found

    def _again(self, last: FindingFacts, p: float, at: datetime, x: Floats, deviation: Floats) -> FindingFacts:
        """The finding as it stands now; its reasons are those of its worst moment."""
        worst = self._finding(p, at, x, deviation) if p > last.peak else last
        return replace(worst, first_at=last.first_at, last_at=at, score=p, peak=max(last.peak, p))

    def _finding(self, p: float, at: datetime, x: Floats, deviation: Floats) -> FindingFacts:
        model = self.model
        return FindingFacts(
            asset=self.asset, detector=DETECTOR, layer="L3", signature=f"{model.kind or 'failure'}:predicted",
            kind="machine", first_at=at, last_at=at, cleared_at=None, score=p, peak=p, confidence=p,
            limit_open=model.level, limit_clear=CLEAR_SHARE * model.level,
            contributions=reasons(model, x, deviation), regime="", model_id=self._id, learning=False,
            severity="warning",
        )  # fmt: skip

    def state(self) -> State:
        return {"last": plain.facts_to_plain(self._last), "watermark": self.watermark}

    def restore(self, state: State) -> None:
        self._last = plain.facts_from_plain(state["last"])
        self.watermark = float(state["watermark"])


def reasons(model: FailureModel, x: Floats, deviation: Floats) -> tuple[Contribution, ...]:
    """What drives this row's probability up, most first: the exact shares of the trees, by sensor or log entry."""
    shares = model.trees.contributions(x)
    told = columns(model.words)
    by_subject: dict[str, float] = defaultdict(float)
    leading: dict[str, int] = {}  # of each subject the column that says most
    for i, (subject, aspect) in enumerate(told):
        name = subject or aspect.partition(":")[0]
        by_subject[name] += shares[i]
        if name not in leading or abs(shares[i]) > abs(shares[leading[name]]):
            leading[name] = i
    for direction, share in zip(model.fusion.indices(), shares[len(told) :], strict=True):
        # An index of wear is about the sensors that make it up at this moment.
        parts = np.abs(model.fusion.directions[:, direction] * deviation)
        for metric, part in zip(model.words.metrics, parts / max(float(parts.sum()), 1e-12), strict=True):
            by_subject[metric] += share * float(part)
    raising = {subject: share for subject, share in by_subject.items() if share > 0}
    top = sorted(raising, key=lambda s: (-raising[s], s))[:TOP]
    total = sum(raising.values())
    return tuple(_contribution(model, s, leading[s], raising[s] / total, x, deviation) for s in top)


def _contribution(
    model: FailureModel, subject: str, column: int, share: float, x: Floats, deviation: Floats
) -> Contribution:
    own, note = 0.0, "history"
    if subject in model.words.metrics:
        column = model.words.metrics.index(subject)  # the value itself says more than a trend of it
        own = float(deviation[column])
        note = "residual_high" if own >= 0 else "residual_low"
    return Contribution(subject, _number(model.usual[column]), _number(x[column]), own, share, note)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
