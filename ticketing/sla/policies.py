"""Which promise holds for a piece of work: the contract's, else that of the policy that fits it best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from assets.base.errors import Invalid
from ticketing.sla.words import ANY, CLOCKS, OF_CONTRACT, REASONS, TELL
from ticketing.words import PRIORITIES

# What a policy may ask of the work that it is for; all that are given have to hold. Heavier ones go before.
MATCHES = {
    "customer_ids": 16,
    "organisation_ids": 16,
    "site_ids": 8,
    "service_type_ids": 4,
    "asset_model_ids": 4,
    "origins": 2,
    "priorities": 1,
    "subjects": 1,
}
_LINKED = 4  # a service type that names its policy weighs as much as a policy that names its service type
MAX_NAMED = 500
MAX_MINUTES = 366 * 24 * 60  # a year
MAX_WARNINGS = 10
MAX_TOLD = 20
MAX_REPEATS = 20
SHORTEST_REPEAT = 5  # minutes
# Who is told of what a contract promises where no policy says so.
USUAL_WARNINGS: Sequence[Mapping[str, Any]] = (
    {"percent": 50, "tell": [{"to": "assignee"}]},
    {"percent": 80, "tell": [{"to": "assignee"}, {"to": "dispatchers"}]},
    {"percent": 100, "tell": [{"to": "dispatchers"}, {"to": "planners"}], "repeat_minutes": 60, "repeats": 5},
)


@dataclass(frozen=True, slots=True)
class Work:
    """What policies ask about a piece of work. `ancestors`: its owner's organisations, the root first."""

    kind: str
    priority: str
    ancestors: Sequence[UUID]
    opened_at: datetime
    customer_id: UUID | None = None
    site_id: UUID | None = None
    asset_model_id: UUID | None = None
    service_type_id: UUID | None = None
    linked_policy_id: UUID | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target of a policy."""

    clock: str
    priority: str
    minutes: int
    calendar_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy as rules read it."""

    id: UUID
    organisation_id: UUID
    name: str
    match: Mapping[str, Any] | None
    precedence: int
    calendar_id: UUID | None
    pauses: Mapping[str, Sequence[str]]
    targets: Sequence[TargetRow]
    changed_at: datetime
    warnings: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A contract of the asset; both of its days count, where it counts them."""

    id: UUID
    precedence: int
    response_times: Sequence[Mapping[str, Any]]
    made_at: datetime
    starts_on: date
    ends_on: date
    time_zone: str

    def holds(self, at: datetime) -> bool:
        """Return whether the contract holds at a moment."""
        return self.starts_on <= at.astimezone(ZoneInfo(self.time_zone)).date() <= self.ends_on


@dataclass(frozen=True, slots=True)
class Promise:
    """How long one clock may run, on which calendar, what pauses it, who promised, and since when."""

    clock: str
    amount: timedelta
    calendar_id: UUID | None
    pausing: frozenset[str]
    source: str
    policy_id: UUID | None
    contract_id: UUID | None
    since: datetime
    organisation_id: UUID  # whose people are told
    warnings: Sequence[Mapping[str, Any]]


def choose(policies: Iterable[PolicyRow], work: Work) -> PolicyRow | None:
    """Return the policy that holds: highest precedence, then the most particular, then the nearest owner's."""
    fitting = [each for each in policies if each.organisation_id in work.ancestors and _fits(each, work)]
    above = {key: index for index, key in enumerate(work.ancestors)}
    return min(
        fitting,
        key=lambda one: (-one.precedence, -_weight(one, work), -above[one.organisation_id], one.name, one.id),
        default=None,
    )


