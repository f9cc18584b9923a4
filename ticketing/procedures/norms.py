"""What a procedure takes as a rule: people and minutes, parts, tools, permits; nothing here touches the database."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from assets.base.errors import Invalid
from ticketing.procedures.permits import BadPermit, checked_permits

MAX_LABOUR = 50
MAX_PARTS = 200
MAX_TOOLS = 50
MAX_PEOPLE = 100
MAX_MINUTES = 60 * 24 * 31  # of one person; what takes longer is several procedures
MAX_QUANTITY = Decimal(1_000_000)
CURRENCY = "CNY"
KINDS = ("labour", "parts", "tools", "permits", "currency")


class BadNorm(Invalid):
    """A norm cannot be kept; params: `field` (norms), `what`, `index`, `problem` and what was expected."""

    code = "bad_norm"

    def __init__(self, message: str = "", **params: object) -> None:
        super().__init__(message, **{"reason": f"norm_{params.get('problem')}", **params})


@dataclass(frozen=True, slots=True)
class Labour:
    """So many people of a skill (None: anybody) at a level or above, so many minutes each."""

    skill: str | None
    level: int
    people: int
    minutes: int

    @property
    def total(self) -> int:
        """Minutes of all of them."""
        return self.people * self.minutes


@dataclass(frozen=True, slots=True)
class PartNorm:
    """So much of an item is used."""

    part_id: UUID
    number: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ToolNorm:
    """A tool of this item is used for so many minutes."""

    part_id: UUID
    number: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Norms:
    """What a version takes; empty where nobody said."""

    labour: tuple[Labour, ...] = ()
    parts: tuple[PartNorm, ...] = ()
    tools: tuple[ToolNorm, ...] = ()
    permits: tuple[Mapping[str, Any], ...] = ()
    currency: str = CURRENCY
    names: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)  # of parts and tools, as they were kept

    @property
    def minutes(self) -> int:
        """Minutes of work of all people together."""
        return sum(each.total for each in self.labour)

    @property
    def any(self) -> bool:
        """Whether there is something to compare with."""
        return bool(self.labour or self.parts or self.tools)

    def minutes_by_skill(self) -> dict[str | None, int]:
        """Minutes of work by skill; None: of anybody."""
        found: dict[str | None, int] = {}
        for each in self.labour:
            found[each.skill] = found.get(each.skill, 0) + each.total
        return found


def norms_of(kept: Mapping[str, Any] | None) -> Norms:
    """Read norms as a version or an order keeps them; nothing when there are none."""
    told = kept or {}
    rows = [*told.get("parts", ()), *told.get("tools", ())]
    return Norms(
        tuple(Labour(one["skill"], one["level"], one["people"], one["minutes"]) for one in told.get("labour", ())),
        tuple(
            PartNorm(UUID(one["part_id"]), one["number"], Decimal(str(one["quantity"])))
            for one in told.get("parts", ())
        ),
        tuple(ToolNorm(UUID(one["part_id"]), one["number"], one["minutes"]) for one in told.get("tools", ())),
        tuple(told.get("permits", ())),
        told.get("currency") or CURRENCY,
        {UUID(one["part_id"]): one for one in rows},
    )


def combined(several: Iterable[Norms]) -> Norms:
    """Return what several procedures take together: labour one after the other, parts and tools of an item summed."""
    every = list(several)
    parts: dict[UUID, PartNorm] = {}
    tools: dict[UUID, ToolNorm] = {}
    names: dict[UUID, Mapping[str, Any]] = {}
    for norms in every:
        names |= norms.names
        for part in norms.parts:
            before = parts[part.part_id].quantity if part.part_id in parts else Decimal(0)
            parts[part.part_id] = PartNorm(part.part_id, part.number, before + part.quantity)
        for tool in norms.tools:
            held = tools[tool.part_id].minutes if tool.part_id in tools else 0
            tools[tool.part_id] = ToolNorm(tool.part_id, tool.number, held + tool.minutes)
    return Norms(
        tuple(each for norms in every for each in norms.labour),
        tuple(parts.values()),
        tuple(tools.values()),
        tuple(each for norms in every for each in norms.permits),
        every[0].currency if every else CURRENCY,
        names,
    )


def checked_norms(norms: Mapping[str, Any], steps: Sequence[str]) -> dict[str, Any]:
    """Return norms in the one form in which they are stored; `steps`: the keys that permits may name.

    Parts and tools are named by `part_id` or `number`; whether they exist `ticketing.procedures.pricing` asks. Raises
    BadNorm.
    """
    if unknown := sorted(str(key) for key in norms.keys() - set(KINDS)):
        raise BadNorm(f"there is no {unknown[0][:60]}", field="norms", what=unknown[0][:60], index=0, problem="unknown")
    currency = norms.get("currency") or CURRENCY
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise _bad("currency", 0, "currency", "a currency is three capital letters")
    try:
        permits = checked_permits(norms.get("permits") or [], steps)
    except BadPermit as error:
        raise BadNorm(str(error), field="norms", what="permits", **error.params) from None
    kept = {
        "labour": [_labour(one, at) for at, one in enumerate(_rows(norms, "labour", MAX_LABOUR))],
        "parts": [_part(one, at) for at, one in enumerate(_rows(norms, "parts", MAX_PARTS))],
        "tools": [_tool(one, at) for at, one in enumerate(_rows(norms, "tools", MAX_TOOLS))],
        "permits": permits,
        "currency": currency,
    }
    return kept


def _rows(norms: Mapping[str, Any], what: str, most: int) -> list[Mapping[str, Any]]:
    rows = norms.get(what) or []
    if not isinstance(rows, list) or len(rows) > most:
        raise _bad(what, 0, "too_many", f"at most {most} of {what}")
    for at, one in enumerate(rows):
        if not isinstance(one, Mapping):
            raise _bad(what, at, "form", "an object")
    return rows


def _labour(one: Mapping[str, Any], at: int) -> dict[str, Any]:
    skill = one.get("skill") or None
    if skill is not None and (not isinstance(skill, str) or len(skill) > 60):
        raise _bad("labour", at, "skill", "a skill is named by its code")
    level = _whole("labour", at, "level", one.get("level", 1), 1, 5)
    people = _whole("labour", at, "people", one.get("people", 1), 1, MAX_PEOPLE)
    return {
        "skill": skill,
        "level": level,
        "people": people,
        "minutes": _whole("labour", at, "minutes", one.get("minutes"), 1, MAX_MINUTES),
    }


def _part(one: Mapping[str, Any], at: int) -> dict[str, Any]:
    quantity = one.get("quantity", 1)
    try:
        if isinstance(quantity, bool) or not isinstance(quantity, int | float | str | Decimal):
            raise InvalidOperation
        amount = Decimal(str(quantity))
    except InvalidOperation:
        raise _bad("parts", at, "quantity", "a quantity is a number") from None
    if not amount.is_finite() or not 0 < amount <= MAX_QUANTITY:
        raise _bad("parts", at, "quantity", f"a quantity is above 0 and at most {MAX_QUANTITY}")
    return {**_item("parts", one, at), "quantity": float(amount)}


def _tool(one: Mapping[str, Any], at: int) -> dict[str, Any]:
    minutes = _whole("tools", at, "minutes", one.get("minutes"), 1, MAX_MINUTES)
    return {**_item("tools", one, at), "minutes": minutes}


def _item(what: str, one: Mapping[str, Any], at: int) -> dict[str, Any]:
    part, number = one.get("part_id"), one.get("number")
    if part is None and isinstance(number, str) and 0 < len(number) <= 80:
        return {"part_id": None, "number": number}
    try:
        return {"part_id": str(UUID(str(part))), "number": None}
    except ValueError:
        raise _bad(what, at, "part_id", "an item is named by its id or its number") from None


def _whole(what: str, at: int, name: str, value: Any, least: int, most: int) -> int:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value != int(value) or not least <= value <= most:
        raise _bad(what, at, name, f"{name} is a whole number from {least} to {most}")
    return int(value)


def _bad(what: str, at: int, problem: str, words: str) -> BadNorm:
    return BadNorm(f"{what} {at + 1}: {words}", field="norms", what=what, index=at, problem=problem)
