"""What a person or a customer has of their own: records that lose what identifies, and papers that keep it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, or_, select, text, update
from sqlalchemy.orm import Session

from assets.base.events import Event, erase_personal
from assets.documents.models import DocumentRevision
from gateway.erasure.everywhere import Found
from gateway.erasure.words import Words
from ticketing.evidence.tables import Signature
from ticketing.reports.facts import content_hash
from ticketing.reports.tables import Report

# :p the person, :x the pseudonym, :now. Hours, visits and what was done stay: they are the pseudonym's.
OF_PERSON = (
    "DELETE FROM credentials WHERE person_id = :p",
    "DELETE FROM sign_in_failures WHERE person_id = :p",
    "DELETE FROM notification_preferences WHERE person_id = :p",
    "DELETE FROM notifications WHERE person_id = :p",
    "UPDATE technician_profiles SET home_address = NULL, home_latitude_deg = NULL, home_longitude_deg = NULL"
    " WHERE person_id = :p",
    # Certificates carry names and pictures.
    "DELETE FROM documents d USING person_skills s WHERE s.person_id = :p AND s.document_id = d.id",
    "DELETE FROM person_skills WHERE person_id = :p",
    "UPDATE absences SET reason = 'other', note = NULL, decision_reason = NULL WHERE person_id = :p",
    "UPDATE sync_operations SET device = :x WHERE person_id = :p",
    "UPDATE partner_applications SET contact_name = :x, email = :x, phone = NULL, address = NULL, message = NULL"
    " WHERE person_id = :p",
    "UPDATE people SET name = :x, email = NULL, phone = NULL, disabled_at = coalesce(disabled_at, :now),"
    " version = version + 1 WHERE id = :p",
)

# :c the records of the customer, those that were merged into them included.
OF_CUSTOMER = (
    "DELETE FROM customer_links WHERE customer_id = ANY (:c)",
    "DELETE FROM customer_sessions WHERE customer_id = ANY (:c)",
    "UPDATE warranty_registrations SET name = :x, phone = NULL, email = NULL, proof = NULL, address_hash = :x"
    " WHERE customer_id = ANY (:c)",
    "UPDATE customer_merges SET before = '{}' WHERE kept_id = ANY (:c) OR merged_id = ANY (:c)",
    "UPDATE requests SET contact = '{}' WHERE asset_id IN (SELECT id FROM assets WHERE customer_id = ANY (:c))",
    "UPDATE cases SET contact = '{}' WHERE customer_id = ANY (:c)",
    "UPDATE calls SET number = NULL, e164 = NULL, note = NULL, recording_url = NULL WHERE customer_id = ANY (:c)",
    "UPDATE sites SET address = NULL, latitude_deg = NULL, longitude_deg = NULL WHERE customer_id = ANY (:c)",
    "UPDATE assets SET latitude_deg = NULL, longitude_deg = NULL, location_accuracy_m = NULL"
    " WHERE customer_id = ANY (:c)",
    # An organisation that is this customer's alone bears the customer's name.
    "UPDATE organisations o SET name = :x, version = version + 1 WHERE o.kind = 'customer'"
    " AND EXISTS (SELECT FROM customers c WHERE c.organisation_id = o.id AND c.id = ANY (:c))"
    " AND NOT EXISTS (SELECT FROM customers c WHERE c.organisation_id = o.id AND NOT c.id = ANY (:c))",
    "UPDATE customers SET name = :x, phone = NULL, email = NULL, version = version + 1 WHERE id = ANY (:c)",
)

_ALL_MERGED = text("""
WITH RECURSIVE own AS (
  SELECT id FROM customers WHERE id = :c
  UNION SELECT c.id FROM customers c JOIN own ON c.merged_into_id = own.id)
SELECT id FROM own
""")


def records_of(session: Session, customer_id: UUID) -> list[UUID]:
    """Return a customer's record and all that were put into it."""
    return list(session.scalars(_ALL_MERGED, {"c": customer_id}))


def run_all(session: Session, statements: Sequence[str], params: dict[str, Any]) -> None:
    """Carry statements out, each with those of the parameters that it names."""
    for statement in statements:
        session.execute(text(statement), {key: value for key, value in params.items() if f":{key}" in statement})


def erase_events(
    session: Session, words: Words, tree: Sequence[UUID], subjects: Sequence[UUID], found: Found, *, dry: bool
) -> None:
    """Erase what stands beside the chained facts, of these subjects and wherever a word is in it. The chain holds.

    A word in the chained facts themselves stays and is counted: to take it out would break the proof.
    """
    personal = _holding(Event.personal, words)
    of = Event.organisation_id.in_(tree)
    others = session.scalars(select(Event.subject_id).where(of, Event.personal.is_not(None), personal).distinct()).all()
    gone = select(func.count()).where(Event.personal.is_not(None), Event.subject_id.in_(subjects))
    count = session.scalar(gone) or 0
    if not dry:
        for subject in subjects:
            erase_personal(session, subject)
    for subject in set(others) - set(subjects):
        beside = Event.personal.is_not(None) & (Event.subject_id == subject) & personal
        if dry:
            count += session.scalar(select(func.count()).where(beside)) or 0
        else:
            changed = update(Event).where(beside).values(personal=None, salt=None).returning(Event.id)
            count += len(session.execute(changed, execution_options={"synchronize_session": False}).all())
    found.changed["events"] += count
    chained = select(Event.payload).where(of, _holding(Event.payload, words))
    found.kept["chained"] += sum(1 for payload in session.scalars(chained) if words.clean(payload) != payload)


def erase_reports(session: Session, words: Words, tree: Sequence[UUID], found: Found, *, dry: bool) -> None:
    """Clean reports that nobody signed, and forget their files: they are set anew when asked for.

    What was signed proves what was agreed, to whoever may have to show it: it stays as it was signed.
    """
    mine = or_(Report.organisation_id.in_(tree), Report.executing_organisation_id.in_(tree))
    signed = set(session.scalars(select(Signature.report_id)))
    held = or_(*(_holding(column, words) for column in (Report.facts, *_SAID)))
    for report in session.scalars(select(Report).where(mine, held)):
        facts = words.clean(report.facts)
        said = {column.key: words.clean(getattr(report, column.key)) for column in _SAID}
        if facts == report.facts and all(getattr(report, name) == value for name, value in said.items()):
            continue
        if report.signed_at is not None or report.id in signed:
            found.kept["signed"] += 1
            continue
        found.changed["reports"] += 1
        if not dry:
            _forget_files(session, report)
            report.facts, report.files = facts, {}
            report.content_hash = content_hash(facts)
            for name, value in said.items():
                setattr(report, name, value)
    session.flush()


_SAID = (Report.number, Report.signed_name, Report.mail_error)  # beside the facts


def _forget_files(session: Session, report: Report) -> None:
    for kept in report.files.values():
        if "document_id" in kept:
            revisions = select(DocumentRevision).where(
                DocumentRevision.document_id == UUID(str(kept["document_id"])),
                DocumentRevision.content == kept["sha256"],
            )
            for revision in session.scalars(revisions):
                session.delete(revision)


def _holding(column: Any, words: Words) -> Any:
    said = cast(column, Text)
    looks = [said.icontains(max(each.split(), key=len), autoescape=True) for each in words.needles]
    looks += [func.regexp_replace(said, "[^0-9]", "", "g").contains(each) for each in words.phones]
    return or_(*looks) if looks else text("false")
