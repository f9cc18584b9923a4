"""The planner's desk over HTTP: predicted jobs with what waiting costs; merge, put off, decide many, take back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, exists, select

from assets.base.access import may
from assets.base.errors import Invalid, NotFound, RuleError
from assets.base.ids import uuid7
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Ref, locked, named_assets, person_names, seen
from gateway.api.findings import PredictedJobItem, job_items
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.planner_costs import LifeItem, WaitingItem, life_item, short_waiting
from gateway.api.work_orders import id_of_cursor
from maintenance.desk.costing import CostBook
from maintenance.desk.deciding import Decided, accept, defer, dismiss, merge
from maintenance.desk.putting_off import LIVE
from maintenance.desk.tables import DeskDecision
from maintenance.desk.undoing import undo, why_not
from maintenance.models import Finding, PredictedJob
from maintenance.plans.tables import Occurrence
from maintenance.predicted_jobs import get_predicted_job
from maintenance.remaining_lives import RemainingLife
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["planner"])

Words = Annotated[str | None, Field(max_length=1000)]
JobState = Literal["watching", "deferred", "merged", "opened", "done", "dismissed"]
Days = Annotated[float, Query(gt=0, le=366, allow_inf_nan=False)]


class DeskOrderRef(BaseModel):
    """A work order that a decision led to."""

    id: UUID
    number: str
    state: str


class DeskDecisionItem(BaseModel):
    """A decision about a predicted job; `why_not`: why it cannot be undone any more."""

    id: UUID
    kind: str
    job_id: UUID
    asset: Ref
    reason: str | None
    until: datetime | None
    occurrence_id: UUID | None
    due_on: Any
    work_order: DeskOrderRef | None
    batch_id: UUID | None
    at: datetime
    by: Ref | None
    returned_at: datetime | None
    returned_why: str | None
    undone_at: datetime | None
    undone_by: Ref | None
    can_undo: bool
    why_not: str | None


class DeskDecisions(BaseModel):
    """A page of decisions, newest first."""

    items: list[DeskDecisionItem]
    next: str | None = None


class PlannerJobItem(PredictedJobItem):
    """A predicted job with what is left of the machine's life, what waiting costs, and the last decision."""

    key: str
    site_id: UUID | None
    life: LifeItem | None
    waiting: WaitingItem
    decision: DeskDecisionItem | None


class PlannerJobs(BaseModel):
    """A page of predicted jobs."""

    items: list[PlannerJobItem]
    next: str | None = None


class DeferBody(BaseModel):
    """Until when, and why."""

    until: Moment
    reason: Words = None


class MergeBody(BaseModel):
    """With which planned work; `move_to` moves it there first."""

    occurrence_id: UUID
    move_to: Moment | None = None
    reason: Words = None


class BulkBody(BaseModel):
    """What is done with many: ids of predicted jobs, for `undo` ids of decisions."""

    action: Literal["accept", "defer", "dismiss", "undo"]
    ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]
    reason: Words = None
    until: Moment | None = None


class BulkResult(BaseModel):
    """What became of one of them; without `ok` the code and parameters of the refusal."""

    id: UUID
    ok: bool
    decision_id: UUID | None = None
    work_order: DeskOrderRef | None = None
    code: str | None = None
    params: dict[str, Any] = {}


class BulkAnswer(BaseModel):
    """What became of each."""

    batch_id: UUID
    done: int
    items: list[BulkResult]


