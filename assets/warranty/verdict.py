"""The verdict on each line of an order: in or out of warranty (保内/保外), who pays, and the clause that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from assets.base.exact import exact_sum
from assets.warranty.clauses import SCOPE_OF_LINE, Clause, TermSet
from assets.warranty.facts import SOLD, AssetFacts, Fault, Line, Override, PartPut, lies_in, region_in
from assets.warranty.periods import local_day
from assets.warranty.windows import IN, OPEN, OUT, Answer, agreed, answer_in_time, chains_of

NEEDS_CHECK = "needs_check"
VERDICTS = (IN, OUT, NEEDS_CHECK)
CUSTOMER = "customer"
UNKNOWN_CAUSE = "unknown"


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays which share of a line."""

    payer: str
    share_percent: int


@dataclass(frozen=True, slots=True)
class Looked:
    """One clause that was looked at, and what it said."""

    terms: TermSet
    clause: Clause
    answer: Answer

    @property
    def share(self) -> int:
        """What the customer is spared, in percent."""
        return self.clause.share_percent


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """The verdict on a line. `decided`: the clause that covers, or the one that came nearest to covering."""

    line_id: str
    kind: str
    verdict: str
    payers: tuple[Payer, ...] = ()
    decided: Looked | None = None
    reason: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    considered: tuple[Looked, ...] = ()
    override: Override | None = None
    computed: str | None = None  # what it was before the override


def judge(
    facts: AssetFacts,
    fault: Fault,
    lines: Sequence[Line],
    terms: Sequence[TermSet],
    history: Sequence[PartPut] = (),
    overrides: Mapping[str, Override] | None = None,
) -> list[LineVerdict]:
    """Return a verdict for each line, in their order.

    The time of the fault decides. Of clauses that cover the same line, the one best for the customer counts. What is
    not known leads to `needs_check` and the names of what is missing, unless the answer is the same either way.
    Lines use up a contract's entitlements in their order; a visit is counted once for all lines.
    """
    terms = _of_the_card(terms, facts)
    left: dict[tuple[str, str], float | None] = {}
    for terms_of in terms:
        left |= {(terms_of.id, key): allowance.left for key, allowance in terms_of.allowances.items()}
    visited: set[tuple[str, str]] = set()
    verdicts = []
    for line in lines:
        verdict = _line(facts, fault, line, terms, history, left, visited)
        override = (overrides or {}).get(line.line_id)
        verdicts.append(_changed(verdict, override) if override else verdict)
        if verdict.verdict == IN and verdict.decided and override is None:
            _use_up(verdict.decided, line, left, visited)
    return verdicts


def _line(
    facts: AssetFacts,
    fault: Fault,
    line: Line,
    terms: Sequence[TermSet],
    history: Sequence[PartPut],
    left: Mapping[tuple[str, str], float | None],
    visited: set[tuple[str, str]],
) -> LineVerdict:
    considered: list[Looked] = []
    remedies: list[str] = []
    known = False
    for terms_of in terms:
        if not _is_of_model(terms_of, facts):
            continue
        known = known or not terms_of.is_contract
        for clause in terms_of.clauses:
            if clause.kind == "exclusion":
                continue
            looked = _look(facts, fault, line, terms_of, clause, history)
            if clause.scope:
                considered.append(_with_allowance(looked, line, left, visited))
            if clause.remedies and looked.answer.result == IN:
                remedies += clause.remedies
    verdict = _best(line, considered, known)
    return replace(verdict, remedies=tuple(dict.fromkeys(remedies)), considered=tuple(considered))


def _best(line: Line, considered: Sequence[Looked], known: bool) -> LineVerdict:
    covering = [each for each in considered if each.answer.result == IN]
    undecided = [each for each in considered if each.answer.result == OPEN]
    best = min(covering, key=_favour) if covering else None
    undecided = [each for each in undecided if best is None or each.share > best.share]
    missing = tuple(dict.fromkeys(name for each in undecided for name in each.answer.missing))
    if undecided:
        return LineVerdict(line.line_id, line.kind, NEEDS_CHECK, decided=best or undecided[0], missing=missing)
    if best is not None:
        own = Payer(best.terms.payer, best.share)
        rest = (Payer(CUSTOMER, 100 - best.share),) if best.share < 100 else ()
        return LineVerdict(line.line_id, line.kind, IN, (own, *rest), best)
    if not known:
        return LineVerdict(line.line_id, line.kind, NEEDS_CHECK, missing=("terms",), reason=None)
    nearest = max(considered, key=_nearness, default=None)
    reason = nearest.answer.reason if nearest else "no_cover"
    params = nearest.answer.params if nearest else {}
    return LineVerdict(line.line_id, line.kind, OUT, (Payer(CUSTOMER, 100),), nearest, reason, params)


