"""An air-cooled water chiller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_agent.simulator.base import FaultKind, Lag, Machine, Measured, Wander

_FAULTS = (
    FaultKind("refrigerant_leak", "refrigerant_circuit", False, "REF-LO", "Refrigerant charge low"),
    FaultKind("condenser_fouling", "condenser", True, "CND-HH", "Condenser pressure very high, chiller tripped"),
    FaultKind("valve_leak", "compressor_valve", False, "CAP-LO", "Cooling capacity low"),
    FaultKind("low_water_flow", "water_pump", True, "WTR-LL", "Water flow very low, chiller tripped"),
)


class Chiller(Machine):
    """Pressures follow the temperatures of water and air; current follows load and lift."""

    kind = "chiller"
    model = "Water chiller WC-200"
    measured: ClassVar[tuple[Measured, ...]] = (
        Measured("leaving_water_temperature_celsius", "Cel", 0.04, 2, -20, 60),
        Measured("entering_water_temperature_celsius", "Cel", 0.05, 2, -20, 60),
        Measured("condenser_pressure_bar", "bar", 0.04, 3, 0, 30),
        Measured("evaporator_pressure_bar", "bar", 0.015, 3, 0, 15),
        Measured("compressor_current_ampere", "A", 0.5, 2, 0, 400),
        Measured("ambient_temperature_celsius", "Cel", 0.15, 2, -40, 70),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {each.name: each for each in _FAULTS}

    def __init__(self, seed: int, idle_hour: float = 3.0) -> None:
        super().__init__(seed, idle_hour)
        self.wanders["control"] = Wander(0.08, 600)
        self.lags |= {"difference": Lag(120)}

    def settle(self, dt_s: float) -> None:
        """The water's temperature difference follows the heat of the building."""
        self.wanders["control"].step(dt_s, self.rng)
        self.lags["difference"].step(5.5 * self.load if self.is_working else 0.0, dt_s)

    def look(self, severity: Mapping[str, float]) -> dict[str, float]:
        """Return water temperatures, pressures and current."""
        leak, fouled = severity.get("refrigerant_leak", 0.0), severity.get("condenser_fouling", 0.0)
        valve, dry = severity.get("valve_leak", 0.0), severity.get("low_water_flow", 0.0)
        difference = self.lags["difference"].value or 0.0
        if not self.is_working:
            water = 12.0 + 0.2 * (self.ambient - 22.0) + self.wanders["control"].value
            level = 5.6 + 0.12 * (self.ambient - 22.0)
            return self._shown(water, water + difference, level, level - 0.2, 0.0)
        leaving = 7.0 + self.wanders["control"].value + 1.6 * leak + 1.2 * valve - 0.8 * dry
        heat = difference / 5.5
        condenser = 9.0 + 0.2 * (self.ambient - 22.0) + 2.0 * (heat - 0.8) + 0.05 * self.wanders["flow"].value
        condenser += -0.8 * leak + 2.2 * fouled - 0.9 * valve + 0.2 * self.wear_years
        evaporator = 3.0 + 0.1 * (leaving - 7.0) - 0.4 * (heat - 0.8) - 0.7 * leak + 0.4 * valve - 0.6 * dry
        current = 50.0 + 90.0 * heat + 8.0 * (condenser - 9.0) - 14.0 * leak - 16.0 * valve
        return self._shown(leaving, leaving + difference + 3.0 * dry, condenser, evaporator, current)

    def _shown(
        self, leaving: float, entering: float, condenser: float, evaporator: float, current: float
    ) -> dict[str, float]:
        return {
            "leaving_water_temperature_celsius": leaving,
            "entering_water_temperature_celsius": entering,
            "condenser_pressure_bar": condenser,
            "evaporator_pressure_bar": evaporator,
            "compressor_current_ampere": current,
            "ambient_temperature_celsius": self.ambient,
        }
