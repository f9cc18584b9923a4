"""Claim one notification that waits, send it, record the result."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.people import Person
from gateway.notify.email import NotSent, send_email
from gateway.notify.models import Notification
from gateway.settings import Settings
from gateway.texts import moment, text

log = logging.getLogger(__name__)

TRIES = 5
PAUSES = (30, 120, 600, 1800)  # seconds after each failed try
MAX_ERROR = 500


def send_waiting(database: Database, settings: Settings, now: datetime, limit: int = 50) -> int:
    """Send what is due, at most `limit`, each in a transaction of its own; return how many went out."""
    sent = 0
    for _ in range(limit):
        with database.as_service() as session:
            waiting = (
                select(Notification)
                .where(Notification.state == "waiting", Notification.next_try_at <= now)
                .order_by(Notification.next_try_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            notification = session.scalar(waiting)
            if notification is None:
                return sent
            sent += _send(session, notification, settings, now)
    return sent


def _send(session: Session, notification: Notification, settings: Settings, now: datetime) -> bool:
    person = session.get_one(Person, notification.person_id)
    try:
        if person.email is None or person.disabled_at is not None:
            raise NotSent("the person has no address any more")
        if not settings.smtp_url:
            raise NotSent("FOREWARN_SMTP_URL is not set")
        subject, body = words(notification, person.language, settings.public_url)
        send_email(settings.smtp_url, person.email, subject, body)
    except NotSent as error:
        _failed(notification, str(error), now, again=bool(settings.smtp_url and person.email))
        return False
    except Exception as error:  # its words, for one: what waits behind it still goes out
        log.exception("notification %s failed", notification.id)
        _failed(notification, str(error), now, again=True)
        return False
    notification.state, notification.sent_at, notification.error = "sent", now, None
    notification.tries += 1
    return True


def words(notification: Notification, language: str, public_url: str | None) -> tuple[str, str]:
    """Return subject and body in a language."""
    facts = {name: "" if value is None else value for name, value in notification.params.items()}
    for name in ("severity", "clock"):
        if name in facts:
            facts[name] = text(language, f"{name}.{facts[name]}")
    if facts.get("due_at"):
        facts["due_at"] = moment(language, datetime.fromisoformat(facts["due_at"]), UTC)
    facts["link"] = (public_url or "").rstrip("/") + (facts.get("path") or f"/alarms/{notification.episode_id}")
    code = notification.code
    return text(language, f"notify.{code}.subject", **facts), text(language, f"notify.{code}.body", **facts)


def _failed(notification: Notification, error: str, now: datetime, *, again: bool) -> None:
    notification.tries += 1
    notification.error = error[:MAX_ERROR]
    if again and notification.tries < TRIES:
        notification.next_try_at = now + timedelta(seconds=PAUSES[notification.tries - 1])
        return
    notification.state, notification.next_try_at = "failed", None
    log.warning("notification %s was not sent: %s", notification.id, error)
