"""Identity of devices: registration, the claim code that hands out the password, what the broker must know."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.base.ids import CODE_ALPHABET, new_code
from assets.instrumentation import asset_of_device
from edge_agent.wire import MAX_NAME_CHARS, is_valid_serial
from ingest.commands import finish_command, send_command
from ingest.models import Device
from ingest.passwords import hash_password, new_password

__all__ = [
    "ClaimFailed",
    "Claimed",
    "broker_credentials",
    "claim_device",
    "credentials_stamp",
    "finish_command",
    "register_device",
    "renew_claim",
    "send_command",
    "set_password",
]

CLAIM_VALID = timedelta(hours=24)
BROKER_SERVICE = "forewarn-service"  # the account that ingest has at the broker; a device's account is its serial


class ClaimFailed(NotFound):
    """The code is unknown, used or expired; which of them is told only for a code that was right."""

    code = "claim_failed"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a device gets for its code, once."""

    serial: str
    model: str
    password: str


def register_device(
    session: Session, serial: str, model: str, organisation_id: UUID, now: datetime, demo: bool = False
) -> tuple[Device, str]:
    """Register a device and return it with its claim code, which is stored only as a hash.

    Raises Invalid for a serial that no topic can carry or that ingest has at the broker, Conflict when it is
    registered already.
    """
    # MQTT reserves / + #, the broker's password file the colon.
    if not is_valid_serial(serial) or ":" in serial or "%" in serial:
        raise Invalid("a serial has 1 to 64 characters without / + # : %", field="serial")
    if serial == BROKER_SERVICE:
        raise Invalid(f"the broker knows ingest as {serial!r}: choose another", field="serial")
    if len(model) > MAX_NAME_CHARS:
        raise Invalid(f"a model has at most {MAX_NAME_CHARS} characters", field="model")
    if session.scalar(select(Device.id).where(Device.serial == serial)):
        raise Conflict(f"device {serial!r} is already registered", serial=serial)
    device = Device(organisation_id=organisation_id, serial=serial, model=model, created_at=now, demo=demo)
    device.describe, device.status = {}, {}
    session.add(device)
    code = renew_claim(session, device, now)
    _note(session, device, "device.registered", now, {"serial": serial, "model": model})
    return device, code


def renew_claim(session: Session, device: Device, now: datetime) -> str:
    """Give a device a new claim code, valid for a day and for one use; an earlier one is void."""
    code = new_code()
    device.claim_code_hash, device.claim_expires_at, device.claimed_at = _code_hash(code), now + CLAIM_VALID, None
    session.flush()
    return code


def claim_device(session: Session, code: str, hostname: str, now: datetime) -> Claimed:
    """Exchange a claim code for the device's serial and a new password. Raises ClaimFailed."""
    device = session.scalar(select(Device).where(Device.claim_code_hash == _code_hash(code)).with_for_update())
    if device is None:
        raise ClaimFailed("no device waits for this claim code", reason="unknown")
    if device.claimed_at is not None:
        raise ClaimFailed("this claim code was used already: ask for a new one", reason="used")
    if device.claim_expires_at is None or device.claim_expires_at <= now:
        raise ClaimFailed("this claim code has expired: ask for a new one", reason="expired")
    if device.disabled_at is not None:
        raise ClaimFailed("this device is switched off", reason="disabled")
    password = new_password()
    device.claimed_at, device.hostname = now, hostname[:MAX_NAME_CHARS]
    set_password(session, device, password, hash_password(password))
    _note(session, device, "device.claimed", now, {"serial": device.serial, "hostname": device.hostname})
    return Claimed(device.serial, device.model, password)


def set_password(session: Session, device: Device, password: str, hashed: str | None = None) -> None:
    """Give a device a password; the broker learns of it through `broker_credentials`."""
    device.password_hash = hashed or hash_password(password)
    device.credentials_version = (device.credentials_version or 0) + 1
    session.flush()


def disable_device(session: Session, device: Device, now: datetime) -> None:
    """Switch a device off: the broker refuses it, and what still arrives from it goes to quarantine."""
    device.disabled_at = now
    device.credentials_version += 1
    session.flush()


def broker_credentials(session: Session) -> dict[str, str]:
    """Return serial and password hash of every device that may connect."""
    allowed = select(Device.serial, Device.password_hash).where(
        Device.password_hash.is_not(None), Device.disabled_at.is_(None)
    )
    return {serial: hashed for serial, hashed in session.execute(allowed) if hashed}


def credentials_stamp(session: Session) -> tuple[int, int]:
    """Return what changes whenever `broker_credentials` may have; cheap enough to ask every second."""
    count, versions = session.execute(
        select(func.count(), func.coalesce(func.sum(Device.credentials_version), 0))
    ).one()
    return int(count), int(versions)


def _code_hash(code: str) -> bytes:
    """Codes are typed by hand: spaces, dashes and case do not matter. 49 random bits need no salt."""
    typed = "".join(character for character in code.upper()[:64] if character in CODE_ALPHABET)
    return hashlib.sha256(typed.encode()).digest()


def _note(session: Session, device: Device, kind: str, now: datetime, payload: dict[str, object]) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=device.organisation_id,
        subject_kind="device",
        subject_id=device.id,
        asset_id=asset_of_device(session, device.id),
        payload=payload,
    )
