"""Decide by a seed what is broken when: the same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

SETTLE_S = 5.0  # everything works for so long before the first fault
QUIET_S = 15.0  # and after the last one has ended
GAP_S = (3.0, 9.0)  # between the beginnings of two faults: they overlap now and then
LONG_CUT_S = 50.0  # more than one and a half keepalives of 30 s: only then is a silent loss noticed

# Kind -> how long it lasts (s). A clock stays stepped until the next step.
KINDS: dict[str, tuple[float, float]] = {
    "agent_killed": (0.0, 5.0),
    "agent_stopped": (0.0, 3.0),
    "agent_network_cut": (3.0, 15.0),
    "agent_disk_full": (3.0, 10.0),
    "agent_clock_stepped": (0.0, 0.0),
    "broker_killed": (0.0, 4.0),
    "broker_wiped": (0.0, 4.0),
    "ingest_killed": (0.0, 5.0),
    "ingest_all_killed": (0.0, 8.0),
    "ingest_network_cut": (3.0, 15.0),
    "ingest_frozen": (3.0, 12.0),
    "database_killed": (0.0, 4.0),
    "database_disk_full": (2.0, 6.0),
}
_HOUR_MS = 3_600_000
# Offset of the agent's clock from the true one (ms): small and large steps, no clock at all, the next NTP era.
CLOCKS: dict[str, int] = {
    "true": 0,
    "30 s ahead": 30_000,
    "30 s behind": -30_000,
    "10 min behind": -600_000,
    "27 h ahead": 27 * _HOUR_MS,
    "in 1970": -56 * 365 * 24 * _HOUR_MS,
    "in 2036": 10 * 365 * 24 * _HOUR_MS,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: seconds since the start, how long, on which agent or worker (by number), in which variant."""

    at_s: float
    kind: str
    lasts_s: float
    target: int
    variant: str = ""

    @property
    def ends_s(self) -> float:
        """When it is healed, in seconds since the start."""
        return self.at_s + self.lasts_s


def make_plan(
    seed: int, minutes: float, agents: int, workers: int, kinds: Sequence[str] = tuple(KINDS)
) -> list[Planned]:
    """Return the faults in order of their beginning; each kind comes once before any comes twice."""
    chance = random.Random(seed)
    plan: list[Planned] = []
    waiting: list[str] = []
    at_s = SETTLE_S
    while at_s < minutes * 60 - QUIET_S:
        if not waiting:
            waiting = chance.sample(list(kinds), len(kinds))
        each = _make(chance, at_s, waiting.pop(), agents, workers)
        if each.ends_s <= minutes * 60 - QUIET_S:
            plan.append(each)
        at_s += chance.uniform(*GAP_S)
    return plan


def _make(chance: random.Random, at_s: float, kind: str, agents: int, workers: int) -> Planned:
    low, high = KINDS[kind]
    lasts_s = chance.uniform(low, high)
    variant = ""
    if kind.endswith("_network_cut"):
        variant = chance.choice(("resumed", "reset"))
        if chance.random() < 0.25:
            lasts_s = LONG_CUT_S
    elif kind == "agent_clock_stepped":
        variant = chance.choice(list(CLOCKS))
    target = chance.randrange(workers if kind.startswith("ingest_") else agents)
    return Planned(round(at_s, 1), kind, round(lasts_s, 1), target, variant)
