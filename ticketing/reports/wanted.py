"""Which events ask for which report: an organisation's own rules, else the usual ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer
from assets.base.events import Event
from assets.base.ids import uuid7
from assets.base.queue import enqueue
from assets.people import Organisation
from ticketing.models import Visit, WorkOrder
from ticketing.procedures.models import ProcedureRun
from ticketing.reports.tables import FOR_CUSTOMERS, DocumentRule, Report, ReportWish
from ticketing.work_orders import WORK_DONE_STATES

JOB = "write_reports"
LANGUAGES = ("en", "zh")
# The log is read from its beginning: what happened before there were reports is neither reported nor mailed.
LATEST = timedelta(days=2)
MAILED_WITHIN = timedelta(days=1)
# The moments at which a document may be written, and whose moments they are.
MOMENTS = {
    "service_report": ("completed", "documented", "closed"),
    "job_sheet": ("scheduled", "assigned"),
    "commissioning_protocol": ("commissioned", "in_service"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wanted of a template."""

    template: str
    moments: tuple[str, ...]
    languages: tuple[str, ...]
    mail: bool
    enabled: bool


USUAL = {
    "service_report": Rule("service_report", ("completed",), LANGUAGES, mail=True, enabled=True),
    "job_sheet": Rule("job_sheet", ("scheduled",), LANGUAGES, mail=False, enabled=True),
    "commissioning_protocol": Rule(
        "commissioning_protocol", ("commissioned", "in_service"), LANGUAGES, mail=True, enabled=True
    ),
}
# What changes the facts of a report that is there: a new revision, when they did change.
_CHANGES = frozenset(
    {
        "work_order.result_edited",
        "work_order.amended",
        "work_order.edited",
        "work_order.line_recorded",
        "work_order.line_changed",
        "work_order.line_removed",
        "work_order.line_decided",
        "work_order.failure_noted",
        "work_order.photo_added",
        "work_order.photo_changed",
        "work_order.photo_removed",
    }
)
_RUNS = frozenset({"procedure_run.answered", "procedure_run.out_of_limit", "procedure_run.removed"})
_PLANS = frozenset({"visit.planned", "work_order.assigned"})
_STATES = frozenset({"work_order.completed", "work_order.closed", "work_order.state_changed"})
KINDS = _CHANGES | _RUNS | _PLANS | _STATES | {"asset.lifecycle_changed", "report.signed"}


def rules_for(session: Session, organisation_id: UUID) -> dict[str, Rule]:
    """Return the rules of an organisation: its own, else the nearest above it, else the usual ones."""
    organisation = session.get(Organisation, organisation_id)
    above = list(reversed(organisation.ancestors)) if organisation else [organisation_id]
    rows = session.scalars(select(DocumentRule).where(DocumentRule.organisation_id.in_(above))).all()
    nearest = sorted(rows, key=lambda row: above.index(row.organisation_id), reverse=True)
    own = {
        row.template: Rule(row.template, tuple(row.moments), tuple(row.languages), row.mail, row.enabled)
        for row in nearest
    }
    return USUAL | own


def newest(session: Session, subject_id: UUID, template: str = "service_report") -> Report | None:
    """Return the newest report of a template about a work order or an asset."""
    wanted = select(Report).where(Report.subject_id == subject_id, Report.template == template)
    return session.scalar(wanted.order_by(Report.revision.desc()).limit(1))


def follow(session: Session, event: Event, now: datetime) -> None:
    """Ask for the reports that an event calls for; twice for the same event asks once."""
    if event.kind == "report.signed":
        _sign(session, event, now)
        return
    if now - event.at > LATEST:
        return
    if event.kind == "asset.lifecycle_changed":
        moment = str(event.payload.get("to"))
        if event.asset_id is not None and moment in MOMENTS["commissioning_protocol"]:
            _follow(session, event, "commissioning_protocol", ("asset", event.asset_id), moment, now)
        return
    order = _order_of(session, event)
    if order is not None and not order.replayed:
        template = "service_report" if order.state in WORK_DONE_STATES else "job_sheet"
        _follow(session, event, template, ("work_order", order.id), _moment(event), now)


def _follow(
    session: Session, event: Event, template: str, subject: tuple[str, UUID], moment: str | None, now: datetime
) -> None:
    """Ask for what a rule wants at this moment; what is there already is kept up to date."""
    rule = rules_for(session, event.organisation_id)[template]
    if rule.enabled and (moment in rule.moments or newest(session, subject[1], template) is not None):
        _ask(session, event, rule, subject, now)


def _moment(event: Event) -> str | None:
    """The moment of the order's life that an event is; None: only facts change."""
    named = {"work_order.completed": "completed", "work_order.closed": "closed", "work_order.assigned": "assigned"}
    return str(event.payload.get("to")) if event.kind == "work_order.state_changed" else named.get(event.kind)


def _ask(session: Session, event: Event, rule: Rule, subject: tuple[str, UUID], now: datetime) -> None:
    values = {
        "id": uuid7(),
        "organisation_id": event.organisation_id,
        "event_id": event.id,
        "template": rule.template,
        "subject_kind": subject[0],
        "subject_id": subject[1],
        "languages": list(rule.languages),
        "mail": rule.mail and rule.template in FOR_CUSTOMERS and now - event.at < MAILED_WITHIN,
        "state": "waiting",
        "created_at": now,
        "tries": 0,
        "next_try_at": now,
    }
    session.execute(insert(ReportWish).values(values).on_conflict_do_nothing())
    enqueue(session, JOB, queueing_lock=JOB, lock=JOB)


def _order_of(session: Session, event: Event) -> WorkOrder | None:
    key: UUID | None = event.subject_id if event.subject_kind == "work_order" else None
    if event.subject_kind == "procedure_run":
        run = session.get(ProcedureRun, event.subject_id)
        key = run.subject_id if run is not None and run.subject_kind == "work_order" else None
    elif event.subject_kind == "visit":
        visit = session.get(Visit, event.subject_id)
        key = visit.work_order_id if visit else None
    return session.get(WorkOrder, key) if key else None


def _sign(session: Session, event: Event, now: datetime) -> None:
    report = session.get(Report, UUID(str(event.payload["report_id"])))
    if report is None or report.signed_at is not None or report.content_hash != event.payload["content_hash"]:
        return
    report.signed_name = (event.personal or {}).get("name")
    report.signed_at = datetime.fromisoformat(event.payload["signed_at"])
    report.signature_file = event.payload.get("signature_file")
    session.flush()
    rule = rules_for(session, report.organisation_id)[report.template]
    _ask(session, event, rule, (report.subject_kind, report.subject_id), now)


REPORTS_FOLLOW_WORK = Consumer("ticketing.reports", KINDS, follow, starts="now")