def _favour(looked: Looked) -> tuple[Any, ...]:
    """Order of covering clauses: the customer's share, then precedence, then what uses nothing up, then the longest."""
    ends_on = looked.answer.ends_on or date.max
    uses = looked.clause.entitlement is not None
    return (-looked.share, -looked.terms.precedence, uses, -ends_on.toordinal(), looked.terms.code, looked.clause.id)


def _nearness(looked: Looked) -> tuple[Any, ...]:
    ends_on = looked.answer.ends_on or date.min
    return (looked.answer.nearness, ends_on.toordinal(), looked.terms.code, looked.clause.id)


def _look(
    facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause, history: Sequence[PartPut]
) -> Looked:
    """Ask one clause: the checks in the order of `ORDER`; the first no ends it, what is not known is gathered."""
    if terms.is_contract and terms.holds_from:
        facts = replace(facts, dates={**facts.dates, "contract": terms.holds_from})
    missing: list[str] = []
    for check in (_scope, _model, _component, _region, _cause, _sold):
        answer = check(facts, fault, line, terms, clause)
        if answer.result == OUT:
            return Looked(terms, clause, answer)
        missing += answer.missing
    chains = chains_of(line, history, fault.at)
    in_time = agreed([answer_in_time(clause, terms, facts, fault, chain) for chain in chains], ("part_serial",))
    if in_time.result == OUT:
        return Looked(terms, clause, in_time)
    repairs = _repairs(clause, facts, fault, in_time)
    if repairs.result == OUT:
        return Looked(terms, clause, repairs)
    missing += [*in_time.missing, *repairs.missing]
    for exclusion in terms.clauses:
        if exclusion.kind != "exclusion":
            continue
        holds = _excludes(facts, fault, line, terms, exclusion)
        if holds.result == IN:
            params = {"clause_id": exclusion.id, **holds.params}
            answer = Answer(OUT, "excluded_by_clause", params, (), in_time.begins_on, in_time.ends_on)
            return Looked(terms, exclusion, answer)
        missing += holds.missing if holds.result == OPEN else ()
    result = OPEN if missing else IN
    unique = tuple(dict.fromkeys(missing))
    return Looked(terms, clause, Answer(result, None, {}, unique, in_time.begins_on, in_time.ends_on))


_FINE = Answer(IN)


