"""Operations that move a visit and its order: accept, travel, arrive, pause, leave, finish, document."""

from __future__ import annotations

from typing import Any

from assets.base.errors import IllegalMove, Invalid
from ticketing.failure_words import record_failure
from ticketing.field import accept
from ticketing.models import Visit, WorkOrder
from ticketing.order_edits import edit_result
from ticketing.order_states import MAX_CODE, MAX_NOTE, OPEN_STATES
from ticketing.sync.work import Work, standing
from ticketing.visit_places import check_in_or_out
from ticketing.visits import LEGAL_MOVES, move_visit, visits_of
from ticketing.words import one_of
from ticketing.work_orders import LIVE_VISITS, OUTCOMES, log_order, record_outcome, transition

_BEGINS = ("travelling", "in_progress")
_ENDS = ("partially_completed", "completed", "cannot_complete")


def accept_order(work: Work) -> dict[str, Any]:
    """Take the order."""
    work.need("visit.perform")
    order = work.order(hands=False)
    work.based_on(order, order)
    accept(work.session, order, work.person, work.at, by=work.by)
    live = [one for one in visits_of(work.session, order) if one.state in LIVE_VISITS]
    mine = [one for one in live if one.technician_id == work.person.id]
    return standing(work.session, order, mine[-1] if mine else None)


def move(work: Work) -> dict[str, Any]:
    """Move the visit; a place that comes with it is the check-in or the check-out."""
    work.need("visit.perform")
    to = one_of("payload.to", work.said.word("to"), tuple(LEGAL_MOVES))
    if to == "cancelled":
        raise Invalid("the desk cancels visits", field="payload.to")
    order = work.order()
    visit = _visit(work, order, make=to in _BEGINS)
    begun = visit.state in ("scheduled", "travelling")
    _tell_failure(work, order)
    move_visit(
        work.session,
        order,
        visit,
        to,
        work.at,
        by=work.by,
        reason=work.said.text("reason"),
        code=work.said.text("reason_code", MAX_CODE),
        outcome=work.said.text("outcome", MAX_CODE),
        note=work.said.text("note", MAX_NOTE),
        repair_code=work.said.text("repair_code", MAX_CODE),
    )
    if to == "in_progress" and begun:
        _stand(work, order, visit, "in")
    elif to in _ENDS:
        _stand(work, order, visit, "out")
    return standing(work.session, order, visit)


def check_in(work: Work) -> dict[str, Any]:
    """Say where somebody stood when they came."""
    return _check(work, "in")


def check_out(work: Work) -> dict[str, Any]:
    """Say where somebody stood when they went."""
    return _check(work, "out")


def finish(work: Work) -> dict[str, Any]:
    """End the work with what was found; `documented`: the report is complete as well, all of it or nothing."""
    work.need("visit.perform")
    order = work.order()
    outcome = one_of("payload.outcome", work.said.word("outcome"), OUTCOMES)
    visit = _visit(work, order)
    told = {"outcome": outcome, "note": work.said.text("note", MAX_NOTE)}
    told["repair_code"] = work.said.text("repair_code", MAX_CODE)
    _tell_failure(work, order)
    if visit.state == "completed":
        if order.outcome != outcome:
            raise IllegalMove(f"{order.number} is finished already", state=order.state, to="completed", legal=[])
    elif visit.state not in ("in_progress", "on_break"):
        legal = [to for to in LEGAL_MOVES[visit.state] if to == "in_progress"]
        text = f"{order.number} has not been started"
        raise IllegalMove(text, state=visit.state, to="completed", legal=legal)
    else:
        move_visit(work.session, order, visit, "completed", work.at, by=work.by, **told)
    _stand(work, order, visit, "out")
    if work.said.flag("documented") and order.state == "completed":
        work.need("work_order.record")
        transition(work.session, order, "documented", work.at, by=work.by)
    return standing(work.session, order, visit)


def document(work: Work) -> dict[str, Any]:
    """Say that the report is complete."""
    work.need("work_order.record")
    order = work.order()
    work.based_on(order, order)
    transition(work.session, order, "documented", work.at, by=work.by)
    return standing(work.session, order)


def hold(work: Work) -> dict[str, Any]:
    """Say that the work waits, and for what; beginning again ends it. Whoever is at work takes a break first."""
    work.need("work_order.record")
    order = work.order()
    work.based_on(order, order)
    code, reason = work.said.text("reason_code", MAX_CODE), work.said.text("reason", MAX_NOTE)
    transition(work.session, order, "on_hold", work.at, by=work.by, code=code, reason=reason)
    return standing(work.session, order)


def result(work: Work) -> dict[str, Any]:
    """Say what was found, before the end or, until it is documented, after it."""
    work.need("work_order.record")
    order = work.order()
    outcome = work.said.text("outcome", MAX_CODE)
    note, repair = work.said.text("note", MAX_NOTE), work.said.text("repair_code", MAX_CODE)
    if order.state == "completed":
        changed = _tell_failure(work, order)
        told = {"outcome": outcome, "outcome_note": note, "repair_code": repair}
        changes = {name: value for name, value in told.items() if value is not None}
        edit_result(work.session, order, changes, work.at, by=work.by)
        if changed:
            _log_failure(work, order)
        return standing(work.session, order)
    if order.state not in OPEN_STATES:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="edited", legal=[])
    record_outcome(order, outcome, note, repair)
    _tell_failure(work, order)
    work.session.flush()
    _log_failure(work, order)
    return standing(work.session, order)


def _visit(work: Work, order: WorkOrder, *, make: bool = False) -> Visit:
    """Return the visit, unless somebody else changed what the operation is based on: asked before one is made."""
    if work.operation.subject_kind == "work_order":
        work.based_on(order, order)
        return work.visit(order, make=make)
    visit = work.visit(order)
    work.based_on(visit, order)
    return visit


def _tell_failure(work: Work, order: WorkOrder) -> bool:
    return record_failure(order, work.said.text("failure_mode", MAX_CODE), work.said.text("cause", MAX_CODE))


def _log_failure(work: Work, order: WorkOrder) -> None:
    facts = {"outcome": order.outcome, "failure_mode": order.failure_mode, "failure_cause": order.failure_cause}
    log_order(work.session, order, "work_order.failure_noted", work.at, work.by, facts)


def _stand(work: Work, order: WorkOrder, visit: Visit, way: str) -> None:
    """A move may carry a place, and need not."""
    fix, without = work.said.place(), work.said.text("why_no_place", MAX_CODE)
    if fix is not None or without is not None:
        check_in_or_out(work.session, order, visit, way, fix, work.at, without=without, by=work.by)


def _check(work: Work, way: str) -> dict[str, Any]:
    work.need("visit.perform")
    order = work.order()
    visit = work.visit(order)
    fix, without = work.said.place(), work.said.text("why_no_place", MAX_CODE)
    check_in_or_out(work.session, order, visit, way, fix, work.at, without=without, by=work.by)
    told: dict[str, Any] = {name: getattr(visit, f"checked_{way}_{name}") for name in ("distance_m", "far")}
    return standing(work.session, order, visit) | told
