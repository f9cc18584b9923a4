"""Orders against their norms over HTTP: one by one, in groups, as a file; and a good one made a procedure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import may
from assets.base.errors import Invalid
from assets.people import Person
from assets.registry import AssetModel, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Name, locked, named_assets
from gateway.api.pages import After, aware, cursor_of, read_cursor
from gateway.api.procedures import ProcedureDetail, procedure_detail
from gateway.api.sheets import Format, sheet_file
from gateway.api.work_orders import locked_order
from ticketing.order_promotion import promote
from ticketing.order_variance import SEVERAL, Asked, Compared, compare_orders, compared
from ticketing.procedures.models import Procedure
from ticketing.procedures.variance import Row, Summed, Variance, summed
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["procedures"])

By = Literal["none", "procedure", "version", "technician", "asset_model", "site", "month"]
FORMULAS = {
    "labour": "difference = minutes worked − norm (people × minutes); percent = difference ÷ norm; travel apart",
    "parts": "used = issued − returned; not_used: planned and none used; extra: used and not planned",
    "tools": "hours noted for the order against the norm's minutes",
    "cost": "difference = cost − standard cost; quantity = (actual − norm) × standard price; price = the rest",
    "ratio": "Σ minutes worked ÷ Σ norm minutes, of the orders that have both",
}
DEFAULT_SPAN = timedelta(days=365)
LONGEST = timedelta(days=366 * 10)


class VarianceRow(BaseModel):
    """One norm beside what was taken; minutes of labour and tools, pieces of parts. Costs for who may see prices."""

    kind: Literal["labour", "parts", "tools"]
    of: str | None
    name_en: str
    name_zh: str
    planned: float
    actual: float
    difference: float
    percent: float | None
    state: Literal["as_planned", "more", "less", "not_used", "extra"]
    standard_cost: float | None
    cost: float | None
    by_quantity: float | None
    by_price: float | None


class OrderVariance(BaseModel):
    """An order against the norms of its procedures; `has_norms` is false where nobody said what it takes."""

    work_order_id: UUID
    number: str
    has_norms: bool
    procedures: list[str]
    norm_minutes: int
    minutes: int
    difference_minutes: int
    percent: float | None
    travel_minutes: int
    travel_cost: float | None
    rows: list[VarianceRow]
    currency: str
    standard_cost: float | None
    cost: float | None
    difference_cost: float | None
    left_out: dict[str, int]
    formulas: dict[str, str]


class VarianceOrder(BaseModel):
    """An order in a list of variances."""

    work_order_id: UUID
    number: str
    asset: str
    done_at: datetime
    procedures: list[str]
    technician: str | None
    asset_model: str | None
    norm_minutes: int
    minutes: int
    difference_minutes: int
    percent: float | None
    travel_minutes: int
    not_used: int
    extra: int
    currency: str
    standard_cost: float | None
    cost: float | None
    difference_cost: float | None


class VarianceOrders(BaseModel):
    """A page of orders, oldest first."""

    items: list[VarianceOrder]
    next: str | None = None


class VarianceGroup(BaseModel):
    """Orders of a group together: `n` of them, `n_labour` with a norm and minutes, `n_cost` with both costs."""

    key: str | None
    name: str | None
    n: int
    n_labour: int
    norm_minutes: int
    minutes: int
    ratio: float | None
    travel_minutes: int
    parts: dict[str, int]
    tools: dict[str, int]
    n_cost: int
    standard_cost: float | None
    cost: float | None
    cost_ratio: float | None
    currency: str | None


class VarianceGroups(BaseModel):
    """Groups, those that took most more than their norm first; `total` is all of them together."""

    items: list[VarianceGroup]
    total: VarianceGroup
    formulas: dict[str, str]
    next: str | None = None


class Promotion(BaseModel):
    """What the draft becomes: the next version of a procedure, or a new one with a code and names."""

    procedure_id: UUID | None = None
    code: str = Field(default="", max_length=60)
    name_en: Name | None = None
    name_zh: Name | None = None
    replace: bool = False


def _asked(
    here: Here,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Moment | None = None,
    procedure_id: UUID | None = None,
    technician_id: UUID | None = None,
    asset_model_id: UUID | None = None,
    site_id: UUID | None = None,
) -> Asked:
    end = until or here.now
    begin = since or end - DEFAULT_SPAN
    if not begin < end <= begin + LONGEST:
        raise Invalid("a span of at most ten years", field="from")
    return Asked(begin, end, "none", procedure_id, technician_id, asset_model_id, site_id)


Question = Annotated[Asked, Depends(_asked)]
Group = Annotated[str | None, Query(max_length=100)]


@router.get("/work-orders/{work_order_id}/variance", operation_id="get_work_order_variance")
def show_variance(work_order_id: UUID, here: Here) -> OrderVariance:
    """Show an order beside the norms of its procedures."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    [found] = compare_orders(here.session, [order])
    return _shown(here, found)


