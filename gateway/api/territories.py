"""Territories over HTTP: areas on the map, who covers them, and which one a place lies in."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.people import Person
from assets.registry import Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Ref, contains, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.people.logging import log
from ticketing.people.tables import Team, Territory, TerritoryCover, TerritorySite
from ticketing.people.territories import MAX_SITES, MAX_WORDS, coverers, keep_territory, set_area, territories_of

router = APIRouter(prefix="/api/v1", tags=["people"])

Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Words = Annotated[list[Word], Field(max_length=MAX_WORDS)]
Ids = Annotated[list[UUID], Field(max_length=MAX_SITES)]
Rank = Annotated[int, Field(ge=0, le=1000)]
Colour = Annotated[str | None, Field(pattern="^#[0-9a-fA-F]{6}$")]


class TerritoryItem(BaseModel):
    """A territory; `polygon` is GeoJSON, longitude first. Where several fit, the lowest rank goes first."""

    id: UUID
    name: str
    polygon: dict[str, Any] | None
    area_km2: float | None
    regions: list[str]
    service_types: list[str]
    rank: int
    colour: str | None
    sites: list[Ref]
    teams: list[Ref]
    people: list[Ref]
    organisation_id: UUID
    version: int


class Territories(BaseModel):
    """A page of territories."""

    items: list[TerritoryItem]
    next: str | None = None


class NewTerritory(BaseModel):
    """A territory of one's own organisation."""

    name: Name
    polygon: dict[str, Any] | None = None
    regions: Words = []
    service_types: Words = []
    rank: Rank = 0
    colour: Colour = None
    site_ids: Ids = []
    team_ids: Ids = []
    person_ids: Ids = []


class TerritoryChange(BaseModel):
    """What is to change; null takes polygon and colour away, lists replace."""

    name: Name | None = None
    polygon: dict[str, Any] | None = None
    regions: Words | None = None
    service_types: Words | None = None
    rank: Rank | None = None
    colour: Colour = None
    site_ids: Ids | None = None
    team_ids: Ids | None = None
    person_ids: Ids | None = None


class TerritoryMatch(BaseModel):
    """A territory of a place, by what it is one, and who covers it now."""

    id: UUID
    name: str
    by: Literal["site", "polygon", "region"]
    rank: int
    people: list[Ref]


class TerritoryMatches(BaseModel):
    """The territories of a place, best first."""

    items: list[TerritoryMatch]
    next: str | None = None


@router.get("/territories", operation_id="list_territories")
def list_territories(
    here: Here, q: Annotated[str | None, Query(max_length=200)] = None, limit: Limit = 100, after: After = None
) -> Territories:
    """List territories by name."""
    here.require("technician.read")
    query = select(Territory).order_by(Territory.name, Territory.id).limit(limit + 1)
    if q:
        query = query.where(Territory.name.ilike(contains(q)))
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Territory.name, Territory.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Territories(items=_items(here, page), next=following)


@router.get("/territories/at", operation_id="get_territories_at")
def get_territories_at(
    here: Here,
    latitude_deg: Annotated[float | None, Query(ge=-90, le=90)] = None,
    longitude_deg: Annotated[float | None, Query(ge=-180, le=180)] = None,
    site_id: UUID | None = None,
    region: Annotated[str | None, Query(max_length=100)] = None,
    service_type: Annotated[str | None, Query(max_length=100)] = None,
) -> TerritoryMatches:
    """Which territories a place or a site lies in, best first, with who covers each."""
    here.require("technician.read")
    named(here, Site, site_id, "site_id")
    found = territories_of(
        here.session, latitude_deg, longitude_deg, service_type=service_type, site_id=site_id, region=region
    )
    covering = {match.territory.id: coverers(here.session, match.territory.id, here.now) for match in found}
    names = _names(here, Person, {person for people in covering.values() for person in people})
    return TerritoryMatches(
        items=[
            TerritoryMatch(
                id=match.territory.id,
                name=match.territory.name,
                by=match.by,  # type: ignore[arg-type]
                rank=match.territory.rank,
                people=sorted((names[key] for key in covering[match.territory.id] if key in names), key=_by_name),
            )
            for match in found
        ]
    )


