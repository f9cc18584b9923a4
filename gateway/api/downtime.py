"""How long an asset was down and why: from states, work and silence, each moment counted once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from assets.base.errors import Invalid
from assets.registry import Asset
from gateway.api.deps import Here
from gateway.api.edits import seen
from maintenance.downtime import asset_downtime

router = APIRouter(prefix="/api/v1", tags=["lifecycle"])

LONGEST = timedelta(days=366 * 5)


class Because(BaseModel):
    """What says so: a state, a work order, a finding of silence."""

    kind: str
    id: UUID
    number: str | None


class ReasonSeconds(BaseModel):
    """How long under one reason."""

    reason_code: str
    seconds: float


class DownSpan(BaseModel):
    """One stretch; of several reasons the gravest counts. `unobserved`: nobody heard the asset."""

    begin: Annotated[datetime, Field(serialization_alias="from")]
    end: Annotated[datetime, Field(serialization_alias="to")]
    reason_code: str
    sources: list[Because]


class DowntimeAnswer(BaseModel):
    """Availability is the share of the observed time in which it was not down; null: nothing was observed."""

    begin: Annotated[datetime, Field(serialization_alias="from")]
    end: Annotated[datetime, Field(serialization_alias="to")]
    down_s: float
    unobserved_s: float
    availability: float | None
    by_reason: list[ReasonSeconds]
    spans: list[DownSpan]


@router.get("/assets/{asset_id}/downtime", operation_id="get_downtime")
def get_downtime(
    asset_id: UUID,
    here: Here,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> DowntimeAnswer:
    """The downtime of an asset, left out: of the last 30 days."""
    here.require("asset.read")
    asset = seen(here, Asset, asset_id, "asset")
    end = min(until or here.now, here.now)
    begin = since or end - timedelta(days=30)
    if begin >= end:
        raise Invalid("`from` must be before `to`, and in the past", field="from")
    if end - begin > LONGEST:
        raise Invalid("at most five years at once", field="from")
    found = asset_downtime(here.session, asset.id, begin, end)
    return DowntimeAnswer(
        begin=begin,
        end=end,
        down_s=found.down_s,
        unobserved_s=found.unobserved_s,
        availability=found.availability,
        by_reason=[ReasonSeconds(reason_code=code, seconds=s) for code, s in sorted(found.by_reason.items())],
        spans=[
            DownSpan(
                begin=span.start,
                end=span.end,
                reason_code=span.reason_code,
                sources=[Because(kind=each.kind, id=UUID(each.id), number=each.number) for each in span.sources],
            )
            for span in found.spans
        ],
    )
