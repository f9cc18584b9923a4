"""What machines of the starter set share: metrics that many measure, and ways in which many fail.

Limits are left out: they are the manufacturer's. Failure modes follow the thinking of ISO 14224 in words of our own.
"""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric: name, UCUM unit, labels, role, seconds between samples."""

    name: str
    unit: str
    en: str
    zh: str
    role: str = "health"
    interval_s: float = 60


class Mode(NamedTuple):
    """A failure mode: code, names, mechanism in both languages, the metrics in which it shows."""

    code: str
    en: str
    zh: str
    mechanism_en: str
    mechanism_zh: str
    metrics: str


class Machine(NamedTuple):
    """One asset model."""

    code: str
    en: str
    zh: str
    metrics: tuple[Metric, ...]
    modes: tuple[Mode, ...]


VIBRATION = Metric("vibration_mm_s", "mm/s", "Vibration", "振动速度")
BEARING = Metric("bearing_temperature_celsius", "Cel", "Bearing temperature", "轴承温度")
WINDING = Metric("winding_temperature_celsius", "Cel", "Winding temperature", "绕组温度")
CURRENT = Metric("motor_current_ampere", "A", "Motor current", "电机电流")
AMBIENT = Metric("ambient_temperature_celsius", "Cel", "Ambient temperature", "环境温度", "ambient")
POWER = Metric("active_power_kw", "kW", "Active power", "有功功率", "control")
RUNNING = Metric("mode", "1", "Mode", "运行模式", "mode")
SPEED = Metric("speed_rpm", "/min", "Speed", "转速", "control")
OIL = Metric("oil_temperature_celsius", "Cel", "Oil temperature", "油温")
OIL_PRESSURE = Metric("oil_pressure_bar", "bar", "Oil pressure", "油压")

BEARING_WEAR = Mode(
    "bearing_wear",
    "Bearing wear",
    "轴承磨损",
    "Fatigue or lack of lubricant roughens the rolling surfaces",
    "疲劳或缺油使滚动面剥落",
    "vibration_mm_s, bearing_temperature_celsius",
)
MISALIGNMENT = Mode(
    "misalignment",
    "Misalignment",
    "不对中",
    "Shafts are out of line after work or settling",
    "安装或基础沉降导致轴线偏移",
    "vibration_mm_s",
)
IMBALANCE = Mode(
    "imbalance",
    "Imbalance",
    "不平衡",
    "Deposits or lost material on the rotor",
    "转子积垢或缺损",
    "vibration_mm_s",
)
OVERHEATING = Mode(
    "motor_overheating",
    "Motor overheating",
    "电机过热",
    "Overload or blocked cooling",
    "过载或散热受阻",
    "winding_temperature_celsius, motor_current_ampere",
)
LOW_OIL = Mode(
    "lubrication_failure",
    "Lubrication failure",
    "润滑失效",
    "Too little, aged or dirty oil",
    "油量不足、老化或污染",
    "oil_pressure_bar, oil_temperature_celsius",
)
POWER_LOSS = Mode(
    "power_supply_fault",
    "Fault of the power supply",
    "供电故障",
    "Loose terminals, phase loss or worn contactors",
    "端子松动、缺相或接触器磨损",
    "motor_current_ampere",
)
