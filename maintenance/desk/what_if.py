"""What a draft of moves would do: load by week and skill, tolerances that break, days on which nobody works; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from maintenance.plans.days import Days

Cell = tuple[date, str]  # the Monday of a week, a skill


@dataclass(frozen=True, slots=True)
class Piece:
    """Planned work: when it lies now (UTC and local day), in which window, and what it needs by skill in minutes."""

    id: UUID
    asset_id: UUID
    at: datetime
    day: date
    minutes: Mapping[str, int]
    state: str = "planned"
    earliest: datetime | None = None
    latest: datetime | None = None
    days: Days = field(default_factory=Days)
    # Its neighbours of the same plan and machine, as they lie: it cannot overtake them.
    before: datetime | None = None
    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where a piece shall go: the moment, and its day where the machine stands."""

    piece: Piece
    to: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a move. `hard`: it cannot be applied; else a planner may know better.

    not_planned, past (hard); too_early, too_late (`days` outside its window), closed_day, out_of_season, blackout,
    overtakes (the one of its plan before or after it), same_day (another move of the machine lies there: no problem
    but worth knowing).
    """

    code: str
    hard: bool = False
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Minutes and pieces of a week and skill before and after, against what people have; None: nobody knows."""

    week: date
    skill: str
    before: int
    after: int
    jobs_before: int
    jobs_after: int
    capacity: float | None

    @property
    def over(self) -> bool:
        """More than there are hours for, and the draft has a part in it."""
        return self.capacity is not None and self.after > self.capacity and self.after > self.before


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a draft would do: problems by piece, and the weeks and skills that it touches."""

    problems: Mapping[UUID, Sequence[Problem]]
    loads: Sequence[Load]

    @property
    def hard(self) -> bool:
        return any(each.hard for those in self.problems.values() for each in those)

    @property
    def broken(self) -> int:
        """How many pieces would leave their windows."""
        outside = ("too_early", "too_late")
        return sum(any(each.code in outside for each in those) for those in self.problems.values())


def week_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def try_out(
    moves: Sequence[Move],
    load: Mapping[Cell, tuple[int, int]],
    capacity: Mapping[Cell, float],
    now: datetime,
) -> Outcome:
    """Return what the moves would do to the load: (minutes, pieces) by week and skill, as it is now."""
    minutes: dict[Cell, int] = defaultdict(int, {cell: spent for cell, (spent, _) in load.items()})
    jobs: dict[Cell, int] = defaultdict(int, {cell: count for cell, (_, count) in load.items()})
    touched: dict[Cell, None] = {}
    for move in moves:
        for skill, spent in move.piece.minutes.items():
            for day, sign in ((move.piece.day, -1), (move.day, 1)):
                cell = (week_of(day), skill)
                touched[cell] = None
                minutes[cell] += sign * spent
                jobs[cell] += sign
    loads = []
    for cell in sorted(touched):
        spent, count = load.get(cell, (0, 0))
        loads.append(Load(*cell, spent, max(minutes[cell], 0), count, max(jobs[cell], 0), capacity.get(cell)))
    goes = {move.piece.id: move.to for move in moves}
    return Outcome({move.piece.id: _problems(move, goes, now) for move in moves}, loads)


def _problems(move: Move, goes: Mapping[UUID, datetime], now: datetime) -> list[Problem]:
    piece, found = move.piece, []
    if piece.state != "planned":
        found.append(Problem("not_planned", hard=True))
    if move.to < now - timedelta(days=1):
        found.append(Problem("past", hard=True))
    if piece.earliest is not None and move.to < piece.earliest:
        found.append(Problem("too_early", days=_days(piece.earliest - move.to)))
    if piece.latest is not None and move.to > piece.latest:
        found.append(Problem("too_late", days=_days(move.to - piece.latest)))
    if piece.days.seasons and not any(each.holds(move.day) for each in piece.days.seasons):
        found.append(Problem("out_of_season"))
    if any(each.first <= move.day <= each.last for each in piece.days.blackouts):
        found.append(Problem("blackout"))
    if piece.days.is_working is not None and not piece.days.is_working(move.day):
        found.append(Problem("closed_day"))
    if (piece.before is not None and move.to <= piece.before) or (piece.after is not None and move.to >= piece.after):
        found.append(Problem("overtakes"))
    return found


def _days(span: timedelta) -> float:
    return round(span / timedelta(days=1), 1)
