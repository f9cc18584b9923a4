"""Imports over HTTP: upload, look at the columns, try, carry out; the lists that can be imported; saved mappings."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.errors import Conflict, Invalid, NotFound
from assets.documents.store import FileTooLarge
from assets.imports.exporting import export_csv, export_xlsx
from assets.imports.fields import Field as Cell
from assets.imports.fields import cell_name, letters
from assets.imports.kinds import KINDS, kind_named
from assets.imports.kinds.base import Kind
from assets.imports.runs import STARTABLE, ImportMapping, ImportRun
from assets.imports.service import choose, keep_mapping, start, take_in
from assets.imports.tables import MAX_BYTES
from assets.people import Person
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.sheets import SHEET_TYPE
from gateway.api.uploads import Upload, form_of
from gateway.files import file_store
from gateway.wording import words

router = APIRouter(prefix="/api/v1", tags=["imports"])

ACTION = "import.run"
_FORM = {
    "kind": "which list; guessed from the headings when left out",
    "sheet": "of a workbook; the first when left out",
    "mapping": "name of a saved mapping",
    "start": "no (default), check (a dry run) or run",
}


class FieldRow(BaseModel):
    """A column that a list knows."""

    name: str
    label_en: str
    label_zh: str
    kind: str
    required: bool
    key: bool
    choices: list[str]
    hint_en: str
    hint_zh: str


class KindRow(BaseModel):
    """A list that can be imported."""

    name: str
    label_en: str
    label_zh: str
    custom: bool
    fields: list[FieldRow]


class KindList(BaseModel):
    """All lists that can be imported."""

    items: list[KindRow]
    next: str | None = None


class ColumnRow(BaseModel):
    """A column of the file and the field that it fills."""

    index: int
    letter: str
    heading: str
    samples: list[str]
    field: str | None


class FaultRow(BaseModel):
    """What is wrong in a cell, in both languages."""

    cell: str
    row: int
    column: str | None
    field: str | None
    code: str
    params: dict[str, Any]
    en: str
    zh: str


class PersonName(BaseModel):
    """Who."""

    id: UUID
    name: str


class ImportItem(BaseModel):
    """One import; after a dry run the counts say what would happen."""

    id: UUID
    kind: str | None
    file_name: str
    size_bytes: int
    state: str
    dry_run: bool
    rows_total: int | None
    rows_done: int
    inserted: int
    updated: int
    unchanged: int
    faulty: int
    error_count: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    created_by: PersonName | None


class ImportDetail(ImportItem):
    """One import with its columns and what is wrong in its cells, the first 500."""

    sheet: str | None
    sheets: list[str]
    heading_row: int
    columns: list[ColumnRow]
    errors: list[FaultRow]
    legal: list[str]


class ImportPage(BaseModel):
    """A page of imports, newest first."""

    items: list[ImportItem]
    next: str | None


class ColumnChoice(BaseModel):
    """Where a column goes; null: nowhere."""

    index: int = Field(ge=0, le=1000)
    field: str | None = Field(default=None, max_length=100)


class Start(BaseModel):
    """Begin: as a dry run or for good. `columns` replaces the whole mapping."""

    dry_run: bool = True
    kind: str | None = None
    sheet: str | None = Field(default=None, max_length=200)
    columns: list[ColumnChoice] | None = Field(default=None, max_length=1000)
    save_as: str | None = Field(default=None, min_length=1, max_length=100)


class MappingRow(BaseModel):
    """A mapping kept by name."""

    id: UUID
    name: str
    kind: str
    columns: dict[str, str | None]


class MappingList(BaseModel):
    """All kept mappings."""

    items: list[MappingRow]
    next: str | None = None


@router.get("/imports/kinds", operation_id="list_import_kinds")
def list_import_kinds(here: Here) -> KindList:
    """The lists that can be imported, with their columns."""
    here.require(ACTION)
    return KindList(items=[_kind(kind) for kind in KINDS.values()])


@router.get("/imports/kinds/{kind}/template", operation_id="get_import_template", response_class=Response)
def get_import_template(
    kind: str, here: Here, format: Literal["csv", "xlsx"] = "xlsx", language: Literal["en", "zh"] = "en"
) -> Response:
    """An empty file with the headings of a list."""
    here.require(ACTION)
    wanted = _known(kind)
    headings = headings_in(wanted.fields, language)
    name = f"{wanted.name}.{format}"
    if format == "csv":
        return file_response(b"".join(export_csv(headings, [])), "text/csv; charset=utf-8", name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        export_xlsx(path, wanted.en if language == "en" else wanted.zh, headings, [])
        return file_response(path.read_bytes(), SHEET_TYPE, name)


@router.post("/imports", operation_id="create_import", status_code=201, openapi_extra=form_of(_FORM))
def create_import(here: Here, sent: Upload) -> ImportDetail:
    """Take in a CSV or XLSX file; with `start` it runs at once."""
    here.require(ACTION)
    how = sent.fields.get("start") or "no"
    if how not in ("no", "check", "run"):
        raise Invalid("start is no, check or run", field="start", allowed=["no", "check", "run"])
    files = file_store(here.settings)
    try:
        content, size = files.put(sent.file, MAX_BYTES)
    except FileTooLarge as error:
        raise TooLarge(f"a table file has at most {MAX_BYTES} bytes", most=MAX_BYTES) from error
    kind = sent.fields.get("kind") or None
    if kind is not None:
        here.require(_known(kind).action)
    run = take_in(
        here.session,
        files,
        content,
        size,
        name=sent.name,
        kind=kind,
        sheet=sent.fields.get("sheet") or None,
        kept=sent.fields.get("mapping") or None,
        actor=here.actor,
        now=here.now,
    )
    if how != "no":
        _start(here, run, dry_run=how == "check")
    return _detail(here, run)


@router.get("/imports", operation_id="list_imports")
def list_imports(here: Here, limit: Limit = 50, after: After = None) -> ImportPage:
    """Imports, newest first."""
    here.require(ACTION)
    found = select(ImportRun).order_by(ImportRun.created_at.desc(), ImportRun.id.desc()).limit(limit + 1)
    if after:
        at, key = read_cursor(after, aware, UUID)
        found = found.where(tuple_(ImportRun.created_at, ImportRun.id) < tuple_(at, key))
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    following = cursor_of(page[-1].created_at.isoformat(), page[-1].id) if len(rows) > limit else None
    return ImportPage(items=[ImportItem(**_item(here, run)) for run in page], next=following)


@router.get("/imports/{import_id}", operation_id="get_import")
def get_import(import_id: UUID, here: Here) -> ImportDetail:
    """One import: how far it is, what it found, what is wrong in which cell."""
    here.require(ACTION)
    return _detail(here, _run(here, import_id))


@router.post("/imports/{import_id}/start", operation_id="start_import", status_code=202)
def start_import(import_id: UUID, body: Start, here: Here) -> ImportDetail:
    """Carry the import out, or try it. A single faulty cell: nothing is stored."""
    here.require(ACTION)
    run = _run(here, import_id, lock=True)
    if body.kind is not None:
        _known(body.kind)
    fields = None
    if body.columns is not None:
        fields = {each.index: each.field for each in body.columns if each.field}
        if set(fields) - {each["index"] for each in run.columns}:
            raise Invalid("no such column", field="columns", reason="index")
    choose(here.session, file_store(here.settings), run, body.kind, body.sheet, fields)
    _start(here, run, dry_run=body.dry_run)
    if body.save_as:
        keep_mapping(here.session, run, body.save_as.strip(), here.now)
    return _detail(here, run)


@router.delete("/imports/{import_id}", operation_id="delete_import", status_code=204)
def delete_import(import_id: UUID, here: Here) -> None:
    """Forget an import that does not run; what it stored stays."""
    here.require(ACTION)
    run = _run(here, import_id, lock=True)
    if run.state in ("waiting", "running"):
        raise Conflict(f"this import is {run.state}", state=run.state)
    here.session.delete(run)


@router.get("/import-mappings", operation_id="list_import_mappings")
def list_import_mappings(here: Here, kind: str | None = None) -> MappingList:
    """Mappings kept by name."""
    here.require(ACTION)
    found = select(ImportMapping).where(ImportMapping.organisation_id == here.actor.organisation_id)
    if kind:
        found = found.where(ImportMapping.kind == kind)
    rows = here.session.scalars(found.order_by(ImportMapping.kind, ImportMapping.name).limit(500))
    return MappingList(items=[MappingRow(id=m.id, name=m.name, kind=m.kind, columns=m.columns) for m in rows])


@router.delete("/import-mappings/{mapping_id}", operation_id="delete_import_mapping", status_code=204)
def delete_import_mapping(mapping_id: UUID, here: Here) -> None:
    """Forget a mapping."""
    here.require(ACTION)
    found = here.session.get(ImportMapping, mapping_id)
    if found is None:
        raise NotFound("no such mapping")
    here.session.delete(found)


def headings_in(fields: Sequence[Cell], language: str) -> list[str]:
    """Return the headings of a list's columns."""
    return [each.zh if language == "zh" else each.en for each in fields]


