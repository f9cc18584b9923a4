"""Append many events at once: the same chains and hashes as one by one, in a few statements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.events import Event, chain_hash

AT_ONCE = 1000  # each subject's writers are held off by a lock of their own; a server has some thousands

_COLUMNS = (
    "at, kind, organisation_id, actor_kind, actor_id, subject_kind, subject_id, asset_id, payload, previous_hash, hash"
)


@dataclass(slots=True)
class Happened:
    """One event to append; those of one subject follow each other as they come."""

    at: datetime
    kind: str
    organisation_id: UUID
    subject_kind: str
    subject_id: UUID
    asset_id: UUID | None
    payload: dict[str, Any]
    actor_kind: str = "system"
    actor_id: UUID | None = None
    previous_hash: bytes | None = None
    personal_hash: bytes | None = None
    hash: bytes = b""


def append_events(session: Session, happened: Sequence[Happened], *, new: bool) -> None:
    """Append events to their subjects' chains, in the caller's transaction.

    `new`: the subjects have no events yet, and get one each.
    """
    for first in range(0, len(happened), AT_ONCE):
        batch = sorted(happened[first : first + AT_ONCE], key=lambda each: each.subject_id)
        heads: dict[UUID, bytes | None] = {} if new else _heads(session, batch)
        for each in batch:
            each.previous_hash = heads.get(each.subject_id)
            each.hash = chain_hash(cast(Event, each))
            heads[each.subject_id] = each.hash
        _insert(session, batch)


def _heads(session: Session, batch: Sequence[Happened]) -> dict[UUID, bytes | None]:
    """Take the locks that `append_event` takes, in one order, then return the heads of the chains."""
    subjects = list(dict.fromkeys(each.subject_id for each in batch))
    session.execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtextextended(s::text, 7)) FROM unnest(CAST(:subjects AS uuid[]))"
            " WITH ORDINALITY AS u(s, place) ORDER BY place"
        ),
        {"subjects": subjects},
    )
    return {
        subject: head
        for subject, head in session.execute(
            text("SELECT s, forewarn_chain_head(s) FROM unnest(CAST(:subjects AS uuid[])) AS u(s)"),
            {"subjects": subjects},
        )
    }


def _insert(session: Session, batch: Sequence[Happened]) -> None:
    """Through a temporary table: a table with row policies takes no COPY."""
    session.execute(
        text(
            "CREATE TEMPORARY TABLE IF NOT EXISTS import_events (place int, at timestamptz, kind text,"
            " organisation_id uuid, actor_kind text, actor_id uuid, subject_kind text, subject_id uuid, asset_id uuid,"
            " payload jsonb, previous_hash bytea, hash bytea) ON COMMIT DELETE ROWS"
        )
    )
    session.execute(text("DELETE FROM import_events"))
    raw: Any = session.connection().connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY import_events (place, {_COLUMNS}) FROM STDIN") as copy:
        for place, each in enumerate(batch):
            copy.write_row(
                (
                    place,
                    each.at,
                    each.kind,
                    each.organisation_id,
                    each.actor_kind,
                    each.actor_id,
                    each.subject_kind,
                    each.subject_id,
                    each.asset_id,
                    json.dumps(each.payload),
                    each.previous_hash,
                    each.hash,
                )
            )
    session.execute(text(f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM import_events ORDER BY place"))
