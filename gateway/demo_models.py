"""The demo plant's asset models: labels, units, manufacturer's limits, suggested checks and repair codes."""

from __future__ import annotations

from typing import Any

Metrics = dict[str, dict[str, Any]]


def _metric(unit: str, en: str, zh: str, role: str = "health", **limits: float) -> dict[str, Any]:
    return {"unit": unit, "label_en": en, "label_zh": zh, "role": role, "expected_interval_s": 1, **limits}


_AMBIENT = _metric("Cel", "Ambient temperature", "环境温度", "ambient")
_MODE = _metric("1", "Mode", "运行模式", "mode")
_VIBRATION = _metric("mm/s", "Vibration", "振动", high=4.5, high_high=7.1)  # ISO 20816-3 zone limits, group 2

_PUMP: Metrics = {
    "vibration_mm_s": _VIBRATION,
    "bearing_temperature_celsius": _metric("Cel", "Bearing temperature", "轴承温度", high=85, high_high=95),
    "winding_temperature_celsius": _metric("Cel", "Winding temperature", "绕组温度", high=120, high_high=140),
    "discharge_pressure_bar": _metric("bar", "Discharge pressure", "出口压力", high=9, high_high=10),
    "suction_pressure_bar": _metric("bar", "Suction pressure", "入口压力", low_low=0.1),
    "motor_current_ampere": _metric("A", "Motor current", "电机电流", high_high=40),
    "flow_m3_h": _metric("m3/h", "Flow", "流量", "control"),
    "ambient_temperature_celsius": _AMBIENT,
    "mode": _MODE,
}
_COMPRESSOR: Metrics = {
    "discharge_temperature_celsius": _metric("Cel", "Discharge temperature", "排气温度", high=115, high_high=122),
    "oil_temperature_celsius": _metric("Cel", "Oil temperature", "油温", high=100, high_high=110),
    "discharge_pressure_bar": _metric("bar", "Discharge pressure", "排气压力", high=10.5, high_high=11.5),
    "filter_pressure_difference_mbar": _metric(
        "mbar", "Filter pressure difference", "过滤器压差", high=90, high_high=120
    ),
    "vibration_mm_s": _VIBRATION,
    "motor_current_ampere": _metric("A", "Motor current", "电机电流", high_high=160),
    "air_flow_m3_min": _metric("m3/min", "Air flow", "排气量", "control"),
    "ambient_temperature_celsius": _AMBIENT,
    "mode": _MODE,
}
_CHILLER: Metrics = {
    "leaving_water_temperature_celsius": _metric("Cel", "Leaving water temperature", "出水温度", high=14, high_high=18),
    "entering_water_temperature_celsius": _metric("Cel", "Entering water temperature", "进水温度", "control"),
    "condenser_pressure_bar": _metric("bar", "Condenser pressure", "冷凝压力", high=18, high_high=21),
    "evaporator_pressure_bar": _metric("bar", "Evaporator pressure", "蒸发压力", low_low=1.0),
    "compressor_current_ampere": _metric("A", "Compressor current", "压缩机电流", high_high=320),
    "ambient_temperature_celsius": _AMBIENT,
    "mode": _MODE,
}
_FAN: Metrics = {
    "vibration_mm_s": _VIBRATION,
    "bearing_temperature_celsius": _metric("Cel", "Bearing temperature", "轴承温度", high=80, high_high=95),
    "filter_pressure_difference_pa": _metric("Pa", "Filter pressure difference", "过滤器压差", high=450, high_high=600),
    "motor_current_ampere": _metric("A", "Motor current", "电机电流", high_high=50),
    "air_flow_m3_s": _metric("m3/s", "Air flow", "风量", "control"),
    "speed_rpm": _metric("/min", "Speed", "转速", "control"),
    "ambient_temperature_celsius": _AMBIENT,
    "mode": _MODE,
}


def _check(signature: str, en: str, zh: str) -> dict[str, str]:
    return {"signature": signature, "en": en, "zh": zh}


def _repair(code: str, component: str, en: str, zh: str) -> dict[str, str]:
    return {"code": code, "component": component, "en": en, "zh": zh}


def _ordered(metrics: Metrics) -> Metrics:
    """Number the metrics in the order of this page: JSON objects in the database keep none."""
    return {name: about | {"position": position} for position, (name, about) in enumerate(metrics.items())}


