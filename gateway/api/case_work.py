"""What a case leads to, over HTTP: children, work orders, duplicates, and what is known beside it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.errors import Invalid, NotFound
from assets.registry import Asset, Customer
from gateway.api.case_rows import CaseDetail, CaseItem, ChildItem, case_detail, case_items, child_items
from gateway.api.cases import handled_case
from gateway.api.deps import Context, Here
from gateway.api.edits import locked
from gateway.api.work_order_rows import WorkOrderDetail, WorkOrderItem, detail_of, items_of
from gateway.pages.warranty import warranty_of
from ticketing.cases.cases import OPEN_STATES as OPEN_CASES
from ticketing.cases.cases import get_case
from ticketing.cases.children import add_child, edit_child, end_child, get_child, reopen_child
from ticketing.cases.duplicates import likely_duplicates, merge_cases, say_distinct
from ticketing.cases.sides import require_staff, side_of
from ticketing.cases.tables import Case
from ticketing.cases.words import MAX_NOTE, MAX_TITLE
from ticketing.intake import follow_work_order, open_order_of_case
from ticketing.models import Visit, WorkOrder
from ticketing.requests import follow_case
from ticketing.work_orders import OPEN_STATES

router = APIRouter(prefix="/api/v1", tags=["cases"])

BESIDE = 10  # rows of each kind beside a case


class NewChild(BaseModel):
    """A shipment, an analysis, or a work order or visit that is there already (`subject_id`)."""

    kind: str
    title: str | None = Field(default=None, max_length=MAX_TITLE)
    subject_id: UUID | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class ChildChange(BaseModel):
    """What a shipment or an analysis says of itself."""

    title: str | None = Field(default=None, min_length=1, max_length=MAX_TITLE)
    details: dict[str, Any] | None = None


class ChildEnd(BaseModel):
    """How it ended."""

    state: str = "done"
    outcome: str | None = Field(default=None, max_length=100)
    note: str | None = Field(default=None, max_length=MAX_NOTE)


class NewCaseOrder(BaseModel):
    """A work order of the case."""

    title: str | None = Field(default=None, max_length=MAX_TITLE)
    priority: str | None = None
    kind: str = "general"


class CaseMerge(BaseModel):
    """The case that this one is put into."""

    into_id: UUID


class CaseDistinct(BaseModel):
    """A case that is not the same."""

    other_id: UUID


class LikelyItem(BaseModel):
    """A case that may be the same, with why."""

    case: CaseItem
    score: float
    words: float
    same_asset: bool
    same_sender: bool
    hours_apart: float


class LikelyCases(BaseModel):
    """Proposals, most likely first."""

    items: list[LikelyItem]
    next: str | None = None


class CustomerBeside(BaseModel):
    """Who asks."""

    id: UUID
    number: str
    name: str
    phone: str | None
    email: str | None


class WarrantyBeside(BaseModel):
    """Whether the machine is covered, and until when."""

    state: str
    number: str | None
    until: date | None


class AssetBeside(BaseModel):
    """The machine as it is now."""

    id: UUID
    name: str
    serial: str
    lifecycle: str
    operation: str
    operation_since: datetime | None
    warranty: WarrantyBeside


class CaseContext(BaseModel):
    """What is known of customer, machine, warranty and work, for whoever speaks with the customer."""

    customer: CustomerBeside | None
    asset: AssetBeside | None
    open_orders: list[WorkOrderItem]
    past_orders: list[WorkOrderItem]
    open_cases: list[CaseItem]


@router.get("/cases/{case_id}/context", operation_id="get_case_context")
def get_case_context(case_id: UUID, here: Here) -> CaseContext:
    """Show what is known beside a case."""
    here.require("case.read")
    session = here.session
    case = get_case(session, case_id)
    asset = session.get(Asset, case.asset_id) if case.asset_id else None
    customer = session.get(Customer, case.customer_id) if case.customer_id else None
    orders = list(
        session.scalars(
            select(WorkOrder).where(WorkOrder.asset_id == case.asset_id).order_by(WorkOrder.id.desc()).limit(100)
        )
        if case.asset_id
        else ()
    )
    under_way = [order for order in orders if order.state in OPEN_STATES][:BESIDE]
    past = [order for order in orders if order.state not in OPEN_STATES][:BESIDE]
    return CaseContext(
        customer=CustomerBeside(
            id=customer.id, number=customer.number, name=customer.name, phone=customer.phone, email=customer.email
        )
        if customer
        else None,
        asset=_asset(here, asset) if asset else None,
        open_orders=items_of(here, under_way),
        past_orders=items_of(here, past),
        open_cases=case_items(here, _other_cases(here, case)),
    )


@router.get("/cases/{case_id}/children", operation_id="list_case_children")
def list_case_children(case_id: UUID, here: Here) -> list[ChildItem]:
    """List what a case led to."""
    here.require("case.read")
    case = get_case(here.session, case_id)
    return child_items(here, case, side_of(here.session, case, here.actor))


@router.post("/cases/{case_id}/children", operation_id="add_case_child", status_code=201)
def add_case_child(case_id: UUID, body: NewChild, here: Here) -> CaseDetail:
    """Add a shipment or an analysis, or hang work that is there onto the case."""
    case = handled_case(here, case_id)
    if body.kind == "remote_diagnosis":
        raise Invalid("a session is started by POST /remote-sessions", field="kind")
    number, title, executor = _subject(here, case, body)
    add_child(
        here.session,
        case,
        kind=body.kind,
        title=title,
        now=here.now,
        by=here.actor,
        subject_id=body.subject_id,
        number=number,
        details=body.details,
        executing_organisation_id=executor,
    )
    return case_detail(here, case)


@router.patch("/cases/{case_id}/children/{child_id}", operation_id="change_case_child")
def change_case_child(case_id: UUID, child_id: UUID, body: ChildChange, here: Here) -> CaseDetail:
    """Change what a shipment or an analysis says of itself, such as the carrier's number."""
    case = handled_case(here, case_id)
    child = get_child(here.session, case, child_id, lock=True)
    edit_child(here.session, case, child, body.model_dump(exclude_unset=True), here.now, here.actor)
    return case_detail(here, case)


