"""Cases, requests and work orders as service levels see them: what their promises depend on, and their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.people import Organisation
from assets.registry import Asset
from ticketing.cases.tables import Case, ServiceType
from ticketing.models import Request, Visit, WorkOrder
from ticketing.sla.book import About
from ticketing.sla.marks import KINDS, Happened, Marks, marks_of
from ticketing.sla.policies import Work
from ticketing.sla.words import CLOCKS

# A case answers for its requests, and for how soon somebody answers and all is done: nobody is told twice of a promise.
OF_CASE = ("response", "restoration", "closing")
OF_REQUEST = ("response", "closing")
OF_ORDER_IN_CASE = ("arrival", "restoration")
MAX_EVENTS = 2000  # of one subject and what stands around it; what comes after that changes no clock


@dataclass(slots=True)
class Subject:
    """A case, request or work order with what its clocks depend on. `related`: whose events count for it."""

    about: About
    number: str
    work: Work
    clocks: Sequence[str]
    related: list[UUID]
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    replayed: bool = False  # of a recorded fleet: the past is late for nobody


def load_subjects(session: Session, kind: str, ids: Iterable[UUID]) -> dict[UUID, Subject]:
    """Return subjects by id in a handful of queries; those that are gone are left out."""
    wanted = list(ids)
    return {"work_order": _orders, "case": _cases, "request": _requests}[kind](session, wanted) if wanted else {}


def marks_for(session: Session, subjects: Mapping[UUID, Subject]) -> dict[UUID, Marks]:
    """Return the marks of each subject, from its events in one query."""
    owners: dict[UUID, list[UUID]] = defaultdict(list)
    for key, subject in subjects.items():
        for each in subject.related:
            owners[each].append(key)
    found: dict[UUID, list[Happened]] = {key: [] for key in subjects}
    query = (
        select(Event.id, Event.at, Event.kind, Event.subject_kind, Event.subject_id, Event.payload, Event.actor_kind)
        .where(Event.subject_id.in_(list(owners)), Event.kind.in_(KINDS))
        .order_by(Event.id)
    )
    for number, at, kind, subject_kind, subject_id, payload, actor in session.execute(query) if owners else ():
        happened = Happened(number, at, kind, subject_kind, subject_id, payload, actor == "person")
        for key in owners[subject_id]:
            found[key].append(happened)
    return {key: marks_of(subjects[key].about.kind, key, events[:MAX_EVENTS]) for key, events in found.items()}


def _orders(session: Session, ids: Sequence[UUID]) -> dict[UUID, Subject]:
    rows = session.execute(
        _around(
            select(
                WorkOrder.id,
                WorkOrder.number,
                WorkOrder.priority,
                WorkOrder.organisation_id,
                WorkOrder.executing_organisation_id,
                WorkOrder.asset_id,
                WorkOrder.opened_at,
                WorkOrder.service_type_id,
                WorkOrder.origin,
                WorkOrder.origin_ref,
                WorkOrder.case_id,
                WorkOrder.assignee_id,
                WorkOrder.team_id,
                WorkOrder.replayed,
                Asset.customer_id,
                WorkOrder.site_id,
            ).where(WorkOrder.id.in_(ids)),
            WorkOrder,
        )
    ).mappings()
    found = [dict(row) for row in rows]
    visits = _grouped(session, select(Visit.work_order_id, Visit.id).where(Visit.work_order_id.in_(ids)))
    firsts = _first_orders(session, {row["case_id"] for row in found if row["case_id"] is not None})
    subjects = {}
    for row in found:
        related = [row["id"], *visits.get(row["id"], [])]
        if row["origin"] == "request" and row["origin_ref"] is not None:
            related.append(row["origin_ref"])
        if row["case_id"] is not None and firsts.get(row["case_id"]) == row["id"]:
            related.append(row["case_id"])
        clocks = CLOCKS if row["case_id"] is None else OF_ORDER_IN_CASE
        subjects[row["id"]] = _subject("work_order", row, clocks, related)
    return subjects


def _cases(session: Session, ids: Sequence[UUID]) -> dict[UUID, Subject]:
    rows = session.execute(
        _around(
            select(
                Case.id,
                Case.number,
                Case.priority,
                Case.organisation_id,
                Case.executing_organisation_id,
                Case.asset_id,
                Case.opened_at,
                Case.service_type_id,
                Case.origin,
                Case.claimed_by_id.label("assignee_id"),
                Case.team_id,
                func.coalesce(Case.customer_id, Asset.customer_id).label("customer_id"),
                func.coalesce(Case.site_id, Asset.site_id).label("site_id"),
            ).where(Case.id.in_(ids)),
            Case,
        )
    ).mappings()
    orders = _grouped(session, select(WorkOrder.case_id, WorkOrder.id).where(WorkOrder.case_id.in_(ids)))
    every = [order for those in orders.values() for order in those]
    visits = _grouped(session, select(Visit.work_order_id, Visit.id).where(Visit.work_order_id.in_(every)))
    subjects = {}
    for row in rows:
        own = orders.get(row["id"], [])
        related = [row["id"], *own, *(visit for order in own for visit in visits.get(order, []))]
        subjects[row["id"]] = _subject("case", dict(row), OF_CASE, related)
    return subjects


def _requests(session: Session, ids: Sequence[UUID]) -> dict[UUID, Subject]:
    rows = session.execute(
        _around(
            select(
                Request.id,
                Request.number,
                Request.organisation_id,
                Request.asset_id,
                Request.created_at.label("opened_at"),
                Request.service_type_id,
                Request.case_id,
                func.coalesce(Request.customer_id, Asset.customer_id).label("customer_id"),
                Asset.site_id,
            ).where(Request.id.in_(ids)),
            Request,
        )
    ).mappings()
    return {
        row["id"]: _subject("request", dict(row), OF_REQUEST if row["case_id"] is None else (), [row["id"]])
        for row in rows
    }


def _around(query: Any, table: Any) -> Any:
    """Add what stands around: the asset's model, the owner's ancestors, the policy that a service type names."""
    return (
        query.add_columns(Asset.asset_model_id, Organisation.ancestors, ServiceType.sla_policy_id)
        .join(Organisation, Organisation.id == table.organisation_id)
        .outerjoin(Asset, Asset.id == table.asset_id)
        .outerjoin(ServiceType, ServiceType.id == table.service_type_id)
    )


def _subject(kind: str, row: Mapping[str, Any], clocks: Sequence[str], related: list[UUID]) -> Subject:
    priority = row.get("priority") or "normal"
    work = Work(
        kind=kind,
        priority=priority,
        ancestors=row["ancestors"],
        opened_at=row["opened_at"],
        customer_id=row["customer_id"],
        site_id=row["site_id"],
        asset_model_id=row["asset_model_id"],
        service_type_id=row["service_type_id"],
        linked_policy_id=row["sla_policy_id"],
        origin=row.get("origin") or "request",
    )
    executing = row.get("executing_organisation_id")
    about = About(kind, row["id"], row["organisation_id"], executing, row["asset_id"], priority)
    return Subject(
        about=about,
        number=row["number"],
        work=work,
        clocks=clocks,
        related=related,
        assignee_id=row.get("assignee_id"),
        team_id=row.get("team_id"),
        replayed=bool(row.get("replayed")),
    )


def _grouped(session: Session, query: Any) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for owner, key in session.execute(query):
        found[owner].append(key)
    return found


def _first_orders(session: Session, cases: set[UUID]) -> dict[UUID, UUID]:
    """Return the first order of each case: what was promised to the customer counts from the case."""
    if not cases:
        return {}
    query = (
        select(WorkOrder.case_id, WorkOrder.id)
        .where(WorkOrder.case_id.in_(cases))
        .distinct(WorkOrder.case_id)
        .order_by(WorkOrder.case_id, WorkOrder.id)
    )
    return {case: order for case, order in session.execute(query) if case is not None}
