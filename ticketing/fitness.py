"""Whether somebody can do a piece of work at a time: skills, working time, absences; and whose visits a change hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ticketing.models import Visit, WorkOrder
from ticketing.people.availability import lives
from ticketing.people.profiles import home_of, profiles_of
from ticketing.people.skills import lacking, skills_of
from ticketing.people.working import working_spans
from ticketing.work_orders import LIVE_VISITS

MAX_NAMED = 100  # visits that one change names


@dataclass(frozen=True, slots=True)
class Objection:
    """Why somebody should not do it then: `code` with what fills it in."""

    code: str  # skill_absent, skill_level, skill_expired, skill_not_yet, absent, not_working, overtime, no_home, busy
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A live visit that is planned, with its order."""

    visit_id: UUID
    work_order_id: UUID
    number: str
    state: str
    planned_start: datetime
    planned_end: datetime | None


def objections(
    session: Session, person_id: UUID, required_skills: Sequence[Any], start: datetime, end: datetime
) -> list[Objection]:
    """Return what speaks against sending somebody in [start, end); empty when nothing does.

    A skill must hold until the end: one that expires on the way counts as expired.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    found = [
        Objection(
            f"skill_{each.why}",
            {"skill": each.skill, "level": each.level, "has_level": each.has_level}
            | ({"until": each.until.isoformat()} if each.until else {}),
        )
        for each in lacking(skills_of(session, [person_id])[person_id], required_skills, start, end)
    ]
    if home_of(profiles_of(session, [person_id]).get(person_id)) is None:
        found.append(Objection("no_home", {}))
    life = next(iter(lives(session, [person_id], start - timedelta(days=1), end + timedelta(days=1))), None)
    if life is None:
        return found
    away = [each for each in life.absences if each[0] < end and each[1] > start]
    if away:
        times = {"starts_at": away[0][0].isoformat(), "ends_at": away[0][1].isoformat()}
        return [*found, Objection("absent", times)]
    day = timedelta(days=1)
    spans = [span for span in working_spans(life, start - day, end + day) if span.start <= start]
    covering = [span for span in spans if span.overtime_end >= end]
    if not covering:
        found.append(Objection("not_working", {}))
    elif covering[-1].end < end:
        minutes = round((end - max(covering[-1].end, start)).total_seconds() / 60)
        found.append(Objection("overtime", {"minutes": minutes}))
    return found


def overlaps(
    session: Session, person_id: UUID, start: datetime, end: datetime, order_id: UUID | None = None
) -> list[Objection]:
    """Return an objection for each visit, of other orders, that somebody has in [start, end) already."""
    return [
        Objection(
            "busy",
            {
                "number": each.number,
                "planned_start": each.planned_start.isoformat(),
                "planned_end": each.planned_end.isoformat() if each.planned_end else None,
            },
        )
        for each in visits_meanwhile(session, person_id, start, end)
        if each.work_order_id != order_id
    ]


def visits_meanwhile(session: Session, person_id: UUID, start: datetime, end: datetime) -> list[PlannedVisit]:
    """Return somebody's live visits that are planned within [start, end), earliest first.

    A visit that nobody gave hours counts at the moment that it was scheduled for.
    """
    begins = func.coalesce(Visit.planned_start, Visit.scheduled_at)
    ends = func.coalesce(Visit.planned_end, Visit.scheduled_at)
    return _named(session, Visit.technician_id == person_id, begins < end, (ends > start) | (begins >= start))


def visits_without_skill(
    session: Session, person_id: UUID, skill: str, holds_until: datetime | None, level: int, now: datetime
) -> list[PlannedVisit]:
    """Return somebody's coming visits whose orders ask for a skill that they then have no more, or not so well."""
    asks = WorkOrder.required_skills.contains([{"skill": skill}])
    found = _named(session, Visit.technician_id == person_id, Visit.planned_end > now, asks)
    if not found:
        return []
    rows = session.execute(
        select(WorkOrder.id, WorkOrder.required_skills).where(WorkOrder.id.in_([each.work_order_id for each in found]))
    )
    needed = {
        order: max(int(each.get("level", 1)) for each in required if each.get("skill") == skill)
        for order, required in rows
    }
    return [
        each
        for each in found
        if needed[each.work_order_id] > level
        or (holds_until is not None and (each.planned_end or each.planned_start) > holds_until)
    ]


def _named(session: Session, *conditions: Any) -> list[PlannedVisit]:
    begins = func.coalesce(Visit.planned_start, Visit.scheduled_at)
    query = (
        select(Visit.id, Visit.work_order_id, WorkOrder.number, Visit.state, begins, Visit.planned_end)
        .join(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .where(Visit.state.in_(LIVE_VISITS), begins.is_not(None), *conditions)
        .order_by(begins, Visit.id)
        .limit(MAX_NAMED)
    )
    return [PlannedVisit(*row) for row in session.execute(query)]
