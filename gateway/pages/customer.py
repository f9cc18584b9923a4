"""The customer's page behind a QR label: state and history in plain words, report a fault, follow the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.base.errors import Conflict, Invalid
from gateway import texts
from gateway.api.deps import Context, Public
from gateway.pages.machine import (
    CustomerPage,
    Done,
    Report,
    answer_report,
    find_asset,
    load_customer_page,
    load_report,
)
from ticketing.requests import MAX_TEXT, open_request

router = APIRouter(include_in_schema=False)

REMEMBERED = "forewarn_language"
REMEMBERED_S = 365 * 86_400
MAX_FORM = 64 * 1024  # bytes; the longest allowed report in Chinese is about 13 kB
_BUILT = Path(__file__).parent.parent / "web" / "dist" / "ui"
LOOKS = {
    "ok": "ok",
    "learning": "ok",
    "noticed": "notice",
    "planned": "notice",
    "arranging": "notice",
    "coming": "notice",
    "on_the_way": "work",
    "working": "work",
    "attention": "alarm",
    "no_data": "quiet",
}
STEPS = ("received", "planned", "working", "done")
_STEP_OF_PROGRESS = {
    "received": "received",
    "accepted": "planned",
    "scheduled": "planned",
    "on_hold": "planned",
    "in_progress": "working",
    "done": "done",
}
_ORIGINS = {"finding": "page.history.by_model", "request": "page.history.by_request", "plan": "page.history.by_plan"}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed, shown again when it could not be taken."""

    text: str = ""
    name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """One report as it came in; `trapped` when the field was filled that people do not see."""

    typed: Typed
    as_json: bool
    trapped: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the language, and whether it was chosen just now."""

    language: str
    chosen: bool


def reader_of(request: Request) -> Reader:
    """Return the reader's language: `?lang=`, else what they chose before, else what the browser asks for."""
    asked = request.query_params.get("lang")
    language = texts.choose_language(asked, request.cookies.get(REMEMBERED), request.headers.get("accept-language"))
    return Reader(language, asked == language)


