"""Policies of service levels over HTTP: what is promised for which work, what pauses it, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_

from assets.base.calendars import Calendar
from assets.base.db import service_rights
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.people import Organisation, Person
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Name, Ref, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.sla_rows import ClockName, SubjectKind, calendar_names, contract_numbers, policy_names
from ticketing.cases.tables import ServiceType
from ticketing.sla.book import calendars_of, contracts_of, policies_of
from ticketing.sla.policies import (
    MAX_MINUTES,
    MAX_WARNINGS,
    TargetRow,
    Work,
    check_match,
    check_pauses,
    check_targets,
    check_warnings,
    choose,
    promises,
)
from ticketing.sla.tables import SlaPolicy, SlaSubject, SlaTarget
from ticketing.sla.words import CLOCKS

router = APIRouter(prefix="/api/v1", tags=["service levels"])

MAX_TARGETS = 20  # four clocks, at four priorities and any
Priority = Literal["low", "normal", "high", "urgent"]
Reason = Literal["parts", "customer", "weather", "access", "tools", "safety", "approval", "other", "third_party"]


class TargetIn(BaseModel):
    """How long a clock may run at a priority, in minutes of its calendar (null: the policy's)."""

    clock: ClockName
    priority: Literal["low", "normal", "high", "urgent", "any"] = "any"
    minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)]
    calendar_id: UUID | None = None


class Told(BaseModel):
    """Who is told: a role of whoever made the promise, who does the work, or one person."""

    to: Literal["assignee", "team_leads", "dispatchers", "planners", "administrators", "person"]
    id: UUID | None = None


class WarningIn(BaseModel):
    """At how many percent of the target people are told, and how often again until somebody acknowledges."""

    percent: Annotated[int, Field(ge=1, le=1000)]
    tell: Annotated[list[Told], Field(min_length=1, max_length=20)]
    repeat_minutes: Annotated[int | None, Field(ge=5, le=MAX_MINUTES)] = None
    repeats: Annotated[int, Field(ge=0, le=20)] = 0
    clocks: list[ClockName] | None = None


class PolicyBody(BaseModel):
    """All that a policy says. `match`: {} is for all work, null only for service types that name the policy."""

    name: Name
    enabled: bool = True
    match: dict[str, list[str]] | None = None
    precedence: Annotated[int, Field(ge=-1000, le=1000)] = 0
    calendar_id: UUID | None = None
    pauses: dict[Reason, list[ClockName]] = {}
    warnings: Annotated[list[WarningIn], Field(max_length=MAX_WARNINGS)] = []
    targets: Annotated[list[TargetIn], Field(max_length=MAX_TARGETS)] = []


class TargetItem(TargetIn):
    """A target with its calendar's name."""

    calendar: Ref | None


class SlaPolicyItem(BaseModel):
    """A policy; `open`: how much open work it holds for now."""

    id: UUID
    name: str
    enabled: bool
    match: dict[str, list[str]] | None
    precedence: int
    calendar: Ref | None
    pauses: dict[str, list[ClockName]]
    warnings: list[WarningIn]
    targets: list[TargetItem]
    open: int
    changed_at: datetime
    organisation_id: UUID
    version: int


class SlaPolicyPage(BaseModel):
    """One page of policies."""

    items: list[SlaPolicyItem]
    next: str | None = None


class Ask(BaseModel):
    """Work that might come in."""

    subject_kind: SubjectKind = "work_order"
    asset_id: UUID | None = None
    service_type_id: UUID | None = None
    priority: Priority = "normal"
    origin: Annotated[str | None, Field(max_length=40)] = None
    at: Moment | None = None


class PromiseItem(BaseModel):
    """What would be promised for one clock."""

    clock: ClockName
    source: str
    minutes: float
    calendar: Ref | None
    due_at: datetime | None
    pausing: list[str]


class Preview(BaseModel):
    """What would be promised, by whom."""

    policy: Ref | None
    contract: Ref | None
    clocks: list[PromiseItem]


