"""Rows in memory to findings, beside a bare bank of ridge residuals and moving averages in numpy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.bench.machines import LIVE_STEP_S, METRICS, SETUP, SPREAD, History, readings
from ml.scoring import FleetScorer, Rows

POOL = 64  # ticks of readings made before: making them must not be measured
FAULTY = 0.002  # share of the assets with a fault in the last hour: what is not quiet is part of the work
BARE_ASSETS, BARE_TICKS = 100, 4000
MINUTE_PARTS = 60  # of a fleet that reads once a minute, each second another part


def measure(known: Sequence[History], assets: int, hours: float) -> dict[str, Any]:
    """Return rows a second of one core (CPU time, this process has one thread at work), and bytes an asset."""
    scorer = FleetScorer(default=SETUP)
    names = tuple(f"asset-{number:06d}" for number in range(assets))
    for number, name in enumerate(names):
        scorer.load(name, known[number % len(known)].state)
    held = scorer.held()
    cpu_s, wall_s, ticks, found = _walk(scorer, names, known[0].until, int(hours * 3600 / LIVE_STEP_S))
    sparse_s = _sparse(scorer, names, known[0].until + (ticks + 1) * LIVE_STEP_S)
    bare_s = _bare()
    return {
        "assets": assets,
        "rows_per_s": round(ticks * assets / cpu_s),
        "rows_per_s_by_the_clock": round(ticks * assets / wall_s),
        "ceiling_rows_per_s": round(BARE_ASSETS * BARE_TICKS / bare_s),
        "ratio_to_ceiling": round(ticks * assets / cpu_s / (BARE_ASSETS * BARE_TICKS / bare_s), 3),
        "rows": ticks * assets,
        "findings": found,
        "settled_assets": [held, scorer.held()],
        "bytes_per_asset": round(scorer.bytes_per_asset()),
        "cores_for_100000_assets_a_row_a_minute": round(100_000 / 60 * sparse_s, 4),
    }


def _walk(scorer: FleetScorer, names: tuple[str, ...], after: float, ticks: int) -> tuple[float, float, int, int]:
    """Feed a row of each asset per tick; return CPU and clock seconds, ticks and findings."""
    of = np.arange(len(names))
    pool = [readings(np.zeros(len(names)), 100 + number) for number in range(POOL)]
    faulty = of[: max(1, round(FAULTY * len(names)))]
    cpu_s = wall_s = 0.0
    found = set()
    day = 2 * np.pi / 86400.0
    for tick in range(1, ticks + 1):
        t = after + tick * LIVE_STEP_S
        x = np.array(pool[tick % POOL])
        x[:, METRICS.index("ambient_celsius")] += 4 * np.sin(day * t)
        x[:, METRICS.index("oil_celsius")] += 2 * np.sin(day * t)
        if tick > ticks - 360:
            x[faulty, METRICS.index("motor_celsius")] += 30 * SPREAD[METRICS.index("motor_celsius")]
        rows = Rows(names, of, np.full(len(names), t), METRICS, x)
        clock, cpu = time.perf_counter(), time.process_time()
        facts = scorer.feed_rows(rows)
        cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - clock
        found |= {(fact.asset, fact.detector, fact.signature, fact.first_at) for fact in facts}
    return cpu_s, wall_s, ticks, len(found)


def _sparse(scorer: FleetScorer, names: tuple[str, ...], after: float) -> float:
    """CPU seconds a row where each second brings rows of one asset in sixty, anywhere among the others."""
    chance = np.random.default_rng(3)
    order = chance.permutation(len(names))
    cpu_s, rows = 0.0, 0
    for part in np.array_split(order, MINUTE_PARTS):
        if len(part) == 0:
            continue
        t = np.full(len(part), after)
        own = tuple(names[number] for number in part)
        batch = Rows(own, np.arange(len(part)), t, METRICS, readings(t, int(part[0])))
        cpu = time.process_time()
        scorer.feed_rows(batch)
        cpu_s, rows = cpu_s + time.process_time() - cpu, rows + len(part)
    return cpu_s / rows


def _bare() -> float:
    """CPU seconds for ridge residuals, two moving averages and a comparison, tick by tick, and nothing else."""
    chance = np.random.default_rng(4)
    m = len(METRICS)
    weights = chance.normal(size=(BARE_ASSETS, m, m)) / m
    centre, spread = chance.normal(size=(BARE_ASSETS, m)), np.ones((BARE_ASSETS, m))
    fast = slow = np.zeros((BARE_ASSETS, m))
    x, above = chance.normal(size=(POOL, BARE_ASSETS, m)), 0
    cpu = time.process_time()
    for tick in range(BARE_TICKS):
        z = (x[tick % POOL] - centre) / spread
        residual = z - np.matmul(z[:, None, :], weights)[:, 0]
        fast, slow = fast + 0.3 * (residual - fast), slow + 0.05 * (residual - slow)
        above += int((np.abs(fast) > 8).any(axis=1).sum() + (np.abs(slow) > 8).any(axis=1).sum())
    return time.process_time() - cpu
