"""Sheets of QR labels as PDF: squares that a phone reads, with name, serial number and code beside them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from gateway import texts
from gateway.history_files import draw, width
from gateway.qr import qr_modules

QUIET = 4  # white modules around, as the standard asks


@dataclass(frozen=True, slots=True)
class Layout:
    """How labels lie on a page; lengths in millimetres."""

    columns: int
    rows: int
    width_mm: float
    height_mm: float
    page_mm: tuple[float, float] = (A4[0] / mm, A4[1] / mm)


LAYOUTS = {
    "3x8": Layout(3, 8, 70, 37),
    "2x5": Layout(2, 5, 105, 57),
    "1x1": Layout(1, 1, 62, 40, (62, 40)),
}


@dataclass(frozen=True, slots=True)
class LabelText:
    """What one label says; a free one has neither name nor serial number."""

    url: str
    code: str
    name: str = ""
    serial: str = ""


def label_sheet(language: str, layout: Layout, labels: Sequence[LabelText], skip: int = 0) -> bytes:
    """Return the PDF; `skip`: so many labels of the first sheet are used up already."""
    out = io.BytesIO()
    wide, high = layout.page_mm[0] * mm, layout.page_mm[1] * mm
    canvas = Canvas(out, pagesize=(wide, high))
    canvas.setTitle(texts.text(language, "label.sheet"))
    left = (wide - layout.columns * layout.width_mm * mm) / 2
    top = high - (high - layout.rows * layout.height_mm * mm) / 2
    each = layout.columns * layout.rows
    for number, label in enumerate(labels, skip % each):
        place = number % each
        if place == 0 and number > skip % each:
            canvas.showPage()
        column, row = place % layout.columns, place // layout.columns
        x = left + column * layout.width_mm * mm
        y = top - (row + 1) * layout.height_mm * mm
        _draw(canvas, language, layout, label, x, y)
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, language: str, layout: Layout, label: LabelText, x: float, y: float) -> None:
    margin = 2.5 * mm
    side = min(layout.height_mm * mm - 2 * margin, layout.width_mm * mm * 0.5)
    square(canvas, label.url, x + margin, y + (layout.height_mm * mm - side) / 2, side)
    start = x + margin + side + 1.5 * mm
    room = layout.width_mm * mm - side - 2 * margin - 1.5 * mm
    line = y + layout.height_mm * mm - margin - 9
    for words, size, most in (
        (label.name or texts.text(language, "label.free"), 9, 2),
        (f"{texts.text(language, 'page.serial')} {label.serial}" if label.serial else "", 7, 2),
        (label.code, 8, 1),
        (texts.text(language, "label.scan"), 6.5, 2),
    ):
        for part in _lines(words, size, room)[:most]:
            draw(canvas, part, start, line, size)
            line -= size * 1.25
        line -= 1.5 if words else 0


def _lines(words: str, size: float, room: float) -> list[str]:
    """Break at blanks where there are some, else anywhere: Chinese, and long serial numbers."""
    lines, left = [], words.strip()
    while left:
        count = len(left)
        while count > 1 and width(left[:count], size) > room:
            count -= 1
        blank = left.rfind(" ", 1, count + 1)
        cut = blank if count < len(left) and blank > 0 else count
        lines.append(left[:cut].rstrip())
        left = left[cut:].lstrip()
    return lines


def square(canvas: Canvas, url: str, x: float, y: float, side: float) -> None:
    modules = qr_modules(url)
    unit = side / (len(modules) + 2 * QUIET)
    for row, line in enumerate(modules):
        for column, black in enumerate(line):
            if black:
                canvas.rect(
                    x + (column + QUIET) * unit, y + side - (row + QUIET + 1) * unit, unit, unit, stroke=0, fill=1
                )
