"""Layer 2 for many assets at once: each row against the asset's own frozen reference, in a few products."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import metric_kinds, reference
from ml.detectors.banks.columns import Anything, Column, Columns, Slots, at
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.protocol import Bools, Floats, State
from ml.detectors.reference import Reference
from ml.detectors.regime import FAST_MIN_S, Regime
from ml.detectors.residual import ResidualDetector
from ml.detectors.residual_settings import GAP_ROWS, GAP_S, SETTLE_MAX_S, SETTLE_S, SETTLE_STEPS, STEPS_KEPT
from ml.detectors.tolerance import TOLERANCE_FADES_S

HOURS = 4  # harmonics of the day
_VECTORS = {"centre": "f8", "offset": "f4", "spread": "f4", "usable": "?", "evidence": "f4"}
_NUMBERS = {"dt": "f8", "span": "f8", "rows": "i4"}
_COUNTS = ("kept", "next_fit", "revision")
# A reference with anything else in it is not understood here: its asset stays on the path of its own.
_KNOWN_FIELDS = frozenset({*_VECTORS, *_NUMBERS, "precision", "scale", "joint", "hours"})


class ResidualBank:
    """Holds the reference and the smoothed residuals of the regime that an asset is in; the others wait in the rest."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.metrics = layout.metrics
        m = len(self.metrics)
        self.columns = Columns(
            {
                **{name: Column(dtype, (m,)) for name, dtype in _VECTORS.items()},
                **{name: Column(dtype) for name, dtype in _NUMBERS.items()},
                **{name: Column("i4") for name in _COUNTS},
                # The inverse correlation is symmetric: sensors on all, and the harmonics among themselves.
                "relations": Column("f4", (m + HOURS, m)),
                "harmonics": Column("f4", (HOURS, HOURS)),
                "hours": Column("?"),
                "scale": Column("f4", (3, m)),
                "joint": Column("f4", (2, 2)),
                "fast": Column("f8", (m,)),
                "slow": Column("f8", (m,)),
                "tolerance": Column("f4", (m,), 1.0),
                "tolerance_since": Column("f8"),
                "dull": Column("f8"),
                "dull_since": Column("f8"),
                "steps": Column("f4", (STEPS_KEPT,)),
                "oldest": Column("u1"),
                "healthy_until": Column("f8"),
                "late": Column("?", (m,)),
            }
        )
        self._scored = np.array([not metric_kinds.is_condition(metric) for metric in self.metrics])
        settings = layout.setup.residual
        # A more patient level leaves more rows to the asset's own path, a more eager one must not miss any.
        self._level = min(settings.opens, settings.clears, settings.alarms)
        self._understood = {field.name for field in fields(Reference)} == _KNOWN_FIELDS
        self._seen: dict[str, Anything] = {}
        self._any_late = False

    # ------------------------------------------------------------------ in and out

    def holds(self, state: State, moment: Moment) -> bool:
        regime = state["regimes"].get(state["mode"])
        evidence = state["evidence"]
        return (
            self._understood
            and tuple(state["metrics"]) == self.metrics
            and state["mode"] == (moment.mode or "")
            and _is_frozen(regime)
            and not evidence["open"]
            and not any(evidence["recent_t"])
            and state["current"] is None
            and not state["ended"]
            and state["last_t"] == regime["last_t"] == moment.t > state["healthy_until"]
            and len(state["steps"]) == STEPS_KEPT
            and moment.t >= _settled_at(state, regime)
        )

    def put(self, slot: int, state: State, moment: Moment) -> State:
        c, mode = self.columns, state["mode"]
        regime = dict(state["regimes"][mode])
        known = regime.pop("known")
        for name in (*_VECTORS, *_NUMBERS, "scale", "joint", "hours"):
            c[name][slot] = known[name]
        m = len(self.metrics)
        whole = known["precision"]
        c["relations"][slot] = 0.0
        c["relations"][slot, : len(whole)] = whole[:, :m]
        if known["hours"]:
            c["harmonics"][slot] = whole[m:, m:]
        for name in ("fast", "slow"):
            values = regime.pop(name)
            c[name][slot] = 0.0 if values is None else values
        for name in _COUNTS:
            c[name][slot] = regime.pop(name)
        tolerance = state["tolerance"]
        c["tolerance"][slot] = 1.0 if tolerance is None else tolerance
        for name in ("tolerance_since", "dull", "dull_since"):
            c[name][slot] = state[name]
        c["steps"][slot], c["oldest"][slot] = state["steps"], 0
        c["healthy_until"][slot] = state["healthy_until"]
        c["late"][slot] = [metric in regime["late"] for metric in self.metrics]
        self._any_late |= bool(regime["late"])
        rest = {name: value for name, value in state.items() if name not in _HELD and not _is_fresh(name, value)}
        others = {name: other for name, other in state["regimes"].items() if name != mode}
        own = {name: value for name, value in regime.items() if not _is_fresh(name, value)}
        return rest | {name: value for name, value in (("others", others), ("own", own)) if value}

    def take(self, slot: int, rest: State, moment: Moment) -> State:
        c, mode = self.columns, moment.mode or ""
        regime = Regime(
            known=self.reference(slot), settled=True, last_t=moment.t, fast=np.array(c["fast"][slot]),
            slow=np.array(c["slow"][slot]), kept=int(c["kept"][slot]), next_fit=int(c["next_fit"][slot]),
            revision=int(c["revision"][slot]),
        )  # fmt: skip
        tolerance = c["tolerance"][slot].astype(float)
        oldest = int(c["oldest"][slot])
        state = ResidualDetector("").state()
        state |= {name: value for name, value in rest.items() if name not in ("others", "own")}
        return state | {
            "metrics": list(self.metrics),
            "regimes": {**rest.get("others", {}), mode: regime.to_plain() | rest.get("own", {})},
            "tolerance": None if (tolerance == 1.0).all() else tolerance,
            **{name: float(c[name][slot]) for name in ("tolerance_since", "dull", "dull_since")},
            "last_t": moment.t,
            "healthy_until": float(c["healthy_until"][slot]),
            "steps": np.roll(c["steps"][slot], -oldest).astype(float).tolist(),
            "mode": mode,
        }

    def reference(self, slot: int) -> Reference:
        """The slot's reference as it was put in, to the bit."""
        c, m = self.columns, len(self.metrics)
        size = m + HOURS if c["hours"][slot] else m
        whole = np.empty((size, size))
        whole[:, :m] = c["relations"][slot, :size]
        whole[:m, m:] = whole[m:, :m].T
        if size > m:
            whole[m:, m:] = c["harmonics"][slot]
        own: dict[str, Any] = {name: c[name][slot].astype(float) for name in ("scale", "joint", *_VECTORS)}
        own |= {name: c[name][slot].item() for name in (*_NUMBERS, "hours")}
        return Reference(**own | {"usable": np.array(c["usable"][slot]), "precision": whole})

    # ------------------------------------------------------------------ one row of each

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats, there: Bools | None) -> Bools:
        c = self.columns
        quiet = self._no_gap(slots, dt)
        if self._any_late:  # what was never told begins: its detector takes note
            late = c["late"][slots]
            quiet &= ~(late if there is None else late & there).any(axis=1)
        usable = c["usable"][slots]
        if not usable.all():
            there = usable if there is None else there & usable
        r = self._residual(slots, t, x, there)
        fast, slow = self._smoothed(slots, dt, r, there)
        self._seen = {"fast": fast, "slow": slow, "dt": dt}
        scale = c["scale"][slots]
        fast_scale = scale[:, 1]
        slower = dt < c["dt"][slots] / 2
        if slower.any():
            fast_scale = np.where(slower[:, None], np.maximum(fast_scale, scale[:, 0]), fast_scale)
        counted, tolerance = usable & self._scored, self._tolerance(slots, t)
        loud = np.zeros(len(x), dtype=bool)
        for level, own, which in ((fast, fast_scale, 0), (slow, scale[:, 2], 1)):
            z = level / own * counted / tolerance
            usual, beyond = c["joint"][slots][:, which].T
            joint = (np.sqrt(np.einsum("nj,nj->n", z, z)) - usual) / beyond * reference.REACH_SIGMA
            loud |= joint >= self._level
            if z.max(initial=0.0) >= self._level or z.min(initial=0.0) <= -self._level:
                loud |= (np.abs(z) >= self._level).any(axis=1)
        if there is not None:
            loud &= there[:, self._scored].any(axis=1)  # who sees nothing says nothing
        return np.asarray(quiet & ~loud)

    def _tolerance(self, slots: Slots, t: Floats) -> Floats | float:
        own = self.columns["tolerance"][slots]
        if own.max(initial=1.0) == 1.0 == own.min(initial=1.0):
            return 1.0
        fading = np.exp(-(t - self.columns["tolerance_since"][slots]) / TOLERANCE_FADES_S)[:, None]
        return np.asarray(1 + (own - 1) * fading)

    def _no_gap(self, slots: Slots, dt: Floats) -> Bools:
        usual = dt <= GAP_S
        if usual.all():
            return usual
        return usual | (dt <= GAP_ROWS * np.median(self.columns["steps"][slots], axis=1))

    def _residual(self, slots: Slots, t: Floats, x: Floats, there: Bools | None) -> Floats:
        """`Reference.residual` of a different reference for each row; zero where nothing is known."""
        c, m, limit = self.columns, len(self.metrics), reference.STRAY_SIGMA
        z = (x - c["centre"][slots]) / c["spread"][slots]
        if there is not None:
            z = np.where(there, z, 0.0)
        inside = z
        if z.max(initial=0.0) > limit or z.min(initial=0.0) < -limit:
            inside = np.clip(z, -limit, limit)
        known = np.zeros((len(x), m + HOURS))
        known[:, :m] = inside
        if c["hours"][slots].any():  # without them their relations are zero
            same = bool((t == t[0]).all())
            known[:, m:] = reference.with_hours(t[:1] if same else t, known[: 1 if same else None, :0])
        relations = c["relations"][slots]
        own = np.diagonal(relations, axis1=1, axis2=2)
        r = np.matmul(known[:, None, :], relations)[:, 0] / own - c["offset"][slots]
        return np.asarray(r if inside is z else r + (z - inside))

    def _smoothed(self, slots: Slots, dt: Floats, r: Floats, there: Bools | None) -> tuple[Floats, Floats]:
        """`Regime.smooth` for one row of each."""
        c = self.columns
        dt = np.maximum(dt, 1e-3)
        fast_step = (1 - np.exp(-dt / np.maximum(reference.FAST_ROWS * dt, FAST_MIN_S)))[:, None]
        slow_step = 1 - np.exp(-np.minimum(dt / (reference.SLOW_ROWS * c["dt"][slots]), 2 / reference.SLOW_ROWS))
        fast, slow = c["fast"][slots], c["slow"][slots]
        to_fast, to_slow = fast_step * (r - fast), slow_step[:, None] * (r - slow)
        if there is not None:
            to_fast, to_slow = to_fast * there, to_slow * there
        return fast + to_fast, slow + to_slow

    def keep(self, slots: Slots, rows: Slots | None) -> list[tuple[int, FindingFacts]]:
        c, where = self.columns, at(slots, rows)
        for name in ("fast", "slow"):
            c[name][where] = self._seen[name] if rows is None else self._seen[name][rows]
        places = np.arange(where.start, where.stop) if isinstance(where, slice) else where
        oldest = c["oldest"][where]
        c["steps"][places, oldest] = self._seen["dt"] if rows is None else self._seen["dt"][rows]
        c["oldest"][where] = (oldest + 1) % STEPS_KEPT
        return []


