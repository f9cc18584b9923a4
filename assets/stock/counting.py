"""Count many things at once: the same movements as one by one, in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.stock.items import Part, whole
from assets.stock.ledger import Line, Posting, balances, entries_of, movement_of
from assets.stock.places import StockLocation, account, lock_stock
from assets.stock.tables import StockEntry, StockMovement

AT_ONCE = 1000  # movements in a statement, whose entries are booked together


@dataclass(frozen=True, slots=True)
class Counted:
    """So much of an item without lots or serials was found at a place."""

    part: Part
    place: StockLocation
    quantity: Decimal
    reason: str


def changes_of(session: Session, counted: Sequence[Counted]) -> list[Decimal]:
    """Return by how much the books differ from each count: above zero where more was found."""
    keys = [(each.place.id, each.part.id, None, None) for each in counted]
    there = balances(session, keys)
    return [each.quantity - there.get(key, Decimal(0)) for each, key in zip(counted, keys, strict=True)]


def count_many(session: Session, owner: UUID, counted: Sequence[Counted], now: datetime, by: Actor) -> None:
    """Book the differences, a movement for each; of one item at one place there is one count. Raises Invalid."""
    lock_stock(session, owner)
    adjustment = account(session, owner, "adjustment", now)
    postings = []
    for each, change in zip(counted, changes_of(session, counted), strict=True):
        if change:
            source, target = (adjustment, each.place) if change > 0 else (each.place, adjustment)
            line = Line(each.part, whole(each.part, abs(change)), source, target)
            postings.append(Posting("count", owner, [line], now, now, by=by, reason=each.reason))
    for first in range(0, len(postings), AT_ONCE):
        _book(session, postings[first : first + AT_ONCE])


def _book(session: Session, postings: Sequence[Posting]) -> None:
    """Store movements with their entries; in one statement come both sides of each."""
    movements = [movement_of(posting) for posting in postings]
    columns = [column.key for column in StockMovement.__mapper__.column_attrs]
    told = [{name: getattr(movement, name) for name in columns} for movement in movements]
    _insert(session, StockMovement.__table__, told)
    pairs = zip(movements, postings, strict=True)
    entries = [entry for each, posting in pairs for entry in entries_of(each, posting.lines)]
    _insert(session, StockEntry.__table__, entries)


def _insert(session: Session, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows as an array for each column: one statement, and no parameter for each value."""
    dialect = session.get_bind().dialect
    arrays = [f"CAST(:{name} AS {table.c[name].type.compile(dialect)}[])" for name in rows[0]]
    statement = f"INSERT INTO {table.description} ({', '.join(rows[0])}) SELECT * FROM unnest({', '.join(arrays)})"
    session.execute(text(statement), {name: [row[name] for row in rows] for name in rows[0]})
