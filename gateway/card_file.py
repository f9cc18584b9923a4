"""An electronic warranty card as a PDF, in either language: one page with the clauses and a code to check it by."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, tzinfo

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, LongTable, PageTemplate, Paragraph, Spacer, Table, TableStyle

from assets.registry import Asset, AssetModel
from assets.warranty.known import zone_of
from gateway import texts
from gateway.api.deps import Context
from gateway.history_files import draw, marked
from gateway.label_sheet import square
from gateway.pages.warranty import Warranty, warranty_of

_INK, _QUIET, _LINE = colors.HexColor("#10242c"), colors.HexColor("#566472"), colors.HexColor("#d5dee3")
_SIDE = 30 * mm


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What stands on a card; `customer` only for those who may see whose it is."""

    warranty: Warranty
    machine: str
    serial: str
    model: str
    manufacturer: str
    customer: str | None
    url: str
    made_at: datetime
    zone: tzinfo


def facts_of(here: Context, asset: Asset, language: str, customer: str | None = None) -> CardFacts:
    """Return what the card of a machine says."""
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    named = (model.name_zh if language == "zh" else model.name_en) if model else ""
    return CardFacts(
        warranty=warranty_of(here.session, asset, here.now),
        machine=asset.name,
        serial=asset.serial,
        model=named or (model.name_en if model else ""),
        manufacturer=(model.manufacturer or "") if model else "",
        customer=customer,
        url=f"{here.settings.base_url}/a/{asset.code}",
        made_at=here.now,
        zone=zone_of(here.session, asset)[0],
    )


def card_pdf(language: str, facts: CardFacts) -> bytes:
    """Return the file."""
    plain = ParagraphStyle("plain", fontName="Helvetica", fontSize=10, leading=14, wordWrap="CJK", textColor=_INK)
    small = ParagraphStyle("small", parent=plain, fontSize=8.5, leading=12, textColor=_QUIET)
    title = ParagraphStyle("title", parent=plain, fontSize=20, leading=26)
    out = io.BytesIO()
    page = BaseDocTemplate(
        out, pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=20 * mm, bottomMargin=20 * mm
    )
    page.title, page.author = f"{_said(language, 'title')} {facts.warranty.number or facts.serial}", "Forewarn"
    frame = Frame(page.leftMargin, page.bottomMargin, page.width, page.height, id="all", leftPadding=0, rightPadding=0)
    page.addPageTemplates([PageTemplate("all", [frame], onPage=lambda canvas, _: _frame(canvas, language, facts))])
    rows = [[Paragraph(marked(name), small), Paragraph(marked(value), plain)] for name, value in _rows(language, facts)]
    table = Table(rows, colWidths=[38 * mm, page.width - 38 * mm - _SIDE - 6 * mm], hAlign="LEFT")
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0)]))
    story = [
        Paragraph(marked(_said(language, "title")), title),
        Paragraph(marked(_state(language, facts.warranty)), plain),
        Spacer(1, 6 * mm),
        table,
        Spacer(1, 6 * mm),
        *_clauses(language, facts.warranty, plain, small),
        Spacer(1, 6 * mm),
        Paragraph(marked(_said(language, "check", url=facts.url)), small),
    ]
    page.build(story)
    return out.getvalue()


def _said(language: str, code: str, **params: object) -> str:
    return texts.text(language, f"card.{code}", **params)


def _rows(language: str, facts: CardFacts) -> list[tuple[str, str]]:
    warranty = facts.warranty
    rows = [
        (_said(language, "number"), warranty.number or "–"),
        (_said(language, "machine"), facts.machine),
        (texts.text(language, "page.serial"), facts.serial),
        (_said(language, "model"), " · ".join(each for each in (facts.model, facts.manufacturer) if each)),
        (_said(language, "customer"), facts.customer or ""),
        (_said(language, "starts"), texts.calendar_day(language, warranty.starts_on) if warranty.starts_on else ""),
        (_said(language, "until"), texts.calendar_day(language, warranty.until) if warranty.until else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _state(language: str, warranty: Warranty) -> str:
    if warranty.state == "running" and warranty.until:
        return texts.text(language, "warranty.until", day=texts.calendar_day(language, warranty.until))
    return texts.text(language, f"warranty.state.{warranty.state}")


def _clauses(language: str, warranty: Warranty, plain: ParagraphStyle, small: ParagraphStyle) -> list[LongTable]:
    lines = []
    for line in warranty.lines:
        state = texts.text(language, f"warranty.line.{line.state}")
        day = texts.calendar_day(language, line.ends_on) if line.ends_on else None
        marks = f"{state} · {texts.text(language, 'warranty.line.until', day=day)}" if day else state
        lines.append([Paragraph(marked(line.text[language]), plain), Paragraph(marked(marks), small)])
    if not lines:
        return []
    table = LongTable(lines, colWidths=[115 * mm, 55 * mm])
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEABOVE", (0, 0), (-1, -1), 0.5, _LINE),
                ("LINEBELOW", (0, -1), (-1, -1), 0.5, _LINE),
                ("LEFTPADDING", (0, 0), (0, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 6),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
    )
    return [table]


def _frame(canvas: Canvas, language: str, facts: CardFacts) -> None:
    canvas.saveState()
    canvas.setFillColor(colors.HexColor("#0f766e"))
    canvas.rect(0, A4[1] - 8 * mm, A4[0], 8 * mm, stroke=0, fill=1)
    canvas.setFillColor(colors.black)
    if canvas.getPageNumber() == 1:
        square(canvas, facts.url, A4[0] - 20 * mm - _SIDE, A4[1] - 20 * mm - _SIDE, _SIDE)
    canvas.setFillColor(_QUIET)
    footer = _said(language, "footer", at=texts.moment(language, facts.made_at, facts.zone))
    draw(canvas, footer, 20 * mm, 10 * mm, 8)
    canvas.restoreState()
