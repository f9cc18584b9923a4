"""A procedure kept with a piece of work as it was, and the answers to its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.ids import uuid7
from ticketing.procedures.models import Procedure, ProcedureAnswer, ProcedureRun, ProcedureVersion
from ticketing.procedures.permit_log import check_off, check_step
from ticketing.procedures.run_log import log_run
from ticketing.procedures.steps import Step, asked, checked_answer, missing

MAX_ANSWERS = 5000  # of one run, corrections included
MAX_EVIDENCE = 50
MAX_STOPS = 100  # of one round
MAX_RUNS = 20
AHEAD = timedelta(minutes=15)  # a phone's clock may be ahead that much


class StepsMissing(IllegalMove):
    """Required steps have no answer; params: `missing` [{procedure, step, title_en, title_zh}], and of IllegalMove."""

    code = "steps_missing"


class StepNotAsked(Conflict):
    """What was answered before says that this step is not to be done; params: `step`."""

    code = "step_not_asked"


class VersionWithdrawn(IllegalMove):
    """The version was withdrawn and nobody goes on with it; params: `reason`, and of IllegalMove."""

    code = "version_withdrawn"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: its newest answers by step, the steps that are asked, and required ones without answer."""

    answers: dict[str, ProcedureAnswer]
    asked: list[str]
    missing: list[str]
    out_of_limit: list[str]


def attach(
    session: Session,
    procedure: Procedure,
    version: ProcedureVersion,
    *,
    organisation_id: UUID,
    asset_id: UUID | None,
    subject_kind: str,
    subject_id: UUID,
    now: datetime,
    executing_organisation_id: UUID | None = None,
    by: Actor | None = None,
    each_asset: bool = False,
) -> ProcedureRun:
    """Keep a version with a piece of work. What has this procedure keeps the version that it has.

    `each_asset`: once for each machine of a round. Raises Conflict when the work has too many.
    """
    present = runs_of(session, subject_id)
    for run in present:
        if run.procedure_id == procedure.id and (not each_asset or run.asset_id == asset_id):
            return run
    limit = MAX_STOPS if each_asset else MAX_RUNS
    if len(present) >= limit:
        raise Conflict(f"at most {limit} procedures", limit=limit)
    names = {name: getattr(procedure, name) for name in ("code", "name_en", "name_zh")}
    texts = {name: getattr(procedure, name) for name in ("description_en", "description_zh")}
    run = ProcedureRun(
        organisation_id=organisation_id,
        subject_kind=subject_kind,
        subject_id=subject_id,
        asset_id=asset_id,
        procedure_id=procedure.id,
        version_number=version.number,
        snapshot={
            **names,
            **texts,
            "steps": version.steps,
            "norms": version.norms or {},
            "standard_cost": version.standard_cost,
        },
        attached_at=now,
        attached_by=by.person_id if by else None,
    )
    session.add(run)
    session.flush()
    log_run(session, run, "procedure_run.attached", now, by, {}, executing_organisation_id)
    return run


def remove(
    session: Session,
    run: ProcedureRun,
    reason: str,
    now: datetime,
    *,
    executing_organisation_id: UUID | None = None,
    by: Actor | None = None,
) -> None:
    """Say why this work does without it; what was answered stays. Twice changes nothing.

    Raises Invalid, PermitOpen while somebody is signed on to one of its permits.
    """
    words = reason.strip()
    if not 1 <= len(words) <= 1000:
        raise Invalid("reason has 1 to 1000 characters", field="reason", limit=1000)
    if run.removed_at is not None:
        return
    check_off(session, [run], run.snapshot["code"])
    run.removed_at, run.removed_reason, run.removed_by = now, words, by.person_id if by else None
    session.flush()
    log_run(session, run, "procedure_run.removed", now, by, {"reason": words}, executing_organisation_id)


def answer_step(
    session: Session,
    run: ProcedureRun,
    step_key: str,
    value: Any,
    now: datetime,
    *,
    evidence_ids: Sequence[UUID] = (),
    note: str | None = None,
    answered_at: datetime | None = None,
    answer_id: UUID | None = None,
    executing_organisation_id: UUID | None = None,
    by: Actor | None = None,
) -> ProcedureAnswer:
    """Add an answer, checked against the steps as they were kept; the newest of a step counts.

    The same `answer_id` again returns the first one, so that a phone may repeat itself. Raises NotFound for a step
    that is not there, StepNotAsked, Invalid for an answer that does not fit, IllegalMove when the run was removed,
    VersionWithdrawn, PermitMissing for a step that begins before its permit is signed on to.
    """
    if answer_id is not None and (known := session.get(ProcedureAnswer, answer_id)) is not None:
        if known.run_id != run.id:
            raise Conflict("this id belongs to another answer", field="id")
        return known
    if run.removed_at is not None:
        raise IllegalMove("this procedure was taken away", state="removed", to="answered", legal=[])
    if run.stopped_at is not None:
        text = f"{run.snapshot['code']} v{run.version_number} was withdrawn"
        raise VersionWithdrawn(text, state="withdrawn", to="answered", legal=["renew"], reason=run.stopped_reason)
    step = step_of(run, step_key)
    before = standing(session, run)
    if step_key not in before.asked:
        raise StepNotAsked(f"{step_key} is not asked here", step=step_key)
    moment = answered_at or now
    if moment > now + AHEAD:
        raise Invalid("nobody answers ahead of time", field="answered_at")
    if step_key not in before.answers:  # to correct what was answered is no work at the machine
        check_step(session, run, step_key, moment, by)
    if len(evidence_ids) > MAX_EVIDENCE:
        raise Invalid(f"at most {MAX_EVIDENCE} pieces of evidence", field="evidence_ids", limit=MAX_EVIDENCE)
    evidence = list(dict.fromkeys(str(each) for each in evidence_ids))
    kept, out = checked_answer(step, value, evidence)
    answer = ProcedureAnswer(
        id=answer_id or uuid7(),
        organisation_id=run.organisation_id,
        run_id=run.id,
        step_key=step_key,
        value=kept,
        evidence_ids=evidence,
        note=_note(note),
        out_of_limit=out,
        answered_at=moment,
        answered_by=by.person_id if by else None,
        received_at=now,
    )
    session.add(answer)
    session.flush()
    facts = {"answer_id": str(answer.id), "step": step_key, "value": kept, "evidence": len(evidence)}
    facts |= {"title_en": step["title_en"], "title_zh": step["title_zh"], "unit": step.get("unit")}
    kind = "procedure_run.out_of_limit" if out else "procedure_run.answered"
    limits = {"low": step.get("low"), "high": step.get("high")} if out else {}
    log_run(session, run, kind, now, by, facts | limits, executing_organisation_id)
    _mark_complete(session, run, now, by, executing_organisation_id)
    return answer


