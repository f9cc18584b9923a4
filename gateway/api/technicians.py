"""Technicians over HTTP: who can be sent, their profile, skills and working time."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_

from assets.base.errors import Invalid, NotFound
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, SomeText, contains, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.skills import Code, HeldItem, held_by
from gateway.api.technician_rows import (
    SpanItem,
    TechnicianDetail,
    Technicians,
    VisitMeanwhile,
    detail_of,
    items_of,
    meanwhile,
    span_item,
)
from ticketing.fitness import objections, overlaps, visits_without_skill
from ticketing.models import WorkOrder
from ticketing.people.availability import availability
from ticketing.people.patterns import MAX_OVERTIME_MINUTES, read_zone
from ticketing.people.profiles import profiles_of, remove_skill, set_profile, set_skill
from ticketing.people.skills import moments
from ticketing.people.tables import PersonSkill, Skill, TeamMember, TechnicianProfile, WorkCentre
from ticketing.people.teams import member_at
from ticketing.technicians import sent_people
from ticketing.work_orders import OPEN_STATES, get_work_order

router = APIRouter(prefix="/api/v1", tags=["people"])

Money = Annotated[Decimal | None, Field(ge=0, le=1_000_000, max_digits=12, decimal_places=4)]
Latitude = Annotated[float | None, Field(ge=-90, le=90)]
Longitude = Annotated[float | None, Field(ge=-180, le=180)]
Vehicle = Literal["car", "van", "motorbike", "bicycle", "on_foot", "transit"]


class NewProfile(BaseModel):
    """What is to change of a profile; null takes away."""

    time_zone: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    home_address: Annotated[str | None, Field(max_length=500)] = None
    home_latitude_deg: Latitude = None
    home_longitude_deg: Longitude = None
    work_centre_id: UUID | None = None
    van_location_id: UUID | None = None
    vehicle: Vehicle | None = None
    speed_kmh: Annotated[float | None, Field(gt=0, le=300)] = None
    cost_per_hour: Money = None
    overtime_cost_per_hour: Money = None
    currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$")] = None
    overtime_minutes: Annotated[int | None, Field(ge=0, le=MAX_OVERTIME_MINUTES)] = None


class NewHeld(BaseModel):
    """What somebody can do; days are included, in the person's time zone."""

    level: Annotated[int, Field(ge=1, le=5)]
    valid_from: date | None = None
    valid_until: date | None = None
    document_id: UUID | None = None
    note: SomeText = None


class HeldChange(BaseModel):
    """A person's skill, and the planned visits that now lack it."""

    skill: HeldItem
    conflicts: list[VisitMeanwhile]


class Availability(BaseModel):
    """When somebody works, in UTC."""

    items: list[SpanItem]
    next: str | None = None


class ObjectionItem(BaseModel):
    """Something that speaks against sending somebody."""

    code: str
    params: dict[str, Any]


class Fitness(BaseModel):
    """Whether somebody can do a piece of work then; objections are empty when nothing speaks against it."""

    fit: bool
    objections: list[ObjectionItem]


@router.get("/technicians", operation_id="list_technicians")
def list_technicians(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    team_id: UUID | None = None,
    work_centre_id: UUID | None = None,
    organisation_id: UUID | None = None,
    skill: Code | None = None,
    limit: Limit = 500,
    after: After = None,
) -> Technicians:
    """List who can be sent, the least busy first, with load over the coming seven days."""
    here.require("technician.read")
    busy = (
        select(WorkOrder.assignee_id, func.count().label("open"))
        .where(WorkOrder.state.in_(OPEN_STATES), WorkOrder.assignee_id.is_not(None))
        .group_by(WorkOrder.assignee_id)
        .subquery()
    )
    load = func.coalesce(busy.c.open, 0)
    query = select(Person, load).outerjoin(busy, busy.c.assignee_id == Person.id).where(Person.id.in_(sent_people()))
    query = query.where(Person.disabled_at.is_(None)).order_by(load, Person.name, Person.id).limit(limit + 1)
    for condition in _asked(here, q, team_id, work_centre_id, organisation_id, skill):
        query = query.where(condition)
    if after is not None:
        count, name, key = read_cursor(after, int, str, UUID)
        query = query.where(tuple_(load, Person.name, Person.id) > tuple_(count, name, key))
    found = [(person, int(count)) for person, count in here.session.execute(query)]
    page = found[:limit]
    following = cursor_of(page[-1][1], page[-1][0].name, page[-1][0].id) if len(found) > limit else None
    return Technicians(items=items_of(here, [person for person, _ in page]), next=following)


@router.get("/technicians/{person_id}", operation_id="get_technician")
def get_technician(person_id: UUID, here: Here) -> TechnicianDetail:
    """One technician; the profile is for the desk and for the person alone."""
    here.require("technician.read")
    return detail_of(here, _person(here, person_id))


