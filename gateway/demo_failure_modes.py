"""The failure modes of the demo plant's asset models, and the metrics that tell them."""

from __future__ import annotations

from typing import NamedTuple


class DemoMode(NamedTuple):
    """Code, names, and the metrics by which the mode shows first."""

    code: str
    en: str
    zh: str
    metrics: tuple[str, ...]


_BEARING = DemoMode("bearing_wear", "Bearing wear", "轴承磨损", ("vibration_mm_s", "bearing_temperature_celsius"))

FAILURE_MODES: dict[str, tuple[DemoMode, ...]] = {
    "pump": (
        _BEARING,
        DemoMode("seal_leakage", "Leakage at the seal", "密封泄漏", ("discharge_pressure_bar",)),
        DemoMode("inlet_blocked", "Inlet blocked", "入口堵塞", ("suction_pressure_bar",)),
        DemoMode("motor_overheating", "Motor overheating", "电机过热", ("winding_temperature_celsius",)),
    ),
    "compressor": (
        DemoMode("filter_blocked", "Air filter blocked", "空气过滤器堵塞", ("filter_pressure_difference_mbar",)),
        DemoMode(
            "cooling_insufficient",
            "Insufficient cooling",
            "冷却不足",
            ("oil_temperature_celsius", "discharge_temperature_celsius"),
        ),
        DemoMode("intake_valve_faulty", "Intake valve faulty", "进气阀故障", ("discharge_pressure_bar",)),
        DemoMode("bearing_wear", "Air-end bearing wear", "主机轴承磨损", ("vibration_mm_s",)),
    ),
    "chiller": (
        DemoMode("refrigerant_loss", "Loss of refrigerant", "制冷剂泄漏", ("evaporator_pressure_bar",)),
        DemoMode("condenser_fouled", "Condenser fouled", "冷凝器脏堵", ("condenser_pressure_bar",)),
        DemoMode(
            "compressor_valve_faulty", "Compressor valve faulty", "压缩机阀片故障", ("compressor_current_ampere",)
        ),
    ),
    "fan": (
        DemoMode("imbalance", "Imbalance", "不平衡", ("vibration_mm_s",)),
        DemoMode("bearing_wear", "Bearing wear", "轴承磨损", ("bearing_temperature_celsius",)),
        DemoMode("filter_blocked", "Air filter blocked", "空气过滤器堵塞", ("filter_pressure_difference_pa",)),
        DemoMode("belt_slip", "Belt slip", "皮带打滑", ("speed_rpm", "air_flow_m3_s")),
    ),
}
