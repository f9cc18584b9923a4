"""Consumers of events: each reads the log in order from its own cursor, idempotently, and never loses its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Text, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Database
from assets.base.events import OLDEST_RUNNING, Event

log = logging.getLogger(__name__)

BATCH = 200  # events per transaction: short transactions keep the cursor horizon close to now
TRIES = 5  # then the event is set aside, so that one poisoned event does not stop what follows


@dataclass(frozen=True)
class Consumer:
    """What runs when something happened; without kinds, whatever it is.

    `handle` must be harmless when called twice for one event. `starts`: where it begins on a system that already has
    a past, such as one that was just upgraded. What derives state begins with the first event; what tells somebody, or
    sends somebody, begins now: nobody wants last year's news, and a long log takes minutes to read.
    """

    name: str
    kinds: frozenset[str] | None
    handle: Callable[[Session, Event, datetime], None]
    starts: Literal["first", "now"] = "first"


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


def register(session: Session, consumers: Sequence[Consumer]) -> list[str]:
    """Give consumers that are new here their places; return their names. Needs the service role.

    Where nobody has read yet, the system is new, and all begin with the first event: what was made while it was set up
    is news to everybody.
    """
    known = set(session.scalars(select(ConsumerCursor.name)))
    new = [consumer for consumer in consumers if consumer.name not in known]
    if not new:
        return []
    # At what has ended, not at the newest event: an older transaction may still bring some.
    now = session.scalar(text(f"SELECT {OLDEST_RUNNING}")) if known else 0
    places = [
        {"name": each.name, "xid": now if each.starts == "now" else 0, "event_id": 0, "failures": 0} for each in new
    ]
    session.execute(insert(ConsumerCursor).values(places).on_conflict_do_nothing())
    return [each.name for each in new]


def run_consumer(database: Database, consumer: Consumer, now: datetime) -> int:
    """Handle what is waiting, at most one batch; return how many events were handled.

    What an event did and the cursor behind it are committed together. An event that fails is undone alone and stops
    the batch; it is tried again next time, and set aside after so many tries. A database that is away is no try.
    """
    with database.as_service() as session:
        cursor = _locked_cursor(session, consumer.name)
        handled = 0
        for event in _waiting(session, consumer, cursor, BATCH):
            xid, number = event.xid, event.id  # read now: undoing a failure expires the row
            try:
                with session.begin_nested():
                    consumer.handle(session, event, now)
            except Exception as error:
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    raise
                _note_failure(session, consumer.name, cursor, (xid, number), now, error)
                break
            cursor.xid, cursor.event_id, cursor.failures = xid, number, 0
            handled += 1
        return handled


def _locked_cursor(session: Session, name: str) -> ConsumerCursor:
    cursor = session.get(ConsumerCursor, name, with_for_update=True)
    if cursor is None:
        cursor = ConsumerCursor(name=name, xid=0, event_id=0, failures=0)
        session.add(cursor)
        session.flush()
    return cursor


def _waiting(session: Session, consumer: Consumer, cursor: ConsumerCursor, limit: int) -> list[Event]:
    new = (tuple_(Event.xid, Event.id) > tuple_(cursor.xid, cursor.event_id), Event.xid < text(OLDEST_RUNNING))
    query = select(Event).where(*new).order_by(Event.xid, Event.id).limit(limit)
    if consumer.kinds is not None:
        query = query.where(Event.kind.in_(consumer.kinds))
    return list(session.scalars(query))


def _note_failure(
    session: Session, name: str, cursor: ConsumerCursor, event: tuple[int, int], now: datetime, error: Exception
) -> None:
    cursor.failures += 1
    log.error("consumer %s failed on event %s, try %s of %s", name, event[1], cursor.failures, TRIES, exc_info=error)
    if cursor.failures >= TRIES:
        session.merge(ConsumerFailure(consumer=name, event_id=event[1], failed_at=now, error=repr(error)[:2000]))
        cursor.xid, cursor.event_id, cursor.failures = *event, 0
