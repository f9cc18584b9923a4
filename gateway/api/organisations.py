"""The tree of organisations over HTTP: who stands below whom."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select, tuple_

from assets.base.errors import NotFound
from assets.base.events import append_event
from assets.customers import check_kind, move_organisation
from assets.people import Organisation, add_organisation
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, contains, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor

router = APIRouter(prefix="/api/v1", tags=["organisations"])

Kind = Literal["operator", "partner", "customer"]


class OrganisationItem(BaseModel):
    """An organisation; `ancestors` run from the highest that the reader sees to the organisation itself."""

    id: UUID
    parent_id: UUID | None
    kind: Kind
    name: str
    ancestors: list[UUID]
    demo: bool
    version: int
    created_at: datetime


class Organisations(BaseModel):
    """A page of organisations."""

    items: list[OrganisationItem]
    next: str | None = None


class NewOrganisation(BaseModel):
    """An organisation below another, left out: below one's own."""

    kind: Kind
    name: Name
    parent_id: UUID | None = None


class OrganisationChange(BaseModel):
    """What is to change; another parent takes along all that stands below."""

    name: Name | None = None
    parent_id: UUID | None = None


@router.get("/organisations", operation_id="list_organisations")
def list_organisations(
    here: Here,
    kind: Kind | None = None,
    parent_id: UUID | None = None,
    q: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Organisations:
    """List the organisations that one sees: one's own and all below it."""
    here.require("organisation.read")
    query = select(Organisation).order_by(Organisation.name, Organisation.id).limit(limit + 1)
    if kind is not None:
        query = query.where(Organisation.kind == kind)
    if parent_id is not None:
        query = query.where(Organisation.parent_id == parent_id)
    if q:
        query = query.where(Organisation.name.ilike(contains(q)))
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Organisation.name, Organisation.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Organisations(items=[_item(here, row) for row in page], next=following)


@router.post("/organisations", operation_id="create_organisation", status_code=201)
def create_organisation(body: NewOrganisation, here: Here) -> OrganisationItem:
    """Add an organisation."""
    here.require("organisation.manage")
    parent = named(here, Organisation, body.parent_id or here.actor.organisation_id, "parent_id")
    if parent is None:
        raise NotFound("no such organisation", kind="organisation")
    check_kind(parent, body.kind)
    made = add_organisation(here.session, kind=body.kind, name=body.name.strip(), parent=parent, now=here.now)
    _log(here, made, "organisation.added", {"kind": made.kind, "parent_id": str(parent.id)}, made.name)
    return _item(here, made)


@router.get("/organisations/{organisation_id}", operation_id="get_organisation")
def get_organisation(organisation_id: UUID, here: Here) -> OrganisationItem:
    """One organisation."""
    here.require("organisation.read")
    return _item(here, seen(here, Organisation, organisation_id, "organisation"))


@router.patch("/organisations/{organisation_id}", operation_id="change_organisation")
def change_organisation(
    organisation_id: UUID, body: OrganisationChange, here: Here, if_match: IfMatch = None
) -> OrganisationItem:
    """Rename an organisation, or hang it under another."""
    here.require("organisation.manage")
    row = locked(here, Organisation, organisation_id, "organisation", if_match)
    changed: dict[str, str | None] = {}
    renamed = body.name.strip() if body.name is not None and body.name.strip() != row.name else None
    if renamed is not None:
        row.name = renamed
    if body.parent_id is not None and body.parent_id != row.parent_id:
        parent = named(here, Organisation, body.parent_id, "parent_id")
        if parent is not None:
            move_organisation(here.session, row, parent)
            changed["parent_id"] = str(parent.id)
    if changed or renamed is not None:
        row.version += 1
        here.session.flush()
        _log(here, row, "organisation.changed", changed, renamed)
    return _item(here, row)


def _item(here: Context, row: Organisation) -> OrganisationItem:
    # What stands above the reader is none of his business.
    ancestors = list(row.ancestors)
    if here.actor.organisation_id in ancestors:
        ancestors = ancestors[ancestors.index(here.actor.organisation_id) :]
    own = row.id == here.actor.organisation_id
    return OrganisationItem(
        id=row.id,
        parent_id=None if own else row.parent_id,
        kind=row.kind,  # type: ignore[arg-type]
        name=row.name,
        ancestors=ancestors,
        demo=row.demo,
        version=row.version,
        created_at=row.created_at,
    )


def _log(here: Context, row: Organisation, kind: str, payload: dict[str, str | None], name: str | None) -> None:
    # A customer may be a person: the name stands where it can be erased.
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.id,
        subject_kind="organisation",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload=dict(payload),
        personal={"name": name} if name else None,
    )
