"""The library of procedures over HTTP: write, change the draft, publish, link, retire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.access import may
from assets.failure_modes import FailureMode
from assets.people import Organisation
from assets.registry import AssetModel
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, contains, locked, named
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.cases.tables import ServiceType
from ticketing.people.tables import Skill
from ticketing.procedures.library import (
    create_procedure,
    get_procedure,
    links_of,
    publish,
    rename,
    retire,
    set_links,
    version_in,
    versions_of,
    write_draft,
)
from ticketing.procedures.models import Procedure, ProcedureVersion
from ticketing.procedures.norms import BadNorm
from ticketing.procedures.steps import MAX_STEPS

router = APIRouter(prefix="/api/v1/procedures", tags=["procedures"])

Steps = list[dict[str, Any]]
Norms = dict[str, Any]


class ProcedureLinkBody(BaseModel):
    """New work of this asset model, failure mode and service type gets the procedure; none: of any."""

    asset_model_id: UUID | None = None
    failure_mode_id: UUID | None = None
    service_type_id: UUID | None = None


class NewProcedure(BaseModel):
    """A procedure with the steps of its first draft."""

    code: str = Field(min_length=1, max_length=60)
    name_en: Name
    name_zh: Name
    description_en: str = Field(default="", max_length=4000)
    description_zh: str = Field(default="", max_length=4000)
    steps: Steps = Field(default=[], max_length=MAX_STEPS)
    norms: Norms | None = None
    links: list[ProcedureLinkBody] = Field(default=[], max_length=200)


class ProcedureEdit(BaseModel):
    """What people read of it, and what it is for; what is left out stays."""

    name_en: Name | None = None
    name_zh: Name | None = None
    description_en: str | None = Field(default=None, max_length=4000)
    description_zh: str | None = Field(default=None, max_length=4000)
    links: list[ProcedureLinkBody] | None = Field(default=None, max_length=200)
    retired: bool | None = None


class ProcedureDraftBody(BaseModel):
    """Steps and norms of the version that comes next; norms that are left out stay as they are."""

    steps: Steps = Field(max_length=MAX_STEPS)
    norms: Norms | None = None
    note: str | None = Field(default=None, max_length=1000)


class ProcedureOrigin(BaseModel):
    """The work order that a version was made from; what it had to give."""

    work_order_id: UUID | None
    number: str
    facts: dict[str, int]


class ProcedureVersionItem(BaseModel):
    """One version: draft, published, superseded or withdrawn. Its cost sees who may see prices."""

    id: UUID
    number: int
    state: str
    steps: Steps
    note: str | None
    created_at: datetime
    published_at: datetime | None
    norms: Norms
    standard_cost: dict[str, Any] | None
    withdrawn_at: datetime | None
    withdrawn_reason: str | None
    origin: ProcedureOrigin | None
    version: int


class ProcedureItem(BaseModel):
    """A procedure in a list."""

    id: UUID
    code: str
    name_en: str
    name_zh: str
    published: int | None
    draft: int | None
    steps: int
    retired_at: datetime | None
    version: int


class Procedures(BaseModel):
    """A page of procedures."""

    items: list[ProcedureItem]
    next: str | None = None


class NamedProcedureLink(ProcedureLinkBody):
    """A link with the names of what it names."""

    asset_model: str | None
    failure_mode: str | None
    service_type: str | None


class ProcedureDetail(ProcedureItem):
    """A procedure with its versions, newest first."""

    description_en: str
    description_zh: str
    links: list[NamedProcedureLink]
    versions: list[ProcedureVersionItem]


@router.get("", operation_id="list_procedures")
def list_procedures(
    here: Here, q: str | None = None, retired: bool = False, limit: Limit = 100, after: After = None
) -> Procedures:
    """List procedures by code."""
    here.require("procedure.read")
    query = select(Procedure).order_by(Procedure.code, Procedure.id).limit(limit + 1)
    if not retired:
        query = query.where(Procedure.retired_at.is_(None))
    if q and q.strip():
        pattern = contains(q.strip())
        query = query.where(or_(*(c.ilike(pattern) for c in (Procedure.code, Procedure.name_en, Procedure.name_zh))))
    if after is not None:
        code, key = read_cursor(after, str, UUID)
        query = query.where((Procedure.code > code) | ((Procedure.code == code) & (Procedure.id > key)))
    found = list(here.session.scalars(query))
    page = found[:limit]
    versions = _versions(here, [one.id for one in page])
    more = cursor_of(page[-1].code, page[-1].id) if len(found) > limit else None
    return Procedures(items=[ProcedureItem(**_fields(one, versions.get(one.id, []))) for one in page], next=more)


@router.post("", operation_id="create_procedure", status_code=201)
def create(body: NewProcedure, here: Here) -> ProcedureDetail:
    """Write a procedure; its first version is a draft."""
    here.require("procedure.manage")
    check_skills(here, body.norms)
    procedure = create_procedure(
        here.session,
        organisation_id=here.actor.organisation_id,
        now=here.now,
        by=here.actor,
        **body.model_dump(exclude={"links"}),
    )
    _link(here, procedure, body.links)
    return procedure_detail(here, procedure)


@router.get("/{procedure_id}", operation_id="get_procedure")
def show(procedure_id: UUID, here: Here) -> ProcedureDetail:
    """Show a procedure with its versions."""
    here.require("procedure.read")
    return procedure_detail(here, get_procedure(here.session, procedure_id))


@router.patch("/{procedure_id}", operation_id="edit_procedure")
def edit(procedure_id: UUID, body: ProcedureEdit, here: Here, if_match: IfMatch = None) -> ProcedureDetail:
    """Change names, links, or retire it."""
    here.require("procedure.manage")
    procedure = locked(here, Procedure, procedure_id, "procedure", if_match)
    told = body.model_dump(exclude_unset=True, exclude={"links", "retired"})
    names = ("name_en", "name_zh", "description_en", "description_zh")
    values: dict[str, Any] = {
        name: told.get(name) if told.get(name) is not None else getattr(procedure, name) for name in names
    }
    if any(values[name] != getattr(procedure, name) for name in names):
        rename(procedure, **values)
        procedure.version += 1
    if body.links is not None:
        _link(here, procedure, body.links)
    if body.retired is not None:
        retire(here.session, procedure, here.now, by=here.actor, back=not body.retired)
    return procedure_detail(here, procedure)


@router.put("/{procedure_id}/draft", operation_id="write_procedure_draft")
def draft(procedure_id: UUID, body: ProcedureDraftBody, here: Here, if_match: IfMatch = None) -> ProcedureDetail:
    """Write the steps of the next version. If-Match holds the draft's own version."""
    here.require("procedure.manage")
    procedure = locked(here, Procedure, procedure_id, "procedure")
    present = version_in(here.session, procedure.id, "draft")
    if present is not None:
        locked(here, ProcedureVersion, present.id, "procedure_version", if_match)
    check_skills(here, body.norms)
    write_draft(here.session, procedure, body.steps, here.now, note=body.note, norms=body.norms, by=here.actor)
    return procedure_detail(here, procedure)


