"""One thing to tell, and the rows of the outbox that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from assets.people import Organisation
from gateway.notify.facts import Facts
from gateway.notify.models import Notification
from gateway.notify.rule_models import NotificationChannel, NotificationRule
from gateway.notify.saying import Said


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell by one rule. `key` says what it is about: whoever has heard of it is not told again."""

    rule: NotificationRule
    facts: Facts
    said: Said
    key: str
    event_id: int | None
    now: datetime

    @property
    def critical(self) -> bool:
        """Whether it passes hours of quiet."""
        return self.rule.critical

    def values(self, way: str) -> dict[str, Any]:
        """Return what every row has, whoever gets it."""
        facts = self.facts
        plain = {name: value for name, value in facts.payload.items() if isinstance(value, str | int | float | None)}
        asset = {"asset": facts.asset.name, "serial": facts.asset.serial} if facts.asset else {}
        return {
            "id": uuid7(),
            "organisation_id": self.rule.organisation_id,
            "rule_id": self.rule.id,
            "channel_id": None,
            "person_id": None,
            "address": None,
            "language": None,
            "episode_id": facts.episode.id if facts.episode else None,
            "asset_id": facts.asset.id if facts.asset else None,
            "event_id": self.event_id,
            "subject_kind": "work_order" if facts.order else facts.subject_kind,
            "subject_id": facts.thread,
            "channel": way,
            "code": self.rule.code or "rule",
            "params": {**plain, **asset, "path": facts.path},
            "texts": self.said,
            "critical": self.critical,
            "digest": False,
            "created_at": self.now,
            "state": "waiting",
            "tries": 0,
            "next_try_at": self.now + timedelta(seconds=self.rule.delay_s),
        }


def write(session: Session, values: Mapping[str, Any]) -> int:
    """Write one row unless it is there; return 1 when it was written."""
    made = insert(Notification).values(**values).on_conflict_do_nothing().returning(Notification.id)
    return 0 if session.execute(made).first() is None else 1


def sms_channel(session: Session, organisation_id: UUID) -> NotificationChannel | None:
    """Return the nearest way to telephones, of the organisation itself or above it."""
    of = session.get(Organisation, organisation_id)
    above = list(of.ancestors) if of else [organisation_id]
    found = session.scalars(
        select(NotificationChannel).where(
            NotificationChannel.organisation_id.in_(above), NotificationChannel.purpose == "sms",
            NotificationChannel.enabled,
        )
    )  # fmt: skip
    return max(found, key=lambda one: (above.index(one.organisation_id), one.id), default=None)
