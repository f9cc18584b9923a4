"""A mixed fleet as a recorded fleet on disk: hidden damage, regimes, seasons, dirt, services, broken sensors."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from ml.training_set import Asset, Event, Incident, Settings, Span
from tests.ml.simulated.mixed_kinds import DAY_S, KINDS, Floats, Kind, World

START = datetime(2025, 2, 1, tzinfo=UTC).timestamp()
HORIZON_S, MIN_LEAD_S, OPEN_S = 30 * DAY_S, DAY_S, 7 * DAY_S
SUDDEN_SHARE = 0.15  # of the failures give no sign a day before
SERVICE_DAYS = (50.0, 110.0)
FIRST_FAULT_DAYS = (25.0, 210.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the fleet is and how hard: `signal` scales every effect of damage on the sensors' noise."""

    seed: int = 0
    history: int = 20
    scored: int = 40
    days: float = 210.0
    kinds_of_history: Sequence[int] = (0, 1, 2, 3, 4)
    kinds_of_scored: Sequence[int] = (0, 1, 2, 3, 4, 5, 6)
    signal: float = 1.0
    healthy_days: tuple[float, float] = (14.0, 30.0)


@dataclass(slots=True)
class Life:
    """One machine's story: rows, hidden damage, and what the maintenance people wrote down."""

    asset: str
    kind: Kind
    t: Floats
    values: Floats
    modes: list[str]
    healthy_until: float
    damage: Floats
    incidents: list[tuple[float, float, float, str]] = field(default_factory=list)  # onset, failed, repaired, kind
    events: list[tuple[float, str, str, str]] = field(default_factory=list)


def _ar(rng: np.random.Generator, n: int, rows: float) -> Floats:
    """A standard normal process with a memory of so many rows."""
    a, value = float(np.exp(-1 / rows)), float(rng.normal())
    noise = rng.normal(size=n) * np.sqrt(1 - a * a)
    out = np.empty(n)
    for i, each in enumerate(noise.tolist()):
        value = a * value + each
        out[i] = value
    return out


