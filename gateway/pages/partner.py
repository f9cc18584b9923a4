"""The page on which a company asks to become a partner, and the one that confirms its address."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import RedirectResponse, Response

from assets.base.errors import Conflict, Invalid, NotFound
from gateway.api.deps import Public
from gateway.api.partner_applications import receive
from gateway.pages.customer import Reader, plain_words, reader_of, render
from ticketing.people.applications import FIELDS, MORE_FIELDS, TooManyApplications, confirm

router = APIRouter(include_in_schema=False)

MAX_FORM = 64 * 1024  # bytes; the longest application in Chinese is about 15 kB
LIMITS = FIELDS | MORE_FIELDS


async def typed_form(request: Request) -> dict[str, str]:
    """Read the form, never more than MAX_FORM bytes; a longer one reads as too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return {"message": "x" * (LIMITS["message"] + 1)}
    try:
        given = dict(parse_qsl(body.decode(errors="replace"), max_num_fields=20))
    except ValueError:
        return {}
    return {name: plain_words(given.get(name)) for name in (*LIMITS, "website")}


@router.get("/a/partner", operation_id="partner_form")
def partner_form(request: Request) -> Response:
    """Ask for the company, a contact and what it can do."""
    return _page(reader_of(request), "ask")


@router.post("/a/partner", operation_id="partner_apply")
def partner_apply(
    request: Request, here: Public, later: BackgroundTasks, typed: Annotated[dict[str, str], Depends(typed_form)]
) -> Response:
    """Take the application; the answer is the same whether or not the address wrote before."""
    reader = reader_of(request)
    step = "confirm" if here.settings.smtp_url else "wait"
    if typed.pop("website", ""):
        return _page(reader, step)
    try:
        receive(here, request, dict(typed), reader.language, later)
    except Invalid as error:
        field = str(error.params.get("field", ""))
        return _page(reader, "ask", 422, typed, field if field in LIMITS else "company")
    except TooManyApplications:
        return _page(reader, "ask", 429, typed, "too_many")
    except Conflict:
        return _page(reader, "ask", 409, typed, "company")
    answer = _page(reader, step)
    answer.background = later
    return answer


@router.get("/a/partner/confirm/{code}", operation_id="partner_confirm_form")
def partner_confirm_form(code: str, request: Request) -> Response:
    """Ask once more: programs that look into mails open links, but press no button."""
    return _page(reader_of(request), "press")


@router.post("/a/partner/confirm/{code}", operation_id="partner_confirm")
def partner_confirm(code: str, request: Request, here: Public) -> Response:
    """Note that the address is the sender's."""
    try:
        confirm(here.session, code, here.now)
    except NotFound:
        return _page(reader_of(request), "unknown", 404)
    return RedirectResponse("/a/partner/confirmed", status_code=303)


@router.get("/a/partner/confirmed", operation_id="partner_confirmed")
def partner_confirmed(request: Request) -> Response:
    """Say what happens next."""
    return _page(reader_of(request), "confirmed")


def _page(
    reader: Reader, step: str, status: int = 200, typed: dict[str, str] | None = None, wrong: str | None = None
) -> Response:
    shown = {name: (typed or {}).get(name, "") for name in LIMITS}
    return render(reader, "partner.html", status, None, step=step, typed=shown, wrong=wrong, limits=LIMITS)
