"""An asset's life over HTTP: its states and their history, the checklist, moves, and another owner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.commissioning import answer, answers_of, missing_answers
from assets.downtime import REASONS, check_reason
from assets.lifecycle import LEGAL_MOVES, Move, transition
from assets.people import Organisation, Person
from assets.places import move, stays_of
from assets.registry import ENDED, OPERATIONS, Asset, AssetModel, Customer, Site, set_operation
from assets.states import AXES, Axis, check_moment, history
from assets.transfers import transfer
from gateway.api.asset_detail import AssetDetail, asset_detail
from gateway.api.asset_models import Point
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Reason, Ref, SomeText, locked_asset, named, person_names, seen
from ml.rebaseline import approve_rebaseline

router = APIRouter(prefix="/api/v1", tags=["lifecycle"])

Word = Annotated[str | None, Field(min_length=1, max_length=200, pattern=r"\S")]


class ReasonWords(BaseModel):
    """A reason for which an asset may be down."""

    code: str
    en: str
    zh: str


class LifecycleRules(BaseModel):
    """What may come next after each state, and the words for operation and downtime."""

    moves: dict[str, list[str]]
    operations: list[str]
    reason_codes: list[ReasonWords]


class NewMove(BaseModel):
    """Where the asset's life goes; `at` left out: now. `site_id`: where it is from then on."""

    to: Annotated[str, Field(min_length=1, max_length=40)]
    reason: SomeText = None
    at: Moment | None = None
    site_id: UUID | None = None


class NewOperation(BaseModel):
    """Whether the asset runs, and why not."""

    to: Literal["up", "degraded", "down", "unknown"]
    cause: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    reason_code: Annotated[str | None, Field(max_length=60)] = None
    at: Moment | None = None


class StateItem(BaseModel):
    """A stretch in one state; `valid_to` null: it lasts."""

    axis: Literal["lifecycle", "operation"]
    state: str
    cause: str | None
    reason_code: str | None
    source: str
    by: Ref | None
    valid_from: datetime
    valid_to: datetime | None


class States(BaseModel):
    """Stretches, newest first."""

    items: list[StateItem]
    next: str | None = None


class PointItem(Point):
    """A point of the checklist with what was found; `ok` null: not yet."""

    ok: bool | None
    value: float | str | None
    note: str | None
    by: Ref | None
    at: datetime | None


class Checklist(BaseModel):
    """The checklist of one asset."""

    items: list[PointItem]
    missing: list[str]
    complete: bool


class NewAnswer(BaseModel):
    """What was found at one point."""

    ok: bool
    value: Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=2000)] | None = None
    note: SomeText = None


class NewStay(BaseModel):
    """Where the asset is, or in whose hands, from `at` (left out: now) on."""

    site_id: UUID | None = None
    person_id: UUID | None = None
    place: Word = None
    reason: SomeText = None
    at: Moment | None = None


class StayItem(BaseModel):
    """A stay of the asset."""

    site: Ref | None
    person: Ref | None
    place: str | None
    reason: str | None
    by: Ref | None
    valid_from: datetime
    valid_to: datetime | None


class Stays(BaseModel):
    """Stays, newest first."""

    items: list[StayItem]
    next: str | None = None


class NewOwner(BaseModel):
    """To whom the asset goes: a customer, or an organisation."""

    customer_id: UUID | None = None
    organisation_id: UUID | None = None
    reason: Reason


class NewReference(BaseModel):
    """Why what is normal has changed."""

    reason: Reason


class Rebaselined(BaseModel):
    """From when on the models learn anew; `again`: this had been asked and was not taken up yet."""

    asset_id: UUID
    since: Annotated[datetime, Field(alias="from", serialization_alias="from")]
    again: bool

    model_config = {"populate_by_name": True}


