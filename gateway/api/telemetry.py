"""Telemetry over HTTP: the same batch and the same ack as over MQTT."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from edge_agent.wire import SENML, TELEMETRY
from gateway.api.bodies import WrongMediaType, bounded_body, media_type
from gateway.api.deps import NotSignedIn, Public
from ingest.direct import NotThisDevice, accept_telemetry, authenticate_device

router = APIRouter(prefix="/api/v1", tags=["devices"])

# Content type -> the topic's last level whose formats it holds. curl and many modems say the form's type or none.
LEAVES = {
    "": TELEMETRY,
    "application/json": TELEMETRY,
    "application/octet-stream": TELEMETRY,
    "application/x-www-form-urlencoded": TELEMETRY,
    "text/plain": TELEMETRY,
    "application/senml+json": SENML,
    "application/senml+cbor": SENML,
}


class TelemetryAck(BaseModel):
    """What is committed and may be deleted on the device; `quarantined` names why something was set aside."""

    boot: str | None
    seqs: list[int]
    quarantined: list[str]


@router.post("/devices/{serial}/telemetry", operation_id="post_telemetry")
def post_telemetry(
    serial: str, request: Request, here: Public, payload: Annotated[bytes, Depends(bounded_body)]
) -> TelemetryAck:
    """Store a batch, a plain payload or a SenML pack of one device, by content type; gzip is unpacked.

    The device shows its own password (Bearer, or Basic with its serial). The answer is the ack of MQTT, sent after the
    commit; a batch that is sent again gets it again. What cannot be read is acknowledged too, named in `quarantined`.
    """
    leaf = LEAVES.get(media_type(request))
    if leaf is None:
        accepted = [each for each in LEAVES if "json" in each or "cbor" in each]
        raise WrongMediaType(f"send one of: {', '.join(accepted)}", accepted=accepted)
    password = password_of(request.headers.get("authorization", ""), serial)
    try:
        device = authenticate_device(here.session, serial, password)
    except NotThisDevice as error:
        raise NotSignedIn(str(error)) from error
    received_us = int(here.now.timestamp() * 1_000_000)
    stored = accept_telemetry(here.session, device, payload, received_us, leaf)
    return TelemetryAck(
        boot=stored.receipts[0].boot if stored.receipts else None,
        seqs=[receipt.seq for receipt in stored.receipts],
        quarantined=stored.problems,
    )


def password_of(authorization: str, serial: str) -> str:
    """Return the password that a device shows. Raises NotSignedIn."""
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