def _is_frozen(regime: Any) -> bool:
    """Has the regime learned all it will learn, with no repair to take into account?"""
    if regime is None or regime.get("dynamics") is not None:  # many variables together: not in these arrays
        return False
    return bool(regime["settled"] and regime["known"] is not None and regime["recentring"] is None)


def _settled_at(state: State, regime: Any) -> float:
    """`ResidualDetector._settled_at` of a stored state."""
    if not state["mode"] or len(state["regimes"]) < 2:
        return -np.inf
    dt = float(regime["known"]["dt"])
    return float(state["mode_since"]) + min(max(SETTLE_S, SETTLE_STEPS * dt), SETTLE_MAX_S)


def _is_fresh(name: str, value: Any) -> bool:
    """Is it what a new regime has, or what `take` gives anyway?"""
    if name in ("settled", "last_t"):
        return True
    fresh = _FRESH.get(name)
    return value is fresh or (not isinstance(value, np.ndarray) and value == fresh)


_FRESH = ResidualDetector("").state() | Regime().to_plain()
# What the arrays hold, or what has no meaning while all is quiet.
_HELD = {
    "metrics", "regimes", "evidence", "current", "told", "worst", "tolerance", "tolerance_since", "dull", "dull_since",
    "last_t", "healthy_until", "steps", "ended", "mode", "mode_since",
}  # fmt: skip
