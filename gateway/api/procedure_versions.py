"""Versions of procedures over HTTP: take one back, who uses it, renew, count the cost, carry it elsewhere."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Conflict, NotFound
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Reason, locked
from gateway.api.order_procedures import RunItem, run_items, workable
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.procedures import Norms, ProcedureDetail, Steps, check_skills, procedure_detail
from ticketing.models import WorkOrder
from ticketing.order_procedures import renew_procedure
from ticketing.procedures.library import (
    create_procedure,
    get_procedure,
    open_runs,
    price_version,
    version_in,
    versions_of,
    withdraw,
    write_draft,
)
from ticketing.procedures.models import Procedure, ProcedureRun, ProcedureVersion
from ticketing.procedures.runs import get_run
from ticketing.procedures.steps import MAX_STEPS

router = APIRouter(prefix="/api/v1", tags=["procedures"])


class Withdrawal(BaseModel):
    """Why the published version is taken back; `stop`: nobody goes on with it, not even work that is under way."""

    reason: Reason
    stop: bool = False


class CostingDay(BaseModel):
    """The day whose rates and prices hold; today when it is left out."""

    on: date | None = None


class ProcedureUse(BaseModel):
    """An open order that has a checklist of this procedure, and in which version."""

    run_id: UUID
    work_order_id: UUID
    number: str
    state: str
    version_number: int
    attached_at: datetime
    stopped_at: datetime | None


class ProcedureUses(BaseModel):
    """Where a procedure is in use, oldest first."""

    items: list[ProcedureUse]
    next: str | None = None


class ProcedureFile(BaseModel):
    """A procedure as it is carried to another Forewarn: items by number, skills by code, nothing of this place."""

    format: Literal["forewarn-procedure-1"]
    code: str = Field(min_length=1, max_length=60)
    name_en: Name
    name_zh: Name
    description_en: str = Field(default="", max_length=4000)
    description_zh: str = Field(default="", max_length=4000)
    steps: Steps = Field(max_length=MAX_STEPS)
    norms: Norms = {}


@router.post("/procedures/{procedure_id}/withdraw", operation_id="withdraw_procedure")
def withdraw_published(procedure_id: UUID, body: Withdrawal, here: Here, if_match: IfMatch = None) -> ProcedureDetail:
    """Take the published version back: new work and plans get none; open orders keep theirs, or stop."""
    here.require("procedure.manage")
    procedure = locked(here, Procedure, procedure_id, "procedure", if_match)
    withdraw(here.session, procedure, body.reason, here.now, stop=body.stop, by=here.actor)
    return procedure_detail(here, procedure)


@router.get("/procedures/{procedure_id}/in-use", operation_id="list_procedure_uses")
def list_uses(procedure_id: UUID, here: Here, limit: Limit = 100, after: After = None) -> ProcedureUses:
    """List the open orders whose checklist of this procedure is not finished."""
    here.require("procedure.manage")
    get_procedure(here.session, procedure_id)
    query = (
        select(ProcedureRun, WorkOrder)
        .join(WorkOrder, WorkOrder.id == ProcedureRun.subject_id)
        .where(*open_runs(procedure_id), WorkOrder.closed_at.is_(None))
        .order_by(ProcedureRun.id)
        .limit(limit + 1)
    )
    if after is not None:
        (key,) = read_cursor(after, UUID)
        query = query.where(ProcedureRun.id > key)
    rows = here.session.execute(query).all()
    items = [
        ProcedureUse(
            run_id=run.id,
            work_order_id=order.id,
            number=order.number,
            state=order.state,
            version_number=run.version_number,
            attached_at=run.attached_at,
            stopped_at=run.stopped_at,
        )
        for run, order in rows[:limit]
    ]
    return ProcedureUses(items=items, next=cursor_of(items[-1].run_id) if len(rows) > limit else None)


@router.post("/procedure-runs/{run_id}/renew", operation_id="renew_procedure_run")
def renew(run_id: UUID, here: Here) -> RunItem:
    """Give an order the version that is published now in place of the one that it has; its answers stay on record."""
    here.require("work_order.record")
    order = workable(here, get_run(here.session, run_id).subject_id)
    run = get_run(here.session, run_id, lock=True)
    return run_items(here, [renew_procedure(here.session, order, run, here.now, by=here.actor)])[0]


@router.post("/procedures/{procedure_id}/versions/{number}/standard-cost", operation_id="count_standard_cost")
def count_cost(procedure_id: UUID, number: int, body: CostingDay, here: Here) -> ProcedureDetail:
    """Count the standard cost of a version anew, at the rates and prices of a day."""
    here.require("procedure.manage")
    here.require("price.read")
    procedure = locked(here, Procedure, procedure_id, "procedure")
    price_version(here.session, procedure, _numbered(here, procedure, number), body.on or here.now.date())
    return procedure_detail(here, procedure)


@router.get("/procedures/{procedure_id}/file", operation_id="export_procedure")
def carry_out(procedure_id: UUID, here: Here, version: int | None = None) -> ProcedureFile:
    """Return a version, by default the published one, else the draft, in a form that another Forewarn takes."""
    here.require("procedure.manage")
    procedure = get_procedure(here.session, procedure_id)
    if version is not None:
        found: ProcedureVersion | None = _numbered(here, procedure, version)
    else:
        key = procedure.id
        found = version_in(here.session, key, "published") or version_in(here.session, key, "draft")
    if found is None:
        raise NotFound("no version is published", kind="procedure_version")
    told: dict[str, Any] = {"code": procedure.code, "steps": found.steps, "norms": _portable(found.norms)}
    for name in ("name_en", "name_zh", "description_en", "description_zh"):
        told[name] = getattr(procedure, name)
    return ProcedureFile(format="forewarn-procedure-1", **told)


@router.post("/procedures/import", operation_id="import_procedure", status_code=201)
def carry_in(body: ProcedureFile, here: Here) -> ProcedureDetail:
    """Write a carried procedure as a draft: of a new procedure, or of the next version of the one with its code."""
    here.require("procedure.manage")
    check_skills(here, body.norms)
    owner = here.actor.organisation_id
    known = here.session.scalar(
        select(Procedure).where(Procedure.organisation_id == owner, Procedure.code == body.code).with_for_update()
    )
    if known is None:
        told = body.model_dump(exclude={"format"})
        made = create_procedure(here.session, organisation_id=owner, now=here.now, by=here.actor, **told)
        return procedure_detail(here, made)
    if version_in(here.session, known.id, "draft") is not None:
        raise Conflict(f"{known.code} has a draft already", code=known.code, what="draft")
    write_draft(here.session, known, body.steps, here.now, norms=body.norms, by=here.actor)
    return procedure_detail(here, known)


def _portable(norms: Norms) -> Norms:
    """Items by their numbers: ids mean nothing elsewhere."""
    kept = dict(norms)
    for what, wanted in (("parts", ("number", "quantity")), ("tools", ("number", "minutes"))):
        kept[what] = [{name: one[name] for name in wanted} for one in norms.get(what, ())]
    return kept


def _numbered(here: Context, procedure: Procedure, number: int) -> ProcedureVersion:
    found = next((one for one in versions_of(here.session, procedure.id) if one.number == number), None)
    if found is None:
        raise NotFound("no such version", kind="procedure_version", number=number)
    return found
