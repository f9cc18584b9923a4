"""Sites over HTTP: where assets stand, in which time zone, and how their floor plan is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import func, or_, select

from assets.base.calendars import Calendar
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.customers import check_site
from assets.people import Organisation
from assets.registry import Asset, Customer, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Ref, contains, locked, named, seen
from gateway.api.pages import After, Limit
from gateway.api.sorting import By, Order, Sort

router = APIRouter(prefix="/api/v1", tags=["sites"])

Address = Annotated[str | None, Field(max_length=500)]
Zone = Annotated[str, Field(min_length=1, max_length=100)]
# ISO 3166, such as CN or CN-31: warranty terms and routing ask for it
Region = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}(-[A-Za-z0-9]{1,10})?$", to_upper=True)] | None
Degrees = Annotated[float | None, Field(ge=-180, le=180)]


SORTS = {
    "name": By(Site.name),
    "address": By(func.coalesce(Site.address, "")),
    "time_zone": By(Site.time_zone),
    "region": By(func.coalesce(Site.region, "")),
}


class SiteItem(BaseModel):
    """A site; coordinates are WGS-84 degrees."""

    id: UUID
    name: str
    address: str | None
    time_zone: str
    region: str | None
    latitude_deg: float | None
    longitude_deg: float | None
    customer_id: UUID | None
    customer: Ref | None
    calendar_id: UUID | None
    calendar: Ref | None
    floor_plan_document_id: UUID | None
    organisation_id: UUID
    demo: bool
    version: int


class Sites(BaseModel):
    """A page of sites."""

    items: list[SiteItem]
    next: str | None = None


class NewSite(BaseModel):
    """A site of a customer, of an organisation, or (neither) of one's own."""

    name: Name
    address: Address = None
    time_zone: Zone = "UTC"
    region: Region = None
    latitude_deg: Degrees = None
    longitude_deg: Degrees = None
    customer_id: UUID | None = None
    organisation_id: UUID | None = None
    calendar_id: UUID | None = None
    floor_plan_document_id: UUID | None = None


class SiteChange(BaseModel):
    """What is to change; null takes away."""

    name: Name | None = None
    address: Address = None
    time_zone: Zone | None = None
    region: Region = None
    latitude_deg: Degrees = None
    longitude_deg: Degrees = None
    calendar_id: UUID | None = None
    floor_plan_document_id: UUID | None = None


@router.get("/sites", operation_id="list_sites")
def list_sites(
    here: Here,
    q: str | None = None,
    customer_id: UUID | None = None,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> Sites:
    """List sites by name; `q` looks in name and address."""
    here.require("asset.read")
    order = Order.of(sort, SORTS, "name", Site.id)
    query = select(Site, order.column)
    if q:
        query = query.where(or_(Site.name.ilike(contains(q)), Site.address.ilike(contains(q))))
    if customer_id is not None:
        query = query.where(Site.customer_id == customer_id)
    page, following = order.rows(here.session, query, limit, after)
    return Sites(items=_items(here, page), next=following)


@router.post("/sites", operation_id="create_site", status_code=201)
def create_site(body: NewSite, here: Here) -> SiteItem:
    """Add a site."""
    here.require("asset.manage")
    customer = named(here, Customer, body.customer_id, "customer_id")
    organisation = named(here, Organisation, body.organisation_id, "organisation_id")
    if customer is not None and organisation is not None and customer.organisation_id != organisation.id:
        raise Invalid("the customer belongs to another organisation", field="customer_id")
    owner = customer.organisation_id if customer else organisation.id if organisation else here.actor.organisation_id
    named(here, Calendar, body.calendar_id, "calendar_id")
    values = body.model_dump(exclude={"organisation_id", "name"})
    site = Site(organisation_id=owner, name=body.name.strip(), **values)
    check_site(site)
    here.session.add(site)
    here.session.flush()
    _log(here, site, "site.added")
    return _items(here, [site])[0]


@router.get("/sites/{site_id}", operation_id="get_site")
def get_site(site_id: UUID, here: Here) -> SiteItem:
    """One site."""
    here.require("asset.read")
    return _items(here, [seen(here, Site, site_id, "site")])[0]


@router.patch("/sites/{site_id}", operation_id="change_site")
def change_site(site_id: UUID, body: SiteChange, here: Here, if_match: IfMatch = None) -> SiteItem:
    """Change a site."""
    here.require("asset.manage")
    site = locked(here, Site, site_id, "site", if_match)
    named(here, Calendar, body.calendar_id, "calendar_id")
    with here.session.no_autoflush:
        for field in body.model_fields_set:
            value = getattr(body, field)
            if value is not None or field not in ("name", "time_zone"):
                setattr(site, field, value)
        check_site(site)
    site.version += 1
    here.session.flush()
    _log(here, site, "site.changed")
    return _items(here, [site])[0]


@router.delete("/sites/{site_id}", operation_id="delete_site", status_code=204)
def delete_site(site_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a site where nothing stands."""
    here.require("asset.manage")
    site = locked(here, Site, site_id, "site", if_match)
    if here.session.scalar(select(Asset.id).where(Asset.site_id == site.id).limit(1)) is not None:
        raise Conflict("assets stand at this site", site_id=str(site.id))
    _log(here, site, "site.removed")
    here.session.delete(site)
    here.session.flush()


def _items(here: Context, sites: Sequence[Site]) -> list[SiteItem]:
    customers = _names(here, Customer, {site.customer_id for site in sites if site.customer_id})
    calendars = _names(here, Calendar, {site.calendar_id for site in sites if site.calendar_id})
    return [
        SiteItem(
            id=site.id,
            name=site.name,
            address=site.address,
            time_zone=site.time_zone,
            region=site.region,
            latitude_deg=site.latitude_deg,
            longitude_deg=site.longitude_deg,
            customer_id=site.customer_id,
            customer=customers.get(site.customer_id) if site.customer_id else None,
            calendar_id=site.calendar_id,
            calendar=calendars.get(site.calendar_id) if site.calendar_id else None,
            floor_plan_document_id=site.floor_plan_document_id,
            organisation_id=site.organisation_id,
            demo=site.demo,
            version=site.version,
        )
        for site in sites
    ]


def _names(here: Context, kind: type[Customer] | type[Calendar], keys: set[UUID]) -> dict[UUID, Ref]:
    if not keys:
        return {}
    rows = here.session.execute(select(kind.id, kind.name).where(kind.id.in_(keys)))
    return {key: Ref(id=key, name=name) for key, name in rows}


def _log(here: Context, site: Site, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=site.organisation_id,
        subject_kind="site",
        subject_id=site.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        personal={"name": site.name},  # often a person's, and a chained payload is never erased
    )
