"""Look for what identifies somebody in every text of every table, and put the pseudonym there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, ColumnElement, Table, Text, cast, func, or_, select, text, true, update
from sqlalchemy.orm import Session

from assets.base.db import SERVICE_ROLE, Base
from gateway.erasure.words import Words

# What is the same for all customers of a maker: a person's name there is a product's.
CATALOGUE = frozenset(
    {"asset_models", "bom_lines", "failure_modes", "models", "parts", "procedures", "procedure_versions", "skills"}
    | {"service_types", "service_type_versions", "price_books", "training_runs", "warranty_terms"}
)
# Hash-chained (`personal` beside it is erased), or signed by somebody: `gateway.erasure.records` sees to both.
APART = frozenset({"events", "reports", "signatures"})
# Tables that keep what was written, but for the words in these columns; a trigger or missing rights see to it.
ONLY: dict[str, tuple[str, ...]] = {
    "stock_movements": ("note", "reason"),
    "stock_entries": (),
    "event_seals": (),
    "entitlement_entries": ("reason",),
    "part_replacements": (),
    "warranty_terms": ("name_en", "name_zh"),
}


@dataclass
class Found:
    """How many rows were changed, by table, and how many stay as they are, by the reason."""

    changed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


def erase_everywhere(
    session: Session, words: Words, tree: Sequence[UUID], person_id: UUID | None, found: Found, *, dry: bool
) -> None:
    """Clean every table: rows of the organisations of `tree`, or that name the person. `dry` only counts.

    In tables that belong to nobody, addresses and numbers alone are looked for. Needs the service role.
    """
    if not dry:
        session.execute(text("SELECT set_config('forewarn.erasing', 'on', true)"))
    writable = writable_columns(session)
    for table in Base.metadata.sorted_tables:
        if table.name in APART:
            continue
        own = _own(table, tree, person_id)
        sought = words.contacts if own is None or table.name in CATALOGUE else words
        columns = [each for each in texts_of(table) if (table.name, each.name) in writable]
        found.changed[table.name] += _clean(session, table, columns, sought, true() if own is None else own, dry=dry)
    if not dry:
        session.execute(text("SELECT set_config('forewarn.erasing', 'off', true)"))
    found.changed["idempotency_keys"] += _answers(session, words, dry=dry)


def _own(table: Table, tree: Sequence[UUID], person_id: UUID | None) -> ColumnElement[bool] | None:
    owners: list[ColumnElement[bool]] = [
        table.c[name].in_(tree) for name in ("organisation_id", "executing_organisation_id") if name in table.columns
    ]
    if table.name == "organisations":
        owners.append(table.c.id.in_(tree))
    if person_id is not None:
        owners += [key.parent == person_id for key in table.foreign_keys if key.column.table.name == "people"]
    return or_(*owners) if owners else None


def texts_of(table: Table) -> list[Column[Any]]:
    """Return the columns that may hold words."""
    found = [each for each in table.columns if isinstance(each.type, Text | JSON)]
    return [each for each in found if each.name in ONLY[table.name]] if table.name in ONLY else found


def writable_columns(session: Session) -> set[tuple[str, str]]:
    """Return (table, column) of all that the service may change: the rest is what machines wrote down for good."""
    rows = session.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.column_privileges"
            " WHERE grantee = :role AND privilege_type = 'UPDATE' AND table_schema = 'public'"
        ),
        {"role": SERVICE_ROLE},
    )
    return {(table, column) for table, column in rows}


def _clean(
    session: Session,
    table: Table,
    columns: Sequence[Column[Any]],
    words: Words,
    own: ColumnElement[bool],
    *,
    dry: bool,
) -> int:
    if not columns or not (words.needles or words.phones):
        return 0
    keys = list(table.primary_key.columns)
    wanted = select(*keys, *columns).where(own, or_(*(_holds(column, words) for column in columns)))
    count = 0
    for row in session.execute(wanted).all():
        values = row[len(keys) :]
        changes = {
            column.name: _replaced(column, value, words)
            for column, value in zip(columns, values, strict=True)
            if value is not None and words.clean(value) != value
        }
        if not changes:
            continue
        count += 1
        if not dry:
            if "version" in table.columns and "version" not in changes:
                changes["version"] = table.c.version + 1
            same = (key == value for key, value in zip(keys, row[: len(keys)], strict=True))
            session.execute(update(table).where(*same).values(changes))
    return count


def _replaced(column: Column[Any], value: Any, words: Words) -> Any:
    """An address alone is taken away where nothing may stand: a pseudonym is no address to write to."""
    if isinstance(value, str) and column.nullable and words.is_all(value):
        return None
    return words.clean(value)


def _holds(column: Column[Any], words: Words) -> ColumnElement[bool]:
    """A coarse look by the database; what is meant exactly is decided word by word."""
    said = cast(column, Text)
    is_json = isinstance(column.type, JSON)
    looks: list[ColumnElement[bool]] = [
        said.ilike(f"%{_literal(_spelled(each, is_json))}%", escape="\\") for each in _first_words(words)
    ]
    looks += [func.regexp_replace(said, "[^0-9]", "", "g").contains(each) for each in words.phones]
    return or_(*looks)


def _first_words(words: Words) -> Iterator[str]:
    """A name may be broken over lines or have two blanks: its longest word is there in any case."""
    yield from words.emails
    for name in words.names:
        yield max(name.split(), key=len)


def _spelled(word: str, is_json: bool) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1] if is_json else word


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _answers(session: Session, words: Words, *, dry: bool) -> int:
    """Answers kept for repeated requests are whole bodies: those that hold a word are forgotten."""
    count = 0
    for each in words.needles:
        what = {"needle": json.dumps(each, ensure_ascii=False)[1:-1]}
        where = "WHERE body IS NOT NULL AND position(convert_to(:needle, 'UTF8') IN body) > 0"
        if dry:
            count += session.scalar(text(f"SELECT count(*) FROM idempotency_keys {where}"), what) or 0
        else:
            count += len(session.execute(text(f"DELETE FROM idempotency_keys {where} RETURNING 1"), what).all())
    return count
