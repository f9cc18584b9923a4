"""Read CSV as people save it: UTF-8, UTF-16, GB18030 or Western; separated by comma, semicolon or tab."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.base.errors import Invalid

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 64 * 1024
CHUNK = 1 << 20
MAX_FIELD = 100_000  # characters of one cell; a quote that is never closed would swallow the rest of the file

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(path: Path) -> str:
    """Return the encoding: by its mark, else UTF-8 when all of it is, else GB18030 or Western. Raises Invalid.

    Two bytes that are both above 0xA0 make the everyday characters of GB18030, while a Western accented letter
    stands beside plain ones: what decodes to everyday characters is taken for Chinese.
    """
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if _decodes(path, "utf-8"):
        return "utf-8"
    if _decodes(path, "gb18030") and _everyday(path):
        return "gb18030"
    if _decodes(path, "cp1252"):
        return "cp1252"
    raise Invalid("the text is neither UTF-8 nor GB18030", field="file", reason="encoding")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _everyday(path: Path) -> bool:
    with path.open(encoding="gb18030") as file:
        seen = [each for each in file.read(SAMPLE * 4) if ord(each) > 127]
    common = sum(1 for each in seen if _in_gb2312(each))
    return bool(seen) and common >= 0.8 * len(seen)


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def delimiter_of(sample: str) -> tuple[str, bool]:
    """Return what separates the cells, and whether the first line only says so (`sep=;`)."""
    first = sample.lstrip("\r\n").split("\n", 1)[0].strip("\r")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], True
    best, most = ",", 0
    lines = [line for line in sample.splitlines() if line.strip()][:10]
    for delimiter in DELIMITERS:
        counts = [_outside_quotes(line, delimiter) for line in lines]
        # A title above the headings has none: the line with the most counts.
        if counts and max(counts) > most:
            best, most = delimiter, max(counts)
    return best, False


def _outside_quotes(line: str, delimiter: str) -> int:
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def read_csv(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row number as a spreadsheet counts, cells as text). Raises Invalid where the text is no CSV."""
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(SAMPLE)
        if "\0" in sample:
            raise Invalid("this is no text file", field="file", reason="not_a_table")
        delimiter, says_so = delimiter_of(sample)
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, row in enumerate(rows, 1):
                if says_so and number == 1:
                    continue
                if any(len(cell) > MAX_FIELD for cell in row):
                    raise Invalid(f"row {number}: a cell is too long", field="file", reason="cell_too_long", row=number)
                yield number, row
        except csv.Error as error:
            raise Invalid(
                f"row {number + 1}: {error}: is a quote not closed?", field="file", reason="quotes", row=number + 1
            ) from None
