"""Readings of an asset: downsampled on the server, minimum and maximum kept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from assets.base.errors import Invalid, NotFound
from assets.base.units import unit_label
from assets.registry import Asset
from gateway.api.deps import Here
from ingest.store.stretch import MAX_POINTS, read_stretch

router = APIRouter(prefix="/api/v1", tags=["readings"])

MAX_SPAN = timedelta(days=3660)


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
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS)] = 300,
) -> AssetReadings:
    """One metric of an asset between two times (the last hour when none are given), in at most `points` buckets."""
    here.require("reading.read")
    if here.session.get(Asset, asset_id) is None:
        raise NotFound("no such asset")
    until = end or here.now
    since = start or until - timedelta(hours=1)
    for name, moment in (("from", since), ("to", until)):
        if moment.tzinfo is None:
            raise Invalid("a time needs its zone, such as Z", field=name)
    if not timedelta(0) < until - since <= MAX_SPAN:
        raise Invalid("`from` must be before `to`, by ten years at most", field="from")
    stretch = read_stretch(here.session, asset_id, metric, since, until, points)
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