@router.get("/sla-policies", operation_id="list_sla_policies")
def list_sla_policies(here: Here, limit: Limit = 100, after: After = None) -> SlaPolicyPage:
    """List policies by name."""
    here.require("sla.read")
    query = select(SlaPolicy).order_by(SlaPolicy.name, SlaPolicy.id).limit(limit + 1)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(SlaPolicy.name, SlaPolicy.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return SlaPolicyPage(items=_items(here, page), next=following)


@router.post("/sla-policies", operation_id="create_sla_policy", status_code=201)
def create_sla_policy(body: PolicyBody, here: Here) -> SlaPolicyItem:
    """Add a policy of one's own organisation; it holds for its work and that of those below."""
    here.require("sla.manage")
    row = SlaPolicy(organisation_id=here.actor.organisation_id, created_at=here.now)
    _fill(here, row, body)
    here.session.add(row)
    here.session.flush()
    _set_targets(here, row, body)
    _log(here, row, "created")
    return _items(here, [row])[0]


@router.get("/sla-policies/{policy_id}", operation_id="get_sla_policy")
def get_sla_policy(policy_id: UUID, here: Here) -> SlaPolicyItem:
    """One policy."""
    here.require("sla.read")
    return _items(here, [seen(here, SlaPolicy, policy_id, "sla_policy")])[0]


@router.put("/sla-policies/{policy_id}", operation_id="replace_sla_policy")
def replace_sla_policy(policy_id: UUID, body: PolicyBody, here: Here, if_match: IfMatch = None) -> SlaPolicyItem:
    """Replace what a policy says: clocks that run follow, those that ended keep what held then."""
    here.require("sla.manage")
    row = locked(here, SlaPolicy, policy_id, "sla_policy", if_match)
    _fill(here, row, body)
    row.version += 1
    here.session.flush()
    _set_targets(here, row, body)
    _log(here, row, "changed")
    return _items(here, [row])[0]


@router.delete("/sla-policies/{policy_id}", operation_id="delete_sla_policy", status_code=204)
def delete_sla_policy(policy_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a policy: clocks that run stop being counted, those that ended stay."""
    here.require("sla.manage")
    row = locked(here, SlaPolicy, policy_id, "sla_policy", if_match)
    _log(here, row, "removed")
    here.session.delete(row)
    here.session.flush()


@router.post("/sla-policies/preview", operation_id="preview_sla")
def preview_sla(body: Ask, here: Here) -> Preview:
    """Say what would be promised for work on an asset, and when each clock would be due."""
    here.require("sla.read")
    asset = named(here, Asset, body.asset_id, "asset_id")
    service_type = named(here, ServiceType, body.service_type_id, "service_type_id")
    owner = asset.organisation_id if asset else here.actor.organisation_id
    here.session.flush()
    with service_rights(here.session):  # policies of those above are not read, but hold
        organisation = here.session.get_one(Organisation, owner)
        work = Work(
            kind=body.subject_kind,
            priority=body.priority,
            ancestors=organisation.ancestors,
            opened_at=body.at or here.now,
            customer_id=asset.customer_id if asset else None,
            site_id=asset.site_id if asset else None,
            asset_model_id=asset.asset_model_id if asset else None,
            service_type_id=body.service_type_id,
            linked_policy_id=service_type.sla_policy_id if service_type else None,
            origin=body.origin,
        )
        policy = choose(policies_of(here.session, organisation.ancestors), work)
        held = contracts_of(here.session, [asset.id]).get(asset.id, []) if asset else []
        found = promises(policy, held, work)
        calendars = calendars_of(here.session, {each.calendar_id for each in found.values()})
    names = calendar_names(here, [each.calendar_id for each in found.values()])
    contracts = contract_numbers(here, [each.contract_id for each in found.values()])
    clocks = [
        PromiseItem.model_validate(
            {
                "clock": each.clock,
                "source": each.source,
                "minutes": each.amount / timedelta(minutes=1),
                "calendar": names.get(each.calendar_id) if each.calendar_id else None,
                "due_at": calendars[each.calendar_id].after(work.opened_at, each.amount),
                "pausing": sorted(each.pausing),
            }
        )
        for each in found.values()
    ]
    return Preview(
        policy=policy_names(here, [policy.id]).get(policy.id) if policy else None,
        contract=next(iter(contracts.values()), None),
        clocks=clocks,
    )


def _fill(here: Context, row: SlaPolicy, body: PolicyBody) -> None:
    named(here, Calendar, body.calendar_id, "calendar_id")
    for index, warning in enumerate(body.warnings):
        for each in warning.tell:
            if each.to == "person":
                if each.id is None:
                    raise Invalid("which person?", field=f"warnings.{index}.tell")
                named(here, Person, each.id, f"warnings.{index}.tell")
    row.name, row.enabled, row.precedence = body.name.strip(), body.enabled, body.precedence
    row.match = check_match(body.match)
    row.calendar_id = body.calendar_id
    row.pauses = check_pauses({str(reason): clocks for reason, clocks in body.pauses.items()})
    row.warnings = check_warnings([each.model_dump(mode="json") for each in body.warnings])
    row.changed_at = here.now


def _set_targets(here: Context, row: SlaPolicy, body: PolicyBody) -> None:
    for each in body.targets:
        named(here, Calendar, each.calendar_id, "targets.calendar_id")
    check_targets([TargetRow(each.clock, each.priority, each.minutes, each.calendar_id) for each in body.targets])
    for old in here.session.scalars(select(SlaTarget).where(SlaTarget.policy_id == row.id)):
        here.session.delete(old)
    here.session.flush()
    for each in body.targets:
        here.session.add(SlaTarget(policy_id=row.id, organisation_id=row.organisation_id, **each.model_dump()))
    here.session.flush()


def _log(here: Context, row: SlaPolicy, word: str) -> None:
    append_event(
        here.session,
        f"sla_policy.{word}",
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="sla_policy",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name},
        first=word == "created",
    )


def _items(here: Context, rows: Sequence[SlaPolicy]) -> list[SlaPolicyItem]:
    keys = [row.id for row in rows]
    targets: dict[UUID, list[SlaTarget]] = {}
    for each in here.session.scalars(select(SlaTarget).where(SlaTarget.policy_id.in_(keys))):
        targets.setdefault(each.policy_id, []).append(each)
    counted = (
        select(SlaSubject.policy_id, func.count())
        .where(SlaSubject.policy_id.in_(keys), SlaSubject.finished_at.is_(None))
        .group_by(SlaSubject.policy_id)
    )
    open_work: dict[UUID | None, int] = {key: number for key, number in here.session.execute(counted)}
    used = [row.calendar_id for row in rows] + [each.calendar_id for those in targets.values() for each in those]
    names = calendar_names(here, used)
    return [_item(row, targets.get(row.id, []), open_work.get(row.id, 0), names) for row in rows]


def _item(row: SlaPolicy, targets: Sequence[SlaTarget], open_work: int, names: dict[UUID, Ref]) -> SlaPolicyItem:
    ordered = sorted(targets, key=lambda each: (CLOCKS.index(each.clock), each.priority))
    shown: list[dict[str, Any]] = [
        {
            "clock": each.clock,
            "priority": each.priority,
            "minutes": each.minutes,
            "calendar_id": each.calendar_id,
            "calendar": names.get(each.calendar_id) if each.calendar_id else None,
        }
        for each in ordered
    ]
    return SlaPolicyItem.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "enabled": row.enabled,
            "match": row.match,
            "precedence": row.precedence,
            "calendar": names.get(row.calendar_id) if row.calendar_id else None,
            "pauses": row.pauses,
            "warnings": row.warnings,
            "targets": shown,
            "open": open_work,
            "changed_at": row.changed_at,
            "organisation_id": row.organisation_id,
            "version": row.version,
        }
    )
