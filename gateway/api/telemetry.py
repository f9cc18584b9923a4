"""Telemetry over HTTP: the same batch and the same ack as over MQTT."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from assets.base.errors import Invalid
from edge_agent.wire import MAX_BATCH_BYTES
from gateway.api.deps import NotSignedIn, Public
from ingest.direct import NotThisDevice, accept_telemetry, authenticate_device

router = APIRouter(prefix="/api/v1", tags=["devices"])


class TelemetryAck(BaseModel):
    """What is committed and may be deleted on the device; `quarantined` names why something was set aside."""

    boot: str | None
    seqs: list[int]
    quarantined: list[str]


async def bounded_body(request: Request) -> bytes:
    """Return the body; a larger one than any batch is refused before it fills the memory."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BATCH_BYTES:
            raise Invalid(f"a batch has at most {MAX_BATCH_BYTES} bytes", field="body")
        parts.append(part)
    return b"".join(parts)


@router.post("/devices/{serial}/telemetry", operation_id="post_telemetry")
def post_telemetry(
    serial: str, request: Request, here: Public, payload: Annotated[bytes, Depends(bounded_body)]
) -> TelemetryAck:
    """Store a batch or a plain payload of one device, which shows its own password (Bearer, or Basic with serial)."""
    password = _password(request.headers.get("authorization", ""), serial)
    try:
        device = authenticate_device(here.session, serial, password)
    except NotThisDevice as error:
        raise NotSignedIn(str(error)) from error
    accepted = accept_telemetry(here.session, device, payload, int(here.now.timestamp() * 1_000_000))
    return TelemetryAck(
        boot=accepted.receipts[0].boot if accepted.receipts else None,
        seqs=[receipt.seq for receipt in accepted.receipts],
        quarantined=accepted.problems,
    )


def _password(authorization: str, serial: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user, password = "", ""
        if user == serial:
            return password
    raise NotSignedIn("send the device's password, as bearer token or with its serial as basic authentication")
