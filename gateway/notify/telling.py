"""Turn what happened into notifications, by the rules of the organisations that it concerns; each is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer
from assets.base.events import Event
from assets.people import Organisation, Person
from gateway.notify.customers import drop_plans, write_to_customer
from gateway.notify.defaults import ensure_defaults
from gateway.notify.facts import Facts, load_facts
from gateway.notify.hours import digest_at, loud_at
from gateway.notify.models import CHAT, EMAIL, PAGE, PUSH, SMS, Notification
from gateway.notify.recipients import people_of, tells_customer
from gateway.notify.rows import News, sms_channel, write
from gateway.notify.rule_models import (
    NotificationChannel,
    NotificationPreference,
    NotificationRule,
    PushSubscription,
)
from gateway.notify.rules import MAX_AGE, fits
from gateway.notify.saying import texts_of
from ticketing.order_log import INSIDE_KINDS

MAX_PAGES_A_MINUTE = 60  # of one person; a storm must not bury what matters
SUPERSEDED, TOO_MANY = "superseded", "too many in a minute"
_CALLED_OFF = frozenset(
    {"visit.state_changed.cancelled", "visit.state_changed.cannot_complete", "work_order.cancelled"}
)


def follow(session: Session, event: Event, now: datetime) -> None:
    """Write the notifications of one event; a second call for the same event writes none."""
    if event.at < now - MAX_AGE:
        return
    owners = [each for each in (event.organisation_id, event.executing_organisation_id) if each]
    to = event.payload.get("to")
    words = (event.kind, f"{event.kind}.{to}")
    rules = [rule for rule in rules_of(session, owners, now) if any(_may_cover(each, words) for each in rule.kinds)]
    if not rules:
        return
    facts = load_facts(
        session,
        kind=event.kind,
        subject_kind=event.subject_kind,
        subject_id=event.subject_id,
        organisation_id=event.organisation_id,
        executor_id=event.executing_organisation_id,
        asset_id=event.asset_id,
        payload=event.payload,
        actor_id=event.actor_id,
    )
    if _CALLED_OFF & set(words):
        drop_plans(session, facts)
    about = facts.about
    for rule in rules:
        if fits(rule, about):
            tell(session, rule, facts, f"event:{event.id}", event.id, now)


FOLLOWS_RULES = Consumer("notify.rules", None, follow, starts="now")


def rules_of(session: Session, organisation_ids: Sequence[UUID], now: datetime) -> list[NotificationRule]:
    """Return the rules in force of some organisations and all above them; critical ones and own words first."""
    held: dict[Any, list[NotificationRule]] = session.info.setdefault("notification_rules", {})
    key = frozenset(organisation_ids)
    if key not in held:
        rows = session.scalars(select(Organisation.ancestors).where(Organisation.id.in_(key)))
        above = {each for ancestors in rows for each in ancestors}
        roots = select(Organisation.id).where(Organisation.id.in_(above), Organisation.parent_id.is_(None))
        for root in session.scalars(roots).all():
            ensure_defaults(session, root, now)
        found = session.scalars(
            select(NotificationRule).where(
                NotificationRule.organisation_id.in_(above),
                NotificationRule.enabled,
                NotificationRule.reminder.is_(None),
            )
        )
        held[key] = sorted(found, key=lambda rule: (not rule.critical, not rule.templates, rule.id))
    return held[key]


def tell(session: Session, rule: NotificationRule, facts: Facts, key: str, event_id: int | None, now: datetime) -> int:
    """Write what one rule says of one thing, to whomever it names; return how many rows came of it."""
    if not _hears(session, rule, facts):
        return 0
    news = News(rule, facts, texts_of(rule, facts), key, event_id, now)
    written = 0
    people = people_of(session, rule, facts, now)
    wishes = _wishes(session, people)
    for person in people:
        for way in rule.ways:
            written += _tell_person(session, news, person, wishes.get(person.id), way)
    for way in rule.ways:
        if way.startswith("channel:"):
            written += _tell_group(session, news, UUID(way.removeprefix("channel:")))
    if tells_customer(rule):
        written += write_to_customer(session, news)
    return written


def _may_cover(pattern: str, words: tuple[str, str]) -> bool:
    return pattern in words or (pattern.endswith(".*") and any(word.startswith(pattern[:-1]) for word in words))


def _hears(session: Session, rule: NotificationRule, facts: Facts) -> bool:
    """What is the business of those who do the work is not told by a customer's own rules."""
    if facts.kind not in INSIDE_KINDS:
        return True
    return session.get_one(Organisation, rule.organisation_id).kind != "customer"


