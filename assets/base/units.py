"""Units of metrics: UCUM codes as stored, labels as read, and the unit that a metric's name carries last."""

from __future__ import annotations

# Name suffix -> UCUM code. Longest match wins, so `m3_s` is found before `s`.
SUFFIXES: dict[str, str] = {
    "celsius": "Cel",
    "kelvin": "K",
    "percent": "%",
    "pa": "Pa",
    "kpa": "kPa",
    "bar": "bar",
    "mbar": "mbar",
    "a": "A",
    "ma": "mA",
    "v": "V",
    "kw": "kW",
    "w": "W",
    "kwh": "kW.h",
    "hz": "Hz",
    "rpm": "/min",
    "mm": "mm",
    "mm_s": "mm/s",
    "m_s": "m/s",
    "g": "[g]",
    "s": "s",
    "hours": "h",
    "m3_s": "m3/s",
    "m3_h": "m3/h",
    "l_min": "L/min",
    "l_s": "L/s",
    "bytes": "By",
    "bytes_per_s": "By/s",
    "count": "1",
}

# UCUM code -> what people read. Codes that are not here are shown as they are.
LABELS: dict[str, str] = {
    "Cel": "°C",
    "1": "",
    "[g]": "g",
    "/min": "rpm",
    "m3/s": "m³/s",
    "m3/h": "m³/h",
    "By": "B",
    "By/s": "B/s",
    "kW.h": "kWh",
}


def unit_of_metric(metric: str) -> str | None:
    """Return the UCUM code that the name of a metric ends with, or None when it names none."""
    parts = metric.lower().split("_")
    for first in range(max(1, len(parts) - 3), len(parts)):
        if code := SUFFIXES.get("_".join(parts[first:])):
            return code
    return None


def unit_label(ucum: str | None) -> str:
    """Return the unit as people read it."""
    return LABELS.get(ucum, ucum) if ucum else ""
