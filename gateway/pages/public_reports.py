"""The reports of a machine on its label's page: without anybody's name, except to the machine's owner."""

from __future__ import annotations

import threading
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.errors import NotFound
from assets.labels.codes import labelled_asset
from assets.registry import Asset
from gateway.api.deps import Context, Public
from gateway.api.reports import report_response
from gateway.files import file_store
from gateway.pages.mine import owned
from gateway.reports.rendering import render
from gateway.texts import choose_language
from ticketing.reports.facts import read_facts, without_people
from ticketing.reports.tables import FOR_CUSTOMERS, Report

router = APIRouter(include_in_schema=False)

MAX_KEPT = 100  # about 20 kB each
_KEPT: dict[tuple[UUID, int, str], bytes] = {}  # the one that was asked for longest ago first
_WRITING = threading.Lock()  # nobody signs in here: many askers at once cost one processor


@router.get("/a/{code}/reports/{report_id}", operation_id="customer_report")
def customer_report(code: str, report_id: UUID, here: Public, request: Request) -> Response:
    """The newest revision of a report; its names only for whoever is signed in as the machine's owner."""
    asset = labelled_asset(here.session, code)
    shown = here.session.get(Report, report_id) if asset else None
    if asset is None or shown is None or not _shows(asset, shown):
        raise NotFound("no such report")
    report = _newest(here.session, shown)
    asked, accepted = request.query_params.get("lang"), request.headers.get("accept-language")
    language = choose_language(asked, request.cookies.get("forewarn_language"), accepted)
    if _is_owner(request, here, asset):
        return report_response(here.session, file_store(here.settings), report, language)
    content = _written(report, language)
    headers = {"Content-Disposition": 'attachment; filename="report.pdf"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


def _written(report: Report, language: str) -> bytes:
    """Return the report without names: written once for each revision and language, one at a time."""
    key = (report.id, report.revision, language)
    with _WRITING:
        content = _KEPT.pop(key, None)
        if content is None:
            facts = without_people(read_facts(report.facts))
            content = render(
                facts, language, revision=report.revision, content_hash=report.content_hash, at=report.created_at
            )
        _KEPT[key] = content
        while len(_KEPT) > MAX_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
    return content


def _shows(asset: Asset, report: Report) -> bool:
    """What was written for an owner before is that owner's."""
    mine = report.asset_id == asset.id and report.organisation_id == asset.organisation_id
    return mine and report.template in FOR_CUSTOMERS


def _newest(session: Session, report: Report) -> Report:
    same = select(Report).where(Report.subject_id == report.subject_id, Report.template == report.template)
    return session.scalar(same.order_by(Report.revision.desc()).limit(1)) or report


def _is_owner(request: Request, here: Context, asset: Asset) -> bool:
    conditions = owned(request, here)
    if not conditions:
        return False
    return here.session.scalar(select(Asset.id).where(Asset.id == asset.id, or_(*conditions))) is not None
