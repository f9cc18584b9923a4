"""Follow one asset's residuals over hours, days and weeks: half-day by half-day, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from ml.detectors import conditions, hidden_modes, widening
from ml.detectors.conditions import Scaling
from ml.detectors.hidden_modes import HiddenModes
from ml.detectors.protocol import Event, Floats, State
from ml.detectors.repairs import REPAIR, is_repair
from ml.detectors.wear_bins import Bins
from ml.detectors.wear_relations import Layout, Relations, mean_of

HOUR_S, DAY_S = 3600.0, 86400.0
TICK_S = DAY_S / 2
SCALES_H = (12.0, 48.0, 144.0, 480.0)  # of the moving averages; the last one is the slow tracker
FOUND_HOURS, FOUND_SPAN_S = 96, 10 * DAY_S  # running hours and days from which an asset is known, unless vouched longer
MAX_FOUND_HOURS = 1080
SOLVE_TICKS = 14
MEMORY_DAYS = 240.0  # of slopes; levels never change by themselves
SETTLE_HOURS, COLLECT_HOURS = 6, 36
JUMP_DAYS = 10.0
ERROR_DAYS = (7.0, 60.0)
MIN_MODE_HOURS = 48
GAP_S, LOST_S = 7 * DAY_S, 45 * DAY_S  # a silence after which somebody may have been there; after which all is new
WORK = ("maintenance", REPAIR)  # kinds of event


@dataclass(frozen=True, slots=True)
class Tick:
    """What was known at the end of a half-day. S scales, 2 explanations (duty, all), m judged sensors."""

    t: float
    u: Floats  # [S, 2, m] moving averages of residuals in hourly sigma
    off: Floats  # [m] how far off the usual level over days, duty explained, in founding spreads
    weight: Floats  # [S] hours behind each average
    leverage: float  # how far duty and weather are from what was learned
    jump: Floats  # [m] largest change from one half-day to the next lately, in hourly sigma
    noise: Floats  # [m] log of the residual's spread within a half-day against the usual
    missing: Floats  # [m] share of lately missing values
    age_days: float
    work_days: float  # since the last maintenance
    errors: Floats  # [2] error events a day lately and usually
    muted: bool


@dataclass(slots=True)
class Tracker:
    """State of one asset; `take` gives a Tick for each half-day with running hours."""

    metrics: tuple[str, ...]
    founding: list[tuple[float, Floats, str]] = field(default_factory=list)
    scaling: Scaling | None = None
    usual: Floats | None = None
    relations: Relations | None = None
    lag: tuple[float, Floats] | None = None
    pending: list[tuple[float, Floats, str]] = field(default_factory=list)
    num: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    den: Floats = field(default_factory=lambda: np.zeros(len(SCALES_H)))
    last_t: float = 0.0
    first_t: float = 0.0
    known_t: float = np.inf  # from which the asset is known
    last_mean: Floats | None = None
    jump: Floats = field(default_factory=lambda: np.zeros(0))
    noise: Floats = field(default_factory=lambda: np.zeros(0))
    missing: Floats = field(default_factory=lambda: np.zeros(0))
    ticks: int = 0
    errors: Floats = field(default_factory=lambda: np.zeros(2))
    errors_t: float = 0.0
    work_t: float = 0.0
    repair: str = ""  # "", service or replaced: levels are being found anew since work_t
    before: Floats | None = None
    after: Floats | None = None
    after_hours: float = 0.0
    strange: dict[str, list[Floats]] = field(default_factory=dict)
    hidden: HiddenModes | None = None  # where nobody tells modes
    late: list[str] = field(default_factory=list)  # metrics that came too late to be learned of, or not yet
    waiting: list[str] = field(default_factory=list)  # those of them that were told since the asset is known

    # ---------------------------------------------------------------- hours in

    def take(self, bins: Bins, healthy_until: float) -> list[Tick]:
        out: list[Tick] = []
        for i in range(len(bins)):
            t, values, mode = float(bins.t[i]), bins.values[i], bins.modes[i]
            self._on_silence(t)
            if self.late and self.relations is not None:
                self._note_waiting(values)
            mode = self.hidden.of(values) if self.hidden is not None and not mode else mode
            if self.relations is None:
                self._found(t, values, mode, healthy_until)
                continue
            if self.pending and np.floor(t / TICK_S) != np.floor(self.pending[0][0] / TICK_S):
                out += self._tick()
            self.pending.append((t, values, mode))
        return out

    def widen(self, metrics: tuple[str, ...]) -> None:
        """Have room for new metrics, too; what is known stays what it is, founding hours go on with them."""
        at, size = widening.places(self.metrics, metrics), len(metrics)
        self.late = [*self.late, *(metric for metric in metrics if metric not in self.metrics)]
        self.metrics = metrics
        self.founding, self.pending = (
            [(t, widening.widened(values, at, size, np.nan), mode) for t, values, mode in rows]
            for rows in (self.founding, self.pending)
        )
        self.usual = widening.widened_or_none(self.usual, at, size, 0.0)
        self.scaling = None if self.scaling is None else self.scaling.widened(at, size)
        self.hidden = None if self.hidden is None else self.hidden.moved(at)
        if self.relations is not None:
            self.relations.layout = self.relations.layout.moved(at, metrics)

    def begun_anew(self, at: float) -> Tracker:
        """One that knows nothing of the asset but what happened to it."""
        return Tracker(self.metrics, errors=self.errors, errors_t=self.errors_t, work_t=at)

    def _note_waiting(self, values: Floats) -> None:
        told = [metric for metric in self.late if np.isfinite(values[self.metrics.index(metric)])]
        self.late = [metric for metric in self.late if metric not in told]
        self.waiting += told

    def _on_silence(self, t: float) -> None:
        last = self.pending[-1][0] if self.pending else self.founding[-1][0] if self.founding else self.last_t
        if last == 0.0 or t - last <= GAP_S:
            return
        if self.relations is None:
            self.founding = []
        elif t - last > LOST_S:
            self.relations, self.known_t, self.pending, self.strange, self.lag = None, np.inf, [], {}, None
            self.repair, self.den, self.last_t = "", np.zeros(len(SCALES_H)), 0.0
            self.late, self.waiting = [], []
        else:
            self.worked(last, "service")

    def _found(self, t: float, values: Floats, mode: str, healthy_until: float) -> None:
        self.founding.append((t, values, mode))
        if len(self.founding) > MAX_FOUND_HOURS:
            del self.founding[0]
        span = t - self.founding[0][0]
        if t <= healthy_until or len(self.founding) < FOUND_HOURS or span < FOUND_SPAN_S:
            return
        if healthy_until > self.founding[0][0] + FOUND_SPAN_S / 2:
            known = [row for row in self.founding if row[0] <= healthy_until]
        else:
            known = self.founding
        self._begin(known, t)

    def _begin(self, rows: Sequence[tuple[float, Floats, str]], at: float) -> None:
        t, values = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        self.usual = conditions.usual_levels(values)
        stands = conditions.standing(self.metrics, values, self.usual)
        runs = ~stands if (~stands).sum() >= FOUND_HOURS / 2 else np.ones(len(t), dtype=bool)
        self.scaling = Scaling.of(values[runs])
        layout = Layout.of(self.metrics, self.scaling.usable)
        if not layout.judged:
            self.founding = self.founding[len(self.founding) // 4 :]
            return
        self.relations = Relations(layout)
        told = np.isfinite(values).any(axis=0)
        self.late = [
            metric for j, metric in enumerate(self.metrics)
            if not self.scaling.usable[j] and (metric in self.late or not told[j])
        ]  # fmt: skip
        self.waiting = []
        v = self._rows(t, values)[runs]
        self.hidden = None if any(r[2] for r in rows) else hidden_modes.find(self.metrics, values[runs])
        modes = [r[2] if self.hidden is None else self.hidden.of(r[1]) for r in rows]
        self.relations.found(v, [mode for mode, ok in zip(modes, runs, strict=True) if ok])
        m = len(layout.judged)
        self.num = np.zeros((len(SCALES_H), layout.columns))
        self.jump, self.noise, self.missing = np.zeros(m), np.zeros(m), np.zeros(m)
        self.first_t, self.last_t, self.founding = float(t[0]), float(t[-1]), []
        self.last_mean = None
        self.known_t = at + HOUR_S

    def _rows(self, t: Floats, values: Floats) -> Floats:
        assert self.scaling is not None
        assert self.relations is not None
        scaled = np.where(np.isfinite(values), self.scaling.apply(values), np.nan)
        scaled = np.clip(scaled, -30, 30)
        lags, last = conditions.lagged(t, scaled[:, self.relations.layout.inputs], self.lag)
        self.lag = (float(t[-1]), last)
        return self.relations.layout.rows(t, scaled, lags)

    # ---------------------------------------------------------------- a half-day ends

    def _tick(self) -> list[Tick]:
        assert self.relations is not None
        assert self.usual is not None
        rows, self.pending = self.pending, []
        t, values = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        v = self._rows(t, values)
        runs = ~conditions.standing(self.metrics, values, self.usual)
        parts, there = [], []
        for mode in sorted({r[2] for r in rows}):
            own = np.array([r[2] == mode for r in rows]) & runs
            if not own.any():
                continue
            if mode not in self.relations.centre:
                self._meet(mode, v[own])
                continue
            d, seen = self.relations.deviation(v[own], mode)
            parts.append((mode, d))
            there.append(seen)
        if not parts:
            return []
        return [self._advance(float(t[-1]), parts, np.vstack(there))]

    def _meet(self, mode: str, rows: Floats) -> None:
        """A mode not seen before: abstain until its usual row is known."""
        assert self.relations is not None
        if len(self.strange) >= 12 and mode not in self.strange:
            return
        kept = self.strange.setdefault(mode, [])
        kept.extend(rows)
        if len(kept) >= MIN_MODE_HOURS:
            block = np.array(self.strange.pop(mode))
            k, m = self.relations.layout.duty_columns, len(self.relations.layout.judged)
            centre = mean_of(block)
            centre[k : k + m] -= self._sensor_level()
            self.relations.centre[mode] = centre
            self.relations.learn(block - mean_of(block), mode)
            self.relations.solve()

    def _sensor_level(self) -> Floats:
        """How far each judged sensor is off its usual level by now, duty explained, in scaled units."""
        assert self.relations is not None
        if self.den[1] <= 0 or not self.relations.on_duty:
            return np.zeros(len(self.relations.layout.judged))
        return np.asarray(self.num[1] / self.den[1] @ self._matrix(0))

    def _matrix(self, which: int) -> Floats:
        """The residual's matrix over all modes, by the hours of each."""
        assert self.relations is not None
        own = self.relations.on_duty if which == 0 else self.relations.on_all
        hours = np.array([self.relations.hours[mode] for mode in own])
        return np.asarray(sum(b * h for b, h in zip(own.values(), hours / hours.sum(), strict=True)))

    def _advance(self, t: float, parts: list[tuple[str, Floats]], there: np.ndarray) -> Tick:
        rel = self.relations
        assert rel is not None
        count = sum(len(d) for _, d in parts)
        fade = np.exp(-max(t - self.last_t, 0.0) / (np.asarray(SCALES_H) * HOUR_S))
        total = np.sum([d.sum(axis=0) for _, d in parts], axis=0)
        self.num, self.den = self.num * fade[:, None] + total, self.den * fade + count
        k = rel.layout.duty_columns
        duty, every = self._matrix(0), self._matrix(1)
        r = np.vstack([d @ rel.on_all.get(mode, every) for mode, d in parts])
        self._follow(t, total / count, duty, r, there)
        self._after_work(t, parts, count, duty)
        level = self.num / np.maximum(self.den, 1e-9)[:, None]
        u = np.stack([level @ duty / rel.sigma[0], level @ every / rel.sigma[1]], axis=1)
        x = level[2][:k]
        slow = self.num[2] / max(self.den[2], 1e-9)
        for mode, d in parts:
            rel.learn(d - slow, mode)
        rel.forget(float(np.exp(-max(t - self.last_t, 0.0) / (MEMORY_DAYS * DAY_S))))
        self.ticks += 1
        if self.ticks % SOLVE_TICKS == 0:
            rel.solve()
        self.last_t = t
        return Tick(
            t=t, u=u, off=level[1] @ duty, weight=self.den.copy(), leverage=float(x @ rel.inverse @ x),
            jump=self.jump.copy(), noise=self.noise.copy(), missing=self.missing.copy(),
            age_days=(t - self.first_t) / DAY_S, work_days=(t - max(self.work_t, self.first_t)) / DAY_S,
            errors=self._error_rates(t), muted=bool(self.repair),
        )  # fmt: skip

    def _follow(self, t: float, mean: Floats, duty: Floats, r: Floats, there: np.ndarray) -> None:
        """Jumps from one half-day to the next, the spread within them, and missing values."""
        rel = self.relations
        assert rel is not None
        days = max(t - self.last_t, 0.0) / DAY_S
        now = mean @ duty / rel.sigma[0]
        if self.last_mean is not None:
            step = np.abs(now - self.last_mean)
            self.jump = np.maximum(self.jump * np.exp(-days / JUMP_DAYS), step)
        self.last_mean = now
        share = 1 - np.exp(-days / 3.0)
        if len(r) >= 4:
            spread = np.log(np.maximum(r.std(axis=0), 1e-3) / np.maximum(rel.sigma[1], 1e-6))
            self.noise = self.noise + share * (np.clip(spread, -3, 3) - self.noise)
        self.missing = self.missing + share * (1 - there.mean(axis=0) - self.missing)

    # ---------------------------------------------------------------- work and errors

    def happened(self, event: Event) -> None:
        """Maintenance begins a search for the new level; errors are counted."""
        if event.kind not in WORK:
            self._fade_errors(event.t)
            self.errors = self.errors + 1.0
            return
        self.worked(event.t, "replaced" if is_repair(event) else "service")

    def worked(self, at: float, what: str) -> None:
        if self.relations is None:
            if what == "replaced":
                self.founding = [row for row in self.founding if row[0] > at]
            return
        self.before = self._sensor_level() if not self.repair else self.before
        self.repair = "replaced" if "replaced" in (what, self.repair) else what
        self.work_t, self.after, self.after_hours = at, None, 0.0

    def _after_work(self, t: float, parts: list[tuple[str, Floats]], count: int, duty: Floats) -> None:
        """After COLLECT_HOURS of running, move the usual level as far as the work (and not the wear) explains."""
        rel = self.relations
        assert rel is not None
        if not self.repair or t < self.work_t + SETTLE_HOURS * HOUR_S:
            return
        total = np.sum([d.sum(axis=0) for _, d in parts], axis=0)
        self.after = total if self.after is None else self.after + total
        self.after_hours += count
        if self.after_hours < COLLECT_HOURS:
            return
        mean = self.after / self.after_hours
        after = mean @ duty
        kept = np.zeros_like(after)
        if self.repair == "service" and self.before is not None:
            kept = np.where(np.abs(after) > np.abs(self.before), self.before, after)
        k, m = rel.layout.duty_columns, len(rel.layout.judged)
        shift = np.zeros(rel.layout.columns)
        shift[k : k + m] = after - kept
        for mode in rel.centre:
            rel.centre[mode] = rel.centre[mode] + shift
        self.den = np.minimum(np.asarray(SCALES_H), self.after_hours)
        self.num = (mean - shift)[None, :] * self.den[:, None]
        self.repair, self.before, self.after, self.after_hours = "", None, None, 0.0
        self.jump, self.last_mean = self.jump * 0.0, None

    def _fade_errors(self, t: float) -> None:
        days = max(t - self.errors_t, 0.0) / DAY_S
        self.errors = self.errors * np.exp(-days / np.asarray(ERROR_DAYS))
        self.errors_t = max(t, self.errors_t)

    def _error_rates(self, t: float) -> Floats:
        self._fade_errors(t)
        return np.asarray(self.errors / np.asarray(ERROR_DAYS))

    # ---------------------------------------------------------------- restart

    def state(self) -> State:
        own: State = {each.name: getattr(self, each.name) for each in fields(self)}
        own["scaling"] = None if self.scaling is None else self.scaling.state()
        own["hidden"] = None if self.hidden is None else self.hidden.state()
        own["relations"] = None if self.relations is None else self.relations.state()
        own["founding"], own["pending"] = _packed(self.founding), _packed(self.pending)
        own["lag"] = None if self.lag is None else {"t": self.lag[0], "value": self.lag[1]}
        own["strange"] = {mode: np.array(rows) for mode, rows in self.strange.items()}
        return own

    @classmethod
    def from_state(cls, state: State) -> Tracker:
        own = {**state, "metrics": tuple(state["metrics"])}
        own["scaling"] = None if state["scaling"] is None else Scaling(**state["scaling"])
        own["hidden"] = None if state.get("hidden") is None else HiddenModes.from_state(state["hidden"])
        own["relations"] = None if state["relations"] is None else Relations.from_state(state["relations"])
        own["founding"], own["pending"] = _unpacked(state["founding"]), _unpacked(state["pending"])
        own["lag"] = None if state["lag"] is None else (float(state["lag"]["t"]), state["lag"]["value"])
        own["strange"] = {mode: list(rows) for mode, rows in state["strange"].items()}
        return cls(**own)


def _packed(rows: Sequence[tuple[float, Floats, str]]) -> State | None:
    if not rows:
        return None
    t, values, modes = zip(*rows, strict=True)
    return {"t": np.array(t), "values": np.array(values), "modes": list(modes)}


def _unpacked(packed: State | None) -> list[tuple[float, Floats, str]]:
    if packed is None:
        return []
    rows = zip(packed["t"].tolist(), packed["values"], packed["modes"], strict=True)
    return [(float(t), values, str(mode)) for t, values, mode in rows]
