"""Skills over HTTP: the catalogue, who has which, and until when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select, tuple_

from assets.base.errors import Conflict
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, contains, locked, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.people.logging import log
from ticketing.people.patterns import read_zone
from ticketing.people.profiles import profiles_of
from ticketing.people.skills import moments
from ticketing.people.tables import PersonSkill, Skill, TechnicianProfile

router = APIRouter(prefix="/api/v1", tags=["people"])

SOON = timedelta(days=60)  # a certificate is renewed in about two months

Code = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Trade = Annotated[str | None, Field(max_length=100)]
Validity = Literal["valid", "expires", "expired", "not_yet", "no_certificate"]


class SkillItem(BaseModel):
    """A skill of the catalogue, with how many have it. `certified`: it counts with a certificate alone."""

    id: UUID
    code: str
    name_en: str
    name_zh: str
    trade: str | None
    certified: bool
    archived_at: datetime | None
    people: int
    organisation_id: UUID
    version: int


class Skills(BaseModel):
    """A page of skills."""

    items: list[SkillItem]
    next: str | None = None


class NewSkill(BaseModel):
    """A skill of one's own organisation; those below read it too."""

    code: Code
    name_en: Name
    name_zh: Name
    trade: Trade = None
    certified: bool = False


class SkillChange(BaseModel):
    """What is to change; the code stays, orders ask by it."""

    name_en: Name | None = None
    name_zh: Name | None = None
    trade: Trade = None
    certified: bool | None = None
    archived: bool | None = None


class HeldItem(BaseModel):
    """What somebody can do. `validity` is as of now, in the person's time zone; `expires` means within 60 days."""

    skill_id: UUID
    code: str
    name_en: str
    name_zh: str
    level: int
    valid_from: date | None
    valid_until: date | None
    validity: Validity
    document_id: UUID | None
    note: str | None
    version: int


class MatrixRow(BaseModel):
    """One person's row of the skill matrix."""

    person_id: UUID
    name: str
    skills: list[HeldItem]


class SkillMatrix(BaseModel):
    """People and their skills."""

    items: list[MatrixRow]
    next: str | None = None


@router.get("/skills", operation_id="list_skills")
def list_skills(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    archived: bool = False,
    limit: Limit = 200,
    after: After = None,
) -> Skills:
    """List skills by code, archived ones only when asked for."""
    here.require("technician.read")
    query = select(Skill).order_by(Skill.code, Skill.id).limit(limit + 1)
    if not archived:
        query = query.where(Skill.archived_at.is_(None))
    if q:
        word = contains(q)
        query = query.where(or_(Skill.code.ilike(word), Skill.name_en.ilike(word), Skill.name_zh.ilike(word)))
    if after is not None:
        code, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Skill.code, Skill.id) > tuple_(code, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].code, page[-1].id) if len(found) > limit else None
    return Skills(items=_items(here, page), next=following)


@router.post("/skills", operation_id="create_skill", status_code=201)
def create_skill(body: NewSkill, here: Here) -> SkillItem:
    """Add a skill."""
    here.require("skill.manage")
    taken = select(Skill.id).where(Skill.organisation_id == here.actor.organisation_id, Skill.code == body.code)
    if here.session.scalar(taken) is not None:
        raise Conflict(f"there is a skill {body.code!r} already", code=body.code)
    skill = Skill(organisation_id=here.actor.organisation_id, **body.model_dump())
    here.session.add(skill)
    here.session.flush()
    _log(here, "skill.added", skill)
    return _items(here, [skill])[0]


@router.get("/skills/{skill_id}", operation_id="get_skill")
def get_skill(skill_id: UUID, here: Here) -> SkillItem:
    """One skill."""
    here.require("technician.read")
    return _items(here, [seen(here, Skill, skill_id, "skill")])[0]


