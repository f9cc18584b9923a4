"""When a clause covers: its period with its meters, and those of the parts put in for others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import product
from typing import Any

from assets.base.exact import exact_sum
from assets.warranty.clauses import Clause, MeterLimit, Start, TermSet
from assets.warranty.facts import AssetFacts, Fault, Line, PartPut, Reading
from assets.warranty.periods import extended, last_day, local_day, moved

IN, OUT, OPEN = "in", "out", "open"
# How near a clause came to covering: the one that came nearest gives the reason when none covers.
ORDER = (
    "scope",
    "component",
    "region",
    "cause_not_included",
    "cause_excluded",
    "not_sold_under",
    "not_begun",
    "expired",
    "too_few_repairs",
    "meter_exceeded",
    "excluded_by_clause",
    "entitlement_used_up",
)
MAX_UNKNOWN_PARTS = 6  # more parts than that of unknown cover: asked for, not tried out


@dataclass(frozen=True, slots=True)
class Answer:
    """In, out (with the reason) or open (with what is missing); the period that was looked at."""

    result: str
    reason: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    begins_on: date | None = None
    ends_on: date | None = None

    @property
    def nearness(self) -> int:
        """How many checks were passed."""
        return ORDER.index(self.reason) if self.reason in ORDER else len(ORDER)


@dataclass(frozen=True, slots=True)
class Window:
    """One period of cover. `begins_on` None: not known, `missing` says what would tell; `ends_on` None: no end.

    `latest_end`: it ends then at the latest, whatever is missing.
    """

    begins_on: date | None
    ends_on: date | None
    meters: tuple[MeterLimit, ...] = ()
    bases: dict[str, float | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    latest_end: date | None = None


def agreed(answers: Sequence[Answer], missing: tuple[str, ...]) -> Answer:
    """Return the answer that holds whichever of several cases is true; open, naming what would tell, if they differ."""
    results = {answer.result for answer in answers}
    if results == {OUT}:
        return max(answers, key=lambda answer: (answer.nearness, answer.ends_on or date.max))
    if len(answers) == 1 or results == {IN}:
        return answers[0]
    asked = missing if len(results) > 1 else ()
    named = dict.fromkeys([*asked, *(name for answer in answers for name in answer.missing)])
    return Answer(OPEN, missing=tuple(named), begins_on=answers[0].begins_on, ends_on=answers[0].ends_on)


def in_any(windows: Sequence[Window], terms: TermSet, facts: AssetFacts, fault: Fault) -> Answer:
    """Return whether the fault lies in one of the windows; of several that say the same, the one that ends last."""
    answers = [_in_window(window, terms, facts, fault) for window in windows]
    if covering := [answer for answer in answers if answer.result == IN]:
        return max(covering, key=lambda answer: answer.ends_on or date.max)
    if undecided := [answer for answer in answers if answer.result == OPEN]:
        missing = tuple(dict.fromkeys(name for answer in undecided for name in answer.missing))
        return Answer(OPEN, missing=missing, begins_on=undecided[-1].begins_on, ends_on=undecided[-1].ends_on)
    return max(answers, key=lambda answer: (answer.nearness, answer.ends_on or date.max))


def own_windows(clause: Clause, facts: AssetFacts, fault: Fault) -> list[Window]:
    """Return the machine's own period under a clause: one window for each day on which it may have begun.

    More than one only where a claimed day is not confirmed yet: then each must lead to the same answer.
    """
    cap = _moved(facts, clause.at_latest)
    cap_missing = (clause.at_latest.fact,) if clause.at_latest and cap is None else ()
    made = []
    for begins_on, missing in _beginnings(clause.begins, facts):
        if begins_on is None:
            latest = _end(clause, facts, fault, cap) if cap else None
            made.append(Window(None, None, clause.meters, {}, missing, latest))
            continue
        begins_on = min(begins_on, cap) if cap else begins_on
        ends_on = _end(clause, facts, fault, begins_on)
        if cap_missing:  # it may have begun earlier than that
            made.append(Window(None, None, clause.meters, {}, cap_missing, ends_on))
        else:
            made.append(Window(begins_on, ends_on, clause.meters))
    return made


def answer_in_time(clause: Clause, terms: TermSet, facts: AssetFacts, fault: Fault, chain: Sequence[PartPut]) -> Answer:
    """Return whether a clause's time covers the fault, for a part with this chain of replacements, oldest first."""
    if fault.at is None:
        return Answer(OPEN, missing=("fault_at",))
    unknown = [part for part in chain if part.covered is None and _own_term(clause) and not clause.replacement.paid]
    if len(unknown) > MAX_UNKNOWN_PARTS:
        return Answer(OPEN, missing=("replacement_covered",))
    cases = []
    for covered in product((True, False), repeat=len(unknown)):
        known = dict(zip(map(id, unknown), covered, strict=True))
        counted = [part for part in chain if clause.replacement.paid or known.get(id(part), part.covered)]
        cases.append(_with_parts(clause, terms, facts, fault, counted))
    return agreed(cases, ("replacement_covered",))


