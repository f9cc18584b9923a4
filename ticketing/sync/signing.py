"""A customer's signature under an order's report: bound to what was read, kept with the order."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, IllegalMove
from ticketing.evidence.tables import Signature
from ticketing.models import WorkOrder
from ticketing.reports.collecting import service_facts
from ticketing.reports.facts import content_hash as hash_of
from ticketing.reports.signing import ReportChanged, sign
from ticketing.reports.wanted import newest
from ticketing.sync.envelope import NotYet
from ticketing.work_orders import WORK_DONE_STATES


class ReportNotWritten(NotYet):
    """The report of what is signed is being written: a second later it is there."""

    code = "report_not_written"


def report_now(session: Session, order: WorkOrder) -> tuple[dict[str, Any], str]:
    """Return what the order's report says at this moment, as plain facts, and their hash."""
    session.flush()
    with service_rights(session):  # a report is the same whoever reads it
        plain = service_facts(session, order).plain()
    return plain, hash_of(plain)


def sign_order(
    session: Session,
    order: WorkOrder,
    *,
    name: str,
    content_hash: str,
    picture: str | None,
    signed_at: datetime,
    now: datetime,
    by: Actor,
    signature_id: UUID,
) -> Signature:
    """Sign the order's report as it is now. The same id again returns the first one.

    Raises ReportChanged with the hash that holds now, ReportNotWritten, IllegalMove for work that is not done, Conflict
    for a report that is signed already.
    """
    known = session.get(Signature, signature_id)
    if known is not None:
        if known.work_order_id != order.id:
            raise Conflict("this id belongs to another signature", field="id")
        return known
    if order.state not in WORK_DONE_STATES or order.state == "cancelled":
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="signed", legal=[])
    _, digest = report_now(session, order)
    report = newest(session, order.id)
    if content_hash != digest:
        revision = report.revision if report else 0
        raise ReportChanged("the report changed in the meantime", content_hash=digest, revision=revision)
    if report is None or report.content_hash != digest:
        raise ReportNotWritten("the report is being written")
    if signature_of(session, order.id, digest) is not None:
        raise Conflict("this report is signed already", what="signature")
    if (
        sign(session, report, content_hash=digest, name=name, now=now, by=by, signed_at=signed_at, image=picture)
        is None
    ):
        raise Conflict("this report is signed already", what="signature")
    row = Signature(
        id=signature_id,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        report_id=report.id,
        work_order_id=order.id,
        content_hash=digest,
        revision=report.revision,
        name=name.strip(),
        picture=picture,
        signed_at=signed_at,
        received_at=now,
        taken_by=by.person_id,
    )
    session.add(row)
    session.flush()
    return row


def signature_of(session: Session, order_id: UUID, content_hash: str | None = None) -> Signature | None:
    """Return the newest signature under an order's report, or under one content of it."""
    mine = select(Signature).where(Signature.work_order_id == order_id)
    if content_hash is not None:
        mine = mine.where(Signature.content_hash == content_hash)
    return session.scalar(mine.order_by(Signature.received_at.desc(), Signature.id.desc()).limit(1))
