"""Many rows in one statement: what row policies and triggers cost once for a statement, they cost once."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Column, ColumnElement, Table, any_, bindparam, inspect, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from assets.base.db import Base

T = TypeVar("T")


def among(column: InstrumentedAttribute[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has one of many values, as a single parameter: `in_` makes one of each."""
    element: ColumnElement[Any] = column.expression
    return element == any_(bindparam(None, list(values), type_=ARRAY(element.type), unique=True))


def insert_objects(session: Session, made: Sequence[Base]) -> None:
    """Insert new objects of one table, in one statement; they get their defaults and stay outside of the session."""
    if not made:
        return
    mapper = inspect(type(made[0]))
    table = mapper.local_table
    assert isinstance(table, Table)
    keys = {column: mapper.get_property_by_column(column).key for column in table.columns}
    rows = [_complete(each, keys, mapper.version_id_col) for each in made]
    names = ", ".join(column.name for column in keys if any(column.name in row for row in rows))
    insert = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_rows_of(table.name)}"
    session.execute(text(insert), {"rows": _written(rows)})


def update_rows(session: Session, table: str, rows: Sequence[dict[str, Any]], key: str = "id") -> None:
    """Set columns of rows by their key, in one statement; all rows name the same columns."""
    if not rows:
        return
    told = ", ".join(f"{name} = c.{name}" for name in rows[0] if name != key)
    session.execute(
        text(f"UPDATE {table} t SET {told} FROM {_rows_of(table)} c WHERE t.{key} = c.{key}"), {"rows": _written(rows)}
    )


def _complete(made: Base, keys: dict[Column[Any], str], version: ColumnElement[Any] | None) -> dict[str, Any]:
    """Return what an object's columns will hold; those that are empty are left out."""
    row: dict[str, Any] = {}
    for column, key in keys.items():
        value = made.__dict__.get(key)
        if value is None and key not in made.__dict__:
            default: Any = column.default
            if column is version:
                value = 1
            elif default is not None:
                value = default.arg(None) if default.is_callable else default.arg
            if value is not None:
                setattr(made, key, value)
        if value is not None:
            row[column.name] = value
    return row


def _rows_of(table: str) -> str:
    """One parameter holds all rows, whatever the types of their columns."""
    return f"json_populate_recordset(NULL::{table}, CAST(:rows AS json))"


def _written(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(rows, default=str, ensure_ascii=False, allow_nan=False)
