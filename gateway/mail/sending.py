"""Send the answers of the desk as mails of the thread that they belong to."""

from __future__ import annotations

import logging
import smtplib
import ssl
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import RuleError
from assets.base.events import append_event
from assets.documents.store import FileStore
from gateway.notify.email import NotSent, _connection
from gateway.settings import Settings
from gateway.texts import text
from ticketing.cases.files import CaseFile
from ticketing.cases.tables import Case, ThreadMessage
from ticketing.channels.mail_answers import ACKNOWLEDGED
from ticketing.channels.mail_reading import LOOP
from ticketing.channels.tables import Channel, MailMessage
from ticketing.models import Request

log = logging.getLogger(__name__)

TRIES = 6
PAUSES_S = (30, 120, 600, 3600, 6 * 3600)
AT_ONCE = 20
MAX_ERROR = 500
# Long ids are not broken into pieces, which other programs do not put together again.
_WHOLE = SMTP.clone(max_line_length=990)
MAX_ATTACHED = 15 * 1024 * 1024  # bytes of a mail's files; what is more stands on the customer's page


def send_answers(database: Database, files: FileStore, settings: Settings, now: datetime) -> int:
    """Send what is due, each in a transaction of its own; return how many went out."""
    sent = 0
    for _ in range(AT_ONCE):
        with database.as_service() as session:
            due = select(MailMessage).where(MailMessage.state == "waiting", MailMessage.next_try_at <= now)
            row = session.scalar(
                due.order_by(MailMessage.next_try_at, MailMessage.id).limit(1).with_for_update(skip_locked=True)
            )
            if row is None:
                return sent
            sent += _send(session, files, settings, row, now)
    return sent


def letter_of(session: Session, files: FileStore, row: MailMessage) -> EmailMessage:
    """Return the mail with the headers that keep it in its thread."""
    channel = session.get_one(Channel, row.channel_id)
    letter = EmailMessage(policy=_WHOLE)
    letter["From"] = Address(channel.name, addr_spec=str(channel.settings["address"]))
    letter["To"] = row.address or ""
    letter["Date"] = format_datetime(datetime.now(UTC))
    letter["Message-ID"] = row.message_id
    if row.in_reply_to:
        letter["In-Reply-To"] = row.in_reply_to
    if row.references:
        letter["References"] = " ".join(str(each) for each in row.references)
    letter[LOOP] = str(channel.id)
    if row.reason == ACKNOWLEDGED:
        _acknowledge(session, channel, row, letter)
        return letter
    message = session.get(ThreadMessage, row.thread_message_id) if row.thread_message_id else None
    letter["Subject"] = row.subject or ""
    letter.set_content(message.text if message is not None else "")
    if message is not None:
        _attach(session, files, message, letter)
    return letter


def _acknowledge(session: Session, channel: Channel, row: MailMessage, letter: EmailMessage) -> None:
    """No program answers what says that a program wrote it (RFC 3834)."""
    letter["Auto-Submitted"] = "auto-replied"
    letter["Precedence"] = "bulk"
    case = session.get(Case, row.case_id) if row.case_id else None
    request = session.get(Request, row.request_id) if row.request_id else None
    language = str(channel.settings.get("language", "zh"))
    number = case.number if case is not None else ""
    subject = text(language, "mail.ack.subject", subject=row.subject or (request.number if request else ""))
    letter["Subject"] = f"{' '.join(subject.split())} [{number}]"
    letter.set_content(text(language, "mail.ack.body", number=number))


def _attach(session: Session, files: FileStore, message: ThreadMessage, letter: EmailMessage) -> None:
    size = 0
    for each in message.attachments:
        file = session.get(CaseFile, UUID(str(each["id"]))) if each.get("kind") == "file" else None
        if file is None or file.visibility != "public" or size + file.size_bytes > MAX_ATTACHED:
            continue
        size += file.size_bytes
        kind, _, sort = file.media_type.partition("/")
        content = b"".join(files.read(file.content).chunks)
        letter.add_attachment(content, maintype=kind, subtype=sort or "octet-stream", filename=file.file_name)


def _send(session: Session, files: FileStore, settings: Settings, row: MailMessage, now: datetime) -> bool:
    try:
        if not settings.smtp_url:
            raise NotSent("FOREWARN_SMTP_URL is not set")
        _deliver(settings.smtp_url, letter_of(session, files, row))
    except (NotSent, RuleError, ValueError, LookupError) as error:
        row.tries += 1
        row.error = str(error)[:MAX_ERROR]
        if row.tries < TRIES:
            row.next_try_at = now + timedelta(seconds=PAUSES_S[row.tries - 1])
            return False
        row.state, row.next_try_at = "failed", None
        log.warning("mail %s was not sent: %s", row.id, error)
        _tell(session, row, "mail.failed", now)
        return False
    row.state, row.error, row.next_try_at = "sent", None, None
    row.tries += 1
    if row.reason != ACKNOWLEDGED:
        _tell(session, row, "mail.sent", now)
    return True


def _deliver(smtp_url: str, letter: EmailMessage) -> None:
    parts = urlsplit(smtp_url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise NotSent("FOREWARN_SMTP_URL must be smtp://… or smtps://…")
    try:
        with _connection(parts.scheme, parts.hostname, parts.port) as server:
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(letter)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


def _tell(session: Session, row: MailMessage, kind: str, now: datetime) -> None:
    case = session.get(Case, row.case_id) if row.case_id else None
    append_event(
        session,
        kind,
        at=now,
        organisation_id=row.organisation_id,
        subject_kind="mail",
        subject_id=row.id,
        payload={"number": case.number if case else None, "case_id": str(case.id) if case else None},
    )
