"""Reports of work orders and machines as PDF/A, what was written of them, and which events ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.errors import Invalid, NotFound
from assets.base.events import append_event
from assets.documents.store import FileStore
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.files import file_store
from gateway.reports.writing import file_name, file_of
from ticketing.reports.tables import FOR_CUSTOMERS, DocumentRule, Report
from ticketing.reports.wanted import MOMENTS, rules_for
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["reports"])

Language = Literal["en", "zh"]
Template = Literal["service_report", "job_sheet", "commissioning_protocol"]
MOST = 200


class ReportItem(BaseModel):
    """One revision of a report; a signature is bound to `content_hash`."""

    id: UUID
    template: Template
    subject_kind: str
    subject_id: UUID
    asset_id: UUID
    number: str
    revision: int
    content_hash: str
    languages: list[str]
    created_at: datetime
    signed_at: datetime | None
    signed_name: str | None
    mail_state: str
    mail_error: str | None


class ReportList(BaseModel):
    """Reports, newest first."""

    items: list[ReportItem]
    next: str | None = None


class DocumentRuleItem(BaseModel):
    """When a document is written, in which languages, and whether it is sent to the customer."""

    template: Template
    moments: list[str]
    possible: list[str]
    languages: list[str]
    mail: bool
    enabled: bool


class DocumentRules(BaseModel):
    """The rules that hold for the caller's organisation."""

    items: list[DocumentRuleItem]
    next: str | None = None


class DocumentRuleIn(BaseModel):
    """A rule of the caller's organisation, for itself and those below it."""

    moments: Annotated[list[str], Field(max_length=10)]
    languages: Annotated[list[Language], Field(min_length=1, max_length=2)]
    mail: bool = False
    enabled: bool = True


@router.get("/work-orders/{work_order_id}/reports", operation_id="list_work_order_reports")
def list_of_order(work_order_id: UUID, here: Here) -> ReportList:
    """What was written about a work order, every revision, newest first."""
    here.require("work_order.read")
    order = get_work_order(here.session, work_order_id)
    return _list(here, Report.subject_id == order.id)


@router.get("/assets/{asset_id}/reports", operation_id="list_asset_reports")
def list_of_asset(asset_id: UUID, here: Here) -> ReportList:
    """What was written about a machine and its work, newest first."""
    here.require("work_order.read")
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    return _list(here, Report.asset_id == asset.id, Report.organisation_id == asset.organisation_id)


@router.get("/work-orders/{work_order_id}/report", operation_id="get_work_order_report", response_class=Response)
def get_of_order(
    work_order_id: UUID,
    here: Here,
    language: Language = "en",
    revision: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    template: Literal["service_report", "job_sheet"] = "service_report",
) -> Response:
    """The report as PDF/A, the newest revision when none is told. 404 until there is one."""
    here.require("work_order.read")
    order = get_work_order(here.session, work_order_id)
    query = select(Report).where(Report.subject_id == order.id, Report.template == template)
    return _file(here, _newest(here, query, revision), language)


@router.get("/reports/{report_id}/file", operation_id="get_report_file", response_class=Response)
def get_file(report_id: UUID, here: Here, language: Language = "en") -> Response:
    """One revision of a report as PDF/A."""
    here.require("work_order.read")
    report = here.session.get(Report, report_id)
    # Whoever may not look at the work or the machine may not read about it either.
    if report is None or here.session.get(Asset, report.asset_id) is None:
        raise NotFound("no such report", kind="report")
    if report.subject_kind == "work_order":
        get_work_order(here.session, report.subject_id)
    return _file(here, report, language)


@router.get("/document-rules", operation_id="list_document_rules")
def list_rules(here: Here) -> DocumentRules:
    """Which events ask for which document."""
    here.require("document.manage")
    rules = rules_for(here.session, here.actor.organisation_id)
    return DocumentRules(items=[_rule(here, template) for template in rules])


@router.put("/document-rules/{template}", operation_id="put_document_rule")
def put_rule(template: Template, body: DocumentRuleIn, here: Here) -> DocumentRuleItem:
    """Say when a document is written, for this organisation and those below it."""
    here.require("settings.manage")
    unknown = [each for each in body.moments if each not in MOMENTS[template]]
    if unknown:
        allowed = list(MOMENTS[template])
        raise Invalid(f"{template} can be written at: {', '.join(allowed)}", field="moments", allowed=allowed)
    if body.mail and template not in FOR_CUSTOMERS:
        raise Invalid(f"{template} is not for customers", field="mail")
    mine = select(DocumentRule).where(
        DocumentRule.organisation_id == here.actor.organisation_id, DocumentRule.template == template
    )
    row = here.session.scalar(mine.with_for_update())
    if row is None:
        row = DocumentRule(organisation_id=here.actor.organisation_id, template=template)
        here.session.add(row)
    row.moments, row.languages = list(dict.fromkeys(body.moments)), list(dict.fromkeys(body.languages))
    row.mail, row.enabled, row.changed_at = body.mail, body.enabled, here.now
    here.session.flush()
    append_event(
        here.session,
        "document_rule.changed",
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="document_rule",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"template": template, **body.model_dump()},
    )
    return _rule(here, template)


def _rule(here: Context, template: Any) -> DocumentRuleItem:
    rule = rules_for(here.session, here.actor.organisation_id)[template]
    return DocumentRuleItem(
        template=template,
        moments=list(rule.moments),
        possible=list(MOMENTS[template]),
        languages=list(rule.languages),
        mail=rule.mail,
        enabled=rule.enabled,
    )


def _newest(here: Context, query: Any, revision: int | None) -> Report:
    if revision is not None:
        query = query.where(Report.revision == revision)
    found: Report | None = here.session.scalar(query.order_by(Report.revision.desc()).limit(1))
    if found is None:
        raise NotFound("no such report", kind="report")
    return found


def _file(here: Context, report: Report, language: str) -> Response:
    """Return the file that was kept; a language that nobody asked for before is set now."""
    if _outside(here) and report.template not in FOR_CUSTOMERS:
        raise NotFound("no such report", kind="report")
    return report_response(here.session, file_store(here.settings), report, language)


def report_response(session: Session, files: FileStore, report: Report, language: str) -> Response:
    """Return the answer with a report's file in a language."""
    kept = report.files.get(language)
    content = b"".join(files.read(kept["sha256"]).chunks) if kept else file_of(session, files, report, language)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(report, language)}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="application/pdf", headers=headers)


def _outside(here: Context) -> bool:
    return here.actor.roles <= {Role.CUSTOMER}


def _list(here: Context, *conditions: Any) -> ReportList:
    query = select(Report).where(*conditions).order_by(Report.id.desc()).limit(MOST)
    outside = _outside(here)
    if outside:
        query = query.where(Report.template.in_(FOR_CUSTOMERS))
    return ReportList(items=[_item(row, outside) for row in here.session.scalars(query)])


def _item(row: Report, outside: bool) -> ReportItem:
    same = {name: getattr(row, name) for name in ReportItem.model_fields if name != "languages"}
    item = ReportItem(**same, languages=[each for each in ("en", "zh") if each in row.files])
    return item.model_copy(update={"mail_error": None}) if outside else item
