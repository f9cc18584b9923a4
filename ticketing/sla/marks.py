"""What the events of cases, requests and work orders mean for their clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ticketing.sla.clock import Mark
from ticketing.sla.words import CLOCKS, REASONS

REQUEST_KINDS = frozenset(f"request.{word}" for word in ("opened", "accepted", "rejected", "done", "returned"))
ORDER_KINDS = frozenset(
    f"work_order.{word}"
    for word in (
        "opened",
        "assigned",
        "state_changed",
        "completed",
        "closed",
        "cancelled",
        "reopened",
        "merged",
        "sent_back",
        "approved",
        "reviewed",
        "priority_raised",
        "edited",
        "amended",
    )
)
VISIT_KINDS = frozenset({"visit.state_changed", "visit.checked_in"})
CASE_KINDS = frozenset(
    f"case.{word}"
    for word in (
        "opened",
        "claimed",
        "taken_over",
        "replied",
        "moved",
        "waiting",
        "resumed",
        "rejected",
        "closed",
        "reopened",
        "merged",
        "child_added",
        "edited",
    )
)
SLA_KINDS = frozenset({"sla.paused", "sla.resumed"})
KINDS = REQUEST_KINDS | ORDER_KINDS | VISIT_KINDS | CASE_KINDS | SLA_KINDS

_ENDED = frozenset({"completed", "documented", "closed", "cancelled"})
_STATES = _ENDED | {"unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete"}
_FINISHED = frozenset({"completed", "documented"})
_BEGUN = frozenset({"scheduled", "in_progress"})
_WAITING = {"waiting_customer": "customer", "waiting_approval": "approval"}


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, as much of it as clocks ask for."""

    id: int
    at: datetime
    kind: str
    subject_kind: str
    subject_id: UUID
    payload: Mapping[str, Any]
    by_person: bool = False


Marks = dict[str, list[Mark]]


@dataclass(slots=True)
class Told:
    """A pause that somebody wrote down."""

    start: datetime
    until: datetime | None
    reason: str
    clocks: Sequence[str]


