"""Readings of an asset: downsampled on the server, minimum and maximum kept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from assets.base.errors import Invalid, NotFound
from assets.base.units import unit_code, unit_label
from assets.registry import Asset
from gateway.api.deps import Here, database_of
from gateway.api.downloads import MEDIA_TYPES, Download, Export
from gateway.api.edits import Moment
from ingest.store.export import Format
from ingest.store.stretch import MAX_POINTS, count_readings, read_stretch

router = APIRouter(prefix="/api/v1", tags=["readings"])

MAX_SPAN = timedelta(days=3660)
MAX_METRICS = 512  # as many as a stream may have


class ReadingPoint(BaseModel):
    """One bucket; `t` is its beginning.

    Figures are those of the good and uncertain readings, `count` of them, or of the bad ones where there are no
    others; `bad` counts the bad ones.
    """

    t: datetime
    min: float
    max: float
    mean: float
    count: int
    last: float
    bad: int


class AssetReadings(BaseModel):
    """A stretch of one metric. A text metric's points hold indexes into `states`, all of them the last one's.

    `resolution` is what the buckets are made of: the readings themselves, or rollups, on whole multiples of theirs.
    """

    metric: str
    unit: str | None
    unit_label: str
    kind: str
    states: list[str]
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    bucket_s: float
    resolution: Literal["raw", "1m", "15m", "1h", "1d"]
    points: list[ReadingPoint]


@router.get("/assets/{asset_id}/readings", operation_id="get_readings")
def get_readings(
    asset_id: UUID,
    metric: str,
    here: Here,
    start: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to")] = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS)] = 300,
    unit: Annotated[str | None, Query(max_length=60)] = None,
    difference: bool = False,
) -> AssetReadings:
    """One metric of an asset between two times (the last hour when none are given), in at most `points` buckets.

    In `unit`, UCUM or as people write it, when one is given; `difference` says that the metric is a difference of two
    temperatures, so that 20 °C are 36 °F and not 68.
    """
    here.require("reading.read")
    if here.session.get(Asset, asset_id) is None:
        raise NotFound("no such asset")
    since, until = _range(start, end, here.now)
    code = unit_code(unit) if unit else None
    if unit and code is None:
        raise Invalid("no unit", field="unit")
    stretch = read_stretch(here.session, asset_id, metric, since, until, points, unit=code, difference=difference)
    if stretch is None:
        raise NotFound(f"this asset has no metric {metric!r}", metric=metric)
    return AssetReadings(
        metric=stretch.metric,
        unit=stretch.unit,
        unit_label=unit_label(stretch.unit),
        kind=stretch.kind,
        states=list(stretch.states),
        start=since,
        end=until,
        bucket_s=stretch.bucket_s,
        resolution=stretch.resolution,
        points=[ReadingPoint(**asdict(point)) for point in stretch.points],
    )


@router.get(
    "/assets/{asset_id}/readings/export",
    operation_id="export_readings",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file, in pieces as it is made. `X-Forewarn-Rows`: about how many rows it will have.",
            "content": {kind: {} for kind in MEDIA_TYPES.values()},
        }
    },
)
def export_readings(
    asset_id: UUID,
    here: Here,
    request: Request,
    metric: Annotated[list[str] | None, Query(max_length=MAX_METRICS)] = None,
    start: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to")] = None,
    format: Format = "csv",
) -> StreamingResponse:
    """Every reading of an asset between two times (the last day when none are given) as a file.

    `metric` may be repeated; without it, or as `*`, all metrics. One row per value: asset_serial, metric, unit,
    measured_at, received_at, value, text, quality.
    """
    here.require("reading.read")
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset")
    since, until = _range(start, end, here.now, timedelta(days=1))
    metrics = [] if "*" in (metric or ()) else list(metric or ())
    rows = count_readings(here.session, asset_id, metrics, since, until)
    wanted = Export(asset_id, asset.serial, tuple(metrics), since, until, format)
    name = f"{asset.serial}_{since:%Y%m%d}-{until:%Y%m%d}.{format}"
    headers = {
        "X-Forewarn-Rows": str(rows),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # a proxy that collects the whole file first would hide the progress
    }
    return Download(database_of(request), here.actor, wanted, MEDIA_TYPES[format], headers)


def _range(
    start: datetime | None, end: datetime | None, now: datetime, usual: timedelta = timedelta(hours=1)
) -> tuple[datetime, datetime]:
    until = end or now
    for name, moment in (("from", start), ("to", until)):
        if moment is not None and moment.tzinfo is None:
            raise Invalid("a time needs its zone, such as Z", field=name)
    try:
        since = start or until - usual
    except OverflowError as error:
        raise Invalid("`to` is before all time", field="to") from error
    if not timedelta(0) < until - since <= MAX_SPAN:
        raise Invalid("`from` must be before `to`, by ten years at most", field="from")
    return since, until
