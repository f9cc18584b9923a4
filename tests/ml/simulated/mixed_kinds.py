"""Seven kinds of simulated machine: what their sensors show of duty, weather, dirt and hidden damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class World:
    """What happens to a machine at each row [n]: weather, duty 0..1, product or mode, dirt 0..1, damage 0..1 each."""

    ambient: Floats
    duty: Floats
    mode: NDArray[np.int64]
    dirt: Floats
    damage: dict[str, Floats]
    own: Floats  # about a dozen standard normal numbers: this machine's own character


@dataclass(frozen=True, slots=True)
class Kind:
    """`sense` gives the noiseless sensors; `noise` is the hourly noise of each; `damages` names the ways to fail."""

    name: str
    step_s: float
    duty: str  # continuous, shifts, batches, wind
    modes: tuple[str, ...]
    metrics: tuple[str, ...]
    noise: tuple[float, ...]
    damages: tuple[str, ...]
    sense: Callable[[World], tuple[Floats, ...]]
    health: tuple[int, ...]  # columns of the sensors that may break


def _lag(x: Floats, rows: float) -> Floats:
    """First-order lag over so many rows."""
    out, value, share = np.empty_like(x), float(x[0]), 1 - np.exp(-1 / rows)
    for i, each in enumerate(x.tolist()):
        value += share * (each - value)
        out[i] = value
    return out


def _pump(w: World) -> tuple[Floats, ...]:
    flow = (60 + 45 * w.duty) * (1 + 0.03 * w.own[0])
    d, worn = w.damage["bearing"], w.damage["impeller"]
    head = 9.0 - 3.4 * (flow / 105) ** 2 + 0.1 * w.own[1] - 0.45 * worn - 0.10 * w.dirt
    current = 21 + 0.16 * flow * (1 + 0.02 * w.own[2]) + 0.5 * d + 0.55 * worn + 0.8 * w.damage["seal"]
    bearing = w.ambient * 0.6 + 24 + 9 * w.duty + 1.5 * w.own[3] + 5.0 * d**1.3
    vibration = (1.5 + 0.7 * (w.duty - 0.6) ** 2 + 0.15 * w.own[4]) * (1 + 0.75 * d**1.5 + 0.12 * worn)
    return flow * (1 - 0.03 * w.damage["seal"]), head, current, _lag(bearing, 3), vibration, w.ambient


def _compressor(w: World) -> tuple[Floats, ...]:
    on, idle = (w.mode == 0).astype(float), (w.mode == 1).astype(float)
    cooler, element, filtered = w.damage["cooler"], w.damage["element"], w.damage["oil_filter"]
    power = (on * (68 + 14 * w.duty) + idle * 21) * (1 + 0.02 * w.own[0]) * (1 + 0.035 * element)
    rise = on * (52 + 9 * w.duty) + idle * 25
    outlet = w.ambient + rise * (1 + 0.13 * cooler + 0.03 * w.dirt) + 2 * w.own[1] + 1.8 * element * on
    oil = (on * 2.9 + idle * 2.5) * (1 + 0.03 * w.own[2]) - 0.34 * filtered**1.2 * (on + idle) - 0.004 * (outlet - 80)
    shaking = (on * 3.2 + idle * 1.6) * (1 + 0.1 * w.own[3]) * (1 + 0.28 * element**2)
    return power, _lag(outlet, 2), oil, shaking


def _chiller(w: World) -> tuple[Floats, ...]:
    load = 100 * np.clip(0.25 + 0.5 * w.duty + 0.012 * (w.ambient - 14), 0.15, 1.0)
    leak, fouled, worn = w.damage["leak"], w.damage["condenser"], w.damage["bearing"]
    low = 350 - 0.35 * load + 4 * w.own[0] - 22 * leak
    high = 700 + 11 * w.ambient + 1.6 * load + 10 * w.own[1] + 60 * fouled + 22 * w.dirt - 15 * leak
    power = load * (1.6 + 0.0011 * (high - 900)) * (1 + 0.02 * w.own[2]) * (1 + 0.06 * leak + 0.02 * worn)
    supply = 6.5 + 0.006 * load + 0.2 * w.own[3] + 1.1 * leak**1.5 + 0.2 * fouled
    noise = (2.1 + 0.006 * load) * (1 + 0.12 * w.own[4]) * (1 + 0.5 * worn**1.4)
    return load, w.ambient, low, high, power, supply, noise


def _turbine(w: World) -> tuple[Floats, ...]:
    wind = 14 * w.duty
    gear, generator, pitch = w.damage["gear"], w.damage["generator"], w.damage["pitch"]
    power = 2000 * np.clip((wind - 3) / 9, 0, 1) ** 2.2 * (1 - 0.085 * pitch) * (1 + 0.01 * w.own[0])
    rotor = np.where(wind > 3, np.clip(6 + 1.1 * (wind - 3), 6, 15), 0.5)
    oil = 0.4 * w.ambient + 33 + 0.011 * power + 1.5 * w.own[1] + 4.5 * gear**1.2
    bearing = 0.3 * w.ambient + 40 + 0.013 * power + 1.5 * w.own[2] + 2.5 * gear
    winding = 0.35 * w.ambient + 38 + 0.022 * power + 2 * w.own[3] + 6.5 * generator
    shaking = (0.3 + 0.05 * rotor) * (1 + 0.1 * w.own[4]) * (1 + 0.42 * gear**1.5 + 0.25 * generator)
    return wind, power, rotor, _lag(oil, 12), _lag(bearing, 8), _lag(winding, 10), w.ambient + 6, shaking


def _extruder(w: World) -> tuple[Floats, ...]:
    speed = np.choose(w.mode, [62.0, 48.0, 75.0]) * (0.94 + 0.12 * w.duty)
    screw, heater, gear = w.damage["screw"], w.damage["heater"], w.damage["gear"]
    pressure = np.choose(w.mode, [148.0, 172.0, 128.0]) * (speed / 60) ** 0.6 * (1 + 0.02 * w.own[0])
    pressure = pressure * (1 - 0.05 * screw) + 5 * w.dirt
    torque = 41 + 0.16 * pressure + 0.7 * w.own[1] + 2.6 * gear + 1.2 * screw
    zone = np.choose(w.mode, [188.0, 205.0, 176.0]) - 1.2 * heater + 0.3 * w.own[2]
    heating = 24 - 0.12 * (speed - 60) - 0.15 * (w.ambient - 18) + w.own[3] + 4.2 * heater
    box = 0.5 * w.ambient + 27 + 0.3 * torque + 3.5 * gear**1.3 + w.own[4]
    return speed, pressure, torque, zone, heating, _lag(box, 4)


def _conveyor(w: World) -> tuple[Floats, ...]:
    tonnes = 420 * w.duty
    running = (w.mode == 0).astype(float)
    gear, belt, roller = w.damage["gear"], w.damage["belt"], w.damage["roller"]
    current = running * (38 + 0.09 * tonnes * (1 + 0.02 * w.own[0]) + 2.6 * roller + 0.8 * gear + 1.0 * w.dirt)
    speed = running * (2.5 - 0.0002 * tonnes) * (1 - 0.022 * belt) + 0.002 * w.own[1]
    box = 0.7 * w.ambient + running * (25 + 0.02 * tonnes + 1.5 * w.own[2]) + 5.5 * gear * running
    shaking = running * (2.4 + 0.0015 * tonnes) * (1 + 0.1 * w.own[3]) * (1 + 0.55 * gear**1.5 + 0.3 * roller)
    return tonnes * running, current, speed, _lag(box, 6), shaking


def _transformer(w: World) -> tuple[Floats, ...]:
    cooling, winding, tap = w.damage["cooling"], w.damage["insulation"], w.damage["tap_changer"]
    load = 0.35 + 0.5 * w.duty
    rise = 34 * load**1.6 * (1 + 0.03 * w.own[0])
    oil = w.ambient + rise * (1 + 0.2 * cooling + 0.05 * w.dirt) + 1.0 * w.own[1]
    hot = oil + 17 * load**1.6 + 0.8 * w.own[2] + 1.8 * winding
    gas = 28 + 4 * w.own[3] + 0.25 * (hot - 50) + 26 * winding**1.7 + 9 * tap
    motor = 3.1 + 0.1 * w.own[4] + 0.75 * tap**1.2
    return 900 * load, _lag(oil, 4), _lag(hot, 3), gas, motor


KINDS: tuple[Kind, ...] = (
    Kind("centrifugal_pump", 3600.0, "continuous", (), (
        "flow_m3_h", "discharge_pressure_bar", "motor_current_ampere", "bearing_temperature_celsius",
        "vibration_mm_s", "ambient_temperature_celsius",
    ), (1.2, 0.06, 0.35, 0.8, 0.12, 0.3), ("bearing", "impeller", "seal"), _pump, (1, 2, 3, 4)),
    Kind("screw_compressor", 3600.0, "shifts", ("load", "idle", "off"), (
        "power_kw", "discharge_temperature_celsius", "oil_pressure_bar", "vibration_mm_s",
    ), (1.0, 1.2, 0.05, 0.16), ("cooler", "element", "oil_filter"), _compressor, (1, 2, 3)),
    Kind("chiller", 3600.0, "continuous", (), (
        "load_percent", "outdoor_temperature_celsius", "evaporator_pressure_kpa", "condenser_pressure_kpa",
        "power_kw", "supply_temperature_celsius", "vibration_mm_s",
    ), (0.8, 0.3, 3.5, 12.0, 2.0, 0.15, 0.15), ("leak", "condenser", "bearing"), _chiller, (2, 3, 4, 5, 6)),
    Kind("wind_turbine", 600.0, "wind", (), (
        "wind_speed_m_s", "power_kw", "rotor_speed_rpm", "gearbox_oil_temperature_celsius",
        "gearbox_bearing_temperature_celsius", "generator_temperature_celsius", "nacelle_temperature_celsius",
        "vibration_mm_s",
    ), (0.35, 30.0, 0.25, 1.2, 1.3, 2.0, 0.4, 0.08), ("gear", "generator", "pitch"), _turbine, (3, 4, 5, 7)),
    Kind("extruder", 3600.0, "batches", ("product_a", "product_b", "product_c"), (
        "screw_speed_rpm", "melt_pressure_bar", "motor_torque_percent", "barrel_temperature_celsius",
        "heater_power_kw", "gearbox_temperature_celsius",
    ), (0.4, 2.2, 0.9, 0.5, 0.9, 0.9), ("screw", "heater", "gear"), _extruder, (1, 2, 3, 4, 5)),
    Kind("belt_conveyor", 3600.0, "shifts", ("run", "idle", "stopped"), (
        "throughput_t_h", "motor_current_ampere", "belt_speed_m_s", "gearbox_temperature_celsius", "vibration_mm_s",
    ), (6.0, 0.9, 0.012, 1.2, 0.2), ("gear", "belt", "roller"), _conveyor, (1, 2, 3, 4)),
    Kind("transformer", 3600.0, "continuous", (), (
        "load_ampere", "oil_temperature_celsius", "winding_temperature_celsius", "hydrogen_ppm", "drive_current_ampere",
    ), (6.0, 0.8, 0.9, 3.0, 0.12), ("cooling", "insulation", "tap_changer"), _transformer, (1, 2, 3, 4)),
)  # fmt: skip
