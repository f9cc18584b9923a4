"""Mappings: any topic and any payload declared to be readings of assets, tried on a message before it counts."""

from __future__ import annotations

import time
from collections.abc import Mapping as Pairs
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Invalid, NotFound
from gateway.api.deps import Context, Here, no_store
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ingest.formats.decoded import Decoded, Problem, Unreadable
from ingest.formats.mapped import MappedFormat
from ingest.mapping_models import HeardMessage, Mapping
from ingest.mapping_rules import Rules
from ingest.mappings import (
    MAX_HEARD,
    MAX_NAME_CHARS,
    change_mapping,
    check_filter,
    create_mapping,
    delete_mapping,
    parse_rules,
    renew_password,
)
from ingest.models import Device
from ingest.topic_filters import MAX_FILTER_CHARS, matches
from ticketing.work_orders import StaleVersion

router = APIRouter(prefix="/api/v1", tags=["mappings"])

MAX_TRY_CHARS = 256 * 1024
MAX_SHOWN = 100  # samples that a trial shows
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Filter = Annotated[str, Field(min_length=1, max_length=MAX_FILTER_CHARS)]
IfMatch = Annotated[str | None, Header(description="version of the mapping that the change is based on")]


class MappingItem(BaseModel):
    """A mapping with what it has read so far; `username` is its account at the broker."""

    id: UUID
    name: str
    topic_filter: str
    username: str
    device_id: UUID
    enabled: bool
    rules: dict[str, Any]
    version: int
    created_at: datetime
    last_received_at: datetime | None
    received: int
    stored: int
    problems: int


class MappingPage(BaseModel):
    """One page of mappings, by id."""

    items: list[MappingItem]
    next: str | None


class NewMapping(BaseModel):
    """A mapping to make; it stands still until it is enabled."""

    name: Name
    topic_filter: Filter
    rules: Rules


class CreatedMapping(MappingItem):
    """A new mapping with its account's password, shown this once."""

    password: str


class MappingChange(BaseModel):
    """What is to change; the rest stays."""

    name: Name | None = None
    topic_filter: Filter | None = None
    rules: Rules | None = None
    enabled: bool | None = None


class NewPassword(BaseModel):
    """The new password of a mapping's account, shown this once."""

    username: str
    password: str


class Trial(BaseModel):
    """A message to read by rules that nobody has stored."""

    topic: str = Field(min_length=1, max_length=300)
    payload: str = Field(max_length=MAX_TRY_CHARS)
    topic_filter: Filter
    rules: dict[str, Any]


class TriedValue(BaseModel):
    """One value as it would be stored."""

    metric: str
    value: float | bool | str
    unit: str | None
    quality: str


class TriedSample(BaseModel):
    """One sample as it would be stored; asset None: the mapping's own device."""

    asset: str | None
    t: datetime
    values: list[TriedValue]


class TriedProblem(BaseModel):
    """What could not be read; `path`: the sample within the message, from 0."""

    reason: str
    detail: str
    path: str | None
    samples: int


class TrialResult(BaseModel):
    """What a message would become; nothing was stored."""

    device: str | None
    samples: list[TriedSample]
    more: int
    problems: list[TriedProblem]


class HeardItem(BaseModel):
    """A message as it was heard, its beginning if it was large; bytes that are no text are shown as U+FFFD."""

    topic: str
    payload: str
    received_at: datetime


class HeardPage(BaseModel):
    """The last messages, newest first."""

    items: list[HeardItem]
    next: str | None = None


@router.get("/mappings", operation_id="list_mappings")
def list_mappings(here: Here, limit: Limit = 100, after: After = None) -> MappingPage:
    """List mappings in the order in which they were made."""
    here.require("device.read")
    statement = select(Mapping, Device.serial).join(Device, Device.id == Mapping.device_id).order_by(Mapping.id)
    if after:
        statement = statement.where(Mapping.id > read_cursor(after, UUID)[0])
    rows = here.session.execute(statement.limit(limit + 1)).all()
    page = rows[:limit]
    return MappingPage(
        items=[_item(mapping, serial) for mapping, serial in page],
        next=cursor_of(page[-1][0].id) if len(rows) > limit else None,
    )


@router.post("/mappings", operation_id="create_mapping", status_code=201, dependencies=[Depends(no_store)])
def post_mapping(body: NewMapping, here: Here) -> CreatedMapping:
    """Make a mapping and its broker account, which may only write to the mapping's topics; enable it with PATCH."""
    here.require("device.manage")
    mapping, device, password = create_mapping(
        here.session, body.name, body.topic_filter, body.rules, here.actor.organisation_id, here.now
    )
    return CreatedMapping(**_item(mapping, device.serial).model_dump(), password=password)


@router.post("/mappings/try", operation_id="try_mapping")
def try_mapping(body: Trial, here: Here) -> TrialResult:
    """Read a message by rules, storing nothing."""
    here.require("device.manage")
    check_filter(body.topic_filter)
    if not matches(body.topic_filter, body.topic):
        raise Invalid(f"the topic is none of {body.topic_filter!r}", field="topic")
    reader = MappedFormat(parse_rules(body.rules))
    received_us = time.time_ns() // 1000
    try:
        decoded = reader.read(body.topic, body.payload.encode(errors="replace"), received_us)
    except Unreadable as error:
        decoded = Decoded(problems=[Problem(error.reason, error.detail, samples=0)])
    return _result(decoded)


