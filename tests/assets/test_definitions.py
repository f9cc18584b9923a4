"""What asset models may define, and which custom values their assets take."""

from __future__ import annotations

from typing import Any

import pytest

from assets.base.errors import Invalid
from assets.definitions import (
    check_checklist,
    check_custom,
    check_fields,
    check_meters,
    check_metrics,
    check_operation_rule,
)

FIELDS: list[dict[str, Any]] = [
    {"key": "colour", "kind": "choice", "choices": [{"value": "red"}, {"value": "blue"}]},
    {"key": "power", "kind": "number", "minimum": 0, "maximum": 100},
    {"key": "bought", "kind": "date"},
    {"key": "ex", "kind": "boolean"},
    {"key": "note", "kind": "text"},
]


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"unit": "flurbs"}, "metrics.t.unit"),
        ({"low": 5, "high": 5}, "metrics.t.high"),
        ({"low_low": 5, "high_high": 4}, "metrics.t.high_high"),
        ({"high": 9, "high_high": 8}, "metrics.t.high_high"),
        ({"high": float("nan")}, "metrics.t.high"),
        ({"high": True}, "metrics.t.high"),
        ({"role": "boss"}, "metrics.t.role"),
        ({"expected_interval_s": 0}, "metrics.t.expected_interval_s"),
        ({"expected_interval_s": 1e9}, "metrics.t.expected_interval_s"),
        ({"rate_per_s": -1}, "metrics.t.rate_per_s"),
    ],
)
def test_metric_that_cannot_be_is_refused_by_name(about: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_metrics({"t": about})
    assert refused.value.params["field"] == field


def test_units_are_stored_as_ucum_and_limits_keep_their_order() -> None:
    told = {"unit": "°C", "low_low": -10, "low": 0, "high": 80, "high_high": 90, "expected_interval_s": 1}
    assert check_metrics({"t": told})["t"]["unit"] == "Cel"
    assert check_metrics({"speed": {"unit": "rpm"}})["speed"]["unit"] == "/min"
    for wrong in ("a/b", "", "x" * 200, "a\x00"):
        with pytest.raises(Invalid):
            check_metrics({wrong: {}})


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ({"colour": "red"}, {"colour": "red"}),
        ({"power": 7.5}, {"power": 7.5}),
        ({"bought": "2026-11-22"}, {"bought": "2026-11-22"}),
        ({"ex": False}, {"ex": False}),
        ({"note": "öl 油"}, {"note": "öl 油"}),
        ({"note": None}, {}),
        ({"note": ""}, {}),
        ({"colour": "green"}, None),
        ({"power": 101}, None),
        ({"power": "7"}, None),
        ({"power": True}, None),
        ({"power": float("inf")}, None),
        ({"bought": "22.11.2026"}, None),
        ({"bought": 5}, None),
        ({"ex": "yes"}, None),
        ({"note": "a\x00b"}, None),
        ({"note": ["a"]}, None),
        ({"unknown": 1}, None),
    ],
)
def test_custom_value_fits_its_field(told: dict[str, Any], stored: dict[str, Any] | None) -> None:
    if stored is None:
        with pytest.raises(Invalid):
            check_custom(FIELDS, told)
        return
    assert check_custom(FIELDS, told) == stored


def test_required_field_is_asked_for_and_old_values_stay() -> None:
    fields: list[dict[str, Any]] = [{"key": "power", "kind": "number", "required": True}]
    with pytest.raises(Invalid) as refused:
        check_custom(fields, {})
    assert refused.value.params["missing"] == ["power"]
    kept = check_custom(fields, {"power": 3}, {"about": "kept from an older model", "power": 2})
    assert kept == {"about": "kept from an older model", "power": 3}


@pytest.mark.parametrize(
    "wrong",
    [
        [{"key": "a", "kind": "colour"}],
        [{"key": "a", "kind": "choice"}],
        [{"key": "a", "kind": "choice", "choices": [{"value": "x"}, {"value": "x"}]}],
        [{"key": "a", "kind": "text", "choices": [{"value": "x"}]}],
        [{"key": "a", "kind": "text"}, {"key": "a", "kind": "text"}],
        [{"key": "1 a", "kind": "text"}],
        [{"key": "a", "kind": "number", "minimum": 5, "maximum": 4}],
        [{"key": f"k{number}", "kind": "text"} for number in range(101)],
    ],
)
def test_field_definition_that_cannot_be_is_refused(wrong: list[dict[str, Any]]) -> None:
    with pytest.raises(Invalid):
        check_fields(wrong)


def test_checklist_meters_and_operation_rule_are_checked() -> None:
    with pytest.raises(Invalid):
        check_checklist([{"key": "oil", "kind": "smell"}])
    with pytest.raises(Invalid):
        check_meters([{"name": "h", "kind": "counter", "unit": "h"}, {"name": "h", "kind": "gauge", "unit": "1"}])
    for rule in ({"metric": "mode"}, {"metric": "mode", "down": ["off"], "up": ["off"]}, {"down": ["off"]}):
        with pytest.raises(Invalid):
            check_operation_rule(rule)
    assert check_operation_rule(None) is None
    assert check_operation_rule({"metric": "mode", "down": ["trip"]}) == {"metric": "mode", "down": ["trip"], "up": []}
