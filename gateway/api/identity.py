"""Who a device is: claim, renewal, rotation, revocation, and many devices at once from a file."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel

from assets.base.errors import Invalid, NotFound
from gateway.api.deps import Context, Here, Public, database_of, no_store
from gateway.api.identity_rows import (
    CertificateItem,
    ClaimedDevice,
    ClaimRequest,
    CloneSuspected,
    DeviceIdentity,
    KnownDevice,
    Mode,
    Provisioned,
    ProvisionedDevice,
    RenewedCertificate,
    RenewRequest,
    Revocation,
    Rotation,
    RowError,
)
from gateway.ca import Authority
from gateway.provisioning import MAX_BYTES, labels, provision
from gateway.settings import Settings
from ingest.brokers import broker_urls
from ingest.clones import addresses
from ingest.devices import ClaimFailed, claim_device, renew_claim
from ingest.identity import (
    Terms,
    count_attempt,
    live_certificates,
    refused_certificates,
    reinstate_device,
    renew_certificate,
    require_attempts_left,
    revoke_device,
    rotate_device,
)
from ingest.identity_models import CloneSuspicion, DeviceCertificate
from ingest.models import Device
from ingest.signing_requests import read_request

router = APIRouter(prefix="/api/v1", tags=["devices"])


@router.post("/devices/claim", operation_id="claim_device", dependencies=[Depends(no_store)])
def claim(body: ClaimRequest, request: Request, here: Public) -> ClaimedDevice:
    """Exchange a claim code for the device's identity; needs no sign-in, works once.

    With a certificate request the answer is a certificate, and the same code with the same key gets it again. Wrong
    codes are counted per address: after 20 within ten minutes the answer is 429 for a while.
    """
    address = _address(request)
    require_attempts_left(here.session, address, here.now)
    authority = authority_of(here.settings)
    signing = read_request(body.csr) if body.csr and authority else None
    if signing is None and not here.settings.device_passwords:
        raise Invalid("this server gives certificates only: send a certificate request", field="csr")
    try:
        claimed = claim_device(
            here.session, body.code, body.hostname, here.now, signing, authority, _terms(here.settings)
        )
    except ClaimFailed:
        with database_of(request).as_service() as session:  # the request's own transaction is rolled back
            count_attempt(session, address, here.now)
        raise
    certificate = claimed.certificate
    is_certificate = certificate is not None and authority is not None
    return ClaimedDevice(
        serial=claimed.serial,
        model=claimed.model,
        mode="certificate" if is_certificate else "password",
        broker=(here.settings.public_broker_tls or "") if is_certificate else public_broker(here.settings),
        username=claimed.serial,
        password=claimed.password,
        certificate=certificate.pem if certificate else None,
        ca=authority.pem if certificate and authority else None,
        not_after=certificate.not_after if certificate else None,
        renew_at=certificate.renew_at if certificate else None,
        http=here.settings.base_url,
    )


@router.post("/devices/renew", operation_id="renew_certificate")
def renew(body: RenewRequest, here: Public) -> RenewedCertificate:
    """Sign a device's next key. Needs no sign-in: the request is signed with the device's present key."""
    authority = authority_of(here.settings)
    if authority is None:
        raise NotFound("this server gives no certificates")
    try:
        signature = base64.b64decode(body.signature, validate=True)
    except binascii.Error as error:
        raise Invalid("the signature is not base64", field="signature") from error
    certificate = renew_certificate(
        here.session,
        body.serial,
        read_request(body.csr),
        body.csr.encode(),
        signature,
        authority,
        _terms(here.settings),
        here.now,
    )
    return RenewedCertificate(
        certificate=certificate.pem,
        ca=authority.pem,
        not_after=certificate.not_after,
        renew_at=certificate.renew_at,
    )


async def csv_body(request: Request) -> bytes:
    """Return the body; a larger one than any list of devices is refused before it fills the memory."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise Invalid(f"a file has at most {MAX_BYTES} bytes", field="body")
        parts.append(part)
    return b"".join(parts)


@router.post(
    "/devices/bulk",
    operation_id="provision_devices",
    dependencies=[Depends(no_store)],
    response_model=Provisioned,
    responses={200: {"content": {"text/html": {}}}},
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def provision_devices(
    request: Request, here: Here, content: Annotated[bytes, Depends(csv_body)], dry_run: bool = False
) -> Provisioned | Response:
    """Register the devices of a CSV file (columns serial, model, asset), each with a claim code; repeatable.

    Asked for text/html the answer is a page of labels to print. Codes are shown this once.
    """
    here.require("device.manage")
    here.require("asset.manage")
    outcome = provision(here.session, here.actor.organisation_id, content, here.now, dry_run=dry_run)
    if request.headers.get("accept", "").startswith("text/html") and not dry_run:
        page = labels(outcome.created, here.settings.base_url)
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})
    return Provisioned(
        created=[ProvisionedDevice(**asdict(each)) for each in outcome.created],
        unchanged=[KnownDevice(row=each.number, serial=each.serial) for each in outcome.unchanged],
        errors=[RowError(**asdict(each)) for each in outcome.errors],
        dry_run=dry_run,
    )


@router.get("/devices/{device_id}/identity", operation_id="get_device_identity")
def get_device_identity(device_id: UUID, here: Here) -> DeviceIdentity:
    """How a device signs in: its certificate and the one before, or its password; whether it seems to have a twin."""
    here.require("device.read")
    return _identity(here, _device(here, device_id))


