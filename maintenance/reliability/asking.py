"""Ask for reliability: figures by group, the stops behind them, the spells of a life curve, records for rankings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from maintenance.reliability.assembling import Work
from maintenance.reliability.lives import FAILURE, PLANNED, UNSEEN, Failure, Lived, Stop, failures_of, lived
from maintenance.reliability.loading import Fleet, Machine
from maintenance.reliability.ranking import Record
from maintenance.reliability.rates import CONFIDENCE, Rate, Reliability, mean_time, reliability
from maintenance.reliability.weibull import Spell

By = Literal["none", "model", "asset", "site", "customer", "batch", "failure_mode", "component"]
Group = str | None
WITHIN = ("failure_mode", "component")  # groups of failures; the others are groups of machines


@dataclass(frozen=True, slots=True)
class Span:
    """The period, and what has happened of it."""

    since: datetime
    until: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """One machine in the period."""

    machine: Machine
    lived: Lived


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a group. Availability of a group of failures is what these failures alone took."""

    group: Group
    figures: Reliability
    mttr_work: Rate
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One stop behind the figures. `counts`: a failure that began in the period; `hours`: inside it, else its whole."""

    machine: Machine
    stop: Stop
    counts: bool
    hours: float
    restored: bool
    why: str | None
    works: tuple[Work, ...] = ()
    components: tuple[str, ...] = ()


def seen(fleet: Fleet, span: Span) -> list[Seen]:
    """Return each machine with what it lived through in the period; those not in service then are not there."""
    found = [Seen(each, lived(each.found.life, span.since, span.until, span.now)) for each in fleet.machines]
    return [each for each in found if each.lived.exposed_h > 0]


def together(machines: Sequence[Seen], span: Span, confidence: float = CONFIDENCE) -> Figures:
    """Return the figures of all of them, also of none."""
    return Figures(
        None, reliability((each.lived for each in machines), confidence), *_work_rate(machines, span, None, "none")
    )


def by_group(machines: Sequence[Seen], by: By, span: Span, confidence: float = CONFIDENCE) -> list[Figures]:
    """Return the figures by group; failures of several components count for each of them."""
    if by in WITHIN:
        return _by_kind(machines, by, span, confidence)
    groups: dict[Group, list[Seen]] = defaultdict(list)
    for each in machines:
        groups[machine_group(each.machine, by)].append(each)
    return [
        Figures(group, reliability((one.lived for one in those), confidence), *_work_rate(those, span, None, by))
        for group, those in groups.items()
    ]


def machine_group(machine: Machine, by: By) -> Group:
    """Return the group of a machine, as an id or a word."""
    value = {
        "model": machine.model_id,
        "asset": machine.id,
        "site": machine.site_id,
        "customer": machine.customer_id,
        "batch": machine.batch,
    }.get(by)
    return str(value) if value is not None else None


def failure_groups(machine: Machine, failure: Failure, by: By) -> tuple[Group, ...]:
    """Return the groups of a failure."""
    if by == "failure_mode":
        return (failure.stop.failure_mode,)
    if by == "component":
        works = machine.found.orders.get(failure.at, ())
        names = dict.fromkeys(name for work in works if work.repaired for name in work.components)
        return tuple(names) or (None,)
    return (machine_group(machine, by),)


def _by_kind(machines: Sequence[Seen], by: By, span: Span, confidence: float) -> list[Figures]:
    groups = dict.fromkeys(
        group for each in machines for one in each.lived.failures for group in failure_groups(each.machine, one, by)
    )
    found = []
    for group in groups:
        narrowed = [_only(each, group, by) for each in machines]
        found.append(Figures(group, reliability(narrowed, confidence), *_work_rate(machines, span, group, by)))
    return found


def _only(each: Seen, group: Group, by: By) -> Lived:
    """The same hours up, with the failures of one group: while others lasted, this one could not begin."""
    mine = [one for one in each.lived.failures if group in failure_groups(each.machine, one, by)]
    whole = each.lived
    return Lived(
        whole.asset_id,
        exposed_h=whole.up_h + sum(one.hours for one in mine),
        failed_h=sum(one.hours for one in mine),
        failures=mine,
    )


def repairs(machines: Iterable[Seen], span: Span) -> list[tuple[Seen, Work]]:
    """Return the repairs of failures that were done in the period."""
    end = min(span.until, span.now)
    found: dict[object, tuple[Seen, Work]] = {}
    for each in machines:
        for works in each.machine.found.orders.values():
            for work in works:
                if work.repaired and work.end is not None and span.since <= work.end < end:
                    found[work.id] = (each, work)
    return list(found.values())


def _work_rate(machines: Sequence[Seen], span: Span, group: Group, by: By) -> tuple[Rate, Mapping[str, int]]:
    left_out: Counter[str] = Counter()
    hours = []
    for _, work in repairs(machines, span):
        if by == "failure_mode" and work.mode != group:
            continue
        if by == "component" and group not in (work.components or (None,)):
            continue
        if work.work_h is None:
            left_out["no_visit"] += 1
        else:
            hours.append(work.work_h)
    return mean_time(hours), left_out


def rows(machines: Iterable[Seen], span: Span, by: By, group: Group, *, whole: bool) -> list[Row]:
    """Return the stops of the period behind the figures of a group, oldest first. `whole`: of all groups."""
    found: list[Row] = []
    for each in machines:
        machine = each.machine
        if not whole and by not in WITHIN and machine_group(machine, by) != group:
            continue
        life = machine.found.life
        close = min(span.now, life.end or span.now)
        end = min(span.until, close)
        start = max(span.since, life.begin)
        for failure in failures_of(life, close):
            if not whole and by in WITHIN and group not in failure_groups(machine, failure, by):
                continue
            row = _failure_row(machine, failure, start, end, close)
            if row is not None:
                found.append(row)
        if whole or by not in WITHIN:
            found += _other_rows(machine, start, end)
    return sorted(found, key=lambda row: (row.stop.start, str(row.machine.id), row.stop.kind))


def _failure_row(machine: Machine, failure: Failure, start: datetime, end: datetime, close: datetime) -> Row | None:
    stop_end = failure.stop.end
    last = close if stop_end is None or stop_end > close else stop_end
    if failure.at >= end or last < start or (failure.at < start and last <= start):
        return None
    works = machine.found.orders.get(failure.at, ())
    parts = tuple(dict.fromkeys(name for work in works if work.repaired for name in work.components))
    if failure.at < start:
        inside = (min(last, end) - start).total_seconds() / 3600
        return Row(machine, failure.stop, False, inside, failure.restored, "began_before", works, parts)
    return Row(machine, failure.stop, True, failure.hours, failure.restored, None, works, parts)


def _other_rows(machine: Machine, start: datetime, end: datetime) -> list[Row]:
    found = []
    for stop in machine.found.life.stops:
        if stop.kind == FAILURE:
            continue
        begin, close = max(stop.start, start), min(stop.end or end, end)
        if begin < close:
            why = {PLANNED: "no_failure", UNSEEN: "unobserved"}[stop.kind]
            hours = (close - begin).total_seconds() / 3600
            found.append(Row(machine, stop, False, hours, stop.end is not None and stop.end <= end, why))
    return found


@dataclass(slots=True)
class Spells:
    """Lives for a curve, the failures of each machine for a trend, and what was left out."""

    spells: list[Spell] = field(default_factory=list)
    rows: list[tuple[Machine, Spell, datetime]] = field(default_factory=list)
    trends: list[tuple[float, list[float]]] = field(default_factory=list)


def spells(fleet: Fleet, span: Span, mode: str | None = None) -> Spells:
    """Return the spells of all machines, in hours of age since in service or since the last failure was repaired.

    Seen only inside the period: what began before is entered late, what still runs at its end, was retired or failed
    in another mode is censored. A failure renews, whatever its mode.
    """
    found = Spells()
    for machine in fleet.machines:
        life = machine.found.life
        close = min(span.now, span.until, life.end or span.now)
        first = max(span.since, life.begin)
        if close <= first:
            continue
        moments = []
        begin: datetime | None = life.begin
        for failure in failures_of(life, close):
            if begin is None:
                break
            counts = mode is None or failure.stop.failure_mode == mode
            if failure.at >= first:
                if counts:
                    moments.append((failure.at - first).total_seconds() / 3600)
                _spell(found, machine, begin, failure.at, first, counts)
            begin = failure.stop.end if failure.restored else None
        if begin is not None:
            _spell(found, machine, begin, close, first, False)
        found.trends.append(((close - first).total_seconds() / 3600, moments))
    return found


def _spell(found: Spells, machine: Machine, begin: datetime, end: datetime, first: datetime, failed: bool) -> None:
    age = (end - begin).total_seconds() / 3600
    entry = max((first - begin).total_seconds() / 3600, 0.0)
    if age <= entry:
        return  # nothing was seen of it
    spell = Spell(age, failed, entry, str(machine.id))
    found.spells.append(spell)
    found.rows.append((machine, spell, end))


def records(machines: Iterable[Seen]) -> list[Record]:
    """Return what each machine did, its model being its like."""
    return [
        Record(each.machine.id, each.machine.model_id, len(each.lived.failures), each.lived.up_h, each.lived.failed_h)
        for each in machines
    ]


def pareto_values(machines: Iterable[Seen], by: By, measure: str) -> tuple[dict[Group, float], int]:
    """Return failures or hours of failure by group, and how many failures there are."""
    values: dict[Group, float] = defaultdict(float)
    n = 0
    for each in machines:
        for failure in each.lived.failures:
            n += 1
            for group in failure_groups(each.machine, failure, by):
                values[group] += 1.0 if measure == "failures" else failure.hours
    return dict(values), n


def young_records(machines: Iterable[Seen], span: Span) -> int:
    """Return how many machines were written down only after the part of the period in which they were in service began.

    What happened to them before may not be known.
    """
    return sum(each.machine.created_at > max(span.since, each.machine.found.life.begin) for each in machines)
