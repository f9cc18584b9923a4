"""Ways in over HTTP: telephone systems and mailboxes, with the secrets that they sign with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from gateway.api.deps import Context, Here, no_store
from gateway.api.edits import IfMatch, Name, locked, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.notify.webhook_rules import ROTATION, new_secret
from ticketing.channels.tables import Channel
from ticketing.words import PRIORITIES

router = APIRouter(prefix="/api/v1", tags=["channels"])

MAX_CHANNELS = 20
Kind = Literal["phone", "mail"]
Digits = Annotated[str, Field(pattern=r"^[0-9]*$", max_length=6)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.\-:\[\]]+$")]
Mailbox = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\s@<>\x00-\x1f]+@[^\s@<>\x00-\x1f]+$")]


class PhoneSettings(BaseModel):
    """How numbers without a country or area code are meant, and how urgent a call back is."""

    country: Annotated[Digits, Field(min_length=1)] = "86"
    area: Digits = ""
    language: Literal["en", "zh"] = "zh"
    callback_priority: str = "high"


class MailSettings(BaseModel):
    """The mailbox: its address, where IMAP reads it (nothing: mail is sent here), and whether mails are confirmed."""

    address: Mailbox
    language: Literal["en", "zh"] = "zh"
    acknowledge: bool = True
    imap_host: Host | None = None
    imap_port: Annotated[int, Field(ge=1, le=65535)] = 993
    imap_user: Annotated[str | None, Field(max_length=320)] = None
    imap_security: Literal["tls", "starttls", "none"] = "tls"
    imap_folder: Annotated[str, Field(min_length=1, max_length=200)] = "INBOX"


class WayInItem(BaseModel):
    """One way in; its secret is shown once, a password never."""

    id: UUID
    kind: Kind
    name: str
    enabled: bool
    address: str
    phone: PhoneSettings | None
    mail: MailSettings | None
    has_password: bool
    created_at: datetime
    heard_at: datetime | None
    tried_at: datetime | None
    error: str | None
    organisation_id: UUID
    version: int


class WayInMade(WayInItem):
    """One way in with the secret that its messages are signed with (Standard Webhooks)."""

    secret: str


class WaysIn(BaseModel):
    """A page of ways in."""

    items: list[WayInItem]
    next: str | None = None


class NewWayIn(BaseModel):
    """A telephone system or a mailbox of one's own organisation."""

    kind: Kind
    name: Name
    phone: PhoneSettings | None = None
    mail: MailSettings | None = None
    password: Annotated[str | None, Field(max_length=500)] = None


class WayInChange(BaseModel):
    """What is to change; settings are replaced whole."""

    name: Name | None = None
    enabled: bool | None = None
    phone: PhoneSettings | None = None
    mail: MailSettings | None = None
    password: Annotated[str | None, Field(max_length=500)] = None


@router.get("/channels", operation_id="list_channels")
def list_channels(here: Here, limit: Limit = 100, after: After = None) -> WaysIn:
    """List ways in by name."""
    here.require("channel.manage")
    query = select(Channel).order_by(Channel.name, Channel.id).limit(limit + 1)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Channel.name, Channel.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return WaysIn(items=[_item(here, each) for each in page], next=following)


@router.post("/channels", operation_id="create_channel", status_code=201)
def create_channel(body: NewWayIn, here: Here, response: Response) -> WayInMade:
    """Add a way in; the answer holds its secret."""
    here.require("channel.manage")
    no_store(response)
    own = Channel.organisation_id == here.actor.organisation_id
    if (here.session.scalar(select(func.count()).where(own)) or 0) >= MAX_CHANNELS:
        raise Conflict(
            f"an organisation has at most {MAX_CHANNELS} ways in", what="too_many_channels", limit=MAX_CHANNELS
        )
    settings = _settings(body.kind, body.phone, body.mail) or {}
    row = Channel(
        organisation_id=here.actor.organisation_id,
        kind=body.kind,
        name=body.name.strip(),
        enabled=True,
        settings=settings,
        secret=new_secret(),
        password=body.password or None,
        progress={},
        created_at=here.now,
        version=1,
    )
    _check_free(here, row)
    here.session.add(row)
    here.session.flush()
    _note(here, row, "channel.added")
    return WayInMade(**_item(here, row).model_dump(), secret=row.secret)