async def sent_report(request: Request) -> Sent:
    """Read a report from a form or from JSON, never more than MAX_FORM bytes; one that is longer reads as too long."""
    as_json = request.headers.get("content-type", "").startswith("application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return Sent(Typed(text="x" * (MAX_TEXT + 1)), as_json, False)
    fields = json_fields(body) if as_json else _form_fields(body)
    typed = Typed(*(plain_words(fields.get(name)) for name in ("text", "name", "phone")))
    return Sent(typed, as_json, bool(fields.get("website")))


def plain_words(value: Any) -> str:
    """Return what somebody typed, without a NUL or half a character: the database stores neither."""
    return str(value or "").encode(errors="replace").decode().replace("\0", "").strip()


def json_fields(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON body, none when it is no object."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return sent if isinstance(sent, dict) else {}


def _form_fields(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=20))
    except ValueError:
        return {}


@router.get("/a", operation_id="customer_entry")
@router.get("/a/", operation_id="customer_entry_slash")
def customer_entry(request: Request, code: str = "") -> Response:
    """Ask for the code on the label, or go to its page."""
    if code.strip().isalnum():
        return RedirectResponse(f"/a/{code.strip()[:40]}", status_code=303)
    return render(reader_of(request), "missing.html", 200, None, report=False, code=None, entry=True)


@router.get("/a/{code}", operation_id="customer_page")
def customer_page(code: str, request: Request, here: Public) -> Response:
    """Show how the machine is."""
    reader = reader_of(request)
    page = load_customer_page(here.session, code, here.now)
    if page is None:
        return missing(reader, report=False)
    return _machine(reader, page, Typed(), None, registered="registered" in request.query_params)


@router.get("/a/{code}/requests", operation_id="customer_form")
def customer_form(code: str) -> Response:
    """A reloaded form leads back to the page that holds it."""
    return RedirectResponse(f"/a/{code}#report", status_code=303)


@router.post("/a/{code}/requests", operation_id="customer_report")
def customer_report(code: str, request: Request, here: Public, sent: Annotated[Sent, Depends(sent_report)]) -> Response:
    """Take a report, as a form or as JSON; the answer is the link that follows it."""
    typed, as_json = sent.typed, sent.as_json
    asset = find_asset(here.session, code)
    if asset is None:
        return _problem(404, "not_found", "no machine has this code") if as_json else missing(reader_of(request))
    if sent.trapped:
        return RedirectResponse(f"/a/{asset.code}", status_code=303)
    try:
        contact = {"name": typed.name, "phone": typed.phone}
        made = open_request(
            here.session, asset=asset, channel="qr_page", text=typed.text, contact=contact, now=here.now
        )
    except (Invalid, Conflict) as error:
        return _refused(error, as_json, code, typed, request, here)
    link = f"/a/{asset.code}/requests/{made.tracking_code}"
    if as_json:
        return JSONResponse({"number": made.number, "tracking": link}, status_code=201, headers={"Location": link})
    return RedirectResponse(link, status_code=303)


@router.get("/a/{code}/requests/{tracking}", operation_id="customer_tracking")
def customer_tracking(code: str, tracking: str, request: Request, here: Public) -> Response:
    """Show how far a report is."""
    reader = reader_of(request)
    report = load_report(here.session, code, tracking)
    if report is None:
        return missing(reader, report=True, code=code if find_asset(here.session, code) else None)
    if "application/json" in request.headers.get("accept", ""):
        said = [{"at": line.at.isoformat(), "text": line.text, "mine": line.mine} for line in report.thread]
        return JSONResponse(
            {"number": report.number, "state": report.progress, "outcome": report.outcome, "messages": said}
        )
    result = outcome_in_words(reader.language, report.outcome, report.repaired) if report.outcome else None
    return render(
        reader,
        "tracking.html",
        200,
        report.time_zone,
        report=report,
        steps=steps_of(report),
        result=result,
        tracking=tracking,
        most=MAX_TEXT,
    )


@router.get("/a/{code}/requests/{tracking}/messages", operation_id="customer_messages")
def customer_messages(code: str, tracking: str) -> Response:
    """A reloaded form leads back to the page that holds it."""
    return RedirectResponse(f"/a/{code}/requests/{tracking}#thread", status_code=303)


@router.post("/a/{code}/requests/{tracking}/messages", operation_id="customer_answer")
def customer_answer(
    code: str, tracking: str, request: Request, here: Public, sent: Annotated[Sent, Depends(sent_report)]
) -> Response:
    """Write to the desk about a report, as a form or as JSON; whoever holds the link may."""
    back = f"/a/{code}/requests/{tracking}"
    if sent.trapped:
        return RedirectResponse(back, status_code=303)
    try:
        known = answer_report(here.session, code, tracking, sent.typed.text, here.now)
    except (Invalid, Conflict) as error:
        if sent.as_json:
            return _problem(409 if isinstance(error, Conflict) else 422, error.code, str(error))
        return RedirectResponse(f"{back}#thread", status_code=303)
    if not known:
        missed = missing(reader_of(request), report=True)
        return _problem(404, "not_found", "no report has this link") if sent.as_json else missed
    if sent.as_json:
        return JSONResponse({"tracking": back}, status_code=201, headers={"Location": back})
    return RedirectResponse(f"{back}#thread", status_code=303)


def steps_of(report: Report) -> list[dict[str, str]]:
    """Return the four steps, each past, now or still to come."""
    at = STEPS.index(_STEP_OF_PROGRESS.get(report.progress, "received"))
    finished = report.progress == "done"
    looks = [
        "past" if index < at or (index == at and finished) else "now" if index == at else "next" for index in range(4)
    ]
    return [{"name": name, "look": look} for name, look in zip(STEPS, looks, strict=True)]


def noticed_in_words(language: str, noticed: dict[str, Any] | None) -> str | None:
    """Return what was noticed in one plain sentence, None when nothing was."""
    if not noticed:
        return None
    top: dict[str, Any] = next(iter(noticed.get("contributions") or ()), {})
    label = top.get(f"label_{language}") or ""
    note, kind = top.get("note", ""), noticed.get("kind", "machine")
    # A stored name with underscores taken out is no word for a customer.
    named = label and label != str(top.get("metric", "")).replace("_", " ")
    if named and texts.has(f"page.noticed.{note}"):
        return texts.text(language, f"page.noticed.{note}", metric=label)
    return texts.text(language, f"page.noticed.{kind}" if texts.has(f"page.noticed.{kind}") else "page.noticed.machine")


def _refused(
    error: Invalid | Conflict, as_json: bool, code: str, typed: Typed, request: Request, here: Context
) -> Response:
    many = isinstance(error, Conflict)
    status = 409 if many else 422
    if as_json:
        return _problem(status, error.code, str(error))
    page = load_customer_page(here.session, code, here.now)
    wrong = "too_many" if many else "too_long" if len(typed.text) > MAX_TEXT else "text"
    return missing(reader_of(request)) if page is None else _machine(reader_of(request), page, typed, wrong, status)


def _machine(
    reader: Reader,
    page: CustomerPage,
    typed: Typed,
    wrong: str | None,
    status: int = 200,
    *,
    registered: bool = False,
) -> Response:
    language = reader.language
    return render(
        reader,
        "machine.html",
        status,
        page.time_zone,
        page=page,
        typed=typed,
        wrong=wrong,
        registered=registered and page.warranty.number is not None,
        most=MAX_TEXT,
        look=LOOKS[page.state],
        model=page.model.get(language) if page.model else None,
        noticed=noticed_in_words(language, page.noticed) if LOOKS[page.state] in ("notice", "work", "alarm") else None,
        result=partial(_result, language),
        origin=lambda done: texts.text(language, _ORIGINS[done.origin]) if done.origin in _ORIGINS else "",
    )


def outcome_in_words(language: str, outcome: str, repaired: bool) -> str:
    """Return a job's result; only a job with a repair code is said to have repaired something."""
    with_repair = f"page.outcome.{outcome}.repaired"
    return texts.text(language, with_repair if repaired and texts.has(with_repair) else f"page.outcome.{outcome}")


def _result(language: str, done: Done) -> str:
    outcome = outcome_in_words(language, done.outcome, done.repaired)
    repair = done.repair.get(language) if done.repair else None
    return texts.text(language, "page.outcome.repaired", outcome=outcome, repair=repair) if repair else outcome


def missing(reader: Reader, *, report: bool = False, code: str | None = None) -> Response:
    """Return the page for a code that no machine has."""
    return render(reader, "missing.html", 404, None, report=report, code=code, entry=False)


def render(reader: Reader, template: str, status: int, time_zone: str | None, **values: Any) -> Response:
    language, zone = reader.language, texts.zone_of(time_zone)
    html = _templates.get_template(template).render(
        language=language,
        t=partial(_said, language),
        moment=lambda at: Markup('<time datetime="{}">{}</time>').format(
            at.isoformat(), texts.moment(language, at, zone)
        ),
        font=_font(),
        day=lambda at: texts.day(language, at, zone),
        date=lambda day: texts.calendar_day(language, day),
        **values,
    )
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie", "Referrer-Policy": "no-referrer"}
    answer = HTMLResponse(html, status_code=status, headers=headers)
    if reader.chosen:
        answer.set_cookie(REMEMBERED, language, max_age=REMEMBERED_S, samesite="lax", httponly=True)
    return answer


@cache
def _font() -> str | None:
    """Return the address of the pages' own typeface, None while the pages are not built."""
    found = sorted(_BUILT.glob("inter-latin-wght-normal-*.woff2"))
    return f"/ui/{found[0].name}" if found else None


def _said(language: str, code: str, **params: Any) -> str:
    """Return a text for a template; parameters are escaped unless they are markup already."""
    said = texts.text(language, code)
    return Markup(said).format(**params) if params else said


def _problem(status: int, code: str, detail: str) -> Response:
    body = {"type": f"urn:forewarn:problem:{code}", "title": code, "status": status, "detail": detail, "code": code}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
