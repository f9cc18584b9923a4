"""Set a report as PDF/A-2b: a template of words, one font, nothing that changes between two runs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
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
_FILES = frozenset({"files", "picture"})
_BREAK = "\u200b"  # a word that is wider than its column may end here


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose signature the report carries; `picture` is a PNG of what was drawn."""

    name: str
    at: datetime
    picture: bytes | None = None


def render(
    facts: Facts,
    language: str,
    *,
    revision: int,
    content_hash: str,
    at: datetime,
    signed: Signed | None = None,
    photos: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return the PDF. The same facts at the same moment are the same bytes. Raises NoFont.

    `photos`: small JPEGs by the hash that the facts name; one that is not given is left out.
    """
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
        "photos": _photos(view, photos or {}),
        "technician": [view.said("signature.technician"), view.said("comma").join(facts.technicians)],
    }
    source = (_FOLDER / f"{facts.template}.typ").read_bytes()
    with TemporaryDirectory(prefix="forewarn-report-") as folder:  # pictures are files: a template reads no others
        for name, content in (photos or {}).items():
            (Path(folder) / f"{name}.jpg").write_bytes(content)
        if signed is not None and signed.picture is not None:
            (Path(folder) / "signature.png").write_bytes(signed.picture)
        whole: Any = (_FOLDER / "layout.typ").read_bytes() + source  # typed as if a root had to be bytes then
        return typst.compile(
            whole,
            root=folder,
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
        "picture": "/signature.png" if signed and signed.picture is not None else "",
    }


def _photos(view: View, pictures: Mapping[str, bytes]) -> Mapping[str, Any]:
    """The photos that are there, each with its time, its words and the beginning of its hash."""
    told = [
        {"number": str(index), "at": view.moment(each.taken_at), "caption": each.caption, "hash": each.sha256[:16]}
        for index, each in enumerate(view.facts.photos)
        if each.sha256 in pictures
    ]
    files = {str(index): f"/{each.sha256}.jpg" for index, each in enumerate(view.facts.photos)}
    return {"heading": view.said("photos"), "items": told, "files": files}


def _shown(value: Any, shown: Any) -> Any:
    """Only what the font can draw; addresses of files are no words."""
    if isinstance(value, str):
        return _LONG.sub(_with_breaks, shown(value[:MOST_CHARACTERS]))
    if isinstance(value, dict):
        return {name: each if name in _FILES else _shown(each, shown) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each, shown) for each in value]
    return value


def _with_breaks(found: re.Match[str]) -> str:
    word = found.group()
    return _BREAK.join(word[start : start + 14] for start in range(0, len(word), 14))
