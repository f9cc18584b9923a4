"""Who is told: the people and the customer that a rule's recipients come to for one thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.people import Membership, Person
from gateway.notify.facts import Facts, below
from gateway.notify.rule_models import NotificationRule
from maintenance.alarm_models import OnCallList
from maintenance.on_call import is_on_call
from ticketing.order_models import WorkOrderPerson
from ticketing.people.tables import TeamMember

MAX_PEOPLE = 100  # what goes to everybody is read by nobody


def people_of(session: Session, rule: NotificationRule, facts: Facts, now: datetime) -> Sequence[Person]:
    """Return the people to tell, each once: of the rule's organisation or below, who have not left.

    Whoever did it is not told of it, unless the rule or the event names them.
    """
    wanted: list[UUID] = []
    named: set[UUID] = set()
    for each in rule.recipients:
        found = list(_found(session, rule, each, facts, now))
        wanted += found
        if each["to"] in ("person", "told", "on_call"):
            named |= set(found)
    keys = [each for each in dict.fromkeys(wanted) if each != facts.actor_id or each in named][:MAX_PEOPLE]
    if not keys:
        return []
    within = below(session, rule.organisation_id)
    query = select(Person).where(Person.id.in_(keys), Person.disabled_at.is_(None), Person.organisation_id.in_(within))
    here = {person.id: person for person in session.scalars(query)}
    return [here[each] for each in keys if each in here]


def tells_customer(rule: NotificationRule) -> bool:
    """Return whether the customer outside is among the recipients."""
    return any(each["to"] == "customer_contact" for each in rule.recipients)


def _found(
    session: Session, rule: NotificationRule, each: Mapping[str, Any], facts: Facts, now: datetime
) -> Iterable[UUID]:
    to = each["to"]
    if to == "told":
        return _ids([*(facts.payload.get("person_ids") or []), facts.payload.get("person_id")])
    if to == "technician":
        return _ids([facts.technician.id if facts.technician else None])
    if to == "former_technician":
        before = facts.payload.get("before")
        former = before.get("technician_id") if isinstance(before, dict) else facts.payload.get("from_person_id")
        return _ids([former])
    if to == "assignee":
        return _ids([facts.order.assignee_id if facts.order else None])
    if to == "person":
        return _ids([each.get("id")])
    if to == "author":
        return _ids([facts.case.opened_by_id if facts.case else None])
    return _group(session, rule, each, facts, now)


def _group(
    session: Session, rule: NotificationRule, each: Mapping[str, Any], facts: Facts, now: datetime
) -> Iterable[UUID]:
    to = each["to"]
    if to == "helpers" and facts.order is not None:
        helping = select(WorkOrderPerson.person_id).where(WorkOrderPerson.work_order_id == facts.order.id)
        return session.scalars(helping.order_by(WorkOrderPerson.id).limit(MAX_PEOPLE)).all()
    if to in ("team", "team_leads"):
        team_id = UUID(each["id"]) if each.get("id") else facts.team.id if facts.team else None
        return _team(session, team_id, to == "team_leads", now) if team_id else ()
    if to == "role":
        members = select(Membership.person_id).where(
            Membership.organisation_id == rule.organisation_id, Membership.role == each["role"]
        )
        return session.scalars(members.order_by(Membership.person_id).limit(MAX_PEOPLE)).all()
    if to == "on_call":
        return _on_call(session, UUID(each["id"]), rule.organisation_id, now)
    return ()


def _team(session: Session, team_id: UUID, leads: bool, now: datetime) -> Sequence[UUID]:
    members = select(TeamMember.person_id).where(
        TeamMember.team_id == team_id,
        TeamMember.valid_from <= now,
        or_(TeamMember.valid_to.is_(None), TeamMember.valid_to > now),
    )
    if leads:
        members = members.where(TeamMember.leads)
    return session.scalars(members.order_by(TeamMember.person_id).limit(MAX_PEOPLE)).all()


def _on_call(session: Session, list_id: UUID, organisation_id: UUID, now: datetime) -> Sequence[UUID]:
    """The first of a list who is there, while the list holds."""
    on_call = session.get(OnCallList, list_id)
    if on_call is None or not on_call.enabled or not is_on_call(on_call, now):
        return ()
    keys = _ids([step.get("person_id") for step in on_call.steps])
    there = set(session.scalars(select(Person.id).where(Person.id.in_(keys), Person.disabled_at.is_(None))))
    return [key for key in keys if key in there][:1]


def _ids(values: Iterable[Any]) -> list[UUID]:
    found = []
    for value in values:
        try:
            found.append(value if isinstance(value, UUID) else UUID(str(value)))
        except ValueError:
            continue
    return found
