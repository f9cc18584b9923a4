"""Files of devices: bursts of fast sensors, sent by the device itself and listed for people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy import select, tuple_
from sqlalchemy.orm import defer

from assets.base.errors import NotFound
from gateway.api.bodies import WrongMediaType, bounded_body, media_type
from gateway.api.deps import Here, NotSignedIn, Public
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.telemetry import password_of
from ingest.burst_models import Burst
from ingest.bursts import receive_burst
from ingest.direct import NotThisDevice, authenticate_device
from ingest.models import Device

router = APIRouter(prefix="/api/v1", tags=["devices"])

ACCEPTED = ("", "application/json", "application/cbor", "application/octet-stream", "application/x-www-form-urlencoded")


class FileAck(BaseModel):
    """What is committed and may be deleted on the device; `quarantined` names why it was set aside."""

    name: str
    digest: str | None
    stored: bool
    quarantined: list[str]


class ReadReason(BaseModel):
    """Why nothing could be read out of a burst."""

    code: str
    params: dict[str, str | float | int | None]


class BurstItem(BaseModel):
    """One burst: what it is, and the features that became readings; `kept` while its samples can be fetched."""

    id: UUID
    name: str
    channel: str
    point: str
    started_at: datetime
    received_at: datetime
    sample_hz: float
    samples: int
    unit: str
    speed_hz: float | None
    digest: str
    size_bytes: int
    kept: bool
    state: str
    reason: ReadReason | None
    features: dict[str, float] | None
    read_at: datetime | None


class BurstPage(BaseModel):
    """Bursts, newest first."""

    items: list[BurstItem]
    next: str | None


@router.put("/devices/{serial}/files/{name}", operation_id="put_device_file")
def put_device_file(
    serial: str,
    name: str,
    request: Request,
    response: Response,
    here: Public,
    payload: Annotated[bytes, Depends(bounded_body)],
) -> FileAck:
    """Store one burst of a fast sensor (docs/telemetry.md), JSON or CBOR; gzip is unpacked.

    The device shows its own password (Bearer, or Basic with its serial). 201 when it is new, 200 when it is there
    already; another content under the same name is refused with 409, too many with 429. What cannot be read is
    acknowledged too, named in `quarantined`: sending it again would help nobody.
    """
    if media_type(request) not in ACCEPTED:
        raise WrongMediaType(f"send one of: {', '.join(ACCEPTED[1:3])}", accepted=list(ACCEPTED[1:3]))
    password = password_of(request.headers.get("authorization", ""), serial)
    try:
        device = authenticate_device(here.session, serial, password)
    except NotThisDevice as error:
        raise NotSignedIn(str(error)) from error
    found = receive_burst(here.session, device, payload, int(here.now.timestamp() * 1_000_000), name)
    response.status_code = 201 if found.is_new else 200
    digest = found.burst.digest if found.burst else None
    return FileAck(name=name, digest=digest, stored=found.burst is not None, quarantined=found.problems)


@router.get("/devices/{serial}/files", operation_id="list_device_files")
def list_device_files(
    serial: str, here: Here, point: str | None = None, limit: Limit = 100, after: After = None
) -> BurstPage:
    """The bursts of a device, newest first."""
    here.require("device.read")
    statement = select(Burst, Burst.content.is_not(None)).options(defer(Burst.content))
    statement = statement.where(Burst.device_id == _device(here, serial).id)
    if point:
        statement = statement.where(Burst.point == point)
    if after:
        at, key = read_cursor(after, aware, UUID)
        statement = statement.where(tuple_(Burst.received_at, Burst.id) < (at, key))
    statement = statement.order_by(Burst.received_at.desc(), Burst.id.desc()).limit(limit + 1)
    rows = here.session.execute(statement).all()
    page = rows[:limit]
    last = page[-1][0] if len(rows) > limit else None
    return BurstPage(
        items=[_item(burst, kept) for burst, kept in page],
        next=cursor_of(last.received_at, last.id) if last else None,
    )


@router.get("/devices/{serial}/files/{name}", operation_id="get_device_file", response_class=Response)
def get_device_file(serial: str, name: str, here: Here) -> Response:
    """The burst as the device sent it; 404 once its samples are forgotten."""
    here.require("device.read")
    found = select(Burst.content).where(Burst.device_id == _device(here, serial).id, Burst.name == name)
    content = here.session.scalar(found)
    if content is None:
        raise NotFound(f"no file {name!r} of this device is kept")
    kind = "application/cbor" if content[:1] >= b"\x80" else "application/json"
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=kind, headers=headers)


def _device(here: Here, serial: str) -> Device:
    device = here.session.scalar(select(Device).where(Device.serial == serial))
    if device is None:
        raise NotFound(f"no device {serial!r}")
    return device


def _item(burst: Burst, kept: bool) -> BurstItem:
    fields = {name: getattr(burst, name) for name in BurstItem.model_fields if name != "kept"}
    return BurstItem(**fields, kept=kept)
