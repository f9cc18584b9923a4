"""Skills: who can do what, at which level, until when; and what is missing for a piece of work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from ticketing.people.patterns import read_zone
from ticketing.people.tables import PersonSkill, Skill, TechnicianProfile

LEVELS = range(1, 6)
MAX_REQUIRED = 20


@dataclass(frozen=True, slots=True)
class HeldSkill:
    """Somebody's skill from `holds_from` to just before `holds_until` (UTC, None: unbounded)."""

    code: str
    level: int
    holds_from: datetime | None = None
    holds_until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether the skill counts at a moment."""
        return (self.holds_from is None or self.holds_from <= at) and (
            self.holds_until is None or at < self.holds_until
        )


@dataclass(frozen=True, slots=True)
class Lacking:
    """What is missing: `why` is absent, level, expired or not_yet; `until` is when an expired one ended."""

    skill: str
    level: int
    why: str
    has_level: int | None = None
    until: datetime | None = None


def check_required(required: Sequence[Any]) -> dict[str, int]:
    """Return required skills as {code: level}. Raises Invalid for what is not [{"skill": code, "level": 1–5}]."""
    found: dict[str, int] = {}
    if len(required) > MAX_REQUIRED:
        raise Invalid(f"at most {MAX_REQUIRED} skills", field="required_skills")
    for each in required:
        code: Any = each.get("skill") if isinstance(each, Mapping) else None
        level: Any = each.get("level", 1) if isinstance(each, Mapping) else None
        code = code.strip() if isinstance(code, str) else None
        if not code or not code.isprintable() or type(level) is not int or level not in LEVELS:
            raise Invalid('skills are [{"skill": code, "level": 1 to 5}]', field="required_skills")
        found[code] = max(level, found.get(code, 1))
    return found


def lacking(
    held: Iterable[HeldSkill], required: Sequence[Any], at: datetime, until: datetime | None = None
) -> list[Lacking]:
    """Return what of the required skills somebody lacks at a moment, or for all of [at, until); empty: nothing."""
    by_code: dict[str, list[HeldSkill]] = defaultdict(list)
    for each in held:
        by_code[each.code].append(each)
    last = max(at, until - timedelta(microseconds=1)) if until else at
    missing = [_missing(by_code[code], code, level, at, last) for code, level in check_required(required).items()]
    return [each for each in missing if each is not None]


def _missing(held: Sequence[HeldSkill], code: str, level: int, at: datetime, last: datetime) -> Lacking | None:
    if not held:
        return Lacking(code, level, "absent")
    best = max(held, key=lambda each: (each.holds(at) and each.holds(last), each.level))
    if best.holds(at) and best.holds(last):
        return None if best.level >= level else Lacking(code, level, "level", best.level)
    if best.holds_from is not None and at < best.holds_from:
        return Lacking(code, level, "not_yet", best.level)
    return Lacking(code, level, "expired", best.level, best.holds_until)


def skills_of(session: Session, person_ids: Iterable[UUID]) -> dict[UUID, list[HeldSkill]]:
    """Return what each of the people can do; a certified skill without its certificate does not count."""
    people = set(person_ids)
    query = (
        select(PersonSkill, Skill.code, TechnicianProfile.time_zone)
        .join(Skill, Skill.id == PersonSkill.skill_id)
        .outerjoin(TechnicianProfile, TechnicianProfile.person_id == PersonSkill.person_id)
        .where(PersonSkill.person_id.in_(people), Skill.certified.is_(False) | PersonSkill.document_id.is_not(None))
        .order_by(Skill.code)
    )
    found: dict[UUID, list[HeldSkill]] = {person: [] for person in people}
    for row, code, zone_name in session.execute(query):
        begins, ends = moments(row.valid_from, row.valid_until, read_zone(zone_name or "UTC"))
        found[row.person_id].append(HeldSkill(code, row.level, begins, ends))
    return found


def qualified(
    session: Session, required_skills: Sequence[Any], at: datetime, person_ids: Iterable[UUID] | None = None
) -> set[UUID]:
    """Return who has all required skills at their level at a moment; of everybody visible with any skill by default.

    Nothing required: all of `person_ids`. Raises Invalid for what is no list of skills.
    """
    required = check_required(required_skills)
    if not required:
        return set(person_ids) if person_ids is not None else set(session.scalars(select(TechnicianProfile.person_id)))
    people = set(person_ids) if person_ids is not None else _with_any(session, required)
    held = skills_of(session, people)
    return {person for person in people if not lacking(held[person], required_skills, at)}


def _with_any(session: Session, required: Mapping[str, int]) -> set[UUID]:
    query = select(PersonSkill.person_id).join(Skill, Skill.id == PersonSkill.skill_id).where(Skill.code.in_(required))
    return set(session.scalars(query))


def moments(first: date | None, last: date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return when days begin and have ended in a zone, in UTC."""
    begins = datetime.combine(first, time(), zone).astimezone(UTC) if first else None
    ends = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC) if last else None
    return begins, ends
