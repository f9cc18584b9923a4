"""Mails become requests, or words in the thread that they answer; what a program wrote never makes one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid, RuleError
from assets.base.events import append_event
from assets.documents.store import FileStore
from assets.people import Organisation, Person
from assets.registry import Asset, Customer
from ticketing.cases.cases import living
from ticketing.cases.files import MAX_BYTES, CaseFile, add_file, as_attachment, mark_sent
from ticketing.cases.tables import Case
from ticketing.cases.threads import MAX_ATTACHMENTS, REOPENS_FOR, post
from ticketing.cases.words import MAX_TEXT
from ticketing.channels.mail_answers import TOKEN
from ticketing.channels.mail_reading import Attached, Mail
from ticketing.channels.tables import Channel, MailMessage
from ticketing.models import Request
from ticketing.requests import case_of, follow_case, open_request

MAX_NEW = 10  # requests that one address opens in an hour: what comes beyond is noted and left in the mailbox
MAX_NEW_ALL = 300  # that all addresses open in an hour
MAX_FOLDED = 20_000
Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Place:
    """The case that a mail belongs to, and the request of who is spoken with there."""

    case: Case
    request: Request | None


def take_mail(session: Session, files: FileStore, channel: Channel, mail: Mail, now: datetime, say: Say) -> MailMessage:
    """Take a mail once: into its thread, or as a new request. Needs the service role; never raises for its content."""
    session.execute(select(Channel.id).where(Channel.id == channel.id).with_for_update())  # two copies at once
    same = select(MailMessage).where(MailMessage.channel_id == channel.id, MailMessage.message_id == mail.message_id)
    if (known := session.scalar(same)) is not None:
        return known
    row = MailMessage(
        organisation_id=channel.organisation_id,
        channel_id=channel.id,
        direction="in",
        state="taken",
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        address=mail.sender,
        name=mail.name or None,
        subject=mail.subject or None,
        folded=mail.folded[:MAX_FOLDED] or None,
        at=now,
    )
    session.add(row)
    channel.heard_at = now
    session.flush()
    automatic = "own" if mail.sender == channel.settings.get("address") else mail.automatic
    if automatic is not None:
        row.state, row.reason = "ignored", automatic
        if automatic == "bounce":
            _take_back(session, channel, mail, now, say)
        session.flush()
        return row
    try:
        with session.begin_nested():
            _place(session, files, channel, mail, row, now, say)
    except RuleError as error:  # too many of them, or a thread that is full
        row.state, row.reason = "refused", error.code
    session.flush()
    return row


def _place(
    session: Session, files: FileStore, channel: Channel, mail: Mail, row: MailMessage, now: datetime, say: Say
) -> None:
    place = _by_ids(session, channel, mail) or _by_number(session, channel, mail)
    if place is not None and _is_open(place.case, now):
        _answer_in(session, files, place, mail, row, now, say)
    else:
        _ask(session, files, channel, mail, row, now, say)
    _log(session, row, "mail.received", now)


def _answer_in(
    session: Session, files: FileStore, place: Place, mail: Mail, row: MailMessage, now: datetime, say: Say
) -> None:
    kept, refused = _keep(session, files, place.case, mail, place.request, now, say)
    message = post(
        session,
        place.case,
        text=_bounded(mail.text, say),
        now=now,
        author_kind="requester",
        request=place.request,
        attachments=[as_attachment(each) for each in kept],
        channel="e_mail",
        external_id=mail.message_id,
    )
    mark_sent(session, kept, message)
    case = living(session, place.case)
    row.case_id, row.thread_message_id = case.id, message.id
    row.request_id = place.request.id if place.request else None
    follow_case(session, case, now)
    _tell_refused(session, case, refused, now, say)


def _ask(
    session: Session, files: FileStore, channel: Channel, mail: Mail, row: MailMessage, now: datetime, say: Say
) -> None:
    """Open a request; who is not known makes one of the channel's own organisation, for triage to find out."""
    _check_flood(session, channel, mail.sender, now)
    customer = _customer(session, channel, mail.sender)
    words = "\n\n".join(each for each in (mail.subject, mail.text) if each) or "—"
    request = open_request(
        session,
        channel="e_mail",
        text=_bounded(words, say),
        contact={"name": mail.name[:200], "email": mail.sender[:200] if mail.sender else None},
        now=now,
        asset=_asset(session, customer, words),
        customer=customer,
        organisation_id=channel.organisation_id,
    )
    case = case_of(session, request)
    if case is None:
        raise Conflict("the case is not there", what="case")
    _, refused = _keep(session, files, case, mail, request, now, say)
    row.case_id, row.request_id = case.id, request.id
    _tell_refused(session, case, refused, now, say)


