"""Table files as people save them are read, and those that are none are refused with a reason."""

from __future__ import annotations

import codecs
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from assets.base.errors import Invalid
from assets.imports.exporting import export_csv, neutral
from assets.imports.fields import CellFault, Field, cell_name, plain_text, read_moment, read_number
from assets.imports.kinds import KINDS
from assets.imports.mapping import check, guess
from assets.imports.service import guess_kind
from assets.imports.tables import Column, Table, headings_of

TEXT = "序列号,名称\r\nP-1,离心泵\r\nP-2,螺杆压缩机\r\n"
KNOWN = [heading for field in KINDS["assets"].fields for heading in field.headings]


def written(folder: Path, content: bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def workbook(folder: Path, rows: list[list[Any]], merge: str | None = None) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    path = folder / "list.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("gb18030"),
        TEXT.encode("utf-16"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("gb18030"),
        ("sep=;\r\n" + TEXT.replace(",", ";")).encode(),
    ],
    ids=["utf8", "utf8-mark", "gb18030", "utf16", "semicolon", "tab", "sep"],
)
def test_encodings_and_separators_are_recognised(tmp_path: Path, content: bytes) -> None:
    table = Table(written(tmp_path, content))
    row, columns = headings_of(table, KNOWN)
    assert [each.heading for each in columns] == ["序列号", "名称"]
    assert [cells for number, cells in table.rows() if number > row] == [["P-1", "离心泵"], ["P-2", "螺杆压缩机"]]


def test_western_text_is_not_taken_for_chinese(tmp_path: Path) -> None:
    table = Table(written(tmp_path, "serial;name\nP-1;Mühle Süd\nP-2;Café\n".encode("cp1252")))
    assert [cells[1] for _, cells in table.rows()] == ["name", "Mühle Süd", "Café"]


def test_headings_below_a_title_are_found(tmp_path: Path) -> None:
    table = Table(workbook(tmp_path, [["Fleet of 2026"], [], ["Serial number", "Name"], ["00123", "Pump"]]))
    row, columns = headings_of(table, KNOWN)
    assert (row, [each.heading for each in columns]) == (3, ["Serial number", "Name"])
    assert columns[0].samples == ("00123",)


def test_shown_value_of_a_formula_counts_and_an_uncomputed_one_is_refused(tmp_path: Path) -> None:
    table = Table(workbook(tmp_path, [["Serial number", "Name"], ["P-1", "=A2&A2"]]))
    assert table.fault_at(2, 1) == "formula_without_value"
    assert table.fault_at(2, 0) is None


def test_merged_cells_are_named(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["Serial number", "Name"], ["P-1", "Pump"], ["P-2", None]], merge="B2:B3")
    table = Table(path)
    list(table.rows())
    assert table.fault_at(3, 1) == "merged"
    assert table.fault_at(3, 0) is None


def test_merged_headings_are_refused(tmp_path: Path) -> None:
    table = Table(workbook(tmp_path, [["Serial number", None], ["P-1", "Pump"]], merge="A1:B1"))
    with pytest.raises(Invalid, match="heading"):
        headings_of(table, KNOWN)


def zipped(folder: Path, entries: dict[str, bytes]) -> Path:
    path = folder / "list.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, entry: str, content: bytes) -> Path:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    return zipped(path.parent, entries | {entry: content})


@pytest.mark.parametrize("cell", ["XFD1", "A1048576", "ZZ200000"])
def test_sheet_with_a_cell_far_away_is_refused(tmp_path: Path, cell: str) -> None:
    path = workbook(tmp_path, [["Serial number"], ["P-1"]])
    sheet = (
        f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row><c r="{cell}">'
    )
    path = changed(path, "xl/worksheets/sheet1.xml", f"{sheet}<v>1</v></c></row></sheetData></worksheet>".encode())
    with pytest.raises(Invalid) as refused:
        Table(path)
    assert refused.value.params["reason"] == "sheet_size"


