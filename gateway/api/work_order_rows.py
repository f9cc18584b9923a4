"""How a work order looks over HTTP: rows with what stands around them, cut to what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from assets.base.access import Role
from assets.base.events import Event
from assets.people import Person
from assets.registry import Asset, AssetModel, Site
from gateway.api.deps import Context
from gateway.api.edits import named_assets
from gateway.api.sla_rows import clocks_of
from gateway.api.work_order_related import related
from gateway.api.work_order_shapes import (
    AssetOfWork,
    EventActor,
    ExplanationKept,
    Noticed,
    NoticedContribution,
    PersonOfWork,
    RepairCode,
    RequestOfWork,
    SimilarKept,
    Title,
    VisitItem,
    WorkOrderDetail,
    WorkOrderEvent,
    WorkOrderItem,
    WorkOrderOfEvent,
    WorkOrders,
)
from gateway.outside import outside
from gateway.wording import words
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_log import INSIDE_KINDS
from ticketing.procedures.models import ProcedureRun
from ticketing.visits import LEGAL_MOVES as VISIT_MOVES
from ticketing.work_orders import LIVE_VISITS, legal_moves

__all__ = [
    "NoticedContribution",
    "PersonOfWork",
    "SimilarKept",
    "VisitItem",
    "WorkOrderDetail",
    "WorkOrderItem",
    "WorkOrders",
    "detail_of",
    "items_of",
    "only_customer",
    "people_by_id",
    "person_of",
    "visit_item",
]

MAX_EVENTS = 200
_PLANNED = (
    "case_id",
    "service_type_id",
    "team_id",
    "required_skills",
    "duration_minutes",
    "window_from",
    "window_until",
    "due_at",
    "hold_reason",
    "cannot_complete_reason",
    "review_state",
    "reviewed_at",
    "reopened_no",
    "parent_id",
    "parent_relation",
    "merged_into_id",
)


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a page of orders, loaded with one query per table."""

    assets: dict[UUID, Asset]
    sites: dict[UUID, Site]
    people: dict[UUID, Person]
    requests: dict[UUID, Request]  # by work order
    visits: dict[UUID, list[Visit]]  # by work order


def only_customer(here: Context) -> bool:
    """Return whether the caller is a customer and nothing else: no personal data, no internal notes."""
    return here.actor.roles <= {Role.CUSTOMER}


def items_of(here: Context, orders: Sequence[WorkOrder]) -> list[WorkOrderItem]:
    """Return the orders as the caller may see them."""
    around = _around(here, orders)
    clocks = clocks_of(here, "work_order", [order.id for order in orders])
    return [WorkOrderItem(**_fields(here, order, around), sla=clocks.get(order.id, [])) for order in orders]


def detail_of(here: Context, order: WorkOrder) -> WorkOrderDetail:
    """Return one order with its events as the caller may see it."""
    here.session.flush()
    around = _around(here, [order])
    return WorkOrderDetail(
        **_fields(here, order, around),
        sla=clocks_of(here, "work_order", [order.id]).get(order.id, []),
        events=_events(here, order, around.visits.get(order.id, [])),
        repair_codes=_repair_codes(here, around.assets[order.asset_id]),
        **related(here, order),
    )


def visit_item(visit: Visit, people: dict[UUID, Person]) -> VisitItem:
    """Return a visit; people who are not given stay unnamed."""
    return VisitItem(
        id=visit.id,
        work_order_id=visit.work_order_id,
        technician=person_of(visit.technician_id, people),
        state=visit.state,
        scheduled_at=visit.scheduled_at,
        travelling_at=visit.travelling_at,
        started_at=visit.started_at,
        finished_at=visit.finished_at,
        planned_start=visit.planned_start,
        planned_end=visit.planned_end,
        pinned=visit.pinned,
        travel_minutes=visit.travel_minutes,
        position_in_route=visit.position_in_route,
        appointment_id=visit.appointment_id,
        cannot_complete_reason=visit.cannot_complete_reason,
        checked_in_at=visit.checked_in_at,
        checked_in_distance_m=visit.checked_in_distance_m,
        checked_out_at=visit.checked_out_at,
        checked_in_far=visit.checked_in_far,
        checked_out_distance_m=visit.checked_out_distance_m,
        checked_out_far=visit.checked_out_far,
        legal_moves=list(VISIT_MOVES[visit.state]),
        version=visit.version,
    )


def person_of(person_id: UUID | None, people: dict[UUID, Person]) -> PersonOfWork | None:
    """Return a person by name, None when unknown."""
    person = people.get(person_id) if person_id else None
    return PersonOfWork(id=person.id, name=person.name) if person else None


def people_by_id(here: Context, ids: set[UUID | None]) -> dict[UUID, Person]:
    """Return the visible people among these ids."""
    wanted = [one for one in ids if one is not None]
    found = here.session.scalars(select(Person).where(Person.id.in_(wanted))) if wanted else ()
    return {person.id: person for person in found}


