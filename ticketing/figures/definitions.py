"""The figures: what counts for each, from which moment, with its formula in words; all pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from ticketing.figures.facts import Moment, OrderFacts

HOUR = timedelta(hours=1)
REPEAT_DAYS = 30
WEEK_HOURS = 40.0
USUAL_MINUTES = 120  # of work whose kind was never done before
CORRECTIVE = frozenset({"finding", "request", "manual"})
# Work that found nothing to repair, or was planned, repairs no failure.
NO_FAILURE = frozenset({"planned", "no_fault_found", "prevented"})
UNNAMED = "key:"  # before the key of an alarm whose failure mode has no code

# Figure -> (what its value is, its unit). Shares are of those that count; times are of the hours by the clock.
FIGURES: dict[str, tuple[str, str]] = {
    "reaction_time": ("mean", "h"),
    "response_time": ("mean", "h"),
    "execution_time": ("mean", "h"),
    "total_time": ("mean", "h"),
    "first_time_fix": ("share", "%"),
    "same_day": ("share", "%"),
    "same_day_record": ("share", "%"),
    "sla_response": ("share", "%"),
    "sla_arrival": ("share", "%"),
    "sla_restoration": ("share", "%"),
    "sla_closing": ("share", "%"),
    "backlog_orders": ("sum", "1"),
    "backlog_weeks": ("sum", "wk"),
}

# The same, as a formula over moments of events.
FORMULAS: dict[str, str] = {
    "reaction_time": "mean(reacted - reported)",
    "response_time": "mean(arrived - reported)",
    "execution_time": "mean(sum over visits(stopped - began))",
    "total_time": "mean(done - reported)",
    "first_time_fix": "done after one visit, nothing came back within the days / corrective work done",
    "same_day": "done on the day it was reported / done",
    "same_day_record": "somebody acted on the day it was reported / reported",
    "sla_response": "clocks kept / clocks decided",
    "sla_arrival": "clocks kept / clocks decided",
    "sla_restoration": "clocks kept / clocks decided",
    "sla_closing": "clocks kept / clocks decided",
    "backlog_orders": "orders open at the end",
    "backlog_weeks": "sum(estimate - worked) / hours of a technician's week",
}


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """A service level's clock that was decided: kept, or late."""

    clock: str
    decided_at: datetime
    kept: bool
    used_s: float
    target_s: float


@dataclass(frozen=True, slots=True)
class Order:
    """A work order with what figures ask of it. `technicians`: by visit; `modes`: codes, or keys behind `UNNAMED`."""

    id: UUID
    number: str
    origin: str
    priority: str
    outcome: str | None
    asset_id: UUID
    modes: frozenset[str]
    time_zone: ZoneInfo
    facts: OrderFacts
    minutes: int | None = None
    team_id: UUID | None = None
    assignee_id: UUID | None = None
    customer_id: UUID | None = None
    model_id: UUID | None = None
    site_id: UUID | None = None
    technicians: Mapping[UUID, UUID] = field(default_factory=dict)
    clocks: Sequence[ClockFacts] = ()

    @property
    def people(self) -> tuple[UUID, ...]:
        """Who worked on it; nobody yet: who is to."""
        worked = dict.fromkeys(self.technicians[visit] for visit in self.facts.visits if visit in self.technicians)
        return tuple(worked) or ((self.assignee_id,) if self.assignee_id else ())


