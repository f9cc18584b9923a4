"""Who listens to the devices, and since when: while nobody does, silence says nothing about them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ingest.models import Listener

BEAT_S = 5.0
DEAD_AFTER = timedelta(seconds=30)  # several beats: a busy consumer is not a dead one
FORGOTTEN_AFTER = timedelta(days=1)  # then this service is taken to have no consumers on MQTT at all


class NotListening(Exception):
    """There are consumers, and none of them is connected."""


def beat(session: Session, name: str, since: datetime, now: datetime) -> None:
    """Note that a consumer is connected, and since when."""
    values = {"since": since, "heard_at": now}
    statement = insert(Listener).values(name=name, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    session.execute(delete(Listener).where(Listener.heard_at < now - FORGOTTEN_AFTER))


def listening_since(session: Session, now: datetime) -> datetime | None:
    """Return since when somebody has listened; None when no consumer ever said so (readings come over HTTP only).

    Raises NotListening.
    """
    rows = session.execute(
        select(Listener.since, Listener.heard_at).where(Listener.heard_at > now - FORGOTTEN_AFTER)
    ).all()
    if not rows:
        return None
    alive = [since for since, heard_at in rows if heard_at > now - DEAD_AFTER]
    if not alive:
        raise NotListening
    return min(alive)
