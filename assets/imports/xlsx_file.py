"""Read a sheet of an XLSX workbook: bounded before it is opened, formulas by their shown value."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from assets.base.errors import Invalid

MAX_ENTRIES = 2000
MAX_UNPACKED = 600 * 1024 * 1024  # a sheet of 100,000 rows and 15 columns unpacks to about 80 MB
MAX_RATIO = 200  # a real sheet packs 8 to 30 times
SMALL = 4 * 1024 * 1024  # below this the ratio does not matter
MAX_ROWS = 200_000
MAX_COLUMNS = 702  # up to ZZ
MAX_CELLS = 5_000_000  # of the rectangle around all cells, which is how a sheet is held in memory
MAX_MERGED = 2_000_000  # rows of all merged ranges together
MAX_PARTS = 8 * 1024 * 1024  # of the workbook's own description
CHUNK = 1 << 20
OVERLAP = 4096

_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]*)([0-9]+)[\"']")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]|\bt\s*=\s*[\"']e[\"']")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_REFERENCE = re.compile(r"([A-Z]+)([0-9]+)")


@dataclass(slots=True)
class Sheet:
    """A sheet that was found fit to be read. `faults`: (row, column) -> why its shown value cannot be had."""

    name: str
    names: list[str]
    merged: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # row -> first and last column
    faults: dict[tuple[int, int], str] = field(default_factory=dict)


def inspect_workbook(path: Path, wanted: str | None = None) -> Sheet:
    """Return the wanted sheet, or the first, once the workbook is known to be small enough. Raises Invalid."""
    try:
        with zipfile.ZipFile(path) as archive:
            _bound(archive)
            sheets = _sheets(archive)
            name = wanted if wanted is not None else next(iter(sheets), None)
            if name is None or name not in sheets:
                raise Invalid("no such sheet", field="sheet", reason="sheet", allowed=list(sheets))
            for entry in archive.namelist():
                if entry.startswith("xl/worksheets/") and _scan(archive, entry) and entry == sheets[name]:
                    return Sheet(name, list(sheets), faults=_faults(archive, entry))
            return Sheet(name, list(sheets))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, NotImplementedError, RuntimeError, EOFError):
        raise Invalid("the workbook is damaged or protected", field="file", reason="damaged") from None


def _bound(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    bomb = any(e.file_size > SMALL and e.file_size > MAX_RATIO * max(1, e.compress_size) for e in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or bomb:
        raise Invalid(
            "the workbook unpacks to more than a table needs", field="file", reason="zip_bomb", most=MAX_UNPACKED
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise Invalid("the workbook is protected by a password", field="file", reason="protected")
    for entry in entries:  # what an entry says of its size may be a lie: read to its end, within that size
        if not entry.filename.startswith("xl/worksheets/"):
            _read_through(archive, entry)


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as stream:  # the check sum at the end fails for a size that was not true
        while stream.read(CHUNK):
            pass


def _sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return sheet name -> its entry in the archive, in the workbook's order."""
    links = {
        link.get("Id"): str(link.get("Target") or "")
        for link in ElementTree.fromstring(_part(archive, "xl/_rels/workbook.xml.rels"))
    }
    found = {}
    for sheet in ElementTree.fromstring(_part(archive, "xl/workbook.xml")).iter(f"{_MAIN}sheet"):
        target = links.get(sheet.get(_LINK), "")
        entry = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if entry.startswith("xl/worksheets/"):
            found[str(sheet.get("name"))] = entry
    return found


def _part(archive: zipfile.ZipFile, entry: str) -> bytes:
    if archive.getinfo(entry).file_size > MAX_PARTS:
        raise Invalid("the workbook unpacks to more than a table needs", field="file", reason="zip_bomb")
    return archive.read(entry)


def _scan(archive: zipfile.ZipFile, entry: str) -> bool:
    """Refuse a sheet with a cell far away: it would be read as all cells in between. Return whether it computes."""
    kept, computes, first = b"", False, True
    columns: set[bytes] = set()
    last_row = 0
    with archive.open(entry) as stream:
        while chunk := stream.read(CHUNK):
            if first and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise Invalid("the workbook is not written in UTF-8", field="file", reason="damaged")
            first = False
            piece = kept + chunk
            places = _PLACE.findall(piece)
            columns.update(letters for letters, _ in places)
            last_row = max([last_row, *(int(row[:9]) for _, row in places)])
            width = max((_column(letters.decode()[:4]) for letters in columns), default=0)
            if last_row > MAX_ROWS + 1000 or width > MAX_COLUMNS or last_row * width > MAX_CELLS:
                raise Invalid(
                    f"a sheet has at most {MAX_ROWS} rows, {MAX_COLUMNS} columns and {MAX_CELLS} cells",
                    field="file",
                    reason="sheet_size",
                    most=MAX_ROWS,
                )
            computes = computes or _FORMULA.search(piece) is not None
            kept = piece[-OVERLAP:]
    return computes


def _faults(archive: zipfile.ZipFile, entry: str) -> dict[tuple[int, int], str]:
    """Return the cells with a formula that was never computed, and those that show an error."""
    found: dict[tuple[int, int], str] = {}
    with archive.open(entry) as stream:
        for _, element in ElementTree.iterparse(stream, events=("end",)):
            if element.tag == f"{_MAIN}c":
                at = _position(element.get("r"))
                value = element.find(f"{_MAIN}v")
                empty = value is None or not value.text
                if at and element.get("t") == "e":
                    found[at] = "error_value"
                elif at and empty and element.find(f"{_MAIN}f") is not None:
                    found[at] = "formula_without_value"
                element.clear()
            elif element.tag == f"{_MAIN}row":
                element.clear()
    return found


def _position(reference: str | None) -> tuple[int, int] | None:
    match = _REFERENCE.fullmatch(reference or "")
    if match is None:
        return None
    return int(match[2]), _column(match[1]) - 1


def _column(letters: str) -> int:
    """Return a column's number; A is 1."""
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return column


def read_xlsx(path: Path, sheet: Sheet, most: int | None = None) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row number, cells) of an inspected sheet; fills in what it merges. Raises Invalid."""
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            found = workbook.get_sheet_by_name(sheet.name)
            ranges = found.merged_cell_ranges or []
            sheet.merged = _by_row([(top + 1, left, bottom + 1, right) for (top, left), (bottom, right) in ranges])
            for number, row in enumerate(found.to_python(skip_empty_area=False, nrows=most), 1):
                yield number, [None if cell == "" else cell for cell in row]
    except PasswordError:
        raise Invalid("the workbook is protected by a password", field="file", reason="protected") from None
    except CalamineError:
        raise Invalid("the workbook is damaged", field="file", reason="damaged") from None


def _by_row(ranges: list[tuple[int, int, int, int]]) -> dict[int, list[tuple[int, int]]]:
    """Return what is merged in each row: every cell asks, so that going through all ranges would take hours."""
    found: dict[int, list[tuple[int, int]]] = {}
    rows = 0
    for top, left, bottom, right in ranges:
        if (top, left) == (bottom, right):
            continue
        last = min(bottom, MAX_ROWS)
        rows += max(0, last - top + 1)
        if rows > MAX_MERGED:
            raise Invalid("too much is merged", field="file", reason="sheet_size", most=MAX_MERGED)
        for row in range(top, last + 1):
            found.setdefault(row, []).append((left, right))
    return found
