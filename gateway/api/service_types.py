"""The catalogue of service types over HTTP: forms, workflows and what applies, each in versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select, tuple_

from assets.base.access import Role
from assets.base.db import service_rights
from assets.base.errors import Invalid, RuleError
from assets.stock.items import Part
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Ref, contains, locked, named, person_names, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.cases.forms import check_answers, check_form
from ticketing.cases.service_types import (
    add_service_type,
    describe,
    ensure_service_types,
    publish,
    version_in_force,
    version_of,
)
from ticketing.cases.sides import desk_of
from ticketing.cases.tables import ServiceType, ServiceTypeVersion
from ticketing.cases.workflow import check_workflow
from ticketing.procedures.models import Procedure
from ticketing.sla.tables import SlaPolicy

router = APIRouter(prefix="/api/v1", tags=["service types"])


class VersionBody(BaseModel):
    """What a version holds; what is left out stays as it was in the version before."""

    form: dict[str, Any] | None = None
    workflow: dict[str, Any] | None = None
    priority: str | None = None
    duration_minutes: int | None = None
    required_skills: list[Any] | None = Field(default=None, max_length=20)
    procedure_id: UUID | None = None
    sla_policy_id: UUID | None = None
    price_part_id: UUID | None = None
    settlement_rule: str | None = None
    note: str | None = Field(default=None, max_length=1000)


class NewServiceType(VersionBody):
    """A service type with its first version."""

    code: str = Field(min_length=1, max_length=40)
    category: str = "other"
    name_en: str = Field(min_length=1, max_length=100)
    name_zh: str = Field(min_length=1, max_length=100)
    description_en: str | None = Field(default=None, max_length=1000)
    description_zh: str | None = Field(default=None, max_length=1000)
    public: bool = True


class ServiceTypeChange(BaseModel):
    """How it is named, sorted and offered."""

    category: str | None = None
    name_en: str | None = Field(default=None, min_length=1, max_length=100)
    name_zh: str | None = Field(default=None, min_length=1, max_length=100)
    description_en: str | None = Field(default=None, max_length=1000)
    description_zh: str | None = Field(default=None, max_length=1000)
    active: bool | None = None
    public: bool | None = None
    position: int | None = Field(default=None, ge=0, le=10_000)


class ServiceVersion(BaseModel):
    """One version of a service type. Price and settlement are the desk's business: null for customers."""

    id: UUID
    version: int
    form: dict[str, Any]
    workflow: dict[str, Any]
    priority: str
    duration_minutes: int | None
    required_skills: list[Any]
    procedure_id: UUID | None
    sla_policy_id: UUID | None
    price_part: Ref | None
    settlement_rule: str | None
    note: str | None
    created_at: datetime
    created_by: Ref | None


class ServiceTypeItem(BaseModel):
    """A service type with the version in force."""

    id: UUID
    code: str
    category: str
    name_en: str
    name_zh: str
    description_en: str | None
    description_zh: str | None
    active: bool
    public: bool
    position: int
    latest: int
    in_force: ServiceVersion | None
    version: int


class ServiceTypes(BaseModel):
    """A page of service types."""

    items: list[ServiceTypeItem]
    next: str | None = None


class ServiceVersions(BaseModel):
    """A page of versions, newest first."""

    items: list[ServiceVersion]
    next: str | None = None


class FormTrial(BaseModel):
    """A form, perhaps with answers, and a workflow to be looked at before they are published."""

    form: dict[str, Any] | None = None
    workflow: dict[str, Any] | None = None
    answers: dict[str, Any] | None = None


class FormFault(BaseModel):
    """What is wrong, and where: `path` is a JSON pointer into form, workflow or answers."""

    in_: str = Field(serialization_alias="in")
    path: str
    message: str


class FormTried(BaseModel):
    """What was found."""

    ok: bool
    faults: list[FormFault]


