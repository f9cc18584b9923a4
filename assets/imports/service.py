"""Take in a file, start its run, carry it out: the life of an import between upload and rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import Database
from assets.base.errors import Conflict, Invalid, RuleError
from assets.base.events import append_event
from assets.base.queue import enqueue
from assets.documents.store import FileStore, StoreAway
from assets.imports import mapping
from assets.imports.fields import normal
from assets.imports.kinds import KINDS, kind_named
from assets.imports.kinds.base import Kind, Origin
from assets.imports.running import Job, Outcome, Stopped, carry_out
from assets.imports.runs import STARTABLE, ImportMapping, ImportRun
from assets.imports.tables import Column, Table, headings_of

log = logging.getLogger(__name__)

JOB = "run_imports"
GIVEN_UP = timedelta(hours=1)


def describe(path: Path, kind: str | None, sheet: str | None) -> tuple[Table, Kind | None, int, list[Column]]:
    """Open a file: its table, the kind (told, or guessed from its headings), heading row and columns."""
    table = Table(path, sheet)
    if kind is not None:
        wanted = kind_named(kind)
        row, columns = headings_of(table, [each for field in wanted.fields for each in field.headings])
        return table, wanted, row, columns
    every = [each for known in KINDS.values() for field in known.fields for each in field.headings]
    row, columns = headings_of(table, every)
    return table, guess_kind(columns), row, columns


def guess_kind(columns: list[Column]) -> Kind | None:
    """Return the kind whose headings fit best; None when two fit alike or none has its required ones."""
    scored = []
    for kind in KINDS.values():
        found = set(mapping.guess(columns, kind.fields).values())
        if {each.name for each in kind.fields if each.required} <= found and set(kind.key) & found:
            headings = {normal(column.heading) for column in columns}
            keys = [each for each in kind.fields if each.name in kind.key]
            named = sum(1 for each in keys if {normal(each.en), normal(each.zh)} & headings)
            scored.append((len(found), named / len(keys), kind))
    scored.sort(key=lambda each: each[:2], reverse=True)
    if not scored or (len(scored) > 1 and scored[0][:2] == scored[1][:2]):
        return None
    return scored[0][2]


def chosen_columns(columns: list[Column], kind: Kind, kept: ImportMapping | None) -> dict[int, str]:
    """Return column -> field by the kept mapping, else by the headings."""
    if kept is None:
        return mapping.guess(columns, kind.fields)
    by_heading = {normal(heading): field for heading, field in kept.columns.items() if field}
    return {each.index: by_heading[normal(each.heading)] for each in columns if normal(each.heading) in by_heading}


def take_in(
    session: Session,
    files: FileStore,
    content: str,
    size: int,
    *,
    name: str,
    kind: str | None,
    sheet: str | None,
    kept: str | None,
    actor: Actor,
    now: datetime,
) -> ImportRun:
    """Write down an uploaded file as a run that nobody has started yet. Raises Invalid when it cannot be read."""
    with files.local(content) as path:
        table, known, row, columns = describe(path, kind, sheet)
        chosen, sheets = table.sheet, table.sheets
    if known is None and kept is not None:
        raise Invalid("say which list this is: a saved mapping belongs to one", field="kind", allowed=list(KINDS))
    guessed: dict[int, str] = {}
    if known is not None:
        guessed = chosen_columns(columns, known, find_mapping(session, known.name, kept, actor) if kept else None)
    run = ImportRun(
        organisation_id=actor.organisation_id,
        kind=known.name if known else "",
        file_name=name,
        content=content,
        size_bytes=size,
        sheet=chosen,
        sheets=sheets,
        heading_row=row,
        columns=[asdict(each) | {"field": guessed.get(each.index)} for each in columns],
        created_at=now,
        created_by_id=actor.person_id,
    )
    session.add(run)
    session.flush()
    return run


def find_mapping(session: Session, kind: str, name: str, actor: Actor) -> ImportMapping:
    """Return the organisation's mapping of that name. Raises Invalid."""
    found = session.scalar(
        select(ImportMapping).where(
            ImportMapping.kind == kind,
            ImportMapping.name == name,
            ImportMapping.organisation_id == actor.organisation_id,
        )
    )
    if found is None:
        raise Invalid(f"no saved mapping {name!r} for {kind}", field="mapping")
    return found


def choose(
    session: Session,
    files: FileStore,
    run: ImportRun,
    kind: str | None,
    sheet: str | None,
    fields: Mapping[int, str] | None,
) -> None:
    """Change what a run reads and where its columns go. Raises Invalid, Conflict once it has been started."""
    if run.state not in STARTABLE:
        raise Conflict(f"this import is {run.state}", state=run.state)
    if (kind and kind != run.kind) or (sheet and sheet != run.sheet):
        with files.local(run.content) as path:
            table, known, row, columns = describe(path, kind or run.kind or None, sheet or run.sheet)
            run.kind, run.sheet, run.heading_row = known.name if known else "", table.sheet, row
        guessed = mapping.guess(columns, known.fields) if known else {}
        run.columns = [asdict(each) | {"field": guessed.get(each.index)} for each in columns]
    if fields is not None:
        run.columns = [each | {"field": fields.get(each["index"])} for each in run.columns]