MODELS: dict[str, dict[str, Any]] = {
    "pump": {
        "manufacturer": "Forewarn demo",
        "name_en": "Centrifugal pump CP-80",
        "name_zh": "离心泵 CP-80",
        "metrics": _ordered(_PUMP),
        "checks": [
            _check(
                "vibration_mm_s",
                "Listen to the bearings and measure vibration at both ends.",
                "听轴承声音，并测量两端振动。",
            ),
            _check("bearing_temperature_celsius", "Check lubrication and bearing play.", "检查润滑和轴承间隙。"),
            _check("discharge_pressure_bar", "Look for leakage at the mechanical seal.", "检查机械密封是否泄漏。"),
            _check(
                "suction_pressure_bar",
                "Clean the suction strainer; check the inlet valve.",
                "清洗入口滤网，检查入口阀门。",
            ),
            _check("winding_temperature_celsius", "Check the motor fan and the air path.", "检查电机风扇和风道。"),
        ],
        "repair_codes": [
            _repair("bearing_replaced", "bearing", "Bearing replaced", "更换轴承"),
            _repair("seal_replaced", "mechanical_seal", "Mechanical seal replaced", "更换机械密封"),
            _repair("strainer_cleaned", "suction_strainer", "Suction strainer cleaned", "清洗入口滤网"),
            _repair("motor_fan_repaired", "motor_fan", "Motor fan repaired", "修理电机风扇"),
            _repair("sensor_replaced", "sensor", "Sensor replaced", "更换传感器"),
        ],
    },
    "compressor": {
        "manufacturer": "Forewarn demo",
        "name_en": "Screw compressor SC-55",
        "name_zh": "螺杆压缩机 SC-55",
        "metrics": _ordered(_COMPRESSOR),
        "checks": [
            _check("filter_pressure_difference_mbar", "Inspect the air filter.", "检查空气过滤器。"),
            _check("oil_temperature_celsius", "Clean the oil cooler; check the oil level.", "清洁油冷却器，检查油位。"),
            _check(
                "discharge_temperature_celsius", "Check the oil cooler and the thermostat.", "检查油冷却器和温控阀。"
            ),
            _check("discharge_pressure_bar", "Check the intake valve.", "检查进气阀。"),
            _check("vibration_mm_s", "Check the air-end bearings.", "检查主机轴承。"),
        ],
        "repair_codes": [
            _repair("filter_replaced", "air_filter", "Air filter replaced", "更换空气过滤器"),
            _repair("cooler_cleaned", "oil_cooler", "Oil cooler cleaned", "清洁油冷却器"),
            _repair("valve_repaired", "intake_valve", "Intake valve repaired", "修理进气阀"),
            _repair("bearing_replaced", "airend_bearing", "Air-end bearing replaced", "更换主机轴承"),
            _repair("sensor_replaced", "sensor", "Sensor replaced", "更换传感器"),
        ],
    },
    "chiller": {
        "manufacturer": "Forewarn demo",
        "name_en": "Water chiller WC-200",
        "name_zh": "冷水机组 WC-200",
        "metrics": _ordered(_CHILLER),
        "checks": [
            _check("condenser_pressure_bar", "Clean the condenser; check the fans.", "清洗冷凝器，检查风机。"),
            _check(
                "evaporator_pressure_bar",
                "Check the refrigerant charge and look for leaks.",
                "检查制冷剂充注量并查漏。",
            ),
            _check(
                "leaving_water_temperature_celsius", "Check the water flow and the setpoint.", "检查水流量和设定值。"
            ),
            _check("compressor_current_ampere", "Check the compressor valves.", "检查压缩机阀片。"),
        ],
        "repair_codes": [
            _repair(
                "refrigerant_refilled", "refrigerant_circuit", "Leak closed, refrigerant refilled", "堵漏并补充制冷剂"
            ),
            _repair("condenser_cleaned", "condenser", "Condenser cleaned", "清洗冷凝器"),
            _repair("valve_replaced", "compressor_valve", "Compressor valve replaced", "更换压缩机阀片"),
            _repair("water_pump_repaired", "water_pump", "Water pump repaired", "修理水泵"),
            _repair("sensor_replaced", "sensor", "Sensor replaced", "更换传感器"),
        ],
    },
    "fan": {
        "manufacturer": "Forewarn demo",
        "name_en": "Supply fan SF-12",
        "name_zh": "送风机 SF-12",
        "metrics": _ordered(_FAN),
        "checks": [
            _check(
                "vibration_mm_s",
                "Clean and balance the impeller; check the bearings.",
                "清洁叶轮并做动平衡，检查轴承。",
            ),
            _check("bearing_temperature_celsius", "Check lubrication and bearing play.", "检查润滑和轴承间隙。"),
            _check("speed_rpm", "Check belt tension and wear.", "检查皮带张力和磨损。"),
            _check("filter_pressure_difference_pa", "Inspect the air filter.", "检查空气过滤器。"),
        ],
        "repair_codes": [
            _repair("impeller_balanced", "impeller", "Impeller cleaned and balanced", "清洁叶轮并做动平衡"),
            _repair("bearing_replaced", "bearing", "Bearing replaced", "更换轴承"),
            _repair("belt_replaced", "belt", "Belt replaced", "更换皮带"),
            _repair("filter_replaced", "air_filter", "Air filter replaced", "更换空气过滤器"),
            _repair("sensor_replaced", "sensor", "Sensor replaced", "更换传感器"),
        ],
    },
}
