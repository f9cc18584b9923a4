"""Devices: registration and claim, presence, completeness, commands, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import defer

from assets.base.errors import Invalid, NotFound
from assets.instrumentation import asset_bindings
from assets.registry import Asset
from gateway.api.deps import Context, Here, no_store
from gateway.api.device_facts import channels_of, clock_facts, device_interval, ledger_totals, reason_of
from gateway.api.device_rows import (
    AssetName,
    BootRow,
    CommandId,
    CommandItem,
    CommandList,
    DeviceDetail,
    DeviceItem,
    DevicePage,
    FirstReading,
    GapRange,
    NewCommand,
    NewDevice,
    QuarantineItem,
    QuarantinePage,
    RegisteredDevice,
    SeriesCount,
)
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.connect import asset_for_device, connect_device
from gateway.download import WHEEL
from ingest.cardinality import series_facts
from ingest.commands import send_command
from ingest.devices import renew_claim
from ingest.ledger import device_ledger, missing_samples
from ingest.models import Device, DeviceCommand, Quarantined, Series, Stream

router = APIRouter(prefix="/api/v1", tags=["devices"])

EXCERPT_CHARS = 400
RECENT = 20
# Payloads are kept whole, a page of them would be many megabytes: only what is shown is read.
BEGINNING = func.substring(Quarantined.payload, 1, EXCERPT_CHARS * 4)


@router.get("/devices", operation_id="list_devices")
def list_devices(here: Here, serial: str | None = None, limit: Limit = 100, after: After = None) -> DevicePage:
    """List devices by serial."""
    here.require("device.read")
    statement = select(Device).order_by(Device.serial).limit(limit + 1)
    if serial:
        statement = statement.where(Device.serial == serial)
    if after:
        (last,) = read_cursor(after, str)
        statement = statement.where(Device.serial > last)
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    return DevicePage(items=_items(here, page), next=cursor_of(page[-1].serial) if len(rows) > limit else None)


@router.post("/devices", operation_id="create_device", status_code=201, dependencies=[Depends(no_store)])
def create_device(body: NewDevice, here: Here) -> RegisteredDevice:
    """Register a device, bind it to its asset, and give out its claim code."""
    here.require("device.manage")
    asset = _asset_for(here, body)
    owner = asset.organisation_id if asset else here.actor.organisation_id
    device, code = connect_device(here.session, body.serial, body.model, owner, asset, here.now)
    return _registered(here, device, code)


@router.get("/devices/{device_id}", operation_id="get_device")
def get_device(device_id: UUID, here: Here) -> DeviceDetail:
    """One device with its description, its ledger and what of it went to quarantine lately."""
    here.require("device.read")
    device = _device(here, device_id)
    recent = select(Quarantined, BEGINNING).options(defer(Quarantined.payload))
    recent = recent.where(Quarantined.device_id == device.id)
    recent = recent.order_by(Quarantined.received_at.desc(), Quarantined.id.desc()).limit(RECENT)
    return DeviceDetail(
        **_items(here, [device])[0].model_dump(),
        hostname=device.hostname,
        agent_version=device.agent_version,
        clock_offset_ms=device.clock_offset_ms,
        expected_interval_s=device.expected_interval_s,
        expected_interval=device_interval(here.session, device),
        clock=clock_facts(here.session, device),
        ledger=ledger_totals(here.session, device, here.now),
        series=SeriesCount(**asdict(series_facts(here.session, device.id))),
        channels=channels_of(here.session, device),
        gateway_id=device.gateway_id,
        last_heard_at=device.last_heard_at,
        describe=device.describe,
        boots=[
            BootRow(**{**row._asdict(), "gaps": [GapRange(first=gap.first, n=gap.n) for gap in row.gaps]})
            for row in device_ledger(here.session, device.id)
        ],
        quarantine=[_quarantine_item(row, begin, device.serial) for row, begin in here.session.execute(recent)],
    )


@router.post("/devices/{device_id}/claim-code", operation_id="renew_claim_code", dependencies=[Depends(no_store)])
def renew_claim_code(device_id: UUID, here: Here) -> RegisteredDevice:
    """Give out a new claim code; an earlier one is void, the present password stays until the code is used."""
    here.require("device.manage")
    device = _device(here, device_id)
    return _registered(here, device, renew_claim(here.session, device, here.now))


@router.get("/devices/{device_id}/first-reading", operation_id="get_first_reading")
def get_first_reading(device_id: UUID, here: Here) -> FirstReading:
    """Whether readings of this device have arrived, and of which metrics."""
    here.require("device.read")
    device = _device(here, device_id)
    streams = here.session.execute(
        select(Stream.id, Stream.latest_at).where(Stream.device_id == device.id, Stream.latest_at.is_not(None))
    ).all()
    metrics = here.session.scalars(
        select(Series.metric).where(Series.stream_id.in_([row.id for row in streams])).distinct().limit(100)
    )
    bindings = asset_bindings.c
    bound = select(bindings.asset_id).where(bindings.device_id == device.id, bindings.valid_to.is_(None)).limit(1)
    return FirstReading(
        arrived=bool(streams),
        at=max((row.latest_at for row in streams), default=None),
        metrics=sorted(metrics),
        asset_id=here.session.scalar(bound),
    )


@router.post("/devices/{device_id}/commands", operation_id="create_command", status_code=201)
def create_command(device_id: UUID, body: NewCommand, here: Here) -> CommandId:
    """Order something of a device; it is sent within about a second when the device is there."""
    here.require("device.manage")
    device = _device(here, device_id)
    command = send_command(here.session, device, body.name, body.arguments, body.expires_in_s, here.now)
    return CommandId(id=command.id)


@router.get("/devices/{device_id}/commands", operation_id="list_commands")
def list_commands(device_id: UUID, here: Here, limit: Limit = 50) -> CommandList:
    """A device's commands, newest first."""
    here.require("device.read")
    device = _device(here, device_id)
    rows = here.session.scalars(
        select(DeviceCommand)
        .where(DeviceCommand.device_id == device.id)
        .order_by(DeviceCommand.created_at.desc(), DeviceCommand.id.desc())
        .limit(limit)
    )
    return CommandList(
        items=[
            CommandItem(
                id=row.id,
                name=row.name,
                arguments=row.arguments,
                created_at=row.created_at,
                expires_at=row.expires_at,
                sent_at=row.sent_at,
                finished_at=row.finished_at,
                result=row.result,
            )
            for row in rows
        ]
    )


