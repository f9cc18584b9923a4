"""From a case to work: accept a request, open its orders, end a remote session; and cases follow their work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.consumers import Consumer
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from assets.registry import Asset
from ticketing.cases.cases import ENDED, get_case, open_case
from ticketing.cases.children import add_child, end_child, reopen_child
from ticketing.cases.remote import end_session
from ticketing.cases.service_types import version_in_force
from ticketing.cases.tables import Case, CaseChild, RemoteSession, ServiceType, ServiceTypeVersion
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_procedures import attach_procedure
from ticketing.procedures.library import version_in
from ticketing.procedures.models import Procedure
from ticketing.requests import case_of, check_move, follow_case, log_request
from ticketing.work_orders import OPEN_STATES, WORK_DONE_STATES, open_work_order, transition

# What a session that ends from afar says about the orders of its case, in the words that models learn from.
ORDER_OUTCOMES = {"fixed_remotely": "confirmed", "no_fault": "no_fault_found"}
_NOT_BEGUN = ("unscheduled", "scheduled", "on_hold", "cannot_complete")
_VISIT_ENDS = {
    "completed": "done",
    "partially_completed": "cancelled",
    "cannot_complete": "cancelled",
    "cancelled": "cancelled",
}


def accept_request(
    session: Session,
    request: Request,
    now: datetime,
    *,
    by: Actor | None = None,
    priority: str | None = None,
    into: WorkOrder | None = None,
) -> WorkOrder:
    """Accept a request: open a work order that keeps its words, or join one already open on the asset.

    Accepting twice returns the first order. Raises IllegalMove, Invalid while nobody knows the asset, or Conflict
    when `into` does not fit.
    """
    if request.state == "accepted" and request.work_order_id:
        return session.get_one(WorkOrder, request.work_order_id)
    check_move(request, "accepted")
    case = case_of(session, request) or _case_for(session, request, now, by)
    asset_id = request.asset_id or case.asset_id
    if asset_id is None:
        raise Invalid(f"{request.number} has no asset yet: say which", field="asset_id")
    if into is not None and (into.asset_id != asset_id or into.state not in OPEN_STATES):
        raise Conflict(f"{into.number} is not an open order of this asset", what="work_order")
    case = get_case(session, case.id, lock=True)
    order = into or open_work_order(
        session,
        asset=session.get_one(Asset, asset_id),
        origin="request",
        origin_ref=request.id,
        kind="general",
        title_code="customer_request",
        title_params={"number": request.number},
        title_text=request.text.splitlines()[0][:120],
        priority=priority or case.priority,
        since=request.created_at,
        now=now,
        by=by,
        **_plan(session, case),
    )
    if into is None:
        _attach_checklist(session, case, order, now, by)
    _attach(session, case, order, now, by)
    request.asset_id = asset_id
    request.state, request.work_order_id, request.decided_at = "accepted", order.id, now
    session.flush()
    log_request(session, request, "request.accepted", now, by, {"work_order": order.number})
    return order


def open_order_of_case(
    session: Session,
    case: Case,
    now: datetime,
    *,
    by: Actor | None = None,
    title: str | None = None,
    priority: str | None = None,
    kind: str = "general",
    plan: Mapping[str, Any] | None = None,
) -> WorkOrder:
    """Open one more work order of a case. Raises Invalid while nobody knows the asset, IllegalMove for an ended one."""
    case = get_case(session, case.id, lock=True)
    if case.asset_id is None:
        raise Invalid(f"{case.number} has no asset yet: say which", field="asset_id")
    from_finding = case.origin == "finding"
    order = open_work_order(
        session,
        asset=session.get_one(Asset, case.asset_id),
        origin="finding" if from_finding else "request",
        origin_ref=case.origin_ref if from_finding else case.id,
        kind="machine" if from_finding else kind,
        title_code="case",
        title_params={"number": case.number},
        title_text=(title or case.title).strip()[:120],
        priority=priority or case.priority,
        since=case.opened_at,
        now=now,
        by=by,
        **{**_plan(session, case), **(plan or {})},
    )
    _attach(session, case, order, now, by)
    waiting = select(Request).where(Request.case_id == case.id, Request.state == "new").with_for_update()
    for request in session.scalars(waiting.order_by(Request.id)):
        request.state, request.work_order_id, request.decided_at = "accepted", order.id, now
        session.flush()
        log_request(session, request, "request.accepted", now, by, {"work_order": order.number})
    _attach_checklist(session, case, order, now, by)
    return order


def end_remote_session(
    session: Session,
    remote: RemoteSession,
    outcome: str,
    now: datetime,
    *,
    by: Actor,
    advised: str | None = None,
    snapshot: Mapping[str, Any] | None = None,
    repair_code: str | None = None,
) -> list[WorkOrder]:
    """End a session; what it fixed or found sound ends the orders of the case that nobody has begun.

    A case that began with a finding and has no order gets one that ends at once: its outcome is what models learn
    from. Return the orders that ended.
    """
    case = get_case(session, remote.case_id, lock=True)
    ended: list[WorkOrder] = []
    told = ORDER_OUTCOMES.get(outcome)
    if told is not None and remote.state == "open":
        note = (advised or "").strip() or None
        for order in _orders_to_end(session, case, now, by):
            if order.state != "in_progress":
                transition(session, order, "in_progress", now, by=by)
            transition(session, order, "completed", now, by=by, outcome=told, note=note, repair_code=repair_code)
            ended.append(order)
            for child in _children_of(session, order.id):
                if child.case_id == case.id:
                    end_child(session, case, child, now, by=by, outcome=outcome)
    end_session(session, remote, outcome, now, by=by, advised=advised, snapshot=snapshot)
    follow_case(session, get_case(session, case.id), now)
    return ended


def _orders_to_end(session: Session, case: Case, now: datetime, by: Actor) -> list[WorkOrder]:
    of_case = select(CaseChild.subject_id).where(CaseChild.case_id == case.id, CaseChild.kind == "work_order")
    wanted = select(WorkOrder).where(WorkOrder.id.in_(of_case), WorkOrder.state.in_(OPEN_STATES))
    orders = list(session.scalars(wanted.order_by(WorkOrder.id).with_for_update()))
    if not orders and case.origin == "finding":
        of_finding = select(WorkOrder).where(
            WorkOrder.origin == "finding", WorkOrder.origin_ref == case.origin_ref, WorkOrder.state.in_(OPEN_STATES)
        )
        orders = list(session.scalars(of_finding.order_by(WorkOrder.id).with_for_update()))
        for order in orders:
            _attach(session, case, order, now, by)
    if not orders and case.origin == "finding" and not session.scalar(of_case.limit(1)):
        orders = [open_order_of_case(session, case, now, by=by)]
    return [order for order in orders if order.state in _NOT_BEGUN]


def _attach(session: Session, case: Case, order: WorkOrder, now: datetime, by: Actor | None) -> None:
    order.case_id = order.case_id or case.id
    add_child(
        session,
        case,
        kind="work_order",
        title=order.title_text or order.number,
        now=now,
        by=by,
        subject_id=order.id,
        number=order.number,
        executing_organisation_id=order.executing_organisation_id,
    )


def follow_work_order(session: Session, case: Case, order: WorkOrder) -> None:
    """Let an order that is there name its case, and a case that does not know its machine learn it."""
    order.case_id = order.case_id or case.id
    if case.asset_id is None:
        case.asset_id, case.site_id = order.asset_id, order.site_id
    session.flush()


def _attach_checklist(session: Session, case: Case, order: WorkOrder, now: datetime, by: Actor | None) -> None:
    """Keep the checklist of the service type with the order, if it is published."""
    version = session.get(ServiceTypeVersion, case.service_version_id) if case.service_version_id else None
    procedure = session.get(Procedure, version.procedure_id) if version is not None and version.procedure_id else None
    if procedure is not None and procedure.retired_at is None and version_in(session, procedure.id, "published"):
        attach_procedure(session, order, procedure, now, by=by)


def _plan(session: Session, case: Case) -> dict[str, Any]:
    """What the service type says about its work, for planning."""
    kind = session.get(ServiceType, case.service_type_id) if case.service_type_id else None
    version = session.get(ServiceTypeVersion, case.service_version_id) if case.service_version_id else None
    version = version or version_in_force(session, kind)
    plan: dict[str, Any] = {"case_id": case.id, "service_type_id": case.service_type_id, "team_id": case.team_id}
    if version is not None:
        plan |= {"required_skills": version.required_skills, "duration_minutes": version.duration_minutes}
    return plan


def _case_for(session: Session, request: Request, now: datetime, by: Actor | None) -> Case:
    """Give a request that has no case (its case was removed) one of its own."""
    case = open_case(
        session,
        organisation_id=request.organisation_id,
        channel=request.channel,
        text=request.text,
        now=now,
        by=by,
        asset=session.get(Asset, request.asset_id) if request.asset_id else None,
        contact=request.contact,
    )
    request.case_id, request.first_case_id = case.id, request.first_case_id or case.id
    session.flush()
    return case


def follow_work(session: Session, event: Event, now: datetime) -> None:
    """Bring the children of cases, their cases and their requests to where the work is; idempotent.

    A consumer, because a partner's technician who finishes an order may not change the customer's case.
    """
    if event.subject_kind == "visit":
        _follow_visit(session, event.subject_id, now)
        return
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    if order is None:
        return
    children = _children_of(session, order.id)
    if not children and order.case_id is not None and order.state not in WORK_DONE_STATES:
        children = _adopt(session, order, now)
    for child in children:
        _follow_order(session, child, order, now)
    for case_id in {child.case_id for child in children}:
        follow_case(session, get_case(session, case_id), now)


def _adopt(session: Session, order: WorkOrder, now: datetime) -> list[CaseChild]:
    """An order that was split off, or opened beside the desk, becomes a child of the case that it names."""
    case = session.get(Case, order.case_id, with_for_update=True, populate_existing=True)
    if case is None or case.state in ENDED or case.organisation_id != order.organisation_id:
        return []
    try:
        _attach(session, case, order, now, None)
    except Conflict:  # its stage opens no such work; the order stays on its own
        return []
    return _children_of(session, order.id)


def _follow_order(session: Session, child: CaseChild, order: WorkOrder, now: datetime) -> None:
    child.executing_organisation_id = order.executing_organisation_id
    kept = session.get(WorkOrder, order.merged_into_id) if order.merged_into_id else None
    if kept is not None:
        order = kept
        taken = select(CaseChild.id).where(CaseChild.case_id == child.case_id, CaseChild.subject_id == kept.id)
        if session.scalar(taken) is None:
            child.subject_id, child.number = kept.id, kept.number
            child.executing_organisation_id = kept.executing_organisation_id
    session.flush()
    case = get_case(session, child.case_id)
    if order.state == "cancelled":
        if child.state == "open":
            end_child(session, case, child, now, state="cancelled")
    elif order.state in WORK_DONE_STATES:
        if child.state == "open":
            end_child(session, case, child, now, outcome=order.outcome)
    elif child.state != "open" and case.state != "merged":
        reopen_child(session, case, child, now)


def _follow_visit(session: Session, visit_id: UUID, now: datetime) -> None:
    visit = session.get(Visit, visit_id, populate_existing=True)
    if visit is None:
        return
    for child in _children_of(session, visit_id):
        case = get_case(session, child.case_id)
        child.executing_organisation_id = visit.executing_organisation_id
        to = _VISIT_ENDS.get(visit.state)
        if to is not None and child.state == "open":
            end_child(session, case, child, now, state=to, outcome=visit.state)
        elif to is None and child.state != "open" and case.state != "merged":
            reopen_child(session, case, child, now)


def _children_of(session: Session, subject_id: UUID) -> list[CaseChild]:
    wanted = select(CaseChild).where(CaseChild.subject_id == subject_id).order_by(CaseChild.id)
    return list(session.scalars(wanted, execution_options={"populate_existing": True}))


# The name is older than cases: the cursor behind it goes on.
CASES_FOLLOW_WORK = Consumer(
    "ticketing.requests",
    frozenset(
        {
            "work_order.opened",
            "work_order.assigned",
            "work_order.state_changed",
            "work_order.completed",
            "work_order.closed",
            "work_order.cancelled",
            "work_order.reopened",
            "work_order.sent_back",
            "work_order.merged",
            "work_order.split",
            "visit.state_changed",
        }
    ),
    follow_work,
)
