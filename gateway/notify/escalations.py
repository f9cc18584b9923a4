"""Turn a step of an escalation into notifications: on the person's pages, and by e-mail where there is an address."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.base.ids import uuid7
from assets.people import Person
from assets.registry import Asset
from gateway.notify.models import Notification
from maintenance.episode_life import work_order_of

KINDS = frozenset({"episode.escalated"})
CODE = "alarm_escalated"


def tell_person(session: Session, event: Event, now: datetime) -> None:
    """Write the notifications of one step; a second call for the same event writes none."""
    person = session.get(Person, UUID(str(event.payload["person_id"])))
    asset = session.get(Asset, event.asset_id) if event.asset_id else None
    if person is None or asset is None or person.disabled_at is not None:
        return
    order = work_order_of(session, event.subject_id)
    params = {
        "asset": asset.name,
        "serial": asset.serial,
        "severity": event.payload.get("severity"),
        "key": event.payload.get("key"),
        "work_order": order.number if order else None,
        "step": event.payload.get("step", 0),
        "round": event.payload.get("round", 0),
        "of": event.payload.get("of", 1),
        "list": event.payload.get("list"),
    }
    for channel in ("page", "email") if person.email else ("page",):
        waits = channel != "page"  # a page shows what is in the table
        values = {
            "id": uuid7(),
            "organisation_id": person.organisation_id,
            "person_id": person.id,
            "episode_id": event.subject_id,
            "asset_id": asset.id,
            "event_id": event.id,
            "channel": channel,
            "code": CODE,
            "params": params,
            "created_at": now,
            "state": "waiting" if waits else "sent",
            "tries": 0,
            "next_try_at": now if waits else None,
            "sent_at": None if waits else now,
        }
        session.execute(insert(Notification).values(values).on_conflict_do_nothing())