@router.get("/quarantine", operation_id="list_quarantine")
def list_quarantine(here: Here, limit: Limit = 100, after: After = None) -> QuarantinePage:
    """What could not be stored, newest first."""
    here.require("device.read")
    statement = (
        select(Quarantined, BEGINNING, Device.serial)
        .options(defer(Quarantined.payload))
        .outerjoin(Device, Device.id == Quarantined.device_id)
        .order_by(Quarantined.received_at.desc(), Quarantined.id.desc())
        .limit(limit + 1)
    )
    if after:
        at, key = read_cursor(after, aware, UUID)
        statement = statement.where(tuple_(Quarantined.received_at, Quarantined.id) < tuple_(at, key))
    rows = here.session.execute(statement).all()
    page = rows[:limit]
    following = cursor_of(page[-1][0].received_at.isoformat(), page[-1][0].id) if len(rows) > limit else None
    return QuarantinePage(items=[_quarantine_item(*row) for row in page], next=following)


def _device(here: Context, device_id: UUID) -> Device:
    device = here.session.get(Device, device_id)
    if device is None:
        raise NotFound("no such device")
    return device


def _asset_for(here: Context, body: NewDevice) -> Asset | None:
    if body.asset_id:
        asset = here.session.get(Asset, body.asset_id)
        if asset is None:
            raise Invalid("no such asset", field="asset_id")
        return asset
    if not body.asset_name:
        return None
    here.require("asset.manage")
    return asset_for_device(here.session, here.actor.organisation_id, body.serial, body.asset_name, here.now)


def _registered(here: Context, device: Device, code: str) -> RegisteredDevice:
    assert device.claim_expires_at is not None
    server = here.settings.base_url
    return RegisteredDevice(
        device=_items(here, [device])[0],
        claim_code=code,
        claim_expires_at=device.claim_expires_at,
        command=f"forewarn-edge claim {code} --server {server}",
        install=f"pipx install {server}/download/{WHEEL}",
    )


def _items(here: Context, devices: Sequence[Device]) -> list[DeviceItem]:
    ids = [device.id for device in devices]
    counts = missing_samples(here.session, ids)
    bound: dict[UUID, list[AssetName]] = {}
    rows = here.session.execute(
        select(asset_bindings.c.device_id, Asset.id, Asset.name)
        .join(Asset, Asset.id == asset_bindings.c.asset_id)
        .where(asset_bindings.c.device_id.in_(ids), asset_bindings.c.valid_to.is_(None))
        .order_by(Asset.name)
    )
    for device_id, asset_id, name in rows:
        bound.setdefault(device_id, []).append(AssetName(id=asset_id, name=name))
    return [
        DeviceItem(
            id=device.id,
            serial=device.serial,
            model=device.model,
            presence=device.presence,
            presence_since=device.presence_since,
            presence_reason=reason_of(device.presence_reason),
            last_seen_at=device.last_seen_at,
            claimed_at=device.claimed_at,
            assets=bound.get(device.id, []),
            spool=device.status.get("spool") or None,
            problems=device.status.get("problems") or [],
            demo=device.demo,
            gaps=counts.get(device.id, (0, 0))[0],
            quarantined=counts.get(device.id, (0, 0))[1],
        )
        for device in devices
    ]


def _quarantine_item(row: Quarantined, beginning: bytes, serial: str | None) -> QuarantineItem:
    return QuarantineItem(
        id=row.id,
        device=serial,
        topic=row.topic,
        received_at=row.received_at,
        reason=row.reason,
        detail=row.detail,
        position=row.position,
        samples=row.samples,
        excerpt=beginning.decode(errors="replace")[:EXCERPT_CHARS],
    )
