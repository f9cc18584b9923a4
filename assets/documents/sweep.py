"""Remove files that nothing refers to any more: of forgotten imports, of refused documents, of removed assets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from assets.documents.store import FileStore
from assets.imports.runs import ImportRun
from assets.people import root_organisation

KEEP_RUNS = timedelta(days=90)
KEEP_FILES = timedelta(days=1)  # a file lies there before the row that names it is committed
BATCH = 500

# Every column that names a content: what stands in none of them is removed, and what stands in one is moved along.
REFERENCES = (
    ("document_revisions", "content"),
    ("document_revisions", "thumbnail"),
    ("import_runs", "content"),
    ("case_files", "content"),
    ("case_files", "thumbnail"),
    ("evidence", "content"),
    ("evidence", "picture"),
    ("evidence", "thumbnail"),
    ("signatures", "picture"),
    ("reports", "signature_file"),
)
_USED = text(
    " UNION ".join(f"SELECT {column} FROM {table} WHERE {column} = ANY (:contents)" for table, column in REFERENCES)
)
_AFTER = text(
    " UNION ".join(
        f"(SELECT DISTINCT {column} FROM {table} WHERE {column} > :last ORDER BY 1 LIMIT :most)"
        for table, column in REFERENCES
    )
    + " ORDER BY 1 LIMIT :most"
)


def forget_runs(session: Session, now: datetime) -> None:
    """Forget imports of long ago; what they stored stays. Needs the service role."""
    session.execute(
        delete(ImportRun).where(ImportRun.created_at < now - KEEP_RUNS, ImportRun.state.not_in(("waiting", "running")))
    )


def sweep(session: Session, files: FileStore, now: datetime) -> int:
    """Remove what no row names, and what was left half written; return how many. Needs the service role."""
    root = root_organisation(session)
    if root is None:
        return 0
    files.claim(str(root.id))
    removed = 0
    old = iter(files.older_than(now - KEEP_FILES))
    while batch := list(islice(old, BATCH)):
        used = set(session.scalars(_USED, {"contents": batch}))
        unused: Sequence[str] = [each for each in batch if each not in used]
        for content in unused:
            files.remove(content)
        removed += len(unused)
    return removed


def used_after(session: Session, last: str, most: int) -> list[str]:
    """Return the contents that rows name, the next ones after `last`. Needs the service role."""
    return list(session.scalars(_AFTER, {"last": last, "most": most}))
