"""Work centres and teams over HTTP: internal and outsourced, with members over time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select, tuple_

from assets.base.calendars import Calendar
from assets.base.errors import Conflict, Invalid, NotFound
from assets.people import Organisation, Person
from assets.registry import Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Name, Ref, contains, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.skills import Code, Trade
from gateway.api.technicians import Latitude, Longitude
from ticketing.people.logging import log
from ticketing.people.tables import Team, TeamMember, WorkCentre
from ticketing.people.teams import add_team, join, leave, member_at, rename_team

router = APIRouter(prefix="/api/v1", tags=["people"])

Address = Annotated[str | None, Field(max_length=500)]


class CentreItem(BaseModel):
    """A service outlet or workshop."""

    id: UUID
    code: str
    name: str
    address: str | None
    latitude_deg: float | None
    longitude_deg: float | None
    site_id: UUID | None
    calendar_id: UUID | None
    archived_at: datetime | None
    organisation_id: UUID
    version: int


class Centres(BaseModel):
    """A page of work centres."""

    items: list[CentreItem]
    next: str | None = None


class NewCentre(BaseModel):
    """A work centre of one's own organisation."""

    code: Code
    name: Name
    address: Address = None
    latitude_deg: Latitude = None
    longitude_deg: Longitude = None
    site_id: UUID | None = None
    calendar_id: UUID | None = None


class CentreChange(BaseModel):
    """What is to change; null takes away."""

    name: Name | None = None
    address: Address = None
    latitude_deg: Latitude = None
    longitude_deg: Longitude = None
    site_id: UUID | None = None
    calendar_id: UUID | None = None
    archived: bool | None = None


class TeamItem(BaseModel):
    """A team; an outsourced one belongs to its partner."""

    id: UUID
    name: str
    kind: Literal["internal", "outsourced"]
    trade: str | None
    work_centre: Ref | None
    organisation: Ref | None
    leaders: list[Ref]
    members: int
    archived_at: datetime | None
    version: int


class Teams(BaseModel):
    """A page of teams."""

    items: list[TeamItem]
    next: str | None = None


class NewTeam(BaseModel):
    """A team of one's own organisation, or of a partner below it."""

    name: Name
    kind: Literal["internal", "outsourced"] = "internal"
    trade: Trade = None
    work_centre_id: UUID | None = None
    organisation_id: UUID | None = None


class TeamChange(BaseModel):
    """What is to change; null takes away."""

    name: Name | None = None
    trade: Trade = None
    work_centre_id: UUID | None = None
    archived: bool | None = None


class MemberItem(BaseModel):
    """Somebody who belongs, belonged or will belong to a team."""

    id: UUID
    person: Ref
    leads: bool
    valid_from: datetime
    valid_to: datetime | None


class Members(BaseModel):
    """A page of members."""

    items: list[MemberItem]
    next: str | None = None


class NewMember(BaseModel):
    """Who joins; from now on unless told otherwise."""

    person_id: UUID
    leads: bool = False
    valid_from: Moment | None = None
    valid_to: Moment | None = None


@router.get("/work-centres", operation_id="list_work_centres")
def list_work_centres(here: Here, archived: bool = False, limit: Limit = 200, after: After = None) -> Centres:
    """List work centres by code."""
    here.require("technician.read")
    query = select(WorkCentre).order_by(WorkCentre.code, WorkCentre.id).limit(limit + 1)
    if not archived:
        query = query.where(WorkCentre.archived_at.is_(None))
    if after is not None:
        code, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(WorkCentre.code, WorkCentre.id) > tuple_(code, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].code, page[-1].id) if len(found) > limit else None
    return Centres(items=[_centre(each) for each in page], next=following)


@router.post("/work-centres", operation_id="create_work_centre", status_code=201)
def create_work_centre(body: NewCentre, here: Here) -> CentreItem:
    """Add a work centre."""
    here.require("team.manage")
    taken = select(WorkCentre.id).where(
        WorkCentre.organisation_id == here.actor.organisation_id, WorkCentre.code == body.code
    )
    if here.session.scalar(taken) is not None:
        raise Conflict(f"there is a work centre {body.code!r} already", code=body.code)
    _check_centre(here, body)
    centre = WorkCentre(organisation_id=here.actor.organisation_id, **body.model_dump())
    _check_place(centre)
    here.session.add(centre)
    here.session.flush()
    _log_centre(here, "work_centre.added", centre)
    return _centre(centre)


