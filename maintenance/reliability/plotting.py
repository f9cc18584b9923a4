"""Points of a life curve without any model: the product limit with late entries; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from maintenance.reliability.weibull import Spell


@dataclass(frozen=True, slots=True)
class Point:
    """At this age a share had failed; `place`: of which spell."""

    place: int
    age: float
    share: float
    at_risk: int


def points(spells: Sequence[Spell]) -> list[Point]:
    """Return a point for each failure, youngest first, in the middle of the step that it makes (Kaplan and Meier).

    At risk are those that had been entered and had not ended just before that age.
    """
    failures: dict[float, list[int]] = defaultdict(list)
    for place, spell in enumerate(spells):
        if spell.failed:
            failures[spell.age].append(place)
    entries, ends = sorted(spell.entry for spell in spells), sorted(spell.age for spell in spells)
    alive = 1.0
    found = []
    for age, failed in sorted(failures.items()):
        at_risk = bisect_left(entries, age) - bisect_left(ends, age)
        after = alive * (1 - len(failed) / at_risk)
        found += [Point(place, age, 1 - (alive + after) / 2, at_risk) for place in failed]
        alive = after
    return found
