"""Regimes that nobody tells: found where what is asked of a machine falls into groups, by that alone."""

from __future__ import annotations

import numpy as np
import pytest

from ml.detectors import hidden_modes, plain
from ml.detectors.hidden_modes import HiddenModes, is_chosen
from ml.detectors.protocol import Block, Floats
from ml.detectors.wear import WearDetector
from ml.detectors.wear_belief import template

METRICS = (
    "spindle_speed_rpm", "load_percent", "vibration_mm_s", "ambient_temperature_celsius", "spindle_temperature_celsius",
)  # fmt: skip
START = 1_735_689_600.0
SEEDS = range(5)


def rows(speeds: tuple[float, ...], hours: int, seed: int, spread: float = 0.02) -> tuple[Floats, np.ndarray]:
    """Jobs of some hours each at one of these speeds; vibration and heat depend on the job in no simple way."""
    rng = np.random.default_rng(seed)
    job = np.repeat(rng.integers(0, len(speeds), hours), rng.integers(3, 15, hours))[:hours]
    speed = np.array(speeds)[job] * (1 + spread * rng.normal(size=hours))
    day = np.sin(2 * np.pi * np.arange(hours) / 24)
    shaking = np.array([0.5, 1.4, 0.7, 1.8])[job % 4] * np.exp(0.06 * rng.normal(size=hours))
    load, weather = 60 + 5 * day + rng.normal(size=hours), 15 + 8 * day
    heat = np.array([40.0, 55.0, 44.0, 62.0])[job % 4] + 0.5 * weather + 0.8 * rng.normal(size=hours)
    return np.column_stack([speed, load, shaking, weather, heat]), job


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("speeds", [(3000.0, 9000.0), (3000.0, 6000.0, 12000.0)])
def test_jobs_at_set_speeds_are_told_apart(speeds: tuple[float, ...], seed: int) -> None:
    values, job = rows(speeds, 480, seed)
    found = hidden_modes.find(METRICS, values)
    assert found is not None
    names = np.array([found.of(row) for row in values])
    assert len(set(names)) == len(speeds)
    assert all(len(set(names[job == each])) == 1 for each in range(len(speeds)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_load_that_goes_up_and_down_has_no_regimes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.arange(720)
    load = 60 + 25 * np.sin(2 * np.pi * t / 24) + 5 * rng.normal(size=720)
    speed = 1500 + 8 * load + 20 * rng.normal(size=720)
    values = np.column_stack([speed, load, 0.02 * load, 15 + rng.normal(size=720), 40 + 0.2 * load])
    assert hidden_modes.find(METRICS, values) is None


def test_health_and_weather_make_no_regimes() -> None:
    assert [name for name in METRICS if is_chosen(name)] == ["spindle_speed_rpm", "load_percent"]
    assert not any(is_chosen(name) for name in ("wind_speed_m_s", "motor_current_ampere", "load_bearing_temperature"))
    values, _ = rows((3000.0,), 480, 0)
    values[240:, 2] += 10.0  # a fault is no regime
    values[:200, 3] -= 30.0  # nor is winter
    assert hidden_modes.find(METRICS, values) is None


def test_what_is_rare_or_hardly_known_is_no_regime() -> None:
    values, _ = rows((3000.0, 9000.0), 480, 1)
    few = np.vstack([values[values[:, 0] < 5000][:200], values[values[:, 0] > 5000][:6]])
    assert hidden_modes.find(METRICS, few) is None
    assert hidden_modes.find(METRICS, np.full((300, len(METRICS)), np.nan)) is None
    assert hidden_modes.find(METRICS, np.ones((300, len(METRICS)))) is None


def test_regimes_are_kept_to_the_last_bit_and_abstain_where_an_input_is_missing() -> None:
    values, _ = rows((3000.0, 9000.0), 480, 2)
    found = hidden_modes.find(METRICS, values)
    assert found is not None
    again = HiddenModes.from_state(plain.unpack(plain.pack({"own": found.state()}))["own"])
    assert [again.of(row) for row in values] == [found.of(row) for row in values]
    assert found.of(np.array([np.nan, 60.0, 1.0, 15.0, 50.0])) == ""


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_wear_is_judged_within_each_regime_and_survives_a_restart(seed: int) -> None:
    """Vibration that doubles from one job to the next is usual; half as much again within each job is not."""
    days = 90
    values, _ = rows((3000.0, 6000.0, 12000.0, 16000.0), days * 24, seed)
    t = np.arange(START, START + 3600.0 * len(values) - 1, 3600.0)
    worn = values.copy()
    damage = np.clip(np.arange(30 * 24) / 240, 0, 1)
    worn[60 * 24 :, 2] *= 1 + 0.6 * damage
    worn[60 * 24 :, 4] += 6 * damage
    assert _first_day(t, values) is None
    first = _first_day(t, worn)
    assert first is not None
    assert 60 < first < 80
    assert _first_day(t, worn, restart_at=65 * 24) == first


def _first_day(t: Floats, values: Floats, restart_at: int | None = None) -> float | None:
    detector, found = WearDetector("m1"), []
    assert detector.belief is template()
    for part in np.array_split(np.arange(len(t)), [restart_at] if restart_at else []):
        stored = plain.unpack(plain.pack({"own": detector.state()}))["own"]
        detector = WearDetector("m1")
        detector.restore(stored)
        found += detector.update(Block("m1", t[part], METRICS, values[part]))
    machine = [finding for finding in found if finding.kind == "machine"]
    return (machine[0].first_at.timestamp() - START) / 86400.0 if machine else None
