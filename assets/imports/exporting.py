"""Write lists as CSV or XLSX, with the columns that an import reads; nothing in them is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

from assets.imports.fields import FORMULA_STARTS

PIECE = 64 * 1024
MAX_XLSX_ROWS = 1_048_575  # a sheet has no more
MAX_CELL = 32_767  # characters, likewise
UTF8_MARK = "\ufeff"  # without it Excel reads Chinese as something else


def neutral(value: Any) -> Any:
    """Return a value as it is written: text that a spreadsheet would compute begins with an apostrophe."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return moment.date().isoformat() if moment.time() == time(0) else moment.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return neutral(", ".join(str(each) for each in value))
    return value


def export_csv(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield the file piece by piece."""
    out = io.StringIO()
    writer = csv.writer(out)
    out.write(UTF8_MARK)
    writer.writerow([neutral(each) for each in headings])
    for row in rows:
        writer.writerow(["" if each is None else neutral(each) for each in row])
        if out.tell() > PIECE:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def export_xlsx(path: Path, title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write the file; return how many rows it has. What a sheet cannot hold further down is left out."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    head = [WriteOnlyCell(sheet, value=each) for each in headings]
    for cell in head:
        cell.font = Font(bold=True)
    sheet.append(head)
    count = 0
    for row in rows:
        if count >= MAX_XLSX_ROWS:
            break
        sheet.append([_cell(each) for each in row])
        count += 1
    book.save(path)
    return count


def _cell(value: Any) -> Any:
    value = neutral(value)
    if isinstance(value, str):
        return ILLEGAL_CHARACTERS_RE.sub("", value)[:MAX_CELL]
    return value
