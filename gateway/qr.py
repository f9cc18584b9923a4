"""QR codes as SVG for pages and labels: error correction M, large enough modules for a phone."""

from __future__ import annotations

import segno

MAX_VERSION = 10  # 213 bytes: more modules than that are too fine for a label
_QUIET = 4  # white modules around, as the standard asks


class TooLong(ValueError):
    """The text needs more modules than a label shows."""


def qr_svg(text: str) -> str:
    """Return the code as an SVG element that scales to whatever size its container gives it. Raises TooLong."""
    svg: str = _code(text).svg_inline(border=_QUIET, omitsize=True, light="#fff")
    return svg


def qr_modules(text: str) -> list[list[int]]:
    """Return the modules row by row, 1 black, without the white border. Raises TooLong."""
    return [[int(module) for module in row] for row in _code(text).matrix]


def _code(text: str) -> segno.QRCode:
    try:
        code = segno.make_qr(text, error="m", mode="byte", encoding="utf-8", boost_error=False, eci=False)
    except segno.DataOverflowError as error:
        raise TooLong(str(error)) from None
    if int(code.version) > MAX_VERSION:
        raise TooLong(f"{len(text.encode())} bytes")
    return code
