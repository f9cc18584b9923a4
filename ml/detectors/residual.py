"""Layer 2: each sensor against what the others and the regime explain, on the asset's own scale."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import cast

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import dynamics, plain, reference, telling, widening
from ml.detectors.evidence import Evidence
from ml.detectors.protocol import Block, Floats, Learning, State, moment
from ml.detectors.reference import Reference
from ml.detectors.regime import LEARN_ROWS, Regime
from ml.detectors.residual_learning import Learner
from ml.detectors.residual_settings import (
    DOUBT,
    FOUNDED_SPAN_S,
    GAP_ROWS,
    GAP_S,
    LEARN_SPAN_S,
    SETTLE_AFTER_REPAIR_S,
    SETTLE_MAX_S,
    SETTLE_S,
    SETTLE_STEPS,
    SETTLED_EVIDENCE,
    STEPS_KEPT,
    TELL_ROWS,
    ResidualSettings,
)
from ml.detectors.teaching import Lesson
from ml.detectors.tolerance import Tolerance

__all__ = ["ResidualDetector", "ResidualSettings"]


class ResidualDetector:
    """One asset's residual model. See `reference` for the arithmetic and docs/models.md for the calibration."""

    id = "residual"
    layer = "L2"

    def __init__(self, asset: str, settings: ResidualSettings | None = None, taught: State | None = None) -> None:
        self.asset = asset
        self.settings = settings or ResidualSettings()
        lesson = Lesson.from_plain(taught) if taught else None
        self._learner = Learner(self.settings, lesson)
        self._regimes: dict[str, Regime] = {}
        self._evidence = Evidence(self.settings.k, self.settings.n, self.settings.quiet_rows)
        self._current: FindingFacts | None = None
        self._told = 0
        self._worst: Floats | None = None  # per sensor, while the finding lasts
        self._tolerance = Tolerance()
        self._last_t = 0.0
        self.healthy_until = 0.0  # of the last commissioning
        self._steps: list[float] = []  # the last STEPS_KEPT time steps
        self._ended: list[FindingFacts] = []  # ended by a rebaseline, not yet told
        self._mode: str | None = None
        self._mode_since = 0.0
        self.abnormal: list[bool] = []  # per row of the last block
        if lesson is not None and lesson.modes:
            self._learner.know(lesson.metrics)

    @property
    def _metrics(self) -> tuple[str, ...]:
        return self._learner.metrics

    # ------------------------------------------------------------------ the walk through time

    def update(self, block: Block) -> list[FindingFacts]:
        """Score the rows, learn from the quiet ones; return findings that began, changed or ended."""
        block = self._aligned(block)
        found, self._ended = self._ended, []
        pos = 0
        self.abnormal = [False] * len(block)
        while pos < len(block):
            mode = self._mode_at(block, pos)
            found += self._on_gap(float(block.t[pos]), block.healthy_until)
            stop = self._same_until(block, pos, mode)
            part = block.rows(pos, stop)
            if mode != self._mode:
                self._mode, self._mode_since = mode, float(part.t[0])
                if mode in self._regimes:
                    self._regimes[mode].pause()
            regime = self._regimes.setdefault(mode, self._learner.new_regime())
            found += self._step(regime, mode, part, pos)
            self._note_steps(part.t)
            self._last_t = float(part.t[-1])
            pos = stop
        return found

    def _aligned(self, block: Block) -> Block:
        """The block with this detector's metrics in this detector's order.

        A new metric is learned of by what is still learning; what is frozen goes on without it until a `rebaseline`.
        """
        if block.metrics == self._metrics:
            return block
        if not set(block.metrics) <= set(self._metrics):
            at = self._learner.meet(block.metrics, self._regimes.values())
            self._worst = widening.widened_or_none(self._worst, at, len(self._metrics), 0.0)
            self._tolerance.move(at, len(self._metrics))
        at = widening.places(block.metrics, self._metrics)
        return replace(
            block, metrics=self._metrics, values=widening.widened(block.values, at, len(self._metrics), np.nan)
        )

    def _mode_at(self, block: Block, row: int) -> str:
        if block.modes is None:
            return ""
        code = int(block.modes[row])
        return block.mode_names[code] if 0 <= code < len(block.mode_names) else "?"

    def _same_until(self, block: Block, pos: int, mode: str) -> int:
        """End of the rows that share mode, health knowledge and chunk, without a gap between them."""
        regime = self._regimes.get(mode)
        room = regime.room() if regime else LEARN_ROWS
        healthy = block.t[pos] <= block.healthy_until
        stop = min(len(block), pos + (LEARN_ROWS if healthy else room))
        t = block.t[pos:stop]
        cut = np.zeros(len(t), dtype=bool)
        cut[1:] = np.diff(t) > self._gap_s()
        cut |= (t <= block.healthy_until) != healthy
        if block.modes is not None:
            cut |= block.modes[pos:stop] != block.modes[pos]
        return pos + (int(np.argmax(cut)) if cut.any() else len(t))

    def _gap_s(self) -> float:
        """A silence longer than this is a gap: beyond ten minutes, and beyond what is usual for this asset."""
        return max(GAP_S, GAP_ROWS * float(np.median(self._steps))) if self._steps else np.inf

    def _note_steps(self, t: Floats) -> None:
        steps = np.diff(t, prepend=self._last_t) if self._last_t else np.diff(t)
        self._steps = (self._steps + steps[-STEPS_KEPT:].tolist())[-STEPS_KEPT:]

    def _on_gap(self, t: float, healthy_until: float) -> list[FindingFacts]:
        """After a gap: a silence longer than all learned from is a new start, and so is a commissioning."""
        silence, commissioned = t - self._last_t, t <= healthy_until and healthy_until > self.healthy_until
        self.healthy_until = max(self.healthy_until, healthy_until)
        if self._last_t == 0.0 or silence <= self._gap_s():
            return []
        for regime in self._regimes.values():
            regime.track = None
            if commissioned or silence > (regime.known.span if regime.known else 0.0):
                regime.start_over()
        return self._end(t)

    # ------------------------------------------------------------------ one stretch of equal rows

    def _step(self, regime: Regime, mode: str, part: Block, offset: int) -> list[FindingFacts]:
        healthy = part.t[0] <= part.healthy_until
        if regime.settled and regime.late:
            regime.note_waiting(self._metrics, part.values)
        if healthy:
            self._learner.accept_vouched(regime, part)
            regime.last_t = float(part.t[-1])
            return []
        if regime.known is None and not self._learner.ready(regime, mode, part, self._evidence.open):
            regime.last_t = float(part.t[-1])
            return []
        if regime.recentring is not None:
            regime.recentre(part.t, part.values)
            regime.last_t = float(part.t[-1])
            return []
        found: list[FindingFacts] = []
        quick, steady = self._levels(regime, part)
        whole = self._whole(regime, part)
        score = np.empty(len(part))
        start = 0
        while start < len(part):  # what an excursion teaches holds from the next row on, wherever blocks are cut
            rest, z = self._score(regime, part.t[start:], quick[start:], steady[start:])
            if whole is not None:
                rest = np.where(np.isnan(rest), np.nan, whole[start:] / self._tolerance.dull_at(part.t[start:]))
            stop = start + self._until_healed(part.t[start:], rest)
            score[start:stop] = rest[: stop - start]
            found += self._findings(regime, mode, part.rows(start, stop), score[start:stop], z[: stop - start])
            start = stop
        marked = score if whole is None else np.where(np.isnan(score), np.nan, whole)
        self.abnormal[offset : offset + len(part)] = (marked >= self.settings.alarms).tolist()
        self._learner.learn_when_quiet(regime, mode, part, marked, self._evidence.open)
        regime.last_t = float(part.t[-1])
        return found

    def _levels(self, regime: Regime, part: Block) -> tuple[Floats, Floats]:
        """Fast and slow residuals in sigma [n, m], NaN in rows that tell nothing."""
        known = cast(Reference, regime.known)
        r = known.residual(part.t, part.values)
        r[part.t < self._settled_at(known)] = np.nan
        dt = np.diff(part.t, prepend=regime.last_t or part.t[0] - known.dt)
        fast, slow = regime.smooth(r, np.maximum(dt, 1e-3))
        # Sampled faster than it learned, the fast smoothing averages less than it did then.
        fast_scale = np.maximum(known.scale[1], known.scale[0]) if _median(dt) < known.dt / 2 else known.scale[1]
        counted = self._learner.scored & known.usable
        blind = ~np.isfinite(r[:, self._learner.scored]).any(axis=1)
        quick, steady = np.where(counted, fast / fast_scale, 0.0), np.where(counted, slow / known.scale[2], 0.0)
        quick[blind] = np.nan
        return quick, steady

    def _whole(self, regime: Regime, part: Block) -> Floats | None:
        """The score of many variables taken together [n]; None where nothing is known of it, or not at this pace."""
        if regime.dynamics is None or not regime.dynamics.suits(float(np.median(self._steps or [0.0]))):
            regime.track = None
            return None
        whole, told, regime.track = dynamics.advance(regime.dynamics, regime.track, part.values, regime.habits)
        regime.chunk_told.append(told)
        return whole

    def _score(self, regime: Regime, t: Floats, quick: Floats, steady: Floats) -> tuple[Floats, Floats]:
        """Score per row and the signed deviation per row and sensor, in sigma as wide as is tolerated by now."""
        known, tolerance = cast(Reference, regime.known), self._tolerance.at(t, len(self._metrics))
        blind = np.isnan(quick).any(axis=1)
        quick, steady = np.nan_to_num(quick) / tolerance, steady / tolerance
        z = np.where(np.abs(quick) >= np.abs(steady), quick, steady)
        score = np.abs(z).max(axis=1, initial=0.0)
        for level, (usual, beyond) in zip((quick, steady), known.joint, strict=True):
            joint = (reference.joint_level(level) - usual) / beyond * reference.REACH_SIGMA
            score = np.maximum(score, joint)
        return np.where(blind, np.nan, score), z

    def _until_healed(self, t: Floats, score: Floats) -> int:
        """Rows up to and with the one at which a finding ends; all when none does."""
        if not self._evidence.open and not (score >= self.settings.opens).any():
            return len(t)
        ahead = Evidence(self.settings.k, self.settings.n, self.settings.quiet_rows)
        ahead.restore(self._evidence.state())
        changes = ahead.update(t, score, self.settings.opens, self.settings.clears)
        return next((change.row + 1 for change in changes if not change.opened), len(t))

    def _settled_at(self, known: Reference) -> float:
        """Until then the machine is on its way from one mode to the next, finer than the reference ever saw."""
        if not self._mode or len(self._regimes) < 2:
            return -np.inf
        return self._mode_since + min(max(SETTLE_S, SETTLE_STEPS * known.dt), SETTLE_MAX_S)

    # ------------------------------------------------------------------ findings

    def _findings(self, regime: Regime, mode: str, part: Block, score: Floats, z: Floats) -> list[FindingFacts]:
        """Changes in these rows; a finding that lasts is told again at its rows above the level, at first each."""
        changes = self._evidence.update(part.t, score, self.settings.opens, self.settings.clears)
        found: list[FindingFacts] = []
        row = 0
        for change in changes:
            found += self._lasting(regime, part.t, score, z, row, change.row)
            row = change.row + 1
            if change.opened:
                known = cast(Reference, regime.known)
                expected = known.expected(part.t[change.row : change.row + 1], part.values[change.row : change.row + 1])
                self._current = telling.opened(
                    self, self._metrics, known, self.model_id(mode), mode, part.values[change.row], expected[0],
                    float(score[change.row]), z[change.row], change,
                )  # fmt: skip
                self._current = replace(self._current, learning=self._doubts(regime, float(score[change.row])))
                self._told, self._worst = 0, np.abs(z[change.row])
                found.append(self._current)
            else:
                if self._worst is not None:
                    peak = self._current.peak if self._current is not None else 0.0
                    self._tolerance.widen(float(part.t[change.row]), self._worst, peak, self.settings.opens)
                found += self._end(float(part.t[change.row]), change.last_at)
        return found + self._lasting(regime, part.t, score, z, row, len(part))

    def _lasting(
        self, regime: Regime, t: Floats, score: Floats, z: Floats, start: int, stop: int
    ) -> list[FindingFacts]:
        if self._current is None or self._worst is None or start >= stop:
            return []
        self._worst = np.maximum(self._worst, np.abs(z[start:stop]).max(axis=0))
        above = start + np.flatnonzero(score[start:stop] >= self.settings.opens)
        told = []
        for row in above if self._told < TELL_ROWS else above[-1:]:
            peak = float(np.nanmax(score[start : row + 1]))
            self._current = replace(
                self._current,
                last_at=moment(t[row]),
                score=float(score[row]),
                peak=max(peak, self._current.peak),
                learning=self._current.learning and self._doubts(regime, peak),
            )
            self._told += 1
            told.append(self._current)
        return told

    def _doubts(self, regime: Regime, score: float) -> bool:
        """Is this only news because so little was seen so far? Then it goes on the watch list, until it is louder."""
        if regime.settled or regime.vouched or regime.known is None:
            return False
        return score < self.settings.opens * (1 + DOUBT / max(regime.known.typical_evidence(), 1.0))

    def _end(self, cleared: float, last: float | None = None) -> list[FindingFacts]:
        self._evidence.cut()
        if self._current is None:
            return []
        last_at = max(self._current.last_at, moment(last)) if last else self._current.last_at
        ended = replace(self._current, cleared_at=moment(cleared), last_at=last_at)
        self._current = None
        return [ended]

    # ------------------------------------------------------------------ what others ask

    def expected(self, block: Block) -> Floats:
        """Expected values [n, m] in the block's metrics and units; NaN where this asset's model cannot tell."""
        return self._by_regime(block, lambda known, part: known.expected(part.t, part.values))

    def band(self, block: Block) -> Floats:
        """How far from the expected value a reading must be to count [n, m], in the metrics' units."""

        def width(known: Reference, part: Block) -> Floats:
            own = self.settings.opens * np.where(known.usable, known.scale[1] * known.spread, np.nan)
            return np.asarray(self._tolerance.at(part.t, len(self._metrics)) * np.ones((len(part), 1)) * own)

        return self._by_regime(block, width)

    def _by_regime(self, block: Block, of: Callable[[Reference, Block], Floats]) -> Floats:
        out = np.full(block.values.shape, np.nan)
        if not set(block.metrics) <= set(self._metrics):
            return out
        aligned = self._aligned(block)
        columns = [self._metrics.index(m) for m in block.metrics]
        modes = np.array([self._mode_at(aligned, i) for i in range(len(aligned))])
        for mode in sorted(set(modes.tolist())):
            regime = self._regimes.get(mode)
            if regime is not None and regime.known is not None:
                rows = np.flatnonzero(modes == mode)
                part = replace(aligned, t=aligned.t[rows], values=aligned.values[rows], modes=None)
                out[rows] = of(regime.known, part)[:, columns]
        return out

    def model_id(self, mode: str = "") -> str:
        """Name and content hash of the regime's reference: equal ids mean equal arithmetic."""
        regime = self._regimes.get(mode)
        if regime is None or regime.known is None:
            return "residual-0"
        whole = f"-{regime.dynamics.digest()}" if regime.dynamics is not None else ""
        return f"residual-{regime.revision}-{regime.known.digest()}{whole}"

    def learning(self) -> Learning:
        return telling.learning(list(self._regimes.values()), SETTLED_EVIDENCE, LEARN_SPAN_S)

    def rebaseline(self, at: float) -> None:
        """The asset was repaired. Well-founded relations stay and only offsets are learned anew; else all is.

        All is, too, where metrics wait to be a part of it.
        """
        for regime in self._regimes.values():
            if regime.known is not None and regime.known.span >= FOUNDED_SPAN_S and not regime.waiting:
                regime.recentring, regime.settles_until = [], max(at, self._last_t) + SETTLE_AFTER_REPAIR_S
                regime.forget_chunk()
            else:
                regime.start_over()
        self._ended += self._end(max(at, self._last_t))
        self._tolerance.forget()
        self._worst = None

    def let_go(self, metrics: Collection[str]) -> list[FindingFacts]:
        """Their levels, which nothing moves any more, would stay as they were for ever."""
        gone = np.isin(self._metrics, list(metrics))
        for regime in self._regimes.values():
            regime.let_go(self._metrics, gone)
        return self._end(self._last_t) if gone.all() else []

    def rewind(self) -> None:
        """Forget where in time it stood; what it learned stays."""
        self._evidence.cut()
        self._current, self._worst, self._mode = None, None, None
        self._told, self._last_t, self._mode_since = 0, 0.0, 0.0
        self._ended.clear()
        for regime in self._regimes.values():
            regime.pause()
            regime.last_t = 0.0

    def state(self) -> State:
        return {
            "metrics": list(self._metrics),
            "regimes": {name: regime.to_plain() for name, regime in self._regimes.items()},
            "evidence": self._evidence.state(), "current": plain.facts_to_plain(self._current),
            "ended": [plain.facts_to_plain(facts) for facts in self._ended],
            "told": self._told, "worst": self._worst, **self._tolerance.state(), "steps": list(self._steps),
            "last_t": self._last_t, "healthy_until": self.healthy_until,
            "mode": self._mode, "mode_since": self._mode_since,
        }  # fmt: skip

    def restore(self, state: State) -> None:
        self._learner.know(tuple(state["metrics"]))
        self._regimes = {name: Regime.from_plain(regime) for name, regime in state["regimes"].items()}
        self._evidence.restore(state["evidence"])
        self._current = plain.facts_from_plain(state["current"])
        self._steps = list(state["steps"])
        self._ended = [facts for each in state["ended"] if (facts := plain.facts_from_plain(each)) is not None]
        self._told, self._worst = state["told"], state["worst"]
        self._tolerance = Tolerance.from_state(state)
        self._last_t, self._mode, self._mode_since = state["last_t"], state["mode"], state["mode_since"]
        self.healthy_until = state.get("healthy_until", 0.0)


def _median(dt: Floats) -> float:
    return float(np.median(dt)) if len(dt) else 0.0
