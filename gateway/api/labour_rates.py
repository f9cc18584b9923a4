"""What an hour of work costs, by skill and level, over HTTP: standard costs are counted from it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, locked
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.procedures import check_skills
from gateway.api.stock_rows import Amount, AmountIn
from ticketing.procedures.models import LabourRate
from ticketing.procedures.pricing import get_rate, set_rate

router = APIRouter(prefix="/api/v1/labour-rates", tags=["procedures"])


class LabourRateBody(BaseModel):
    """What an hour costs on the days from `valid_from` to `valid_to`; no skill: of anybody, from a level on."""

    skill: str | None = Field(default=None, max_length=60)
    level: Annotated[int, Field(ge=1, le=5)] = 1
    rate: AmountIn
    currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")
    valid_from: date
    valid_to: date | None = None


class LabourRateItem(BaseModel):
    """A labour rate."""

    id: UUID
    skill: str | None
    level: int
    rate: Amount
    currency: str
    valid_from: date
    valid_to: date | None
    version: int


class LabourRates(BaseModel):
    """A page of labour rates."""

    items: list[LabourRateItem]
    next: str | None = None


@router.get("", operation_id="list_labour_rates")
def list_rates(here: Here, limit: Limit = 100, after: After = None) -> LabourRates:
    """List labour rates, oldest first."""
    here.require("price.read")
    query = select(LabourRate).order_by(LabourRate.id).limit(limit + 1)
    if after is not None:
        (key,) = read_cursor(after, UUID)
        query = query.where(LabourRate.id > key)
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return LabourRates(items=[_item(one) for one in page], next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("", operation_id="create_labour_rate", status_code=201)
def create(body: LabourRateBody, here: Here) -> LabourRateItem:
    """Write down what an hour costs."""
    here.require("price.manage")
    return _written(here, LabourRate(organisation_id=here.actor.organisation_id), body)


@router.put("/{rate_id}", operation_id="edit_labour_rate")
def edit(rate_id: UUID, body: LabourRateBody, here: Here, if_match: IfMatch = None) -> LabourRateItem:
    """Correct a rate; costs that were counted stay until they are counted anew."""
    here.require("price.manage")
    return _written(here, locked(here, LabourRate, rate_id, "labour_rate", if_match), body)


@router.delete("/{rate_id}", operation_id="delete_labour_rate", status_code=204)
def delete(rate_id: UUID, here: Here) -> Response:
    """Take a rate away."""
    here.require("price.manage")
    get_rate(here.session, rate_id)
    here.session.delete(locked(here, LabourRate, rate_id, "labour_rate"))
    return Response(status_code=204)


def _written(here: Context, row: LabourRate, body: LabourRateBody) -> LabourRateItem:
    skill = (body.skill or "").strip() or None
    check_skills(here, {"labour": [{"skill": skill}]})
    told = body.model_dump(exclude={"skill", "rate"})
    return _item(set_rate(here.session, row, skill=skill, rate=Decimal(str(body.rate)), now=here.now, **told))


def _item(row: LabourRate) -> LabourRateItem:
    names = ("id", "skill", "level", "rate", "currency", "valid_from", "valid_to", "version")
    return LabourRateItem(**{name: getattr(row, name) for name in names})
