"""Calls over HTTP: the log, who calls with what they have, and a case in one step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.registry import Asset, AssetModel, Customer
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Ref, locked, named, person_names, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.pages.warranty import warranty_of
from ticketing.cases.cases import get_case
from ticketing.cases.tables import Case, ServiceType
from ticketing.cases.words import MAX_TEXT
from ticketing.channels.callers import Caller, assets_of, callers_of, last_cases_of, open_work_of
from ticketing.channels.calls import home_of, link_call, open_case_of_call
from ticketing.channels.numbers import MAX_SPELLED, Home, e164
from ticketing.channels.tables import Call, Channel

router = APIRouter(prefix="/api/v1", tags=["calls"])

LIVE = timedelta(hours=4)  # what a telephone system never told the end of is not spoken any more
CallState = Literal["ringing", "answered", "ended", "missed"]


class CaseOfCall(BaseModel):
    """The case that a call led to."""

    id: UUID
    number: str
    title: str
    state: str


class CallItem(BaseModel):
    """One call. `callback`: it was missed, and its case asks to call back."""

    id: UUID
    state: CallState
    direction: Literal["in", "out"]
    number: str | None
    spelled: str | None
    line: str | None
    channel: Ref | None
    agent: str | None
    answered_by: Ref | None
    customer: Ref | None
    asset_id: UUID | None
    case: CaseOfCall | None
    callback: bool
    note: str | None
    recording_url: str | None
    began_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    talked_s: int | None
    version: int


class Calls(BaseModel):
    """A page of calls, newest first."""

    items: list[CallItem]
    next: str | None = None


class CallerItem(BaseModel):
    """Somebody with the number: a customer, a person, or who sent a request before."""

    kind: Literal["customer", "person", "contact"]
    id: UUID
    name: str
    sure: Literal["exact", "likely"]
    customer: Ref | None


class CallerAsset(BaseModel):
    """One of the caller's machines; `bought_on`: when its warranty began."""

    id: UUID
    name: str
    serial: str
    customer_id: UUID | None
    model_en: str | None
    model_zh: str | None
    warranty: str
    bought_on: date | None
    covered_until: date | None


class CallerWork(BaseModel):
    """An open order on one of them."""

    id: UUID
    number: str
    state: str
    asset_id: UUID
    scheduled_at: datetime | None


class CallerCase(BaseModel):
    """One of the caller's last cases."""

    id: UUID
    number: str
    title: str
    state: str
    opened_at: datetime


class CallerCard(BaseModel):
    """Who calls, and what the desk needs to know before the first word."""

    number: str | None
    callers: list[CallerItem]
    assets: list[CallerAsset]
    open_work: list[CallerWork]
    cases: list[CallerCase]


