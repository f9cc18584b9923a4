"""Verdicts (保内/保外): on lines that somebody asks about, on the lines of a work order, and their overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import func, select

from assets.base.errors import Forbidden, Invalid, NotFound
from assets.people import Person
from assets.registry import Asset
from assets.warranty.coverage import (
    MAX_LINES,
    Question,
    approved_overrides,
    check_order,
    decide_override,
    judge_lines,
    newest_check,
    plain,
    request_override,
    shown,
)
from assets.warranty.facts import Line
from assets.warranty.tables import CoverageCheck, CoverageOverride
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import (
    LineVerdictItem,
    Named,
    asset_seen,
    everything_known,
    require_above,
    require_serving,
)
from ticketing.models import WorkOrder
from ticketing.order_coverage import is_current, order_lines, repairs_of
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["warranty"])

Word = Annotated[str, Field(max_length=200)]
Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
MeterValue = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class LineIn(BaseModel):
    """A line to judge; `component` is a path such as 'pump/seal'; `cause` left out or 'unknown': not known."""

    line_id: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["labour", "part", "travel"]
    component: Word | None = None
    part_item: Word | None = None
    part_serial: Word | None = None
    cause: Word | None = None
    quantity: Amount = 1.0
    amount: Amount | None = None


class RepairStay(BaseModel):
    """When the machine was away for repair; some terms are longer by these days."""

    handed_in_on: date
    returned_on: date


class QuestionIn(BaseModel):
    """When it failed (null: not known), what the meters showed, and the lines."""

    fault_at: AwareDatetime | None = None
    meters: Annotated[dict[Annotated[str, Field(max_length=120)], MeterValue], Field(max_length=50)] = {}
    region: Annotated[str, Field(max_length=20)] | None = None
    repair_stays: Annotated[list[RepairStay], Field(max_length=100)] = []
    lines: Annotated[list[LineIn], Field(max_length=MAX_LINES)] = []


class Coverage(BaseModel):
    """The verdicts on lines; without lines nobody has asked yet."""

    asset_id: UUID
    work_order_id: UUID | None = None
    fault_at: datetime | None = None
    region: str | None = None
    lines: list[LineVerdictItem]
    checked_at: datetime | None = None
    current: bool = True  # false: what the order took has changed, and is being judged again


class OverrideIn(BaseModel):
    """Another verdict on a line, and why."""

    line_id: Annotated[str, Field(min_length=1, max_length=80)]
    verdict: Literal["in", "out"]
    payer: Literal["manufacturer", "dealer", "operator", "contract", "customer"] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class OverrideDecision(BaseModel):
    """Approve or refuse, and why."""

    approve: bool
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class OverrideItem(BaseModel):
    """A change of a verdict that somebody asked for."""

    id: UUID
    asset_id: UUID
    work_order: Named
    line_id: str
    computed: str
    verdict: str
    payer: str | None
    reason: str
    state: str
    requested_at: datetime
    requested_by: Named | None
    decided_at: datetime | None
    decided_by: Named | None
    decision_reason: str | None
    legal: list[str]


class OverridePage(BaseModel):
    """One page of overrides."""

    items: list[OverrideItem]
    next: str | None = None


class OverrideCount(BaseModel):
    """How many changes of verdicts a person asked for, and what came of them."""

    person: Named | None
    requested: int
    approved: int
    refused: int


class OverrideCounts(BaseModel):
    """Counts by person, most first."""

    items: list[OverrideCount]
    next: str | None = None


@router.post("/assets/{asset_id}/coverage", operation_id="ask_coverage")
def ask(asset_id: UUID, body: QuestionIn, here: Here) -> Coverage:
    """What would be in or out of warranty, and why; nothing is kept."""
    here.require("warranty.read")
    asset = asset_seen(here, asset_id)
    if not body.lines:
        raise Invalid("which lines", field="lines")
    question = _question(here, asset, body)
    with everything_known(here):
        verdicts = judge_lines(here.session, asset, question, here.now)
    return Coverage(
        asset_id=asset.id,
        fault_at=body.fault_at,
        region=body.region,
        lines=[LineVerdictItem.model_validate(plain(each)) for each in verdicts],
        checked_at=here.now,
    )


@router.post("/work-orders/{work_order_id}/coverage", operation_id="check_coverage")
def check(work_order_id: UUID, body: QuestionIn, here: Here) -> Coverage:
    """Judge the lines of a work order and keep the verdicts; the newest ones count. Without lines: what it took."""
    here.require("coverage.check")
    require_serving(here)
    order = get_work_order(here.session, work_order_id)
    asset = asset_seen(here, order.asset_id)
    question = _question(here, asset, body)
    with everything_known(here):
        if not body.lines:
            question = replace(question, lines=order_lines(here.session, order, newest_check(here.session, order.id)))
        made = check_order(
            here.session,
            asset,
            order.id,
            question,
            here.now,
            executing_organisation_id=order.executing_organisation_id,
            by_id=here.actor.person_id,
        )
    return _coverage(here, made)


@router.get("/work-orders/{work_order_id}/coverage", operation_id="get_coverage")
def get_coverage(work_order_id: UUID, here: Here) -> Coverage:
    """The verdicts on a work order's lines, with the overrides that were approved."""
    here.require("warranty.read")
    order = get_work_order(here.session, work_order_id)
    kept = newest_check(here.session, order.id)
    if kept is None:
        return Coverage(asset_id=order.asset_id, work_order_id=order.id, lines=[])
    with everything_known(here):
        current = is_current(here.session, order, kept)
    return _coverage(here, kept).model_copy(update={"current": current})


