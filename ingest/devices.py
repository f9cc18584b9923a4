"""Identity of devices: registration, the claim code that hands out the password, what the broker must know."""

from __future__ import annotations

import hashlib
import hmac
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
from ingest.identity import Terms, certificate_of_key, issue_certificate, refuse_certificates
from ingest.identity_models import DeviceCertificate
from ingest.models import Device
from ingest.passwords import hash_password, new_password
from ingest.signing_requests import Authority, SigningRequest

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
    """What a device gets for its code, once: a certificate for its key, or a password."""

    serial: str
    model: str
    password: str | None = None
    certificate: DeviceCertificate | None = None


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


def renew_claim(session: Session, device: Device, now: datetime, valid: timedelta = CLAIM_VALID) -> str:
    """Give a device a new claim code, valid for a day unless told otherwise, for one use; an earlier one is void."""
    code = new_code()
    device.claim_code_hash, device.claim_expires_at, device.claimed_at = _code_hash(code), now + valid, None
    session.flush()
    return code


def claim_device(
    session: Session,
    code: str,
    hostname: str,
    now: datetime,
    request: SigningRequest | None = None,
    authority: Authority | None = None,
    terms: Terms | None = None,
) -> Claimed:
    """Exchange a claim code for the device's identity; what it had before is refused from now on.

    With a signing request (and an authority) that is a certificate for its key, and the same code with the same key
    gives the same certificate again, since an answer may be lost on the way. Without one it is a new password.
    Raises ClaimFailed; Invalid when the key cannot be signed.
    """
    wanted = _code_hash(code)
    device = session.scalar(select(Device).where(Device.claim_code_hash == wanted).with_for_update())
    if device is None or not hmac.compare_digest(device.claim_code_hash or b"", wanted):
        raise ClaimFailed("no device waits for this claim code", reason="unknown")
    if device.claim_expires_at is None or device.claim_expires_at <= now:
        raise ClaimFailed("this claim code has expired: ask for a new one", reason="expired")
    if device.disabled_at is not None:
        raise ClaimFailed("this device is switched off", reason="disabled")
    if device.claimed_at is not None:
        again = certificate_of_key(session, device, request.key_hash) if request else None
        if again is None or again.origin != "claim":
            raise ClaimFailed("this claim code was used already: ask for a new one", reason="used")
        return Claimed(device.serial, device.model, certificate=again)
    refuse_certificates(session, device, "claimed anew", now)
    certificate = password = None
    if request is not None and authority is not None:
        certificate = issue_certificate(session, device, request, authority, terms or Terms(), now, origin="claim")
        _drop_password(session, device)
    else:
        password = new_password()
        set_password(session, device, password)
    device.claimed_at, device.hostname = now, hostname[:MAX_NAME_CHARS]
    mode = "certificate" if certificate else "password"
    _note(session, device, "device.claimed", now, {"serial": device.serial, "hostname": device.hostname, "mode": mode})
    return Claimed(device.serial, device.model, password, certificate)


def _drop_password(session: Session, device: Device) -> None:
    device.password_hash = None
    device.credentials_version = (device.credentials_version or 0) + 1
    session.flush()


def set_password(session: Session, device: Device, password: str, hashed: str | None = None) -> None:
    """Give a device a password; the broker learns of it through `broker_credentials`."""
    device.password_hash = hashed or hash_password(password)
    device.credentials_version = (device.credentials_version or 0) + 1
    session.flush()


def broker_credentials(session: Session) -> dict[str, str]:
    """Return serial and password hash of every device that may connect."""
    allowed = select(Device.serial, Device.password_hash).where(
        Device.password_hash.is_not(None), Device.disabled_at.is_(None)
    )
    return {serial: hashed for serial, hashed in session.execute(allowed) if hashed}


def registered_serials(session: Session) -> set[str]:
    """Return the serials of all devices, revoked ones too."""
    return set(session.scalars(select(Device.serial)))


def credentials_stamp(session: Session) -> tuple[int, int]:
    """Return what changes whenever `broker_credentials` may have; cheap enough to ask every second."""
    # By hash: one device that goes while another comes changes neither a count nor a sum of versions.
    each = func.hashtext(func.concat(Device.id, ":", Device.credentials_version))
    count, versions = session.execute(select(func.count(), func.coalesce(func.sum(each), 0))).one()
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
