"""The life of a device's certificate: issued, confirmed, superseded, refused; and of the device behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Forbidden, Invalid
from assets.base.events import append_event
from assets.instrumentation import asset_of_device
from ingest.commands import send_command
from ingest.identity_models import ClaimAttempt, DeviceCertificate
from ingest.models import Device, DeviceCommand
from ingest.signing_requests import Authority, SigningRequest, is_signed_by

RENEW_AFTER = 2 / 3  # of a certificate's life
BACKDATED = timedelta(days=1)  # a broker whose clock is behind must take a new certificate at once
EXPIRED_GRACE = timedelta(days=180)  # a machine from the shelf may still renew what nobody revoked
RENEWALS_PER_DAY = 24  # a device that loops must not fill the list of certificates
KEPT_AFTER_EXPIRY = EXPIRED_GRACE + timedelta(days=30)
RENEW_COMMAND = "renew_identity"
COMMAND_LIVES_S = 30 * 86_400.0
ASK_AGAIN = timedelta(days=1)
MAX_REASON_CHARS = 200
TENDED_AT_ONCE = 500  # rows per turn, so that a fleet that renews on one day does not make one long transaction

_IS_ACTIVE = exists().where(Device.id == DeviceCertificate.device_id, Device.disabled_at.is_(None))
_IS_REFUSED = or_(DeviceCertificate.revoked_at.is_not(None), ~_IS_ACTIVE)


class RenewalRefused(Forbidden):
    """The request for a new certificate is not signed with one that may still ask; params: `reason`."""

    code = "renewal_refused"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a certificate lives, and how long the old one is still accepted after the new one was seen."""

    life: timedelta = timedelta(days=365)
    overlap: timedelta = timedelta(days=7)


def issue_certificate(
    session: Session,
    device: Device,
    request: SigningRequest,
    authority: Authority,
    terms: Terms,
    now: datetime,
    *,
    origin: str,
) -> DeviceCertificate:
    """Sign a device's key. Raises Invalid when the key belongs to another device or was refused before."""
    taken = select(DeviceCertificate.id).where(
        DeviceCertificate.key_hash == request.key_hash,
        or_(DeviceCertificate.device_id != device.id, DeviceCertificate.revoked_at.is_not(None)),
    )
    if session.scalar(taken.limit(1)):
        raise Invalid("this key was used before or belongs to another device: make a new one", field="csr")
    issued = authority.issue(request.public_key, device.serial, now - BACKDATED, now + terms.life)
    certificate = DeviceCertificate(
        organisation_id=device.organisation_id,
        device_id=device.id,
        device_serial=device.serial,
        serial_number=issued.serial_number,
        fingerprint=issued.fingerprint,
        key_hash=request.key_hash,
        public_key=request.public_key,
        pem=issued.pem,
        origin=origin,
        issued_at=now,
        not_before=issued.not_before,
        not_after=issued.not_after,
        renew_at=now + (issued.not_after - now) * RENEW_AFTER,
        overlap_s=terms.overlap.total_seconds(),
        confirmed_at=now if origin == "claim" else None,
    )
    session.add(certificate)
    session.flush()
    return certificate


def certificate_of_key(session: Session, device: Device, key_hash: bytes) -> DeviceCertificate | None:
    """Return the device's certificate for a key, as long as nobody refused it: a repeated question, the same answer."""
    return session.scalar(
        select(DeviceCertificate)
        .where(
            DeviceCertificate.device_id == device.id,
            DeviceCertificate.key_hash == key_hash,
            DeviceCertificate.revoked_at.is_(None),
        )
        .order_by(DeviceCertificate.issued_at.desc())
        .limit(1)
    )


def live_certificates(session: Session, device_id: UUID) -> list[DeviceCertificate]:
    """Return a device's certificates that are not refused, newest first."""
    return list(
        session.scalars(
            select(DeviceCertificate)
            .where(DeviceCertificate.device_id == device_id, DeviceCertificate.revoked_at.is_(None))
            .order_by(DeviceCertificate.issued_at.desc(), DeviceCertificate.id.desc())
        )
    )


