"""Carry out one import: read all, check all, and only then store, chunk by chunk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from assets.base.db import Database
from assets.base.errors import RuleError
from assets.imports.kinds.base import Kind, Origin
from assets.imports.mapping import Mapped
from assets.imports.stage import Fault, Progress, Stage
from assets.imports.tables import Table

log = logging.getLogger(__name__)

# Each chunk is a transaction of its own: readers of new rows wait for the oldest transaction that still runs, so one
# that takes half a minute would hold up every alarm of that time.
CHUNK_ROWS = 1000


@dataclass(slots=True)
class Outcome:
    """What a run found and did. After a dry run the counts say what would happen."""

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    faulty: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One import to carry out."""

    kind: Kind
    table: Table
    heading_row: int
    mapped: Sequence[Mapped]
    dry_run: bool


class Stopped(RuleError):
    """Storing ended halfway: `stored` rows are there, from `row` on none are (None: all are, what follows is not)."""

    code = "stopped"

    def __init__(self, stored: int, row: int | None, reason: str | None) -> None:
        where = f"row {row} and those below it are not" if row else "what follows them was not finished"
        why = reason or "an error of the server"
        super().__init__(f"{stored} rows are stored, {where}: {why}", stored=stored, row=row, reason=reason)
        self.stored, self.row, self.reason = stored, row, reason


def carry_out(database: Database, job: Job, origin: Origin, progress: Progress = lambda *_: None) -> Outcome:
    """Import, or (dry run) find out what would happen. Any fault: nothing is stored.

    Interrupted while it stores, whole chunks stay; the same file again goes on from there, since what is there already
    is unchanged. Raises Invalid when the file cannot be read, Stopped once something is stored and the rest cannot be.
    """
    with database.engine.connect() as connection:
        try:
            return _carry_out(connection, job, origin, progress)
        finally:
            connection.rollback()
            connection.execute(text("DISCARD TEMP"))
            connection.commit()


def _carry_out(connection: Connection, job: Job, origin: Origin, progress: Progress) -> Outcome:
    stage = Stage(connection, origin.actor, job.kind.fields, job.mapped)
    with stage.step() as session:
        stage.fill(session, job.table, job.heading_row, progress)
    progress("checking", 0)
    with stage.step() as session:
        job.kind.check(session, stage, origin)
    with stage.step() as session:
        counts = stage.counts(session)
        last = session.scalar(text("SELECT max(n) FROM import_rows")) or 0
    outcome = Outcome(
        rows=stage.rows,
        inserted=counts.get("insert", 0),
        updated=counts.get("update", 0),
        unchanged=counts.get("unchanged", 0),
        faulty=counts.get("faulty", 0),
        fault_count=stage.fault_count,
        faults=sorted(stage.faults, key=lambda each: (each.row, each.column or 0)),
    )
    if stage.fault_count or job.dry_run:
        return outcome
    progress("storing", 0)
    for first in range(0, last + 1, CHUNK_ROWS):
        with _told(stage, first), stage.step() as session:
            job.kind.write(session, stage, origin, first, first + CHUNK_ROWS)
        progress("storing", min(first + CHUNK_ROWS, stage.rows))
    with _told(stage, last + 1), stage.step() as session:
        job.kind.finish(session, stage, origin)
    outcome.stored = True
    return outcome


@contextmanager
def _told(stage: Stage, first: int) -> Iterator[None]:
    """Say how far storing came when it fails at the rows from `first` on. Raises Stopped once anything is stored."""
    try:
        yield
    except OperationalError:
        raise  # the database is away: the same run goes on later
    except Exception as error:
        with stage.step() as session:
            found = session.execute(
                text("SELECT count(*) FILTER (WHERE n < :f), min(n) FILTER (WHERE n >= :f) FROM import_rows"),
                {"f": first},
            ).one()
        if not found[0]:
            raise
        if not isinstance(error, RuleError):
            log.exception("an import stopped halfway")
        raise Stopped(found[0], found[1], str(error) if isinstance(error, RuleError) else None) from error
