"""The command `forewarn import`: the same imports as on the page, carried out at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assets.base.access import Actor
    from assets.base.db import Database
    from assets.imports.kinds.base import Kind
    from assets.imports.running import Outcome
    from gateway.settings import Settings


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `import`."""
    command = commands.add_parser("import", help="a CSV or XLSX list into the service; repeatable")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--kind", help="which list, such as assets; guessed from the headings when left out")
    command.add_argument("--sheet", help="of a workbook; the first when left out")
    command.add_argument("--mapping", metavar="NAME", help="a mapping that was saved on the page")
    command.add_argument("--org", help="name of the organisation; the operator when left out")
    command.add_argument(
        "--dry-run", action="store_true", help="say what would happen and what is wrong; store nothing"
    )
    command.add_argument("--data", type=Path)
    command.add_argument("--json", action="store_true")


def run(options: argparse.Namespace, settings: Settings, database_url: Callable[[Settings], str]) -> int:
    """Import; 0 when all is well, 1 when something in the file is wrong (and nothing was stored), 2 for bad usage."""
    from assets.base.db import Database
    from assets.base.errors import RuleError

    if not options.file.is_file():
        print(f"forewarn: no file {options.file}", file=sys.stderr)
        return 2
    database = Database(database_url(settings), pool_size=3)
    try:
        kind, outcome = _import(database, options)
    except RuleError as error:
        said = {"file": str(options.file), "error": str(error), "code": error.code, "params": error.params}
        print(json.dumps(said, ensure_ascii=False, default=str)) if options.json else print(
            f"forewarn: {options.file}: {error}", file=sys.stderr
        )
        return 2
    finally:
        database.dispose()
    print(json.dumps(_plain(options, kind, outcome), ensure_ascii=False) if options.json else _told(kind, outcome))
    return 1 if outcome.fault_count else 0


def _import(database: Database, options: argparse.Namespace) -> tuple[Kind, Outcome]:
    from assets.base.errors import Invalid
    from assets.imports import mapping
    from assets.imports.kinds import KINDS
    from assets.imports.kinds.base import Origin
    from assets.imports.running import Job, carry_out
    from assets.imports.service import chosen_columns, describe, find_mapping

    actor = _actor(database, options.org)
    table, kind, row, columns = describe(options.file, options.kind, options.sheet)
    if kind is None:
        raise Invalid(f"say which list this is: --kind {'|'.join(KINDS)}", field="kind", allowed=list(KINDS))
    with database.as_actor(actor) as session:
        kept = find_mapping(session, kind.name, options.mapping, actor) if options.mapping else None
        chosen = chosen_columns(columns, kind, kept)
    mapped = mapping.check(chosen, kind.fields, custom=kind.custom)
    origin = Origin(actor, datetime.now(UTC), options.file.name)
    job = Job(kind, table, row, mapped, options.dry_run)
    return kind, carry_out(database, job, origin, lambda *_: None if options.json else _dot(*_))


def _dot(phase: str, rows: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{phase} {rows:,}        ", end="", file=sys.stderr, flush=True)


def _actor(database: Database, name: str | None) -> Actor:
    from sqlalchemy import select

    from assets.base.access import Actor, Role
    from assets.base.errors import NotFound
    from assets.people import Organisation, root_organisation

    with database.as_service() as session:
        wanted = select(Organisation).where(Organisation.name == name)
        organisation = session.scalar(wanted) if name else root_organisation(session)
    if organisation is None:
        raise NotFound(f"no organisation named {name!r}")
    return Actor("system", organisation.id, frozenset({Role.ADMINISTRATOR}))


def _faults(kind: Kind, outcome: Outcome) -> list[dict[str, Any]]:
    from gateway.wording import words

    labels = {each.name: each for each in kind.fields}
    told = []
    for fault in outcome.faults:
        field = labels.get(fault.field or "")
        names = {"label_en": field.en if field else fault.field, "label_zh": field.zh if field else fault.field}
        said = words("import.fault.", fault.code, fault.params | names)
        told.append(
            {
                "cell": fault.cell,
                "field": fault.field,
                "code": fault.code,
                "params": fault.params,
                "en": said.en,
                "zh": said.zh,
            }
        )
    return told


def _plain(options: argparse.Namespace, kind: Kind, outcome: Outcome) -> dict[str, Any]:
    return {
        "file": str(options.file),
        "kind": kind.name,
        "dry_run": options.dry_run,
        "stored": outcome.stored,
        "rows": outcome.rows,
        "inserted": outcome.inserted,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "faulty": outcome.faulty,
        "error_count": outcome.fault_count,
        "errors": _faults(kind, outcome),
    }


def _told(kind: Kind, outcome: Outcome) -> str:
    counts = f"{outcome.inserted:,} new, {outcome.updated:,} changed, {outcome.unchanged:,} as before"
    lines = [f"{kind.en}: {outcome.rows:,} rows: {counts}, {outcome.faulty:,} faulty."]
    lines += [f"  {fault['cell']}: {fault['en']}" for fault in _faults(kind, outcome)[:50]]
    if outcome.fault_count:
        lines.append(f"{outcome.fault_count:,} faults; nothing was stored.")
    elif not outcome.stored:
        lines.append("Nothing was stored: this was a dry run.")
    return "\n".join(lines)
