"""What stands in a report, as plain values, and the hash that a signature is bound to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

SCHEMA = 1  # raised when the same facts are to be written differently
EXACT = 2**53  # integers up to here are the same number in Python, JSON and PostgreSQL


@dataclass(frozen=True, slots=True)
class Machine:
    """The asset and where it stands."""

    name: str
    serial: str
    code: str
    model_en: str = ""
    model_zh: str = ""
    manufacturer: str = ""
    site: str = ""
    address: str = ""
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Noticed:
    """What models noticed: `lines` are codes with parameters, `values` what was expected and what was seen."""

    since: datetime | None
    severity: str | None
    lines: tuple[dict[str, Any], ...] = ()
    values: tuple[dict[str, Any], ...] = ()
    failure_modes: tuple[dict[str, str], ...] = ()
    evidence: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """How the work ended. Each of the failure's words has a code and its names in both languages."""

    outcome: str | None
    note: str | None
    failure_mode: dict[str, str] | None = None
    cause: dict[str, str] | None = None
    action: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """One step of a checklist with its answer; `value` None: it was not answered."""

    title_en: str
    title_zh: str
    kind: str
    value: Any
    chosen_en: str | None
    chosen_zh: str | None
    unit: str | None
    low: float | None
    high: float | None
    out_of_limit: bool
    photos: int
    note: str | None


@dataclass(frozen=True, slots=True)
class Checklist:
    """One checklist as it was kept with the work."""

    code: str
    name_en: str
    name_zh: str
    version: int | None
    steps: tuple[Answered, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """Labour, travel or an expense."""

    kind: str
    category: str
    day: date
    minutes: int | None
    kilometres: Decimal | None
    amount: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class PartUsed:
    """A part, after what was brought back."""

    number: str
    name_en: str
    name_zh: str
    quantity: Decimal
    unit: str
    serial: str | None
    in_warranty: bool | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a line of the work is covered."""

    kind: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture by the hash of its content, which the server counted."""

    sha256: str
    taken_at: datetime | None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report says; the same facts are the same report, in whichever language."""

    template: str
    number: str
    machine: Machine
    provider: str
    customer: str | None
    title_code: str = ""
    title_params: Mapping[str, Any] | None = None
    title_text: str | None = None
    kind: str = ""
    origin: str = ""
    priority: str = ""
    opened_at: datetime | None = None
    planned_from: datetime | None = None
    planned_until: datetime | None = None
    started_at: datetime | None = None
    done_at: datetime | None = None
    requested: tuple[str, ...] = ()
    noticed: Noticed | None = None
    done: Done | None = None
    checks: tuple[dict[str, str], ...] = ()
    checklists: tuple[Checklist, ...] = ()
    spent: tuple[Spent, ...] = ()
    parts: tuple[PartUsed, ...] = ()
    photos: tuple[Photo, ...] = ()
    warranty: tuple[Verdict, ...] = ()
    technicians: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the facts as JSON keeps them."""
        values: dict[str, Any] = _plain({"schema": SCHEMA, **asdict(self)})
        return values


def content_hash(plain: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain facts: keys sorted, no blanks, UTF-8, numbers written one way."""
    words = json.dumps(_canonical(plain), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def without_people(facts: Facts) -> Facts:
    """Return what whoever stands in front of the machine may read: nobody's name, and no words that may hold one."""
    lists = tuple(replace(each, steps=tuple(_without_words(step) for step in each.steps)) for each in facts.checklists)
    done = replace(facts.done, note=None) if facts.done else None
    gone: dict[str, Any] = {"customer": None, "technicians": (), "requested": (), "title_text": None, "spent": ()}
    return replace(facts, checklists=lists, done=done, photos=(), **gone)


def _without_words(step: Answered) -> Answered:
    words = step.kind in ("text", "signature", "photo")
    return replace(step, note=None, value=None if words else step.value)


def read_facts(plain: Mapping[str, Any]) -> Facts:
    """Return facts from what `plain` made of them."""
    given = {name: value for name, value in plain.items() if name != "schema"}
    return Facts(
        **(
            given
            | {name: _moment(given.get(name)) for name in _MOMENTS}
            | {
                "machine": Machine(**given["machine"]),
                "noticed": _noticed(given.get("noticed")),
                "done": Done(**given["done"]) if given.get("done") else None,
                "checklists": tuple(
                    Checklist(**(each | {"steps": tuple(Answered(**step) for step in each["steps"])}))
                    for each in given["checklists"]
                ),
                "spent": tuple(_spent(each) for each in given["spent"]),
                "parts": tuple(PartUsed(**(each | {"quantity": Decimal(each["quantity"])})) for each in given["parts"]),
                "photos": tuple(Photo(**(each | {"taken_at": _moment(each["taken_at"])})) for each in given["photos"]),
                "warranty": tuple(Verdict(**each) for each in given["warranty"]),
                "checks": tuple(given["checks"]),
                "technicians": tuple(given["technicians"]),
                "requested": tuple(given["requested"]),
            }
        )
    )


_MOMENTS = ("opened_at", "planned_from", "planned_until", "started_at", "done_at")


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _noticed(plain: Mapping[str, Any] | None) -> Noticed | None:
    if plain is None:
        return None
    lists = {name: tuple(plain[name]) for name in ("lines", "values", "failure_modes")}
    return Noticed(**{**plain, **lists, "since": _moment(plain["since"])})


def _spent(plain: Mapping[str, Any]) -> Spent:
    numbers = {name: Decimal(plain[name]) if plain[name] is not None else None for name in ("kilometres", "amount")}
    return Spent(**{**plain, **numbers, "day": date.fromisoformat(plain["day"])})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, UUID):
        return str(value)
    return value


def _canonical(value: Any) -> Any:
    """Numbers as PostgreSQL gives them back are the numbers that went in, whether written 1.0 or 1."""
    if isinstance(value, Mapping):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        return int(number) if number == int(number) and abs(number) < EXACT else repr(number)
    return value