@router.get("/norm-variances", operation_id="list_norm_variances")
def list_groups(here: Here, asked: Question, by: By = "procedure") -> VarianceGroups:
    """Finished orders against their norms, in groups."""
    here.require("figure.read")
    found = compared(here.session, asked)
    keys: dict[str | None, list[Variance]] = {}
    for one in found:
        keys.setdefault(one.key(by), []).append(one.variance)
    names = _names(here, by, {key for key in keys if key is not None})
    groups = [_group(here, key, names.get(key or ""), summed(those)) for key, those in keys.items()]
    groups.sort(key=lambda one: (one.key or "" if by == "month" else "", -(one.ratio or 0.0), one.name or ""))
    total = _group(here, None, None, summed(one.variance for one in found))
    return VarianceGroups(items=groups, total=total, formulas=FORMULAS)


@router.get("/norm-variances/orders", operation_id="list_norm_variance_orders")
def list_orders(
    here: Here,
    asked: Question,
    by: By = "none",
    group: Group = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: After = None,
) -> VarianceOrders:
    """The orders behind a group, oldest first."""
    here.require("figure.read")
    rows = _members(here, asked, by, group)
    if after is not None:
        moment, key = read_cursor(after, aware, UUID)
        rows = [one for one in rows if (_at(one), one.order.id) > (moment, key)]
    page = rows[:limit]
    following = cursor_of(_at(page[-1]).isoformat(), page[-1].order.id) if len(rows) > limit else None
    return VarianceOrders(items=_listed(here, page), next=following)


@router.get("/norm-variances/export", operation_id="export_norm_variances", response_class=FileResponse)
def export_orders(
    here: Here, asked: Question, by: By = "none", group: Group = None, format: Format = "csv"
) -> FileResponse:
    """The orders behind a group as a file, a row for each."""
    here.require("figure.read")
    items = _listed(here, _members(here, asked, by, group))
    headings = [name for name in VarianceOrder.model_fields if name != "work_order_id"]

    def rows() -> Iterator[list[Any]]:
        for one in items:
            told = one.model_dump()
            told["procedures"] = ", ".join(one.procedures)
            yield [told[name] for name in headings]

    return sheet_file("norm-variances", headings, rows(), format)


@router.post("/work-orders/{work_order_id}/promote", operation_id="promote_work_order", status_code=201)
def promote_order(work_order_id: UUID, body: Promotion, here: Here) -> ProcedureDetail:
    """Make the draft of a procedure of an order that is done; a planner reads and publishes it."""
    here.require("procedure.manage")
    order = locked_order(here, work_order_id, None)
    procedure = None
    if body.procedure_id is not None:
        procedure = locked(here, Procedure, body.procedure_id, "procedure")
    elif body.name_en is None or body.name_zh is None or not body.code:
        raise Invalid("a new procedure has a code and a name in both languages", field="code")
    made = promote(
        here.session,
        order,
        here.now,
        by=here.actor,
        procedure=procedure,
        code=body.code,
        name_en=body.name_en or "",
        name_zh=body.name_zh or "",
        replace=body.replace,
    )
    return procedure_detail(here, made)


def _members(here: Context, asked: Asked, by: str, group: str | None) -> list[Compared]:
    found = compared(here.session, asked)
    return [one for one in found if group is None or (one.key(by) or "") == group]


def _at(one: Compared) -> datetime:
    return (one.order.work_done_at or one.order.opened_at).astimezone(UTC)