def _keep(
    session: Session, files: FileStore, case: Case, mail: Mail, request: Request | None, now: datetime, say: Say
) -> tuple[list[CaseFile], list[str]]:
    """Put the attachments to the case; return them and the names of those that are not kept."""
    kept: list[CaseFile] = []
    refused = list(mail.left_out)
    whole = [Attached("mail.txt", mail.text.encode())] if len(mail.text) > MAX_TEXT else []
    for each in (*whole, *mail.attachments):
        name = _kept_name(each.name)
        if len(kept) >= MAX_ATTACHMENTS:
            refused.append(name)
            continue
        try:
            with session.begin_nested():
                content, size = files.put(io.BytesIO(each.content), MAX_BYTES)
                made = add_file(
                    session,
                    files,
                    case,
                    content,
                    size,
                    file_name=name,
                    now=now,
                    author_kind="requester",
                    request=request,
                )
            kept.append(made)
        except (Invalid, Conflict):
            refused.append(name)
    return kept, refused


def _tell_refused(session: Session, case: Case, names: Sequence[str], now: datetime, say: Say) -> None:
    if names:
        words = say("mail.refused_files", files=", ".join(names)[:2000])
        post(session, case, text=words, now=now, visibility="internal", author_kind="system", channel="e_mail")


def _take_back(session: Session, channel: Channel, mail: Mail, now: datetime, say: Say) -> None:
    """Note on the case that one of our mails came back."""
    named = [*mail.about, *mail.references, *([mail.in_reply_to] if mail.in_reply_to else [])]
    wanted = select(MailMessage).where(
        MailMessage.channel_id == channel.id, MailMessage.direction == "out", MailMessage.message_id.in_(named[:100])
    )
    for row in session.scalars(wanted.limit(5)):
        if row.state == "bounced":
            continue
        row.state = "bounced"
        case = session.get(Case, row.case_id) if row.case_id else None
        if case is not None:
            words = say("mail.undelivered", address=row.address)
            post(session, case, text=words, now=now, visibility="internal", author_kind="system", channel="e_mail")
        _log(session, row, "mail.bounced", now)


def _by_ids(session: Session, channel: Channel, mail: Mail) -> Place | None:
    """Return the case of what this mail answers; the nearest one that is known. Ids of mails are not guessed."""
    named = [each for each in (mail.in_reply_to, *reversed(mail.references)) if each]
    wanted = select(MailMessage).where(
        MailMessage.organisation_id == channel.organisation_id,
        MailMessage.message_id.in_(named[:60]),
        MailMessage.case_id.is_not(None),
    )
    rows = {row.message_id: row for row in session.scalars(wanted.limit(200))}
    for each in named:
        row = rows.get(each)
        case = session.get(Case, row.case_id) if row is not None and row.case_id else None
        if row is not None and case is not None:
            request = session.get(Request, row.request_id) if row.request_id else None
            return Place(living(session, case), request)
    return None


def _by_number(session: Session, channel: Channel, mail: Mail) -> Place | None:
    """Return the case whose number the subject names, when its sender is one of those who follow it.

    A number can be guessed: somebody else who names one makes a request of their own.
    """
    for number in TOKEN.findall(mail.subject)[:5]:
        case = session.scalar(select(Case).where(Case.number == number, _below(channel, Case.organisation_id)))
        request = session.scalar(select(Request).where(Request.number == number))
        if case is None and request is not None:
            case = case_of(session, request)
        if case is None:
            continue
        case = living(session, case)
        followed = select(Request).where(
            Request.case_id == case.id, func.lower(Request.contact["email"].astext) == mail.sender
        )
        found = session.scalar(followed.order_by(Request.id).limit(1))
        if found is not None and _is_below(session, channel, case):
            return Place(case, found)
    return None