def promises(policy: PolicyRow | None, contracts: Sequence[ContractRow], work: Work) -> dict[str, Promise]:
    """Return the promise for each clock that has one.

    A contract's time for exactly this priority goes before the policy's. Its time for the nearest lower priority
    holds too, unless the policy promises more: urgent work is not slower than what was agreed for normal work.
    """
    found: dict[str, Promise] = {}
    contracts = [each for each in contracts if each.holds(work.opened_at)]
    for clock in CLOCKS:
        of_policy = _of_policy(policy, clock, work.priority)
        agreed = _of_contracts(contracts, clock, work.priority)
        if agreed is None:
            if of_policy is not None:
                found[clock] = of_policy
            continue
        contract, amount, exact, calendar_id = agreed
        if of_policy is not None and not exact and of_policy.amount <= amount:
            found[clock] = of_policy
            continue
        found[clock] = Promise(
            clock,
            amount,
            # Hours without a calendar of their own are counted on the policy's, else around the clock.
            calendar_id or (of_policy.calendar_id if of_policy else policy.calendar_id if policy else None),
            _pausing(policy, clock),
            "contract",
            policy.id if policy else None,
            contract.id,
            contract.made_at if policy is None else max(contract.made_at, policy.changed_at),
            policy.organisation_id if policy else work.ancestors[0],
            policy.warnings if policy else USUAL_WARNINGS,
        )
    return found


def _of_policy(policy: PolicyRow | None, clock: str, priority: str) -> Promise | None:
    if policy is None:
        return None
    by_priority = {each.priority: each for each in policy.targets if each.clock == clock}
    target = by_priority.get(priority) or by_priority.get(ANY)
    if target is None:
        return None
    return Promise(
        clock,
        timedelta(minutes=target.minutes),
        target.calendar_id or policy.calendar_id,
        _pausing(policy, clock),
        "policy",
        policy.id,
        None,
        policy.changed_at,
        policy.organisation_id,
        policy.warnings,
    )


def _of_contracts(
    contracts: Sequence[ContractRow], clock: str, priority: str
) -> tuple[ContractRow, timedelta, bool, UUID | None] | None:
    """Return the first contract by precedence that promises something for the priority, or for the nearest lower."""
    rank = PRIORITIES.index(priority) if priority in PRIORITIES else PRIORITIES.index("normal")
    for level in range(rank, -1, -1):
        for contract in sorted(contracts, key=lambda one: (-one.precedence, one.id)):
            for each in contract.response_times:
                hours = each.get(OF_CONTRACT[clock])
                if each.get("priority") == PRIORITIES[level] and hours:
                    calendar = each.get("calendar_id")
                    own = UUID(str(calendar)) if calendar else None
                    return contract, timedelta(seconds=round(float(hours) * 3600)), level == rank, own
    return None


def _pausing(policy: PolicyRow | None, clock: str) -> frozenset[str]:
    if policy is None:
        return frozenset()
    return frozenset(reason for reason, clocks in policy.pauses.items() if clock in clocks)


def _facts(work: Work) -> dict[str, Any]:
    return {
        "customer_ids": {str(work.customer_id)},
        "organisation_ids": {str(key) for key in work.ancestors},
        "site_ids": {str(work.site_id)},
        "service_type_ids": {str(work.service_type_id)},
        "asset_model_ids": {str(work.asset_model_id)},
        "origins": {work.origin},
        "priorities": {work.priority},
        "subjects": {work.kind},
    }


def _fits(policy: PolicyRow, work: Work) -> bool:
    if policy.id == work.linked_policy_id:
        return True
    if policy.match is None:
        return False
    facts = _facts(work)
    return all(not wanted or bool(facts.get(name, set()) & set(wanted)) for name, wanted in policy.match.items())


def _weight(policy: PolicyRow, work: Work) -> int:
    asked = sum(MATCHES.get(name, 0) for name, wanted in (policy.match or {}).items() if wanted)
    return max(asked, _LINKED) if policy.id == work.linked_policy_id else asked


# ---- what may be stored -------------------------------------------------------------------------------------------


