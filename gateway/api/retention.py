"""How long readings are kept: an organisation's policies, in the order in which they are asked."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import delete, select

from assets.base.errors import Invalid
from gateway.api.deps import Here
from ingest.retention_rules import DEFAULT, MOST_DAYS, Keep, out_of_order
from ingest.rollup_models import RetentionPolicy

router = APIRouter(prefix="/api/v1", tags=["readings"])

MAX_POLICIES = 100

Days = Annotated[int | None, Field(ge=1, le=MOST_DAYS, description="null: for ever")]


class RetentionItem(BaseModel):
    """One class of metrics: by name (`*` and `?` stand for anything), by kind, or both; neither: all that is left."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    metric: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    kind: Literal["number", "boolean", "text"] | None = None
    raw_days: Days = DEFAULT.raw_days
    minute_days: Days = DEFAULT.minute_days
    quarter_days: Days = DEFAULT.quarter_days
    hour_days: Days = DEFAULT.hour_days
    day_days: Days = DEFAULT.day_days


class RetentionDefault(BaseModel):
    """What holds for metrics that no policy names."""

    raw_days: int | None
    minute_days: int | None
    quarter_days: int | None
    hour_days: int | None
    day_days: int | None


class RetentionPolicies(BaseModel):
    """An organisation's own policies; those of the organisations above it are asked after them."""

    items: list[RetentionItem]
    default: RetentionDefault


class RetentionChange(BaseModel):
    """All policies that the organisation is to have."""

    items: Annotated[list[RetentionItem], Field(max_length=MAX_POLICIES)]


@router.get("/retention-policies", operation_id="get_retention_policies")
def get_retention_policies(here: Here) -> RetentionPolicies:
    """How long this organisation keeps which readings."""
    here.require("device.read")
    return _shown(here)


@router.put("/retention-policies", operation_id="put_retention_policies")
def put_retention_policies(body: RetentionChange, here: Here) -> RetentionPolicies:
    """Replace this organisation's policies. They are applied every six hours."""
    here.require("settings.manage")
    for number, item in enumerate(body.items):
        keep = Keep(item.raw_days, item.minute_days, item.quarter_days, item.hour_days, item.day_days)
        if out_of_order(keep):
            raise Invalid(
                "readings must not be kept longer than what is made of them: raw, minutes, quarters, hours, days",
                field=f"items.{number}",
            )
    here.session.execute(delete(RetentionPolicy).where(RetentionPolicy.organisation_id == here.actor.organisation_id))
    for position, item in enumerate(body.items):
        here.session.add(
            RetentionPolicy(organisation_id=here.actor.organisation_id, position=position, **item.model_dump())
        )
    here.session.flush()
    return _shown(here)


def _shown(here: Here) -> RetentionPolicies:
    mine = select(RetentionPolicy).where(RetentionPolicy.organisation_id == here.actor.organisation_id)
    return RetentionPolicies(
        items=[
            RetentionItem.model_validate(policy, from_attributes=True)
            for policy in here.session.scalars(mine.order_by(RetentionPolicy.position))
        ],
        default=RetentionDefault(**DEFAULT._asdict()),
    )