@router.post("/devices/{device_id}/revoke", operation_id="revoke_device")
def revoke(device_id: UUID, body: Revocation, here: Here) -> DeviceIdentity:
    """Switch a device off: the broker refuses it and ends its connection within seconds, HTTPS refuses it at once."""
    here.require("device.manage")
    device = _device(here, device_id)
    revoke_device(here.session, device, body.reason, here.now, actor_id=here.actor.person_id)
    return _identity(here, device)


@router.post("/devices/{device_id}/reinstate", operation_id="reinstate_device")
def reinstate(device_id: UUID, here: Here) -> DeviceIdentity:
    """Switch a device on again with the credentials that it had."""
    here.require("device.manage")
    device = _device(here, device_id)
    reinstate_device(here.session, device, here.now, actor_id=here.actor.person_id)
    return _identity(here, device)


@router.post("/devices/{device_id}/rotate", operation_id="rotate_device", dependencies=[Depends(no_store)])
def rotate(device_id: UUID, here: Here) -> Rotation:
    """Ask a device for a new key now; one with a password gets a claim code, its password holds until that is used."""
    here.require("device.manage")
    device = _device(here, device_id)
    if device.password_hash is not None and not live_certificates(here.session, device.id):
        code = renew_claim(here.session, device, here.now)
        return Rotation(mode="password", claim_code=code, claim_expires_at=device.claim_expires_at)
    rotate_device(here.session, device, here.now, actor_id=here.actor.person_id)
    return Rotation(mode="certificate")


class CertificateAuthority(BaseModel):
    """The authority that the broker's certificate is signed by; compare the fingerprint where it matters."""

    pem: str
    fingerprint: str
    broker: str


@router.get("/certificate-authority", operation_id="get_certificate_authority")
def get_certificate_authority(here: Public) -> CertificateAuthority:
    """The certificate that devices of any make verify the broker with; public."""
    authority = _required_authority(here.settings)
    return CertificateAuthority(
        pem=authority.pem, fingerprint=authority.fingerprint, broker=here.settings.public_broker_tls or ""
    )


@router.get(
    "/certificate-authority/revoked.crl",
    operation_id="get_revoked_certificates",
    response_class=Response,
    responses={200: {"content": {"application/x-pem-file": {}}}},
)
def get_revoked_certificates(here: Public) -> Response:
    """The certificates that are refused, as a signed list (PEM): for a broker that fetches it by itself; public."""
    authority = _required_authority(here.settings)
    numbers = [each.serial_number for each in refused_certificates(here.session, here.now)]
    return Response(authority.revocation_list(numbers, None, here.now), media_type="application/x-pem-file")


@lru_cache(maxsize=4)
def _authority(data: str, certificate: str, key: str) -> Authority:
    settings = Settings(data=Path(data))
    settings.ca_certificate = Path(certificate) if certificate else None
    settings.ca_key = Path(key) if key else None
    return Authority.of(settings, datetime.now(UTC))


def authority_of(settings: Settings) -> Authority | None:
    """Return what signs devices' certificates; None when no broker takes them."""
    if not settings.public_broker_tls:
        return None
    return _authority(str(settings.data), str(settings.ca_certificate or ""), str(settings.ca_key or ""))


def _required_authority(settings: Settings) -> Authority:
    authority = authority_of(settings)
    if authority is None:
        raise NotFound("this server gives no certificates: its broker has no TLS listener")
    return authority


def public_broker(settings: Settings) -> str:
    """The broker's address as devices with a password see it, without the account that ingest uses."""
    if settings.public_broker:
        return settings.public_broker
    parts = urlsplit(broker_urls(settings.broker_url or "mqtt://127.0.0.1:1883")[0])
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}"


def _terms(settings: Settings) -> Terms:
    return Terms(timedelta(days=settings.device_certificate_days), timedelta(hours=settings.identity_overlap_hours))


def _device(here: Context, device_id: UUID) -> Device:
    device = here.session.get(Device, device_id)
    if device is None:
        raise NotFound("no such device")
    return device


def _identity(here: Context, device: Device) -> DeviceIdentity:
    live = live_certificates(here.session, device.id)
    present = next((each for each in live if each.confirmed_at and each.superseded_at is None), None)
    before = next((each for each in live if each.superseded_at is not None), None)
    pending = next((each for each in live if each.confirmed_at is None), None)
    suspicion = here.session.get(CloneSuspicion, device.id)
    mode: Mode | None = "certificate" if live else "password" if device.password_hash else None
    return DeviceIdentity(
        mode=mode,
        serial_number=present.serial_number if present else None,
        fingerprint=present.fingerprint if present else None,
        not_before=present.not_before if present else None,
        not_after=present.not_after if present else None,
        renew_at=present.renew_at if present else None,
        previous=_item(before),
        next=_item(pending),
        revoked_at=device.disabled_at,
        clone_suspected=CloneSuspected(
            since=suspicion.since, last_at=suspicion.last_at, addresses=addresses(suspicion.twins)
        )
        if suspicion
        else None,
    )


def _item(certificate: DeviceCertificate | None) -> CertificateItem | None:
    if certificate is None:
        return None
    names = CertificateItem.model_fields
    return CertificateItem(**{name: getattr(certificate, name) for name in names})


def _address(request: Request) -> str:
    """Who asks: an IPv6 host has a whole /64 to choose addresses from."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else host
