"""Exports: every list as CSV or XLSX, those that can be imported with the same columns."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

from assets.base.access import may
from assets.base.errors import NotFound
from assets.imports.exporting import export_csv, export_xlsx
from assets.imports.kinds import KINDS
from assets.imports.kinds.base import pages
from gateway.api.deps import Here
from gateway.api.downloads import TooManyExports
from gateway.api.imports import SHEET_TYPE, headings_in

router = APIRouter(prefix="/api/v1", tags=["imports"])

AT_ONCE = 3  # a workbook of 100,000 rows keeps a core busy for a quarter of a minute

_places = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is only written out. `columns`: (English, Chinese) heading for each column of the statement."""

    name: str
    en: str
    zh: str
    action: str
    columns: tuple[tuple[str, str], ...]
    statement: str


LISTINGS: dict[str, Listing] = {
    each.name: each
    for each in (
        Listing(
            "devices",
            "Devices",
            "终端",
            "device.read",
            (("Serial number", "序列号"), ("Presence", "在线状态"), ("Last seen", "最近在线")),
            "SELECT serial, presence, last_seen_at FROM devices ORDER BY serial, id",
        ),
        Listing(
            "work_orders",
            "Work orders",
            "工单",
            "work_order.read",
            (
                ("Number", "编号"),
                ("Asset serial", "设备序列号"),
                ("Asset", "设备"),
                ("Origin", "来源"),
                ("Kind", "类型"),
                ("Priority", "优先级"),
                ("State", "状态"),
                ("Opened", "创建时间"),
                ("Closed", "关闭时间"),
                ("Outcome", "结果"),
                ("Repair code", "维修代码"),
            ),
            "SELECT w.number, a.serial, a.name, w.origin, w.kind, w.priority, w.state, w.opened_at, w.closed_at,"
            " w.outcome, w.repair_code FROM work_orders w LEFT JOIN assets a ON a.id = w.asset_id"
            " ORDER BY w.opened_at DESC, w.id",
        ),
        Listing(
            "requests",
            "Requests",
            "报修",
            "request.read",
            (
                ("Number", "编号"),
                ("Asset serial", "设备序列号"),
                ("Channel", "渠道"),
                ("Text", "内容"),
                ("State", "状态"),
                ("Created", "创建时间"),
                ("Decided", "受理时间"),
                ("Work order", "工单"),
            ),
            "SELECT r.number, a.serial, r.channel, r.text, r.state, r.created_at, r.decided_at, w.number"
            " FROM requests r LEFT JOIN assets a ON a.id = r.asset_id LEFT JOIN work_orders w"
            " ON w.id = r.work_order_id ORDER BY r.created_at DESC, r.id",
        ),
        Listing(
            "findings",
            "Findings",
            "发现",
            "finding.read",
            (
                ("Asset serial", "设备序列号"),
                ("Detector", "检测器"),
                ("Signature", "特征"),
                ("Severity", "严重程度"),
                ("First", "开始"),
                ("Last", "最近"),
                ("Cleared", "消除"),
            ),
            "SELECT a.serial, f.detector, f.signature, f.severity, f.first_at, f.last_at, f.cleared_at FROM findings f"
            " LEFT JOIN assets a ON a.id = f.asset_id ORDER BY f.first_at DESC, f.id",
        ),
    )
}


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
    return ExportList(items=items)


@router.get("/exports/{name}", operation_id="get_export", response_class=FileResponse)
def get_export(
    name: str, here: Here, format: Literal["csv", "xlsx"] = "csv", language: Literal["en", "zh"] = "en"
) -> FileResponse:
    """All rows of a list that the actor sees."""
    here.require("export.read")
    kind, listing = KINDS.get(name), LISTINGS.get(name)
    if kind is not None:
        here.require(kind.read_action)
        title, headings = (kind.zh if language == "zh" else kind.en), headings_in(kind.fields, language)
        rows: Iterator[Sequence[Any]] = kind.rows(here.session)
    elif listing is not None:
        here.require(listing.action)
        title = listing.zh if language == "zh" else listing.en
        headings = [zh if language == "zh" else en for en, zh in listing.columns]
        rows = pages(here.session, listing.statement, len(listing.columns))
    else:
        raise NotFound(f"no list {name!r}")
    if not _places.acquire(blocking=False):
        raise TooManyExports(f"{AT_ONCE} exports are being made already", at_once=AT_ONCE)
    try:
        path = _made(title, headings, rows, format)
    finally:
        _places.release()
    media_type = SHEET_TYPE if format == "xlsx" else "text/csv; charset=utf-8"
    return FileResponse(
        path,
        media_type=media_type,
        filename=f"{name}-{here.now:%Y-%m-%d}.{format}",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _made(title: str, headings: Sequence[str], rows: Iterator[Sequence[Any]], format: str) -> Path:
    with tempfile.NamedTemporaryFile(prefix="forewarn-export-", suffix=f".{format}", delete=False) as file:
        path = Path(file.name)
        try:
            if format == "csv":
                for piece in export_csv(headings, rows):
                    file.write(piece)
            else:
                export_xlsx(path, title, headings, rows)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path
