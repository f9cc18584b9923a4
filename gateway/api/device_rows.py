"""What the routes of devices take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from gateway.api.device_facts import ChannelItem, ClockFacts, Interval, LedgerTotals, ReasonOf
from ingest.commands import LONGEST_S


class AssetName(BaseModel):
    """An asset by name."""

    id: UUID
    name: str


class DeviceItem(BaseModel):
    """A device at a glance; `gaps` counts samples that it says it took and that are nowhere."""

    id: UUID
    serial: str
    model: str
    presence: str
    presence_since: datetime | None
    presence_reason: ReasonOf | None
    last_seen_at: datetime | None
    claimed_at: datetime | None
    assets: list[AssetName]
    spool: dict[str, Any] | None
    problems: list[dict[str, str]]
    demo: bool
    quarantined: int
    gaps: int


class DevicePage(BaseModel):
    """One page of devices."""

    items: list[DeviceItem]
    next: str | None


class GapRange(BaseModel):
    """Running counts that are missing."""

    first: int
    n: int


class BootRow(BaseModel):
    """The ledger of one boot: expected = stored + dropped + quarantined + missing."""

    boot: str
    first_seen_at: datetime
    last_seen_at: datetime
    expected: int
    stored: int
    late: int
    dropped: int
    quarantined: int
    missing: int
    gaps: list[GapRange]
    repeated: int
    conflicting: int
    corrected: int
    balanced: bool


class QuarantineItem(BaseModel):
    """Something that could not be stored, with its reason."""

    id: UUID
    device: str | None
    topic: str
    received_at: datetime
    reason: str
    detail: str
    position: int | None
    samples: int
    excerpt: str


class QuarantinePage(BaseModel):
    """One page of quarantine, newest first."""

    items: list[QuarantineItem]
    next: str | None


class SeriesCount(BaseModel):
    """Names that a device has made up: how many it has, may have, and how many samples were refused for that."""

    count: int
    limit: int
    refused: int


class DeviceDetail(DeviceItem):
    """All that one page shows of a device."""

    hostname: str | None
    agent_version: str | None
    clock_offset_ms: int | None
    expected_interval_s: float | None
    expected_interval: Interval | None
    clock: ClockFacts
    ledger: LedgerTotals
    series: SeriesCount
    channels: list[ChannelItem]
    gateway_id: UUID | None
    last_heard_at: datetime | None
    describe: dict[str, Any]
    boots: list[BootRow]
    quarantine: list[QuarantineItem]


class NewDevice(BaseModel):
    """A device to register, and what it measures: an asset that is there, or a new one."""

    serial: str = Field(min_length=1, max_length=64)
    model: str = Field(default="", max_length=120)
    asset_id: UUID | None = None
    asset_name: str | None = Field(default=None, min_length=1, max_length=200)


class RegisteredDevice(BaseModel):
    """A new device with the code and the commands that connect it."""

    device: DeviceItem
    claim_code: str
    claim_expires_at: datetime
    command: str
    install: str


class FirstReading(BaseModel):
    """Whether a device's first reading is there."""

    arrived: bool
    at: datetime | None
    metrics: list[str]
    asset_id: UUID | None


class NewCommand(BaseModel):
    """An order to a device."""

    name: str = Field(min_length=1, max_length=120)
    arguments: dict[str, Any] = Field(default_factory=dict)
    expires_in_s: float | None = Field(default=3600, gt=0, le=LONGEST_S)


class CommandId(BaseModel):
    """A command that waits to be sent."""

    id: UUID


class CommandItem(BaseModel):
    """A command and what became of it."""

    id: UUID
    name: str
    arguments: dict[str, Any]
    created_at: datetime
    expires_at: datetime | None
    sent_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None


class CommandList(BaseModel):
    """Commands, newest first."""

    items: list[CommandItem]
    next: str | None = None
