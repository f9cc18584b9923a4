"""A centrifugal water pump with its motor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_agent.simulator.base import FaultKind, Lag, Machine, Measured, Wander

_FAULTS = (
    FaultKind("bearing_wear", "bearing", False, "VIB-HH", "Vibration very high"),
    FaultKind("seal_leak", "mechanical_seal", False, "SEAL-LK", "Seal leakage"),
    FaultKind("cavitation", "suction_strainer", True, "SUC-LL", "Suction pressure very low, pump tripped"),
    FaultKind("winding_overheat", "motor_fan", True, "WND-HH", "Winding temperature very high, motor tripped"),
)


class Pump(Machine):
    """Head falls with the square of the flow; current, temperatures and vibration follow the load."""

    kind = "pump"
    model = "Centrifugal pump CP-80"
    measured: ClassVar[tuple[Measured, ...]] = (
        Measured("flow_m3_h", "m3/h", 0.5, 2, 0, 200),
        Measured("suction_pressure_bar", "bar", 0.008, 3, -1, 10),
        Measured("discharge_pressure_bar", "bar", 0.02, 3, -1, 16),
        Measured("motor_current_ampere", "A", 0.12, 2, 0, 100),
        Measured("bearing_temperature_celsius", "Cel", 0.25, 2, -40, 180),
        Measured("winding_temperature_celsius", "Cel", 0.3, 2, -40, 220),
        Measured("vibration_mm_s", "mm/s", 0.05, 3, 0, 50),
        Measured("ambient_temperature_celsius", "Cel", 0.15, 2, -40, 70),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {each.name: each for each in _FAULTS}

    def __init__(self, seed: int, idle_hour: float = 3.0) -> None:
        super().__init__(seed, idle_hour)
        self.wanders["suction"] = Wander(0.015, 3600)
        self.lags |= {"bearing": Lag(120), "winding": Lag(150)}

    def settle(self, dt_s: float) -> None:
        """Bearing and winding warm up with the load over some minutes."""
        self.wanders["suction"].step(dt_s, self.rng)
        work = self.load if self.is_working else 0.0
        on = 1.0 if self.is_working else 0.0
        self.lags["bearing"].step(16.0 * on + 9.0 * work, dt_s)
        self.lags["winding"].step(20.0 * on + 22.0 * work, dt_s)

    def look(self, severity: Mapping[str, float]) -> dict[str, float]:
        """Return flow, pressures, current, temperatures and vibration."""
        bearing, seal = severity.get("bearing_wear", 0.0), severity.get("seal_leak", 0.0)
        starved, hot = severity.get("cavitation", 0.0), severity.get("winding_overheat", 0.0)
        suction = 1.4 + self.wanders["suction"].value
        rise = {
            "bearing": self.ambient + (self.lags["bearing"].value or 0.0) + 14.0 * bearing + 0.6 * self.wear_years,
            "winding": self.ambient + (self.lags["winding"].value or 0.0) + 38.0 * hot,
        }
        if not self.is_working:
            return self._at_rest(suction, rise)
        true_flow = 100.0 * self.load + 0.8 * self.wanders["flow"].value - 14.0 * starved
        suction += -0.003 * (true_flow - 80.0) - 0.9 * starved
        head = 6.0 - 1.4e-4 * true_flow**2 - 0.55 * seal - 0.8 * starved
        flow = true_flow - 7.0 * seal  # the meter sits behind the leak
        rough = 3.4 * bearing + 2.6 * starved + 0.4 * seal
        return {
            "flow_m3_h": flow,
            "suction_pressure_bar": suction,
            "discharge_pressure_bar": suction + head,
            "motor_current_ampere": 17.0 + 0.13 * true_flow + 1.3 * bearing + 0.8 * seal + 1.5 * hot,
            "bearing_temperature_celsius": rise["bearing"] + 2.0 * starved,
            "winding_temperature_celsius": rise["winding"],
            "vibration_mm_s": 1.5 + 0.006 * (true_flow - 80.0) + 0.15 * self.wear_years + rough,
            "ambient_temperature_celsius": self.ambient,
        }

    def _at_rest(self, suction: float, rise: Mapping[str, float]) -> dict[str, float]:
        return {
            "flow_m3_h": 0.0,
            "suction_pressure_bar": suction + 0.2,
            "discharge_pressure_bar": suction + 0.3,
            "motor_current_ampere": 0.0,
            "bearing_temperature_celsius": rise["bearing"],
            "winding_temperature_celsius": rise["winding"],
            "vibration_mm_s": 0.15,
            "ambient_temperature_celsius": self.ambient,
        }