@router.post("/cases/{case_id}/children/{child_id}/end", operation_id="end_case_child")
def end_case_child(case_id: UUID, child_id: UUID, body: ChildEnd, here: Here) -> CaseDetail:
    """End a shipment or an analysis; the last child closes the case. Work and sessions end where they are done."""
    case = handled_case(here, case_id)
    child = get_child(here.session, case, child_id, lock=True)
    if child.subject_id is not None:
        raise Invalid(f"{child.number} ends where it is done", field="child_id", kind=child.kind)
    end_child(
        here.session, case, child, here.now, by=here.actor, state=body.state, outcome=body.outcome, note=body.note
    )
    follow_case(here.session, case, here.now)
    return case_detail(here, case)


@router.post("/cases/{case_id}/children/{child_id}/reopen", operation_id="reopen_case_child")
def reopen_case_child(case_id: UUID, child_id: UUID, here: Here) -> CaseDetail:
    """Open a shipment or an analysis again, and with it the case."""
    case = handled_case(here, case_id)
    child = get_child(here.session, case, child_id, lock=True)
    if child.subject_id is not None:
        raise Invalid(f"{child.number} opens again where it is done", field="child_id", kind=child.kind)
    reopen_child(here.session, case, child, here.now, by=here.actor)
    follow_case(here.session, case, here.now)
    return case_detail(here, case)


