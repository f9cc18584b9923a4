"""How long readings and their rollups are kept: by policy, for each metric; decided without a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol
from uuid import UUID

MOST_DAYS = 36_500
KINDS = ("number", "boolean", "text")


class Keep(NamedTuple):
    """Days that the readings, and each size of rollup, are kept; None: for ever. No size goes before a finer one."""

    raw_days: int | None
    minute_days: int | None
    quarter_days: int | None
    hour_days: int | None
    day_days: int | None


# A year and a month of everything, so that last year's month can be looked at; then ever less, and days for ever.
DEFAULT = Keep(raw_days=400, minute_days=400, quarter_days=1100, hour_days=3660, day_days=None)
FOR_EVER = Keep(None, None, None, None, None)


class AnyPolicy(Protocol):
    """A row of `retention_policies`."""

    metric: str | None
    kind: str | None
    raw_days: int | None
    minute_days: int | None
    quarter_days: int | None
    hour_days: int | None
    day_days: int | None


def keep_of(policy: AnyPolicy) -> Keep:
    """Return a policy's days."""
    return Keep(policy.raw_days, policy.minute_days, policy.quarter_days, policy.hour_days, policy.day_days)


def matches(policy: AnyPolicy, metric: str, kind: str) -> bool:
    """Return whether a policy speaks of this metric."""
    return (policy.kind is None or policy.kind == kind) and (
        policy.metric is None or fnmatchcase(metric, policy.metric)
    )


def choose(policies: Mapping[UUID, Sequence[AnyPolicy]], ancestors: Sequence[UUID], metric: str, kind: str) -> Keep:
    """Return what holds for a metric of the last of `ancestors`: the nearest organisation's first match."""
    for organisation in reversed(ancestors):
        for policy in policies.get(organisation, ()):
            if matches(policy, metric, kind):
                return keep_of(policy)
    return DEFAULT


def longest(keeps: Iterable[Keep]) -> Keep:
    """Return what a stream keeps: each size as long as any of its metrics wants it."""
    columns = list(zip(*keeps, strict=True))
    if not columns:
        return DEFAULT
    return Keep(*(None if None in column else max(day for day in column if day is not None) for column in columns))


def out_of_order(keep: Keep) -> bool:
    """Return whether a coarser size would go before a finer one, which late readings are computed from."""
    days = [MOST_DAYS + 1 if each is None else each for each in keep]
    return days != sorted(days)


def cut_off(now: datetime, days: int | None) -> datetime | None:
    """Return before when everything goes: whole days UTC, so that no bucket is cut in two; None: nothing goes."""
    if days is None:
        return None
    moment = now.astimezone(UTC) - timedelta(days=days)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What goes of one stream: whole rows before `raw`, some slots of later rows, rollups of each size."""

    stream_id: int
    raw: datetime | None
    slots: tuple[tuple[tuple[int, ...], datetime], ...]
    rollups: tuple[datetime | None, ...]


def plan(stream_id: int, keeps: Mapping[int, Keep], now: datetime) -> StreamPlan:
    """Return what goes of a stream whose slots are kept so long.

    A row holds all metrics of a moment: it goes when none of them is wanted any more; until then the slots of those
    that are not wanted are emptied. Rollups go by the longest of the stream.
    """
    whole = longest(keeps.values())
    shorter: dict[int, list[int]] = {}
    for slot, keep in keeps.items():
        if keep.raw_days is not None and keep.raw_days != whole.raw_days:
            shorter.setdefault(keep.raw_days, []).append(slot)
    slots = [(tuple(sorted(mine)), cut_off(now, days)) for days, mine in sorted(shorter.items())]
    return StreamPlan(
        stream_id=stream_id,
        raw=cut_off(now, whole.raw_days),
        slots=tuple((mine, cut) for mine, cut in slots if cut is not None),
        rollups=tuple(cut_off(now, days) for days in whole[1:]),
    )