def _shown(here: Context, one: Compared) -> OrderVariance:
    priced = may(here.actor, "price.read")
    told = one.variance
    return OrderVariance(
        work_order_id=one.order.id,
        number=one.order.number,
        has_norms=bool(one.procedures),
        procedures=_codes(one),
        norm_minutes=told.norm_minutes,
        minutes=told.minutes,
        difference_minutes=told.minutes - told.norm_minutes,
        percent=_percent(told.minutes, told.norm_minutes),
        travel_minutes=told.travel_minutes,
        travel_cost=_money(told.travel_cost, priced),
        rows=[_row(each, priced) for each in told.rows],
        currency=told.currency,
        standard_cost=_money(told.standard, priced),
        cost=_money(told.cost, priced),
        difference_cost=_money(told.difference, priced),
        left_out=dict(told.left_out) if priced else {},
        formulas=FORMULAS,
    )


def _row(one: Row, priced: bool) -> VarianceRow:
    same = ("kind", "of", "name_en", "name_zh", "planned", "actual", "state")
    costs = {"standard_cost": one.standard, "cost": one.cost, "by_quantity": one.quantity, "by_price": one.price}
    told: dict[str, Any] = {name: getattr(one, name) for name in same}
    told |= {name: _money(amount, priced) for name, amount in costs.items()}
    difference = round(one.actual - one.planned, 6)
    return VarianceRow(**told, difference=difference, percent=_percent(one.actual, one.planned))


def _listed(here: Context, rows: Sequence[Compared]) -> list[VarianceOrder]:
    priced = may(here.actor, "price.read")
    assets = named_assets(here, {one.order.asset_id for one in rows})
    people = _named_by(here, Person, Person.name, {one.technician_id for one in rows})
    models = _named_by(here, AssetModel, AssetModel.code, {one.asset_model_id for one in rows})
    return [
        VarianceOrder(
            work_order_id=one.order.id,
            number=one.order.number,
            asset=assets[one.order.asset_id].name if one.order.asset_id in assets else "",
            done_at=_at(one),
            procedures=_codes(one),
            technician=people.get(str(one.technician_id)),
            asset_model=models.get(str(one.asset_model_id)),
            norm_minutes=one.variance.norm_minutes,
            minutes=one.variance.minutes,
            difference_minutes=one.variance.minutes - one.variance.norm_minutes,
            percent=_percent(one.variance.minutes, one.variance.norm_minutes),
            travel_minutes=one.variance.travel_minutes,
            not_used=one.variance.counted("parts")["not_used"],
            extra=one.variance.counted("parts")["extra"],
            currency=one.variance.currency,
            standard_cost=_money(one.variance.standard, priced),
            cost=_money(one.variance.cost, priced),
            difference_cost=_money(one.variance.difference, priced),
        )
        for one in rows
    ]


def _group(here: Context, key: str | None, name: str | None, told: Summed) -> VarianceGroup:
    priced = may(here.actor, "price.read") and told.n_cost > 0
    return VarianceGroup(
        key=key,
        name=name,
        n=told.n,
        n_labour=told.n_labour,
        norm_minutes=told.norm_minutes,
        minutes=told.minutes,
        ratio=told.ratio,
        travel_minutes=told.travel_minutes,
        parts=dict(told.parts),
        tools=dict(told.tools),
        n_cost=told.n_cost,
        standard_cost=_money(told.standard, priced),
        cost=_money(told.cost, priced),
        cost_ratio=told.cost_ratio if priced else None,
        currency=told.currency,
    )


def _names(here: Context, by: str, keys: set[str]) -> dict[str, str]:
    """Names of groups; months, versions and "several" are their own."""
    tables: dict[str, tuple[Any, Any]] = {
        "procedure": (Procedure, Procedure.code),
        "technician": (Person, Person.name),
        "asset_model": (AssetModel, AssetModel.code),
        "site": (Site, Site.name),
    }
    if by not in tables:
        return {key: key for key in keys}
    return {SEVERAL: SEVERAL} | _named_by(here, *tables[by], {_id(key) for key in keys})


def _named_by(here: Context, table: Any, column: Any, keys: set[UUID | None]) -> dict[str, str]:
    wanted = {key for key in keys if key is not None}
    rows = here.session.execute(select(table.id, column).where(table.id.in_(wanted))) if wanted else ()
    return {str(key): name for key, name in rows}


def _id(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None


def _codes(one: Compared) -> list[str]:
    return [f"{code} v{number}" for _, code, number in one.procedures]


def _percent(actual: float, planned: float) -> float | None:
    return round((actual - planned) / planned * 100, 2) if planned else None


def _money(amount: Decimal | None, priced: bool) -> float | None:
    return float(amount) if amount is not None and priced else None
