"""Ask for figures: count each order, put it into its groups and periods, sum up, or show what was counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from ticketing.figures.definitions import FIGURES, Counted, Order, Parameters, backlog, count
from ticketing.figures.loading import Scope, load_orders
from ticketing.figures.summing import Period, Summed, period_end, period_start, quantile, summed

By = Literal["none", "team", "technician", "customer", "model", "site", "priority", "origin"]
Key = tuple[str | None, date | None]
BACKLOG = ("backlog_orders", "backlog_weeks")
MAX_PERIODS = 400
UTC_ZONE = ZoneInfo("UTC")
USUAL = Parameters()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for. An order that several technicians worked on counts for each of them."""

    scope: Scope
    by: By = "none"
    period: Period = "none"
    zone: ZoneInfo = UTC_ZONE
    parameters: Parameters = USUAL


def figures(session: Session, asked: Asked, now: datetime) -> dict[Key, dict[str, Summed]]:
    """Return every figure by group and period; what has no group (no team, nobody) has the group None."""
    parts = counted(session, asked, now, tuple(FIGURES))
    sums: dict[Key, dict[str, Summed]] = defaultdict(dict)
    for figure, by_key in parts.items():
        for key, found in by_key.items():
            sums[key][figure] = summed(figure, found)
    empty = [key for key in sums if not any(each.n or each.left_out for each in sums[key].values())]
    for key in empty:
        del sums[key]
    return dict(sums)


def counted(
    session: Session, asked: Asked, now: datetime, wanted: Sequence[str]
) -> dict[str, dict[Key, list[Counted]]]:
    """Return what counts for each figure, by group and period."""
    mine, known = load_orders(session, asked.scope, asked.parameters.repeat_days, now)
    return place(mine, known, asked, now, wanted)


def place(
    mine: Sequence[Order], known: Sequence[Order], asked: Asked, now: datetime, wanted: Sequence[str]
) -> dict[str, dict[Key, list[Counted]]]:
    """Return what counts, of orders that are loaded: pure."""
    on_asset: dict[UUID, list[Order]] = defaultdict(list)
    for order in known:
        on_asset[order.asset_id].append(order)
    found: dict[str, dict[Key, list[Counted]]] = {figure: defaultdict(list) for figure in wanted}
    for figure in wanted:
        if figure in BACKLOG:
            _place_backlog(found[figure], figure, mine, asked, now, usual_minutes(known))
            continue
        for order in mine:
            one = count(figure, order, on_asset[order.asset_id], now, asked.parameters)
            if one is None or not asked.scope.since <= one.at < asked.scope.until:
                continue
            start = period_start(one.at, asked.period, asked.zone)
            for group in groups_of(order, asked.by):
                found[figure][group, start].append(one)
    return found


def groups_of(order: Order, by: By) -> Sequence[str | None]:
    """Return the groups that an order belongs to, as ids or words."""
    if by == "none":
        return (None,)
    if by == "technician":
        return tuple(str(each) for each in order.people) or (None,)
    value = {
        "team": order.team_id,
        "customer": order.customer_id,
        "model": order.model_id,
        "site": order.site_id,
        "priority": order.priority,
        "origin": order.origin,
    }[by]
    return (str(value) if value is not None else None,)


def usual_minutes(known: Sequence[Order]) -> dict[UUID | None, float]:
    """Return what work on each model usually takes: the median of what was done."""
    took: dict[UUID | None, list[float]] = defaultdict(list)
    for order in known:
        if order.facts.done is not None and order.facts.stretches and order.model_id is not None:
            took[order.model_id].append(order.facts.execution / timedelta(minutes=1))
    return {model: quantile(sorted(minutes), 0.5) for model, minutes in took.items()}


def _place_backlog(
    found: dict[Key, list[Counted]],
    figure: str,
    mine: Sequence[Order],
    asked: Asked,
    now: datetime,
    usual: Mapping[UUID | None, float],
) -> None:
    """The backlog is what is open at the end of each period, or now."""
    for start, at in _ends(asked, now):
        for order in mine:
            one = backlog(figure, order, at, usual, asked.parameters)
            if one is not None:
                for group in groups_of(order, asked.by):
                    found[group, start].append(one)


def _ends(asked: Asked, now: datetime) -> list[tuple[date | None, datetime]]:
    last = min(now, asked.scope.until - timedelta(microseconds=1))
    if asked.period == "none":
        return [(None, last)]
    ends: list[tuple[date | None, datetime]] = []
    start = period_start(asked.scope.since, asked.period, asked.zone)
    while start is not None and len(ends) < MAX_PERIODS:
        following = period_end(start, asked.period)
        end = datetime.combine(following, time(0), asked.zone).astimezone(UTC) - timedelta(microseconds=1)
        ends.append((start, min(end, last)))
        if end >= last:
            break
        start = following
    return ends
