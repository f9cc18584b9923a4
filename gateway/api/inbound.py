"""What telephone systems and mail servers send: signed by Standard Webhooks, fresh, each once; no sign-in."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, ValidationError

from assets.base.errors import Invalid, RuleError
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Public
from gateway.api.edits import Moment
from gateway.mail.taking import take
from gateway.texts import text
from ticketing.channels.calls import MAX_ID, Told, is_new, take_call
from ticketing.channels.mail_reading import MAX_MAIL
from ticketing.channels.numbers import MAX_SPELLED
from ticketing.channels.tables import Channel

router = APIRouter(prefix="/api/v1", tags=["channels"])

TOLERANCE_S = 300
MAX_CALL = 64 * 1024


class NotSigned(RuleError):
    """No such way in, or a message that its secret did not sign, or one signed too long ago."""

    code = "not_signed"


class CallTold(BaseModel):
    """A moment of a call. `state`: ringing, answered, ended or missed; none with a recording alone."""

    call_id: Annotated[str, Field(min_length=1, max_length=MAX_ID)]
    state: Literal["ringing", "answered", "ended", "missed"] | None = None
    at: Moment | None = None
    caller: Annotated[str | None, Field(alias="from", max_length=MAX_SPELLED)] = None
    called: Annotated[str | None, Field(alias="to", max_length=MAX_SPELLED)] = None
    agent: Annotated[str | None, Field(max_length=MAX_ID)] = None
    direction: Literal["in", "out"] = "in"
    recording_url: Annotated[str | None, Field(max_length=2000)] = None


class Taken(BaseModel):
    """What became of it; `repeated`: this very message was taken before."""

    id: UUID | None
    state: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """A body as it came, with the headers that sign it."""

    body: bytes
    headers: Mapping[str, str]


async def _read(request: Request, most: int) -> Raw:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = {name: request.headers.get(name, "") for name in names}
    if not all(headers.values()):  # not worth reading
        raise NotSigned("no such way in, or not signed by its secret")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(f"at most {most} bytes", most=most)
        parts.append(part)
    return Raw(b"".join(parts), headers)


async def call_body(request: Request) -> Raw:
    """Read what is told of a call."""
    return await _read(request, MAX_CALL)


async def mail_body(request: Request) -> Raw:
    """Read a mail as it is on the wire."""
    return await _read(request, MAX_MAIL)


@router.post(
    "/calls/inbound/{channel_id}",
    operation_id="tell_call",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": CallTold.model_json_schema()}}}
    },
)
def tell_call(channel_id: UUID, here: Public, raw: Annotated[Raw, Depends(call_body)]) -> Taken:
    """Take a moment of a call, in any order and however often it is told."""
    channel = signed_channel(here, channel_id, "phone", raw)
    try:
        told = CallTold.model_validate_json(raw.body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(each) for each in first["loc"])
        raise Invalid(f"{field or 'body'}: {first['msg']}", field=field or "body") from None
    if not is_new(here.session, channel, raw.headers["webhook-id"], here.now):
        return Taken(id=None, state=told.state or "recorded", repeated=True)
    facts = Told(
        call_id=told.call_id,
        state=told.state,
        at=told.at or here.now,
        number=told.caller,
        line=told.called,
        agent=told.agent,
        direction=told.direction,
        recording_url=told.recording_url,
    )
    language = str(channel.settings.get("language", "zh"))
    call = take_call(here.session, channel, facts, here.now, partial(_callback_words, language))
    return Taken(id=call.id, state=call.state)


@router.post(
    "/mail/inbound/{channel_id}",
    operation_id="send_mail_in",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def send_mail_in(channel_id: UUID, here: Public, raw: Annotated[Raw, Depends(mail_body)]) -> Taken:
    """Take a mail as RFC 5322 has it, from a mail server's own hook; sent twice it is taken once."""
    channel = signed_channel(here, channel_id, "mail", raw)
    if not raw.body.strip():
        raise Invalid("the mail is empty", field="body")
    if not is_new(here.session, channel, raw.headers["webhook-id"], here.now):
        return Taken(id=None, state="taken", repeated=True)
    row = take(here.session, here.settings, channel, raw.body, here.now)
    return Taken(id=row.id, state=row.state)


def signed_channel(here: Context, channel_id: UUID, kind: str, raw: Raw) -> Channel:
    """Return the way in whose secret signed the message within five minutes. Raises NotSigned, the same for all."""
    channel = here.session.get(Channel, channel_id)
    if channel is None or channel.kind != kind or not channel.enabled or not raw.headers["webhook-id"]:
        raise NotSigned("no such way in, or not signed by its secret")
    keys = [channel.secret]
    if channel.previous_secret and channel.previous_until and channel.previous_until > datetime.now(UTC):
        keys.append(channel.previous_secret)
    if not any(_verifies(key, raw) for key in keys):
        raise NotSigned("no such way in, or not signed by its secret")
    return channel


def _verifies(secret: str, raw: Raw) -> bool:
    """Check as Standard Webhooks says, over the bytes: a mail is no JSON and may be no UTF-8."""
    told = raw.headers["webhook-timestamp"]
    if not told.isascii() or not told.isdigit() or abs(datetime.now(UTC).timestamp() - int(told[:15])) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((raw.headers["webhook-id"].encode(errors="replace"), told.encode(), raw.body))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    sent = [each.removeprefix("v1,") for each in raw.headers["webhook-signature"].split(" ")[:10]]
    return any(hmac.compare_digest(expected.encode(), each.encode(errors="replace")) for each in sent)


def _callback_words(language: str, number: str) -> str:
    return text(language, "call.callback", number=number)
