"""Territories: which area a place lies in, and who covers it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, false, or_, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid
from assets.people import Organisation, Person
from assets.registry import Site
from ticketing.people.logging import log
from ticketing.people.polygons import contains, read_area
from ticketing.people.tables import Team, Territory, TerritoryCover, TerritorySite
from ticketing.people.teams import team_members

MAX_SITES = 5000
MAX_WORDS = 200
_BOUNDS = ("west_deg", "south_deg", "east_deg", "north_deg", "area_km2")


@dataclass(frozen=True, slots=True)
class Match:
    """A territory that a place belongs to, and by what: site, polygon or region."""

    territory: Territory
    by: str


def territory_of(
    session: Session,
    latitude_deg: float | None,
    longitude_deg: float | None,
    *,
    service_type: str | None = None,
    site_id: UUID | None = None,
    region: str | None = None,
    organisation_id: UUID | None = None,
) -> Territory | None:
    """Return the territory of a place, None outside all of them; the first of `territories_of`."""
    found = territories_of(
        session,
        latitude_deg,
        longitude_deg,
        service_type=service_type,
        site_id=site_id,
        region=region,
        organisation_id=organisation_id,
    )
    return found[0].territory if found else None


def territories_of(
    session: Session,
    latitude_deg: float | None,
    longitude_deg: float | None,
    *,
    service_type: str | None = None,
    site_id: UUID | None = None,
    region: str | None = None,
    organisation_id: UUID | None = None,
) -> list[Match]:
    """Return the territories that a place belongs to, best first.

    By rank; then its sites go before polygons, small polygons before large ones, regions last. `service_type`: only
    territories that are for it. `organisation_id`: only those of this organisation and the ones above it, which a
    job that sees everybody's rows must say.
    """
    site = session.get(Site, site_id) if site_id else None
    if site is not None and latitude_deg is None:
        latitude_deg, longitude_deg = site.latitude_deg, site.longitude_deg
    region = region or (site.region if site else None)
    listed = _listed(session, site_id)
    conditions = [Territory.id.in_(listed), _around(latitude_deg, longitude_deg)]
    if region:
        conditions.append(Territory.regions.contains([region]))
    query = select(Territory).where(or_(*conditions))
    if organisation_id is not None:
        owner = session.get(Organisation, organisation_id)
        query = query.where(Territory.organisation_id.in_(owner.ancestors if owner else ()))
    found = []
    for territory in session.scalars(query):
        if service_type is not None and territory.service_types and service_type not in territory.service_types:
            continue
        by = _belongs(territory, listed, latitude_deg, longitude_deg, region)
        if by is not None:
            found.append(Match(territory, by))
    return sorted(found, key=_order)


def _order(match: Match) -> tuple[int, int, float, str, UUID]:
    territory = match.territory
    exactness = ("site", "polygon", "region").index(match.by)
    return territory.rank, exactness, territory.area_km2 or 0.0, territory.name, territory.id


def _listed(session: Session, site_id: UUID | None) -> set[UUID]:
    if site_id is None:
        return set()
    return set(session.scalars(select(TerritorySite.territory_id).where(TerritorySite.site_id == site_id)))


def _around(latitude_deg: float | None, longitude_deg: float | None) -> Any:
    if latitude_deg is None or longitude_deg is None:
        return false()
    return and_(
        Territory.south_deg <= latitude_deg,
        Territory.north_deg >= latitude_deg,
        Territory.west_deg <= longitude_deg,
        Territory.east_deg >= longitude_deg,
    )


def _belongs(
    territory: Territory, listed: Collection[UUID], latitude: float | None, longitude: float | None, region: str | None
) -> str | None:
    if territory.id in listed:
        return "site"
    within = territory.polygon and latitude is not None and longitude is not None
    if within and contains(territory.polygon or {}, latitude or 0.0, longitude or 0.0):
        return "polygon"
    return "region" if region and region in territory.regions else None


def coverers(session: Session, territory_id: UUID, at: datetime) -> set[UUID]:
    """Return who covers a territory at a moment: people named, and members of teams named."""
    query = select(TerritoryCover).where(TerritoryCover.territory_id == territory_id)
    found: set[UUID] = set()
    for cover in session.scalars(query):
        if cover.person_id is not None:
            found.add(cover.person_id)
        elif cover.team_id is not None:
            found.update(team_members(session, cover.team_id, at))
    active = select(Person.id).where(Person.id.in_(found), Person.disabled_at.is_(None))
    return set(session.scalars(active))


def set_area(territory: Territory, polygon: Any) -> None:
    """Give a territory its outline, None for none. Raises Invalid, which names where it crosses itself."""
    area = read_area(polygon) if polygon is not None else None
    territory.polygon = area.polygon if area else None
    for name in _BOUNDS:
        setattr(territory, name, getattr(area, name) if area else None)


def keep_territory(
    session: Session,
    territory: Territory,
    now: datetime,
    *,
    word: str,
    by: Actor | None,
    site_ids: Iterable[UUID] | None = None,
    team_ids: Iterable[UUID] | None = None,
    person_ids: Iterable[UUID] | None = None,
) -> Territory:
    """Keep a territory, new (`word` added) or changed; lists that are None stay. Raises Invalid and Conflict."""
    with session.no_autoflush:
        _check(session, territory)
        sites = _known(session, Site, site_ids, "site_ids")
        teams = _known(session, Team, team_ids, "team_ids")
        people = _known(session, Person, person_ids, "person_ids")
    session.add(territory)
    session.flush()
    owner = territory.organisation_id
    if sites is not None:
        session.execute(delete(TerritorySite).where(TerritorySite.territory_id == territory.id))
        session.add_all(TerritorySite(organisation_id=owner, territory_id=territory.id, site_id=each) for each in sites)
    for column, given in ((TerritoryCover.team_id, teams), (TerritoryCover.person_id, people)):
        if given is not None:
            of = TerritoryCover.territory_id == territory.id
            session.execute(delete(TerritoryCover).where(of, column.is_not(None)))
            session.add_all(
                TerritoryCover(organisation_id=owner, territory_id=territory.id, **{column.key: each}) for each in given
            )
    session.flush()
    payload = {"name": territory.name, "area_km2": territory.area_km2}
    log(session, f"territory.{word}", subject=territory, word="territory", now=now, by=by, payload=payload)
    return territory


def _check(session: Session, territory: Territory) -> None:
    taken = select(Territory.id).where(
        Territory.organisation_id == territory.organisation_id,
        Territory.name == territory.name,
        Territory.id != territory.id,
    )
    if session.scalar(taken) is not None:
        raise Conflict(f"there is a territory {territory.name!r} already", name=territory.name)
    for field in ("regions", "service_types"):
        words: Sequence[Any] = getattr(territory, field)
        if len(words) > MAX_WORDS or any(not isinstance(word, str) or not word.strip() for word in words):
            raise Invalid(f"a list of at most {MAX_WORDS} words", field=field)


def _known(
    session: Session, kind: type[Site] | type[Team] | type[Person], keys: Iterable[UUID] | None, field: str
) -> list[UUID] | None:
    """Return the ids, each once. Raises Invalid for one that nobody here sees."""
    if keys is None:
        return None
    wanted = list(dict.fromkeys(keys))
    if len(wanted) > MAX_SITES:
        raise Invalid(f"at most {MAX_SITES}", field=field)
    found = set(session.scalars(select(kind.id).where(kind.id.in_(wanted))))
    if len(found) < len(wanted):
        raise Invalid("there is no such row", field=field)
    return wanted
