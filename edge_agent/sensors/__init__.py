"""Sensor drivers, one file each, and their table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_agent.sensors.base import DriverError, Sensor
from edge_agent.sensors.counter import CounterSensor
from edge_agent.sensors.host import HostSensor
from edge_agent.sensors.simulated import SimulatedSensor

# A driver's factory takes (asset, interval_s, options, folder to keep state in).
DRIVERS: dict[str, Callable[[str | None, float, Mapping[str, Any], Path], Sensor]] = {
    "counter": lambda asset, interval_s, options, _folder: CounterSensor(asset, interval_s, options),
    "host": lambda asset, interval_s, options, _folder: HostSensor(asset, interval_s, options),
    "simulator": SimulatedSensor,
}


def make_sensor(
    driver: str, asset: str | None, interval_s: float, options: Mapping[str, Any], state_folder: Path
) -> Sensor:
    """Return a sensor of this driver. Raise DriverError when the driver is unknown or its options do not fit."""
    if driver not in DRIVERS:
        raise DriverError(f"unknown driver {driver!r}; known drivers: {', '.join(sorted(DRIVERS))}")
    return DRIVERS[driver](asset, interval_s, options, state_folder)
