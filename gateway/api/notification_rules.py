"""Rules of notification over HTTP: when who is told by which ways, with what words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.calendars import Calendar
from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.people import Organisation, Person
from gateway import texts
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.notify.dates import SOURCES
from gateway.notify.defaults import ensure_defaults
from gateway.notify.facts import load_facts
from gateway.notify.hours import check_digest, check_quiet
from gateway.notify.recipients import people_of
from gateway.notify.reminders import check_reminder
from gateway.notify.rule_models import NotificationChannel, NotificationRule
from gateway.notify.rules import (
    CONDITIONS,
    MAX_AGAIN_S,
    MAX_DELAY_S,
    PERSONAL_WAYS,
    RECIPIENTS,
    check_conditions,
    check_recipients,
    check_rule_kinds,
    check_ways,
)
from gateway.notify.saying import texts_of
from gateway.notify.templates import PLACES, check_templates
from maintenance.alarm_models import OnCallList
from ticketing.models import WorkOrder
from ticketing.people.tables import Team

router = APIRouter(prefix="/api/v1", tags=["notifications"])

MAX_RULES = 200
Word = Annotated[str, Field(max_length=80)]
Open = dict[str, Any]


class NotificationRuleBody(BaseModel):
    """A rule: about kinds of events such as `work_order.closed`, or about a date (`reminder`), not both."""

    name: Name
    enabled: bool = True
    kinds: Annotated[list[Word], Field(max_length=50)] = []
    reminder: Open | None = None
    conditions: dict[str, list[Any]] = {}
    recipients: Annotated[list[Open], Field(max_length=50)] = []
    ways: Annotated[list[Word], Field(min_length=1, max_length=20)]
    templates: dict[str, dict[str, str | None]] = {}
    quiet: Open | None = None
    digest: Open | None = None
    critical: bool = False
    delay_s: Annotated[int, Field(ge=0, le=MAX_DELAY_S)] = 0
    again_s: Annotated[int, Field(ge=0, le=MAX_AGAIN_S)] = 0


class NotificationRuleItem(NotificationRuleBody):
    """A rule; one with a `code` was put there by the server: it may be changed and switched off, not removed."""

    id: UUID
    code: str | None
    organisation_id: UUID
    version: int
    created_at: datetime
    changed_at: datetime


class NotificationRules(BaseModel):
    """A page of rules."""

    items: list[NotificationRuleItem]
    next: str | None = None


class NotificationChoice(BaseModel):
    """A word that rules may use, in both languages."""

    word: str
    en: str
    zh: str


class NotificationChoices(BaseModel):
    """What rules may say."""

    kinds: list[NotificationChoice]
    dates: list[NotificationChoice]
    recipients: list[str]
    ways: list[str]
    conditions: list[str]
    places: list[str]


class NotificationPreviewBody(BaseModel):
    """A rule tried on a work order."""

    rule: NotificationRuleBody
    work_order_id: UUID


class PreviewText(BaseModel):
    """A message in one language."""

    subject: str
    body: str


class NotificationPreview(BaseModel):
    """What would be said, and to whom."""

    texts: dict[str, PreviewText]
    people: list[str]


@router.get("/notification-rules", operation_id="list_notification_rules")
def list_notification_rules(here: Here, limit: Limit = 100, after: After = None) -> NotificationRules:
    """List the rules of one's own organisation and those below it."""
    here.require("notification.manage")
    _with_defaults(here)
    query = select(NotificationRule).order_by(NotificationRule.id).limit(limit + 1)
    if after is not None:
        query = query.where(NotificationRule.id > read_cursor(after, UUID)[0])
    found = list(here.session.scalars(query))
    page = found[:limit]
    return NotificationRules(
        items=[_item(row) for row in page], next=cursor_of(page[-1].id) if len(found) > limit else None
    )


@router.get("/notification-kinds", operation_id="list_notification_kinds")
def list_notification_kinds(here: Here) -> NotificationChoices:
    """The words that a rule may use."""
    here.require("notification.manage")
    return NotificationChoices(
        kinds=_choices("event."),
        dates=[_choice(f"reminder.{name}", name) for name in SOURCES],
        recipients=list(RECIPIENTS),
        ways=list(PERSONAL_WAYS),
        conditions=list(CONDITIONS),
        places=sorted(PLACES),
    )


@router.post("/notification-rules", operation_id="create_notification_rule", status_code=201)
def create_notification_rule(body: NotificationRuleBody, here: Here) -> NotificationRuleItem:
    """Make a rule for one's own organisation and all below it."""
    here.require("notification.manage")
    owner = here.actor.organisation_id
    held = select(NotificationRule.id).where(NotificationRule.organisation_id == owner).limit(MAX_RULES)
    if len(here.session.scalars(held).all()) >= MAX_RULES:
        raise Conflict(f"at most {MAX_RULES} rules", limit=MAX_RULES)
    row = NotificationRule(organisation_id=owner, created_at=here.now, **_checked(here, body))
    row.changed_at, row.changed_by_id = here.now, here.actor.person_id
    here.session.add(row)
    here.session.flush()
    _note(here, row, "notification_rule.created")
    return _item(row)


