"""Cases as rows: what everybody sees of one, what the desk sees besides, and what belongs beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select

from assets.base.db import service_rights
from assets.registry import Customer, Site
from gateway.api.deps import Context
from gateway.api.edits import Ref, named_assets, person_names
from gateway.api.sla_rows import ClockItem, clocks_of
from ticketing.cases.cases import legal_moves
from ticketing.cases.sides import STAFF_SIDES, side_of
from ticketing.cases.tables import Case, CaseChild, RemoteSession, ServiceType, ServiceTypeVersion
from ticketing.cases.threads import FROM_CUSTOMER, unread
from ticketing.cases.workflow import stages_of
from ticketing.models import Request
from ticketing.people.tables import Team


class AssetOfCase(BaseModel):
    """The machine that a case is about."""

    id: UUID
    name: str
    serial: str


class TypeOfCase(BaseModel):
    """The service type of a case, in both languages."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class StageItem(BaseModel):
    """One stage of a case's way. `look`: past, now or next."""

    code: str
    name_en: str
    name_zh: str
    look: str
    approval: bool


class CaseRef(BaseModel):
    """Another case."""

    id: UUID
    number: str


class ChildItem(BaseModel):
    """Something that a case led to; `subject_id` is a work order's, a visit's or a session's id."""

    id: UUID
    kind: str
    number: str
    title: str
    state: str
    subject_id: UUID | None
    details: dict[str, Any]
    outcome: str | None
    note: str | None
    opened_at: datetime
    closed_at: datetime | None
    version: int


class RequestOfCase(BaseModel):
    """What somebody asked for in this case."""

    id: UUID
    number: str
    state: str
    channel: str
    text: str
    contact_name: str | None
    contact_phone: str | None
    contact_email: str | None
    created_at: datetime


class CaseItem(BaseModel):
    """A case. Team, queue, region, claim and approval are the desk's own: null for customers and partners."""

    id: UUID
    number: str
    state: str
    stage: str | None
    stage_name_en: str | None
    stage_name_zh: str | None
    service_type: TypeOfCase | None
    asset: AssetOfCase | None
    customer: Ref | None
    site: Ref | None
    title: str
    text: str
    channel: str
    origin: str
    priority: str
    contact_name: str | None
    contact_phone: str | None
    contact_email: str | None
    region: str | None
    team: Ref | None
    queue: str | None
    claimed_by: Ref | None
    claim_expires_at: datetime | None
    opened_at: datetime
    first_reply_at: datetime | None
    closed_at: datetime | None
    resolution: str | None
    resolution_note: str | None
    merged_into: CaseRef | None
    reopened_count: int
    children_open: int
    children_total: int
    unread: int
    sla: list[ClockItem]
    version: int
    demo: bool


class CaseDetail(CaseItem):
    """A case with all that it led to. `form` is the schema that `answers` fit; `side`: where the reader stands."""

    side: str
    answers: dict[str, Any]
    form: dict[str, Any]
    stages: list[StageItem]
    legal_moves: list[str]
    children: list[ChildItem]
    requests: list[RequestOfCase]
    merged_from: list[CaseRef]
    remote_session_id: UUID | None
    origin_ref: UUID | None
    approval_note: str | None
    approval_asked_by: Ref | None


class Cases(BaseModel):
    """A page of cases."""

    items: list[CaseItem]
    next: str | None = None


@dataclass(slots=True)
class _Around:
    """What belongs to a page of cases, loaded once each."""

    assets: dict[UUID, Any] = field(default_factory=dict)
    customers: dict[UUID, str] = field(default_factory=dict)
    sites: dict[UUID, str] = field(default_factory=dict)
    teams: dict[UUID, str] = field(default_factory=dict)
    types: dict[UUID, ServiceType] = field(default_factory=dict)
    versions: dict[UUID, ServiceTypeVersion] = field(default_factory=dict)
    people: dict[UUID, Ref] = field(default_factory=dict)
    merged: dict[UUID, str] = field(default_factory=dict)
    children: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    sides: dict[tuple[UUID, UUID], str] = field(default_factory=dict)
    unread: dict[UUID, int] = field(default_factory=dict)
    clocks: dict[UUID, list[ClockItem]] = field(default_factory=dict)

    def side_of(self, case: Case) -> str:
        """Return where the actor stands."""
        return self.sides[case.organisation_id, case.desk_organisation_id]


