"""The page behind an offer's link: choose a window, or move the appointment, without signing in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from assets.base.errors import Conflict, Invalid, NotFound
from assets.registry import Asset, Site
from gateway.api.appointments import rules_for
from gateway.api.deps import Context, Public
from gateway.pages.customer import MAX_FORM, Reader, json_fields, missing, reader_of, render
from gateway.public_limit import Limiter
from ticketing.dispatch.appointments import book, booked, open_offer, refresh
from ticketing.dispatch.tables import AppointmentOffer
from ticketing.models import WorkOrder
from ticketing.work_orders import OPEN_STATES

router = APIRouter(include_in_schema=False)

# Windows are reckoned from the whole plan: for one offer a few times at once, then once a minute, however often its
# page is loaded.
_RENEWED = Limiter(burst=5, per_s=1 / 60)


async def sent_choice(request: Request) -> dict[str, Any]:
    """Read a choice from a form or from JSON; what is too long or no choice is an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return {}
    if request.headers.get("content-type", "").startswith("application/json"):
        return json_fields(body)
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=20))
    except ValueError:
        return {}


@router.get("/a/appointments/{token}", operation_id="customer_appointment")
def show(token: str, request: Request, here: Public) -> Response:
    """Show the windows, and what was chosen."""
    try:
        made = open_offer(here.session, token, here.now)
    except NotFound:
        return _gone(request)
    _renew(here, made)
    return _answer(request, here, made, 200, None)


@router.post("/a/appointments/{token}", operation_id="customer_choice")
def choose(
    token: str, request: Request, here: Public, sent: Annotated[dict[str, Any], Depends(sent_choice)]
) -> Response:
    """Take a window, or move to another one as often as the organisation allows."""
    try:
        made = open_offer(here.session, token, here.now)
    except NotFound:
        return _gone(request)
    order = here.session.get_one(WorkOrder, made.work_order_id)
    rules = rules_for(here, order)
    try:
        opens, closes = _window(made, sent)
        with here.session.begin_nested():
            book(here.session, rules, order.id, opens, closes, here.now, chosen_by="customer")
    except (Conflict, Invalid) as error:
        if _RENEWED.allows(str(made.id)):
            refresh(here.session, rules, made, order, here.now)
        return _answer(request, here, made, 409 if isinstance(error, Conflict) else 422, error.code)
    if _wants_json(request):
        return _answer(request, here, made, 200, None)
    return RedirectResponse(f"/a/appointments/{token}", status_code=303)


def _window(made: AppointmentOffer, sent: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the window that was chosen: one of those offered, nothing else."""
    wanted = str(sent.get("window_from", ""))
    for each in made.windows:
        if wanted and each["from"] == wanted:
            return datetime.fromisoformat(each["from"]), datetime.fromisoformat(each["until"])
    raise Invalid("one of the windows that are offered", field="window_from")


def _renew(here: Context, made: AppointmentOffer) -> None:
    """Offer anew once all windows are over."""
    coming = [each for each in made.windows if datetime.fromisoformat(each["from"]) > here.now]
    if coming != made.windows:
        made.windows = coming
    if not coming and _RENEWED.allows(str(made.id)):
        order = here.session.get_one(WorkOrder, made.work_order_id)
        refresh(here.session, rules_for(here, order), made, order, here.now)


def _wants_json(request: Request) -> bool:
    kinds = request.headers.get("accept", "") + request.headers.get("content-type", "")
    return "application/json" in kinds


def _gone(request: Request) -> Response:
    if _wants_json(request):
        return JSONResponse({"code": "not_found"}, status_code=404)
    return missing(reader_of(request), report=True)


def _answer(request: Request, here: Context, made: AppointmentOffer, status: int, wrong: str | None) -> Response:
    order = here.session.get_one(WorkOrder, made.work_order_id)
    over = order.state not in OPEN_STATES
    present = None if over else booked(here.session, order.id)
    rules = rules_for(here, order)
    windows = [
        each for each in made.windows if present is None or datetime.fromisoformat(each["from"]) != present.window_from
    ]
    left = max(0, rules.moves_allowed - present.moves) if present is not None else None
    changeable = not over and order.state != "in_progress" and left != 0
    if _wants_json(request):
        chosen = None
        if present is not None:
            chosen = {"window_from": present.window_from.isoformat(), "window_until": present.window_until.isoformat()}
        told = {"number": order.number, "appointment": chosen, "moves_left": left, "problem": wrong, "over": over}
        offered = [{"window_from": each["from"], "window_until": each["until"]} for each in windows]
        return JSONResponse(told | {"windows": offered if changeable else []}, status_code=status)
    asset = here.session.get_one(Asset, order.asset_id)
    site = here.session.get(Site, asset.site_id) if asset.site_id else None
    spans = [(each["from"], *(datetime.fromisoformat(each[name]) for name in ("from", "until"))) for each in windows]
    return _page(
        reader_of(request), status, order, asset, site, present, spans if changeable else [], left, wrong, over
    )


def _page(
    reader: Reader,
    status: int,
    order: WorkOrder,
    asset: Asset,
    site: Site | None,
    present: Any,
    windows: Any,
    left: Any,
    wrong: Any,
    over: bool,
) -> Response:
    return render(
        reader,
        "appointment.html",
        status,
        site.time_zone if site else "UTC",
        number=order.number,
        machine=asset.name,
        appointment=present,
        windows=windows,
        left=left,
        wrong=None if over else wrong,
        over=over,
    )
