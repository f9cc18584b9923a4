"""What the routes of identity take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from ingest.identity import MAX_REASON_CHARS
from ingest.signing_requests import MAX_REQUEST_CHARS

Mode = Literal["certificate", "password"]


class ClaimRequest(BaseModel):
    """A claim code, typed at the machine; with a certificate request (PEM) the device keeps a key of its own."""

    code: str = Field(min_length=1, max_length=64)
    hostname: str = Field(default="", max_length=255)
    csr: str | None = Field(default=None, max_length=MAX_REQUEST_CHARS)


class ClaimedDevice(BaseModel):
    """The identity that a device gets: a certificate with the authority to verify the broker by, or a password."""

    serial: str
    model: str
    mode: Mode
    broker: str
    username: str
    password: str | None = None
    certificate: str | None = None
    ca: str | None = None
    not_after: datetime | None = None
    renew_at: datetime | None = None
    http: str


class RenewRequest(BaseModel):
    """A request (PEM) for the next key, and its text signed (base64, SHA-256) with the present key."""

    serial: str = Field(min_length=1, max_length=64)
    csr: str = Field(max_length=MAX_REQUEST_CHARS)
    signature: str = Field(max_length=2048)


class RenewedCertificate(BaseModel):
    """The next certificate; the present one is accepted for a while longer."""

    certificate: str
    ca: str
    not_after: datetime
    renew_at: datetime


class CertificateItem(BaseModel):
    """One certificate of a device."""

    serial_number: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    confirmed_at: datetime | None
    retires_at: datetime | None


class CloneSuspected(BaseModel):
    """Two devices use this identity; where they connect from."""

    since: datetime
    last_at: datetime
    addresses: list[str]


class DeviceIdentity(BaseModel):
    """How a device signs in; `previous` is the certificate before, accepted until its `retires_at`."""

    mode: Mode | None
    serial_number: str | None = None
    fingerprint: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    renew_at: datetime | None = None
    previous: CertificateItem | None = None
    next: CertificateItem | None = None
    revoked_at: datetime | None = None
    clone_suspected: CloneSuspected | None = None


class Revocation(BaseModel):
    """Why a device is switched off."""

    reason: str = Field(default="", max_length=MAX_REASON_CHARS)


class Rotation(BaseModel):
    """What happens next: the device renews its key by itself, or somebody claims it again with this code."""

    mode: Mode
    claim_code: str | None = None
    claim_expires_at: datetime | None = None


class ProvisionedDevice(BaseModel):
    """A row that became a device; no code in a dry run."""

    row: int
    serial: str
    claim_code: str | None
    claim_expires_at: datetime | None


class KnownDevice(BaseModel):
    """A row whose device was there already and stays as it is."""

    row: int
    serial: str


class RowError(BaseModel):
    """What is wrong with a row (the header is row 1)."""

    row: int
    column: str
    code: str
    params: dict[str, str]


class Provisioned(BaseModel):
    """What became of a CSV file; the same file again changes nothing."""

    created: list[ProvisionedDevice]
    unchanged: list[KnownDevice]
    errors: list[RowError]
    dry_run: bool
