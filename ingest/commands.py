"""Orders to devices: a row waits, is published once the device is there, and ends with a result or its expiry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, true, update
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.instrumentation import asset_of_device
from edge_agent.wire import MAX_COMMAND_BYTES, MAX_NAME_CHARS, Command, command_topic, encode_command
from ingest.models import Device, DeviceCommand

SEND_MOST = 100  # per turn
ANSWERED_WITHIN = timedelta(seconds=30)  # a device that is there carries out an order at once, then answers
LONGEST_S = 30 * 86_400.0


def send_command(
    session: Session,
    device: Device,
    name: str,
    arguments: Mapping[str, Any],
    expires_in_s: float | None,
    now: datetime,
) -> DeviceCommand:
    """Order something of a device. Raises Invalid when name, arguments or expiry cannot be sent."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise Invalid(f"a command's name has 1 to {MAX_NAME_CHARS} characters", field="name")
    if expires_in_s is not None and not 0 < expires_in_s <= LONGEST_S:
        raise Invalid(f"a command expires within {LONGEST_S:.0f} s", field="expires_in_s")
    command = DeviceCommand(
        organisation_id=device.organisation_id,
        device_id=device.id,
        name=name,
        arguments=dict(arguments),
        created_at=now,
        expires_at=now + timedelta(seconds=expires_in_s) if expires_in_s is not None else None,
    )
    if len(encode_command(Command("-", name, arguments))) > MAX_COMMAND_BYTES:
        raise Invalid(f"a command has at most {MAX_COMMAND_BYTES} bytes", field="arguments")
    session.add(command)
    session.flush()
    return command


def publish_commands(
    session: Session, publish: Callable[[str, bytes], bool], now: datetime, only: Sequence[str] | None = None
) -> int:
    """Publish commands that wait, mark them sent, end those that expired; return how many were sent.

    `only`: the serials of the devices that can be reached; None: all.
    """
    waiting = (
        select(DeviceCommand, Device.serial)
        .join(Device, Device.id == DeviceCommand.device_id)
        .where(
            DeviceCommand.finished_at.is_(None),
            or_(
                DeviceCommand.sent_at.is_(None),
                DeviceCommand.expires_at <= now,
                # Sent in the moment in which it was away; it recognises what it has answered.
                and_(DeviceCommand.sent_at < now - ANSWERED_WITHIN, Device.online.is_(True)),
            ),
        )
        .where(Device.serial.in_(only) if only is not None else true())
        .order_by(DeviceCommand.created_at)
        .limit(SEND_MOST)
        .with_for_update(of=DeviceCommand, skip_locked=True)
    )
    sent = 0
    for command, serial in session.execute(waiting):
        if command.expires_at is not None and command.expires_at <= now:
            finish_command(session, command, {"outcome": "expired", "text": ""}, now)
            continue
        expires_at = int(command.expires_at.timestamp() * 1000) if command.expires_at else None
        payload = encode_command(Command(str(command.id), command.name, command.arguments, expires_at))
        if not publish(command_topic(serial, str(command.id)), payload):
            break  # no connection: they wait
        if command.sent_at is None:
            _note(session, "command.sent", command, now, {"name": command.name})
        command.sent_at = now
        sent += 1
    return sent


def resend_commands(session: Session, device: Device, now: datetime) -> None:
    """A device came back: whatever it did not answer is sent again; it recognises the id."""
    session.execute(
        update(DeviceCommand)
        .where(
            DeviceCommand.device_id == device.id,
            DeviceCommand.finished_at.is_(None),
            DeviceCommand.sent_at < now - timedelta(seconds=5),
        )
        .values(sent_at=None)
    )


def find_command(session: Session, device: Device, command_id: str) -> DeviceCommand | None:
    """Return the device's own command of that id, None for anybody else's."""
    try:
        key = UUID(command_id)
    except ValueError:
        return None
    return session.scalar(select(DeviceCommand).where(DeviceCommand.id == key, DeviceCommand.device_id == device.id))


def finish_command(session: Session, command: DeviceCommand, result: Mapping[str, Any], now: datetime) -> None:
    """Note what became of a command; the first answer stays."""
    if command.finished_at is not None:
        return
    command.finished_at, command.result = now, dict(result)
    _note(session, "command.finished", command, now, {"name": command.name, "outcome": result.get("outcome")})


def _note(session: Session, kind: str, command: DeviceCommand, now: datetime, payload: dict[str, Any]) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=command.organisation_id,
        subject_kind="device",
        subject_id=command.device_id,
        asset_id=asset_of_device(session, command.device_id),
        payload={"command_id": str(command.id), **payload},
    )
