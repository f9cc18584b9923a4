"""Going on along a service type's stages, and the approval that some of them ask of a second person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from assets.base.access import Actor, require
from assets.base.errors import Conflict, IllegalMove
from ticketing.cases.cases import OPEN_STATES, log_case, move_case, workflow_of
from ticketing.cases.tables import Case
from ticketing.cases.words import MAX_NOTE, words
from ticketing.cases.workflow import check_stage_move, needs_approval, stages_of


def set_stage(session: Session, case: Case, to: str, now: datetime, *, by: Actor) -> Case:
    """Go on to one of the next stages. Raises IllegalMove that names them, Conflict when an approval is missing."""
    if to == case.stage:
        return case
    if case.state not in OPEN_STATES:
        raise IllegalMove(f"{case.number} is {case.state}", state=case.state, to=to, legal=[])
    workflow = workflow_of(session, case)
    stage = check_stage_move(workflow, case.stage, to)
    if needs_approval(workflow, case.stage) and case.approved_stage != case.stage:
        raise Conflict(f"{case.number} needs an approval before {to}", what="approval", stage=case.stage)
    before, case.stage, case.approved_stage = case.stage, stage.code, None
    case.version += 1
    session.flush()
    log_case(session, case, "case.stage_changed", now, by, {"from": before, "to": to}, internal=not stage.public)
    return case


def ask_approval(session: Session, case: Case, note: str | None, now: datetime, *, by: Actor) -> Case:
    """Ask for an approval; the case waits. Raises IllegalMove when it has ended."""
    said = words("note", note, MAX_NOTE)
    move_case(session, case, "waiting_approval", now, by=by)
    case.approval_asked_by_id, case.approval_note = by.person_id, said
    session.flush()
    log_case(session, case, "case.approval_asked", now, by, {"stage": case.stage, "note": said}, internal=True)
    return case


def approve(session: Session, case: Case, now: datetime, *, by: Actor, note: str | None = None) -> Case:
    """Approve: the case goes on, past the stage that asked for it when only one comes next; else the desk chooses.

    Raises Conflict for whoever asked: two people look at it.
    """
    _check_waiting(case, by)
    said = words("note", note, MAX_NOTE, empty=True)
    move_case(session, case, "in_progress", now, by=by)
    workflow = workflow_of(session, case)
    stage = next((each for each in stages_of(workflow) if each.code == case.stage), None)
    if stage is not None and stage.approval and len(stage.next) == 1:
        before, case.stage = case.stage, stage.next[0]
        log_case(session, case, "case.stage_changed", now, by, {"from": before, "to": case.stage})
    elif stage is not None and stage.approval:
        case.approved_stage = stage.code
    case.approval_asked_by_id = case.approval_note = None
    session.flush()
    log_case(session, case, "case.approved", now, by, {"note": said}, internal=True)
    return case


def send_back(session: Session, case: Case, reason: str, now: datetime, *, by: Actor) -> Case:
    """Send it back to the desk with what is missing."""
    _check_waiting(case, by)
    said = words("reason", reason, MAX_NOTE)
    move_case(session, case, "in_progress", now, by=by)
    case.approval_asked_by_id, case.approval_note = None, said
    session.flush()
    log_case(session, case, "case.sent_back", now, by, {"reason": said}, internal=True)
    return case


def _check_waiting(case: Case, by: Actor) -> None:
    require(by, "case.approve")
    if case.state != "waiting_approval":
        text = f"{case.number} is {case.state}; nobody asked for an approval"
        raise IllegalMove(text, state=case.state, to="approved", legal=[])
    if case.approval_asked_by_id is not None and case.approval_asked_by_id == by.person_id:
        raise Conflict("whoever asks does not approve", what="own_approval")
