"""How many minutes people can work each week, kept; and what those can do who work then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from assets.people import Person
from maintenance.forecasts.planned import Where
from maintenance.forecasts.staffing import Able
from maintenance.forecasts.tables import CapacityWeek
from maintenance.forecasts.weeks import WEEK, begins, monday, weeks_from
from ticketing.people.availability import availability
from ticketing.people.skills import skills_of
from ticketing.people.tables import TeamMember, Territory, TerritoryCover
from ticketing.technicians import sent_people

AHEAD = 54  # weeks; what can be asked at once of shifts is 400 days
TOGETHER = 100  # people

# Capacity is reckoned anew when any of this changes, and each day.
_DIGEST = text("""
SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (
  SELECT 'p' || p.id || coalesce(p.disabled_at::text, '') AS t FROM people p WHERE p.organisation_id = :o
  UNION ALL SELECT 'r' || m.person_id || m.role FROM memberships m JOIN people p ON p.id = m.person_id
    WHERE p.organisation_id = :o
  UNION ALL SELECT 's' || s.id || s.version || coalesce(c.id || '/' || c.version, '') FROM shifts s
    LEFT JOIN calendars c ON c.id = s.calendar_id WHERE s.organisation_id = ANY(:above)
  UNION ALL SELECT 'g' || row(g.*)::text FROM shift_assignments g WHERE g.organisation_id = ANY(:above)
  UNION ALL SELECT 'a' || a.id || a.version || a.state || a.starts_at || a.ends_at FROM absences a
    WHERE a.organisation_id = :o
  UNION ALL SELECT 'm' || row(m.*)::text FROM team_members m WHERE m.organisation_id = :o
  UNION ALL SELECT 'f' || f.person_id || f.version FROM technician_profiles f WHERE f.organisation_id = :o) d
""")


def digest(session: Session, organisation_id: UUID, above: Sequence[UUID], now: datetime) -> str:
    """Return what capacity rests on, in short."""
    found = session.scalar(_DIGEST, {"o": organisation_id, "above": list(above)})
    return f"{monday(now.date())}:{found or ''}"


def keep_capacity(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Reckon anew what the people of an organisation can work, from this week on."""
    weeks = weeks_from(now.date(), AHEAD)
    people = select(Person.id).where(
        Person.organisation_id == organisation_id, Person.disabled_at.is_(None), Person.id.in_(sent_people())
    )
    keys = sorted(session.scalars(people))
    session.execute(delete(CapacityWeek).where(CapacityWeek.organisation_id == organisation_id))
    for part in (keys[place : place + TOGETHER] for place in range(0, len(keys), TOGETHER)):
        sums: dict[tuple[UUID, date], float] = defaultdict(float)
        for span in availability(session, part, begins(weeks[0]), begins(weeks[-1] + WEEK)):
            sums[(span.person_id, monday(span.start.date()))] += span.minutes
        rows = [
            {
                "id": uuid7(),
                "organisation_id": organisation_id,
                "person_id": person,
                "week": week,
                "minutes": round(spent),
            }
            for (person, week), spent in sums.items()
        ]
        if rows:
            session.execute(insert(CapacityWeek), rows)


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody who works in a week, and what they can do then."""

    person_id: UUID
    able: Able


def hands(session: Session, first: date, last: date, where: Where) -> dict[date, list[Hand]]:
    """Return who works in the weeks of [first, last), with what skills: of a team, covering a region, or everybody."""
    query = select(CapacityWeek.person_id, CapacityWeek.week, CapacityWeek.minutes)
    query = query.where(CapacityWeek.week >= first, CapacityWeek.week < last)
    if where.organisation_ids is not None:
        query = query.where(CapacityWeek.organisation_id.in_(where.organisation_ids))
    rows = session.execute(query.order_by(CapacityWeek.week)).all()
    people = {row[0] for row in rows}
    if where.region is not None:
        covering = _covering(session, where.region)
        rows = rows if covering is None else [row for row in rows if row[0] in covering]
    held = skills_of(session, people) if people else {}
    teams = _memberships(session, where.team_id) if where.team_id is not None else None
    found: dict[date, list[Hand]] = defaultdict(list)
    for person, week, minutes in rows:
        middle = begins(week) + timedelta(days=3, hours=12)
        if teams is not None and not any(a <= middle and (b is None or middle < b) for a, b in teams.get(person, ())):
            continue
        skills: dict[str, int] = {}
        for each in held[person]:
            # Who loses a skill within the week can still do it at its beginning.
            if each.holds(begins(week)) or each.holds(middle):
                skills[each.code] = max(each.level, skills.get(each.code, 0))
        found[week].append(Hand(person, Able(skills, minutes)))
    return found


def _memberships(session: Session, team_id: UUID) -> dict[UUID, list[tuple[datetime, datetime | None]]]:
    found: dict[UUID, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for row in session.scalars(select(TeamMember).where(TeamMember.team_id == team_id)):
        found[row.person_id].append((row.valid_from, row.valid_to))
    return found


def _covering(session: Session, region: str) -> set[UUID] | None:
    """Return who covers a region; None: nobody says, so everybody may."""
    named = select(Territory.id).where(Territory.regions.contains([region]))
    covers = session.scalars(select(TerritoryCover).where(TerritoryCover.territory_id.in_(named))).all()
    if not covers:
        return None
    teams = {each.team_id for each in covers if each.team_id is not None}
    people = {each.person_id for each in covers if each.person_id is not None}
    return people | set(session.scalars(select(TeamMember.person_id).where(TeamMember.team_id.in_(teams))))
