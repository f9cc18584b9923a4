"""The page behind the last line of a message to a customer: no more of these, or again."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select, update

from gateway.api.deps import Context, Public
from gateway.notify.models import Notification
from gateway.notify.rule_models import NotificationContact
from gateway.pages.customer import missing, reader_of, render

router = APIRouter(include_in_schema=False)

MAX_FORM = 4096


async def pressed(request: Request) -> str:
    """Return which button was pressed; what is longer than a button is none."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return ""
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=5)).get("messages", "off")
    except ValueError:
        return ""


@router.get("/a/notifications/{token}", operation_id="customer_messages_wish")
def show_wish(token: str, request: Request, here: Public) -> Response:
    """Show whether messages are sent to the address; programs that look into mails open links, but press no button."""
    row = _contact(here, token)
    if row is None:
        return missing(reader_of(request))
    shown: dict[str, Any] = {"address": masked(row.address), "off": row.opted_out_at is not None, "token": token}
    return render(reader_of(request), "messages.html", 200, None, **shown)


@router.post("/a/notifications/{token}", operation_id="customer_messages_choice")
def choose_wish(token: str, request: Request, here: Public, choice: Annotated[str, Depends(pressed)]) -> Response:
    """Stop, or begin again. What waits for the address is not sent any more."""
    row = _contact(here, token)
    if row is None:
        return missing(reader_of(request))
    if choice == "on":
        row.opted_out_at = None
    elif choice == "off" or "List-Unsubscribe" in choice:
        row.opted_out_at = row.opted_out_at or here.now
        waiting = update(Notification).where(Notification.address == row.address, Notification.state == "waiting")
        waiting = waiting.where(Notification.organisation_id == row.organisation_id)
        here.session.execute(waiting.values(state="cancelled", next_try_at=None, error="opted out"))
    return RedirectResponse(f"/a/notifications/{token}", status_code=303)


def masked(address: str) -> str:
    """Return as much of an address as its owner recognises."""
    name, at, host = address.partition("@")
    return f"{name[:1]}…{at}{host}" if at else f"…{address[-3:]}"


def _contact(here: Context, token: str) -> NotificationContact | None:
    if not 16 <= len(token) <= 100:
        return None
    return here.session.scalar(select(NotificationContact).where(NotificationContact.token == token))