def renew_certificate(
    session: Session,
    serial: str,
    request: SigningRequest,
    message: bytes,
    signature: bytes,
    authority: Authority,
    terms: Terms,
    now: datetime,
) -> DeviceCertificate:
    """Sign a device's next key; `signature` over `message` is by its present one. The same key gets the same answer.

    Raises RenewalRefused, whose reason is told only to who could sign.
    """
    device = session.scalar(select(Device).where(Device.serial == serial).with_for_update())
    known = live_certificates(session, device.id) if device else []
    by = next((each for each in known if is_signed_by(each.public_key, signature, message)), None)
    if device is None or by is None:
        raise RenewalRefused("the request is not signed with this device's present key", reason="signature")
    if device.disabled_at is not None:
        raise RenewalRefused("this device is switched off", reason="revoked")
    if by.superseded_at is not None:
        raise RenewalRefused("this key was replaced by a newer one", reason="superseded")
    if by.not_after + EXPIRED_GRACE < now:
        raise RenewalRefused("this certificate expired too long ago: claim the device again", reason="expired")
    again = certificate_of_key(session, device, request.key_hash)
    if again is not None:
        return again
    recent = [each for each in known if each.origin == "renewal" and each.issued_at > now - timedelta(days=1)]
    if len(recent) >= RENEWALS_PER_DAY:
        raise RenewalRefused(f"at most {RENEWALS_PER_DAY} renewals a day", reason="too_many")
    certificate = issue_certificate(session, device, request, authority, terms, now, origin="renewal")
    payload: dict[str, object] = {"serial": serial, "not_after": certificate.not_after.isoformat()}
    note(session, device, "device.certificate_issued", now, payload)
    return certificate


def refuse_certificates(session: Session, device: Device, reason: str, now: datetime) -> int:
    """Have the broker refuse all of a device's certificates so far; return how many."""
    live = live_certificates(session, device.id)
    for certificate in live:
        certificate.revoked_at, certificate.reason = now, reason
    return len(live)


def revoke_device(
    session: Session, device: Device, reason: str, now: datetime, *, actor_id: UUID | None = None
) -> None:
    """Switch a device off: certificates and password are refused, its connection is ended within seconds."""
    if device.disabled_at is not None:
        return
    device.disabled_at = now
    device.credentials_version = (device.credentials_version or 0) + 1
    session.flush()
    payload: dict[str, object] = {"serial": device.serial, "reason": reason[:MAX_REASON_CHARS]}
    note(session, device, "device.revoked", now, payload, actor_id)


def reinstate_device(session: Session, device: Device, now: datetime, *, actor_id: UUID | None = None) -> None:
    """Switch a device on again, with the credentials that it had; after a theft use a new claim code instead."""
    if device.disabled_at is None:
        raise Conflict("this device is not revoked")
    device.disabled_at = None
    device.credentials_version = (device.credentials_version or 0) + 1
    session.flush()
    note(session, device, "device.reinstated", now, {"serial": device.serial}, actor_id)


def rotate_device(session: Session, device: Device, now: datetime, *, actor_id: UUID | None = None) -> None:
    """Ask a device for a new key now. Raises Conflict when it has no certificate, or is revoked."""
    live = [each for each in live_certificates(session, device.id) if each.superseded_at is None]
    if device.disabled_at is not None:
        raise Conflict("this device is revoked: reinstate it first")
    if not live:
        raise Conflict("this device has no certificate: give it a new claim code instead")
    _ask_to_renew(session, device, now)
    note(session, device, "device.rotation_asked", now, {"serial": device.serial}, actor_id)


class Refused(NamedTuple):
    """A certificate that the broker must refuse, and whether its device may come back with another one."""

    serial_number: str
    device_serial: str
    is_active: bool


def refused_certificates(session: Session, now: datetime) -> list[Refused]:
    """Return the certificates that the broker must refuse: revoked, of a revoked device or of one that is gone.

    What has expired is refused by its date; a day more for a broker whose clock is behind.
    """
    statement = select(DeviceCertificate.serial_number, DeviceCertificate.device_serial, _IS_ACTIVE).where(_IS_REFUSED)
    return [Refused(*row) for row in session.execute(statement.where(DeviceCertificate.not_after > now - BACKDATED))]


def refused_stamp(session: Session) -> tuple[int, int]:
    """Return what changes whenever another certificate is to be refused; cheap enough to ask every second."""
    each = func.hashtext(DeviceCertificate.serial_number)
    count, numbers = session.execute(
        select(func.count(), func.coalesce(func.sum(each), 0)).select_from(DeviceCertificate).where(_IS_REFUSED)
    ).one()
    return int(count), int(numbers)


# --- what happens by itself ---------------------------------------------------------------------------------------


def tend_identities(session: Session, now: datetime) -> int:
    """Confirm new certificates, retire old ones, ask for renewals, forget what is over; return how many changed."""
    changed = _confirm(session, now) + _retire(session, now) + _ask_due(session, now)
    session.execute(delete(DeviceCertificate).where(DeviceCertificate.not_after < now - KEPT_AFTER_EXPIRY))
    session.execute(delete(ClaimAttempt).where(ClaimAttempt.at < now - timedelta(days=1)))
    return changed


