"""An oil-injected screw compressor for plant air."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_agent.simulator.base import FaultKind, Lag, Machine, Measured, Wander

_FAULTS = (
    FaultKind("filter_clogging", "air_filter", False, "FLT-DP", "Air filter clogged"),
    FaultKind("oil_cooler_fouling", "oil_cooler", True, "OIL-HH", "Oil temperature very high, compressor tripped"),
    FaultKind("valve_leak", "intake_valve", False, "PRS-LL", "Discharge pressure very low"),
    FaultKind("bearing_wear", "airend_bearing", False, "VIB-HH", "Vibration very high"),
)


class Compressor(Machine):
    """Air flow follows the demand; unloaded for some time a day."""

    kind = "compressor"
    model = "Screw compressor SC-55"
    modes = ("unload", "load")
    measured: ClassVar[tuple[Measured, ...]] = (
        Measured("air_flow_m3_min", "m3/min", 0.06, 3, 0, 20),
        Measured("discharge_pressure_bar", "bar", 0.02, 3, 0, 16),
        Measured("discharge_temperature_celsius", "Cel", 0.3, 2, -40, 200),
        Measured("oil_temperature_celsius", "Cel", 0.25, 2, -40, 160),
        Measured("motor_current_ampere", "A", 0.4, 2, 0, 200),
        Measured("vibration_mm_s", "mm/s", 0.06, 3, 0, 50),
        Measured("filter_pressure_difference_mbar", "mbar", 0.6, 2, 0, 200),
        Measured("ambient_temperature_celsius", "Cel", 0.15, 2, -40, 70),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {each.name: each for each in _FAULTS}

    def __init__(self, seed: int, idle_hour: float = 3.0) -> None:
        super().__init__(seed, idle_hour)
        self.wanders["network"] = Wander(0.03, 1800)
        self.lags |= {"oil": Lag(120)}

    def settle(self, dt_s: float) -> None:
        """The oil warms with the work done on the air."""
        self.wanders["network"].step(dt_s, self.rng)
        target = {"load": 34.0 + 20.0 * self.load, "unload": 30.0}.get(self.mode, 0.0)
        self.lags["oil"].step(target, dt_s)

    def look(self, severity: Mapping[str, float]) -> dict[str, float]:
        """Return air flow, pressures, temperatures, current and vibration."""
        clogged, hot = severity.get("filter_clogging", 0.0), severity.get("oil_cooler_fouling", 0.0)
        leak, bearing = severity.get("valve_leak", 0.0), severity.get("bearing_wear", 0.0)
        oil = self.ambient + (self.lags["oil"].value or 0.0) + 20.0 * hot + 4.0 * bearing
        if self.mode == "trip":
            flow = pressure_add = current = vibration = filter_dp = 0.0
            pressure = 0.3
        elif not self.is_working:
            flow, pressure_add, current, vibration, filter_dp = 0.4, 0.0, 30.0, 1.6 + 3.0 * bearing, 3.0 + 8.0 * clogged
            pressure = 6.4 + self.wanders["network"].value
        else:
            flow = 10.0 * self.load + 0.08 * self.wanders["flow"].value - 0.5 * clogged
            pressure = 7.5 - 0.08 * (flow - 8.0) + self.wanders["network"].value - 0.9 * leak
            pressure_add = 3.0 * (pressure - 7.5)
            current = 20.0 + 5.6 * flow + 4.0 * (pressure - 7.5) + 9.0 * leak + 4.0 * clogged + 2.0 * bearing
            vibration = 2.0 + 0.08 * (flow - 8.0) + 4.0 * bearing + 0.15 * self.wear_years
            filter_dp = 10.0 + 2.6 * flow + 30.0 * clogged + 2.0 * self.wear_years
        return {
            "air_flow_m3_min": flow,
            "discharge_pressure_bar": pressure,
            "discharge_temperature_celsius": oil + (9.0 if self.is_working else 3.0) + pressure_add + 7.0 * leak,
            "oil_temperature_celsius": oil,
            "motor_current_ampere": current,
            "vibration_mm_s": vibration,
            "filter_pressure_difference_mbar": filter_dp,
            "ambient_temperature_celsius": self.ambient,
        }