def case_items(here: Context, cases: Sequence[Case]) -> list[CaseItem]:
    """Return cases as the actor may see them."""
    here.session.flush()
    around = _around(here, cases)
    return [CaseItem(**_fields(here, case, around)) for case in cases]


def case_detail(here: Context, case: Case) -> CaseDetail:
    """Return one case with all that the actor may see of it."""
    here.session.flush()
    around = _around(here, [case])
    side = around.side_of(case)
    staff = side in STAFF_SIDES
    version = around.versions.get(case.service_version_id) if case.service_version_id else None
    asked_by = around.people.get(case.approval_asked_by_id) if case.approval_asked_by_id else None
    return CaseDetail(
        **_fields(here, case, around),
        side=side,
        answers=case.answers if side != "partner" else {},
        form=version.form if version else {},
        stages=_stages(case, version, staff),
        legal_moves=legal_moves(case) if staff else [],
        children=child_items(here, case, side),
        requests=_requests(here, case) if side != "partner" else [],
        merged_from=_merged_from(here, case) if staff else [],
        remote_session_id=_open_session(here, case) if staff else None,
        origin_ref=case.origin_ref if staff else None,
        approval_note=case.approval_note if staff else None,
        approval_asked_by=asked_by if staff else None,
    )


def child_items(here: Context, case: Case, side: str) -> list[ChildItem]:
    """Return the children that the actor sees; row policies leave a partner only its own. Notes are the desk's."""
    wanted = select(CaseChild).where(CaseChild.case_id == case.id).order_by(CaseChild.opened_at, CaseChild.id)
    staff = side in STAFF_SIDES
    shown = []
    for child in here.session.scalars(wanted):
        details = child.details if staff or child.kind == "shipment" else {}
        shown.append(
            ChildItem(
                id=child.id,
                kind=child.kind,
                number=child.number,
                title=child.title,
                state=child.state,
                subject_id=child.subject_id,
                details=details,
                outcome=child.outcome,
                note=child.note if staff else None,
                opened_at=child.opened_at,
                closed_at=child.closed_at,
                version=child.version,
            )
        )
    return shown


def _fields(here: Context, case: Case, around: _Around) -> dict[str, Any]:
    staff = around.side_of(case) in STAFF_SIDES
    asset = around.assets.get(case.asset_id) if case.asset_id else None
    kind = around.types.get(case.service_type_id) if case.service_type_id else None
    version = around.versions.get(case.service_version_id) if case.service_version_id else None
    stage = next((each for each in stages_of(version.workflow if version else None) if each.code == case.stage), None)
    shown = stage if stage is not None and (staff or stage.public) else None
    under_way, total = around.children.get(case.id, (0, 0))
    held = staff and case.claim_expires_at is not None and case.claim_expires_at > here.now
    merged = around.merged.get(case.merged_into_id) if case.merged_into_id else None
    return {
        "id": case.id,
        "number": case.number,
        "state": case.state if staff or case.state != "waiting_approval" else "in_progress",
        "stage": shown.code if shown else None,
        "stage_name_en": shown.name_en if shown else None,
        "stage_name_zh": shown.name_zh if shown else None,
        "service_type": TypeOfCase(id=kind.id, code=kind.code, name_en=kind.name_en, name_zh=kind.name_zh)
        if kind
        else None,
        "asset": AssetOfCase(id=asset.id, name=asset.name, serial=asset.serial) if asset else None,
        "customer": _ref(case.customer_id, around.customers),
        "site": _ref(case.site_id, around.sites),
        "title": case.title,
        "text": case.text,
        "channel": case.channel,
        "origin": case.origin,
        "priority": case.priority,
        "contact_name": case.contact.get("name"),
        "contact_phone": case.contact.get("phone"),
        "contact_email": case.contact.get("email"),
        "region": case.region if staff else None,
        "team": _ref(case.team_id, around.teams) if staff else None,
        "queue": case.queue if staff else None,
        "claimed_by": around.people.get(case.claimed_by_id) if held and case.claimed_by_id else None,
        "claim_expires_at": case.claim_expires_at if held else None,
        "opened_at": case.opened_at,
        "first_reply_at": case.first_reply_at,
        "closed_at": case.closed_at,
        "resolution": case.resolution,
        "resolution_note": case.resolution_note,
        "merged_into": CaseRef(id=case.merged_into_id, number=merged) if case.merged_into_id and merged else None,
        "reopened_count": case.reopened_count,
        "children_open": under_way,
        "children_total": total,
        "unread": around.unread.get(case.id, 0),
        "sla": around.clocks.get(case.id, []),
        "version": case.version,
        "demo": case.demo,
    }


