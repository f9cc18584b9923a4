"""The events that say so: a machine went down or up, work on it was opened and done, its silence began and ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.events import Event
from maintenance.reliability.asking import Row
from maintenance.reliability.loading import parts

_OF_SUBJECTS = (
    "work_order.opened",
    "work_order.completed",
    "work_order.closed",
    "finding.opened",
    "finding.cleared",
)
MAX_EVENTS = 20_000


@dataclass(frozen=True, slots=True)
class Told:
    """An event by its number."""

    id: int
    at: datetime
    kind: str


def events_of(session: Session, rows: Sequence[Row]) -> list[list[Told]]:
    """Return for each stop the events that it comes from, oldest first, as far as the actor sees them."""
    subjects = {UUID(key) for row in rows for kind, key in row.stop.evidence if kind in ("work_order", "finding")}
    by_subject: dict[str, list[Told]] = defaultdict(list)
    for part in parts(subjects):
        query = select(Event.id, Event.at, Event.kind, Event.subject_id).where(
            Event.subject_id.in_(part), Event.kind.in_(_OF_SUBJECTS)
        )
        for number, at, kind, subject in session.execute(query.order_by(Event.id).limit(MAX_EVENTS)):
            by_subject[str(subject)].append(Told(number, at, kind))
    by_moment = _operations(session, rows)
    found = []
    for row in rows:
        told = [each for _, key in row.stop.evidence for each in by_subject.get(key, ())]
        if any(kind == "state" for kind, _ in row.stop.evidence):
            told += by_moment.get((row.machine.id, row.stop.start), [])
            if row.stop.end is not None:
                told += by_moment.get((row.machine.id, row.stop.end), [])
        found.append(sorted(dict.fromkeys(told), key=lambda each: (each.at, each.id)))
    return found


def _operations(session: Session, rows: Sequence[Row]) -> dict[tuple[UUID, datetime], list[Told]]:
    moments = {row.stop.start for row in rows} | {row.stop.end for row in rows if row.stop.end is not None}
    found: dict[tuple[UUID, datetime], list[Told]] = defaultdict(list)
    if not moments:
        return found
    for part in parts({row.machine.id for row in rows}):
        query = select(Event.id, Event.at, Event.kind, Event.asset_id).where(
            Event.asset_id.in_(part),
            Event.at.in_(sorted(moments)),
            Event.kind.in_(("asset.operation_changed", "asset.lifecycle_changed")),
        )
        for number, at, kind, asset in session.execute(query.order_by(Event.id).limit(MAX_EVENTS)):
            if asset is not None:
                found[asset, at].append(Told(number, at, kind))
    return found
