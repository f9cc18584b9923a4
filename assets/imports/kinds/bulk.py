"""Lists whose rows are decided and stored a thousand at a time, by the same rules as one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.errors import RuleError
from assets.imports.kinds.base import MAX_ROWS_ONE_BY_ONE, Origin, RowKind, set_verdicts
from assets.imports.stage import Stage

AT_ONCE = 1000

Rows = Sequence[tuple[int, Mapping[str, Any]]]

# A table that an import fills is much larger than its statistics say: a thousand rows of it are looked up by index.
_BY_INDEX = text("SET LOCAL enable_seqscan = off")


class BulkKind(RowKind):
    """A list of which most rows have nothing to do with each other: these go together, the others one by one.

    The rows that go together are `together` in the staging table. None of them may change what another row finds.
    """

    candidates: ClassVar[str]  # selects the numbers of the rows that may go together; `:own` is the importer's own
    rest_follows: ClassVar[bool] = False  # whether the others may need rows that go together: these are there first

    @abstractmethod
    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Return verdicts or faults, and store nothing; rows that are left out go one by one.

        `memory` goes along through one check.
        """

    @abstractmethod
    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Store rows; return those that go one by one after all, since what they rest on changed meanwhile."""

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """Decide what goes together by sets; try the rest one by one and take that back."""
        session.execute(text("ALTER TABLE import_rows ADD together boolean NOT NULL DEFAULT false"))
        own = {"own": origin.actor.organisation_id} if ":own" in self.candidates else {}
        session.execute(text(f"UPDATE import_rows SET together = true WHERE n IN ({self.candidates})"), own)
        memory: dict[Any, Any] = {}
        last = session.scalar(text("SELECT max(n) FROM import_rows")) or 0
        session.execute(_BY_INDEX)
        for first in range(0, last + 1, AT_ONCE):
            rows = self._staged(session, first, first + AT_ONCE, ("faulty",), "together")
            verdicts: dict[int, str] = {}
            for number, said in (self.decide(session, rows, origin, memory) if rows else {}).items():
                if isinstance(said, RuleError):
                    self._fault(stage, number, said)
                verdicts[number] = "faulty" if isinstance(said, RuleError) else said
            set_verdicts(session, verdicts)
            session.expunge_all()
        session.execute(text("SET LOCAL enable_seqscan TO DEFAULT"))
        session.execute(text("UPDATE import_rows SET together = false WHERE verdict IS NULL"))
        rest = self._staged(session, 0, 1 << 31, ("faulty",), "NOT together")
        if len(rest) > MAX_ROWS_ONE_BY_ONE:
            stage.fault(1, None, "too_many_rows", most=MAX_ROWS_ONE_BY_ONE)
            return
        self._try_all(session, stage, rest, origin)

    def _prepare(self, session: Session, origin: Origin) -> None:
        if self.rest_follows:
            together = self._staged(session, 0, 1 << 31, ("faulty", "unchanged"), "together")
            for first in range(0, len(together), AT_ONCE):
                self.store_many(session, together[first : first + AT_ONCE], origin)
                session.expunge_all()

    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """Store the rows of one chunk, first those that go together."""
        settled = ("faulty", "unchanged")
        session.execute(_BY_INDEX)
        together = self._staged(session, first, last, settled, "together")
        left = self.store_many(session, together, origin) if together else ()
        for _, values in (*left, *self._staged(session, first, last, settled, "NOT together")):
            self.store(session, values, origin)
        session.flush()
