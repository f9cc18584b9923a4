"""What a reading adds to a meter's total: forwards, around the counter's end, through a reset or another meter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from assets.base.errors import Invalid
from assets.base.exact import exact_sum

Kind = Literal["reading", "rollover", "reset", "replacement"]
KINDS: tuple[Kind, ...] = ("reading", "rollover", "reset", "replacement")
METER_KINDS = ("counter", "gauge")
LARGEST = 1e15  # up to here a double tells one from the next


@dataclass(frozen=True)
class MeterFacts:
    """What the rules need of a meter."""

    kind: str
    rollover_at: float | None = None


@dataclass(frozen=True)
class Standing:
    """A meter after a reading: what it shows, and the total since ever."""

    shown: float
    total: float


@dataclass(frozen=True)
class Told:
    """A reading as somebody tells it."""

    value: float
    kind: str = "reading"
    initial_value: float | None = None
    reason: str | None = None


class RunsBackwards(Invalid):
    """A counter shows less than before, and nobody says why; params: `value`, `previous`."""

    code = "runs_backwards"


def check_meter(facts: MeterFacts) -> None:
    """Raise Invalid for a kind that there is not, or a rollover that cannot be."""
    if facts.kind not in METER_KINDS:
        raise Invalid(f"a meter is a {' or a '.join(METER_KINDS)}", field="kind", allowed=list(METER_KINDS))
    if facts.rollover_at is not None:
        if facts.kind != "counter":
            raise Invalid("only a counter rolls over", field="rollover_at")
        if not (math.isfinite(facts.rollover_at) and 0 < facts.rollover_at <= LARGEST):
            raise Invalid("a counter rolls over above zero", field="rollover_at")


def after(facts: MeterFacts, before: Standing | None, told: Told) -> Standing:
    """Return the meter's standing after a reading.

    A gauge's total is its value. Raises Invalid for a value that the meter cannot show or a missing reason, and
    RunsBackwards for a counter that shows less than before without rollover, reset or replacement.
    """
    _check_value(facts, told.value, "value")
    if told.kind not in KINDS:
        raise Invalid(f"a reading is one of: {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
    if told.kind == "replacement":
        return _replaced(facts, before, told)
    if facts.kind == "gauge":
        if told.kind == "rollover":
            raise Invalid("only a counter rolls over", field="kind")
        return Standing(told.value, told.value)
    if before is None:
        return Standing(told.value, told.value)
    if told.kind == "rollover":
        if facts.rollover_at is None:
            raise Invalid("this counter has no value at which it rolls over", field="rolled_over")
        if told.value >= before.shown:
            raise Invalid("a counter that rolled over shows less than before", field="rolled_over")
        return Standing(told.value, exact_sum(before.total, facts.rollover_at, -before.shown, told.value))
    if told.kind == "reset":
        _check_reason(told)
        return Standing(told.value, before.total)
    if told.value < before.shown:
        raise RunsBackwards(
            f"the meter showed {before.shown:g} before: say that it rolled over, was reset or replaced",
            field="value",
            value=told.value,
            previous=before.shown,
        )
    return Standing(told.value, exact_sum(before.total, told.value, -before.shown))


def guess_rollover(facts: MeterFacts, before: Standing, value: float) -> bool:
    """Return whether a counter that shows less than before has plainly rolled over: from its last tenth to its first.

    For telemetry, that comes often enough; what a person reads once a year is asked about.
    """
    end = facts.rollover_at
    return facts.kind == "counter" and end is not None and before.shown >= 0.9 * end and value <= 0.1 * end


def totals(facts: MeterFacts, before: Standing | None, readings: Iterable[Told]) -> Iterator[Standing]:
    """Yield the standing after each reading in turn. Raises as `after` does."""
    for told in readings:
        before = after(facts, before, told)
        yield before


def _replaced(facts: MeterFacts, before: Standing | None, told: Told) -> Standing:
    _check_reason(told)
    if told.initial_value is None:
        raise Invalid("a replacement says what the new meter shows", field="initial_value")
    _check_value(facts, told.initial_value, "initial_value")
    if facts.kind == "gauge":
        return Standing(told.initial_value, told.initial_value)
    ended = after(facts, before, replace(told, kind="reading", initial_value=None))
    return Standing(told.initial_value, ended.total)


def _check_reason(told: Told) -> None:
    if not (told.reason or "").strip():
        raise Invalid(f"a {told.kind} needs a reason", field="reason")


def _check_value(facts: MeterFacts, value: float, field: str) -> None:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise Invalid("a meter shows a finite number", field=field)
    if facts.kind == "counter" and value < 0:
        raise Invalid("a counter shows no negative number", field=field)
    if facts.rollover_at is not None and value >= facts.rollover_at:
        raise Invalid(f"the counter rolls over at {facts.rollover_at:g}", field=field, limit=facts.rollover_at)
