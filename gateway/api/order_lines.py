"""Labour, travel and expenses of a work order over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from assets.base.access import DESK
from assets.base.errors import Forbidden, Invalid
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Ref, named, person_names
from gateway.api.work_orders import caller, locked_order
from ticketing.models import WorkOrder
from ticketing.order_lines import (
    LineFacts,
    add_line,
    change_line,
    decide_line,
    get_line,
    lines_of,
    remove_line,
)
from ticketing.order_models import WorkOrderLine
from ticketing.order_people import check_hands, check_owner
from ticketing.work_orders import StaleVersion, get_work_order

router = APIRouter(prefix="/api/v1/work-orders", tags=["work orders"])

Number = Annotated[Decimal | None, Field(default=None, max_digits=14, decimal_places=2)]


class OrderLineBody(BaseModel):
    """One line. Labour and travel need minutes or both ends, an expense its amount; nobody named: one's own."""

    kind: str
    category: str | None = None
    person_id: UUID | None = None
    visit_id: UUID | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    minutes: int | None = None
    day: date | None = None
    kilometres: Number = None
    amount: Number = None
    currency: str | None = Field(default=None, max_length=3)
    note: str | None = Field(default=None, max_length=1000)
    evidence_ids: list[UUID] = Field(default=[], max_length=50)


class NewOrderLine(OrderLineBody):
    """A line with an id of the sender's own: sent again, it is stored once."""

    id: UUID | None = None


class OrderLineDecision(BaseModel):
    """approved, or rejected with the reason."""

    to: str
    reason: str | None = Field(default=None, max_length=1000)


class OrderLineItem(BaseModel):
    """A line; `source` visit: counted from the visit's own times."""

    id: UUID
    kind: str
    category: str
    source: str
    person: Ref | None
    visit_id: UUID | None
    day: date
    started_at: datetime | None
    ended_at: datetime | None
    minutes: int | None
    kilometres: float | None
    amount: float | None
    currency: str | None
    note: str | None
    evidence_ids: list[UUID]
    state: str
    decided_at: datetime | None
    decided_by: Ref | None
    decision_reason: str | None
    created_at: datetime
    version: int


class OrderLineTotals(BaseModel):
    """What was not rejected, added up; money by currency."""

    labour_minutes: int
    travel_minutes: int
    kilometres: float
    amounts: dict[str, float]


class OrderLines(BaseModel):
    """All lines of an order, oldest first, and their totals."""

    items: list[OrderLineItem]
    next: str | None = None
    totals: OrderLineTotals


@router.get("/{work_order_id}/lines", operation_id="list_work_order_lines")
def list_lines(work_order_id: UUID, here: Here) -> OrderLines:
    """List labour, travel and expenses; parts are listed under `/parts`."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    lines = lines_of(here.session, order.id)
    return OrderLines(items=_items(here, lines), totals=_totals(lines))


@router.post("/{work_order_id}/lines", operation_id="add_work_order_line", status_code=201)
def create_line(work_order_id: UUID, body: NewOrderLine, here: Here) -> OrderLineItem:
    """Write down labour, travel or an expense."""
    order = _writable(here, work_order_id)
    facts = _facts(here, order, body)
    line = add_line(here.session, order, facts, here.now, by=here.actor, line_id=body.id)
    return _items(here, [line])[0]


@router.put("/{work_order_id}/lines/{line_id}", operation_id="change_work_order_line")
def update_line(
    work_order_id: UUID, line_id: UUID, body: OrderLineBody, here: Here, if_match: IfMatch = None
) -> OrderLineItem:
    """Correct a line that is not approved."""
    order = _writable(here, work_order_id)
    line = _own_line(here, order, line_id, if_match)
    change_line(here.session, order, line, _facts(here, order, body, line.person_id), here.now, by=here.actor)
    return _items(here, [line])[0]


@router.delete("/{work_order_id}/lines/{line_id}", operation_id="remove_work_order_line", status_code=204)
def delete_line(work_order_id: UUID, line_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Take a line away that is not approved."""
    order = _writable(here, work_order_id)
    remove_line(here.session, order, _own_line(here, order, line_id, if_match), here.now, by=here.actor)


@router.post("/{work_order_id}/lines/{line_id}/decision", operation_id="decide_work_order_line")
def decide(
    work_order_id: UUID, line_id: UUID, body: OrderLineDecision, here: Here, if_match: IfMatch = None
) -> OrderLineItem:
    """Approve or reject a line."""
    here.require("work_order.review")
    order = locked_order(here, work_order_id, None)
    check_owner(here.session, order, here.actor)
    line = get_line(here.session, order, line_id, lock=True)
    _check_version(line, if_match)
    decide_line(here.session, order, line, body.to, here.now, by=here.actor, reason=body.reason)
    return _items(here, [line])[0]


def _writable(here: Context, work_order_id: UUID) -> WorkOrder:
    here.require("work_order.record")
    order = locked_order(here, work_order_id, None)
    if not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)
    return order


def _facts(here: Context, order: WorkOrder, body: OrderLineBody, before: UUID | None = None) -> LineFacts:
    person_id = body.person_id or before or here.actor.person_id
    if person_id != here.actor.person_id and not here.actor.roles & DESK and person_id != before:
        raise Forbidden("people write down their own hours", action="work_order.record")
    named(here, Person, person_id, "person_id")
    values = body.model_dump(exclude={"id", "person_id"})
    return LineFacts(person_id=person_id, **values)


def _own_line(here: Context, order: WorkOrder, line_id: UUID, if_match: str | None) -> WorkOrderLine:
    line = get_line(here.session, order, line_id, lock=True)
    if line.person_id != here.actor.person_id and not here.actor.roles & DESK:
        raise Forbidden("this is somebody else's line", action="work_order.record")
    _check_version(line, if_match)
    return line


def _check_version(line: WorkOrderLine, if_match: str | None) -> None:
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if not told or told == "*":
        return
    if not told.isdecimal() or len(told) > 9:
        raise Invalid("If-Match holds a version number", field="If-Match")
    if int(told) != line.version:
        raise StaleVersion("the line changed in the meantime", expected=int(told), version=line.version)


def _items(here: Context, lines: list[WorkOrderLine]) -> list[OrderLineItem]:
    here.session.flush()
    names = person_names(here, {line.person_id for line in lines} | {line.decided_by for line in lines})
    same = ("id", "kind", "category", "source", "visit_id", "day", "started_at", "ended_at", "minutes", "kilometres")
    more = ("amount", "currency", "note", "evidence_ids", "state", "decided_at", "decision_reason", "created_at")
    return [
        OrderLineItem(
            person=names.get(line.person_id) if line.person_id else None,
            decided_by=names.get(line.decided_by) if line.decided_by else None,
            version=line.version,
            **{name: getattr(line, name) for name in (*same, *more)},
        )
        for line in lines
    ]


def _totals(lines: list[WorkOrderLine]) -> OrderLineTotals:
    counted = [line for line in lines if line.state != "rejected"]
    amounts: dict[str, Decimal] = {}
    for line in counted:
        if line.amount is not None and line.currency:
            amounts[line.currency] = amounts.get(line.currency, Decimal(0)) + line.amount
    return OrderLineTotals(
        labour_minutes=sum(line.minutes or 0 for line in counted if line.kind == "labour"),
        travel_minutes=sum(line.minutes or 0 for line in counted if line.kind == "travel"),
        kilometres=float(sum((line.kilometres or Decimal(0)) for line in counted)),
        amounts={currency: float(amount) for currency, amount in amounts.items()},
    )
