"""Telephones that are told of new work while nobody looks at them: the server's key, and each browser's half."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import delete, select

from assets.base.db import service_rights
from assets.base.errors import Invalid, NotFound
from gateway.api.calendar_feeds import own_person
from gateway.api.deps import Here
from gateway.notify.rule_models import PushSubscription
from gateway.notify.vapid import push_key
from gateway.notify.webhook_rules import Networks, check_url

router = APIRouter(prefix="/api/v1", tags=["notifications"])

MAX_PHONES = 10  # of one person; the oldest makes room
Key = Annotated[str, Field(min_length=10, max_length=200, pattern=r"^[A-Za-z0-9_\-=]+$")]


class PushKeyItem(BaseModel):
    """The server's public key, as a browser wants it (`applicationServerKey`)."""

    public_key: str


class PushKeys(BaseModel):
    """The browser's keys."""

    p256dh: Key
    auth: Key


class NewPushSubscription(BaseModel):
    """What `PushSubscription.toJSON()` says, and what the telephone is called."""

    endpoint: Annotated[str, Field(min_length=10, max_length=1000)]
    keys: PushKeys
    device: Annotated[str | None, Field(max_length=200)] = None


class PushSubscriptionItem(BaseModel):
    """One telephone, without its keys."""

    id: UUID
    device: str | None
    created_at: datetime
    delivered_at: datetime | None


class PushSubscriptions(BaseModel):
    """One's own telephones."""

    items: list[PushSubscriptionItem]
    next: str | None = None


@router.get("/push-key", operation_id="get_push_key")
def get_push_key(here: Here) -> PushKeyItem:
    """The key that a browser needs to take pushes from this server alone."""
    with service_rights(here.session):
        return PushKeyItem(public_key=push_key(here.session, here.now).public_key)


@router.get("/push-subscriptions", operation_id="list_push_subscriptions")
def list_push_subscriptions(here: Here) -> PushSubscriptions:
    """One's own telephones."""
    person = own_person(here)
    rows = here.session.scalars(
        select(PushSubscription).where(PushSubscription.person_id == person.id).order_by(PushSubscription.id)
    )
    return PushSubscriptions(items=[_item(row) for row in rows])


@router.post("/push-subscriptions", operation_id="create_push_subscription", status_code=201)
def create_push_subscription(body: NewPushSubscription, here: Here) -> PushSubscriptionItem:
    """Register this browser for oneself; whoever used it before is told nothing more there."""
    person = own_person(here)
    _check_endpoint(body.endpoint, here.settings.webhook_allowed)
    _check_keys(body.keys)
    with service_rights(here.session):  # the browser may have been somebody else's, of another organisation
        here.session.execute(delete(PushSubscription).where(PushSubscription.endpoint == body.endpoint))
    held = here.session.scalars(
        select(PushSubscription).where(PushSubscription.person_id == person.id).order_by(PushSubscription.id)
    ).all()
    for old in held[: max(0, len(held) - MAX_PHONES + 1)]:
        here.session.delete(old)
    row = PushSubscription(
        organisation_id=person.organisation_id,
        person_id=person.id,
        endpoint=body.endpoint,
        p256dh=body.keys.p256dh,
        auth=body.keys.auth,
        device=body.device,
        created_at=here.now,
        failures=0,
    )
    here.session.add(row)
    here.session.flush()
    return _item(row)


@router.delete("/push-subscriptions/{subscription_id}", operation_id="delete_push_subscription", status_code=204)
def delete_push_subscription(subscription_id: UUID, here: Here) -> None:
    """Forget one of one's own telephones."""
    person = own_person(here)
    row = here.session.get(PushSubscription, subscription_id)
    if row is None or row.person_id != person.id:
        raise NotFound("no such telephone", kind="push_subscription")
    here.session.delete(row)
    here.session.flush()


def _check_endpoint(endpoint: str, allowed: Networks) -> None:
    """Only https out in the world; plain http for what stands in a network that the operator allows."""
    try:
        check_url(endpoint, allowed)
        if endpoint.startswith("https://"):
            return
        check_url(endpoint)
    except Invalid as wrong:
        if endpoint.startswith("http://") and _within(endpoint, allowed):
            return
        raise Invalid(str(wrong), field="endpoint") from None
    raise Invalid("a push service has an https address", field="endpoint")


def _within(endpoint: str, allowed: Networks) -> bool:
    try:
        check_url(endpoint, allowed)
    except Invalid:
        return False
    return bool(allowed)


def _check_keys(keys: PushKeys) -> None:
    try:
        point = base64.urlsafe_b64decode(keys.p256dh + "=" * (-len(keys.p256dh) % 4))
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise Invalid("no point of the curve P-256", field="keys.p256dh") from None
    try:
        secret = base64.urlsafe_b64decode(keys.auth + "=" * (-len(keys.auth) % 4))
    except ValueError:
        secret = b""
    if len(secret) != 16:
        raise Invalid("16 bytes", field="keys.auth")


def _item(row: PushSubscription) -> PushSubscriptionItem:
    return PushSubscriptionItem(id=row.id, device=row.device, created_at=row.created_at, delivered_at=row.delivered_at)
