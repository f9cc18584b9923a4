"""Tables of what is measured: devices, their streams and series, batches, quarantine, events and commands.

The readings themselves (`samples`) are no model: their layout depends on the edition, see `ingest/store/schema.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

import assets.people  # noqa: F401  the owners that these tables refer to by name
from assets.base.db import Base, Identified, Owned

# Rows that every batch updates: room on the page lets PostgreSQL update in place without touching indexes (HOT).
_ROOM: dict[str, Any] = {"postgresql_with": {"fillfactor": 50}}


class Device(Identified, Owned, Base):
    """A device or gateway with an identity of its own; its channels are its sub-devices."""

    __tablename__ = "devices"

    serial: Mapped[str] = mapped_column(Text, unique=True)
    model: Mapped[str] = mapped_column(Text, default="")
    password_hash: Mapped[str | None] = mapped_column(Text)
    credentials_version: Mapped[int] = mapped_column(default=0)
    claim_code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, index=True)
    claim_expires_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    hostname: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None]
    presence: Mapped[str] = mapped_column(Text, default="unknown")
    presence_since: Mapped[datetime | None]
    presence_reason: Mapped[dict[str, Any] | None]  # {code, params}
    presence_raw: Mapped[str | None] = mapped_column(Text)  # before flapping is damped
    presence_flips: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))  # the latest ones
    gateway_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id", ondelete="SET NULL"), index=True)
    last_seen_at: Mapped[datetime | None]  # telemetry; keep-alives and status messages are none
    last_heard_at: Mapped[datetime | None]  # its own word that it is there
    online: Mapped[bool | None]  # what the device's own status or last will said last
    boot: Mapped[str | None] = mapped_column(Text)
    session: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)  # spool depth and problems, as reported
    agent_version: Mapped[str | None] = mapped_column(Text)
    clock_offset_ms: Mapped[int | None] = mapped_column(BigInteger)  # our clock minus the device's
    clock_measured_at: Mapped[datetime | None]
    expected_interval_s: Mapped[float | None]  # as declared; what is learned stands at the streams
    sleep_s: Mapped[float | None]  # it declares to disconnect for so long between its readings
    describe: Mapped[dict[str, Any]] = mapped_column(default=dict)
    units_version: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # counts changes of sent units
    own_name: Mapped[str | None] = mapped_column(Text)  # the urn:dev:… that the device gives itself
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    __table_args__ = (_ROOM,)


class DeviceCommand(Identified, Owned, Base):
    """An order to a device; waits until sent, then until finished or expired."""

    __tablename__ = "device_commands"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("ix_device_commands_waiting", "created_at", postgresql_where=text("finished_at IS NULL")),)


class Stream(Owned, Base):
    """One channel of a device ('' the device itself, else a sub-device's serial): one row of values per moment.

    `latest` holds the newest value of each slot and `latest_times` when it was measured (epoch seconds).
    """

    __tablename__ = "streams"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text, default="")
    last_received_at: Mapped[datetime | None]
    fresh_at: Mapped[datetime | None]  # when something newer than before was received: repeats are no news
    latest_at: Mapped[datetime | None]
    latest: Mapped[list[float | None] | None] = mapped_column(ARRAY(Double))
    latest_times: Mapped[list[float | None] | None] = mapped_column(ARRAY(Double))

    online: Mapped[bool | None]  # what its gateway said last of the connection to this sub-device; None: it never does
    learned_interval_s: Mapped[float | None]
    learned_at: Mapped[datetime | None]
    presence: Mapped[str] = mapped_column(Text, default="unknown", server_default="unknown")
    presence_since: Mapped[datetime | None]
    presence_reason: Mapped[dict[str, Any] | None]

    __table_args__ = (UniqueConstraint("device_id", "channel"), _ROOM)


class Series(Owned, Base):
    """One metric of a stream. `slot` is its position in the array of values, counted from 1 as SQL does.

    A text metric stores the index (from 0) into `states`. Values are kept in `unit`; `sent_unit` is the one that the
    device declares for them, when that is another one.
    """

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    slot: Mapped[int] = mapped_column(SmallInteger)
    metric: Mapped[str] = mapped_column(Text)
    unit: Mapped[str | None] = mapped_column(Text)
    sent_unit: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text, default="number")
    states: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    expected_interval_s: Mapped[float | None]
    frozen_since: Mapped[datetime | None]  # the same value for far longer than this sensor's habit

    __table_args__ = (
        UniqueConstraint("stream_id", "metric"),
        UniqueConstraint("stream_id", "slot"),
        Index("ix_series_frozen", "stream_id", postgresql_where=text("frozen_since IS NOT NULL")),
    )


class IngestBatch(Owned, Base):
    """One message that was stored: proof against repeats, and the queue that scoring reads by (xid, id)."""

    __tablename__ = "ingest_batches"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text::bigint)"))
    # No foreign keys and no index of its own: a row per message, and the device was looked up just before.
    organisation_id: Mapped[UUID] = mapped_column(Uuid)
    device_id: Mapped[UUID]
    boot: Mapped[str | None] = mapped_column(Text)  # None: a plain form, recognised by (series, t) instead
    seq: Mapped[int | None] = mapped_column(BigInteger)
    lane: Mapped[str] = mapped_column(Text, default="live")
    first: Mapped[int | None] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime]
    t_min: Mapped[datetime | None]
    t_max: Mapped[datetime | None]
    sent_ms: Mapped[int | None] = mapped_column(BigInteger)  # the device's own clock when it sent, however wrong
    # [[measured_at ms, shift ms], …]: from that corrected time on, this was added to the device's clock. A sample's
    # device time is its measured_at minus the shift in force, where its flags say that it was corrected.
    shifts: Mapped[list[Any] | None]
    stored: Mapped[int] = mapped_column(default=0)
    repeated: Mapped[int] = mapped_column(default=0)
    conflicting: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    stream_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer))

    __table_args__ = (
        UniqueConstraint("device_id", "boot", "seq"),
        Index("ix_ingest_batches_queue", "xid", "id"),
    )


class Quarantined(Identified, Owned, Base):
    """What could not be stored: the reason and where in the message.

    `payload` of a message's first row is the message as it came, up to the size that a message may have; its other
    rows (same topic, same `received_at`) hold the beginning of what they are about, as JSON.
    Belongs to the device's organisation, or to the operator's when no device is known; None before set-up.
    """

    __tablename__ = "quarantine"

    organisation_id: Mapped[UUID | None] = mapped_column(  # type: ignore[assignment]
        ForeignKey("organisations.id"), index=True
    )
    device_id: Mapped[UUID | None]
    topic: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, default="")
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    position: Mapped[int | None]  # of the first sample concerned
    samples: Mapped[int] = mapped_column(default=0)  # how many samples of the message share this reason
    boot: Mapped[str | None] = mapped_column(Text)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    tried_at: Mapped[datetime | None]  # when its times were last tried to be corrected

    __table_args__ = (
        Index("ix_quarantine_device", "device_id", "received_at"),
        Index("ix_quarantine_held", "device_id", "boot", postgresql_where=text("reason = 'absurd_time'")),
    )


class DeviceEvent(Identified, Owned, Base):
    """Something that the machine or its agent itself says happened."""

    __tablename__ = "device_events"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    code: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool]
    batch_id: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_device_events_device", "device_id", "at"),
        Index("ix_device_events_batch", "batch_id"),  # what a reader of the queue has just been handed
    )


class DeviceBoot(Owned, Base):
    """The ledger of one boot of a device: which running counts arrived, which it gave up, what is missing.

    `received` and `given_up` hold the counts as ranges, so that a repeat never counts twice.
    """

    __tablename__ = "device_boots"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)
    boot: Mapped[str] = mapped_column(Text, primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    highest: Mapped[int] = mapped_column(BigInteger, default=0)
    received: Mapped[list[Range[int]]] = mapped_column(INT8MULTIRANGE, server_default=text("'{}'"))
    given_up: Mapped[list[Range[int]]] = mapped_column(INT8MULTIRANGE, server_default=text("'{}'"))
    stored: Mapped[int] = mapped_column(BigInteger, default=0)
    late: Mapped[int] = mapped_column(BigInteger, default=0)
    dropped: Mapped[int] = mapped_column(BigInteger, default=0)
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0)
    repeated: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    conflicting: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    corrected: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    zero_ms: Mapped[int | None] = mapped_column(BigInteger)  # our clock when the boot's monotonic clock stood at 0
    offset_ms: Mapped[int | None] = mapped_column(BigInteger)
    clock_measured_at: Mapped[datetime | None]

    __table_args__ = (_ROOM,)


class Listener(Base):
    """A consumer that listens to devices' topics: nobody can be called silent while nobody listened."""

    __tablename__ = "listeners"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[datetime]
    heard_at: Mapped[datetime]
