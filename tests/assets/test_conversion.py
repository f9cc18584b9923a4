"""Units are converted where they measure the same, and told apart where they do not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.conversion import is_known
from assets.base.units import LABELS, SUFFIXES, conversion, series_unit, unit_code


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (98.6, "[degF]", "Cel", 37),
        (37, "Cel", "[degF]", 98.6),
        (0, "Cel", "[degF]", 32),
        (-40, "[degF]", "Cel", -40),
        (20, "Cel", "K", 293.15),
        (293.15, "K", "[degF]", 68),
        (293_150, "mK", "Cel", 20),
        (1.8, "[degF]/min", "Cel/min", 1),  # a rate is a difference
        (1, "kW.h", "J", 3_600_000),
        (60, "/min", "Hz", 1),
        (1, "bar", "kPa", 100),
        (100, "[psi]", "bar", 6.8947572931684),
        (25.4, "mm/s", "[in_i]/s", 1),
        (1, "m3/h", "L/min", 16.666666666667),
        (50, "%", "1", 0.5),
        (1, "KiBy", "By", 1024),
        (1, "By", "bit", 8),
        (180, "deg", "rad", 3.1415926535898),
        (1, "m+2", "cm2", 10_000),
        (1, "kg.m-3", "g/L", 1),
        (1, "V.A", "W", 1),
        (3, "furlong", "furlong", 3),  # unknown, but the same
    ],
)
def test_values_are_converted(value: float, source: str, target: str, result: float) -> None:
    convert = conversion(source, target)
    assert convert is not None
    assert convert(value) == result


def test_difference_of_temperatures_has_no_offset() -> None:
    convert = conversion("Cel", "[degF]", difference=True)
    assert convert is not None
    assert convert(20) == 36


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cel", "bar"), ("rad/s", "Hz"), ("By", "1"), ("furlong", "m"), ("m/s", "m"), ("kvar", "kW"), ("dB", "1")],
)
def test_what_measures_something_else_is_not_converted(one: str, other: str) -> None:
    assert conversion(one, other) is None
    assert conversion(other, one) is None


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("°C", "Cel"), ("degC", "Cel"), ("Celsius", "Cel"), ("℃", "Cel"), ("Cel", "Cel"), ("°F", "[degF]"),
        ("kWh", "kW.h"), ("m³/h", "m3/h"), ("l/min", "L/min"), ("rpm", "/min"), ("µg/m³", "ug/m3"), ("VA", "V.A"),
        ("%RH", "%"), ("mmHg", "mm[Hg]"), ("psi", "[psi]"), ("°F/min", "[degF]/min"), ("  bar ", "bar"),
        ("stück", "stück"), ("", None), ("\x00", None), ("x" * 61, None), ("C", "C"),
    ],
)  # fmt: skip
def test_units_as_people_write_them_become_ucum(told: str, code: str | None) -> None:
    assert unit_code(told) == code


@pytest.mark.parametrize(
    "code", [*SUFFIXES.values(), *(code for code in LABELS if code != "[pH]" and "dB" not in code)]
)
def test_every_unit_of_ours_can_be_converted(code: str) -> None:
    assert is_known(code)


def test_name_that_ends_in_a_unit_keeps_its_promise() -> None:
    assert series_unit("temperature_celsius", "[degF]") == "Cel"
    assert series_unit("temperature_celsius", None) == "Cel"
    assert series_unit("temperature", "[degF]") == "[degF]"
    assert series_unit("voltage_phase_a", "V") == "V"  # the ending was no unit
    assert series_unit("mode", None) is None


@given(st.text(max_size=70) | st.text(alphabet="mskgK./-+0123456789[]{}*^%'", max_size=70))
def test_any_text_is_read_as_a_unit_or_not_at_once(told: str) -> None:
    begun = time.thread_time()
    code = unit_code(told)
    if code is not None:
        conversion(code, "Cel")
        assert unit_code(code) == code
    assert time.thread_time() - begun < 1.0