@router.patch("/skills/{skill_id}", operation_id="change_skill")
def change_skill(skill_id: UUID, body: SkillChange, here: Here, if_match: IfMatch = None) -> SkillItem:
    """Change a skill; an archived one is given to nobody any more, those who have it keep it."""
    here.require("skill.manage")
    skill = locked(here, Skill, skill_id, "skill", if_match)
    for field in ("name_en", "name_zh", "certified"):
        if (value := getattr(body, field)) is not None:
            setattr(skill, field, value)
    if "trade" in body.model_fields_set:
        skill.trade = body.trade
    if body.archived is not None:
        skill.archived_at = (skill.archived_at or here.now) if body.archived else None
    skill.version += 1
    here.session.flush()
    _log(here, "skill.changed", skill)
    return _items(here, [skill])[0]


@router.get("/skill-matrix", operation_id="get_skill_matrix")
def get_skill_matrix(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    skill_id: UUID | None = None,
    validity: Validity | None = None,
    limit: Limit = 200,
    after: After = None,
) -> SkillMatrix:
    """People who have a skill or a technician's profile, by name; `validity` keeps rows with such a skill."""
    here.require("technician.read")
    has = select(PersonSkill.person_id)
    if skill_id is not None:
        has = has.where(PersonSkill.skill_id == skill_id)
    profiled = select(TechnicianProfile.person_id)
    wanted = Person.id.in_(has if skill_id or validity else has.union(profiled))
    query = select(Person).where(Person.disabled_at.is_(None), wanted).order_by(Person.name, Person.id).limit(limit + 1)
    if q:
        query = query.where(Person.name.ilike(contains(q)))
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Person.name, Person.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    held = held_by(here, [person.id for person in page])
    rows = [MatrixRow(person_id=person.id, name=person.name, skills=held[person.id]) for person in page]
    if validity is not None:
        rows = [row for row in rows if any(_shown(each, skill_id, validity) for each in row.skills)]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return SkillMatrix(items=rows, next=following)


def held_by(here: Context, people: list[UUID]) -> dict[UUID, list[HeldItem]]:
    """Return the skills of people, by code."""
    profiles = profiles_of(here.session, people)
    query = (
        select(PersonSkill, Skill)
        .join(Skill, Skill.id == PersonSkill.skill_id)
        .where(PersonSkill.person_id.in_(people))
        .order_by(Skill.code)
    )
    found: dict[UUID, list[HeldItem]] = {person: [] for person in people}
    for row, skill in here.session.execute(query):
        profile = profiles.get(row.person_id)
        found[row.person_id].append(held_item(row, skill, profile.time_zone if profile else "UTC", here.now))
    return found


def held_item(row: PersonSkill, skill: Skill, time_zone: str, now: datetime) -> HeldItem:
    """Return a person's skill as people read it."""
    begins, ends = moments(row.valid_from, row.valid_until, read_zone(time_zone))
    validity: Validity = "valid"
    if skill.certified and row.document_id is None:
        validity = "no_certificate"
    elif ends is not None and ends <= now:
        validity = "expired"
    elif begins is not None and begins > now:
        validity = "not_yet"
    elif ends is not None and ends <= now + SOON:
        validity = "expires"
    return HeldItem(
        skill_id=skill.id,
        code=skill.code,
        name_en=skill.name_en,
        name_zh=skill.name_zh,
        level=row.level,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        validity=validity,
        document_id=row.document_id,
        note=row.note,
        version=row.version,
    )


def _shown(held: HeldItem, skill_id: UUID | None, validity: Validity) -> bool:
    return held.validity == validity and skill_id in (None, held.skill_id)


def _items(here: Context, skills: list[Skill]) -> list[SkillItem]:
    keys = [skill.id for skill in skills]
    counted = select(PersonSkill.skill_id, func.count()).where(PersonSkill.skill_id.in_(keys))
    people = {key: int(count) for key, count in here.session.execute(counted.group_by(PersonSkill.skill_id))}
    return [
        SkillItem(
            id=skill.id,
            code=skill.code,
            name_en=skill.name_en,
            name_zh=skill.name_zh,
            trade=skill.trade,
            certified=skill.certified,
            archived_at=skill.archived_at,
            people=people.get(skill.id, 0),
            organisation_id=skill.organisation_id,
            version=skill.version,
        )
        for skill in skills
    ]


def _log(here: Context, kind: str, skill: Skill) -> None:
    payload = {"skill": skill.code, "archived": skill.archived_at is not None}
    log(here.session, kind, subject=skill, word="skill", now=here.now, by=here.actor, payload=payload)
