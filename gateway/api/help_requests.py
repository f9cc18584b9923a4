"""Calls from the field over HTTP: what a dispatcher sees, takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import case, or_, select

from assets.stock.items import Part
from gateway.api.deps import Context, Here
from gateway.api.edits import Ref, person_names
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.help_models import HelpRequest
from ticketing.help_requests import ALIVE, STATES, get_help, settle, take
from ticketing.models import WorkOrder
from ticketing.words import one_of
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1/help-requests", tags=["help requests"])


class HelpAnswer(BaseModel):
    """What was done about it."""

    answer: str | None = Field(default=None, max_length=2000)


class HelpItem(BaseModel):
    """Somebody on site needs help, or parts; a line of `lines` that names a part of the catalogue has its `part`."""

    id: UUID
    work_order_id: UUID
    number: str
    visit_id: UUID | None
    what: str
    text: str
    lines: list[dict[str, Any]]
    urgent: bool
    state: str
    opened_at: datetime
    received_at: datetime
    opened_by: Ref | None
    taken_at: datetime | None
    taken_by: Ref | None
    done_at: datetime | None
    done_by: Ref | None
    answer: str | None
    version: int


class HelpPage(BaseModel):
    """Calls: urgent ones first, then the oldest."""

    items: list[HelpItem]
    next: str | None = None


@router.get("", operation_id="list_help_requests")
def list_help(
    here: Here,
    state: Annotated[str | None, Query(max_length=20)] = None,
    work_order_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> HelpPage:
    """List calls; those that nobody has settled, when no state is told and no order named."""
    here.require("help.read")
    urgent = case((HelpRequest.urgent, 0), else_=1)
    found = select(HelpRequest).order_by(urgent, HelpRequest.id).limit(limit + 1)
    if state is not None:
        found = found.where(HelpRequest.state == one_of("state", state, STATES))
    elif work_order_id is None:
        found = found.where(HelpRequest.state.in_(ALIVE))
    if work_order_id is not None:
        found = found.where(HelpRequest.work_order_id == work_order_id)
    if after is not None:
        rank, key = read_cursor(after, int, UUID)
        found = found.where((urgent > rank) | ((urgent == rank) & (HelpRequest.id > key)))
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    more = cursor_of(0 if page[-1].urgent else 1, page[-1].id) if len(rows) > limit else None
    return HelpPage(items=help_items(here, page), next=more)


@router.post("/{help_id}/take", operation_id="take_help_request")
def take_one(help_id: UUID, here: Here) -> HelpItem:
    """Say that one looks after it."""
    here.require("help.answer")
    order, row = _locked(here, help_id)
    return help_items(here, [take(here.session, row, order, here.now, by=here.actor)])[0]


@router.post("/{help_id}/done", operation_id="settle_help_request")
def settle_one(help_id: UUID, body: HelpAnswer, here: Here) -> HelpItem:
    """Say what was done about it."""
    here.require("help.answer")
    order, row = _locked(here, help_id)
    return help_items(here, [settle(here.session, row, order, body.answer, here.now, by=here.actor)])[0]


def help_items(here: Context, rows: list[HelpRequest]) -> list[HelpItem]:
    """Return calls with the names of order and people."""
    here.session.flush()
    people = [key for row in rows for key in (row.opened_by, row.taken_by, row.done_by)]
    names = person_names(here, people)
    keys = {row.work_order_id for row in rows}
    named = here.session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(keys)))
    numbers = {key: number for key, number in named}
    parts = _parts(here, rows)
    plain = [name for name in HelpItem.model_fields if not name.endswith("_by") and name not in ("number", "lines")]
    return [
        HelpItem(
            **{name: getattr(row, name) for name in plain},
            lines=[_line(each, parts) for each in row.lines],
            opened_by=names.get(row.opened_by) if row.opened_by else None,
            taken_by=names.get(row.taken_by) if row.taken_by else None,
            done_by=names.get(row.done_by) if row.done_by else None,
            number=numbers.get(row.work_order_id, "—"),
        )
        for row in rows
    ]


def _parts(here: Context, rows: list[HelpRequest]) -> dict[str, dict[str, Any]]:
    """Return the parts that lines name, by id and by number."""
    lines = [each for row in rows for each in row.lines]
    keys = {UUID(each["part_id"]) for each in lines if each.get("part_id")}
    numbers = {each["part_number"] for each in lines if each.get("part_number")}
    if not keys and not numbers:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for part in here.session.scalars(select(Part).where(or_(Part.id.in_(keys), Part.number.in_(numbers)))):
        told = {name: getattr(part, name) for name in ("number", "name_en", "name_zh", "unit")}
        found[str(part.id)] = found[part.number] = {"id": str(part.id), **told}
    return found


def _line(line: dict[str, Any], parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {**line, "part": parts.get(line.get("part_id") or "") or parts.get(line.get("part_number") or "")}


def _locked(here: Context, help_id: UUID) -> tuple[WorkOrder, HelpRequest]:
    row = get_help(here.session, help_id)
    order = get_work_order(here.session, row.work_order_id, lock=True)
    return order, get_help(here.session, help_id, lock=True)
