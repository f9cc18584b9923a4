"""Webhooks over HTTP: where events are sent, what became of them, and sending them again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_

from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Name, locked, seen
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.notify.webhook_models import WebhookDelivery, WebhookEndpoint
from gateway.notify.webhook_rules import MAX_URL, ROTATION, check_kinds, check_url, new_secret
from gateway.notify.webhooks import add_delivery, note, replay, tell_test
from gateway.settings import Settings

router = APIRouter(prefix="/api/v1", tags=["webhooks"])

MAX_ENDPOINTS = 50
State = Literal["waiting", "sent", "failed"]
Url = Annotated[str, Field(min_length=8, max_length=MAX_URL)]
Kinds = Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=50)]


class WebhookOff(Conflict):
    """Nothing is sent to an endpoint that is switched off."""

    code = "webhook_off"


class WebhookItem(BaseModel):
    """An endpoint; `disabled_at`: switched off by the server after days of failure."""

    id: UUID
    name: str
    url: str
    kinds: list[str]
    enabled: bool
    created_at: datetime
    delivered_at: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None
    waiting: int
    failed: int
    organisation_id: UUID
    version: int


class WebhookMade(WebhookItem):
    """An endpoint with its secret, which is shown this once."""

    secret: str


class Webhooks(BaseModel):
    """A page of endpoints."""

    items: list[WebhookItem]
    next: str | None = None


class NewWebhook(BaseModel):
    """An endpoint of one's own organisation; kinds such as `work_order.closed`, `work_order.*` or `*`."""

    name: Name
    url: Url
    kinds: Kinds = ["*"]


class WebhookChange(BaseModel):
    """What is to change."""

    name: Name | None = None
    url: Url | None = None
    kinds: Kinds | None = None
    enabled: bool | None = None


class DeliveryItem(BaseModel):
    """One event for one endpoint; `round` counts how often it was sent again on demand."""

    id: UUID
    webhook_id: UUID
    event_id: int
    kind: str
    round: int
    state: State
    tries: int
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None
    status: int | None
    took_ms: int | None
    error: str | None


class Deliveries(BaseModel):
    """A page of deliveries, newest first."""

    items: list[DeliveryItem]
    next: str | None = None


class Span(BaseModel):
    """From when until when; the end is not part of it."""

    since: Moment = Field(alias="from")
    until: Moment = Field(alias="to")


class Replayed(BaseModel):
    """How many events are sent again."""

    queued: int


