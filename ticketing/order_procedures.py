"""Checklists of work orders: whose hands answer, what an answer sets off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, RuleError
from assets.base.events import Event
from assets.meter_models import Meter
from assets.meter_rules import Told
from assets.meters import read_meter
from assets.registry import Asset
from ticketing.models import WorkOrder
from ticketing.order_log import log_order
from ticketing.order_photos import check_evidence
from ticketing.order_states import OPEN_STATES
from ticketing.procedures.library import version_in
from ticketing.procedures.models import PermitEntry, Procedure, ProcedureAnswer, ProcedureRun
from ticketing.procedures.permit_log import enter
from ticketing.procedures.run_log import log_run
from ticketing.procedures.runs import answer_step, attach, remove, step_of
from ticketing.procedures.steps import Step
from ticketing.work_orders import open_work_order

_ANSWERABLE = (*OPEN_STATES, "completed")  # what is documented is what was reviewed


def attach_procedure(
    session: Session, order: WorkOrder, procedure: Procedure, now: datetime, *, by: Actor | None = None
) -> ProcedureRun:
    """Keep a procedure's published version with an order; one that has it keeps the version that it has.

    Raises IllegalMove when the order is documented, Conflict when nothing is published.
    """
    _check_answerable(order)
    version = version_in(session, procedure.id, "published")
    if version is None or procedure.retired_at is not None:
        raise Conflict(f"{procedure.code} has no published version", code=procedure.code)
    return attach(
        session,
        procedure,
        version,
        organisation_id=order.organisation_id,
        asset_id=order.asset_id,
        subject_kind="work_order",
        subject_id=order.id,
        executing_organisation_id=order.executing_organisation_id,
        now=now,
        by=by,
    )


def answer(
    session: Session,
    order: WorkOrder,
    run: ProcedureRun,
    step_key: str,
    value: Any,
    now: datetime,
    *,
    evidence_ids: Sequence[UUID] = (),
    note: str | None = None,
    answered_at: datetime | None = None,
    answer_id: UUID | None = None,
    by: Actor | None = None,
) -> ProcedureAnswer:
    """Answer a step of an order's checklist; what the answer sets off, `follow_answer` does a moment later.

    The same `answer_id` again changes nothing. Raises as `answer_step` does, IllegalMove for a documented order, and
    Invalid for a photo that is none of this order's.
    """
    fresh = answer_id is None or session.get(ProcedureAnswer, answer_id) is None
    if fresh:
        _check_answerable(order)
    given = answer_step(
        session,
        run,
        step_key,
        value,
        now,
        evidence_ids=evidence_ids,
        note=note,
        answered_at=answered_at,
        answer_id=answer_id,
        executing_organisation_id=order.executing_organisation_id,
        by=by,
    )
    if fresh:
        check_evidence(session, order, evidence_ids, "evidence_ids")
    return given


def enter_permit(
    session: Session,
    order: WorkOrder,
    run: ProcedureRun,
    permit: str,
    action: str,
    now: datetime,
    *,
    point: str | None = None,
    lock_number: str | None = None,
    of_person_id: UUID | None = None,
    note: str | None = None,
    at: datetime | None = None,
    entry_id: UUID | None = None,
    by: Actor | None = None,
) -> PermitEntry:
    """Enter one thing into a permit of an order's checklist. Raises as `permit_log.enter` does, and IllegalMove.

    Nobody begins on an order that is documented; to take a lock off and to sign off is possible for ever.
    """
    known = entry_id is not None and session.get(PermitEntry, entry_id) is not None
    if not known and action not in ("unlock", "sign_off"):
        _check_answerable(order)
        if run.removed_at is not None:
            raise IllegalMove("this procedure was taken away", state="removed", to=action, legal=[])
    return enter(
        session,
        run,
        permit,
        action,
        now,
        point=point,
        lock_number=lock_number,
        of_person_id=of_person_id,
        note=note,
        at=at,
        entry_id=entry_id,
        executing_organisation_id=order.executing_organisation_id,
        by=by,
    )


def renew_procedure(
    session: Session, order: WorkOrder, run: ProcedureRun, now: datetime, *, by: Actor | None = None
) -> ProcedureRun:
    """Give an order the version that is published now in place of an older or withdrawn one.

    The old checklist with its answers stays on record as one that was taken away. Raises Conflict when nothing newer is
    published, IllegalMove when the order is documented, PermitOpen while somebody is signed on.
    """
    _check_answerable(order)
    if run.removed_at is not None:
        raise IllegalMove("this procedure was taken away", state="removed", to="renewed", legal=[])
    procedure = session.get(Procedure, run.procedure_id) if run.procedure_id else None
    version = version_in(session, procedure.id, "published") if procedure is not None else None
    if procedure is None or procedure.retired_at is not None or version is None:
        raise Conflict(f"{run.snapshot['code']} has no published version", code=run.snapshot["code"])
    if version.number == run.version_number:
        raise Conflict(f"it has v{version.number} already", code=procedure.code)
    executor = order.executing_organisation_id
    remove(session, run, f"v{run.version_number} → v{version.number}", now, executing_organisation_id=executor, by=by)
    return attach(
        session,
        procedure,
        version,
        organisation_id=run.organisation_id,
        asset_id=run.asset_id,
        subject_kind=run.subject_kind,
        subject_id=run.subject_id,
        executing_organisation_id=executor,
        now=now,
        by=by,
        each_asset=True,
    )


def follow_answer(session: Session, event: Event, now: datetime) -> None:
    """Read the meter that an answer is about, and open the order that an answer out of limits demands.

    A consumer: the partner's technician who answers may neither read the owner's meters nor open work. Twice changes
    nothing.
    """
    run = session.get(ProcedureRun, event.subject_id)
    given = session.get(ProcedureAnswer, UUID(event.payload["answer_id"]))
    order = session.get(WorkOrder, run.subject_id) if run else None
    if run is None or given is None or order is None:
        return
    step = step_of(run, given.step_key)
    if step["kind"] == "meter":
        _read_meter(session, order, run, step, given, now)
    if given.out_of_limit and step.get("follow_up"):
        _follow_up(session, order, run, step, given, now)


ANSWER_KINDS = frozenset({"procedure_run.answered", "procedure_run.out_of_limit"})


def _check_answerable(order: WorkOrder) -> None:
    if order.state not in _ANSWERABLE:
        text = f"{order.number} is {order.state}: its checklists are closed"
        raise IllegalMove(text, state=order.state, to="answered", legal=[])


def _read_meter(
    session: Session, order: WorkOrder, run: ProcedureRun, step: Step, given: ProcedureAnswer, now: datetime
) -> None:
    """Book the value as a reading of the asset's meter; what the meter refuses is said, and the answer stays."""
    known = select(Meter).where(Meter.asset_id == order.asset_id, Meter.archived_at.is_(None))
    named = step.get("meter")
    found = session.scalars((known.where(Meter.name == named) if named else known).limit(2).with_for_update()).all()
    if len(found) != 1:
        return
    told, at = Told(float(given.value)), min(given.answered_at, now)
    try:
        with session.begin_nested():
            read_meter(session, found[0], told, at, now, by_id=given.answered_by, work_order_id=order.id)
    except RuleError as refused:
        facts = {"step": step["key"], "meter": found[0].name, "problem": refused.code}
        log_run(session, run, "procedure_run.meter_refused", now, None, facts, order.executing_organisation_id)


def _follow_up(
    session: Session, order: WorkOrder, run: ProcedureRun, step: Step, given: ProcedureAnswer, now: datetime
) -> None:
    """Open the order that this step demands, once for each work order and step."""
    params = {
        "number": order.number,
        "step": step["key"],
        "title_en": step["follow_up"]["title_en"],
        "title_zh": step["follow_up"]["title_zh"],
        "value": given.value,
        "unit": step.get("unit"),
    }
    there = select(WorkOrder.id).where(
        WorkOrder.parent_id == order.id,
        WorkOrder.parent_relation == "follow_up",
        WorkOrder.origin_ref == run.id,
        WorkOrder.title_params["step"].astext == step["key"],
    )
    if session.scalar(there.limit(1)) is not None:
        return
    made = open_work_order(
        session,
        asset=session.get_one(Asset, order.asset_id),
        origin="inspection",
        origin_ref=run.id,
        kind=order.kind,
        title_code="follow_up",
        title_params=params,
        priority=step["follow_up"]["priority"],
        now=now,
        case_id=order.case_id,
        parent_id=order.id,
        parent_relation="follow_up",
    )
    log_order(session, order, "work_order.follow_up_opened", now, None, {"part": made.number, "part_id": str(made.id)})
