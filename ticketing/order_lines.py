"""What an order took besides parts: labour, travel and expenses, written down by people or counted from visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.ids import uuid7
from assets.registry import Site
from ticketing.models import Visit, WorkOrder
from ticketing.order_log import log_order
from ticketing.order_models import WorkOrderLine
from ticketing.order_states import bounded, worded
from ticketing.people.patterns import read_zone
from ticketing.people.profiles import profiles_of
from ticketing.words import one_of

CATEGORIES: dict[str, tuple[str, ...]] = {
    "labour": ("normal", "overtime", "night", "holiday", "standby"),
    "travel": ("drive", "public_transport", "flight", "on_foot", "other"),
    "expense": ("toll", "parking", "fuel", "accommodation", "meal", "material", "tool_hire", "other"),
}
LINE_STATES = ("recorded", "approved", "rejected")
MAX_LINES = 500  # of one order
MAX_MINUTES = 24 * 60  # of one line: a longer job is written down day by day
MAX_KILOMETRES = Decimal(20_000)
MAX_AMOUNT = Decimal(10_000_000)
MAX_EVIDENCE = 50
AHEAD = timedelta(minutes=15)  # a phone's clock may be ahead that much


@dataclass(frozen=True, slots=True)
class LineFacts:
    """One line as somebody writes it down. Labour and travel need minutes, or both ends; an expense its amount."""

    kind: str
    category: str | None = None
    person_id: UUID | None = None
    visit_id: UUID | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    minutes: int | None = None
    day: date | None = None
    kilometres: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    note: str | None = None
    evidence_ids: Sequence[UUID] = ()


def checked(facts: LineFacts, now: datetime, zone: tzinfo = UTC) -> dict[str, Any]:
    """Return the columns of a line; `zone`: where its day begins. Raises Invalid, which names the field."""
    one_of("kind", facts.kind, tuple(CATEGORIES))
    allowed = CATEGORIES[facts.kind]
    category = facts.category or allowed[0]
    one_of("category", category, allowed)
    minutes = _minutes(facts, now)
    if facts.kind == "expense":
        if facts.amount is None:
            raise Invalid("an expense needs its amount", field="amount")
        minutes = None
    elif minutes is None and not (facts.kind == "travel" and facts.kilometres is not None):
        raise Invalid(f"{facts.kind} needs minutes, or when it began and ended", field="minutes")
    _within("kilometres", facts.kilometres, MAX_KILOMETRES)
    _within("amount", facts.amount, MAX_AMOUNT)
    if facts.kind != "travel" and facts.kilometres is not None:
        raise Invalid("kilometres belong to travel", field="kilometres")
    if len(facts.evidence_ids) > MAX_EVIDENCE:
        raise Invalid(f"at most {MAX_EVIDENCE} pieces of evidence", field="evidence_ids", limit=MAX_EVIDENCE)
    return {
        "kind": facts.kind,
        "category": category,
        "visit_id": facts.visit_id,
        "person_id": facts.person_id,
        "day": facts.day or counted_day(facts.started_at, now, zone),
        "started_at": facts.started_at,
        "ended_at": facts.ended_at,
        "minutes": minutes,
        "kilometres": facts.kilometres,
        "amount": facts.amount,
        "currency": _currency(facts),
        "note": bounded("note", (facts.note or "").strip(), 1000),
        "evidence_ids": [str(each) for each in facts.evidence_ids],
    }


def counted_day(started_at: datetime | None, at: datetime, zone: tzinfo, before: date | None = None) -> date:
    """Return the day of a line that names none: of its beginning, else as it was, else of when it was written down."""
    if started_at is None and before is not None:
        return before
    return (started_at or at).astimezone(zone).date()


def add_line(
    session: Session,
    order: WorkOrder,
    facts: LineFacts,
    now: datetime,
    *,
    by: Actor | None = None,
    line_id: UUID | None = None,
) -> WorkOrderLine:
    """Write a line down. The same `line_id` again returns the first one, so that a phone may repeat itself.

    A line that somebody writes takes the place of what was counted from the same visit. Raises Invalid, IllegalMove
    when the order is closed, Conflict when the id belongs to another order or there are too many.
    """
    if line_id is not None and (known := session.get(WorkOrderLine, line_id)) is not None:
        if known.work_order_id != order.id:
            raise Conflict("this id belongs to a line of another order", field="id")
        return known
    _check_open(order)
    values = checked(facts, now, zone_of(session, order, facts.person_id))
    _check_visit(session, order, facts.visit_id)
    if (session.scalar(select(func.count()).where(WorkOrderLine.work_order_id == order.id)) or 0) >= MAX_LINES:
        raise Conflict(f"{order.number} has {MAX_LINES} lines already", limit=MAX_LINES)
    _replace_counted(session, values)
    line = _store(session, order, values, "person", now, by, line_id)
    log_order(session, order, "work_order.line_recorded", now, by, _said(line))
    return line


def change_line(
    session: Session, order: WorkOrder, line: WorkOrderLine, facts: LineFacts, now: datetime, *, by: Actor | None = None
) -> WorkOrderLine:
    """Correct a line; one that was rejected waits for a decision again. Raises Invalid, or IllegalMove.

    What is approved stays: it may be in somebody's bill.
    """
    _check_open(order)
    if line.state == "approved":
        raise IllegalMove("the line is approved", state=line.state, to="recorded", legal=[])
    values = checked(facts, now, zone_of(session, order, facts.person_id))
    _check_visit(session, order, facts.visit_id)
    before = _said(line)
    for name, value in values.items():
        setattr(line, name, value)
    line.source, line.state = "person", "recorded"
    line.decided_at = line.decided_by = line.decision_reason = None
    line.version += 1
    session.flush()
    log_order(session, order, "work_order.line_changed", now, by, {**_said(line), "before": before})
    return line


def remove_line(
    session: Session, order: WorkOrder, line: WorkOrderLine, now: datetime, *, by: Actor | None = None
) -> None:
    """Take a line away that nobody has approved; the event keeps what it said. Raises IllegalMove."""
    _check_open(order)
    if line.state == "approved":
        raise IllegalMove("the line is approved", state=line.state, to="removed", legal=[])
    log_order(session, order, "work_order.line_removed", now, by, _said(line))
    session.delete(line)
    session.flush()


def decide_line(
    session: Session,
    order: WorkOrder,
    line: WorkOrderLine,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
) -> WorkOrderLine:
    """Approve or reject a line, also of a closed order; rejecting needs a reason. Twice changes nothing."""
    one_of("to", to, ("approved", "rejected"))
    if line.state == to:
        return line
    line.decision_reason = worded("reason", reason, 1000) if to == "rejected" else bounded("reason", reason, 1000)
    line.state, line.decided_at, line.decided_by = to, now, by.person_id if by else None
    line.version += 1
    session.flush()
    log_order(session, order, "work_order.line_decided", now, by, {**_said(line), "reason": line.decision_reason})
    return line


def get_line(session: Session, order: WorkOrder, line_id: UUID, *, lock: bool = False) -> WorkOrderLine:
    """Return a line of this order, locked when asked. Raises NotFound."""
    line = session.get(WorkOrderLine, line_id, with_for_update=lock or None, populate_existing=lock)
    if line is None or line.work_order_id != order.id:
        raise NotFound("no such line", kind="line")
    return line


def lines_of(session: Session, order_id: UUID) -> list[WorkOrderLine]:
    """Return an order's lines, oldest day first."""
    mine = select(WorkOrderLine).where(WorkOrderLine.work_order_id == order_id)
    return list(session.scalars(mine.order_by(WorkOrderLine.day, WorkOrderLine.id).limit(MAX_LINES)))


