"""What makes work due: a calendar, a meter, whichever of them comes first, or something that happens; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assets.base.errors import Invalid
from maintenance.plans.expressions import Expression, parse
from maintenance.plans.recurrence import Rule, parse_rule

MAX_PARTS = 5
KINDS = ("calendar", "meter", "whichever_first", "threshold", "finding", "remaining_life", "expression")
SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Due at the local moments of a rule that counts from the machine's start, which itself counts only when said."""

    rule: Rule
    include_start: bool = False


@dataclass(frozen=True, slots=True)
class Meter:
    """Due each time that a counter has gone on by `every`, or once when it reaches `at`."""

    meter: str
    every: float | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class WhicheverFirst:
    """Due at the earliest of its parts, all of which count anew from when the work was done."""

    parts: tuple[Calendar | Meter, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Due when a value crosses a limit; again only after it has been back by `clear`."""

    source: str  # meter | metric
    name: str
    at_least: float | None = None
    at_most: float | None = None
    clear: float | None = None

    def crossed(self, value: float) -> bool:
        """Return whether a value lies on the wrong side."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    def cleared(self, value: float) -> bool:
        """Return whether it is back far enough to count anew."""
        if self.at_least is not None:
            return value < (self.at_least if self.clear is None else self.clear)
        return self.at_most is not None and value > (self.at_most if self.clear is None else self.clear)


@dataclass(frozen=True, slots=True)
class Finding:
    """Due when a model or rule finds something: of this failure mode (None: any), at least so grave."""

    key: str | None = None
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class RemainingLife:
    """Due when the estimate of the life that remains falls below so many days; `cautious`: its lower bound does."""

    below_days: float
    cautious: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """Due when a condition in words begins to hold."""

    expression: Expression


Foreseen = Calendar | Meter | WhicheverFirst
Happening = Threshold | Finding | RemainingLife | Condition
Trigger = Foreseen | Happening


def read_trigger(told: Mapping[str, Any], anchor: datetime, *, path: str = "trigger") -> Trigger:
    """Return a checked trigger from its stored form. Raises Invalid that names the place.

    {"kind": "calendar", "rrule": …, "include_start": false} · {"kind": "meter", "meter": …, "every": n | "at": n} ·
    {"kind": "whichever_first", "of": […]} · {"kind": "threshold", "meter" | "metric": …, "at_least" | "at_most": n} ·
    {"kind": "finding", "key": …, "severity": …} · {"kind": "remaining_life", "below_days": n, "cautious": false} ·
    {"kind": "expression", "text": …}. `anchor`: a local moment from which calendars may count.
    """
    kind = told.get("kind")
    if kind == "calendar":
        _only(told, ("rrule", "include_start"), path)
        rule = parse_rule(_word(told, "rrule", path), anchor, field=f"{path}.rrule")
        return Calendar(rule, bool(told.get("include_start", False)))
    if kind == "meter":
        return _meter(told, path)
    if kind == "whichever_first":
        return _whichever(told, anchor, path)
    if kind == "threshold":
        return _threshold(told, path)
    if kind == "finding":
        _only(told, ("key", "severity"), path)
        severity = told.get("severity", "warning")
        if severity not in SEVERITIES:
            raise Invalid("no such severity", field=f"{path}.severity", allowed=list(SEVERITIES))
        return Finding(told.get("key"), severity)
    if kind == "remaining_life":
        _only(told, ("below_days", "cautious"), path)
        return RemainingLife(_number(told, "below_days", path, above=0.0), bool(told.get("cautious", False)))
    if kind == "expression":
        _only(told, ("text",), path)
        return Condition(parse(_word(told, "text", path), field=f"{path}.text"))
    raise Invalid("no such trigger", field=f"{path}.kind", allowed=list(KINDS), value=kind)


def _meter(told: Mapping[str, Any], path: str) -> Meter:
    _only(told, ("meter", "every", "at"), path)
    if (told.get("every") is None) == (told.get("at") is None):
        raise Invalid('a meter has either "every" or "at"', field=path)
    if told.get("every") is not None:
        return Meter(_word(told, "meter", path), every=_number(told, "every", path, above=0.0))
    return Meter(_word(told, "meter", path), at=_number(told, "at", path))


def _whichever(told: Mapping[str, Any], anchor: datetime, path: str) -> WhicheverFirst:
    _only(told, ("of",), path)
    of = told.get("of")
    if not isinstance(of, list) or not 2 <= len(of) <= MAX_PARTS:
        raise Invalid(f"whichever comes first of 2 to {MAX_PARTS}", field=f"{path}.of")
    parts: list[Calendar | Meter] = []
    for place, each in enumerate(of):
        here = f"{path}.of[{place}]"
        part = read_trigger(each if isinstance(each, Mapping) else {}, anchor, path=here)
        if not isinstance(part, Calendar | Meter) or (isinstance(part, Meter) and part.every is None):
            raise Invalid("only calendars and meters that come again can be raced", field=here)
        parts.append(part)
    return WhicheverFirst(tuple(parts))


def _threshold(told: Mapping[str, Any], path: str) -> Threshold:
    _only(told, ("meter", "metric", "at_least", "at_most", "clear"), path)
    source = next((name for name in ("meter", "metric") if told.get(name)), None)
    if source is None or (told.get("meter") and told.get("metric")):
        raise Invalid('a threshold is on a "meter" or a "metric"', field=path)
    if (told.get("at_least") is None) == (told.get("at_most") is None):
        raise Invalid('a threshold has either "at_least" or "at_most"', field=path)
    limit = "at_least" if told.get("at_least") is not None else "at_most"
    value = _number(told, limit, path)
    clear = None if told.get("clear") is None else _number(told, "clear", path)
    if clear is not None and (clear > value if limit == "at_least" else clear < value):
        raise Invalid("it clears on the other side of its limit", field=f"{path}.clear", value=clear)
    bounds = {limit: value}
    return Threshold(source, _word(told, source, path), bounds.get("at_least"), bounds.get("at_most"), clear)


def _only(told: Mapping[str, Any], names: tuple[str, ...], path: str) -> None:
    for name in told:
        if name not in (*names, "kind"):
            raise Invalid(f"unknown field {name!r}", field=f"{path}.{name}", allowed=list(names))


def _word(told: Mapping[str, Any], name: str, path: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 1000:
        raise Invalid("a text is missing", field=f"{path}.{name}")
    return value.strip()


def _number(told: Mapping[str, Any], name: str, path: str, *, above: float | None = None) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid("a number is missing", field=f"{path}.{name}", value=value)
    if above is not None and value <= above:
        raise Invalid(f"has to be above {above:g}", field=f"{path}.{name}", value=value)
    return float(value)