def _duty(rng: np.random.Generator, kind: Kind, t: Floats) -> tuple[Floats, np.ndarray]:
    n, per_day = len(t), DAY_S / kind.step_s
    hour, day = t % DAY_S / 3600, np.floor(t / DAY_S).astype(int)
    wobble = _ar(rng, n, per_day * rng.uniform(0.3, 3))
    mode = np.zeros(n, dtype=int)
    if kind.duty == "wind":
        season = 0.08 * np.cos(2 * np.pi * (t - START) / (365 * DAY_S))
        return np.clip(0.5 + season + 0.22 * wobble, 0.02, 1.4), mode
    daily = np.sin(2 * np.pi * (hour - rng.uniform(7, 11)) / 24)
    duty = np.clip(0.6 + 0.15 * daily + 0.12 * wobble, 0.05, 1.0)
    if rng.random() < 0.35:  # the customer's business changes for good
        duty = np.clip(duty + rng.uniform(-0.2, 0.2) * (t > rng.uniform(t[0] + 30 * DAY_S, t[-1])), 0.05, 1.0)
    if kind.duty == "shifts":
        begins, ends = rng.uniform(5, 7), rng.uniform(20, 23)
        at_work = (hour > begins) & (hour < ends) & ((day % 7 < 5) | (rng.random() < 0.4))
        mode = np.where(at_work, np.where(rng.random(n) < 0.08, 1, 0), 2)
    elif kind.duty == "batches":
        mode = np.repeat(rng.integers(0, 3, size=n // 24 + 2), rng.integers(18, 60, size=n // 24 + 2))[:n]
    return duty, mode


def _growth(rng: np.random.Generator, t: Floats, onset: float, failed: float) -> Floats:
    """Damage from 0 at the onset to 1 at the failure: linear to steep."""
    share = np.clip((t - onset) / (failed - onset), 0, 1)
    grown = np.asarray(share ** rng.uniform(1.0, 3.0))
    return np.where(t > failed, 0.0, grown)


def _live(rng: np.random.Generator, plan: Plan, kind: Kind, asset: str) -> Life:
    begin = START + rng.uniform(0, 25) * DAY_S
    t = np.arange(np.floor(begin / kind.step_s) * kind.step_s, START + plan.days * DAY_S, kind.step_s)
    n, per_day = len(t), DAY_S / kind.step_s
    healthy_until = float(t[0]) + rng.uniform(*plan.healthy_days) * DAY_S
    season = -np.cos(2 * np.pi * (t - START) / (365 * DAY_S))
    ambient = rng.uniform(9, 17) + rng.uniform(7, 12) * season + 3.5 * np.sin(2 * np.pi * (t % DAY_S / DAY_S - 0.4))
    ambient = ambient + 2.5 * _ar(rng, n, 3 * per_day)
    duty, mode = _duty(rng, kind, t)
    life = Life(asset, kind, t, np.empty(0), [], healthy_until, np.zeros(n))
    damage = {name: np.zeros(n) for name in kind.damages}
    down = np.zeros(n, dtype=bool)
    _suffer(rng, life, damage, down)
    dirt, offsets = _serve(rng, life, len(kind.metrics))
    clean = World(ambient, duty, mode, dirt, {k: np.zeros(n) for k in damage}, rng.normal(size=12))
    hurt = World(ambient, duty, mode, dirt, {k: v * plan.signal for k, v in damage.items()}, clean.own)
    ideal = np.column_stack(kind.sense(hurt))
    noise = np.asarray(kind.noise) * rng.lognormal(0, 0.25, size=len(kind.noise))
    slow = np.column_stack([_ar(rng, n, per_day * rng.uniform(1, 12)) for _ in kind.metrics])
    wander = np.cumsum(rng.normal(size=ideal.shape), axis=0) / np.sqrt(per_day * 30) * rng.uniform(0, 0.4, len(noise))
    values = ideal + noise * (rng.normal(size=ideal.shape) + 0.35 * slow + wander + offsets)
    _break_sensors(rng, life, values, noise)
    if kind.modes and kind.duty == "shifts":
        values[mode == 2] = np.where(rng.random() < 0.5, np.nan, values[mode == 2])
    values[down] = np.nan
    life.damage = np.max(list(damage.values()), axis=0)
    life.values = values
    life.modes = [kind.modes[m] for m in mode] if kind.modes else []
    keep = np.isfinite(values).any(axis=1) & (rng.random(n) > 0.005)
    life.t, life.values, life.damage = t[keep], values[keep], life.damage[keep]
    life.modes = [m for m, k in zip(life.modes, keep, strict=False) if k]
    return life


def _suffer(rng: np.random.Generator, life: Life, damage: dict[str, Floats], down: np.ndarray) -> None:
    t, at = life.t, life.t[0] + rng.uniform(*FIRST_FAULT_DAYS) * DAY_S
    while at < t[-1]:
        name = str(rng.choice(list(damage)))
        sudden = rng.random() < SUDDEN_SHARE
        lasts = rng.uniform(0.2, 0.9) if sudden else float(np.exp(rng.normal(np.log(28), 0.6)))
        failed = at + lasts * DAY_S
        damage[name] = np.maximum(damage[name], _growth(rng, t, at, failed))
        if failed >= t[-1]:
            return
        repaired = failed + rng.uniform(0.3, 3) * DAY_S
        down |= (t > failed) & (t < repaired)
        life.incidents.append((at, failed, repaired, name))
        life.events.append((repaired, "maintenance", "replaced", name))
        for _ in range(rng.poisson(1.5)):
            life.events.append(
                (rng.uniform(max(t[0], failed - 6 * DAY_S), failed), "error", f"E{rng.integers(20, 24)}", "")
            )
        at = repaired + rng.exponential(70) * DAY_S + 15 * DAY_S


def _serve(rng: np.random.Generator, life: Life, metrics: int) -> tuple[Floats, Floats]:
    """Dirt that gathers until the next service, and the small changes of sensors that a service brings."""
    t, dirt, offsets = life.t, np.zeros(len(life.t)), np.zeros((len(life.t), metrics))
    since, at = float(t[0]), float(t[0]) + rng.uniform(*SERVICE_DAYS) * DAY_S
    while since < t[-1]:
        rows = (t >= since) & (t < at)
        dirt[rows] = np.clip((t[rows] - since) / (100 * DAY_S), 0, 1)
        if at < t[-1]:
            life.events.append((at, "maintenance", "service", ""))
            offsets[t >= at] += rng.normal(size=metrics) * 0.5 * (rng.random(metrics) < 0.4)
        since, at = at, at + rng.uniform(*SERVICE_DAYS) * DAY_S
    for _, _, repaired, _ in life.incidents:
        offsets[t >= repaired] += rng.normal(size=metrics) * 0.7 * (rng.random(metrics) < 0.5)
    for _ in range(rng.poisson((t[-1] - t[0]) / (60 * DAY_S))):
        life.events.append((rng.uniform(t[0], t[-1]), "error", f"E{rng.integers(10, 24)}", ""))
    return dirt, offsets


def _break_sensors(rng: np.random.Generator, life: Life, values: Floats, noise: Floats) -> None:
    t = life.t
    for _ in range(rng.poisson(0.6 * (t[-1] - t[0]) / (180 * DAY_S))):
        j = int(rng.choice(life.kind.health))
        since = rng.uniform(life.healthy_until, t[-1])
        until = since + rng.uniform(3, 50) * DAY_S
        rows = np.flatnonzero((t >= since) & (t < until))
        if len(rows) == 0:
            continue
        what = rng.choice(["drift", "step", "frozen", "spikes", "missing", "noisy"])
        if what == "drift":
            values[rows, j] += noise[j] * rng.choice([-1, 1]) * rng.uniform(4, 15) * (t[rows] - since) / (until - since)
        elif what == "step":
            values[rows, j] += noise[j] * rng.choice([-1, 1]) * rng.uniform(3, 15)
        elif what == "frozen":
            values[rows, j] = values[rows[0], j]
        elif what == "spikes":
            values[rows[rng.random(len(rows)) < 0.03], j] *= rng.uniform(1.5, 4)
        elif what == "missing":
            values[rows, j] = np.nan
        else:
            values[rows, j] += noise[j] * rng.uniform(1, 4) * rng.normal(size=len(rows))
        if rng.random() < 0.6:
            life.events.append((until, "maintenance", "replaced", "sensor"))


def fleet_of(plan: Plan) -> list[tuple[Life, str]]:
    """The machines of the plan with their role."""
    lives = []
    for role, count, kinds in (
        ("history", plan.history, plan.kinds_of_history),
        ("score", plan.scored, plan.kinds_of_scored),
    ):
        for i in range(count):
            rng = np.random.default_rng([plan.seed, role == "score", i])
            kind = KINDS[kinds[i % len(kinds)]]
            lives.append((_live(rng, plan, kind, f"{role[0]}{i:02d}-{kind.name}"), role))
    return lives


def observer(life: Life, level: float) -> list[float]:
    """The perfect observer: sees the hidden damage itself, once per episode, when it reaches a level."""
    above = life.damage >= level
    return [float(each) for each in life.t[np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))]]


