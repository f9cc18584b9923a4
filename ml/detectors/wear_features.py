"""From slow residuals to a few numbers that mean the same on every kind of machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ml.detectors.protocol import Floats
from ml.detectors.wear_tracker import Tick

CHANNELS = ("days", "week", "days_trend", "week_trend", "hours_trend", "short_trend")
GROUPS = ("first", "second", "third", "joint", "harm_first", "harm_second")
EXPLAINED = ("duty", "all")
EXTRA = (
    "jump", "second_jump", "lead_jump", "noise", "second_noise", "lead_noise", "missing", "leverage", "errors",
    "alone", "alone_jump", "alone_noise",
)  # fmt: skip
NAMES = tuple(f"{g}.{c}.{e}" for g in GROUPS for c in CHANNELS for e in EXPLAINED) + EXTRA
LONE, LONE_SHARE, LONE_SIGMA = ("alone", "lead_jump", "first.days_trend.all"), 0.7, 4.0
LEAD_CHANNEL = CHANNELS.index("days_trend")

_CLASSES = (
    ("temperature", r"temp|celsius|kelvin|fahrenheit|rankine"),
    ("vibration", r"vib|accel|rms|noise|shock"),
    ("electrical", r"current|power|torque|ampere|volt|kw|watt"),
    ("pressure", r"press|_k?pa$|bar$|psi|head"),
)
_WEATHER = re.compile(r"ambient|outdoor|outside|weather|nacelle|room_temp|inlet_air")


def metric_class(metric: str, metrics: Sequence[str]) -> str:
    """What kind of sensor it is; a temperature without known weather wanders with the season."""
    name = metric.lower()
    found = next((kind for kind, words in _CLASSES if re.search(words, name)), "other")
    if found == "temperature" and not any(_WEATHER.search(m.lower()) for m in metrics):
        return "temperature_alone"
    return found


def channels(u: Floats) -> Floats:
    """Levels and trends over several horizons [C, 2, m] from the moving averages [S, 2, m]."""
    return np.stack([u[1], u[2], u[1] - u[3], u[2] - u[3], u[0] - u[2], u[1] - u[2]])


def features(tick: Tick, z: Floats, direction: Floats) -> Floats:
    """NAMES' values for channels in healthy sigma `z` [C, 2, m]; `direction` is +1 where more is worse, -1, 0."""
    size = np.abs(z)
    ranked = _padded(np.sort(size, axis=2)[..., ::-1])
    harmful = np.where(direction == 0, size, z * direction)
    harm = _padded(np.sort(harmful, axis=2)[..., ::-1])
    joint = np.sqrt((size**2).mean(axis=2))
    groups = np.stack([ranked[..., 0], ranked[..., 1], ranked[..., 2], joint, harm[..., 0], harm[..., 1]])
    lead = leading(z)
    jumps, noises = _padded(np.sort(tick.jump)[::-1]), _padded(np.sort(tick.noise)[::-1])
    lead_jump = tick.jump[lead] / (abs(tick.u[1, 0, lead]) + 1.0)
    alone = share_of(z, lead)
    extra = np.array([
        jumps[0], jumps[1], lead_jump, noises[0], noises[1], tick.noise[lead], tick.missing.max(),
        np.log(tick.leverage + 1e-3), tick.errors[0] - tick.errors[1],
        alone, max(alone - 0.5, 0.0) * lead_jump, max(noises[0] - max(noises[1], 0.0), 0.0),
    ])  # fmt: skip
    raw = np.concatenate([groups.ravel(), extra])
    return np.asarray(np.sign(raw) * np.log1p(np.abs(raw)))


def leading(z: Floats) -> int:
    """The sensor that is furthest off over days and all."""
    return int(np.argmax((z**2).sum(axis=(0, 1))))


def one_sensor_jumped(values: Floats) -> bool:
    """Is it one sensor alone, far off, and mostly by one sudden step? Then the sensor is suspected, not the machine."""
    alone, jumped, size = np.expm1(values[[NAMES.index(name) for name in LONE]])
    return bool(alone > LONE_SHARE and jumped > LONE_SHARE and size > LONE_SIGMA)


def share_of(z: Floats, sensor: int) -> float:
    """One sensor's share of all that duty does not explain, 0..1."""
    size = (z[:3, 0] ** 2).max(axis=0)
    return float(size[sensor] / max(size.sum(), 1e-9))


def _padded(ranked: Floats) -> Floats:
    """At least three ranks: a machine with one sensor has nothing in second place."""
    short = 3 - ranked.shape[-1]
    if short <= 0:
        return ranked
    return np.concatenate([ranked, np.zeros((*ranked.shape[:-1], short))], axis=-1)
