"""Layer 2, slow: wear that shows over days to months, from hourly means, on any kind of machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors import conditions, plain, telling, wear_features, widening
from ml.detectors.protocol import Block, Event, Floats, Learning, State, moment
from ml.detectors.setup import AssetSetup
from ml.detectors.wear_belief import shared, template
from ml.detectors.wear_bins import Bins, Hours
from ml.detectors.wear_scale import Wander
from ml.detectors.wear_tracker import FOUND_HOURS, FOUND_SPAN_S, Tick, Tracker

OPENS, CLEARS = 8.0, 4.5  # of the score shown: half the log-odds beyond the level, as a factor of OPENS
OPEN_TICKS, CLEAR_TICKS = 2, 6  # half-days in a row
GROWTH = 1.5  # a lasting finding is told again when its score has grown so much
MAX_SCORE = 1000.0
COARSE_ROWS = 11.0  # an hour
MIN_SENSORS = 3  # with fewer there is little to tell wear from
SETTLING_DAYS = 2.0  # after the founding


class WearDetector:
    """One asset's slow wear: see `wear_tracker` for what is followed and `wear_features` for what is judged."""

    id = "wear"
    layer = "L2"

    def __init__(self, asset: str, setup: AssetSetup | None = None) -> None:
        setup = setup or AssetSetup()
        self.asset, self._type = asset, setup.asset_type
        taught = setup.taught.get(self.id)
        self.belief = shared(taught) if taught else template()
        self._level = self.belief.level
        self._hours = Hours()
        self._metrics: tuple[str, ...] = ()
        self._tracker: Tracker | None = None
        self._wander: Wander | None = None
        self._current: FindingFacts | None = None
        self._above: list[float] = []  # times of the last half-days at or above the level, in a row
        self._below = 0
        self._told = 0.0  # the score when the finding was last told
        self._healthy_until = 0.0
        self._ended: list[FindingFacts] = []  # by a repair: told with the next rows

    # ------------------------------------------------------------------ rows in, findings out

    def update(self, block: Block) -> list[FindingFacts]:
        """Add the rows to their hours; judge each half-day that has ended."""
        if len(block) == 0:
            return []
        self._healthy_until = max(self._healthy_until, block.healthy_until)
        block = self._aligned(block)
        ended, self._ended = self._ended, []
        return ended + self._look(self._hours.take(block))

    def hour_ended(self, mode: str, total: Floats, count: Floats, rows: int, last_t: float) -> list[FindingFacts]:
        """Take an hour whose rows were summed elsewhere, as if they had come through `update` one by one."""
        return self._look(self._hours.ended(mode, total, count, rows, last_t))

    def _look(self, bins: Bins) -> list[FindingFacts]:
        if len(bins) == 0 or self._tracker is None:
            return []
        found: list[FindingFacts] = []
        for tick in self._tracker.take(bins, self._healthy_until):
            found += self._judge(tick)
        return found

    def overrules(self, finding: FindingFacts) -> bool:
        """Where rows come so rarely that wear is the question, this model alone speaks of the machine once it knows it:
        what was learned within days takes the season for a fault."""
        if self._tracker is None or finding.detector == self.id or self._hours.now() > COARSE_ROWS:
            return False
        if len(self._judged()) < MIN_SENSORS:
            return False
        slow = finding.layer == self.layer and finding.kind == "machine"
        return slow and finding.first_at.timestamp() >= self._tracker.known_t

    def _aligned(self, block: Block) -> Block:
        """The block in this detector's metrics; one not seen before has no say once the asset is known."""
        if block.metrics == self._metrics:
            return block
        if self._tracker is None:
            self._metrics, self._tracker = block.metrics, Tracker(block.metrics)
        elif not set(block.metrics) <= set(self._metrics):
            metrics = widening.together(self._metrics, block.metrics)
            self._hours.widen(widening.places(self._metrics, metrics), len(metrics))
            self._metrics = metrics
            self._tracker.widen(metrics)
        at = widening.places(block.metrics, self._metrics)
        return replace(
            block, metrics=self._metrics, values=widening.widened(block.values, at, len(self._metrics), np.nan)
        )

    def _judge(self, tick: Tick) -> list[FindingFacts]:
        z = self._in_sigma(tick)
        if tick.muted or tick.age_days < SETTLING_DAYS:
            self._above = []
            return []
        values = wear_features.features(tick, z, self._directions())
        beyond = (float(self.belief.log_odds(values[None, :])[0]) - self._level) / 2
        score = float(min(OPENS * np.exp(min(beyond, 10.0)), MAX_SCORE))
        return self._found(tick, z, score, "sensor" if wear_features.one_sensor_jumped(values) else "machine")

    def _in_sigma(self, tick: Tick) -> Floats:
        channels = wear_features.channels(tick.u)
        if self._wander is None or self._wander.prior.shape != channels.shape:
            names = self._judged()
            prior = [self.belief.wander(self._type, name, self._metrics) for name in names]
            self._wander = Wander(np.stack(prior, axis=2))
        return self._wander.step(channels, tick.muted)

    def _judged(self) -> list[str]:
        relations = self._tracker.relations if self._tracker else None
        return [self._metrics[j] for j in relations.layout.judged] if relations else []

    def _directions(self) -> Floats:
        return np.array([conditions.harm_direction(name) for name in self._judged()], dtype=float)

    # ------------------------------------------------------------------ evidence

    def _found(self, tick: Tick, z: Floats, score: float, kind: str) -> list[FindingFacts]:
        self._above = [*self._above, tick.t][-OPEN_TICKS:] if score >= OPENS else []
        self._below = self._below + 1 if score < CLEARS else 0
        if self._current is None:
            if len(self._above) < OPEN_TICKS:
                return []
            self._current, self._told = self._opened(tick, z, score, kind), score
            return [self._current]
        if self._below >= CLEAR_TICKS:
            ended, self._current = replace(self._current, cleared_at=moment(tick.t)), None
            return [ended]
        if score >= self._told * GROWTH and len(self._above) >= OPEN_TICKS:
            self._told = score
            if kind == "machine" and self._current.kind == "sensor":  # it was not the sensor after all
                ended = replace(self._current, cleared_at=moment(tick.t))
                self._current = self._opened(tick, z, score, kind)
                return [ended, self._current]
            top = self._contributions(tick, z)
            peak = max(self._current.peak, score)
            self._current = replace(self._current, last_at=moment(tick.t), score=score, peak=peak, contributions=top)
            return [self._current]
        return []

    def _opened(self, tick: Tick, z: Floats, score: float, kind: str) -> FindingFacts:
        top = self._contributions(tick, z)
        return FindingFacts(
            asset=self.asset, detector=self.id, layer=self.layer, signature=f"{telling.signature(top, '')}:slow",
            kind=kind, first_at=moment(self._above[0]), last_at=moment(tick.t), cleared_at=None, score=score,
            peak=score, confidence=0.75, limit_open=OPENS, limit_clear=CLEARS, contributions=top, regime="",
            model_id=self.model_id(), learning=False, severity="warning",
        )  # fmt: skip

    def _contributions(self, tick: Tick, z: Floats) -> tuple[Contribution, ...]:
        """The leading sensors: how far off their usual level they are over days, duty explained."""
        tracker = self._tracker
        assert tracker is not None
        assert tracker.relations is not None
        assert tracker.scaling is not None
        judged = tracker.relations.layout.judged
        size = np.abs(z[:, 1]).max(axis=0)
        sign = np.sign(z[wear_features.LEAD_CHANNEL, 1])
        usual, spread = tracker.scaling.centre[judged], tracker.scaling.spread[judged]
        off = tick.off * spread
        return telling.contributions(self._judged(), usual, usual + off, np.where(sign == 0, 1.0, sign) * size)

    def model_id(self, mode: str = "") -> str:
        return f"wear-{self.belief.digest()}"

    # ------------------------------------------------------------------ what others tell and ask

    def happened(self, event: Event) -> None:
        if self._tracker is not None:
            self._tracker.happened(event)

    def rebaseline(self, at: float) -> None:
        """Repaired: the levels are found anew, the relations stay. All is new where metrics wait to be a part of it."""
        if self._tracker is None:
            return
        if not self._tracker.waiting:
            self._tracker.worked(at, "replaced")
            return
        self._tracker, self._wander = self._tracker.begun_anew(at), None
        self._above, self._below = [], 0
        if self._current is not None:
            self._ended.append(replace(self._current, cleared_at=max(moment(at), self._current.last_at)))
            self._current = None

    def rewind(self) -> None:
        """Forget the hour that had not ended; what was learned stays."""
        self._hours, self._above, self._below = Hours(), [], 0
        self._current = None
        self._ended.clear()

    def learning(self) -> Learning:
        tracker = self._tracker
        if tracker is None or tracker.relations is None:
            rows = tracker.founding if tracker else []
            span = rows[-1][0] - rows[0][0] if rows else 0.0
            progress = min(len(rows) / FOUND_HOURS, span / FOUND_SPAN_S, 1.0)
            missing = {"hours": float(max(0, FOUND_HOURS - len(rows))), "span_s": max(0.0, FOUND_SPAN_S - span)}
            return Learning("learning", 0.9 * progress, missing)
        return Learning("ready", 1.0, waiting=tuple(sorted(tracker.waiting)))

    def state(self) -> State:
        return {
            "metrics": list(self._metrics), "hours": self._hours.state(),
            "tracker": None if self._tracker is None else self._tracker.state(),
            "wander": None if self._wander is None else self._wander.state(),
            "current": plain.facts_to_plain(self._current), "above": list(self._above), "below": self._below,
            "told": self._told, "healthy_until": self._healthy_until,
            "ended": [plain.facts_to_plain(facts) for facts in self._ended],
        }  # fmt: skip

    def restore(self, state: State) -> None:
        self._metrics = tuple(state["metrics"])
        self._hours = Hours()
        self._hours.restore(state["hours"])
        stored: dict[str, Any] | None = state["tracker"]
        self._tracker = None if stored is None else Tracker.from_state(stored)
        self._wander = None if state["wander"] is None else Wander.from_state(state["wander"])
        self._current = plain.facts_from_plain(state["current"])
        self._above, self._below = [float(t) for t in state["above"]], int(state["below"])
        self._told, self._healthy_until = float(state["told"]), float(state["healthy_until"])
        self._ended = [facts for each in state.get("ended", ()) if (facts := plain.facts_from_plain(each)) is not None]
