"""What the kinds of operations work with: who did it, when, and its subject, locked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import DESK, Actor, require
from assets.base.errors import Forbidden, NotFound
from assets.base.events import Event
from assets.documents.store import FileStore
from assets.people import Person
from ticketing.field import accept
from ticketing.models import Visit, WorkOrder
from ticketing.order_people import check_hands
from ticketing.sync.envelope import Operation, plausible
from ticketing.sync.payload import Said
from ticketing.sync.tables import SyncOperation
from ticketing.visits import get_visit, visits_of
from ticketing.work_orders import LIVE_VISITS, StaleVersion, get_work_order, illegal

OWN_VERSIONS = 50  # of this person's operations on an order are looked at


@dataclass(slots=True)
class Work:
    """One operation being done. `at` is when it happened, bounded by what its subject allows; `now` is its arrival."""

    session: Session
    by: Actor
    person: Person
    operation: Operation
    now: datetime
    at: datetime
    files: FileStore
    said: Said = field(init=False)

    def __post_init__(self) -> None:
        self.said = Said(self.operation.payload, self.operation.clock_offset)

    def bounded(self, earliest: datetime | None) -> None:
        """Take the subject's beginning into account. Raises ImplausibleTime."""
        self.at = plausible(self.operation.made_at + self.operation.clock_offset, earliest, self.now)

    def order(self, *, hands: bool = True) -> WorkOrder:
        """Return the work order that this is about, locked. Raises NotFound, and Forbidden for others' work."""
        order = get_work_order(self.session, order_id_of(self.session, self.operation), lock=True)
        self.bounded(order.opened_at)
        if hands and not self.by.roles & DESK:
            check_hands(self.session, order, self.person, self.by)
        return order

    def visit(self, order: WorkOrder, *, make: bool = False) -> Visit:
        """Return the visit that this is about: the one named, else this person's live one, else (`make`) a new one."""
        if self.operation.subject_kind == "visit":
            visit = get_visit(self.session, self.operation.subject_id)
            self.session.refresh(visit)
            if visit.technician_id != self.person.id and not self.by.roles & DESK:
                raise Forbidden("this is somebody else's visit", action="visit.perform")
        else:
            visit = self._mine(order, make)
        self.bounded(self._begun(visit))
        return visit

    def based_on(self, row: WorkOrder | Visit, order: WorkOrder) -> None:
        """Raise StaleVersion when somebody else changed the subject since the version that this is based on."""
        base = self.operation.base_version
        if base is None or base == row.version or self._own_version(row, order):
            return
        current: dict[str, Any] = {"state": row.state, "version": row.version}
        if isinstance(row, Visit):
            starts = row.planned_start.isoformat() if row.planned_start else None
            current |= {"technician_id": str(row.technician_id) if row.technician_id else None, "planned_start": starts}
        else:
            current |= {"assignee_id": str(row.assignee_id) if row.assignee_id else None, "priority": row.priority}
        text = f"{order.number} changed in the meantime"
        both = {"yours": dict(self.operation.payload), "current": current}
        raise StaleVersion(text, expected=base, version=row.version, **both)

    def need(self, action: str) -> None:
        """Raise Forbidden unless this person's roles allow the action."""
        require(self.by, action)

    def _mine(self, order: WorkOrder, make: bool) -> Visit:
        visits = [one for one in visits_of(self.session, order) if one.technician_id == self.person.id]
        live = [one for one in visits if one.state in LIVE_VISITS]
        if not live and make:
            accept(self.session, order, self.person, self.at, by=self.by)
            return self._mine(order, make=False)
        if not visits:
            raise illegal(order, "visited")
        return live[-1] if live else visits[-1]  # what was moved to its end already, and is told again

    def _begun(self, visit: Visit) -> datetime | None:
        """A visit's last own moment, else the moment at which it was planned."""
        first = select(func.min(Event.at)).where(Event.subject_id == visit.id)
        known = [self.session.scalar(first), visit.travelling_at, visit.started_at, visit.break_since]
        return max((each for each in known if each is not None), default=None)

    def _own_version(self, row: WorkOrder | Visit, order: WorkOrder) -> bool:
        """Whether the subject is as this person's own last operation left it: then nobody else changed it."""
        name = "visit" if isinstance(row, Visit) else "work_order"
        mine = (
            select(SyncOperation.result["answer"][name])
            .where(
                SyncOperation.work_order_id == order.id,
                SyncOperation.person_id == self.person.id,
                SyncOperation.state == "applied",
            )
            .order_by(SyncOperation.received_at.desc(), SyncOperation.id.desc())
            .limit(OWN_VERSIONS)
        )
        told = [each for each in self.session.scalars(mine) if isinstance(each, dict) and each.get("id") == str(row.id)]
        return any(each.get("version") == row.version for each in told)


def order_id_of(session: Session, operation: Operation) -> UUID:
    """Return the work order of an operation on it or on a visit. Raises NotFound."""
    if operation.subject_kind == "visit":
        return get_visit(session, operation.subject_id).work_order_id
    if operation.subject_kind != "work_order":
        raise NotFound("no such work order", kind="work_order")
    return operation.subject_id


def standing(session: Session, order: WorkOrder, visit: Visit | None = None) -> dict[str, Any]:
    """Return the answer to what changes a state: how order and visit stand now."""
    session.flush()
    told: dict[str, Any] = {
        "work_order": {
            "id": str(order.id),
            "number": order.number,
            "state": order.state,
            "version": order.version,
            "assignee_id": str(order.assignee_id) if order.assignee_id else None,
        },
        "visit": None,
    }
    if visit is not None:
        moments = ("travelling_at", "started_at", "finished_at", "checked_in_at", "checked_out_at")
        told["visit"] = {
            "id": str(visit.id),
            "state": visit.state,
            "version": visit.version,
            **{name: at.isoformat() if (at := getattr(visit, name)) else None for name in moments},
            **{name: getattr(visit, name) for name in ("checked_in_distance_m", "checked_in_far")},
            **{name: getattr(visit, name) for name in ("checked_out_distance_m", "checked_out_far")},
        }
    return told