def count_visit(session: Session, order: WorkOrder, visit: Visit, now: datetime) -> None:
    """Write down what an ended visit's own times say: the way and the work less its breaks.

    What somebody wrote down for this visit stays as it is; whole minutes of less than one are nothing.
    """
    if visit.state not in ("completed", "partially_completed", "cannot_complete") or visit.technician_id is None:
        return
    work = (visit.started_at, visit.finished_at, visit.break_seconds or 0)
    zone = zone_of(session, order, visit.technician_id)
    way = (visit.travelling_at, visit.started_at or visit.finished_at, 0)
    for kind, (begun, ended, idle) in (("travel", way), ("labour", work)):
        if begun is None or ended is None:
            continue
        minutes = min(MAX_MINUTES, int((ended - begun).total_seconds() - idle) // 60)
        if minutes < 1 or _has_line(session, visit.id, kind):
            continue
        values = {
            "kind": kind,
            "category": CATEGORIES[kind][0],
            "visit_id": visit.id,
            "person_id": visit.technician_id,
            "day": begun.astimezone(zone).date(),
            "started_at": begun,
            "ended_at": ended,
            "minutes": minutes,
            "evidence_ids": [],
        }
        line = _store(session, order, values, "visit", now, None, None)
        log_order(session, order, "work_order.line_recorded", now, None, _said(line))


def zone_of(session: Session, order: WorkOrder, person_id: UUID | None) -> tzinfo:
    """Return where the day of somebody's work begins: where they live, else where the machine stands, else UTC."""
    profile = profiles_of(session, [person_id]).get(person_id) if person_id is not None else None
    site = session.get(Site, order.site_id) if profile is None and order.site_id else None
    name = profile.time_zone if profile else site.time_zone if site else None
    try:
        return read_zone(name) if name else UTC
    except Invalid:
        return UTC


def _store(
    session: Session,
    order: WorkOrder,
    values: dict[str, Any],
    source: str,
    now: datetime,
    by: Actor | None,
    line_id: UUID | None,
) -> WorkOrderLine:
    line = WorkOrderLine(
        id=line_id or uuid7(),
        organisation_id=order.organisation_id,
        work_order_id=order.id,
        source=source,
        state="recorded",
        created_at=now,
        created_by=by.person_id if by else None,
        **values,
    )
    session.add(line)
    session.flush()
    return line


def _replace_counted(session: Session, values: dict[str, Any]) -> None:
    if values["visit_id"] is None or values["kind"] == "expense":
        return
    counted = select(WorkOrderLine).where(
        WorkOrderLine.visit_id == values["visit_id"],
        WorkOrderLine.person_id == values["person_id"],
        WorkOrderLine.kind == values["kind"],
        WorkOrderLine.source == "visit",
        WorkOrderLine.state != "approved",
    )
    for line in session.scalars(counted).all():
        session.delete(line)
    session.flush()


def _has_line(session: Session, visit_id: UUID, kind: str) -> bool:
    known = select(WorkOrderLine.id).where(WorkOrderLine.visit_id == visit_id, WorkOrderLine.kind == kind).limit(1)
    return session.scalar(known) is not None


def _check_open(order: WorkOrder) -> None:
    if order.state in ("closed", "cancelled"):
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="lines", legal=[])


