"""How the rows of the golden table are written: clauses, lines and verdicts in few words.

A clause: `id kinds-of-lines period key=value …`, such as

    c parts,labour 24m from=invoice comp=pump cause!=misuse meter=hours:2000 share=50 new=restart:90d

`from` takes facts in their order (`invoice/production+3m`), `latest` a fact; `!id …` is an exclusion, `?id …` a remedy.
A line: `part comp=pump/seal item=SE-1 cause=wear qty=2`. A verdict: `in c`, `in c 50`, `out reason`, `check missing …`.
A fault on a day without a time is at noon where the machine stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from assets.warranty.clauses import Allowance, Clause, TermSet, read_clauses
from assets.warranty.facts import AssetFacts, Fault, Line, Override, PartPut, Reading
from assets.warranty.verdict import LineVerdict, judge

SHANGHAI = "Asia/Shanghai"


@dataclass(frozen=True)
class Row:
    """One row: what is known and asked, and the verdict that the rules lead to."""

    name: str
    want: str
    terms: Sequence[TermSet | str]
    line: str = "part"
    at: str | None = "2023-09-01"
    dates: str = "invoice=2023-03-10"
    zone: str = SHANGHAI
    region: str | None = "CN-31"
    model: str | None = "M1"
    meters: Mapping[str, float | Reading] = field(default_factory=dict)
    parts: Sequence[PartPut] = ()
    unconfirmed: str = ""
    card: str = ""
    stays: Sequence[tuple[str, str]] = ()
    repairs: Sequence[str] | None = ()
    remedies: str | None = None
    others: Sequence[str] = ()  # lines before the one that is looked at
    override: Override | None = None


def verdict_of(row: Row) -> LineVerdict:
    """Let the engine judge a row's line."""
    zone = ZoneInfo(row.zone)
    facts = AssetFacts(
        dates={name: day(value) for name, value in pairs(row.dates)},
        model=row.model,
        region=row.region,
        zone=zone,
        unconfirmed=frozenset(row.unconfirmed.split()),
        term_ids=frozenset(row.card.split()),
        stays=tuple((day(first), day(last)) for first, last in row.stays),
        repairs=None if row.repairs is None else tuple(map(day, row.repairs)),
    )
    lines = [line_of(words, str(number)) for number, words in enumerate([*row.others, row.line])]
    overrides = {lines[-1].line_id: row.override} if row.override else {}
    own = [each for each in row.terms if isinstance(each, str)]
    sets = [each for each in row.terms if isinstance(each, TermSet)]
    if own:
        sets.insert(0, terms("T", *own))
    fault = Fault(moment(row.at, row.zone), row.meters)
    return judge(facts, fault, lines, sets, list(row.parts), overrides)[-1]


def in_words(verdict: LineVerdict, want: str) -> str:
    """Write a verdict as the table does, no more exactly than the row asks."""
    if verdict.verdict == "out":
        return f"out {verdict.reason}" if " " in want else "out"
    if verdict.verdict == "needs_check":
        return " ".join(["check", *sorted(verdict.missing)])
    words = want.split()
    said = ["in"]
    if len(words) > 1:
        said.append(verdict.decided.clause.id if verdict.decided else "nothing")
    if len(words) > 2:
        said.append(str(verdict.payers[0].share_percent))
    return " ".join(said)


def wanted(want: str) -> str:
    """Bring what a row wants into the order in which verdicts are written."""
    words = want.split()
    return " ".join([words[0], *sorted(words[1:])]) if words[0] == "check" else want


def terms(code: str, *clauses: str, **more: Any) -> TermSet:
    """Terms of a code; `sold="2023-01-01..2023-12-31"`, `left={"visits": ("visits", 2)}`, `holds=…` for contracts."""
    made = TermSet(id=more.pop("id", code), code=code, version=1, clauses=read(*clauses))
    for name in ("sold", "holds"):
        if name in more:
            first, _, last = more.pop(name).partition("..")
            more |= {f"{name}_from": day(first) if first else None, f"{name}_to": day(last) if last else None}
    if "left" in more:
        more["allowances"] = {key: Allowance(kind, left) for key, (kind, left) in more.pop("left").items()}
    return replace(made, **more)


