"""The columns of an import: how a cell's value is read, and what is wrong with it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

FieldKind = Literal["text", "number", "date", "choice", "reference", "yes_no"]
Value = str | float | datetime | bool | None

MAX_TEXT = 2000
MAX_SHOWN = 80  # of a wrong value in a message
# A cell that begins with one of these is a formula to a spreadsheet; exports put an apostrophe before it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日?"),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"),
    re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})"),
)
_YES = frozenset({"yes", "y", "true", "1", "x", "是", "有", "√", "ja", "wahr"})
_NO = frozenset({"no", "n", "false", "0", "否", "无", "nein", "falsch"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")


class CellFault(ValueError):
    """What is wrong with one cell; `code` names the text people read, `params` fill it in."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, its headings in both languages, and what its cells may hold.

    `choices`: stored word -> what else people write for it. `low`, `high`: of numbers. `most`: characters of text.
    """

    name: str
    en: str
    zh: str
    kind: FieldKind = "text"
    required: bool = False
    also: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    most: int = 200
    low: float = -1e15
    high: float = 1e15
    hint_en: str = ""
    hint_zh: str = ""

    @property
    def headings(self) -> tuple[str, ...]:
        """All headings that are recognised."""
        return (self.name, self.en, self.zh, *self.also)

    @property
    def sql_type(self) -> str:
        """The type of its column in the staging table."""
        return {"number": "double precision", "date": "timestamptz", "yes_no": "boolean"}.get(self.kind, "text")

    def read(self, cell: Any) -> Value:
        """Return the cell's value, None for an empty one. Raises CellFault."""
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            if self.required:
                raise CellFault("required")
            return None
        if self.kind == "number":
            return self._number(cell)
        if self.kind == "date":
            return read_moment(cell)
        if self.kind == "yes_no":
            return _yes_no(cell)
        return self._text(cell)

    def _text(self, cell: Any) -> str:
        said = plain_text(cell)
        if len(said) > self.most:
            raise CellFault("too_long", most=self.most, length=len(said))
        if self.kind != "choice":
            return said
        wanted = normal(said)
        for word, others in self.choices.items():
            if wanted in {normal(word), *map(normal, others)}:
                return word
        raise CellFault("choice", value=shown(said), allowed=", ".join(self.choices))

    def _number(self, cell: Any) -> float:
        number = read_number(cell)
        if not self.low <= number <= self.high:
            raise CellFault("out_of_range", value=shown(cell), low=self.low, high=self.high)
        return number


def plain_text(cell: Any) -> str:
    """Return a cell as text: whole numbers without a point, moments as ISO 8601, no apostrophe of an export.

    Raises CellFault for characters that cannot be stored.
    """
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime | date | time):
        bare = isinstance(cell, datetime) and cell.time() == time(0)
        return cell.date().isoformat() if bare and isinstance(cell, datetime) else cell.isoformat()
    said = str(cell).strip()
    if said.startswith("'") and said[1:].startswith(FORMULA_STARTS):
        said = said[1:].strip()
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\r\t" for each in said):
        raise CellFault("control_character")
    return said


def read_number(cell: Any) -> float:
    """Return a number; text with one decimal comma or with thousands marks is read too. Raises CellFault."""
    if isinstance(cell, bool | datetime | date | time | timedelta):
        raise CellFault("number", value=shown(cell))
    if isinstance(cell, int | float):
        number = float(cell)
    else:
        said = unicodedata.normalize("NFKC", plain_text(cell)).replace(" ", "").replace("'", "")
        if _GROUPED.fullmatch(said) and (said.count(",") > 1 or "." in said):
            said = said.replace(",", "")
        elif _COMMA.fullmatch(said):
            if len(said.partition(",")[2]) == 3:  # 1,234 is read as a thousand by one half of the world
                raise CellFault("ambiguous_number", value=shown(cell))
            said = said.replace(",", ".")
        if not _NUMBER.fullmatch(said):
            raise CellFault("number", value=shown(cell))
        number = float(said)
    if not math.isfinite(number):
        raise CellFault("number", value=shown(cell))
    return number


def read_moment(cell: Any) -> datetime:
    """Return a moment; without a time zone it is UTC, a date alone is its midnight. Raises CellFault."""
    if isinstance(cell, datetime):
        return _aware(cell, cell)
    if isinstance(cell, date):
        return _aware(datetime(cell.year, cell.month, cell.day), cell)  # noqa: DTZ001  made aware at once
    if not isinstance(cell, str):
        raise CellFault("date", value=shown(cell))
    said = unicodedata.normalize("NFKC", plain_text(cell)).strip()
    for pattern in _DATES:
        if found := pattern.fullmatch(said):
            try:
                return _aware(datetime(int(found["y"]), int(found["m"]), int(found["d"]), tzinfo=UTC), cell)
            except ValueError:
                raise CellFault("date", value=shown(cell)) from None
    try:
        return _aware(datetime.fromisoformat(said.replace("/", "-")), cell)
    except ValueError:
        raise CellFault("date", value=shown(cell)) from None


def _aware(moment: datetime, cell: Any) -> datetime:
    try:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        aware = aware.astimezone(UTC)
    except (OverflowError, ValueError):
        raise CellFault("date", value=shown(cell)) from None
    if not 1900 <= aware.year <= 2200:
        raise CellFault("date", value=shown(cell))
    return aware


def _yes_no(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    word = normal(plain_text(cell))
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise CellFault("yes_no", value=shown(cell))


def normal(said: str) -> str:
    """Return a heading or word as it is compared: no case, no blanks, no marks."""
    folded = unicodedata.normalize("NFKC", said).casefold()
    return "".join(each for each in folded if each.isalnum() or each in "√")


def bare(said: str) -> str:
    """Return a heading as it is compared, without what stands in brackets: units and the like."""
    return normal(re.sub(r"\([^)]*\)|\[[^]]*\]", "", unicodedata.normalize("NFKC", said)))


def shown(cell: Any) -> str:
    """Return a value short enough for a message."""
    said = str(cell)
    return said if len(said) <= MAX_SHOWN else said[: MAX_SHOWN - 1] + "…"


def letters(column: int) -> str:
    """Return a spreadsheet's letters of a column; 0 is A."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def cell_name(row: int, column: int | None) -> str:
    """Return what a spreadsheet calls a cell: row 17 and column 1 are B17; without a column the row alone."""
    return f"{letters(column)}{row}" if column is not None else str(row)
