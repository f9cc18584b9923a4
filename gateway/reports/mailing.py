"""Send new reports to the customers whose machines they are about."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

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
MAX_ERROR = 500


def mail_waiting(database: Database, files: FileStore, settings: Settings, now: datetime) -> int:
    """Send what is due, each in a transaction of its own; return how many went out."""
    sent = 0
    for _ in range(AT_ONCE):
        with database.as_service() as session:
            due = select(Report).where(Report.mail_state == "waiting", Report.mail_next_at <= now)
            report = session.scalar(
                due.order_by(Report.mail_next_at, Report.id).limit(1).with_for_update(skip_locked=True)
            )
            if report is None:
                return sent
            sent += _send(session, files, report, settings, now)
    return sent


def _send(session: Session, files: FileStore, report: Report, settings: Settings, now: datetime) -> bool:
    asset = session.get_one(Asset, report.asset_id)
    customer = customer_of(session, asset)
    address = customer.email if customer else None
    if not address or not settings.smtp_url:
        report.mail_state, report.mail_next_at = "none", None
        return False
    try:
        with session.begin_nested():
            languages = _languages(session, address, report)
        _mail(files, report, asset, settings, address, languages)
    except Exception as error:  # whatever it is: the mails behind this one still go out
        if not isinstance(error, NotSent):
            log.exception("the mail of report %s failed", report.id)
        report.mail_tries += 1
        report.mail_error = str(error)[:MAX_ERROR]
        if report.mail_tries < TRIES:
            report.mail_next_at = now + timedelta(seconds=PAUSES_S[report.mail_tries - 1])
        else:
            report.mail_state, report.mail_next_at = "failed", None
            log.warning("report %s was not sent: %s", report.id, error)
        return False
    report.mail_state, report.mail_next_at, report.mail_error = "sent", None, None
    report.mail_tries += 1
    return True


def _languages(session: Session, address: str, report: Report) -> list[str]:
    """The language of who reads that address; all that there are when nobody is known by it."""
    there = [each for each in texts.LANGUAGES if each in report.files]
    language = session.scalar(
        select(Person.language).where(Person.email == normal_email(address), Person.disabled_at.is_(None))
    )
    return [language] if language in there else there


def _mail(
    files: FileStore, report: Report, asset: Asset, settings: Settings, address: str, languages: list[str]
) -> None:
    assert settings.smtp_url is not None
    subjects, bodies, attached = [], [], []
    for language in languages:
        name = texts.text(language, f"report.{report.template}")
        facts = {"report": name, "number": report.number, "machine": asset.name, "serial": asset.serial}
        link = f"{settings.base_url}/a/{asset.code}?lang={language}"
        subjects.append(texts.text(language, "report.mail.subject", **facts))
        bodies.append(texts.text(language, "report.mail.body", link=link, **facts))
        content = b"".join(files.read(report.files[language]["sha256"]).chunks)
        attached.append((file_name(report, language), "application/pdf", content))
    send_email(settings.smtp_url, address, " / ".join(subjects), "\n".join(bodies), attached)
