"""The desk's triage over HTTP: three lists, how much waits in each, and the rules that route cases."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.registry import Customer
from gateway.api.case_rows import CaseItem, TypeOfCase, case_items
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Ref, locked, named
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.cases.routing import MAX_RULES
from ticketing.cases.tables import Case, RoutingRule, ServiceType
from ticketing.cases.triage import after as after_place
from ticketing.cases.triage import counts, rank_of, triage
from ticketing.cases.words import words
from ticketing.finding import holding
from ticketing.people.tables import Team, Territory
from ticketing.people.teams import teams_of
from ticketing.words import PRIORITIES, one_of

router = APIRouter(prefix="/api/v1", tags=["cases"])


class TriageCounts(BaseModel):
    """How many cases wait in each list, counted up to 1000."""

    claim: int
    handle: int
    approve: int


class TriageList(BaseModel):
    """A page of one list: the most urgent first, then the oldest."""

    items: list[CaseItem]
    next: str | None = None
    counts: TriageCounts


class RoutingRuleBody(BaseModel):
    """Where cases of this type, region, territory and customer go; null in a condition means any."""

    position: int | None = Field(default=None, ge=0, le=100_000)
    service_type_id: UUID | None = None
    region: str | None = Field(default=None, max_length=100)
    territory_id: UUID | None = None
    customer_id: UUID | None = None
    team_id: UUID | None = None
    queue: str | None = Field(default=None, max_length=100)
    priority: str | None = None
    active: bool = True


class RoutingRuleItem(BaseModel):
    """A routing rule with the names of what it mentions."""

    id: UUID
    position: int
    service_type: TypeOfCase | None
    region: str | None
    territory: Ref | None
    customer: Ref | None
    team: Ref | None
    queue: str | None
    priority: str | None
    active: bool
    version: int


class RoutingRules(BaseModel):
    """All rules in their order; the first that fits decides."""

    items: list[RoutingRuleItem]
    next: str | None = None


@router.get("/triage", operation_id="list_triage")
def list_triage(
    here: Here,
    list: Literal["claim", "handle", "approve"] = "claim",
    mine: bool = False,
    service_type_id: UUID | None = None,
    team_id: UUID | None = None,
    q: str | None = None,
    limit: Limit = 50,
    after: After = None,
) -> TriageList:
    """One of the desk's lists; `mine=true` only what was routed to the actor's teams or to nobody."""
    here.require("case.handle")
    teams = None
    if mine and here.actor.person_id:
        teams = teams_of(here.session, [here.actor.person_id], here.now).get(here.actor.person_id, [])
    query = triage(list, here.now, here.actor.person_id, teams).limit(limit + 1)
    if service_type_id is not None:
        query = query.where(Case.service_type_id == service_type_id)
    if team_id is not None:
        query = query.where(Case.team_id == team_id)
    if q and q.strip():
        query = query.where(holding(here.session, "case", q, here.actor))
    if after is not None:
        rank, case_id = read_cursor(after, int, UUID)
        query = query.where(after_place(rank, case_id))
    found = [*here.session.scalars(query)]
    page = found[:limit]
    return TriageList(
        items=case_items(here, page),
        next=cursor_of(rank_of(page[-1].priority), page[-1].id) if len(found) > limit else None,
        counts=TriageCounts(**counts(here.session, here.now, here.actor.person_id)),
    )


@router.get("/routing-rules", operation_id="list_routing_rules")
def list_routing_rules(here: Here) -> RoutingRules:
    """Show the rules in their order."""
    here.require("routing.manage")
    wanted = select(RoutingRule).order_by(RoutingRule.position, RoutingRule.id).limit(MAX_RULES)
    return RoutingRules(items=[_item(here, rule) for rule in here.session.scalars(wanted)])


@router.post("/routing-rules", operation_id="create_routing_rule", status_code=201)
def create_routing_rule(body: RoutingRuleBody, here: Here) -> RoutingRuleItem:
    """Add a rule, at the end unless its position says otherwise."""
    here.require("routing.manage")
    own = select(RoutingRule).where(RoutingRule.organisation_id == here.actor.organisation_id)
    places = [rule.position for rule in here.session.scalars(own)]
    if len(places) >= MAX_RULES:
        raise Invalid(f"at most {MAX_RULES} rules", field="position", limit=MAX_RULES)
    rule = RoutingRule(organisation_id=here.actor.organisation_id, **_checked(here, body))
    rule.position = body.position if body.position is not None else max(places, default=0) + 10
    here.session.add(rule)
    here.session.flush()
    _note(here, rule, "routing_rule.added")
    return _item(here, rule)


@router.put("/routing-rules/{rule_id}", operation_id="change_routing_rule")
def change_routing_rule(rule_id: UUID, body: RoutingRuleBody, here: Here, if_match: IfMatch = None) -> RoutingRuleItem:
    """Replace what a rule says."""
    here.require("routing.manage")
    rule = locked(here, RoutingRule, rule_id, "routing_rule", if_match)
    for name, value in _checked(here, body).items():
        setattr(rule, name, value)
    rule.position = body.position if body.position is not None else rule.position
    rule.version += 1
    here.session.flush()
    _note(here, rule, "routing_rule.changed")
    return _item(here, rule)


@router.delete("/routing-rules/{rule_id}", operation_id="remove_routing_rule", status_code=204)
def remove_routing_rule(rule_id: UUID, here: Here) -> None:
    """Remove a rule; cases stay where they were sent."""
    here.require("routing.manage")
    rule = locked(here, RoutingRule, rule_id, "routing_rule")
    _note(here, rule, "routing_rule.removed")
    here.session.delete(rule)
    here.session.flush()


def _note(here: Context, rule: RoutingRule, kind: str) -> None:
    """Append what happened to a rule: why a case went where it did must be told later too."""
    ids = ("service_type_id", "territory_id", "customer_id", "team_id")
    facts = {name: str(value) if (value := getattr(rule, name)) else None for name in ids}
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=rule.organisation_id,
        subject_kind="routing_rule",
        subject_id=rule.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload=facts | {name: getattr(rule, name) for name in ("position", "region", "queue", "priority", "active")},
        first=kind == "routing_rule.added",
    )


def _checked(here: Context, body: RoutingRuleBody) -> dict[str, object]:
    named(here, ServiceType, body.service_type_id, "service_type_id")
    named(here, Territory, body.territory_id, "territory_id")
    named(here, Customer, body.customer_id, "customer_id")
    named(here, Team, body.team_id, "team_id")
    if body.priority is not None:
        one_of("priority", body.priority, PRIORITIES)
    queue = words("queue", body.queue, 100, empty=True)
    if body.team_id is None and queue is None and body.priority is None:
        raise Invalid("a rule names a team, a queue or a priority", field="team_id")
    return {
        "service_type_id": body.service_type_id,
        "region": words("region", body.region, 100, empty=True),
        "territory_id": body.territory_id,
        "customer_id": body.customer_id,
        "team_id": body.team_id,
        "queue": queue,
        "priority": body.priority,
        "active": body.active,
    }


def _item(here: Context, rule: RoutingRule) -> RoutingRuleItem:
    session = here.session
    kind = session.get(ServiceType, rule.service_type_id) if rule.service_type_id else None
    territory = session.get(Territory, rule.territory_id) if rule.territory_id else None
    customer = session.get(Customer, rule.customer_id) if rule.customer_id else None
    team = session.get(Team, rule.team_id) if rule.team_id else None
    return RoutingRuleItem(
        id=rule.id,
        position=rule.position,
        service_type=TypeOfCase(id=kind.id, code=kind.code, name_en=kind.name_en, name_zh=kind.name_zh)
        if kind
        else None,
        region=rule.region,
        territory=Ref(id=territory.id, name=territory.name) if territory else None,
        customer=Ref(id=customer.id, name=customer.name) if customer else None,
        team=Ref(id=team.id, name=team.name) if team else None,
        queue=rule.queue,
        priority=rule.priority,
        active=rule.active,
        version=rule.version,
    )