def _around(here: Context, cases: Sequence[Case]) -> _Around:
    session = here.session
    around = _Around(
        assets=named_assets(here, _keys(case.asset_id for case in cases)),
        customers=_names(here, Customer, _keys(case.customer_id for case in cases)),
        sites=_names(here, Site, _keys(case.site_id for case in cases)),
        teams=_names(here, Team, _keys(case.team_id for case in cases)),
        people=person_names(here, [key for case in cases for key in (case.claimed_by_id, case.approval_asked_by_id)]),
    )
    merged = _keys(case.merged_into_id for case in cases)
    rows = session.execute(select(Case.id, Case.number).where(Case.id.in_(merged))) if merged else ()
    around.merged = {key: number for key, number in rows}
    counted = (
        select(CaseChild.case_id, func.count().filter(CaseChild.state == "open"), func.count())
        .where(CaseChild.case_id.in_([case.id for case in cases]))
        .group_by(CaseChild.case_id)
    )
    around.children = {key: (under_way, total) for key, under_way, total in session.execute(counted)}
    for case in cases:
        key = (case.organisation_id, case.desk_organisation_id)
        if key not in around.sides:
            around.sides[key] = side_of(session, case, here.actor)
    customers = any(side in FROM_CUSTOMER for side in around.sides.values())
    ids = [case.id for case in cases]
    around.unread = unread(session, ids, here.actor, public_only=customers)
    around.clocks = clocks_of(here, "case", ids)
    with service_rights(session):  # a partner beside the operator's tree sees no catalogue, but what its case is
        kinds = select(ServiceType).where(ServiceType.id.in_(_keys(case.service_type_id for case in cases)))
        around.types = {kind.id: kind for kind in session.scalars(kinds)}
        versions = _keys(case.service_version_id for case in cases)
        wanted = select(ServiceTypeVersion).where(ServiceTypeVersion.id.in_(versions))
        around.versions = {version.id: version for version in session.scalars(wanted)}
    return around


def _keys(keys: Iterable[UUID | None]) -> set[UUID]:
    return {key for key in keys if key is not None}


def _names(here: Context, table: Any, keys: set[UUID]) -> dict[UUID, str]:
    if not keys:
        return {}
    return {key: name for key, name in here.session.execute(select(table.id, table.name).where(table.id.in_(keys)))}


def _ref(key: UUID | None, names: dict[UUID, str]) -> Ref | None:
    return Ref(id=key, name=names[key]) if key is not None and key in names else None


def _stages(case: Case, version: ServiceTypeVersion | None, staff: bool) -> list[StageItem]:
    stages = [stage for stage in stages_of(version.workflow if version else None) if staff or stage.public]
    codes = [stage.code for stage in stages]
    at = codes.index(case.stage) if case.stage in codes else -1
    looks = ["past" if place < at else "now" if place == at else "next" for place in range(len(stages))]
    return [
        StageItem(code=stage.code, name_en=stage.name_en, name_zh=stage.name_zh, look=look, approval=stage.approval)
        for stage, look in zip(stages, looks, strict=True)
    ]


def _requests(here: Context, case: Case) -> list[RequestOfCase]:
    wanted = select(Request).where(Request.case_id == case.id).order_by(Request.created_at, Request.id).limit(100)
    return [
        RequestOfCase(
            id=request.id,
            number=request.number,
            state=request.state,
            channel=request.channel,
            text=request.text,
            contact_name=request.contact.get("name"),
            contact_phone=request.contact.get("phone"),
            contact_email=request.contact.get("email"),
            created_at=request.created_at,
        )
        for request in here.session.scalars(wanted)
    ]


def _merged_from(here: Context, case: Case) -> list[CaseRef]:
    wanted = select(Case.id, Case.number).where(Case.merged_into_id == case.id).order_by(Case.id).limit(50)
    return [CaseRef(id=key, number=number) for key, number in here.session.execute(wanted)]


def _open_session(here: Context, case: Case) -> UUID | None:
    wanted = select(RemoteSession.id).where(RemoteSession.case_id == case.id, RemoteSession.state == "open")
    return here.session.scalar(wanted)
