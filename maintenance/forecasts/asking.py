"""The forecast as it is asked for: planned, predicted and unplanned hours by week and skill, and who can do them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from maintenance.forecasts.capacity import hands
from maintenance.forecasts.demand import History, history
from maintenance.forecasts.needs import ANY
from maintenance.forecasts.planned import Where
from maintenance.forecasts.predictions import Predicted
from maintenance.forecasts.predictions import load as load_predictions
from maintenance.forecasts.series import INTERVAL, Ahead, Outlook, outlook, quantiles
from maintenance.forecasts.staffing import Able, Skill, able, missing
from maintenance.forecasts.sums import Freshness, planned_hours_of
from maintenance.forecasts.weeks import MAX_WEEKS, WEEK, begins, monday, weeks_from

BEHIND = 260  # weeks: how far back open work may be overdue
FARTHEST = 110  # weeks ahead


@dataclass(frozen=True, slots=True)
class Question:
    """So many weeks from the Monday of `first`, of a site, region or team."""

    first: date
    weeks: int
    where: Where = field(default_factory=Where)

    def check(self, today: date) -> None:
        """Raise Invalid for weeks that nobody can say anything about."""
        if not 1 <= self.weeks <= MAX_WEEKS:
            raise Invalid(f"1 to {MAX_WEEKS} weeks", field="weeks", limit=MAX_WEEKS)
        if abs((self.first - today).days) > FARTHEST * 7:
            raise Invalid(f"at most {FARTHEST} weeks from now", field="from", limit=FARTHEST)


@dataclass(slots=True)
class Cell:
    """Minutes of a week: planned ones are the sum of their rows; `variance` is that of the rest."""

    planned: int = 0
    jobs: int = 0
    unknown: int = 0
    predicted: float = 0.0
    demand: float = 0.0
    variance: float = 0.0
    nothing: float = 1.0  # probability that of predicted and unplanned work nothing comes
    low: float = 0.0
    high: float = 0.0
    capacity: int = 0
    missing: int = 0
    missing_high: int = 0

    @property
    def mean(self) -> float:
        """Return what is expected."""
        return self.planned + self.predicted + self.demand


@dataclass(slots=True)
class SkillRow:
    """One skill: a cell for each week, what is overdue, and how its unplanned part was forecast."""

    skill: str
    cells: list[Cell]
    overdue: Cell = field(default_factory=Cell)
    outlooks: dict[int, Outlook] = field(default_factory=dict)  # by level


@dataclass(slots=True)
class Forecast:
    """The whole answer."""

    weeks: list[date]
    rows: list[SkillRow]
    total: SkillRow
    fresh: Freshness
    past: History
    predictions: list[Predicted]
    by_level: dict[tuple[date, Skill], Cell]
    people: bool  # whether anybody's hours are known


def forecast(session: Session, now: datetime, asked: Question) -> Forecast:
    """Return the forecast that the reader may see."""
    asked.check(now.date())
    weeks = weeks_from(asked.first, asked.weeks)
    cells, overdue, fresh = _planned(session, now, weeks, asked.where)
    past, predictions = History(None, 0), []
    outlooks: dict[Skill, Outlook] = {}
    if asked.where.team_id is None:  # unplanned work has no team before it is there
        past = history(session, now, asked.where)
        predictions = load_predictions(session, now, weeks, asked.where, past.mean_minutes)
        _add_predictions(cells, weeks, predictions)
        outlooks = _add_demand(cells, weeks, past, now)
    _intervals(cells.values())
    able_by_week = {
        week: [each.able for each in those]
        for week, those in hands(session, weeks[0], weeks[-1] + WEEK, asked.where).items()
    }
    if able_by_week:  # without anybody's shifts there is nothing to compare with
        for week in weeks:
            _staff(week, cells, able_by_week.get(week, []))
    rows = _rows(weeks, cells, overdue, outlooks, able_by_week)
    total = _total(weeks, rows, able_by_week)
    return Forecast(weeks, rows, total, fresh, past, predictions, cells, bool(able_by_week))


Cells = dict[tuple[date, Skill], Cell]


def _planned(session: Session, now: datetime, weeks: Sequence[date], where: Where) -> tuple[Cells, Cells, Freshness]:
    cells: Cells = {}
    by = ("week", "skill", "level")
    sums, fresh = planned_hours_of(session, weeks[0], weeks[-1] + WEEK, where, by)
    for each in sums:
        assert each.week is not None
        cells[(each.week, (str(each.skill), int(each.level or 1)))] = Cell(each.minutes, each.jobs, each.unknown)
    this = monday(now.date())
    overdue: Cells = {}
    late, _ = planned_hours_of(session, this - WEEK * BEHIND, this, where, ("skill", "level"))
    for each in late:
        overdue[(this, (str(each.skill), int(each.level or 1)))] = Cell(each.minutes, each.jobs, each.unknown)
    return cells, overdue, fresh


def _add_predictions(cells: Cells, weeks: Sequence[date], predictions: Sequence[Predicted]) -> None:
    for job in predictions:
        for skill, minutes in job.labour.items():
            for week, chance in zip(weeks, job.chances, strict=True):
                if chance > 0:
                    cell = cells.setdefault((week, skill), Cell())
                    cell.predicted += chance * minutes
                    cell.variance += chance * (1 - chance) * minutes * minutes
                    cell.nothing *= 1 - min(1.0, chance)


def _add_demand(cells: Cells, weeks: Sequence[date], past: History, now: datetime) -> dict[Skill, Outlook]:
    """Add what unplanned work goes on like; what predicted jobs foresee of it already does not count twice.

    The share of past orders that began as predicted jobs is taken up by the jobs that are predicted now (as orders in
    hand consume a forecast), never more. Of this week only the days that are left count.
    """
    this = monday(now.date())
    horizon = max(0, (weeks[-1] - this).days // 7 + 1)
    found = {skill: outlook(series, horizon) for skill, series in past.hours.items()}
    for week in weeks:
        step = (week - this).days // 7
        if step < 0:
            continue
        left = (begins(week + WEEK) - now) / WEEK if step == 0 else 1.0
        ahead = {skill: each.ahead[step] for skill, each in found.items() if each.method != "none"}
        whole = left * sum(each.mean for each in ahead.values())
        foreseen = sum(cell.predicted for (at, _), cell in cells.items() if at == week)
        kept = 1 - min(foreseen, past.predicted_share * whole) / whole if whole > 0 else 1.0
        for skill, each in ahead.items():
            if each.mean > 0 or each.variance > 0:
                cell = cells.setdefault((week, skill), Cell())
                cell.demand += left * kept * each.mean
                cell.variance += left * kept * each.variance
                cell.nothing *= each.nothing**left
    return found


def _intervals(cells: Iterable[Cell]) -> None:
    """Planned work as it is, and around the rest a gamma distribution with its mean and summed variance."""
    held = list(cells)
    if not held:
        return
    loose = [cell.predicted + cell.demand for cell in held]
    variances = [cell.variance for cell in held]
    nothings = [cell.nothing for cell in held]
    lows, highs = (quantiles(loose, variances, share, nothings) for share in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    for cell, mean, low, high in zip(held, loose, lows, highs, strict=True):
        cell.low = cell.planned + min(float(low) if mean > 0 else 0.0, mean)
        cell.high = cell.planned + max(float(high), mean)


def _staff(week: date, cells: Cells, people: Sequence[Able]) -> None:
    mine = {skill: cell for (at, skill), cell in cells.items() if at == week}
    if not mine:
        return
    expected = missing({skill: round(cell.mean) for skill, cell in mine.items()}, people)
    upper = missing({skill: round(cell.high) for skill, cell in mine.items()}, people)
    for skill, cell in mine.items():
        cell.capacity = able(people, skill)
        cell.missing, cell.missing_high = expected[skill], max(expected[skill], upper[skill])


def _rows(
    weeks: Sequence[date],
    cells: Cells,
    overdue: Cells,
    outlooks: Mapping[Skill, Outlook],
    people: Mapping[date, Sequence[Able]],
) -> list[SkillRow]:
    found: dict[str, SkillRow] = {}
    least: dict[str, int] = {}
    for _, (skill, level) in [*cells, *overdue]:
        least[skill] = min(level, least.get(skill, level))
    for skill in sorted(least, key=lambda each: (each == ANY, each)):
        found[skill] = SkillRow(skill, [Cell() for _ in weeks])
    places = {week: place for place, week in enumerate(weeks)}
    for (week, (skill, _)), cell in cells.items():
        _take(found[skill].cells[places[week]], cell)
    for (_, (skill, _)), cell in overdue.items():
        _take(found[skill].overdue, cell)
    for (skill, level), each in outlooks.items():
        if skill in found:
            found[skill].outlooks[level] = each
    for skill, row in found.items():
        _intervals(row.cells)
        for week, cell in zip(weeks, row.cells, strict=True):
            cell.capacity = able(people.get(week, ()), (skill, least[skill]))
    return list(found.values())


def _total(weeks: Sequence[date], rows: Sequence[SkillRow], people: Mapping[date, Sequence[Able]]) -> SkillRow:
    made = SkillRow("", [Cell() for _ in weeks])
    for row in rows:
        for into, cell in zip(made.cells, row.cells, strict=True):
            _take(into, cell)
        _take(made.overdue, row.overdue)
    _intervals(made.cells)
    for week, cell in zip(weeks, made.cells, strict=True):
        cell.capacity = sum(each.minutes for each in people.get(week, ()))
    return made


def _take(into: Cell, cell: Cell) -> None:
    for name in ("planned", "jobs", "unknown", "predicted", "demand", "variance", "missing", "missing_high"):
        setattr(into, name, getattr(into, name) + getattr(cell, name))
    into.nothing *= cell.nothing


def part_ids(predictions: Sequence[Predicted]) -> set[UUID]:
    """Return the items that predicted jobs would take."""
    return {part for job in predictions for part in job.parts}


def by_part(weeks: Sequence[date], predictions: Sequence[Predicted]) -> dict[UUID, list[Ahead]]:
    """Return what predicted jobs are expected to take of each item each week."""
    means: dict[UUID, list[float]] = defaultdict(lambda: [0.0] * len(weeks))
    spreads: dict[UUID, list[float]] = defaultdict(lambda: [0.0] * len(weeks))
    nothings: dict[UUID, list[float]] = defaultdict(lambda: [1.0] * len(weeks))
    for job in predictions:
        for part, quantity in job.parts.items():
            for place, chance in enumerate(job.chances):
                means[part][place] += chance * float(quantity)
                spreads[part][place] += chance * (1 - chance) * float(quantity) ** 2
                nothings[part][place] *= 1 - min(1.0, chance)
    return {
        part: [Ahead(*each) for each in zip(means[part], spreads[part], nothings[part], strict=True)] for part in means
    }
