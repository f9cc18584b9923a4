"""Nested packages of one plan: of those due on a day, the highest hierarchy is done and covers the lower ones; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """A package that is due on a day. `slot` tells this turn of it from all others, wherever the day moves."""

    package: str
    day: date
    slot: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Work of one day: packages that are done, and those that they cover."""

    day: date
    done: tuple[Due, ...]
    covered: tuple[Due, ...]

    @property
    def slot(self) -> str:
        """What tells this bundle from all others: the turns that are done in it."""
        return "+".join(f"{due.package}@{due.slot}" for due in self.done)


def bundle(dues: Iterable[Due], hierarchy: Mapping[str, int], near_days: int = 0) -> list[Bundle]:
    """Return the work of a plan, by day.

    A package of higher hierarchy covers lower ones that are due up to `near_days` around it. Packages of equal
    hierarchy that are due on one day are done together, each of them. A lower one is covered once.
    """
    ordered = sorted(dues, key=lambda due: (due.day, -hierarchy[due.package], due.package))
    covering: dict[Due, list[Due]] = {}
    covered: set[Due] = set()
    for low in sorted(ordered, key=lambda due: hierarchy[due.package]):
        over = _nearest(low, ordered, hierarchy, near_days)
        if over is not None:
            covering.setdefault(over, []).append(low)
            covered.add(low)
    found: dict[date, list[Due]] = {}
    for due in ordered:
        if due not in covered:
            found.setdefault(due.day, []).append(due)
    return [_bundle(day, done, covering) for day, done in sorted(found.items())]


def _nearest(low: Due, ordered: Sequence[Due], hierarchy: Mapping[str, int], near_days: int) -> Due | None:
    near = timedelta(days=near_days)
    over = [
        due for due in ordered if hierarchy[due.package] > hierarchy[low.package] and abs(due.day - low.day) <= near
    ]
    # the top of them: what covers must not be covered itself
    return max(
        over, key=lambda due: (hierarchy[due.package], -abs(due.day - low.day), -due.day.toordinal()), default=None
    )


def _bundle(day: date, done: Sequence[Due], covering: Mapping[Due, Sequence[Due]]) -> Bundle:
    hidden: list[Due] = []
    waiting = list(done)
    while waiting:
        for low in covering.get(waiting.pop(), ()):
            hidden.append(low)
            waiting.append(low)
    return Bundle(day, tuple(done), tuple(sorted(hidden, key=lambda due: (due.day, due.package))))
