"""Calls from the field: somebody on site needs help or parts, and a dispatcher answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import DESK, Actor
from assets.base.consumers import Consumer
from assets.base.errors import Conflict, Forbidden, IllegalMove, Invalid, NotFound
from assets.base.events import Event, append_event
from assets.stock.items import Part
from ticketing.help_models import HelpRequest
from ticketing.models import WorkOrder
from ticketing.order_states import bounded, worded
from ticketing.words import one_of
from ticketing.work_orders import STATE_EVENTS

WHAT = ("help", "parts")
STATES = ("open", "taken", "done", "withdrawn")
ALIVE = ("open", "taken")
OVER = ("completed", "documented", "closed", "cancelled")  # states of an order at which nobody is at work
MAX_LINES = 50
MAX_TEXT = 2000
MAX_ALIVE = 20  # of one order
MAX_SAID = 4000  # characters of the message that a call is in its case's thread
_SAID = {
    "help": {"en": "Needs help", "zh": "需要支援"},
    "parts": {"en": "Needs parts", "zh": "需要备件"},
    "urgent": {"en": "urgent", "zh": "紧急"},
}


def open_help(
    session: Session,
    order: WorkOrder,
    what: str,
    text: str,
    at: datetime,
    now: datetime,
    *,
    by: Actor,
    help_id: UUID,
    lines: Sequence[dict[str, Any]] = (),
    urgent: bool = False,
    visit_id: UUID | None = None,
) -> HelpRequest:
    """Ask for help or parts at `at`; the same id again returns the first.

    Raises Invalid, Conflict when the id is another one's or the order has too many open calls.
    """
    known = session.get(HelpRequest, help_id)
    if known is not None:
        if known.work_order_id != order.id:
            raise Conflict("this id belongs to another call", field="id")
        return known
    one_of("what", what, WHAT)
    if what == "parts" and not lines and not text.strip():
        raise Invalid("which parts?", field="lines")
    alive = select(func.count()).where(HelpRequest.work_order_id == order.id, HelpRequest.state.in_(ALIVE))
    if (session.scalar(alive) or 0) >= MAX_ALIVE:
        raise Conflict(f"{order.number} has {MAX_ALIVE} open calls already", limit=MAX_ALIVE)
    row = HelpRequest(
        id=help_id,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        work_order_id=order.id,
        visit_id=visit_id,
        what=what,
        text=(worded("text", text, MAX_TEXT) if what == "help" else bounded("text", text.strip(), MAX_TEXT)) or "",
        lines=list(lines),
        urgent=urgent,
        state="open",
        opened_at=at,
        received_at=now,
        opened_by=by.person_id,
    )
    session.add(row)
    session.flush()
    facts = {"what": what, "text": row.text, "lines": len(row.lines), "urgent": urgent}
    _log(session, order, row, "help_request.opened", at, by, facts)
    return row


def said_of(session: Session, row: HelpRequest, language: str) -> str:
    """Return a call as somebody would write it: what is needed, in their words, and the parts."""
    tongue = language if language in ("en", "zh") else "en"
    head = _SAID[row.what][tongue] + (f" ({_SAID['urgent'][tongue]})" if row.urgent else "")
    keys = {UUID(each["part_id"]) for each in row.lines if each.get("part_id")}
    known = dict(session.execute(select(Part.id, Part.number).where(Part.id.in_(keys))).tuples()) if keys else {}
    parts = []
    for each in row.lines:
        number = known.get(UUID(each["part_id"])) if each.get("part_id") else None
        words = [each.get("part_number") or number, each.get("text")]
        parts.append(f"{each.get('quantity', 1):g} × " + " ".join(filter(None, words)))
    said = "\n".join([f"{head}: {row.text}" if row.text else head, *parts])
    return said if len(said) <= MAX_SAID else said[: MAX_SAID - 1] + "…"


def take(session: Session, row: HelpRequest, order: WorkOrder, now: datetime, *, by: Actor) -> HelpRequest:
    """Say that somebody looks after it; taking one's own again changes nothing. Raises IllegalMove, Conflict."""
    if row.state == "taken" and row.taken_by == by.person_id:
        return row
    if row.state == "taken":
        raise Conflict("somebody looks after it already", what="taken_by")
    if row.state != "open":
        raise IllegalMove(f"the call is {row.state}", state=row.state, to="taken", legal=[])
    row.state, row.taken_at, row.taken_by = "taken", now, by.person_id
    row.version += 1
    session.flush()
    _log(session, order, row, "help_request.taken", now, by, {"what": row.what})
    return row


