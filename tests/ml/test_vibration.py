from __future__ import annotations

import numpy as np
import pytest

from ml.detectors.protocol import Floats
from ml.vibration import Bearing, G, features, velocity_rms_mm_s

HZ, SPEED = 20_000.0, 30.0
BEARING = Bearing(16, 8.4, 71.5, np.deg2rad(15.17))
T = np.arange(20_000) / HZ


def ringing(rate_hz: float, strength: float, seed: int = 0) -> Floats:
    """Noise, and a resonance at 6 kHz that is struck `rate_hz` times a second."""
    x = 0.05 * np.random.default_rng(seed).normal(size=len(T))
    since = T % (1 / rate_hz)
    return np.asarray(x + strength * np.exp(-since * 1500) * np.sin(2 * np.pi * 6000 * since))


def test_passing_rates_are_those_of_the_makers_tables() -> None:
    rates = BEARING.rates()  # Rexnord ZA-2115 at 2000 rpm: outer race 236 Hz, inner 297 Hz
    assert rates["outer_race"] * 2000 / 60 == pytest.approx(236.4, abs=0.5)
    assert rates["inner_race"] * 2000 / 60 == pytest.approx(296.9, abs=0.5)
    assert rates["cage"] * BEARING.elements == pytest.approx(rates["outer_race"])


@pytest.mark.parametrize("part", ["outer_race", "inner_race"])
def test_a_struck_race_shows_at_its_own_rate_and_not_at_the_other(part: str) -> None:
    told = features(ringing(BEARING.rates()[part] * SPEED, 0.3), HZ, SPEED, BEARING)
    other = {"outer_race": "inner_race", "inner_race": "outer_race"}[part]
    assert told[f"defect_{part}"] > 8
    assert told[f"defect_{part}"] > 2 * told[f"defect_{other}"]


def test_a_sound_bearing_shows_no_line_and_normal_noise_no_impacts() -> None:
    told = features(ringing(200.0, 0.0), HZ, SPEED, BEARING)
    assert told["kurtosis"] == pytest.approx(3.0, abs=0.3)
    assert max(value for name, value in told.items() if name.startswith("defect_")) < 8


def test_velocity_of_a_pure_tone_is_its_integral() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 50 * T)
    assert velocity_rms_mm_s(tone, HZ) == pytest.approx(1000 * 0.1 * G / (2 * np.pi * 50) / np.sqrt(2), rel=0.01)


def test_too_short_a_recording_is_refused_and_gaps_are_left_out() -> None:
    with pytest.raises(ValueError, match="256"):
        features(np.zeros(10), HZ)
    holes = ringing(200.0, 0.3)
    holes[::100] = np.nan
    assert np.isfinite(list(features(holes, HZ).values())).all()


def test_a_dead_sensor_has_no_impacts() -> None:
    assert not {"crest_factor", "kurtosis"} & features(np.zeros(1000), HZ).keys()


def test_bands_hold_the_whole_energy_and_only_those_that_the_recording_covers() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 50 * T) + 0.2 * np.sin(2 * np.pi * 2500 * T)
    told = features(tone, HZ)
    assert told["rms_10_100_hz_g"] == pytest.approx(0.1 / np.sqrt(2), rel=1e-6)
    assert told["rms_1000_5000_hz_g"] == pytest.approx(0.2 / np.sqrt(2), rel=1e-6)
    assert told["rms_100_1000_hz_g"] == pytest.approx(0.0, abs=1e-9)
    short = features(tone[:400], HZ)  # 20 ms: nothing can be said of 10 Hz
    assert "rms_10_100_hz_g" not in short
    assert "velocity_rms_mm_s" not in short
    assert "rms_5000_20000_hz_g" not in told  # beyond half the rate
