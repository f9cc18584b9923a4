"""When the residual model of one asset may learn, from which rows, and when it knows enough."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ml.detectors import dynamics, metric_kinds, reference, widening
from ml.detectors.protocol import Block, Floats
from ml.detectors.regime import CHUNK_ROWS, LEARN_ROWS, Regime
from ml.detectors.residual_settings import (
    GROWTH,
    KNOWN_HEALTHY_ROWS,
    LEARN_SPAN_S,
    LOUD_ROWS,
    SETTLED_EVIDENCE,
    SETTLED_SPAN_S,
    STANDING_ROWS,
    ResidualSettings,
)
from ml.detectors.teaching import Lesson


class Learner:
    """Knows the metrics and what peers taught; what is learned stands in each regime."""

    def __init__(self, settings: ResidualSettings, lesson: Lesson | None) -> None:
        self.settings, self.lesson = settings, lesson
        self._prior_scale = lesson.scale if lesson else {}
        self.metrics: tuple[str, ...] = ()
        self.scored = np.zeros(0, dtype=bool)
        self._wander = np.zeros(0)

    def know(self, metrics: tuple[str, ...]) -> None:
        """From now on rows are of these metrics, in this order."""
        self.metrics = metrics
        self._wander = np.array([metric_kinds.wander_share(m) for m in metrics])
        self.scored = np.array([not metric_kinds.is_condition(m) for m in metrics], dtype=bool)

    def meet(self, told: tuple[str, ...], regimes: Collection[Regime]) -> list[int]:
        """Know metrics not told before, too; what is learned stays. Return where those known before stand now."""
        # What is known of many variables together counts columns from the first.
        behind = any(regime.dynamics is not None for regime in regimes)
        metrics = widening.together(self.metrics, told, behind)
        at, new = widening.places(self.metrics, metrics), [m for m in metrics if m not in self.metrics]
        self.know(metrics)
        believed = self.new_regime().prior
        for regime in regimes:
            regime.widen(at, len(metrics), new)
            if regime.prior is not None and believed is not None:
                regime.prior = np.where(np.isfinite(regime.prior), regime.prior, believed)
        return at

    def new_regime(self) -> Regime:
        prior = None
        if self._prior_scale:
            prior = np.array([self._prior_scale.get(m, np.nan) for m in self.metrics])
        return Regime(prior=prior)

    def ready(self, regime: Regime, mode: str, part: Block, in_trouble: bool) -> bool:
        """Learn from the rows; True once there is a reference and the rows are to be scored."""
        vouched = bool(regime.times) and regime.times[-1][-1] <= part.healthy_until
        if vouched and self._try_fit(regime, mode, KNOWN_HEALTHY_ROWS, vouched=True):
            return True
        if vouched and self._adopt(regime, mode, STANDING_ROWS):
            return True
        if not in_trouble:  # a regime first met during trouble (a trip) is not what healthy looks like
            regime.remember(part.t, part.values)
            if regime.kept >= LEARN_ROWS and not self._try_fit(regime, mode, LEARN_ROWS):
                self._adopt(regime, mode, LEARN_ROWS)
        return False

    def _adopt(self, regime: Regime, mode: str, min_rows: int) -> bool:
        """Begin with what peers of the same type showed, where they know more than the asset's own rows yet tell."""
        lesson = self.lesson.modes.get(mode) if self.lesson else None
        if lesson is None or regime.kept < min_rows or self.lesson is None or self.lesson.metrics != self.metrics:
            return False
        regime.adopt(*lesson, np.concatenate(regime.rows))
        # What peers vouched for is not learned away from what this asset does unvouched.
        regime.settled = lesson[0].typical_evidence() >= SETTLED_EVIDENCE
        regime.next_fit = max(regime.next_fit, lesson[0].rows)
        regime.note_late(self.metrics, np.ones(len(self.metrics), dtype=bool))
        return True

    def accept_vouched(self, regime: Regime, part: Block) -> None:
        """Vouched rows are learned from; where they do not fit the reference, the reference is out of date."""
        if regime.known is not None:
            z = regime.known.residual(part.t, part.values) / regime.known.scale[1]
            if np.abs(np.median(np.nan_to_num(z), axis=0)).max(initial=0.0) > self.settings.clears:
                regime.start_over()
        if not regime.settled:
            regime.remember(part.t, part.values)

    def _try_fit(self, regime: Regime, mode: str, min_rows: int, vouched: bool = False) -> bool:
        many = len(self.metrics) >= dynamics.MIN_METRICS
        if regime.kept < max(min_rows, dynamics.ROWS_PER_METRIC * len(self.metrics) if many else 0):
            return False
        if regime.known is None and self._peers_know_more(regime, mode):
            return False
        t, x = np.concatenate(regime.times), np.concatenate(regime.rows)
        if not vouched and t[-1] - t[0] < LEARN_SPAN_S:
            return False
        known = reference.fit(t, x, self._wander, self.scored, self.settings.patience_s, regime.prior)
        if known is None or not known.usable.any():
            return False
        regime.known, regime.revision = known, regime.revision + 1
        regime.note_late(self.metrics, np.asarray(np.isfinite(x).any(axis=0)))
        regime.vouched = vouched or regime.vouched
        together = dynamics.fit([x], ~self.scored, known.dt, self.settings.patience_s)
        regime.learn_together(together)
        regime.pause()
        regime.next_fit = int((GROWTH if many else 2) * max(regime.kept, LEARN_ROWS))
        seen = known.evidence[known.usable]
        enough = bool(len(seen)) and float(np.median(seen)) >= SETTLED_EVIDENCE
        regime.settled = enough and (vouched or known.span >= SETTLED_SPAN_S)
        if regime.settled:
            regime.times, regime.rows = [], []
        return True

    def _peers_know_more(self, regime: Regime, mode: str) -> bool:
        """Did peers show more rows than the asset itself so far?"""
        lesson = self.lesson.modes.get(mode) if self.lesson else None
        return lesson is not None and lesson[0].rows > regime.kept and len(self.metrics) == len(lesson[0].centre)

    def learn_when_quiet(self, regime: Regime, mode: str, part: Block, score: Floats, in_trouble: bool) -> None:
        """Collect the scored rows; a whole chunk of quiet ones is learned from."""
        if regime.settled and regime.dynamics is None:
            return
        if not regime.settled:
            regime.chunk_t.append(np.array(part.t))
            regime.chunk_x.append(np.array(part.values))
        regime.chunk_n += len(part)
        regime.chunk_worst = max(regime.chunk_worst, float(np.nanmax(score, initial=0.0)))
        regime.chunk_loud += int((score >= self.settings.clears).sum())
        if regime.chunk_n < CHUNK_ROWS:
            return
        quiet = regime.chunk_worst < self.settings.clears
        if regime.dynamics is not None:
            quiet = regime.chunk_worst < self.settings.opens and regime.chunk_loud <= LOUD_ROWS
        if quiet and not in_trouble:
            self._learn_more(regime, mode)
        regime.forget_chunk()

    def _learn_more(self, regime: Regime, mode: str) -> None:
        """Take a quiet chunk into account: more rows until the reference is settled, and how loud quiet is here."""
        if regime.chunk_told:
            regime.habits = dynamics.practised(regime.habits, np.concatenate(regime.chunk_told))
        if regime.settled:
            return
        regime.remember(np.concatenate(regime.chunk_t), np.concatenate(regime.chunk_x))
        if regime.kept >= regime.next_fit:
            self._try_fit(regime, mode, LEARN_ROWS)
