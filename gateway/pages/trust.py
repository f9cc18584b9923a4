"""How a phone or computer comes to trust this server's certificate: codes to scan, the authority, steps per system."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from assets.base.errors import NotFound
from gateway.api.deps import settings_of
from gateway.ca import Authority
from gateway.https import in_pairs
from gateway.pages.customer import reader_of, render
from gateway.qr import TooLong, qr_svg
from gateway.settings import Settings
from gateway.supervise.errors import SupervisorError

router = APIRouter(include_in_schema=False)

Set = Annotated[Settings, Depends(settings_of)]

STEPS = {"android": 4, "iphone": 4, "windows": 3, "macos": 3, "linux": 3}
# What makes Android and iOS offer to install it, and DER because Android's older versions read nothing else.
DER_TYPE, PEM_TYPE = "application/x-x509-ca-cert", "application/x-pem-file"


@router.get("/trust", operation_id="trust_page")
def trust_page(request: Request, settings: Set) -> Response:
    """Show the secure address and what to do so that a device trusts it."""
    address = settings.https_url
    authority = authority_to_trust(settings)
    here = f"{settings.base_url}/trust"
    return render(
        reader_of(request),
        "trust.html",
        200 if address else 404,
        None,
        address=address,
        here=here,
        here_code=_code(here),
        code=_code(address or ""),
        authority=authority,
        name=_common_name(authority) if authority else "",
        fingerprint=in_pairs(authority.fingerprint) if authority else "",
        steps=STEPS,
    )


@router.get("/trust/forewarn-ca.crt", operation_id="trust_der")
def trust_der(settings: Set) -> Response:
    """The authority's certificate as phones take it (DER)."""
    return Response(_required(settings).certificate.public_bytes(Encoding.DER), media_type=DER_TYPE)


@router.get("/trust/forewarn-ca.pem", operation_id="trust_pem")
def trust_pem(settings: Set) -> Response:
    """The authority's certificate as programs take it (PEM)."""
    return Response(_required(settings).pem, media_type=PEM_TYPE)


def authority_to_trust(settings: Settings) -> Authority | None:
    """Return our authority when it made the certificate that HTTPS shows; None when that was given, or without one."""
    if not settings.https or settings.tls_certificate is None:
        return None
    try:
        served = x509.load_pem_x509_certificate(settings.tls_certificate.read_bytes())
        authority = _authority(settings.data, settings.ca_certificate, settings.ca_key)
        served.verify_directly_issued_by(authority.certificate)
    except (OSError, ValueError, TypeError, InvalidSignature, SupervisorError):
        return None
    return authority


def _required(settings: Settings) -> Authority:
    authority = authority_to_trust(settings)
    if authority is None:
        raise NotFound("HTTPS is off, or its certificate is not of Forewarn's own authority")
    return authority


@lru_cache(maxsize=4)
def _authority(data: Path, certificate: Path | None, key: Path | None) -> Authority:
    settings = Settings(data=data, ca_certificate=certificate, ca_key=key)
    return Authority.of(settings, datetime.now(UTC))


def _common_name(authority: Authority) -> str:
    return authority.certificate.subject.rfc4514_string().partition("CN=")[2]


def _code(address: str) -> Markup:
    try:
        return Markup(qr_svg(address))
    except TooLong:
        return Markup("")