def _is_open(case: Case, now: datetime) -> bool:
    """What closed long ago is another matter; what was rejected too."""
    if case.state == "closed":
        return case.closed_at is not None and now - case.closed_at <= REOPENS_FOR
    return case.state not in ("rejected", "merged")


def _customer(session: Session, channel: Channel, address: str | None) -> Customer | None:
    """Return the customer when one alone has this address, itself or by one of its people."""
    if address is None:
        return None
    own = select(Customer).where(
        func.lower(Customer.email) == address,
        Customer.merged_into_id.is_(None),
        _below(channel, Customer.organisation_id),
    )
    found = list(session.scalars(own.order_by(Customer.id).limit(2)))
    if not found:
        theirs = (
            select(Customer)
            .join(Person, Person.organisation_id == Customer.organisation_id)
            .where(
                func.lower(Person.email) == address,
                Person.disabled_at.is_(None),
                Customer.merged_into_id.is_(None),
                _below(channel, Customer.organisation_id),
            )
        )
        found = list(session.scalars(theirs.order_by(Customer.id).limit(2)))
    return found[0] if len(found) == 1 else None


def _asset(session: Session, customer: Customer | None, words: str) -> Asset | None:
    """Return the customer's machine whose serial number the mail names, when it names one alone."""
    if customer is None:
        return None
    own = select(Asset).where(Asset.customer_id == customer.id, func.length(Asset.serial) >= 4)
    said = words.casefold()
    named = [each for each in session.scalars(own.order_by(Asset.id).limit(500)) if each.serial.casefold() in said]
    return named[0] if len(named) == 1 else None


def _check_flood(session: Session, channel: Channel, address: str | None, now: datetime) -> None:
    recent = select(func.count()).where(
        MailMessage.channel_id == channel.id,
        MailMessage.direction == "in",
        MailMessage.at > now - timedelta(hours=1),
        MailMessage.request_id.is_not(None),
        MailMessage.thread_message_id.is_(None),
    )
    if (session.scalar(recent.where(MailMessage.address == address)) or 0) >= MAX_NEW:
        raise Conflict("this address opened many requests already", what="too_many_requests", limit=MAX_NEW)
    if (session.scalar(recent) or 0) >= MAX_NEW_ALL:
        raise Conflict("many requests came by mail already", what="too_many_requests", limit=MAX_NEW_ALL)


def _log(session: Session, row: MailMessage, kind: str, now: datetime) -> None:
    case = session.get(Case, row.case_id) if row.case_id else None
    append_event(
        session,
        kind,
        at=now,
        organisation_id=row.organisation_id,
        subject_kind="mail",
        subject_id=row.id,
        asset_id=None,
        payload={"number": case.number if case else None, "case_id": str(case.id) if case else None},
    )


def _below(channel: Channel, column: Any) -> Any:
    of = select(Organisation.id).where(literal(channel.organisation_id, Uuid()) == any_(Organisation.ancestors))
    return column.in_(of)


def _is_below(session: Session, channel: Channel, case: Case) -> bool:
    return session.scalar(select(Case.id).where(Case.id == case.id, _below(channel, Case.organisation_id))) is not None


def _bounded(text: str, say: Say) -> str:
    if not text.strip():
        return "—"
    if len(text) <= MAX_TEXT:
        return text
    more = say("mail.cut")
    return f"{text[: MAX_TEXT - len(more) - 4].rstrip()} …\n{more}"


def _kept_name(name: str) -> str:
    """A text file that is named otherwise is kept as a text: mails carry logs with any name."""
    return name if PurePosixPath(name).suffix else f"{name}.txt"