@router.post("/territories", operation_id="create_territory", status_code=201)
def create_territory(body: NewTerritory, here: Here) -> TerritoryItem:
    """Add a territory; an outline that crosses itself is refused with the place."""
    here.require("territory.manage")
    territory = Territory(
        organisation_id=here.actor.organisation_id,
        name=body.name.strip(),
        regions=body.regions,
        service_types=body.service_types,
        rank=body.rank,
        colour=body.colour,
        version=1,
    )
    set_area(territory, body.polygon)
    return _keep(here, territory, body, "added")


@router.get("/territories/{territory_id}", operation_id="get_territory")
def get_territory(territory_id: UUID, here: Here) -> TerritoryItem:
    """One territory."""
    here.require("technician.read")
    return _items(here, [seen(here, Territory, territory_id, "territory")])[0]


@router.patch("/territories/{territory_id}", operation_id="change_territory")
def change_territory(territory_id: UUID, body: TerritoryChange, here: Here, if_match: IfMatch = None) -> TerritoryItem:
    """Change a territory."""
    here.require("territory.manage")
    territory = locked(here, Territory, territory_id, "territory", if_match)
    with here.session.no_autoflush:
        for field in ("name", "regions", "service_types", "rank"):
            if (value := getattr(body, field)) is not None:
                setattr(territory, field, value)
        if "colour" in body.model_fields_set:
            territory.colour = body.colour
        if "polygon" in body.model_fields_set:
            set_area(territory, body.polygon)
        territory.version += 1
        return _keep(here, territory, body, "changed")


@router.delete("/territories/{territory_id}", operation_id="delete_territory", status_code=204)
def delete_territory(territory_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a territory."""
    here.require("territory.manage")
    territory = locked(here, Territory, territory_id, "territory", if_match)
    payload = {"name": territory.name}
    log(
        here.session, "territory.removed", subject=territory, word="territory", now=here.now, by=here.actor,
        payload=payload,
    )  # fmt: skip
    here.session.delete(territory)
    here.session.flush()


def _keep(here: Context, territory: Territory, body: NewTerritory | TerritoryChange, word: str) -> TerritoryItem:
    keep_territory(
        here.session,
        territory,
        here.now,
        word=word,
        by=here.actor,
        site_ids=body.site_ids,
        team_ids=body.team_ids,
        person_ids=body.person_ids,
    )
    return _items(here, [territory])[0]


def _items(here: Context, territories: list[Territory]) -> list[TerritoryItem]:
    keys = [territory.id for territory in territories]
    listed = select(TerritorySite).where(TerritorySite.territory_id.in_(keys))
    sites: dict[UUID, list[UUID]] = defaultdict(list)
    for row in here.session.scalars(listed.order_by(TerritorySite.id)):
        sites[row.territory_id].append(row.site_id)
    teams: dict[UUID, list[UUID]] = defaultdict(list)
    people: dict[UUID, list[UUID]] = defaultdict(list)
    covered = select(TerritoryCover).where(TerritoryCover.territory_id.in_(keys))
    for cover in here.session.scalars(covered.order_by(TerritoryCover.id)):
        if cover.team_id is not None:
            teams[cover.territory_id].append(cover.team_id)
        if cover.person_id is not None:
            people[cover.territory_id].append(cover.person_id)
    names = {
        kind: _names(here, kind, {key for each in of.values() for key in each})
        for kind, of in ((Site, sites), (Team, teams), (Person, people))
    }
    return [
        TerritoryItem(
            id=territory.id,
            name=territory.name,
            polygon=territory.polygon,
            area_km2=territory.area_km2,
            regions=territory.regions,
            service_types=territory.service_types,
            rank=territory.rank,
            colour=territory.colour,
            sites=[names[Site][key] for key in sites[territory.id] if key in names[Site]],
            teams=[names[Team][key] for key in teams[territory.id] if key in names[Team]],
            people=[names[Person][key] for key in people[territory.id] if key in names[Person]],
            organisation_id=territory.organisation_id,
            version=territory.version,
        )
        for territory in territories
    ]


def _names(here: Context, kind: Any, keys: set[UUID]) -> dict[UUID, Ref]:
    rows = here.session.execute(select(kind.id, kind.name).where(kind.id.in_(keys)))
    return {key: Ref(id=key, name=name) for key, name in rows}


def _by_name(person: Ref) -> tuple[str, UUID]:
    return person.name, person.id