def check_match(match: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return conditions as they are stored. Raises Invalid."""
    if match is None:
        return None
    kept: dict[str, Any] = {}
    for name, wanted in match.items():
        if name not in MATCHES:
            raise Invalid(f"no such condition {name!r}", field="match", allowed=list(MATCHES))
        if not isinstance(wanted, list) or len(wanted) > MAX_NAMED:
            raise Invalid(f"{name} is a list of at most {MAX_NAMED}", field=f"match.{name}", limit=MAX_NAMED)
        if wanted:
            kept[name] = sorted({_word(name, each) for each in wanted})
    return kept


def _word(name: str, each: object) -> str:
    if not name.endswith("_ids"):
        if not isinstance(each, str) or not 0 < len(each) <= 40:
            raise Invalid(f"{name} are short words", field=f"match.{name}")
        return each
    try:
        return str(UUID(str(each)))
    except ValueError:
        raise Invalid(f"{name} are ids", field=f"match.{name}") from None


def check_pauses(pauses: Mapping[str, Any]) -> dict[str, Any]:
    """Return {reason: [clock, …]} as it is stored. Raises Invalid."""
    kept: dict[str, Any] = {}
    for reason, clocks in pauses.items():
        if reason not in REASONS:
            raise Invalid(f"no such reason {reason!r}", field="pauses", allowed=list(REASONS))
        if not isinstance(clocks, list) or not set(clocks) <= set(CLOCKS):
            raise Invalid("a reason pauses some of the clocks", field=f"pauses.{reason}", allowed=list(CLOCKS))
        if clocks:
            kept[reason] = [each for each in CLOCKS if each in clocks]
    return kept


def check_targets(targets: Sequence[TargetRow]) -> None:
    """Raise Invalid unless each clock has at most one sensible target per priority, and urgent is not the slower."""
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(targets):
        at = f"targets.{index}"
        if each.clock not in CLOCKS:
            raise Invalid("no such clock", field=f"{at}.clock", allowed=list(CLOCKS))
        if each.priority not in (*PRIORITIES, ANY):
            raise Invalid("no such priority", field=f"{at}.priority", allowed=[*PRIORITIES, ANY])
        if not 1 <= each.minutes <= MAX_MINUTES:
            raise Invalid("minutes from 1 to a year", field=f"{at}.minutes", limit=MAX_MINUTES)
        if (each.clock, each.priority) in seen:
            raise Invalid("two targets for one clock and priority", field=f"{at}.priority")
        seen.add((each.clock, each.priority))


def check_warnings(warnings: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the escalation chain as it is stored, by rising percent. Raises Invalid."""
    if len(warnings) > MAX_WARNINGS:
        raise Invalid(f"at most {MAX_WARNINGS} warnings", field="warnings", limit=MAX_WARNINGS)
    kept = [_warning(each, f"warnings.{index}") for index, each in enumerate(warnings)]
    if len({each["percent"] for each in kept}) < len(kept):
        raise Invalid("two warnings at one percent", field="warnings")
    return sorted(kept, key=lambda each: int(each["percent"]))


def _warning(given: Mapping[str, Any], at: str) -> dict[str, Any]:
    percent, repeat, repeats = given.get("percent"), given.get("repeat_minutes"), given.get("repeats") or 0
    if not isinstance(percent, int) or not 1 <= percent <= 1000:
        raise Invalid("a percent from 1 to 1000", field=f"{at}.percent")
    if repeat is not None and not SHORTEST_REPEAT <= repeat <= MAX_MINUTES:
        raise Invalid(f"repeated every {SHORTEST_REPEAT} minutes or less often", field=f"{at}.repeat_minutes")
    if not 0 <= repeats <= MAX_REPEATS:
        raise Invalid(f"at most {MAX_REPEATS} repeats", field=f"{at}.repeats", limit=MAX_REPEATS)
    tell = [_told(each, f"{at}.tell") for each in given.get("tell") or []]
    if not 1 <= len(tell) <= MAX_TOLD:
        raise Invalid(f"1 to {MAX_TOLD} who are told", field=f"{at}.tell", limit=MAX_TOLD)
    clocks = [each for each in CLOCKS if each in (given.get("clocks") or CLOCKS)]
    return {"percent": percent, "tell": tell, "repeat_minutes": repeat, "repeats": repeats, "clocks": clocks}


def _told(given: Mapping[str, Any], at: str) -> dict[str, Any]:
    if given.get("to") not in TELL:
        raise Invalid("nobody of that name", field=at, allowed=list(TELL))
    if given["to"] != "person":
        return {"to": given["to"]}
    try:
        return {"to": "person", "id": str(UUID(str(given.get("id"))))}
    except ValueError:
        raise Invalid("a person by id", field=at) from None