def contract(code: str, *clauses: str, holds: str, **more: Any) -> TermSet:
    """A contract's cover from its first to its last day."""
    written = [each if " from=" in each else f"{each} from=contract" for each in clauses]
    return terms(code, *written, holds=holds, kind="contract", payer="contract", **more)


def read(*clauses: str) -> tuple[Clause, ...]:
    """Read clauses as they are stored."""
    return read_clauses([written(each) for each in clauses])


def written(words: str) -> dict[str, Any]:
    """Return a clause in the form in which terms are stored."""
    name, *rest = words.split()
    kind = {"!": "exclusion", "?": "remedy"}.get(name[0], "cover")
    clause: dict[str, Any] = {
        "id": name.lstrip("!?"),
        "kind": kind,
        "text_en": f"Clause {name}",
        "text_zh": f"条款 {name}",
    }
    for word in rest:
        key, sign, value = word.partition("=")
        if not sign:
            _plain(clause, word)
        else:
            _keyed(clause, key, value)
    return clause


def _plain(clause: dict[str, Any], word: str) -> None:
    if word[:-1].isdigit() and word[-1] in "md":
        clause |= _period(word)
    elif word == "stays":
        clause["extended_by_repair"] = True
    else:
        clause["scope"] = word.split(",")


def _keyed(clause: dict[str, Any], key: str, value: str) -> None:
    lists = {"comp": "components", "item": "part_items", "region": "regions", "cause": "causes",
             "cause!": "causes_excluded", "demand": "remedies"}  # fmt: skip
    if key in lists:
        clause[lists[key]] = value.split(",")
    elif key == "from":
        clause["begins"] = [_start(each) for each in value.split("/")]
    elif key == "latest":
        clause["at_latest"] = _start(value)
    elif key == "meter":
        clause["meters"] = [_meter(each) for each in value.split(",")]
    elif key == "new":
        rule, *more = value.split(":")
        clause["replacement"] = {"rule": rule}
        for each in more:
            if each == "paid":
                clause["replacement"]["paid"] = True
            elif "<" in each:
                clause["replacement"]["meters"] = [_meter(each.replace("<", ":"))]
            else:
                clause["replacement"] |= _period(each)
    elif key in ("share", "repairs"):
        clause[{"share": "share_percent", "repairs": "after_repairs"}[key]] = int(value)
    else:
        clause[{"uses": "entitlement"}[key]] = value


def _period(word: str) -> dict[str, int]:
    return {"months" if word[-1] == "m" else "days": int(word[:-1])}


def _start(word: str) -> dict[str, Any]:
    fact, plus, period = word.partition("+")
    return {"fact": fact, **({f"plus_{key}": value for key, value in _period(period).items()} if plus else {})}


def _meter(word: str) -> dict[str, Any]:
    name, _, limit = word.partition(":")
    return {"meter": name, "limit": float(limit)}


def line_of(words: str, line_id: str) -> Line:
    """Read a line."""
    kind, *rest = words.split()
    names = {"comp": "component", "item": "part_item", "serial": "part_serial", "qty": "quantity"}
    given = {names.get(name, name): value for name, value in pairs(" ".join(rest))}
    amounts = {name: float(given.pop(name)) for name in ("quantity", "amount") if name in given}
    return Line(line_id=line_id, kind=kind, **given, **amounts)  # type: ignore[arg-type]


def put(at: str, comp: str | None = "seal", *, covered: bool | None = True, **more: Any) -> PartPut:
    """A part put in at noon of a day in Shanghai."""
    return PartPut(moment(at, SHANGHAI) or datetime.now(UTC), comp, covered=covered, **more)


def pairs(words: str) -> list[tuple[str, str]]:
    """Read `name=value …`."""
    return [(word.partition("=")[0], word.partition("=")[2]) for word in words.split()]


def day(written: str) -> date:
    """Read a day."""
    return date.fromisoformat(written)


def moment(written: str | None, zone: str) -> datetime | None:
    """Read a moment; a day alone is its noon where the machine stands."""
    if written is None:
        return None
    if "T" in written:
        return datetime.fromisoformat(written)
    return datetime.combine(day(written), time(12), ZoneInfo(zone))
