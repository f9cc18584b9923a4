"""Service types of an organisation: add, change, publish a new version, and which version is in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from ticketing.cases.forms import check_form
from ticketing.cases.seeds import SEEDS
from ticketing.cases.tables import ServiceType, ServiceTypeVersion
from ticketing.cases.words import checked_code, words
from ticketing.cases.workflow import check_workflow
from ticketing.people.skills import MAX_REQUIRED, check_required
from ticketing.words import PRIORITIES, one_of

CATEGORIES = ("advice", "on_site", "goods", "other")
# How the one who does the work is paid; what each pays is the settlement's business.
SETTLEMENT_RULES = ("none", "piece_rate", "hourly", "package", "revenue_share", "tiered")
MAX_TYPES = 200
MAX_VERSIONS = 1000
MAX_SKILL_CODE = 100
_VERSIONED = (
    "form",
    "workflow",
    "priority",
    "duration_minutes",
    "required_skills",
    "procedure_id",
    "sla_policy_id",
    "price_part_id",
    "settlement_rule",
)


def ensure_service_types(session: Session, organisation_id: UUID, now: datetime) -> int:
    """Give an organisation that has no service types the ones that everybody begins with; return how many came."""
    there = select(ServiceType.id).where(ServiceType.organisation_id == organisation_id).limit(1)
    if session.scalar(there) is not None:
        return 0
    # Two first looks at once would both add them.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 19))"), {"key": str(organisation_id)})
    if session.scalar(there) is not None:
        return 0
    for position, seed in enumerate(SEEDS, start=1):
        kind = ServiceType(
            id=uuid7(),
            organisation_id=organisation_id,
            code=seed.code,
            category=seed.category,
            name_en=seed.name[0],
            name_zh=seed.name[1],
            description_en=seed.about[0],
            description_zh=seed.about[1],
            public=seed.public,
            position=position,
            latest=1,
            created_at=now,
        )
        session.add(kind)
        session.add(
            ServiceTypeVersion(
                organisation_id=organisation_id,
                service_type_id=kind.id,
                version=1,
                form=check_form(seed.form),
                workflow=check_workflow(seed.workflow),
                priority=seed.priority,
                duration_minutes=seed.duration_minutes,
                required_skills=seed.skills,
                settlement_rule=seed.settlement_rule,
                created_at=now,
            )
        )
    session.flush()
    return len(SEEDS)


def add_service_type(
    session: Session, facts: Mapping[str, Any], version: Mapping[str, Any], now: datetime, *, by: Actor
) -> ServiceType:
    """Add a service type with its first version. Raises Invalid with the place of an error, Conflict on its code."""
    own = select(ServiceType).where(ServiceType.organisation_id == by.organisation_id)
    known = {each.code: each.position for each in session.scalars(own)}
    code = checked_code(facts.get("code"))
    if code in known:
        raise Conflict(f"there is a service type {code!r} already", what="service_type", service_type_code=code)
    if len(known) >= MAX_TYPES:
        raise Invalid(f"at most {MAX_TYPES} service types", field="code", limit=MAX_TYPES)
    kind = ServiceType(
        organisation_id=by.organisation_id,
        code=code,
        category="other",
        position=max(known.values(), default=0) + 1,
        latest=0,
        created_at=now,
    )
    _describe(kind, facts)
    session.add(kind)
    session.flush()
    publish(session, kind, version, now, by=by, first=True)
    _tell(session, kind, "service_type.added", now, by)
    return kind


def describe(session: Session, kind: ServiceType, facts: Mapping[str, Any], now: datetime, *, by: Actor) -> ServiceType:
    """Change how a service type is named, sorted and offered; what it asks and does needs a new version."""
    _describe(kind, facts)
    kind.version += 1
    session.flush()
    _tell(session, kind, "service_type.changed", now, by)
    return kind


def publish(
    session: Session, kind: ServiceType, facts: Mapping[str, Any], now: datetime, *, by: Actor, first: bool = False
) -> ServiceTypeVersion:
    """Write a new version, in force from now on; cases keep the one they were opened under.

    What `facts` leaves out stays as it was. Raises Invalid with the place of an error.
    """
    session.execute(select(ServiceType.id).where(ServiceType.id == kind.id).with_for_update())
    session.refresh(kind)
    before = version_in_force(session, kind)
    values = {name: getattr(before, name) for name in _VERSIONED} if before else {}
    values |= {name: value for name, value in facts.items() if name in _VERSIONED}
    if kind.latest >= MAX_VERSIONS:
        raise Invalid(f"at most {MAX_VERSIONS} versions", field="version", limit=MAX_VERSIONS)
    made = ServiceTypeVersion(
        organisation_id=kind.organisation_id,
        service_type_id=kind.id,
        version=kind.latest + 1,
        note=words("note", facts.get("note"), 1000, empty=True),
        created_at=now,
        created_by_id=by.person_id,
        **checked_version(values),
    )
    session.add(made)
    kind.latest += 1
    kind.version += 0 if first else 1
    kind.procedure_id, kind.sla_policy_id = made.procedure_id, made.sla_policy_id
    session.flush()
    if not first:
        _tell(session, kind, "service_type.published", now, by, in_force=made.version)
    return made


def checked_version(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a version holds, checked. Raises Invalid with the place of the error."""
    minutes = values.get("duration_minutes")
    if minutes is not None and not 1 <= minutes <= 14 * 24 * 60:
        raise Invalid("duration_minutes is between 1 and 20160", field="duration_minutes")
    rule = values.get("settlement_rule")
    if rule is not None:
        one_of("settlement_rule", rule, SETTLEMENT_RULES)
    return {
        "form": check_form(values.get("form") or {}),
        "workflow": check_workflow(values.get("workflow") or {}),
        "priority": one_of("priority", values.get("priority") or "normal", PRIORITIES),
        "duration_minutes": minutes,
        "required_skills": _checked_skills(values.get("required_skills") or []),
        "procedure_id": values.get("procedure_id"),
        "sla_policy_id": values.get("sla_policy_id"),
        "price_part_id": values.get("price_part_id"),
        "settlement_rule": rule,
    }


