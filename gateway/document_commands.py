"""The command `forewarn documents`: move files from the data folder into the bucket, and look whether all are whole."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assets.base.db import Database
    from assets.documents.s3 import S3Files
    from assets.documents.store import DiskFiles
    from gateway.settings import Settings

BATCH = 500


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `documents move` and `documents check`."""
    documents = commands.add_parser("documents", help="where documents, pictures and imports lie")
    verbs = documents.add_subparsers(dest="verb", metavar="VERB", required=True)
    move = verbs.add_parser("move", help="copy every file that is in use from the data folder into the bucket")
    move.add_argument("--remove", action="store_true", help="remove each from the folder once the bucket has it whole")
    check = verbs.add_parser("check", help="read every file that is in use; name what is missing or damaged")
    for each in (move, check):
        each.add_argument("--data")
        each.add_argument("--json", action="store_true")


def run(options: argparse.Namespace, settings: Settings, database_url: Callable[[Settings], str]) -> int:
    """Carry it out; 0 when all is well, 1 when a file is missing or damaged, 2 for wrong settings."""
    from pathlib import Path

    from assets.base.db import Database
    from assets.base.errors import RuleError

    if options.data:
        settings.data = Path(options.data).resolve()
    database = Database(database_url(settings), pool_size=1)
    try:
        counts, wrong = (_move if options.verb == "move" else _check)(database, settings, options)
    except RuleError as error:
        print(f"forewarn: {error}", file=sys.stderr)
        return 2
    finally:
        database.dispose()
    if options.json:
        print(json.dumps({**counts, "wrong": wrong}))
    else:
        print(", ".join(f"{number:,} {name}" for name, number in counts.items()))
        for each in wrong[:50]:
            print(f"  {each}", file=sys.stderr)
    return 1 if wrong else 0


Outcome = tuple[dict[str, int], list[str]]


def _move(database: Database, settings: Settings, options: argparse.Namespace) -> Outcome:
    """Send what the bucket lacks: after a break the same command goes on."""
    from assets.base.errors import Invalid
    from assets.documents.store import DiskFiles
    from gateway.files import bucket_files

    bucket, disk = bucket_files(settings), DiskFiles(settings.data)
    if bucket is None:
        raise Invalid("name the bucket first: FOREWARN_FILES_S3_BUCKET")
    bucket.check()
    bucket.claim(_root(database))
    counts: dict[str, int] = {"moved": 0, "there already": 0}
    wrong: list[str] = []
    for content in _used(database):
        if bucket.has(content):
            counts["there already"] += 1
        elif not disk.has(content):
            wrong.append(f"{content} is missing")
            continue
        else:
            with disk.path(content).open("rb") as file:
                sent, _ = bucket.put(file, sys.maxsize)
            if sent != content:
                bucket.remove(sent)
                wrong.append(f"{content} is damaged")
                continue
            counts["moved"] += 1
        if options.remove:
            _remove(content, disk, bucket)
    return counts, wrong


def _remove(content: str, disk: DiskFiles, bucket: S3Files) -> None:
    """Read it back first: the verified chunks raise FileDamaged instead of their last."""
    if disk.has(content):
        for _ in bucket.read(content).chunks:
            pass
        disk.remove(content)


def _check(database: Database, settings: Settings, options: argparse.Namespace) -> Outcome:
    from assets.base.errors import NotFound
    from assets.documents.store import FileDamaged
    from gateway.files import file_store

    files, counts = file_store(settings), {"whole": 0}
    wrong: list[str] = []
    for content in _used(database):
        try:
            for _ in files.read(content).chunks:
                pass
        except NotFound:
            wrong.append(f"{content} is missing")
        except FileDamaged:
            wrong.append(f"{content} is damaged")
        else:
            counts["whole"] += 1
    return counts, wrong


def _used(database: Database) -> Iterator[str]:
    """Yield what rows name, in an order that stays, in short transactions."""
    from assets.documents.sweep import used_after

    last = ""
    while True:
        with database.as_service() as session:
            batch = used_after(session, last, BATCH)
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


def _root(database: Database) -> str:
    from assets.base.errors import Invalid
    from assets.people import root_organisation

    with database.as_service() as session:
        root = root_organisation(session)
    if root is None:
        raise Invalid("nobody has set the service up yet: there is nothing to move")
    return str(root.id)
