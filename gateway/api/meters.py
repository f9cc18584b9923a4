"""Meters over HTTP: counters and gauges of assets, their readings, and when they will reach a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.units import unit_label
from assets.meter_forecast import Forecast
from assets.meter_models import Meter, MeterReading
from assets.meter_rules import Told, check_meter
from assets.meters import add_meter, correct_reading, facts_of, forecast, read_meter, readings_of
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import (
    IfMatch,
    Moment,
    Name,
    Reason,
    Ref,
    SomeText,
    locked,
    locked_asset,
    named,
    person_names,
    seen,
)
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["meters"])

Finite = Annotated[float, Field(allow_inf_nan=False)]
Metric = Annotated[str | None, Field(min_length=1, max_length=128)]


class Refused(BaseModel):
    """What telemetry showed that cannot be: say whether the meter was replaced, reset or rolled over."""

    value: float
    at: datetime
    reason: str


class MeterItem(BaseModel):
    """A meter; `value` is what it shows, `total` counts on through rollovers and replacements."""

    id: UUID
    asset_id: UUID
    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    unit_label: str
    metric: str | None
    rollover_at: float | None
    value: float | None
    total: float | None
    at: datetime | None
    refused: Refused | None
    archived_at: datetime | None
    version: int


class Meters(BaseModel):
    """The meters of an asset."""

    items: list[MeterItem]
    next: str | None = None


class NewMeter(BaseModel):
    """A meter; `metric` feeds it from telemetry."""

    name: Name
    kind: Literal["counter", "gauge"]
    unit: Annotated[str, Field(min_length=1, max_length=60)]
    metric: Metric = None
    rollover_at: Finite | None = None


class MeterChange(BaseModel):
    """What is to change; null takes metric or rollover away."""

    name: Name | None = None
    metric: Metric = None
    rollover_at: Finite | None = None
    archived: bool | None = None


class ReadingItem(BaseModel):
    """A reading; one with `superseded_at` was corrected."""

    id: UUID
    at: datetime
    value: float
    initial_value: float | None
    total: float
    kind: str
    source: str
    reason: str | None
    by: Ref | None
    corrects_id: UUID | None
    superseded_at: datetime | None


class Readings(BaseModel):
    """A page of readings, newest first."""

    items: list[ReadingItem]
    next: str | None = None


class NewReading(BaseModel):
    """What the meter showed; running backwards needs `rolled_over`, or a `reason` for which it began anew."""

    value: Finite
    at: Moment | None = None
    rolled_over: bool = False
    reason: SomeText = None
    work_order_id: UUID | None = None


class Replacement(BaseModel):
    """The old meter's last value, and the new one's first."""

    final_value: Finite
    initial_value: Finite
    at: Moment | None = None
    reason: Reason


class Correction(BaseModel):
    """What the meter really showed."""

    value: Finite
    initial_value: Finite | None = None
    reason: Reason


class EstimatedDate(BaseModel):
    """A moment with its interval; `high` null: perhaps never."""

    at: datetime
    low: datetime
    high: datetime | None


class ForecastItem(BaseModel):
    """When the total reaches a value, or the reason why nobody can tell; rates are per day."""

    value: float
    confidence: float
    estimate: EstimatedDate | None
    reason: str | None
    rate_per_day: float | None
    rate_low: float | None
    rate_high: float | None
    readings: int
    span_days: float


@router.get("/assets/{asset_id}/meters", operation_id="list_meters")
def list_meters(asset_id: UUID, here: Here, archived: bool = False) -> Meters:
    """List the meters of an asset by name."""
    here.require("asset.read")
    asset = seen(here, Asset, asset_id, "asset")
    query = select(Meter).where(Meter.asset_id == asset.id).order_by(Meter.name)
    if not archived:
        query = query.where(Meter.archived_at.is_(None))
    return Meters(items=[_item(meter) for meter in here.session.scalars(query)])


@router.post("/assets/{asset_id}/meters", operation_id="create_meter", status_code=201)
def create_meter(asset_id: UUID, body: NewMeter, here: Here) -> MeterItem:
    """Add a meter to an asset."""
    here.require("asset.manage")
    asset = locked_asset(here, asset_id)
    return _item(add_meter(here.session, asset, Meter(**body.model_dump()), here.now))


@router.get("/meters/{meter_id}", operation_id="get_meter")
def get_meter(meter_id: UUID, here: Here) -> MeterItem:
    """One meter."""
    here.require("asset.read")
    return _item(seen(here, Meter, meter_id, "meter"))


@router.patch("/meters/{meter_id}", operation_id="change_meter")
def change_meter(meter_id: UUID, body: MeterChange, here: Here, if_match: IfMatch = None) -> MeterItem:
    """Change a meter."""
    here.require("asset.manage")
    meter = locked(here, Meter, meter_id, "meter", if_match)
    if body.name is not None and body.name != meter.name:
        taken = select(Meter.id).where(Meter.asset_id == meter.asset_id, Meter.name == body.name)
        if here.session.scalar(taken) is not None:
            raise Conflict(f"there is a meter {body.name!r} already", name=body.name)
        meter.name = body.name
    if "metric" in body.model_fields_set:
        meter.metric = body.metric
    if "rollover_at" in body.model_fields_set:
        meter.rollover_at = body.rollover_at
        with here.session.no_autoflush:
            check_meter(facts_of(meter))
        if meter.value is not None and meter.rollover_at is not None and meter.value >= meter.rollover_at:
            raise Invalid("the meter shows more than that", field="rollover_at", value=meter.value)
    if body.archived is not None:
        meter.archived_at = (meter.archived_at or here.now) if body.archived else None
    meter.version += 1
    here.session.flush()
    return _item(meter)


@router.get("/meters/{meter_id}/readings", operation_id="list_meter_readings")
def list_meter_readings(
    meter_id: UUID, here: Here, history: bool = False, limit: Limit = 100, after: After = None
) -> Readings:
    """List readings, newest first; with `history` also those that were corrected."""
    here.require("asset.read")
    meter = seen(here, Meter, meter_id, "meter")
    before = None
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        before = (at, key)
    found = readings_of(here.session, meter.id, limit=limit + 1, before=before, past=history)
    page = found[:limit]
    following = cursor_of(page[-1].at.isoformat(), page[-1].id) if len(found) > limit else None
    return Readings(items=_readings(here, page), next=following)


@router.post("/meters/{meter_id}/readings", operation_id="read_meter", status_code=201)
def add_reading(meter_id: UUID, body: NewReading, here: Here) -> ReadingItem:
    """Take down what a meter shows."""
    here.require("meter.read")
    meter = locked(here, Meter, meter_id, "meter")
    reason = (body.reason or "").strip() or None
    at = body.at or here.now
    order = named(here, WorkOrder, body.work_order_id, "work_order_id")
    made = read_meter(
        here.session,
        meter,
        Told(body.value, _kind(here, meter, body, at, reason), None, reason),
        at,
        here.now,
        by_id=here.actor.person_id,
        work_order_id=order.id if order else None,
    )
    return _readings(here, [made])[0]


def _kind(here: Context, meter: Meter, body: NewReading, at: datetime, reason: str | None) -> str:
    if body.rolled_over:
        return "rollover"
    if reason is None or meter.kind == "gauge":
        return "reading"
    earlier = readings_of(here.session, meter.id, limit=1, before=(at, UUID(int=0)))
    shown = (earlier[0].initial_value if earlier[0].initial_value is not None else earlier[0].value) if earlier else 0.0
    return "reset" if body.value < shown else "reading"


@router.post("/meters/{meter_id}/replacement", operation_id="replace_meter", status_code=201)
def replace_meter(meter_id: UUID, body: Replacement, here: Here) -> ReadingItem:
    """Another meter is there from now on: the total counts on."""
    here.require("meter.read")
    meter = locked(here, Meter, meter_id, "meter")
    told = Told(body.final_value, "replacement", body.initial_value, body.reason.strip())
    made = read_meter(here.session, meter, told, body.at or here.now, here.now, by_id=here.actor.person_id)
    return _readings(here, [made])[0]


@router.post("/meters/{meter_id}/readings/{reading_id}/correction", operation_id="correct_reading", status_code=201)
def correct(meter_id: UUID, reading_id: UUID, body: Correction, here: Here) -> ReadingItem:
    """Put the right value in the place of a wrong one, which stays to be seen."""
    here.require("meter.read")
    meter = locked(here, Meter, meter_id, "meter")
    wrong = here.session.get(MeterReading, reading_id)
    if wrong is None or wrong.meter_id != meter.id:
        raise NotFound("no such reading", kind="meter_reading")
    made = correct_reading(
        here.session,
        meter,
        wrong,
        body.value,
        body.reason,
        here.now,
        initial_value=body.initial_value,
        by_id=here.actor.person_id,
    )
    return _readings(here, [made])[0]


@router.get("/meters/{meter_id}/forecast", operation_id="get_meter_forecast")
def get_meter_forecast(
    meter_id: UUID,
    here: Here,
    value: Annotated[float, Query(allow_inf_nan=False)],
    confidence: Annotated[float, Query(ge=0.5, le=0.95)] = 0.8,
) -> ForecastItem:
    """When the meter's total reaches a value, with an interval that holds with this confidence."""
    here.require("asset.read")
    meter = seen(here, Meter, meter_id, "meter")
    found = forecast(here.session, meter, value, confidence)
    return ForecastItem(
        value=value,
        confidence=confidence,
        estimate=_dates(meter, found),
        reason=found.reason,
        rate_per_day=found.rate,
        rate_low=found.rate_low,
        rate_high=found.rate_high,
        readings=found.readings,
        span_days=found.span_days,
    )


