"""Samples with wrong clocks: released from where they are held, removed; and what people say of a device's ways."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select, text

from assets.base.errors import Invalid, NotFound
from assets.base.events import append_event
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from ingest.held import release, suggested_offset_ms
from ingest.models import Device, Quarantined, Stream
from ingest.removal import remove_corrected

router = APIRouter(prefix="/api/v1", tags=["devices"])

LONGEST_S = 31 * 86_400.0


class Release(BaseModel):
    """How far the device's clock was off (ours minus its own); left out, as it seems from when the message came."""

    offset_ms: int | None = None


class Released(BaseModel):
    """How many samples found their place, and how many still wait."""

    stored: int
    left: int


class HeldFacts(BaseModel):
    """Whether a set-aside message can be released, and the offset that its clock seems to have."""

    releasable: bool
    suggested_offset_ms: int | None


class Removed(BaseModel):
    """How many samples are gone."""

    removed: int


class DeviceChange(BaseModel):
    """What people know of a device: how often it reports, and behind which gateway it stands. Null forgets it."""

    expected_interval_s: float | None = Field(default=None, gt=0, le=LONGEST_S)
    gateway_id: UUID | None = None


@router.get("/quarantine/{quarantine_id}/release", operation_id="get_release")
def get_release(quarantine_id: UUID, here: Here) -> HeldFacts:
    """What is known of a held message's clock."""
    here.require("device.read")
    row = _held(here, quarantine_id)
    held_for_time = row.reason == "absurd_time"
    suggested = suggested_offset_ms(row.topic, row.payload, row.received_at) if held_for_time else None
    return HeldFacts(releasable=held_for_time or row.reason == "disabled_device", suggested_offset_ms=suggested)


@router.post("/quarantine/{quarantine_id}/release", operation_id="release_quarantine")
def release_quarantine(quarantine_id: UUID, body: Release, here: Here) -> Released:
    """Store a message that is held for its times, each moved by the clock's offset."""
    here.require("device.manage")
    row = _held(here, quarantine_id)
    _note(here, row, "device.samples_released", {"topic": row.topic, "samples": row.samples})
    # The row is theirs, as was just seen; readings are written by the service alone.
    here.session.execute(text("SET LOCAL ROLE forewarn_service"))
    return Released(**release(here.session, row, body.offset_ms, here.now)._asdict())


@router.delete("/quarantine/{quarantine_id}", operation_id="delete_quarantine", status_code=204)
def delete_quarantine(quarantine_id: UUID, here: Here) -> None:
    """Throw away what was set aside; the ledger goes on counting it as quarantined."""
    here.require("device.manage")
    row = _held(here, quarantine_id)
    _note(here, row, "device.quarantine_deleted", {"reason": row.reason, "samples": row.samples})
    here.session.delete(row)


@router.delete("/devices/{device_id}/corrected-readings", operation_id="delete_corrected_readings")
def delete_corrected_readings(
    device_id: UUID,
    here: Here,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Removed:
    """Remove readings whose clock was corrected (flagged so), of a stretch of event time or all."""
    here.require("device.manage")
    device = _device(here, device_id)
    streams = list(here.session.scalars(select(Stream.id).where(Stream.device_id == device.id)))
    here.session.execute(text("SET LOCAL ROLE forewarn_service"))
    removed = remove_corrected(here.session, streams, since, until)
    append_event(
        here.session,
        "device.readings_removed",
        at=here.now,
        organisation_id=device.organisation_id,
        subject_kind="device",
        subject_id=device.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"removed": removed, "what": "corrected"},
    )
    return Removed(removed=removed)


@router.patch("/devices/{device_id}", operation_id="update_device")
def update_device(device_id: UUID, body: DeviceChange, here: Here) -> DeviceChange:
    """Say how often a device reports, or behind which gateway it stands."""
    here.require("device.manage")
    device = _device(here, device_id)
    if "gateway_id" in body.model_fields_set:
        _behind(here, device, body.gateway_id)
    if "expected_interval_s" in body.model_fields_set:
        device.expected_interval_s = body.expected_interval_s
    return DeviceChange(expected_interval_s=device.expected_interval_s, gateway_id=device.gateway_id)


def _behind(here: Context, device: Device, gateway_id: UUID | None) -> None:
    """Refuse a circle: nobody stands behind themselves."""
    following = gateway_id
    while following is not None:
        if following == device.id:
            raise Invalid("a device cannot stand behind itself", field="gateway_id")
        gateway = here.session.get(Device, following)
        if gateway is None:
            raise Invalid("no such device", field="gateway_id")
        following = gateway.gateway_id
    device.gateway_id = gateway_id


def _device(here: Context, device_id: UUID) -> Device:
    device = here.session.get(Device, device_id)
    if device is None:
        raise NotFound("no such device")
    return device


def _held(here: Context, quarantine_id: UUID) -> Quarantined:
    row = here.session.get(Quarantined, quarantine_id)
    if row is None:
        raise NotFound("nothing of this id is in quarantine")
    return row


def _note(here: Context, row: Quarantined, kind: str, payload: dict[str, object]) -> None:
    if row.device_id is None or row.organisation_id is None:
        return
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="device",
        subject_id=row.device_id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload=payload,
    )