@router.patch("/work-centres/{centre_id}", operation_id="change_work_centre")
def change_work_centre(centre_id: UUID, body: CentreChange, here: Here, if_match: IfMatch = None) -> CentreItem:
    """Change a work centre."""
    here.require("team.manage")
    centre = locked(here, WorkCentre, centre_id, "work_centre", if_match)
    _check_centre(here, body)
    with here.session.no_autoflush:
        for field in body.model_fields_set - {"archived"}:
            value = getattr(body, field)
            if value is not None or field != "name":
                setattr(centre, field, value)
        if body.archived is not None:
            centre.archived_at = (centre.archived_at or here.now) if body.archived else None
        _check_place(centre)
    centre.version += 1
    here.session.flush()
    _log_centre(here, "work_centre.changed", centre)
    return _centre(centre)


@router.get("/teams", operation_id="list_teams")
def list_teams(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    kind: Literal["internal", "outsourced"] | None = None,
    archived: bool = False,
    limit: Limit = 200,
    after: After = None,
) -> Teams:
    """List teams by name."""
    here.require("technician.read")
    query = select(Team).order_by(Team.name, Team.id).limit(limit + 1)
    if not archived:
        query = query.where(Team.archived_at.is_(None))
    if kind is not None:
        query = query.where(Team.kind == kind)
    if q:
        query = query.where(Team.name.ilike(contains(q)))
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Team.name, Team.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Teams(items=_teams(here, page), next=following)


@router.post("/teams", operation_id="create_team", status_code=201)
def create_team(body: NewTeam, here: Here) -> TeamItem:
    """Add a team; an outsourced one of a partner."""
    here.require("team.manage")
    owner = named(here, Organisation, body.organisation_id, "organisation_id")
    owner = owner or here.session.get_one(Organisation, here.actor.organisation_id)
    named(here, WorkCentre, body.work_centre_id, "work_centre_id")
    team = Team(name=body.name.strip(), kind=body.kind, trade=body.trade, work_centre_id=body.work_centre_id, version=1)
    add_team(here.session, team, owner, here.now, by=here.actor)
    return _teams(here, [team])[0]


@router.get("/teams/{team_id}", operation_id="get_team")
def get_team(team_id: UUID, here: Here) -> TeamItem:
    """One team."""
    here.require("technician.read")
    return _teams(here, [seen(here, Team, team_id, "team")])[0]


@router.patch("/teams/{team_id}", operation_id="change_team")
def change_team(team_id: UUID, body: TeamChange, here: Here, if_match: IfMatch = None) -> TeamItem:
    """Change a team; its kind and owner stay."""
    here.require("team.manage")
    team = locked(here, Team, team_id, "team", if_match)
    named(here, WorkCentre, body.work_centre_id, "work_centre_id")
    if body.name is not None:
        rename_team(here.session, team, body.name.strip())
    for field in ("trade", "work_centre_id"):
        if field in body.model_fields_set:
            setattr(team, field, getattr(body, field))
    if body.archived is not None:
        team.archived_at = (team.archived_at or here.now) if body.archived else None
    team.version += 1
    here.session.flush()
    log(
        here.session,
        "team.changed",
        subject=team,
        word="team",
        now=here.now,
        by=here.actor,
        payload={"name": team.name},
    )
    return _teams(here, [team])[0]


@router.get("/teams/{team_id}/members", operation_id="list_team_members")
def list_team_members(
    team_id: UUID, here: Here, past: bool = False, limit: Limit = 200, after: After = None
) -> Members:
    """List who belongs to a team or will, with `past` also who did."""
    here.require("technician.read")
    team = seen(here, Team, team_id, "team")
    query = select(TeamMember, Person.name).join(Person, Person.id == TeamMember.person_id)
    query = query.where(TeamMember.team_id == team.id).order_by(TeamMember.id).limit(limit + 1)
    if not past:
        query = query.where(or_(TeamMember.valid_to.is_(None), TeamMember.valid_to > here.now))
    if after is not None:
        query = query.where(TeamMember.id > read_cursor(after, UUID)[0])
    found = [_member(member, name) for member, name in here.session.execute(query)]
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Members(items=found[:limit], next=following)


