"""An asset's history as a file: CSV for programs, PDF to print, in either language."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, LongTable, PageTemplate, Paragraph, Spacer, TableStyle

from assets.imports.exporting import export_csv
from gateway import texts

# Fonts that a PDF can carry whole; others (with PostScript outlines, such as Noto CJK) cannot be embedded this way.
_FONTS = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
)
_NEEDED = "中履，"
_LATIN = "Helvetica"  # what is Latin is drawn with it: some Chinese fonts have nothing else than Chinese
_READERS_OWN = "STSong-Light"  # known to every PDF reader, and therefore not in the file
MAX_PDF_ROWS = 3000  # some sixty pages


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that happened, in words."""

    at: datetime
    group: str
    kind: str
    said: str
    who: str
    work_order: str
    intact: bool
    hash: str


@dataclass(frozen=True, slots=True)
class HistoryOf:
    """Whose history it is, and which part of it."""

    name: str
    serial: str
    model: str
    customer: str
    site: str
    since: datetime | None
    until: datetime | None
    made_at: datetime
    zone: tzinfo


def history_csv(language: str, rows: Iterable[HistoryRow]) -> Iterator[bytes]:
    """Yield the file."""
    names = ("at", "group", "kind", "said", "who", "work_order", "intact", "hash")
    headings = [texts.text(language, f"history.{name}") for name in names]
    yield from export_csv(
        headings,
        (
            (
                row.at.isoformat(),
                texts.text(language, f"history.group.{row.group}"),
                row.kind,
                row.said,
                row.who,
                row.work_order,
                row.intact,
                row.hash,
            )
            for row in rows
        ),
    )


def history_pdf(language: str, of: HistoryOf, rows: Sequence[HistoryRow]) -> bytes:
    """Return the file; Chinese in it is readable whatever fonts this machine has."""
    plain = ParagraphStyle("plain", fontName=_LATIN, fontSize=8.5, leading=11.5, wordWrap="CJK")
    small = ParagraphStyle("small", parent=plain, fontSize=7.5, leading=10, textColor=colors.HexColor("#566472"))
    title = ParagraphStyle("title", parent=plain, fontSize=15, leading=20)

    def said(code: str, **params: object) -> str:
        return texts.text(language, f"history.{code}", **params)

    out = io.BytesIO()
    page = BaseDocTemplate(
        out, pagesize=A4, leftMargin=16 * mm, rightMargin=16 * mm, topMargin=16 * mm, bottomMargin=18 * mm
    )
    page.title, page.author = f"{said('title')} {of.serial}", "Forewarn"
    frame = Frame(page.leftMargin, page.bottomMargin, page.width, page.height, id="all")
    footer = said("footer", serial=of.serial, at=texts.moment(language, of.made_at, of.zone))
    page.addPageTemplates([PageTemplate("all", [frame], onPage=lambda canvas, _: _foot(canvas, footer))])
    facts = [of.model, f"{said('serial')} {of.serial}", of.customer, of.site]
    chain = "whole" if all(row.intact for row in rows) else "broken"
    story = [
        Paragraph(marked(f"{said('title')}: {of.name}"), title),
        Paragraph(marked(" · ".join(each for each in facts if each)), plain),
        Paragraph(marked(_span(language, of)), small),
        Paragraph(marked(said(f"chain_{chain}", count=sum(1 for row in rows if not row.intact))), small),
        Spacer(1, 5 * mm),
    ]
    head = [Paragraph(marked(said(each)), small) for each in ("at", "group", "said", "who")]
    lines = [
        [
            Paragraph(marked(texts.moment(language, row.at, of.zone)), plain),
            Paragraph(marked(said(f"group.{row.group}")), plain),
            Paragraph(marked(_sentence(row)), plain),
            Paragraph(marked(row.who), plain),
        ]
        for row in rows[:MAX_PDF_ROWS]
    ]
    if not lines:
        story.append(Paragraph(marked(said("empty")), plain))
    else:
        table = LongTable([head, *lines], colWidths=[33 * mm, 22 * mm, 95 * mm, 28 * mm], repeatRows=1)
        table.setStyle(TableStyle(_LINES))
        story.append(table)
    if len(rows) > MAX_PDF_ROWS:
        story.append(Paragraph(marked(said("more", count=len(rows) - MAX_PDF_ROWS)), small))
    page.build(story)
    return out.getvalue()


_LINES: Any = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#e1e7ec")),
    ("TOPPADDING", (0, 0), (-1, -1), 3),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ("LEFTPADDING", (0, 0), (-1, -1), 2),
]


def _sentence(row: HistoryRow) -> str:
    marks = f" ({row.work_order})" if row.work_order else ""
    return f"{row.said}{marks}{'' if row.intact else ' (!)'}"


def _span(language: str, of: HistoryOf) -> str:
    since = texts.day(language, of.since, of.zone) if of.since else "..."
    until = texts.day(language, of.until or of.made_at, of.zone)
    return texts.text(language, "history.span", since=since, until=until)


def draw(canvas: Canvas, words: str, x: float, y: float, size: float) -> None:
    """Write one line."""
    for font, piece in runs(words):
        canvas.setFont(font, size)
        canvas.drawString(x, y, piece)
        x += pdfmetrics.stringWidth(piece, font, size)


def width(words: str, size: float) -> float:
    """Return how long a line is."""
    return sum(pdfmetrics.stringWidth(piece, font, size) for font, piece in runs(words))


def _foot(canvas: Canvas, footer: str) -> None:
    canvas.saveState()
    canvas.setFillColor(colors.HexColor("#566472"))
    draw(canvas, footer, 16 * mm, 10 * mm, 7.5)
    canvas.setFont(_LATIN, 7.5)
    canvas.drawRightString(A4[0] - 16 * mm, 10 * mm, str(canvas.getPageNumber()))
    canvas.restoreState()


def runs(words: str) -> list[tuple[str, str]]:
    """Return the words in pieces, each with the font that has its characters."""
    latin = [ord(each) < 256 for each in words]
    edges = [0, *(at for at in range(1, len(words)) if latin[at] != latin[at - 1]), len(words)]
    return [
        (_LATIN if latin[first] else font_name(), words[first:last]) for first, last in pairwise(edges) if last > first
    ]


def marked(words: str) -> str:
    """Return the words as a paragraph's markup."""
    return "".join(f'<font name="{font}">{escape(piece)}</font>' for font, piece in runs(words))


@cache
def font_name() -> str:
    """Return a font with Chinese: one of this machine's that goes into the file, else the reader's own."""
    for path in _FONTS:
        if Path(path).is_file():
            try:
                font = TTFont("ForewarnCJK", path)
            except TTFError:
                continue
            if all(ord(each) in font.face.charToGlyph for each in _NEEDED):
                pdfmetrics.registerFont(font)
                return font.fontName
    pdfmetrics.registerFont(UnicodeCIDFont(_READERS_OWN))
    return _READERS_OWN
