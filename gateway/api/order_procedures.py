"""Checklists of work orders over HTTP: what is to be done, what was answered, what is missing."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from assets.base.access import DESK
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Reason, Ref, person_names
from gateway.api.work_orders import caller, locked_order
from ticketing.models import WorkOrder
from ticketing.order_people import check_hands, check_owner
from ticketing.order_procedures import answer, attach_procedure
from ticketing.procedures.library import get_procedure
from ticketing.procedures.models import PermitEntry, ProcedureAnswer, ProcedureRun
from ticketing.procedures.permit_log import entries_of, permits_of
from ticketing.procedures.runs import get_run, newest_answers, remove, runs_of, standing_of
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["procedures"])


class AttachProcedure(BaseModel):
    """The procedure that the order gets in its published version."""

    procedure_id: UUID


class RunRemoval(BaseModel):
    """Why this work does without it."""

    reason: Reason


class AnswerBody(BaseModel):
    """An answer with an id of the sender's own: sent again, it is stored once. Photos are named by their ids."""

    id: UUID | None = None
    step: str = Field(max_length=60)
    value: Any = None
    evidence_ids: list[UUID] = Field(default=[], max_length=50)
    note: str | None = Field(default=None, max_length=1000)
    answered_at: Moment | None = None


class AnswerItem(BaseModel):
    """The answer that counts."""

    id: UUID
    step: str
    value: Any
    evidence_ids: list[UUID]
    note: str | None
    out_of_limit: bool
    answered_at: datetime
    answered_by: Ref | None


class PermitEntryItem(BaseModel):
    """One thing that somebody entered into a permit: sign_on, lock, confirm, unlock or sign_off."""

    id: UUID
    permit: str
    action: str
    point: str | None
    lock_number: str | None
    person: Ref | None
    of_person: Ref | None
    note: str | None
    at: datetime


class RunItem(BaseModel):
    """A procedure as it was kept with the order, its answers by step, what is asked now and what is still missing.

    `permits` are what its steps need, `permit_entries` what was entered, in order; `norms`: labour, parts, tools.
    """

    id: UUID
    work_order_id: UUID
    procedure_id: UUID | None
    code: str
    name_en: str
    name_zh: str
    description_en: str
    description_zh: str
    version_number: int
    steps: list[dict[str, Any]]
    answers: dict[str, AnswerItem]
    asked: list[str]
    missing: list[str]
    out_of_limit: list[str]
    attached_at: datetime
    completed_at: datetime | None
    norms: dict[str, Any]
    permits: list[dict[str, Any]]
    permit_entries: list[PermitEntryItem]
    stopped_at: datetime | None
    stopped_reason: str | None


class Runs(BaseModel):
    """All checklists of an order."""

    items: list[RunItem]
    next: str | None = None


@router.get("/work-orders/{work_order_id}/procedures", operation_id="list_work_order_procedures")
def list_runs(work_order_id: UUID, here: Here) -> Runs:
    """List the checklists of an order with their answers."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    return Runs(items=run_items(here, list(runs_of(here.session, order.id))))


@router.post("/work-orders/{work_order_id}/procedures", operation_id="attach_procedure", status_code=201)
def attach(work_order_id: UUID, body: AttachProcedure, here: Here) -> RunItem:
    """Give an order a procedure; it keeps the version that is published now."""
    here.require("work_order.record")
    order = workable(here, work_order_id)
    run = attach_procedure(here.session, order, get_procedure(here.session, body.procedure_id), here.now, by=here.actor)
    return run_items(here, [run])[0]


@router.post("/procedure-runs/{run_id}/answers", operation_id="answer_step")
def answer_one(run_id: UUID, body: AnswerBody, here: Here) -> RunItem:
    """Answer a step; the newest answer counts."""
    here.require("work_order.record")
    order = workable(here, get_run(here.session, run_id).subject_id)
    run = get_run(here.session, run_id, lock=True)
    answer(
        here.session,
        order,
        run,
        body.step,
        body.value,
        here.now,
        evidence_ids=body.evidence_ids,
        note=body.note,
        answered_at=body.answered_at,
        answer_id=body.id,
        by=here.actor,
    )
    return run_items(here, [run])[0]


@router.post("/procedure-runs/{run_id}/remove", operation_id="remove_procedure_run")
def remove_run(run_id: UUID, body: RunRemoval, here: Here) -> Runs:
    """Let the order do without a procedure, and say why; its answers stay on record."""
    here.require("work_order.review")
    order = locked_order(here, get_run(here.session, run_id).subject_id, None)
    check_owner(here.session, order, here.actor)
    run = get_run(here.session, run_id, lock=True)
    executor = order.executing_organisation_id
    remove(here.session, run, body.reason, here.now, executing_organisation_id=executor, by=here.actor)
    return Runs(items=run_items(here, list(runs_of(here.session, order.id))))


def run_items(here: Context, runs: list[ProcedureRun]) -> list[RunItem]:
    """Return runs with the answers that count."""
    here.session.flush()
    newest = newest_answers(here.session, [run.id for run in runs]) if runs else {}
    entries = entries_of(here.session, [run.id for run in runs if permits_of(run)])
    people = {given.answered_by for answers in newest.values() for given in answers.values()}
    people |= {key for rows in entries.values() for one in rows for key in (one.person_id, one.of_person_id)}
    names = person_names(here, people)
    return [_item(run, newest.get(run.id, {}), entries.get(run.id, []), names) for run in runs]


def _item(
    run: ProcedureRun, newest: dict[str, ProcedureAnswer], entries: list[PermitEntry], names: dict[UUID, Ref]
) -> RunItem:
    stands = standing_of(run, newest)
    return RunItem(
        id=run.id,
        work_order_id=run.subject_id,
        procedure_id=run.procedure_id,
        version_number=run.version_number,
        **{name: run.snapshot[name] for name in ("code", "name_en", "name_zh", "description_en", "description_zh")},
        steps=run.snapshot["steps"],
        answers={key: _answer(given, names) for key, given in newest.items()},
        asked=stands.asked,
        missing=stands.missing,
        out_of_limit=stands.out_of_limit,
        attached_at=run.attached_at,
        completed_at=run.completed_at,
        norms={key: one for key, one in (run.snapshot.get("norms") or {}).items() if key != "permits"},
        permits=permits_of(run),
        permit_entries=[_entry(one, names) for one in entries],
        stopped_at=run.stopped_at,
        stopped_reason=run.stopped_reason,
    )


def _entry(one: PermitEntry, names: dict[UUID, Ref]) -> PermitEntryItem:
    return PermitEntryItem(
        id=one.id,
        permit=one.permit_code,
        action=one.action,
        point=one.point_code,
        lock_number=one.lock_number,
        person=names.get(one.person_id) if one.person_id else None,
        of_person=names.get(one.of_person_id) if one.of_person_id else None,
        note=one.note,
        at=one.at,
    )


def _answer(given: ProcedureAnswer, names: dict[UUID, Ref]) -> AnswerItem:
    return AnswerItem(
        id=given.id,
        step=given.step_key,
        value=given.value,
        evidence_ids=given.evidence_ids,
        note=given.note,
        out_of_limit=given.out_of_limit,
        answered_at=given.answered_at,
        answered_by=names.get(given.answered_by) if given.answered_by else None,
    )


def workable(here: Context, work_order_id: UUID) -> WorkOrder:
    """Return an order that the caller has their hands on, locked."""
    order = locked_order(here, work_order_id, None)
    if not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)
    return order
