"""What an asset model defines for its assets: metrics with limits, custom fields, checklist, meters, states."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from assets.base.conversion import is_known
from assets.base.errors import Invalid
from assets.base.units import unit_code
from assets.meter_rules import MeterFacts, check_meter

MAX_METRICS = 500
MAX_SPEED_HZ = 2_000.0  # of a shaft
MAX_DEFINITIONS = 100
MAX_CHOICES = 200
MAX_TEXT = 2000
LONGEST_INTERVAL_S = 400 * 86_400.0
ROLES = ("health", "control", "ambient", "mode")
LIMITS = ("low_low", "low", "high", "high_high")  # in this order they rise
FIELD_KINDS = ("text", "number", "date", "choice", "boolean")
POINT_KINDS = ("check", "number", "text")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_METRIC = re.compile(r"[^\x00-\x1f/#+]{1,128}")
_NAME = "an identifier of letters, digits, _ . and -"


def check_metrics(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metrics as they are stored, units as UCUM codes. Raises Invalid, which names the metric."""
    if len(metrics) > MAX_METRICS:
        raise Invalid(f"at most {MAX_METRICS} metrics", field="metrics", limit=MAX_METRICS)
    return {name: _metric(name, about) for name, about in metrics.items()}


def _metric(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    where = f"metrics.{name}"
    if not _METRIC.fullmatch(name):
        raise Invalid("a metric's name has 1 to 128 characters, none of / # +", field=where)
    kept = {key: value for key, value in about.items() if value is not None}
    if (unit := kept.get("unit")) is not None:
        kept["unit"] = check_unit(str(unit), f"{where}.unit")
    if kept.setdefault("role", "health") not in ROLES:
        raise Invalid(f"a role is one of: {', '.join(ROLES)}", field=f"{where}.role", allowed=list(ROLES))
    given = [(limit, _number(kept[limit], f"{where}.{limit}")) for limit in LIMITS if limit in kept]
    for (lower, low), (upper, high) in pairwise(given):
        if low >= high:
            raise Invalid(f"{lower} lies below {upper}", field=f"{where}.{upper}", lower=low, upper=high)
    if "rate_per_s" in kept and _number(kept["rate_per_s"], f"{where}.rate_per_s") <= 0:
        raise Invalid("a rate is above zero", field=f"{where}.rate_per_s")
    if "expected_interval_s" in kept:
        interval = _number(kept["expected_interval_s"], f"{where}.expected_interval_s")
        if not 0 < interval <= LONGEST_INTERVAL_S:
            raise Invalid("an interval is above zero and at most 400 days", field=f"{where}.expected_interval_s")
    if (bearing := kept.get("bearing")) is not None:
        kept["bearing"] = check_bearing(bearing, f"{where}.bearing")
    if "speed_hz" in kept and not 0 < _number(kept["speed_hz"], f"{where}.speed_hz") <= MAX_SPEED_HZ:
        raise Invalid(f"above zero and at most {MAX_SPEED_HZ:g} turns a second", field=f"{where}.speed_hz")
    if "speed_metric" in kept and not (
        isinstance(kept["speed_metric"], str) and _METRIC.fullmatch(kept["speed_metric"])
    ):
        raise Invalid("the name of a metric", field=f"{where}.speed_metric")
    return kept


def check_bearing(bearing: Any, where: str) -> dict[str, float]:
    """Return the geometry of a rolling bearing: elements, diameters of one unit, contact angle in degrees."""
    if not isinstance(bearing, Mapping):
        raise Invalid("a bearing is an object", field=where)
    elements = _number(bearing.get("elements"), f"{where}.elements")
    if not 3 <= elements <= 500 or elements != int(elements):
        raise Invalid("3 to 500 elements", field=f"{where}.elements")
    element = _number(bearing.get("element_diameter"), f"{where}.element_diameter")
    pitch = _number(bearing.get("pitch_diameter"), f"{where}.pitch_diameter")
    if not 0 < element < pitch:
        raise Invalid("an element is smaller than the pitch diameter", field=f"{where}.element_diameter")
    angle = _number(bearing.get("contact_angle_degrees", 0.0), f"{where}.contact_angle_degrees")
    if not 0 <= angle < 90:
        raise Invalid("from 0 to below 90 degrees", field=f"{where}.contact_angle_degrees")
    return {
        "elements": int(elements), "element_diameter": element, "pitch_diameter": pitch, "contact_angle_degrees": angle
    }  # fmt: skip


def check_fields(fields: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return definitions of custom fields as they are stored. Raises Invalid."""
    _check_keys(fields, "custom_fields")
    checked = []
    for number, about in enumerate(fields):
        where = f"custom_fields.{number}"
        if about.get("kind") not in FIELD_KINDS:
            raise Invalid(f"a field is one of: {', '.join(FIELD_KINDS)}", field=f"{where}.kind", allowed=FIELD_KINDS)
        choices = about.get("choices") or []
        if about["kind"] == "choice":
            values = [choice.get("value") for choice in choices]
            if not values or len(values) > MAX_CHOICES or len(set(values)) != len(values):
                raise Invalid(f"1 to {MAX_CHOICES} different choices", field=f"{where}.choices", limit=MAX_CHOICES)
        elif choices:
            raise Invalid("only a choice has choices", field=f"{where}.choices")
        _check_span(about, where)
        checked.append({key: value for key, value in about.items() if value is not None})
    return checked


def check_custom(
    fields: Sequence[Mapping[str, Any]], told: Mapping[str, Any], kept: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an asset's custom values after a change; null takes one away.

    Values without a definition stay as they were and cannot be told. Raises Invalid for an unknown field, a value that
    the field does not take, or a required one that is missing.
    """
    known = {about["key"]: about for about in fields}
    values = dict(kept or {})
    for key, value in told.items():
        if key not in known:
            raise Invalid(f"this model has no field {key!r}", field=f"custom.{key}", allowed=sorted(known))
        if value is None or value == "":
            values.pop(key, None)
        else:
            values[key] = _value(known[key], value)
    missing = [key for key, about in known.items() if about.get("required") and key not in values]
    if missing:
        raise Invalid(f"needed: {', '.join(missing)}", field=f"custom.{missing[0]}", missing=missing)
    return values


def _value(about: Mapping[str, Any], value: Any) -> Any:
    where, kind = f"custom.{about['key']}", about["kind"]
    if kind == "boolean":
        if not isinstance(value, bool):
            raise Invalid("true or false", field=where)
        return value
    if kind == "number":
        number = _number(value, where)
        low, high = about.get("minimum"), about.get("maximum")
        if (low is not None and number < low) or (high is not None and number > high):
            raise Invalid("out of its limits", field=where, minimum=low, maximum=high)
        return value
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\x00" in value:
        raise Invalid(f"a text of at most {MAX_TEXT} characters", field=where, limit=MAX_TEXT)
    if kind == "date":
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise Invalid("a date such as 2026-11-22", field=where) from None
    if kind == "choice" and value not in {choice["value"] for choice in about["choices"]}:
        raise Invalid("not one of the choices", field=where, allowed=[choice["value"] for choice in about["choices"]])
    return value


def check_checklist(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the points of a commissioning checklist as they are stored. Raises Invalid."""
    _check_keys(points, "checklist")
    for number, point in enumerate(points):
        where = f"checklist.{number}"
        if point.get("kind", "check") not in POINT_KINDS:
            raise Invalid(f"a point is one of: {', '.join(POINT_KINDS)}", field=f"{where}.kind", allowed=POINT_KINDS)
        _check_span(point, where)
    return [{key: value for key, value in point.items() if value is not None} for point in points]


def check_meters(meters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the meters that new assets of a model get. Raises Invalid."""
    if len(meters) > MAX_DEFINITIONS:
        raise Invalid(f"at most {MAX_DEFINITIONS} meters", field="meters", limit=MAX_DEFINITIONS)
    checked, names = [], set()
    for number, about in enumerate(meters):
        code = check_unit(str(about.get("unit", "")), f"meters.{number}.unit")
        check_meter(MeterFacts(str(about.get("kind")), about.get("rollover_at")))
        if about["name"] in names:
            raise Invalid("two meters of one name", field=f"meters.{number}.name")
        names.add(about["name"])
        checked.append({key: value for key, value in (dict(about) | {"unit": code}).items() if value is not None})
    return checked


def check_operation_rule(rule: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the rule by which a metric tells whether the asset is up or down. Raises Invalid."""
    if rule is None:
        return None
    down, up = list(rule.get("down") or ()), list(rule.get("up") or ())
    if not rule.get("metric") or not (down or up):
        raise Invalid("a rule names a metric and the values that mean down or up", field="operation_rule")
    if set(map(str, down)) & set(map(str, up)):
        raise Invalid("a value means down or up, not both", field="operation_rule.up")
    if len(down) + len(up) > MAX_CHOICES:
        raise Invalid(f"at most {MAX_CHOICES} values", field="operation_rule", limit=MAX_CHOICES)
    return {"metric": str(rule["metric"]), "down": down, "up": up}


def check_unit(told: str, field: str = "unit") -> str:
    """Return the UCUM code of a unit as people write it. Raises Invalid for one that is none."""
    code = unit_code(told)
    if code is None or not is_known(code):
        raise Invalid(f"{told!r} is no unit: a UCUM code such as Cel, mm/s, kW.h or 1 is needed", field=field)
    return code


def _check_keys(definitions: Iterable[Mapping[str, Any]], field: str) -> None:
    keys = [str(about.get("key", "")) for about in definitions]
    if len(keys) > MAX_DEFINITIONS:
        raise Invalid(f"at most {MAX_DEFINITIONS}", field=field, limit=MAX_DEFINITIONS)
    for number, key in enumerate(keys):
        if not _KEY.fullmatch(key):
            raise Invalid(f"a key is {_NAME}", field=f"{field}.{number}.key")
        if key in keys[:number]:
            raise Invalid(f"two of the key {key!r}", field=f"{field}.{number}.key")


def _check_span(about: Mapping[str, Any], where: str) -> None:
    for bound in ("minimum", "maximum"):
        if about.get(bound) is not None:
            _number(about[bound], f"{where}.{bound}")
    low, high = about.get("minimum"), about.get("maximum")
    if low is not None and high is not None and low > high:
        raise Invalid("the minimum lies below the maximum", field=f"{where}.maximum")


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid("a finite number", field=field)
    return float(value)