@router.get("/lifecycle", operation_id="get_lifecycle_rules")
def get_lifecycle_rules(here: Here) -> LifecycleRules:
    """Return the table of legal moves, and the words that go with it."""
    here.require("asset.read")
    words = [ReasonWords(code=code, en=en, zh=zh) for code, (en, zh) in REASONS.items()]
    moves = {state: list(legal) for state, legal in LEGAL_MOVES.items()}
    return LifecycleRules(moves=moves, operations=list(OPERATIONS), reason_codes=words)


@router.post("/assets/{asset_id}/transitions", operation_id="move_asset_along")
def move_asset_along(asset_id: UUID, body: NewMove, here: Here, if_match: IfMatch = None) -> AssetDetail:
    """Move an asset along its life; what may not come next is 409 with what may."""
    here.require("asset.retire" if body.to in ENDED else "asset.move")
    asset = locked_asset(here, asset_id, if_match)
    at, reason = body.at or here.now, (body.reason or "").strip() or None
    site = named(here, Site, body.site_id, "site_id")
    transition(here.session, asset, Move(body.to, at, reason, here.actor.person_id), here.now)
    if site is not None and site.id != asset.site_id:
        _move(here, asset, NewStay(site_id=site.id, reason=reason, at=body.at))
    asset.version += 1
    here.session.flush()
    return asset_detail(here, asset)


@router.post("/assets/{asset_id}/operation", operation_id="set_asset_operation")
def set_asset_operation(asset_id: UUID, body: NewOperation, here: Here) -> AssetDetail:
    """Say whether an asset runs."""
    here.require("asset.move")
    asset = locked_asset(here, asset_id)
    at = body.at or here.now
    check_reason(body.reason_code)
    if body.reason_code is not None and body.to in ("up", "unknown"):
        raise Invalid("only what is down or degraded has a reason", field="reason_code")
    if asset.lifecycle in ENDED:
        raise Invalid(f"a {asset.lifecycle} asset does not run", field="to", lifecycle=asset.lifecycle)
    check_moment(here.session, asset, "operation", at, here.now)
    set_operation(
        here.session,
        asset,
        body.to,
        at,
        body.cause.strip(),
        reason_code=body.reason_code,
        source="person",
        by_id=here.actor.person_id,
    )
    return asset_detail(here, asset)


