"""Rules of notification: what a rule may say, and whether it is about a thing that happened; no database here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from assets.base.access import Role
from assets.base.errors import Invalid
from gateway.notify.webhook_rules import check_kinds

TRIES = 5
PAUSES = (30, 120, 600, 1800)  # seconds after each failed try
MAX_AGE = timedelta(days=1)  # what happened longer ago is news to nobody
MAX_DELAY_S, MAX_AGAIN_S = 86_400, 30 * 86_400
MAX_NAMED = 200
PRIORITIES = ("low", "normal", "high", "urgent")
SEVERITIES = ("info", "warning", "critical")
CONDITIONS = {
    "service_types": "id",
    "teams": "id",
    "organisations": "id",
    "customers": "id",
    "asset_models": "id",
    "regions": "text",
    "priorities": PRIORITIES,
    "severities": SEVERITIES,
}
# Who is told. `told`: those whom the event itself names; `former_technician`: whoever had the visit before.
RECIPIENTS = (
    "told", "technician", "former_technician", "assignee", "helpers", "team", "team_leads", "role", "person", "on_call",
    "author", "customer_contact",
)  # fmt: skip
PERSONAL_WAYS = ("page", "email", "sms", "push")


@dataclass(frozen=True, slots=True)
class About:
    """What a rule may ask of a thing: ids and words, None or empty where nobody knows."""

    kind: str
    organisation_ids: frozenset[UUID] = frozenset()  # owner and executor with all above them
    service_type_id: UUID | None = None
    team_id: UUID | None = None
    customer_id: UUID | None = None
    asset_model_id: UUID | None = None
    region: str | None = None
    priority: str | None = None
    severity: str | None = None
    words: tuple[str, ...] = field(default=())  # the kind with what follows it: visit.state_changed.travelling


class RuleLike(Protocol):
    """What is asked of a rule here."""

    kinds: list[Any]
    conditions: dict[str, Any]


def fits(rule: RuleLike, about: About) -> bool:
    """Return whether a rule is about a thing: one of its kinds, and every condition that it has."""
    words = (about.kind, *about.words)
    return any(_covers(each, words) for each in rule.kinds) and holds(rule.conditions, about)


def _covers(pattern: str, words: Sequence[str]) -> bool:
    if pattern == "*":
        return True
    return any(pattern == word or (pattern.endswith(".*") and word.startswith(pattern[:-1])) for word in words)


def holds(conditions: Mapping[str, Any], about: About) -> bool:
    """Return whether every condition holds; what is not known of a thing fits no condition that asks for it."""
    known: dict[str, set[str]] = {
        "service_types": {str(about.service_type_id)},
        "teams": {str(about.team_id)},
        "organisations": {str(each) for each in about.organisation_ids},
        "customers": {str(about.customer_id)},
        "asset_models": {str(about.asset_model_id)},
        "regions": {str(about.region)},
        "priorities": {str(about.priority)},
        "severities": {str(about.severity)},
    }
    return all(not wanted or known[name] & set(wanted) for name, wanted in conditions.items())


def check_conditions(conditions: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the conditions, without those that ask for nothing. Raises Invalid."""
    kept: dict[str, list[str]] = {}
    for name, wanted in conditions.items():
        sort = CONDITIONS.get(name)
        if sort is None:
            raise Invalid("no such condition", field=f"conditions.{name}", allowed=sorted(CONDITIONS))
        if not isinstance(wanted, list) or len(wanted) > MAX_NAMED:
            raise Invalid(f"a list of at most {MAX_NAMED}", field=f"conditions.{name}")
        for each in wanted:
            _check_wanted(name, sort, each)
        if wanted:
            kept[name] = list(dict.fromkeys(str(each) for each in wanted))
    return kept


def _check_wanted(name: str, sort: Any, value: Any) -> None:
    if sort == "id":
        _uuid(value, f"conditions.{name}")
    elif sort == "text":
        if not isinstance(value, str) or not value.strip() or len(value) > 200:
            raise Invalid("a text of at most 200 characters", field=f"conditions.{name}")
    elif value not in sort:
        raise Invalid("no such word", field=f"conditions.{name}", allowed=list(sort))


def check_recipients(recipients: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the recipients, [{to, id?, role?}]. Raises Invalid."""
    kept: list[dict[str, Any]] = []
    for index, each in enumerate(recipients[: MAX_NAMED + 1]):
        where, to = f"recipients.{index}", each.get("to")
        if to not in RECIPIENTS:
            raise Invalid("no such recipient", field=where, allowed=list(RECIPIENTS))
        one: dict[str, Any] = {"to": to}
        if to in ("person", "on_call") or (to == "team" and each.get("id")):
            one["id"] = str(_uuid(each.get("id"), f"{where}.id"))
        if to == "role":
            if each.get("role") not in {str(role) for role in Role} - {"device"}:
                raise Invalid("no such role", field=f"{where}.role")
            one["role"] = str(each["role"])
        if one not in kept:
            kept.append(one)
    if len(kept) > MAX_NAMED:
        raise Invalid(f"at most {MAX_NAMED} recipients", field="recipients")
    return kept


def check_ways(ways: Sequence[str]) -> list[str]:
    """Return the ways, words for people and `channel:ID` for groups. Raises Invalid."""
    for index, way in enumerate(ways):
        if way in PERSONAL_WAYS:
            continue
        if not way.startswith("channel:"):
            raise Invalid("no such way", field=f"ways.{index}", allowed=[*PERSONAL_WAYS, "channel:ID"])
        _uuid(way.removeprefix("channel:"), f"ways.{index}")
    if not ways:
        raise Invalid("at least one way", field="ways")
    return list(dict.fromkeys(ways))


def check_rule_kinds(kinds: Sequence[str]) -> list[str]:
    """Return the kinds, each once. Raises Invalid."""
    if "*" in kinds:
        raise Invalid("a rule names what it is about", field="kinds")
    return check_kinds(kinds)


def next_try(tries: int, now: datetime) -> datetime | None:
    """Return when what failed so many times is due again; None: not any more."""
    return now + timedelta(seconds=PAUSES[tries - 1]) if tries < TRIES else None


def _uuid(value: Any, where: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise Invalid("an id", field=where) from None
