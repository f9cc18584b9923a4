"""A metric's name carries its unit last."""

from __future__ import annotations

import pytest

from assets.base.units import SUFFIXES, unit_label, unit_of_metric


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("temperature_celsius", "Cel"),
        ("Temperature_Celsius", "Cel"),
        ("vibration_mm_s", "mm/s"),  # not seconds
        ("speed_m_s", "m/s"),
        ("flow_m3_h", "m3/h"),
        ("flow_m3_s", "m3/s"),
        ("network_receive_bytes_per_s", "By/s"),
        ("uptime_s", "s"),
        ("power_kw", "kW"),
        ("starts_count", "1"),
        ("mode", None),
        ("s", None),  # a name alone is no unit
        ("load_1min", None),
        ("", None),
        ("_", None),
    ],
)
def test_unit_is_found_by_the_longest_ending(metric: str, unit: str | None) -> None:
    assert unit_of_metric(metric) == unit


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_found_behind_a_name(suffix: str) -> None:
    assert unit_of_metric(f"outlet_pressure_{suffix}") == SUFFIXES[suffix]


def test_labels_are_what_people_read() -> None:
    assert [unit_label(code) for code in ("Cel", "%", "1", "kW.h", None, "furlong")] == [
        "°C",
        "%",
        "",
        "kWh",
        "",
        "furlong",
    ]