def _scope(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    if not clause.scope or SCOPE_OF_LINE[line.kind] in clause.scope:
        return _FINE
    return Answer(OUT, "scope", {"kind": line.kind})


def _model(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    return _FINE if terms.model is None or facts.model is not None else Answer(OPEN, missing=("model",))


def _component(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    """A list of components and a list of part items: it suffices to stand in one of them."""
    if not clause.components and not clause.part_items:
        return _FINE
    component, item = _words(line.component), _words(line.part_item)
    if component and any(lies_in(component, wanted) for wanted in clause.components):
        return _FINE
    if item and item in clause.part_items:
        return _FINE
    missing = [
        name
        for name, value, wanted in (("component", component, clause.components), ("part_item", item, clause.part_items))
        if wanted and not value
    ]
    if missing:
        return Answer(OPEN, missing=tuple(missing))
    return Answer(OUT, "component", {"component": component, "part_item": item})


def _region(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    region = _words(fault.region) or _words(facts.region)
    for wanted in (terms.regions, clause.regions):
        if not wanted:
            continue
        if region is None:
            return Answer(OPEN, missing=("region",))
        if not any(region_in(region, each) for each in wanted):
            return Answer(OUT, "region", {"region": region})
    return _FINE


def _cause(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    if not clause.needs_cause:
        return _FINE
    cause = _known_cause(line)
    if cause is None:
        return Answer(OPEN, missing=("cause",))
    if cause in clause.causes_excluded:
        return Answer(OUT, "cause_excluded", {"cause": cause})
    if clause.causes and cause not in clause.causes:
        return Answer(OUT, "cause_not_included", {"cause": cause})
    return _FINE


def _sold(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, clause: Clause) -> Answer:
    """The version of the terms that held on the day of sale counts, or the one that the card names."""
    if terms.id in facts.term_ids or (terms.sold_from is None and terms.sold_to is None):
        return _FINE
    known = [(fact, facts.dates[fact]) for fact in SOLD if fact in facts.dates]
    if not known:
        return Answer(OPEN, missing=("sale_date",))
    days = []
    for fact, day in known:
        days.append(day)
        if fact not in facts.unconfirmed:
            break
    held = {_within(day, terms.sold_from, terms.sold_to) for day in days}
    if known[len(days) - 1][0] in facts.unconfirmed or len(held) > 1:
        return Answer(OPEN, missing=(f"{known[0][0]}_confirmation",))
    return _FINE if held == {True} else Answer(OUT, "not_sold_under", {"sold_on": str(days[0])})


def _repairs(clause: Clause, facts: AssetFacts, fault: Fault, in_time: Answer) -> Answer:
    """Some demands arise only after so many repairs within the period."""
    if not clause.after_repairs:
        return _FINE
    if facts.repairs is None:
        return Answer(OPEN, missing=("repairs",))
    failed_on = local_day(fault.at, facts.zone) if fault.at else date.max
    begins_on = in_time.begins_on or date.min
    count = sum(begins_on <= day <= failed_on for day in facts.repairs)
    if count >= clause.after_repairs:
        return _FINE
    return Answer(OUT, "too_few_repairs", {"count": count, "needed": clause.after_repairs})


def _excludes(facts: AssetFacts, fault: Fault, line: Line, terms: TermSet, exclusion: Clause) -> Answer:
    """Return IN when the exclusion holds, OUT when it does not, OPEN when that is not known."""
    missing: list[str] = []
    for check in (_scope, _component, _region, _cause):
        answer = check(facts, fault, line, terms, exclusion)
        if answer.result == OUT:
            return answer
        missing += answer.missing
    if missing:
        return Answer(OPEN, missing=tuple(missing))
    cause = _known_cause(line)
    return Answer(IN, params={"cause": cause} if cause and exclusion.causes else {})


def _with_allowance(
    looked: Looked, line: Line, left: Mapping[tuple[str, str], float | None], visited: set[tuple[str, str]]
) -> Looked:
    """Check that the contract still has what the line needs."""
    key = (looked.terms.id, looked.clause.entitlement or "")
    if looked.clause.entitlement is None or looked.answer.result == OUT or key in visited:
        return looked
    need = _need(looked, line)
    there = left.get(key)
    missing = [name for name, value in (("balance", there), ("amount", need)) if value is None]
    if missing or there is None or need is None:
        merged = tuple(dict.fromkeys([*looked.answer.missing, *missing]))
        return replace(looked, answer=replace(looked.answer, result=OPEN, missing=merged))
    if there >= need:
        return looked
    params = {"entitlement": key[1], "left": there, "needed": need}
    return replace(looked, answer=replace(looked.answer, result=OUT, reason="entitlement_used_up", params=params))


def _need(looked: Looked, line: Line) -> float | None:
    allowance = looked.terms.allowances.get(looked.clause.entitlement or "")
    if allowance is not None and allowance.kind == "visits":
        return 1.0
    return line.amount if allowance is not None and allowance.kind == "amount" else line.quantity


def _use_up(
    decided: Looked, line: Line, left: dict[tuple[str, str], float | None], visited: set[tuple[str, str]]
) -> None:
    key = (decided.terms.id, decided.clause.entitlement or "")
    allowance = decided.terms.allowances.get(key[1])
    if allowance is None or key in visited:
        return
    there, need = left.get(key), _need(decided, line)
    if there is not None and need is not None:
        left[key] = exact_sum(there, -need)
    if allowance.kind == "visits":
        visited.add(key)


def _changed(verdict: LineVerdict, override: Override) -> LineVerdict:
    """Put an approved override in the place of what was computed, which stays readable."""
    return replace(
        verdict,
        verdict=override.verdict,
        payers=(Payer(payer_of(override), 100),),
        missing=(),
        override=override,
        computed=verdict.verdict,
    )


def _of_the_card(terms: Sequence[TermSet], facts: AssetFacts) -> list[TermSet]:
    """Where the card names a version, no other version of that code counts."""
    named = {each.code for each in terms if each.id in facts.term_ids}
    return [each for each in terms if each.code not in named or each.id in facts.term_ids]


def payer_of(override: Override) -> str:
    """Return who pays by an override: whoever it names, else the operator who grants it, or the customer."""
    return override.payer or ("operator" if override.verdict == IN else CUSTOMER)


def _is_of_model(terms: TermSet, facts: AssetFacts) -> bool:
    return terms.model is None or facts.model is None or terms.model == facts.model


def _known_cause(line: Line) -> str | None:
    cause = _words(line.cause)
    return None if cause == UNKNOWN_CAUSE else cause


def _words(value: str | None) -> str | None:
    return value.strip() or None if value else None


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)
