"""The page of one request: how far it is, its thread with files, behind a link or for whoever signed in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from assets.base.errors import Conflict, Invalid
from gateway.api.deps import Context, Public
from gateway.pages.ask import Sent
from gateway.pages.customer import Reader, missing, outcome_in_words, problem, reader_of, render, steps_of
from gateway.pages.forms import MAX_FILE, MAX_FILES, Posted, check_files, keep_files
from gateway.pages.machine import Report, find_asset, load_report
from ticketing.cases.files import as_attachment, mark_sent
from ticketing.cases.threads import post
from ticketing.models import Request as ServiceRequest
from ticketing.requests import MAX_TEXT, case_of, find_by_tracking, follow_case

router = APIRouter(include_in_schema=False)


@router.get("/a/{code}/requests/{tracking}", operation_id="customer_tracking")
def customer_tracking(code: str, tracking: str, request: Request, here: Public) -> Response:
    """Show how far a report is."""
    reader = reader_of(request)
    report = load_report(here.session, code, tracking)
    if report is None:
        return missing(reader, report=True, code=code if find_asset(here.session, code) else None)
    base = f"/a/{report.code}/requests/{tracking}"
    if wants_json(request):
        return as_json(report)
    return tracking_page(reader, report, base, f"/a/{report.code}")


@router.get("/a/{code}/requests/{tracking}/messages", operation_id="customer_messages")
def customer_messages(code: str, tracking: str) -> Response:
    """A reloaded form leads back to the page that holds it."""
    return RedirectResponse(f"/a/{code}/requests/{tracking}#thread", status_code=303)


@router.post("/a/{code}/requests/{tracking}/messages", operation_id="customer_answer")
def customer_answer(code: str, tracking: str, request: Request, here: Public, sent: Sent) -> Response:
    """Write to the desk about a report, with files too, as a form or as JSON; whoever holds the link may."""
    back = f"/a/{code}/requests/{tracking}"
    if sent.trapped:
        return RedirectResponse(back, status_code=303)
    asset = find_asset(here.session, code)
    asked = find_by_tracking(here.session, asset.id, tracking) if asset else None
    try:
        known = asked is not None and answer(here, asked, sent, "qr_page")
    except (Invalid, Conflict) as error:
        if sent.as_json:
            return problem(409 if isinstance(error, Conflict) else 422, error.code, str(error))
        return RedirectResponse(f"{back}#thread", status_code=303)
    if not known:
        missed = missing(reader_of(request), report=True)
        return problem(404, "not_found", "no report has this link") if sent.as_json else missed
    if sent.as_json:
        return JSONResponse({"tracking": back}, status_code=201, headers={"Location": back})
    return RedirectResponse(f"{back}#thread", status_code=303)


def answer(here: Context, request: ServiceRequest, sent: Posted, channel: str) -> bool:
    """Write into the thread of a request as its sender; False when it has none. Raises Invalid, Conflict."""
    check_files(sent)
    case = case_of(here.session, request)
    if case is None:
        return False
    if request.state == "rejected":
        raise Conflict("this report was rejected", what="rejected")
    with here.session.begin_nested():
        kept = keep_files(here, case, request, sent.files)
        message = post(
            here.session,
            case,
            text=sent.words.get("text", ""),
            now=here.now,
            author_kind="requester",
            request=request,
            attachments=[as_attachment(each) for each in kept],
            channel=channel,
        )
        mark_sent(here.session, kept, message)
    follow_case(here.session, case, here.now)
    return True


def wants_json(request: Request) -> bool:
    """Return whether a program asks."""
    return "application/json" in request.headers.get("accept", "")


def as_json(report: Report) -> Response:
    """Return a request's progress for programs."""
    said = [{"at": line.at.isoformat(), "text": line.text, "mine": line.mine} for line in report.thread]
    told: dict[str, Any] = {"number": report.number, "state": report.progress, "outcome": report.outcome}
    return JSONResponse(told | {"messages": said})


def tracking_page(reader: Reader, report: Report, base: str, back: str) -> Response:
    """Return the page; `base` is its own address, under which its thread and files are."""
    result = outcome_in_words(reader.language, report.outcome, report.repaired) if report.outcome else None
    return render(
        reader,
        "tracking.html",
        200,
        report.time_zone,
        report=report,
        steps=steps_of(report),
        result=result,
        base=base,
        back=back,
        most=MAX_TEXT,
        most_files=MAX_FILES,
        most_mb=MAX_FILE // 2**20,
    )