@router.get("/mappings/{mapping_id}", operation_id="get_mapping")
def get_mapping(mapping_id: UUID, here: Here, response: Response) -> MappingItem:
    """One mapping; its version is the ETag."""
    here.require("device.read")
    mapping = _mapping(here, mapping_id)
    response.headers["ETag"] = f'"{mapping.version}"'
    return _item(mapping, _serial(here, mapping))


@router.patch("/mappings/{mapping_id}", operation_id="change_mapping")
def patch_mapping(mapping_id: UUID, body: MappingChange, here: Here, if_match: IfMatch = None) -> MappingItem:
    """Change a mapping, or switch it on or off; in force within a second."""
    here.require("device.manage")
    mapping = _locked(here, mapping_id, if_match)
    change_mapping(
        here.session,
        mapping,
        here.now,
        name=body.name,
        topic_filter=body.topic_filter,
        rules=body.rules,
        enabled=body.enabled,
    )
    return _item(mapping, _serial(here, mapping))


@router.delete("/mappings/{mapping_id}", operation_id="delete_mapping", status_code=204)
def remove_mapping(mapping_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a mapping and close its account; what it has stored stays."""
    here.require("device.manage")
    delete_mapping(here.session, _locked(here, mapping_id, if_match), here.now)


@router.post("/mappings/{mapping_id}/password", operation_id="renew_mapping_password", dependencies=[Depends(no_store)])
def post_password(mapping_id: UUID, here: Here) -> NewPassword:
    """Give the mapping's account a new password; the old one is refused within seconds."""
    here.require("device.manage")
    mapping = _locked(here, mapping_id, None)
    return NewPassword(username=_serial(here, mapping), password=renew_password(here.session, mapping))


@router.get("/mappings/{mapping_id}/recent", operation_id="list_heard_messages")
def list_heard(mapping_id: UUID, here: Here) -> HeardPage:
    """The last messages on the mapping's topics, heard also while it is switched off."""
    here.require("device.read")
    mapping = _mapping(here, mapping_id)
    rows = here.session.scalars(
        select(HeardMessage)
        .where(HeardMessage.mapping_id == mapping.id)
        .order_by(HeardMessage.id.desc())
        .limit(MAX_HEARD)
    )
    return HeardPage(
        items=[
            HeardItem(
                topic=row.topic,
                payload=row.payload.decode(errors="replace").replace("\x00", "�"),
                received_at=row.received_at,
            )
            for row in rows
        ]
    )


def _mapping(here: Context, mapping_id: UUID) -> Mapping:
    mapping = here.session.get(Mapping, mapping_id)
    if mapping is None:
        raise NotFound("no such mapping")
    return mapping


def _locked(here: Context, mapping_id: UUID, if_match: str | None) -> Mapping:
    mapping = here.session.scalar(select(Mapping).where(Mapping.id == mapping_id).with_for_update())
    if mapping is None:
        raise NotFound("no such mapping")
    expected = (if_match or "").strip().strip('"')
    if expected and not expected.isdecimal():
        raise Invalid("If-Match holds a version number", field="If-Match")
    if expected and int(expected) != mapping.version:
        raise StaleVersion(
            f"the mapping is at version {mapping.version}", expected=int(expected), version=mapping.version
        )
    return mapping


def _serial(here: Context, mapping: Mapping) -> str:
    return here.session.get_one(Device, mapping.device_id).serial


def _item(mapping: Mapping, username: str) -> MappingItem:
    return MappingItem(
        id=mapping.id,
        name=mapping.name,
        topic_filter=mapping.topic_filter,
        username=username,
        device_id=mapping.device_id,
        enabled=mapping.enabled,
        rules=mapping.rules,
        version=mapping.version,
        created_at=mapping.created_at,
        last_received_at=mapping.last_received_at,
        received=mapping.received,
        stored=mapping.stored,
        problems=mapping.problems,
    )


def _result(decoded: Decoded) -> TrialResult:
    shown = decoded.samples[:MAX_SHOWN]
    samples = [
        TriedSample(
            asset=each.channel or None,
            t=_EPOCH + timedelta(microseconds=each.t_us),
            values=_values(each.values, each.units, each.quality),
        )
        for each in shown
    ]
    problems = [
        TriedProblem(
            reason=str(each.reason),
            detail=each.detail,
            path=None if each.position is None else str(each.position),
            samples=each.samples,
        )
        for each in decoded.problems
    ]
    device = next((each.asset for each in samples if each.asset), None)
    return TrialResult(device=device, samples=samples, more=len(decoded.samples) - len(shown), problems=problems)


def _values(
    values: Pairs[str, Any], units: Pairs[str, str] | None, quality: Pairs[str, int] | None
) -> list[TriedValue]:
    words = ("good", "uncertain", "bad")
    return [
        TriedValue(
            metric=metric, value=value, unit=(units or {}).get(metric), quality=words[(quality or {}).get(metric, 0)]
        )
        for metric, value in values.items()
    ]
