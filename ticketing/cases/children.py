"""What a case led to: when all of it is done the case closes by itself, when something opens again so does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.ids import uuid7
from ticketing.cases.cases import ENDED, get_case, log_case, move_case, workflow_of
from ticketing.cases.tables import Case, CaseChild
from ticketing.cases.words import MAX_NOTE, MAX_TITLE, words
from ticketing.cases.workflow import CHILD_KINDS, Stage, approval_ahead, stages_of
from ticketing.words import one_of

STATES = ("open", "done", "cancelled")
MAX_CHILDREN = 100  # of one case; more is a mistake
# What a shipment or an analysis says of itself; other kinds have rows of their own.
DETAIL_FIELDS: dict[str, tuple[str, ...]] = {
    "shipment": ("part_id", "part", "quantity", "carrier", "tracking_number", "address", "shipped_on", "expected_on"),
    "quality_analysis": ("question", "sample", "laboratory", "result", "cause"),
}
_FROM_AFAR = ("fixed_remotely", "no_fault")  # what ends orders that nobody had begun
_SHORT = {"shipment": "S", "quality_analysis": "Q", "remote_diagnosis": "R", "visit": "V", "work_order": "W"}


def resolution_of(children: Sequence[tuple[str, str, str | None]]) -> str | None:
    """Return how a case ended by its children (kind, state, outcome), in the order they ended; None: it did not.

    Something is under way, or nothing was done at all: then a person decides.
    """
    if any(state == "open" for _, state, _ in children):
        return None
    done = [(kind, outcome) for kind, state, outcome in children if state == "done"]
    if not done:
        return None
    if any(kind in ("work_order", "visit") and outcome not in _FROM_AFAR for kind, outcome in done):
        return "work_done"
    last_remote = next((outcome for kind, outcome in reversed(done) if kind == "remote_diagnosis"), None)
    if last_remote in ("visit_needed", "unreachable") and all(kind == "remote_diagnosis" for kind, _ in done):
        return None  # somebody still has to go there, or to call again
    if last_remote == "fixed_remotely":
        return "fixed_remotely"
    if any(kind == "shipment" for kind, _ in done):
        return "delivered"
    return "no_fault" if last_remote == "no_fault" else "answered"


def add_child(
    session: Session,
    case: Case,
    *,
    kind: str,
    title: str,
    now: datetime,
    by: Actor | None = None,
    subject_id: UUID | None = None,
    number: str | None = None,
    details: Mapping[str, Any] | None = None,
    executing_organisation_id: UUID | None = None,
    opened_at: datetime | None = None,
) -> CaseChild:
    """Add a child to a case that is open; the same subject again returns the child that is there.

    Raises IllegalMove when the case has ended, Conflict when its stage opens no such child.
    """
    one_of("kind", kind, CHILD_KINDS)
    there = _children(session, case)
    same = next((each for each in there if subject_id is not None and each.subject_id == subject_id), None)
    if same is not None:
        return same
    if case.state in ENDED:
        raise IllegalMove(f"{case.number} is {case.state}", state=case.state, to="child", legal=[])
    if len(there) >= MAX_CHILDREN:
        raise Invalid(f"at most {MAX_CHILDREN} children", field="kind", limit=MAX_CHILDREN)
    _enter_stage(session, case, kind, now, by)
    child = CaseChild(
        id=uuid7(),
        organisation_id=case.organisation_id,
        executing_organisation_id=executing_organisation_id,
        case_id=case.id,
        kind=kind,
        subject_id=subject_id,
        number=number or f"{case.number}-{_SHORT[kind]}{len(there) + 1}",
        title=words("title", title, MAX_TITLE) or "",
        state="open",
        details=checked_details(kind, details or {}),
        opened_at=opened_at or now,
        opened_by_id=by.person_id if by else None,
    )
    session.add(child)
    if case.state == "new":
        case.state = "in_progress"
    session.flush()
    _log(session, case, child, "case.child_added", now, by)
    if case.state == "waiting_customer":
        move_case(session, case, "in_progress", now, by=by)  # with its event: clocks that paused go on
    return child


def get_child(session: Session, case: Case, child_id: UUID, *, lock: bool = False) -> CaseChild:
    """Return a child of the case. Raises NotFound."""
    child = session.get(CaseChild, child_id, with_for_update=lock or None, populate_existing=lock)
    if child is None or child.case_id != case.id:
        raise NotFound("no such child of this case", kind="case_child")
    return child


def edit_child(
    session: Session, case: Case, child: CaseChild, facts: Mapping[str, Any], now: datetime, by: Actor
) -> None:
    """Change what a shipment or an analysis says of itself, such as the carrier's number."""
    if "title" in facts:
        child.title = words("title", facts["title"], MAX_TITLE) or child.title
    if "details" in facts:
        child.details = child.details | checked_details(child.kind, facts["details"] or {})
    child.version += 1
    session.flush()
    _log(session, case, child, "case.child_changed", now, by)


