"""What the clocks of a page show, from the moments stored with them; counted from events only where something is new.

A list of a hundred orders would read more than a thousand events to say what the stored moments say as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.base.open_time import OpenTime
from ticketing.sla.book import calendars_of
from ticketing.sla.tables import SlaClock, SlaSubject
from ticketing.sla.words import CLOCKS
from ticketing.sla_shown import Standing, standings

MAX_NEWS = 1_000  # more events than this that nobody has counted yet: then everything is news
# In two steps: the place must be known before the index on it can be used.
_CURSOR = text("SELECT xid, event_id FROM consumer_cursors WHERE name = 'ticketing.sla'")
_NEWS = text(
    f"SELECT subject_id, asset_id FROM events WHERE (xid, id) > (:xid, :id) ORDER BY xid, id LIMIT {MAX_NEWS + 1}"
)
_COLUMNS = (
    SlaClock.subject_id,
    SlaClock.asset_id,
    SlaClock.clock,
    SlaClock.state,
    SlaClock.source,
    SlaClock.target_s,
    SlaClock.calendar_id,
    SlaClock.started_at,
    SlaClock.due_at,
    SlaClock.at_risk_at,
    SlaClock.finished_at,
    SlaClock.used_s,
)


@dataclass(frozen=True, slots=True)
class Glance:
    """What one clock shows in a list; seconds of business time, `left_s` negative when it is late."""

    clock: str
    state: str
    source: str
    due_at: datetime | None
    percent: float
    left_s: float


def glances(session: Session, kind: str, ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Glance | Standing]]:
    """Return what the clocks of subjects show now, in the order of the clocks. The caller has seen the subjects."""
    if not ids:
        return {}
    session.flush()  # what the actor wrote is written as the actor
    with service_rights(session):
        stored = session.execute(select(*_COLUMNS).where(SlaClock.subject_kind == kind, SlaClock.subject_id.in_(ids)))
        rows: dict[UUID, list[Any]] = {}
        for row in stored:
            rows.setdefault(row.subject_id, []).append(row)
        # Ended clocks of ended subjects change no more; the others are compared with what happened since.
        running = {key: those for key, those in rows.items() if any(each.finished_at is None for each in those)}
        news = _news(session, kind, running, now) if running else set()
        calendars = calendars_of(session, {each.calendar_id for those in running.values() for each in those})
    counted = standings(session, kind, sorted(news), now) if news else {}
    shown: dict[UUID, list[Glance | Standing]] = {}
    for key, those in rows.items():
        if key in news:
            shown[key] = [*counted.get(key, ())]
        else:
            shown[key] = [
                _glance(each, calendars, now) for each in sorted(those, key=lambda row: CLOCKS.index(row.clock))
            ]
    return shown


def _news(session: Session, kind: str, rows: Mapping[UUID, Sequence[Any]], now: datetime) -> set[UUID]:
    """Return the subjects whose stored moments may be old, or do not say enough."""
    due = select(SlaSubject.subject_id).where(
        SlaSubject.subject_kind == kind, SlaSubject.subject_id.in_(rows), SlaSubject.look_at <= now
    )
    found = set(session.scalars(due))
    place = session.execute(_CURSOR).first()
    happened = session.execute(_NEWS, {"xid": place.xid, "id": place.event_id}).all() if place else []
    if place is None or len(happened) > MAX_NEWS:
        return set(rows)
    touched = {each for pair in happened for each in pair if each is not None}
    for key, those in rows.items():
        if key in touched or any(each.asset_id in touched or not _says_all(each, now) for each in those):
            found.add(key)
    return found


def _says_all(row: Any, now: datetime) -> bool:
    if row.finished_at is not None:
        return True
    return row.due_at is not None and row.state != "paused" and row.started_at <= now


def _glance(row: Any, calendars: Mapping[UUID | None, OpenTime], now: datetime) -> Glance:
    if row.finished_at is not None:
        used, state = row.used_s or 0.0, row.state
        left = row.target_s - used
    else:
        hours = calendars[row.calendar_id]
        late = row.due_at <= now
        left = (-hours.between(row.due_at, now) if late else hours.between(now, row.due_at)).total_seconds()
        at_risk = row.at_risk_at is not None and row.at_risk_at <= now
        used, state = row.target_s - left, "breached" if late else "at_risk" if at_risk else "running"
    return Glance(row.clock, state, row.source, row.due_at, 100.0 * used / row.target_s, left)