def standing(session: Session, run: ProcedureRun) -> Standing:
    """Return where a run stands."""
    newest = newest_answers(session, [run.id]).get(run.id, {})
    return standing_of(run, newest)


def standing_of(run: ProcedureRun, newest: dict[str, ProcedureAnswer]) -> Standing:
    """Return where a run stands, given its newest answers."""
    values = {key: (answer.value, answer.out_of_limit) for key, answer in newest.items()}
    steps: list[Step] = run.snapshot["steps"]
    shown = [step["key"] for step in asked(steps, values)]
    out = [key for key in shown if key in newest and newest[key].out_of_limit]
    return Standing(newest, shown, missing(steps, values), out)


def newest_answers(session: Session, run_ids: Sequence[UUID]) -> dict[UUID, dict[str, ProcedureAnswer]]:
    """Return by run and step the answer that counts."""
    found: dict[UUID, dict[str, ProcedureAnswer]] = {}
    ordered = (
        select(ProcedureAnswer)
        .where(ProcedureAnswer.run_id.in_(run_ids))
        .order_by(ProcedureAnswer.answered_at, ProcedureAnswer.id)
        .limit(MAX_ANSWERS * max(1, len(run_ids)))
    )
    for answer in session.scalars(ordered):
        found.setdefault(answer.run_id, {})[answer.step_key] = answer
    return found


def runs_of(session: Session, subject_id: UUID) -> Sequence[ProcedureRun]:
    """Return the procedures that a piece of work has, oldest first."""
    mine = select(ProcedureRun).where(ProcedureRun.subject_id == subject_id, ProcedureRun.removed_at.is_(None))
    return session.scalars(mine.order_by(ProcedureRun.id).limit(MAX_STOPS)).all()


def get_run(session: Session, run_id: UUID, *, lock: bool = False) -> ProcedureRun:
    """Return the run, locked when asked. Raises NotFound."""
    run = session.get(ProcedureRun, run_id, with_for_update=lock or None, populate_existing=lock)
    if run is None:
        raise NotFound("no such checklist", kind="procedure_run")
    return run


def step_of(run: ProcedureRun, step_key: str) -> Step:
    """Return a step as it was kept. Raises NotFound."""
    for step in run.snapshot["steps"]:
        if step["key"] == step_key:
            found: Step = step
            return found
    raise NotFound("no such step", kind="step", step=step_key)


def check_complete(session: Session, subject_id: UUID, name: str) -> None:
    """Raise StepsMissing, which names every required step without its answer or its photos, or PermitOpen."""
    runs = runs_of(session, subject_id)
    if not runs:
        return
    check_off(session, runs, name)
    newest = newest_answers(session, [run.id for run in runs])
    left = []
    for run in runs:
        for key in standing_of(run, newest.get(run.id, {})).missing:
            step = step_of(run, key)
            words = {field: step[field] for field in ("title_en", "title_zh")}
            left.append({"run_id": str(run.id), "procedure": run.snapshot["code"], "step": key, **words})
    if left:
        text = f"{name} lacks {len(left)} required steps: {', '.join(one['step'] for one in left[:5])}"
        raise StepsMissing(text, state="completed", to="documented", legal=["in_progress"], missing=left[:50])


def _mark_complete(
    session: Session, run: ProcedureRun, now: datetime, by: Actor | None, executing_organisation_id: UUID | None
) -> None:
    """A corrected answer may ask for more steps: complete is what holds now, and is said once for each time."""
    now_at = standing(session, run)
    if now_at.missing:
        run.completed_at = None
    elif run.completed_at is None:
        run.completed_at = now
        facts = {"out_of_limit": len(now_at.out_of_limit)}
        log_run(session, run, "procedure_run.completed", now, by, facts, executing_organisation_id)
    session.flush()


def _note(note: str | None) -> str | None:
    words = (note or "").strip()
    if len(words) > 1000:
        raise Invalid("note has at most 1000 characters", field="note", limit=1000)
    return words or None
