"""What the desk writes goes to those who follow a case by mail; a new request is confirmed."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer
from assets.base.events import Event
from ticketing.cases.cases import living
from ticketing.cases.tables import Case, ThreadMessage
from ticketing.channels.tables import Channel, MailMessage
from ticketing.models import Request

MAX_ACKNOWLEDGED = 5  # mails a day to one address: two programs that answer each other end there
ACKNOWLEDGED = "acknowledged"
TOKEN = re.compile(r"\[((?:CS|RQ)-\d{1,12})\]")


def answered_by_mail(session: Session, message: ThreadMessage, now: datetime) -> list[MailMessage]:
    """Queue a public message of the desk to everybody who follows the case by mail; twice queues none.

    To one sender when the message answers one, else to each. Needs the service role.
    """
    case = session.get(Case, message.case_id)
    if case is None or message.visibility != "public" or message.author_kind in ("customer", "requester", "system"):
        return []
    case = living(session, case)
    wanted = select(Request).where(Request.case_id == case.id, Request.channel == "e_mail")
    if message.request_id is not None:
        wanted = wanted.where(Request.id == message.request_id)
    made = []
    for request in session.scalars(wanted.order_by(Request.id).limit(50)):
        row = _answer(session, case, request, message, now)
        if row is not None:
            made.append(row)
    return made


def _follow(session: Session, event: Event, now: datetime) -> None:
    message = session.get(ThreadMessage, event.subject_id)
    if message is not None:
        answered_by_mail(session, message, now)


MAIL_FOLLOWS_THREADS = Consumer("ticketing.mail", frozenset({"thread.posted"}), _follow, starts="now")


def acknowledgement(session: Session, channel: Channel, row: MailMessage, now: datetime) -> MailMessage | None:
    """Queue the confirmation of a new request, in a mail that no program answers; some a day for one address."""
    new = row.state == "taken" and row.request_id is not None and row.thread_message_id is None
    if not new or row.request_id is None or not channel.settings.get("acknowledge") or row.address is None:
        return None
    told = select(func.count()).where(
        MailMessage.channel_id == channel.id,
        MailMessage.direction == "out",
        MailMessage.reason == ACKNOWLEDGED,
        MailMessage.address == row.address,
        MailMessage.at > now - timedelta(days=1),
    )
    if (session.scalar(told) or 0) >= MAX_ACKNOWLEDGED:
        return None
    made = MailMessage(
        organisation_id=channel.organisation_id,
        channel_id=channel.id,
        direction="out",
        state="waiting",
        reason=ACKNOWLEDGED,
        message_id=own_id(channel, row.id, row.request_id),
        in_reply_to=row.message_id,
        references=[*row.references, row.message_id][-30:],
        address=row.address,
        name=row.name,
        subject=row.subject,
        case_id=row.case_id,
        request_id=row.request_id,
        at=now,
        next_try_at=now,
    )
    session.add(made)
    session.flush()
    return made


def own_id(channel: Channel, about: UUID, request: UUID) -> str:
    """Return the id of what is sent: the same for the same words to the same person, and nobody guesses it."""
    domain = str(channel.settings.get("address", "@localhost")).rpartition("@")[2]
    return f"<{hashlib.sha256(about.bytes + request.bytes).hexdigest()[:40]}@{domain}>"


def subject_of(case: Case, subject: str | None) -> str:
    """Return the subject of an answer, with the number that brings an answer to it back."""
    return f"Re: {TOKEN.sub('', subject or case.title).strip()} [{case.number}]"


def _answer(
    session: Session, case: Case, request: Request, message: ThreadMessage, now: datetime
) -> MailMessage | None:
    came = select(MailMessage).where(MailMessage.request_id == request.id).order_by(MailMessage.id)
    rows = list(session.scalars(came.limit(200)))
    inbound = [row for row in rows if row.direction == "in"]
    channel = session.get(Channel, inbound[0].channel_id) if inbound else None
    if channel is None or not channel.enabled:
        return None
    to = inbound[-1].address or request.contact.get("email")
    sent_id = own_id(channel, message.id, request.id)
    if to is None or any(row.message_id == sent_id for row in rows):
        return None
    chain = list(dict.fromkeys([*inbound[-1].references, *(row.message_id for row in rows)]))
    row = MailMessage(
        organisation_id=channel.organisation_id,
        channel_id=channel.id,
        direction="out",
        state="waiting",
        message_id=sent_id,
        in_reply_to=inbound[-1].message_id,
        references=[chain[0], *chain[1:][-30:]],
        address=to,
        name=inbound[-1].name,
        subject=subject_of(case, inbound[0].subject),
        case_id=case.id,
        request_id=request.id,
        thread_message_id=message.id,
        at=now,
        next_try_at=now,
    )
    session.add(row)
    session.flush()
    return row
