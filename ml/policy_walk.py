"""Live through one asset's past findings again under other policies: which work orders would have been opened."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from maintenance import decisions
from maintenance.decisions import EPISODE_OPEN, Decision, FindingFacts, OpenJob, Policy, decide

LOOK_AGAIN = timedelta(hours=1)  # live, lasting evidence is looked at with every change; hours are fine enough here
MAX_LOOKS = 20_000  # per asset and walk

# (trouble's key, moment, begin of the evidence, policy) -> why it is held back and until when, None when it is not
Held = Callable[[str, datetime, datetime, Policy], tuple[str, datetime | None] | None]
# (opened at, end of the evidence or None, trouble's key) -> when people would have been done with it
Answered = Callable[[datetime, datetime | None, str], datetime]


@dataclass(slots=True)
class Seen:
    """One stored finding with its trouble: all that the walk knows of it."""

    id: str
    facts: FindingFacts
    key: str
    title: tuple[str, dict[str, object]] = ("", {})


@dataclass(slots=True)
class WouldBe:
    """A work order that would have been opened, with the findings that are its evidence."""

    asset: str
    key: str
    kind: str
    severity: str
    signature: str
    opened_at: datetime
    first: str
    findings: set[str]
    reopened: bool = False


@dataclass(slots=True)
class Walked:
    """What one asset's past gives under some policies."""

    orders: list[WouldBe] = field(default_factory=list)
    held_back: Counter[str] = field(default_factory=Counter)  # reason -> findings
    watched: set[str] = field(default_factory=set)


class Walk:
    """The jobs of one asset in memory, under the policy of each kind of trouble."""

    def __init__(self, policies: Mapping[str, Policy], held: Held, answered: Answered) -> None:
        self._policies, self._held, self._answered = policies, held, answered
        self._jobs: dict[str, OpenJob] = {}
        self._orders: dict[str, WouldBe] = {}  # of each job, the order that it has
        self._evidence: dict[str, dict[str, FindingFacts]] = {}  # of each job
        self._told: dict[str, set[str]] = {}
        self.result = Walked()

    def live(self, findings: Sequence[Seen]) -> Walked:
        """Look at each finding when it begins, becomes due, changes and ends, in order of time."""
        looks = [(seen.facts.first_at, number) for number, seen in enumerate(findings)]
        heapq.heapify(looks)
        done = 0
        while looks and done < MAX_LOOKS:
            moment, number = heapq.heappop(looks)
            done += 1
            again = self._look(findings[number], moment)
            if again is not None and again > moment:
                heapq.heappush(looks, (again, number))
        for reasons in self._told.values():
            self.result.held_back.update(reasons)
        return self.result

    def _look(self, seen: Seen, moment: datetime) -> datetime | None:
        """Decide about a finding as it was known at a moment; return when to look again."""
        facts = as_known(seen.facts, moment)
        policy = self._policies.get(facts.kind, self._policies["machine"])
        self._close_answered(moment)
        if facts.cleared_at is None and (held := self._held(seen.key, moment, facts.first_at, policy)):
            self._told.setdefault(seen.id, set()).add(held[0])
            return _next(seen.facts, moment, held[1])
        decision = decide(facts, policy, list(self._jobs.values()), moment, key=seen.key)
        self._apply(seen, facts, decision, moment)
        if facts.cleared_at is not None:
            return None
        return _next(seen.facts, moment, _due(decision, policy, facts, moment))

    def _apply(self, seen: Seen, facts: FindingFacts, decision: Decision, moment: datetime) -> None:
        if decision.action in decisions.OPENING:
            self._open(seen, facts, decision, moment)
        elif decision.action in (decisions.ATTACH, decisions.AMEND, decisions.CLEAR, decisions.WAIT):
            self._add(decision.episode, seen, facts)
        elif decision.action == decisions.SUPPRESS:
            self._told.setdefault(seen.id, set()).add(decision.reason)
        elif decision.action == decisions.WATCH and decision.reason != "ended":
            self.result.watched.add(seen.id)

    def _open(self, seen: Seen, facts: FindingFacts, decision: Decision, moment: datetime) -> None:
        job = OpenJob(seen.key, seen.key, facts.kind, moment, facts.last_at, EPISODE_OPEN, seen.key, "unscheduled")
        self._jobs[seen.key] = job
        self._evidence[seen.key] = {seen.id: facts}
        if decision.host is not None and decision.host in self._orders:
            self._orders[seen.key] = self._orders[decision.host]
            self._orders[seen.key].findings.add(seen.id)
            return
        order = WouldBe(
            facts.asset,
            seen.key,
            facts.kind,
            facts.severity,
            facts.signature,
            moment,
            seen.id,
            {seen.id},
            decision.action == decisions.REOPEN,
        )
        self._orders[seen.key] = order
        self.result.orders.append(order)

    def _add(self, key: str | None, seen: Seen, facts: FindingFacts) -> None:
        if key is None or key not in self._jobs:
            return
        job = self._jobs[key]
        self._jobs[key] = replace(job, last_seen_at=max(job.last_seen_at, facts.last_at))
        if job.state == EPISODE_OPEN:
            self._evidence[key][seen.id] = facts
        self._orders[key].findings.add(seen.id)

    def _close_answered(self, now: datetime) -> None:
        """Close the jobs that people, or the policy's own time, would have closed by now."""
        for key, job in self._jobs.items():
            if job.state != EPISODE_OPEN:
                continue
            evidence = self._evidence[key].values()
            lasts = any(facts.cleared_at is None for facts in evidence)
            ended = None if lasts else max(facts.cleared_at or facts.last_at for facts in evidence)
            policy = self._policies.get(job.kind, self._policies["machine"])
            done = self._answered(job.opened_at, ended, key)
            if policy.open_s is not None and decisions.expires(job.kind, policy):
                done = min(done, job.opened_at + timedelta(seconds=policy.open_s))
            if done <= now:
                self._jobs[key] = replace(job, state="closed", closed_at=done, work_order_state="closed")


def as_known(facts: FindingFacts, moment: datetime) -> FindingFacts:
    """Return a stored finding as it stood at a moment: no later sight of it, no end that had not come."""
    if facts.cleared_at is not None and facts.cleared_at <= moment:
        return facts
    return replace(facts, last_at=max(facts.first_at, min(facts.last_at, moment)), cleared_at=None)


def _due(decision: Decision, policy: Policy, facts: FindingFacts, moment: datetime) -> datetime | None:
    if decision.reason == "on_delay":
        return facts.first_at + timedelta(seconds=policy.on_delay_s)
    if decision.reason in ("settling", "known_at_closing"):
        closed_s = decision.params.get("closed_s")
        lasts_s = 2 * policy.settle_s if decision.reason == "settling" else policy.known_s
        return moment + timedelta(seconds=lasts_s - (closed_s if isinstance(closed_s, float | int) else 0.0))
    return None


def _next(facts: FindingFacts, moment: datetime, due: datetime | None) -> datetime | None:
    """Return the next look: when it is due, hourly while evidence lasts, and at its end."""
    wanted = [] if due is None or due <= moment or due > facts.last_at else [due]
    if moment < facts.last_at:
        wanted.append(min(facts.last_at, moment + LOOK_AGAIN))
    if facts.cleared_at is not None and facts.cleared_at > moment:
        wanted.append(facts.cleared_at)
    return min(wanted, default=None)
