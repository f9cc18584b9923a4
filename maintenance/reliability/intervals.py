"""How often to maintain: the interval of least cost by age replacement, and what it is expected to change; pure."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import optimize

from assets.base.errors import Invalid
from maintenance.reliability.weibull import Weibull, expected_age, quantile, survival

YEAR_H = 8766.0
LEAST_GAIN = 0.02  # below that a suggestion is not worth a change


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy costs in the long run. `interval_h` None: run until it fails."""

    interval_h: float | None
    cost_per_year: float
    failures_per_year: float
    services_per_year: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The best policy beside the present one and running to failure. Reasons when there is no interval to suggest:

    failures_are_random, early_failures (an interval would bring more of them), service_costs_too_much, no_gain.
    """

    best: Policy | None
    now: Policy | None
    to_failure: Policy
    saving_per_year: float | None
    reason: str | None


def suggest(life: Weibull, planned_cost: float, failure_cost: float, now_h: float | None = None) -> Suggestion:
    """Return the interval of least cost per hour, C(T) = (planned R(T) + failure F(T)) / integral of R over [0, T].

    Costs in one currency, of one service and of one failure with its downtime. An interval is suggested only where wear
    is sure (the shape's interval lies above 1) and a failure costs more than a service. Source: Barlow and Hunter 1960.
    Raises Invalid for costs that are not above 0 or an interval that is not.
    """
    for name, value in (("planned_cost", planned_cost), ("failure_cost", failure_cost), ("now_h", now_h)):
        if value is not None and not value > 0:
            raise Invalid("has to be above 0", field=name, value=value)
    to_failure = _policy(life, None, planned_cost, failure_cost)
    now = _policy(life, now_h, planned_cost, failure_cost) if now_h else None
    if life.pattern != "wear_out":
        reason = "early_failures" if life.pattern == "early" else "failures_are_random"
        return Suggestion(None, now, to_failure, None, reason)
    if failure_cost <= planned_cost:
        return Suggestion(None, now, to_failure, None, "service_costs_too_much")
    low, high = quantile(life.shape, life.scale, 1e-4), quantile(life.shape, life.scale, 0.999)
    found = optimize.minimize_scalar(
        lambda age: _policy(life, float(age), planned_cost, failure_cost).cost_per_year,
        bounds=(low, high),
        method="bounded",
        options={"xatol": high * 1e-6},
    )
    best = _policy(life, float(found.x), planned_cost, failure_cost)
    reference = now or to_failure
    saving = reference.cost_per_year - best.cost_per_year
    if (
        best.cost_per_year >= to_failure.cost_per_year * (1 - LEAST_GAIN)
        or saving < LEAST_GAIN * reference.cost_per_year
    ):
        return Suggestion(None, now, to_failure, None, "no_gain")
    return Suggestion(best, now, to_failure, saving, None)


def _policy(life: Weibull, interval: float | None, planned_cost: float, failure_cost: float) -> Policy:
    if interval is None:
        per_year = YEAR_H / life.mean
        return Policy(None, failure_cost * per_year, per_year, 0.0)
    alive = survival(life.shape, life.scale, interval)
    cycles = YEAR_H / expected_age(life.shape, life.scale, interval)
    cost = (planned_cost * alive + failure_cost * (1 - alive)) * cycles
    return Policy(interval, cost, (1 - alive) * cycles, alive * cycles)
