"""A signature as it was drawn: a picture or strokes, kept as one small PNG."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Sequence
from math import isfinite
from typing import Any

from PIL import Image, ImageDraw, UnidentifiedImageError

from assets.base.errors import Invalid

MAX_BYTES = 400_000  # of a picture, unpacked from base64
MAX_SIDE = 4000
MAX_POINTS = 20_000
MAX_STROKES = 500
WIDTH, HEIGHT = 600, 240
_INK = (16, 24, 44)
_DATA = "data:image/png;base64,"


class NoSignature(Invalid):
    """What was drawn is no picture, or nothing; params: `reason`."""

    code = "not_a_signature"


def drawn(image: str | None, strokes: Any = None, width: Any = None, height: Any = None) -> bytes:
    """Return the signature as a PNG on white, 600 × 240. Raises NoSignature.

    `image`: a PNG as a data URL or base64; else `strokes`: lists of [x, y] on a field of `width` × `height`.
    """
    if image is not None:
        return _png(_of_image(image))
    return _png(_of_strokes(strokes, width, height))


def _of_image(said: str) -> Image.Image:
    if len(said) > MAX_BYTES * 4 // 3 + 100:
        raise _bad("size")
    try:
        content = base64.b64decode(said.removeprefix(_DATA), validate=True)
    except (binascii.Error, ValueError):
        raise _bad("base64") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
                if max(picture.size) > MAX_SIDE:
                    raise _bad("size")
                ink = picture.convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bad("size") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, MemoryError):
        raise _bad("type") from None
    ground = Image.new("RGB", ink.size, "white")
    ground.paste(ink, mask=ink.getchannel("A"))
    return ground


def _of_strokes(strokes: Any, width: Any, height: Any) -> Image.Image:
    wide, high = _side(width), _side(height)
    if not isinstance(strokes, list) or not 0 < len(strokes) <= MAX_STROKES:
        raise _bad("strokes")
    if sum(len(each) if isinstance(each, list) else 0 for each in strokes) > MAX_POINTS:
        raise _bad("strokes")
    scale = 2 * min(WIDTH / wide, HEIGHT / high)  # drawn twice as large, and shrunk: lines become smooth
    picture = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        points = [_point(each, wide, high, scale) for each in (stroke if isinstance(stroke, list) else [None])]
        if len(points) == 1:
            (x, y) = points[0]
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_INK)
        elif points:
            pen.line(points, fill=_INK, width=6, joint="curve")
    return picture


def _png(picture: Image.Image) -> bytes:
    low = picture.convert("L").getextrema()[0]
    if not isinstance(low, int | float) or low > 200:
        raise _bad("empty")
    small = picture.copy()
    small.thumbnail((WIDTH, HEIGHT))
    ground = Image.new("RGB", (WIDTH, HEIGHT), "white")
    ground.paste(small, ((WIDTH - small.width) // 2, (HEIGHT - small.height) // 2))
    out = io.BytesIO()
    ground.save(out, "PNG", optimize=True)
    return out.getvalue()


def _point(said: Any, wide: float, high: float, scale: float) -> tuple[float, float]:
    pair: Sequence[Any] = said if isinstance(said, list) and len(said) == 2 else ()
    if len(pair) != 2 or not all(_number(each) for each in pair):
        raise _bad("strokes")
    return min(max(pair[0], 0), wide) * scale, min(max(pair[1], 0), high) * scale


def _side(said: Any) -> float:
    if not _number(said) or not 10 <= said <= MAX_SIDE:
        raise _bad("size")
    return float(said)


def _number(said: Any) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e6 and isfinite(said)


def _bad(reason: str) -> NoSignature:
    return NoSignature("this is no drawn signature", field="image", reason=reason)
