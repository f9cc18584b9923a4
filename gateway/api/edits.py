"""What edits share: the row locked, the version that a change is based on, and who is named by an id."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Header
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role
from assets.base.errors import Forbidden, Invalid, NotFound
from assets.people import Person
from assets.registry import Asset
from gateway.api.deps import Context
from ticketing.work_orders import StaleVersion

T = TypeVar("T")

IfMatch = Annotated[str | None, Header(description="version of the row that the change is based on")]
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
SomeText = Annotated[str | None, Field(max_length=1000)]


def _sensible(at: datetime) -> datetime:
    """What is stored of a year that is none in another time zone could not be read any more."""
    if not 1900 <= at.year <= 2200:
        raise ValueError("a moment between 1900 and 2200")
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_sensible)]


class Ref(BaseModel):
    """Something by id and name."""

    id: UUID
    name: str


def locked(here: Context, kind: type[T], key: UUID, word: str, if_match: str | None = None) -> T:
    """Return a row locked for a change.

    Raises NotFound for one that the actor does not see, Forbidden for one that is not theirs to change, and
    StaleVersion when it is no longer at the version in If-Match.
    """
    table: Any = kind
    row = here.session.scalar(
        select(table).where(table.id == key).with_for_update(), execution_options={"populate_existing": True}
    )
    if row is None:
        if here.session.get(kind, key) is not None:
            raise Forbidden(f"this {word.replace('_', ' ')} belongs to another organisation", kind=word)
        raise NotFound(f"no such {word.replace('_', ' ')}", kind=word)
    _check_version(row, word, if_match)
    found: T = row
    return found


def seen(here: Context, kind: type[T], key: UUID, word: str) -> T:
    """Return a row that the actor sees. Raises NotFound."""
    row = here.session.get(kind, key)
    if row is None:
        raise NotFound(f"no such {word.replace('_', ' ')}", kind=word)
    return row


def named(here: Context, kind: type[T], key: UUID | None, field: str) -> T | None:
    """Return a row that a body names, None for none. Raises Invalid for one that the actor does not see."""
    if key is None:
        return None
    row = here.session.get(kind, key)
    if row is None:
        raise Invalid("there is no such row", field=field)
    return row


def locked_asset(here: Context, asset_id: UUID, if_match: str | None = None) -> Asset:
    """Return an asset locked for a change. Raises as `locked` does."""
    return locked(here, Asset, asset_id, "asset", if_match)


def person_names(here: Context, keys: Iterable[UUID | None]) -> dict[UUID, Ref]:
    """Return people by id; customers see what was done, not who did it."""
    wanted = {key for key in keys if key is not None}
    if not wanted or here.actor.roles <= {Role.CUSTOMER}:
        return {}
    rows = here.session.execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))
    return {key: Ref(id=key, name=name) for key, name in rows}


def named_assets(here: Context, keys: Iterable[UUID]) -> dict[UUID, Asset]:
    """Return assets by id; one that the actor sees no more, but whose papers stay theirs, without a name.

    It has another owner since, or the order on it ended long ago.
    """
    wanted = set(keys)
    found = {asset.id: asset for asset in here.session.scalars(select(Asset).where(Asset.id.in_(wanted)))}
    return found | {key: Asset(id=key, name="—", serial="—", code="", demo=False) for key in wanted - found.keys()}


def contains(words: str) -> str:
    """Return the pattern for ILIKE that finds the words as they are."""
    return "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def told_version(if_match: str | None) -> int | None:
    """Return the version that If-Match names; None where any will do. Raises Invalid."""
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if not told or told == "*":
        return None
    if not told.isdecimal() or len(told) > 9:
        raise Invalid("If-Match holds a version number", field="If-Match")
    return int(told)


def _check_version(row: Any, word: str, if_match: str | None) -> None:
    told = told_version(if_match)
    if told is not None and told != row.version:
        text = f"the {word.replace('_', ' ')} is at version {row.version}"
        raise StaleVersion(text, expected=told, version=row.version, yours=told, current=row.version)
