"""Parts by week: what planned work takes, what predicted jobs and unplanned work are expected to take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.stock.items import Part
from maintenance.forecasts.asking import Question, by_part
from maintenance.forecasts.demand import part_history
from maintenance.forecasts.predictions import load
from maintenance.forecasts.series import INTERVAL, Ahead, Outlook, outlook, quantiles
from maintenance.forecasts.sums import Freshness, planned_parts
from maintenance.forecasts.weeks import WEEK, begins, monday, weeks_from


@dataclass(slots=True)
class PartCell:
    """Quantities of a week; planned ones are the sum of their rows."""

    planned: Decimal = Decimal(0)
    predicted: float = 0.0
    demand: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def mean(self) -> float:
        """Return what is expected."""
        return float(self.planned) + self.predicted + self.demand


@dataclass(frozen=True, slots=True)
class PartRow:
    """One item over the weeks."""

    part_id: UUID
    cells: list[PartCell]
    outlook: Outlook


@dataclass(frozen=True, slots=True)
class PartForecast:
    """Items, and whether there are more."""

    weeks: list[date]
    rows: list[PartRow]
    more: bool
    fresh: Freshness


def part_forecast(session: Session, now: datetime, asked: Question, start: int, limit: int) -> PartForecast:
    """Return some items of the forecast, most needed first; a team is not asked of parts."""
    weeks = weeks_from(asked.first, asked.weeks)
    sums, fresh = planned_parts(session, weeks[0], weeks[-1] + WEEK, asked.where)
    planned: dict[UUID, dict[date, Decimal]] = defaultdict(dict)
    for each in sums:
        planned[each.part_id][each.week] = each.quantity
    past = part_history(session, now, asked.where)
    predicted = by_part(weeks, load(session, now, weeks, asked.where, None))
    weight = {
        part: float(sum(planned[part].values())) + sum(each.mean for each in predicted.get(part, ()))
        + sum(past.parts.get(part, ())) / max(1, past.weeks) * len(weeks)
        for part in planned.keys() | past.parts.keys() | predicted.keys()
    }  # fmt: skip
    known = set(session.scalars(select(Part.id).where(Part.id.in_(weight))))
    ordered = sorted((part for part in weight if part in known), key=lambda part: (-weight[part], part))
    rows = [
        _row(part, weeks, planned.get(part, {}), predicted.get(part), past.parts.get(part, []), now)
        for part in ordered[start : start + limit]
    ]
    return PartForecast(weeks, rows, len(ordered) > start + limit, fresh)


def _row(
    part: UUID,
    weeks: Sequence[date],
    planned: Mapping[date, Decimal],
    predicted: Sequence[Ahead] | None,
    past: Sequence[float],
    now: datetime,
) -> PartRow:
    this = monday(now.date())
    horizon = max(0, (weeks[-1] - this).days // 7 + 1)
    found = outlook(past, horizon)
    cells, variances, nothings = [], [], []
    for place, week in enumerate(weeks):
        step = (week - this).days // 7
        left = (begins(week + WEEK) - now) / WEEK if step == 0 else 1.0
        ahead = found.ahead[step] if step >= 0 and found.method != "none" else Ahead(0.0, 0.0)
        told = predicted[place] if predicted is not None else Ahead(0.0, 0.0, 1.0)
        cells.append(PartCell(planned.get(week, Decimal(0)), told.mean, left * ahead.mean))
        variances.append(told.variance + left * ahead.variance)
        nothings.append((ahead.nothing**left if ahead.mean > 0 else 1.0) * told.nothing)
    loose = [cell.predicted + cell.demand for cell in cells]
    lows, highs = (quantiles(loose, variances, share, nothings) for share in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    for cell, mean, low, high in zip(cells, loose, lows, highs, strict=True):
        cell.low = float(cell.planned) + min(float(low) if mean > 0 else 0.0, mean)
        cell.high = float(cell.planned) + max(float(high), mean)
    return PartRow(part, cells, found)
