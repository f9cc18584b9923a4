"""Which column of a file goes where: guessed from the headings in both languages, chosen by people, kept by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.base.errors import Invalid
from assets.imports.fields import Field, bare, normal
from assets.imports.tables import Column

CUSTOM = "custom."  # a field of an asset that its model names: custom.NAME
MAX_CUSTOM = 60


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column of the file and the field that it fills."""

    index: int
    field: Field


def guess(columns: Sequence[Column], fields: Sequence[Field]) -> dict[int, str]:
    """Return column -> field name for the headings that are known; each field is given once."""
    names = {normal(heading): each.name for each in reversed(fields) for heading in each.headings}
    found: dict[int, str] = {}
    for column in columns:
        name = names.get(normal(column.heading)) or names.get(bare(column.heading))
        if name is None and column.heading.lower().startswith(CUSTOM):
            name = column.heading.lower()
        if name and name not in found.values():
            found[column.index] = name
    return found


def check(chosen: Mapping[int, str], fields: Sequence[Field], *, custom: bool) -> list[Mapped]:
    """Return the mapping with its fields. Raises Invalid for an unknown, doubled or missing one."""
    known = {each.name: each for each in fields}
    mapped: list[Mapped] = []
    for index, name in sorted(chosen.items()):
        wanted = known.get(name)
        if wanted is None and custom and name.startswith(CUSTOM) and 0 < len(name) - len(CUSTOM) <= MAX_CUSTOM:
            wanted = Field(name, name, name, most=500)
        if wanted is None:
            raise Invalid(f"no such field: {name}", field="columns", reason="field", allowed=sorted(known))
        if any(each.field.name == name for each in mapped):
            raise Invalid(f"two columns for {name}", field="columns", reason="twice", name=name)
        mapped.append(Mapped(index, wanted))
    missing = [each.name for each in fields if each.required and each.name not in chosen.values()]
    if missing:
        raise Invalid(f"no column for: {', '.join(missing)}", field="columns", reason="missing", missing=missing)
    return mapped
