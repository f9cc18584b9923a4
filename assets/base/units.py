"""Units of metrics: UCUM codes as stored, labels as read, and the unit that a metric's name carries last."""

from __future__ import annotations

from assets.base.conversion import Conversion, conversion, spoken_code

__all__ = ["LABELS", "SUFFIXES", "Conversion", "conversion", "series_unit", "unit_code", "unit_label", "unit_of_metric"]

# Name suffix -> UCUM code. Longest match wins, so `m3_s` is found before `s`.
SUFFIXES: dict[str, str] = {
    "celsius": "Cel",
    "fahrenheit": "[degF]",
    "kelvin": "K",
    "percent": "%",
    "pa": "Pa",
    "hpa": "hPa",
    "kpa": "kPa",
    "mpa": "MPa",
    "bar": "bar",
    "mbar": "mbar",
    "psi": "[psi]",
    "a": "A",
    "ma": "mA",
    "v": "V",
    "mv": "mV",
    "kw": "kW",
    "w": "W",
    "wh": "W.h",
    "kwh": "kW.h",
    "hz": "Hz",
    "rpm": "/min",
    "mm": "mm",
    "mm_s": "mm/s",
    "m_s": "m/s",
    "g": "[g]",
    "ms": "ms",
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
    "[degF]": "°F",
    "1": "",
    "[g]": "g",
    "/min": "rpm",
    "m3": "m³",
    "m2": "m²",
    "m/s2": "m/s²",
    "m3/s": "m³/s",
    "m3/h": "m³/h",
    "kg/m3": "kg/m³",
    "ug/m3": "µg/m³",
    "W/m2": "W/m²",
    "By": "B",
    "By/s": "B/s",
    "V.A": "VA",
    "kV.A": "kVA",
    "A.h": "Ah",
    "W.h": "Wh",
    "kW.h": "kWh",
    "MW.h": "MWh",
    "W.s": "Ws",
    "Ohm": "Ω",
    "deg": "°",
    "[psi]": "psi",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "[in_i]": "in",
    "[ft_i]": "ft",
    "[mi_i]/h": "mph",
    "[gal_us]/min": "gal/min",
    "[HP]": "hp",
    "dB[W]": "dBW",
    "dB[mW]": "dBm",
    "[pH]": "pH",
}

MAX_CODE_CHARS = 60


def unit_of_metric(metric: str) -> str | None:
    """Return the UCUM code that the name of a metric ends with, or None when it names none."""
    parts = metric.lower().split("_")
    for first in range(max(1, len(parts) - 3), len(parts)):
        if code := SUFFIXES.get("_".join(parts[first:])):
            return code
    return None


def series_unit(metric: str, told: str | None) -> str | None:
    """Return the unit in which a new series of this name is kept, when `told` is the unit its values come in.

    A name that ends in a unit is a promise, so values in a unit of the same kind are converted to it. When the two
    have nothing in common the ending was no unit (`voltage_phase_a` in V): then what is told counts.
    """
    named = unit_of_metric(metric)
    if named is None or told is None:
        return told or named
    return named if conversion(told, named) is not None else told


def unit_code(text: str) -> str | None:
    """Return the UCUM code for a unit as machines and people write it; None for no unit.

    `°C`, `degC`, `kWh`, `rpm` and their like become UCUM; what nobody knows is kept as it was told, without spaces
    around it, and can be compared but not converted.
    """
    told = " ".join(text.split())
    if not told or len(told) > MAX_CODE_CHARS or not told.isprintable():
        return None
    return spoken_code(told)


def unit_label(ucum: str | None) -> str:
    """Return the unit as people read it."""
    return LABELS.get(ucum, ucum) if ucum else ""
