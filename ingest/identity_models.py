"""Tables of who a device is: its certificates, where it came from lately, whether it has a twin."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class DeviceCertificate(Identified, Owned, Base):
    """A certificate that was signed for a device.

    Issued, then confirmed (the device was seen with it), then superseded by the next one and refused from `retires_at`
    on. No foreign keys: the row of a device that was removed must go on refusing its certificate.
    """

    __tablename__ = "device_certificates"

    organisation_id: Mapped[UUID] = mapped_column(Uuid, index=True)
    device_id: Mapped[UUID] = mapped_column(index=True)
    device_serial: Mapped[str] = mapped_column(Text)  # the common name
    serial_number: Mapped[str] = mapped_column(Text, unique=True)  # hexadecimal
    fingerprint: Mapped[str] = mapped_column(Text, unique=True)  # SHA-256, hexadecimal
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    pem: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)  # claim or renewal
    issued_at: Mapped[datetime]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    renew_at: Mapped[datetime]
    overlap_s: Mapped[float]
    confirmed_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    retires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_device_certificates_not_after", "not_after"),)


class DeviceArrival(Owned, Base):
    """One boot of a device as its status messages told it, with the place that it connected from."""

    __tablename__ = "device_arrivals"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)
    boot: Mapped[str] = mapped_column(Text, primary_key=True)
    session: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    returns: Mapped[int] = mapped_column(default=0)  # how often it was back after another boot had been there
    host: Mapped[dict[str, Any]] = mapped_column(default=dict)  # address and hardware, as the agent says


class CloneSuspicion(Owned, Base):
    """Two devices use one identity: since when, until when, and who they are."""

    __tablename__ = "clone_suspicions"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime]
    last_at: Mapped[datetime]
    twins: Mapped[list[Any]]  # {boot, address, hardware, last_at} of each


class ClaimAttempt(Identified, Base):
    """A claim that failed; counted per address, then forgotten."""

    __tablename__ = "claim_attempts"

    address: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]

    __table_args__ = (Index("ix_claim_attempts_address", "address", "at"),)