class CaseFromCall(BaseModel):
    """What the caller says; customer and machine as chosen on the card."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    customer_id: UUID | None = None
    asset_id: UUID | None = None
    service_type_id: UUID | None = None
    answers: dict[str, Any] | None = None
    priority: str | None = None
    name: str | None = Field(default=None, max_length=200)


class CallChange(BaseModel):
    """What a call was about: a customer, a machine, a case that is there already, a note."""

    customer_id: UUID | None = None
    asset_id: UUID | None = None
    case_id: UUID | None = None
    note: str | None = Field(default=None, max_length=4000)


@router.get("/calls", operation_id="list_calls")
def list_calls(
    here: Here,
    state: CallState | None = None,
    live: bool = False,
    case_id: UUID | None = None,
    customer_id: UUID | None = None,
    number: Annotated[str | None, Query(max_length=MAX_SPELLED)] = None,
    limit: Limit = 50,
    after: After = None,
) -> Calls:
    """List calls, newest first. `live`: those that ring or are spoken; `number` in any spelling."""
    here.require("call.read")
    query = select(Call)
    if state is not None:
        query = query.where(Call.state == state)
    if live:
        query = query.where(Call.state.in_(("ringing", "answered")), Call.told_at > here.now - LIVE)
    if case_id is not None:
        query = query.where(Call.case_id == case_id)
    if customer_id is not None:
        query = query.where(Call.customer_id == customer_id)
    if number is not None:
        query = query.where(Call.e164.in_([e164(number, home) for home in _homes(here)]))
    if after is not None:
        query = query.where(Call.id < read_cursor(after, UUID)[0])
    found = list(here.session.scalars(query.order_by(Call.id.desc()).limit(limit + 1)))
    page = found[:limit]
    following = cursor_of(page[-1].id) if len(found) > limit else None
    return Calls(items=call_items(here, page), next=following)


@router.get("/calls/{call_id}", operation_id="get_call")
def get_call(call_id: UUID, here: Here) -> CallItem:
    """One call."""
    here.require("call.read")
    return call_items(here, [seen(here, Call, call_id, "call")])[0]


@router.get("/calls/{call_id}/caller", operation_id="get_call_caller")
def get_call_caller(call_id: UUID, here: Here) -> CallerCard:
    """Who calls: everybody with this number, their machines with warranty, open work and last cases."""
    here.require("call.read")
    call = seen(here, Call, call_id, "call")
    channel = here.session.get(Channel, call.channel_id)
    return _card(here, call.e164, [home_of(channel)] if channel else [], call)


@router.get("/callers", operation_id="find_callers")
def find_callers(here: Here, number: Annotated[str, Query(min_length=1, max_length=MAX_SPELLED)]) -> CallerCard:
    """Who has a number, in any spelling."""
    here.require("call.read")
    homes = _homes(here)
    return _card(here, e164(number, homes[0]), homes, None)


@router.patch("/calls/{call_id}", operation_id="change_call")
def change_call(call_id: UUID, body: CallChange, here: Here, if_match: IfMatch = None) -> CallItem:
    """Say what a call was about; what is left out stays."""
    here.require("call.work")
    call = locked(here, Call, call_id, "call", if_match)
    link_call(
        here.session,
        call,
        here.now,
        by=here.actor,
        case=named(here, Case, body.case_id, "case_id"),
        customer=named(here, Customer, body.customer_id, "customer_id"),
        asset=named(here, Asset, body.asset_id, "asset_id"),
        note=body.note,
    )
    return call_items(here, [call])[0]


@router.post("/calls/{call_id}/case", operation_id="open_case_of_call", status_code=201)
def open_case_from_call(call_id: UUID, body: CaseFromCall, here: Here) -> CaseOfCall:
    """Open a case of what a caller says; asked twice, the first one is returned."""
    here.require("call.work")
    here.require("case.open")
    call = locked(here, Call, call_id, "call")
    asset = named(here, Asset, body.asset_id, "asset_id")
    customer = named(here, Customer, body.customer_id, "customer_id")
    if customer is None and asset is not None and asset.customer_id is not None:
        customer = here.session.get(Customer, asset.customer_id)
    case = open_case_of_call(
        here.session,
        call,
        text=body.text,
        now=here.now,
        by=here.actor,
        customer=customer,
        asset=asset,
        service_type=named(here, ServiceType, body.service_type_id, "service_type_id"),
        answers=body.answers,
        priority=body.priority,
        name=body.name or (customer.name if customer else None),
    )
    return _case(get_case(here.session, case.id))


def call_items(here: Context, calls: Sequence[Call]) -> list[CallItem]:
    """Return calls with the names of what they are about."""
    session = here.session
    cases = {row.id: row for row in _all(here, Case, [each.case_id for each in calls])}
    customers = {row.id: row for row in _all(here, Customer, [each.customer_id for each in calls])}
    channels = {row.id: row for row in _all(here, Channel, [each.channel_id for each in calls])}
    people = person_names(here, [each.answered_by_id for each in calls])
    session.flush()
    return [
        CallItem(
            id=each.id,
            state=each.state,  # type: ignore[arg-type]
            direction="out" if each.direction == "out" else "in",
            number=each.e164,
            spelled=each.number,
            line=each.line,
            channel=_ref(channels.get(each.channel_id)),
            agent=each.agent,
            answered_by=people.get(each.answered_by_id) if each.answered_by_id else None,
            customer=_ref(customers.get(each.customer_id)) if each.customer_id else None,
            asset_id=each.asset_id,
            case=_case(cases[each.case_id]) if each.case_id in cases else None,
            callback=each.callback,
            note=each.note,
            recording_url=each.recording_url,
            began_at=each.began_at,
            answered_at=each.answered_at,
            ended_at=each.ended_at,
            talked_s=_talked(each),
            version=each.version,
        )
        for each in calls
    ]


def _card(here: Context, number: str | None, homes: Sequence[Home], call: Call | None) -> CallerCard:
    session = here.session
    found: dict[tuple[str, UUID], Caller] = {}
    for home in homes[:5]:
        for each in callers_of(session, here.actor.organisation_id, number, home):
            found.setdefault((each.kind, each.id), each)
    callers = sorted(found.values(), key=lambda each: each.sure != "exact")
    ids = list(dict.fromkeys(each.customer_id for each in callers if each.customer_id))
    if call is not None and call.customer_id is not None and call.customer_id not in ids:
        ids.insert(0, call.customer_id)
    named_first = [each.asset_id for each in callers if each.asset_id]
    assets = assets_of(session, ids, named_first)
    asset_ids = [each.id for each in assets]
    names = {row.id: row for row in _all(here, Customer, ids)}
    return CallerCard(
        number=number,
        callers=[
            CallerItem(
                kind=each.kind,  # type: ignore[arg-type]
                id=each.id,
                name=each.name,
                sure="exact" if each.sure == "exact" else "likely",
                customer=_ref(names.get(each.customer_id)) if each.customer_id else None,
            )
            for each in callers
        ],
        assets=[_asset(here, each) for each in assets],
        open_work=[
            CallerWork(
                id=each.id, number=each.number, state=each.state, asset_id=each.asset_id, scheduled_at=each.scheduled_at
            )
            for each in open_work_of(session, asset_ids)
        ],
        cases=[
            CallerCase(id=each.id, number=each.number, title=each.title, state=each.state, opened_at=each.opened_at)
            for each in last_cases_of(session, ids, asset_ids)
        ],
    )


def _asset(here: Context, asset: Asset) -> CallerAsset:
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    warranty = warranty_of(here.session, asset, here.now)
    return CallerAsset(
        id=asset.id,
        name=asset.name,
        serial=asset.serial,
        customer_id=asset.customer_id,
        model_en=model.name_en if model else None,
        model_zh=model.name_zh if model else None,
        warranty=warranty.state,
        bought_on=warranty.starts_on,
        covered_until=warranty.until,
    )


def _homes(here: Context) -> list[Home]:
    """Return where the organisation's telephone systems are at home."""
    own = select(Channel).where(Channel.kind == "phone", Channel.organisation_id == here.actor.organisation_id)
    found = [home_of(each) for each in here.session.scalars(own.order_by(Channel.id).limit(5))]
    return list(dict.fromkeys(found)) or [Home()]


def _all(here: Context, table: Any, keys: Sequence[UUID | None]) -> list[Any]:
    wanted = {key for key in keys if key is not None}
    return list(here.session.scalars(select(table).where(table.id.in_(wanted)))) if wanted else []


def _ref(row: Any) -> Ref | None:
    return Ref(id=row.id, name=row.name) if row is not None else None


def _case(case: Case) -> CaseOfCall:
    return CaseOfCall(id=case.id, number=case.number, title=case.title, state=case.state)


def _talked(call: Call) -> int | None:
    """Return the seconds that were spoken, once both moments are known."""
    if call.answered_at is None or call.ended_at is None:
        return None
    return max(0, round((call.ended_at - call.answered_at).total_seconds()))
