"""Events about work orders and visits, and the one place that sets a visit's state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event
from ticketing.models import Visit, WorkOrder
from ticketing.order_states import LIVE_VISITS

# What is the business of those who do the work: who helps, what it cost, how it is planned, what the desk set
# itself as service levels. Customers do not read it.
INSIDE_KINDS = frozenset(
    {
        "work_order.person_added",
        "work_order.person_removed",
        "work_order.line_recorded",
        "work_order.line_changed",
        "work_order.line_removed",
        "work_order.line_decided",
        "work_order.edited",
        "work_order.result_edited",
        "work_order.amended",
        "work_order.sent_back",
        "work_order.blocked",
        "work_order.unblocked",
        "work_order.noted",
        "work_order.failure_noted",
        "work_order.photo_added",
        "work_order.photo_changed",
        "work_order.photo_removed",
        "case.photo_added",
        "case.photo_changed",
        "case.photo_removed",
        "visit.checked_in",
        "visit.checked_out",
        "help_request.opened",
        "help_request.taken",
        "help_request.done",
        "help_request.withdrawn",
        "visit.planned",
        "procedure_run.attached",
        "procedure_run.removed",
        "procedure_run.answered",
        "procedure_run.out_of_limit",
        "procedure_run.completed",
        "procedure_run.meter_refused",
        "sla.paused",
        "sla.resumed",
        "sla.warned",
        "sla.acknowledged",
    }
)


def log_order(
    session: Session,
    order: WorkOrder,
    kind: str,
    at: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    *,
    first: bool = False,
) -> None:
    """Append an event about an order; every one carries its number and origin."""
    append_event(
        session,
        kind,
        at=at,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        subject_kind="work_order",
        subject_id=order.id,
        asset_id=order.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={
            "number": order.number,
            "origin": order.origin,
            "origin_ref": str(order.origin_ref) if order.origin_ref else None,
            **facts,
        },
        first=first,
    )


def log_visit(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    kind: str,
    at: datetime,
    by: Actor | None,
    facts: dict[str, Any],
) -> None:
    """Append an event about a visit; every one carries its order and its technician."""
    append_event(
        session,
        kind,
        at=at,
        organisation_id=visit.organisation_id,
        executing_organisation_id=visit.executing_organisation_id,
        subject_kind="visit",
        subject_id=visit.id,
        asset_id=order.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"number": order.number, "work_order_id": str(order.id), **facts},
    )


def set_visit(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    to: str,
    now: datetime,
    by: Actor | None,
    reason: str | None = None,
    code: str | None = None,
) -> None:
    """Set a visit's state with its moment and event; whether the move is legal is `ticketing.visits`' business."""
    before, visit.state = visit.state, to
    _count_break(visit, to, now)
    if to == "travelling":
        visit.travelling_at = now
    elif to == "in_progress" and visit.started_at is None:
        visit.started_at = now
    elif to not in LIVE_VISITS:
        visit.finished_at = now
    if to == "cannot_complete":
        visit.cannot_complete_reason = code
    session.flush()
    facts = {"from": before, "to": to, "reason": reason, "reason_code": code}
    log_visit(session, order, visit, "visit.state_changed", now, by, facts)


def _count_break(visit: Visit, to: str, now: datetime) -> None:
    if to == "on_break":
        visit.break_since = now
    elif visit.break_since is not None:
        visit.break_seconds = (visit.break_seconds or 0) + max(0, int((now - visit.break_since).total_seconds()))
        visit.break_since = None
