"""Teams, internal and outsourced, and who belongs to them from when to when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid
from assets.people import Organisation, Person
from ticketing.people.logging import key, log, moment
from ticketing.people.tables import Team, TeamMember

KINDS = ("internal", "outsourced")
MAX_MEMBERS = 500  # of one team at a time


def member_at(at: datetime) -> ColumnElement[bool]:
    """Return the condition that a membership holds at a moment."""
    return and_(TeamMember.valid_from <= at, or_(TeamMember.valid_to.is_(None), TeamMember.valid_to > at))


def team_members(session: Session, team_id: UUID, at: datetime) -> list[UUID]:
    """Return who belongs to a team at a moment, its leaders first; disabled people do not count."""
    query = (
        select(TeamMember.person_id)
        .join(Person, Person.id == TeamMember.person_id)
        .where(TeamMember.team_id == team_id, member_at(at), Person.disabled_at.is_(None))
        .order_by(TeamMember.leads.desc(), Person.name, Person.id)
        .limit(MAX_MEMBERS)
    )
    return list(session.scalars(query))


def teams_of(session: Session, person_ids: Iterable[UUID], at: datetime) -> dict[UUID, list[UUID]]:
    """Return the teams that each of the people belongs to at a moment."""
    people = set(person_ids)
    query = select(TeamMember.person_id, TeamMember.team_id).where(TeamMember.person_id.in_(people), member_at(at))
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for person, team in session.execute(query.order_by(TeamMember.team_id)):
        found[person].append(team)
    return {person: found[person] for person in people}


def add_team(session: Session, team: Team, owner: Organisation, now: datetime, *, by: Actor | None = None) -> Team:
    """Add a team. Raises Invalid for an outsourced team of no partner, or a partner's that is internal."""
    check_kind(team.kind, owner)
    _check_name(session, team, owner.id)
    team.organisation_id = owner.id
    team.created_at = now
    session.add(team)
    session.flush()
    log(session, "team.added", subject=team, word="team", now=now, by=by, payload={"name": team.name})
    return team


def check_kind(kind: str, owner: Organisation) -> None:
    """Raise Invalid unless outsourced teams belong to partners and internal ones to others."""
    if kind not in KINDS:
        raise Invalid(f"a team is one of {', '.join(KINDS)}", field="kind")
    if owner.kind == "customer":
        raise Invalid("a customer has no teams", field="organisation_id")
    if (kind == "outsourced") != (owner.kind == "partner"):
        raise Invalid("an outsourced team belongs to a partner, an internal one does not", field="organisation_id")


def _check_name(session: Session, team: Team, owner_id: UUID) -> None:
    taken = select(Team.id).where(Team.organisation_id == owner_id, Team.name == team.name, Team.id != team.id)
    with session.no_autoflush:
        if session.scalar(taken) is not None:
            raise Conflict(f"there is a team {team.name!r} already", name=team.name)


def rename_team(session: Session, team: Team, name: str) -> None:
    """Give a team another name. Raises Conflict when its owner has one of this name."""
    team.name = name
    _check_name(session, team, team.organisation_id)


def join(
    session: Session,
    team: Team,
    person: Person,
    now: datetime,
    *,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    leads: bool = False,
    by: Actor | None = None,
) -> TeamMember:
    """Let somebody belong to a team.

    Raises Invalid for somebody of another organisation or disabled, Conflict for one who belongs to it meanwhile.
    """
    start = valid_from or now
    if person.organisation_id != team.organisation_id:
        raise Invalid(f"{person.name} belongs to another organisation", field="person_id", reason="other_organisation")
    if person.disabled_at is not None:
        raise Invalid(f"{person.name} is disabled", field="person_id")
    if valid_to is not None and valid_to <= start:
        raise Invalid("it ends after it begins", field="valid_to")
    _lock(session, team.id)
    if len(team_members(session, team.id, start)) >= MAX_MEMBERS:
        raise Conflict(f"a team has at most {MAX_MEMBERS} members", limit=MAX_MEMBERS)
    meanwhile = select(TeamMember).where(
        TeamMember.team_id == team.id,
        TeamMember.person_id == person.id,
        or_(TeamMember.valid_to.is_(None), TeamMember.valid_to > start),
    )
    if valid_to is not None:
        meanwhile = meanwhile.where(TeamMember.valid_from < valid_to)
    if session.scalar(meanwhile.limit(1)) is not None:
        raise Conflict(f"{person.name} belongs to the team already", person_id=str(person.id))
    member = TeamMember(
        organisation_id=team.organisation_id,
        team_id=team.id,
        person_id=person.id,
        leads=leads,
        valid_from=start,
        valid_to=valid_to,
    )
    session.add(member)
    session.flush()
    payload = {"person_id": key(person.id), "from": moment(start), "until": moment(valid_to), "leads": leads}
    log(session, "team.member_joined", subject=team, word="team", now=now, by=by, payload=payload)
    return member


def leave(
    session: Session, team: Team, member: TeamMember, now: datetime, *, until: datetime | None = None, by: Actor | None
) -> None:
    """End a membership; one that has not begun is taken back. Raises Invalid for an end before its begin."""
    end = until or now
    if member.valid_to is not None and member.valid_to <= end:
        return
    if end <= member.valid_from:
        if until is not None and until < member.valid_from:
            raise Invalid("it ends after it begins", field="until")
        session.delete(member)
    else:
        member.valid_to = end
    session.flush()
    payload = {"person_id": key(member.person_id), "until": moment(end)}
    log(session, "team.member_left", subject=team, word="team", now=now, by=by, payload=payload)


def _lock(session: Session, team_id: UUID) -> None:
    """Let one change of a team's members wait for the other."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:t, 16))"), {"t": str(team_id)})
