"""Service contracts: what they include, for which assets, from when to when."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.calendars import Calendar
from assets.base.errors import Forbidden, Invalid, NotFound
from assets.contracts.agreements import (
    LEGAL_MOVES,
    MAX_ASSETS,
    MAX_ENTITLEMENTS,
    MAX_RESPONSE_TIMES,
    entitlements_of,
    fill_contract,
    make_contract,
    move_contract,
    set_assets,
    set_entitlements,
)
from assets.contracts.ledger import last_day_of
from assets.contracts.tables import Contract, ContractAsset
from assets.people import Organisation
from assets.registry import Asset, Customer
from assets.warranty.clauses import MAX_CLAUSES
from gateway.api.deps import Context, Here
from gateway.api.edits import named
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import AssetNamed, Named, asset_names, customer_names, require_serving
from ticketing.work_orders import StaleVersion

router = APIRouter(prefix="/api/v1", tags=["contracts"])

IfMatch = Annotated[str | None, Header(description="the version that the change is based on")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=80)]
Hours = Annotated[float, Field(gt=0, le=8784, allow_inf_nan=False)]
SHOWN_ASSETS = 200  # in one item; the asset's own pages tell the rest


class ResponseTime(BaseModel):
    """What is promised for work of a priority, in hours of a calendar (null: the one that such work is counted on)."""

    priority: Annotated[str, Field(min_length=1, max_length=40)] = "normal"
    respond_h: Hours | None = None
    arrive_h: Hours | None = None
    restore_h: Hours | None = None
    close_h: Hours | None = None
    calendar_id: UUID | None = None


class EntitlementIn(BaseModel):
    """What a period includes. A visit counts once per order, parts and hours by quantity, amount by money."""

    key: Key
    kind: Literal["visits", "parts", "hours", "amount"]
    unit: Annotated[str, Field(max_length=20)] | None = None
    quantity: Annotated[float, Field(gt=0, le=99_999_999, allow_inf_nan=False)]
    period: Literal["contract", "year", "quarter", "month"] = "year"
    carries_over: bool = False
    name_en: Annotated[str, Field(max_length=200)] | None = None
    name_zh: Annotated[str, Field(max_length=200)] | None = None


class EntitlementItem(BaseModel):
    """What a period includes."""

    id: UUID
    key: str
    kind: str
    unit: str
    quantity: float
    period: str
    carries_over: bool
    name_en: str
    name_zh: str


class ContractBody(BaseModel):
    """All that a draft says; a clause without a beginning holds for the contract's days."""

    name: Name
    customer_id: UUID | None = None
    starts_on: date
    ends_on: date
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    precedence: Annotated[int, Field(ge=-1000, le=1000)] = 0
    clauses: Annotated[list[dict[str, Any]], Field(max_length=MAX_CLAUSES)] = []
    response_times: Annotated[list[ResponseTime], Field(max_length=MAX_RESPONSE_TIMES)] = []
    entitlements: Annotated[list[EntitlementIn], Field(max_length=MAX_ENTITLEMENTS)] = []
    asset_ids: Annotated[list[UUID], Field(max_length=MAX_ASSETS)] = []


class NewContract(ContractBody):
    """A contract to make; a number is given where none is told."""

    number: Annotated[str, Field(min_length=1, max_length=80)] | None = None


class ContractItem(BaseModel):
    """A contract. `running`: it holds today."""

    id: UUID
    number: str
    name: str
    customer: Named | None
    organisation: Named | None
    provider: Named | None
    starts_on: date
    ends_on: date
    time_zone: str
    state: str
    cancelled_on: date | None
    running: bool
    precedence: int
    asset_count: int
    assets: list[AssetNamed]
    clauses: list[dict[str, Any]]
    response_times: list[ResponseTime]
    entitlements: list[EntitlementItem]
    created_at: datetime
    version: int
    legal: list[str]


class ContractPage(BaseModel):
    """One page of contracts."""

    items: list[ContractItem]
    next: str | None = None


class ContractMove(BaseModel):
    """Begin or cancel a contract; `on`: its last day, today when left out; cancelling needs a reason."""

    to: Literal["active", "cancelled"]
    on: date | None = None
    reason: Annotated[str, Field(max_length=1000)] | None = None