@router.post("/work-orders/{work_order_id}/coverage/overrides", operation_id="request_override", status_code=201)
def ask_override(work_order_id: UUID, body: OverrideIn, here: Here) -> OverrideItem:
    """Ask for another verdict on a line; it holds when another person has approved it."""
    here.require("coverage.override")
    require_serving(here)
    order = get_work_order(here.session, work_order_id)
    kept = newest_check(here.session, order.id)
    if kept is None:
        raise Invalid("the order's lines were not judged yet", field="line_id")
    made = request_override(
        here.session,
        kept,
        body.line_id,
        body.verdict,
        body.reason,
        here.now,
        by_id=_person(here),
        payer=body.payer,
    )
    return _items(here, [made])[0]


@router.get("/coverage-overrides", operation_id="list_overrides")
def list_overrides(
    here: Here,
    state: Literal["requested", "approved", "refused"] | None = None,
    work_order_id: UUID | None = None,
    asset_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> OverridePage:
    """Changes of verdicts, newest first."""
    here.require("coverage.check")
    query = select(CoverageOverride).order_by(CoverageOverride.id.desc()).limit(limit + 1)
    for column, value in (
        (CoverageOverride.state, state),
        (CoverageOverride.work_order_id, work_order_id),
        (CoverageOverride.asset_id, asset_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(CoverageOverride.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return OverridePage(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.get("/coverage-overrides/count", operation_id="count_overrides")
def count_overrides(
    here: Here,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> OverrideCounts:
    """How often who asked for another verdict, and how often it was granted."""
    here.require("people.read")
    wanted = select(CoverageOverride.requested_by_id, CoverageOverride.state, func.count())
    if start is not None:
        wanted = wanted.where(CoverageOverride.requested_at >= start)
    if end is not None:
        wanted = wanted.where(CoverageOverride.requested_at < end)
    counts: dict[UUID | None, dict[str, int]] = {}
    for person_id, state, count in here.session.execute(
        wanted.group_by(CoverageOverride.requested_by_id, CoverageOverride.state)
    ):
        counts.setdefault(person_id, {})[state] = count
    people = _people(here, counts)
    items = [
        OverrideCount(
            person=people.get(person_id) if person_id else None,
            requested=sum(states.values()),
            approved=states.get("approved", 0),
            refused=states.get("refused", 0),
        )
        for person_id, states in counts.items()
    ]
    return OverrideCounts(items=sorted(items, key=lambda each: -each.requested))


@router.post("/coverage-overrides/{override_id}/decision", operation_id="decide_override")
def decide(override_id: UUID, body: OverrideDecision, here: Here) -> OverrideItem:
    """Approve or refuse; never by the person who asked (409 `same_person`)."""
    here.require("coverage.approve")
    asked = here.session.get(CoverageOverride, override_id)
    if asked is None:
        raise NotFound("no such override", kind="coverage_override")
    require_above(here, asset_seen(here, asked.asset_id))
    here.session.refresh(asked, with_for_update=True)
    made = decide_override(here.session, asked, body.approve, body.reason, here.now, by_id=_person(here))
    return _items(here, [made])[0]


def _question(here: Context, asset: Asset, body: QuestionIn) -> Question:
    if any(stay.returned_on < stay.handed_in_on for stay in body.repair_stays):
        raise Invalid("a machine comes back after it was handed in", field="repair_stays")
    return Question(
        fault_at=body.fault_at,
        lines=[Line(**each.model_dump()) for each in body.lines],
        meters=body.meters,
        region=body.region,
        stays=tuple((stay.handed_in_on, stay.returned_on) for stay in body.repair_stays),
        repairs=repairs_of(here.session, asset),
    )


def _coverage(here: Context, kept: CoverageCheck) -> Coverage:
    overrides = approved_overrides(here.session, kept.work_order_id)
    return Coverage(
        asset_id=kept.asset_id,
        work_order_id=kept.work_order_id,
        fault_at=kept.fault_at,
        region=kept.region,
        lines=[LineVerdictItem.model_validate(each) for each in shown(kept, overrides)],
        checked_at=kept.checked_at,
    )


def _person(here: Context) -> UUID:
    if here.actor.person_id is None:
        raise Forbidden("a token cannot answer for a verdict: sign in as a person", action="coverage.override")
    return here.actor.person_id


def _people(here: Context, ids: object) -> dict[UUID, Named]:
    wanted = {each for each in ids if each}  # type: ignore[attr-defined]
    rows = here.session.execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))
    return {key: Named(id=key, name=name) for key, name in rows}


def _items(here: Context, rows: list[CoverageOverride]) -> list[OverrideItem]:
    people = _people(here, [key for each in rows for key in (each.requested_by_id, each.decided_by_id)])
    orders = here.session.execute(
        select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_({each.work_order_id for each in rows}))
    )
    numbers = {key: number for key, number in orders}
    return [
        OverrideItem(
            id=each.id,
            asset_id=each.asset_id,
            work_order=Named(id=each.work_order_id, name=numbers.get(each.work_order_id, "")),
            line_id=each.line_id,
            computed=each.computed,
            verdict=each.verdict,
            payer=each.payer,
            reason=each.reason,
            state=each.state,
            requested_at=each.requested_at,
            requested_by=people.get(each.requested_by_id) if each.requested_by_id else None,
            decided_at=each.decided_at,
            decided_by=people.get(each.decided_by_id) if each.decided_by_id else None,
            decision_reason=each.decision_reason,
            legal=_legal(here, each),
        )
        for each in rows
    ]


def _legal(here: Context, asked: CoverageOverride) -> list[str]:
    undecided = asked.state == "requested" and asked.requested_by_id != here.actor.person_id
    return ["approve", "refuse"] if undecided and here.actor.person_id else []
