"""The jobs of one asset in memory: the service's own decisions, kept in a list instead of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from maintenance import decisions
from maintenance.decisions import Decision, FindingFacts, OpenJob, Policy
from ml.detectors.protocol import Bools, Floats

KEPT_CLOSED = 64  # jobs remembered after their end: enough to know what was closed lately


@dataclass(frozen=True, slots=True)
class Order:
    """One work order that the service would have opened."""

    asset: str
    opened_at: float
    kind: str
    reason: str


class Desk:
    """Takes findings in order of time and decides; unanswered jobs close as the policy says."""

    def __init__(self, asset: str, policy: Policy) -> None:
        self.asset, self.policy = asset, policy
        self.jobs: list[OpenJob] = []
        self._ended: dict[str, datetime] = {}
        self._count = 0

    def take(self, finding: FindingFacts) -> Decision:
        """Decide about a new or changed finding at the moment it was seen."""
        now = finding.cleared_at or finding.last_at
        self._close_old(now)
        decision = decisions.decide(finding, self.policy, self.jobs, now)
        if decision.action == decisions.OPEN:
            self._count += 1
            key = str(decision.params["key"])
            self.jobs.append(
                OpenJob(f"{self.asset}#{self._count}", key, finding.kind, now, now, decisions.EPISODE_OPEN, "order")
            )
        elif decision.action in (decisions.ATTACH, decisions.WAIT) and decision.episode:
            if finding.cleared_at is None:
                self._seen(decision.episode, finding.last_at)
            else:
                self._ended[decision.episode] = finding.cleared_at
        elif decision.action == decisions.CLEAR and decision.episode and decisions.expires(finding.kind, self.policy):
            self._close(decision.episode, now)
        return decision

    def _seen(self, episode: str, at: datetime) -> None:
        self._ended.pop(episode, None)
        self.jobs = [replace(j, last_seen_at=max(j.last_seen_at, at)) if j.episode == episode else j for j in self.jobs]

    def _close(self, episode: str, at: datetime) -> None:
        self.jobs = [replace(j, state="closed", closed_at=at) if j.episode == episode else j for j in self.jobs]

    def _close_old(self, now: datetime) -> None:
        for job in self.jobs:
            if job.state != decisions.EPISODE_OPEN or not decisions.expires(job.kind, self.policy):
                continue
            ends = job.opened_at + timedelta(seconds=self.policy.open_s or 0.0)
            if job.episode in self._ended:
                ends = min(ends, self._ended[job.episode] + timedelta(seconds=self.policy.off_delay_s))
            if ends <= now:
                self._close(job.episode, ends)
        closed = [j for j in self.jobs if j.state != decisions.EPISODE_OPEN]
        self.jobs = [j for j in self.jobs if j not in closed[:-KEPT_CLOSED]]


def openings(t: Floats, high: Bools, low: Bools, policy: Policy) -> list[float]:
    """When a desk would open orders for one signal: evidence begins on a `high` row, is told again on each, and ends
    on a `low` one. The same as a Desk gives (a test holds them together), many times faster; for policies without
    on-delay, cool-down and settling."""
    told = np.flatnonzero(high)
    opened: list[float] = []
    open_s = np.inf if policy.open_s is None else policy.open_s
    closes = expires = -np.inf  # of the last order: as things stand, and at the latest
    for begin, end in _stretches(high, low):
        if t[begin] >= closes:
            opened.append(float(t[begin]))
            expires = opened[-1] + open_s
        closes = expires  # evidence lasts: the order does not end with it
        while np.isfinite(closes):  # an order that nobody answered is closed; lasting evidence is news after a while
            later = np.searchsorted(t[told], closes + policy.known_s, side="left")
            if later == len(told) or told[later] >= end:
                break
            opened.append(float(t[told[later]]))
            closes = expires = opened[-1] + open_s
        if end < len(t):
            closes = min(closes, float(t[end]) + policy.off_delay_s)
    return opened


def _stretches(high: Bools, low: Bools) -> Sequence[tuple[int, int]]:
    """Rows [begin, end) of lasting evidence; `end` is the row on which it ended, or the number of rows."""
    found: list[tuple[int, int]] = []
    begin = -1
    for i in np.flatnonzero(high | low):
        if begin < 0 and high[i]:
            begin = int(i)
        elif begin >= 0 and low[i]:
            found.append((begin, int(i)))
            begin = -1
    return [*found, (begin, len(high))] if begin >= 0 else found
