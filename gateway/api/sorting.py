"""Order a list by a column that its reader chooses; pages still go by key, so the deepest costs what the first does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement, case, select, tuple_
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from gateway.api.pages import aware, cursor_of, read_cursor

Sort = Annotated[str | None, Query(max_length=40, description="a column to order by; with - in front downwards")]
S = TypeVar("S")  # a select of any columns
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # what has no moment comes behind what has


def word_of(value: Any) -> str:
    """Read a text out of a cursor. Raises ValueError for what no column holds."""
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    return value


def id_of(value: Any) -> UUID:
    """Read an id out of a cursor. Raises ValueError."""
    return UUID(str(value))


def rank_column(column: Any, words: Sequence[str]) -> Any:
    """Return the place of a column's word among words, lowest first."""
    return case({each: place for place, each in enumerate(words)}, value=column, else_=0)


def moment_of(value: Any) -> datetime:
    """Read a moment out of a cursor, `NEVER` too. Raises ValueError."""
    return NEVER if value == NEVER.isoformat() else aware(str(value))


def number_of(value: Any) -> Decimal:
    """Read a number out of a cursor. Raises ValueError."""
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        raise ValueError from None
    if not read.is_finite():
        raise ValueError
    return read


@dataclass(frozen=True, slots=True)
class By:
    """A column, or an expression that is never null, and how its value is read out of a cursor."""

    column: Any
    read: Callable[[Any], Any] = word_of


@dataclass(frozen=True, slots=True)
class Order:
    """What a list is ordered by, and by its rows' ids among equals."""

    name: str
    by: By
    down: bool
    key: Any

    @classmethod
    def of(cls, sort: str | None, columns: Mapping[str, By], usual: str, key: Any) -> Order:
        """Read the parameter; `usual` is the order without one. Raises Invalid with the columns that there are."""
        told = sort or usual
        name = told.removeprefix("-")
        if name not in columns:
            allowed = ", ".join(columns)
            raise Invalid(f"this list can be ordered by: {allowed}", field="sort", allowed=list(columns))
        return cls(told, columns[name], told.startswith("-"), key)

    @property
    def column(self) -> ColumnElement[Any]:
        """What to select beside the rows, so that the last one's cursor can be written."""
        made: ColumnElement[Any] = self.by.column.label("ordered_by")
        return made

    def page(self, statement: S, limit: int, after: str | None) -> S:
        """Return the statement for a page and one row more. Raises Invalid for the cursor of another order."""
        asked: Any = statement
        column, key = self.by.column, self.key
        if after:
            name, value, last = read_cursor(after, str, self.by.read, UUID)
            if name != self.name:
                raise Invalid("this cursor is of another order", field="after")
            here, there = tuple_(column, key), tuple_(value, last)
            asked = asked.where(here < there if self.down else here > there)
        made: S = asked.order_by(*self.ends(column)).limit(limit + 1)
        return made

    def rows(self, session: Session, statement: Any, limit: int, after: str | None) -> tuple[list[Any], str | None]:
        """Return a page of a statement that selects a table's row and `column`, and the cursor behind it.

        The page is found by its ids alone: rows are wide, and a sort carries along all that it is given.
        """
        ids = self.page(statement.with_only_columns(self.key, self.column), limit, after).subquery("page")
        wide = select(self.key.class_, ids.c.ordered_by).join(ids, ids.c.id == self.key)
        found = session.execute(wide.order_by(*self.ends(ids.c.ordered_by))).all()
        page = found[:limit]
        more = self.cursor(page[-1][1], page[-1][0].id) if len(found) > limit else None
        return [row[0] for row in page], more

    def ends(self, column: Any) -> tuple[Any, Any]:
        """Return what to order by: the column (or the same of a subquery), then the id."""
        return (column.desc(), self.key.desc()) if self.down else (column, self.key)

    def cursor(self, value: Any, key: UUID) -> str:
        """Return the cursor behind a row."""
        return cursor_of(self.name, value.isoformat() if isinstance(value, datetime) else value, key)