@router.post("/{procedure_id}/publish", operation_id="publish_procedure")
def publish_draft(procedure_id: UUID, here: Here, if_match: IfMatch = None) -> ProcedureDetail:
    """Publish the draft: new work gets it from now on."""
    here.require("procedure.manage")
    procedure = locked(here, Procedure, procedure_id, "procedure", if_match)
    publish(here.session, procedure, here.now, by=here.actor)
    return procedure_detail(here, procedure)


def _link(here: Context, procedure: Procedure, links: list[ProcedureLinkBody]) -> None:
    for link in links:
        named(here, AssetModel, link.asset_model_id, "asset_model_id")
        named(here, FailureMode, link.failure_mode_id, "failure_mode_id")
        named(here, ServiceType, link.service_type_id, "service_type_id")
    wanted = [(link.asset_model_id, link.failure_mode_id, link.service_type_id) for link in links]
    set_links(here.session, procedure, wanted, here.now, by=here.actor)


def _versions(here: Context, ids: list[UUID]) -> dict[UUID, list[ProcedureVersion]]:
    living = select(ProcedureVersion).where(
        ProcedureVersion.procedure_id.in_(ids), ProcedureVersion.state.in_(("draft", "published"))
    )
    found: dict[UUID, list[ProcedureVersion]] = {}
    for version in here.session.scalars(living) if ids else ():
        found.setdefault(version.procedure_id, []).append(version)
    return found


