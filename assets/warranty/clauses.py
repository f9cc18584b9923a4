"""Warranty terms as data: what a clause says, and the check that it says something that can be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from assets.base.errors import Invalid
from assets.warranty.periods import MAX_DAYS, MAX_MONTHS

CLAUSE_KINDS = ("cover", "exclusion", "remedy")
SCOPES = ("labour", "parts", "travel")
FACTS = (
    "invoice",
    "purchase",
    "delivery",
    "installation",
    "commissioning",
    "registration",
    "production",
    "contract",
)
CAUSES = (
    "manufacturing",
    "material",
    "design",
    "installation",
    "transport",
    "wear",
    "consumable",
    "misuse",
    "neglect",
    "accident",
    "power_supply",
    "environment",
    "foreign_part",
    "foreign_repair",
    "force_majeure",
)
REMEDIES = ("repair", "replace", "refund")
REPLACEMENT_RULES = ("inherit", "restart", "longer")
TERM_KINDS = ("warranty", "statutory", "goodwill")
PAYERS = ("manufacturer", "dealer", "operator", "contract")
SCOPE_OF_LINE = {"labour": "labour", "part": "parts", "travel": "travel"}
MAX_CLAUSES = 100
MAX_NAMES = 200  # components, part items or regions of one clause
MAX_TEXT = 4000
MAX_LIMIT = 1e12


@dataclass(frozen=True, slots=True)
class Start:
    """When a period begins: a fact of the asset, and a while after it."""

    fact: str
    plus_months: int = 0
    plus_days: int = 0


@dataclass(frozen=True, slots=True)
class MeterLimit:
    """Covered up to and including this value of a meter."""

    meter: str
    limit: float


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a part put in for another has: the rest of the term, a term of its own, or the longer of both.

    `months`, `days`, `meters`: the term of its own, the clause's where none is said. `paid`: parts that the customer
    paid for have it too.
    """

    rule: str = "inherit"
    months: int | None = None
    days: int | None = None
    meters: tuple[MeterLimit, ...] = ()
    paid: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; an empty list of components, items, regions or causes means: all of them.

    `begins`: the first of these facts that is known counts. `at_latest`: the period begins then at the latest. With
    meters, it ends with the date or a meter's limit, whichever comes first.
    """

    id: str
    kind: str
    text_en: str
    text_zh: str
    scope: frozenset[str] = frozenset()
    components: tuple[str, ...] = ()
    part_items: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    causes: frozenset[str] = frozenset()
    causes_excluded: frozenset[str] = frozenset()
    begins: tuple[Start, ...] = ()
    at_latest: Start | None = None
    months: int | None = None
    days: int | None = None
    meters: tuple[MeterLimit, ...] = ()
    share_percent: int = 100
    replacement: Replacement = field(default_factory=Replacement)
    remedies: tuple[str, ...] = ()
    after_repairs: int = 0
    extended_by_repair: bool = False
    entitlement: str | None = None

    @property
    def needs_cause(self) -> bool:
        """Whether the answer depends on why it failed."""
        return bool(self.causes or self.causes_excluded)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an entitlement at the moment; None: not known. Visits count once per order."""

    kind: str
    left: float | None


@dataclass(frozen=True, slots=True)
class TermSet:
    """One version of somebody's terms, or the cover of a contract. None and empty lists: no restriction."""

    id: str
    code: str
    version: int
    clauses: tuple[Clause, ...]
    payer: str = "manufacturer"
    model: str | None = None
    regions: tuple[str, ...] = ()
    sold_from: date | None = None
    sold_to: date | None = None
    precedence: int = 0
    kind: str = "warranty"
    holds_from: date | None = None  # a contract's own days
    holds_to: date | None = None
    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    @property
    def is_contract(self) -> bool:
        """Whether this is a contract's cover."""
        return self.kind == "contract"


def read_clauses(written: Any) -> tuple[Clause, ...]:
    """Return the clauses of a list as stored. Raises Invalid that names the field."""
    if not isinstance(written, list):
        raise Invalid("clauses is a list", field="clauses")
    if len(written) > MAX_CLAUSES:
        raise Invalid(f"at most {MAX_CLAUSES} clauses", field="clauses", limit=MAX_CLAUSES)
    clauses = tuple(_clause(each, f"clauses.{index}") for index, each in enumerate(written))
    names = [clause.id for clause in clauses]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise Invalid(f"two clauses have the id {min(repeated)!r}", field="clauses", id=min(repeated))
    return clauses


def _clause(written: Any, at: str) -> Clause:
    given = _object(written, at, frozenset(Clause.__slots__))
    clause = Clause(
        id=_text(given, "id", at, 80),
        kind=_word(given, "kind", at, CLAUSE_KINDS, "cover"),
        text_en=_text(given, "text_en", at, MAX_TEXT),
        text_zh=_text(given, "text_zh", at, MAX_TEXT),
        scope=frozenset(_words(given, "scope", at, SCOPES)),
        components=_names(given, "components", at),
        part_items=_names(given, "part_items", at),
        regions=_names(given, "regions", at),
        causes=frozenset(_words(given, "causes", at, CAUSES)),
        causes_excluded=frozenset(_words(given, "causes_excluded", at, CAUSES)),
        begins=tuple(_start(each, f"{at}.begins.{index}") for index, each in enumerate(_list(given, "begins", at, 8))),
        at_latest=_start(given["at_latest"], f"{at}.at_latest") if given.get("at_latest") else None,
        months=_count(given, "months", at, MAX_MONTHS),
        days=_count(given, "days", at, MAX_DAYS),
        meters=_meters(given, at),
        share_percent=_count(given, "share_percent", at, 100) or 100,
        replacement=_replacement(given.get("replacement"), f"{at}.replacement"),
        remedies=tuple(_words(given, "remedies", at, REMEDIES)),
        after_repairs=_count(given, "after_repairs", at, 99, least=0) or 0,
        extended_by_repair=_flag(given, "extended_by_repair", at),
        entitlement=_text(given, "entitlement", at, 80) if given.get("entitlement") else None,
    )
    _check_sense(clause, at)
    return clause


