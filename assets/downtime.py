"""Downtime out of what is known from several sides: each moment counts once, under the gravest of its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from assets.base.errors import Invalid

# Code -> (English, Chinese). The order is the rank: of several reasons at one moment the first counts.
REASONS: dict[str, tuple[str, str]] = {
    "breakdown": ("Breakdown", "故障停机"),
    "repair": ("Repair", "维修"),
    "waiting_for_parts": ("Waiting for parts", "等待备件"),
    "waiting_for_people": ("Waiting for people", "等待人员"),
    "planned_maintenance": ("Planned maintenance", "计划保养"),
    "changeover": ("Change of product or tools", "换型换产"),
    "no_supply": ("No power, air, water or material", "缺电、气、水或物料"),
    "no_demand": ("Not needed", "无生产任务"),
    "other": ("Another reason", "其他原因"),
    "unknown": ("Reason not known", "原因未知"),
}
UNOBSERVED = "unobserved"  # nobody saw whether it ran: neither up nor down
_RANK = {code: rank for rank, code in enumerate(REASONS)} | {UNOBSERVED: len(REASONS)}


@dataclass(frozen=True)
class Source:
    """What says that the asset was down: a state, a work order, a silence."""

    kind: str
    id: str
    number: str | None = None


@dataclass(frozen=True)
class Stretch:
    """[start, end) under one reason; `end` None: it lasts."""

    start: datetime
    end: datetime | None
    reason_code: str
    source: Source


@dataclass(frozen=True)
class Down:
    """One stretch of the answer, with all that says so."""

    start: datetime
    end: datetime
    reason_code: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Downtime:
    """The answer for [since, until); the seconds of all reasons add up to `down_s`."""

    down_s: float
    unobserved_s: float
    availability: float | None
    by_reason: dict[str, float] = field(default_factory=dict)
    spans: tuple[Down, ...] = ()


def check_reason(code: str | None) -> None:
    """Raise Invalid for a code that is not one of the reasons."""
    if code is not None and code not in REASONS:
        raise Invalid("no such reason", field="reason_code", allowed=list(REASONS))


def downtime(stretches: Iterable[Stretch], since: datetime, until: datetime) -> Downtime:
    """Return the downtime of [since, until), overlaps counted once.

    Availability is the share of the observed time in which it was not down; None when nothing was observed.
    """
    spans = _merged(_cut(stretches, since, until))
    by_reason: dict[str, float] = {}
    for span in spans:
        seconds = (span.end - span.start).total_seconds()
        by_reason[span.reason_code] = by_reason.get(span.reason_code, 0.0) + seconds
    unobserved = by_reason.pop(UNOBSERVED, 0.0)
    down = sum(by_reason.values())
    observed = (until - since).total_seconds() - unobserved
    availability = 1 - down / observed if observed > 0 else None
    return Downtime(down, unobserved, availability, by_reason, tuple(spans))


def _cut(stretches: Iterable[Stretch], since: datetime, until: datetime) -> list[tuple[datetime, datetime, Stretch]]:
    cut = []
    for stretch in stretches:
        start, end = max(stretch.start, since), min(stretch.end or until, until)
        if start < end:
            cut.append((start, end, stretch))
    return cut


def _merged(cut: Sequence[tuple[datetime, datetime, Stretch]]) -> list[Down]:
    """Go through all beginnings and ends; between two of them the same stretches hold."""
    edges = sorted({moment for start, end, _ in cut for moment in (start, end)})
    begins: dict[datetime, list[Stretch]] = {}
    ends: dict[datetime, list[Stretch]] = {}
    for start, end, stretch in cut:
        begins.setdefault(start, []).append(stretch)
        ends.setdefault(end, []).append(stretch)
    active: list[Stretch] = []
    spans: list[Down] = []
    for edge, following in pairwise(edges):
        for stretch in ends.get(edge, ()):
            active.remove(stretch)
        active += begins.get(edge, ())
        if not active:
            continue
        reason = min((each.reason_code for each in active), key=lambda code: _RANK.get(code, _RANK["unknown"]))
        sources = tuple(dict.fromkeys(each.source for each in active))
        last = spans[-1] if spans else None
        if last is not None and (last.end, last.reason_code, last.sources) == (edge, reason, sources):
            spans[-1] = Down(last.start, following, reason, sources)
        else:
            spans.append(Down(edge, following, reason, sources))
    return spans