def settle(
    session: Session, row: HelpRequest, order: WorkOrder, answer: str | None, now: datetime, *, by: Actor
) -> HelpRequest:
    """Say what was done about it. Twice changes nothing. Raises IllegalMove for a withdrawn one."""
    if row.state == "done":
        return row
    if row.state not in ALIVE:
        raise IllegalMove(f"the call is {row.state}", state=row.state, to="done", legal=[])
    row.answer = bounded("answer", (answer or "").strip(), MAX_TEXT)
    row.state, row.done_at, row.done_by = "done", now, by.person_id
    row.version += 1
    session.flush()
    _log(session, order, row, "help_request.done", now, by, {"what": row.what, "answer": row.answer})
    return row


def withdraw(session: Session, row: HelpRequest, order: WorkOrder, at: datetime, *, by: Actor) -> HelpRequest:
    """Take a call of one's own back. Twice changes nothing. Raises Forbidden, IllegalMove for one that is done."""
    if row.opened_by != by.person_id and not by.roles & DESK:
        raise Forbidden("this is somebody else's call", kind="help_request")
    if row.state == "withdrawn":
        return row
    if row.state not in ALIVE:
        raise IllegalMove(f"the call is {row.state}", state=row.state, to="withdrawn", legal=[])
    row.state, row.done_at, row.done_by = "withdrawn", at, by.person_id
    row.version += 1
    session.flush()
    _log(session, order, row, "help_request.withdrawn", at, by, {"what": row.what})
    return row


def end_with_order(session: Session, event: Event, now: datetime) -> None:
    """Nobody waits at a machine whose work has ended: what was asked for there is done."""
    order = session.get(WorkOrder, event.subject_id)
    if order is None or order.state not in OVER:  # it was opened again meanwhile
        return
    waiting = select(HelpRequest).where(HelpRequest.work_order_id == order.id, HelpRequest.state.in_(ALIVE))
    nobody = Actor("system", order.organisation_id, frozenset())
    for row in session.scalars(waiting.order_by(HelpRequest.id).with_for_update()):
        row.state, row.done_at = "done", event.at
        row.version += 1
        session.flush()
        _log(session, order, row, "help_request.done", now, nobody, {"what": row.what, "answer": None})


HELP_ENDS_WITH_WORK = Consumer("ticketing.help", STATE_EVENTS, end_with_order)


def get_help(session: Session, help_id: UUID, *, lock: bool = False) -> HelpRequest:
    """Return a call, locked when asked. Raises NotFound."""
    row = session.get(HelpRequest, help_id, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise NotFound("no such call", kind="help_request")
    return row


def help_of(session: Session, order_ids: Sequence[UUID]) -> list[HelpRequest]:
    """Return the calls of some orders, newest first."""
    mine = select(HelpRequest).where(HelpRequest.work_order_id.in_(order_ids))
    return list(session.scalars(mine.order_by(HelpRequest.id.desc()).limit(500)))


def calls_of(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, tuple[int, bool]]:
    """Return by order how many calls are not settled, and whether one is urgent; orders without are left out."""
    alive = (
        select(HelpRequest.work_order_id, func.count(), func.bool_or(HelpRequest.urgent))
        .where(HelpRequest.work_order_id.in_(order_ids), HelpRequest.state.in_(ALIVE))
        .group_by(HelpRequest.work_order_id)
    )
    return {key: (count, urgent) for key, count, urgent in session.execute(alive)}


def _log(
    session: Session, order: WorkOrder, row: HelpRequest, kind: str, at: datetime, by: Actor, facts: dict[str, Any]
) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=row.organisation_id,
        executing_organisation_id=row.executing_organisation_id,
        subject_kind="work_order",
        subject_id=order.id,
        asset_id=order.asset_id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"number": order.number, "help_request_id": str(row.id), **facts},
    )