def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = changed(workbook(tmp_path, [["Serial number"]]), "xl/media/big.bin", b"\0" * (40 * 1024 * 1024))
    with pytest.raises(Invalid) as refused:
        Table(path)
    assert refused.value.params["reason"] == "zip_bomb"


def test_entry_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = changed(workbook(tmp_path, [["Serial number"]]), "xl/media/big.bin", b"abc" * 100_000)
    told = (300_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(told, (100).to_bytes(4, "little")))
    with pytest.raises(Invalid) as refused:
        Table(path)
    assert refused.value.params["reason"] == "damaged"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xd0\xcf\x11\xe0rest", "old_workbook"),
        (b"PK\x03\x04nothing", "damaged"),
        (b"a,b\n1,\x00\n", "not_a_table"),
        (b'a,b\n"never closed,1\n2,3\n', "quotes"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        list(Table(written(tmp_path, content)).rows())
    assert refused.value.params["reason"] == reason


@pytest.mark.parametrize(
    ("cell", "read"),
    [("12,5", 12.5), ("1,234,567", 1234567), ("1,234.5", 1234.5), ("１２", 12), (7, 7), ("-3e2", -300), (" 4 ", 4)],
)
def test_numbers_as_people_write_them(cell: Any, read: float) -> None:
    assert read_number(cell) == read


@pytest.mark.parametrize("cell", ["1,234", "abc", "", "nan", "inf", "1e999", True, "12.5.1", "0x10"])
def test_numbers_that_are_none_or_two(cell: Any) -> None:
    with pytest.raises(CellFault):
        read_number(cell)


@pytest.mark.parametrize(
    "cell",
    ["2026-03-01", "2026/3/1", "2026年3月1日", "1.3.2026", "20260301", "2026-03-01T00:00:00Z", datetime(2026, 3, 1)],  # noqa: DTZ001
)
def test_dates_as_people_write_them(cell: Any) -> None:
    assert read_moment(cell) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["03/01/2026", "2026-02-30", "soon", 45000, "0001-01-01", "9999-12-31"])
def test_dates_that_are_none_or_two(cell: Any) -> None:
    with pytest.raises(CellFault):
        read_moment(cell)


@pytest.mark.parametrize("said", ["=1+1", "+49 170", "-5 C", "@home", "\tx"])
def test_formulas_go_out_as_text_and_come_back_as_they_were(said: str) -> None:
    assert neutral(said) == f"'{said}"
    assert plain_text(neutral(said)) == said.strip()
    assert f"'{said}" in b"".join(export_csv(["a"], [[said]])).decode()


def test_columns_are_guessed_in_both_languages_and_the_kind_with_them() -> None:
    columns = [Column(0, "设备序列号"), Column(2, "Name"), Column(3, "customer no"), Column(4, "custom.color")]
    assert guess(columns, KINDS["assets"].fields) == {0: "serial", 2: "name", 3: "customer", 4: "custom.color"}
    for kind in KINDS.values():
        for language in ("en", "zh"):
            headings = [Column(at, getattr(each, language)) for at, each in enumerate(kind.fields)]
            found = guess_kind(headings)
            assert found is not None
            assert (found.name, language) == (kind.name, language)
            assert set(guess(headings, kind.fields).values()) == {each.name for each in kind.fields}


def test_mapping_names_what_is_missing_doubled_or_unknown() -> None:
    fields = KINDS["customers"].fields
    for chosen, reason in (({0: "number"}, "missing"), ({0: "number", 1: "number"}, "twice"), ({0: "x"}, "field")):
        with pytest.raises(Invalid) as refused:
            check(chosen, fields, custom=False)
        assert refused.value.params["reason"] == reason


def test_cells_are_named_as_spreadsheets_do() -> None:
    assert [cell_name(17, column) for column in (1, 25, 26, 701)] == ["B17", "Z17", "AA17", "ZZ17"]
    field = Field("lifecycle", "Lifecycle", "生命周期", "choice", choices={"in_service": ("在用",)})
    assert field.read("在用") == field.read("In Service") == "in_service"
