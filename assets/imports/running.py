"""Carry out one import: read all, check all, and only then store, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from assets.base.db import Database
from assets.imports.kinds.base import Kind, Origin
from assets.imports.mapping import Mapped
from assets.imports.stage import Fault, Progress, Stage
from assets.imports.tables import Table

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


def carry_out(database: Database, job: Job, origin: Origin, progress: Progress = lambda *_: None) -> Outcome:
    """Import, or (dry run) find out what would happen. Any fault: nothing is stored.

    Interrupted while it stores, whole chunks stay; the same file again goes on from there, since what is there already
    is unchanged. Raises Invalid when the file cannot be read.
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
        with stage.step() as session:
            job.kind.write(session, stage, origin, first, first + CHUNK_ROWS)
        progress("storing", min(first + CHUNK_ROWS, stage.rows))
    with stage.step() as session:
        job.kind.finish(session, stage, origin)
    outcome.stored = True
    return outcome
