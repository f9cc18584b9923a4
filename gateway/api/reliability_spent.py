"""What a machine's costs are made of: every amount with its order, its line or part, and the events that say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.base.events import Event
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.reliability import Asked, Question
from gateway.api.reliability_planned import COST_FORMULAS, Currency, Money
from gateway.api.reliability_shapes import EventRef
from maintenance.reliability.loading import load_fleet, parts
from maintenance.reliability.spending import Rates, Spent, load_spending, zone_of
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["reliability"])

CostKind = Literal["labour", "travel", "parts", "expenses", "downtime"]
MAX_EVENTS = 20_000
_LINES = ("work_order.line_recorded", "work_order.line_changed", "work_order.line_decided")
_PARTS = ("part.installed", "part.returned")
_DOWN = ("asset.operation_changed", "asset.lifecycle_changed")


class SpentItem(BaseModel):
    """One amount; `row_kind` and `row_id` name what it comes from: a line, a used part, or the machine's hours down."""

    at: datetime
    kind: str
    amount: float
    currency: str
    row_kind: str
    row_id: UUID
    work_order_id: UUID | None
    work_order: str | None
    events: list[EventRef]


class SpentPage(BaseModel):
    """Amounts by time; all of them add up to the machine's years."""

    formulas: dict[str, str]
    items: list[SpentItem]
    next: str | None = None


@router.get("/reliability/costs/rows", operation_id="list_reliability_cost_rows")
def list_reliability_cost_rows(
    here: Here,
    asked: Asked,
    year: Annotated[int | None, Query(ge=1900, le=2300, description="of the machine's site")] = None,
    kind: CostKind | None = None,
    currency: Currency = "CNY",
    downtime_cost_per_hour: Money = None,
    limit: Limit = 100,
    after: After = None,
) -> SpentPage:
    """The amounts that a machine's costs are the sum of, each with its order and the events that say so."""
    here.require("price.read")
    found = spent_rows(here, asked, year, kind, currency, downtime_cost_per_hour)
    if after is not None:
        moment, ref = read_cursor(after, aware, str)
        found = [each for each in found if (each.cost.at, _key(each)) > (moment, ref)]
    page = found[:limit]
    following = cursor_of(page[-1].cost.at.isoformat(), _key(page[-1])) if len(found) > limit else None
    return SpentPage(formulas=COST_FORMULAS, items=shown(here, asked, page), next=following)


def spent_rows(
    here: Context, asked: Question, year: int | None, kind: str | None, currency: str, downtime: float | None
) -> list[Spent]:
    """Return what was spent on one machine, oldest first."""
    if asked.scope.asset_id is None:
        raise Invalid("one machine at a time", field="asset_id")
    machines = load_fleet(here.session, asked.scope).machines
    rates = Rates(Decimal(repr(downtime)) if downtime is not None else None, currency)
    span = asked.span
    spending = load_spending(here.session, machines, span.since, span.until, span.now, rates)
    zone = zone_of(here.session, machines[0]) if machines else ZoneInfo("UTC")
    rows = [
        each
        for each in spending.by_machine.get(asked.scope.asset_id, [])
        if (kind is None or each.cost.kind == kind) and (year is None or each.cost.at.astimezone(zone).year == year)
    ]
    return sorted(rows, key=lambda each: (each.cost.at, _key(each)))


def shown(here: Context, asked: Question, page: Sequence[Spent]) -> list[SpentItem]:
    """Return amounts as they are shown."""
    orders = {each.work_order_id for each in page if each.work_order_id is not None}
    numbers: dict[UUID, str] = {}
    events: dict[UUID, list[Event]] = defaultdict(list)
    for part in parts(orders):
        query = select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(part))
        numbers |= {key: number for key, number in here.session.execute(query)}
        told = select(Event).where(Event.subject_id.in_(part), Event.kind.in_(_LINES))
        for event in here.session.scalars(told.order_by(Event.id).limit(MAX_EVENTS)):
            events[event.subject_id].append(event)
    machine = _machine_events(here, asked, page)
    return [_item(each, numbers, events, machine) for each in page]


def _machine_events(here: Context, asked: Question, page: Sequence[Spent]) -> list[Event]:
    """The machine's own events around these amounts: parts put in and out, and when it went down and up."""
    if not any(each.cost.kind in ("parts", "downtime") for each in page):
        return []
    span = asked.span
    query = select(Event).where(
        Event.asset_id == asked.scope.asset_id,
        Event.kind.in_((*_PARTS, *_DOWN)),
        Event.at >= span.since,
        Event.at < span.until,
    )
    return list(here.session.scalars(query.order_by(Event.id).limit(MAX_EVENTS)))


def _item(
    each: Spent, numbers: dict[UUID, str], events: dict[UUID, list[Event]], machine: Sequence[Event]
) -> SpentItem:
    row_kind, row_id = each.cost.ref.split(":", 1)
    told: list[Event] = []
    if row_kind == "line" and each.work_order_id is not None:
        told = [one for one in events[each.work_order_id] if str(one.payload.get("line_id")) == row_id]
    elif row_kind == "usage":
        soon = timedelta(minutes=1)
        told = [one for one in machine if one.kind in _PARTS and abs(one.at - each.cost.at) <= soon]
    elif each.cost.kind == "downtime":
        told = [one for one in machine if one.kind in _DOWN and one.at.year == each.cost.at.year]
    return SpentItem(
        at=each.cost.at,
        kind=each.cost.kind,
        amount=float(each.cost.amount),
        currency=each.cost.currency,
        row_kind=row_kind,
        row_id=UUID(row_id),
        work_order_id=each.work_order_id,
        work_order=numbers.get(each.work_order_id) if each.work_order_id is not None else None,
        events=[EventRef(event_id=one.id, at=one.at, kind=one.kind) for one in told],
    )


def _key(each: Spent) -> str:
    return f"{each.cost.ref}/{each.cost.kind}"