class MemoryFleet:
    """The plan's machines as a training set in memory; `told_modes` says whether operating modes are told."""

    def __init__(self, plan: Plan, told_modes: bool = True) -> None:
        self.settings = Settings("mixed", True, HORIZON_S, MIN_LEAD_S, OPEN_S, 30 * DAY_S, 0.0, 0.1, per_kind=False)
        self.assets: dict[str, Asset] = {}
        self.incidents: list[Incident] = []
        self.events: list[Event] = []
        self.lives: dict[str, Life] = {}
        self._told_modes = told_modes
        for life, role in fleet_of(plan):
            self.lives[life.asset] = life
            span = Span(float(life.t[0]), float(life.t[-1]), life.healthy_until, life.healthy_until)
            self.assets[life.asset] = Asset(life.asset, life.kind.name, role, "", (span,))
            self.incidents += [Incident(life.asset, k, at, None, f, r) for at, f, r, k in life.incidents]
            self.events += [Event(life.asset, at, *rest) for at, *rest in life.events]
        self.events.sort(key=lambda event: event.t)

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
        life = self.lives[asset]
        frame = pd.DataFrame(life.values, columns=list(life.kind.metrics))
        if life.modes and self._told_modes:
            frame["mode"] = life.modes
        return life.t, tuple(str(name) for name in frame.columns), frame


def write_fleet(plan: Plan, folder: Path, name: str = "mixed") -> None:
    """Write fleet.json, assets.csv, incidents.csv, events.csv, telemetry, and observer_LEVEL.csv of perfect orders."""
    (folder / "telemetry").mkdir(parents=True, exist_ok=True)
    about = {
        "name": name, "about": "Simulated mixed fleet", "licence": "own", "source": "own", "protocol": "failure",
        "horizon_s": HORIZON_S, "min_lead_s": MIN_LEAD_S, "open_s": OPEN_S, "month_s": 30 * DAY_S,
        "persistence_hint_s": 0, "budget_per_month": 0.1, "time": "synthetic",
    }  # fmt: skip
    (folder / "fleet.json").write_text(json.dumps(about))
    lives = fleet_of(plan)
    ranks = ("asset", "model", "role", "observed_from", "observed_until", "healthy_until", "score_from", "asset_group")
    _table(folder / "assets.csv", ranks, (
        (x.asset, x.kind.name, role, *(_stamp(t) for t in (x.t[0], x.t[-1], x.healthy_until, x.healthy_until)), "")
        for x, role in lives
    ))  # fmt: skip
    _table(folder / "incidents.csv", ("asset", "onset", "established", "failed", "repaired", "kind"), (
        (x.asset, _stamp(a), "", _stamp(f), _stamp(r), k) for x, _ in lives for a, f, r, k in x.incidents
    ))  # fmt: skip
    _table(folder / "events.csv", ("asset", "t", "kind", "code", "component"), (
        (x.asset, _stamp(at), *rest) for x, _ in lives for at, *rest in sorted(x.events)
    ))  # fmt: skip
    for level in (0.1, 0.2, 0.3, 0.4, 0.5):
        _table(folder / f"observer_{level}.csv", ("asset", "opened_at", "kind"), (
            (x.asset, _stamp(at), "machine") for x, role in lives if role == "score" for at in observer(x, level)
        ))  # fmt: skip
    for life, _ in lives:
        _telemetry(folder / "telemetry" / f"{life.asset}.csv.gz", life)


def _telemetry(path: Path, life: Life) -> None:
    out = io.StringIO()
    modes = ("mode",) if life.modes else ()
    out.write(",".join(("t", *life.kind.metrics, *modes)) + "\n")
    for i, (t, row) in enumerate(zip(life.t.tolist(), life.values.tolist(), strict=True)):
        cells = [_stamp(t), *("" if v != v else f"{v:.6g}" for v in row), *([life.modes[i]] if modes else [])]
        out.write(",".join(cells) + "\n")
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(out.getvalue())


def _table(path: Path, header: tuple[str, ...], rows: Callable[..., object] | object) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]


def _stamp(t: float) -> str:
    return datetime.fromtimestamp(int(t), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
