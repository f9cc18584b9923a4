"""Send a push to a person's telephones: encrypted for each (RFC 8291), signed with the server's key (RFC 8292)."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from py_vapid import Vapid02
from pywebpush import WebPusher
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gateway.notify.letters import Letter, Outcome, Phone
from gateway.notify.outgoing import NotAllowed, post_checked
from gateway.notify.rule_models import PushSubscription
from gateway.notify.webhook_rules import Networks
from gateway.settings import Settings

TIME_OUT_S = 10.0
TTL_S = 24 * 3600  # a phone that is off for longer reads it in its list
SIGNED_S = 12 * 3600
MAX_TEXT = 600  # characters; a push holds 4 kB at most, and a Chinese character takes three bytes
GONE = (404, 410)


def send_push(letter: Letter, settings: Settings) -> Outcome:
    """Send to every telephone; it went out when one took it. What is gone for good is named."""
    errors, gone, delivered = [], [], []
    for phone in letter.phones:
        error = _send_one(letter, phone, settings.base_url, settings.webhook_allowed)
        if error is None:
            delivered.append(phone.id)
        elif error in tuple(f"HTTP {status}" for status in GONE):
            gone.append(phone.id)
            errors.append("the telephone is no longer registered")
        else:
            errors.append(error)
    again = len(gone) < len(letter.phones)
    return Outcome(letter, None if delivered else "; ".join(errors[:3]), again, tuple(gone), tuple(delivered))


def _send_one(letter: Letter, phone: Phone, base_url: str, allowed: Networks) -> str | None:
    try:
        body, headers = encrypted(letter, phone, base_url)
        status = post_checked(phone.endpoint, headers, body, allowed, TIME_OUT_S)
    except NotAllowed as error:
        return str(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None if 200 <= status < 300 else f"HTTP {status}"


def encrypted(letter: Letter, phone: Phone, base_url: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of one push."""
    assert letter.vapid_pem is not None
    said = {
        "id": str(letter.ids[0]),
        "title": letter.subject,
        "body": _short(letter),
        "path": letter.link.removeprefix(base_url.rstrip("/")),
        "tag": letter.tag or str(letter.ids[0]),
    }
    keys = {"p256dh": phone.p256dh, "auth": phone.auth}
    made = WebPusher({"endpoint": phone.endpoint, "keys": keys}).encode(json.dumps(said, ensure_ascii=False).encode())
    parts = urlsplit(phone.endpoint)
    who = base_url if base_url.startswith("https://") else "mailto:forewarn@localhost.invalid"
    claims: dict[str, Any] = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + SIGNED_S,
        "sub": who,
    }
    signed = Vapid02.from_pem(letter.vapid_pem.encode()).sign(claims)
    return made["body"], {
        **signed,
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL_S),
        "Urgency": "high",
    }


def _short(letter: Letter) -> str:
    """The body without the address, which the telephone opens anyway."""
    lines = [line for line in letter.body.replace(letter.link, "").splitlines() if line.strip()]
    return "\n".join(lines)[:MAX_TEXT]


def forget_gone(session: Session, gone: Sequence[UUID], delivered: Sequence[UUID], now: datetime) -> None:
    """Forget telephones that are no longer registered, and note those that took what was sent."""
    if gone:
        session.execute(delete(PushSubscription).where(PushSubscription.id.in_(gone)))
    for row in session.scalars(select(PushSubscription).where(PushSubscription.id.in_(delivered))):
        row.delivered_at, row.failures = now, 0
