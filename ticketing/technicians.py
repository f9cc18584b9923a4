"""Technicians: who can be sent, from where, when, with which skills, and how much each already has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.errors import Invalid, NotFound
from assets.people import Membership, Person
from ticketing.models import Visit, WorkOrder
from ticketing.people.availability import availability
from ticketing.people.profiles import home_of, profiles_of, speed_of
from ticketing.people.skills import HeldSkill, skills_of
from ticketing.people.teams import team_members
from ticketing.people.working import WorkSpan
from ticketing.work_orders import LIVE_VISITS, OPEN_STATES

SENT = (Role.TECHNICIAN, Role.PARTNER)  # roles that go to machines
MAX_LIST = 1000


@dataclass(frozen=True, slots=True)
class Technician:
    """Somebody who can be sent, with the number of their open work orders."""

    person_id: UUID
    name: str
    open_work_orders: int


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody who can be sent, with all that a plan asks about them. No home: (None) they cannot be routed."""

    person_id: UUID
    name: str
    organisation_id: UUID
    home: tuple[float, float] | None
    speed_kmh: float
    cost_per_hour: Decimal | None
    overtime_cost_per_hour: Decimal | None
    van_location_id: UUID | None
    skills: list[HeldSkill] = field(default_factory=list)
    spans: list[WorkSpan] = field(default_factory=list)


def technicians(session: Session) -> list[Technician]:
    """Return everybody visible who can be sent, the least busy first."""
    busy = (
        select(WorkOrder.assignee_id, func.count().label("open"))
        .where(WorkOrder.state.in_(OPEN_STATES), WorkOrder.assignee_id.is_not(None))
        .group_by(WorkOrder.assignee_id)
        .subquery()
    )
    load = func.coalesce(busy.c.open, 0)
    rows = session.execute(
        select(Person.id, Person.name, load)
        .outerjoin(busy, busy.c.assignee_id == Person.id)
        .where(Person.disabled_at.is_(None), Person.id.in_(sent_people()))
        .order_by(load, Person.name, Person.id)
        .limit(MAX_LIST)
    )
    return [Technician(person_id, name, int(count)) for person_id, name, count in rows]


def assignable(session: Session, person_id: UUID) -> Person:
    """Return the person if they can be sent. Raises NotFound, or Invalid for somebody who cannot."""
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("no such person", kind="person")
    role = select(Membership.id).where(Membership.person_id == person_id, Membership.role.in_(SENT)).limit(1)
    if person.disabled_at is not None or session.scalar(role) is None:
        raise Invalid(f"{person.name} is no technician", field="person_id")
    return person


def resources(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    person_ids: Iterable[UUID] | None = None,
    team_id: UUID | None = None,
    organisation_ids: Collection[UUID] | None = None,
) -> list[Resource]:
    """Return who can be sent within [start, end), by name, with home, skills and working spans.

    Of all visible ones, or of those named, of a team's members at `start`, of some organisations; a job that sees
    everybody's rows must say which. Those who do not work in that time are there too, without spans.
    """
    query = select(Person).where(Person.disabled_at.is_(None), Person.id.in_(sent_people()))
    if person_ids is not None:
        query = query.where(Person.id.in_(set(person_ids)))
    if team_id is not None:
        query = query.where(Person.id.in_(team_members(session, team_id, start)))
    if organisation_ids is not None:
        query = query.where(Person.organisation_id.in_(organisation_ids))
    people = list(session.scalars(query.order_by(Person.name, Person.id).limit(MAX_LIST)))
    keys = [person.id for person in people]
    profiles, skills = profiles_of(session, keys), skills_of(session, keys)
    spans: dict[UUID, list[WorkSpan]] = defaultdict(list)
    for span in availability(session, keys, start, end):
        spans[span.person_id].append(span)
    made = []
    for person in people:
        profile = profiles.get(person.id)
        made.append(
            Resource(
                person_id=person.id,
                name=person.name,
                organisation_id=person.organisation_id,
                home=home_of(profile),
                speed_kmh=speed_of(profile),
                cost_per_hour=profile.cost_per_hour if profile else None,
                overtime_cost_per_hour=profile.overtime_cost_per_hour if profile else None,
                van_location_id=profile.van_location_id if profile else None,
                skills=skills[person.id],
                spans=spans[person.id],
            )
        )
    return made


def open_orders(session: Session, person_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many open work orders each of the people has."""
    query = (
        select(WorkOrder.assignee_id, func.count())
        .where(WorkOrder.state.in_(OPEN_STATES), WorkOrder.assignee_id.in_(set(person_ids)))
        .group_by(WorkOrder.assignee_id)
    )
    return {person: int(count) for person, count in session.execute(query) if person is not None}


def planned_minutes(
    session: Session, person_ids: Iterable[UUID], start: datetime, end: datetime
) -> dict[UUID, tuple[int, float]]:
    """Return number and minutes of the live visits planned for each of the people within [start, end)."""
    query = select(Visit.technician_id, Visit.planned_start, Visit.planned_end).where(
        Visit.technician_id.in_(set(person_ids)),
        Visit.state.in_(LIVE_VISITS),
        Visit.planned_start < end,
        Visit.planned_end > start,
    )
    found: dict[UUID, tuple[int, float]] = {}
    for person, begins, ends in session.execute(query):
        if person is not None and begins is not None and ends is not None:
            count, minutes = found.get(person, (0, 0.0))
            found[person] = (count + 1, minutes + (min(ends, end) - max(begins, start)).total_seconds() / 60)
    return found


def sent_people() -> Select[UUID]:
    """Return the query for the ids of everybody with a role that goes to machines."""
    return select(Membership.person_id).where(Membership.role.in_(SENT))