@router.get("/planner/jobs", operation_id="list_planner_jobs")
def list_planner_jobs(
    here: Here,
    state: JobState = "watching",
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
    wait_days: Days = 30,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: After = None,
) -> PlannerJobs:
    """Predicted jobs, newest first, with what it costs to wait so many days by what is known at once."""
    here.require("finding.read")
    query = _of_state(state).order_by(PredictedJob.id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(PredictedJob.asset_id == asset_id)
    if site_id is not None:
        query = query.where(PredictedJob.asset_id.in_(select(Asset.id).where(Asset.site_id == site_id)))
    if after is not None:
        query = query.where(PredictedJob.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    items = _items(here, page, wait_days)
    return PlannerJobs(items=items, next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/predicted-jobs/{job_id}/defer", operation_id="defer_predicted_job")
def defer_predicted_job(job_id: UUID, body: DeferBody, here: Here) -> DeskDecisionItem:
    """Put a job off; it comes back on its day, or earlier when it gets worse."""
    here.require("predicted_job.decide")
    job = get_predicted_job(here.session, job_id)
    return _decided(here, defer(here.session, job, body.until, body.reason, here.now, here.actor))


@router.post("/predicted-jobs/{job_id}/merge", operation_id="merge_predicted_job")
def merge_predicted_job(job_id: UUID, body: MergeBody, here: Here) -> DeskDecisionItem:
    """Do a job together with planned work of its machine."""
    here.require("predicted_job.decide")
    if body.move_to is not None:
        here.require("occurrence.decide")
    job = get_predicted_job(here.session, job_id)
    if here.session.get(Occurrence, body.occurrence_id) is None:
        raise Invalid("there is no such row", field="occurrence_id")
    occurrence = locked(here, Occurrence, body.occurrence_id, "occurrence")
    made = merge(here.session, job, occurrence, body.reason, here.now, here.actor, move_to=body.move_to)
    return _decided(here, made)


@router.post("/planner/bulk", operation_id="decide_predicted_jobs")
def decide_predicted_jobs(body: BulkBody, here: Here) -> BulkAnswer:
    """Decide about many at once; one that cannot be does not stop the others."""
    here.require("predicted_job.decide")
    if body.action == "defer" and body.until is None:
        raise Invalid("until when?", field="until")
    if body.action == "dismiss" and not (body.reason or "").strip():
        raise Invalid("a reason is needed", field="reason")
    batch = uuid7()
    items = [_one(here, body, key, batch) for key in sorted(set(body.ids))]
    return BulkAnswer(batch_id=batch, done=sum(each.ok for each in items), items=items)


@router.get("/planner/decisions", operation_id="list_desk_decisions")
def list_desk_decisions(
    here: Here, job_id: UUID | None = None, batch_id: UUID | None = None, limit: Limit = 50, after: After = None
) -> DeskDecisions:
    """What planners decided, newest first, and what can still be undone."""
    here.require("finding.read")
    query = select(DeskDecision).order_by(DeskDecision.id.desc()).limit(limit + 1)
    if job_id is not None:
        query = query.where(DeskDecision.predicted_job_id == job_id)
    if batch_id is not None:
        query = query.where(DeskDecision.batch_id == batch_id)
    if after is not None:
        query = query.where(DeskDecision.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    items = decision_items(here, page)
    return DeskDecisions(items=items, next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/planner/decisions/{decision_id}/undo", operation_id="undo_desk_decision")
def undo_desk_decision(decision_id: UUID, here: Here) -> DeskDecisionItem:
    """Take a decision back; 409 says why it is too late."""
    here.require("predicted_job.decide")
    row = seen(here, DeskDecision, decision_id, "desk_decision")
    if "moved" in row.facts:
        here.require("occurrence.decide")
    return decision_items(here, [undo(here.session, row, here.now, here.actor)])[0]


def decision_items(here: Context, rows: Sequence[DeskDecision]) -> list[DeskDecisionItem]:
    """Return decisions as they are shown."""
    session = here.session
    assets = named_assets(here, {row.asset_id for row in rows})
    orders = _orders(here, {row.work_order_id for row in rows if row.work_order_id})
    people = person_names(here, [key for row in rows for key in (row.by_id, row.undone_by_id)])
    keys = {row.occurrence_id for row in rows if row.occurrence_id}
    dated = session.execute(select(Occurrence.id, Occurrence.due_on).where(Occurrence.id.in_(keys)))
    due = {key: day for key, day in dated}
    decides, moves = (may(here.actor, word) for word in ("predicted_job.decide", "occurrence.decide"))
    found = []
    for row in rows:
        why = why_not(session, row)
        found.append(
            DeskDecisionItem(
                id=row.id,
                kind=row.kind,
                job_id=row.predicted_job_id,
                asset=Ref(id=row.asset_id, name=assets[row.asset_id].name),
                reason=row.reason,
                until=row.until,
                occurrence_id=row.occurrence_id,
                due_on=due.get(row.occurrence_id) if row.occurrence_id else None,
                work_order=orders.get(row.work_order_id) if row.work_order_id else None,
                batch_id=row.batch_id,
                at=row.at,
                by=people.get(row.by_id) if row.by_id else None,
                returned_at=row.returned_at,
                returned_why=row.returned_why,
                undone_at=row.undone_at,
                undone_by=people.get(row.undone_by_id) if row.undone_by_id else None,
                can_undo=why is None and decides and (moves or "moved" not in row.facts),
                why_not=why,
            )
        )
    return found


def _of_state(state: str) -> Select[PredictedJob]:
    live = select(DeskDecision.id).where(
        *LIVE, DeskDecision.asset_id == PredictedJob.asset_id, DeskDecision.key == PredictedJob.key
    )
    if state == "watching":
        return select(PredictedJob).where(PredictedJob.state == "watching", ~exists(live))
    if state in ("deferred", "merged"):
        kind = "defer" if state == "deferred" else "merge"
        return select(PredictedJob).where(
            PredictedJob.state == "watching", exists(live.where(DeskDecision.kind == kind))
        )
    return select(PredictedJob).where(PredictedJob.state == state)


def _items(here: Context, jobs: list[PredictedJob], wait_days: float) -> list[PlannerJobItem]:
    session = here.session
    shown = job_items(here, jobs)
    assets = named_assets(here, {job.asset_id for job in jobs})
    lives = session.scalars(select(RemainingLife).where(RemainingLife.asset_id.in_(assets)))
    life_of = {row.asset_id: row for row in lives}
    found = session.scalars(select(Finding).where(Finding.id.in_({job.finding_id for job in jobs})))
    findings = {row.id: row for row in found}
    last = _last_decisions(here, jobs)
    book = CostBook(session) if may(here.actor, "price.read") else None
    return [
        PlannerJobItem(
            **dict(item),
            key=job.key,
            site_id=assets[job.asset_id].site_id,
            life=life_item(life_of.get(job.asset_id)),
            waiting=short_waiting(
                here, job, findings[job.finding_id], assets[job.asset_id], life_of.get(job.asset_id), book, wait_days
            ),
            decision=last.get(job.id),
        )
        for job, item in zip(jobs, shown, strict=True)
    ]


def _last_decisions(here: Context, jobs: Sequence[PredictedJob]) -> dict[UUID, DeskDecisionItem]:
    """The live one of the trouble, else the newest of the job."""
    keys = {job.asset_id for job in jobs}
    live = here.session.scalars(select(DeskDecision).where(*LIVE, DeskDecision.asset_id.in_(keys))).all()
    waiting = {(row.asset_id, row.key): row for row in live}
    mine = select(DeskDecision).where(DeskDecision.predicted_job_id.in_({job.id for job in jobs}))
    newest: dict[UUID, DeskDecision] = {}
    for row in here.session.scalars(mine.order_by(DeskDecision.id)):
        newest[row.predicted_job_id] = row
    chosen = {job.id: waiting.get((job.asset_id, job.key)) or newest.get(job.id) for job in jobs}
    rows = {row.id: row for row in chosen.values() if row is not None}
    shown = {item.id: item for item in decision_items(here, list(rows.values()))}
    return {key: shown[row.id] for key, row in chosen.items() if row is not None}


def _one(here: Context, body: BulkBody, key: UUID, batch: UUID) -> BulkResult:
    try:
        with here.session.begin_nested():
            made = _act(here, body, key, batch)
    except RuleError as error:
        return BulkResult(id=key, ok=False, code=error.code, params=dict(error.params))
    order = _order_ref(made.order) if made.order is not None else None
    return BulkResult(id=key, ok=True, decision_id=made.decision.id, work_order=order)


def _act(here: Context, body: BulkBody, key: UUID, batch: UUID) -> Decided:
    session, now, by = here.session, here.now, here.actor
    if body.action == "undo":
        row = session.get(DeskDecision, key)
        if row is None:
            raise NotFound("no such decision", kind="desk_decision")
        return Decided(undo(session, row, now, by))
    job = get_predicted_job(session, key)
    if body.action == "accept":
        return accept(session, job, now, by, batch_id=batch)
    if body.action == "dismiss":
        return dismiss(session, job, body.reason or "", now, by, batch_id=batch)
    assert body.until is not None
    return defer(session, job, body.until, body.reason, now, by, batch_id=batch)


def _decided(here: Context, made: Decided) -> DeskDecisionItem:
    return decision_items(here, [made.decision])[0]


def _orders(here: Context, keys: set[UUID]) -> dict[UUID, DeskOrderRef]:
    rows = here.session.scalars(select(WorkOrder).where(WorkOrder.id.in_(keys)))
    return {row.id: _order_ref(row) for row in rows}


def _order_ref(order: WorkOrder) -> DeskOrderRef:
    return DeskOrderRef(id=order.id, number=order.number, state=order.state)