def end_child(
    session: Session,
    case: Case,
    child: CaseChild,
    now: datetime,
    *,
    by: Actor | None = None,
    state: str = "done",
    outcome: str | None = None,
    note: str | None = None,
) -> CaseChild:
    """End a child; the last one closes its case. Ending it again as it ended changes nothing."""
    one_of("state", state, ("done", "cancelled"))
    if child.state == state and child.outcome == outcome:
        return child
    case = get_case(session, case.id, lock=True)  # two that end at once must not both see the other one open
    child.state, child.closed_at = state, child.closed_at or now
    child.outcome = words("outcome", outcome, 100, empty=True)
    child.note = words("note", note, MAX_NOTE, empty=True) or child.note
    child.version += 1
    session.flush()
    _log(session, case, child, "case.child_ended", now, by)
    settle(session, case, now)
    return child


def reopen_child(
    session: Session, case: Case, child: CaseChild, now: datetime, *, by: Actor | None = None
) -> CaseChild:
    """Open a child again, and with it its case."""
    if child.state == "open":
        return child
    case = get_case(session, case.id, lock=True)
    if case.state == "merged":
        raise IllegalMove(f"{case.number} is merged", state=case.state, to="child", legal=[])
    child.state, child.closed_at, child.outcome = "open", None, None
    child.version += 1
    session.flush()
    _log(session, case, child, "case.child_reopened", now, by)
    settle(session, case, now)
    return child


def settle(session: Session, case: Case, now: datetime) -> None:
    """Close a case whose children are all done, reopen one that has an open child; the case is locked by the caller."""
    children = _children(session, case)
    ordered = sorted(children, key=lambda child: (child.closed_at is None, child.closed_at or now, child.id))
    resolution = resolution_of([(child.kind, child.state, child.outcome) for child in ordered])
    if any(child.state == "open" for child in children):
        if case.state in ("closed", "rejected"):
            move_case(session, case, "in_progress", now)
    elif (
        resolution
        and case.state in ("new", "in_progress", "waiting_customer")
        and not approval_ahead(workflow_of(session, case), case.stage, case.approved_stage)
    ):
        move_case(session, case, "closed", now, resolution=resolution)


def checked_details(kind: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a child says of itself. Raises Invalid on a field that its kind does not have."""
    allowed = DETAIL_FIELDS.get(kind, ())
    for name in details:
        if name not in allowed:
            raise Invalid(f"{kind} has: {', '.join(allowed) or 'no details'}", field=f"details.{name}"[:100])
    kept: dict[str, Any] = {}
    for name, value in details.items():
        if name == "quantity" and value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1_000_000:
                raise Invalid("quantity is above 0 and at most 1000000", field="details.quantity")
            kept[name] = value
        else:
            kept[name] = words(f"details.{name}", value, 500, empty=True)
    return kept


def _enter_stage(session: Session, case: Case, kind: str, now: datetime, by: Actor | None) -> None:
    """Go on to the nearest stage that opens such a child, as far as no approval stands in between."""
    stages = {stage.code: stage for stage in stages_of(workflow_of(session, case))}
    at = stages.get(case.stage or "")
    if at is None or kind in at.children:
        return
    if at.approval and case.approved_stage != at.code:
        raise Conflict(f"{case.number} waits for approval", what="approval", stage=at.code)
    for code in _ahead(stages, at.code):
        if kind in stages[code].children:
            before, case.stage = case.stage, code
            log_case(session, case, "case.stage_changed", now, by, {"from": before, "to": code})
            return
    if at.children:
        legal = list(at.children)
        raise Conflict(
            f"stage {at.code} opens {', '.join(legal)}, not {kind}", what="stage", stage=at.code, legal=legal
        )


def _ahead(stages: Mapping[str, Stage], start: str) -> list[str]:
    """Return the stages that come after one, near ones first, as far as no approval stands in between."""
    seen: list[str] = []
    waiting = list(stages[start].next)
    while waiting:
        code = waiting.pop(0)
        if code in seen:
            continue
        seen.append(code)
        if not stages[code].approval:
            waiting.extend(stages[code].next)
    return seen


def _children(session: Session, case: Case) -> list[CaseChild]:
    wanted = select(CaseChild).where(CaseChild.case_id == case.id).order_by(CaseChild.opened_at, CaseChild.id)
    return list(session.scalars(wanted, execution_options={"populate_existing": True}))


def _log(session: Session, case: Case, child: CaseChild, kind: str, now: datetime, by: Actor | None) -> None:
    facts = {"child_id": str(child.id), "kind": child.kind, "child": child.number, "outcome": child.outcome}
    log_case(session, case, kind, now, by, facts | {"state": child.state})
