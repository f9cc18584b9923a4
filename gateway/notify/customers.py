"""Milestones to a customer: one message by the first way that reaches them, in their language, unless they said no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gateway.notify.contacts import Contact, contact_of, known_contact, language_of
from gateway.notify.facts import Facts
from gateway.notify.hours import loud_at
from gateway.notify.models import EMAIL, SMS, Notification
from gateway.notify.rows import News, sms_channel, write
from gateway.settings import Settings
from ticketing.order_states import LIVE_VISITS
from ticketing.reports.tables import Report

_PLANNED = "milestone_planned"
_NO_NEWS = frozenset({"cancelled", "closed"})
MAX_A_DAY = 20  # to one address; whatever goes wrong with rules, a customer is not flooded


def write_to_customer(session: Session, news: News) -> int:
    """Write one message to the customer whom a thing concerns; return 1 when it was written."""
    facts, rule = news.facts, news.rule
    contact = contact_of(facts)
    if contact is None or not _is_news(session, news, contact):
        return 0
    for way in rule.ways:
        address = contact.email if way == EMAIL else contact.phone if way == SMS else None
        channel = sms_channel(session, rule.organisation_id) if way == SMS and address else None
        if address is None or (way == SMS and channel is None) or (way == EMAIL and not Settings().smtp_url):
            continue
        known = known_contact(session, rule.organisation_id, address, news.now)
        if known.opted_out_at is not None or _many(session, news, address):
            return 0
        values = news.values(way) | {
            "address": address,
            "channel_id": channel.id if channel else None,
            "language": known.language or language_of(session, address),
            "dedupe_key": f"{_key(news)}:{address}:{way}",
        }
        values["params"] |= {
            "path": contact.path,
            "opt_out": f"/a/notifications/{known.token}",
            "window": _window(facts),
        }
        values["next_try_at"] = loud_at([rule.quiet], values["next_try_at"])
        if rule.code == _PLANNED and not _takes_place(session, news, address):
            return 0
        return write(session, values)
    return 0


def drop_plans(session: Session, facts: Facts) -> None:
    """What was to be said of a plan that is off is not said."""
    if facts.order is None or (facts.visit is not None and facts.visit.state in LIVE_VISITS):
        return
    waiting = (
        Notification.subject_id == facts.order.id,
        Notification.code == _PLANNED,
        Notification.state == "waiting",
    )
    values: dict[str, Any] = {"state": "cancelled", "next_try_at": None, "error": "called off"}
    session.execute(update(Notification).where(*waiting).values(**values))


def _is_news(session: Session, news: News, contact: Contact) -> bool:
    facts, code = news.facts, news.rule.code
    if facts.order is not None and facts.order.replayed:
        return False
    if code == _PLANNED:
        live = facts.visit is None or facts.visit.state in LIVE_VISITS
        return facts.window is not None and live and facts.order is not None and facts.order.state not in _NO_NEWS
    if code == "milestone_report_ready":
        return _report_is_news(session, facts, contact)
    return True


def _report_is_news(session: Session, facts: Facts, contact: Contact) -> bool:
    """The first revision, and not to whom the report itself is mailed."""
    if facts.payload.get("template") != "service_report" or facts.payload.get("revision") != 1:
        return False
    record = facts.customer.email if facts.customer else None
    if contact.email is None or contact.email != record:
        return True
    mailed = select(Report.id).where(
        Report.subject_id == facts.subject_id, Report.mail_state.in_(("waiting", "sent")), Report.revision == 1
    )
    return session.scalar(mailed.limit(1)) is None


def _key(news: News) -> str:
    """What the milestone is about: who has heard of it is not told again, whatever event says so."""
    facts, code = news.facts, news.rule.code or ""
    order = facts.order
    about: Any = None
    if code == "milestone_received" and facts.request is not None:
        about = facts.request.id
    elif code == "milestone_on_the_way" and facts.visit is not None:
        about = facts.visit.id
    elif code == "milestone_done" and order is not None:
        about = f"{order.id}:{order.round}:{order.reopened_no}"
    elif code in ("milestone_report_ready", "milestone_appointment"):
        about = f"{facts.subject_id}:{facts.payload.get('template', '')}"
    return f"{code}:{about}" if about is not None else news.key


def _takes_place(session: Session, news: News, address: str) -> bool:
    """Make room for what is planned now; False when that is what the customer heard last."""
    same = (
        Notification.rule_id == news.rule.id,
        Notification.subject_id == news.facts.thread,
        Notification.address == address,
    )
    waiting = update(Notification).where(*same, Notification.state == "waiting")
    session.execute(waiting.values(state="cancelled", next_try_at=None, error="superseded"))
    told = select(Notification.params).where(*same, Notification.state.in_(("sent", "failed")))
    last = session.scalar(told.order_by(Notification.id.desc()).limit(1))
    return last is None or last.get("window") != _window(news.facts)


def _window(facts: Facts) -> str | None:
    return "/".join(each.isoformat() for each in facts.window) if facts.window else None


def _many(session: Session, news: News, address: str) -> bool:
    since = news.now - timedelta(days=1)
    lately = select(Notification.id).where(
        Notification.rule_id.is_not(None), Notification.address == address, Notification.created_at > since,
        Notification.state != "cancelled",
    )  # fmt: skip
    return len(session.scalars(lately.limit(MAX_A_DAY)).all()) >= MAX_A_DAY
