"""What a file is by its content, and small pictures of it."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from assets.base.errors import Invalid

MAX_BYTES = 100 * 1024 * 1024
MAX_PIXELS = 80_000_000  # a camera makes 50 million; each pixel takes four bytes
THUMBNAIL = (320, 320)
MAX_ZIP_ENTRIES = 5000
MAX_ZIP_UNPACKED = 2 * 1024**3
_HEAD = 4096

OFFICE = {
    "word/": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    "xl/": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    "ppt/": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"),
}
PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"}
ALLOWED = "PDF, JPEG, PNG, WebP, GIF, TIFF, DOCX, XLSX, PPTX, DXF, plain text, CSV, MP4 or STEP"


def media_type_of(path: Path, name: str) -> str:
    """Return the media type by the content; the name only tells plain texts apart. Raises Invalid."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Invalid("the file is empty", field="file", reason="empty")
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head[4:8] == b"ftyp" and head[8:12] in (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  "):
        return "video/mp4"
    if head.startswith(b"PK\x03\x04"):
        return _office(path)
    picture = _picture(path)
    if picture is not None:
        return picture
    return _text(path, head, name)


def _office(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ZIP_ENTRIES or sum(each.file_size for each in entries) > MAX_ZIP_UNPACKED:
                raise Invalid("the file unpacks to too much", field="file", reason="zip_bomb")
            names = {each.filename for each in entries}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        raise Invalid("the file is damaged", field="file", reason="damaged") from None
    if "[Content_Types].xml" in names and not any(each.endswith("vbaProject.bin") for each in names):
        for start, (media_type, _) in OFFICE.items():
            if any(each.startswith(start) for each in names):
                return media_type
    raise Invalid(f"such files are not kept; {ALLOWED} are", field="file", reason="type")


def _picture(path: Path) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=list(PICTURES)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise Invalid(
                        f"a picture has at most {MAX_PIXELS} pixels", field="file", reason="pixels", most=MAX_PIXELS
                    )
                return PICTURES[str(picture.format)]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(
            f"a picture has at most {MAX_PIXELS} pixels", field="file", reason="pixels", most=MAX_PIXELS
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def _text(path: Path, head: bytes, name: str) -> str:
    """Plain text has no zero bytes, and nothing that a browser would run."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"\0" not in head and not start.startswith((b"<", b"#!", b"mz")):
        if start.startswith(b"iso-10303-21"):
            return "model/step"
        if name.lower().endswith(".dxf"):
            return "image/vnd.dxf"
        if name.lower().endswith((".csv", ".txt", ".md", ".log")):
            return "text/csv" if name.lower().endswith(".csv") else "text/plain"
    raise Invalid(f"such files are not kept; {ALLOWED} are", field="file", reason="type")


def thumbnail_of(path: Path, media_type: str) -> bytes | None:
    """Return a small PNG of a picture; None for what is none, or cannot be drawn."""
    if media_type not in PICTURES.values():
        return None
    try:
        with Image.open(path, formats=list(PICTURES)) as picture:
            picture.draft("RGB", THUMBNAIL)  # a JPEG is read at an eighth of its size
            upright = ImageOps.exif_transpose(picture)
            small = upright.convert("RGBA" if upright.mode in ("RGBA", "LA", "P") else "RGB")
            small.thumbnail(THUMBNAIL)
            out = io.BytesIO()
            small.save(out, "PNG", optimize=True)
            return out.getvalue()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, MemoryError):
        return None
