"""What happens to people at work goes into the event log; names and reasons stand beside the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event


def log(
    session: Session,
    kind: str,
    *,
    subject: Any,
    word: str,
    now: datetime,
    by: Actor | None,
    payload: dict[str, Any] | None = None,
    personal: dict[str, Any] | None = None,
) -> None:
    """Append one event about a row that has an id and an owner."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=subject.organisation_id,
        subject_kind=word,
        subject_id=subject.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload=payload,
        personal=personal,
    )


def moment(at: datetime | None) -> str | None:
    """Return a moment as payloads have it."""
    return at.isoformat() if at else None


def key(of: UUID | None) -> str | None:
    """Return an id as payloads have it."""
    return str(of) if of else None