@router.get("/service-types", operation_id="list_service_types")
def list_service_types(
    here: Here,
    code: str | None = None,
    active: bool | None = None,
    q: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> ServiceTypes:
    """List service types in their order; an organisation that has none gets the ones that everybody begins with."""
    here.require("service_type.read")
    _ensure(here)
    query = select(ServiceType).order_by(ServiceType.position, ServiceType.id).limit(limit + 1)
    if here.actor.roles <= {Role.CUSTOMER}:
        query = query.where(ServiceType.active, ServiceType.public)
    if code is not None:
        query = query.where(ServiceType.code == code)
    if active is not None:
        query = query.where(ServiceType.active == active)
    if q:
        words = contains(q[:100])
        query = query.where(
            or_(*(c.ilike(words) for c in (ServiceType.code, ServiceType.name_en, ServiceType.name_zh)))
        )
    if after is not None:
        query = query.where(tuple_(ServiceType.position, ServiceType.id) > tuple_(*read_cursor(after, int, UUID)))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return ServiceTypes(
        items=[_item(here, kind) for kind in page],
        next=cursor_of(page[-1].position, page[-1].id) if len(found) > limit else None,
    )


@router.post("/service-types", operation_id="create_service_type", status_code=201)
def create_service_type(body: NewServiceType, here: Here) -> ServiceTypeItem:
    """Add a service type; a broken form or workflow is refused with the place of its error."""
    here.require("service_type.manage")
    _ensure(here)
    version = _version_facts(here, body)
    facts = body.model_dump(include=set(ServiceTypeChange.model_fields) | {"code"})
    return _item(here, add_service_type(here.session, facts, version, here.now, by=here.actor))


@router.post("/service-types/check", operation_id="check_service_type")
def check_service_type(body: FormTrial, here: Here) -> FormTried:
    """Look at a form, its workflow and answers without storing anything; faults come with their places."""
    here.require("service_type.read")
    faults: list[FormFault] = []
    form_ok = _try(faults, "form", lambda: check_form(body.form or {}))
    _try(faults, "workflow", lambda: check_workflow(body.workflow or {}))
    if form_ok and body.answers is not None:
        answers, form = body.answers, body.form or {}
        _try(faults, "answers", lambda: check_answers(form, answers))
    return FormTried(ok=not faults, faults=faults)


@router.get("/service-types/{service_type_id}", operation_id="get_service_type")
def get_service_type(service_type_id: UUID, here: Here) -> ServiceTypeItem:
    """Show one service type."""
    here.require("service_type.read")
    return _item(here, seen(here, ServiceType, service_type_id, "service_type"))


@router.patch("/service-types/{service_type_id}", operation_id="change_service_type")
def change_service_type(
    service_type_id: UUID, body: ServiceTypeChange, here: Here, if_match: IfMatch = None
) -> ServiceTypeItem:
    """Rename, sort, offer or switch off a service type."""
    here.require("service_type.manage")
    kind = locked(here, ServiceType, service_type_id, "service_type", if_match)
    facts = body.model_dump(exclude_unset=True)
    return _item(here, describe(here.session, kind, facts, here.now, by=here.actor))


@router.get("/service-types/{service_type_id}/versions", operation_id="list_service_type_versions")
def list_service_type_versions(
    service_type_id: UUID, here: Here, limit: Limit = 50, after: After = None
) -> ServiceVersions:
    """List the versions, newest first."""
    here.require("service_type.read")
    kind = seen(here, ServiceType, service_type_id, "service_type")
    query = select(ServiceTypeVersion).where(ServiceTypeVersion.service_type_id == kind.id)
    if after is not None:
        query = query.where(ServiceTypeVersion.version < read_cursor(after, int)[0])
    found = list(here.session.scalars(query.order_by(ServiceTypeVersion.version.desc()).limit(limit + 1)))
    page = found[:limit]
    return ServiceVersions(
        items=[_version(here, each) for each in page], next=cursor_of(page[-1].version) if len(found) > limit else None
    )


@router.get("/service-types/{service_type_id}/versions/{number}", operation_id="get_service_type_version")
def get_service_type_version(service_type_id: UUID, number: int, here: Here) -> ServiceVersion:
    """Show one version, such as the one that an old case was opened under."""
    here.require("service_type.read")
    return _version(here, version_of(here.session, seen(here, ServiceType, service_type_id, "service_type"), number))


@router.post("/service-types/{service_type_id}/versions", operation_id="publish_service_type", status_code=201)
def publish_service_type(
    service_type_id: UUID, body: VersionBody, here: Here, if_match: IfMatch = None
) -> ServiceTypeItem:
    """Publish a new version, in force for new cases from now on."""
    here.require("service_type.manage")
    kind = locked(here, ServiceType, service_type_id, "service_type", if_match)
    publish(here.session, kind, _version_facts(here, body), here.now, by=here.actor)
    return _item(here, kind)


def _ensure(here: Context) -> None:
    """The catalogue belongs to the desk's organisation; customers and partners below read it."""
    desk = desk_of(here.session, here.actor.organisation_id)
    with service_rights(here.session):
        ensure_service_types(here.session, desk, here.now)


def _version_facts(here: Context, body: VersionBody) -> dict[str, Any]:
    named(here, Part, body.price_part_id, "price_part_id")
    named(here, Procedure, body.procedure_id, "procedure_id")
    named(here, SlaPolicy, body.sla_policy_id, "sla_policy_id")
    sent = body.model_dump(include=set(VersionBody.model_fields), exclude_unset=True)
    for name in ("form", "workflow", "priority", "required_skills"):
        if name in sent and sent[name] is None:
            raise Invalid(f"{name} may be left out, not null", field=name)
    return sent


def _try(faults: list[FormFault], where: str, check: Any) -> bool:
    try:
        check()
    except RuleError as error:
        places = error.params.get("errors")
        if isinstance(places, list) and places:
            faults += [FormFault(in_=where, path=each["path"], message=each["message"]) for each in places]
        else:
            path, reason = str(error.params.get("path", "")), str(error.params.get("reason", error))
            faults.append(FormFault(in_=where, path=path, message=reason))
        return False
    return True


def _item(here: Context, kind: ServiceType) -> ServiceTypeItem:
    version = version_in_force(here.session, kind)
    return ServiceTypeItem(
        id=kind.id,
        code=kind.code,
        category=kind.category,
        name_en=kind.name_en,
        name_zh=kind.name_zh,
        description_en=kind.description_en,
        description_zh=kind.description_zh,
        active=kind.active,
        public=kind.public,
        position=kind.position,
        latest=kind.latest,
        in_force=_version(here, version) if version else None,
        version=kind.version,
    )


def _version(here: Context, version: ServiceTypeVersion) -> ServiceVersion:
    customer = here.actor.roles <= {Role.CUSTOMER, Role.PARTNER}
    part = here.session.get(Part, version.price_part_id) if version.price_part_id and not customer else None
    people = person_names(here, [version.created_by_id])
    return ServiceVersion(
        id=version.id,
        version=version.version,
        form=version.form,
        workflow=version.workflow,
        priority=version.priority,
        duration_minutes=version.duration_minutes,
        required_skills=version.required_skills,
        procedure_id=version.procedure_id,
        sla_policy_id=version.sla_policy_id,
        price_part=Ref(id=part.id, name=f"{part.number} {part.name_en}".strip()) if part else None,
        settlement_rule=None if customer else version.settlement_rule,
        note=None if customer else version.note,
        created_at=version.created_at,
        created_by=people.get(version.created_by_id) if version.created_by_id and not customer else None,
    )