@dataclass(frozen=True, slots=True)
class Counted:
    """One order's part in a figure. `value` is None where it does not count, and `why` says why."""

    order: Order
    figure: str
    at: datetime
    value: float | None
    why: str | None = None
    moments: tuple[tuple[str, Moment], ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the definitions leave open."""

    repeat_days: int = REPEAT_DAYS
    week_hours: float = WEEK_HOURS


def count(figure: str, order: Order, others: Sequence[Order], now: datetime, parameters: Parameters) -> Counted | None:
    """Return an order's part in a figure; None when it has none. `others`: the orders on the same asset."""
    if figure.startswith("sla_"):
        return _attained(figure, order)
    facts = order.facts
    if facts.reported is None or (facts.cancelled is not None and facts.done is None):
        return None
    if figure == "reaction_time":
        return _between(figure, order, "reported", facts.reported, "reacted", facts.reacted)
    if figure == "response_time":
        return _between(figure, order, "reported", facts.reported, "arrived", facts.arrived)
    if figure == "total_time":
        return _between(figure, order, "reported", facts.reported, "done", facts.done)
    if figure == "execution_time":
        return _execution(order)
    if figure == "first_time_fix":
        return _fixed_first_time(order, others, now, parameters)
    if figure == "same_day":
        return _same_day(order)
    if figure == "same_day_record":
        return _recorded_same_day(order, now)
    raise KeyError(figure)


def _between(figure: str, order: Order, first: str, start: Moment, last: str, end: Moment | None) -> Counted | None:
    if end is None:
        return None
    hours = max(timedelta(0), end.at - start.at) / HOUR  # a phone's clock may have been slow
    return Counted(order, figure, end.at, hours, moments=((first, start), (last, end)))


def _execution(order: Order) -> Counted | None:
    facts = order.facts
    if facts.done is None:
        return None
    moments = tuple(pair for each in facts.stretches for pair in (("began", each.start), ("stopped", each.end)))
    if not facts.stretches:
        return Counted(order, "execution_time", facts.done.at, None, "no_visit", (("done", facts.done),))
    return Counted(order, "execution_time", facts.done.at, facts.execution / HOUR, moments=moments)


def _fixed_first_time(order: Order, others: Sequence[Order], now: datetime, parameters: Parameters) -> Counted | None:
    """Done after one visit, and no failure of the same kind on the same asset within so many days after."""
    facts = order.facts
    if facts.done is None or order.origin not in CORRECTIVE:
        return None
    moments: tuple[tuple[str, Moment], ...] = (("done", facts.done),)
    if order.outcome in NO_FAILURE:
        return Counted(order, "first_time_fix", facts.done.at, None, "no_failure", moments)
    if not facts.visits:
        return Counted(order, "first_time_fix", facts.done.at, None, "no_visit", moments)
    until = facts.done.at + timedelta(days=parameters.repeat_days)
    again = _came_back(order, others, facts.done.at, until)
    if again is not None:
        assert again.facts.reported is not None
        moments = (*moments, ("came_back", again.facts.reported))
        return Counted(order, "first_time_fix", facts.done.at, 0.0, "came_back", moments)
    if len(facts.visits) > 1 or facts.reopened:
        why = "reopened" if facts.reopened else "several_visits"
        return Counted(order, "first_time_fix", facts.done.at, 0.0, why, moments)
    if until > now:
        return Counted(order, "first_time_fix", facts.done.at, None, "too_early", moments)
    return Counted(order, "first_time_fix", facts.done.at, 1.0, moments=moments)


def _came_back(order: Order, others: Sequence[Order], since: datetime, until: datetime) -> Order | None:
    for other in others:
        reported = other.facts.reported
        if other.id == order.id or reported is None or not since < reported.at <= until:
            continue
        if other.origin not in CORRECTIVE or other.outcome in NO_FAILURE or other.facts.cancelled is not None:
            continue
        # Where nobody said what failed, it may be the same: rather too few are called fixed than too many.
        if _differ(order.modes, other.modes):
            continue
        return other
    return None


def _differ(some: frozenset[str], others: frozenset[str]) -> bool:
    """Return whether two orders are certainly about different failures: a code and an alarm's key may be the same."""
    kinds = {each.startswith(UNNAMED) for each in some | others}
    return bool(some and others) and len(kinds) == 1 and not some & others


def _same_day(order: Order) -> Counted | None:
    facts = order.facts
    if facts.done is None or facts.reported is None:
        return None
    days = [each.at.astimezone(order.time_zone).date() for each in (facts.reported, facts.done)]
    moments = (("reported", facts.reported), ("done", facts.done))
    return Counted(order, "same_day", facts.done.at, float(days[0] == days[1]), moments=moments)


def _recorded_same_day(order: Order, now: datetime) -> Counted | None:
    """Whether somebody did or wrote anything about it on the day it was reported."""
    reported = order.facts.reported
    assert reported is not None
    day = reported.at.astimezone(order.time_zone).date()
    first = order.facts.touched[0] if order.facts.touched else None
    if first is not None and first.at.astimezone(order.time_zone).date() <= day:
        return Counted(order, "same_day_record", reported.at, 1.0, moments=(("reported", reported), ("touched", first)))
    moments = (("reported", reported), *((("touched", first),) if first else ()))
    if now.astimezone(order.time_zone).date() <= day:
        return Counted(order, "same_day_record", reported.at, None, "too_early", moments)
    return Counted(order, "same_day_record", reported.at, 0.0, moments=moments)


def _attained(figure: str, order: Order) -> Counted | None:
    clock = figure.removeprefix("sla_")
    found = next((each for each in order.clocks if each.clock == clock), None)
    if found is None:
        return None
    return Counted(order, figure, found.decided_at, float(found.kept))


def backlog(
    figure: str, order: Order, at: datetime, usual_minutes: Mapping[UUID | None, float], parameters: Parameters
) -> Counted | None:
    """Return what an order adds to the backlog at a moment: one, or the technician-weeks that it will take.

    Its own estimate, else what such work took on this model, else two hours; less what was worked already.
    """
    if not order.facts.is_open(at):
        return None
    assert order.facts.reported is not None
    moments = (("reported", order.facts.reported),)
    if figure == "backlog_orders":
        return Counted(order, figure, at, 1.0, moments=moments)
    estimate = order.minutes or usual_minutes.get(order.model_id) or USUAL_MINUTES
    worked = sum(((each.length for each in order.facts.stretches if each.end.at <= at)), timedelta(0))
    left = max(0.0, estimate - worked / timedelta(minutes=1))
    return Counted(order, figure, at, left / 60 / parameters.week_hours, moments=moments)
