"""Send notifications that wait: claimed with a lease, sent with no transaction open, recorded after."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from assets.base.db import Database
from gateway.notify.letters import Letter, Outcome, letter_of
from gateway.notify.models import EMAIL, Notification
from gateway.notify.posting import post
from gateway.notify.push import forget_gone
from gateway.notify.rule_models import NotificationChannel
from gateway.notify.rules import PAUSES, TRIES, next_try
from gateway.notify.saying import with_link
from gateway.settings import Settings
from gateway.texts import moment, text

__all__ = ["PAUSES", "TRIES", "forget_told", "send_waiting", "words"]

log = logging.getLogger(__name__)

BATCH = 24
AT_ONCE = 4
LEASE = timedelta(seconds=300)  # longer than a batch takes when no server answers; a worker that dies loses nothing
MOST_A_MINUTE = 20  # to one person or address by one way; the rest waits, and goes out as one message
TOGETHER = timedelta(minutes=2)
MAX_ERROR = 500
MAX_DIGEST = 50
AT_A_TIME_S = 60.0  # then the job gives its place back: servers that do not answer must not hold up the others
KEEP = timedelta(days=365)


def send_waiting(database: Database, settings: Settings, now: datetime, limit: int = 200) -> int:
    """Send what is due, at most about `limit` or for a minute, in batches; return how many went out."""
    sent = tried = 0
    begun = time.monotonic()
    while tried < limit and time.monotonic() - begun < AT_A_TIME_S:
        with database.as_service() as session:
            letters = _claim(session, settings, now)
        if letters is None:
            return sent
        if letters:
            with ThreadPoolExecutor(min(AT_ONCE, len(letters)), thread_name_prefix="notify") as pool:
                outcomes = list(pool.map(lambda letter: post(letter, settings), letters))
            for outcome in outcomes:
                with database.as_service() as session:
                    sent += _record(session, outcome, now)
        tried += max(1, len(letters))
    return sent


def _claim(session: Session, settings: Settings, now: datetime) -> list[Letter] | None:
    """Lease what is due; None when nothing is. What cannot be put into words fails here, alone."""
    due = (Notification.state == "waiting", Notification.next_try_at <= now)
    rows = session.scalars(
        select(Notification)
        .where(*due)
        .order_by(Notification.critical.desc(), Notification.next_try_at, Notification.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return None
    letters: list[Letter] = []
    for group in _together(session, rows, now):
        for row in group:
            row.next_try_at = now + LEASE
        try:
            with session.begin_nested():
                letters.append(letter_of(session, group, settings, words))
        except Exception as error:  # its words, for one: what waits behind it still goes out
            log.exception("notification %s has no words", group[0].id)
            for row in group:
                _failed(row, str(error), now, again=True)
    return letters


def _together(session: Session, rows: Sequence[Notification], now: datetime) -> list[list[Notification]]:
    """Return what goes out as one message each: single ones, and digests; what is too much a minute becomes one."""
    groups: dict[Any, list[Notification]] = {}
    lately: dict[Any, int] = {}
    for row in rows:
        whom = (row.person_id, row.address, row.channel_id, row.channel)
        if row.person_id is not None or row.address is not None:
            lately[whom] = lately[whom] if whom in lately else _sent_lately(session, row, now)
            if not row.critical and not row.digest and lately[whom] >= MOST_A_MINUTE:
                row.digest = row.channel == EMAIL
                row.next_try_at = now + TOGETHER
                continue
            lately[whom] += 1
        key = whom if row.digest and row.channel == EMAIL else row.id
        groups.setdefault(key, []).append(row)
    for whom, group in groups.items():
        if isinstance(whom, tuple):
            group += _rest_of_digest(session, group, now)
    return list(groups.values())


def _sent_lately(session: Session, row: Notification, now: datetime) -> int:
    same = (Notification.person_id == row.person_id) if row.person_id else (Notification.address == row.address)
    since = now - timedelta(minutes=1)
    found = select(func.count()).where(
        same, Notification.channel == row.channel, Notification.sent_at > since, Notification.state == "sent"
    )
    return session.scalar(found) or 0


def _rest_of_digest(session: Session, group: Sequence[Notification], now: datetime) -> list[Notification]:
    first = group[0]
    same = (Notification.person_id == first.person_id) if first.person_id else (Notification.address == first.address)
    found = select(Notification).where(
        same, Notification.channel == first.channel, Notification.digest, Notification.state == "waiting",
        Notification.next_try_at <= now, Notification.id.not_in([row.id for row in group]),
    )  # fmt: skip
    found = found.order_by(Notification.id).limit(MAX_DIGEST - len(group)).with_for_update(skip_locked=True)
    return list(session.scalars(found))


def _record(session: Session, outcome: Outcome, now: datetime) -> int:
    """Write down how it went; return how many notifications went out."""
    leased = select(Notification).where(
        Notification.id.in_(outcome.letter.ids), Notification.state == "waiting",
        Notification.next_try_at == outcome.letter.leased_until,
    )  # fmt: skip
    rows = session.scalars(leased.with_for_update()).all()
    for row in rows:
        row.tried_at = now
        if outcome.error is None:
            row.state, row.sent_at, row.error, row.next_try_at = "sent", now, None, None
            row.tries += 1
        else:
            _failed(row, outcome.error, now, again=outcome.again)
    _note_channel(session, outcome, now)
    forget_gone(session, outcome.gone, outcome.delivered, now)
    return len(rows) if outcome.error is None else 0


def _note_channel(session: Session, outcome: Outcome, now: datetime) -> None:
    channel = session.get(NotificationChannel, outcome.letter.channel_id) if outcome.letter.channel_id else None
    if channel is None:
        return
    if outcome.error is None:
        channel.delivered_at, channel.failing_since, channel.error = now, None, None
    else:
        channel.failing_since, channel.error = channel.failing_since or now, outcome.error[:MAX_ERROR]


def _failed(row: Notification, error: str, now: datetime, *, again: bool) -> None:
    row.tries += 1
    row.error = error[:MAX_ERROR]
    row.next_try_at = next_try(row.tries, now) if again else None
    if row.next_try_at is None:
        row.state = "failed"
        log.warning("notification %s was not sent: %s", row.id, error)


def words(notification: Notification, language: str, public_url: str | None) -> tuple[str, str]:
    """Return subject and body in a language."""
    base = (public_url or "").rstrip("/")
    params = notification.params
    link = base + (params.get("path") or f"/alarms/{notification.episode_id}")
    if notification.texts:
        said = notification.texts.get(language) or next(iter(notification.texts.values()))
        opt_out = base + str(params.get("opt_out") or "")
        return with_link(said["subject"], link, opt_out), with_link(said["body"], link, opt_out)
    facts = {name: "" if value is None else value for name, value in params.items()}
    for name in ("severity", "clock"):
        if name in facts:
            facts[name] = text(language, f"{name}.{facts[name]}")
    if facts.get("due_at"):
        facts["due_at"] = moment(language, datetime.fromisoformat(facts["due_at"]), UTC)
    facts["link"] = link
    code = notification.code
    return text(language, f"notify.{code}.subject", **facts), text(language, f"notify.{code}.body", **facts)


def forget_told(session: Session, now: datetime) -> None:
    """Forget the log of a year ago."""
    session.execute(delete(Notification).where(Notification.state != "waiting", Notification.created_at < now - KEEP))