@router.get("/webhooks", operation_id="list_webhooks")
def list_webhooks(here: Here, limit: Limit = 100, after: After = None) -> Webhooks:
    """List endpoints by name."""
    here.require("webhook.manage")
    query = select(WebhookEndpoint).order_by(WebhookEndpoint.name, WebhookEndpoint.id).limit(limit + 1)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(WebhookEndpoint.name, WebhookEndpoint.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Webhooks(items=_items(here, page), next=following)


@router.post("/webhooks", operation_id="create_webhook", status_code=201)
def create_webhook(body: NewWebhook, here: Here) -> WebhookMade:
    """Add an endpoint; it hears of what happens from now on. The answer holds its secret."""
    here.require("webhook.manage")
    own = WebhookEndpoint.organisation_id == here.actor.organisation_id
    if (here.session.scalar(select(func.count()).where(own)) or 0) >= MAX_ENDPOINTS:
        raise Conflict(f"an organisation has {MAX_ENDPOINTS} endpoints at most", most=MAX_ENDPOINTS)
    row = WebhookEndpoint(
        organisation_id=here.actor.organisation_id,
        name=body.name.strip(),
        url=check_url(body.url.strip(), Settings().webhook_allowed),
        kinds=check_kinds(body.kinds),
        enabled=True,
        secret=new_secret(),
        rounds=0,
        version=1,
        created_at=here.now,
    )
    here.session.add(row)
    here.session.flush()
    note(here.session, row, "webhook.created", here.now, here.actor)
    return _with_secret(here, row)


@router.get("/webhooks/{webhook_id}", operation_id="get_webhook")
def get_webhook(webhook_id: UUID, here: Here) -> WebhookItem:
    """One endpoint, without its secret."""
    here.require("webhook.manage")
    return _items(here, [seen(here, WebhookEndpoint, webhook_id, "webhook")])[0]


@router.patch("/webhooks/{webhook_id}", operation_id="change_webhook")
def change_webhook(webhook_id: UUID, body: WebhookChange, here: Here, if_match: IfMatch = None) -> WebhookItem:
    """Change an endpoint. While switched off it hears of nothing; a replay brings what it missed."""
    here.require("webhook.manage")
    row = locked(here, WebhookEndpoint, webhook_id, "webhook", if_match)
    if body.name is not None:
        row.name = body.name.strip()
    if body.url is not None:
        row.url = check_url(body.url.strip(), Settings().webhook_allowed)
    if body.kinds is not None:
        row.kinds = check_kinds(body.kinds)
    if body.enabled is not None:
        row.enabled, row.disabled_at, row.failing_since = body.enabled, None, None
    row.version += 1
    note(here.session, row, "webhook.changed", here.now, here.actor)
    return _items(here, [row])[0]


@router.delete("/webhooks/{webhook_id}", operation_id="delete_webhook", status_code=204)
def delete_webhook(webhook_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove an endpoint with its deliveries."""
    here.require("webhook.manage")
    row = locked(here, WebhookEndpoint, webhook_id, "webhook", if_match)
    note(here.session, row, "webhook.removed", here.now, here.actor)
    here.session.delete(row)
    here.session.flush()


@router.post("/webhooks/{webhook_id}/secret", operation_id="rotate_webhook_secret")
def rotate_webhook_secret(webhook_id: UUID, here: Here, if_match: IfMatch = None) -> WebhookMade:
    """Make a new secret; for a day the one before signs as well."""
    here.require("webhook.manage")
    row = locked(here, WebhookEndpoint, webhook_id, "webhook", if_match)
    row.previous_secret, row.previous_until = row.secret, here.now + ROTATION
    row.secret = new_secret()
    row.version += 1
    note(here.session, row, "webhook.secret_rotated", here.now, here.actor)
    return _with_secret(here, row)


@router.post("/webhooks/{webhook_id}/test", operation_id="test_webhook", status_code=202)
def test_webhook(webhook_id: UUID, here: Here) -> Replayed:
    """Send an event `webhook.tested`; how it went stands among the deliveries."""
    here.require("webhook.manage")
    tell_test(here.session, _running(here, webhook_id), here.now, here.actor)
    return Replayed(queued=1)


@router.post("/webhooks/{webhook_id}/replay", operation_id="replay_webhook", status_code=202)
def replay_webhook(webhook_id: UUID, body: Span, here: Here) -> Replayed:
    """Send again all that happened in a span of time."""
    here.require("webhook.manage")
    if body.until <= body.since:
        raise Invalid("the end comes after the beginning", field="to")
    row = _running(here, webhook_id)
    here.session.flush()
    with service_rights(here.session):
        queued = replay(here.session, row, body.since, body.until, here.now)
        here.session.flush()
    return Replayed(queued=queued)


@router.get("/webhooks/{webhook_id}/deliveries", operation_id="list_webhook_deliveries")
def list_webhook_deliveries(
    webhook_id: UUID, here: Here, state: State | None = None, limit: Limit = 50, after: After = None
) -> Deliveries:
    """What was sent to an endpoint or waits, newest first; kept for 30 days."""
    here.require("webhook.manage")
    seen(here, WebhookEndpoint, webhook_id, "webhook")
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == webhook_id)
        .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
        .limit(limit + 1)
    )
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        query = query.where(tuple_(WebhookDelivery.created_at, WebhookDelivery.id) < tuple_(at, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].created_at.isoformat(), page[-1].id) if len(found) > limit else None
    return Deliveries(items=[_delivery(row) for row in page], next=following)


@router.post("/webhook-deliveries/{delivery_id}/replay", operation_id="replay_webhook_delivery", status_code=202)
def replay_webhook_delivery(delivery_id: UUID, here: Here) -> Replayed:
    """Send one event again, with the same id as before."""
    here.require("webhook.manage")
    delivery = seen(here, WebhookDelivery, delivery_id, "webhook_delivery")
    row = _running(here, delivery.endpoint_id)
    here.session.flush()
    with service_rights(here.session):
        event = here.session.get(Event, delivery.event_id)
        if event is None:
            raise Conflict("the event is no longer there")
        row.rounds += 1
        add_delivery(here.session, row, event, here.now, row.rounds)
        here.session.flush()
    return Replayed(queued=1)


def _running(here: Context, webhook_id: UUID) -> WebhookEndpoint:
    row = locked(here, WebhookEndpoint, webhook_id, "webhook")
    if not row.enabled:
        raise WebhookOff("the endpoint is switched off")
    return row


def _items(here: Context, rows: Sequence[WebhookEndpoint]) -> list[WebhookItem]:
    here.session.flush()
    counted = (
        select(WebhookDelivery.endpoint_id, WebhookDelivery.state, func.count())
        .where(WebhookDelivery.endpoint_id.in_([row.id for row in rows]), WebhookDelivery.state != "sent")
        .group_by(WebhookDelivery.endpoint_id, WebhookDelivery.state)
    )
    counts = {(key, state): number for key, state, number in here.session.execute(counted)}
    return [
        WebhookItem(
            id=row.id,
            name=row.name,
            url=row.url,
            kinds=row.kinds,
            enabled=row.enabled,
            created_at=row.created_at,
            delivered_at=row.delivered_at,
            failing_since=row.failing_since,
            disabled_at=row.disabled_at,
            waiting=counts.get((row.id, "waiting"), 0),
            failed=counts.get((row.id, "failed"), 0),
            organisation_id=row.organisation_id,
            version=row.version,
        )
        for row in rows
    ]


def _with_secret(here: Context, row: WebhookEndpoint) -> WebhookMade:
    return WebhookMade(**_items(here, [row])[0].model_dump(), secret=row.secret)


def _delivery(row: WebhookDelivery) -> DeliveryItem:
    told = {name: getattr(row, name) for name in DeliveryItem.model_fields if name != "webhook_id"}
    return DeliveryItem(webhook_id=row.endpoint_id, **told)