def _confirm(session: Session, now: datetime) -> int:
    """The device says in its status which certificate it connected with: from then on the older ones run out."""
    pending = (
        select(DeviceCertificate, Device)
        .join(Device, Device.id == DeviceCertificate.device_id)
        .where(
            DeviceCertificate.confirmed_at.is_(None),
            DeviceCertificate.revoked_at.is_(None),
            Device.status["certificate"].astext == DeviceCertificate.fingerprint,
        )
        .limit(TENDED_AT_ONCE)
    )
    found = session.execute(pending).all()
    for certificate, device in found:
        certificate.confirmed_at = now
        for older in live_certificates(session, device.id):
            if older.id != certificate.id and older.superseded_at is None:
                older.superseded_at = now
                older.retires_at = now + timedelta(seconds=certificate.overlap_s)
        note(session, device, "device.certificate_confirmed", now, {"serial": device.serial})
    return len(found)


def _retire(session: Session, now: datetime) -> int:
    due = (
        select(DeviceCertificate)
        .where(DeviceCertificate.retires_at <= now, DeviceCertificate.revoked_at.is_(None))
        .limit(TENDED_AT_ONCE)
    )
    retired = list(session.scalars(due))
    for certificate in retired:
        certificate.revoked_at, certificate.reason = now, "superseded"
    bump_versions(session, {each.device_id for each in retired})
    return len(retired)


def _ask_due(session: Session, now: datetime) -> int:
    """By the server's clock: the device's own may say anything."""
    asked = exists().where(
        DeviceCommand.device_id == Device.id,
        DeviceCommand.name == RENEW_COMMAND,
        DeviceCommand.created_at > now - ASK_AGAIN,
    )
    due = (
        select(Device)
        .where(
            Device.disabled_at.is_(None),
            exists().where(
                DeviceCertificate.device_id == Device.id,
                DeviceCertificate.renew_at <= now,
                DeviceCertificate.confirmed_at.is_not(None),
                DeviceCertificate.superseded_at.is_(None),
                DeviceCertificate.revoked_at.is_(None),
                DeviceCertificate.not_after > now,
            ),
            ~asked,
        )
        .limit(TENDED_AT_ONCE)
    )
    devices = list(session.scalars(due))
    for device in devices:
        _ask_to_renew(session, device, now)
    return len(devices)


def _ask_to_renew(session: Session, device: Device, now: datetime) -> None:
    send_command(session, device, RENEW_COMMAND, {}, COMMAND_LIVES_S, now)


def bump_versions(session: Session, device_ids: Iterable[UUID]) -> None:
    """Let whoever keeps the broker's files see that something changed."""
    for device_id in device_ids:
        device = session.get(Device, device_id)
        if device is not None:
            device.credentials_version = (device.credentials_version or 0) + 1


# --- claim attempts -----------------------------------------------------------------------------------------------

MAX_ATTEMPTS = 20  # per address and window: a hall full of devices behind one address may mistype some codes
ATTEMPT_WINDOW = timedelta(minutes=10)


class TooManyAttempts(Forbidden):
    """Too many wrong claim codes from one address; params: `retry_after_s`."""

    code = "too_many_attempts"


def require_attempts_left(session: Session, address: str, now: datetime) -> None:
    """Raise TooManyAttempts when too many claims from this address have failed lately."""
    recent = select(func.count()).where(ClaimAttempt.address == address, ClaimAttempt.at > now - ATTEMPT_WINDOW)
    if (session.scalar(recent) or 0) >= MAX_ATTEMPTS:
        seconds = int(ATTEMPT_WINDOW.total_seconds())
        raise TooManyAttempts(
            f"too many wrong claim codes: wait {seconds // 60} minutes and try again", retry_after_s=seconds
        )


def count_attempt(session: Session, address: str, now: datetime) -> None:
    """Note that a claim from this address has failed."""
    session.add(ClaimAttempt(address=address, at=now))


def note(
    session: Session,
    device: Device,
    kind: str,
    now: datetime,
    payload: dict[str, object],
    actor_id: UUID | None = None,
) -> None:
    """Append something that happened to a device to the event log."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=device.organisation_id,
        subject_kind="device",
        subject_id=device.id,
        asset_id=asset_of_device(session, device.id),
        actor_kind="person" if actor_id else "system",
        actor_id=actor_id,
        payload=payload,
    )
