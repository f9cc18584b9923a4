"""The event log: append-only, hash-chained per subject; timeline, audit trail and source of notifications at once."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Text, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Executed

# Every transaction below it has ended: what it wrote is visible, and nothing more will come.
OLDEST_RUNNING = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"

EXACT = 2**53  # integers up to here are the same number in Python, JSON and float8


# Runs as the service role, so that the head is found whoever appends.
CHAIN_HEAD = """
CREATE OR REPLACE FUNCTION forewarn_chain_head(subject uuid) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT hash FROM public.events WHERE subject_id = subject ORDER BY id DESC LIMIT 1
$$
"""


class Event(Executed, Base):
    """One thing that happened. `payload` is chained; `personal` stands beside and can be erased."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    # The writing transaction: consumers read only below the oldest one still running, so none is skipped.
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text::bigint)"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    asset_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    personal: Mapped[dict[str, Any] | None]
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    personal_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        Index("ix_events_cursor", "xid", "id"),
        Index("ix_events_asset", "asset_id", text("at DESC"), text("id DESC")),
        Index("ix_events_subject", "subject_id", "id"),
    )


def append_event(
    session: Session,
    kind: str,
    *,
    at: datetime,
    organisation_id: UUID,
    subject_kind: str,
    subject_id: UUID,
    asset_id: UUID | None = None,
    executing_organisation_id: UUID | None = None,
    actor_kind: str = "system",
    actor_id: UUID | None = None,
    payload: dict[str, Any] | None = None,
    personal: dict[str, Any] | None = None,
    first: bool = False,
) -> Event:
    """Append one event to its subject's chain, in the caller's transaction.

    `payload` must be JSON; what identifies a person goes into `personal`. `first` says that the caller has just made
    the subject: nobody else can have written about it, and nobody waits.
    """
    previous = None if first else _chain_head(session, subject_id)
    salt = secrets.token_bytes(16) if personal else None
    personal_hash = _personal_hash(salt, personal) if salt and personal else None
    event = Event(
        at=at,
        kind=kind,
        organisation_id=organisation_id,
        executing_organisation_id=executing_organisation_id,
        actor_kind=actor_kind,
        actor_id=actor_id,
        subject_kind=subject_kind,
        subject_id=subject_id,
        asset_id=asset_id,
        payload=payload or {},
        personal=personal or None,
        salt=salt,
        personal_hash=personal_hash,
        previous_hash=previous,
    )
    event.hash = chain_hash(event)
    session.add(event)
    session.flush()
    return event


def _chain_head(session: Session, subject_id: UUID) -> bytes | None:
    # Serialises writers of one subject only, until this transaction ends.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 7))"), {"s": str(subject_id)})
    # Asked as the service: an executor who does not see the newest event would fork the chain.
    head: bytes | None = session.scalar(text("SELECT forewarn_chain_head(:s)"), {"s": subject_id})
    return head


def chain_hash(event: Event) -> bytes:
    """Return SHA-256 over what happened, by whom, and the hash before it."""
    facts = {
        "at": event.at.timestamp(),
        "kind": event.kind,
        "actor": [event.actor_kind, str(event.actor_id)],
        "subject": [event.subject_kind, str(event.subject_id)],
        "asset": str(event.asset_id),
        "owner": str(event.organisation_id),
        "payload": event.payload,
    }
    return hashlib.sha256((event.previous_hash or b"") + (event.personal_hash or b"") + _canonical(facts)).digest()


def broken_links(session: Session, subject_id: UUID) -> list[int]:
    """Return the ids of events of one subject whose hash or link does not hold; empty when the chain is whole."""
    broken, previous = [], None
    for event in session.scalars(select(Event).where(Event.subject_id == subject_id).order_by(Event.id)):
        if event.previous_hash != previous or chain_hash(event) != event.hash or not personal_holds(event):
            broken.append(event.id)
        previous = event.hash
    return broken


def personal_holds(event: Event) -> bool:
    """Erased personal data leaves its hash behind; personal data that is there must match it."""
    if event.personal is None:
        return True
    return event.salt is not None and _personal_hash(event.salt, event.personal) == event.personal_hash


def erase_personal(session: Session, subject_id: UUID) -> int:
    """Erase what identifies people in the events of one subject; return how many events had it. The chain holds.

    The salt goes too: with it, a name could be guessed from its hash. Needs the service role.
    """
    erased = session.execute(
        update(Event)
        .where(Event.subject_id == subject_id, Event.personal.is_not(None))
        .values(personal=None, salt=None)
        .returning(Event.id)
    )
    return len(erased.all())


def _personal_hash(salt: bytes, personal: dict[str, Any]) -> bytes:
    return hashlib.sha256(salt + _canonical(personal)).digest()


def _canonical(value: object) -> bytes:
    plain = _plain(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: object) -> object:
    """Write each number in one way: PostgreSQL returns 1e16 as an integer and -0.0 without its sign."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    whole = isinstance(value, int) or value.is_integer()
    return int(value) if whole and abs(value) < EXACT else float(value)