def _check_visit(session: Session, order: WorkOrder, visit_id: UUID | None) -> None:
    if visit_id is None:
        return
    visit = session.get(Visit, visit_id)
    if visit is None or visit.work_order_id != order.id:
        raise Invalid("the visit belongs to another order", field="visit_id")


def _minutes(facts: LineFacts, now: datetime) -> int | None:
    begun, ended, minutes = facts.started_at, facts.ended_at, facts.minutes
    if (begun is None) != (ended is None) and minutes is None:
        raise Invalid("both ends, or the minutes", field="ended_at")
    if begun is not None and ended is not None:
        if ended <= begun:
            raise Invalid("it ends after it begins", field="ended_at")
        if minutes is None:
            minutes = max(1, round((ended - begun).total_seconds() / 60))
        elif minutes > (ended - begun).total_seconds() / 60 + 1:
            raise Invalid("more minutes than there are between beginning and end", field="minutes")
    if (ended or begun or now) > now + AHEAD:
        raise Invalid("what lies ahead is no work done", field="ended_at")
    if minutes is not None and not 0 < minutes <= MAX_MINUTES:
        raise Invalid(f"1 to {MAX_MINUTES} minutes", field="minutes", least=1, most=MAX_MINUTES)
    return minutes


def _currency(facts: LineFacts) -> str | None:
    if facts.amount is None:
        return None
    told = (facts.currency or "").strip().upper()
    if len(told) != 3 or not told.isascii() or not told.isalpha():
        raise Invalid("a currency has three letters (ISO 4217)", field="currency")
    return told


def _within(field: str, value: Decimal | None, most: Decimal) -> None:
    if value is not None and not (value.is_finite() and 0 < value <= most):
        raise Invalid(f"{field} is more than 0 and at most {most}", field=field, most=float(most))


def _said(line: WorkOrderLine) -> dict[str, Any]:
    return {
        "line_id": str(line.id),
        "kind": line.kind,
        "category": line.category,
        "person_id": str(line.person_id) if line.person_id else None,
        "day": line.day.isoformat(),
        "minutes": line.minutes,
        "kilometres": float(line.kilometres) if line.kilometres is not None else None,
        "amount": float(line.amount) if line.amount is not None else None,
        "currency": line.currency,
        "state": line.state,
    }