def _around(here: Context, orders: Sequence[WorkOrder]) -> _Around:
    session, ids = here.session, [order.id for order in orders]
    visits: dict[UUID, list[Visit]] = {}
    for visit in session.scalars(select(Visit).where(Visit.work_order_id.in_(ids)).order_by(Visit.id)):
        visits.setdefault(visit.work_order_id, []).append(visit)
    requests: dict[UUID, Request] = {}
    asked = select(Request).where(Request.work_order_id.in_(ids)).order_by(Request.id)
    for request in session.scalars(asked):
        if request.work_order_id is not None:
            requests.setdefault(request.work_order_id, request)
    sites = session.scalars(select(Site).where(Site.id.in_({o.site_id for o in orders if o.site_id})))
    hands = {order.assignee_id for order in orders} | {v.technician_id for vs in visits.values() for v in vs}
    return _Around(
        assets=named_assets(here, (order.asset_id for order in orders)),
        sites={site.id: site for site in sites},
        people={} if only_customer(here) else people_by_id(here, hands),
        requests=requests,
        visits=visits,
    )


def _fields(here: Context, order: WorkOrder, around: _Around) -> dict[str, Any]:
    asset = around.assets[order.asset_id]
    site = around.sites.get(order.site_id) if order.site_id else None
    request = around.requests.get(order.id)
    customer = only_customer(here)
    return {
        "id": order.id,
        "number": order.number,
        "origin": order.origin,
        "origin_ref": order.origin_ref,
        "state": order.state,
        "priority": order.priority,
        "kind": order.kind,
        "asset": AssetOfWork(
            id=asset.id, name=asset.name, serial=asset.serial, site_name=site.name if site else None, code=asset.code
        ),
        "title": Title(code=order.title_code, params=order.title_params),
        "title_text": order.title_text,
        "opened_at": order.opened_at,
        "since": order.since,
        "scheduled_at": order.scheduled_at,
        "started_at": order.started_at,
        "work_done_at": order.work_done_at,
        "documented_at": order.documented_at,
        "closed_at": order.closed_at,
        "assignee": person_of(order.assignee_id, around.people),
        "outcome": order.outcome,
        "outcome_note": None if customer else order.outcome_note,
        "repair_code": None if customer else order.repair_code,
        "failure_mode": order.failure_mode,
        "failure_cause": None if customer else order.failure_cause,
        "replayed": order.replayed,
        "demo": order.demo,
        "noticed": _noticed(order, customer),
        "request": RequestOfWork(id=request.id, number=request.number, text=request.text) if request else None,
        "visits": [visit_item(visit, around.people) for visit in around.visits.get(order.id, [])],
        **{name: getattr(order, name) for name in _PLANNED},
        "review_reason": None if customer else order.review_reason,
        "legal_moves": legal_moves(order, here.actor, visited=_visited(around, order)),
        "version": order.version,
    }


def _visited(around: _Around, order: WorkOrder) -> bool:
    return any(visit.state in LIVE_VISITS for visit in around.visits.get(order.id, []))


def _noticed(order: WorkOrder, customer: bool) -> Noticed | None:
    """Return what was noticed; customers do not read internal words about past orders either."""
    if not order.noticed:
        return None
    kept = dict(order.noticed)
    lines = kept.pop("explanation", None)
    noticed = Noticed.model_validate(kept)
    if lines is not None and not customer:
        said = [words("", line["code"], line["params"]) for line in lines]
        noticed.explanation = ExplanationKept(lines=said, snapshot_ref=kept.get("snapshot_ref"))
    for past in noticed.similar if customer else ():
        past.note = past.repair_code = None
    return noticed


def _repair_codes(here: Context, asset: Asset) -> list[RepairCode]:
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    known = model.repair_codes if model else []
    return [RepairCode(code=one["code"], en=one.get("en", one["code"]), zh=one.get("zh", "")) for one in known]


def _events(here: Context, order: WorkOrder, visits: Sequence[Visit]) -> list[WorkOrderEvent]:
    customer = only_customer(here)
    subjects = [order.id, *(visit.id for visit in visits)]
    if not customer:
        subjects += here.session.scalars(select(ProcedureRun.id).where(ProcedureRun.subject_id == order.id)).all()
    newest = select(Event).where(Event.subject_id.in_(subjects)).order_by(Event.id.desc()).limit(MAX_EVENTS)
    events = here.session.scalars(newest.where(Event.kind.not_in(INSIDE_KINDS)) if customer else newest).all()
    people = {} if customer else people_by_id(here, {event.actor_id for event in events})
    return [
        WorkOrderEvent(
            id=event.id,
            at=event.at,
            kind=event.kind,
            actor=EventActor(
                kind=event.actor_kind,
                name=people[event.actor_id].name if event.actor_id and event.actor_id in people else None,
            ),
            payload=outside(event.kind, event.payload) if customer else event.payload,
            work_order=WorkOrderOfEvent(id=order.id, number=order.number),
        )
        for event in events
    ]
