"""Who helps with a work order and what it waits for, over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.deps import Here
from gateway.api.edits import IfMatch
from gateway.api.work_order_rows import WorkOrderDetail, detail_of
from gateway.api.work_orders import locked_order
from ticketing.order_blocks import add_block, remove_block
from ticketing.order_people import add_helper, check_owner, remove_helper
from ticketing.technicians import assignable
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1/work-orders", tags=["work orders"])


class OrderHelper(BaseModel):
    """Somebody who helps the assignee."""

    person_id: UUID


class OrderBlock(BaseModel):
    """The order that must be done first."""

    blocked_by: UUID


@router.post("/{work_order_id}/people", operation_id="add_work_order_person", status_code=201)
def add_person(work_order_id: UUID, body: OrderHelper, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Let somebody help: the order is on their list, with visits and hours of their own."""
    here.require("work_order.assign")
    order = locked_order(here, work_order_id, if_match)
    add_helper(here.session, order, assignable(here.session, body.person_id), here.now, by=here.actor)
    return detail_of(here, order)


@router.delete("/{work_order_id}/people/{person_id}", operation_id="remove_work_order_person")
def remove_person(work_order_id: UUID, person_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Somebody helps no longer."""
    here.require("work_order.assign")
    order = locked_order(here, work_order_id, if_match)
    remove_helper(here.session, order, person_id, here.now, by=here.actor)
    return detail_of(here, order)


@router.post("/{work_order_id}/blocks", operation_id="add_work_order_block", status_code=201)
def block(work_order_id: UUID, body: OrderBlock, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Let the order wait until another one is done; 409 when that one waits for this one."""
    here.require("work_order.edit")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    add_block(here.session, order, get_work_order(here.session, body.blocked_by), here.now, by=here.actor)
    return detail_of(here, order)


@router.delete("/{work_order_id}/blocks/{blocking_id}", operation_id="remove_work_order_block")
def unblock(work_order_id: UUID, blocking_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Let the order wait for it no longer."""
    here.require("work_order.edit")
    order = locked_order(here, work_order_id, if_match)
    check_owner(here.session, order, here.actor)
    remove_block(here.session, order, blocking_id, here.now, by=here.actor)
    return detail_of(here, order)
