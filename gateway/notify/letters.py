"""What is sent, made ready inside the transaction that claims it: whoever sends it opens none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.people import Person
from gateway import texts
from gateway.notify.models import CHAT, EMAIL, PUSH, SMS, Notification
from gateway.notify.rule_models import NotificationChannel, PushSubscription
from gateway.notify.vapid import push_key
from gateway.settings import Settings

Words = Callable[[Notification, str, str | None], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Phone:
    """One browser that a push goes to."""

    id: UUID
    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message ready to go. `refused`: why it cannot; `opt_out`: the address where whoever gets it says stop."""

    ids: tuple[UUID, ...]
    leased_until: datetime
    way: str
    subject: str
    body: str
    link: str
    to: str | None = None
    url: str | None = None
    channel_id: UUID | None = None
    phones: tuple[Phone, ...] = ()
    vapid_pem: str | None = None
    refused: str | None = None
    again: bool = True
    opt_out: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. `gone` are browsers that are no more, `delivered` those that took it."""

    letter: Letter
    error: str | None
    again: bool = True
    gone: tuple[UUID, ...] = ()
    delivered: tuple[UUID, ...] = field(default=())


def letter_of(session: Session, group: Sequence[Notification], settings: Settings, words: Words) -> Letter:
    """Return one letter for one notification, or for all of a digest."""
    first = group[0]
    person = session.get(Person, first.person_id) if first.person_id else None
    languages = _languages(first, person)
    subject, body = _said(group, languages, settings, words)
    params = first.params
    base = settings.base_url
    ready: dict[str, Any] = {
        "ids": tuple(row.id for row in group),
        "leased_until": first.next_try_at,
        "way": first.channel,
        "subject": subject,
        "body": body,
        "link": base + str(params.get("path") or "/"),
        "channel_id": first.channel_id,
        "tag": str(first.subject_id) if first.subject_id else None,
        "opt_out": base + str(params["opt_out"]) if params.get("opt_out") else None,
    }
    if first.person_id is not None and (person is None or person.disabled_at is not None):
        return Letter(**ready, refused="the person has no address any more", again=False)
    return Letter(**ready, **_address(session, first, person, settings))


def _languages(row: Notification, person: Person | None) -> list[str]:
    language = person.language if person else row.language
    return [language] if language in texts.LANGUAGES else list(texts.LANGUAGES)


def _said(group: Sequence[Notification], languages: Sequence[str], settings: Settings, words: Words) -> tuple[str, str]:
    """Return subject and body; in both languages for somebody whose language nobody knows."""
    subjects, bodies = [], []
    for language in languages:
        said = [words(row, language, settings.base_url) for row in group]
        if len(said) == 1:
            subject, body = said[0]
        else:
            subject = texts.text(language, "notify.digest.subject", count=len(said))
            body = "\n\n".join(f"{head}\n{text}" for head, text in said)
        if group[0].params.get("opt_out"):
            url = settings.base_url + str(group[0].params["opt_out"])
            body += "\n\n" + texts.text(language, "notify.opt_out", link=url)
        subjects.append(subject)
        bodies.append(body)
    return " / ".join(subjects), "\n\n".join(bodies)


def _address(session: Session, row: Notification, person: Person | None, settings: Settings) -> dict[str, Any]:
    if row.channel == EMAIL:
        to = row.address or (person.email if person else None)
        if not to:
            return {"refused": "the person has no address any more", "again": False}
        missing = None if settings.smtp_url else "FOREWARN_SMTP_URL is not set"
        return {"to": to, "refused": missing, "again": missing is None}
    if row.channel in (SMS, CHAT):
        channel = session.get(NotificationChannel, row.channel_id) if row.channel_id else None
        if channel is None or not channel.enabled:
            return {"refused": "the channel is switched off", "again": False}
        to = row.address or (person.phone if person else None)
        if row.channel == SMS and not to:
            return {"refused": "the person has no telephone any more", "again": False}
        return {"to": to, "url": channel.url}
    if row.channel == PUSH and person is not None:
        found = session.scalars(select(PushSubscription).where(PushSubscription.person_id == person.id).limit(20))
        phones = tuple(Phone(each.id, each.endpoint, each.p256dh, each.auth) for each in found)
        if not phones:
            return {"refused": "no telephone is registered any more", "again": False}
        return {"phones": phones, "vapid_pem": push_key(session, row.created_at).private_pem}
    return {"refused": f"nothing sends by {row.channel}", "again": False}
