"""Part of an order becomes an order of its own; why the first one exists stays with the first one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict
from assets.registry import Asset
from ticketing.models import WorkOrder
from ticketing.order_edits import checked_plan
from ticketing.order_log import log_order
from ticketing.order_states import MAX_TITLE, OPEN_STATES, illegal, worded
from ticketing.work_orders import open_work_order

MAX_PARTS = 20  # of one order


def split(
    session: Session,
    order: WorkOrder,
    title: str,
    now: datetime,
    *,
    plan: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> WorkOrder:
    """Open an order for a part of the work and return it; `plan` are its own columns of planning.

    A person opens it, hence its origin is manual: finding, request, episodes and labels stay with the order that they
    opened, and one trouble is not counted twice. Raises Invalid, IllegalMove when the order is not open.
    """
    if order.state not in OPEN_STATES:
        raise illegal(order, "split")
    parts = select(func.count()).where(WorkOrder.parent_id == order.id, WorkOrder.parent_relation == "split")
    if (session.scalar(parts) or 0) >= MAX_PARTS:
        raise Conflict(f"{order.number} has {MAX_PARTS} parts already", limit=MAX_PARTS)
    own = checked_plan(plan or {})
    priority = own.pop("priority", order.priority)
    taken = ("service_type_id", "due_at", "window_from", "window_until", "team_id", "required_skills")
    made = open_work_order(
        session,
        asset=session.get_one(Asset, order.asset_id),
        origin="manual",
        kind=order.kind,
        title_code="split",
        title_params={"number": order.number},
        title_text=worded("title", title, MAX_TITLE),
        priority=priority,
        now=now,
        by=by,
        case_id=order.case_id,
        parent_id=order.id,
        parent_relation="split",
        **({name: getattr(order, name) for name in taken} | own),
    )
    log_order(session, order, "work_order.split", now, by, {"part": made.number, "part_id": str(made.id)})
    return made
