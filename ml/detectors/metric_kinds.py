"""What a metric's name tells about it: conditions or health, physical range, how far it may wander."""

from __future__ import annotations

import re
from functools import lru_cache

# Conditions explain the health sensors but are nobody's fault: never scored, only used as inputs.
_CONDITION = re.compile(
    r"ambient|outdoor|outside|weather|humidity|setpoint|set_point|setting|load_percent|^load|_load|demand|command|throughput"
    r"|duty|position_cmd|speed_ref|^mode|^season|^hour|cycles?$"
)
# (suffix of the name) -> physically possible range; outside it the sensor lies, not the machine.
_RANGE: tuple[tuple[str, float, float], ...] = (
    ("celsius", -90.0, 2500.0),
    ("kelvin", 0.0, 3000.0),
    ("rankine", 0.0, 6000.0),
    ("fahrenheit", -130.0, 4500.0),
    ("percent", -5.0, 1000.0),
    ("hz", 0.0, 1e6),
    ("pa", -2e7, 5e8),
    ("bar", -20.0, 5000.0),
    ("kpa", -1e4, 5e5),
    ("psi", -300.0, 75000.0),
    ("rms_g", 0.0, 1e4),
    ("vibration_mm_s", 0.0, 1e4),
)
# How far a healthy sensor may wander from where it was, as a share of its level, before its own past is known.
_WANDER = 0.02
# What people and programs use as they please: no part of it is a machine's habit after some minutes.
_WANDER_AS_USED = 0.5
_AS_USED = re.compile(r"network|_bytes|bytes_|_per_second$|cpu|memory|swap|disk|process(es)?_|requests|connections")


def is_condition(metric: str) -> bool:
    """True for control, load and ambient variables, by the words of their name."""
    return _CONDITION.search(metric.lower()) is not None


@lru_cache(4096)
def physical_range(metric: str) -> tuple[float, float] | None:
    """The possible range in the metric's own unit, or None where the name does not tell."""
    name = metric.lower()
    return next(((low, high) for suffix, low, high in _RANGE if name == suffix or name.endswith("_" + suffix)), None)


def wander_share(metric: str) -> float:
    """The template's scale: the share of its level that a healthy sensor wanders within hours (one sigma)."""
    return _WANDER_AS_USED if _AS_USED.search(metric.lower()) else _WANDER
