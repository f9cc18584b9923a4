"""Suppressors: what was found to be nothing and is held back for a while; people may lift or prolong it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select

from assets.people import Person
from assets.registry import Asset, AssetModel
from gateway.api.deps import Context, Here
from gateway.api.findings import AssetOfFinding, WorkOrderOfEpisode
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_order_rows import NoticedContribution, PersonOfWork, only_customer
from gateway.api.work_orders import id_of_cursor
from maintenance.feedback import MAX_NOTE, MOST_DAYS, get_suppressor, lift, prolong
from maintenance.feedback_models import HeldBack, Suppressor
from maintenance.models import EpisodeFinding, Finding, WorkLink
from maintenance.noticed import contribution_in_words
from maintenance.suppressors import AUDITED, SUPPRESSED
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["feedback"])


class SuppressorItem(BaseModel):
    """Evidence that opens no work, why, until when, and what it held back."""

    id: UUID
    asset: AssetOfFinding
    origin: str
    work_order: WorkOrderOfEpisode | None
    predicted_job_id: UUID | None
    kind: str
    detector: str
    signature: str
    regime: str
    contributions: list[NoticedContribution]
    severity: str
    peak_ratio: float
    breaks_at: float
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    ended_by: PersonOfWork | None
    ended_note: str | None
    suppressed: int
    audited: int
    last_matched_at: datetime | None
    active: bool


class Suppressors(BaseModel):
    """A page of suppressors."""

    items: list[SuppressorItem]
    next: str | None = None


class MatchItem(BaseModel):
    """An alarm that a suppressor knew: held back, let through at random, or too strong for it."""

    finding_id: UUID
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    peak: float
    ratio: float
    at: datetime
    result: str
    work_order: WorkOrderOfEpisode | None
    outcome: str | None


class Matches(BaseModel):
    """A page of alarms."""

    items: list[MatchItem]
    next: str | None = None


class Lifting(BaseModel):
    """Why it ends."""

    reason: str = Field(min_length=1, max_length=MAX_NOTE)


class Prolonging(BaseModel):
    """For how many days from now."""

    days: int = Field(ge=1, le=MOST_DAYS)


ActiveOnly = Annotated[bool | None, Query(alias="active")]


@router.get("/suppressors", operation_id="list_suppressors")
def list_suppressors(
    here: Here, is_active: ActiveOnly = None, asset_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> Suppressors:
    """List suppressors, newest first; `active=true` only those in force."""
    here.require("finding.read")
    query = select(Suppressor).order_by(Suppressor.id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Suppressor.asset_id == asset_id)
    if is_active is not None:
        ended = or_(Suppressor.ended_at.is_not(None), Suppressor.expires_at <= here.now)
        query = query.where(~ended if is_active else ended)
    if after is not None:
        query = query.where(Suppressor.id < id_of_cursor(after))
    found = here.session.scalars(query).all()
    page = found[:limit]
    return Suppressors(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/suppressors/{suppressor_id}", operation_id="get_suppressor")
def get_one_suppressor(suppressor_id: UUID, here: Here) -> SuppressorItem:
    """Return one suppressor."""
    here.require("finding.read")
    return _items(here, [get_suppressor(here.session, suppressor_id)])[0]


@router.get("/suppressors/{suppressor_id}/matches", operation_id="list_suppressor_matches")
def list_matches(suppressor_id: UUID, here: Here, limit: Limit = 100, after: After = None) -> Matches:
    """List the alarms that a suppressor knew, newest first."""
    here.require("finding.read")
    known = get_suppressor(here.session, suppressor_id)
    query = (
        select(HeldBack, Finding)
        .join(Finding, Finding.id == HeldBack.finding_id)
        .where(HeldBack.suppressor_id == known.id)
        .order_by(HeldBack.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(HeldBack.id < id_of_cursor(after))
    found = here.session.execute(query).all()
    page = found[:limit]
    orders = orders_of_findings(here, [finding.id for _, finding in page])
    return Matches(
        items=[_match(held, finding, orders.get(finding.id)) for held, finding in page],
        next=cursor_of(page[-1][0].id) if len(found) > limit else None,
    )


@router.post("/suppressors/{suppressor_id}/lift", operation_id="lift_suppressor")
def lift_suppressor(suppressor_id: UUID, body: Lifting, here: Here) -> SuppressorItem:
    """Let the evidence open work again; what lasts is decided anew."""
    here.require("policy.manage")
    known = lift(here.session, get_suppressor(here.session, suppressor_id), body.reason, here.now, by=here.actor)
    return _items(here, [known])[0]


@router.post("/suppressors/{suppressor_id}/prolong", operation_id="prolong_suppressor")
def prolong_suppressor(suppressor_id: UUID, body: Prolonging, here: Here) -> SuppressorItem:
    """Let a suppressor last so many days from now."""
    here.require("policy.manage")
    known = prolong(here.session, get_suppressor(here.session, suppressor_id), body.days, here.now, by=here.actor)
    return _items(here, [known])[0]


def _items(here: Context, page: Sequence[Suppressor]) -> list[SuppressorItem]:
    session = here.session
    assets = {a.id: a for a in session.scalars(select(Asset).where(Asset.id.in_({one.asset_id for one in page})))}
    wanted = {asset.asset_model_id for asset in assets.values() if asset.asset_model_id}
    models = {model.id: model for model in session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted)))}
    orders = _by_id(here, {one.work_order_id for one in page if one.work_order_id})
    people: dict[UUID, Person] = {}
    if not only_customer(here):
        ids = {one.ended_by_id for one in page if one.ended_by_id}
        people = {person.id: person for person in session.scalars(select(Person).where(Person.id.in_(ids)))}
    counts = _counts(here, [one.id for one in page])
    items = []
    for one in page:
        asset = assets[one.asset_id]
        model = models.get(asset.asset_model_id) if asset.asset_model_id else None
        order = orders.get(one.work_order_id) if one.work_order_id else None
        person = people.get(one.ended_by_id) if one.ended_by_id else None
        items.append(
            SuppressorItem(
                **{name: getattr(one, name) for name in _PLAIN},
                asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
                work_order=order_ref(order),
                contributions=[
                    NoticedContribution(**contribution_in_words(share, model)) for share in one.contributions
                ],
                ended_by=PersonOfWork(id=person.id, name=person.name) if person else None,
                active=one.ended_at is None and one.expires_at > here.now,
                **counts.get(one.id, {"suppressed": 0, "audited": 0, "last_matched_at": None}),
            )
        )
    return items


_PLAIN = (
    "id",
    "origin",
    "predicted_job_id",
    "kind",
    "detector",
    "signature",
    "regime",
    "severity",
    "peak_ratio",
    "breaks_at",
    "created_at",
    "expires_at",
    "ended_at",
    "ended_reason",
    "ended_note",
)


def _counts(here: Context, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    counted = (
        select(
            HeldBack.suppressor_id,
            func.count().filter(HeldBack.result == SUPPRESSED),
            func.count().filter(HeldBack.result == AUDITED),
            func.max(HeldBack.at),
        )
        .where(HeldBack.suppressor_id.in_(ids))
        .group_by(HeldBack.suppressor_id)
    )
    return {
        known: {"suppressed": suppressed, "audited": audited, "last_matched_at": last}
        for known, suppressed, audited, last in here.session.execute(counted)
        if known is not None
    }


def _by_id(here: Context, ids: Iterable[UUID]) -> dict[UUID, WorkOrder]:
    return {order.id: order for order in here.session.scalars(select(WorkOrder).where(WorkOrder.id.in_(list(ids))))}


def orders_of_findings(here: Context, findings: Sequence[UUID]) -> dict[UUID, WorkOrder]:
    """Return the newest order of each finding."""
    linked = (
        select(EpisodeFinding.finding_id, WorkOrder)
        .join(WorkLink, WorkLink.episode_id == EpisodeFinding.episode_id)
        .join(WorkOrder, WorkOrder.id == WorkLink.work_order_id)
        .where(EpisodeFinding.finding_id.in_(findings))
        .order_by(WorkLink.linked_at, WorkOrder.id)
    )
    return {finding_id: order for finding_id, order in here.session.execute(linked)}


def order_ref(order: WorkOrder | None) -> WorkOrderOfEpisode | None:
    """Return a work order by name and state."""
    return WorkOrderOfEpisode(id=order.id, number=order.number, state=order.state) if order else None


def _match(held: HeldBack, finding: Finding, order: WorkOrder | None) -> MatchItem:
    return MatchItem(
        finding_id=finding.id,
        first_at=finding.first_at,
        last_at=finding.last_at,
        cleared_at=finding.cleared_at,
        peak=finding.peak,
        ratio=held.ratio,
        at=held.at,
        result=held.result,
        work_order=order_ref(order) if held.result != SUPPRESSED else None,
        outcome=order.outcome if order and held.result != SUPPRESSED else None,
    )