def _wishes(session: Session, people: Sequence[Person]) -> Mapping[UUID, NotificationPreference]:
    keys = [person.id for person in people]
    found = session.scalars(select(NotificationPreference).where(NotificationPreference.person_id.in_(keys)))
    return {each.person_id: each for each in found}


def _tell_person(session: Session, news: News, person: Person, wish: NotificationPreference | None, way: str) -> int:
    if way not in (PAGE, EMAIL, SMS, PUSH) or (wish and way in wish.muted and not news.critical):
        return 0
    values = news.values(way) | {"person_id": person.id, "organisation_id": person.organisation_id}
    values["dedupe_key"] = f"{news.key}:{person.id}:{way}"
    if way == EMAIL and not person.email:
        return 0
    if way == PUSH and not _has_phone(session, person.id):
        return 0
    if way == SMS:
        channel = sms_channel(session, person.organisation_id) if person.phone else None
        if channel is None:
            return 0
        values["channel_id"] = channel.id
    if _told_lately(session, news, Notification.person_id == person.id, way):
        return 0
    if way == PAGE:
        _show(session, news, person, values)
    else:
        _schedule(news, wish, way, values)
    _supersede(session, news, Notification.person_id == person.id, way)
    return write(session, values)


def _show(session: Session, news: News, person: Person, values: dict[str, Any]) -> None:
    """A page shows what is in the table; beyond a bound it is kept for the log only."""
    lately = select(func.count()).where(
        Notification.person_id == person.id,
        Notification.sent_at > news.now - timedelta(minutes=1),
        Notification.channel == PAGE,
    )
    many = not news.critical and (session.scalar(lately) or 0) >= MAX_PAGES_A_MINUTE
    values |= {"state": "failed", "error": TOO_MANY} if many else {"state": "sent", "sent_at": news.now}
    values["next_try_at"] = None


def _schedule(news: News, wish: NotificationPreference | None, way: str, values: dict[str, Any]) -> None:
    if news.critical:
        return
    at = loud_at([news.rule.quiet, wish.quiet if wish else None], values["next_try_at"])
    digest = (news.rule.digest or (wish.digest if wish else None)) if way == EMAIL else None
    if digest:
        at, values["digest"] = max(at, digest_at(digest, news.now)), True
    values["next_try_at"] = at


def _tell_group(session: Session, news: News, channel_id: UUID) -> int:
    channel = session.get(NotificationChannel, channel_id)
    if channel is None or not channel.enabled or channel.purpose != "group":
        return 0
    if _told_lately(session, news, Notification.channel_id == channel.id, CHAT):
        return 0
    values = news.values(CHAT) | {"channel_id": channel.id, "language": channel.language}
    values["dedupe_key"] = f"{news.key}:{channel.id}:{CHAT}"
    if not news.critical:
        values["next_try_at"] = loud_at([news.rule.quiet], values["next_try_at"])
    _supersede(session, news, Notification.channel_id == channel.id, CHAT)
    return write(session, values)


def _told_lately(session: Session, news: News, whom: Any, way: str) -> bool:
    if not news.rule.again_s:
        return False
    since = news.now - timedelta(seconds=news.rule.again_s)
    found = select(Notification.id).where(
        whom,
        Notification.channel == way,
        Notification.rule_id == news.rule.id,
        Notification.subject_id == news.facts.thread,
        Notification.created_at > since,
        Notification.state != "cancelled",
    )
    return session.scalar(found.limit(1)) is not None


def _supersede(session: Session, news: News, whom: Any, way: str) -> None:
    """Newer news of the same takes the place of what nobody has been told, or has not read, yet."""
    if not news.rule.delay_s:
        return
    session.execute(
        update(Notification)
        .where(
            whom,
            Notification.channel == way,
            Notification.rule_id == news.rule.id,
            Notification.subject_id == news.facts.thread,
            ~Notification.dedupe_key.startswith(f"{news.key}:", autoescape=True),
            or_(
                Notification.state == "waiting",
                (Notification.channel == PAGE) & (Notification.state == "sent") & Notification.read_at.is_(None),
            ),
        )
        .values(state="cancelled", next_try_at=None, error=SUPERSEDED)
    )


def _has_phone(session: Session, person_id: UUID) -> bool:
    found = select(PushSubscription.id).where(PushSubscription.person_id == person_id).limit(1)
    return session.scalar(found) is not None
