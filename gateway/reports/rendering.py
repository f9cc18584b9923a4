"""Set a report as PDF/A-2b: a template of words, one font, nothing that changes between two runs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import typst

from gateway.reports.fonts import font
from gateway.reports.view import View
from ticketing.reports.facts import Facts

log = logging.getLogger(__name__)

STANDARD: Literal["a-2b"] = "a-2b"
MOST_CHARACTERS = 20_000  # of one text
_FOLDER = Path(__file__).parent / "templates"
_LONG = re.compile(r"[^\s\u2e80-\uffff]{28,}")
_BREAK = "\u200b"  # a word that is wider than its column may end here


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose signature the report carries."""

    name: str
    at: datetime


def render(
    facts: Facts, language: str, *, revision: int, content_hash: str, at: datetime, signed: Signed | None = None
) -> bytes:
    """Return the PDF. The same facts at the same moment are the same bytes. Raises NoFont."""
    view, chosen = View(facts, language), font()
    data = {
        "language": language,
        "family": chosen.family,
        "heading": view.said(facts.template),
        "number": facts.number,
        "made": [at.astimezone(UTC).year, at.astimezone(UTC).month, at.astimezone(UTC).day],
        "footer": view.said("footer", number=facts.number, revision=revision, hash=content_hash[:16]),
        "hash": view.said("hash", hash=content_hash),
        "sections": view.sections(),
        "signature": _signature(view, signed),
        "technician": [view.said("signature.technician"), view.said("comma").join(facts.technicians)],
    }
    source = (_FOLDER / f"{facts.template}.typ").read_bytes()
    return typst.compile(
        (_FOLDER / "layout.typ").read_bytes() + source,
        font_paths=chosen.fonts,
        sys_inputs={"data": json.dumps(_shown(data, chosen.shown), ensure_ascii=False)},
        pdf_standards=[STANDARD],
        timestamp=int(at.timestamp()),
    )


def _signature(view: View, signed: Signed | None) -> Mapping[str, str]:
    return {
        "label": view.said("signature.customer"),
        "name": signed.name if signed else "",
        "at": view.moment(signed.at) if signed else "",
    }


def _shown(value: Any, shown: Any) -> Any:
    if isinstance(value, str):
        return _LONG.sub(_with_breaks, shown(value[:MOST_CHARACTERS]))
    if isinstance(value, dict):
        return {name: _shown(each, shown) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each, shown) for each in value]
    return value


def _with_breaks(found: re.Match[str]) -> str:
    word = found.group()
    return _BREAK.join(word[start : start + 14] for start in range(0, len(word), 14))
