"""Continuous process plants of random design: liquid units in series with recycle, reaction, heat, closed loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROW_S, STEPS = 180.0, 20
DT = ROW_S / STEPS
WARM_ROWS = 300
KINDS = (
    "feed_composition_step", "feed_temperature_step", "utility_temperature_step", "supply_pressure_step",
    "feed_composition_varies", "feed_temperature_varies", "utility_temperature_varies", "kinetics_drift", "fouling",
    "outlet_valve_sticks", "utility_valve_sticks", "valve_stuck", "temperature_sensor_bias", "leak", "pump_wears",
    "recycle_blocked", "level_sensor_bias", "kinetics_vary",
)  # fmt: skip


@dataclass(frozen=True)
class Design:
    """Constants of one plant, drawn by its seed: N units, sizes, heats, rates, loops and instruments."""

    seed: int
    units: int = field(init=False)
    p: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        r = np.random.default_rng(self.seed)
        n = int(r.integers(4, 7))
        u = r.uniform
        p: dict[str, Any] = {
            "area": u(1.0, 4.0, n),  # m2
            "level": u(1.2, 2.5, n),  # m, set point
            "flow": u(8.0, 16.0),  # m3/h through the plant
            "recycle": u(0.2, 0.6),  # share of the flow that returns from the last but one unit
            "temperature": u(45.0, 110.0, n),
            "utility_in": np.where(r.random(n) < 0.5, 20.0, 150.0),
            "utility_flow": u(4.0, 12.0, n),
            "jacket": u(0.4, 1.0, n),  # m3
            "rate": np.where(r.random(n) < 0.5, u(0.3, 1.5, n), 0.0),  # 1/h per unit of concentration
            "activation": u(0.02, 0.06, n),  # per kelvin
            "heat": u(20.0, 60.0, n),  # kelvin per unit of conversion
            "feed": np.array([u(0.5, 0.7), u(0.25, 0.4), 0.0]),
            "feed_temperature": u(25.0, 50.0),
            "level_gain": u(0.4, 1.5, n),
            "level_time": u(0.3, 1.5, n),  # hours
            "heat_gain": u(0.015, 0.05, n),
            "heat_time": u(0.1, 0.5, n),
            "analyser": np.flatnonzero(r.random(n) < 0.6),
            "analyser_rows": int(r.integers(1, 5)),
            "disturbance_time": u(0.5, 4.0, 6),
            "noise": u(0.5, 1.5),
            "composition_loop": bool(r.random() < 0.6),
        }
        if not p["rate"].any():
            p["rate"][0] = 0.8
        hot = p["utility_in"] > 100
        p["temperature"] = np.where(hot, u(60.0, 100.0, n), u(45.0, 75.0, n))
        object.__setattr__(self, "units", n)
        object.__setattr__(self, "p", p)

    def metrics(self) -> tuple[str, ...]:
        names = [
            f"u{k}_{what}"
            for k in range(self.units)
            for what in (
                "level_m",
                "temperature_celsius",
                "outlet_flow_m3_h",
                "utility_outlet_celsius",
                "pump_power_kw",
            )
        ]
        names += [f"u{k}_analyser_{c}" for k in self.p["analyser"] for c in "abc"]
        names += ["feed_flow_m3_h", "feed_temperature_celsius", "recycle_flow_m3_h", "feed_ratio"]
        names += [f"u{k}_outlet_valve" for k in range(self.units)] + [f"u{k}_utility_valve" for k in range(self.units)]
        return (*names, "feed_valve", "recycle_valve")


@dataclass(frozen=True)
class Fault:
    """What goes wrong from `row` on; `size` 1 is plainly there, 0 nothing; `unit` where it happens."""

    kind: str
    size: float
    unit: int
    row: int


def simulate(
    design: Design, rows: int, seeds: list[int], faults: list[Fault | None], warm_rows: int = WARM_ROWS
) -> Floats:
    """Return [runs, rows, metrics]: the same seed and another fault give the same noise."""
    return _Run(design, rows, seeds, faults).walk(warm_rows)


class _Run:
    """State of all runs at once: arrays [runs, units]."""

    def __init__(self, design: Design, rows: int, seeds: list[int], faults: list[Fault | None]) -> None:
        self.d, self.p, self.n, self.rows, self.faults = design, design.p, design.units, rows, faults
        self.r = len(seeds)
        self.rngs = [np.random.default_rng([design.seed, seed]) for seed in seeds]
        r, n, p = self.r, self.n, self.p
        self.level = np.tile(p["level"], (r, 1))
        self.temp = np.tile(p["temperature"], (r, 1))
        self.jacket = self.temp + 0.5 * (p["utility_in"] - self.temp)
        self.x = np.tile(p["feed"], (r, n, 1))
        self.through = p["flow"] * (1 + np.where(np.arange(n) < n - 1, p["recycle"], 0.0))
        self.cv = self.through / (0.5 * np.sqrt(p["level"]))
        self.ua = p["utility_flow"] * 1.0
        self.outlet, self.utility = np.full((r, n), 0.5), np.full((r, n), 0.5)
        self.out_i, self.ut_i = np.full((r, n), 0.5), np.full((r, n), 0.5)
        self.feed_valve, self.recycle_valve = np.full(r, 0.5), np.full(r, 0.5)
        self.feed_i, self.rec_i = np.full(r, 0.5), np.full(r, 0.5)
        self.moved = np.hstack([self.outlet, self.utility])  # where the valves really are
        self.ou = np.zeros((r, 6 + 2 * n))
        self.ratio = np.zeros(r)
        self.held: Floats | None = None

    def strength(self, kind: str, step_row: float) -> tuple[Floats, NDArray[np.int64]]:
        """Per run the fault's size now (0 before its row) and its unit."""
        size, unit = np.zeros(self.r), np.zeros(self.r, dtype=np.int64)
        for i, fault in enumerate(self.faults):
            if fault is not None and fault.kind == kind:
                unit[i] = fault.unit
                if step_row >= fault.row:
                    late = step_row - fault.row
                    ramps = kind in ("kinetics_drift", "fouling", "pump_wears")
                    size[i] = fault.size * (min(1.0, late / 200) if ramps else 1.0)
        return size, unit

    def walk(self, warm_rows: int) -> Floats:
        total = warm_rows + self.rows
        m = len(self.d.metrics())
        out = np.empty((self.r, self.rows, m))
        for row in range(total):
            shock = np.stack([g.normal(size=(STEPS, self.ou.shape[1])) for g in self.rngs], axis=1)
            noise = np.stack([g.normal(size=m) for g in self.rngs])
            now = row - warm_rows
            f = {kind: self.strength(kind, now) for kind in KINDS}
            for step in range(STEPS):
                self.step(shock[step], f)
            if now >= 0:
                out[:, now] = self.read(noise, now, f)
        return out

    def spot(self, f: tuple[Floats, NDArray[np.int64]]) -> Floats:
        """[runs, units]: the fault's size at its unit."""
        out = np.zeros((self.r, self.n))
        out[np.arange(self.r), f[1]] = f[0]
        return out

    def step(self, shock: Floats, f: dict[str, tuple[Floats, NDArray[np.int64]]]) -> None:
        p, h = self.p, DT / 3600
        n = self.n
        tau = np.concatenate([p["disturbance_time"], np.full(2 * n, 1.0)])
        loud = np.ones((self.r, self.ou.shape[1]))
        loud[:, 0:2] += 4 * f["feed_composition_varies"][0][:, None]
        loud[:, 2] += 6 * f["feed_temperature_varies"][0]
        loud[:, 6 : 6 + n] += 5 * self.spot(f["utility_temperature_varies"])
        loud[:, 6 + n :] += 6 * self.spot(f["kinetics_vary"])
        self.ou += -self.ou * (h / tau) + loud * shock * np.sqrt(2 * h / tau)
        feed = p["feed"] + 0.012 * self.ou[:, [0, 1, 1]] * np.array([1, 1, -1])
        feed[:, 0] -= 0.05 * f["feed_composition_step"][0]
        feed[:, 2] = np.maximum(feed[:, 2] * 0.3 + 0.05 * f["feed_composition_step"][0], 0)
        feed_t = p["feed_temperature"] + 0.8 * self.ou[:, 2] + 5 * f["feed_temperature_step"][0]
        supply = 1 + 0.02 * self.ou[:, 3] - 0.25 * f["supply_pressure_step"][0]
        cool_in = p["utility_in"] + 0.7 * self.ou[:, 6 : 6 + n] + 0.5 * self.ou[:, 4:5]
        cool_in = cool_in + 6 * self.spot(f["utility_temperature_step"])
        kin = 1 + 0.01 * self.ou[:, 6 + n :] - 0.35 * self.spot(f["kinetics_drift"])
        ua = self.ua * (1 - 0.4 * self.spot(f["fouling"]))
        cv = self.cv * (1 - 0.3 * self.spot(f["pump_wears"]))
        feed_flow = 2 * p["flow"] * self.feed_valve * supply
        base_rec = 2 * p["flow"] * p["recycle"]
        rec_flow = base_rec * self.recycle_valve * (1 - 0.4 * f["recycle_blocked"][0]) * (1 + 0.01 * self.ou[:, 5])
        out = cv * self.moved[:, :n] * np.sqrt(np.maximum(self.level, 0.02))
        leak = 0.06 * p["flow"] * self.spot(f["leak"])
        inflow = np.empty_like(out)
        inflow[:, 0] = feed_flow + rec_flow
        inflow[:, 1:] = out[:, :-1]
        inflow[:, -1] -= rec_flow
        inflow = np.maximum(inflow, 0.0)
        volume = np.maximum(p["area"] * self.level, 0.05)
        into_t, into_x = np.empty_like(self.temp), np.empty_like(self.x)
        into_t[:, 1:], into_x[:, 1:] = self.temp[:, :-1], self.x[:, :-1]
        share = feed_flow / np.maximum(feed_flow + rec_flow, 1e-6)
        into_t[:, 0] = share * feed_t + (1 - share) * self.temp[:, -2]
        into_x[:, 0] = share[:, None] * feed + (1 - share)[:, None] * self.x[:, -2]
        rate = p["rate"] * kin * np.exp(p["activation"] * (self.temp - p["temperature"]))
        rate = rate * np.maximum(self.x[:, :, 0], 0) * np.maximum(self.x[:, :, 1], 0)
        dilute = (inflow / volume)[:, :, None]
        self.x += h * (dilute * (into_x - self.x) + rate[:, :, None] * np.array([-1.0, -1.0, 1.0]))
        exchange = ua * (self.temp - self.jacket)
        self.temp += h * ((inflow * (into_t - self.temp) - exchange) / volume + p["heat"] * rate)
        util = 2 * p["utility_flow"] * self.moved[:, n:]
        self.jacket += h * (util * (cool_in - self.jacket) + exchange) / p["jacket"]
        self.level += h * (inflow - out - leak) / p["area"]
        self.level = np.clip(self.level, 0.02, 6.0)
        self.control(h, f, feed_flow, rec_flow)
        self.last = (out, feed_flow, rec_flow, feed_t)

    def control(
        self, h: float, f: dict[str, tuple[Floats, NDArray[np.int64]]], feed_flow: Floats, rec_flow: Floats
    ) -> None:
        p, n = self.p, self.n
        seen_level = self.level + 0.12 * self.spot(f["level_sensor_bias"])
        seen_temp = self.temp + 3.0 * self.spot(f["temperature_sensor_bias"])
        error = seen_level - p["level"]
        self.out_i = np.clip(self.out_i + h * p["level_gain"] * error / p["level_time"], 0, 1)
        self.outlet = np.clip(self.out_i + p["level_gain"] * error, 0.02, 1)
        sign = np.where(p["utility_in"] > 100, -1.0, 1.0)  # more coolant when hot, less steam when hot
        error = sign * (seen_temp - p["temperature"])
        self.ut_i = np.clip(self.ut_i + h * p["heat_gain"] * error / p["heat_time"], 0, 1)
        self.utility = np.clip(self.ut_i + p["heat_gain"] * error, 0.02, 1)
        want = p["flow"] * (1 + (self.ratio if p["composition_loop"] else 0.0))
        error = (want - feed_flow) / p["flow"]
        self.feed_i = np.clip(self.feed_i + h * 5 * error, 0, 1)
        self.feed_valve = np.clip(self.feed_i + 0.2 * error, 0.02, 1)
        error = (p["flow"] * p["recycle"] - rec_flow) / p["flow"]
        self.rec_i = np.clip(self.rec_i + h * 5 * error, 0, 1)
        self.recycle_valve = np.clip(self.rec_i + 0.2 * error, 0.02, 1)
        self.ratio = np.clip(self.ratio + h * 0.3 * (0.2 - self.x[:, -1, 0]), -0.1, 0.1)
        wanted = np.hstack([self.outlet, self.utility])
        band = np.hstack([self.spot(f["outlet_valve_sticks"]), self.spot(f["utility_valve_sticks"])]) * 0.06 + 0.002
        stuck = np.hstack([np.zeros((self.r, n)), self.spot(f["valve_stuck"])]) > 0
        free = (np.abs(wanted - self.moved) > band) & ~stuck
        loose = (band <= 0.002) & ~stuck
        self.moved = np.where(loose, self.moved + 0.4 * (wanted - self.moved), np.where(free, wanted, self.moved))

    def read(self, noise: Floats, row: int, f: dict[str, tuple[Floats, NDArray[np.int64]]]) -> Floats:
        p, n = self.p, self.n
        out, feed_flow, rec_flow, feed_t = self.last
        level = self.level + 0.12 * self.spot(f["level_sensor_bias"])
        temp = self.temp + 3.0 * self.spot(f["temperature_sensor_bias"])
        power = 0.6 * out * (1.5 + 0.3 * self.level) / np.maximum(self.moved[:, :n], 0.1) ** 0.3
        per_unit = np.stack([level, temp, out, self.jacket, power], axis=2).reshape(self.r, -1)
        spot = np.tile(np.array([0.012, 0.15, 0.08, 0.15, 0.06]), n)
        analysis = self.x[:, p["analyser"]].reshape(self.r, -1)
        rest = np.column_stack([feed_flow, feed_t, rec_flow, self.ratio])
        valves = np.hstack([self.outlet, self.utility, self.feed_valve[:, None], self.recycle_valve[:, None]])
        a, b = per_unit.shape[1], per_unit.shape[1] + analysis.shape[1]
        sigma = np.concatenate(
            [spot, np.full(analysis.shape[1], 0.004), [0.08, 0.2, 0.05, 0.002], np.full(valves.shape[1], 0.002)]
        )
        values = np.hstack([per_unit, analysis, rest, valves]) + p["noise"] * sigma * noise
        if self.held is None or row % p["analyser_rows"] == 0:
            self.held = values[:, a:b].copy()
        values[:, a:b] = self.held
        return np.asarray(values)


def draw_faults(design: Design, row: int, count: int, seed: int) -> list[Fault]:
    """`count` faults of different kinds, of moderate and some of tiny size."""
    r = np.random.default_rng([design.seed, seed, 7])
    kinds = r.permutation(KINDS)
    hot = np.flatnonzero(design.p["rate"] > 0)
    faults = []
    for i in range(count):
        kind = str(kinds[i % len(kinds)])
        unit = int(r.choice(hot)) if kind.startswith("kinetics") else int(r.integers(0, design.units))
        size = float(r.uniform(0.7, 1.6)) if i < count - 3 else float(r.uniform(0.02, 0.05))
        faults.append(Fault(kind, size, unit, row))
    return faults


def is_hard(clean: Floats, faulty: Floats, row: int) -> bool:
    """True when what the fault adds (same noise with and without it) stays within the healthy spread everywhere."""
    spread = clean.std(axis=0)
    added = np.abs(faulty[row:] - clean[row:]) / np.maximum(spread, 1e-9)
    return bool(np.quantile(added.max(axis=1), 0.5) < 1.0)