def _check_sense(clause: Clause, at: str) -> None:
    """A clause that nobody could judge is refused when it is written, not when a customer waits."""
    if clause.kind == "cover" and not clause.scope:
        raise Invalid("a cover names labour, parts or travel", field=f"{at}.scope", allowed=list(SCOPES))
    if clause.kind == "remedy" and not clause.remedies:
        raise Invalid("say what the customer may demand", field=f"{at}.remedies", allowed=list(REMEDIES))
    if clause.kind == "exclusion":
        if clause.begins or clause.months or clause.days or clause.meters or clause.at_latest:
            raise Invalid("an exclusion has no period of its own", field=f"{at}.begins")
        if clause.causes_excluded:
            raise Invalid("an exclusion names its causes in `causes`", field=f"{at}.causes_excluded")
        if not (clause.causes or clause.components or clause.part_items or clause.regions):
            raise Invalid("say what is excluded", field=f"{at}.causes")
        return
    if not clause.begins:
        raise Invalid("say when the period begins", field=f"{at}.begins", allowed=list(FACTS))
    if clause.months is not None and clause.days is not None:
        raise Invalid("months or days, not both", field=f"{at}.days")
    endless = clause.months is None and clause.days is None and not clause.meters
    if endless and any(start.fact != "contract" for start in clause.begins):
        raise Invalid("say when the period ends: months, days or a meter", field=f"{at}.months")
    if clash := clause.causes & clause.causes_excluded:
        raise Invalid("a cause is included or excluded, not both", field=f"{at}.causes", cause=min(clash))


def _start(written: Any, at: str) -> Start:
    given = _object(written, at, frozenset(Start.__slots__))
    return Start(
        fact=_word(given, "fact", at, FACTS),
        plus_months=_count(given, "plus_months", at, MAX_MONTHS, least=0) or 0,
        plus_days=_count(given, "plus_days", at, MAX_DAYS, least=0) or 0,
    )


def _replacement(written: Any, at: str) -> Replacement:
    if written is None:
        return Replacement()
    given = _object(written, at, frozenset(Replacement.__slots__))
    made = Replacement(
        rule=_word(given, "rule", at, REPLACEMENT_RULES, "inherit"),
        months=_count(given, "months", at, MAX_MONTHS),
        days=_count(given, "days", at, MAX_DAYS),
        meters=_meters(given, at),
        paid=_flag(given, "paid", at),
    )
    if made.months is not None and made.days is not None:
        raise Invalid("months or days, not both", field=f"{at}.days")
    return made


def _meters(given: Mapping[str, Any], at: str) -> tuple[MeterLimit, ...]:
    limits = []
    for index, each in enumerate(_list(given, "meters", at, 8)):
        here = f"{at}.meters.{index}"
        one = _object(each, here, frozenset(MeterLimit.__slots__))
        limit = one.get("limit")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit <= MAX_LIMIT:
            raise Invalid("a limit is a number above 0", field=f"{here}.limit")
        limits.append(MeterLimit(_text(one, "meter", here, 120), float(limit)))
    return tuple(limits)


def _object(written: Any, at: str, known: frozenset[str]) -> Mapping[str, Any]:
    """A word that nobody reads would be a restriction that does not restrict: it is refused."""
    if not isinstance(written, Mapping):
        raise Invalid("an object is expected here", field=at)
    if strange := {str(name) for name in written} - known:
        raise Invalid(f"{min(strange)!r} is no word of a clause", field=f"{at}.{min(strange)}"[:200])
    return written


def _list(given: Mapping[str, Any], name: str, at: str, most: int = MAX_NAMES) -> list[Any]:
    value = given.get(name) or []
    if not isinstance(value, list) or len(value) > most:
        raise Invalid(f"a list of at most {most}", field=f"{at}.{name}", limit=most)
    return value


def _names(given: Mapping[str, Any], name: str, at: str) -> tuple[str, ...]:
    values = _list(given, name, at)
    if any(not isinstance(value, str) or not 1 <= len(value.strip()) <= 200 for value in values):
        raise Invalid("each has 1 to 200 characters", field=f"{at}.{name}")
    return tuple(value.strip() for value in values)


def _words(given: Mapping[str, Any], name: str, at: str, allowed: tuple[str, ...]) -> list[str]:
    values = _list(given, name, at)
    for value in values:
        if value not in allowed:
            raise Invalid(f"{name}: one of {', '.join(allowed)}", field=f"{at}.{name}", allowed=list(allowed))
    return [str(value) for value in values]


def _word(given: Mapping[str, Any], name: str, at: str, allowed: tuple[str, ...], otherwise: str = "") -> str:
    value = given.get(name) or otherwise
    if value not in allowed:
        raise Invalid(f"{name}: one of {', '.join(allowed)}", field=f"{at}.{name}", allowed=list(allowed))
    return str(value)


def _text(given: Mapping[str, Any], name: str, at: str, most: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most or "\0" in value:
        raise Invalid(f"1 to {most} characters", field=f"{at}.{name}", limit=most)
    return value.strip()


def _count(given: Mapping[str, Any], name: str, at: str, most: int, *, least: int = 1) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(f"a whole number from {least} to {most}", field=f"{at}.{name}", least=least, most=most)
    return value


def _flag(given: Mapping[str, Any], name: str, at: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise Invalid("true or false", field=f"{at}.{name}")
    return value