def _fields(procedure: Procedure, versions: list[ProcedureVersion]) -> dict[str, Any]:
    by_state = {version.state: version for version in versions if version.state != "superseded"}
    published, draft_ = by_state.get("published"), by_state.get("draft")
    shown = published or draft_
    return {
        "id": procedure.id,
        "code": procedure.code,
        "name_en": procedure.name_en,
        "name_zh": procedure.name_zh,
        "published": published.number if published else None,
        "draft": draft_.number if draft_ else None,
        "steps": len(shown.steps) if shown else 0,
        "retired_at": procedure.retired_at,
        "version": procedure.version,
    }


def check_skills(here: Context, norms: Norms | None) -> None:
    """Raise BadNorm for a skill that nobody wrote down."""
    rows = (norms or {}).get("labour")
    told = [one.get("skill") for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    wanted = {code for code in told if isinstance(code, str) and code}
    known = set(here.session.scalars(select(Skill.code).where(Skill.code.in_(wanted)))) if wanted else set()
    if lacking := sorted(wanted - known):
        at = told.index(lacking[0])
        words = f"labour {at + 1}: there is no skill {lacking[0][:60]}"
        raise BadNorm(words, field="norms", what="labour", index=at, problem="no_such_skill")


def procedure_detail(here: Context, procedure: Procedure) -> ProcedureDetail:
    """Return a procedure with its versions as the caller may see it."""
    here.session.flush()
    versions = list(versions_of(here.session, procedure.id))
    # Organisations below read the steps of their operator, and not what these cost it.
    ours = here.session.get(Organisation, procedure.organisation_id) is not None
    return ProcedureDetail(
        **_fields(procedure, versions),
        description_en=procedure.description_en,
        description_zh=procedure.description_zh,
        links=_links(here, procedure),
        versions=[_version(here, one, ours) for one in versions],
    )


_SAME = ("id", "number", "state", "steps", "note", "created_at", "published_at", "norms", "version")


def _version(here: Context, one: ProcedureVersion, ours: bool) -> ProcedureVersionItem:
    """Where it comes from and what it costs is not for everybody who reads the steps."""
    inside = ours and may(here.actor, "procedure.manage")
    told = one.origin if inside else None
    return ProcedureVersionItem(
        **{name: getattr(one, name) for name in _SAME},
        standard_cost=one.standard_cost if ours and may(here.actor, "price.read") else None,
        withdrawn_at=one.withdrawn_at,
        withdrawn_reason=one.withdrawn_reason if inside else None,
        origin=ProcedureOrigin(work_order_id=one.origin_work_order_id, **told) if told else None,
    )


def _links(here: Context, procedure: Procedure) -> list[NamedProcedureLink]:
    links = links_of(here.session, procedure)
    names: dict[UUID, str] = {}
    for table, keys in (
        (AssetModel, {link.asset_model_id for link in links}),
        (FailureMode, {link.failure_mode_id for link in links}),
        (ServiceType, {link.service_type_id for link in links}),
    ):
        wanted = [key for key in keys if key is not None]
        if wanted:
            kind: Any = table
            names |= {
                key: code for key, code in here.session.execute(select(kind.id, kind.code).where(kind.id.in_(wanted)))
            }
    return [
        NamedProcedureLink(
            asset_model_id=link.asset_model_id,
            failure_mode_id=link.failure_mode_id,
            service_type_id=link.service_type_id,
            asset_model=names.get(link.asset_model_id) if link.asset_model_id else None,
            failure_mode=names.get(link.failure_mode_id) if link.failure_mode_id else None,
            service_type=names.get(link.service_type_id) if link.service_type_id else None,
        )
        for link in links
    ]
