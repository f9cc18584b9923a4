"""Who can do how much of what is needed: hours matched to people so that nobody's hour counts twice; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from maintenance.forecasts.needs import ANY

Skill = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Able:
    """So many minutes of people with these skills at their levels."""

    skills: Mapping[str, int]
    minutes: int

    def can(self, need: Skill) -> bool:
        """Return whether they can do work of a skill and level."""
        return need[0] == ANY or self.skills.get(need[0], 0) >= need[1]


def grouped(people: Sequence[Able]) -> list[Able]:
    """Return people with the same skills as one."""
    sums: dict[tuple[tuple[str, int], ...], int] = defaultdict(int)
    for each in people:
        sums[tuple(sorted(each.skills.items()))] += each.minutes
    return [Able(dict(key), minutes) for key, minutes in sums.items() if minutes > 0]


def able(people: Sequence[Able], need: Skill) -> int:
    """Return the minutes of everybody who can do it, whatever else they are needed for."""
    return sum(each.minutes for each in people if each.can(need))


def missing(needs: Mapping[Skill, int], people: Sequence[Able]) -> dict[Skill, int]:
    """Return how many minutes of each need nobody can do: together as few as possible, and nobody works twice.

    What fewest people can do is filled first; work that asks for no skill takes what is left.
    """
    groups = grouped(people)
    left = [each.minutes for each in groups]
    given: list[dict[Skill, int]] = [{} for _ in groups]
    # A level that asks for more is met by fewer people: the scarcer of two needs must not wait.
    order = sorted(needs, key=lambda need: (need[0] == ANY, able(groups, need), need))
    found = {}
    for need in order:
        lacking = needs[need]
        while lacking > 0:
            path = _path(need, groups, left, given)
            if path is None:
                break
            lacking -= _move(path, lacking, left, given)
        found[need] = lacking
    return found


# Who gets more of which need: (group, need), …; each later group takes over what the one before gives up.
_Path = list[tuple[int, Skill]]


def _path(
    need: Skill, groups: Sequence[Able], left: Sequence[int], given: Sequence[Mapping[Skill, int]]
) -> _Path | None:
    """Return the shortest chain of groups that ends at one with time left."""
    waiting: list[_Path] = [[(place, need)] for place, each in enumerate(groups) if each.can(need)]
    seen = {path[0][0] for path in waiting}
    for path in waiting:
        place = path[-1][0]
        if left[place] > 0:
            return path
        for other, minutes in given[place].items():
            if minutes <= 0:
                continue
            for next_place, each in enumerate(groups):
                if next_place not in seen and each.can(other):
                    seen.add(next_place)
                    waiting.append([*path, (next_place, other)])
    return None


def _move(path: _Path, wanted: int, left: list[int], given: list[dict[Skill, int]]) -> int:
    amount = min(wanted, left[path[-1][0]])
    for (place, _), (_, handed) in pairwise(path):
        amount = min(amount, given[place][handed])
    for step, (place, need) in enumerate(path):
        given[place][need] = given[place].get(need, 0) + amount
        if step + 1 < len(path):
            given[place][path[step + 1][1]] -= amount
    left[path[-1][0]] -= amount
    return amount
