"""An asset's timeline: what kinds of things happened, and whether what is written still holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, not_, or_, select, text
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.base.errors import Invalid
from assets.base.events import Event, chain_hash, personal_holds

# Group -> what kinds of events begin with; what fits none is 'other'.
GROUPS: dict[str, tuple[str, ...]] = {
    "telemetry": ("device.", "command.", "meter.", "asset.operation_changed"),
    "findings": ("finding.", "episode.", "alarm.", "suppressor.", "predicted_job.", "label.", "maintenance_window."),
    "work": ("work_order.", "visit.", "request.", "procedure_run."),
    "parts": ("part.", "component.", "tool.", "stock."),
    "documents": ("document.", "tag."),
    "warranty": ("warranty.", "contract."),
    "moves": ("asset.", "position."),
}
OTHER = "other"
MAX_CHECKED = 100_000  # events of one asset that are gone through at once


def group_of(kind: str) -> str:
    """Return the group of an event's kind."""
    return next((name for name, starts in GROUPS.items() if kind.startswith(starts)), OTHER)


def timeline_of(
    asset_id: UUID,
    *,
    groups: Sequence[str] = (),
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Select[Event]:
    """Return the statement of what happened to an asset in [since, until), newest first. Raises Invalid."""
    unknown = sorted(set(groups) - {*GROUPS, OTHER})
    if unknown:
        raise Invalid(f"no such group: {', '.join(unknown)}", field="group", allowed=[*GROUPS, OTHER])
    if since and until and since >= until:
        raise Invalid("`from` must be before `to`", field="from")
    found = select(Event).where(Event.asset_id == asset_id)
    if groups:
        found = found.where(or_(*(_in_group(name) for name in groups)))
    if kind:
        found = found.where(Event.kind == kind)
    if since:
        found = found.where(Event.at >= since)
    if until:
        found = found.where(Event.at < until)
    return found.order_by(Event.at.desc(), Event.id.desc())


def _in_group(name: str) -> ColumnElement[bool]:
    if name == OTHER:
        return not_(
            or_(*(Event.kind.startswith(start, autoescape=True) for starts in GROUPS.values() for start in starts))
        )
    mine = or_(*(Event.kind.startswith(start, autoescape=True) for start in GROUPS[name]))
    if name != "moves":
        return mine
    return and_(mine, not_(or_(*(Event.kind == each for each in ("asset.operation_changed",)))))


def broken(session: Session, events: Sequence[Event]) -> set[int]:
    """Return the ids of events whose own hash, or whose link to the event before it, does not hold.

    The link is asked for as the service: an executor does not see every event of a chain.
    """
    if not events:
        return set()
    with service_rights(session):
        links = session.execute(
            text(
                "SELECT e.id, (SELECT p.hash FROM events p WHERE p.subject_id = e.subject_id AND p.id < e.id"
                " ORDER BY p.id DESC LIMIT 1) AS before FROM events e WHERE e.id = ANY (:ids)"
            ),
            {"ids": [event.id for event in events]},
        )
        before = {row.id: row.before for row in links}
    return {
        event.id
        for event in events
        if event.previous_hash != before.get(event.id) or chain_hash(event) != event.hash or not personal_holds(event)
    }