@router.put("/technicians/{person_id}", operation_id="set_technician_profile")
def set_technician_profile(person_id: UUID, body: NewProfile, here: Here, if_match: IfMatch = None) -> TechnicianDetail:
    """Set what planning needs to know of a person; what is left out stays."""
    here.require("technician.manage")
    person = locked(here, Person, person_id, "person")
    named(here, WorkCentre, body.work_centre_id, "work_centre_id")
    known = here.session.scalar(select(TechnicianProfile.id).where(TechnicianProfile.person_id == person.id))
    if known is not None:
        profile = locked(here, TechnicianProfile, known, "technician", if_match)
        profile.version += 1
    else:
        profile = TechnicianProfile(
            organisation_id=person.organisation_id, person_id=person.id, version=1, time_zone="UTC", vehicle="van",
            currency="CNY",
        )  # fmt: skip
    with here.session.no_autoflush:
        for field in body.model_fields_set:
            value = getattr(body, field)
            if value is not None or field not in ("time_zone", "vehicle", "currency"):
                setattr(profile, field, value)
    set_profile(here.session, profile, here.now, changed=body.model_fields_set, by=here.actor)
    return detail_of(here, person)


@router.put("/technicians/{person_id}/skills/{skill_id}", operation_id="set_technician_skill")
def set_technician_skill(person_id: UUID, skill_id: UUID, body: NewHeld, here: Here) -> HeldChange:
    """Say what somebody can do, and learn which planned visits now lack it."""
    here.require("technician.manage")
    person = locked(here, Person, person_id, "person")
    skill = seen(here, Skill, skill_id, "skill")
    held = set_skill(here.session, person, skill, here.now, **body.model_dump(), by=here.actor)
    profile = profiles_of(here.session, [person.id]).get(person.id)
    zone = read_zone(profile.time_zone if profile else "UTC")
    _, until = moments(held.valid_from, held.valid_until, zone)
    lost = visits_without_skill(here.session, person.id, skill.code, until, held.level, here.now)
    item = next(each for each in held_by(here, [person.id])[person.id] if each.skill_id == skill.id)
    return HeldChange(skill=item, conflicts=meanwhile(lost))


@router.delete("/technicians/{person_id}/skills/{skill_id}", operation_id="remove_technician_skill", status_code=204)
def remove_technician_skill(person_id: UUID, skill_id: UUID, here: Here) -> None:
    """Take a skill from somebody."""
    here.require("technician.manage")
    person = locked(here, Person, person_id, "person")
    held = here.session.scalar(
        select(PersonSkill).where(PersonSkill.person_id == person.id, PersonSkill.skill_id == skill_id)
    )
    if held is None:
        raise NotFound("they do not have this skill", kind="skill")
    remove_skill(here.session, held, seen(here, Skill, skill_id, "skill"), here.now, by=here.actor)


@router.get("/technicians/{person_id}/availability", operation_id="get_availability")
def get_availability(
    person_id: UUID,
    here: Here,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query()] = None,
) -> Availability:
    """When somebody works, absences and holidays taken out; the coming two weeks unless told otherwise."""
    here.require("technician.read")
    person = _person(here, person_id)
    start = from_ or here.now
    spans = availability(here.session, [person.id], start, until or start + timedelta(days=14))
    return Availability(items=[span_item(span) for span in spans])


@router.get("/technicians/{person_id}/fitness", operation_id="get_fitness")
def get_fitness(
    person_id: UUID,
    here: Here,
    from_: Annotated[Moment, Query(alias="from")],
    until: Moment,
    work_order_id: UUID | None = None,
) -> Fitness:
    """Whether somebody can do an order's work in a time: skills to its end, working time, absences, home, visits."""
    here.require("technician.read")
    person = _person(here, person_id)
    if not timedelta(0) < until - from_ <= timedelta(days=31):
        raise Invalid("a time of at most 31 days that ends after it begins", field="until")
    required = get_work_order(here.session, work_order_id).required_skills if work_order_id else []
    found = objections(here.session, person.id, required, from_, until)
    found += overlaps(here.session, person.id, from_, until, work_order_id)
    return Fitness(fit=not found, objections=[ObjectionItem(code=each.code, params=each.params) for each in found])


def _person(here: Context, person_id: UUID) -> Person:
    return seen(here, Person, person_id, "person")


def _asked(
    here: Context,
    q: str | None,
    team_id: UUID | None,
    work_centre_id: UUID | None,
    organisation_id: UUID | None,
    skill: str | None,
) -> list[Any]:
    conditions: list[Any] = []
    if q:
        conditions.append(Person.name.ilike(contains(q)))
    if team_id is not None:
        of = select(TeamMember.person_id).where(TeamMember.team_id == team_id, member_at(here.now))
        conditions.append(Person.id.in_(of))
    if work_centre_id is not None:
        of = select(TechnicianProfile.person_id).where(TechnicianProfile.work_centre_id == work_centre_id)
        conditions.append(Person.id.in_(of))
    if organisation_id is not None:
        conditions.append(Person.organisation_id == organisation_id)
    if skill is not None:
        of = select(PersonSkill.person_id).join(Skill, Skill.id == PersonSkill.skill_id).where(Skill.code == skill)
        conditions.append(Person.id.in_(of))
    return conditions