@dataclass(slots=True)
class _Reader:
    """Goes through the events of one subject in order of time."""

    kind: str
    subject_id: UUID
    marks: Marks = field(default_factory=lambda: {clock: [] for clock in CLOCKS})
    visited: bool = False
    open_orders: set[UUID] = field(default_factory=set)
    held: dict[UUID, str] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    waiting: bool = False  # a case none of whose open orders can go on

    def mark(self, clocks: Iterable[str], event: Happened, what: Any, reason: str = "", key: str = "") -> None:
        """Write down one mark."""
        for clock in clocks:
            self.marks[clock].append(Mark(event.at, what, reason, key))

    # ---- requests ----

    def request(self, event: Happened, word: str) -> None:
        """A request of its own, or the one that an order answers: the order's promises count from it."""
        if word == "opened":
            self.mark(CLOCKS, event, "start")
        elif word == "accepted":
            self.mark(["response"], event, "stop")
        elif self.kind != "request":
            return
        elif word == "rejected":
            self.mark(["response", "closing"], event, "stop")
            self.mark(["arrival", "restoration"], event, "cancel")
        elif word == "done":
            self.mark(CLOCKS, event, "stop")
        elif word == "returned":
            self.mark(["arrival", "restoration", "closing"], event, "reopen")

    # ---- cases ----

    def case(self, event: Happened, word: str) -> None:
        """A case, or the one that an order was the first work of."""
        if word == "opened":
            self.mark(CLOCKS, event, "start")
        if self.kind != "case":
            return
        if word in ("claimed", "taken_over", "replied", "child_added", "waiting"):
            self.mark(["response"], event, "stop")
        if word == "waiting":
            reason = _WAITING.get(str(event.payload.get("to"))) or _reason(event, "reason")
            self.mark(CLOCKS, event, "pause", reason, "waiting")
        elif word == "resumed":
            self.mark(CLOCKS, event, "resume", key="waiting")
        elif word == "moved" and event.payload.get("to") == "in_progress":
            self.mark(CLOCKS, event, "resume", key="waiting")
            self.mark(["response"], event, "stop")
        elif word in ("closed", "rejected"):
            self.mark(CLOCKS, event, "resume", key="waiting")  # or a reopened case would wait for ever
            self._end_case(event, rejected=word == "rejected")
        elif word == "merged":
            self.mark(CLOCKS, event, "cancel")
        elif word == "reopened":
            self.mark(["restoration", "closing"], event, "reopen")

    def _end_case(self, event: Happened, *, rejected: bool) -> None:
        self.mark(["response", "closing"], event, "stop")
        # Nobody has to go to a customer whose case ended without a visit.
        self.mark(["arrival"], event, "cancel")
        self.mark(["restoration"], event, "cancel" if rejected else "stop")

    # ---- work orders and their visits ----

    def order(self, event: Happened, word: str) -> None:
        """A work order itself, or one of a case's."""
        if self.kind == "case":
            self._order_of_case(event, word)
            return
        before, to = event.payload.get("from"), _state(event)
        if word == "opened":
            self.mark(CLOCKS, event, "start")
        elif word == "assigned" and event.payload.get("person_id"):
            self.mark(["response"], event, "stop")
        papers = word == "sent_back" and to == "in_progress"  # which undoes no repair
        if word == "reopened" or (before in _ENDED and to is not None and to not in _ENDED and not papers):
            self.mark(["restoration", "closing"], event, "reopen")
        if to is not None:
            self._order_moved(event, to)

    def _order_moved(self, event: Happened, to: str) -> None:
        if to == "on_hold":
            self.mark(CLOCKS, event, "pause", _reason(event), "hold")
        else:
            self.mark(CLOCKS, event, "resume", key="hold")
        if to in _BEGUN:
            self.mark(["response"], event, "stop")
        if to == "in_progress" and not self.visited:
            self.mark(["arrival"], event, "stop")  # work without any visit: somebody was there, or it is done from afar
        elif to in _FINISHED:
            self.mark(["response", "arrival", "restoration"], event, "stop")
        elif to == "closed":
            self.mark(["response", "arrival", "restoration"], event, "cancel")
            self.mark(["closing"], event, "stop")
        elif to == "cancelled":
            self.mark(CLOCKS, event, "cancel")

    def visit(self, event: Happened, word: str) -> None:
        """A visit: whoever begins it has arrived."""
        self.visited = True
        if self.kind == "work_order":
            self.mark(["response"], event, "stop")
        if word == "checked_in" or event.payload.get("to") == "in_progress":
            self.mark(["arrival"], event, "stop")

    def _order_of_case(self, event: Happened, word: str) -> None:
        to = _state(event)
        if word in ("opened", "reopened"):
            self.open_orders.add(event.subject_id)
        if to is not None:
            self.held.pop(event.subject_id, None)
            if to in _ENDED:
                self.open_orders.discard(event.subject_id)
            else:
                self.open_orders.add(event.subject_id)
            if to == "on_hold":
                self.held[event.subject_id] = _reason(event)
            if to == "in_progress" and not self.visited:
                self.mark(["arrival"], event, "stop")
        # A case waits when nothing that it led to can go on.
        waiting = bool(self.held) and self.open_orders == set(self.held)
        if waiting:
            self.mark(CLOCKS, event, "pause", next(reversed(self.held.values())), "orders")
        elif self.waiting:
            self.mark(CLOCKS, event, "resume", key="orders")
        self.waiting = waiting

    # ---- pauses that somebody wrote down ----

    def pause(self, event: Happened, word: str) -> None:
        """A pause by hand, with its own moments: it may be written down later than it was. The last end holds."""
        key = str(event.payload.get("pause"))
        if word == "paused":
            start = _moment(event.payload.get("from")) or event.at
            clocks = [each for each in CLOCKS if each in (event.payload.get("clocks") or CLOCKS)]
            self.told[key] = Told(start, _moment(event.payload.get("until")), _reason(event, "reason"), clocks)
        elif key in self.told:
            self.told[key].until = _moment(event.payload.get("until")) or event.at

    def finish(self) -> Marks:
        """Return all marks."""
        for key, told in self.told.items():
            for clock in told.clocks:
                self.marks[clock].append(Mark(told.start, "pause", told.reason, f"told:{key}"))
                if told.until is not None:
                    self.marks[clock].append(Mark(told.until, "resume", key=f"told:{key}"))
        return self.marks


def marks_of(kind: str, subject_id: UUID, events: Iterable[Happened]) -> Marks:
    """Return the marks of each clock of a case, request or work order, from its events and those around it.

    Around an order: its visits, the request that it answers, its case when it was the first work of that; around a
    case: its orders and their visits.
    """
    reader = _Reader(kind, subject_id)
    for event in sorted(events, key=lambda one: (one.at, one.id)):
        room, _, word = event.kind.partition(".")
        if room == "sla":
            if event.subject_id == subject_id:
                reader.pause(event, word)
        elif room == "request":
            reader.request(event, word)
        elif room == "case":
            reader.case(event, word)
        elif room == "work_order":
            reader.order(event, word)
        elif room == "visit":
            reader.visit(event, word)
    return reader.finish()


def _state(event: Happened) -> str | None:
    """Return the state that an order came into; other changes have a "to" as well."""
    to = event.payload.get("to")
    return to if to in _STATES else None


def _reason(event: Happened, field_name: str = "hold_reason") -> str:
    reason = event.payload.get(field_name) or event.payload.get("reason_code")
    return str(reason) if reason in REASONS else "other"


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
