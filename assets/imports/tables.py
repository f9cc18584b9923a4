"""Open a table file: what kind it is, where its headings stand, and its rows with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from assets.base.errors import Invalid
from assets.imports.csv_file import encoding_of, read_csv
from assets.imports.fields import bare, normal, plain_text, shown
from assets.imports.xlsx_file import MAX_COLUMNS, MAX_ROWS, Sheet, inspect_workbook, read_xlsx

MAX_BYTES = 64 * 1024 * 1024  # 100,000 rows of 15 columns are about 15 MB
LOOKED_AT = 30  # rows in which headings are looked for: above them stand titles and notes
SAMPLES = 3

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
FileKind = Literal["csv", "xlsx"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: its place (0 is A), its heading and the first values below."""

    index: int
    heading: str
    samples: tuple[str, ...] = ()


class Table:
    """A table file that is fit to be read, as often as needed. Raises Invalid when it is not."""

    def __init__(self, path: Path, sheet: str | None = None) -> None:
        self.path = path
        self.kind: FileKind = kind_of(path)
        self._sheet: Sheet | None = inspect_workbook(path, sheet) if self.kind == "xlsx" else None
        self.encoding = encoding_of(path) if self.kind == "csv" else None

    @property
    def sheet(self) -> str | None:
        """The sheet that is read; None for CSV."""
        return self._sheet.name if self._sheet else None

    @property
    def sheets(self) -> list[str]:
        """All sheets."""
        return self._sheet.names if self._sheet else []

    def rows(self, most: int | None = None) -> Iterator[tuple[int, list[Any]]]:
        """Yield (row number, cells), all or the first. Raises Invalid at what cannot be read, and beyond the bounds."""
        found = read_xlsx(self.path, self._sheet, most) if self._sheet else read_csv(self.path)
        for number, row in found:
            if number > MAX_ROWS:
                raise Invalid(f"at most {MAX_ROWS} rows", field="file", reason="sheet_size", most=MAX_ROWS)
            if len(row) > MAX_COLUMNS:
                raise Invalid(f"at most {MAX_COLUMNS} columns", field="file", reason="sheet_size", most=MAX_COLUMNS)
            yield number, row

    def fault_at(self, row: int, column: int) -> str | None:
        """Return why a cell's value must not be taken as it is shown; None when it may."""
        if self._sheet is None:
            return None
        if (row, column) in self._sheet.faults:
            return self._sheet.faults[row, column]
        merged = self._sheet.merged.get(row, ())
        return "merged" if any(left <= column <= right for left, right in merged) else None

    @property
    def has_faults(self) -> bool:
        """Whether `fault_at` needs to be asked at all."""
        return self._sheet is not None and bool(self._sheet.faults or self._sheet.merged)


def kind_of(path: Path) -> FileKind:
    """Return the kind of file by its content. Raises Invalid."""
    with path.open("rb") as file:
        head = file.read(8)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Invalid(f"a table file has at most {MAX_BYTES} bytes", field="file", reason="file_size", most=MAX_BYTES)
    if not head.strip():
        raise Invalid("the file is empty", field="file", reason="empty")
    if head.startswith(_ZIP):
        return "xlsx"
    if head.startswith(_OLE):
        raise Invalid("an old or protected workbook: save it as .xlsx", field="file", reason="old_workbook")
    return "csv"


def headings_of(table: Table, known: Sequence[str]) -> tuple[int, list[Column]]:
    """Return the number of the heading row and the columns; `known`: headings that somebody understands.

    The heading row is the one of the first thirty with the most known headings, else the first with two filled cells.
    """
    first = list(islice(table.rows(LOOKED_AT), LOOKED_AT))
    words = {normal(each) for each in known}
    best, most = None, 0
    for position, (_, row) in enumerate(first):
        count = sum(1 for cell in row if cell is not None and {normal(_text(cell)), bare(_text(cell))} & words)
        if count > most:
            best, most = position, count
    if best is None:
        filled = [sum(1 for cell in row if _text(cell)) for _, row in first]
        best = next(
            (at for at, count in enumerate(filled) if count > 1), next((at for at, n in enumerate(filled) if n), None)
        )
    if best is None:
        raise Invalid("there are no headings", field="file", reason="empty")
    number, row = first[best]
    merged = next((at for at, cell in enumerate(row) if _text(cell) and table.fault_at(number, at)), None)
    if merged is not None:
        raise Invalid("a heading is merged or no plain text", field="file", reason="merged_heading", row=number)
    below = [each for _, each in first[best + 1 :] if any(_text(cell) for cell in each)][:SAMPLES]
    columns = [
        Column(at, shown(_text(cell)), tuple(shown(_text(each[at])) if at < len(each) else "" for each in below))
        for at, cell in enumerate(row)
        if _text(cell)
    ]
    return number, columns


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    try:
        return plain_text(cell)
    except ValueError:
        return str(cell).strip()
