"""The shapes in which work orders and visits go out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from gateway.api.case_of_order import CaseOfWork
from gateway.api.sla_rows import ClockItem
from gateway.wording import Words


class AssetOfWork(BaseModel):
    """The asset that work is about."""

    id: UUID
    name: str
    serial: str
    site_name: str | None
    code: str


class PersonOfWork(BaseModel):
    """A person by name."""

    id: UUID
    name: str


class Title(BaseModel):
    """A title as code and parameters, rendered in the reader's language."""

    code: str
    params: dict[str, Any]


class NoticedContribution(BaseModel):
    """One sensor's share, expected against seen."""

    metric: str
    unit_label: str
    label_en: str
    label_zh: str
    expected: float | None
    seen: float | None
    deviation: float
    share: float
    note: str


class Check(BaseModel):
    """A suggested check in both languages."""

    en: str
    zh: str


class EvidenceLine(BaseModel):
    """One more finding of the same trouble."""

    finding_id: UUID
    signature: str
    first_at: datetime
    cleared_at: datetime | None
    peak: float
    severity: str


class SimilarKept(BaseModel):
    """A past order whose evidence looked like this one's, as known when this one was opened."""

    work_order_id: UUID
    number: str
    asset_id: UUID
    asset_name: str
    same_asset: bool
    opened_at: datetime
    outcome: str | None
    repair_code: str | None
    note: str | None
    similarity: float
    shared: list[str]


class ExplanationKept(BaseModel):
    """Why the order was opened, as it was said then, and what the finding can be made from again."""

    lines: list[Words]
    snapshot_ref: str | None


class ModeNoticed(BaseModel):
    """A trouble that the order is for; without a code it is the default failure mode."""

    key: str
    code: str | None
    name_en: str | None
    name_zh: str | None


class Noticed(BaseModel):
    """What the models noticed when the order was opened, and what came since."""

    finding_id: UUID
    signature: str
    since: datetime
    severity: str
    regime: str
    model_id: str
    detector: str
    layer: str
    contributions: list[NoticedContribution]
    checks: list[Check]
    score: float
    limit_open: float
    confidence: float
    evidence_count: int
    evidence: list[EvidenceLine]
    recurrence_of: str | None = None
    recurrence_no: int | None = None
    failure_modes: list[ModeNoticed] = []
    similar: list[SimilarKept] = []
    audit: bool = False
    explanation: ExplanationKept | None = None


class RequestOfWork(BaseModel):
    """The request that the work answers."""

    id: UUID
    number: str
    text: str


class VisitItem(BaseModel):
    """One technician's visit."""

    id: UUID
    work_order_id: UUID
    technician: PersonOfWork | None
    state: str
    scheduled_at: datetime | None
    travelling_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    planned_start: datetime | None = None
    planned_end: datetime | None = None
    pinned: bool = False
    travel_minutes: int | None = None
    position_in_route: int | None = None
    appointment_id: UUID | None = None
    cannot_complete_reason: str | None = None
    checked_in_at: datetime | None = None
    checked_in_distance_m: float | None = None
    checked_in_far: bool | None = None
    checked_out_at: datetime | None = None
    checked_out_distance_m: float | None = None
    checked_out_far: bool | None = None
    legal_moves: list[str] = []
    version: int


class EventActor(BaseModel):
    """Who did it; the name only for those who may read it."""

    kind: str
    name: str | None


class WorkOrderOfEvent(BaseModel):
    """The order that an event belongs to."""

    id: UUID
    number: str


class WorkOrderEvent(BaseModel):
    """One thing that happened to a work order or its visits."""

    id: int
    at: datetime
    kind: str
    actor: EventActor
    payload: dict[str, Any]
    work_order: WorkOrderOfEvent


class SkillOfWork(BaseModel):
    """A skill that the work needs, with the least level."""

    skill: str
    level: int


class RelatedOrder(BaseModel):
    """Another order that this one hangs together with; a dash for one that the caller does not see."""

    id: UUID
    number: str
    state: str
    title: Title
    title_text: str | None


class BlockOfWork(RelatedOrder):
    """An order that must be done first; `cleared_at`: since when it is."""

    cleared_at: datetime | None


class WorkOrderItem(BaseModel):
    """A work order in a list."""

    id: UUID
    number: str
    origin: str
    origin_ref: UUID | None
    state: str
    priority: str
    kind: str
    asset: AssetOfWork
    title: Title
    title_text: str | None
    opened_at: datetime
    since: datetime | None
    scheduled_at: datetime | None
    started_at: datetime | None
    work_done_at: datetime | None
    documented_at: datetime | None
    closed_at: datetime | None
    assignee: PersonOfWork | None
    outcome: str | None
    outcome_note: str | None
    repair_code: str | None
    failure_mode: str | None = None
    failure_cause: str | None = None
    replayed: bool
    demo: bool
    noticed: Noticed | None
    request: RequestOfWork | None
    visits: list[VisitItem]
    case_id: UUID | None = None
    service_type_id: UUID | None = None
    team_id: UUID | None = None
    required_skills: list[SkillOfWork] = []
    duration_minutes: int | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None
    due_at: datetime | None = None
    hold_reason: str | None = None
    cannot_complete_reason: str | None = None
    review_state: str = "none"
    review_reason: str | None = None
    reviewed_at: datetime | None = None
    reopened_no: int = 0
    parent_id: UUID | None = None
    parent_relation: str | None = None
    merged_into_id: UUID | None = None
    sla: list[ClockItem] = []
    legal_moves: list[str]
    version: int


class RepairCode(BaseModel):
    """A repair that people of this asset model choose from."""

    code: str
    en: str
    zh: str


class WorkOrderDetail(WorkOrderItem):
    """A work order with what happened to it, newest first, and the repairs to choose from."""

    events: list[WorkOrderEvent]
    repair_codes: list[RepairCode]
    parent: RelatedOrder | None = None
    merged_into: RelatedOrder | None = None
    parts: list[RelatedOrder] = []
    merged: list[RelatedOrder] = []
    blocked_by: list[BlockOfWork] = []
    blocks: list[RelatedOrder] = []
    helpers: list[PersonOfWork] = []
    steps_missing: int = 0
    may: list[str] = []
    case: CaseOfWork | None = None


class WorkOrders(BaseModel):
    """A page of work orders."""

    items: list[WorkOrderItem]
    next: str | None = None
