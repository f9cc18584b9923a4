"""What an operation carries, read field by field; what does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

from assets.base.errors import Invalid
from ticketing.distances import Fix, checked_fix

MAX_WORDS = 4000
MAX_ITEMS = 200


class Said:
    """A payload. Moments in it are the phone's: `shift` brings them to the server's clock."""

    def __init__(self, values: Mapping[str, Any], shift: timedelta = timedelta(0), path: str = "payload") -> None:
        self.values, self._shift, self._path = values, shift, path

    def has(self, name: str) -> bool:
        """Return whether the field was sent, and is not null."""
        return self.values.get(name) is not None

    def text(self, name: str, most: int = MAX_WORDS) -> str | None:
        """Return words, None for none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._unfit(name, "text")
        if len(value) > most:
            raise Invalid(f"{name} has at most {most} characters", field=self._of(name), limit=most)
        return value

    def word(self, name: str, most: int = 200) -> str:
        """Return words that must be there."""
        value = self.text(name, most)
        if value is None or not value.strip():
            raise Invalid(f"{name} is missing", field=self._of(name))
        return value.strip()

    def id(self, name: str) -> UUID | None:
        """Return an id, None for none."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return UUID(value if isinstance(value, str) else "")
        except ValueError:
            raise self._unfit(name, "an id") from None

    def needed_id(self, name: str) -> UUID:
        """Return an id that must be there."""
        found = self.id(name)
        if found is None:
            raise Invalid(f"{name} is missing", field=self._of(name))
        return found

    def ids(self, name: str) -> list[UUID]:
        """Return ids, none when there are none."""
        return [Said({name: each}, path=self._path).needed_id(name) for each in self._list(name)]

    def number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or not isfinite(value):
            raise self._unfit(name, "a number")
        return float(value)

    def decimal(self, name: str) -> Decimal | None:
        """Return a number as it was written."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 30:
            raise self._unfit(name, "a number")
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            raise self._unfit(name, "a number") from None
        if not found.is_finite():
            raise self._unfit(name, "a number")
        return found

    def whole(self, name: str) -> int | None:
        """Return a whole number."""
        value = self.number(name)
        if value is not None and value != int(value):
            raise self._unfit(name, "a whole number")
        return None if value is None else int(value)

    def flag(self, name: str) -> bool | None:
        """Return true, false, or None."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._unfit(name, "true or false")
        return value

    def moment(self, name: str) -> datetime | None:
        """Return a moment on the server's clock."""
        value = self.values.get(name)
        if value is None:
            return None
        at = read_moment(value)
        if at is None:
            raise self._unfit(name, "a moment with its zone (RFC 3339)")
        return at + self._shift

    def day(self, name: str) -> date | None:
        """Return a day."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            raise self._unfit(name, "a day") from None

    def place(self, name: str = "place") -> Fix | None:
        """Return a position, None for none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self._unfit(name, "a place")
        inner = Said(value, self._shift, self._of(name))
        latitude, longitude = inner.number("latitude_deg"), inner.number("longitude_deg")
        if latitude is None or longitude is None:
            raise self._unfit(name, "a place with latitude_deg and longitude_deg")
        return checked_fix(Fix(latitude, longitude, inner.number("accuracy_m")), self._of(name))

    def items(self, name: str) -> list[Said]:
        """Return a list of objects."""
        found = []
        for index, each in enumerate(self._list(name)):
            if not isinstance(each, Mapping):
                raise self._unfit(f"{name}.{index}", "an object")
            found.append(Said(each, self._shift, f"{self._of(name)}.{index}"))
        return found

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise self._unfit(name, f"a list of at most {MAX_ITEMS}")
        return value

    def _of(self, name: str) -> str:
        return f"{self._path}.{name}"

    def _unfit(self, name: str, what: str) -> Invalid:
        return Invalid(f"{name} is {what}", field=self._of(name), expected=what)


def read_moment(value: object) -> datetime | None:
    """Return an aware moment of a sensible year; None for what is none."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None and 1971 <= at.year <= 2200 else None
