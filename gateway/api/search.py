"""Find things by what people remember of them, and keep filters by name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role, may
from assets.base.errors import Conflict, Forbidden, Invalid, NotFound
from assets.people import Person
from assets.search.finding import KINDS, Found, find
from assets.search.models import SavedFilter
from gateway.api.deps import Context, Here
from ticketing.finding import TABLES as WORK
from ticketing.finding import find_work

router = APIRouter(prefix="/api/v1", tags=["search"])

MAX_FILTERS = 200  # of one person on one page
MAX_QUERY = 20_000  # characters of a filter
EVERY = [*KINDS, *WORK]


class Hit(BaseModel):
    """Something found; `match` says by what."""

    kind: str
    id: UUID
    title: str
    title_zh: str | None
    subtitle: str | None
    match: str
    asset_id: UUID | None
    serial: str | None


class Hits(BaseModel):
    """What was found, best first."""

    items: list[Hit]
    next: str | None = None


class FilterBody(BaseModel):
    """A filter to keep."""

    page: str = Field(min_length=1, max_length=60, pattern=r"^[a-z0-9_-]+$")
    name: str = Field(min_length=1, max_length=100)
    query: dict[str, Any]
    shared: bool = False


class FilterOwner(BaseModel):
    """Whose."""

    id: UUID
    name: str


class FilterRow(FilterBody):
    """A kept filter."""

    id: UUID
    mine: bool
    owner: FilterOwner | None
    created_at: datetime


class FilterList(BaseModel):
    """One's own filters and the shared ones."""

    items: list[FilterRow]
    next: str | None = None


@router.get("/search", operation_id="search")
def search(
    here: Here,
    q: Annotated[str, Query(max_length=200)] = "",
    kinds: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Hits:
    """Find assets, customers, sites, models, documents, cases, requests and work orders; exact numbers come first."""
    here.require("asset.read")
    wanted = [each.strip() for each in kinds.split(",")] if kinds else EVERY
    unknown = sorted(set(wanted) - {*EVERY})
    if unknown:
        raise Invalid(f"no such kind: {', '.join(unknown)}", field="kinds", allowed=EVERY)
    if not may(here.actor, "document.read"):
        wanted = [each for each in wanted if each != "document"]
    outside = here.actor.roles <= {Role.CUSTOMER}
    found = find(here.session, q, [each for each in wanted if each in KINDS], limit, public_only=outside)
    work = [each for each in WORK if each in wanted and may(here.actor, f"{each}.read")]
    found += find_work(here.session, q, work, limit, here.actor)
    found.sort(key=lambda each: each.place)
    return Hits(items=[_hit(each) for each in found[:limit]])


@router.get("/saved-filters", operation_id="list_saved_filters")
def list_saved_filters(here: Here, page: str | None = None) -> FilterList:
    """One's own filters and those that are shared in one's organisation."""
    here.require("asset.read")
    found = select(SavedFilter).where(SavedFilter.organisation_id == here.actor.organisation_id)
    found = found.where(SavedFilter.shared | (SavedFilter.person_id == here.actor.person_id))
    if page:
        found = found.where(SavedFilter.page == page)
    rows = here.session.scalars(found.order_by(SavedFilter.page, SavedFilter.name, SavedFilter.id).limit(500))
    return FilterList(items=[_row(here, each) for each in rows])


@router.post("/saved-filters", operation_id="create_saved_filter", status_code=201)
def create_saved_filter(body: FilterBody, here: Here) -> FilterRow:
    """Keep a filter."""
    here.require("asset.read")
    _check(here, body)
    mine = select(SavedFilter).where(
        SavedFilter.organisation_id == here.actor.organisation_id,
        SavedFilter.person_id == here.actor.person_id,
        SavedFilter.page == body.page,
    )
    there = list(here.session.scalars(mine.limit(MAX_FILTERS)))
    if any(each.name == body.name.strip() for each in there):
        raise Conflict(f"there is a filter {body.name!r} already", name=body.name)
    if len(there) >= MAX_FILTERS:
        raise Invalid(f"at most {MAX_FILTERS} filters of one page", field="name", limit=MAX_FILTERS)
    kept = SavedFilter(
        organisation_id=here.actor.organisation_id,
        person_id=here.actor.person_id,
        created_at=here.now,
        **body.model_dump() | {"name": body.name.strip()},
    )
    here.session.add(kept)
    here.session.flush()
    return _row(here, kept)


@router.put("/saved-filters/{filter_id}", operation_id="change_saved_filter")
def change_saved_filter(filter_id: UUID, body: FilterBody, here: Here) -> FilterRow:
    """Change one's own filter, or a shared one as somebody who may share."""
    here.require("asset.read")
    kept = _filter(here, filter_id)
    _check(here, body)
    kept.page, kept.name, kept.query, kept.shared = body.page, body.name.strip(), body.query, body.shared
    here.session.flush()
    return _row(here, kept)


@router.delete("/saved-filters/{filter_id}", operation_id="delete_saved_filter", status_code=204)
def delete_saved_filter(filter_id: UUID, here: Here) -> None:
    """Forget a filter."""
    here.require("asset.read")
    here.session.delete(_filter(here, filter_id))


def _check(here: Context, body: FilterBody) -> None:
    if body.shared:
        here.require("filter.share")
    if not body.name.strip():
        raise Invalid("a filter has a name", field="name")
    if len(str(body.query)) > MAX_QUERY:
        raise Invalid(f"a filter has at most {MAX_QUERY} characters", field="query", limit=MAX_QUERY)


def _filter(here: Context, filter_id: UUID) -> SavedFilter:
    kept = here.session.get(SavedFilter, filter_id)
    mine = kept is not None and kept.person_id == here.actor.person_id
    if kept is None or kept.organisation_id != here.actor.organisation_id or not (mine or kept.shared):
        raise NotFound("no such filter")
    if not mine and not may(here.actor, "filter.share"):
        raise Forbidden("this filter is somebody else's", action="filter.share")
    return kept


def _row(here: Context, kept: SavedFilter) -> FilterRow:
    owner = here.session.get(Person, kept.person_id) if kept.person_id else None
    return FilterRow(
        id=kept.id,
        page=kept.page,
        name=kept.name,
        query=kept.query,
        shared=kept.shared,
        mine=kept.person_id == here.actor.person_id,
        owner=FilterOwner(id=owner.id, name=owner.name) if owner else None,
        created_at=kept.created_at,
    )


def _hit(found: Found) -> Hit:
    return Hit(
        kind=found.kind,
        id=found.id,
        title=found.title,
        title_zh=found.title_zh,
        subtitle=found.subtitle,
        match=found.match,
        asset_id=found.asset_id,
        serial=found.serial,
    )
