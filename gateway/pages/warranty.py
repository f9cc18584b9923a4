"""What a customer's page says of a machine's warranty: covered until when, in the clauses' own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from assets.registry import Asset
from assets.warranty.cover import Cover, cover_at
from assets.warranty.known import known_of

MOST = 12  # clauses: what a person reads while standing in front of the machine


@dataclass(frozen=True, slots=True)
class Line:
    """One clause; `meters`: what ends it earlier, as (name, limit)."""

    state: str
    scope: tuple[str, ...]
    ends_on: date | None
    meters: tuple[tuple[str, float], ...]
    text: dict[str, str]


@dataclass(frozen=True, slots=True)
class Warranty:
    """`number`: the card's, None before one. `state`: running, ended, not_begun, needs_check or none."""

    number: str | None
    starts_on: date | None
    state: str
    until: date | None
    lines: tuple[Line, ...]


def warranty_of(session: Session, asset: Asset, now: datetime) -> Warranty:
    """Return what may be told to whoever stands in front of the machine."""
    known = known_of(session, asset)
    cover = [each for each in cover_at(session, asset, now, known) if each.clause.scope]
    card = known.card
    return Warranty(
        number=card.number if card else None,
        starts_on=card.starts_on if card else None,
        state=next((state for state in _ORDER if any(each.state == state for each in cover)), "none"),
        until=_until(cover),
        lines=tuple(_line(each) for each in sorted(cover, key=_rank)[:MOST]),
    )


_ORDER = ("running", "needs_check", "not_begun", "ended")


def _until(cover: list[Cover]) -> date | None:
    """The last day of what covers now, or of what covered last; None: it has no end, or it is not known."""
    running = [each for each in cover if each.state == "running"]
    ends = [each.ends_on for each in running or [each for each in cover if each.state == "ended"]]
    return None if not ends or None in ends else max(day for day in ends if day)


def _rank(cover: Cover) -> tuple[int, date, str]:
    return (_ORDER.index(cover.state), cover.ends_on or date.max, cover.clause.id)


def _line(cover: Cover) -> Line:
    clause = cover.clause
    return Line(
        state=cover.state,
        scope=tuple(sorted(clause.scope)),
        ends_on=cover.ends_on,
        meters=tuple((each.meter, each.limit) for each in clause.meters),
        text={"en": clause.text_en, "zh": clause.text_zh},
    )