@router.post("/teams/{team_id}/members", operation_id="join_team", status_code=201)
def join_team(team_id: UUID, body: NewMember, here: Here) -> MemberItem:
    """Let somebody belong to a team."""
    here.require("team.manage")
    team = locked(here, Team, team_id, "team")
    person = named(here, Person, body.person_id, "person_id")
    assert person is not None
    member = join(
        here.session, team, person, here.now, valid_from=body.valid_from, valid_to=body.valid_to, leads=body.leads,
        by=here.actor,
    )  # fmt: skip
    return _member(member, person.name)


@router.delete("/teams/{team_id}/members/{member_id}", operation_id="leave_team", status_code=204)
def leave_team(team_id: UUID, member_id: UUID, here: Here, until: Annotated[Moment | None, Query()] = None) -> None:
    """End a membership, now unless told otherwise."""
    here.require("team.manage")
    team = locked(here, Team, team_id, "team")
    member = here.session.get(TeamMember, member_id)
    if member is None or member.team_id != team.id:
        raise NotFound("no such member", kind="team_member")
    leave(here.session, team, member, here.now, until=until, by=here.actor)


def _check_centre(here: Context, body: NewCentre | CentreChange) -> None:
    named(here, Site, body.site_id, "site_id")
    named(here, Calendar, body.calendar_id, "calendar_id")


def _check_place(centre: WorkCentre) -> None:
    if (centre.latitude_deg is None) != (centre.longitude_deg is None):
        raise Invalid("a place has latitude and longitude, or neither", field="latitude_deg")


def _centre(centre: WorkCentre) -> CentreItem:
    return CentreItem(**{name: getattr(centre, name) for name in CentreItem.model_fields})


def _log_centre(here: Context, kind: str, centre: WorkCentre) -> None:
    payload = {"centre": centre.code, "name": centre.name}
    log(here.session, kind, subject=centre, word="work_centre", now=here.now, by=here.actor, payload=payload)


def _teams(here: Context, teams: list[Team]) -> list[TeamItem]:
    keys = [team.id for team in teams]
    members = select(TeamMember.team_id, func.count()).where(TeamMember.team_id.in_(keys), member_at(here.now))
    counts = {key: int(count) for key, count in here.session.execute(members.group_by(TeamMember.team_id))}
    leading = (
        select(TeamMember.team_id, Person.id, Person.name)
        .join(Person, Person.id == TeamMember.person_id)
        .where(TeamMember.team_id.in_(keys), TeamMember.leads.is_(True), member_at(here.now))
        .order_by(Person.name)
    )
    leaders: dict[UUID, list[Ref]] = {key: [] for key in keys}
    for key, person, name in here.session.execute(leading):
        leaders[key].append(Ref(id=person, name=name))
    centres = _names(here, WorkCentre, {team.work_centre_id for team in teams if team.work_centre_id})
    owners = _names(here, Organisation, {team.organisation_id for team in teams})
    return [
        TeamItem(
            id=team.id,
            name=team.name,
            kind="outsourced" if team.kind == "outsourced" else "internal",
            trade=team.trade,
            work_centre=centres.get(team.work_centre_id) if team.work_centre_id else None,
            organisation=owners.get(team.organisation_id),
            leaders=leaders[team.id],
            members=counts.get(team.id, 0),
            archived_at=team.archived_at,
            version=team.version,
        )
        for team in teams
    ]


def _names(here: Context, kind: type[WorkCentre] | type[Organisation], keys: set[UUID]) -> dict[UUID, Ref]:
    rows = here.session.execute(select(kind.id, kind.name).where(kind.id.in_(keys)))
    return {key: Ref(id=key, name=name) for key, name in rows}


def _member(member: TeamMember, name: str) -> MemberItem:
    return MemberItem(
        id=member.id,
        person=Ref(id=member.person_id, name=name),
        leads=member.leads,
        valid_from=member.valid_from,
        valid_to=member.valid_to,
    )
