"""Which planned work goes well together: at one site for one skill, or on a machine that is down anyway; pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

DAY_MINUTES = 480  # of one visit: what is longer goes on the next day
MOST = 12  # pieces of one proposal: a day's work, and a list that somebody reads
BEGINS = time(8)  # local


@dataclass(frozen=True, slots=True)
class Piece:
    """Planned work that may move. Days are local to its site; `first` and `last`: its window, both within."""

    id: UUID
    asset_id: UUID
    site_id: UUID
    skill: str
    day: date
    first: date
    last: date
    minutes: int


@dataclass(frozen=True, slots=True)
class Chance:
    """A machine stands still from one day to another anyway: it is down, or long work is planned on it."""

    asset_id: UUID
    first: date
    last: date
    kind: str  # down | work
    ref: UUID
    label: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Pieces that are done on one day. `moves`: those that have to go there. `trips`: visits that fall away.

    `travel_minutes`: what they would have taken by the visits of the past; None: nobody drove there yet.
    `stop_minutes`: for how long machines need not be stopped a second time.
    """

    key: str
    kind: str  # same_site | opportunity
    site_id: UUID
    skill: str
    day: date
    pieces: tuple[Piece, ...]
    moves: tuple[Piece, ...]
    trips: int
    travel_minutes: float | None
    stop_minutes: int = 0
    chance: Chance | None = None

    @property
    def minutes(self) -> int:
        """Work of all."""
        return sum(each.minutes for each in self.pieces)


def propose(
    pieces: Iterable[Piece],
    chances: Sequence[Chance],
    travel: Mapping[UUID, float],
    today: date,
    *,
    open_days: Mapping[UUID, frozenset[date]] | None = None,
) -> list[Proposal]:
    """Return proposals, those that save most first; a piece stands in one of them at most.

    Opportunities go first: a stop that is there anyway costs nothing. Then each site and skill by itself: the day that
    saves most trips, of these the one with the fewest and shortest moves; again with what is left. `travel`: minutes
    there and back by site. `open_days`: by piece the days on which it may lie, where not all are.
    """
    left = {each.id: each for each in pieces if each.last >= today}
    allowed = open_days or {}
    found = _opportunities(left, chances, travel, today, allowed)
    groups: dict[tuple[UUID, str], list[Piece]] = defaultdict(list)
    for each in left.values():
        groups[(each.site_id, each.skill)].append(each)
    for group in sorted(groups):
        found += _by_site(groups[group], travel, today, allowed)
    return sorted(found, key=_worth)


def slots(pieces: Sequence[Piece], day: date) -> list[tuple[Piece, datetime]]:
    """Return local moments one after the other from the morning on, those that lie there already first."""
    at, found = datetime.combine(day, BEGINS), []
    for each in sorted(pieces, key=lambda one: (one.day != day, one.asset_id, one.id)):
        found.append((each, at))
        at += timedelta(minutes=max(each.minutes, 1))
    return found


def _opportunities(
    left: dict[UUID, Piece],
    chances: Sequence[Chance],
    travel: Mapping[UUID, float],
    today: date,
    allowed: Mapping[UUID, frozenset[date]],
) -> list[Proposal]:
    found = []
    by_asset: dict[UUID, list[Piece]] = defaultdict(list)
    for each in left.values():
        by_asset[each.asset_id].append(each)
    for chance in sorted(chances, key=lambda each: (each.first, str(each.ref))):
        fits: list[tuple[Piece, date]] = []
        for each in by_asset.get(chance.asset_id, ()):
            if each.id not in left or each.id == chance.ref:
                continue
            begin, end = max(chance.first, each.first, today), min(chance.last, each.last)
            day = _open(each, begin, end, allowed)
            inside = chance.first <= each.day <= chance.last
            if day is not None and not inside:
                fits.append((each, day))
        if not fits:
            continue
        day = max(at for _, at in fits)
        those = tuple(each for each, _ in fits if each.first <= day <= each.last and _may(each, day, allowed))[:MOST]
        if not those:
            continue
        for each in those:
            del left[each.id]
        found.append(_proposal("opportunity", day, those, those, len(those), travel, chance))
    return found


def _by_site(
    pieces: Sequence[Piece], travel: Mapping[UUID, float], today: date, allowed: Mapping[UUID, frozenset[date]]
) -> list[Proposal]:
    left, found = {each.id: each for each in pieces}, []
    while len(left) > 1:
        best: tuple[tuple[int, int, int, date], date, list[Piece]] | None = None
        for day in sorted({each.day for each in left.values()} | {each.last for each in left.values()}):
            if day < today:
                continue
            those = _fill([each for each in left.values() if _may(each, day, allowed)], day)
            trips = len({each.day for each in those}) - 1
            if len(those) < 2 or trips < 1:
                continue
            far = sum(abs((each.day - day).days) for each in those)
            rank = (-trips, sum(each.day != day for each in those), far, day)
            if best is None or rank < best[0]:
                best = (rank, day, those)
        if best is None:
            break
        _, day, those = best
        for each in those:
            del left[each.id]
        moves = tuple(each for each in those if each.day != day)
        found.append(_proposal("same_site", day, tuple(those), moves, -best[0][0], travel, None))
    return found


def _fill(fitting: Sequence[Piece], day: date) -> list[Piece]:
    """As many as a day has room for: what lies there already, then the nearest."""
    room = DAY_MINUTES
    taken: list[Piece] = []
    for each in sorted(fitting, key=lambda one: (abs((one.day - day).days), one.minutes, one.id)):
        if len(taken) < MOST and (each.minutes <= room or not taken):
            taken.append(each)
            room -= each.minutes
    return taken


def _proposal(
    kind: str,
    day: date,
    those: tuple[Piece, ...],
    moves: tuple[Piece, ...],
    trips: int,
    travel: Mapping[UUID, float],
    chance: Chance | None,
) -> Proposal:
    site, skill = those[0].site_id, those[0].skill
    told = f"{kind}|{day}|{chance.ref if chance else ''}|{'|'.join(sorted(str(each.id) for each in those))}"
    per_trip = travel.get(site)
    return Proposal(
        key=hashlib.sha256(told.encode()).hexdigest()[:16],
        kind=kind,
        site_id=site,
        skill=skill,
        day=day,
        pieces=those,
        moves=moves,
        trips=trips,
        travel_minutes=None if per_trip is None else per_trip * trips,
        stop_minutes=sum(each.minutes for each in moves) if chance is not None else 0,
        chance=chance,
    )


def _may(piece: Piece, day: date, allowed: Mapping[UUID, frozenset[date]]) -> bool:
    if not piece.first <= day <= piece.last:
        return False
    return piece.id not in allowed or day == piece.day or day in allowed[piece.id]


def _open(piece: Piece, begin: date, end: date, allowed: Mapping[UUID, frozenset[date]]) -> date | None:
    """The first day of a stretch on which the piece may lie."""
    for number in range(max((end - begin).days + 1, 0)):
        day = begin + timedelta(days=number)
        if _may(piece, day, allowed):
            return day
    return None


def _worth(one: Proposal) -> tuple[int, float, int, date, str]:
    saved = (one.travel_minutes or 0.0) + one.stop_minutes
    return (0 if one.kind == "opportunity" else 1, -saved, -one.trips, one.day, one.key)
