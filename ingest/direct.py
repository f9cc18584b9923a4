"""Telemetry that comes over HTTP: the same formats, the same store, the same receipts as over MQTT."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import RuleError
from edge_agent.wire import telemetry_topic
from ingest.adoption import adopt_channels
from ingest.faults import blames_payload
from ingest.messages import Message, Receipt, moment
from ingest.models import Device
from ingest.passwords import verify_password
from ingest.writer import Writer, prepare, refused


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
    if device is None or device.disabled_at is not None or not verify_password(password, device.password_hash):
        raise NotThisDevice("the device's serial and password do not fit")
    return device


def accept_telemetry(session: Session, device: Device, payload: bytes, received_us: int) -> Accepted:
    """Store one payload of a device in the caller's transaction, which must have the service role."""
    each = prepare(Message(telemetry_topic(device.serial), payload, received_us))
    connection: Any = session.connection().connection.driver_connection
    writer = Writer()
    try:
        with connection.transaction():
            receipts = writer.store(connection, [each])
    except Exception as error:
        if not blames_payload(error):
            raise
        writer.forget()
        each = refused(each, f"{type(error).__name__}: {error}")
        receipts = writer.store(connection, [each])
    for device_id, channels in writer.take_unbound().items():
        adopt_channels(session, device_id, channels, moment(received_us))
    return Accepted(receipts, [str(problem.reason) for problem in each.problems])
