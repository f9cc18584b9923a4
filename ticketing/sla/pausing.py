"""Pauses that somebody writes down by hand: they are events, so that what they change is counted anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from ticketing.sla.book import About
from ticketing.sla.words import CLOCKS, REASONS

MAX_PAUSES = 100  # of one subject by hand; more is a mistake
LONGEST_AHEAD = timedelta(days=366)
MAX_NOTE = 1000


def pause(
    session: Session,
    about: About,
    number: str,
    *,
    reason: str,
    now: datetime,
    by: Actor,
    since: datetime | None = None,
    until: datetime | None = None,
    clocks: Sequence[str] | None = None,
    note: str | None = None,
    opened_at: datetime,
) -> UUID:
    """Write down a pause from `since` (now), without an end until somebody ends it; return its id. Raises Invalid.

    Which of the clocks it really stops is the policy's business.
    """
    start = since or now
    if reason not in REASONS:
        raise Invalid("no such reason", field="reason", allowed=list(REASONS))
    if clocks is not None and (not clocks or not set(clocks) <= set(CLOCKS)):
        raise Invalid("no such clock", field="clocks", allowed=list(CLOCKS))
    if not opened_at <= start <= now:
        raise Invalid("a pause begins after the work was opened, and not in the future", field="since")
    if until is not None and not start < until <= now + LONGEST_AHEAD:
        raise Invalid("a pause ends after it began, within a year", field="until")
    if note is not None and len(note) > MAX_NOTE:
        raise Invalid(f"a note has at most {MAX_NOTE} characters", field="note", limit=MAX_NOTE)
    if len(pauses_of(session, about.id)) >= MAX_PAUSES:
        raise Conflict(f"{number} has {MAX_PAUSES} pauses already", limit=MAX_PAUSES)
    key = uuid7()
    facts: dict[str, Any] = {"number": number, "pause": str(key), "reason": reason, "from": start.isoformat()}
    facts |= {"until": until.isoformat()} if until else {}
    facts |= {"clocks": [each for each in CLOCKS if each in clocks]} if clocks else {}
    facts |= {"note": note.strip()} if note and note.strip() else {}
    _append(session, "sla.paused", about, facts, now, by)
    return key


def resume(
    session: Session, about: About, number: str, pause_id: UUID, *, at: datetime, now: datetime, by: Actor
) -> None:
    """End a pause, or end it at another moment than was said. Raises NotFound, Invalid."""
    begun = next((each for each in pauses_of(session, about.id) if each["pause"] == str(pause_id)), None)
    if begun is None:
        raise NotFound("no such pause", kind="sla_pause")
    if not datetime.fromisoformat(begun["from"]) <= at <= now + LONGEST_AHEAD:
        raise Invalid("a pause ends after it began, within a year", field="at")
    _append(session, "sla.resumed", about, {"number": number, "pause": str(pause_id), "until": at.isoformat()}, now, by)


def pauses_of(session: Session, subject_id: UUID) -> list[dict[str, Any]]:
    """Return the pauses of a subject that were written down: {pause, reason, from, until?, clocks?, note?, by, at}."""
    query = (
        select(Event)
        .where(Event.subject_id == subject_id, Event.kind.in_(["sla.paused", "sla.resumed"]))
        .order_by(Event.id)
    )
    found: dict[str, dict[str, Any]] = {}
    for event in session.scalars(query):
        key = str(event.payload.get("pause"))
        if event.kind == "sla.paused":
            found[key] = dict(event.payload) | {"by": event.actor_id, "at": event.at}
        elif key in found:
            found[key]["until"] = event.payload.get("until")
    return list(found.values())


def _append(session: Session, kind: str, about: About, facts: dict[str, Any], now: datetime, by: Actor) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=about.organisation_id,
        executing_organisation_id=about.executing_organisation_id,
        subject_kind=about.kind,
        subject_id=about.id,
        asset_id=about.asset_id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload=facts,
    )
