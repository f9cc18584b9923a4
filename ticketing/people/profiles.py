"""What planning needs to know of people who are sent: where from, how fast, at what cost, with which van."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.documents.models import Document
from assets.people import Person
from assets.stock.places import StockLocation
from assets.stock.words import PERSONAL
from ticketing.people.logging import key, log, moment
from ticketing.people.patterns import MAX_OVERTIME_MINUTES, read_zone
from ticketing.people.skills import LEVELS
from ticketing.people.tables import PersonSkill, Skill, TechnicianProfile

# What somebody covers in a town and around it, stops included: defaults until the operator knows better.
SPEEDS_KMH = {"car": 40.0, "van": 35.0, "motorbike": 35.0, "bicycle": 14.0, "on_foot": 4.5, "transit": 20.0}
VEHICLES = tuple(SPEEDS_KMH)


def profiles_of(session: Session, person_ids: Iterable[UUID]) -> dict[UUID, TechnicianProfile]:
    """Return the profiles of those who have one."""
    query = select(TechnicianProfile).where(TechnicianProfile.person_id.in_(set(person_ids)))
    return {profile.person_id: profile for profile in session.scalars(query)}


def speed_of(profile: TechnicianProfile | None) -> float:
    """Return how fast somebody travels, in km/h."""
    if profile is None:
        return SPEEDS_KMH["van"]
    return profile.speed_kmh or SPEEDS_KMH.get(profile.vehicle, SPEEDS_KMH["van"])


def home_of(profile: TechnicianProfile | None) -> tuple[float, float] | None:
    """Return latitude and longitude of where somebody starts, None when nobody said."""
    if profile is None or profile.home_latitude_deg is None or profile.home_longitude_deg is None:
        return None
    return profile.home_latitude_deg, profile.home_longitude_deg


def check_profile(session: Session, profile: TechnicianProfile) -> None:
    """Raise Invalid unless zone, home, vehicle, overtime and van make sense."""
    read_zone(profile.time_zone)
    if profile.vehicle not in VEHICLES:
        raise Invalid(f"a vehicle is one of {', '.join(VEHICLES)}", field="vehicle")
    if (profile.home_latitude_deg is None) != (profile.home_longitude_deg is None):
        raise Invalid("a home has latitude and longitude, or neither", field="home_latitude_deg")
    if profile.overtime_minutes is not None and not 0 <= profile.overtime_minutes <= MAX_OVERTIME_MINUTES:
        raise Invalid(f"overtime is 0 to {MAX_OVERTIME_MINUTES} minutes", field="overtime_minutes")
    _check_van(session, profile)


def _check_van(session: Session, profile: TechnicianProfile) -> None:
    if profile.van_location_id is None:
        return
    van = session.get(StockLocation, profile.van_location_id)
    if van is None or van.kind not in PERSONAL:
        raise Invalid("the van is a stock location of a person", field="van_location_id")
    if van.person_id not in (None, profile.person_id):
        raise Invalid("this van is somebody else's", field="van_location_id")


def set_profile(
    session: Session, profile: TechnicianProfile, now: datetime, *, changed: Iterable[str], by: Actor | None
) -> TechnicianProfile:
    """Keep a profile, new or changed; the event names what changed, never where somebody lives. Raises Invalid."""
    with session.no_autoflush:
        check_profile(session, profile)
    session.add(profile)
    session.flush()
    payload = {"person_id": key(profile.person_id), "changed": sorted(changed)}
    log(session, "technician.profile_set", subject=profile, word="technician", now=now, by=by, payload=payload)
    return profile


def set_skill(
    session: Session,
    person: Person,
    skill: Skill,
    now: datetime,
    *,
    level: int,
    valid_from: date | None = None,
    valid_until: date | None = None,
    document_id: UUID | None = None,
    note: str | None = None,
    by: Actor | None = None,
) -> PersonSkill:
    """Say what somebody can do, over what was said before. Raises Invalid."""
    if type(level) is not int or level not in LEVELS:
        raise Invalid("a level is 1 to 5", field="level")
    if valid_from and valid_until and valid_until < valid_from:
        raise Invalid("it ends after it begins", field="valid_until")
    if skill.archived_at is not None:
        raise Invalid("this skill is archived", field="skill_id")
    if document_id is not None and session.get(Document, document_id) is None:
        raise Invalid("there is no such document", field="document_id")
    known = select(PersonSkill).where(PersonSkill.person_id == person.id, PersonSkill.skill_id == skill.id)
    held = session.scalar(known.with_for_update())
    if held is None:
        held = PersonSkill(organisation_id=person.organisation_id, person_id=person.id, skill_id=skill.id, version=0)
    held.level, held.valid_from, held.valid_until = level, valid_from, valid_until
    held.document_id, held.note = document_id, note
    held.version += 1
    session.add(held)
    session.flush()
    payload = {
        "person_id": key(person.id),
        "skill": skill.code,
        "level": level,
        "valid_from": str(valid_from) if valid_from else None,
        "valid_until": str(valid_until) if valid_until else None,
        "document_id": key(document_id),
    }
    log(session, "technician.skill_set", subject=held, word="person_skill", now=now, by=by, payload=payload)
    return held


def remove_skill(session: Session, held: PersonSkill, skill: Skill, now: datetime, *, by: Actor | None) -> None:
    """Take a skill from somebody."""
    payload = {"person_id": key(held.person_id), "skill": skill.code, "at": moment(now)}
    log(session, "technician.skill_removed", subject=held, word="person_skill", now=now, by=by, payload=payload)
    session.delete(held)
    session.flush()
