"""Send deliveries that wait: claimed first, sent with no transaction open, recorded after."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.events import Event
from gateway.notify.outgoing import NotAllowed, post_checked
from gateway.notify.webhook_models import WebhookDelivery, WebhookEndpoint
from gateway.notify.webhook_rules import GIVE_UP, Networks, next_try, signed
from gateway.notify.webhooks import cloud_event, note

log = logging.getLogger(__name__)

TIME_OUT_S = 10.0
AT_ONCE = 8  # endpoints that are spoken to side by side
EACH = 5  # deliveries of one endpoint at a time: a slow one does not hold up the others
BATCH = 40
KEEP = timedelta(days=30)
CLAIM = timedelta(seconds=120)  # longer than a batch takes; a worker that dies meanwhile loses nothing
MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, and to where."""

    delivery_id: UUID
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went; `away`: there was nobody to talk to."""

    delivery_id: UUID
    status: int | None
    error: str | None
    took_ms: int
    away: bool = False


def send_batch(database: Database, now: datetime, *, source: str, allowed: Networks = ()) -> int:
    """Send what is due, at most one batch; return how many were tried."""
    with database.as_service() as session:
        claimed = _claim(session, now, source)
    if not claimed:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(claimed)), thread_name_prefix="webhooks") as pool:
        found = list(chain.from_iterable(pool.map(lambda each: _send_all(each, allowed), claimed.values())))
    with database.as_service() as session:
        for outcome in found:
            _record(session, outcome, now)
    return len(found)


def _claim(session: Session, now: datetime, source: str) -> dict[UUID, list[Letter]]:
    place = func.row_number().over(
        partition_by=WebhookDelivery.endpoint_id, order_by=(WebhookDelivery.next_try_at, WebhookDelivery.id)
    )
    due = (
        select(WebhookDelivery.id, place.label("place"))
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.state == "waiting", WebhookDelivery.next_try_at <= now, WebhookEndpoint.enabled)
        .subquery()
    )
    rows = session.scalars(
        select(WebhookDelivery)
        .where(
            WebhookDelivery.id.in_(select(due.c.id).where(due.c.place <= EACH)),
            WebhookDelivery.state == "waiting",
            WebhookDelivery.next_try_at <= now,
        )
        .order_by(WebhookDelivery.next_try_at, WebhookDelivery.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    letters: dict[UUID, list[Letter]] = {}
    for row in rows:
        row.next_try_at = now + CLAIM
        endpoint = session.get_one(WebhookEndpoint, row.endpoint_id)
        event = session.get(Event, row.event_id)
        if event is None:
            row.state, row.next_try_at, row.error = "failed", None, "the event is no longer there"
            continue
        letters.setdefault(endpoint.id, []).append(_letter(row, endpoint, event, source))
    return letters


def _letter(row: WebhookDelivery, endpoint: WebhookEndpoint, event: Event, source: str) -> Letter:
    body = json.dumps(cloud_event(event, source), ensure_ascii=False)
    at = datetime.now(UTC)  # receivers refuse what was signed long ago
    keys = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > at:
        keys.append(endpoint.previous_secret)
    headers = signed(keys, f"event_{event.id}", at, body)
    headers |= {"Content-Type": "application/cloudevents+json; charset=utf-8", "User-Agent": "Forewarn-Webhooks"}
    return Letter(row.id, endpoint.url, headers, body.encode())


def _send_all(letters: Sequence[Letter], allowed: Networks) -> list[Outcome]:
    """Send the letters of one endpoint; when nobody is there the rest is not tried."""
    found: list[Outcome] = []
    for letter in letters:
        found.append(send(letter, allowed))
        if found[-1].away:
            break
    return found


def send(letter: Letter, allowed: Networks = (), time_out_s: float = TIME_OUT_S) -> Outcome:
    """Send one letter to an address that was looked up and checked; a redirect is not followed."""
    begun = time.monotonic()
    status: int | None = None
    error: str | None = None
    away = True
    try:
        status = post_checked(letter.url, letter.headers, letter.body, allowed, time_out_s)
        away = False
        error = None if 200 <= status < 300 else f"HTTP {status}"
    except NotAllowed as wrong:
        error = str(wrong)
    except (OSError, http.client.HTTPException, ValueError) as wrong:
        error = f"{type(wrong).__name__}: {wrong}"[:MAX_ERROR]
        if time.monotonic() - begun >= time_out_s:
            error = f"no answer within {time_out_s:g} s"
    return Outcome(letter.delivery_id, status, error, int((time.monotonic() - begun) * 1000), away)


def _record(session: Session, outcome: Outcome, now: datetime) -> None:
    """Write down how it went. An endpoint that was removed meanwhile took its deliveries along."""
    row = session.get(WebhookDelivery, outcome.delivery_id)
    endpoint = session.get(WebhookEndpoint, row.endpoint_id, with_for_update=True) if row else None
    if row is None or endpoint is None or row.state != "waiting":
        return
    row.tries += 1
    row.tried_at, row.status, row.took_ms, row.error = now, outcome.status, outcome.took_ms, outcome.error
    if outcome.error is None:
        row.state, row.next_try_at = "sent", None
        endpoint.delivered_at, endpoint.failing_since = now, None
        return
    row.next_try_at = next_try(row.tries, now)
    row.state = "waiting" if row.next_try_at else "failed"
    endpoint.failing_since = endpoint.failing_since or now
    if outcome.status == 410 or now - endpoint.failing_since >= GIVE_UP:  # gone, as the receiver itself says
        _switch_off(session, endpoint, now)
    elif outcome.away:  # the others of this endpoint have to wait as well, and it is no try of theirs
        _claimed(session, endpoint, now, now + timedelta(seconds=10))


def _claimed(session: Session, endpoint: WebhookEndpoint, now: datetime, until: datetime) -> None:
    waiting = (WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting")
    ours = WebhookDelivery.next_try_at == now + CLAIM
    session.execute(update(WebhookDelivery).where(*waiting, ours).values(next_try_at=until))


def _switch_off(session: Session, endpoint: WebhookEndpoint, now: datetime) -> None:
    if not endpoint.enabled:
        return
    endpoint.enabled, endpoint.disabled_at = False, now
    endpoint.version += 1
    waiting = (WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting")
    values = {"state": "failed", "next_try_at": None, "error": "the endpoint was switched off"}
    session.execute(update(WebhookDelivery).where(*waiting).values(values))
    note(session, endpoint, "webhook.disabled", now)
    log.warning("webhook %s was switched off after days of failure", endpoint.id)


def forget_deliveries(session: Session, now: datetime) -> None:
    """Forget what was delivered, or given up, long ago; the events stay and can be replayed."""
    old = (WebhookDelivery.state != "waiting", WebhookDelivery.created_at < now - KEEP)
    session.execute(delete(WebhookDelivery).where(*old))
