"""Turn a warning of a service level into notifications: on the pages, and by e-mail where there is an address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.base.ids import uuid7
from assets.people import Person
from gateway.notify.models import Notification

KINDS = frozenset({"sla.warned"})
CODE = "sla_warned"
_PAGES = {"work_order": "/work-orders/{}", "case": "/cases/{}", "request": "/requests"}


def tell_people(session: Session, event: Event, now: datetime) -> None:
    """Write the notifications of one warning; a second call for the same event writes none."""
    for person in _people(session, event):
        for channel in ("page", "email") if person.email else ("page",):
            waits = channel != "page"  # a page shows what is in the table
            values = {
                "id": uuid7(),
                "organisation_id": person.organisation_id,
                "person_id": person.id,
                "asset_id": event.asset_id,
                "event_id": event.id,
                "channel": channel,
                "code": CODE,
                "params": {
                    "number": event.payload.get("number"),
                    "clock": event.payload.get("clock"),
                    "percent": event.payload.get("percent"),
                    "due_at": event.payload.get("due_at"),
                    "path": _PAGES.get(event.subject_kind, "/").format(event.subject_id),
                },
                "created_at": now,
                "state": "waiting" if waits else "sent",
                "tries": 0,
                "next_try_at": now if waits else None,
                "sent_at": None if waits else now,
            }
            session.execute(insert(Notification).values(values).on_conflict_do_nothing())


def _people(session: Session, event: Event) -> Sequence[Person]:
    told = [UUID(str(each)) for each in event.payload.get("person_ids") or []]
    return session.scalars(select(Person).where(Person.id.in_(told), Person.disabled_at.is_(None))).all()
