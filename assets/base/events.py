"""The event log: append-only, hash-chained per subject; timeline, audit trail and source of notifications at once."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, Text, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Executed


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


class EventSeal(Base):
    """All chain heads that moved since the last seal, hashed together with it."""

    __tablename__ = "event_seals"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    sealed_at: Mapped[datetime]
    last_event_id: Mapped[int] = mapped_column(BigInteger)
    heads: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("event_seals.id"))


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
) -> Event:
    """Append one event to its subject's chain, in the caller's transaction.

    `payload` must be JSON; what identifies a person goes into `personal`.
    """
    # Serialises writers of one subject only, until this transaction ends.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 7))"), {"s": str(subject_id)})
    previous = session.scalar(
        select(Event.hash).where(Event.subject_id == subject_id).order_by(Event.id.desc()).limit(1)
    )
    salt = secrets.token_bytes(16) if personal else None
    personal_hash = hashlib.sha256(salt + _canonical(personal)).digest() if salt and personal else None
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
        personal=personal,
        salt=salt,
        personal_hash=personal_hash,
        previous_hash=previous,
    )
    event.hash = chain_hash(event)
    session.add(event)
    session.flush()
    return event


def chain_hash(event: Event) -> bytes:
    """Return SHA-256 over what happened, by whom, and the hash before it."""
    facts = {
        "at": event.at.timestamp(),
        "kind": event.kind,
        "actor": [event.actor_kind, str(event.actor_id)],
        "subject": [event.subject_kind, str(event.subject_id)],
        "payload": event.payload,
    }
    return hashlib.sha256((event.previous_hash or b"") + (event.personal_hash or b"") + _canonical(facts)).digest()


def broken_links(session: Session, subject_id: UUID) -> list[int]:
    """Return the ids of events of one subject whose hash or link does not hold; empty when the chain is whole."""
    broken, previous = [], None
    for event in session.scalars(select(Event).where(Event.subject_id == subject_id).order_by(Event.id)):
        erased = event.personal is None
        altered = (
            event.salt is not None
            and not erased
            and (hashlib.sha256(event.salt + _canonical(event.personal)).digest() != event.personal_hash)
        )
        if event.previous_hash != previous or chain_hash(event) != event.hash or altered:
            broken.append(event.id)
        previous = event.hash
    return broken


def seal_heads(session: Session, now: datetime) -> EventSeal | None:
    """Seal every chain head that moved since the last seal; None when nothing moved."""
    last = session.scalar(select(EventSeal).order_by(EventSeal.id.desc()).limit(1))
    since = last.last_event_id if last else 0
    horizon = session.scalar(select(func.max(Event.id)).where(Event.xid < text(_OLDEST_RUNNING))) or 0
    if horizon <= since:
        return None
    moved = (
        select(Event.subject_id, func.max(Event.id).label("id"))
        .where(Event.id > since, Event.id <= horizon)
        .group_by(Event.subject_id)
        .subquery()
    )
    heads = session.execute(select(Event.id, Event.hash).join(moved, moved.c.id == Event.id).order_by(Event.id)).all()
    digest = hashlib.sha256(last.hash if last else b"")
    for event_id, event_hash in heads:
        digest.update(event_id.to_bytes(8, "big") + event_hash)
    seal = EventSeal(
        sealed_at=now,
        last_event_id=horizon,
        heads=len(heads),
        hash=digest.digest(),
        previous_id=last.id if last else None,
    )
    session.add(seal)
    session.flush()
    return seal


_OLDEST_RUNNING = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
