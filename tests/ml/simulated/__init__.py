"""A small machine for the detectors' tests: correlated sensors, daily cycle, two modes, known noise."""

from __future__ import annotations

import numpy as np

from ml.detectors.protocol import Block, Floats

METRICS = (
    "vibration_mm_s", "bearing_temperature_celsius", "motor_current_ampere", "pressure_bar",
    "ambient_temperature_celsius",
)  # fmt: skip
DAY_S = 86400.0
START = 1_767_225_600.0  # 2026-01-01
MODES = ("run", "idle")


def is_idle(t: Floats) -> Floats:
    hour = (t % DAY_S) / 3600
    return np.asarray((hour >= 2) & (hour < 4))


def machine(t: Floats, seed: int = 0, fault: Floats | None = None) -> Block:
    """Rows at times t; `fault` is its severity per row: 1 adds 10 sigma to the vibration, some to temperature."""
    rng = np.random.default_rng(seed)
    severity = np.zeros(len(t)) if fault is None else fault
    idle = is_idle(t)
    cycle = np.sin(2 * np.pi * (t % DAY_S) / DAY_S - 1.8)
    ambient = 22 + 4 * cycle
    load = np.where(idle, 0.0, 0.8 + 0.1 * np.sin(2 * np.pi * (t % DAY_S) / DAY_S))
    values = np.column_stack([
        np.where(idle, 0.2, 1.5 + 1.0 * load) + 0.05 * rng.normal(size=len(t)) + 0.5 * severity,
        ambient + 25 * load + 0.3 * rng.normal(size=len(t)) + 2.0 * severity,
        20 * load + 0.15 * rng.normal(size=len(t)),
        np.where(idle, 1.0, 4 - 1.2 * load) + 0.02 * rng.normal(size=len(t)),
        ambient + 0.1 * rng.normal(size=len(t)),
    ])  # fmt: skip
    return Block("m1", t, METRICS, values, idle.astype(np.int64), MODES)


def history(days: float = 30.0, seed: int = 0) -> Block:
    """One row each ten minutes, healthy."""
    return machine(START + np.arange(0, days * DAY_S, 600.0), seed)


def live(hours: float, seed: int = 1, fault: Floats | None = None, after: float = START + 30 * DAY_S) -> Block:
    """One row each second from six o'clock on the day after the history."""
    t = after + 6 * 3600 + np.arange(0, hours * 3600, 1.0)
    return machine(t, seed, fault)
