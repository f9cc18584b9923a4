"""Review, reopening, merging and splitting of work orders over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from assets.base.access import DESK
from gateway.api.deps import Here
from gateway.api.edits import IfMatch, Reason
from gateway.api.work_order_rows import WorkOrderDetail, detail_of
from gateway.api.work_orders import Plan, caller, locked_order, plan_of
from ticketing.order_edits import edit_result
from ticketing.order_merge import merge
from ticketing.order_people import check_hands, check_owner
from ticketing.order_review import approve, reopen, send_back
from ticketing.order_split import split
from ticketing.work_orders import MAX_CODE, MAX_NOTE, MAX_TITLE

router = APIRouter(prefix="/api/v1/work-orders", tags=["work orders"])


class OrderApproval(BaseModel):
    """What the reviewer adds."""

    note: str | None = Field(default=None, max_length=1000)


class OrderSendBack(BaseModel):
    """What is missing, and whether the same hands go on or it is planned anew."""

    reason: Reason
    to: str = "in_progress"


class Reopening(BaseModel):
    """Why it is open again."""

    reason: Reason


class Merging(BaseModel):
    """The order that the work goes on with, and why they are one."""

    into: UUID
    reason: Reason


class SplitPart(Plan):
    """A part of the work that becomes an order of its own."""

    title: str = Field(min_length=1, max_length=MAX_TITLE)
    priority: str = "normal"


class OrderResult(BaseModel):
    """What was found and done; fields that are left out stay. A closed order needs the reason of the amendment."""

    outcome: str | None = None
    outcome_note: str | None = Field(default=None, max_length=MAX_NOTE)
    repair_code: str | None = Field(default=None, max_length=MAX_CODE)
    reason: str | None = Field(default=None, max_length=1000)


@router.post("/{work_order_id}/approve", operation_id="approve_work_order")
def approve_work_order(
    work_order_id: UUID, body: OrderApproval, here: Here, if_match: IfMatch = None
) -> WorkOrderDetail:
    """Approve finished work and close it."""
    here.require("work_order.review")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    return detail_of(here, approve(here.session, order, here.now, by=here.actor, note=body.note))


@router.post("/{work_order_id}/send-back", operation_id="send_back_work_order")
def send_back_work_order(
    work_order_id: UUID, body: OrderSendBack, here: Here, if_match: IfMatch = None
) -> WorkOrderDetail:
    """Send finished work back with what is missing."""
    here.require("work_order.review")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    return detail_of(here, send_back(here.session, order, body.reason, here.now, to=body.to, by=here.actor))


@router.post("/{work_order_id}/reopen", operation_id="reopen_work_order")
def reopen_work_order(work_order_id: UUID, body: Reopening, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Open a closed order again, within 30 days."""
    here.require("work_order.review")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    return detail_of(here, reopen(here.session, order, body.reason, here.now, by=here.actor))


@router.post("/{work_order_id}/merge", operation_id="merge_work_order")
def merge_work_order(work_order_id: UUID, body: Merging, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Merge this duplicate into another order of the asset; answers with the order that stays."""
    here.require("work_order.merge")
    # Both locked in the order of their ids: two who merge each into the other do not wait for one another for ever.
    for key in sorted({work_order_id, body.into}):
        locked_order(here, key, None)
    order = locked_order(here, work_order_id, if_match)
    into = locked_order(here, body.into, None)
    check_owner(here.session, order, here.actor)
    return detail_of(here, merge(here.session, order, into, body.reason, here.now, by=here.actor))


@router.post("/{work_order_id}/split", operation_id="split_work_order", status_code=201)
def split_work_order(work_order_id: UUID, body: SplitPart, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Make a part of the work an order of its own; answers with the new one."""
    here.require("work_order.merge")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    plan = plan_of(here, body)
    return detail_of(here, split(here.session, order, body.title, here.now, plan=plan, by=here.actor))


@router.patch("/{work_order_id}/result", operation_id="edit_work_order_result")
def edit_work_order_result(
    work_order_id: UUID, body: OrderResult, here: Here, if_match: IfMatch = None
) -> WorkOrderDetail:
    """Change what was found: who did the work until it is closed, the desk also later, with the reason."""
    changes = body.model_dump(exclude_unset=True, exclude={"reason"})
    here.require("work_order.record")
    order = locked_order(here, work_order_id, if_match, changes)
    if order.state == "closed":
        here.require("work_order.review")
        check_owner(here.session, order, here.actor)
    elif not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)
    return detail_of(here, edit_result(here.session, order, changes, here.now, by=here.actor, reason=body.reason))
