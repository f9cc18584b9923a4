"""The font of reports: the one that is built in, else one of this machine's that has Chinese."""

from __future__ import annotations

import logging
import struct
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typst

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "fonts"  # filled when the pages are built
FAMILIES = (
    "Noto Sans SC",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
)
UNKNOWN = "?"  # what the font has no shape for; a PDF/A must show every character that it holds
_MOST_RANGES = 100_000


@dataclass(frozen=True)
class Font:
    """A family, the fonts that it is looked up in, and the characters that it can show."""

    family: str
    fonts: typst.Fonts
    characters: frozenset[int]

    def shown(self, words: str) -> str:
        """Return the words as the font can show them; line breaks stay, other control characters go."""
        return "".join(each for each in map(self._one, unicodedata.normalize("NFC", words)) if each)

    def _one(self, character: str) -> str:
        if character == "\n" or not self.characters or ord(character) in self.characters:
            return character
        return " " if character == "\t" else "" if unicodedata.category(character).startswith(("C", "M")) else UNKNOWN


class NoFont(Exception):
    """There is no font with Chinese on this machine."""


@cache
def font() -> Font:
    """Return the font that reports are set in. Raises NoFont, with what to do about it."""
    built_in = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FOLDER)])
    found = _chosen(built_in)
    if found is None:
        found = _chosen(typst.Fonts(include_system_fonts=True, include_embedded_fonts=False))
        if found is None:
            raise NoFont("no font with Chinese: run `make setup`, or install fonts-noto-cjk")
        log.warning("the reports' own font is not built in (run `make setup`); %s is used instead", found.family)
    return found


def _chosen(fonts: typst.Fonts) -> Font | None:
    known = fonts.families()
    for family in FAMILIES:
        if family in known:
            paths = [one.path for one in fonts.fonts() if one.family == family and one.path]
            return Font(family, fonts, _characters(Path(str(paths[0]))) if paths else frozenset())
    return None


def _characters(path: Path) -> frozenset[int]:
    """Return the characters that a font file maps to shapes (tables `cmap` of formats 4 and 12)."""
    data = path.read_bytes()
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
    for index in range(struct.unpack_from(">H", data, start + 4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * index)
        if tag == b"cmap":
            return _read_cmap(data, offset)
    return frozenset()


def _read_cmap(data: bytes, table: int) -> frozenset[int]:
    found: set[int] = set()
    for index in range(struct.unpack_from(">H", data, table + 2)[0]):
        at = table + struct.unpack_from(">I", data, table + 4 + 8 * index + 4)[0]
        layout = struct.unpack_from(">H", data, at)[0]
        if layout == 12:
            for group in range(min(struct.unpack_from(">I", data, at + 12)[0], _MOST_RANGES)):
                first, last = struct.unpack_from(">II", data, at + 16 + 12 * group)
                found.update(range(first, min(last, 0x10FFFF) + 1))
        elif layout == 4:
            count = struct.unpack_from(">H", data, at + 6)[0] // 2
            ends = struct.unpack_from(f">{count}H", data, at + 14)
            starts = struct.unpack_from(f">{count}H", data, at + 16 + 2 * count)
            for first, last in zip(starts, ends, strict=True):
                found.update(range(first, last + 1))
    return frozenset(found - {0xFFFF})
