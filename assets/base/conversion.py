"""UCUM codes read and converted: a small parser of our own, so that no text of a device reaches pint."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache, lru_cache
from math import isfinite
from typing import Any, NamedTuple

_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18,
}  # fmt: skip
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}

# UCUM atom -> (factor, pint's name). Those in _METRIC take prefixes. Three names are ours, because pint takes angles,
# bits and pulses for plain numbers: rad/s must not become Hz, nor a byte a count.
_METRIC: dict[str, tuple[float, str]] = {
    "m": (1, "meter"), "s": (1, "second"), "g": (1, "gram"), "K": (1, "kelvin"), "A": (1, "ampere"),
    "C": (1, "coulomb"), "cd": (1, "candela"), "mol": (1, "mole"), "rad": (1, "fw_angle"), "sr": (1, "fw_solid"),
    "Hz": (1, "1/second"), "N": (1, "newton"), "Pa": (1, "pascal"), "J": (1, "joule"), "W": (1, "watt"),
    "V": (1, "volt"), "F": (1, "farad"), "Ohm": (1, "ohm"), "S": (1, "siemens"), "Wb": (1, "weber"),
    "T": (1, "tesla"), "H": (1, "henry"), "lm": (1, "candela*fw_solid"), "lx": (1, "candela*fw_solid/meter**2"),
    "Bq": (1, "1/second"), "Gy": (1, "joule/kilogram"), "Sv": (1, "joule/kilogram"), "kat": (1, "mole/second"),
    "L": (1, "liter"), "l": (1, "liter"), "t": (1000, "kilogram"), "bar": (1, "bar"), "eV": (1, "electron_volt"),
    "By": (8, "fw_bit"), "bit": (1, "fw_bit"), "Bd": (1, "1/second"), "cal": (1, "calorie"), "dyn": (1, "dyne"),
    "G": (1e-4, "tesla"), "P": (0.1, "pascal*second"), "St": (1e-4, "meter**2/second"), "gf": (9.80665e-3, "newton"),
    "[g]": (9.80665, "meter/second**2"), "m[H2O]": (9806.65, "pascal"), "m[Hg]": (133322.0, "pascal"),
    "var": (1, "fw_reactive"), "U": (1 / 60e6, "mole/second"),
}  # fmt: skip
_PLAIN: dict[str, tuple[float, str]] = {
    "min": (60, "second"), "h": (3600, "second"), "d": (86400, "second"), "wk": (604800, "second"),
    "mo": (2629800, "second"), "a": (31557600, "second"), "deg": (0.017453292519943295, "fw_angle"),
    "'": (0.0002908882086657216, "fw_angle"), "''": (4.84813681109536e-06, "fw_angle"),
    "circ": (6.283185307179586, "fw_angle"), "%": (0.01, ""), "[ppth]": (1e-3, ""), "[ppm]": (1e-6, ""),
    "[ppb]": (1e-9, ""), "[pi]": (3.141592653589793, ""), "atm": (1, "atm"), "[psi]": (6894.757293168361, "pascal"),
    "[in_i]": (0.0254, "meter"), "[ft_i]": (0.3048, "meter"), "[yd_i]": (0.9144, "meter"),
    "[mi_i]": (1609.344, "meter"), "[nmi_i]": (1852, "meter"), "[kn_i]": (1852 / 3600, "meter/second"),
    "[lb_av]": (0.45359237, "kilogram"), "[oz_av]": (0.028349523125, "kilogram"),
    "[lbf_av]": (4.4482216152605, "newton"),
    "[gal_us]": (3.785411784e-3, "meter**3"), "[cft_i]": (0.028316846592, "meter**3"),
    "[cin_i]": (1.6387064e-5, "meter**3"), "[sft_i]": (0.09290304, "meter**2"), "[HP]": (745.6998715822702, "watt"),
    "[Btu_IT]": (1055.05585262, "joule"), "[Btu]": (1055.05585262, "joule"), "[in_i'Hg]": (3386.389, "pascal"),
    "[in_i'H2O]": (249.08891, "pascal"), "har": (1e4, "meter**2"),
}  # fmt: skip
# Temperatures: kelvin in one degree, and degrees from absolute zero to their own; exact, so that 32 °F are 0 °C. They
# have an offset only alone; in products, such as Cel/min, they are differences.
_ZEROS = {
    "K": (Fraction(1), Fraction(0)),
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67")),
    "[degRe]": (Fraction(5, 4), Fraction("218.52")),
}
_OFFSETS = _ZEROS.keys() - {"K"}

# What machines and people write -> UCUM. Case counts; the second table is asked in lower case.
_SPOKEN = {
    "%RH": "%", "%rH": "%", "% RH": "%", "%r.h.": "%", "VA": "V.A", "kVA": "kV.A", "MVA": "MV.A", "Ah": "A.h",
    "mAh": "mA.h", "Wh": "W.h", "kWh": "kW.h", "MWh": "MW.h", "GWh": "GW.h", "Ws": "W.s", "VAh": "V.A.h",
    "kVAh": "kV.A.h", "varh": "var.h", "kvarh": "kvar.h", "VAr": "var", "VAR": "var", "kVAr": "kvar", "kVAR": "kvar",
    "B": "By", "kB": "kBy", "KB": "kBy", "MB": "MBy", "GB": "GBy", "TB": "TBy", "KiB": "KiBy", "MiB": "MiBy",
    "GiB": "GiBy", "B/s": "By/s", "kB/s": "kBy/s", "MB/s": "MBy/s", "bps": "bit/s", "kbps": "kbit/s",
    "Mbps": "Mbit/s", "l/s": "L/s", "l/min": "L/min", "l/h": "L/h", "Nm": "N.m", "kNm": "kN.m", "dBm": "dB[mW]",
    "dBW": "dB[W]", "pH": "[pH]", "°": "deg", "Ω": "Ohm", "kΩ": "kOhm", "MΩ": "MOhm", "sec": "s", "hr": "h",
    "F": "F", "mph": "[mi_i]/h", "psi": "[psi]", "ppm": "[ppm]", "ppb": "[ppb]", "in": "[in_i]", "ft": "[ft_i]",
    "lb": "[lb_av]", "lbs": "[lb_av]", "gpm": "[gal_us]/min", "gal": "[gal_us]", "gal/min": "[gal_us]/min",
    "cfm": "[cft_i]/min", "ft3/min": "[cft_i]/min", "inHg": "[in_i'Hg]", "inH2O": "[in_i'H2O]", "mmHg": "mm[Hg]",
    "mH2O": "m[H2O]", "kn": "[kn_i]", "hp": "[HP]", "HP": "[HP]", "BTU": "[Btu_IT]", "BTU/h": "[Btu_IT]/h",
    "kgf": "kgf", "r/min": "/min", "1/min": "/min", "1/s": "/s", "s-1": "/s", "uS/cm": "uS/cm", "1/h": "/h",
}  # fmt: skip
_SPOKEN_LOWER = {
    "°c": "Cel", "℃": "Cel", "degc": "Cel", "deg c": "Cel", "deg_c": "Cel", "celsius": "Cel", "degrees celsius": "Cel",
    "°f": "[degF]", "℉": "[degF]", "degf": "[degF]", "deg f": "[degF]", "deg_f": "[degF]", "fahrenheit": "[degF]",
    "degrees fahrenheit": "[degF]", "°k": "K", "kelvin": "K", "rpm": "/min", "rev/min": "/min", "u/min": "/min",
    "percent": "%", "pct": "%", "degrees": "deg", "degree": "deg", "ohm": "Ohm", "ohms": "Ohm", "kohm": "kOhm",
    "volt": "V", "volts": "V", "ampere": "A", "amps": "A", "amp": "A", "watt": "W", "watts": "W", "hertz": "Hz",
    "seconds": "s", "second": "s", "minutes": "min", "minute": "min", "hours": "h", "hour": "h", "days": "d",
    "day": "d", "bytes": "By", "bits": "bit", "pascal": "Pa", "meter": "m", "metre": "m", "lux": "lx",
    "litre": "L", "liter": "L", "litres": "L", "liters": "L", "count": "1", "counts": "1", "none": "1", "unitless": "1",
    "-": "1", "lpm": "L/min", "sqm": "m2", "cbm": "m3", "cbm/h": "m3/h", "kph": "km/h",
}  # fmt: skip

_TOKEN = re.compile(r"(?P<atom>(?:\[[^\[\]]{1,20}\]|''|'|%|10[*^]|[A-Za-z])(?:\[[^\[\]]{1,20}\]|[A-Za-z_'])*)?"
                    r"(?P<number>\d{1,9})?(?P<exponent>[+-]\d)?(?:\{[^{}]{0,40}\})?")  # fmt: skip
_SUPERSCRIPTS = str.maketrans("²³µμ·", "23uu.")


class Conversion(NamedTuple):
    """From one unit to another: y = x · factor + offset."""

    factor: float
    offset: float

    def __call__(self, value: float) -> float:
        """Convert one value; 14 digits, so that 98.6 °F are 37 °C and not 36.99999999999999."""
        result = value * self.factor + self.offset
        return float(f"{result:.14g}") if isfinite(result) else result


class _Parsed(NamedTuple):
    factor: float
    unit: Any  # of pint


@lru_cache(maxsize=4096)
def conversion(source: str, target: str, *, difference: bool = False) -> Conversion | None:
    """Return how to convert values between two UCUM codes; None when they measure different things or are unknown.

    Temperatures are absolute, 20 °C = 68 °F; with `difference` they are differences, 20 °C = 36 °F.
    """
    if source == target:
        return Conversion(1.0, 0.0)
    old, new = _parse(source), _parse(target)
    if old is None or new is None or old.unit.dimensionality != new.unit.dimensionality:
        return None
    if not difference and source in _ZEROS and target in _ZEROS:
        (kelvin, zero), (new_kelvin, new_zero) = _ZEROS[source], _ZEROS[target]
        exact = kelvin / new_kelvin
        return Conversion(float(exact), float(zero * exact - new_zero))
    if not difference and (source in _OFFSETS or target in _OFFSETS):
        # Such as millikelvin: by way of kelvin.
        first, second = _through_kelvin(source), _through_kelvin(target)
        return Conversion(first.factor / second.factor, (first.offset - second.offset) / second.factor)
    return Conversion(old.factor * float((1 * old.unit).to(new.unit).magnitude) / new.factor, 0.0)


def _through_kelvin(code: str) -> Conversion:
    if code in _ZEROS:
        kelvin, zero = _ZEROS[code]
        return Conversion(float(kelvin), float(kelvin * zero))
    parsed = _parse(code)
    assert parsed is not None
    return Conversion(parsed.factor, 0.0)


def is_known(code: str) -> bool:
    """True for a UCUM code that can be converted."""
    return _parse(code) is not None


@lru_cache(maxsize=4096)
def spoken_code(told: str) -> str:
    """Return the UCUM code of a unit as machines and people write it, or the text itself."""
    if code := _SPOKEN.get(told) or _SPOKEN_LOWER.get(told.lower()):
        return code
    plain = told.translate(_SUPERSCRIPTS).replace(" ", "")
    for candidate in (told, plain):
        if is_known(candidate):
            return candidate
    parts = re.split(r"([./])", plain)
    said = "".join(_SPOKEN.get(part) or _SPOKEN_LOWER.get(part.lower()) or part for part in parts)
    return said if is_known(said) else told


@cache
def _registry() -> Any:
    from pint import UnitRegistry  # takes half a second: only for those who convert

    registry: Any = UnitRegistry(cache_folder=None)
    for name, dimension in (("angle", "angle"), ("solid", "solid"), ("bit", "information"), ("reactive", "reactive")):
        registry.define(f"fw_{name} = [fw_{dimension}]")
    return registry


@lru_cache(maxsize=4096)
def _parse(code: str) -> _Parsed | None:
    """Return the meaning of a UCUM code, None for what is none of those we know."""
    registry = _registry()
    factor, unit = 1.0, registry.Unit("")
    if not code or len(code) > 60:
        return None
    for index, term in enumerate(re.split(r"(?=[./])", code)):
        divides = term.startswith("/")
        body = term.lstrip("./") if term[:1] in "./" else term
        if index == 0 and not body:
            continue  # "/min"
        found = _term(body)
        if found is None:
            return None
        power = -found[2] if divides else found[2]
        factor *= found[0] ** power
        unit = unit * registry.Unit(found[1]) ** power
    return _Parsed(factor, unit) if 0 < factor < float("inf") else None


def _term(body: str) -> tuple[float, str, int] | None:
    """Return (factor, pint's unit, power) of `mm`, `m3`, `s-1`, `10*3`, `100`, `{beats}`."""
    match = _TOKEN.fullmatch(body)
    if not body or match is None:
        return None
    atom, number, exponent = match["atom"], match["number"], match["exponent"]
    if atom is None:
        if exponent is not None:
            return None
        return (float(number) if number else 1.0, "", 1) if number != "0" else None
    power = int(f"{exponent[0]}{number}{exponent[1:]}") if exponent and number else int(exponent or number or 1)
    if not -9 <= power <= 9:
        return None
    if atom in ("10*", "10^"):
        return 10.0, "", power
    found = _atom(atom)
    return (*found, power) if found else None


def _atom(name: str) -> tuple[float, str] | None:
    if name in _OFFSETS:
        return float(_ZEROS[name][0]), "kelvin"
    if known := _PLAIN.get(name) or _METRIC.get(name):
        return known
    for length in (1, 2):
        metric = _METRIC.get(name[length:])
        if metric is None:
            continue
        if (power := _PREFIXES.get(name[:length])) is not None:
            return metric[0] * 10.0**power, metric[1]
        if (binary := _BINARY.get(name[:length])) is not None and metric[1] == "fw_bit":
            return metric[0] * 2.0**binary, metric[1]
    return None
