"""The words of a work order and the one table of its legal moves; nothing here touches the database."""

from __future__ import annotations

from assets.base.access import DESK, Actor, may
from assets.base.errors import Conflict, IllegalMove, Invalid
from ticketing.models import WorkOrder
from ticketing.words import one_of, words

ORIGINS = ("finding", "request", "plan", "inspection", "manual")
OUTCOMES = ("confirmed", "wrong_mode", "no_fault_found", "sensor_fault", "planned", "prevented", "unknown")
KINDS = ("machine", "sensor", "connection", "general")
PRIORITY_OF_SEVERITY = {"critical": "urgent", "warning": "high", "info": "normal"}
REVIEW_STATES = ("none", "waiting", "approved", "sent_back")
RELATIONS = ("split", "follow_up")  # how an order comes from another one

# State -> what may come next. completed and documented go back when a review rejects them or the fault returns.
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "unscheduled": ("scheduled", "in_progress", "on_hold", "cannot_complete", "cancelled"),
    "scheduled": ("unscheduled", "in_progress", "on_hold", "cannot_complete", "cancelled"),
    "in_progress": ("unscheduled", "scheduled", "on_hold", "completed", "cannot_complete", "cancelled"),
    "on_hold": ("unscheduled", "scheduled", "in_progress", "cannot_complete", "cancelled"),
    "completed": ("documented", "closed", "in_progress", "unscheduled"),
    "documented": ("closed", "in_progress", "unscheduled"),
    "cannot_complete": ("unscheduled", "scheduled", "in_progress", "closed", "cancelled"),
    "closed": (),
    "cancelled": (),
}
# Somebody still has to do something about these; completed ones wait for the review only.
OPEN_STATES = ("unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete")
WORK_DONE_STATES = ("completed", "documented", "closed", "cancelled")
LIVE_VISITS = ("scheduled", "travelling", "in_progress", "on_break")

# The same of visits: a visit that has begun has hours, hence it ends and is not cancelled.
VISIT_MOVES: dict[str, tuple[str, ...]] = {
    "scheduled": ("travelling", "in_progress", "cannot_complete", "cancelled"),
    "travelling": ("scheduled", "in_progress", "cannot_complete", "cancelled"),
    "in_progress": ("on_break", "completed", "partially_completed", "cannot_complete"),
    "on_break": ("in_progress", "completed", "partially_completed", "cannot_complete"),
    "completed": (),
    "partially_completed": (),
    "cannot_complete": (),
    "cancelled": (),
}

# Target state -> the action that a person needs to ask for it.
ACTION_OF_MOVE: dict[str, str] = {
    "unscheduled": "work_order.assign",
    "scheduled": "work_order.assign",
    "in_progress": "visit.perform",
    "on_hold": "work_order.record",
    "completed": "visit.perform",
    "documented": "work_order.record",
    "cannot_complete": "work_order.record",
    "closed": "work_order.review",
    "cancelled": "work_order.cancel",
}
_FINISHED = ("completed", "documented")

# Why work waits, and why it could not be done: counted, hence from a list; words go beside.
HOLD_REASONS = ("parts", "customer", "weather", "access", "tools", "safety", "approval", "other")
CANNOT_COMPLETE_REASONS = (
    "parts_missing",
    "no_access",
    "customer_absent",
    "wrong_skill",
    "unsafe",
    "wrong_asset",
    "beyond_repair",
    "tools_missing",
    "weather",
    "other",
)
REASONS = {"on_hold": HOLD_REASONS, "cannot_complete": CANNOT_COMPLETE_REASONS}

MAX_NOTE = 4000  # characters: a page of text
MAX_TITLE = 200
MAX_CODE = 100


class StaleVersion(Conflict):
    """The edit was based on an older version; params: `expected`, `version`, and what both hold where it is known."""

    code = "stale_version"


def owner_decides(state: str, to: str, *, desk: bool) -> bool:
    """Return whether a move is for the owner's side alone: an order's end, and that finished work is not (a desk's).

    Whoever did the work may take it up again without anybody's leave.
    """
    return to in ("closed", "cancelled") or (desk and state in _FINISHED and to in OPEN_STATES)


def legal_moves(order: WorkOrder, actor: Actor | None = None, *, visited: bool = True) -> list[str]:
    """Return the states that may come next; with an actor, only those that they may ask for.

    `visited`: a visit is planned or under way; without one nothing is scheduled.
    """
    moves = [to for to in LEGAL_MOVES[order.state] if visited or to != "scheduled"]
    if actor is None:
        return moves
    carries, desk = actor.organisation_id == order.executing_organisation_id, bool(actor.roles & DESK)
    allowed = [to for to in moves if may(actor, ACTION_OF_MOVE[to])]
    return [to for to in allowed if not (carries and owner_decides(order.state, to, desk=desk))]


def illegal(order: WorkOrder, to: str, *, visited: bool = True) -> IllegalMove:
    """Return the error for a move that the table does not hold; it names the legal ones."""
    legal = legal_moves(order, visited=visited)
    text = f"{order.number} is {order.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
    return IllegalMove(text, state=order.state, to=to, legal=legal)


def reason_code(to: str, code: str | None, words: str | None) -> str | None:
    """Return the coded reason for holding or for not completing; None for states that have no list.

    Words that are a code themselves are taken as one, other words alone as `other`. Raises Invalid when both are
    missing or the code is not on the list.
    """
    listed = REASONS.get(to)
    if listed is None:
        return None
    said = (words or "").strip()
    chosen = (code or "").strip() or (said if said in listed else "other" if said else "")
    if not chosen:
        raise Invalid(f"{to} needs a reason", field="reason", allowed=list(listed))
    one_of("reason_code", chosen, listed)
    return chosen


def bounded(field: str, value: str | None, limit: int) -> str | None:
    """Return the text, None for an empty one. Raises Invalid when it is too long or holds what cannot be stored."""
    return words(field, value, limit, empty=True)


def worded(field: str, value: str | None, limit: int = MAX_NOTE) -> str:
    """Return what must be said, stripped. Raises Invalid when nothing is, or too much."""
    return words(field, value, limit) or ""