@router.post("/cases/{case_id}/work-orders", operation_id="open_case_order", status_code=201)
def open_case_order(case_id: UUID, here: Here, body: NewCaseOrder | None = None) -> WorkOrderDetail:
    """Open a work order of the case, as its service type says: skills, duration, team."""
    here.require("work_order.open")
    case = handled_case(here, case_id)
    wanted = body or NewCaseOrder()
    order = open_order_of_case(
        here.session,
        case,
        here.now,
        by=here.actor,
        title=wanted.title,
        priority=wanted.priority,
        kind=wanted.kind,
    )
    return detail_of(here, order)


@router.get("/cases/{case_id}/duplicates", operation_id="list_case_duplicates")
def list_case_duplicates(case_id: UUID, here: Here) -> LikelyCases:
    """Propose other open cases that may be the same: by machine, words, sender and time."""
    here.require("case.handle")
    case = get_case(here.session, case_id)
    require_staff(here.session, case, here.actor)
    found = likely_duplicates(here.session, case)
    rows = {item.id: item for item in case_items(here, [other for other, _ in found])}
    return LikelyCases(
        items=[
            LikelyItem(
                case=rows[other.id],
                score=like.score,
                words=like.words,
                same_asset=like.same_asset,
                same_sender=like.same_sender,
                hours_apart=round(like.hours_apart, 1),
            )
            for other, like in found
        ]
    )


@router.post("/cases/{case_id}/merge", operation_id="merge_case")
def merge_case(case_id: UUID, body: CaseMerge, here: Here) -> CaseDetail:
    """Put this case into another; thread, files, children and requests go along, links go on working."""
    merged = handled_case(here, case_id)
    kept = locked(here, Case, body.into_id, "case")
    require_staff(here.session, kept, here.actor)
    return case_detail(here, merge_cases(here.session, kept, merged, here.now, by=here.actor))


@router.post("/cases/{case_id}/distinct", operation_id="tell_cases_apart", status_code=204)
def tell_cases_apart(case_id: UUID, body: CaseDistinct, here: Here) -> None:
    """Say that a proposed case is not the same."""
    case = handled_case(here, case_id)
    say_distinct(here.session, case, get_case(here.session, body.other_id), here.now, by=here.actor)


def _asset(here: Context, asset: Asset) -> AssetBeside:
    warranty = warranty_of(here.session, asset, here.now)
    return AssetBeside(
        id=asset.id,
        name=asset.name,
        serial=asset.serial,
        lifecycle=asset.lifecycle,
        operation=asset.operation,
        operation_since=asset.operation_since,
        warranty=WarrantyBeside(state=warranty.state, number=warranty.number, until=warranty.until),
    )


def _other_cases(here: Context, case: Case) -> list[Case]:
    same = [Case.asset_id == case.asset_id] if case.asset_id else []
    same += [Case.customer_id == case.customer_id] if case.customer_id else []
    if not same:
        return []
    wanted = select(Case).where(or_(*same), Case.id != case.id, Case.state.in_(OPEN_CASES))
    return list(here.session.scalars(wanted.order_by(Case.id.desc()).limit(BESIDE)))


def _subject(here: Context, case: Case, body: NewChild) -> tuple[str | None, str, UUID | None]:
    """Return number, title and executor of the work that a child stands for."""
    if body.kind not in ("work_order", "visit"):
        if body.subject_id is not None:
            raise Invalid(f"{body.kind} has no subject", field="subject_id")
        return None, body.title or case.title, None
    if body.subject_id is None:
        raise Invalid("name the work order or visit", field="subject_id")
    visit = here.session.get(Visit, body.subject_id) if body.kind == "visit" else None
    order = here.session.get(WorkOrder, visit.work_order_id if visit else body.subject_id)
    if order is None or (body.kind == "visit" and visit is None):
        raise NotFound(f"no such {body.kind.replace('_', ' ')}", kind=body.kind)
    if order.organisation_id != case.organisation_id or case.asset_id not in (None, order.asset_id):
        raise Invalid("this work is about another machine", field="subject_id")
    follow_work_order(here.session, case, order)
    executor = (visit or order).executing_organisation_id
    return (None if visit else order.number), body.title or order.title_text or order.number, executor
