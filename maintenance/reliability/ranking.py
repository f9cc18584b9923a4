"""Who fails most: bad actors against their like, and Pareto by mode, model, batch or component; pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Record:
    """What one machine (or batch, or model) did: failures in so many hours up, hours down, cost."""

    key: Hashable
    group: Hashable  # its like: the asset model
    failures: int
    up_h: float
    failed_h: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """`ratio`: its failures against those expected from the others of its group; `p`: so many or more by chance.

    `bad_actor`: it fails surely more than its like, after a correction for how many were looked at (Holm).
    """

    record: Record
    expected: float | None
    ratio: float | None
    p: float | None
    bad_actor: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a Pareto chart: its own share and that of all up to it."""

    key: Hashable
    value: float
    share: float
    cumulative: float


def bad_actors(records: Sequence[Record], level: float = LEVEL) -> list[Ranked]:
    """Return all records, those that fail most beyond their like first.

    Given the failures of a group, one machine's number is binomial with its share of the group's hours: exact, also
    for few failures. A machine that has no like, or no hours, is not judged.
    """
    hours: dict[Hashable, float] = {}
    failures: dict[Hashable, int] = {}
    for record in records:
        hours[record.group] = hours.get(record.group, 0.0) + record.up_h
        failures[record.group] = failures.get(record.group, 0) + record.failures
    judged = [_judged(record, hours[record.group], failures[record.group]) for record in records]
    sure = _holm([each.p for each in judged], level)
    found = [
        Ranked(each.record, each.expected, each.ratio, each.p, bad) for each, bad in zip(judged, sure, strict=True)
    ]
    return sorted(found, key=_place)


def _judged(record: Record, hours: float, failures: int) -> Ranked:
    rest_hours, rest = hours - record.up_h, failures - record.failures
    if record.up_h <= 0 or rest_hours <= 0:
        return Ranked(record, None, None, None, False)
    expected = rest * record.up_h / rest_hours
    ratio = record.failures / expected if expected > 0 else None
    p = float(stats.binom.sf(record.failures - 1, failures, record.up_h / hours)) if failures else 1.0
    return Ranked(record, expected, ratio, p, False)


def _holm(values: Sequence[float | None], level: float) -> list[bool]:
    found = [False] * len(values)
    order = sorted((value, place) for place, value in enumerate(values) if value is not None)
    for rank, (value, place) in enumerate(order):
        if value > level / (len(order) - rank):
            break
        found[place] = True
    return found


def _place(each: Ranked) -> tuple[bool, float, float, float, str]:
    record = each.record
    chance = each.p if each.p is not None else 1.0
    return (not each.bad_actor, chance, -record.failures, -record.failed_h, str(record.key))


def pareto(values: Mapping[Hashable, float] | Iterable[tuple[Hashable, float]]) -> list[Bar]:
    """Return the bars in falling order; equal ones by their names. Nothing at all gives no bars."""
    pairs = list(values.items() if isinstance(values, Mapping) else values)
    total = sum(value for _, value in pairs)
    if total <= 0:
        return []
    found: list[Bar] = []
    running = 0.0
    for key, value in sorted(pairs, key=lambda pair: (-pair[1], str(pair[0]))):
        running += value
        found.append(Bar(key, value, value / total, min(running / total, 1.0)))
    return found
