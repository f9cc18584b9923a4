"""Send new reports to the customers whose machines they are about: claimed with a lease, sent, then recorded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.documents.store import FileStore
from assets.people import Person, normal_email
from assets.registry import Asset
from gateway import texts
from gateway.notify.email import NotSent, send_email
from gateway.reports.writing import file_name
from gateway.settings import Settings
from ticketing.reports.collecting import customer_of
from ticketing.reports.tables import Report

log = logging.getLogger(__name__)

TRIES = 5
PAUSES_S = (30, 120, 600, 1800)
AT_ONCE = 20
LEASE = timedelta(minutes=5)  # longer than one mail takes; a worker that dies meanwhile loses nothing
MAX_ERROR = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that is ready to go; `files` are name and hash of what is attached."""

    report_id: UUID
    leased_until: datetime
    address: str
    subject: str
    body: str
    files: tuple[tuple[str, str], ...]


def mail_waiting(database: Database, files: FileStore, settings: Settings, now: datetime) -> int:
    """Send what is due, with no transaction open while it is sent; return how many went out."""
    sent = 0
    for _ in range(AT_ONCE):
        with database.as_service() as session:
            report = _claim(session, now)
            if report is None:
                return sent
            mail = _ready(session, report, settings, now)
        if mail is None:
            continue
        error = _post(files, mail, settings)
        with database.as_service() as session:
            sent += _record(session, mail, error, now)
    return sent


def _claim(session: Session, now: datetime) -> Report | None:
    due = select(Report).where(Report.mail_state == "waiting", Report.mail_next_at <= now)
    report = session.scalar(due.order_by(Report.mail_next_at, Report.id).limit(1).with_for_update(skip_locked=True))
    if report is not None:
        report.mail_next_at = now + LEASE
    return report


def _ready(session: Session, report: Report, settings: Settings, now: datetime) -> Mail | None:
    """Return the mail; None when nobody is to get one, or when it cannot be put into words."""
    asset = session.get_one(Asset, report.asset_id)
    customer = customer_of(session, asset)
    address = customer.email if customer else None
    if not address or not settings.smtp_url:
        report.mail_state, report.mail_next_at = "none", None
        return None
    try:
        with session.begin_nested():
            return _mail(report, asset, settings, address, _languages(session, address, report))
    except Exception as error:  # whatever it is: the mails behind this one still go out
        log.exception("the mail of report %s has no words", report.id)
        _failed(report, str(error), now)
        return None


def _mail(report: Report, asset: Asset, settings: Settings, address: str, languages: list[str]) -> Mail:
    assert report.mail_next_at is not None
    subjects, bodies, attached = [], [], []
    for language in languages:
        name = texts.text(language, f"report.{report.template}")
        facts = {"report": name, "number": report.number, "machine": asset.name, "serial": asset.serial}
        link = f"{settings.base_url}/a/{asset.code}?lang={language}"
        subjects.append(texts.text(language, "report.mail.subject", **facts))
        bodies.append(texts.text(language, "report.mail.body", link=link, **facts))
        attached.append((file_name(report, language), str(report.files[language]["sha256"])))
    return Mail(report.id, report.mail_next_at, address, " / ".join(subjects), "\n".join(bodies), tuple(attached))


def _languages(session: Session, address: str, report: Report) -> list[str]:
    """The language of who reads that address; all that there are when nobody is known by it."""
    there = [each for each in texts.LANGUAGES if each in report.files]
    language = session.scalar(
        select(Person.language).where(Person.email == normal_email(address), Person.disabled_at.is_(None))
    )
    return [language] if language in there else there


def _post(files: FileStore, mail: Mail, settings: Settings) -> str | None:
    """Send one mail; return why it did not go out."""
    assert settings.smtp_url is not None
    try:
        attached = [(name, "application/pdf", _content(files, digest)) for name, digest in mail.files]
        send_email(settings.smtp_url, mail.address, mail.subject, mail.body, attached)
    except NotSent as error:
        return str(error)
    except Exception as error:
        log.exception("the mail of report %s failed", mail.report_id)
        return str(error) or type(error).__name__
    return None


def _content(files: FileStore, digest: str) -> bytes:
    with files.local(digest) as path:
        return path.read_bytes()


def _record(session: Session, mail: Mail, error: str | None, now: datetime) -> bool:
    """Write down how it went, unless somebody else has taken the mail over meanwhile."""
    report = session.get(Report, mail.report_id, with_for_update=True)
    if report is None or report.mail_state != "waiting" or report.mail_next_at != mail.leased_until:
        return False
    if error is not None:
        _failed(report, error, now)
        return False
    report.mail_state, report.mail_next_at, report.mail_error = "sent", None, None
    report.mail_tries += 1
    return True


def _failed(report: Report, error: str, now: datetime) -> None:
    report.mail_tries += 1
    report.mail_error = error[:MAX_ERROR]
    if report.mail_tries < TRIES:
        report.mail_next_at = now + timedelta(seconds=PAUSES_S[report.mail_tries - 1])
        return
    report.mail_state, report.mail_next_at = "failed", None
    log.warning("report %s was not sent: %s", report.id, error)
