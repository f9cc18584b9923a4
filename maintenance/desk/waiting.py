"""What it costs to do a predicted job now, and what to wait: every amount with where it comes from; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.base.errors import Invalid
from maintenance.desk.chances import Chance, Unknown

NOW_FORMULA = "now = planned + planned hours down * cost per hour down"
FAILURE_FORMULA = "failure = unplanned + unplanned hours down * cost per hour down"
WAIT_FORMULA = "wait = p * failure + (1 - p) * (now - saved)"
LEVELS = ("asset", "model", "procedure", "all", "feedback", "orders")
AMOUNTS = (
    "planned_cost",
    "unplanned_cost",
    "unplanned_factor",
    "planned_downtime_hours",
    "unplanned_downtime_hours",
    "downtime_cost_per_hour",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What one place says of costs: an entry of somebody, a procedure's standard cost, the mean of past orders."""

    level: str
    currency: str
    amounts: Mapping[str, float]
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """One input with its source; `n`: of how many orders it is the mean."""

    value: float
    source: str
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the costs are computed of, in one currency; what nobody told is in `missing`."""

    currency: str | None
    amounts: Mapping[str, Amount]
    missing: tuple[str, ...] = ()
    other_currency: tuple[str, ...] = ()

    def value(self, name: str) -> float | None:
        found = self.amounts.get(name)
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class Waiting:
    """Doing it now against waiting. `extra`: what waiting costs more; below 0 it saves. `left_out`: not known."""

    now: float
    failure: float
    wait: float
    extra: float
    p: float
    saved: float
    left_out: tuple[str, ...] = ()
    extra_low: float | None = None
    extra_high: float | None = None


def gather(told: Sequence[Told]) -> Inputs:
    """Return each amount from the nearest place that tells it: machine, model, procedure, all, feedback, orders.

    The currency is the planned cost's; amounts in another are left aside and named, never converted.
    """
    ordered = sorted((each for each in told if each.amounts), key=lambda each: LEVELS.index(each.level))
    money = next((each.currency for each in ordered if "planned_cost" in each.amounts), None)
    currency = money or next((each.currency for each in ordered), None)
    found: dict[str, Amount] = {}
    other: list[str] = []
    for each in ordered:
        for name, value in each.amounts.items():
            if name in found or (name in ("unplanned_cost", "unplanned_factor") and _has_unplanned(found)):
                continue
            if each.currency != currency and name.endswith(("cost", "per_hour")):
                other.append(name)
                continue
            found[name] = Amount(value, each.level, each.n)
    if (factor := found.get("unplanned_factor")) is not None and (planned := found.get("planned_cost")) is not None:
        found["unplanned_cost"] = Amount(factor.value * planned.value, factor.source)
    missing = tuple(name for name in ("planned_cost", "unplanned_cost") if name not in found)
    return Inputs(currency, found, missing, tuple(dict.fromkeys(name for name in other if name not in found)))


def weigh(inputs: Inputs, chance: Chance | Unknown, saved: float = 0.0) -> Waiting | Unknown:
    """Return what doing it now costs against waiting; or what is not known. `saved`: by doing it with other work.

    Hours down without their cost, or the other way round, are left out and named. Raises Invalid for a saving below 0.
    """
    if saved < 0:
        raise Invalid("a saving is not below 0", field="saved", value=saved)
    if inputs.missing:
        return Unknown("no_costs", {"missing": list(inputs.missing)})
    if isinstance(chance, Unknown):
        return chance
    planned, unplanned = inputs.value("planned_cost") or 0.0, inputs.value("unplanned_cost") or 0.0
    per_hour, left_out = inputs.value("downtime_cost_per_hour"), []
    now, failure = planned, unplanned
    for name in ("planned_downtime_hours", "unplanned_downtime_hours"):
        hours = inputs.value(name)
        if hours is None or per_hour is None:
            left_out.append(name)
        elif name == "planned_downtime_hours":
            now += hours * per_hour
        else:
            failure += hours * per_hour
    saved = min(saved, now)

    def extra(p: float) -> float:
        return p * failure + (1 - p) * (now - saved) - now

    bounds = [extra(each) for each in (chance.low, chance.high) if each is not None]
    return Waiting(
        now=now,
        failure=failure,
        wait=now + extra(chance.p),
        extra=extra(chance.p),
        p=chance.p,
        saved=saved,
        left_out=tuple(left_out),
        extra_low=min(bounds) if bounds else None,
        extra_high=max(bounds) if bounds else None,
    )


def check_costs(values: Mapping[str, Any]) -> None:
    """Raise Invalid unless somebody told at least one amount, all in their bounds."""
    told = {name: value for name, value in values.items() if name in AMOUNTS and value is not None}
    if not told:
        raise Invalid("at least one amount has to be told", field="planned_cost")
    if "unplanned_cost" in told and "unplanned_factor" in told:
        raise Invalid("either an amount or a factor", field="unplanned_factor")
    for name, value in told.items():
        most = 1e12 if name.endswith(("cost", "per_hour")) else 1000.0 if name == "unplanned_factor" else 87_660.0
        least = 1.0 if name == "unplanned_factor" else 0.0
        if not least <= float(value) <= most:
            raise Invalid(f"{name} is from {least:g} to {most:g}", field=name, least=least, most=most)


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a job's risk at a moment: evidence in units of what opens, its severity, life in seconds."""

    strength: float
    severity: str
    life_low_s: float | None = None
    risk: float | None = None  # of failing until then
    extra: Mapping[str, Any] = field(default_factory=dict)


GROWN = 1.5  # evidence so much stronger than when it was put off is news
RISK_GROWN = 0.1  # so is a chance of failing before then that is this much higher
_RANKS = ("info", "warning", "critical")


def risen(then: Known, now: Known, left_s: float) -> str | None:
    """Return why a job that was put off comes back early, None while nothing got worse.

    graver, stronger, riskier (failing before the day got likelier), life_short (the cautious end of its remaining life
    has come before the day). `left_s`: seconds until the day.
    """
    if _rank(now.severity) > _rank(then.severity):
        return "graver"
    if now.strength >= GROWN * max(then.strength, 1e-9) and now.strength > 1:
        return "stronger"
    if now.risk is not None and then.risk is not None and now.risk >= then.risk + RISK_GROWN:
        return "riskier"
    if now.life_low_s is not None and now.life_low_s < left_s:
        # It was so when it was put off: the planner knew, and only what became worse is news.
        known = then.life_low_s is not None and then.life_low_s < float(then.extra.get("wait_s", left_s))
        return None if known else "life_short"
    return None


def _rank(severity: str) -> int:
    return _RANKS.index(severity) if severity in _RANKS else 0


def _has_unplanned(found: Mapping[str, Amount]) -> bool:
    return "unplanned_cost" in found or "unplanned_factor" in found
