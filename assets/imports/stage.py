"""The rows of one run in a temporary table: read once, checked and stored by sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import enter_actor
from assets.base.ids import uuid7
from assets.imports.fields import CellFault, Field, cell_name, shown
from assets.imports.mapping import CUSTOM, Mapped
from assets.imports.tables import Table

KEPT_FAULTS = 500  # the first ones say what is wrong; a file of the wrong kind has one in every row
PROGRESS_ROWS = 5000

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one cell, or (no column) in one row."""

    row: int
    column: int | None
    field: str | None
    code: str
    params: dict[str, Any]

    @property
    def cell(self) -> str:
        """What a spreadsheet calls the cell."""
        return cell_name(self.row, self.column)


@dataclass(slots=True)
class Stage:
    """A run in progress: its temporary table `import_rows`, on one connection from the first step to the last.

    `import_rows`: n (row of the file), id (for what is new), organisation_id (owner), found (what is there), verdict
    (insert, update, unchanged or faulty), custom, and `f_NAME` for each field of the kind.
    """

    connection: Connection
    actor: Actor
    fields: Sequence[Field]
    mapped: Sequence[Mapped]
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    rows: int = 0

    @contextmanager
    def step(self) -> Iterator[Session]:
        """Open one transaction as the actor; row-level security shows what they may see."""
        with Session(self.connection, expire_on_commit=False) as session, session.begin():
            enter_actor(session, self.actor)
            yield session

    @property
    def names(self) -> set[str]:
        """The fields that the file fills."""
        return {each.field.name for each in self.mapped}

    def column_of(self, name: str | None) -> int | None:
        """Return the file's column of a field."""
        return next((each.index for each in self.mapped if each.field.name == name), None)

    def fill(self, session: Session, table: Table, heading_row: int, progress: Progress) -> None:
        """Read the file into the temporary table; cells that cannot be read are faults."""
        columns = ", ".join(f'"f_{each.name}" {each.sql_type}' for each in self.fields)
        session.execute(text("DROP TABLE IF EXISTS pg_temp.import_rows"))
        session.execute(
            text(
                "CREATE TEMPORARY TABLE import_rows (n int PRIMARY KEY, id uuid NOT NULL, verdict text,"
                f" organisation_id uuid, found uuid, custom jsonb, {columns})"
            )
        )
        names = ", ".join(["n", "id", "verdict", "custom", *(f'"f_{each.name}"' for each in self.fields)])
        raw: Any = session.connection().connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f"COPY import_rows ({names}) FROM STDIN") as copy:
            for row in self._read(table, heading_row):
                copy.write_row(row)
                self.rows += 1
                if self.rows % PROGRESS_ROWS == 0:
                    progress("reading", self.rows)
        session.execute(text("ANALYZE import_rows"))

    def _read(self, table: Table, heading_row: int) -> Iterator[list[Any]]:
        ask = table.fault_at if table.has_faults else None
        places = {each.name: position for position, each in enumerate(self.fields)}
        plain = [(each.index, each.field, places[each.field.name]) for each in self.mapped if each.field.name in places]
        more = [each for each in self.mapped if each.field.name.startswith(CUSTOM)]
        for number, cells in table.rows():
            if number <= heading_row or all(cell is None or cell == "" for cell in cells):
                continue
            before = self.fault_count
            values: list[Any] = [None] * len(self.fields)
            for index, wanted, place in plain:
                values[place] = self._cell(number, index, wanted, cells, ask)
            custom = {
                each.field.name.removeprefix(CUSTOM): value
                for each in more
                if (value := self._cell(number, each.index, each.field, cells, ask)) is not None
            }
            verdict = "faulty" if self.fault_count > before else None
            yield [number, uuid7(), verdict, json.dumps(custom) if custom else None, *values]

    def _cell(
        self,
        number: int,
        index: int,
        wanted: Field,
        cells: Sequence[Any],
        ask: Callable[[int, int], str | None] | None,
    ) -> Any:
        if ask is not None and (reason := ask(number, index)) is not None:
            self.fault(number, wanted.name, reason)
            return None
        try:
            return wanted.read(cells[index] if index < len(cells) else None)
        except CellFault as wrong:
            self.fault(number, wanted.name, wrong.code, **wrong.params)
            return None

    def fault(self, row: int, name: str | None, code: str, **params: Any) -> None:
        """Write a fault down; of many the first are kept, all are counted."""
        self.fault_count += 1
        if len(self.faults) < KEPT_FAULTS:
            self.faults.append(Fault(row, self.column_of(name), name, code, params))

    def refuse(self, session: Session, condition: str, name: str | None, code: str, **binds: Any) -> int:
        """Fault every sound row for which a condition on `import_rows r` holds; return how many.

        `condition` may be followed by nothing; the field's own value goes along as the parameter `value`.
        """
        value = f'r."f_{name}"::text' if name and name in {each.name for each in self.fields} else "NULL::text"
        found = session.execute(
            text(
                "UPDATE import_rows u SET verdict = 'faulty' FROM import_rows r WHERE u.n = r.n"
                f" AND ({condition}) RETURNING r.n, {value}"
            ),
            binds,
        ).all()
        for row, said in sorted(found):
            self.fault(row, name, code, **({"value": shown(said)} if said is not None else {}))
        return len(found)

    def refuse_repeats(self, session: Session, key: Sequence[str], name: str) -> None:
        """Fault rows whose key stands in an earlier row already."""
        columns = ", ".join(f'"{each}"' for each in key)
        known = " AND ".join(f'"{each}" IS NOT NULL' for each in key)
        found = session.execute(
            text(
                "UPDATE import_rows u SET verdict = 'faulty' FROM (SELECT n, first_value(n) OVER"
                f" (PARTITION BY {columns} ORDER BY n) AS first FROM import_rows"
                f" WHERE {known}) s"
                ' WHERE u.n = s.n AND s.first < s.n RETURNING s.n, s.first, u."f_' + name + '"::text'
            )
        ).all()
        for row, first, said in sorted(found):
            self.fault(row, name, "repeated", value=shown(said), first=cell_name(first, self.column_of(name)))

    def settle(self, session: Session, there: str, same: Iterable[tuple[str, str]]) -> None:
        """Give each sound row its verdict. `there`: the table of what is found; `same`: (its column, the row's value).

        An empty cell changes nothing.
        """
        pairs = [f"({mine} IS NOT NULL AND t.{theirs} IS DISTINCT FROM {mine})" for theirs, mine in same]
        changed = " OR ".join(pairs) or "false"
        session.execute(
            text("UPDATE import_rows SET verdict = 'insert' WHERE found IS NULL AND verdict IS DISTINCT FROM 'faulty'")
        )
        session.execute(
            text(
                f"UPDATE import_rows r SET verdict = CASE WHEN {changed} THEN 'update' ELSE 'unchanged' END"
                f" FROM {there} t WHERE t.id = r.found AND r.verdict IS DISTINCT FROM 'faulty'"
            )
        )

    def counts(self, session: Session) -> dict[str, int]:
        """Return how many rows have which verdict."""
        found = session.execute(text("SELECT coalesce(verdict, 'faulty'), count(*) FROM import_rows GROUP BY 1"))
        return {str(verdict): int(count) for verdict, count in found}
