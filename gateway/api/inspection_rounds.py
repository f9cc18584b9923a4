"""Inspection rounds over HTTP: machines in the order in which somebody walks past them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import delete, select, update

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.registry import ENDED, Asset, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from maintenance.plans.tables import InspectionRound, MaintenancePlan, PlanAsset, RoundStop
from ticketing.procedures.models import Procedure

router = APIRouter(prefix="/api/v1", tags=["maintenance plans"])


class RoundStopBody(BaseModel):
    """A machine on the way, what is looked at there, and how long that takes."""

    asset_id: UUID
    procedure_id: UUID | None = None
    minutes: Annotated[int | None, Field(ge=1, le=1440)] = None


class InspectionRoundBody(BaseModel):
    """A round: its stops in order."""

    code: Annotated[str, Field(min_length=1, max_length=80)]
    name: dict[str, str]
    site_id: UUID | None = None
    stops: Annotated[list[RoundStopBody], Field(min_length=1, max_length=100)]


class RoundStopItem(RoundStopBody):
    """A stop as it is read."""

    asset_name: str
    procedure_code: str | None


class InspectionRoundItem(InspectionRoundBody):
    """A round."""

    stops: list[RoundStopItem]  # type: ignore[assignment]
    id: UUID
    version: int
    created_at: datetime


class InspectionRoundPage(BaseModel):
    """One page of rounds."""

    items: list[InspectionRoundItem]
    next: str | None = None


@router.get("/inspection-rounds", operation_id="list_inspection_rounds")
def list_inspection_rounds(
    here: Here, site_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> InspectionRoundPage:
    """Rounds, newest first."""
    here.require("maintenance_plan.read")
    query = select(InspectionRound).order_by(InspectionRound.id.desc()).limit(limit + 1)
    if site_id is not None:
        query = query.where(InspectionRound.site_id == site_id)
    if after is not None:
        query = query.where(InspectionRound.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return InspectionRoundPage(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/inspection-rounds", operation_id="create_inspection_round", status_code=201)
def create_inspection_round(body: InspectionRoundBody, here: Here) -> InspectionRoundItem:
    """Make a round; a plan says when it is walked."""
    here.require("maintenance_plan.manage")
    row = InspectionRound(organisation_id=here.actor.organisation_id, created_at=here.now)
    _fill(here, row, body)
    here.session.add(row)
    here.session.flush()
    _put_stops(here, row, body.stops)
    _log(here, row, "inspection_round.created", first=True)
    return _items(here, [row])[0]


@router.get("/inspection-rounds/{round_id}", operation_id="get_inspection_round")
def get_inspection_round(round_id: UUID, here: Here) -> InspectionRoundItem:
    """One round."""
    here.require("maintenance_plan.read")
    return _items(here, [seen(here, InspectionRound, round_id, "inspection_round")])[0]


@router.put("/inspection-rounds/{round_id}", operation_id="replace_inspection_round")
def replace_inspection_round(
    round_id: UUID, body: InspectionRoundBody, here: Here, if_match: IfMatch = None
) -> InspectionRoundItem:
    """Replace a round; orders that are out keep the stops that they have."""
    here.require("maintenance_plan.manage")
    row = locked(here, InspectionRound, round_id, "inspection_round", if_match)
    with here.session.no_autoflush:
        _fill(here, row, body)
    row.version += 1
    here.session.flush()
    _put_stops(here, row, body.stops)
    plans = select(MaintenancePlan.id).where(MaintenancePlan.round_id == row.id)
    here.session.execute(update(PlanAsset).where(PlanAsset.plan_id.in_(plans)).values(dirty=True))
    _log(here, row, "inspection_round.changed")
    return _items(here, [row])[0]


def _fill(here: Context, row: InspectionRound, body: InspectionRoundBody) -> None:
    if set(body.name) - {"en", "zh"} or not any(body.name.values()) or any(len(x) > 200 for x in body.name.values()):
        raise Invalid("a name in en or zh, at most 200 characters", field="name")
    named(here, Site, body.site_id, "site_id")
    taken = here.session.scalar(
        select(InspectionRound.id).where(
            InspectionRound.organisation_id == row.organisation_id, InspectionRound.code == body.code
        )
    )
    if taken is not None and taken != row.id:
        raise Conflict(f"there is a round {body.code!r} already", code=body.code, field="code")
    row.code, row.name, row.site_id = body.code, dict(body.name), body.site_id


def _put_stops(here: Context, row: InspectionRound, stops: list[RoundStopBody]) -> None:
    wanted = {each.asset_id for each in stops}
    assets = {each.id: each for each in here.session.scalars(select(Asset).where(Asset.id.in_(wanted)))}
    for place, each in enumerate(stops):
        asset = assets.get(each.asset_id)
        if asset is None:
            raise Invalid("no such asset", field=f"stops[{place}].asset_id")
        if asset.lifecycle in ENDED:
            raise Invalid(f"{asset.name} is {asset.lifecycle}", field=f"stops[{place}].asset_id", name=asset.name)
        if asset.organisation_id != assets[stops[0].asset_id].organisation_id:
            raise Invalid("one round is for machines of one owner", field=f"stops[{place}].asset_id")
        named(here, Procedure, each.procedure_id, f"stops[{place}].procedure_id")
    here.session.execute(delete(RoundStop).where(RoundStop.round_id == row.id))
    for place, each in enumerate(stops):
        told: dict[str, Any] = each.model_dump()
        here.session.add(RoundStop(organisation_id=row.organisation_id, round_id=row.id, position=place, **told))
    here.session.flush()


def _log(here: Context, row: InspectionRound, kind: str, *, first: bool = False) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="inspection_round",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"code": row.code, "name_en": _name(row, "en", "zh"), "name_zh": _name(row, "zh", "en")},
        first=first,
    )


def _items(here: Context, rows: list[InspectionRound]) -> list[InspectionRoundItem]:
    stops: dict[UUID, list[RoundStopItem]] = {}
    found = (
        select(RoundStop, Asset.name, Procedure.code)
        .outerjoin(Asset, Asset.id == RoundStop.asset_id)
        .outerjoin(Procedure, Procedure.id == RoundStop.procedure_id)
        .where(RoundStop.round_id.in_([row.id for row in rows]))
        .order_by(RoundStop.position)
    )
    for each, asset, procedure in here.session.execute(found):
        stop = RoundStopItem(
            asset_id=each.asset_id,
            procedure_id=each.procedure_id,
            minutes=each.minutes,
            asset_name=asset or "—",
            procedure_code=procedure,
        )
        stops.setdefault(each.round_id, []).append(stop)
    return [
        InspectionRoundItem.model_construct(
            id=row.id, version=row.version, created_at=row.created_at, code=row.code, name=row.name,
            site_id=row.site_id, stops=stops.get(row.id, []),
        )
        for row in rows
    ]  # fmt: skip


def _name(row: InspectionRound, language: str, other: str) -> str:
    return str(row.name.get(language) or row.name.get(other) or row.code)
