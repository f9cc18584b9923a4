"""A person goes to another organisation: what comes along, and what stays behind."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.events import append_event
from assets.people import Membership, Organisation, Person
from gateway.leaving import close_doors, require_empty_hands

# What an organisation knows of its people is not for the next one: rates, vans, skills of a catalogue it does not see.
_PROFILE = text(
    "UPDATE technician_profiles SET organisation_id = :o, work_centre_id = NULL, van_location_id = NULL,"
    " cost_per_hour = NULL, overtime_cost_per_hour = NULL, version = version + 1 WHERE person_id = :p"
)
_FOREIGN_SKILLS = text(
    "DELETE FROM person_skills h USING skills s WHERE h.person_id = :p AND s.id = h.skill_id"
    " AND NOT s.organisation_id = ANY (:line)"
)
_SKILLS = text(
    "UPDATE person_skills SET organisation_id = :o, document_id = NULL, version = version + 1 WHERE person_id = :p"
)
_PREFERENCES = text("UPDATE notification_preferences SET organisation_id = :o WHERE person_id = :p")


def move_person(
    session: Session,
    person: Person,
    to: Organisation,
    roles: Collection[Role],
    *,
    reason: str,
    by: Actor,
    now: datetime,
) -> None:
    """Let a person belong to another organisation, with these roles and no others. Raises StillHolds.

    Both organisations' logs tell it. Needs the service role; whoever calls has checked what the actor may do.
    """
    require_empty_hands(session, person)
    before = session.get_one(Organisation, person.organisation_id)
    close_doors(session, person, now)
    what = {"p": person.id, "o": to.id, "line": list(to.ancestors)}
    session.execute(_FOREIGN_SKILLS, what)
    for statement in (_SKILLS, _PROFILE, _PREFERENCES):
        session.execute(statement, what)
    person.organisation_id = to.id
    person.version += 1
    session.flush()
    session.add_all(Membership(organisation_id=to.id, person_id=person.id, role=role) for role in sorted(roles))
    session.flush()
    for kind, owner in (("person.moved_away", before), ("person.moved_here", to)):
        append_event(
            session,
            kind,
            at=now,
            organisation_id=owner.id,
            subject_kind="person",
            subject_id=person.id,
            actor_kind=by.kind,
            actor_id=by.person_id,
            payload={"roles": [str(role) for role in sorted(roles)] if owner is to else []},
            personal={"reason": reason},
        )
