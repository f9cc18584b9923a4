"""Who is told of a service level: whoever does the work, those who lead it, roles of whoever made the promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.people import Membership, Person
from ticketing.people.tables import TeamMember
from ticketing.sla_subjects import Subject

MAX_PEOPLE = 50  # a warning that goes to everybody is read by nobody
_ROLES = {"dispatchers": "dispatcher", "planners": "planner", "administrators": "administrator"}


def people_to_tell(
    session: Session, subject: Subject, organisation_id: UUID, now: datetime, told: Sequence[Mapping[str, Any]]
) -> list[UUID]:
    """Return the people to tell, each once, without those who have left."""
    wanted: list[UUID] = []
    for each in told:
        to = each["to"]
        if to == "assignee" and subject.assignee_id is not None:
            wanted.append(subject.assignee_id)
        elif to == "person":
            wanted.append(UUID(str(each["id"])))
        elif to == "team_leads" and subject.team_id is not None:
            wanted += _leads(session, subject.team_id, now)
        elif to in _ROLES:
            members = select(Membership.person_id).where(
                Membership.organisation_id == organisation_id, Membership.role == _ROLES[to]
            )
            wanted += session.scalars(members.order_by(Membership.person_id).limit(MAX_PEOPLE))
    here = set(session.scalars(select(Person.id).where(Person.id.in_(set(wanted)), Person.disabled_at.is_(None))))
    return [each for each in dict.fromkeys(wanted) if each in here][:MAX_PEOPLE]


def _leads(session: Session, team_id: UUID, now: datetime) -> Sequence[UUID]:
    leading = select(TeamMember.person_id).where(
        TeamMember.team_id == team_id,
        TeamMember.leads,
        TeamMember.valid_from <= now,
        or_(TeamMember.valid_to.is_(None), TeamMember.valid_to > now),
    )
    return session.scalars(leading.order_by(TeamMember.person_id).limit(MAX_PEOPLE)).all()
