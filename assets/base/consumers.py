"""Consumers of events: each reads the log in order from its own cursor, idempotently, and never loses its place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, select, text, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Database
from assets.base.events import _OLDEST_RUNNING, Event

log = logging.getLogger(__name__)

BATCH = 200  # events per transaction: short transactions keep the cursor horizon close to now
TRIES = 5  # then the event is set aside, so that one poisoned event does not stop what follows


@dataclass(frozen=True)
class Consumer:
    """What runs when something happened. `handle` must be harmless when called twice for one event."""

    name: str
    kinds: frozenset[str]
    handle: Callable[[Session, Event, datetime], None]


class ConsumerCursor(Base):
    """How far a consumer has read, and how often its next event failed."""

    __tablename__ = "consumer_cursors"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger, default=0)
    event_id: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(default=0)


class ConsumerFailure(Base):
    """An event that a consumer could not handle; shown by doctor, never silently dropped."""

    __tablename__ = "consumer_failures"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    failed_at: Mapped[datetime]
    error: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


def run_consumer(database: Database, consumer: Consumer, now: datetime) -> int:
    """Handle what is waiting, at most one batch; return how many events were handled."""
    try:
        with database.as_service() as session:
            return _run(session, consumer, now, BATCH)
    except Exception:
        log.exception("consumer %s failed on a batch; trying one event at a time", consumer.name)
    try:
        with database.as_service() as session:
            return _run(session, consumer, now, 1)
    except Exception as error:
        with database.as_service() as session:
            _note_failure(session, consumer, now, error)
        return 0


def _run(session: Session, consumer: Consumer, now: datetime, limit: int) -> int:
    cursor = _locked_cursor(session, consumer.name)
    events = _waiting(session, consumer, cursor, limit)
    for event in events:
        consumer.handle(session, event, now)
        cursor.xid, cursor.event_id, cursor.failures = event.xid, event.id, 0
    return len(events)


def _locked_cursor(session: Session, name: str) -> ConsumerCursor:
    cursor = session.get(ConsumerCursor, name, with_for_update=True)
    if cursor is None:
        cursor = ConsumerCursor(name=name, xid=0, event_id=0, failures=0)
        session.add(cursor)
        session.flush()
    return cursor


def _waiting(session: Session, consumer: Consumer, cursor: ConsumerCursor, limit: int) -> list[Event]:
    return list(
        session.scalars(
            select(Event)
            .where(
                tuple_(Event.xid, Event.id) > tuple_(cursor.xid, cursor.event_id),
                Event.xid < text(_OLDEST_RUNNING),
                Event.kind.in_(consumer.kinds),
            )
            .order_by(Event.xid, Event.id)
            .limit(limit)
        )
    )


def _note_failure(session: Session, consumer: Consumer, now: datetime, error: Exception) -> None:
    cursor = _locked_cursor(session, consumer.name)
    cursor.failures += 1
    if cursor.failures < TRIES:
        return
    for event in _waiting(session, consumer, cursor, 1):
        log.error("consumer %s sets event %s aside after %s tries: %s", consumer.name, event.id, TRIES, error)
        session.merge(
            ConsumerFailure(consumer=consumer.name, event_id=event.id, failed_at=now, error=repr(error), details={})
        )
        cursor.xid, cursor.event_id, cursor.failures = event.xid, event.id, 0
