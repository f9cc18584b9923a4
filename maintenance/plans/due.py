"""When the work of a plan is due on one machine, from now to the horizon; pure, local times of the machine's site."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile

from assets.base.errors import Invalid
from maintenance.plans.days import Days
from maintenance.plans.packages import Bundle, Due, bundle
from maintenance.plans.recurrence import counted_from, moments, uncounted
from maintenance.plans.scheduling import Tolerance
from maintenance.plans.triggers import Calendar, Foreseen, Meter, Trigger, WhicheverFirst

MAX_TURNS = 1500  # of one package on one machine within the horizon
MAX_HORIZON_DAYS = 5 * 366
AROUND_DAYS = 75  # that are made beyond the horizon, and behind now after downtime


@dataclass(frozen=True, slots=True)
class Reach:
    """When a meter reaches a value, with the interval; `high` None: perhaps never. `reached`: it has."""

    at: datetime
    low: datetime
    high: datetime | None
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """What was done of a package so far. `shift_days`: by how much late or early work moved all later turns.

    `last_totals`: what the meters showed then; `last_target`: the value at which that turn had been due.
    """

    done: int = 0
    last_done: datetime | None = None
    last_totals: Mapping[str, float] = field(default_factory=dict)
    last_target: float | None = None
    shift_days: int = 0


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a plan. `floating`: it counts from when it was last done."""

    code: str
    trigger: Trigger
    hierarchy: int = 1
    floating: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine decides. `start`: from when it counts; `reach(meter, total)`: when a meter gets there."""

    start: datetime
    totals: Mapping[str, float] = field(default_factory=dict)
    reach: Callable[[str, float], Reach | None] = lambda meter, total: None
    turns: Mapping[str, Turns] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a package: its slot, and when. `at` None: nobody knows yet when the meter gets to `target`."""

    package: str
    slot: str
    at: datetime | None
    source: str  # calendar | meter
    low: datetime | None = None
    high: datetime | None = None
    target: float | None = None
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """Work of a plan on a machine. `left_out`: the days say that this turn falls away."""

    slot: str
    done: tuple[Turn, ...]
    covered: tuple[Turn, ...]
    at: datetime | None
    earliest: datetime | None
    latest: datetime | None
    left_out: bool = False

    @property
    def source(self) -> str:
        """What makes it due: the calendar where any of its turns is sure."""
        return "calendar" if any(turn.source == "calendar" for turn in self.done) else "meter"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan says beyond its packages."""

    packages: Sequence[Package]
    days: Days = field(default_factory=Days)
    before: Tolerance = field(default_factory=lambda: Tolerance(0))
    after: Tolerance = field(default_factory=lambda: Tolerance(0))
    near_days: int = 0


def planned(rules: Rules, machine: Machine, since: datetime, until: datetime) -> list[Planned]:
    """Return all work that is foreseen with `since` < moment <= `until`, in order; what has no date yet comes last.

    Raises Invalid for a horizon beyond five years (and what is made around it) and for more turns than anybody can do.
    """
    if (until - since).days > MAX_HORIZON_DAYS + AROUND_DAYS + rules.near_days:
        raise Invalid("a horizon is at most five years", field="horizon_days", limit=MAX_HORIZON_DAYS)
    turns: dict[str, Turn] = {}
    open_ended: list[Turn] = []
    cycles: dict[str, float] = {}
    for package in rules.packages:
        last: datetime | None = None
        for turn in turns_of(package, machine, since, until):
            if turn.at is None:
                open_ended.append(turn)
                continue
            turns[f"{turn.package}@{turn.slot}"] = turn
            if last is not None:
                cycles.setdefault(package.code, (turn.at - last).total_seconds() / 86_400)
            last = turn.at
    if rules.before.percent or rules.after.percent:
        for package in rules.packages:
            if package.code not in cycles and any(turn.package == package.code for turn in turns.values()):
                cycles[package.code] = _cycle(package, machine, since, until)
    dues = [Due(turn.package, turn.at.date(), turn.slot) for turn in turns.values() if turn.at is not None]
    hierarchy = {package.code: package.hierarchy for package in rules.packages}
    found = [_placed(rules, each, turns, cycles) for each in bundle(dues, hierarchy, rules.near_days)]
    found += [Planned(f"{turn.package}@{turn.slot}", (turn,), (), None, None, None) for turn in open_ended]
    return sorted(found, key=lambda each: (each.at is None, each.at or since, each.slot))


def without(found: Iterable[Planned], taken: Container[str]) -> list[Planned]:
    """Return planned work without turns ("package@slot") that other work has taken: an order that is out, or done.

    What is bundled can change as a meter's date moves, or when the plan is edited: no turn is done twice for it.
    """
    left = []
    for each in found:
        done = tuple(turn for turn in each.done if f"{turn.package}@{turn.slot}" not in taken)
        if len(done) == len(each.done):
            left.append(each)
        elif done:
            left.append(replace(each, slot="+".join(f"{turn.package}@{turn.slot}" for turn in done), done=done))
    return left


def _placed(rules: Rules, each: Bundle, turns: Mapping[str, Turn], cycles: Mapping[str, float]) -> Planned:
    done = tuple(turns[f"{due.package}@{due.slot}"] for due in each.done)
    covered = tuple(turns[f"{due.package}@{due.slot}"] for due in each.covered)
    at = min(turn.at for turn in done if turn.at is not None)
    day = rules.days.place(at.date())
    if day is None:
        return Planned(each.slot, done, covered, at, None, None, left_out=True)
    cycle = min((cycles[turn.package] for turn in done if turn.package in cycles), default=0.0)
    moved = at + timedelta(days=(day - at.date()).days)
    earliest = moved - timedelta(days=rules.before.of(cycle))
    return Planned(each.slot, done, covered, moved, earliest, moved + timedelta(days=rules.after.of(cycle)))


def _cycle(package: Package, machine: Machine, since: datetime, until: datetime) -> float:
    """Return the days of a cycle of which the horizon shows one turn: to the next, else between two before."""
    assert isinstance(package.trigger, Calendar | Meter | WhicheverFirst)
    first: datetime | None = None
    for begin in (since, since - timedelta(days=MAX_HORIZON_DAYS)):  # a rule that ends has turns behind it only
        found = [turn.at for turn in islice(_turns(package, package.trigger, machine, begin, until), 2)]
        first = found[0] if found else None
        if len(found) == 2 and first is not None and found[1] is not None:
            return (found[1] - first) / timedelta(days=1)
    last = machine.turns.get(package.code, Turns()).last_done or machine.start
    return max((first - last) / timedelta(days=1), 0.0) if first is not None else 0.0


def turns_of(package: Package, machine: Machine, since: datetime, until: datetime) -> Iterator[Turn]:
    """Yield the turns of one package that can be foreseen, bounded. Raises Invalid when there are too many."""
    trigger = package.trigger
    if not isinstance(trigger, Calendar | Meter | WhicheverFirst):
        return
    made = 0
    for turn in _turns(package, trigger, machine, since, until):
        if turn.at is not None and turn.at > until:
            return
        if turn.at is not None and turn.at <= since and not turn.reached:
            continue
        made += 1
        if made > MAX_TURNS:
            raise Invalid(f"more than {MAX_TURNS} turns of {package.code!r}", field="packages", package=package.code)
        yield turn
        if turn.at is None:
            return


def check_count(code: str, trigger: Trigger, anchor: datetime, horizon_days: int) -> None:
    """Raise Invalid for a calendar that has more turns up to the horizon than are made: none of them would be."""
    parts = trigger.parts if isinstance(trigger, WhicheverFirst) else (trigger,)
    end = anchor + timedelta(days=horizon_days + AROUND_DAYS)
    for part in parts:
        if not isinstance(part, Calendar):
            continue
        within = takewhile(lambda moment: moment <= end, moments(part.rule, anchor))
        if sum(1 for _ in islice(within, MAX_TURNS + 1)) > MAX_TURNS:
            told = f"{code} is due more than {MAX_TURNS} times within the horizon: look less far ahead"
            raise Invalid(told, field="horizon_days", limit=MAX_TURNS, package=code)


def _turns(package: Package, trigger: Foreseen, machine: Machine, since: datetime, until: datetime) -> Iterator[Turn]:
    past = machine.turns.get(package.code, Turns())
    if isinstance(trigger, WhicheverFirst):
        return _raced(package.code, trigger, machine, past, until)
    if isinstance(trigger, Meter):
        return _metered(package, trigger, machine, past)
    if package.floating:
        return _floating(package.code, trigger, machine, past)
    return _fixed(package, trigger, machine, past, since)


def _fixed(package: Package, trigger: Calendar, machine: Machine, past: Turns, since: datetime) -> Iterator[Turn]:
    """The slot of a turn is its nominal day, the second one of a day has a number: its hour may be changed later."""
    shift = timedelta(days=past.shift_days)
    after = None if trigger.include_start else machine.start
    begin = datetime.combine((since - shift).date(), time()) - timedelta(microseconds=1)  # whole days are numbered
    if begin > machine.start:
        after = begin
    day: date | None = None
    number = 1
    for moment in moments(trigger.rule, machine.start, after=after):
        day, number = (moment.date(), 1) if moment.date() != day else (day, number + 1)
        slot = f"c:{moment:%Y-%m-%d}" + (f"#{number}" if number > 1 else "")
        yield Turn(package.code, slot, moment + shift, "calendar")


def _floating(code: str, trigger: Calendar, machine: Machine, past: Turns) -> Iterator[Turn]:
    """Each turn counts from the one before, as if that will be done when it is due."""
    at, number = past.last_done, past.done
    rule, most = uncounted(trigger.rule)
    if most is not None and number >= most:
        return
    if at is None:
        just_before = machine.start - timedelta(microseconds=1 if trigger.include_start else 0)
        first = counted_from(rule, machine.start, just_before)
        if first is None:
            return
        number, at = number + 1, first
        yield Turn(code, f"s:{number}", at, "calendar")
    while (most is None or number < most) and (following := counted_from(rule, at, at)) is not None:
        number, at = number + 1, following
        yield Turn(code, f"s:{number}", at, "calendar")


def _metered(package: Package, trigger: Meter, machine: Machine, past: Turns) -> Iterator[Turn]:
    if trigger.at is not None:
        if past.done == 0:
            yield _reached(package.code, f"m:{trigger.at:g}", trigger.meter, trigger.at, machine)
        return
    assert trigger.every is not None
    start = machine.totals.get(trigger.meter)
    last = past.last_totals.get(trigger.meter)
    base = last if package.floating and last is not None else start
    if base is None:
        return
    passed = 0 if package.floating else _passed(base, trigger.every, last, past.last_target)
    for count in _counting():
        target = base + trigger.every * (passed + count)
        slot = f"s:{past.done + count}" if package.floating else f"m:{target:g}"
        turn = _reached(package.code, slot, trigger.meter, target, machine)
        yield turn
        if turn.at is None:
            return


def _passed(base: float, every: float, last: float | None, target: float | None) -> int:
    """Return how many turns of the grid lie behind: the one that was done, and all that it came too late for."""
    done = 0 if target is None else round((target - base) / every)
    return max(done, 0 if last is None else math.floor((last - base) / every + 1e-9), 0)


def _counting() -> Iterator[int]:
    count = 0
    while True:
        count += 1
        yield count


def _reached(code: str, slot: str, meter: str, target: float, machine: Machine) -> Turn:
    found = machine.reach(meter, target)
    if found is None:
        return Turn(code, slot, None, "meter", target=target)
    return Turn(code, slot, found.at, "meter", found.low, found.high, target, found.reached)


def _raced(code: str, trigger: WhicheverFirst, machine: Machine, past: Turns, until: datetime) -> Iterator[Turn]:
    """The earliest of all parts; then all of them count anew from there."""
    at = past.last_done or machine.start
    totals = dict(machine.totals) | dict(past.last_totals)
    first, number = past.last_done is None, past.done
    while True:
        number += 1
        turns = [_part(code, part, machine, at, totals, first=first) for part in trigger.parts]
        known = [turn for turn in turns if turn is not None and turn.at is not None]
        if not known:
            yield from (replace(turn, slot=f"s:{number}") for turn in turns[:1] if turn is not None)
            return
        best = min(known, key=lambda turn: (turn.at or until, turn.source))
        assert best.at is not None
        yield replace(best, slot=f"s:{number}")
        if best.at <= at and not first:
            return  # a meter that has passed its value already: what comes next nobody knows before it is done
        totals = _totals_then(trigger, machine, totals, best)
        at, first = best.at, False
        if best.reached:
            return


def _part(
    code: str, part: Calendar | Meter, machine: Machine, at: datetime, totals: Mapping[str, float], *, first: bool
) -> Turn | None:
    if isinstance(part, Calendar):
        after = at - timedelta(microseconds=1) if first and part.include_start else at
        moment = counted_from(part.rule, at, after)
        return None if moment is None else Turn(code, "", moment, "calendar")
    base = totals.get(part.meter)
    if base is None or part.every is None:
        return None
    return _reached(code, "", part.meter, base + part.every, machine)


def _totals_then(
    trigger: WhicheverFirst, machine: Machine, totals: Mapping[str, float], best: Turn
) -> dict[str, float]:
    """Return what the meters will show when the turn is done, by where their own forecast stands then."""
    assert best.at is not None
    found = dict(totals)
    for part in trigger.parts:
        if not isinstance(part, Meter) or part.every is None or part.meter not in found:
            continue
        if best.source == "meter" and best.target is not None and best.target == found[part.meter] + part.every:
            found[part.meter] = best.target
        else:
            found[part.meter] = _total_at(machine, part, found[part.meter], best.at)
    return found


def _total_at(machine: Machine, part: Meter, base: float, at: datetime) -> float:
    """Between a total whose moment is known by the forecast and the next, straight."""
    assert part.every is not None
    goal = machine.reach(part.meter, base + part.every)
    near = machine.reach(part.meter, base + part.every / 2)
    if goal is None or near is None or goal.at <= near.at:
        return base
    per_second = (part.every / 2) / (goal.at - near.at).total_seconds()
    total = base + part.every - per_second * (goal.at - at).total_seconds()
    return min(max(total, base), base + part.every)
