"""A person leaves an organisation: what must be handed over first, and what ends with it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict
from assets.people import Person

# What somebody else has to take over first, each as a count. Whoever counts is the service: work may be of others.
_IN_HANDS = {
    "visits": "SELECT count(*) FROM visits WHERE technician_id = :p"
    " AND state IN ('scheduled', 'travelling', 'in_progress', 'on_break')",
    "work_orders": "SELECT count(*) FROM work_orders w WHERE w.state IN"
    " ('unscheduled', 'scheduled', 'in_progress', 'on_hold', 'cannot_complete') AND (w.assignee_id = :p OR EXISTS"
    " (SELECT FROM work_order_people o WHERE o.work_order_id = w.id AND o.person_id = :p))",
    # Tools are serials at a place, so they are among it.
    "stock": "SELECT count(*) FROM stock_balances b JOIN stock_locations l ON l.id = b.location_id"
    " WHERE l.person_id = :p AND b.quantity <> 0",
    "old_parts": "SELECT count(*) FROM old_part_duties WHERE person_id = :p AND state = 'open'",
    "assets": "SELECT count(*) FROM stays WHERE person_id = :p AND valid_to IS NULL",
    "on_call": "SELECT count(*) FROM on_call_lists WHERE strpos(CAST(steps AS text), CAST(:p AS text)) > 0",
}

# What lets somebody in, or tells them what happens in the organisation that they leave.
_DOORS = (
    "DELETE FROM sign_in_sessions WHERE person_id = :p",
    "DELETE FROM sign_in_links WHERE person_id = :p",
    "DELETE FROM customer_links WHERE person_id = :p",
    "DELETE FROM push_subscriptions WHERE person_id = :p",
    "DELETE FROM calendar_feeds WHERE person_id = :p",
    "UPDATE notifications SET state = 'cancelled' WHERE person_id = :p AND state = 'waiting'",
)

# What holds for work in that organisation alone. What was done stays: hours, visits, absences that are over.
_PLACES = (
    "DELETE FROM team_members WHERE person_id = :p AND valid_from >= :now",
    "UPDATE team_members SET valid_to = :now WHERE person_id = :p AND (valid_to IS NULL OR valid_to > :now)",
    "DELETE FROM shift_assignments WHERE person_id = :p AND valid_from > CAST(:now AS date)",
    "UPDATE shift_assignments SET valid_until = CAST(:now AS date) WHERE person_id = :p"
    " AND (valid_until IS NULL OR valid_until > CAST(:now AS date))",
    "DELETE FROM territory_cover WHERE person_id = :p",
    "DELETE FROM absences WHERE person_id = :p AND starts_at > :now",
    "DELETE FROM saved_filters WHERE person_id = :p AND NOT shared",
    "UPDATE saved_filters SET person_id = NULL WHERE person_id = :p",
    "UPDATE stock_locations SET active = false, person_id = NULL, version = version + 1 WHERE person_id = :p",
    "DELETE FROM thread_reads WHERE person_id = :p",
)


class StillHolds(Conflict):
    """Somebody else has to take over first; params: the counts by what it is."""

    code = "still_holds"


def in_hands(session: Session, person_id: UUID) -> dict[str, int]:
    """Return how much of what is in somebody's hands. Needs the service role."""
    return {name: int(session.scalar(text(asked), {"p": person_id}) or 0) for name, asked in _IN_HANDS.items()}


def require_empty_hands(session: Session, person: Person) -> None:
    """Raise StillHolds while work, stock, assets or an on-call list wait for the person. Needs the service role."""
    held = in_hands(session, person.id)
    if any(held.values()):
        raise StillHolds("somebody else has to take over first", person_id=str(person.id), **held)


def close_doors(session: Session, person: Person, now: datetime) -> None:
    """Sign the person out everywhere and end what is told to them. Needs the service role."""
    for statement in _DOORS:
        session.execute(text(statement), {"p": person.id})
    session.execute(text("DELETE FROM memberships WHERE person_id = :p"), {"p": person.id})
    leave_places(session, person.id, now)


def leave_places(session: Session, person_id: UUID, now: datetime) -> None:
    """End what holds for work in the organisation: teams, shifts, territories, the place of their own stock."""
    for statement in _PLACES:
        session.execute(text(statement), {"p": person_id, "now": now})
