"""Seals over the event log: every minute all chain heads that moved are hashed together with the seal before."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, LargeBinary, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base
from assets.base.events import OLDEST_RUNNING, Event


class EventSeal(Base):
    """The heads of the chains that moved in transactions `(previous seal's last_xid, last_xid]`."""

    __tablename__ = "event_seals"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    sealed_at: Mapped[datetime]
    # By transaction and not by event id: ids are taken in another order than transactions end.
    last_xid: Mapped[int] = mapped_column(BigInteger)
    heads: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("event_seals.id"))


def seal_heads(session: Session, now: datetime) -> EventSeal | None:
    """Seal every chain head that moved since the last seal; None when nothing moved.

    Events of transactions that still run, and of younger ones, wait for the next seal.
    """
    last = session.scalar(select(EventSeal).order_by(EventSeal.id.desc()).limit(1))
    horizon = session.scalar(select(func.max(Event.xid)).where(Event.xid < text(OLDEST_RUNNING)))
    if horizon is None or (last and horizon <= last.last_xid):
        return None
    heads, digest = _digest(session, last, horizon)
    seal = EventSeal(sealed_at=now, last_xid=horizon, heads=heads, hash=digest, previous_id=last.id if last else None)
    session.add(seal)
    session.flush()
    return seal


def broken_seals(session: Session) -> list[int]:
    """Return the ids of seals that the log no longer matches; empty when nothing was rewritten or removed.

    Removing the demo takes sealed events away, so seals from before it say nothing any more.
    """
    removed = session.scalar(select(func.max(Event.at)).where(Event.kind == "demo.removed"))
    broken, previous = [], None
    for seal in session.scalars(select(EventSeal).order_by(EventSeal.id)):
        if removed is None or seal.sealed_at > removed:
            linked = seal.previous_id == (previous.id if previous else None)
            if not linked or _digest(session, previous, seal.last_xid) != (seal.heads, seal.hash):
                broken.append(seal.id)
        previous = seal
    return broken


def _digest(session: Session, previous: EventSeal | None, last_xid: int) -> tuple[int, bytes]:
    """Return how many heads moved after the previous seal, and the hash over it and them."""
    since = previous.last_xid if previous else 0
    moved = (
        select(func.max(Event.id).label("id"))
        .where(Event.xid > since, Event.xid <= last_xid)
        .group_by(Event.subject_id)
        .subquery()
    )
    heads = session.execute(select(Event.id, Event.hash).join(moved, moved.c.id == Event.id).order_by(Event.id)).all()
    digest = hashlib.sha256(previous.hash if previous else b"")
    for event_id, event_hash in heads:
        digest.update(event_id.to_bytes(8, "big") + event_hash)
    return len(heads), digest.digest()
