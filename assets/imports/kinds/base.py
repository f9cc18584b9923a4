"""What an importable list is: its fields, how rows of it are checked, stored and written out."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import RuleError
from assets.imports.fields import Field
from assets.imports.stage import Stage

MAX_ROWS_ONE_BY_ONE = 100_000
BATCH_ROWS = 100  # that are tried under one savepoint


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: who imports, when, and from which file."""

    actor: Actor
    now: datetime
    file_name: str


class Kind(ABC):
    """One list that can be imported and exported; a new one is a class and a line in `assets.imports.kinds`."""

    name: ClassVar[str]
    en: ClassVar[str]
    zh: ClassVar[str]
    key: ClassVar[tuple[str, ...]]  # the fields that tell whether a row is there already
    action: ClassVar[str] = "asset.manage"
    read_action: ClassVar[str] = "asset.read"
    fields: ClassVar[tuple[Field, ...]]
    custom: ClassVar[bool] = False  # whether `custom.NAME` columns are taken

    @abstractmethod
    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """Find every fault, and give every sound row its verdict; store nothing."""

    @abstractmethod
    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """Store the rows with first <= n < last whose verdict is insert or update; all or nothing."""

    def finish(self, session: Session, stage: Stage, origin: Origin) -> None:  # noqa: B027  most have nothing to add
        """Do what needs all rows to be there."""

    @abstractmethod
    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield all rows that the actor sees, in the order of `fields`, one value each."""


class RowKind(Kind):
    """A list of which rows are stored one by one, by the same rules as on its page."""

    @abstractmethod
    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store one row; return insert, update or unchanged. Raises RuleError, whose `field` names the cell."""

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """Store all rows and take that back."""
        if stage.rows > MAX_ROWS_ONE_BY_ONE:
            stage.fault(1, None, "too_many_rows", most=MAX_ROWS_ONE_BY_ONE)
            return
        self._try_all(session, stage, self._staged(session, 0, 1 << 31, ("faulty",)), origin)

    def _try_all(
        self, session: Session, stage: Stage, rows: Sequence[tuple[int, dict[str, Any]]], origin: Origin
    ) -> None:
        if not rows:
            return
        verdicts: dict[int, str] = {}
        with session.begin_nested() as tried:
            self._prepare(session, origin)
            for first in range(0, len(rows), BATCH_ROWS):
                verdicts |= self._try(session, stage, rows[first : first + BATCH_ROWS], origin)
            tried.rollback()
        session.expire_all()
        set_verdicts(session, verdicts)

    def _prepare(self, session: Session, origin: Origin) -> None:
        """Put in place, for the trial, what its rows rest on."""

    def _try(
        self, session: Session, stage: Stage, rows: Sequence[tuple[int, dict[str, Any]]], origin: Origin
    ) -> dict[int, str]:
        """Return a verdict for each row: all of them at once, and where that fails one by one."""
        try:
            with session.begin_nested():
                found = {number: self.store(session, values, origin) for number, values in rows}
                session.flush()
        except (IntegrityError, DataError, RuleError) as wrong:
            session.expunge_all()
            if len(rows) > 1:
                return {n: verdict for row in rows for n, verdict in self._try(session, stage, [row], origin).items()}
            self._fault(stage, rows[0][0], wrong)
            return {rows[0][0]: "faulty"}
        session.expunge_all()  # each savepoint goes through all that the session holds
        return found

    def _fault(self, stage: Stage, number: int, wrong: Exception) -> None:
        if not isinstance(wrong, RuleError):
            stage.fault(number, self.key[-1], "not_storable")
            return
        said = {k: v for k, v in wrong.params.items() if isinstance(v, str | int | float)}
        name = str(wrong.params.get("field") or self.key[-1])
        known = name in {each.name for each in self.fields}
        stage.fault(number, name if known else None, "refused", reason=str(wrong), **_without_clash(said))

    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """Store the rows of one chunk."""
        for _, values in self._staged(session, first, last, ("faulty", "unchanged")):
            self.store(session, values, origin)
        session.flush()

    def _staged(
        self, session: Session, first: int, last: int, without: tuple[str, ...], more: str = "true"
    ) -> list[tuple[int, dict[str, Any]]]:
        columns = ", ".join(f'"f_{each.name}" AS "{each.name}"' for each in self.fields)
        found = session.execute(
            text(
                f"SELECT n, {columns} FROM import_rows WHERE n >= :first AND n < :last"
                f" AND coalesce(verdict, '') <> ALL (:without) AND {more} ORDER BY n"
            ),
            {"first": first, "last": last, "without": list(without)},
        )
        return [(row["n"], {k: v for k, v in row.items() if k != "n"}) for row in found.mappings()]


def set_verdicts(session: Session, verdicts: Mapping[int, str]) -> None:
    """Give rows their verdicts, by row number."""
    session.execute(
        text(
            "UPDATE import_rows r SET verdict = v.verdict FROM unnest(CAST(:n AS int[]), CAST(:v AS text[]))"
            " AS v(n, verdict) WHERE r.n = v.n"
        ),
        {"n": list(verdicts), "v": list(verdicts.values())},
    )


def _without_clash(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in ("field", "reason", "code", "row", "name")}


# Under this name a session says which rows of which table go out: (table, ids).
ONLY = "exported_rows"


def pages(session: Session, statement: str, columns: int) -> Iterator[Sequence[Any]]:
    """Yield the rows of a statement without holding all of them, of its main table those that the session names."""
    binds: dict[str, Any] = {}
    if ONLY in session.info:
        table, ids = session.info[ONLY]
        # Its alias, if it has one: the next word is none of the words that may follow a table.
        statement, replaced = re.subn(
            rf"\b(FROM|JOIN) {table}\b(?: (?!ORDER|WHERE|LEFT|JOIN|GROUP)(\w+))?",
            lambda found: (
                f"{found.group(1)} (SELECT * FROM {table} WHERE id = ANY (CAST(:only AS uuid[])))"
                f" {found.group(2) or table}"
            ),
            statement,
            count=1,
        )
        if not replaced:
            raise ValueError(f"{table} is not in the statement of its export")
        binds["only"] = ids
    found = session.execute(text(statement), binds, execution_options={"yield_per": 2000})
    for row in found:
        yield tuple(row[:columns])
