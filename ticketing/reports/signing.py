"""A signature holds for what was read: it names the hash of the report's content."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event, append_event
from ticketing.reports.tables import Report
from ticketing.reports.wanted import newest

MAX_NAME = 200


class ReportChanged(Conflict):
    """What is to be signed is not what the report says any more; params: `content_hash`, `revision`."""

    code = "report_changed"


def sign(
    session: Session,
    report: Report,
    *,
    content_hash: str,
    name: str,
    now: datetime,
    by: Actor | None = None,
    signed_at: datetime | None = None,
    image: str | None = None,
) -> Event | None:
    """Write down who signed which content; `image` is the SHA-256 of the signature's picture, kept by the caller.

    Workers put it into the report. Signed already: None, nothing changes. Raises ReportChanged, Invalid.
    """
    latest = newest(session, report.subject_id, report.template)
    if latest is None or latest.content_hash != content_hash:
        now_is = latest or report
        text = "the report changed in the meantime"
        raise ReportChanged(text, content_hash=now_is.content_hash, revision=now_is.revision)
    words = name.strip()
    if not 1 <= len(words) <= MAX_NAME or not words.isprintable():
        raise Invalid(f"a name of 1 to {MAX_NAME} characters", field="name", limit=MAX_NAME)
    if latest.signed_at is not None:
        return None
    return append_event(
        session,
        "report.signed",
        at=now,
        organisation_id=latest.organisation_id,
        executing_organisation_id=latest.executing_organisation_id,
        subject_kind=latest.subject_kind,
        subject_id=latest.subject_id,
        asset_id=latest.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={
            "report_id": str(latest.id),
            "number": latest.number,
            "template": latest.template,
            "revision": latest.revision,
            "content_hash": content_hash,
            "signed_at": (signed_at or now).isoformat(),
            "signature_file": image,
        },
        personal={"name": words},
    )
