"""Write the reports that wait: collect the facts, set them in each language, keep the files, tell the timeline."""

from __future__ import annotations

import io
import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import Database
from assets.base.errors import NotFound
from assets.base.events import append_event
from assets.documents.archive import add_document, add_revision
from assets.documents.files import MAX_BYTES
from assets.documents.models import Document
from assets.documents.store import FileStore
from assets.registry import Asset
from gateway import texts
from gateway.reports.rendering import Signed, render
from ticketing.evidence.tables import Evidence
from ticketing.models import WorkOrder
from ticketing.reports.collecting import commissioning_facts, job_facts, service_facts
from ticketing.reports.facts import Facts, content_hash, read_facts
from ticketing.reports.tables import FOR_CUSTOMERS, Report, ReportWish
from ticketing.reports.wanted import newest

log = logging.getLogger(__name__)

TRIES = 6
PAUSES_S = (5, 30, 120, 600, 3600)  # after each failed try
AT_ONCE = 100  # reports of one run: then others have their turn
MAX_ERROR = 500
REVISIONS_WAIT = timedelta(minutes=10)  # before a changed report is mailed again


def write_waiting(database: Database, files: FileStore, now: datetime, *, mail: bool) -> int:
    """Write what waits, each in a transaction of its own; return how many were looked at.

    `mail`: whether there is a server to send reports with.
    """
    for count in range(AT_ONCE):
        with database.as_service() as session:
            wish = _next(session, now)
            if wish is None:
                return count
            try:
                with session.begin_nested():
                    write(session, files, wish, now, mail=mail)
                wish.state, wish.error = "done", None
            except Exception as error:  # one report that cannot be written must not hold up the others
                _failed(wish, error, now)
    return AT_ONCE


def write(session: Session, files: FileStore, wish: ReportWish, now: datetime, *, mail: bool) -> Report | None:
    """Write one report; the same facts again write nothing. None: there is nothing to say (any more)."""
    order = session.get(WorkOrder, wish.subject_id) if wish.subject_kind == "work_order" else None
    asset = session.get(Asset, order.asset_id if order else wish.subject_id)
    facts = _facts(session, wish.template, order, asset)
    if asset is None or facts is None:
        return None
    plain = facts.plain()
    digest = content_hash(plain)
    before = newest(session, wish.subject_id, wish.template)
    same = before is not None and before.content_hash == digest
    wanted = [each for each in wish.languages if each in texts.LANGUAGES]
    if same and before is not None:
        signed_since = before.signed_at is not None and not before.files.get("signed")
        missing = [each for each in wanted if each not in before.files]
        if not signed_since and not missing:
            return before
        report, wanted = before, wanted if signed_since else missing
    else:
        report = Report(
            organisation_id=wish.organisation_id,
            executing_organisation_id=order.executing_organisation_id if order else None,
            template=wish.template,
            subject_kind=wish.subject_kind,
            subject_id=wish.subject_id,
            number=facts.number,
            asset_id=asset.id,
            revision=before.revision + 1 if before else 1,
            content_hash=digest,
            facts=plain,
            files={},
            event_id=wish.event_id,
            created_at=now,
        )
        session.add(report)
        session.flush()
    _files(session, files, report, asset, facts, before, wanted, now)
    if report is not before:
        if mail and wish.mail and report.template in FOR_CUSTOMERS:
            report.mail_state, report.mail_next_at = "waiting", now
            if before is not None:  # several lines that are added one after another are one mail
                report.mail_next_at = now + REVISIONS_WAIT
                before.mail_state = "none" if before.mail_state == "waiting" else before.mail_state
        _tell(session, report, now)
    session.flush()
    return report


def file_of(session: Session, files: FileStore, report: Report, language: str) -> bytes:
    """Return a report as it is set now, in a language that nobody asked for before, too."""
    facts = read_facts(report.facts)
    return _rendered(session, files, report, facts, language)


def _next(session: Session, now: datetime) -> ReportWish | None:
    waiting = select(ReportWish).where(ReportWish.state == "waiting", ReportWish.next_try_at <= now)
    return session.scalar(waiting.order_by(ReportWish.next_try_at, ReportWish.id).limit(1).with_for_update())