@router.get("/channels/{channel_id}", operation_id="get_channel")
def get_channel(channel_id: UUID, here: Here) -> WayInItem:
    """One way in, without its secret."""
    here.require("channel.manage")
    return _item(here, seen(here, Channel, channel_id, "channel"))


@router.patch("/channels/{channel_id}", operation_id="change_channel")
def change_channel(channel_id: UUID, body: WayInChange, here: Here, if_match: IfMatch = None) -> WayInItem:
    """Change a way in. A password stays as it is when it is left out; an empty one is taken away."""
    here.require("channel.manage")
    row = locked(here, Channel, channel_id, "channel", if_match)
    row.name = body.name.strip() if body.name is not None else row.name
    row.enabled = body.enabled if body.enabled is not None else row.enabled
    if body.phone is not None or body.mail is not None:
        settings = _settings(row.kind, body.phone, body.mail) or {}
        same = ("imap_host", "imap_port", "imap_user", "imap_security")
        if (
            row.password
            and body.password is None
            and any(settings.get(each) != row.settings.get(each) for each in same)
        ):
            raise Invalid("another server or user needs its password again", field="password")
        if any(settings.get(each) != row.settings.get(each) for each in (*same, "imap_folder")):
            row.progress = {}
        row.settings = settings
        _check_free(here, row)
    if body.password is not None:
        row.password = body.password or None
    row.error = None
    row.version += 1
    here.session.flush()
    _note(here, row, "channel.changed")
    return _item(here, row)


@router.delete("/channels/{channel_id}", operation_id="delete_channel", status_code=204)
def delete_channel(channel_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a way in with its log; the cases that came of it stay."""
    here.require("channel.manage")
    row = locked(here, Channel, channel_id, "channel", if_match)
    _note(here, row, "channel.removed")
    here.session.delete(row)
    here.session.flush()


@router.post("/channels/{channel_id}/secret", operation_id="rotate_channel_secret")
def rotate_channel_secret(channel_id: UUID, here: Here, response: Response, if_match: IfMatch = None) -> WayInMade:
    """Make a new secret; for a day the one before is taken as well."""
    here.require("channel.manage")
    no_store(response)
    row = locked(here, Channel, channel_id, "channel", if_match)
    row.previous_secret, row.previous_until, row.secret = row.secret, here.now + ROTATION, new_secret()
    row.version += 1
    here.session.flush()
    _note(here, row, "channel.changed")
    return WayInMade(**_item(here, row).model_dump(), secret=row.secret)


def _settings(kind: str, phone: PhoneSettings | None, mail: MailSettings | None) -> dict[str, Any] | None:
    if kind == "mail":
        if mail is None:
            raise Invalid("a mailbox has settings", field="mail")
        return mail.model_dump() | {"address": mail.address.lower()}
    told = phone or PhoneSettings()
    if told.callback_priority not in PRIORITIES:
        raise Invalid(f"one of {', '.join(PRIORITIES)}", field="phone.callback_priority", allowed=list(PRIORITIES))
    return told.model_dump()


def _check_free(here: Context, row: Channel) -> None:
    """One mailbox is read by one channel: two would make two requests of each mail."""
    address = row.settings.get("address")
    same = select(Channel.id).where(Channel.kind == "mail", Channel.settings["address"].astext == address)
    if row.id is not None:
        same = same.where(Channel.id != row.id)
    if address and here.session.scalar(same.limit(1)) is not None:
        raise Conflict("this mailbox is read already", what="mailbox_taken", address=address)


def _item(here: Context, row: Channel) -> WayInItem:
    way = "calls" if row.kind == "phone" else "mail"
    return WayInItem(
        id=row.id,
        kind="phone" if row.kind == "phone" else "mail",
        name=row.name,
        enabled=row.enabled,
        address=f"{here.settings.base_url}/api/v1/{way}/inbound/{row.id}",
        phone=PhoneSettings(**row.settings) if row.kind == "phone" else None,
        mail=MailSettings(**row.settings) if row.kind == "mail" else None,
        has_password=row.password is not None,
        created_at=row.created_at,
        heard_at=row.heard_at,
        tried_at=row.tried_at,
        error=row.error,
        organisation_id=row.organisation_id,
        version=row.version,
    )


def _note(here: Context, row: Channel, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="channel",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name},
        first=kind == "channel.added",
    )
