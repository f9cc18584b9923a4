"""Group channels and the way to telephones over HTTP; an address is written and never read back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from gateway import texts
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, locked
from gateway.notify.chat import MAX_URL, SERVICES, check_channel_url
from gateway.notify.models import CHAT, SMS, Notification
from gateway.notify.rule_models import NotificationChannel

router = APIRouter(prefix="/api/v1", tags=["notifications"])

MAX_CHANNELS = 50
Purpose = Literal["group", "sms"]
Language = Literal["en", "zh"]
Url = Annotated[str, Field(min_length=5, max_length=MAX_URL, description="an apprise address; never read back")]


class NotificationChannelItem(BaseModel):
    """A channel without its address; `service` is the address's first word."""

    id: UUID
    name: str
    purpose: str
    service: str
    language: str
    enabled: bool
    created_at: datetime
    delivered_at: datetime | None
    failing_since: datetime | None
    error: str | None
    organisation_id: UUID
    version: int


class NotificationChannels(BaseModel):
    """The channels, and the services that there are."""

    items: list[NotificationChannelItem]
    next: str | None = None
    services: list[str] = []


class NewNotificationChannel(BaseModel):
    """A group's channel such as `wecombot://KEY`, or the way to telephones with `{phone}` in its address."""

    name: Name
    purpose: Purpose = "group"
    url: Url
    language: Language = "en"
    enabled: bool = True


class NotificationChannelChange(BaseModel):
    """What changes; without an address the one that is there stays."""

    name: Name | None = None
    url: Url | None = None
    language: Language | None = None
    enabled: bool | None = None


class ChannelTestBody(BaseModel):
    """Whom to send a test to, by a way to telephones."""

    phone: Annotated[str | None, Field(max_length=40)] = None


class ChannelTested(BaseModel):
    """The message that waits; how it went stands among the deliveries."""

    delivery_id: UUID


@router.get("/notification-channels", operation_id="list_notification_channels")
def list_notification_channels(here: Here) -> NotificationChannels:
    """The channels of one's own organisation and those below it, without their addresses."""
    here.require("notification.manage")
    rows = here.session.scalars(select(NotificationChannel).order_by(NotificationChannel.id).limit(500))
    return NotificationChannels(items=[_item(row) for row in rows], services=sorted(SERVICES))


@router.post("/notification-channels", operation_id="create_notification_channel", status_code=201)
def create_notification_channel(body: NewNotificationChannel, here: Here) -> NotificationChannelItem:
    """Add a channel. The address must be of a known service; private hosts are refused."""
    here.require("notification_channel.manage")
    owner = here.actor.organisation_id
    held = select(func.count()).where(NotificationChannel.organisation_id == owner)
    if (here.session.scalar(held) or 0) >= MAX_CHANNELS:
        raise Conflict(f"at most {MAX_CHANNELS} channels", limit=MAX_CHANNELS)
    url = body.url.strip()
    row = NotificationChannel(
        organisation_id=owner,
        name=body.name.strip(),
        purpose=body.purpose,
        service=check_channel_url(url, body.purpose, here.settings.webhook_allowed),
        url=url,
        language=body.language,
        enabled=body.enabled,
        created_at=here.now,
    )
    here.session.add(row)
    here.session.flush()
    _note(here, row, "notification_channel.created")
    return _item(row)


@router.patch("/notification-channels/{channel_id}", operation_id="change_notification_channel")
def change_notification_channel(
    channel_id: UUID, body: NotificationChannelChange, here: Here, if_match: IfMatch = None
) -> NotificationChannelItem:
    """Change a channel."""
    here.require("notification_channel.manage")
    row = locked(here, NotificationChannel, channel_id, "notification_channel", if_match)
    if body.url is not None:
        row.service = check_channel_url(body.url.strip(), row.purpose, here.settings.webhook_allowed)
        row.url, row.failing_since, row.error = body.url.strip(), None, None
    for name in ("name", "language", "enabled"):
        if (value := getattr(body, name)) is not None:
            setattr(row, name, value)
    row.version += 1
    here.session.flush()
    _note(here, row, "notification_channel.changed")
    return _item(row)


@router.delete("/notification-channels/{channel_id}", operation_id="delete_notification_channel", status_code=204)
def delete_notification_channel(channel_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a channel with what was sent to it."""
    here.require("notification_channel.manage")
    row = locked(here, NotificationChannel, channel_id, "notification_channel", if_match)
    _note(here, row, "notification_channel.removed")
    here.session.delete(row)
    here.session.flush()


@router.post("/notification-channels/{channel_id}/test", operation_id="test_notification_channel", status_code=202)
def send_test_notification(channel_id: UUID, here: Here, body: ChannelTestBody | None = None) -> ChannelTested:
    """Send a text that says nothing but that it arrived."""
    here.require("notification_channel.manage")
    row = locked(here, NotificationChannel, channel_id, "notification_channel")
    phone = body.phone if body else None
    if row.purpose == SMS and not phone:
        raise Invalid("which telephone?", field="phone")
    said = {
        language: {part: texts.text(language, f"notify.test.{part}") for part in ("subject", "body")}
        for language in texts.LANGUAGES
    }
    sent = Notification(
        organisation_id=row.organisation_id,
        channel_id=row.id,
        channel=SMS if row.purpose == SMS else CHAT,
        address=phone,
        language=row.language,
        code="test",
        params={"path": "/"},
        texts=said,
        dedupe_key=f"test:{uuid4()}",
        critical=True,
        created_at=here.now,
        state="waiting",
        tries=0,
        next_try_at=here.now,
    )
    here.session.add(sent)
    here.session.flush()
    return ChannelTested(delivery_id=sent.id)


def _note(here: Context, row: NotificationChannel, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="notification_channel",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name, "service": row.service},
        first=kind.endswith(".created"),
    )


def _item(row: NotificationChannel) -> NotificationChannelItem:
    return NotificationChannelItem(**{name: getattr(row, name) for name in NotificationChannelItem.model_fields})
