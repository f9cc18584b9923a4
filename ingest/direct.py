"""Telemetry that comes over HTTP: the same formats, the same store, the same receipts as over MQTT."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import RuleError
from edge_agent.wire import ROOT, TELEMETRY
from ingest.adoption import adopt_channels
from ingest.faults import blames_payload
from ingest.messages import Message, Prepared, Receipt, moment
from ingest.models import Device
from ingest.passwords import verify_password
from ingest.writer import Writer, prepare, refused

_VERIFIED_S = 60.0
_MOST_VERIFIED = 10_000
_verified: dict[bytes, float] = {}  # digest of password and hash -> until when it need not be checked again


class NotThisDevice(RuleError):
    """No active device of this serial has this password."""

    code = "not_this_device"


class Accepted(NamedTuple):
    """What was committed (once the caller commits), and what of it went to quarantine."""

    receipts: list[Receipt]
    problems: list[str]


def authenticate_device(session: Session, serial: str, password: str) -> Device:
    """Return the device that knows this password. Raises NotThisDevice, whatever the reason."""
    device = session.scalar(select(Device).where(Device.serial == serial))
    if device is None or device.disabled_at is not None or not _fits(password, device.password_hash):
        raise NotThisDevice("the device's serial and password do not fit")
    return device


def _fits(password: str, hashed: str | None) -> bool:
    """Stretching is slow on purpose, and a device shows the same password every few seconds.

    What is remembered is a digest of both, so a new password counts at once and nobody reads an old one here.
    """
    key = hashlib.sha256(f"{hashed}\0{password}".encode()).digest()
    now = time.monotonic()
    if _verified.get(key, 0.0) > now:
        return True
    if not verify_password(password, hashed):
        return False
    if len(_verified) >= _MOST_VERIFIED:
        _verified.clear()
    _verified[key] = now + _VERIFIED_S
    return True


def accept_telemetry(
    session: Session, device: Device, payload: bytes, received_us: int, leaf: str = TELEMETRY
) -> Accepted:
    """Store one payload of a device, as if it had come on the topic `leaf` of its own.

    In the caller's transaction, which must have the service role.
    """
    return accept_together(session, [(device.serial, payload)], received_us, leaf)[0]


def accept_together(
    session: Session, payloads: Sequence[tuple[str, bytes]], received_us: int, leaf: str = TELEMETRY
) -> list[Accepted]:
    """Store payloads of several devices, named by their serials, in one go; return what became of each."""
    group = [prepare(Message(f"{ROOT}/{serial}/{leaf}", payload, received_us)) for serial, payload in payloads]
    connection: Any = session.connection().connection.driver_connection
    writer = Writer()
    try:
        with connection.transaction():
            receipts = writer.store(connection, group)
    except Exception as error:
        if not blames_payload(error):
            raise
        writer.forget()
        if len(group) > 1:  # one of them is to blame: each for itself
            return [each for one in payloads for each in accept_together(session, [one], received_us, leaf)]
        group = [refused(group[0], f"{type(error).__name__}: {error}")]
        receipts = writer.store(connection, group)
    for device_id, channels in writer.take_unbound().items():
        adopt_channels(session, device_id, channels, moment(received_us))
    return [
        Accepted([r for r in receipts if _is_of(r, each)], [str(problem.reason) for problem in each.problems])
        for each in group
    ]


def _is_of(receipt: Receipt, each: Prepared) -> bool:
    return receipt == (each.serial, each.decoded.boot, each.decoded.seq)