class ContractAssets(BaseModel):
    """The assets that a contract holds for, all of them."""

    asset_ids: Annotated[list[UUID], Field(max_length=MAX_ASSETS)]


@router.get("/contracts", operation_id="list_contracts")
def list_contracts(
    here: Here,
    q: str | None = None,
    number: str | None = None,
    customer_id: UUID | None = None,
    asset_id: UUID | None = None,
    state: Literal["draft", "active", "cancelled"] | None = None,
    limit: Limit = 100,
    after: After = None,
) -> ContractPage:
    """Contracts, newest first."""
    here.require("contract.read")
    query = select(Contract).order_by(Contract.id.desc()).limit(limit + 1)
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        named = select(Customer.id).where(Customer.name.ilike(pattern))
        query = query.where(
            or_(Contract.number.ilike(pattern), Contract.name.ilike(pattern), Contract.customer_id.in_(named))
        )
    for column, value in (
        (Contract.number, number),
        (Contract.customer_id, customer_id),
        (Contract.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if asset_id is not None:
        held = select(ContractAsset.contract_id).where(ContractAsset.asset_id == asset_id)
        query = query.where(Contract.id.in_(held))
    if after is not None:
        query = query.where(Contract.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return ContractPage(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/contracts", operation_id="create_contract", status_code=201)
def create_contract(body: NewContract, here: Here) -> ContractItem:
    """Make a contract as a draft; its owner is the customer's organisation, its provider the actor's."""
    here.require("contract.manage")
    require_serving(here)
    assets = _assets(here, body.asset_ids)
    made = make_contract(
        here.session,
        provider_organisation_id=here.actor.organisation_id,
        organisation_id=_owner(here, body, assets),
        number=body.number,
        now=here.now,
        **_said(here, body),
    )
    set_entitlements(here.session, made, [each.model_dump() for each in body.entitlements])
    set_assets(here.session, made, assets, here.now, here.actor.person_id)
    return _items(here, [made])[0]


@router.get("/contracts/{contract_id}", operation_id="get_contract")
def get_contract(contract_id: UUID, here: Here) -> ContractItem:
    """One contract."""
    here.require("contract.read")
    return _items(here, [contract_seen(here, contract_id)])[0]


@router.put("/contracts/{contract_id}", operation_id="replace_contract")
def replace_contract(contract_id: UUID, body: ContractBody, here: Here, if_match: IfMatch = None) -> ContractItem:
    """Replace what a draft says; a running contract is not rewritten (409)."""
    here.require("contract.manage")
    contract = contract_locked(here, contract_id, if_match)
    assets = _assets(here, body.asset_ids)
    if _owner(here, body, assets) != contract.organisation_id:
        raise Invalid("a contract keeps its owner: make another one", field="customer_id")
    fill_contract(contract, **_said(here, body))
    contract.version += 1
    set_entitlements(here.session, contract, [each.model_dump() for each in body.entitlements])
    set_assets(here.session, contract, assets, here.now, here.actor.person_id)
    return _items(here, [contract])[0]


@router.put("/contracts/{contract_id}/assets", operation_id="set_contract_assets")
def put_assets(contract_id: UUID, body: ContractAssets, here: Here, if_match: IfMatch = None) -> ContractItem:
    """Say for which assets the contract holds, all at once."""
    here.require("contract.manage")
    contract = contract_locked(here, contract_id, if_match)
    set_assets(here.session, contract, _assets(here, body.asset_ids), here.now, here.actor.person_id)
    contract.version += 1
    here.session.flush()
    return _items(here, [contract])[0]


@router.post("/contracts/{contract_id}/transitions", operation_id="move_contract")
def move(contract_id: UUID, body: ContractMove, here: Here, if_match: IfMatch = None) -> ContractItem:
    """Begin or cancel a contract; 409 names the legal moves."""
    here.require("contract.manage")
    contract = contract_locked(here, contract_id, if_match)
    move_contract(here.session, contract, body.to, here.now, on=body.on, reason=body.reason, by_id=here.actor.person_id)
    return _items(here, [contract])[0]


def contract_seen(here: Context, contract_id: UUID) -> Contract:
    """Return a contract that the actor sees. Raises NotFound."""
    contract = here.session.get(Contract, contract_id)
    if contract is None:
        raise NotFound("no such contract", kind="contract")
    return contract


def contract_locked(here: Context, contract_id: UUID, if_match: str | None = None) -> Contract:
    """Return a contract locked for a change by whoever provides it. Raises NotFound, Forbidden, StaleVersion."""
    require_serving(here)
    row = here.session.scalar(
        select(Contract).where(Contract.id == contract_id).with_for_update().execution_options(populate_existing=True)
    )
    if row is None:
        contract_seen(here, contract_id)
        raise Forbidden("a contract is changed by whoever provides it", kind="contract")
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if told and told != "*":
        if not told.isdecimal() or len(told) > 9:
            raise Invalid("If-Match holds a version number", field="If-Match")
        if int(told) != row.version:
            text = f"the contract is at version {row.version}"
            raise StaleVersion(text, expected=int(told), version=row.version, current=row.version)
    return row


def _said(here: Context, body: ContractBody) -> dict[str, Any]:
    for each in body.response_times:
        named(here, Calendar, each.calendar_id, "response_times.calendar_id")
    return body.model_dump(exclude={"number", "entitlements", "asset_ids"})


def _owner(here: Context, body: ContractBody, assets: list[Asset]) -> UUID:
    """Whose the contract is: the customer's organisation, else that of its assets, else the provider's own."""
    if body.customer_id is not None:
        customer = here.session.get(Customer, body.customer_id)
        if customer is None:
            raise Invalid("no such customer", field="customer_id")
        return customer.organisation_id
    return assets[0].organisation_id if assets else here.actor.organisation_id


def _assets(here: Context, ids: list[UUID]) -> list[Asset]:
    wanted = set(ids)
    found = list(here.session.scalars(select(Asset).where(Asset.id.in_(wanted)).order_by(Asset.id)))
    if missing := wanted - {each.id for each in found}:
        raise Invalid("no such asset", field="asset_ids", asset_id=str(min(missing)))
    return found


def _items(here: Context, rows: list[Contract]) -> list[ContractItem]:
    organisations = {key for each in rows for key in (each.organisation_id, each.provider_organisation_id)}
    names = here.session.execute(select(Organisation.id, Organisation.name).where(Organisation.id.in_(organisations)))
    named = {key: Named(id=key, name=name) for key, name in names}
    customers = customer_names(here, [each.customer_id for each in rows])
    return [_item(here, each, named, customers.get(each.customer_id)) for each in rows]


def _item(here: Context, row: Contract, named: dict[UUID, Named], customer: Named | None) -> ContractItem:
    held = list(
        here.session.scalars(
            select(ContractAsset.asset_id).where(ContractAsset.contract_id == row.id).order_by(ContractAsset.id)
        )
    )
    assets = asset_names(here, held[:SHOWN_ASSETS])
    today = here.now.date()
    return ContractItem(
        id=row.id,
        number=row.number,
        name=row.name,
        customer=customer,
        organisation=named.get(row.organisation_id),
        provider=named.get(row.provider_organisation_id),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        time_zone=row.time_zone,
        state=row.state,
        cancelled_on=row.cancelled_on,
        running=row.state != "draft" and row.starts_on <= today <= last_day_of(row),
        precedence=row.precedence,
        asset_count=len(held),
        assets=[assets[key] for key in held[:SHOWN_ASSETS] if key in assets],
        clauses=row.clauses,
        response_times=[ResponseTime(**each) for each in row.response_times],
        entitlements=[
            EntitlementItem(
                id=each.id,
                key=each.key,
                kind=each.kind,
                unit=each.unit,
                quantity=float(each.quantity),
                period=each.period,
                carries_over=each.carries_over,
                name_en=each.name_en,
                name_zh=each.name_zh,
            )
            for each in entitlements_of(here.session, row.id)
        ],
        created_at=row.created_at,
        version=row.version,
        legal=list(LEGAL_MOVES[row.state]),
    )
