"""Exports: every list as CSV or XLSX, those that can be imported with the same columns."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel

from assets.base.access import may
from assets.base.errors import Invalid, NotFound
from assets.imports.kinds import KINDS
from assets.imports.kinds.base import ONLY, pages
from gateway.api.deps import Context, Here
from gateway.api.downloads import TooManyExports
from gateway.api.export_lists import LISTINGS
from gateway.api.imports import headings_in
from gateway.api.list_walk import PAGING, filters_of, heading, ids_of, lists, table_of, walk
from gateway.api.sheets import Format, sheet_file

router = APIRouter(prefix="/api/v1", tags=["imports"])

AT_ONCE = 3  # a workbook of 100,000 rows keeps a core busy for a quarter of a minute

_places = threading.BoundedSemaphore(AT_ONCE)


class ExportRow(BaseModel):
    """A list that can be written out."""

    name: str
    label_en: str
    label_zh: str
    importable: bool


class ExportList(BaseModel):
    """All lists that the actor may have."""

    items: list[ExportRow]
    next: str | None = None


@router.get("/exports", operation_id="list_exports")
def list_exports(here: Here) -> ExportList:
    """The lists that can be written out."""
    here.require("export.read")
    items = [
        ExportRow(name=kind.name, label_en=kind.en, label_zh=kind.zh, importable=True)
        for kind in KINDS.values()
        if may(here.actor, kind.read_action)
    ]
    items += [
        ExportRow(name=each.name, label_en=each.en, label_zh=each.zh, importable=False)
        for each in LISTINGS.values()
        if may(here.actor, each.action)
    ]
    known = {each.name for each in items} | KINDS.keys() | LISTINGS.keys()
    items += [
        ExportRow(name=name, label_en=heading((name,), "en"), label_zh=heading((name,), "zh"), importable=False)
        for name in sorted(lists().keys() - known)
    ]
    return ExportList(items=items)


@router.get("/exports/{name}", operation_id="get_export", response_class=FileResponse)
def get_export(
    name: str,
    here: Here,
    request: Request,
    format: Format = "csv",
    language: Literal["en", "zh"] = "en",
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> FileResponse:
    """All rows of a list that the actor sees, under the same filters as the list itself takes."""
    here.require("export.read")
    asked = {key: value for key, value in request.query_params.items() if key not in {"format", "language", *PAGING}}
    title, headings, rows = _wanted(here, name, language, {k: v for k, v in asked.items() if v.strip()})
    if not _places.acquire(blocking=False):
        raise TooManyExports(f"{AT_ONCE} exports are being made already", at_once=AT_ONCE)
    try:
        return sheet_file(f"{name}-{here.now:%Y-%m-%d}", headings, rows, format, title=title)
    finally:
        _places.release()


def _wanted(
    here: Context, name: str, language: str, asked: dict[str, str]
) -> tuple[str, Sequence[str], Iterator[Sequence[Any]]]:
    """Return title, headings and rows. Raises NotFound, and Invalid for a filter that the list does not know."""
    kind, listing, route = KINDS.get(name), LISTINGS.get(name), lists().get(name)
    if kind is None and listing is None and route is None:
        raise NotFound(f"no list {name!r}")
    here.require(kind.read_action if kind else listing.action if listing else "export.read")
    filters = filters_of(route) if route else set()
    unknown = sorted(asked.keys() - filters - {"q"})
    if unknown:
        raise Invalid(f"this list has no filter {', '.join(unknown)}", field=unknown[0], allowed=sorted(filters))
    narrowing = {key: value for key, value in asked.items() if key in filters}
    words = asked.get("q") if "q" not in filters else None
    if kind is None and listing is None:
        assert route is not None
        headings, rows = table_of(route, walk(route, here, narrowing), language)
        return heading((name,), language), headings, _holding(rows, words) if words else rows
    if narrowing and route is not None:
        here.session.info[ONLY] = (name, ids_of(route, here, narrowing))
    if kind is not None:
        title, headings = (kind.zh if language == "zh" else kind.en), headings_in(kind.fields, language)
        rows = kind.rows(here.session)
    else:
        assert listing is not None
        title = listing.zh if language == "zh" else listing.en
        headings = [zh if language == "zh" else en for en, zh in listing.columns]
        rows = pages(here.session, listing.statement, len(listing.columns))
    return title, headings, _holding(rows, words) if words else rows


def _holding(rows: Iterator[Sequence[Any]], asked: str) -> Iterator[Sequence[Any]]:
    words = asked.casefold().split()
    for row in rows:
        said = " ".join(str(each) for each in row if each is not None).casefold()
        if all(word in said for word in words):
            yield row