@router.get("/assets/{asset_id}/states", operation_id="list_asset_states")
def list_asset_states(
    asset_id: UUID,
    here: Here,
    axis: Axis | None = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> States:
    """Return the stretches of an asset's states."""
    here.require("asset.read")
    asset = seen(here, Asset, asset_id, "asset")
    found = [row for each in ([axis] if axis else AXES) for row in history(here.session, asset.id, each, since, until)]
    found.sort(key=lambda row: row.valid_from, reverse=True)
    people = person_names(here, (row.by_id for row in found))
    return States(
        items=[
            StateItem(
                axis=row.axis,  # type: ignore[arg-type]
                state=row.state,
                cause=row.cause,
                reason_code=row.reason_code,
                source=row.source,
                by=people.get(row.by_id) if row.by_id else None,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
            )
            for row in found
        ]
    )


@router.get("/assets/{asset_id}/commissioning", operation_id="get_commissioning")
def get_commissioning(asset_id: UUID, here: Here) -> Checklist:
    """Return the commissioning checklist with what was found."""
    here.require("asset.read")
    return _checklist(here, seen(here, Asset, asset_id, "asset"))


@router.put("/assets/{asset_id}/commissioning/{key}", operation_id="answer_commissioning")
def answer_commissioning(asset_id: UUID, key: str, body: NewAnswer, here: Here) -> Checklist:
    """Take down what was found at one point."""
    here.require("asset.move")
    asset = locked_asset(here, asset_id)
    answer(
        here.session,
        asset,
        _model(here, asset),
        key,
        ok=body.ok,
        value=body.value,
        note=body.note,
        now=here.now,
        by_id=here.actor.person_id,
    )
    return _checklist(here, asset)


@router.get("/assets/{asset_id}/moves", operation_id="list_asset_moves")
def list_asset_moves(asset_id: UUID, here: Here) -> Stays:
    """Where the asset was and in whose hands, newest first."""
    here.require("asset.read")
    return _stays(here, seen(here, Asset, asset_id, "asset"))


@router.post("/assets/{asset_id}/moves", operation_id="move_asset", status_code=201)
def move_asset(asset_id: UUID, body: NewStay, here: Here) -> Stays:
    """Record that the asset is elsewhere or in other hands."""
    here.require("asset.move")
    asset = locked_asset(here, asset_id)
    _move(here, asset, body)
    return _stays(here, asset)


@router.post("/assets/{asset_id}/transfer", operation_id="transfer_asset")
def transfer_asset(asset_id: UUID, body: NewOwner, here: Here, if_match: IfMatch = None) -> AssetDetail:
    """Give the asset to another owner; only who is above both can."""
    here.require("asset.transfer")
    asset = locked_asset(here, asset_id, if_match)
    customer = named(here, Customer, body.customer_id, "customer_id")
    key = customer.organisation_id if customer else body.organisation_id
    organisation = named(here, Organisation, key, "customer_id" if customer else "organisation_id")
    if organisation is None:
        raise Invalid("a transfer names a customer or an organisation", field="customer_id")
    transfer(here.session, asset, organisation, customer, body.reason.strip(), here.now, by_id=here.actor.person_id)
    return asset_detail(here, asset)


@router.post("/assets/{asset_id}/rebaseline", operation_id="rebaseline_asset")
def rebaseline_asset(asset_id: UUID, body: NewReference, here: Here) -> Rebaselined:
    """Let the models learn anew what is normal, from the asset's own now on."""
    here.require("asset.rebaseline")
    asset = locked_asset(here, asset_id)
    since, again = approve_rebaseline(here.session, asset, body.reason.strip(), here.now, by_id=here.actor.person_id)
    return Rebaselined(asset_id=asset.id, since=since, again=again)


def _model(here: Context, asset: Asset) -> AssetModel | None:
    return here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None


def _move(here: Context, asset: Asset, body: NewStay) -> None:
    move(
        here.session,
        asset,
        site=named(here, Site, body.site_id, "site_id"),
        person=named(here, Person, body.person_id, "person_id"),
        place=body.place,
        reason=body.reason,
        at=body.at or here.now,
        now=here.now,
        by_id=here.actor.person_id,
    )


def _checklist(here: Context, asset: Asset) -> Checklist:
    model = _model(here, asset)
    answers = answers_of(here.session, asset.id)
    people = person_names(here, (found.by_id for found in answers.values()))
    items = []
    for about in model.checklist if model else ():
        found = answers.get(about["key"])
        items.append(
            PointItem(
                **about,
                ok=found.ok if found else None,
                value=(found.value or {}).get("value") if found else None,
                note=found.note if found else None,
                by=people.get(found.by_id) if found and found.by_id else None,
                at=found.at if found else None,
            )
        )
    missing = missing_answers(here.session, asset, model)
    return Checklist(items=items, missing=missing, complete=not missing)


def _stays(here: Context, asset: Asset) -> Stays:
    rows = stays_of(here.session, asset.id)
    people = person_names(here, [key for row in rows for key in (row.by_id, row.person_id)])
    sites = _sites(here, (row.site_id for row in rows))
    return Stays(
        items=[
            StayItem(
                site=sites.get(row.site_id) if row.site_id else None,
                person=people.get(row.person_id) if row.person_id else None,
                place=row.place,
                reason=row.reason,
                by=people.get(row.by_id) if row.by_id else None,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
            )
            for row in rows
        ]
    )


def _sites(here: Context, keys: Iterable[UUID | None]) -> dict[UUID, Ref]:
    wanted = {key for key in keys if key is not None}
    rows = here.session.execute(select(Site.id, Site.name).where(Site.id.in_(wanted))) if wanted else ()
    return {key: Ref(id=key, name=name) for key, name in rows}