def _failed(wish: ReportWish, error: Exception, now: datetime) -> None:
    wish.tries += 1
    wish.error = f"{type(error).__name__}: {error}"[:MAX_ERROR]
    log.error("report %s of %s was not written, try %s", wish.template, wish.subject_id, wish.tries, exc_info=error)
    if wish.tries >= TRIES:
        wish.state = "failed"
    else:
        wish.next_try_at = now + timedelta(seconds=PAUSES_S[wish.tries - 1])


def _facts(session: Session, template: str, order: WorkOrder | None, asset: Asset | None) -> Facts | None:
    if template == "commissioning_protocol":
        return commissioning_facts(session, asset) if asset else None
    if order is None:
        return None
    return service_facts(session, order) if template == "service_report" else job_facts(session, order)


def _rendered(session: Session, files: FileStore, report: Report, facts: Facts, language: str) -> bytes:
    signed = None
    if report.signed_at is not None:
        picture = _content(files, report.signature_file)
        signed = Signed(report.signed_name or "–", report.signed_at, picture)
    return render(
        facts,
        language,
        revision=report.revision,
        content_hash=report.content_hash,
        at=report.created_at,
        signed=signed,
        photos=_pictures(session, files, facts),
    )


def _pictures(session: Session, files: FileStore, facts: Facts) -> dict[str, bytes]:
    """Return the small pictures of a report's photos by the photos' hashes; those that are gone are left out."""
    wanted = [each.sha256 for each in facts.photos]
    if not wanted:
        return {}
    rows = session.execute(select(Evidence.content, Evidence.thumbnail).where(Evidence.content.in_(wanted)))
    small = {str(content): _content(files, thumbnail) for content, thumbnail in rows}
    return {content: picture for content, picture in small.items() if picture is not None}


def _content(files: FileStore, content: str | None) -> bytes | None:
    if content is None:
        return None
    try:
        return b"".join(files.read(content).chunks)
    except NotFound:
        return None


def _files(
    session: Session,
    files: FileStore,
    report: Report,
    asset: Asset,
    facts: Facts,
    before: Report | None,
    languages: list[str],
    now: datetime,
) -> None:
    """Keep the file of each language as the newest revision of the report's document in that language."""
    actor = Actor("system", asset.organisation_id, frozenset())
    kept: dict[str, Any] = dict(report.files)
    for language in languages:
        known = (before.files if before else {}).get(language)
        document = session.get(Document, known["document_id"]) if known else None
        if document is None or document.archived_at is not None:
            name = f"{texts.text(language, f'report.{report.template}')} {report.number}"[:200]
            document = add_document(
                session, title=name, kind="report", actor=actor, now=now, asset=asset, language=language
            )
        digest, size = files.put(io.BytesIO(_rendered(session, files, report, facts, language)), MAX_BYTES)
        revision = add_revision(
            session,
            files,
            document,
            digest,
            size,
            file_name=file_name(report, language),
            note=None,
            actor=actor,
            now=now,
            quiet=True,
        )
        kept[language] = {"document_id": str(document.id), "revision": revision.revision, "sha256": digest}
    if report.signed_at is not None:
        kept["signed"] = True
    report.files = kept
    session.flush()


def file_name(report: Report, language: str) -> str:
    """Return a name for the file that says what it is; serial numbers may hold anything."""
    number = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "_" for each in report.number)
    return f"{report.template.replace('_', '-')}-{number[:80]}-{report.revision}-{language}.pdf"


def _tell(session: Session, report: Report, now: datetime) -> None:
    said = {name: texts.text(name, f"report.{report.template}") for name in texts.LANGUAGES}
    append_event(
        session,
        "report.created",
        at=now,
        organisation_id=report.organisation_id,
        executing_organisation_id=report.executing_organisation_id,
        subject_kind=report.subject_kind,
        subject_id=report.subject_id,
        asset_id=report.asset_id,
        payload={
            "report_id": str(report.id),
            "number": report.number,
            "template": report.template,
            "name_en": said["en"],
            "name_zh": said["zh"],
            "revision": report.revision,
            "content_hash": report.content_hash,
            "files": report.files,
        },
    )