def version_in_force(session: Session, kind: ServiceType | None) -> ServiceTypeVersion | None:
    """Return the version that new cases come under; None for no type."""
    return version_of(session, kind, kind.latest) if kind is not None and kind.latest else None


def version_of(session: Session, kind: ServiceType, number: int) -> ServiceTypeVersion:
    """Return one version. Raises NotFound."""
    found = session.scalar(
        select(ServiceTypeVersion).where(
            ServiceTypeVersion.service_type_id == kind.id, ServiceTypeVersion.version == number
        )
    )
    if found is None:
        raise NotFound("no such version", kind="service_type_version")
    return found


def find_service_type(session: Session, organisation_id: UUID, code: str) -> ServiceType | None:
    """Return an organisation's service type by its code; None when there is none, or it is switched off."""
    wanted = select(ServiceType).where(
        ServiceType.organisation_id == organisation_id, ServiceType.code == code, ServiceType.active
    )
    return session.scalar(wanted)


def _describe(kind: ServiceType, facts: Mapping[str, Any]) -> None:
    for name in ("name_en", "name_zh"):
        if name in facts:
            setattr(kind, name, words(name, facts[name], 100))
    for name in ("description_en", "description_zh"):
        if name in facts:
            setattr(kind, name, words(name, facts[name], 1000, empty=True))
    if "category" in facts:
        kind.category = one_of("category", facts["category"], CATEGORIES)
    for name in ("active", "public", "position"):
        if facts.get(name) is not None:
            setattr(kind, name, facts[name])
    for name in ("name_en", "name_zh"):
        if not getattr(kind, name, None):
            raise Invalid(f"{name} is missing", field=name)


def _checked_skills(skills: list[Any]) -> list[dict[str, Any]]:
    """Return skills as orders have them: a service type must not hand on what no order may hold."""
    if len(skills) > MAX_REQUIRED:
        raise Invalid(f"at most {MAX_REQUIRED} skills", field="required_skills", limit=MAX_REQUIRED)
    levels: dict[str, int] = {}
    for index, each in enumerate(skills):
        try:
            ((code, level),) = check_required([each]).items()
        except Invalid as error:
            raise Invalid(str(error), **error.params | {"path": f"/{index}"}) from None
        if not 1 <= len(code.strip()) <= MAX_SKILL_CODE:
            raise Invalid("each skill has its code", field="required_skills", path=f"/{index}")
        levels[code.strip()] = max(level, levels.get(code.strip(), 0))
    return [{"skill": code, "level": level} for code, level in levels.items()]


def _tell(session: Session, kind: ServiceType, word: str, now: datetime, by: Actor, **more: Any) -> None:
    append_event(
        session,
        word,
        at=now,
        organisation_id=kind.organisation_id,
        subject_kind="service_type",
        subject_id=kind.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"service_type": kind.code, "name_en": kind.name_en, "name_zh": kind.name_zh, **more},
    )