@router.post("/notification-rules/preview", operation_id="preview_notification_rule")
def preview_notification_rule(body: NotificationPreviewBody, here: Here) -> NotificationPreview:
    """Say what a rule would say of a work order, and to whom; nothing is written or sent."""
    here.require("notification.manage")
    order = seen(here, WorkOrder, body.work_order_id, "work_order")
    values = _checked(here, body.rule)
    rule = NotificationRule(organisation_id=here.actor.organisation_id, **values)
    kind = body.rule.kinds[0].removesuffix(".*") if body.rule.kinds else f"reminder.{values['reminder']['on']}"
    with service_rights(here.session), here.session.no_autoflush:
        facts = load_facts(
            here.session, kind=kind, subject_kind="work_order", subject_id=order.id,
            organisation_id=order.organisation_id, executor_id=order.executing_organisation_id,
            asset_id=order.asset_id, payload={"number": order.number},
        )  # fmt: skip
        said = texts_of(rule, facts)
        people = [person.name for person in people_of(here.session, rule, facts, here.now)]
    return NotificationPreview(texts={language: PreviewText(**each) for language, each in said.items()}, people=people)


@router.get("/notification-rules/{rule_id}", operation_id="get_notification_rule")
def get_notification_rule(rule_id: UUID, here: Here) -> NotificationRuleItem:
    """One rule."""
    here.require("notification.manage")
    return _item(seen(here, NotificationRule, rule_id, "notification_rule"))


@router.put("/notification-rules/{rule_id}", operation_id="replace_notification_rule")
def replace_notification_rule(
    rule_id: UUID, body: NotificationRuleBody, here: Here, if_match: IfMatch = None
) -> NotificationRuleItem:
    """Replace a rule; what has been written by the old one stays."""
    here.require("notification.manage")
    row = locked(here, NotificationRule, rule_id, "notification_rule", if_match)
    for name, value in _checked(here, body).items():
        setattr(row, name, value)
    row.changed_at, row.changed_by_id = here.now, here.actor.person_id
    row.version += 1
    here.session.flush()
    _note(here, row, "notification_rule.changed")
    return _item(row)


@router.delete("/notification-rules/{rule_id}", operation_id="delete_notification_rule", status_code=204)
def delete_notification_rule(rule_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a rule of one's own making."""
    here.require("notification.manage")
    row = locked(here, NotificationRule, rule_id, "notification_rule", if_match)
    if row.code is not None:
        raise Conflict("this rule belongs to the service; switch it off instead", what="builtin_rule")
    _note(here, row, "notification_rule.removed")
    here.session.delete(row)
    here.session.flush()


def _with_defaults(here: Context) -> None:
    """The server's rules stand with the organisation at the top, as soon as somebody looks."""
    own = here.session.get(Organisation, here.actor.organisation_id)
    if own is not None and own.parent_id is None:
        with service_rights(here.session):
            ensure_defaults(here.session, own.id, here.now)


def _checked(here: Context, body: NotificationRuleBody) -> dict[str, Any]:
    """Return the columns of a rule. Raises Invalid, which names the field."""
    reminder = check_reminder(body.reminder)
    if bool(body.kinds) == (reminder is not None):
        raise Invalid("a rule is about events or about a date", field="kinds")
    recipients, ways = check_recipients(body.recipients), check_ways(body.ways)
    for index, each in enumerate(recipients):
        kinds: dict[str, type[Any]] = {"person": Person, "team": Team, "on_call": OnCallList}
        if each.get("id"):
            named(here, kinds[each["to"]], UUID(each["id"]), f"recipients.{index}.id")
    for index, way in enumerate(ways):
        if way.startswith("channel:"):
            named(here, NotificationChannel, UUID(way.removeprefix("channel:")), f"ways.{index}")
    if not recipients and not any(way.startswith("channel:") for way in ways):
        raise Invalid("somebody, or a channel", field="recipients")
    if reminder and reminder.get("calendar_id"):
        named(here, Calendar, UUID(reminder["calendar_id"]), "reminder.calendar_id")
    return {
        "name": body.name.strip(),
        "enabled": body.enabled,
        "kinds": check_rule_kinds(body.kinds),
        "reminder": reminder,
        "conditions": check_conditions(body.conditions),
        "recipients": recipients,
        "ways": ways,
        "templates": check_templates(body.templates),
        "quiet": check_quiet(body.quiet),
        "digest": check_digest(body.digest),
        "critical": body.critical,
        "delay_s": body.delay_s,
        "again_s": body.again_s,
    }


def _choices(prefix: str) -> list[NotificationChoice]:
    known: Sequence[str] = sorted(code for code in texts.catalogue(texts.DEFAULT) if code.startswith(prefix))
    return [_choice(code, code.removeprefix(prefix)) for code in known]


def _choice(code: str, word: str) -> NotificationChoice:
    return NotificationChoice(
        word=word, en=texts.catalogue("en").get(code, word), zh=texts.catalogue("zh").get(code, word)
    )


def _note(here: Context, row: NotificationRule, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="notification_rule",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name},
        first=kind.endswith(".created"),
    )


def _item(row: NotificationRule) -> NotificationRuleItem:
    told = {name: getattr(row, name) for name in NotificationRuleItem.model_fields}
    return NotificationRuleItem(**told)