def start(session: Session, run: ImportRun, *, dry_run: bool, now: datetime) -> None:
    """Let a worker carry the run out. Raises Invalid for a mapping that does not do, Conflict when it runs already."""
    if run.state not in STARTABLE:
        raise Conflict(f"this import is {run.state}", state=run.state)
    kind = kind_named(run.kind)
    mapping.check(_fields(run), kind.fields, custom=kind.custom)
    run.state, run.dry_run, run.started_at, run.finished_at = "waiting", dry_run, None, None
    run.rows_done = run.inserted = run.updated = run.unchanged = run.faulty = run.fault_count = 0
    run.faults = []
    session.flush()
    enqueue(session, JOB, queueing_lock=JOB, lock=JOB)


def keep_mapping(session: Session, run: ImportRun, name: str, now: datetime) -> None:
    """Keep a run's mapping by name, in place of an earlier one of that name."""
    kept = session.scalar(
        select(ImportMapping).where(
            ImportMapping.organisation_id == run.organisation_id,
            ImportMapping.kind == run.kind,
            ImportMapping.name == name,
        )
    )
    columns = {each["heading"]: each["field"] for each in run.columns}
    if kept is None:
        made = ImportMapping(
            organisation_id=run.organisation_id, kind=run.kind, name=name, columns=columns, created_at=now
        )
        session.add(made)
    else:
        kept.columns = columns
    session.flush()


def _fields(run: ImportRun) -> dict[int, str]:
    return {each["index"]: each["field"] for each in run.columns if each["field"]}


def run_waiting(database: Database, files: FileStore, now: datetime) -> int:
    """Carry out the runs that wait, oldest first, also those that a dead worker left; return how many.

    One caller at a time: the queue's lock sees to that.
    """
    done = 0
    give_up(database, now)
    while (run_id := _next(database, now)) is not None:
        _run_one(database, files, run_id, now)
        done += 1
    return done


def give_up(database: Database, now: datetime) -> None:
    """End runs that were begun again and again for an hour: something about them ends their workers."""
    with database.as_service() as session:
        stuck = update(ImportRun).where(ImportRun.state == "running", ImportRun.started_at < now - GIVEN_UP)
        session.execute(stuck.values(state="failed", finished_at=now))


def _next(database: Database, now: datetime) -> UUID | None:
    with database.as_service() as session:
        run = session.scalar(
            select(ImportRun)
            .where(ImportRun.state.in_(("waiting", "running")))
            .order_by(ImportRun.created_at, ImportRun.id)
            .limit(1)
            .with_for_update()
        )
        if run is None:
            return None
        run.state, run.started_at = "running", run.started_at or now
        return run.id


def _run_one(database: Database, files: FileStore, run_id: UUID, now: datetime) -> None:
    with database.as_service() as session:
        run = session.get_one(ImportRun, run_id)
    actor = Actor("person", run.organisation_id, frozenset(), run.created_by_id)
    try:
        kind = kind_named(run.kind)
        with files.local(run.content) as path:
            table = Table(path, run.sheet)
            mapped = mapping.check(_fields(run), kind.fields, custom=kind.custom)
            job = Job(kind, table, run.heading_row, mapped, run.dry_run)
            origin = Origin(actor, now, run.file_name)
            outcome = carry_out(database, job, origin, lambda phase, rows: _progress(database, run_id, phase, rows))
    except StoreAway:
        raise  # so is its file
    except OperationalError:
        raise  # the database is away: the run is taken up again
    except Stopped as halfway:
        code = "stopped" if halfway.reason else "broken_off"
        code = code if halfway.row else f"{code}_at_the_end"
        _progress(database, run_id, "storing", halfway.stored)
        fault = {"row": halfway.row or 0, "column": None, "field": None, "code": code, "params": halfway.params}
        _end(database, run_id, "failed", None, now, [fault])
    except RuleError as wrong:
        fault = {"row": 0, "column": None, "field": "file", "code": "unreadable", "params": {"reason": str(wrong)}}
        _end(database, run_id, "refused", None, now, [fault])
    except Exception:
        log.exception("import %s failed", run_id)
        fault = {"row": 0, "column": None, "field": None, "code": "interrupted", "params": {}}
        _end(database, run_id, "failed", None, now, [fault])
    else:
        state = "done" if outcome.stored else "refused" if outcome.fault_count else "checked"
        _end(database, run_id, state, outcome, now, [asdict(each) for each in outcome.faults])


def _progress(database: Database, run_id: UUID, phase: str, rows: int) -> None:
    told = {"rows_total": rows} if phase == "reading" else {"rows_done": rows}
    with database.as_service() as session:
        session.execute(update(ImportRun).where(ImportRun.id == run_id).values(**told))


def _end(
    database: Database, run_id: UUID, state: str, outcome: Outcome | None, now: datetime, faults: list[dict[str, Any]]
) -> None:
    with database.as_service() as session:
        run = session.get_one(ImportRun, run_id)
        run.state, run.finished_at, run.faults = state, max(now, run.started_at or now), faults
        run.fault_count = len(faults)
        if outcome is not None:
            run.rows_total, run.rows_done = outcome.rows, outcome.rows
            run.inserted, run.updated, run.unchanged = outcome.inserted, outcome.updated, outcome.unchanged
            run.faulty, run.fault_count = outcome.faulty, outcome.fault_count
        if state == "done":
            append_event(
                session,
                "import.finished",
                at=now,
                organisation_id=run.organisation_id,
                subject_kind="import",
                subject_id=run.id,
                actor_kind="person" if run.created_by_id else "system",
                actor_id=run.created_by_id,
                payload={
                    "kind": run.kind,
                    "file": run.file_name,
                    "inserted": run.inserted,
                    "updated": run.updated,
                    "unchanged": run.unchanged,
                },
            )
