"""What the events of one work order say about its times: replayed, with the event behind each moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ticketing.sla.marks import Happened

_ENDED = frozenset({"completed", "documented", "closed", "cancelled"})
_BEGUN = frozenset({"scheduled", "in_progress"})
_STATES = _ENDED | {"unscheduled", "in_progress", "scheduled", "on_hold", "cannot_complete"}


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, and the event that says so."""

    at: datetime
    event_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Work that was done without a break, and the events at its two ends."""

    visit_id: UUID
    start: Moment
    end: Moment

    @property
    def length(self) -> timedelta:
        """How long."""
        return self.end.at - self.start.at


@dataclass(slots=True)
class OrderFacts:
    """The moments of a work order. `done` and `closed` are None while it is open, also after it was reopened."""

    order_id: UUID
    reported: Moment | None = None
    reacted: Moment | None = None
    arrived: Moment | None = None
    done: Moment | None = None
    closed: Moment | None = None
    cancelled: Moment | None = None
    reopened: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    visits: list[UUID] = field(default_factory=list)  # those that were begun, in order
    touched: list[Moment] = field(default_factory=list)  # what people did about it

    @property
    def execution(self) -> timedelta:
        """Work at the machine: all visits together, without their breaks."""
        return sum((each.length for each in self.stretches), timedelta(0))

    def is_open(self, at: datetime) -> bool:
        """Return whether somebody still has to do something about it at a moment, by what is known today."""
        if self.reported is None or self.reported.at > at:
            return False
        ends = [each.at for each in (self.done, self.cancelled, self.closed) if each is not None]
        return not any(end <= at for end in ends)


def replay(order_id: UUID, events: Iterable[Happened]) -> OrderFacts:
    """Return the facts of an order from its events, those of its visits, and of the request that it answers.

    By the time of the events, not of their arrival: what a phone tells late counts when it happened.
    """
    facts = OrderFacts(order_id)
    running: dict[UUID, Moment] = {}
    for event in sorted(events, key=lambda one: (one.at, one.id)):
        moment = Moment(event.at, event.id, event.kind)
        room, _, word = event.kind.partition(".")
        if event.by_person and word != "opened":
            facts.touched.append(moment)
        if room == "request":
            if word == "opened":
                facts.reported = facts.reported or moment
            elif word == "accepted":
                facts.reacted = facts.reacted or moment
        elif room == "visit":
            _visit(facts, running, event, moment)
        elif room == "work_order" and event.subject_id == order_id:
            _order(facts, event, moment, word)
    return facts


def _order(facts: OrderFacts, event: Happened, moment: Moment, word: str) -> None:
    to = event.payload.get("to")
    if word == "opened":
        facts.reported = facts.reported or moment
    elif word == "assigned" and event.payload.get("person_id"):
        facts.reacted = facts.reacted or moment
    if to not in _STATES:
        return
    if to in _BEGUN | {"completed"}:
        facts.reacted = facts.reacted or moment
    if to not in _ENDED:
        if facts.done is not None:
            facts.reopened += 1
        facts.done = facts.closed = facts.cancelled = None
    elif to == "cancelled":
        facts.cancelled = moment
    elif to == "closed":
        facts.closed = moment
    elif facts.done is None:
        facts.done = moment


def _visit(facts: OrderFacts, running: dict[UUID, Moment], event: Happened, moment: Moment) -> None:
    to, visit = event.payload.get("to"), event.subject_id
    facts.reacted = facts.reacted or moment
    if to == "in_progress":
        facts.arrived = facts.arrived or moment
        if visit not in facts.visits:
            facts.visits.append(visit)
        running.setdefault(visit, moment)
    elif to is not None and visit in running:
        facts.stretches.append(Stretch(visit, running.pop(visit), moment))
