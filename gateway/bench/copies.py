"""Many copies of rows that the application itself has made, by SQL: a full database in seconds, in its true shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

STEP = 10_000  # rows of one statement
# Tables of one piece of work, in the order in which they refer to each other, with the column that leads there.
WORK = (
    ("cases", "id"),
    ("work_orders", "case_id"),
    ("requests", "case_id"),
    ("visits", "work_order_id"),
    ("case_children", "case_id"),
    ("thread_messages", "case_id"),
    ("work_order_lines", "work_order_id"),
    ("sla_subjects", "subject_id"),
    ("sla_clocks", "subject_id"),
    ("events", "subject_id"),
)
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'
ORDER BY ordinal_position
"""


@dataclass
class Original:
    """Rows that belong together. `known`: what stands for an id in a copy; all other ids of the rows get new ones."""

    known: Mapping[UUID, str]
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def own(self) -> set[UUID]:
        """Return the ids that each copy has anew."""
        return {row["id"] for _, row in self.rows if isinstance(row.get("id"), UUID)}


def read_work(connection: psycopg.Connection[Any], case_id: UUID, known: Mapping[UUID, str]) -> Original:
    """Read a case with all that it led to."""
    found, ids = Original(known), {case_id}
    for table, column in WORK:
        statement = sql.SQL("SELECT * FROM {} WHERE {} = ANY(%s)").format(sql.Identifier(table), sql.Identifier(column))
        with connection.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute(statement, [list(ids)]).fetchall():
                found.rows.append((table, row))
                if isinstance(row.get("id"), UUID):
                    ids.add(row["id"])
    return found


def read_row(connection: psycopg.Connection[Any], table: str, key: UUID, known: Mapping[UUID, str]) -> Original:
    """Read one row by its id."""
    statement = sql.SQL("SELECT * FROM {} WHERE id = %s").format(sql.Identifier(table))
    with connection.cursor(row_factory=dict_row) as cursor:
        return Original(known, [(table, row) for row in cursor.execute(statement, [key]).fetchall()])


@dataclass(frozen=True)
class Copies:
    """How copies differ: SQL expressions of their running number `n`.

    `source`: what else is joined; `opened`: the moment that stands for `origin`, all other moments keep their distance
    from it; `columns`: what certain columns hold, by (table, column).
    """

    source: str
    origin: datetime
    opened: str
    columns: Mapping[tuple[str, str], str]

    def make(self, connection: psycopg.Connection[Any], original: Original, first: int, last: int) -> None:
        """Copy the rows for all n in [first, last), some thousand in a transaction."""
        for start in range(first, last, STEP):
            end = min(start + STEP, last) - 1
            with connection.transaction():
                for table, row in original.rows:
                    connection.execute(self._statement(connection, original, table, row, start, end))

    def _statement(
        self,
        connection: psycopg.Connection[Any],
        original: Original,
        table: str,
        row: dict[str, Any],
        first: int,
        last: int,
    ) -> bytes:
        pairs = list(self._pairs(connection, original, table, row))
        names = ", ".join(f'"{name}"' for name, _ in pairs)
        values = ", ".join(value for _, value in pairs)
        series = f"generate_series({first}, {last}) AS n"
        return f"INSERT INTO {table} ({names}) SELECT {values} FROM {series} {self.source}".encode()

    def _pairs(
        self, connection: psycopg.Connection[Any], original: Original, table: str, row: dict[str, Any]
    ) -> Iterator[tuple[str, str]]:
        for name, kind in connection.execute(_COLUMNS, [table]).fetchall():
            if (table, name) in self.columns:
                yield name, self.columns[table, name]
            elif name != "xid":  # of the transaction that writes
                yield name, self._value(original, row[name], kind)

    def _value(self, original: Original, value: Any, kind: str) -> str:
        if value is None:
            return "NULL"
        if kind == "uuid":
            return self._id(original, value)
        if kind == "timestamp with time zone":
            return f"({quoted(value)} + ({self.opened} - {quoted(self.origin)}))"
        if kind in ("jsonb", "json"):
            return self._json(original, value)
        return quoted(value)

    def _id(self, original: Original, value: UUID) -> str:
        if value in original.known:
            return original.known[value]
        return self.new_id(value) if value in original.own else quoted(value)

    def _json(self, original: Original, value: Any) -> str:
        said = json.dumps(value, default=str)
        text = quoted(said)
        for one in [*original.known, *original.own]:
            if str(one) in said:
                text = f"replace({text}, '{one}', ({self._id(original, one)})::text)"
        return f"({text})::jsonb"

    def new_id(self, old: UUID) -> str:
        """Return the id of a copy: a UUIDv7 of its own moment."""
        ms = f"lpad(to_hex((extract(epoch FROM {self.opened}) * 1000)::bigint), 12, '0')"
        hashed = f"md5('{old}' || n)"
        return f"({ms} || '7' || substr({hashed}, 1, 3) || '8' || substr({hashed}, 4, 15))::uuid"


def quoted(value: Any) -> str:
    """Return a value as an SQL literal."""
    return sql.Literal(value).as_string(None)


def values_table(name: str, columns: str, rows: Sequence[Sequence[Any]]) -> str:
    """Return a temporary table's making, with its rows."""
    lines = ", ".join(f"({', '.join(quoted(each) for each in row)})" for row in rows)
    return f"CREATE TEMP TABLE {name} AS SELECT * FROM (VALUES {lines}) AS made({columns})"