def file_response(content: bytes, media_type: str, name: str) -> Response:
    """Return a file that a browser saves and never opens in place."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)


def _start(here: Context, run: ImportRun, *, dry_run: bool) -> None:
    if not run.kind:
        raise Invalid("say which list this is", field="kind", allowed=list(KINDS))
    here.require(_known(run.kind).action)
    start(here.session, run, dry_run=dry_run, now=here.now)


def _known(kind: str) -> Kind:
    return kind_named(kind)


def _run(here: Context, import_id: UUID, *, lock: bool = False) -> ImportRun:
    run = here.session.get(ImportRun, import_id, with_for_update=lock)
    if run is None:
        raise NotFound("no such import")
    return run


def _kind(kind: Kind) -> KindRow:
    fields = [
        FieldRow(
            name=each.name,
            label_en=each.en,
            label_zh=each.zh,
            kind=each.kind,
            required=each.required,
            key=each.name in kind.key,
            choices=list(each.choices),
            hint_en=each.hint_en,
            hint_zh=each.hint_zh,
        )
        for each in kind.fields
    ]
    return KindRow(name=kind.name, label_en=kind.en, label_zh=kind.zh, custom=kind.custom, fields=fields)


def _item(here: Context, run: ImportRun) -> dict[str, Any]:
    by = here.session.get(Person, run.created_by_id) if run.created_by_id else None
    plain = ("id", "file_name", "size_bytes", "state", "dry_run", "rows_total", "rows_done", "inserted", "updated")
    more = ("unchanged", "faulty", "created_at", "started_at", "finished_at")
    return {name: getattr(run, name) for name in (*plain, *more)} | {
        "kind": run.kind or None,
        "error_count": run.fault_count,
        "created_by": PersonName(id=by.id, name=by.name) if by else None,
    }


def _detail(here: Context, run: ImportRun) -> ImportDetail:
    kind = KINDS.get(run.kind)
    labels = {each.name: each for each in kind.fields} if kind else {}
    return ImportDetail(
        **_item(here, run),
        sheet=run.sheet,
        sheets=run.sheets,
        heading_row=run.heading_row,
        columns=[ColumnRow(letter=letters(each["index"]), **each) for each in run.columns],
        errors=[fault_row(each, labels) for each in run.faults],
        legal=["start", "delete"] if run.state in STARTABLE else ["delete"] if run.state == "done" else [],
    )


def fault_row(fault: dict[str, Any], labels: dict[str, Cell]) -> FaultRow:
    """Return a stored fault with its words."""
    field = labels.get(fault["field"] or "")
    params = fault["params"]
    said = words(
        "import.fault.",
        fault["code"],
        params | {"label_en": field.en if field else fault["field"], "label_zh": field.zh if field else fault["field"]},
    )
    column = fault["column"]
    return FaultRow(
        cell=cell_name(fault["row"], column) if fault["row"] else "",
        row=fault["row"],
        column=letters(column) if column is not None else None,
        field=fault["field"],
        code=fault["code"],
        params=params,
        en=said.en,
        zh=said.zh,
    )
