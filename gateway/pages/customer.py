"""The customer's page behind a QR label: state and history in plain words, report a fault, follow the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway import texts
from gateway.api.deps import Public
from gateway.pages.machine import (
    CustomerPage,
    Done,
    Report,
    load_customer_page,
)
from ticketing.requests import MAX_TEXT

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
class Reader:
    """Who reads: the language, and whether it was chosen just now."""

    language: str
    chosen: bool


def reader_of(request: Request) -> Reader:
    """Return the reader's language: `?lang=`, else what they chose before, else what the browser asks for."""
    asked = request.query_params.get("lang")
    language = texts.choose_language(asked, request.cookies.get(REMEMBERED), request.headers.get("accept-language"))
    return Reader(language, asked == language)


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
    return machine_page(reader, page, Typed(), None, registered="registered" in request.query_params)


@router.get("/a/{code}/requests", operation_id="customer_form")
def customer_form(code: str) -> Response:
    """A reloaded form leads back to the page that holds it."""
    return RedirectResponse(f"/a/{code}#report", status_code=303)


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


def machine_page(
    reader: Reader,
    page: CustomerPage,
    typed: Typed,
    wrong: str | None,
    status: int = 200,
    *,
    registered: bool = False,
) -> Response:
    """Return the machine's page; `wrong`: why a report could not be taken."""
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
        span=lambda opens, closes: texts.span(language, opens, closes, zone),
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


def problem(status: int, code: str, detail: str, params: dict[str, Any] | None = None) -> Response:
    """Return a refusal as the API writes it."""
    body = {"type": f"urn:forewarn:problem:{code}", "title": code, "status": status, "detail": detail, "code": code}
    body |= {"params": params or {}}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