def _with_parts(clause: Clause, terms: TermSet, facts: AssetFacts, fault: Fault, counted: Sequence[PartPut]) -> Answer:
    anew = [_anew(clause, facts, part) for part in counted] if _own_term(clause) else []
    if clause.replacement.rule == "restart" and anew:
        return in_any(anew[-1:], terms, facts, fault)
    own = own_windows(clause, facts, fault)
    claimed = tuple(f"{start.fact}_confirmation" for start in clause.begins if start.fact in facts.unconfirmed)
    return agreed([in_any([window, *anew], terms, facts, fault) for window in own], claimed)


def _own_term(clause: Clause) -> bool:
    return clause.replacement.rule in ("restart", "longer")


def _anew(clause: Clause, facts: AssetFacts, part: PartPut) -> Window:
    rule = clause.replacement
    own = rule.months is not None or rule.days is not None
    months, days = (rule.months, rule.days) if own else (clause.months, clause.days)
    begins_on = local_day(part.at, facts.zone)
    limits = rule.meters or clause.meters
    bases = {limit.meter: part.meters.get(limit.meter) for limit in limits}
    return Window(begins_on, last_day(begins_on, months, days), limits, bases)


def _beginnings(starts: Iterable[Start], facts: AssetFacts) -> list[tuple[date | None, tuple[str, ...]]]:
    """Return the days on which the period may have begun; None with the facts that would tell."""
    found: list[tuple[date | None, tuple[str, ...]]] = []
    facts_asked = []
    for start in starts:
        day = _moved(facts, start)
        facts_asked.append(start.fact)
        if day is None:
            continue
        found.append((day, ()))
        if start.fact not in facts.unconfirmed:
            return found
    return [*found, (None, tuple(facts_asked))]


def _moved(facts: AssetFacts, start: Start | None) -> date | None:
    day = facts.dates.get(start.fact) if start else None
    return moved(day, start.plus_months, start.plus_days) if start and day else None


def _end(clause: Clause, facts: AssetFacts, fault: Fault, begins_on: date) -> date | None:
    ends_on = last_day(begins_on, clause.months, clause.days)
    if ends_on is None or not clause.extended_by_repair or fault.at is None:
        return ends_on
    failed_on = local_day(fault.at, facts.zone)
    stays = [(handed_in, min(returned, failed_on)) for handed_in, returned in facts.stays if handed_in <= failed_on]
    return extended(begins_on, ends_on, stays)


def _in_window(window: Window, terms: TermSet, facts: AssetFacts, fault: Fault) -> Answer:
    assert fault.at is not None
    failed_on = local_day(fault.at, facts.zone)
    begins_on = max((day for day in (window.begins_on, terms.holds_from) if day), default=None)
    over = min((day for day in (window.ends_on, window.latest_end, terms.holds_to) if day), default=None)
    ends_on = over if window.begins_on else None
    if begins_on and failed_on < begins_on:
        return Answer(OUT, "not_begun", {"begins_on": str(begins_on)}, (), begins_on, ends_on)
    if over and failed_on > over:
        return Answer(OUT, "expired", {"ends_on": str(over)}, (), begins_on, over)
    missing = list(window.missing)
    for limit in window.meters:
        reading, base = fault.meters.get(limit.meter), window.bases.get(limit.meter, 0.0)
        if reading is None:
            missing.append(f"meter:{limit.meter}")
        elif base is None:
            missing.append(f"meter_at_replacement:{limit.meter}")
        else:
            read = reading if isinstance(reading, Reading) else Reading(reading, reading)
            counted = exact_sum(read.least, -base)
            if counted > limit.limit:
                params = {"meter": limit.meter, "limit": limit.limit, "value": counted}
                return Answer(OUT, "meter_exceeded", params, (), begins_on, ends_on)
            if read.most is None or exact_sum(read.most, -base) > limit.limit:
                missing.append(f"meter:{limit.meter}")
    if missing:
        return Answer(OPEN, missing=tuple(dict.fromkeys(missing)), begins_on=begins_on, ends_on=ends_on)
    return Answer(IN, begins_on=begins_on, ends_on=ends_on)


def chains_of(line: Line, history: Sequence[PartPut], failed_at: datetime | None) -> list[list[PartPut]]:
    """Return, for each part that may be the one that failed, the replacements that led to it, oldest first.

    More than one where several parts of the same kind stand in the machine and the line does not say which.
    """
    before = sorted((part for part in history if failed_at is None or part.at < failed_at), key=lambda part: part.at)
    chains: list[list[PartPut]] = []
    for part in before:
        if not _same_place(line, part):
            continue
        follows = next((chain for chain in reversed(chains) if _replaces(part, chain[-1])), None)
        if follows is not None:
            follows.append(part)
        else:
            chains.append([part])
    if line.part_serial is None:
        return chains or [[]]
    if named := [chain for chain in chains if chain[-1].serial == line.part_serial]:
        return named[-1:]
    # A serial that no replacement names: the part that came with the machine, unless one was put in unnamed.
    return [chain for chain in chains if chain[-1].serial is None] or [[]]


def _same_place(line: Line, part: PartPut) -> bool:
    if line.component is not None and part.component is not None:
        return line.component.strip().casefold() == part.component.strip().casefold()
    return line.part_item is not None and line.part_item == part.part_item


def _replaces(part: PartPut, earlier: PartPut) -> bool:
    return part.replaced_serial is None or earlier.serial is None or part.replaced_serial == earlier.serial
