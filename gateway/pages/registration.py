"""Register a machine for warranty from its label: the form, and the card that comes of it, without anybody's name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from assets.base.errors import Invalid
from assets.warranty.cards import MAX_NAME, MAX_PROOF, Registered, TooManyRegistrations, register
from assets.warranty.cover import Cover
from assets.warranty.known import known_of
from gateway.api.deps import Context, Public
from gateway.pages.customer import missing, plain_words, reader_of, render
from gateway.pages.machine import find_asset

router = APIRouter(include_in_schema=False)

MAX_FORM = 16 * 1024  # bytes; name, contact and proof at their longest are about 4 kB
FIELDS = ("name", "phone", "email", "purchased_on", "proof")
_WRONG = frozenset(FIELDS)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came in; `trapped` when the field was filled that people do not see, `long` when it is no form of ours."""

    fields: dict[str, str]
    as_json: bool
    trapped: bool = False
    long: bool = False


async def sent_registration(request: Request) -> Sent:
    """Read a form or JSON, never more than MAX_FORM bytes."""
    as_json = request.headers.get("content-type", "").startswith("application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return Sent({}, as_json, long=True)
    given = _read(body, as_json)
    fields = {name: _words(given.get(name)) for name in FIELDS}
    return Sent(fields, as_json, bool(given.get("website")))


def _words(value: Any) -> str:
    return plain_words(value) if isinstance(value, str) else ""


def _read(body: bytes, as_json: bool) -> dict[str, Any]:
    try:
        if not as_json:
            return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=20))
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return sent if isinstance(sent, dict) else {}


@router.get("/a/{code}/registration", operation_id="registration_form")
def registration_form(code: str, request: Request, here: Public) -> Response:
    """Ask for name, contact and day of purchase."""
    return _form(request, here, code, {}, None, 200)


@router.post("/a/{code}/registration", operation_id="register_warranty")
def register_warranty(
    code: str, request: Request, here: Public, sent: Annotated[Sent, Depends(sent_registration)]
) -> Response:
    """Register; the answer is the card: number, since when, what it covers until when."""
    asset = find_asset(here.session, code)
    if asset is None:
        return _problem(404, "not_found", "no machine has this code") if sent.as_json else missing(reader_of(request))
    if sent.trapped:
        return RedirectResponse(f"/a/{asset.code}", status_code=303)
    try:
        if sent.long:
            raise Invalid("this is longer than a registration", field="proof")
        made = register(
            here.session,
            asset,
            name=sent.fields["name"],
            phone=sent.fields["phone"] or None,
            email=sent.fields["email"] or None,
            purchased_on=_day(sent.fields["purchased_on"]),
            proof=sent.fields["proof"] or None,
            address_hash=_address_hash(request),
            now=here.now,
        )
    except (Invalid, TooManyRegistrations) as error:
        return _refused(error, sent, code, request, here)
    if sent.as_json:
        return JSONResponse(_card(made), status_code=201, headers={"Cache-Control": "no-store"})
    return RedirectResponse(f"/a/{asset.code}?registered=1#warranty", status_code=303)


def _refused(error: Invalid | TooManyRegistrations, sent: Sent, code: str, request: Request, here: Context) -> Response:
    many = isinstance(error, TooManyRegistrations)
    status = 429 if many else 422
    if sent.as_json:
        return _problem(status, error.code, str(error), error.params)
    field = str(error.params.get("field", ""))
    return _form(request, here, code, sent.fields, "too_many" if many else field if field in _WRONG else "name", status)


def _form(
    request: Request, here: Context, code: str, typed: dict[str, str], wrong: str | None, status: int
) -> Response:
    reader = reader_of(request)
    asset = find_asset(here.session, code)
    if asset is None:
        return missing(reader)
    known = known_of(here.session, asset)
    return render(
        reader,
        "registration.html",
        status,
        known.zone_name,
        code=asset.code,
        name=asset.name,
        serial=asset.serial,
        registered=known.card is not None,
        typed={field: typed.get(field, "") for field in FIELDS},
        wrong=wrong,
        most_name=MAX_NAME,
        most_proof=MAX_PROOF,
        today=here.now.astimezone(known.zone).date().isoformat(),
    )


def _card(made: Registered) -> dict[str, Any]:
    return {
        "number": made.card.number,
        "starts_on": str(made.card.starts_on),
        "ends_on": str(made.card.ends_on) if made.card.ends_on else None,
        "cover": [_short(each) for each in made.cover if each.clause.scope and each.state != "ended"],
    }


def _short(cover: Cover) -> dict[str, Any]:
    """Return what a customer reads of a clause."""
    clause = cover.clause
    return {
        "scope": sorted(clause.scope),
        "components": list(clause.components),
        "begins_on": str(cover.begins_on) if cover.begins_on else None,
        "ends_on": str(cover.ends_on) if cover.ends_on else None,
        "meters": [{"meter": each.meter, "limit": each.limit} for each in clause.meters],
        "state": cover.state,
        "text_en": clause.text_en,
        "text_zh": clause.text_zh,
    }


def _day(written: str) -> date | None:
    if not written:
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Invalid("a day reads YYYY-MM-DD", field="purchased_on") from None


def _address_hash(request: Request) -> str:
    """Where a registration comes from, so that their number can be bounded; the address itself is not kept.

    An IPv6 host has a whole /64 to choose addresses from.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    whole = str(ip_network((address, 64), strict=False)) if address and address.version == 6 else host
    return hashlib.sha256(f"registration {whole}".encode()).hexdigest()


def _problem(status: int, code: str, detail: str, params: dict[str, Any] | None = None) -> Response:
    given = params or {}
    body = {
        "type": f"urn:forewarn:problem:{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "code": code,
        "params": given,
    }
    headers = {"Retry-After": str(given["retry_after_s"])} if "retry_after_s" in given else {}
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)
