"""A belt-driven supply air fan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_agent.simulator.base import FaultKind, Lag, Machine, Measured, Wander

_FAULTS = (
    FaultKind("imbalance", "impeller", False, "VIB-HH", "Vibration very high"),
    FaultKind("bearing_wear", "bearing", False, "BRG-HH", "Bearing temperature very high"),
    FaultKind("belt_slip", "belt", False, "SPD-LL", "Fan speed very low"),
    FaultKind("filter_clogging", "air_filter", False, "FLT-DP", "Air filter clogged"),
)


class Fan(Machine):
    """Air flow follows the speed, pressure and current its square."""

    kind = "fan"
    model = "Supply fan SF-12"
    measured: ClassVar[tuple[Measured, ...]] = (
        Measured("speed_rpm", "/min", 2.0, 1, 0, 3000),
        Measured("air_flow_m3_s", "m3/s", 0.02, 3, 0, 20),
        Measured("filter_pressure_difference_pa", "Pa", 1.5, 1, 0, 2000),
        Measured("motor_current_ampere", "A", 0.08, 2, 0, 60),
        Measured("bearing_temperature_celsius", "Cel", 0.25, 2, -40, 150),
        Measured("vibration_mm_s", "mm/s", 0.05, 3, 0, 50),
        Measured("ambient_temperature_celsius", "Cel", 0.15, 2, -40, 70),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {each.name: each for each in _FAULTS}

    def __init__(self, seed: int, idle_hour: float = 3.0) -> None:
        super().__init__(seed, idle_hour)
        self.wanders["duct"] = Wander(0.01, 1800)
        self.lags |= {"bearing": Lag(120)}

    def settle(self, dt_s: float) -> None:
        """The bearing warms with the speed."""
        self.wanders["duct"].step(dt_s, self.rng)
        self.lags["bearing"].step(10.0 + 14.0 * self.load if self.is_working else 0.0, dt_s)

    def look(self, severity: Mapping[str, float]) -> dict[str, float]:
        """Return speed, flow, pressure, current, temperature and vibration."""
        uneven, bearing = severity.get("imbalance", 0.0), severity.get("bearing_wear", 0.0)
        slip, clogged = severity.get("belt_slip", 0.0), severity.get("filter_clogging", 0.0)
        share = self.load * (1 - 0.15 * slip) + 0.004 * self.wanders["flow"].value if self.is_working else 0.0
        flow = 8.0 * share * (1 + self.wanders["duct"].value) * (1 - 0.12 * clogged)
        return {
            "speed_rpm": 1450.0 * share,
            "air_flow_m3_s": flow,
            "filter_pressure_difference_pa": 2.0 * flow**2 * (1 + 1.2 * clogged) + 5.0 * self.wear_years,
            "motor_current_ampere": (4.0 + 13.0 * share**2 + 1.2 * bearing - 2.0 * slip) if share else 0.0,
            "bearing_temperature_celsius": self.ambient + (self.lags["bearing"].value or 0.0) + 18.0 * bearing,
            "vibration_mm_s": 0.1 + (1.6 * share + 4.5 * uneven + 1.4 * bearing + 0.8 * slip if share else 0.0),
            "ambient_temperature_celsius": self.ambient,
        }