def _dates(meter: Meter, found: Forecast) -> EstimatedDate | None:
    if found.estimate is None or meter.read_at is None:
        return None
    days = found.estimate
    return EstimatedDate(
        at=meter.read_at + timedelta(days=days.days),
        low=meter.read_at + timedelta(days=days.low),
        high=meter.read_at + timedelta(days=days.high) if days.high is not None else None,
    )


def _item(meter: Meter) -> MeterItem:
    refused = None
    if meter.refused_at is not None and meter.refused_value is not None:
        refused = Refused(value=meter.refused_value, at=meter.refused_at, reason=meter.refused_reason or "")
    return MeterItem(
        id=meter.id,
        asset_id=meter.asset_id,
        name=meter.name,
        kind=meter.kind,  # type: ignore[arg-type]
        unit=meter.unit,
        unit_label=unit_label(meter.unit),
        metric=meter.metric,
        rollover_at=meter.rollover_at,
        value=meter.value,
        total=meter.total,
        at=meter.read_at,
        refused=refused,
        archived_at=meter.archived_at,
        version=meter.version,
    )


def _readings(here: Context, rows: Sequence[MeterReading]) -> list[ReadingItem]:
    people = person_names(here, (row.by_id for row in rows))
    return [
        ReadingItem(
            id=row.id,
            at=row.at,
            value=row.value,
            initial_value=row.initial_value,
            total=row.total,
            kind=row.kind,
            source=row.source,
            reason=row.reason,
            by=people.get(row.by_id) if row.by_id else None,
            corrects_id=row.corrects_id,
            superseded_at=row.superseded_at,
        )
        for row in rows
    ]
